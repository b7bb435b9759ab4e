//! Adversarial validation: can a small boosted model tell the rows of two tables apart?
//!
//! If not, the area under the ROC curve is about 0.5 and the tables could be parts of one. Unlike figures of single columns it sees
//! shifts of several columns together. Each half of the rows is judged by a model that learned from the other half; the interval is
//! `DeLong`'s. It looks at a fixed number of rows and columns, so its cost does not grow with the data.

use polars::prelude::*;

use crate::data::Table;
use crate::data::canonical::mix;
use crate::data::rows::{kind_name, spread};
use crate::error::{Error, Result};
use crate::ml::metric;
use crate::ml::model::Scored;
use crate::ml::uncertainty::Area;
use crate::ml::{Chunk, Matrix, Task, TrainingSet, estimators};
use crate::value::Value;

/// Rows of each table that are looked at.
const ROWS: usize = 1_000;
/// Columns that are looked at, the first ones.
const COLUMNS: usize = 200;
/// With fewer rows of either nothing is said.
const FEWEST: usize = 100;
/// How sure the interval is.
const CONFIDENCE: f64 = 0.99;
/// An area below this is a difference that few models would notice.
const NOTABLE: f64 = 0.6;
/// Columns that hold a tenth of the gain are named.
const NAMED_SHARE: f64 = 0.1;
const PARAMETERS: [(&str, &str); 4] = [("n_estimators", "20"), ("num_leaves", "7"), ("min_child_samples", "20"), ("learning_rate", "0.2")];

/// How well the rows of two tables are told apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Apart {
    /// Area under the ROC curve; 0.5: not at all, 1: always.
    pub area: f64,
    /// Its interval of 99 %.
    pub low: f64,
    pub high: f64,
    /// Rows of both that were looked at.
    pub rows: usize,
    /// Columns with their share of what the models gained, the greatest first.
    pub columns: Vec<(String, f64)>,
}

impl Apart {
    /// Is the difference surely there, and one to care about?
    #[must_use]
    pub fn is_notable(&self) -> bool {
        self.low > 0.5 && self.area > NOTABLE
    }

    /// The columns that tell the tables apart, at most three.
    #[must_use]
    pub fn telling(&self) -> Vec<&str> {
        self.columns.iter().filter(|(_, share)| *share >= NAMED_SHARE).take(3).map(|(name, _)| name.as_str()).collect()
    }
}

/// Tries to tell the rows of two tables apart by some columns, at most 200 of them; `None` with fewer than a hundred rows of either.
///
/// # Errors
/// Where a table cannot be read or lacks a column.
pub fn apart(one: &Table, other: &Table, columns: &[String], seed: u64) -> Result<Option<Apart>> {
    let columns = columns.get(..COLUMNS).unwrap_or(columns);
    let only = |table: &Table| spread(&table.select(columns.iter().map(String::as_str))?, ROWS);
    if columns.is_empty() {
        return Ok(None);
    }
    let (mut frame, others) = (only(one)?, only(other)?);
    if frame.height() < FEWEST || others.height() < FEWEST {
        return Ok(None);
    }
    let y: Vec<f64> = std::iter::repeat_n(0.0, frame.height()).chain(std::iter::repeat_n(1.0, others.height())).collect();
    frame.vstack_mut(&others)?;
    let x: Vec<Vec<f64>> = frame.columns().iter().map(numbers).collect::<Result<_>>()?;
    // By the seed and the row's number: which half a row is in.
    let half: Vec<usize> = (0..y.len()).map(|row| (mix(seed ^ mix(row as u64)) >> 63) as usize).collect();

    let task = Task::of_classes(2);
    let mut parameters = Value::empty();
    if let Value::Map(map) = &mut parameters {
        map.extend(PARAMETERS.map(|(name, number)| (name.to_owned(), Value::Number(number.to_owned()))));
    }
    let entry = estimators::find("gradient_boosting").ok_or_else(|| Error::bug("there is no `gradient_boosting`"))?;
    let mut scored = Scored::empty(&task);
    let mut gains = vec![0.0; columns.len()];
    for held_out in 0..2 {
        let take = |is_held_out: bool| -> Vec<usize> { (0..y.len()).filter(|row| (half[*row] == held_out) == is_held_out).collect() };
        let of = |rows: &[usize]| Matrix {
            rows: rows.len(),
            columns: x.iter().map(|column| rows.iter().map(|row| column[*row]).collect()).collect(),
            blocks: Vec::new(),
        };
        let (learned, judged) = (take(false), take(true));
        let chunk = Chunk { x: of(&learned), y: learned.iter().map(|row| y[*row]).collect(), w: vec![1.0; learned.len()] };
        let set = TrainingSet::in_memory(task.clone(), columns.to_vec(), chunk, seed);
        let estimator = (entry.parse)(&parameters).map_err(|faults| Error::bug(faults.first().map(ToString::to_string).unwrap_or_default()))?;
        let fitted = estimator.fit(&set)?;
        scored.push(&fitted.predict(&of(&judged))?);
        scored.y.extend(judged.iter().map(|row| y[*row]));
        for (gain, importance) in gains.iter_mut().zip(fitted.importances()) {
            *gain += importance.value / 2.0;
        }
    }
    scored.weight = vec![1.0; scored.y.len()];
    // The areas 0 and 1 have no interval.
    let area = metric::find("roc_auc").and_then(|entry| entry.compute(&scored)).unwrap_or(0.5);
    let (low, high) = Area::of(&scored).map_or((area, area), |area| area.interval(CONFIDENCE));
    let mut columns: Vec<(String, f64)> = columns.iter().cloned().zip(gains).collect();
    columns.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(Some(Apart { area, low, high, rows: scored.rows(), columns }))
}

/// A column as trees can read it: numbers and times as they are, texts by their place among all texts, missing and infinite as NaN.
fn numbers(column: &Column) -> Result<Vec<f64>> {
    if kind_name(column.dtype()) == "string" {
        let texts = column.cast(&DataType::String)?;
        let texts = texts.str()?;
        let mut sorted: Vec<&str> = texts.iter().flatten().collect();
        sorted.sort_unstable();
        sorted.dedup();
        return Ok(texts.iter().map(|text| text.and_then(|text| sorted.binary_search(&text).ok()).map_or(f64::NAN, |place| place as f64)).collect());
    }
    let numbers = column.as_materialized_series().to_physical_repr().cast(&DataType::Float64)?;
    Ok(numbers.f64()?.iter().map(|number| number.filter(|number| number.is_finite()).unwrap_or(f64::NAN)).collect())
}
