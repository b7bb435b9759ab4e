//! Trying proposals out, several side by side.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::contest::Strategy;
use super::trial::{Outcome, Proposal, Trial};
use crate::error::{Error, Result};

/// The stack of a trial's thread, as large as a program's first one.
const STACK: usize = 8 << 20;

/// What trying a proposal out gave.
pub enum Try {
    Ended(Outcome),
    /// Time was over before it ended, or began.
    OutOfTime,
}

/// How a search is carried out.
pub struct Runner<'a> {
    pub strategy: &'a Strategy,
    /// How many rows there are to learn from.
    pub rows: usize,
    /// Trials at a time; they change nothing but the time it takes.
    pub parallelism: usize,
    /// Trials that ended in an earlier run, by number; one that does not fit its proposal is tried again.
    pub earlier: &'a BTreeMap<usize, Trial>,
    pub attempt: &'a (dyn Fn(&Proposal) -> Result<Try> + Sync),
    /// Told of each trial as it ends, but for earlier ones.
    pub ended: &'a (dyn Fn(&Trial) -> Result<()> + Sync),
}

/// A batch at work.
struct Batch {
    next: usize,
    trials: Vec<Option<Trial>>,
    is_over: bool,
    error: Option<Error>,
}

/// Carries a search out; gives its trials by number. Where time ended it, some numbers may be missing.
///
/// # Errors
/// What an attempt or the end of one failed with, other than an outcome.
pub fn run(runner: &Runner<'_>) -> Result<Vec<Trial>> {
    let mut done: Vec<Trial> = Vec::new();
    loop {
        let proposals = runner.strategy.next(&done, runner.rows);
        if proposals.is_empty() {
            return Ok(done);
        }
        let batch = Mutex::new(Batch { next: 0, trials: vec![None; proposals.len()], is_over: false, error: None });
        let threads = runner.parallelism.clamp(1, proposals.len());
        std::thread::scope(|scope| {
            for i in 1..threads {
                let work = || runner.work(&proposals, &done, &batch);
                // Where the system has no thread to give, the others do the work.
                let _ = std::thread::Builder::new().name(format!("trial {i}")).stack_size(STACK).spawn_scoped(scope, work);
            }
            runner.work(&proposals, &done, &batch);
        });
        let batch = batch.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = batch.error {
            return Err(error);
        }
        let is_whole = batch.trials.iter().all(Option::is_some);
        done.extend(batch.trials.into_iter().flatten());
        if let Some(end) = runner.strategy.stops_at(done.iter()).filter(|_| batch.is_over || is_whole) {
            done.truncate(end + 1);
            return Ok(done);
        }
        if !is_whole {
            return Ok(done);
        }
    }
}

impl Runner<'_> {
    /// Takes proposals until there is none.
    fn work(&self, proposals: &[Proposal], done: &[Trial], batch: &Mutex<Batch>) {
        loop {
            let place = {
                let mut batch = lock(batch);
                if batch.is_over || batch.next >= proposals.len() {
                    return;
                }
                batch.next += 1;
                batch.next - 1
            };
            let ended = self.trial(&proposals[place]);
            let mut batch = lock(batch);
            match ended {
                Ok(Some(trial)) => batch.trials[place] = Some(trial),
                Ok(None) => batch.is_over = true,
                Err(error) => {
                    batch.is_over = true;
                    batch.error.get_or_insert(error);
                }
            }
            let so_far = done.iter().chain(batch.trials.iter().map_while(Option::as_ref));
            if self.strategy.stops_at(so_far).is_some() {
                batch.is_over = true;
            }
        }
    }

    fn trial(&self, proposal: &Proposal) -> Result<Option<Trial>> {
        if let Some(earlier) = self.earlier.get(&proposal.number).filter(|trial| proposal.is_of(trial)) {
            return Ok(Some(earlier.clone()));
        }
        let Try::Ended(outcome) = (self.attempt)(proposal)? else { return Ok(None) };
        let trial = Trial { proposal: proposal.clone(), outcome };
        (self.ended)(&trial)?;
        Ok(Some(trial))
    }
}

fn lock(batch: &Mutex<Batch>) -> MutexGuard<'_, Batch> {
    batch.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::{Algorithm, Dimension, Distribution, Search, Space};
    use super::*;
    use crate::error::Error;

    fn search(algorithm: Algorithm) -> Strategy {
        let dimension = Dimension { name: "x".into(), distribution: Distribution::Uniform { low: 0.0, high: 1.0, is_log: false, q: None } };
        let space = Space(vec![dimension]);
        Strategy::Alone(Search { space, algorithm, max_trials: 24, no_progress: Some(9), greater_is_better: true, seed: 5, written: Some(vec![0.5]) })
    }

    fn score(proposal: &Proposal) -> Try {
        let x = proposal.point.as_ref().map_or(f64::NAN, |point| point[0]);
        Try::Ended(if x > 0.95 { Outcome::Failed("too far".into()) } else { Outcome::of(vec![-(x - 0.3).abs()]) })
    }

    #[test]
    fn trials_are_the_same_side_by_side_and_after_any_end() {
        for algorithm in [Algorithm::Random, Algorithm::Tpe, Algorithm::Halving, Algorithm::Climb] {
            let search = search(algorithm);
            let with = |parallelism, earlier: &BTreeMap<usize, Trial>, tried: &AtomicUsize| {
                let attempt = |proposal: &Proposal| {
                    tried.fetch_add(1, Ordering::Relaxed);
                    std::thread::yield_now();
                    Ok(score(proposal))
                };
                run(&Runner { strategy: &search, rows: 1000, parallelism, earlier, attempt: &attempt, ended: &|_| Ok(()) }).unwrap()
            };
            let whole = with(1, &BTreeMap::new(), &AtomicUsize::new(0));
            assert!(whole.len() > 9);
            for parallelism in [2, 8] {
                assert_eq!(with(parallelism, &BTreeMap::new(), &AtomicUsize::new(0)), whole);
            }
            for kept in [1, 5, whole.len()] {
                let earlier: BTreeMap<usize, Trial> = whole.iter().take(kept).cloned().enumerate().collect();
                let tried = AtomicUsize::new(0);
                assert_eq!(with(1, &earlier, &tried), whole);
                assert_eq!(tried.into_inner(), whole.len() - kept);
            }
        }
    }

    #[test]
    fn time_ends_a_search_and_an_error_too() {
        let search = search(Algorithm::Random);
        let earlier = BTreeMap::new();
        let out_of_time = |proposal: &Proposal| Ok(if proposal.number < 3 { score(proposal) } else { Try::OutOfTime });
        let runner = Runner { strategy: &search, rows: 10, parallelism: 1, earlier: &earlier, attempt: &out_of_time, ended: &|_| Ok(()) };
        assert_eq!(run(&runner).unwrap().len(), 3);
        let failing = |_: &Proposal| Err(Error::data("no disk"));
        assert_eq!(run(&Runner { attempt: &failing, parallelism: 4, ..runner }).unwrap_err().to_string(), "no disk");
    }
}
