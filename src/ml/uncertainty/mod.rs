//! How sure a metric is: intervals from the rows it was measured on.
//!
//! Every metric but `max_error` (a greatest value has no bootstrap: Bickel and Freedman 1981) has a percentile bootstrap interval
//! (Efron 1979): rows are drawn again with replacement, as weights, and the metric is computed for each draw. From more than [`MOST`]
//! rows, that many stand for all, spread over them, and the interval is narrowed by the root of their share, since the error of a metric
//! shrinks with the root of the rows (Politis, Romano and Wolf 1999). Percentiles are expanded for few rows as Hesterberg (2015) has it. The area under the ROC curve of two classes has `DeLong`'s interval
//! (`DeLong`, `DeLong` and Clarke-Pearson 1988) on the logit scale, where no row has a weight of its own.
//!
//! Differences of two models are taken on the same draws, so what is hard about a row is hard for both.
//! Rows are taken to be independent of each other.

mod delong;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::metric::{self, MetricEntry};
use super::model::Scored;
use crate::value::Fault;

/// Raised whenever an interval changes for the same rows.
pub const VERSION: u32 = 1;
/// Rows that are drawn from.
pub const MOST: usize = 10_000;
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
        Some(Self { scored, rows, bootstrap, seed })
    }

    /// How much narrower an interval of all rows is than one of those drawn from.
    fn narrower(&self) -> f64 {
        (self.rows.len() as f64 / self.scored.rows() as f64).sqrt()
    }

    /// The interval of every metric that has a value and an interval.
    #[must_use]
    pub fn intervals(&self) -> BTreeMap<String, Interval> {
        self.of_metrics(&metric::of_task(&self.scored.task).collect::<Vec<_>>())
    }

    /// The intervals of some metrics, on the same draws.
    #[must_use]
    pub fn of_metrics(&self, entries: &[&MetricEntry]) -> BTreeMap<String, Interval> {
        let mut found = BTreeMap::new();
        let is_area = |entry: &MetricEntry| entry.name == "roc_auc";
        if entries.iter().any(|entry| is_area(entry))
            && let Some((low, high)) = delong::interval(self.scored, self.bootstrap.ci)
        {
            found.insert("roc_auc".to_owned(), Interval { low, high, method: Method::Delong });
        }
        let entries: Vec<&MetricEntry> = entries.iter().copied().filter(|entry| has_interval(entry) && !found.contains_key(entry.name)).collect();
        if entries.is_empty() {
            return found;
        }
        let sample = take(self.scored, &self.rows);
        let drawn = self.replicates(&sample, |scored| entries.iter().map(|entry| (entry.compute)(scored)).collect::<Vec<_>>());
        for (i, entry) in entries.iter().enumerate() {
            let (Some(value), Some(center)) = ((entry.compute)(self.scored), (entry.compute)(&sample)) else { continue };
            // Counts grow with the rows; everything else does not.
            let grows = if COUNTS.contains(&entry.name) { self.scored.rows() as f64 / self.rows.len() as f64 } else { 1.0 };
            let values: Vec<f64> = drawn.iter().filter_map(|values| values.get(i).copied().flatten()).map(|v| v * grows).collect();
            if let Some((low, high)) = self.around(value, center * grows, values) {
                found.insert(entry.name.to_owned(), Interval { low, high, method: Method::Bootstrap });
            }
        }
        found
    }

    /// The standard error of a metric; `None` where a tenth of the draws or more have no value.
    #[must_use]
    pub fn standard_error(&self, entry: &MetricEntry) -> Option<f64> {
        let drawn = self.replicates(&take(self.scored, &self.rows), |scored| (entry.compute)(scored));
        let values: Vec<f64> = drawn.into_iter().flatten().filter(|value| value.is_finite()).collect();
        if values.len() * 10 < self.bootstrap.samples * 9 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64;
        let grows = if COUNTS.contains(&entry.name) { self.scored.rows() as f64 / self.rows.len() as f64 } else { 1.0 };
        Some(variance.sqrt() * grows * self.narrower())
    }

    /// By how much the rows' model is better than another one in a metric; `None` where either has no value.
    #[must_use]
    pub fn compare(&self, other: &Scored, entry: &MetricEntry) -> Option<Compared> {
        let sign = if entry.greater_is_better { 1.0 } else { -1.0 };
        let difference = |a: &Scored, b: &Scored| Some(sign * ((entry.compute)(a)? - (entry.compute)(b)?)).filter(|value| value.is_finite());
        let (sample, rival) = (take(self.scored, &self.rows), take(other, &self.rows));
        let better_by = difference(self.scored, other)?;
        let center = difference(&sample, &rival)?;
        let drawn = self.replicates(&sample, |scored| difference(scored, &Scored { weight: scored.weight.clone(), ..rival.clone() }));
        let (low, high) = self.around(better_by, center, drawn.into_iter().flatten().collect())?;
        Some(Compared { better_by, low, high })
    }

    /// Computes something for every draw, in the order of the draws; each has a seed of its own.
    fn replicates<T: Send>(&self, sample: &Scored, of: impl Fn(&Scored) -> T + Sync) -> Vec<T> {
        let rows = sample.rows();
        (0..self.bootstrap.samples)
            .into_par_iter()
            .map_init(
                || (sample.clone(), vec![0_u32; rows]),
                |(scored, counts), draw| {
                    let mut random = SmallRng::seed_from_u64(self.seed ^ (draw as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
                    counts.fill(0);
                    (0..rows).for_each(|_| counts[random.random_range(0..rows)] += 1);
                    for ((weight, own), count) in scored.weight.iter_mut().zip(&sample.weight).zip(counts.iter()) {
                        *weight = own * f64::from(*count);
                    }
                    of(scored)
                },
            )
            .collect()
    }

    /// The interval around the value of all rows; `None` where a tenth of the draws or more have no value.
    fn around(&self, value: f64, center: f64, mut drawn: Vec<f64>) -> Option<(f64, f64)> {
        drawn.retain(|value| value.is_finite());
        if drawn.len() * 10 < self.bootstrap.samples * 9 || !value.is_finite() {
            return None;
        }
        drawn.sort_by(f64::total_cmp);
        let quantile = |p: f64| {
            let at = (p * (drawn.len() + 1) as f64 - 1.0).clamp(0.0, (drawn.len() - 1) as f64);
            let (below, above) = (drawn[at.floor() as usize], drawn[at.ceil() as usize]);
            below + (above - below) * (at - at.floor())
        };
        // Few rows: percentiles are too narrow by the root of n/(n − 1) and by what Student's distribution is wider than the normal one.
        let z = delong::normal_quantile(f64::midpoint(1.0, self.bootstrap.ci));
        let tail = 1.0 - delong::normal_distribution(z * (1.0 + (z * z + 3.0) / (4.0 * self.scored.rows() as f64)));
        let place = |p: f64| value + (quantile(p) - center) * self.narrower();
        Some((place(tail), place(1.0 - tail)))
    }
}

/// Metrics that are numbers of rows.
const COUNTS: [&str; 4] = ["true_negatives", "false_positives", "false_negatives", "true_positives"];

/// Some of the rows, in the order given.
fn take(scored: &Scored, rows: &[usize]) -> Scored {
    let of = |values: &Vec<f64>| rows.iter().map(|row| values[*row]).collect();
    Scored {
        task: scored.task.clone(),
        y: of(&scored.y),
        prediction: of(&scored.prediction),
        scores: scored.scores.iter().map(of).collect(),
        weight: of(&scored.weight),
        adjustments: scored.adjustments.clone(),
    }
}
