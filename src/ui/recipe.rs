//! A recipe: its graph with what each step found, how its metric went from run to run, and how far later rows drifted.

use minijinja::context;

use super::Ui;
use super::address::encoded;
use super::graph::graph;
use super::page::{card as card_answer, facts, problems, short, text};
use super::{drift, live, nothing};
use crate::card::History;
use crate::card::html::given;
use crate::card::view::{ChartView, Limits, history};
use crate::error::{Error, Result};
use crate::ml::metric::short_name;
use crate::recipe::Recipe;
use crate::run::{Session, card_path, index_path};
use crate::serve::http::Answer;
use crate::steps::{SCORING_STEPS, TRAINING_STEPS};
use crate::store::Access;

/// Runs that a chart shows.
const DRAWN: usize = 200;

pub fn page(ui: &Ui, slug: &str) -> Result<Answer> {
    let recipe = match ui.recipe(slug) {
        Ok(recipe) => recipe,
        Err(error) if ui.slugs().iter().any(|known| known == slug) => {
            let view = context! { broken => true, href => path(slug), name => short(slug), problems => given(&problems(&error)) };
            return ui.page("recipes", slug).draw("recipe.html", view);
        }
        Err(error) => return Err(error),
    };
    let session = Session::open(&recipe, Access::Read)?;
    let drift = drift::charts(&session)?;
    let view = context! {
        broken => false,
        href => path(slug),
        name => short(&recipe.name),
        template => short(&recipe.template),
        profile => short(recipe.profile.as_deref().unwrap_or_default()),
        description => given(&text(recipe.description.as_deref().unwrap_or_default())),
        warnings => given(&recipe.warnings.iter().map(|warning| text(warning)).collect::<Vec<_>>()),
        facts => given(&facts(&super::recipes::standing(&session)?)),
        graph => given(&graph(slug, &recipe, &session)?),
        scores => given(&scores(&session)?),
        drift => given(&drift),
        runs => format!("/runs?recipe={}", encoded(&recipe.name)),
        model => format!("/models/{}", encoded(&recipe.model_name)),
        is_registered => !session.around.tracker.versions(Some(&recipe.model_name))?.is_empty(),
    };
    ui.page("recipes", recipe.name.clone()).live(live::of_recipe(&recipe.name)).draw("recipe.html", view)
}

/// Where a recipe's page is.
pub fn path(slug: &str) -> String {
    format!("/recipes/{}", encoded(slug))
}

/// The primary metric on validation rows, from run to run; `None` before there are two.
fn scores(session: &Session<'_>) -> Result<Option<ChartView>> {
    let recipe: &Recipe = session.recipe;
    let mut models = session.around.tracker.contenders(&recipe.name, &recipe.primary_metric)?;
    models.retain(|model| model.validation.is_some());
    models.truncate(DRAWN);
    if models.len() < 2 {
        return Ok(None);
    }
    let splits: std::collections::BTreeSet<_> = models.iter().map(|model| &model.split).collect();
    let better = if recipe.greater_is_better { "greater is better" } else { "smaller is better" };
    let chart = History {
        caption: "Validation metric of past runs".to_owned(),
        y: format!("{}, {better}", short_name(&recipe.primary_metric)),
        points: models.iter().rev().filter_map(|model| Some((model.started_ms, model.validation?, model.run.clone()))).collect(),
        reference: None,
    };
    let mut drawn = history(&chart, Limits::FULL);
    if splits.len() > 1 {
        drawn.note = format!("{} splits: scores are on different rows.", splits.len());
    }
    Ok(Some(drawn))
}

/// The card of a step as it was last written, or the overview of all.
pub fn card(ui: &Ui, slug: &str, file: &str) -> Result<Answer> {
    let recipe = ui.recipe(slug)?;
    let session = Session::open(&recipe, Access::Read)?;
    let path = match file.strip_suffix(".html") {
        Some("index") => index_path(&session),
        Some(step) if TRAINING_STEPS.iter().chain(&SCORING_STEPS).any(|known| *known == step) => card_path(&session, step),
        _ => return Err(nothing()),
    };
    match std::fs::read(&path) {
        Ok(html) => Ok(card_answer(html)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::usage(format!("`{}` of `{}` has no card yet", file.trim_end_matches(".html"), recipe.name)).hint("`recipe run` writes it"))
        }
        Err(error) => Err(Error::io("read", &path, &error)),
    }
}
