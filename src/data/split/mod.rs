//! Rows into training, validation and test.
//!
//! The rows pass once, a batch at a time: each gets a label from its method ([`Method`]), the filter may take the label
//! away, and the labelled rows go to three parquet files in the order they came. A row is never copied into two parts,
//! never lost without being counted by reason, and never moved by the number of threads. What it deliberately does
//! not do: shuffle, rebalance or resample.

mod assign;
mod config;
mod report;
mod writer;

use std::path::PathBuf;

use polars::prelude::*;

use self::assign::{Assigner, FILTER_FALSE, FILTER_MISSING};
pub use self::config::{Method, Part, Ratios, SplitConfig};
use self::report::{LookForEqualRows, Watch};
pub use self::report::{Overlap, SplitReport};
use self::writer::Parts;
use super::{Profile, Roles, Table};
use crate::error::{Error, Result};

/// Where the parts are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitPaths {
    pub training: PathBuf,
    pub validation: PathBuf,
    pub test: PathBuf,
}

/// Splits a table into three parquet files and profiles what it writes, in their order; `filter` is the parsed `post_split_filter`, a row-wise condition.
///
/// # Errors
/// A configuration that does not fit the table; a class with one row in a stratified split; a label that names no part; a
/// part that stays empty, as with one row. The files are then to be thrown away.
pub fn split(table: &Table, config: &SplitConfig, filter: Option<Expr>, roles: &Roles, seed: u64, out: &SplitPaths) -> Result<(SplitReport, [Profile; 3])> {
    check(config)?;
    let mut assigner = Assigner::plan(table, config, roles, seed)?;
    let look = if assigner.keeps_equal_rows_together() { LookForEqualRows::No } else { LookForEqualRows::Yes };
    let time = match &assigner {
        Assigner::Time { column, .. } => Some(column.as_str()),
        _ => None,
    };
    let mut watch = Watch::new(table, roles, time, look)?;
    let mut parts = Parts::create(out, table.schema(), roles)?;
    let filtered = filter.map(|filter| with_condition(table, filter)).transpose()?;
    let (query, condition) = match &filtered {
        Some((query, condition)) => (query, Some(condition.as_str())),
        None => (table, None),
    };
    for batch in query.batches()? {
        let mut batch = batch?;
        let condition = condition.map(|condition| batch.drop_in_place(condition)).transpose()?;
        let mut labels = assigner.assign(&batch)?;
        if let Some(condition) = condition {
            apply_filter(condition.bool()?, &config.apply_to, &mut labels);
        }
        watch.add(&batch, &labels)?;
        parts.push(&batch, &labels)?;
    }
    assigner.finish()?;
    let profiles = parts.finish()?;
    let report = watch.finish(|label| assigner.reason(label));
    all_filled(&report, config.using)?;
    Ok((with_share_warnings(report, config), profiles))
}

/// What is wrong with the section whatever the table.
fn check(config: &SplitConfig) -> Result<()> {
    let misplaced = |key: &str| Err(Error::config(format!("`{key}` is for `using: time`")).path(&format!("steps.split.{key}")));
    match config.using {
        Method::Time => Ok(()),
        _ if config.gap.is_some() => misplaced("gap"),
        _ if config.cuts.is_some() => misplaced("cuts"),
        _ => Ok(()),
    }?;
    if config.apply_to.is_empty() {
        return Err(Error::config("`apply_to` names no part").path("steps.split.apply_to").hint("leave it out to filter all three"));
    }
    Ok(())
}

/// The table with the condition as one more column, and that column's name.
fn with_condition(table: &Table, filter: Expr) -> Result<(Table, String)> {
    let mut name = "post_split_filter".to_owned();
    while table.has(&name) {
        name.push('_');
    }
    let query = Table::from_query(table.lazy().with_columns([filter.alias(name.as_str())])).map_err(|error| error.path("steps.split.post_split_filter"))?;
    match query.schema().get(&name) {
        Some(DataType::Boolean) => Ok((query, name)),
        other => {
            let kind = other.map_or_else(String::new, ToString::to_string);
            Err(Error::config(format!("the filter is not a condition: it gives {kind}"))
                .path("steps.split.post_split_filter")
                .hint("such as `fare_amount > 0`"))
        }
    }
}

fn apply_filter(condition: &BooleanChunked, apply_to: &[Part], labels: &mut [u8]) {
    for (label, keep) in labels.iter_mut().zip(condition.iter()) {
        if apply_to.iter().any(|part| *part as u8 == *label) {
            match keep {
                Some(true) => {}
                Some(false) => *label = FILTER_FALSE,
                None => *label = FILTER_MISSING,
            }
        }
    }
}

/// Refuses a split with an empty part.
fn all_filled(report: &SplitReport, method: Method) -> Result<()> {
    let empty: Vec<String> = Part::ALL.into_iter().filter(|part| report.rows[*part as usize] == 0).map(|part| format!("`{part}`")).collect();
    if empty.is_empty() {
        return Ok(());
    }
    let rows = match report.rows_in {
        0 => "there are no rows".to_owned(),
        1 => "there is one row".to_owned(),
        rows => format!("{} would be empty ({rows} rows, {} dropped)", empty.join(" and "), report.dropped.values().sum::<u64>()),
    };
    let hint = match (report.rows_in, report.dropped.iter().max_by_key(|(_, rows)| **rows)) {
        (0..3, _) => "three rows are the least; models want hundreds".to_owned(),
        (_, Some((reason, rows))) => format!("most were dropped because {reason}: {rows} rows"),
        (_, None) => match method {
            Method::SplitRatios => "equal rows share a split: use `using: random` for exact sizes, other ratios, or more rows",
            Method::Group => "a group is never divided: use more groups, or other ratios",
            Method::Column => "rows must name each of TRAINING, VALIDATION and TEST",
            Method::Random | Method::Stratified | Method::Time => "use other ratios, or more rows",
        }
        .to_owned(),
    };
    Err(Error::data(format!("cannot split: {rows}")).hint(hint))
}

/// Says so where whole groups or moments made a share far from what was asked.
fn with_share_warnings(mut report: SplitReport, config: &SplitConfig) -> SplitReport {
    if config.using == Method::Column || config.cuts.is_some() || config.post_split_filter.is_some() {
        return report;
    }
    let total: u64 = report.rows.iter().sum();
    for (part, share) in Part::ALL.into_iter().zip(config.split_ratios.shares()) {
        let real = report.rows[part as usize] as f64 / total as f64;
        // Four standard deviations of a fair draw, and a fifth of the share.
        if (real - share).abs() > (share * 0.2).max(4.0 * (share * (1.0 - share) / total as f64).sqrt()) {
            report.warnings.push(format!("{part} holds {:.1} % of the rows, not {:.1} %", real * 100.0, share * 100.0));
        }
    }
    report
}

#[cfg(test)]
mod tests;
