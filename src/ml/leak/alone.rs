//! How well one column predicts the target, without a model.

use polars::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Certainty, dense};
use crate::data::canonical::Cells;
use crate::error::Result;
use crate::ml::matrix::numbers;

/// What a column's strength is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Rows whose target is that of most other rows of their level; beside it, the share without the column.
    Right { without: f64 },
    /// The same of the fiftieths of a number, for more than two classes.
    RightByFiftieths { without: f64 },
    /// Area under the ROC curve, the better of both directions.
    Auc,
    /// Spearman's rank correlation without its sign; beside it, the share of rows on which the target rises (or falls) with the column,
    /// where the target has many values.
    Rank { monotone: Option<f64> },
    /// Share of the variance that is explained by the mean of the other rows of the level.
    Explained,
}

/// A column's strength.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alone {
    pub column: String,
    pub measure: Measure,
    /// From 0 (or half, for an area) to 1.
    pub value: f64,
}

impl Alone {
    /// The measure's name.
    #[must_use]
    pub fn measured(&self) -> &'static str {
        match self.measure {
            Measure::Right { .. } | Measure::RightByFiftieths { .. } => "rows it gets right",
            Measure::Auc => "area under the ROC curve",
            Measure::Rank { .. } => "rank correlation",
            Measure::Explained => "variance explained",
        }
    }

    pub(super) fn verdict(&self) -> Option<Certainty> {
        let certain = match self.measure {
            Measure::Right { without } => self.value >= 0.995 && removes(self.value, without, 0.9),
            Measure::Rank { monotone } => monotone.is_some_and(|share| share >= 0.995),
            Measure::RightByFiftieths { .. } | Measure::Auc | Measure::Explained => false,
        };
        let likely = match self.measure {
            Measure::Right { without } => self.value >= 0.97 && removes(self.value, without, 0.9),
            Measure::RightByFiftieths { without } => self.value >= 0.985 && removes(self.value, without, 0.97),
            Measure::Rank { monotone } => self.value >= 0.99 || monotone.is_some_and(|share| share >= 0.95),
            Measure::Auc | Measure::Explained => self.value >= 0.99,
        };
        if certain { Some(Certainty::Certain) } else { likely.then_some(Certainty::Likely) }
    }

    /// What was seen, of a column or a part of it.
    pub(super) fn sentence(&self, what: &str) -> String {
        let percent = |share: f64| format!("{:.1} %", (share * 1000.0).floor() / 10.0);
        match self.measure {
            Measure::Right { .. } | Measure::RightByFiftieths { .. } => format!("{what} alone gives the target of {} of the rows", percent(self.value)),
            Measure::Auc => format!("{what} alone tells the two classes apart: area under the ROC curve {:.3}", self.value),
            Measure::Rank { monotone: Some(share) } if share >= 0.95 => format!("the target rises or falls with {what} on {} of the rows", percent(share)),
            Measure::Rank { .. } => format!("{what} alone ranks the target: rank correlation {:.3}", self.value),
            Measure::Explained => format!("{what} alone explains {} of the target's variance", percent(self.value)),
        }
    }
}

/// Are at least `share` of the errors gone that are made without the column?
fn removes(right: f64, without: f64, share: f64) -> bool {
    1.0 - right <= (1.0 - share) * (1.0 - without)
}

/// The target of the rows that are looked at.
pub(super) struct Target {
    levels: Vec<u32>,
    /// Rows that most other rows' value is right for.
    without: f64,
    /// As numbers, for a regression; 0 and 1 for two classes.
    numbers: Option<Vec<f64>>,
    /// The place of each number among the distinct ones, for a regression.
    places: Vec<u32>,
    is_classification: bool,
}

impl Target {
    pub fn of(column: &Column, is_classification: bool) -> Result<Self> {
        let cells = Cells::of(column)?;
        let mut hashes = Vec::new();
        cells.view()?.hashes(&mut hashes);
        let (levels, count) = codes(&hashes);
        let numbers = if is_classification { (count == 2).then(|| levels.iter().map(|level| f64::from(*level)).collect()) } else { Some(numbers(column)?) };
        let without = right(&vec![0; levels.len()], &levels);
        let places = numbers.as_ref().filter(|_| !is_classification).map_or_else(Vec::new, |numbers| places(numbers));
        Ok(Self { levels, without, numbers, places, is_classification })
    }

    /// A column with few levels.
    pub fn by_levels(&self, column: &str, levels: &[u32]) -> Alone {
        let value = right(levels, &self.levels);
        let right = Alone { column: column.to_owned(), measure: Measure::Right { without: self.without }, value };
        match &self.numbers {
            // A quantity is seldom hit exactly; that it is explained counts as well.
            Some(numbers) if !self.is_classification && right.verdict().is_none() => {
                Alone { column: column.to_owned(), measure: Measure::Explained, value: explained(levels, numbers) }
            }
            _ => right,
        }
    }

    /// A column of numbers; NaN is missing, and a column that misses more than half says nothing.
    pub fn by_numbers(&self, column: &str, values: &[f64]) -> Option<Alone> {
        let rows: Vec<usize> = (0..values.len()).filter(|row| values[*row].is_finite()).collect();
        if rows.len() * 2 < values.len() {
            return None;
        }
        let x: Vec<f64> = rows.iter().map(|row| values[*row]).collect();
        let alone = |measure, value: f64| value.is_finite().then(|| Alone { column: column.to_owned(), measure, value });
        match (&self.numbers, self.is_classification) {
            (Some(y), true) => {
                let y: Vec<f64> = rows.iter().map(|row| y[*row]).collect();
                let area = area(&ranks(&x), &y);
                // Rows without a number are told apart by nothing.
                let share = rows.len() as f64 / values.len() as f64;
                alone(Measure::Auc, 0.5 + (area.max(1.0 - area) - 0.5) * share)
            }
            (Some(_), false) => {
                let y: Vec<u32> = rows.iter().map(|row| self.places[*row]).collect();
                let share = rows.len() as f64 / values.len() as f64;
                let (ranks_of_y, distinct) = ranks_of_places(&y);
                let monotone = (distinct >= 50).then(|| monotone(&x, &y) * share);
                alone(
                    Measure::Rank { monotone: monotone.filter(|share| removes(*share, self.without, 0.9)) },
                    correlation(&ranks(&x), &ranks_of_y).abs() * share,
                )
            }
            (None, _) => {
                let fiftieths: Vec<u32> = ranks(values).iter().map(|rank| (rank / values.len() as f64 * 50.0) as u32).collect();
                alone(Measure::RightByFiftieths { without: self.without }, right(&fiftieths, &self.levels))
            }
        }
    }
}

/// Levels of equal hashes.
pub(super) fn codes(hashes: &[u64]) -> (Vec<u32>, usize) {
    dense(hashes.iter().copied())
}

/// The share of rows whose target is the most frequent among the other rows of their level.
pub(super) fn right(levels: &[u32], target: &[u32]) -> f64 {
    let mut pairs: Vec<(u32, u32)> = levels.iter().copied().zip(target.iter().copied()).collect();
    pairs.sort_unstable();
    let mut hits = 0_usize;
    for level in pairs.chunk_by(|a, b| a.0 == b.0) {
        let counts: Vec<usize> = level.chunk_by(|a, b| a.1 == b.1).map(<[_]>::len).collect();
        let most = counts.iter().copied().max().unwrap_or(0);
        let is_shared = counts.iter().filter(|count| **count == most).count() > 1;
        let next = if is_shared { most } else { counts.iter().copied().filter(|count| *count < most).max().unwrap_or(0) };
        hits += counts.iter().filter(|count| **count == most && **count > next.max(1)).sum::<usize>();
    }
    hits as f64 / levels.len().max(1) as f64
}

/// The share of the variance that the mean of the other rows of the level explains; not below 0.
pub(super) fn explained(levels: &[u32], y: &[f64]) -> f64 {
    let mut sums = vec![(0.0, 0.0); levels.iter().max().map_or(0, |last| *last as usize + 1)];
    for (level, y) in levels.iter().zip(y) {
        let sum = &mut sums[*level as usize];
        *sum = (sum.0 + 1.0, sum.1 + y);
    }
    let (n, total) = sums.iter().fold((0.0, 0.0), |all, sum| (all.0 + sum.0, all.1 + sum.1));
    let (mut left, mut whole) = (0.0, 0.0);
    for (level, y) in levels.iter().zip(y) {
        let (count, sum) = sums[*level as usize];
        let mean = if count > 1.0 { (sum - y) / (count - 1.0) } else { (total - y) / (n - 1.0) };
        left += (y - mean).powi(2);
        whole += (y - (total - y) / (n - 1.0)).powi(2);
    }
    if whole > 0.0 { (1.0 - left / whole).max(0.0) } else { f64::NAN }
}

/// Whole numbers that are ordered as the numbers are; sorting them is several times as fast. NaN are the last.
fn key(value: f64) -> u64 {
    // Both zeros are one.
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// Keys in order, each with its row.
fn sorted(values: &[f64]) -> Vec<(u64, u32)> {
    let mut sorted: Vec<(u64, u32)> = values.iter().zip(0..).map(|(value, row)| (key(*value), row)).collect();
    sorted.sort_unstable();
    sorted
}

/// Ranks from 1, ties share their mean; NaN are the last.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut ranks = vec![0.0; values.len()];
    let mut done = 0;
    for tied in sorted(values).chunk_by(|a, b| a.0 == b.0 && a.0 <= key(f64::INFINITY)) {
        let rank = done as f64 + f64::midpoint(tied.len() as f64, 1.0);
        for (_, row) in tied {
            ranks[*row as usize] = rank;
        }
        done += tied.len();
    }
    ranks
}

/// The place of each number among the distinct ones, from 0.
fn places(values: &[f64]) -> Vec<u32> {
    let mut places = vec![0; values.len()];
    for (place, tied) in (0..).zip(sorted(values).chunk_by(|a, b| a.0 == b.0)) {
        for (_, row) in tied {
            places[*row as usize] = place;
        }
    }
    places
}

/// As [`ranks`], of numbers that are known by their places; and how many are distinct.
fn ranks_of_places(places: &[u32]) -> (Vec<f64>, usize) {
    let mut counts = vec![0_usize; places.iter().max().map_or(0, |last| *last as usize + 1)];
    for place in places {
        counts[*place as usize] += 1;
    }
    let mut done = 0;
    let ranks: Vec<f64> = counts
        .iter()
        .map(|count| {
            done += count;
            (done - count) as f64 + f64::midpoint(*count as f64, 1.0)
        })
        .collect();
    (places.iter().map(|place| ranks[*place as usize]).collect(), counts.iter().filter(|count| **count > 0).count())
}

fn correlation(x: &[f64], y: &[f64]) -> f64 {
    let n = x.len() as f64;
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        xy += (x - mx) * (y - my);
        xx += (x - mx).powi(2);
        yy += (y - my).powi(2);
    }
    xy / (xx.sqrt() * yy.sqrt())
}

/// P(rank of a one > rank of a zero), ties by half (Mann and Whitney 1947).
fn area(ranks: &[f64], y: &[f64]) -> f64 {
    let ones = y.iter().sum::<f64>();
    let zeros = y.len() as f64 - ones;
    let sum: f64 = ranks.iter().zip(y).map(|(rank, y)| rank * y).sum();
    (sum - ones * (ones + 1.0) / 2.0) / (ones * zeros)
}

/// The share of rows that must stay for `y` to rise (or fall) with `x`: the longest monotone subsequence, which rows of equal `x`
/// enter with one value of `y` (Fredman 1975).
fn monotone(x: &[f64], y: &[u32]) -> f64 {
    let mut pairs: Vec<(u64, u32)> = x.iter().map(|x| key(*x)).zip(y.iter().copied()).collect();
    pairs.sort_unstable();
    let tied = || pairs.chunk_by(|a, b| a.0 == b.0);
    let rising = longest(tied().flat_map(|tied| tied.iter().rev().map(|(_, y)| *y)));
    let falling = longest(tied().flat_map(|tied| tied.iter().map(|(_, y)| u32::MAX - y)));
    rising.max(falling) as f64 / x.len().max(1) as f64
}

/// How long the longest subsequence is that does not fall.
fn longest(values: impl Iterator<Item = u32>) -> usize {
    // `ends[k]` is the least end of one of k + 1 values.
    let mut ends: Vec<u32> = Vec::new();
    for value in values {
        let at = ends.partition_point(|end| *end <= value);
        match ends.get_mut(at) {
            Some(end) => *end = value,
            None => ends.push(value),
        }
    }
    ends.len()
}
