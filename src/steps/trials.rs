//! Carrying out the search of `steps.train.tuning`: trials on the validation split or in folds of the training rows, kept as they end.
//!
//! All trials see the same rows and draw from the same seeds, so they differ by their parameters alone. Without folds a trial on all
//! rows is the very fit that train would make, so the winner's is kept and not made again. What a trial found is noted at once: a run that
//! was killed reads the notes and tries only what is missing. Of time nothing is written but in the notes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use polars::prelude::{BooleanChunked, DataFrame, NewChunkedArray};
use serde::{Deserialize, Serialize};

use super::Context;
use super::evaluate::metric_columns;
use super::train::{Prepared, Train, with_columns};
use super::tuning::{Candidate, Tuning, shown};
use crate::card::{Block, Cell, Fact, Line, Lines, Table as CardTable, format};
use crate::data::rows::{hashes, ordinals};
use crate::data::{ParquetSink, Role, Table, Wanted};
use crate::error::{Error, Kind, Result, counted, shorten};
use crate::ml::model::Model;
use crate::ml::trees::draw::Draw;
use crate::ml::tune::folds::{Folds, Keys, Method, Use};
use crate::ml::tune::{Outcome, Proposal, Runner, Trial, Try, run};
use crate::ml::uncertainty::corrected;
use crate::ml::{Chain, Deadline, Fit, FittedChain, Task, metric, target_numbers};
use crate::value::Value;

/// Rows that are ready to be learned from are held for the next trial up to this many numbers.
const NUMBERS_HELD: usize = 64 << 20;
/// Tables up to this many values are held in memory.
const CELLS_IN_MEMORY: usize = 4 << 20;
/// What rows are sampled by, apart from all other draws of a seed.
const SAMPLE: u64 = 0x7361_6d70_0000_0000;
/// What fits in folds draw from.
const FOLD: u64 = 0x666f_6c64_7365_6564;
/// Trials in the card's table.
const SHOWN: usize = 20;

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

/// The best trial, among all.
pub(super) struct Winner {
    trials: Vec<Trial>,
    /// Its place among them.
    best: usize,
    candidate: Candidate,
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

/// Raw rows of a fold.
struct Rows {
    learned: Table,
    held: Table,
}

/// Rows of a fold, ready.
struct Ready {
    prepared: Prepared,
    /// Rows that are held out, raw and after the chain.
    held: Table,
    transformed: Table,
}

/// The best trial so far whose model is at hand.
struct Kept {
    number: usize,
    score: f64,
    model: Model,
    rows: usize,
}

struct Bench<'a> {
    ground: &'a Ground<'a>,
    scratch: &'a Path,
    folds: Option<Folds>,
    end: Option<Instant>,
    cut: Mutex<BTreeMap<u64, Arc<Vec<Rows>>>>,
    ready: Mutex<BTreeMap<(u64, usize), Arc<Ready>>>,
    kept: Mutex<Option<Kept>>,
    /// Score of the best trial so far, and seconds that its fit on all rows would take.
    reserve: Mutex<Option<(f64, f64)>>,
    /// Seconds that the quickest trial took.
    quickest: Mutex<Option<f64>>,
    /// Trials that ended, for the live line.
    told: Mutex<usize>,
}

/// Searches, and fits the winner on all training rows.
///
/// # Errors
/// Where every trial failed, what the parameters as written fail with; folds that cannot be made; a disk that failed.
pub(super) fn search(ground: &Ground<'_>, cx: &Context<'_>) -> Result<Found> {
    let tuning = ground.tuning;
    let read = |note: &serde_json::Value| serde_json::from_value::<Note>(note.clone()).ok();
    let notes: Vec<Note> = cx.notes.values().filter_map(read).collect();
    let spent = notes.iter().map(|note| note.spent).fold(0.0, f64::max);
    let left = tuning.seconds.map(|seconds| Duration::from_secs_f64((seconds - spent).max(0.0)));
    let bench = Bench {
        ground,
        scratch: cx.scratch,
        folds: folds(ground)?,
        end: left.map(|left| ground.begun + left),
        cut: Mutex::default(),
        ready: Mutex::default(),
        kept: Mutex::default(),
        reserve: Mutex::default(),
        quickest: Mutex::default(),
        told: Mutex::default(),
    };
    for note in &notes {
        bench.reserve_for(&note.trial, note.took, true);
    }
    let earlier: BTreeMap<usize, Trial> = notes.into_iter().map(|note| (note.trial.proposal.number, note.trial)).collect();
    *lock(&bench.told) = earlier.len();

    let (note, progress) = (cx.note, cx.progress);
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
        bench.reserve_for(trial, took, false);
        progress(&bench.told(trial));
        let value = serde_json::to_value(Note { trial: trial.clone(), took, spent: spent + ground.begun.elapsed().as_secs_f64() });
        note(&format!("trial-{number}"), &value.map_err(|error| Error::bug(error.to_string()))?)
    };
    let rows = ground.training.rows()?;
    let trials = run(&Runner { search: &tuning.search, rows, parallelism: tuning.parallelism, earlier: &earlier, attempt: &attempt, ended: &ended })?;

    progress(&format!("{} tried", counted(trials.len() as u64, "candidate")));

    let made = |parameters: &BTreeMap<String, Value>| tuning.candidates.make(parameters).map_err(|_| Error::bug("parameters that were tried are refused"));
    let Some(best) = tuning.search.best(&trials) else {
        let written = made(&BTreeMap::new())?;
        let share = trials.first().map_or(1.0, |trial| trial.proposal.share);
        bench.scores(&written, 0, share * tuning.sample_fraction, Deadline::NONE)?;
        return Err(Error::data(format!("none of {} gave a score", counted(trials.len() as u64, "trial"))).path("steps.train.tuning"));
    };
    let winner = &trials[best];
    let candidate = made(&winner.proposal.parameters)?;
    let kept = lock(&bench.kept).take().filter(|kept| kept.number == winner.proposal.number);
    let (model, rows) = if let Some(kept) = kept {
        (kept.model, kept.rows)
    } else {
        progress("fitting the best parameters on all rows");
        let ready = bench.all_rows(&candidate.chain)?;
        (ground.train.learn(&ready.prepared, candidate.estimator.as_ref(), Deadline::NONE)?, ready.prepared.rows())
    };
    Ok(Found { model, rows, winner: Winner { trials, best, candidate } })
}

impl Bench<'_> {
    fn attempt(&self, proposal: &Proposal, start: Instant) -> Result<Try> {
        let share = proposal.share * self.ground.tuning.sample_fraction;
        // A model is always given, so the parameters as written have all the time they take.
        let deadline = if proposal.number == 0 { Deadline::NONE } else { self.deadline(start, share) };
        if deadline.has_passed() || (proposal.number > 0 && self.is_hopeless(start)) {
            return Ok(Try::OutOfTime);
        }
        let candidate = match self.ground.tuning.candidates.make(&proposal.parameters) {
            Ok(candidate) => candidate,
            Err(faults) => return Ok(Try::Ended(Outcome::Failed(faults.first().map(ToString::to_string).unwrap_or_default()))),
        };
        match self.scores(&candidate, proposal.number, share, deadline) {
            Ok(scores) => Ok(Try::Ended(Outcome::of(scores))),
            Err(_) if deadline.has_passed() => Ok(Try::OutOfTime),
            Err(error) if matches!(error.kind, Kind::Data | Kind::Config | Kind::Model) => {
                Ok(Try::Ended(Outcome::Failed(error.problems.first().map(|problem| problem.message.clone()).unwrap_or_default())))
            }
            Err(error) => Err(error),
        }
    }

    /// The score in each fold.
    fn scores(&self, candidate: &Candidate, number: usize, share: f64, deadline: Deadline) -> Result<Vec<f64>> {
        let count = self.folds.as_ref().map_or(1, Folds::count);
        let mut scores = Vec::with_capacity(count);
        for fold in 0..count {
            deadline.check()?;
            let ready = self.ready(&candidate.chain, share, fold)?;
            let model = self.ground.train.learn(&ready.prepared, candidate.estimator.as_ref(), deadline)?;
            scores.push(self.score(&model, &ready, deadline)?);
            if let (None, Some(score), true) = (&self.folds, scores.first(), share == 1.0) {
                let mut kept = lock(&self.kept);
                let is_best =
                    kept.as_ref().is_none_or(|kept| self.ground.tuning.search.is_better(*score, kept.score) || (*score == kept.score && number < kept.number));
                if is_best {
                    *kept = Some(Kept { number, score: *score, model, rows: ready.prepared.rows() });
                }
            }
        }
        Ok(scores)
    }

    /// The metric on the rows that are held out.
    fn score(&self, model: &Model, ready: &Ready, deadline: Deadline) -> Result<f64> {
        let (train, objective) = (self.ground.train, &self.ground.tuning.objective);
        let weight = train.roles.first(Role::Weight);
        let mut scored = model.unscored();
        let mut seen: Option<DataFrame> = None;
        for (raw, transformed) in ready.held.batches()?.zip(ready.transformed.batches()?) {
            deadline.check()?;
            let raw = raw?;
            let predictions = model.predict_transformed(&transformed?)?;
            scored.add(&raw, &train.target, weight, &predictions)?;
            if objective.custom.is_some() {
                let columns = metric_columns(model, &raw, weight, &predictions)?;
                let free = raw.drop_many(columns.iter().map(|column| column.name().clone()));
                let rows = with_columns(free, columns)?;
                match &mut seen {
                    Some(seen) => {
                        seen.vstack_mut(&rows)?;
                    }
                    None => seen = Some(rows),
                }
            }
        }
        let value = match &objective.custom {
            Some(custom) => {
                let rows = Table::of(seen.unwrap_or_default());
                custom.expression.check_against(rows.schema(), Wanted::Number).map_err(|error| error.path("custom_metrics"))?;
                custom.expression.number(&rows).map_err(|error| error.path("custom_metrics"))?
            }
            None => metric::find(&objective.metric).and_then(|entry| (entry.compute)(&scored)),
        };
        value.filter(|value| value.is_finite()).ok_or_else(|| Error::data(format!("`{}` has no value on the rows that are held out", objective.metric)))
    }

    /// A fold's rows; those that do not hang on what is tuned are held for the next trial.
    fn ready(&self, chain: &Chain, share: f64, fold: usize) -> Result<Arc<Ready>> {
        if self.ground.tuning.candidates.tune_transforms() {
            return Ok(Arc::new(self.make_ready(chain, share, fold)?));
        }
        let mut held = lock(&self.ready);
        if let Some(ready) = held.get(&(share.to_bits(), fold)) {
            return Ok(Arc::clone(ready));
        }
        let ready = Arc::new(self.make_ready(chain, share, fold)?);
        held.retain(|(bits, _), _| *bits == share.to_bits());
        if held.values().chain([&ready]).map(|ready| ready.prepared.numbers()).sum::<usize>() <= NUMBERS_HELD {
            held.insert((share.to_bits(), fold), Arc::clone(&ready));
        }
        Ok(ready)
    }

    fn make_ready(&self, chain: &Chain, share: f64, fold: usize) -> Result<Ready> {
        let ground = self.ground;
        if self.folds.is_none() && !ground.tuning.candidates.tune_transforms() {
            let learned = self.sampled(ground.transformed, share)?;
            let raw = self.sampled(ground.training, share)?;
            return self.of_transformed(ground.chain.clone(), &learned, &raw);
        }
        let Rows { learned, held } = &self.rows(share)?[fold];
        let seed = if self.folds.is_some() { Draw::new(ground.train.seed, FOLD + fold as u64).bits() } else { ground.train.seed };
        self.of_raw(chain, learned, held, seed)
    }

    /// All training rows, ready.
    fn all_rows(&self, chain: &Chain) -> Result<Ready> {
        let ground = self.ground;
        if ground.tuning.candidates.tune_transforms() {
            return self.of_raw(chain, ground.training, ground.validation, ground.train.seed);
        }
        self.of_transformed(ground.chain.clone(), ground.transformed, ground.training)
    }

    fn of_transformed(&self, chain: FittedChain, learned: &Table, raw: &Table) -> Result<Ready> {
        let ground = self.ground;
        let watched = ground.transformed_validation;
        let prepared = ground.train.prepare(ground.task, chain, learned, raw, Some(watched), ground.train.seed)?;
        Ok(Ready { prepared, held: ground.validation.clone(), transformed: small(watched)? })
    }

    /// Fits the transforms on some rows, and applies them to those that are held out and to the validation split.
    fn of_raw(&self, chain: &Chain, learned: &Table, held: &Table, seed: u64) -> Result<Ready> {
        let (ground, train) = (self.ground, self.ground.train);
        let target = Some(train.target_kind());
        let (fitted, rows) = chain.fit_training(Fit { table: learned, roles: &train.roles, seed: train.seed, target })?;
        if fitted.features().is_empty() {
            return Err(Error::data("no feature is left after the transforms"));
        }
        let apply = |table: &Table| small(&Table::from_query(fitted.apply(table.lazy())?)?);
        let (transformed, watched) = (apply(held)?, apply(ground.validation)?);
        let prepared = train.prepare(ground.task, fitted, &small(&rows)?, learned, Some(&watched), seed)?;
        Ok(Ready { prepared, held: held.clone(), transformed })
    }

    /// The raw rows of each fold, or training and validation where there are no folds.
    fn rows(&self, share: f64) -> Result<Arc<Vec<Rows>>> {
        let mut cut = lock(&self.cut);
        if let Some(rows) = cut.get(&share.to_bits()) {
            return Ok(Arc::clone(rows));
        }
        let ground = self.ground;
        let rows = Arc::new(match &self.folds {
            None => vec![Rows { learned: self.sampled(ground.training, share)?, held: ground.validation.clone() }],
            Some(folds) => {
                let draw = self.sampling();
                let uses = |row: usize, fold: usize| match folds.part(fold, row) {
                    Use::Learned if draw.of(row as u64) >= share => Use::Neither,
                    part => part,
                };
                let mut pieces = Vec::new();
                for fold in 0..folds.count() {
                    let learned = self.chosen(ground.training, &format!("{share}-{fold}-learned"), |row| uses(row, fold) == Use::Learned)?;
                    let held = self.chosen(ground.training, &format!("{share}-{fold}-held"), |row| uses(row, fold) == Use::Held)?;
                    pieces.push(Rows { learned, held });
                }
                pieces
            }
        });
        cut.insert(share.to_bits(), Arc::clone(&rows));
        Ok(rows)
    }

    fn sampling(&self) -> Draw {
        Draw::new(self.ground.train.seed, SAMPLE)
    }

    /// A share of a table's rows; a smaller share's are among a larger one's.
    fn sampled(&self, table: &Table, share: f64) -> Result<Table> {
        if share >= 1.0 {
            return Ok(table.clone());
        }
        let draw = self.sampling();
        let name = format!("{share}-of-{}", table.schema().len());
        self.chosen(table, &name, |row| draw.of(row as u64) < share)
    }

    /// Some rows of a table, in their order: in memory if they are few, else in a file of this execution.
    fn chosen(&self, table: &Table, name: &str, is_chosen: impl Fn(usize) -> bool) -> Result<Table> {
        let is_small = table.rows()?.saturating_mul(table.schema().len()) <= CELLS_IN_MEMORY;
        let path = self.scratch.join(format!("rows-{name}.parquet"));
        let mut sink = if is_small { None } else { Some(ParquetSink::with_schema(&path, table.schema())?) };
        let mut few = DataFrame::empty_with_schema(table.schema());
        let mut before = 0;
        for batch in table.batches()? {
            let batch = batch?;
            let mask = BooleanChunked::from_iter_values("".into(), (before..before + batch.height()).map(&is_chosen));
            before += batch.height();
            let rows = batch.filter(&mask)?;
            match &mut sink {
                Some(sink) => sink.write(&rows)?,
                None => {
                    few.vstack_mut(&rows)?;
                }
            }
        }
        if let Some(sink) = sink {
            sink.finish()?;
            return Table::read(&path);
        }
        few.rechunk_mut();
        Ok(Table::of(few))
    }

    /// The seconds of a fit on all rows, as a share of a trial's; 0 where its model is kept.
    fn refit_share(&self, share: f64) -> f64 {
        match (&self.ground.tuning.cv, &self.folds) {
            (Some(cv), Some(folds)) => cv.folds as f64 / (cv.folds - 1) as f64 / folds.count() as f64 / share,
            _ if share >= 1.0 => 0.0,
            _ => 1.0 / share,
        }
    }

    /// When a trial that begins now has to end, so that the winner can still be fitted on all rows.
    fn deadline(&self, start: Instant, share: f64) -> Deadline {
        let Some(end) = self.end else { return Deadline::NONE };
        let left = end.saturating_duration_since(start).as_secs_f64();
        let reserved = lock(&self.reserve).map_or(0.0, |(_, seconds)| seconds);
        let seconds = (left / (1.0 + self.refit_share(share))).min(left - reserved);
        Deadline::at(Some(start + Duration::from_secs_f64(seconds.max(0.0))))
    }

    /// Is so little time left that no trial could end? The parts of one that do not look at the clock would only outlast it.
    fn is_hopeless(&self, start: Instant) -> bool {
        let left = self.end.map(|end| end.saturating_duration_since(start).as_secs_f64());
        matches!((left, *lock(&self.quickest)), (Some(left), Some(quickest)) if left < 0.5 * quickest)
    }

    /// Keeps time for the fit of the best trial so far.
    fn reserve_for(&self, trial: &Trial, took: f64, is_earlier: bool) {
        {
            let mut quickest = lock(&self.quickest);
            *quickest = Some(quickest.map_or(took, |quickest| quickest.min(took)));
        }
        let Some(score) = trial.score() else { return };
        let share = trial.proposal.share * self.ground.tuning.sample_fraction;
        // The model of an earlier run's trial is not at hand.
        let seconds = took * self.refit_share(share).max(if is_earlier { 1.0_f64.min(1.0 / share) } else { 0.0 });
        let mut reserve = lock(&self.reserve);
        if reserve.is_none_or(|(best, _)| self.ground.tuning.search.is_better(score, best)) {
            *reserve = Some((score, seconds));
        }
    }

    /// What is told of a trial that ended.
    fn told(&self, trial: &Trial) -> String {
        let tuning = self.ground.tuning;
        let ended = {
            let mut told = lock(&self.told);
            *told += 1;
            *told
        };
        let short = metric::short_name(&tuning.objective.metric);
        let number = |score: f64| crate::card::format::number(score);
        let score = trial.score().map_or_else(|| "failed".to_owned(), |score| format!("{short} {}", number(score)));
        let best = lock(&self.reserve).map_or_else(String::new, |(best, _)| format!(", best {}", number(best)));
        let of = if tuning.search.max_trials == usize::MAX { String::new() } else { format!(" of {}", tuning.search.max_trials) };
        format!("trial {ended}{of}: {score}{best}")
    }
}

/// A table in memory, if it is small.
fn small(table: &Table) -> Result<Table> {
    let cells = table.rows()?.saturating_mul(table.schema().len());
    if cells <= CELLS_IN_MEMORY { Ok(Table::of(table.collect()?)) } else { Ok(table.clone()) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The folds that are asked for.
fn folds(ground: &Ground<'_>) -> Result<Option<Folds>> {
    let Some(cv) = ground.tuning.cv else { return Ok(None) };
    let (train, training) = (ground.train, ground.training);
    let keys = match cv.using.unwrap_or(Method::Kfold) {
        Method::Kfold => Keys::Lot,
        Method::Stratified => {
            let mut values = Vec::new();
            for batch in training.batches()? {
                values.extend(target_numbers(batch?.column(&train.target)?, ground.task)?);
            }
            Keys::Strata { values, are_classes: *ground.task != Task::Regression }
        }
        Method::Group => {
            let columns: Vec<String> = train.roles.all(Role::Group).map(str::to_owned).collect();
            Keys::Groups(hashes(training, &columns)?)
        }
        Method::Time => {
            Keys::Times(ordinals(training, train.roles.first(Role::Time).unwrap_or_default()).map_err(|error| error.path("steps.train.tuning.cv"))?)
        }
    };
    Folds::deal(&keys, training.rows()?, cv.folds, cv.repeats, train.seed).map(Some)
}

impl Winner {
    /// All trials, as plain data.
    pub fn trials(&self) -> serde_json::Value {
        let trial = |trial: &Trial| {
            serde_json::json!({
                "trial": trial.proposal.number,
                "parameters": trial.proposal.parameters,
                "share": trial.proposal.share,
                "outcome": trial.outcome,
            })
        };
        self.trials.iter().map(trial).collect()
    }

    /// What is recorded with the run.
    pub fn params(&self, tuning: &Tuning) -> [(String, String); 3] {
        let winner = &self.trials[self.best].proposal.number;
        let all = [("algorithm", tuning.search.algorithm.name().to_owned()), ("trials", self.trials.len().to_string()), ("best_trial", winner.to_string())];
        all.map(|(key, value)| (format!("train.tuning.{key}"), value))
    }

    /// In short, for the terminal.
    pub fn describe(&self) -> String {
        format!("best of {}", counted(self.trials.len() as u64, "trial"))
    }

    /// The parameters of the winner that recipe.yaml would have to say: the estimator's, and transforms' by their paths.
    pub fn parameters(&self) -> serde_json::Value {
        let mut parameters = self.candidate.estimator.config();
        let tuned = &self.trials[self.best].proposal.parameters;
        for (name, value) in tuned.iter().filter(|(name, _)| name.starts_with("transform.") || name.starts_with("transform[")) {
            parameters[name] = serde_json::to_value(value).unwrap_or_default();
        }
        parameters
    }

    /// What failed, in a sentence.
    pub fn warning(&self) -> Option<String> {
        let failed: Vec<&String> = self.trials.iter().filter_map(failure).collect();
        let first = failed.first()?;
        Some(format!("{} of {} failed, the first because: {}", failed.len(), counted(self.trials.len() as u64, "trial"), shorten(first)))
    }

    /// The card's tab.
    pub fn blocks(&self, tuning: &Tuning) -> Vec<Block> {
        let winner = &self.trials[self.best];
        let metric = &tuning.objective.metric;
        let on = match tuning.cv {
            Some(cv) => {
                let times = if cv.repeats > 1 { format!(", {} times over", cv.repeats) } else { String::new() };
                format!("{} folds of the training rows{times}", cv.folds)
            }
            None => "the validation split".to_owned(),
        };
        let written = tuning.written();
        let value = |trial: &Trial, name: &String| trial.proposal.parameters.get(name).or_else(|| written.get(name)).map(shown);
        let mut facts = vec![
            Fact::new("algorithm", tuning.search.algorithm.name()),
            Fact::new("trials", self.trials.len()),
            Fact::new("failed", self.trials.iter().filter_map(failure).count()),
            Fact::new("scored by", format!("{metric} on {on}")),
            Fact::new("best trial", number(winner)),
            Fact::new("best score", winner.score()),
            Fact::new("score as written", self.trials.first().and_then(Trial::score)),
        ];
        if let (Some(cv), Outcome::Scored { folds, .. }) = (tuning.cv.filter(|cv| cv.repeats > 1), &winner.outcome) {
            // Rows that are held out for each that is learned from.
            let held = 1.0 / ((cv.folds - 1) as f64 * winner.proposal.share);
            let range = corrected(folds, held, 0.95).map(|(low, high)| format!("{} – {}", format::number(low), format::number(high)));
            facts.extend(range.map(|range| Fact::new("95 % interval of the best score, corrected for shared rows", range)));
        }
        facts.extend(tuning.search.space.0.iter().map(|dimension| Fact::new(dimension.name.as_str(), value(winner, &dimension.name))));
        let mut blocks = vec![
            Block::Text("Trial 0 has the parameters as they are written. All trials see the same rows and draw from the same seeds.".to_owned()),
            Block::Facts(facts),
        ];
        let scored: Vec<(f64, f64)> = self.trials.iter().filter_map(|trial| Some((trial.proposal.number as f64, trial.score()?))).collect();
        let mut best = None;
        let running = scored.iter().map(|(number, score)| {
            let so_far = best.filter(|best| !tuning.search.is_better(*score, *best)).unwrap_or(*score);
            best = Some(so_far);
            (*number, so_far)
        });
        let running: Vec<(f64, f64)> = running.collect();
        if scored.len() > 1 {
            let line = |name: &str, points| Line { name: name.to_owned(), points };
            blocks.push(Block::Lines(Lines {
                caption: "Score of each trial".to_owned(),
                x: "trial".to_owned(),
                y: metric.clone(),
                series: vec![line("trial", scored), line("best so far", running)],
                diagonal: false,
            }));
        }
        let mut order: Vec<&Trial> = self.trials.iter().filter(|trial| trial.score().is_some()).collect();
        let place = |trial: &Trial| if tuning.search.greater_is_better { -trial.score().unwrap_or(f64::NAN) } else { trial.score().unwrap_or(f64::NAN) };
        order.sort_by(|a, b| b.proposal.share.total_cmp(&a.proposal.share).then(place(a).total_cmp(&place(b))).then(a.proposal.number.cmp(&b.proposal.number)));
        let (with_folds, with_shares) = (tuning.cv.is_some(), self.trials.iter().any(|trial| trial.proposal.share < 1.0));
        let mut columns = vec!["trial".to_owned(), metric.clone()];
        columns.extend(with_folds.then(|| "± between folds".to_owned()));
        columns.extend(with_shares.then(|| "share of rows".to_owned()));
        columns.extend(tuning.search.space.0.iter().map(|dimension| dimension.name.clone()));
        let row = |trial: &&Trial| {
            let mut cells = vec![number(trial), trial.score().into()];
            cells.extend(with_folds.then(|| trial.deviation().into()));
            cells.extend(with_shares.then_some(Cell::Share(trial.proposal.share)));
            cells.extend(tuning.search.space.0.iter().map(|dimension| value(trial, &dimension.name).into()));
            cells
        };
        let rows = order.iter().take(SHOWN).map(row).collect();
        blocks.push(Block::Table(CardTable { caption: "The best trials".to_owned(), columns, rows }));
        let failed: Vec<Vec<Cell>> = self.trials.iter().filter_map(|trial| Some(vec![number(trial), shorten(failure(trial)?).into()])).take(SHOWN).collect();
        if !failed.is_empty() {
            let columns = ["trial", "failed because"].map(str::to_owned).to_vec();
            blocks.push(Block::Table(CardTable { caption: "Trials that failed".to_owned(), columns, rows: failed }));
        }
        blocks
    }
}

/// A trial's number as a name.
fn number(trial: &Trial) -> Cell {
    match trial.proposal {
        Proposal { number, origin, .. } if number == origin => Cell::Count(number as u64),
        Proposal { number, origin, .. } => Cell::Text(format!("{number} (as {origin})")),
    }
}

fn failure(trial: &Trial) -> Option<&String> {
    match &trial.outcome {
        Outcome::Failed(message) => Some(message),
        Outcome::Scored { .. } => None,
    }
}
