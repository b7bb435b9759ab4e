//! Where trials are carried out: rows in folds and shares, fits within a time, and what is kept of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use polars::prelude::{BooleanChunked, DataFrame, NewChunkedArray};

use super::super::evaluate::metric_columns;
use super::super::train::{Prepared, with_columns};
use super::super::tuning::{Candidate, Select};
use super::Ground;
use crate::data::rows::{hashes, ordinals};
use crate::data::{ParquetSink, Role, Table, Wanted};
use crate::error::{Error, Kind, Result};
use crate::ml::model::Model;
use crate::ml::trees::draw::Draw;
use crate::ml::tune::folds::{Folds, Keys, Method, Use};
use crate::ml::tune::{Outcome, Proposal, Trial, Try};
use crate::ml::uncertainty::{Bootstrap, Draws};
use crate::ml::{Chain, Deadline, Fit, FittedChain, Task, metric, target_numbers};

/// Rows that are ready to be learned from are held for the next trial up to this many numbers.
const NUMBERS_HELD: usize = 64 << 20;
/// Tables up to this many values are held in memory.
const CELLS_IN_MEMORY: usize = 4 << 20;
/// What rows are sampled by, apart from all other draws of a seed.
const SAMPLE: u64 = 0x7361_6d70_0000_0000;
/// What fits in folds draw from.
const FOLD: u64 = 0x666f_6c64_7365_6564;
/// The share of a time that is left for what does not look at the clock, such as the end of a boosting round.
const SLACK: f64 = 0.03;

/// Raw rows of a fold.
struct Rows {
    learned: Table,
    held: Table,
}

/// Rows of a fold, ready.
pub struct Ready {
    pub prepared: Prepared,
    /// Rows that are held out, raw and after the chain.
    held: Table,
    transformed: Table,
}

/// The best trial so far whose model is at hand.
pub struct Kept {
    pub number: usize,
    score: f64,
    pub model: Model,
    pub rows: usize,
}

pub struct Bench<'a> {
    ground: &'a Ground<'a>,
    scratch: &'a Path,
    folds: Option<Folds>,
    end: Option<Instant>,
    cut: Mutex<BTreeMap<u64, Arc<Vec<Rows>>>>,
    ready: Mutex<BTreeMap<(u64, usize), Arc<Ready>>>,
    kept: Mutex<Option<Kept>>,
    /// Score of the best trial so far, and seconds that its fit on all rows would take.
    reserve: Mutex<Option<(f64, f64)>>,
    /// Seconds that the quickest trial of each candidate took.
    quickest: Mutex<BTreeMap<String, f64>>,
    /// Trials that ended, for the live line.
    told: Mutex<usize>,
}

impl<'a> Bench<'a> {
    /// So many seconds are left, and so many trials ended in earlier runs.
    ///
    /// # Errors
    /// Folds that cannot be made.
    pub fn new(ground: &'a Ground<'a>, scratch: &'a Path, left: Option<f64>, earlier: usize) -> Result<Self> {
        Ok(Self {
            ground,
            scratch,
            folds: folds(ground)?,
            end: left.map(|left| ground.begun + Duration::from_secs_f64((1.0 - SLACK) * left)),
            cut: Mutex::default(),
            ready: Mutex::default(),
            kept: Mutex::default(),
            reserve: Mutex::default(),
            quickest: Mutex::default(),
            told: Mutex::new(earlier),
        })
    }

    /// The best trial's model, where it is at hand.
    pub fn kept(&self, number: usize) -> Option<Kept> {
        lock(&self.kept).take_if(|kept| kept.number == number)
    }

    /// Fits a candidate on all training rows.
    ///
    /// # Errors
    /// As the fit.
    pub fn fit(&self, candidate: &Candidate) -> Result<(Model, usize)> {
        let ready = self.all_rows(candidate)?;
        Ok((self.ground.train.learn(&ready.prepared, candidate.estimator.as_ref(), Deadline::NONE)?, ready.prepared.rows()))
    }

    /// The standard error of a model's score on the validation split, by the bootstrap; nothing where there are too few rows.
    ///
    /// # Errors
    /// Rows that cannot be scored.
    pub fn standard_error(&self, model: &Model) -> Result<Option<f64>> {
        let (train, objective) = (self.ground.train, &self.ground.tuning.objective);
        let scored = model.score_known(self.ground.validation, train.roles.first(Role::Weight))?;
        let draws = Draws::of(&scored, Bootstrap::default(), train.seed);
        Ok(draws.zip(metric::find(&objective.metric)).and_then(|(draws, entry)| draws.standard_error(entry)))
    }

    /// Tries a proposal out.
    ///
    /// # Errors
    /// What is no fault of the proposal.
    pub fn attempt(&self, proposal: &Proposal, start: Instant) -> Result<Try> {
        let share = proposal.share * self.ground.tuning.sample_fraction;
        // A model is always given, so the parameters as written have all the time they take.
        let deadline = if proposal.number == 0 { Deadline::NONE } else { self.deadline(start, share) };
        if deadline.has_passed() || (proposal.number > 0 && self.is_hopeless(start, &proposal.candidate)) {
            return Ok(Try::OutOfTime);
        }
        let candidate = match self.ground.tuning.make(proposal) {
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
    ///
    /// # Errors
    /// As the fit; where the deadline has passed.
    pub fn scores(&self, candidate: &Candidate, number: usize, share: f64, deadline: Deadline) -> Result<Vec<f64>> {
        let count = self.folds.as_ref().map_or(1, Folds::count);
        let mut scores = Vec::with_capacity(count);
        for fold in 0..count {
            deadline.check()?;
            let ready = self.ready(candidate, share, fold)?;
            let model = self.ground.train.learn(&ready.prepared, candidate.estimator.as_ref(), deadline)?;
            scores.push(self.score(&model, &ready, deadline)?);
            if let (None, Some(score), true) = (&self.folds, scores.first(), share == 1.0) {
                let mut kept = lock(&self.kept);
                let is_best = kept
                    .as_ref()
                    .is_none_or(|kept| self.ground.tuning.strategy.is_better(*score, kept.score) || (*score == kept.score && number < kept.number));
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
            None => metric::find(&objective.metric).and_then(|entry| entry.compute(&scored)),
        };
        value.filter(|value| value.is_finite()).ok_or_else(|| Error::data(format!("`{}` has no value on the rows that are held out", objective.metric)))
    }

    /// A fold's rows; those that do not hang on what is tuned are held for the next trial.
    fn ready(&self, candidate: &Candidate, share: f64, fold: usize) -> Result<Arc<Ready>> {
        if candidate.has_own_chain {
            return Ok(Arc::new(self.make_ready(candidate, share, fold)?));
        }
        let mut held = lock(&self.ready);
        if let Some(ready) = held.get(&(share.to_bits(), fold)) {
            return Ok(Arc::clone(ready));
        }
        let ready = Arc::new(self.make_ready(candidate, share, fold)?);
        held.retain(|(bits, _), _| *bits == share.to_bits());
        if held.values().chain([&ready]).map(|ready| ready.prepared.numbers()).sum::<usize>() <= NUMBERS_HELD {
            held.insert((share.to_bits(), fold), Arc::clone(&ready));
        }
        Ok(ready)
    }

    fn make_ready(&self, candidate: &Candidate, share: f64, fold: usize) -> Result<Ready> {
        let ground = self.ground;
        if self.folds.is_none() && !candidate.has_own_chain {
            let learned = self.sampled(ground.transformed, share)?;
            let raw = self.sampled(ground.training, share)?;
            return self.of_transformed(ground.chain.clone(), &learned, &raw);
        }
        let Rows { learned, held } = &self.rows(share)?[fold];
        let seed = if self.folds.is_some() { Draw::new(ground.train.seed, FOLD + fold as u64).bits() } else { ground.train.seed };
        self.of_raw(&candidate.chain, learned, held, seed)
    }

    /// All training rows, ready.
    fn all_rows(&self, candidate: &Candidate) -> Result<Ready> {
        let ground = self.ground;
        if candidate.has_own_chain {
            return self.of_raw(&candidate.chain, ground.training, ground.validation, ground.train.seed);
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

    /// The seconds of a fit on all rows, as a share of a trial's; 0 where its model is kept and wins if it is the best.
    fn refit_share(&self, share: f64) -> f64 {
        match (&self.ground.tuning.cv, &self.folds) {
            (Some(cv), Some(folds)) => cv.folds as f64 / (cv.folds - 1) as f64 / folds.count() as f64 / share,
            _ if share >= 1.0 && self.ground.tuning.select == Select::Best => 0.0,
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

    /// Is so little time left that no trial of a candidate could end? The parts of one that do not look at the clock would only outlast it.
    fn is_hopeless(&self, start: Instant, candidate: &str) -> bool {
        let left = self.end.map(|end| end.saturating_duration_since(start).as_secs_f64());
        matches!((left, lock(&self.quickest).get(candidate)), (Some(left), Some(quickest)) if left < 0.5 * quickest)
    }

    /// Keeps time for the fit of the best trial so far; is it this one?
    pub fn reserve_for(&self, trial: &Trial, took: f64, is_earlier: bool) -> bool {
        lock(&self.quickest).entry(trial.proposal.candidate.clone()).and_modify(|quickest| *quickest = quickest.min(took)).or_insert(took);
        let Some(score) = trial.score() else { return false };
        let share = trial.proposal.share * self.ground.tuning.sample_fraction;
        // The model of an earlier run's trial is not at hand.
        let seconds = took * self.refit_share(share).max(if is_earlier { 1.0_f64.min(1.0 / share) } else { 0.0 });
        let mut reserve = lock(&self.reserve);
        let is_best = reserve.is_none_or(|(best, _)| self.ground.tuning.strategy.is_better(score, best));
        if is_best {
            *reserve = Some((score, seconds));
        }
        is_best
    }

    /// How many trials ended, in all runs.
    pub fn ended(&self) -> u64 {
        *lock(&self.told) as u64
    }

    /// What is told of a trial that ended.
    pub fn told(&self, trial: &Trial) -> String {
        let tuning = self.ground.tuning;
        *lock(&self.told) += 1;
        let short = metric::short_name(&tuning.objective.metric);
        let number = |score: f64| crate::card::format::number(score);
        let score = trial.score().map_or_else(|| "failed".to_owned(), |score| format!("{short} {}", number(score)));
        let best = lock(&self.reserve).map_or_else(String::new, |(best, _)| format!(", best {}", number(best)));
        let candidate = if trial.proposal.candidate.is_empty() { String::new() } else { format!("{}, ", trial.proposal.candidate) };
        format!("{candidate}{score}{best}")
    }
}

/// A table in memory, if it is small.
fn small(table: &Table) -> Result<Table> {
    let cells = table.rows()?.saturating_mul(table.schema().len());
    if cells <= CELLS_IN_MEMORY { Ok(Table::of(table.collect()?)) } else { Ok(table.clone()) }
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The folds that are asked for.
fn folds(ground: &Ground<'_>) -> Result<Option<Folds>> {
    let Some(cv) = ground.tuning.cv else { return Ok(None) };
    let (train, training) = (ground.train, ground.training);
    let path = format!("steps.train.{}.cv", ground.tuning.section);
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
        Method::Time => Keys::Times(ordinals(training, train.roles.first(Role::Time).unwrap_or_default()).map_err(|error| error.path(&path))?),
    };
    Folds::deal(&keys, training.rows()?, cv.folds, cv.repeats, train.seed).map(Some).map_err(|error| error.path(&path))
}
