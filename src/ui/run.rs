//! A run: how it went step by step, its figures, what it read and made, and the cards that the cache still has.

use minijinja::context;
use serde::Serialize;

use super::address::encoded;
use super::page::{card as card_answer, facts, short, tabs, text};
use super::{Ui, find_run, nothing, recipe, secret};
use crate::card::html::given;
use crate::card::{Block, Fact, Tab, format};
use crate::error::{Error, Result};
use crate::ml::metric::short_name;
use crate::recipe::document::Document;
use crate::run::{Session, Whole, past_card, run_card, under_way};
use crate::serve::http::Answer;
use crate::steps::{SCORING_STEPS, TRAINING_STEPS};
use crate::store::Access;

/// Figures of a run that stand at the top, and its facts that stand below.
const LEADING: [&str; 4] = ["gate", "status", "started (UTC)", "took"];

#[derive(Serialize)]
struct StepView {
    name: String,
    href: String,
    state: String,
    seconds: String,
    shape: String,
}

/// Where a run's page is.
pub fn path(id: &str) -> String {
    format!("/runs/{}", encoded(id))
}

pub fn page(ui: &Ui, id: &str) -> Result<Answer> {
    let tracker = ui.tracker()?;
    let row = find_run(&tracker, id)?;
    let known = ui.by_name().remove(&row.recipe);
    let primary = known.as_ref().map(|(_, recipe)| recipe.primary_metric.clone()).unwrap_or_default();
    let run = Whole::of(&tracker, row)?;
    let live = under_way(&ui.store()?)?;
    let session = known.as_ref().map(|(_, recipe)| Session::open(recipe, Access::Read)).transpose()?;
    let mut steps = Vec::new();
    for step in &run.steps {
        let entry = match (&session, step.key.parse()) {
            (Some(session), Ok(key)) => session.store.entry(&step.step, &key)?,
            _ => None,
        };
        let written = known.as_ref().and_then(|(_, recipe)| recipe.step(&step.step)).map(crate::steps::Step::writes).unwrap_or_default();
        let output = |name: &str| run.details.outputs.iter().find(|output| output.name == name && output.rows.is_some());
        let made = written.iter().find_map(|slot| output(slot.artifact));
        steps.push(StepView {
            name: short(&step.step),
            href: if entry.is_some() { format!("{}/{}.html", path(&run.row.id), encoded(&step.step)) } else { String::new() },
            state: short(&step.state),
            seconds: format::seconds(step.seconds),
            shape: made.map_or_else(String::new, |made| format::shape(made.rows, made.columns)),
        });
    }

    // The run that trained a model before this one.
    let trained = tracker.contenders(&run.row.recipe, &primary)?;
    let before = trained.iter().position(|other| other.run == run.row.id).and_then(|at| trained.get(at + 1));
    let before = before.map(|other| format!("/compare?run={}&run={}", encoded(&other.run), encoded(&run.row.id)));
    let card = run_card(&run, &primary, &live);
    let value = |split: &str| run.metrics.get(&format!("{split}_{primary}")).map(|value| Fact::new(format!("{split} {}", short_name(&primary)), *value));
    let mut leading: Vec<Fact> =
        value("val").map(|fact| Fact { label: fact.label.replacen("val", "validation", 1), ..fact }).into_iter().chain(value("test")).collect();
    let mut others = Vec::new();
    for fact in card.headline {
        match fact.label.as_str() {
            label if LEADING.contains(&label) => leading.push(fact),
            "run" | "error" | "message" | "recipe" => {}
            _ => others.push(fact),
        }
    }
    let mut all: Vec<Tab> = card.tabs.into_iter().filter(|tab| tab.id != "steps").collect();
    let code = |id: &str, title: &str, text: &Option<String>| text.as_ref().map(|text| Tab::new(id, title, vec![Block::Code(text.clone())]));
    // What cannot be read shows nothing, since nobody knows what is in it.
    let config = run.config.as_deref().and_then(|text| Document::parse("the run's configuration", text).ok());
    let config = config.map(|document| Document::of(secret::masked(&document.value)).to_yaml()).filter(|text| !text.trim().is_empty());
    all.extend(code("config", "Configuration", &config));
    all.extend(code("patch", "Changed since the commit", &run.details.patch));
    let version = tracker.versions(None)?.into_iter().find(|version| version.run == run.row.id);
    let view = context! {
        id => short(&run.row.id),
        message => given(&text(run.row.message.as_deref().unwrap_or_default())),
        error => given(&text(run.row.error.as_deref().unwrap_or_default())),
        leading => given(&facts(&leading)),
        before => before.unwrap_or_default(),
        model => version.as_ref().map_or_else(String::new, |version| super::models::path(&version.name)),
        registered => version.as_ref().map_or_else(String::new, |version| short(&format!("{} v{}", version.name, version.version))),
        others => given(&facts(&others)),
        steps => given(&steps),
        has_cards => steps.iter().any(|step| !step.href.is_empty()),
        // A step that failed has no result that the cache could have dropped.
        had_results => run.steps.iter().any(|step| !step.key.is_empty()),
        tabs => given(&tabs(&all)),
    };
    let page = ui.page("runs", format!("Run {}", run.row.id));
    let page = match &known {
        Some((slug, recipe)) => page.below(&recipe.name, recipe::path(slug)),
        None => page,
    };
    let page = if run.row.status == "RUNNING" { page.live(format!("/live?run={}", encoded(&run.row.id))) } else { page };
    page.draw("run.html", view)
}

/// The card of a step of a run.
pub fn card(ui: &Ui, id: &str, file: &str) -> Result<Answer> {
    let step = file.strip_suffix(".html").and_then(|step| TRAINING_STEPS.iter().chain(&SCORING_STEPS).find(|known| **known == step)).ok_or_else(nothing)?;
    let tracker = ui.tracker()?;
    let run = Whole::of(&tracker, find_run(&tracker, id)?)?;
    let gone = || Error::usage(format!("the cache no longer has the result of `{step}` of run {}", run.row.id));
    let (_, recipe) = ui.by_name().remove(&run.row.recipe).ok_or_else(gone)?;
    let session = Session::open(&recipe, Access::Read)?;
    Ok(card_answer(past_card(&session, &run, step)?.ok_or_else(gone)?))
}
