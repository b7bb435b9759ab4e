//! How far a table's columns lie from those of a reference, from the two profiles alone.
//!
//! The measure is the population stability index, Σ (cᵢ − rᵢ) ln(cᵢ / rᵢ) over bins with the shares rᵢ in the reference and cᵢ in the
//! current data; by custom 0.1 is a small shift and 0.25 a large one. Bins are the tenths of the reference for numbers, and for
//! categories those that fill at least 1 % of it, at most 20, with all others in one; missing is a bin of its own.
//! Each count gets half a row more, so that an empty bin stays finite and few rows cannot look like a large shift.
//! Numbers are binned by percentiles, so shares are good to about half a per cent.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Profile, ProfiledColumn};

/// Numbers with at most as many distinct values are compared value by value.
const VALUES: usize = 20;
/// Categories with a bin of their own, at most.
const BINS: usize = 20;
/// A category needs this share of the reference for a bin of its own.
const COMMON: f64 = 0.01;

/// How far a column lies from the reference.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ColumnDrift {
    pub column: String,
    /// Population stability index; `None` where there is nothing to bin (many different dates, empty columns).
    pub psi: Option<f64>,
    /// Categories that the reference never saw, of the 200 most frequent ones; empty where the reference's are not all known.
    pub new_categories: Vec<String>,
    /// Share missing now minus share missing in the reference.
    pub missing_change: f64,
}

/// Compares the columns that both tables have, in the reference's order.
#[must_use]
pub fn drift(reference: &Profile, current: &Profile) -> Vec<ColumnDrift> {
    let pairs = reference.columns.iter().filter_map(|column| Some((column, current.column(&column.summary.name)?)));
    pairs
        .map(|(reference, current)| ColumnDrift {
            column: reference.summary.name.clone(),
            psi: psi(reference, current),
            new_categories: new_categories(reference, current),
            missing_change: missing_share(current) - missing_share(reference),
        })
        .collect()
}

fn missing_share(column: &ProfiledColumn) -> f64 {
    column.summary.missing as f64 / column.summary.rows.max(1) as f64
}

fn present(column: &ProfiledColumn) -> f64 {
    column.summary.rows.saturating_sub(column.summary.missing) as f64
}

fn new_categories(reference: &ProfiledColumn, current: &ProfiledColumn) -> Vec<String> {
    if !reference.categories_complete || !matches!(reference.summary.kind.as_str(), "string" | "boolean") {
        return Vec::new();
    }
    let known: BTreeSet<&str> = reference.categories.iter().map(|(value, _)| value.as_str()).collect();
    current.categories.iter().map(|(value, _)| value).filter(|value| !known.contains(value.as_str())).cloned().collect()
}

fn psi(reference: &ProfiledColumn, current: &ProfiledColumn) -> Option<f64> {
    if present(reference) == 0.0 || current.summary.rows == 0 {
        return None;
    }
    let few = |column: &ProfiledColumn| column.categories_complete && column.categories.len() <= VALUES;
    let (mut before, mut now) = match (&reference.numbers, &current.numbers) {
        (Some(old), Some(new)) if !(few(reference) && current.categories_complete) => {
            let edges = tenths(&old.percentiles);
            (by_edges(&old.percentiles, &edges, present(reference)), by_edges(&new.percentiles, &edges, present(current)))
        }
        _ if reference.categories.is_empty() => return None,
        _ => by_category(reference, current),
    };
    before.push(reference.summary.missing as f64);
    now.push(current.summary.missing as f64);
    Some(stability_index(&before, &now))
}

/// Distinct inner tenths.
fn tenths(percentiles: &[f64]) -> Vec<f64> {
    let mut edges: Vec<f64> = (1..10).filter_map(|tenth| percentiles.get(tenth * 10).copied()).collect();
    edges.dedup();
    edges
}

/// Rows in `(-∞, e₀) [e₀, e₁) … [eₙ, ∞)`, read off percentiles.
fn by_edges(percentiles: &[f64], edges: &[f64], rows: f64) -> Vec<f64> {
    let below = edges.iter().map(|edge| share_below(percentiles, *edge));
    let bounds: Vec<f64> = std::iter::once(0.0).chain(below).chain([1.0]).collect();
    bounds.windows(2).map(|pair| (pair[1] - pair[0]).max(0.0) * rows).collect()
}

/// The share of numbers below `edge`, interpolated between percentiles.
fn share_below(percentiles: &[f64], edge: f64) -> f64 {
    let next = percentiles.partition_point(|value| *value < edge);
    let steps = percentiles.len().saturating_sub(1).max(1) as f64;
    match (next.checked_sub(1).and_then(|before| percentiles.get(before)), percentiles.get(next)) {
        (None, _) => 0.0,
        (_, None) => 1.0,
        (Some(before), Some(after)) => ((next - 1) as f64 + (edge - before) / (after - before)) / steps,
    }
}

/// Rows of each common category of the reference, then of all others.
fn by_category(reference: &ProfiledColumn, current: &ProfiledColumn) -> (Vec<f64>, Vec<f64>) {
    let now: BTreeMap<&str, u64> = current.categories.iter().map(|(value, count)| (value.as_str(), *count)).collect();
    let common = reference.categories.iter().take(BINS).filter(|(_, count)| *count as f64 >= COMMON * present(reference));
    let (mut before, mut after): (Vec<f64>, Vec<f64>) =
        common.map(|(value, count)| (*count as f64, now.get(value.as_str()).copied().unwrap_or(0) as f64)).unzip();
    before.push((present(reference) - before.iter().sum::<f64>()).max(0.0));
    after.push((present(current) - after.iter().sum::<f64>()).max(0.0));
    (before, after)
}

/// The index over the counts of bins, each with half a row added.
#[must_use]
pub fn stability_index(before: &[f64], now: &[f64]) -> f64 {
    let bins = before.len() as f64;
    let share = |count: f64, counts: &[f64]| (count + 0.5) / (counts.iter().sum::<f64>() + 0.5 * bins);
    before.iter().zip(now).map(|(old, new)| (share(*old, before), share(*new, now))).map(|(old, new)| (new - old) * (new / old).ln()).sum()
}
