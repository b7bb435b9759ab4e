//! What a table holds, column by column, from one pass over its rows.
//!
//! Each column is gathered on its own (in parallel), each batch in order, so the result is the same at any thread count.
//! Memory is bounded at any number of rows, and what the bounds cost is said: counts, means, minima, maxima and
//! histograms are exact always; quantiles are exact up to a million rows (and four million numbers over all columns),
//! distinct and most frequent values up to tens of thousands of distinct ones, equal rows up to half a million distinct ones;
//! above that they are estimates, flagged as such, from samples chosen by hash. NaN counts as missing; an infinity is a value,
//! but no part of mean, quantiles or histogram.
//! A profile is kept beside the model, so that later data can be held against it ([`drift`]). It deliberately does
//! not judge: the contract does.

mod alerts;
mod cards;
mod column;
mod counter;
mod drift;
mod numbers;
mod sampler;
mod text;

use polars::prelude::DataFrame;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use self::cards::preview;
use self::column::Gatherer;
pub(crate) use self::counter::first_characters;
pub use self::drift::{ColumnDrift, drift, stability_index};
use self::sampler::{RowSample, Sampler};
pub use self::text::Lengths;
use super::canonical::{Kind, mix};
use super::{Batches, Roles, Table};
use crate::card::ColumnProfile;
use crate::error::{Error, Problem, Result};

/// Numbers held for quantiles, over all columns.
const QUANTILE_VALUES: usize = 1 << 22;
/// Rows of a column held for quantiles, at most.
const QUANTILE_ROWS: usize = 1_000_000;
/// Distinct values counted exactly, over all columns.
const DISTINCT_VALUES: usize = 1 << 19;
/// Distinct values of a column counted exactly, at most.
const DISTINCT_OF_COLUMN: usize = 50_000;
/// Distinct rows counted exactly.
const DISTINCT_ROWS: usize = 1 << 19;
/// Columns gathered side by side.
const COLUMNS_AT_ONCE: usize = 64;
/// Rows gathered at once: their values stay in a processor's cache while they are looked at again and again.
const ROWS_AT_ONCE: usize = 8192;
/// Categories kept of a column.
pub(super) const CATEGORIES: usize = 200;

/// A table's profile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    pub rows: u64,
    pub columns: Vec<ProfiledColumn>,
    pub duplicates: Duplicates,
}

/// Rows equal to an earlier row in every column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duplicates {
    pub rows: u64,
    pub estimated: bool,
}

impl Duplicates {
    /// What the number is called.
    #[must_use]
    pub fn label(self) -> &'static str {
        if self.estimated { "duplicate rows (estimate)" } else { "duplicate rows" }
    }
}

/// A column's profile: what a card shows, and what [`drift`] needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProfiledColumn {
    pub summary: ColumnProfile,
    /// Infinite numbers.
    pub infinite: u64,
    pub numbers: Option<NumberProfile>,
    pub lengths: Option<Lengths>,
    /// The most frequent values with their counts, at most 200, cut to 200 characters each.
    pub categories: Vec<(String, u64)>,
    /// `categories` are all values there are, with exact counts.
    pub categories_complete: bool,
    /// The counts of `categories` and `summary.top` are estimates.
    pub categories_estimated: bool,
    /// An earlier column with the same value in every row.
    pub same_as: Option<String>,
}

/// The distribution of a numeric column.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NumberProfile {
    /// The 0 %, 1 %, … 100 % quantiles of the finite numbers, interpolated linearly.
    pub percentiles: Vec<f64>,
    /// They are those of a sample of rows.
    pub estimated: bool,
}

impl Profile {
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&ProfiledColumn> {
        self.columns.iter().find(|column| column.summary.name == name)
    }

    /// Every alert with its column, in the order of columns.
    pub fn alerts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.columns.iter().flat_map(|column| column.summary.alerts.iter().map(|alert| (column.summary.name.as_str(), alert.as_str())))
    }
}

/// Profiles a table in one pass.
///
/// # Errors
/// Columns of nested types, all named; a query that fails.
pub fn profile(table: &Table, roles: &Roles) -> Result<Profile> {
    let mut problems = Vec::new();
    let mut kinds = Vec::new();
    for (name, dtype) in table.schema().iter() {
        match Kind::of(name, dtype) {
            Ok(kind) => kinds.push((name.as_str(), kind)),
            Err(error) => problems.extend(error.problems),
        }
    }
    if let Some(error) = Error::all(crate::error::Kind::Data, Vec::<Problem>::from_iter(problems)) {
        return Err(error);
    }
    let numeric = kinds.iter().filter(|(_, kind)| kind.is_number()).count().max(1);
    let distinct = (DISTINCT_VALUES / kinds.len().max(1)).clamp(CATEGORIES + 56, DISTINCT_OF_COLUMN);
    let mut gatherers: Vec<Gatherer> = kinds.iter().map(|(name, kind)| Gatherer::new(name, *kind, roles.of(name), distinct)).collect();
    let mut sample = RowSample::new((QUANTILE_VALUES / numeric).clamp(10_000, QUANTILE_ROWS));
    let mut equal_rows = Sampler::new(DISTINCT_ROWS);
    let mut hashes: Vec<Vec<u64>> = vec![Vec::new(); kinds.len().min(COLUMNS_AT_ONCE)];
    let mut rows = 0u64;
    for batch in pieces(table.batches()?) {
        let batch = batch?;
        let turn = sample.turn(rows, batch.height());
        let mut row_hashes = vec![0u64; batch.height()];
        for (gatherers, columns) in gatherers.chunks_mut(COLUMNS_AT_ONCE).zip(batch.columns().chunks(COLUMNS_AT_ONCE)) {
            let gathered: Vec<Result<()>> =
                gatherers.par_iter_mut().zip(columns).zip(&mut hashes).map(|((gatherer, column), hashes)| gatherer.add(column, &turn, hashes)).collect();
            gathered.into_iter().collect::<Result<Vec<()>>>()?;
            for hashes in hashes.iter().take(columns.len()) {
                fold(&mut row_hashes, hashes);
            }
        }
        for hash in &row_hashes {
            equal_rows.add(mix(*hash), 1);
        }
        rows += batch.height() as u64;
    }
    let is_estimate = sample.is_estimate();
    let mut columns: Vec<(ProfiledColumn, u64)> = gatherers.into_par_iter().map(|gatherer| gatherer.finish(rows, is_estimate)).collect();
    name_equal_columns(&mut columns);
    Ok(Profile {
        rows,
        columns: columns.into_iter().map(|(column, _)| column).collect(),
        duplicates: Duplicates { rows: if kinds.is_empty() { 0 } else { equal_rows.repeated() }, estimated: equal_rows.is_estimate() },
    })
}

/// Batches in pieces of [`ROWS_AT_ONCE`] rows.
fn pieces(batches: Batches) -> impl Iterator<Item = Result<DataFrame>> {
    let split = |batch: DataFrame| (0..batch.height()).step_by(ROWS_AT_ONCE).map(move |start| batch.slice(start as i64, ROWS_AT_ONCE));
    batches.flat_map(move |batch| {
        let (pieces, error) = match batch {
            Ok(batch) => (Some(split(batch)), None),
            Err(error) => (None, Some(Err(error))),
        };
        pieces.into_iter().flatten().map(Ok).chain(error)
    })
}

/// Takes one more column into the hashes of rows.
fn fold(rows: &mut [u64], column: &[u64]) {
    for (row, hash) in rows.iter_mut().zip(column) {
        *row = (row.rotate_left(5) ^ hash).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Columns are equal where the sums of their values' hashes, weighted by row, are. Those with one value only are left out.
fn name_equal_columns(columns: &mut [(ProfiledColumn, u64)]) {
    for later in 1..columns.len() {
        let (before, rest) = columns.split_at_mut(later);
        let Some((column, digest)) = rest.first_mut() else { continue };
        if column.summary.distinct.is_none_or(|distinct| distinct < 2) {
            continue;
        }
        if let Some((earlier, _)) = before.iter().find(|(_, other)| other == digest) {
            column.same_as = Some(earlier.summary.name.clone());
            column.summary.alerts.push(format!("the same values as `{}`", crate::error::shorten(&earlier.summary.name)));
        }
    }
}

#[cfg(test)]
mod tests;
