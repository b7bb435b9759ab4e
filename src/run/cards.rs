//! Writes the pages of a recipe: a card a step, its JSON twin, and the index.
//!
//! A page is drawn again only when the result it shows is another one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::{PlanState, Session, State, StepDone, plan};
use crate::card::html::{self, Artifact, Change, ConfigLine, Index, IndexStep, Page, PageState, StepLink, StepState};
use crate::card::{Card, Cell, Fact};
use crate::error::{Error, Result};
use crate::steps::{ARTIFACTS, SCORING_STEPS, Step, TRAINING_STEPS};
use crate::store::{Entry, Stale};
use crate::value::{Path as KeyPath, Value, display_path};

/// Raised when pages are drawn differently.
const DRAWING: u32 = 2;

/// The page of a step.
#[must_use]
pub fn card_path(session: &Session<'_>, step: &str) -> PathBuf {
    session.store.cards_dir(&session.recipe.name).join(format!("{step}.html"))
}

/// The page that links them.
#[must_use]
pub fn index_path(session: &Session<'_>) -> PathBuf {
    session.store.cards_dir(&session.recipe.name).join("index.html")
}

/// The JSON twin of a page.
#[derive(Serialize)]
struct Twin<'a> {
    schema: u32,
    recipe: &'a str,
    step: &'a str,
    state: &'a str,
    /// The key of the result that is shown.
    result: String,
    drawing: u32,
    seconds: f64,
    run: &'a str,
    why: Vec<String>,
    metrics: &'a BTreeMap<String, f64>,
    card: &'a Card,
}

/// Writes what is new; gives the index.
///
/// # Errors
/// Where a page cannot be written.
pub(super) fn write(session: &Session<'_>, steps: &[&dyn Step], done: &[StepDone], entries: &BTreeMap<&'static str, Entry>) -> Result<PathBuf> {
    let dir = session.store.cards_dir(&session.recipe.name);
    let links = links(session, done, None);
    let mut is_changed = false;
    for step in done {
        let mark = format!("{} {DRAWING} {} {}", step.key, session.recipe.primary_metric, session.recipe.profile.as_deref().unwrap_or_default());
        let twin = dir.join(format!("{}.json", step.step));
        let page = dir.join(format!("{}.html", step.step));
        if step.state == State::Cached && page.exists() && std::fs::read(&twin).is_ok_and(|text| has_mark(&text, &mark)) {
            continue;
        }
        is_changed = true;
        let needs = steps.iter().find(|s| s.name() == step.step).map(|s| s.needs(&session.around)).transpose()?;
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        if let Some(entry) = entries.get(step.step) {
            for (name, digest) in &entry.key.files {
                let bytes =
                    needs.as_ref().and_then(|n| n.files.iter().find(|f| f.name == *name)).and_then(|f| std::fs::metadata(&f.path).ok()).map(|m| m.len());
                inputs.push(Artifact { name: name.clone(), rows: None, columns: None, bytes, digest: digest.to_string() });
            }
            for name in entry.key.inputs.keys() {
                let made_by = ARTIFACTS.iter().find(|slot| slot.artifact == name).map_or("", |slot| slot.step);
                inputs.extend(artifact(name, entries.get(made_by), done.iter().find(|d| d.step == made_by)));
            }
            for name in entry.outputs.keys() {
                outputs.extend(artifact(name, Some(entry), Some(step)));
            }
        }
        let why = why(step);
        let card = with_throughput(step);
        let html = html::page(&Page {
            recipe: &session.recipe.name,
            template: &session.recipe.template,
            profile: session.recipe.profile.as_deref(),
            step: step.step,
            state: PageState::Ok,
            card: &card,
            why: &why,
            seconds: step.seconds,
            run: &step.run,
            inputs,
            outputs,
            config: config_lines(session, step.step),
            changes: changes(&step.why),
            steps: links.clone(),
        })?;
        session.store.write(&page, html.as_bytes())?;
        let twin_text = serde_json::to_vec(&Twin {
            schema: 1,
            recipe: &session.recipe.name,
            step: step.step,
            state: "ok",
            result: mark,
            drawing: DRAWING,
            seconds: step.seconds,
            run: &step.run,
            why: step.why.iter().map(ToString::to_string).collect(),
            metrics: &step.report.metrics,
            card: &step.report.card,
        })
        .map_err(|error| Error::bug(error.to_string()))?;
        session.store.write(&twin, &twin_text)?;
    }
    let index = dir.join("index.html");
    if is_changed || !index.exists() {
        session.store.write(&index, html::index(&index_page(session, done)?)?.as_bytes())?;
    }
    Ok(index)
}

/// The card with what belongs to the moment: how many rows a second went through, where rows are what it is about.
fn with_throughput(step: &StepDone) -> Card {
    let mut card = step.report.card.clone();
    let rows = step.report.shapes.values().map(|shape| shape.0).max().filter(|_| SCORING_STEPS.contains(&step.step) && step.seconds > 0.0);
    card.headline.extend(rows.map(|rows| Fact::new("rows a second", (rows as f64 / step.seconds).round() as u64)));
    card
}

/// The twin begins with what it shows; that is enough to know whether it must be drawn again.
fn has_mark(twin: &[u8], mark: &str) -> bool {
    let head = &twin[..twin.len().min(600)];
    String::from_utf8_lossy(head).contains(&format!("\"result\":{}", serde_json::Value::from(mark)))
}

/// The card of a step that failed.
///
/// # Errors
/// Where the page cannot be written.
pub(super) fn failure(session: &Session<'_>, step: &'static str, error: &Error, done: &[StepDone]) -> Result<()> {
    let card = Card::default();
    let html = html::failure(
        &Page {
            recipe: &session.recipe.name,
            template: &session.recipe.template,
            profile: session.recipe.profile.as_deref(),
            step,
            state: PageState::Failed,
            card: &card,
            why: "",
            seconds: 0.0,
            run: &session.around.run,
            inputs: Vec::new(),
            outputs: Vec::new(),
            config: config_lines(session, step),
            changes: Vec::new(),
            steps: links(session, done, Some(step)),
        },
        error,
    )?;
    let dir = session.store.cards_dir(&session.recipe.name);
    session.store.write(&dir.join(format!("{step}.html")), html.as_bytes())?;
    let twin = serde_json::json!({ "schema": 1, "recipe": session.recipe.name, "step": step, "state": "failed", "result": "", "error": error.to_string() });
    session.store.write(&dir.join(format!("{step}.json")), twin.to_string().as_bytes())
}

fn artifact(name: &str, entry: Option<&Entry>, done: Option<&StepDone>) -> Option<Artifact> {
    let stored = entry?.outputs.get(name)?;
    let shape = done.and_then(|d| d.report.shapes.get(name));
    Some(Artifact {
        name: name.to_owned(),
        rows: shape.map(|s| s.0),
        columns: shape.map(|s| s.1),
        bytes: Some(stored.bytes),
        digest: stored.digest.to_string(),
    })
}

fn why(step: &StepDone) -> String {
    match step.state {
        State::Used => format!("it did not: the result of run {} was asked for", step.run),
        State::Executed => Stale::summary(&step.why),
        State::Cached => format!("it did not: nothing it depends on has changed since run {}", step.run),
    }
}

fn changes(why: &[Stale]) -> Vec<Change> {
    let text = |value: &Option<serde_json::Value>| value.as_ref().map_or_else(|| "not set".to_owned(), ToString::to_string);
    why.iter()
        .filter_map(|stale| match stale {
            Stale::Config { path, old, new } => Some(Change { what: path.clone(), before: text(old), after: text(new) }),
            Stale::File { path, .. } => Some(Change { what: path.clone(), before: "other content".to_owned(), after: "the content it has now".to_owned() }),
            Stale::Seed { old, new } => Some(Change { what: "seed".to_owned(), before: format!("{old:?}"), after: format!("{new:?}") }),
            _ => None,
        })
        .collect()
}

/// The step's own section, with the place each value came from.
fn config_lines(session: &Session<'_>, step: &str) -> Vec<ConfigLine> {
    let document = &session.recipe.document;
    let mut lines = Vec::new();
    let mut add = |path: KeyPath| {
        if let Some(value) = document.value.at(&path) {
            leaves(value, &path, &mut |at, text| {
                let place = document.mark(at).map_or_else(String::new, |mark| mark.value().to_string());
                lines.push(ConfigLine { key: display_path(at), value: text, place });
            });
        }
    };
    for key in ["recipe", "target_col", "seed"] {
        add(vec![key.to_owned()]);
    }
    if matches!(step, "train" | "evaluate") {
        add(vec!["primary_metric".to_owned()]);
        add(vec!["custom_metrics".to_owned()]);
    }
    add(vec!["steps".to_owned(), step.to_owned()]);
    lines
}

/// Where each value of the configuration was set: key → place.
pub(super) fn places(session: &Session<'_>) -> BTreeMap<String, String> {
    let document = &session.recipe.document;
    let mut places = BTreeMap::new();
    leaves(&document.value, &KeyPath::new(), &mut |at, _| {
        if let Some(mark) = document.mark(at) {
            places.insert(display_path(at), mark.value().to_string());
        }
    });
    places
}

fn leaves(value: &Value, path: &KeyPath, each: &mut dyn FnMut(&KeyPath, String)) {
    let child = |key: String| -> KeyPath { path.iter().cloned().chain([key]).collect() };
    match value {
        Value::Map(map) => map.iter().for_each(|(key, value)| leaves(value, &child(key.clone()), each)),
        Value::List(list) if list.iter().any(|item| matches!(item, Value::Map(_) | Value::List(_))) => {
            list.iter().enumerate().for_each(|(i, value)| leaves(value, &child(i.to_string()), each));
        }
        Value::List(list) => each(path, format!("[{}]", list.iter().filter_map(Value::text).collect::<Vec<_>>().join(", "))),
        scalar => each(path, scalar.text().unwrap_or_default()),
    }
}

fn chain_names(session: &Session<'_>) -> impl Iterator<Item = &'static str> {
    let has_scoring = !session.recipe.scoring.is_empty();
    TRAINING_STEPS.into_iter().chain(SCORING_STEPS.into_iter().filter(move |_| has_scoring))
}

fn links(session: &Session<'_>, done: &[StepDone], failed: Option<&str>) -> Vec<StepLink> {
    let dir = session.store.cards_dir(&session.recipe.name);
    chain_names(session)
        .map(|name| {
            let step = done.iter().find(|d| d.step == name);
            let state = match step {
                _ if failed == Some(name) => StepState::Failed,
                Some(d) if d.state == State::Executed => StepState::Done,
                Some(_) => StepState::Cached,
                None => StepState::Waiting,
            };
            let is_there = step.is_some() || failed == Some(name) || dir.join(format!("{name}.html")).exists();
            StepLink { name: name.to_owned(), href: is_there.then(|| format!("{name}.html")), state }
        })
        .collect()
}

fn index_page<'a>(session: &'a Session<'_>, done: &[StepDone]) -> Result<Index<'a>> {
    let mut steps = Vec::new();
    let mut verdict = None;
    let mut headline: Vec<Fact> = Vec::new();
    let mut seconds = 0.0;
    let links = links(session, done, None);
    // Of steps that this run did not come to, whether they are still what the recipe says.
    let asked = ["register", "predict"].into_iter().filter(|last| links.iter().any(|link| link.name == *last) && !done.iter().any(|d| d.step == *last));
    let planned: Vec<_> = asked.filter_map(|last| plan(session.recipe, last).ok()).flatten().collect();
    for link in links {
        let name = link.name.clone();
        // A step of the other chain, or one the gate stopped, shows its last result if there is one.
        let found: Option<(crate::steps::Report, f64, String)> = match done.iter().find(|d| d.step == name) {
            Some(d) => {
                if d.state == State::Executed {
                    seconds += d.seconds;
                }
                Some((d.report.clone(), d.seconds, why(d)))
            }
            None => session.latest(&name)?.map(|(entry, report)| (report, entry.seconds, String::new())),
        };
        let stale = planned.iter().find(|line| line.step == name && !done.iter().any(|d| d.step == name)).and_then(|line| match &line.state {
            PlanState::Stale(reasons) => Some(format!("stale: {}", Stale::summary(reasons))),
            PlanState::Waiting(first) => Some(format!("stale: it depends on `{first}`, which would run")),
            _ => None,
        });
        let report = found.as_ref().map(|(report, ..)| report);
        if let Some(found) = report.and_then(|r| r.verdict.as_ref()).filter(|_| !SCORING_STEPS.contains(&name.as_str())) {
            verdict = Some(if found.validated { Cell::Good("VALIDATED".to_owned()) } else { Cell::Bad("REJECTED".to_owned()) });
            headline = report.map(|r| r.card.headline.iter().skip(1).cloned().collect()).unwrap_or_default();
        }
        let written = session.recipe.step(&name).map(super::super::steps::Step::writes).unwrap_or_default();
        let shape = report.and_then(|r| written.iter().find_map(|slot| r.shapes.get(slot.artifact)).copied());
        let state = if found.is_some() && stale.is_none() && matches!(link.state, StepState::Waiting) { StepState::Cached } else { link.state };
        steps.push(IndexStep {
            chain: if SCORING_STEPS.contains(&name.as_str()) { html::Chain::Scoring } else { html::Chain::Training },
            href: link.href.filter(|_| found.is_some()),
            state,
            rows: shape.map(|s| s.0),
            columns: shape.map(|s| s.1),
            seconds: found.as_ref().map(|f| f.1),
            summary: report.map(|r| r.card.summary.clone()).unwrap_or_default(),
            headline: report.and_then(|r| r.card.headline.first().cloned()),
            warnings: report.map_or(0, |r| r.card.warnings.len()),
            why: stale.filter(|_| found.is_some()).or_else(|| found.as_ref().map(|f| f.2.clone())).unwrap_or_default(),
            name,
        });
    }
    Ok(Index {
        recipe: &session.recipe.name,
        template: &session.recipe.template,
        profile: session.recipe.profile.as_deref(),
        description: session.recipe.description.as_deref().unwrap_or_default(),
        run: &session.around.run,
        seconds,
        verdict,
        headline,
        steps,
    })
}
