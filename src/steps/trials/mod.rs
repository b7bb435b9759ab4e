//! Carrying out the trials of `steps.train.tuning`, `compare` and `automl`: on the validation split or in folds of the training rows,
//! kept as they end.
//!
//! All trials see the same rows and draw from the same seeds, so they differ by their parameters alone. Without folds a trial on all
//! rows is the very fit that train would make, so the winner's is kept and not made again. What a trial found is noted at once: a run that
//! was killed reads the notes and tries only what is missing. Of time nothing is written but in the notes.

mod bench;
mod winner;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use self::bench::{Bench, lock};
use super::train::Train;
use super::tuning::{Select, Tuning};
use super::{Context, Count, Progress};
use crate::data::Table;
use crate::error::{Error, Result, counted};
use crate::ml::model::Model;
use crate::ml::tune::{Contest, Proposal, Runner, Trial, run};
use crate::ml::{Deadline, FittedChain, Task, estimators, metric};

pub(super) use self::winner::Winner;

/// What trials work on.
pub(super) struct Ground<'a> {
    pub train: &'a Train,
    pub tuning: &'a Tuning,
    pub task: &'a Task,
    /// As split made them.
    pub training: &'a Table,
    pub validation: &'a Table,
    /// As the transform step left them, and how.
    pub transformed: &'a Table,
    pub transformed_validation: &'a Table,
    pub chain: &'a FittedChain,
    /// When the step began.
    pub begun: Instant,
}

/// What a search found.
pub(super) struct Found {
    /// The winner, fitted on all training rows.
    pub model: Model,
    /// How many rows it learned from.
    pub rows: usize,
    pub winner: Winner,
}

/// A trial as it is noted.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    trial: Trial,
    /// Seconds it took, and seconds since the search began, in all runs.
    took: f64,
    spent: f64,
}

/// Tries everything out, and fits the winner on all training rows.
///
/// # Errors
/// Where every trial failed, what the first one failed with; folds that cannot be made; a disk that failed.
pub(super) fn search(ground: &Ground<'_>, cx: &Context<'_>) -> Result<Found> {
    let tuning = ground.tuning;
    let read = |note: &serde_json::Value| serde_json::from_value::<Note>(note.clone()).ok();
    let notes: Vec<Note> = cx.notes.values().filter_map(read).collect();
    let spent = notes.iter().map(|note| note.spent).fold(0.0, f64::max);
    let left = tuning.seconds.map(|seconds| (seconds - spent).max(0.0));
    let bench = Bench::new(ground, cx.scratch, left, notes.len())?;
    for note in &notes {
        bench.reserve_for(&note.trial, note.took, true);
    }
    let earlier: BTreeMap<usize, Trial> = notes.into_iter().map(|note| (note.trial.proposal.number, note.trial)).collect();

    let (note, tell) = (cx.note, cx.tell);
    let took: Mutex<BTreeMap<usize, f64>> = Mutex::default();
    let attempt = |proposal: &Proposal| {
        let start = Instant::now();
        let ended = bench.attempt(proposal, start);
        lock(&took).insert(proposal.number, start.elapsed().as_secs_f64());
        ended
    };
    let ended = |trial: &Trial| {
        let number = trial.proposal.number;
        let took = lock(&took).get(&number).copied().unwrap_or_default();
        let is_best = bench.reserve_for(trial, took, false);
        let doing = bench.told(trial);
        let most = tuning.strategy.max_trials();
        let count = Count { done: bench.ended(), of: (most < usize::MAX).then_some(most as u64), what: "trials" };
        (cx.progress)(Progress { doing: &doing, count: Some(count) });
        if let (true, Some(_), Some(score)) = (is_best, tuning.contest(), trial.score()) {
            let (candidate, metric) = (&trial.proposal.candidate, metric::short_name(&tuning.objective.metric));
            tell(&format!("{candidate}: {metric} {}, the best of {}", crate::card::format::number(score), counted(bench.ended(), "trial")));
        }
        let value = serde_json::to_value(Note { trial: trial.clone(), took, spent: spent + ground.begun.elapsed().as_secs_f64() });
        note(&format!("trial-{number}"), &value.map_err(|error| Error::bug(error.to_string()))?)
    };
    let rows = ground.training.rows()?;
    let runner = Runner { strategy: &tuning.strategy, rows, parallelism: tuning.parallelism, earlier: &earlier, attempt: &attempt, ended: &ended };
    let trials = run(&runner)?;

    cx.doing(&format!("{} tried", counted(trials.len() as u64, "candidate")));

    let made = |proposal: &Proposal| tuning.make(proposal).map_err(|_| Error::bug("parameters that were tried are refused"));
    let Some(mut best) = tuning.strategy.best(&trials) else {
        if let Some(first) = trials.first() {
            bench.scores(&made(&first.proposal)?, first.proposal.number, first.proposal.share * tuning.sample_fraction, Deadline::NONE)?;
        }
        let path = format!("steps.train.{}", tuning.section);
        return Err(Error::data(format!("none of {} gave a score", counted(trials.len() as u64, "trial"))).path(&path));
    };
    let fitted = |place: usize| -> Result<(Model, usize)> {
        if let Some(kept) = bench.kept(trials[place].proposal.number) {
            return Ok((kept.model, kept.rows));
        }
        cx.doing("fitting the best parameters on all rows");
        bench.fit(&made(&trials[place].proposal)?)
    };
    let mut error = trials[best].standard_error();
    let mut model = None;
    if let (Select::OneStandardError, Some(contest)) = (tuning.select, tuning.contest()) {
        if tuning.cv.is_none() {
            let (fitted, rows) = fitted(best)?;
            error = bench.standard_error(&fitted)?;
            model = Some((fitted, rows));
        }
        let Some(error) = error else {
            return Err(Error::data("the validation split has too few rows for a standard error")
                .path("steps.train.compare.select")
                .hint("add `cv`, or make the validation split larger"));
        };
        let simplest = simplest(contest, &trials, best, error);
        if simplest != best {
            (best, model) = (simplest, None);
        }
    }
    let (model, rows) = match model {
        Some(model) => model,
        None => fitted(best)?,
    };
    let candidate = made(&trials[best].proposal)?;
    Ok(Found { model, rows, winner: Winner { trials, best, candidate, error } })
}

/// The simplest candidate whose best trial is within a standard error of the best of all; of equally simple ones the better.
fn simplest(contest: &Contest, trials: &[Trial], best: usize, error: f64) -> usize {
    let score = |place: usize| trials[place].score().unwrap_or(f64::NAN);
    let leaders = contest.leaders(trials);
    let near = leaders.into_iter().filter(|place| (score(*place) - score(best)).abs() <= error);
    near.min_by_key(|place| estimators::complexity(contest.using(&trials[*place]))).unwrap_or(best)
}
