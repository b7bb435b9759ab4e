//! Slices: the same figures for some of the rows, compared with those for the others.
//!
//! A slice that somebody names is shown with its metrics, and in one of them, the primary one, with an interval and the difference to the rows
//! outside: both from draws of the bootstrap, of at most [`MOST`] rows on either side. Which slices are worse or better is decided for all of them
//! together, by Holm's procedure on the chance of each difference ([`Drawn::chance`]), so that twenty slices of a model that errs evenly do not make
//! one that stands out. Below [`FEWEST`] rows, inside or outside, nothing is said.
//!
//! Slices that nobody named are looked for in [`search`]; [`fairness`] holds groups of people against each other. Nothing here knows a step.

mod cut;
pub mod fairness;
pub mod search;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::metric::{self, MetricEntry};
use super::model::Scored;
use super::uncertainty::{self, Bootstrap, COUNTS, Compared, Drawn, Draws, FEWEST, Interval};

pub use cut::{BINS, Bins, Cut, LEVELS, can_cut};

/// Raised whenever a slice or a verdict changes for the same rows.
pub const VERSION: u32 = 1;
/// Rows that are drawn from in a slice, and outside of it.
pub const MOST: usize = 2_000;

/// What was measured in a slice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// `town = Lake`, or the name it was given.
    pub name: String,
    pub rows: usize,
    /// Of all rows.
    pub share: f64,
    /// Every metric that is defined for its rows; none where there are too few.
    pub metrics: BTreeMap<String, f64>,
    /// Of the metric that is compared.
    pub interval: Option<Interval>,
    /// The metric that is compared, of the rows outside.
    pub outside: Option<f64>,
    /// By how much it is better than outside.
    pub compared: Option<Compared>,
    pub verdict: Verdict,
}

/// How a slice stands to the rows outside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Worse,
    Better,
    /// What difference there is may be chance.
    Tie,
    TooFewRows,
    /// The metric has no value or no interval here.
    Unknown,
}

impl Verdict {
    /// As a person reads it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Worse => "worse",
            Self::Better => "better",
            Self::Tie => "as the others",
            Self::TooFewRows => "too few rows",
            Self::Unknown => "—",
        }
    }
}

/// Measures slices, each given by its name and its rows, and compares each with the rows outside in one metric.
#[must_use]
pub fn measure(scored: &Scored, slices: &[(String, Vec<usize>)], entry: Option<&'static MetricEntry>, bootstrap: Bootstrap, seed: u64) -> Vec<Slice> {
    // Numbers of rows are not compared: a slice has fewer than the rest.
    let entry = entry.filter(|entry| !COUNTS.contains(&entry.name));
    let mut measured: Vec<(Slice, Option<f64>)> = slices.iter().map(|(name, rows)| one(scored, name, rows, entry, bootstrap, seed)).collect();
    let looked: Vec<usize> = (0..measured.len()).filter(|place| measured[*place].1.is_some()).collect();
    let chances: Vec<f64> = looked.iter().filter_map(|place| measured[*place].1).collect();
    for (place, stands) in looked.into_iter().zip(uncertainty::holm(&chances, 1.0 - bootstrap.ci)) {
        let slice = &mut measured[place].0;
        slice.verdict = match slice.compared {
            Some(compared) if stands && compared.better_by < 0.0 => Verdict::Worse,
            Some(compared) if stands && compared.better_by > 0.0 => Verdict::Better,
            _ => Verdict::Tie,
        };
    }
    measured.into_iter().map(|(slice, _)| slice).collect()
}

/// One slice, and how likely its difference is by chance.
fn one(scored: &Scored, name: &str, rows: &[usize], entry: Option<&'static MetricEntry>, bootstrap: Bootstrap, seed: u64) -> (Slice, Option<f64>) {
    let share = rows.len() as f64 / scored.rows().max(1) as f64;
    let nothing = Slice {
        name: name.to_owned(),
        rows: rows.len(),
        share,
        metrics: BTreeMap::new(),
        interval: None,
        outside: None,
        compared: None,
        verdict: Verdict::TooFewRows,
    };
    if rows.len() < FEWEST {
        return (nothing, None);
    }
    let inside = scored.take(rows);
    let metrics = metric::compute_all(&inside);
    let outside = scored.take(&others(scored.rows(), rows));
    let found = entry.map(|entry| against(&inside, &outside, entry, bootstrap, seed)).unwrap_or_default();
    let verdict = if outside.rows() < FEWEST { Verdict::TooFewRows } else { Verdict::Unknown };
    let outside = entry.filter(|_| outside.rows() > 0).and_then(|entry| entry.compute(&outside)).filter(|value| value.is_finite());
    (Slice { metrics, interval: found.interval, outside, compared: found.compared, verdict, ..nothing }, found.chance)
}

#[derive(Default)]
struct Against {
    interval: Option<Interval>,
    compared: Option<Compared>,
    chance: Option<f64>,
}

/// A metric's interval inside, and its difference to outside.
fn against(inside: &Scored, outside: &Scored, entry: &'static MetricEntry, bootstrap: Bootstrap, seed: u64) -> Against {
    let Some(own) = Draws::of_few(inside, bootstrap, seed, MOST) else { return Against::default() };
    let inside: BTreeMap<&'static str, Drawn> = own.replicated(entry).map(|drawn| (entry.name, drawn)).into_iter().collect();
    let interval = own.interval(entry, &inside, bootstrap);
    // The draws of one side must know nothing of the other's.
    let other = Draws::of_few(outside, bootstrap, seed.wrapping_add(1), MOST);
    let sign = if entry.greater_is_better { 1.0 } else { -1.0 };
    let drawn: Option<Drawn> = other.and_then(|other| Some(inside.get(entry.name)?.minus(&other.replicated(entry)?, sign)));
    Against { interval, compared: drawn.as_ref().and_then(|drawn| drawn.compared(bootstrap)), chance: drawn.as_ref().and_then(Drawn::chance) }
}

/// The rows that are not among some, which are in rising order.
fn others(all: usize, rows: &[usize]) -> Vec<usize> {
    let mut is_in = vec![false; all];
    for row in rows {
        is_in[*row] = true;
    }
    (0..all).filter(|row| !is_in[*row]).collect()
}
