//! The first page: every recipe with its steps, how its last run went, and its champion.

use minijinja::context;
use serde::Serialize;

use super::Ui;
use super::address::encoded;
use super::graph::{Graph, graph};
use super::page::{ProblemView, facts, problems, short, text};
use crate::card::format::day_and_time;
use crate::card::html::given;
use crate::card::view::{FactView, Span};
use crate::card::{Cell, Fact};
use crate::error::Result;
use crate::ml::metric::short_name;
use crate::recipe::Recipe;
use crate::run::{Session, status, under_way};
use crate::serve::http::Answer;
use crate::store::Access;

#[derive(Serialize)]
struct RecipeView {
    name: String,
    href: String,
    template: String,
    profile: String,
    description: Vec<Span>,
    facts: Vec<FactView>,
    graph: Graph,
    problems: Vec<ProblemView>,
}

pub fn page(ui: &Ui) -> Result<Answer> {
    let one = |(slug, recipe): (String, Result<Recipe>)| {
        let mut view = RecipeView {
            name: short(&slug),
            href: format!("/recipes/{}", encoded(&slug)),
            template: String::new(),
            profile: String::new(),
            description: Vec::new(),
            facts: Vec::new(),
            graph: Graph::default(),
            problems: Vec::new(),
        };
        let filled = recipe.and_then(|recipe| {
            let session = Session::open(&recipe, Access::Read)?;
            view.name = short(&recipe.name);
            view.template = short(&recipe.template);
            view.profile = short(recipe.profile.as_deref().unwrap_or_default());
            view.description = text(recipe.description.as_deref().unwrap_or_default());
            view.facts = facts(&standing(&session)?);
            view.graph = graph(&slug, &recipe, &session)?;
            Ok(())
        });
        if let Err(error) = filled {
            view.problems = problems(&error);
        }
        view
    };
    let recipes: Vec<RecipeView> = ui.recipes().into_iter().map(one).collect();
    ui.page("recipes", "Recipes").live("/live").draw("recipes.html", context! { recipes => given(&recipes) })
}

/// How a recipe stands, the primary metric of its last model first. Never by test scores: those belong to a choice that was made.
///
/// # Errors
/// Where the database cannot be read.
pub fn standing(session: &Session<'_>) -> Result<Vec<Fact>> {
    let (recipe, tracker) = (session.recipe, &session.around.tracker);
    let models = tracker.contenders(&recipe.name, &recipe.primary_metric)?;
    let mut facts = Vec::new();
    if let Some(score) = models.iter().find_map(|model| model.validation) {
        facts.push(Fact::new(format!("last validation {}", short_name(&recipe.primary_metric)), score));
    }
    if let Some(version) = tracker.alias(&recipe.model_name, "champion")? {
        facts.push(Fact::new("champion", format!("v{version}")));
    }
    if let Some(last) = tracker.runs(Some(&recipe.name), 1)?.pop() {
        let value = match status(&last, &under_way(&session.store)?) {
            Cell::Bad(word) => Cell::Bad(format!("{} {}", day_and_time(last.started_ms), word.to_lowercase())),
            _ => day_and_time(last.started_ms).into(),
        };
        facts.push(Fact::new("last run (UTC)", value));
    }
    Ok(facts)
}
