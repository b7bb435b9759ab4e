//! How sure a metric is: intervals from the rows it was measured on.
//!
//! Every metric but `max_error` (a greatest value has no bootstrap: Bickel and Freedman 1981) has a percentile bootstrap interval
//! (Efron 1979), a figure of the user's own from fewer draws: rows are drawn again with replacement, as weights, and the metric is computed for each draw. From more than [`MOST`]
//! rows, that many stand for all, spread over them, and the interval is narrowed by the root of their share, since the error of a metric
//! shrinks with the root of the rows (Politis, Romano and Wolf 1999). Percentiles are expanded for few rows as Hesterberg (2015) has it. The area under the ROC curve of two classes has `DeLong`'s interval
//! (`DeLong`, `DeLong` and Clarke-Pearson 1988) on the logit scale, where no row has a weight of its own.
//!
//! Differences of two models are taken on the same draws, so what is hard about a row is hard for both. Those of two sets of rows are taken on
//! draws of each. Draws are computed once for a metric and serve every confidence.
//! Rows are taken to be independent of each other.

mod delong;
mod repeated;
pub mod student;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use self::delong::Area;
use super::metric::{self, Formula, MetricEntry};
use super::model::Scored;
use crate::data::both;
use crate::error::Result;
use crate::value::Fault;

pub(super) use delong::normal_quantile;
pub use repeated::corrected;

/// Raised whenever an interval changes for the same rows.
pub const VERSION: u32 = 1;
/// Rows that are drawn from.
pub const MOST: usize = 10_000;
/// Draws of a figure that is no built-in metric, at most: each is a query.
pub const OF_FIGURES: usize = 200;
/// With fewer rows an interval would promise more than it holds.
pub const FEWEST: usize = 10;

/// `bootstrap:` of evaluate.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bootstrap {
    /// How often rows are drawn; 0: no intervals; default 1000.
    pub samples: usize,
    /// The share of intervals that hold the true value; default 0.95.
    pub ci: f64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { samples: 1_000, ci: 0.95 }
    }
}

impl Bootstrap {
    /// # Errors
    /// A share that is none; more draws than anyone needs, or too few for quantiles.
    pub fn check(&self) -> Result<(), Vec<Fault>> {
        let mut faults = Vec::new();
        if !(self.ci >= 0.5 && self.ci <= 0.999) {
            faults.push(Fault::new(&["ci".to_owned()], "`ci` must lie between 0.5 and 0.999"));
        }
        if !(self.samples == 0 || (100..=100_000).contains(&self.samples)) {
            faults.push(Fault::new(&["samples".to_owned()], "`samples` must lie between 100 and 100000, or be 0"));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

/// Where a value lies with the confidence that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
    pub method: Method,
}

/// How an interval was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    Bootstrap,
    Delong,
}

impl Method {
    /// As a person reads it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bootstrap => "bootstrap",
            Self::Delong => "DeLong",
        }
    }
}

/// By how much one model is better than another, on the same rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Above zero: the first is better, whichever way the metric goes.
    pub better_by: f64,
    pub low: f64,
    pub high: f64,
}

impl Compared {
    /// `better`, `worse`, or `tie` where zero lies in the interval.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        if self.low > 0.0 {
            "better"
        } else if self.high < 0.0 {
            "worse"
        } else {
            "tie"
        }
    }
}

/// Has the metric an interval at all?
#[must_use]
pub fn has_interval(entry: &MetricEntry) -> bool {
    entry.name != "max_error"
}

/// Rows to draw from, the same ones for every metric and model.
pub struct Draws<'a> {
    scored: &'a Scored,
    rows: Vec<usize>,
    bootstrap: Bootstrap,
    seed: u64,
    area: Option<Area>,
}

impl<'a> Draws<'a> {
    /// `None` where no draws are wanted, or there are too few rows.
    #[must_use]
    pub fn of(scored: &'a Scored, bootstrap: Bootstrap, seed: u64) -> Option<Self> {
        let all = scored.rows();
        if bootstrap.samples == 0 || all < FEWEST {
            return None;
        }
        let step = all.div_ceil(MOST);
        let mut rows: Vec<usize> = (0..all).step_by(step).collect();
        // Metrics that sort find their rows in order.
        let by = |row: usize| match scored.scores.last() {
            Some(scores) => scores[row],
            None => (scored.y[row] - scored.prediction[row]).abs(),
        };
        rows.sort_by(|a, b| by(*a).total_cmp(&by(*b)).then(a.cmp(b)));
        Some(Self { scored, rows, bootstrap, seed, area: Area::of(scored) })
    }

    /// How much narrower an interval of all rows is than one of those drawn from.
    fn narrower(&self) -> f64 {
        (self.rows.len() as f64 / self.scored.rows() as f64).sqrt()
    }

    /// As [`Draws::of`], from at most `most` rows; the interval is narrowed as it is there.
    #[must_use]
    pub fn of_few(scored: &'a Scored, bootstrap: Bootstrap, seed: u64, most: usize) -> Option<Self> {
        let mut draws = Self::of(scored, bootstrap, seed)?;
        let step = draws.rows.len().div_ceil(most.max(1)).max(1);
        draws.rows = draws.rows.into_iter().step_by(step).collect();
        Some(draws)
    }

    /// The interval of every metric that has a value and an interval.
    #[must_use]
    pub fn intervals(&self) -> BTreeMap<String, Interval> {
        self.of_metrics(&metric::of_task(&self.scored.task).collect::<Vec<_>>())
    }

    /// The intervals of some metrics, on the same draws.
    #[must_use]
    pub fn of_metrics(&self, entries: &[&'static MetricEntry]) -> BTreeMap<String, Interval> {
        let drawn = self.drawn(entries);
        entries.iter().filter_map(|entry| Some((entry.name.to_owned(), self.interval(entry, &drawn, self.bootstrap)?))).collect()
    }

    /// The values of some metrics in each draw; without those whose interval needs none.
    #[must_use]
    pub fn drawn(&self, entries: &[&'static MetricEntry]) -> BTreeMap<&'static str, Drawn> {
        let is_closed = |entry: &MetricEntry| entry.name == "roc_auc" && self.area.is_some();
        let entries: Vec<&'static MetricEntry> = entries.iter().copied().filter(|entry| has_interval(entry) && !is_closed(entry)).collect();
        self.all_drawn(&entries)
    }

    /// The values of a metric in each draw, also where its interval needs none.
    #[must_use]
    pub fn replicated(&self, entry: &'static MetricEntry) -> Option<Drawn> {
        self.all_drawn(&[entry]).remove(entry.name).filter(|_| has_interval(entry))
    }

    fn all_drawn(&self, entries: &[&'static MetricEntry]) -> BTreeMap<&'static str, Drawn> {
        if entries.is_empty() {
            return BTreeMap::new();
        }
        let sample = self.scored.take(&self.rows);
        let drawn = self.replicates(&[&sample], entries);
        let one = |(i, entry): (usize, &&'static MetricEntry)| {
            let (value, center) = (entry.compute(self.scored)?, entry.compute(&sample)?);
            // Counts grow with the rows; everything else does not.
            let grows = if COUNTS.contains(&entry.name) { self.scored.rows() as f64 / self.rows.len() as f64 } else { 1.0 };
            let values = drawn.iter().map(|values| values.get(i).copied().flatten().map_or(f64::NAN, |v| v * grows)).collect();
            Some((entry.name, Drawn { value, center: center * grows, values, narrower: self.narrower(), rows: self.scored.rows() }))
        };
        entries.iter().enumerate().filter_map(one).collect()
    }

    /// A metric's interval with another confidence, or from fewer draws, than the draws were asked for with.
    #[must_use]
    pub fn interval(&self, entry: &MetricEntry, drawn: &BTreeMap<&'static str, Drawn>, bootstrap: Bootstrap) -> Option<Interval> {
        if let Some(area) = self.area.filter(|_| entry.name == "roc_auc") {
            let (low, high) = area.interval(bootstrap.ci);
            return Some(Interval { low, high, method: Method::Delong });
        }
        drawn.get(entry.name)?.interval(bootstrap).map(|(low, high)| Interval { low, high, method: Method::Bootstrap })
    }

    /// The standard error of a metric; `None` where a tenth of the draws or more have no value.
    #[must_use]
    pub fn standard_error(&self, entry: &'static MetricEntry) -> Option<f64> {
        self.replicated(entry)?.standard_error()
    }

    /// By how much the rows' model is better than another one in a metric; `None` where either has no value.
    #[must_use]
    pub fn compare(&self, other: &Scored, entry: &'static MetricEntry) -> Option<Compared> {
        self.difference(other, entry)?.compared(self.bootstrap)
    }

    /// As [`Draws::compare`], draw by draw.
    #[must_use]
    pub fn difference(&self, other: &Scored, entry: &'static MetricEntry) -> Option<Drawn> {
        let sign = if entry.greater_is_better { 1.0 } else { -1.0 };
        let difference = |a: &Scored, b: &Scored| Some(sign * (entry.compute(a)? - entry.compute(b)?)).filter(|value| value.is_finite());
        let (sample, rival) = (self.scored.take(&self.rows), other.take(&self.rows));
        let value = difference(self.scored, other)?;
        let center = difference(&sample, &rival)?;
        let rival = Scored { weight: sample.weight.clone(), ..rival };
        let drawn = self.replicates(&[&sample, &rival], &[entry]);
        let values = drawn.iter().map(|of| of[0].zip(of[1]).map_or(f64::NAN, |(a, b)| sign * (a - b))).collect();
        Some(Drawn { value, center, values, narrower: self.narrower(), rows: self.scored.rows() })
    }

    /// A figure of any kind in [`OF_FIGURES`] draws at most; `of` works it out for rows by their numbers, which may come more than once.
    /// One that grows with the rows, such as a sum, is known by that it does.
    ///
    /// # Errors
    /// As `of`.
    pub fn figure(&self, value: f64, of: impl Fn(&[usize]) -> Result<Option<f64>> + Sync) -> Result<Option<Drawn>> {
        let Some(center) = of(&self.rows)?.filter(|center| center.is_finite()) else { return Ok(None) };
        let count = self.rows.len();
        let share = self.scored.rows() as f64 / count as f64;
        let grows = if (value - share * center).abs() < (value - center).abs() { share } else { 1.0 };
        let one = |draw: usize| {
            let mut random = self.random(draw);
            let rows: Vec<usize> = (0..count).map(|_| self.rows[random.random_range(0..count)]).collect();
            Ok(of(&rows)?.map_or(f64::NAN, |value| value * grows))
        };
        let samples = self.bootstrap.samples.min(OF_FIGURES);
        let of_draws = |draws: Range<usize>| draws.map(one).collect::<Result<Vec<f64>>>();
        let (values, more) = both(|| of_draws(0..samples / 2), || of_draws(samples / 2..samples));
        let values = [values?, more?].concat();
        Ok(Some(Drawn { value, center: center * grows, values, narrower: self.narrower(), rows: self.scored.rows() }))
    }

    /// Each draw has a seed of its own.
    fn random(&self, draw: usize) -> SmallRng {
        SmallRng::seed_from_u64(self.seed ^ (draw as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Metrics of every draw, in the order of the draws: those of the first set of rows, then those of the next, which has as many. Rows count as
    /// often as they were drawn; the others are left out, since every metric would have to step over them.
    fn replicates(&self, sets: &[&Scored], entries: &[&'static MetricEntry]) -> Vec<Vec<Option<f64>>> {
        let rows = self.rows.len();
        let means: Vec<Means> = sets.iter().map(|scored| Means::of(scored, entries)).collect();
        let is_mean = |entry: &&MetricEntry| matches!(entry.formula, Formula::Mean(..));
        let are_means = entries.iter().all(is_mean);
        // Sums need no rows beside those that are there.
        let own = |scored: &&Scored| if are_means { Scored::empty(&scored.task) } else { (*scored).clone() };
        let scratch = || (sets.iter().map(own).collect::<Vec<_>>(), vec![0_u32; rows], Vec::with_capacity(rows));
        let of_draw = |(taken, counts, drawn): &mut (Vec<Scored>, Vec<u32>, Vec<usize>), draw| {
            let mut random = self.random(draw);
            counts.fill(0);
            (0..rows).for_each(|_| counts[random.random_range(0..rows)] += 1);
            drawn.clear();
            drawn.extend((0..rows).filter(|row| counts[*row] > 0));
            let mut found = Vec::with_capacity(sets.len() * entries.len());
            for ((scored, means), taken) in sets.iter().zip(&means).zip(taken) {
                if !are_means {
                    scored.take_into(drawn, taken);
                    taken.weight.iter_mut().zip(drawn.iter()).for_each(|(weight, row)| *weight *= f64::from(counts[*row]));
                }
                let mut means = means.drawn(drawn, counts).into_iter();
                found.extend(entries.iter().map(|entry| if is_mean(entry) { means.next().flatten() } else { entry.compute(taken) }));
            }
            found
        };
        (0..self.bootstrap.samples).into_par_iter().map_init(scratch, of_draw).collect()
    }
}

/// What the metrics that are means add up: a draw of them costs a sum each, however dear the logarithms in them are.
struct Means {
    /// Row by row: the weight, then the weighted value of each metric.
    terms: Vec<f64>,
    finish: Vec<fn(f64) -> f64>,
}

impl Means {
    fn of(scored: &Scored, entries: &[&'static MetricEntry]) -> Self {
        let formulas: Vec<_> = entries
            .iter()
            .filter_map(|entry| match entry.formula {
                Formula::Mean(of, finish) => Some((of, finish)),
                Formula::Whole(_) => None,
            })
            .collect();
        let term = |row: usize, weight: f64| {
            let weighted = move |value: f64| if weight > 0.0 { weight * value } else { 0.0 };
            std::iter::once(weight).chain(formulas.iter().map(move |(of, _)| weighted(of(scored, row))))
        };
        let terms = if formulas.is_empty() { Vec::new() } else { scored.weight.iter().enumerate().flat_map(|(row, weight)| term(row, *weight)).collect() };
        Self { terms, finish: formulas.into_iter().map(|(_, finish)| finish).collect() }
    }

    /// The metrics of the rows that were drawn, each counted as often as it was.
    fn drawn(&self, drawn: &[usize], counts: &[u32]) -> Vec<Option<f64>> {
        if self.finish.is_empty() {
            return Vec::new();
        }
        let width = self.finish.len() + 1;
        let mut sums = vec![0.0; width];
        for row in drawn {
            let count = f64::from(counts[*row]);
            for (sum, term) in sums.iter_mut().zip(&self.terms[row * width..]) {
                *sum += count * term;
            }
        }
        let total = sums[0];
        self.finish.iter().zip(&sums[1..]).map(|(finish, sum)| (total > 0.0).then(|| finish(sum / total)).filter(|value| !value.is_nan())).collect()
    }
}

/// A figure's values in the draws.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// Of all rows.
    value: f64,
    /// Of the rows that are drawn from.
    center: f64,
    /// One a draw; not finite where it has none.
    values: Vec<f64>,
    narrower: f64,
    /// All of them.
    rows: usize,
}

impl Drawn {
    /// The interval around the value of all rows; `None` where a tenth of the draws or more have no value.
    #[must_use]
    pub fn interval(&self, bootstrap: Bootstrap) -> Option<(f64, f64)> {
        let samples = bootstrap.samples.min(self.values.len());
        let mut drawn: Vec<f64> = self.values.iter().take(samples).copied().filter(|value| value.is_finite()).collect();
        if drawn.is_empty() || drawn.len() * 10 < samples * 9 || !self.value.is_finite() {
            return None;
        }
        drawn.sort_by(f64::total_cmp);
        let quantile = |p: f64| {
            let at = (p * (drawn.len() + 1) as f64 - 1.0).clamp(0.0, (drawn.len() - 1) as f64);
            let (below, above) = (drawn[at.floor() as usize], drawn[at.ceil() as usize]);
            below + (above - below) * (at - at.floor())
        };
        // Few rows: percentiles are too narrow by the root of n/(n − 1) and by what Student's distribution is wider than the normal one.
        let z = delong::normal_quantile(f64::midpoint(1.0, bootstrap.ci));
        let tail = 1.0 - delong::normal_distribution(z * (1.0 + (z * z + 3.0) / (4.0 * self.rows as f64)));
        let place = |p: f64| self.value + (quantile(p) - self.center) * self.narrower;
        Some((place(tail), place(1.0 - tail)))
    }

    /// The value as a difference, with its interval.
    #[must_use]
    pub fn compared(&self, bootstrap: Bootstrap) -> Option<Compared> {
        let (low, high) = self.interval(bootstrap)?;
        Some(Compared { better_by: self.value, low, high })
    }

    /// `sign` times what this is more than the same figure of other rows, whose draws are others.
    #[must_use]
    pub fn minus(&self, other: &Self, sign: f64) -> Self {
        let off = |drawn: &Self, value: f64| (value - drawn.center) * drawn.narrower;
        let values = self.values.iter().zip(&other.values).map(|(a, b)| sign * (off(self, *a) - off(other, *b))).collect();
        Self { value: sign * (self.value - other.value), center: 0.0, values, narrower: 1.0, rows: self.rows.min(other.rows) }
    }

    /// How likely a value this far from zero is by chance, either way: the value over the draws' deviation, by Student's distribution with as many
    /// degrees of freedom as the rows have. `None` as for [`Drawn::interval`].
    #[must_use]
    pub fn chance(&self) -> Option<f64> {
        let degrees = self.rows as f64 - 1.0;
        if degrees < 1.0 || !self.value.is_finite() {
            return None;
        }
        let deviation = self.standard_error()? * (self.rows as f64 / degrees).sqrt();
        if deviation == 0.0 {
            return Some(if self.value == 0.0 { 1.0 } else { 0.0 });
        }
        Some(2.0 * student::upper_tail((self.value / deviation).abs(), degrees))
    }

    /// The deviation of the draws, as it is for all rows; `None` where a tenth of the draws or more have no value.
    fn standard_error(&self) -> Option<f64> {
        let drawn: Vec<f64> = self.values.iter().copied().filter(|value| value.is_finite()).collect();
        if drawn.len() < 2 || drawn.len() * 10 < self.values.len() * 9 {
            return None;
        }
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        let variance = drawn.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (drawn.len() - 1) as f64;
        Some(variance.sqrt() * self.narrower)
    }
}

/// Which of several findings stand although there were several looks: Holm's (1979) procedure at a level, from the chance of each.
#[must_use]
pub fn holm(chances: &[f64], level: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..chances.len()).collect();
    order.sort_by(|a, b| chances[*a].total_cmp(&chances[*b]).then(a.cmp(b)));
    let mut stands = vec![false; chances.len()];
    for (before, place) in order.into_iter().enumerate() {
        if chances[place] * (chances.len() - before) as f64 > level || chances[place].is_nan() {
            break;
        }
        stands[place] = true;
    }
    stands
}

/// Metrics that are numbers of rows.
pub(super) const COUNTS: [&str; 4] = ["true_negatives", "false_positives", "false_negatives", "true_positives"];
