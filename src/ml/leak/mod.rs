//! Is the answer among the questions? Columns that give the target away, and rows that stand on both sides of a split.
//!
//! A finding is [`Certainty::Certain`] where no honest column could look like that, and [`Certainty::Likely`] where one could.
//! The rules, over at most [`ROWS`] rows spread over the training rows (fewer than [`FEWEST`]: nothing is said):
//!
//! | column | certain | likely |
//! |---|---|---|
//! | few levels (rows / levels ≥ 20) | the target is a function of it on ≥ 99.5 % of rows | on ≥ 97 % |
//! | numbers, target with ≥ 50 values | the target rises (or falls) with it on ≥ 99.5 % of rows | on ≥ 95 %, or rank correlation ≥ 0.99 |
//! | numbers, two classes | – | area under the ROC curve ≥ 0.99 |
//! | numbers, more classes | – | its fiftieths give the class of ≥ 98.5 % of rows |
//! | groups, numeric target | – | a group's mean explains ≥ 99 % of the variance |
//! | identifiers (≥ 95 % distinct) | a beginning, an end, a number in it do as above | as above, or a number's remainder does; or it is a feature at all |
//!
//! "A function of it" is counted leaving each row out: a row counts if the other rows of its level have its target more often than any
//! other, so a level of one row explains nothing. Where one class is frequent, a share says little: the errors must also be at most a tenth
//! of those made without the column. A missing value is a level of its own, since being missing may be what gives the target away.
//! Across splits: equal rows (of the features and the target) in training and validation, and groups of alike rows cut in two.

mod across;
mod alone;
mod parts;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use polars::prelude::*;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::data::Table;
use crate::data::canonical::Cells;
use crate::data::rows::spread;
use crate::error::Result;
pub use across::across;
pub use alone::{Alone, Measure};
use alone::{Target, codes};

/// Raised whenever a finding changes for the same rows.
pub const VERSION: u32 = 2;
/// Rows that are looked at.
pub const ROWS: usize = 50_000;
/// With fewer rows chance could look like a leak.
pub const FEWEST: usize = 50;

/// How sure it is that a column must not be a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    Likely,
    Certain,
}

/// A column that gives the target away, or rows on both sides of a split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The column; `None` where it is about rows.
    pub column: Option<String>,
    pub certainty: Certainty,
    /// What was seen, as a sentence without its full stop.
    pub seen: String,
    /// What to do.
    pub remedy: String,
}

/// What [`columns`] found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// Certain ones first, then by column.
    pub found: Vec<Finding>,
    /// How well each column predicts the target alone, the best first.
    pub alone: Vec<Alone>,
    /// Rows that were looked at.
    pub rows: usize,
}

/// Looks at columns of training rows that become features, one at a time.
///
/// # Errors
/// Where the table cannot be read, or a column has a nested type.
pub fn columns(table: &Table, names: &BTreeSet<String>, target: &str, is_classification: bool) -> Result<Findings> {
    let wanted: Vec<Expr> = table.names().filter(|name| names.contains(*name) || *name == target).map(crate::data::column).collect();
    let frame = spread(&Table::from_query(table.lazy().select(wanted))?, ROWS)?;
    if frame.height() < FEWEST {
        return Ok(Findings { rows: frame.height(), ..Findings::default() });
    }
    let target = Target::of(frame.column(target)?, is_classification)?;
    let others: Vec<&Column> = frame.columns().iter().filter(|column| names.contains(column.name().as_str())).collect();
    let looked: Vec<(Option<Finding>, Option<Alone>)> = others.par_iter().map(|column| look(column, &target)).collect::<Result<_>>()?;
    let mut findings = Findings { rows: frame.height(), ..Findings::default() };
    for (finding, alone) in looked {
        findings.found.extend(finding);
        findings.alone.extend(alone);
    }
    findings.found.sort_by(|a, b| b.certainty.cmp(&a.certainty).then_with(|| a.column.cmp(&b.column)));
    findings.alone.sort_by(|a, b| b.value.total_cmp(&a.value).then_with(|| a.column.cmp(&b.column)));
    Ok(findings)
}

/// One column against the target.
fn look(column: &Column, target: &Target) -> Result<(Option<Finding>, Option<Alone>)> {
    let name = column.name().to_string();
    let cells = Cells::of(column)?;
    let view = cells.view()?;
    let mut hashes = Vec::new();
    view.hashes(&mut hashes);
    let (levels, count) = codes(&hashes);
    let rows = levels.len();
    let numbers: Option<Vec<f64>> = match column.dtype() {
        dtype if dtype.is_primitive_numeric() || dtype.is_decimal() => Some((0..rows).map(|row| view.number(row).unwrap_or(f64::NAN)).collect()),
        dtype if dtype.is_temporal() => Some((0..rows).map(|row| view.ordinal(row).map_or(f64::NAN, |value| value as f64)).collect()),
        _ => None,
    };
    let texts: Option<Vec<String>> = matches!(column.dtype(), DataType::String).then(|| (0..rows).map(|row| view.text(row).unwrap_or_default()).collect());
    let present = (0..rows).filter(|row| view.is_present(*row)).count();

    let mut alone = Vec::new();
    let mut findings: Vec<(Certainty, String)> = Vec::new();
    let mut judge = |what: &str, measured: Option<Alone>| {
        let Some(measured) = measured else { return };
        findings.extend(measured.verdict().map(|certainty| (certainty, measured.sentence(what))));
        alone.push(measured);
    };
    let shown = format!("`{name}`");
    if count >= 2 && rows / count >= 20 {
        judge(&shown, Some(target.by_levels(&name, &levels)));
    }
    if let Some(numbers) = &numbers {
        judge(&shown, target.by_numbers(&name, numbers));
    }
    let is_integer = column.dtype().is_integer();
    let identifies = present * 20 >= rows * 19 && count * 20 >= rows * 19;
    if let Some(texts) = &texts {
        judge(&shown, parts::whole_number(texts).and_then(|numbers| target.by_numbers(&name, &numbers)));
    }
    let is_identifier =
        identifies && (texts.as_ref().is_some_and(|texts| parts::are_words(texts)) || (is_integer && numbers.as_deref().is_some_and(parts::are_dense)));
    // A part of an identifier is no column, so how well it does alone is not told, only what it gives away.
    if identifies && (texts.is_some() || is_integer) {
        let texts = texts.unwrap_or_else(|| (0..rows).map(|row| view.text(row).unwrap_or_default()).collect());
        for part in parts::of(&texts) {
            let measured = match &part.values {
                parts::Values::Codes(levels, count) if *count >= 2 && rows / count >= 20 => Some(target.by_levels(&name, levels)),
                parts::Values::Codes(..) => None,
                parts::Values::Numbers(numbers) => target.by_numbers(&name, numbers),
            };
            let Some(measured) = measured else { continue };
            findings.extend(measured.verdict().map(|certainty| (certainty.min(part.at_most), measured.sentence(&format!("{} of `{name}`", part.what)))));
        }
    }
    // The strongest; of equals the first, which is the simplest.
    let strongest = findings.into_iter().rev().max_by_key(|(certainty, _)| *certainty);
    let remedy = |certainty| match certainty {
        Certainty::Certain => format!("if it is not known before the target is, give it a role: `roles: {{{name}: ignore}}`"),
        Certainty::Likely => format!("if it is known only afterwards: `roles: {{{name}: post_event}}`"),
    };
    let finding = match strongest {
        Some((certainty, seen)) => Some(Finding { column: Some(name.clone()), certainty, seen, remedy: remedy(certainty) }),
        None if is_identifier => Some(Finding {
            column: Some(name.clone()),
            certainty: Certainty::Likely,
            seen: format!("`{name}` has another value in nearly every row, as an identifier has, and is a feature"),
            remedy: format!("an identifier has a role of its own: `roles: {{{name}: id}}`"),
        }),
        None => None,
    };
    let best = alone.into_iter().max_by(|a, b| a.value.total_cmp(&b.value));
    Ok((finding, best))
}

/// Codes of groups of equal values, for reducers of this module: value → number in the order of first sight.
fn dense<T: Eq + Hash>(values: impl Iterator<Item = T>) -> (Vec<u32>, usize) {
    let mut seen: HashMap<T, u32> = HashMap::new();
    let mut found = Vec::new();
    for value in values {
        let next = seen.len() as u32;
        found.push(*seen.entry(value).or_insert(next));
    }
    let count = seen.len();
    (found, count)
}
