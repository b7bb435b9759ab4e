//! Writes the pages of a recipe: a card a step, its JSON twin, and the index.
//!
//! A page is drawn again only when the result it shows is another one. What belongs to the moment, such as why the step ran, is on the page
//! alone; the twin is the same for the same result.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Deserialize;

use super::since::since;
use super::{PlanState, Session, State, StepDone, Whole, plan};
use crate::card::html::{self, Artifact, Change, ConfigLine, Index, IndexStep, Page, PageState, StepLink, StepState};
use crate::card::twin::{self, Twin};
use crate::card::{Block, Card, Cell, Fact, Tab, Table};
use crate::error::{Error, Result};
use crate::ml::metric;
use crate::recipe::document::Document;
use crate::steps::{ARTIFACTS, Report, SCORING_STEPS, Step, TRAINING_STEPS};
use crate::store::{Digest, Entry, Stale};
use crate::tracking::{OutputRow, StepRow};
use crate::value::{Path as KeyPath, Value, display_path};

/// Raised when pages are drawn differently.
const DRAWING: u32 = 3;

/// The page of a step.
#[must_use]
pub fn card_path(session: &Session<'_>, step: &str) -> PathBuf {
    session.store.cards_dir(&session.recipe.name).join(format!("{step}.html"))
}

/// What the page of a step shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// There is no page.
    Nothing,
    /// The result that was asked about.
    Same,
    /// The result of another configuration.
    Other,
    /// Why the step failed.
    Failure,
}

/// What the page of a step shows, beside one result of it.
#[must_use]
pub(super) fn drawn(session: &Session<'_>, step: &str, result: Option<Digest>) -> Drawn {
    let Some(head) = head(&twin_path(session, step)) else { return Drawn::Nothing };
    if head.contains("\"state\":\"failed\"") {
        return Drawn::Failure;
    }
    match result {
        Some(result) if head.contains(&format!("\"result\":\"{result} ")) => Drawn::Same,
        _ => Drawn::Other,
    }
}

/// Why a step failed, where that is what its page shows.
#[must_use]
pub fn failed_card(session: &Session<'_>, step: &str) -> Option<Twin> {
    let twin: Twin = serde_json::from_slice(&std::fs::read(twin_path(session, step)).ok()?).ok()?;
    (twin.state == twin::State::Failed).then_some(twin)
}

/// A page's twin begins with what it shows; that is enough to know whether it must be drawn again.
fn head(twin: &Path) -> Option<String> {
    let mut head = [0; 600];
    let length = std::fs::File::open(twin).and_then(|mut file| file.read(&mut head)).ok()?;
    Some(String::from_utf8_lossy(&head[..length]).into_owned())
}

fn twin_path(session: &Session<'_>, step: &str) -> PathBuf {
    session.store.cards_dir(&session.recipe.name).join(format!("{step}.json"))
}

/// The page that links them.
#[must_use]
pub fn index_path(session: &Session<'_>) -> PathBuf {
    session.store.cards_dir(&session.recipe.name).join("index.html")
}

/// A step that failed.
pub(super) struct Failed<'a> {
    pub step: &'static str,
    pub error: &'a Error,
    pub why: &'a [Stale],
    pub seconds: f64,
}

/// Writes what is new; gives the index.
///
/// # Errors
/// Where a page cannot be written.
pub(super) fn write(
    session: &Session<'_>,
    steps: &[&dyn Step],
    done: &[StepDone],
    entries: &BTreeMap<&'static str, Entry>,
    failed: Option<&Failed<'_>>,
) -> Result<PathBuf> {
    let dir = session.store.cards_dir(&session.recipe.name);
    let links = links(session, done, failed.map(|failed| failed.step));
    let mut fresh = Vec::new();
    for step in done {
        let mark = format!("{} {DRAWING} {} {}", step.key, session.recipe.primary_metric, session.recipe.profile.as_deref().unwrap_or_default());
        let (page, twin) = (card_path(session, step.step), twin_path(session, step.step));
        if step.state == State::Cached && page.exists() && head(&twin).is_some_and(|head| has_mark(&head, &mark)) {
            continue;
        }
        fresh.push((step, mark, page, twin, with_throughput(step), why(step)));
    }
    let mut pages = Vec::new();
    for (step, _, _, _, card, why) in &fresh {
        let needs = steps.iter().find(|s| s.name() == step.step).map(|s| s.needs(&session.around)).transpose()?;
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        if let Some(entry) = entries.get(step.step) {
            for (name, digest) in &entry.key.files {
                let bytes =
                    needs.as_ref().and_then(|n| n.files.iter().find(|f| f.name == *name)).and_then(|f| std::fs::metadata(&f.path).ok()).map(|m| m.len());
                inputs.push(Artifact { name: name.clone(), rows: None, columns: None, bytes, digest: digest.to_string() });
            }
            inputs.extend(entry.key.inputs.keys().filter_map(|name| made(name, done, entries)));
            for name in entry.outputs.keys() {
                outputs.extend(artifact(name, Some(entry), Some(step)));
            }
        }
        pages.push(Page {
            recipe: &session.recipe.name,
            template: &session.recipe.template,
            profile: session.recipe.profile.as_deref(),
            step: step.step,
            state: PageState::Ok,
            card,
            why,
            seconds: step.seconds,
            run: &step.run,
            inputs,
            outputs,
            config: config_lines(session, step.step),
            changes: changes(&step.why),
            moment: step.before.iter().filter_map(|before| since(before, &step.report)).chain(versions(session, step.step)).collect(),
            steps: links.clone(),
        });
    }
    let drawn: Vec<Result<String>> = pages.par_iter().map(html::page).collect();
    for ((step, mark, page, twin, ..), html) in fresh.iter().zip(drawn) {
        session.store.write(page, html?.as_bytes())?;
        let found = Twin { metrics: step.report.metrics.clone(), card: step.report.card.clone(), ..twin_of(session, step.step, twin::State::Ok, mark.clone()) };
        session.store.write(twin, &bytes(&found)?)?;
    }
    let is_changed = failed.is_some() || !fresh.is_empty();
    if let Some(failed) = failed {
        failure(session, steps, done, entries, &links, failed)?;
    }
    let index = dir.join("index.html");
    if is_changed || !index.exists() {
        session.store.write(&index, html::index(&index_page(session, done, failed)?)?.as_bytes())?;
    }
    Ok(index)
}

fn twin_of(session: &Session<'_>, step: &str, state: twin::State, result: String) -> Twin {
    Twin {
        schema: twin::VERSION,
        recipe: session.recipe.name.clone(),
        template: session.recipe.template.clone(),
        step: step.to_owned(),
        state,
        result,
        metrics: BTreeMap::new(),
        problems: Vec::new(),
        exit_code: None,
        card: Card::default(),
    }
}

fn bytes(twin: &Twin) -> Result<Vec<u8>> {
    serde_json::to_vec(twin).map_err(|error| Error::bug(error.to_string()))
}

/// The registered versions beside a model that is evaluated or registered, with what each reached when it was trained.
fn versions(session: &Session<'_>, step: &str) -> Option<Tab> {
    const SHOWN: usize = 10;
    if !matches!(step, "evaluate" | "register") {
        return None;
    }
    let tracker = &session.around.tracker;
    let versions = tracker.versions(Some(&session.recipe.model_name)).ok().filter(|versions| !versions.is_empty())?;
    let primary = format!("test_{}", session.recipe.primary_metric);
    let row = |version: &crate::tracking::VersionRow| {
        let value = tracker.metrics(&version.run).ok().and_then(|metrics| metrics.get(&primary).copied());
        let this = if version.run == session.around.run { "this one" } else { "" };
        vec![format!("v{}", version.version).into(), version.aliases.join(", ").into(), value.into(), version.run.as_str().into(), this.into()]
    };
    let short = metric::short_name(&session.recipe.primary_metric);
    Some(Tab::new(
        "versions",
        "Versions",
        vec![
            Block::Text(format!(
                "`{}` in the registry when this page was drawn, the latest first. Each test {short} is that of the version's own run, maybe on other \
                 test rows; a criterion with `baseline: champion` holds both models against the same rows.",
                session.recipe.model_name
            )),
            Block::Table(Table {
                caption: "Registered versions".to_owned(),
                columns: ["version".to_owned(), "aliases".to_owned(), format!("test {short}"), "run".to_owned(), String::new()].to_vec(),
                rows: versions.iter().rev().take(SHOWN).map(row).collect(),
            }),
        ],
    ))
}

/// The card with what belongs to the moment: how many rows a second went through, where rows are what it is about.
fn with_throughput(step: &StepDone) -> Card {
    let mut card = step.report.card.clone();
    let rows = step.report.shapes.values().map(|shape| shape.0).max().filter(|_| SCORING_STEPS.contains(&step.step) && step.seconds > 0.0);
    card.headline.extend(rows.map(|rows| Fact::new("rows a second", (rows as f64 / step.seconds).round() as u64)));
    card
}

fn has_mark(head: &str, mark: &str) -> bool {
    head.contains(&format!("\"result\":{}", serde_json::Value::from(mark)))
}

/// The card of a step that failed.
fn failure(
    session: &Session<'_>,
    steps: &[&dyn Step],
    done: &[StepDone],
    entries: &BTreeMap<&'static str, Entry>,
    links: &[StepLink],
    failed: &Failed<'_>,
) -> Result<()> {
    let name = failed.step;
    let needs = steps.iter().find(|step| step.name() == name).and_then(|step| step.needs(&session.around).ok()).unwrap_or_default();
    let files = needs.files.iter().map(|file| Artifact {
        name: file.name.clone(),
        bytes: std::fs::metadata(&file.path).ok().map(|found| found.len()),
        ..Artifact::default()
    });
    let card = Card::default();
    let html = html::failure(
        &Page {
            recipe: &session.recipe.name,
            template: &session.recipe.template,
            profile: session.recipe.profile.as_deref(),
            step: name,
            state: PageState::Failed,
            card: &card,
            why: &why_it_ran(failed.why),
            seconds: failed.seconds,
            run: &session.around.run,
            inputs: files.chain(needs.reads.iter().filter_map(|slot| made(slot.artifact, done, entries))).collect(),
            outputs: Vec::new(),
            config: config_lines(session, name),
            changes: changes(failed.why),
            moment: Vec::new(),
            steps: links.to_vec(),
        },
        failed.error,
    )?;
    session.store.write(&card_path(session, name), html.as_bytes())?;
    let twin = Twin {
        problems: twin::problems(failed.error),
        exit_code: Some(failed.error.kind.exit_code()),
        ..twin_of(session, name, twin::State::Failed, String::new())
    };
    session.store.write(&twin_path(session, name), &bytes(&twin)?)
}

/// An artifact that an earlier step made.
fn made(name: &str, done: &[StepDone], entries: &BTreeMap<&'static str, Entry>) -> Option<Artifact> {
    let step = ARTIFACTS.iter().find(|slot| slot.artifact == name).map_or("", |slot| slot.step);
    artifact(name, entries.get(step), done.iter().find(|done| done.step == step))
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

fn why_it_ran(why: &[Stale]) -> String {
    match why {
        [Stale::NeverRun] => "it ran for the first time".to_owned(),
        why => Stale::summary(why),
    }
}

fn why(step: &StepDone) -> String {
    match step.state {
        State::Used => format!("it did not run: the result of run {} was asked for", step.run),
        State::Executed => why_it_ran(&step.why),
        State::Cached => format!("it did not run: nothing it depends on has changed since run {}", step.run),
    }
}

fn changes(why: &[Stale]) -> Vec<Change> {
    let text = |value: &Option<serde_json::Value>| match value {
        None | Some(serde_json::Value::Null) => "not set".to_owned(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let seed = |seed: &Option<u64>| seed.map_or_else(|| "not used".to_owned(), |seed| seed.to_string());
    why.iter()
        .filter_map(|stale| match stale {
            Stale::Config { path, old, new } => Some(Change { what: path.clone(), before: text(old), after: text(new) }),
            Stale::File { path, .. } => Some(Change { what: path.clone(), before: "other content".to_owned(), after: "the content it has now".to_owned() }),
            Stale::Seed { old, new } => Some(Change { what: "seed".to_owned(), before: seed(old), after: seed(new) }),
            _ => None,
        })
        .collect()
}

/// The step's own section, with the place each value came from.
fn config_lines(session: &Session<'_>, step: &str) -> Vec<ConfigLine> {
    let document = &session.recipe.document;
    section(&document.value, step, &|at| document.mark(at).map_or_else(String::new, |mark| mark.value().to_string()))
}

/// What of a configuration a step's card shows.
fn section(config: &Value, step: &str, place: &dyn Fn(&KeyPath) -> String) -> Vec<ConfigLine> {
    let mut lines = Vec::new();
    let mut add = |path: KeyPath| {
        if let Some(value) = config.at(&path) {
            leaves(value, &path, &mut |at, text| lines.push(ConfigLine { key: display_path(at), value: text, place: place(at) }));
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

/// The page of a step of an earlier run, as far as the cache still has its result; `None` where it has not.
///
/// # Errors
/// Where the store or the database cannot be read.
pub fn past_card(session: &Session<'_>, run: &Whole, step: &str) -> Result<Option<String>> {
    let entry_of = |row: &StepRow| row.key.parse().ok().map(|key| session.store.entry(&row.step, &key)).transpose().map(Option::flatten);
    let Some(row) = run.steps.iter().find(|row| row.step == step) else { return Ok(None) };
    let Some(entry) = entry_of(row)? else { return Ok(None) };
    let Ok(report) = Report::deserialize(&entry.report) else { return Ok(None) };
    let report = match session.recipe.step(step) {
        Some(step) => step.present(report),
        None => report,
    };
    let mut steps = Vec::new();
    for row in &run.steps {
        let state = match row.state.as_str() {
            "executed" => StepState::Done,
            "failed" => StepState::Failed,
            _ => StepState::Cached,
        };
        steps.push(StepLink { name: row.step.clone(), href: entry_of(row)?.map(|_| format!("{}.html", row.step)), state });
    }
    let output = |output: &OutputRow| Artifact {
        name: output.name.clone(),
        rows: output.rows,
        columns: output.columns,
        bytes: Some(output.bytes),
        digest: output.digest.clone(),
    };
    let inputs = run.details.inputs.iter().filter(|input| input.step == step);
    let inputs = inputs.map(|input| Artifact { name: input.name.clone(), digest: input.digest.clone(), ..Artifact::default() });
    let read = run.details.outputs.iter().filter(|output| entry.key.inputs.contains_key(&output.name)).map(output);
    // What an older program wrote may not be readable; then nothing is known of it.
    let config = Document::parse("the run's configuration", run.config.as_deref().unwrap_or_default()).map(|document| document.value).unwrap_or_default();
    let place = |at: &KeyPath| run.details.places.get(&display_path(at)).cloned().unwrap_or_default();
    let why = match row.state.as_str() {
        "executed" => String::new(),
        _ => format!("it did not run: the result is that of run {}", entry.run),
    };
    html::page(&Page {
        recipe: &run.row.recipe,
        template: &run.row.template,
        profile: run.row.profile.as_deref(),
        step,
        state: PageState::Ok,
        card: &report.card,
        why: &why,
        seconds: row.seconds,
        run: &run.row.id,
        inputs: inputs.chain(read).collect(),
        outputs: run.details.outputs.iter().filter(|output| output.step == step).map(output).collect(),
        config: section(&config, step, &place),
        changes: Vec::new(),
        moment: Vec::new(),
        steps,
    })
    .map(Some)
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

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What of a step the index shows.
struct Shown {
    report: Report,
    seconds: f64,
    why: String,
}

fn index_page<'a>(session: &'a Session<'_>, done: &[StepDone], failed: Option<&Failed<'_>>) -> Result<Index<'a>> {
    let mut steps = Vec::new();
    let mut verdict = None;
    let mut said = String::new();
    let mut headline: Vec<Fact> = Vec::new();
    let mut seconds = 0.0;
    let links = links(session, done, failed.map(|failed| failed.step));
    // Of steps that this run did not come to, whether they are still what the recipe says.
    let asked = ["register", "predict"].into_iter().filter(|last| links.iter().any(|link| link.name == *last) && !done.iter().any(|d| d.step == *last));
    let planned: Vec<_> = asked.filter_map(|last| plan(session.recipe, last).ok()).flatten().collect();
    let is_new = |name: &str| done.iter().any(|d| d.step == name) || failed.is_some_and(|failed| failed.step == name);
    for link in links {
        let name = link.name.clone();
        // A step of the other chain, or one the gate stopped, shows its last result if there is one.
        let found = match (done.iter().find(|d| d.step == name), failed.filter(|failed| failed.step == name)) {
            (Some(d), _) => {
                if d.state == State::Executed {
                    seconds += d.seconds;
                }
                Some(Shown { report: d.report.clone(), seconds: d.seconds, why: why(d) })
            }
            (None, Some(failed)) => {
                let summary = failed.error.problems.first().map(|problem| problem.message.clone()).unwrap_or_default();
                let report = Report { card: Card { summary, ..Card::default() }, ..Report::default() };
                Some(Shown { report, seconds: failed.seconds, why: why_it_ran(failed.why) })
            }
            (None, None) => session.latest(&name)?.map(|(entry, report)| Shown { report, seconds: entry.seconds, why: String::new() }),
        };
        let stale = planned.iter().find(|line| line.step == name && !is_new(&name)).and_then(|line| match &line.state {
            PlanState::Stale(reasons) => Some(format!("stale: {}", Stale::summary(reasons))),
            PlanState::Waiting(first) => Some(format!("stale: it depends on `{first}`, which would run")),
            _ => None,
        });
        let report = found.as_ref().map(|found| &found.report);
        if let Some((verdict_of, report)) =
            report.and_then(|report| Some((report.verdict.as_ref()?, report))).filter(|_| !SCORING_STEPS.contains(&name.as_str()))
        {
            verdict = Some(if verdict_of.validated { Cell::Good("VALIDATED".to_owned()) } else { Cell::Bad("REJECTED".to_owned()) });
            headline = report.card.headline.iter().filter(|fact| fact.label != "verdict").cloned().collect();
            // The verdict stands above it.
            said = report.card.summary.split_once(": ").map_or_else(String::new, |(_, rest)| capitalised(rest));
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
            seconds: found.as_ref().map(|found| found.seconds),
            summary: report.map(|r| r.card.summary.clone()).unwrap_or_default(),
            headline: report.and_then(|r| r.card.headline.first().cloned()),
            warnings: report.map_or(0, |r| r.card.warnings.len()),
            why: stale.filter(|_| found.is_some()).or_else(|| found.as_ref().map(|found| found.why.clone())).unwrap_or_default(),
            name,
        });
    }
    Ok(Index {
        recipe: &session.recipe.name,
        template: &session.recipe.template,
        profile: session.recipe.profile.as_deref(),
        description: session.recipe.description.as_deref().unwrap_or_default(),
        said,
        run: &session.around.run,
        seconds,
        verdict,
        headline,
        steps,
    })
}
