//! What a shell is offered for the word that is being typed: steps, keys, runs, models and what else this project has.
//!
//! It only looks, and where nothing can be found out there is nothing to offer; a broken recipe is told of when it is used.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};

use super::{Cli, day_and_time};
use crate::error::{Error, Result};
use crate::ml::{estimators, metric, transformers};
use crate::recipe::compose::compose;
use crate::recipe::schema::{self, File};
use crate::recipe::{Selection, environment, project};
use crate::run::WITH_EFFECTS;
use crate::steps::{ARTIFACTS, SCORING_STEPS, TRAINING_STEPS};
use crate::store::{Access, Store};
use crate::tracking::Tracker;
use crate::value::{Path, Value, display_path};

/// Set by the scripts when they ask.
const ASKED: &str = "RECIPE_COMPLETE";
/// Runs that are offered.
const RUNS: usize = 50;
/// Bash breaks words at `=`, `:` and `@` as well, and replaces only what stands behind the last of these. So the words are put together again
/// for the question, and what stands before the break is taken off the answers.
const BASH: &str = include_str!("complete.bash");

/// Answers a shell that asks for completions; false where none does.
pub fn answer(arguments: Vec<OsString>) -> bool {
    let here = std::env::current_dir().ok();
    matches!(CompleteEnv::with_factory(Cli::command).var(ASKED).bin("recipe").try_complete(arguments, here.as_deref()), Ok(true))
}

/// The script that makes a shell ask.
///
/// # Errors
/// Exit code 2 for a shell that is not known.
pub fn script(shell: clap_complete::Shell) -> Result<String> {
    if shell == clap_complete::Shell::Bash {
        return Ok(BASH.to_owned());
    }
    let name = shell.to_string();
    let shells = Shells::builtins();
    let known = shells.completer(&name).ok_or_else(|| Error::usage(format!("no completions for `{name}`")))?;
    let mut script = Vec::new();
    known.write_registration(ASKED, "recipe", "recipe", "recipe", &mut script).map_err(|error| Error::bug(error.to_string()))?;
    Ok(String::from_utf8_lossy(&script).trim_start().to_owned())
}

/// A value and what it is.
type Offer = (String, String);

fn completer(offers: fn(&str) -> Vec<Offer>) -> ArgValueCompleter {
    ArgValueCompleter::new(move |current: &OsStr| -> Vec<CompletionCandidate> {
        let Some(current) = current.to_str() else { return Vec::new() };
        let offered = offers(current).into_iter().filter(|(value, _)| value.starts_with(current));
        offered.map(|(value, help)| CompletionCandidate::new(value).help((!help.is_empty()).then(|| help.into()))).collect()
    })
}

pub fn steps() -> ArgValueCompleter {
    completer(|_| all_steps())
}

pub fn steps_and_keys() -> ArgValueCompleter {
    completer(|current| all_steps().into_iter().chain(keys(current)).collect())
}

pub fn keys_and_overrides() -> ArgValueCompleter {
    completer(|current| keys(current).into_iter().flat_map(|(key, help)| [(key.trim_end_matches('=').to_owned(), help.clone()), (key, help)]).collect())
}

pub fn uses() -> ArgValueCompleter {
    completer(|current| match current.split_once("=run:") {
        Some((step, _)) => past_runs().into_iter().map(|(run, help)| (format!("{step}=run:{run}"), help)).collect(),
        // What the last steps of a chain do outside the store, no earlier result does again.
        None => all_steps().into_iter().filter(|(step, _)| !WITH_EFFECTS.contains(&step.as_str())).map(|(step, help)| (format!("{step}=run:"), help)).collect(),
    })
}

pub fn runs() -> ArgValueCompleter {
    completer(|_| named_runs().into_iter().chain(all_models()).collect())
}

pub fn artifacts() -> ArgValueCompleter {
    completer(|current| {
        let own = || ARTIFACTS.iter().map(|slot| (slot.artifact.to_owned(), format!("of {}", slot.step)));
        match current.rsplit_once(':') {
            Some((run, _)) => own().map(|(name, help)| (format!("{run}:{name}"), help)).collect(),
            None => own().chain(named_runs().into_iter().map(|(run, help)| (format!("{run}:"), help))).collect(),
        }
    })
}

pub fn models() -> ArgValueCompleter {
    completer(|_| all_models())
}

pub fn model_names() -> ArgValueCompleter {
    completer(|_| versions().into_iter().map(|(name, ..)| name).collect::<BTreeSet<_>>().into_iter().map(|name| (name, String::new())).collect())
}

pub fn aliases() -> ArgValueCompleter {
    completer(|_| {
        versions().into_iter().flat_map(|(name, version, aliases)| aliases.into_iter().map(move |alias| (alias, format!("{name} v{version}")))).collect()
    })
}

pub fn recipes() -> ArgValueCompleter {
    completer(|_| root().map(|root| project::names(&root)).unwrap_or_default().into_iter().map(|name| (name, String::new())).collect())
}

pub fn profiles() -> ArgValueCompleter {
    completer(|_| root().map(|root| project::profiles(&root, said("-r", "--recipe").first().map(String::as_str))).unwrap_or_default().into_iter().collect())
}

pub fn catalogue() -> ArgValueCompleter {
    completer(|_| {
        let what = super::list::WHAT.iter().map(|what| ((*what).to_owned(), String::new()));
        let estimators = estimators::ESTIMATORS.iter().map(|entry| (entry.name.to_owned(), "an estimator".to_owned()));
        let transforms = transformers::TRANSFORMERS.iter().map(|entry| (entry.name.to_owned(), "a transform".to_owned()));
        let metrics = metric::METRICS.iter().map(|entry| (entry.name.to_owned(), "a metric".to_owned()));
        what.chain(estimators).chain(transforms).chain(metrics).collect()
    })
}

fn all_steps() -> Vec<Offer> {
    TRAINING_STEPS.iter().chain(&SCORING_STEPS).map(|step| ((*step).to_owned(), "a step".to_owned())).collect()
}

/// `KEY=` for every key that is set, then for those that could be, and what `using` may be.
fn keys(current: &str) -> Vec<Offer> {
    if let Some((key, _)) = current.split_once('=') {
        let is_estimator = key.strip_prefix("steps.").unwrap_or(key) == "train.using";
        let names = estimators::ESTIMATORS.iter().filter(|_| is_estimator);
        return names.map(|entry| (format!("{key}={}", entry.name), String::new())).collect();
    }
    let Ok(composed) = compose(&selection()) else { return Vec::new() };
    let value = &composed.document.value;
    let mut found = Vec::new();
    value.each_leaf(&mut Path::new(), &mut |path, value| found.push((format!("{}=", display_path(path)), value.text().unwrap_or_default())));
    let set: BTreeSet<String> = found.iter().map(|(key, _)| key.clone()).collect();
    let file = value.get("recipe").and_then(Value::text).and_then(|template| File::of_template(&template));
    let more = parameters(value).into_iter().chain(file.map(schema::keys).unwrap_or_default());
    found.extend(more.map(|(key, help)| (format!("{key}="), help)).filter(|(key, _)| !set.contains(key)));
    let short = |(key, help): Offer| match key.strip_prefix("steps.").filter(|_| !current.starts_with("steps")) {
        Some(rest) => (rest.to_owned(), help),
        None => (key, help),
    };
    found.into_iter().map(short).collect()
}

/// The chosen estimator's parameters with what they are by default.
fn parameters(value: &Value) -> Vec<Offer> {
    let train = |key: &str| value.get("steps").and_then(|steps| steps.get("train")).and_then(|train| train.get(key)).and_then(Value::text);
    let estimator = train("using").and_then(|name| estimators::find(&name)).and_then(|entry| (entry.parse)(&Value::Null).ok());
    let Some(serde_json::Value::Object(defaults)) = estimator.map(|estimator| estimator.config()) else { return Vec::new() };
    defaults.into_iter().map(|(name, default)| (format!("steps.train.estimator_params.{name}"), format!("{default} by default"))).collect()
}

fn named_runs() -> Vec<Offer> {
    let words = [("latest", "the last run that trained a model"), ("previous", "the one before it")];
    words.iter().map(|(word, help)| ((*word).to_owned(), (*help).to_owned())).chain(past_runs()).collect()
}

fn past_runs() -> Vec<Offer> {
    let runs = tracker().and_then(|tracker| tracker.runs(None, RUNS).ok()).unwrap_or_default();
    let help = |message: Option<String>, at_ms| [Some(day_and_time(at_ms)), message].into_iter().flatten().collect::<Vec<_>>().join(" ");
    runs.into_iter().map(|run| (run.id, help(run.message, run.started_ms))).collect()
}

/// `models:/NAME@ALIAS` and `models:/NAME/VERSION`.
fn all_models() -> Vec<Offer> {
    let uris = |(name, version, aliases): (String, u64, Vec<String>)| {
        let pointed: Vec<Offer> = aliases.iter().map(|alias| (format!("models:/{name}@{alias}"), format!("v{version}"))).collect();
        pointed.into_iter().chain([(format!("models:/{name}/{version}"), aliases.join(", "))])
    };
    versions().into_iter().flat_map(uris).collect()
}

fn versions() -> Vec<(String, u64, Vec<String>)> {
    let rows = tracker().and_then(|tracker| tracker.versions(None).ok()).unwrap_or_default();
    rows.into_iter().map(|row| (row.name, row.version, row.aliases)).collect()
}

fn tracker() -> Option<Tracker> {
    let store = Store::open(&root()?.join(".recipe"), None, Access::Read).ok()?;
    Some(Tracker::new(store.runs_db(), store.models_dir()))
}

fn root() -> Option<PathBuf> {
    project::find_root(&directory()).ok()
}

fn directory() -> PathBuf {
    said("-C", "-C").pop().map_or_else(|| PathBuf::from("."), PathBuf::from)
}

fn selection() -> Selection {
    let recipe = said("-r", "--recipe").pop();
    Selection { dir: directory(), recipe, profiles: said("-p", "--profile"), overrides: Vec::new(), environment: environment() }
}

/// What stands behind an option on the line that is being typed.
fn said(short: &str, long: &str) -> Vec<String> {
    let words: Vec<String> = std::env::args_os().filter_map(|word| word.into_string().ok()).collect();
    words.windows(2).filter(|pair| pair[0] == short || pair[0] == long).map(|pair| pair[1].clone()).collect()
}
