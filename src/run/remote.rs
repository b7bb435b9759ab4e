//! What a run leaves for its server: packed before it is recorded as ended, sent after.
//!
//! Sending takes a bounded time and breaks nothing: what was not sent stays in the outbox, and `recipe sync` goes on with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Event, Observer, Session, State, StepDone, cards};
use crate::data::Table;
use crate::data::rows::kind_name;
use crate::error::{Error, Kind, Result, counted};
use crate::recipe::{environment, git};
use crate::steps::{INGESTED_SCORING, Progress, SCORING_STEPS, SlotId, TEST, TRAINING, TRAINING_STEPS, VALIDATION};
use crate::store::{Entry, Wait};
use crate::tracking::mlflow::{Credentials, NotSent, Sent};
use crate::tracking::{Dataset, Parcel, Waiting};

/// The tables that a server hears of, and what they are for.
const DATASETS: [(SlotId, &str); 4] = [(TRAINING.id, "training"), (VALIDATION.id, "validation"), (TEST.id, "test"), (INGESTED_SCORING.id, "scoring")];
/// MLflow takes no longer digest of a dataset.
const DIGEST: usize = 32;

/// Servers that did not answer this process: the next jobs of a sweep do not wait for them again.
static SILENT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Puts what the server is to get into the outbox, unless it has all of it from an earlier run; `failed` is the step that failed.
/// True where there is something to send.
pub(super) fn pack(session: &Session<'_>, done: &[StepDone], entries: &BTreeMap<&'static str, Entry>, failed: Option<&str>) -> Result<bool> {
    let Some(settings) = &session.recipe.server else { return Ok(false) };
    let tracker = &session.around.tracker;
    let steps: Vec<(&str, String)> = done.iter().map(|step| (step.step, step.key.to_string())).collect();
    let mut parcel = Parcel { target: settings.target.clone(), tags: tags(session, done), ..Parcel::default() };
    let content = if done.is_empty() || failed.is_some() { session.around.run.clone() } else { parcel.content(&steps) };
    if done.iter().all(|step| step.state == State::Cached) && tracker.was_sent(&content)? {
        return Ok(false);
    }
    parcel.datasets = DATASETS.iter().filter_map(|(slot, context)| dataset(session, done, entries, *slot, context)).collect();
    parcel.files = pages(session, done.iter().map(|step| step.step).chain(failed));
    tracker.pack(&session.around.run, &parcel, &content)?;
    Ok(true)
}

/// Sends the run that was packed, and tells of it. The error is what a profile that wants every run sent makes of a failure.
pub(super) fn deliver(session: &Session<'_>, observer: Observer<'_>) -> Option<Error> {
    let settings = session.recipe.server.as_ref()?;
    let uri = &settings.target.tracking_uri;
    let run = &session.around.run;
    let start = Instant::now();
    let progress = |doing: &str| observer(&Event::Progress { step: "tracking", progress: Progress { doing, count: None } });
    progress(uri);
    let sent = if silent().contains(uri) {
        Err(Error::new(Kind::Remote, format!("the MLflow server `{uri}` did not answer before")).into())
    } else {
        send(session, run, &settings.credentials, Some(settings.timeout), &progress)
    };
    match sent {
        Ok(sent) => {
            observer(&Event::Sent { sent: &sent, seconds: start.elapsed().as_secs_f64() });
            sent.notes.iter().for_each(|text| observer(&Event::Warning { text }));
            let others = session.around.tracker.waiting().map_or(0, |waiting| waiting.len());
            if others > 0 {
                observer(&Event::Warning { text: &format!("{} still to be sent: `recipe sync`", counted(others as u64, "earlier run")) });
            }
            None
        }
        Err(NotSent { error, is_down }) => {
            if is_down {
                silent().insert(uri.clone());
            }
            let message = format!("run {run} was not sent: {error}");
            let hint = "it is kept here, and `recipe sync` sends it later";
            if settings.is_required {
                return Some(Error::new(Kind::Remote, message).hint(hint));
            }
            observer(&Event::Warning { text: &format!("{message}; {hint}") });
            None
        }
    }
}

/// The runs that wait to be sent, one after another; `each` hears what became of them.
///
/// # Errors
/// A database that cannot be read or written.
pub fn sync(session: &Session<'_>, wanted: &dyn Fn(&Waiting) -> bool, each: &mut dyn FnMut(&Waiting, Result<Sent, Error>)) -> Result<()> {
    let mut silent = BTreeSet::new();
    for waiting in session.around.tracker.waiting()?.iter().filter(|waiting| wanted(waiting)) {
        if silent.contains(&waiting.uri) {
            each(waiting, Err(Error::new(Kind::Remote, format!("the MLflow server `{}` did not answer before", waiting.uri))));
            continue;
        }
        match send(session, &waiting.run, &session.recipe.credentials, None, &|_| {}) {
            Ok(sent) => each(waiting, Ok(sent)),
            Err(NotSent { error, is_down }) => {
                if is_down {
                    silent.insert(waiting.uri.clone());
                }
                each(waiting, Err(error));
            }
        }
    }
    Ok(())
}

/// One program sends at a time; what another has sent meanwhile is looked up again and left alone.
fn send(session: &Session<'_>, run: &str, credentials: &Credentials, total: Option<Duration>, progress: &dyn Fn(&str)) -> Result<Sent, NotSent> {
    let start = Instant::now();
    let longest = total.unwrap_or(Duration::from_mins(10));
    let busy = || Error::new(Kind::Busy, "another program sends runs of this project").hint("wait for it to end");
    let mut on_wait = |waited: Duration| if waited < longest { Ok(()) } else { Err(busy()) };
    let _held = session.store.hold("outbox", Wait::Block(&mut on_wait))?;
    let left = total.map(|total| total.saturating_sub(start.elapsed()));
    session.around.tracker.send(run, credentials, left, progress)
}

fn silent() -> std::sync::MutexGuard<'static, BTreeSet<String>> {
    SILENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is not in the record: who ran it, from which repository, and what the gate said.
fn tags(session: &Session<'_>, done: &[StepDone]) -> BTreeMap<String, String> {
    let environment = environment();
    let user = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| environment.get(*name)).cloned();
    let verdict = done.iter().find_map(|step| step.report.verdict.as_ref());
    let repository = git::origin(&session.recipe.root);
    let tags = [
        ("mlflow.user", user),
        ("mlflow.source.git.repoURL", repository),
        ("recipe.verdict", verdict.map(|verdict| if verdict.validated { "VALIDATED" } else { "REJECTED" }.to_owned())),
        ("recipe.reason", verdict.map(|verdict| verdict.reason.clone())),
    ];
    tags.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn dataset(session: &Session<'_>, done: &[StepDone], entries: &BTreeMap<&'static str, Entry>, slot: SlotId, context: &str) -> Option<Dataset> {
    let entry = entries.get(slot.step)?;
    let stored = entry.outputs.get(slot.artifact)?;
    let read = if context == "scoring" { "ingest_scoring" } else { "ingest" };
    let table = session.store.output(entry, slot.artifact).and_then(|path| Table::read(&path)).ok()?;
    Some(Dataset {
        name: slot.artifact.to_owned(),
        context: context.to_owned(),
        digest: stored.digest.to_string().chars().take(DIGEST).collect(),
        files: entries.get(read).map(|entry| entry.key.files.iter().map(|(name, digest)| (name.clone(), digest.to_string())).collect()).unwrap_or_default(),
        columns: table.schema().iter().map(|(name, dtype)| (name.to_string(), kind_name(dtype).to_owned())).collect(),
        rows: done.iter().find(|step| step.step == slot.step).and_then(|step| step.report.shapes.get(slot.artifact)).map_or(0, |shape| shape.0),
    })
}

/// The cards of some steps and their JSON twins, where MLflow Recipes puts them.
fn pages<'a>(session: &Session<'_>, steps: impl Iterator<Item = &'a str>) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for step in steps {
        let page = cards::card_path(session, step);
        for extension in ["html", "json"] {
            let Ok(bytes) = std::fs::read(page.with_extension(extension)) else { continue };
            files.insert(format!("{step}/card.{extension}"), if extension == "html" { alone(bytes) } else { bytes });
        }
    }
    files
}

/// A page without links to its neighbours, which lie elsewhere on a server. No value in a page holds a bare quotation mark.
fn alone(page: Vec<u8>) -> Vec<u8> {
    let names = TRAINING_STEPS.iter().chain(&SCORING_STEPS).chain(&["index"]);
    match String::from_utf8(page) {
        Ok(text) => names.fold(text, |text, name| text.replace(&format!(" href=\"{name}.html\""), "")).into_bytes(),
        Err(error) => error.into_bytes(),
    }
}
