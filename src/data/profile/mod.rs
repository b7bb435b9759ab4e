//! What a table holds, column by column, from one pass over its rows.
//!
//! Each column is gathered on its own (in parallel), each batch in order, so the result is the same at any thread count.
//! Memory is bounded at any number of rows, and what the bounds cost is said: counts, means, minima, maxima and
//! histograms are exact always; quantiles are exact up to a million rows (and two million numbers over all columns),
//! distinct and most frequent values up to 50,000 distinct ones of a column (and 130,000 of all), equal rows up to 130,000 distinct
//! ones; above that they are estimates, flagged as such, from samples chosen by hash. NaN counts as missing; an
//! infinity is a value, but no part of mean, quantiles or histogram.
//! Two profiles can be held against each other ([`drift`]). A profile deliberately does not judge: the contract does.

mod alerts;
mod cards;
mod column;
mod counter;
mod drift;
mod numbers;
mod sampler;
mod slots;
mod text;

use std::sync::{Mutex, PoisonError};

use polars::prelude::{DataFrame, Schema};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use self::cards::preview;
use self::column::Gatherer;
pub(crate) use self::counter::first_characters;
pub use self::drift::{ColumnDrift, drift, stability_index};
use self::sampler::{RowSample, Sampler, mix_each};
pub use self::text::Lengths;
use super::canonical::Kind;
use super::wide::wide;
use super::{Roles, Table};
use crate::card::ColumnProfile;
use crate::error::{Error, Problem, Result};

/// Numbers held for quantiles, over all columns.
const QUANTILE_VALUES: usize = 1 << 21;
/// Rows of a column held for quantiles, at most.
const QUANTILE_ROWS: usize = 1_000_000;
/// Distinct values counted exactly, over all columns.
const DISTINCT_VALUES: usize = 1 << 17;
/// Distinct values of a column counted exactly, at most.
const DISTINCT_OF_COLUMN: usize = 50_000;
/// Distinct rows counted exactly.
const DISTINCT_ROWS: usize = 1 << 17;
/// Columns gathered side by side: no more than a hash has bits, each of which turns it by another number of them.
const COLUMNS_AT_ONCE: usize = 64;
/// Rows gathered at once: their values stay in a processor's cache while they are looked at again and again.
const ROWS_AT_ONCE: usize = 2048;
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

    /// Is no figure an estimate?
    #[must_use]
    pub fn is_exact(&self) -> bool {
        let is_exact = |column: &ProfiledColumn| {
            let numbers = column.numbers.as_ref().is_some_and(|numbers| numbers.estimated);
            !numbers && !column.categories_estimated && !column.summary.distinct_estimated
        };
        !self.duplicates.estimated && self.columns.iter().all(is_exact)
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
    let mut profiler = Profiler::new(table.schema(), roles, None)?;
    for batch in table.batches()? {
        profiler.add(&batch?)?;
    }
    Ok(profiler.finish())
}

/// A profile in the making: it grows by batches, in the order of rows.
pub struct Profiler {
    gatherers: Vec<Gatherer>,
    sample: RowSample,
    equal_rows: Sampler,
    rows: u64,
    rooms: Mutex<Vec<Room>>,
}

/// Room for the hashes of a piece, used again and again.
#[derive(Default)]
struct Room {
    /// Of a column's values.
    hashes: Vec<u64>,
    /// Of each row, the sum over the columns done so far; empty before the first.
    sums: Vec<u64>,
}

impl Profiler {
    /// For a table of these columns and, where that is known, of exactly so many rows: what comes out is the same, in less time.
    ///
    /// # Errors
    /// Columns of nested types, all named.
    pub fn new(schema: &Schema, roles: &Roles, rows: Option<u64>) -> Result<Self> {
        let mut problems: Vec<Problem> = Vec::new();
        let mut kinds = Vec::new();
        for (name, dtype) in schema.iter() {
            match Kind::of(name, dtype) {
                Ok(kind) => kinds.push((name.as_str(), kind)),
                Err(error) => problems.extend(error.problems),
            }
        }
        if let Some(error) = Error::all(crate::error::Kind::Data, problems) {
            return Err(error);
        }
        let numeric = kinds.iter().filter(|(_, kind)| kind.is_number()).count().max(1);
        let distinct = distinct_of_column(kinds.len());
        Ok(Self {
            gatherers: kinds.iter().map(|(name, kind)| Gatherer::new(name, *kind, roles.of(name), distinct)).collect(),
            sample: RowSample::new((QUANTILE_VALUES / numeric).clamp(10_000, QUANTILE_ROWS), rows),
            equal_rows: Sampler::new(DISTINCT_ROWS),
            rows: 0,
            rooms: Mutex::default(),
        })
    }

    /// Looks at the next rows: batches of any size, of the columns that were named.
    ///
    /// # Errors
    /// Columns of other types.
    pub fn add(&mut self, batch: &DataFrame) -> Result<()> {
        // Inside the pool, so that no piece waits for its tasks to be handed over and back.
        rayon::scope(|_| (0..batch.height()).step_by(ROWS_AT_ONCE).try_for_each(|start| self.add_piece(&batch.slice(start as i64, ROWS_AT_ONCE))))
    }

    fn add_piece(&mut self, piece: &DataFrame) -> Result<()> {
        let turn = self.sample.turn(self.rows, piece.height());
        let mut row_hashes = vec![0u64; piece.height()];
        for (gatherers, columns) in self.gatherers.chunks_mut(COLUMNS_AT_ONCE).zip(piece.columns().chunks(COLUMNS_AT_ONCE)) {
            // Sums of whole numbers: it is no matter which columns came together in which order.
            let rooms = (0u32..)
                .zip(gatherers)
                .zip(columns)
                .collect::<Vec<_>>()
                .into_par_iter()
                .with_min_len(2)
                .try_fold(
                    || self.rooms.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default(),
                    |mut room, ((bits, gatherer), column)| gatherer.add(column, &turn, &mut room, bits).map(|()| room),
                )
                .collect::<Result<Vec<Room>>>()?;
            for mut room in rooms {
                row_hashes.iter_mut().zip(&room.sums).for_each(|(hash, sum)| *hash = hash.wrapping_add(*sum));
                room.sums.clear();
                self.rooms.get_mut().unwrap_or_else(PoisonError::into_inner).push(room);
            }
            mix_each(&mut row_hashes);
        }
        self.equal_rows.add(&row_hashes);
        self.rows += piece.height() as u64;
        Ok(())
    }

    /// The profile of all rows that were added.
    #[must_use]
    pub fn finish(self) -> Profile {
        let (rows, is_estimate) = (self.rows, self.sample.is_estimate());
        let has_columns = !self.gatherers.is_empty();
        let mut columns: Vec<(ProfiledColumn, u64)> = self.gatherers.into_par_iter().map(|gatherer| gatherer.finish(rows, is_estimate)).collect();
        name_equal_columns(&mut columns);
        let equal = self.equal_rows.finish();
        Profile {
            rows,
            columns: columns.into_iter().map(|(column, _)| column).collect(),
            duplicates: Duplicates { rows: if has_columns { equal.repeated } else { 0 }, estimated: equal.is_estimate },
        }
    }
}

impl Room {
    /// Adds each hash, turned by so many bits, to its row's sum. Returns the sum of the hashes, each told apart by its row's key: both in one
    /// look at them.
    fn join(&mut self, keys: &[u64], bits: u32) -> u64 {
        let Self { hashes, sums } = self;
        sums.resize(hashes.len(), 0);
        wide(
            #[inline(always)]
            || {
                sums.iter_mut().zip(hashes).zip(keys).fold(0u64, |all, ((sum, hash), key)| {
                    *sum = sum.wrapping_add(hash.rotate_left(bits));
                    all.wrapping_add(*hash ^ key)
                })
            },
        )
    }
}

/// Distinct values counted exactly of each of so many columns.
fn distinct_of_column(columns: usize) -> usize {
    (DISTINCT_VALUES / columns.max(1)).clamp(CATEGORIES + 56, DISTINCT_OF_COLUMN)
}

/// Columns are equal where the sums of their values' hashes, each told apart by its row, are. Those with one value only are left out.
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
