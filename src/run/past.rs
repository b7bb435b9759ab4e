//! Earlier runs: finding one by what a person calls it, and a step's result of it.

use std::collections::BTreeMap;

use super::{Force, Session};
use crate::error::{Error, Result, shorten};
use crate::steps::Step;
use crate::store::Entry;
use crate::tracking::RunRow;

/// Steps that do something outside the store, which no earlier result does again.
pub const WITH_EFFECTS: [&str; 2] = ["register", "predict"];

/// `RUN:ARTIFACT` as its two parts.
pub(super) fn split(name: &str) -> (Option<&str>, &str) {
    match name.rsplit_once(':') {
        Some((run, artifact)) => (Some(run), artifact),
        None => (None, name),
    }
}

/// The run that a text names: the first digits of its id, `latest`, `previous`, or a model's URI.
///
/// # Errors
/// Exit code 2 where there is none, or several.
pub fn find_run(session: &Session<'_>, text: &str) -> Result<RunRow> {
    let (tracker, recipe) = (&session.around.tracker, &session.recipe.name);
    let wanted = if let Some(before) = ["latest", "previous"].iter().position(|word| *word == text) {
        let trained = tracker.contenders(recipe, &session.recipe.primary_metric)?;
        let none = || Error::usage(format!("there is no {text} run of `{recipe}` that trained a model")).hint("`recipe runs` lists all");
        trained.get(before).map(|run| run.run.clone()).ok_or_else(none)?
    } else if text.starts_with("models:/") {
        let digest = tracker.resolve(text, &session.around.root)?.digest;
        tracker.versions(None)?.into_iter().rfind(|row| row.digest == digest).map(|row| row.run).unwrap_or_default()
    } else {
        text.to_owned()
    };
    let runs = tracker.runs(Some(recipe), usize::MAX)?;
    let mut fitting: Vec<RunRow> = runs.into_iter().filter(|run| run.id == wanted || (wanted.len() >= 4 && run.id.starts_with(&wanted))).collect();
    match (fitting.len(), fitting.pop()) {
        (1, Some(only)) => Ok(only),
        (_, None) => Err(Error::usage(format!("no run `{}` of `{recipe}`", shorten(text))).hint("`recipe runs` lists them; four digits of an id will do")),
        (_, Some(last)) => {
            let ids: Vec<&str> = fitting.iter().chain([&last]).take(5).map(|run| run.id.as_str()).collect();
            Err(Error::usage(format!("several runs begin with `{}`", shorten(text))).hint(ids.join(", ")))
        }
    }
}

/// A step's result of an earlier run, with all its outputs.
///
/// # Errors
/// Exit code 2 where the run did not get there; 4 where the result is no longer in the cache, with the command that makes it again.
pub(super) fn result(session: &Session<'_>, run: &RunRow, step: &str) -> Result<Entry> {
    let steps = session.around.tracker.steps(&run.id)?;
    let Some(key) = steps.iter().find(|row| row.step == step).and_then(|row| row.key.parse().ok()) else {
        let done: Vec<&str> = steps.iter().filter(|row| !row.key.is_empty()).map(|row| row.step.as_str()).collect();
        let hint = if done.is_empty() { "it has no results".to_owned() } else { format!("it has results of {}", done.join(", ")) };
        return Err(Error::usage(format!("run {} has no result of `{step}`", run.id)).hint(hint));
    };
    let entry = session.store.entry(step, &key)?.filter(|entry| entry.outputs.keys().all(|name| session.store.output(entry, name).is_ok()));
    if let Some(entry) = entry {
        return Ok(entry);
    }
    let command = session.around.tracker.details(&run.id)?.command.unwrap_or_else(|| format!("recipe run {step}"));
    let commit = run.git_commit.as_ref().map_or_else(String::new, |commit| {
        let patch = if run.git_dirty == Some(true) { format!(" with `recipe runs {} --patch`", run.id) } else { String::new() };
        format!(" at commit {}{patch}", commit.chars().take(10).collect::<String>())
    });
    Err(Error::data(format!("`{step}` of run {} is no longer in the cache", run.id)).hint(format!("`{command}`{commit} makes it again")))
}

/// Refuses `--use` where it cannot be done.
///
/// # Errors
/// Exit code 2 for a step that is not run, has effects, or is forced as well.
pub(super) fn check_uses(uses: &BTreeMap<String, String>, steps: &[&dyn Step], force: &Force) -> Result<()> {
    for step in uses.keys() {
        let names: Vec<&str> = steps.iter().map(|step| step.name()).filter(|name| !WITH_EFFECTS.contains(name)).collect();
        if !names.contains(&step.as_str()) {
            let message = if WITH_EFFECTS.contains(&step.as_str()) {
                format!("`{step}` does something outside the cache, which an earlier result does not do again")
            } else {
                format!("`{}` is no step of this run", shorten(step))
            };
            return Err(Error::usage(message).hint(format!("`--use` takes {}", names.join(", "))));
        }
        if matches!(force, Force::Step(forced) if forced == step) {
            return Err(Error::usage(format!("`{step}` cannot both run and be taken from an earlier run")).hint("leave out `--force` or `--use`"));
        }
    }
    Ok(())
}
