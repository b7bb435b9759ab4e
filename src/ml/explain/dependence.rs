//! Partial dependence: the mean prediction when one raw column has the same value in every row, and the single rows that the
//! mean is made of (individual conditional expectation).
//!
//! Values are put in before the chain, and only values that the column really has. Where columns depend on each other, rows
//! come about that do not exist; the curve then says what the model does, not what the world does.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use polars::prelude::*;

use super::altered::{self, Copy};
use crate::error::Result;
use crate::ml::matrix::numbers;
use crate::ml::model::Model;
use crate::ml::selector::ColumnKind;
use crate::ml::{Predictions, Task};

/// Values of a number, or moments in time, that are asked about.
const VALUES: usize = 12;
/// The most frequent levels of a column of text.
const LEVELS: usize = 8;

/// How the prediction depends on one column.
#[derive(Clone, Debug, PartialEq)]
pub struct Dependence {
    pub column: String,
    /// Values have places on an axis; else only labels.
    pub is_number: bool,
    pub values: Vec<At>,
}

/// Predictions where the column has one value: the number, or scores of classes.
#[derive(Clone, Debug, PartialEq)]
pub struct At {
    /// The number; NaN where the column has none.
    pub x: f64,
    pub label: String,
    /// outputs × rows; of two classes only the positive one.
    pub rows: Vec<Vec<f64>>,
}

impl At {
    /// The mean over rows of an output.
    #[must_use]
    pub fn mean(&self, output: usize) -> f64 {
        let rows = self.rows.get(output).map_or(&[][..], Vec::as_slice);
        rows.iter().sum::<f64>() / rows.len().max(1) as f64
    }
}

impl Dependence {
    /// How far the mean moves, over all outputs.
    #[must_use]
    pub fn reach(&self) -> f64 {
        let outputs = self.values.first().map_or(0, |at| at.rows.len());
        let reach = |output| {
            let means = || self.values.iter().map(move |at| at.mean(output));
            means().fold(f64::NEG_INFINITY, f64::max) - means().fold(f64::INFINITY, f64::min)
        };
        (0..outputs).map(reach).fold(0.0, f64::max)
    }
}

/// A value of a column and a row of the sample that has it.
struct Pick {
    row: IdxSize,
    x: f64,
    label: String,
}

/// The dependence on each of `columns` of a prepared table's rows, from about `budget` predictions in all; columns with one value only are left out.
///
/// Source: Friedman (2001), section 8.2; Goldstein et al. (2015) for single rows.
///
/// # Errors
/// As [`Model::predict`].
pub fn dependence(model: &Model, sample: &DataFrame, columns: &[String], budget: usize) -> Result<Vec<Dependence>> {
    let mut picked: Vec<(&String, bool, Vec<Pick>)> = Vec::new();
    for name in columns {
        let Ok(column) = sample.column(name) else { continue };
        let (is_number, picks) = picks(column)?;
        if picks.len() > 1 {
            picked.push((name, is_number, picks));
        }
    }
    let questions: usize = picked.iter().map(|(_, _, picks)| picks.len()).sum();
    let rows = (budget / questions.max(1)).clamp(10, 200).min(sample.height());
    let base: Vec<IdxSize> = (0..rows).map(|i| (i * sample.height() / rows.max(1)) as IdxSize).collect();
    let copies: Vec<Copy<'_>> = picked.iter().flat_map(|(name, _, picks)| picks.iter().map(|pick| Copy { column: name, from: vec![pick.row; rows] })).collect();
    let mut predictions = altered::predict(model, sample, &base, &copies)?.into_iter();
    let found = |(name, is_number, picks): (&String, bool, Vec<Pick>)| {
        let at = |(pick, said): (Pick, Predictions)| At { x: pick.x, label: pick.label, rows: outputs(&model.task, said) };
        let count = picks.len();
        Dependence { column: model.chain.shown(name).to_owned(), is_number, values: picks.into_iter().zip(predictions.by_ref().take(count)).map(at).collect() }
    };
    Ok(picked.into_iter().map(found).collect())
}

fn outputs(task: &Task, predictions: Predictions) -> Vec<Vec<f64>> {
    match (predictions, task) {
        (Predictions::Values(values), _) => vec![values],
        (Predictions::Scores(mut scores), Task::Classification { positive: Some(positive), .. }) if *positive < scores.len() => {
            vec![scores.swap_remove(*positive)]
        }
        (Predictions::Scores(scores), _) => scores,
    }
}

/// Values to ask about, numbers in ascending order and levels by frequency, and whether they are numbers.
fn picks(column: &Column) -> Result<(bool, Vec<Pick>)> {
    let kind = ColumnKind::of(column.dtype());
    if matches!(kind, ColumnKind::String | ColumnKind::Boolean) {
        return Ok((false, levels(column)?));
    }
    let is_number = matches!(kind, ColumnKind::Integer | ColumnKind::Float);
    let Some(values) = ordered(column) else { return Ok((false, Vec::new())) };
    let mut order: Vec<(f64, usize)> = values.into_iter().enumerate().filter(|(_, x)| x.is_finite()).map(|(row, x)| (x, row)).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut distinct = order.clone();
    distinct.dedup_by(|a, b| a.0 == b.0);
    let chosen = if distinct.len() <= VALUES {
        distinct
    } else {
        // From the 2.5 % to the 97.5 % quantile, where rows are.
        let quantile = |i: usize| order.get(((0.025 + 0.95 * i as f64 / (VALUES - 1) as f64) * (order.len() - 1) as f64).round() as usize).copied();
        let mut chosen: Vec<(f64, usize)> = (0..VALUES).filter_map(quantile).collect();
        chosen.dedup_by(|a, b| a.0 == b.0);
        chosen
    };
    let label = |row: usize| column.get(row).map_or_else(|_| String::new(), |value| value.to_string());
    Ok((is_number, chosen.into_iter().map(|(x, row)| Pick { row: row as IdxSize, x, label: label(row) }).collect()))
}

/// Numbers in the order of a column's values, missing ones as NaN; nothing for text.
#[must_use]
pub fn ordered(column: &Column) -> Option<Vec<f64>> {
    if ColumnKind::of(column.dtype()) == ColumnKind::String {
        return None;
    }
    numbers(&column.to_physical_repr()).ok()
}

fn levels(column: &Column) -> Result<Vec<Pick>> {
    let texts = column.cast(&DataType::String)?;
    let mut counts: BTreeMap<Option<&str>, (usize, usize)> = BTreeMap::new();
    for (row, text) in texts.str()?.iter().enumerate() {
        counts.entry(text).or_insert((0, row)).0 += 1;
    }
    let mut levels: Vec<(Option<&str>, (usize, usize))> = counts.into_iter().collect();
    levels.sort_by_key(|(_, (count, _))| Reverse(*count));
    let pick = |(level, (_, row)): (Option<&str>, (usize, usize))| Pick { row: row as IdxSize, x: f64::NAN, label: level.unwrap_or("(missing)").to_owned() };
    Ok(levels.into_iter().take(LEVELS).map(pick).collect())
}
