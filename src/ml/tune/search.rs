//! What to try next, given what was tried.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::climb;
use super::space::Space;
use super::tpe;
use super::trial::{Proposal, Trial};
use crate::ml::trees::draw::Draw;
use crate::value::Value;

/// Trials that are proposed at once where none depends on another.
const CHUNK: usize = 64;
/// Trials that TPE proposes at once, knowing all before them: the same however many run side by side.
const BATCH: usize = 4;
/// Trials that TPE draws at random before it looks at any.
const DRAWN: usize = 10;
/// How often TPE looks for parameters that were not tried yet.
const TRIES: usize = 10;
/// One of so many trials goes on to the next round of halving, with so many times the rows.
const FACTOR: usize = 3;
/// Halving starts with so many rows at least.
const FEWEST_ROWS: f64 = 50.0;
/// What parameters are drawn from, apart from all other draws of a seed.
const STREAM: u64 = 0x7475_6e65_0000_0000;

/// How parameters are proposed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// By lot.
    #[default]
    #[serde(alias = "rand", alias = "hyperopt.rand.suggest")]
    #[schemars(extend("x-aliases" = ["rand", "hyperopt.rand.suggest"]))]
    Random,
    /// Every combination of values.
    Grid,
    /// Near to what was good: a tree-structured Parzen estimator.
    #[serde(alias = "hyperopt.tpe.suggest")]
    #[schemars(extend("x-aliases" = ["hyperopt.tpe.suggest"]))]
    Tpe,
    /// By lot, on few rows first; a third of the trials goes on with three times the rows, and so on.
    #[serde(alias = "successive_halving")]
    #[schemars(extend("x-aliases" = ["successive_halving"]))]
    Halving,
    /// From cheap parameters on, a step at a time; a contest's own, and not to be named in a recipe.
    #[serde(skip)]
    #[schemars(skip)]
    Climb,
}

impl Algorithm {
    /// The name in recipe.yaml.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Grid => "grid",
            Self::Tpe => "tpe",
            Self::Halving => "halving",
            Self::Climb => "climb",
        }
    }
}

/// A search for the best parameters.
#[derive(Clone, Debug)]
pub struct Search {
    pub space: Space,
    pub algorithm: Algorithm,
    /// How many trials there are, the parameters as written among them; for halving in its first round.
    pub max_trials: usize,
    /// The search ends after so many trials in a row without a better score.
    pub no_progress: Option<usize>,
    pub greater_is_better: bool,
    pub seed: u64,
    /// Where the parameters as written lie, if they do.
    pub written: Option<Vec<f64>>,
}

impl Search {
    /// The trials to come next, where `done` holds all that were proposed before; none: the search is over. `rows` is how many
    /// there are to learn from.
    #[must_use]
    pub fn next(&self, done: &[Trial], rows: usize) -> Vec<Proposal> {
        let first = done.len();
        let many = |at_once: usize, most: usize| first..(first + at_once).min(most);
        match self.algorithm {
            Algorithm::Random => many(CHUNK, self.max_trials).map(|number| self.proposal(number, self.drawn(number), 1.0)).collect(),
            Algorithm::Grid => {
                let grid = Grid::of(&self.space, self.written.as_deref());
                many(CHUNK, self.max_trials.min(grid.size + 1)).map(|number| self.proposal(number, grid.at(number), 1.0)).collect()
            }
            Algorithm::Tpe => {
                let mut known: Vec<BTreeMap<String, Value>> = done.iter().map(|trial| trial.proposal.parameters.clone()).collect();
                let propose = |number| {
                    let mut point = self.drawn(number);
                    if number >= DRAWN {
                        let mut draw = Draw::new(self.seed, STREAM + number as u64);
                        for _ in 0..TRIES {
                            let better = self.promising(done, &mut draw);
                            if !known.contains(&self.space.at(&better)) {
                                point = better;
                                break;
                            }
                        }
                    }
                    known.push(self.space.at(&point));
                    self.proposal(number, point, 1.0)
                };
                many(BATCH, self.max_trials).map(propose).collect()
            }
            Algorithm::Halving => self.next_round(done, rows),
            Algorithm::Climb => self.next_steps(done, rows),
        }
    }

    /// The next steps of a climb.
    fn next_steps(&self, done: &[Trial], rows: usize) -> Vec<Proposal> {
        let start = self.written.clone().unwrap_or_else(|| vec![0.5; self.space.0.len()]);
        let seen: Vec<(&[f64], f64)> = done.iter().map(|trial| (trial.proposal.point.as_deref().unwrap_or(&start), self.loss(trial))).collect();
        let (points, share) = climb::next(&start, &seen, rows, |number| Draw::new(self.seed, STREAM + number as u64));
        let left = self.max_trials.saturating_sub(done.len());
        points.into_iter().take(left).enumerate().map(|(i, point)| self.proposal(done.len() + i, point, share)).collect()
    }

    /// The next round of halving.
    fn next_round(&self, done: &[Trial], rows: usize) -> Vec<Proposal> {
        let shares = self.shares(rows);
        let Some(last) = done.last() else {
            let share = shares.first().copied().unwrap_or(1.0);
            return (0..self.max_trials).map(|number| self.proposal(number, self.drawn(number), share)).collect();
        };
        let Some(share) = shares.iter().copied().find(|share| *share > last.proposal.share) else { return Vec::new() };
        let mut round: Vec<&Trial> = done.iter().filter(|trial| trial.proposal.share == last.proposal.share).collect();
        let promoted = round.len().div_ceil(FACTOR);
        round.retain(|trial| trial.score().is_some());
        round.sort_by(|a, b| self.loss(a).total_cmp(&self.loss(b)).then(a.proposal.number.cmp(&b.proposal.number)));
        round.truncate(promoted);
        round.sort_by_key(|trial| trial.proposal.number);
        round.iter().enumerate().map(|(i, trial)| Proposal { number: done.len() + i, share, ..trial.proposal.clone() }).collect()
    }

    /// The share of the rows in each round of halving; the last has all.
    fn shares(&self, rows: usize) -> Vec<f64> {
        let mut shares = vec![1.0];
        let (mut left, mut share) = (self.max_trials.div_ceil(FACTOR), 1.0 / FACTOR as f64);
        while left < self.max_trials.max(1) && share * rows as f64 >= FEWEST_ROWS {
            shares.push(share);
            if left == 1 {
                break;
            }
            left = left.div_ceil(FACTOR);
            share /= FACTOR as f64;
        }
        shares.reverse();
        shares
    }

    fn proposal(&self, number: usize, point: Vec<f64>, share: f64) -> Proposal {
        if number == 0 {
            return Proposal { number, candidate: String::new(), origin: number, point: self.written.clone(), share, parameters: BTreeMap::new() };
        }
        Proposal { number, candidate: String::new(), origin: number, parameters: self.space.at(&point), point: Some(point), share }
    }

    /// A point by lot, the same for a trial whatever else was drawn.
    fn drawn(&self, number: usize) -> Vec<f64> {
        let mut draw = Draw::new(!self.seed, STREAM + number as u64);
        self.space.0.iter().map(|_| draw.unit()).collect()
    }

    fn promising(&self, done: &[Trial], draw: &mut Draw) -> Vec<f64> {
        let seen: Vec<(&[f64], f64)> = done.iter().filter_map(|trial| Some((trial.proposal.point.as_deref()?, self.loss(trial)))).collect();
        tpe::propose(&self.space, &seen, draw)
    }

    /// The score, turned so that less is better.
    pub(super) fn loss(&self, trial: &Trial) -> f64 {
        trial.score().map_or(f64::INFINITY, |score| if self.greater_is_better { -score } else { score })
    }

    /// Is a score better than another?
    #[must_use]
    pub fn is_better(&self, score: f64, than: f64) -> bool {
        if self.greater_is_better { score > than } else { score < than }
    }

    /// The place of the best trial among those that learned from most rows; of equal ones the first.
    #[must_use]
    pub fn best(&self, trials: &[Trial]) -> Option<usize> {
        let scored = || trials.iter().enumerate().filter(|(_, trial)| trial.score().is_some());
        let most = scored().map(|(_, trial)| trial.proposal.share).fold(0.0, f64::max);
        let last_round = scored().filter(|(_, trial)| trial.proposal.share == most);
        last_round.min_by(|(_, a), (_, b)| self.loss(a).total_cmp(&self.loss(b)).then(a.proposal.number.cmp(&b.proposal.number))).map(|(place, _)| place)
    }

    /// The trial at which the search ends for want of progress.
    #[must_use]
    pub fn stops_at<'a>(&self, trials: impl Iterator<Item = &'a Trial>) -> Option<usize> {
        let patience = self.no_progress?;
        let mut best = (f64::INFINITY, 0);
        for (place, trial) in trials.enumerate() {
            let loss = self.loss(trial);
            if loss < best.0 {
                best = (loss, place);
            } else if place - best.1 >= patience {
                return Some(place);
            }
        }
        None
    }
}

/// Every combination of values, the last parameter's changing first.
pub(super) struct Grid {
    counts: Vec<usize>,
    /// Without the parameters as written, where they are among them.
    pub size: usize,
    written: Option<usize>,
}

impl Grid {
    pub fn of(space: &Space, written: Option<&[f64]>) -> Self {
        let counts: Vec<usize> = space.0.iter().map(|dimension| dimension.distribution.values().map_or(1, |values| values.len())).collect();
        let place = |point: &[f64]| counts.iter().zip(point).fold(0_usize, |place, (count, point)| place * count + super::space::level(*point, *count));
        let size = counts.iter().fold(1_usize, |size, count| size.saturating_mul(*count));
        let written = written.map(place);
        Self { size: size - usize::from(written.is_some()), written, counts }
    }

    /// The point of a trial from 1 on.
    fn at(&self, number: usize) -> Vec<f64> {
        let mut place = number.saturating_sub(1);
        if self.written.is_some_and(|written| place >= written) {
            place += 1;
        }
        let mut point = vec![0.0; self.counts.len()];
        for (coordinate, count) in point.iter_mut().zip(&self.counts).rev() {
            *coordinate = ((place % count) as f64 + 0.5) / *count as f64;
            place /= count;
        }
        point
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::space::{Dimension, Distribution};
    use super::super::trial::Outcome;
    use super::*;

    fn uniform(low: f64, high: f64) -> Distribution {
        Distribution::Uniform { low, high, is_log: false, q: None }
    }

    fn choice(values: &[&str]) -> Distribution {
        Distribution::Choice(values.iter().map(|value| Value::String((*value).to_owned())).collect())
    }

    fn search(algorithm: Algorithm, dimensions: Vec<Distribution>, max_trials: usize, seed: u64) -> Search {
        let dimension = |(i, distribution)| Dimension { name: format!("p{i}"), distribution };
        let space = Space(dimensions.into_iter().enumerate().map(dimension).collect());
        Search { space, algorithm, max_trials, no_progress: None, greater_is_better: false, seed, written: None }
    }

    fn number(proposal: &Proposal, name: &str) -> f64 {
        proposal.parameters.get(name).and_then(Value::text).and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
    }

    /// Tries everything that is proposed.
    fn all(search: &Search, rows: usize, loss: impl Fn(&Proposal) -> f64) -> Vec<Trial> {
        let mut done = Vec::new();
        loop {
            let next = search.next(&done, rows);
            if next.is_empty() {
                return done;
            }
            for proposal in next {
                assert_eq!(proposal.number, done.len());
                let loss = loss(&proposal);
                let outcome = if loss.is_nan() { Outcome::Failed("no".into()) } else { Outcome::of(vec![loss]) };
                done.push(Trial { proposal, outcome });
            }
        }
    }

    #[test]
    fn tpe_finds_lower_values_than_chance() {
        // A narrow valley in two of three numbers, and one of four levels that matters.
        let dimensions = || vec![uniform(-5.0, 10.0), uniform(0.0, 15.0), uniform(0.0, 1.0), choice(&["a", "b", "c", "d"])];
        let loss = |proposal: &Proposal| {
            if proposal.number == 0 {
                return 300.0;
            }
            let (x, y) = (number(proposal, "p0"), number(proposal, "p1"));
            let level = match proposal.parameters["p3"].text().as_deref() {
                Some("c") => 0.0,
                Some("b") => 5.0,
                _ => 20.0,
            };
            (y - 0.129 * x * x + 1.6 * x - 6.0).powi(2) + 9.6 * x.cos() + 10.0 + level
        };
        let best = |algorithm, seed| {
            let search = search(algorithm, dimensions(), 60, seed);
            let trials = all(&search, 1000, loss);
            trials[search.best(&trials).unwrap()].score().unwrap()
        };
        let pairs: Vec<(f64, f64)> = (0..30).map(|seed| (best(Algorithm::Tpe, seed), best(Algorithm::Random, seed))).collect();
        let wins = pairs.iter().filter(|(tpe, random)| tpe < random).count();
        let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / 30.0;
        let (tpe, random) = (mean(|pair| pair.0), mean(|pair| pair.1));
        // 21 of 30 and more come by chance once in fifty times.
        assert!(wins >= 21 && tpe < 0.8 * random, "{wins} of 30, {tpe} against {random}");
    }

    #[test]
    fn a_grid_has_each_combination_once_and_the_written_one_first() {
        let quantised = Distribution::Uniform { low: 0.0, high: 1.0, is_log: false, q: Some(0.5) };
        let mut search = search(Algorithm::Grid, vec![choice(&["a", "b"]), Distribution::Integers { low: 1, high: 4 }, quantised], usize::MAX, 1);
        let of = |trials: &[Trial]| trials.iter().map(|trial| format!("{:?}", trial.proposal.parameters)).collect::<BTreeSet<_>>();
        let trials = all(&search, 100, |_| 0.0);
        assert_eq!((trials.len(), of(&trials).len(), trials[0].proposal.parameters.len()), (19, 19, 0));
        search.written = Some(vec![0.25, 0.5, 0.9]);
        let without = all(&search, 100, |_| 0.0);
        assert_eq!((without.len(), of(&trials).difference(&of(&without)).count()), (18, 1));
        search.max_trials = 5;
        assert_eq!(all(&search, 100, |_| 0.0), without[..5]);
    }

    #[test]
    fn halving_lets_the_best_third_go_on_with_three_times_the_rows() {
        let search = search(Algorithm::Halving, vec![uniform(0.0, 1.0)], 20, 3);
        // The first two of each round fail.
        let trials = all(&search, 10_000, |proposal| if proposal.number < 2 { f64::NAN } else { number(proposal, "p0") });
        let mut rounds: Vec<(f64, Vec<&Trial>)> = Vec::new();
        for trial in &trials {
            match rounds.last_mut().filter(|(share, _)| *share == trial.proposal.share) {
                Some((_, round)) => round.push(trial),
                None => rounds.push((trial.proposal.share, vec![trial])),
            }
        }
        assert_eq!(rounds.iter().map(|(share, round)| ((1.0 / share).round(), round.len())).collect::<Vec<_>>(), [(27.0, 20), (9.0, 7), (3.0, 3), (1.0, 1)]);
        for pair in rounds.windows(2) {
            let worst = pair[1].1.iter().filter_map(|trial| trial.score()).fold(0.0, f64::max);
            let better = pair[0].1.iter().filter(|trial| trial.score().is_some_and(|score| score <= worst)).count();
            assert_eq!(better, pair[1].1.len());
        }
        let best = &trials[search.best(&trials).unwrap()];
        assert_eq!((best.proposal.share, best.proposal.number), (1.0, trials.len() - 1));
        assert_eq!(trials[best.proposal.origin].proposal.parameters, best.proposal.parameters);
        // With few rows there are fewer rounds.
        assert_eq!(search.shares(200), [1.0 / 3.0, 1.0]);
        assert_eq!(search.shares(100), [1.0]);
    }

    #[test]
    fn a_search_goes_on_from_any_batch_and_ends_for_want_of_progress() {
        for algorithm in [Algorithm::Random, Algorithm::Tpe] {
            let mut search = search(algorithm, vec![uniform(0.0, 1.0), choice(&["a", "b"])], 30, 9);
            let loss = |proposal: &Proposal| (number(proposal, "p0") - 0.3).abs().min(9.0);
            let trials = all(&search, 100, loss);
            assert_eq!(trials, all(&search, 100, loss));
            assert_eq!(search.next(&trials[..4], 100)[0], trials[4].proposal);
            search.no_progress = Some(5);
            let end = search.stops_at(trials.iter()).unwrap();
            let best = search.best(&trials[..=end]).unwrap();
            assert_eq!((end - best, search.stops_at(trials[..end].iter())), (5, None));
        }
    }
}
