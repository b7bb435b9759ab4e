//! How good a model that learns in rounds was after fewer of them: its learning curve.
//!
//! The rounds are those of the model as it is, so a curve costs about one prediction of the rows and no fit. It is drawn from a fixed
//! number of rows, by root mean squared error for numbers and log loss for classes.

use polars::prelude::IntoLazy;

use super::model::Model;
use super::{Matrix, Task, metric, target_numbers};
use crate::data::Table;
use crate::data::rows::spread;
use crate::error::{Error, Result};

/// Rows that are looked at.
const ROWS: usize = 1_000;
/// Points of a curve.
const POINTS: usize = 40;

/// The name of what a curve shows.
#[must_use]
pub fn measure(task: &Task) -> &'static str {
    if *task == Task::Regression { "root_mean_squared_error" } else { "log_loss" }
}

/// The loss on rows with a known target after more and more rounds; `None` where the model does not learn in rounds, or there are no rows.
///
/// # Errors
/// Where the rows cannot be read.
pub fn curve(model: &Model, table: &Table, weight: Option<&str>) -> Result<Option<Vec<(usize, f64)>>> {
    let rows = spread(&model.chain.prepare(table)?, ROWS)?;
    if rows.height() == 0 {
        return Ok(None);
    }
    let y = target_numbers(rows.column(&model.target)?, &model.task)?;
    let weight = weight.map_or_else(|| Ok(vec![1.0; rows.height()]), |weight| super::matrix::numbers(rows.column(weight)?))?;
    let features = Matrix::read(&model.chain.apply(rows.lazy())?.collect()?, model.chain.reads())?;
    let Some(stages) = model.estimator.staged(&features, POINTS)? else { return Ok(None) };
    let entry = metric::find(measure(&model.task)).ok_or_else(|| Error::bug("a curve's metric is unknown"))?;
    let point = |(round, said)| {
        let mut scored = model.unscored();
        (scored.y, scored.weight) = (y.clone(), weight.clone());
        scored.push(&model.adjustments.apply(&model.task, said));
        Some((round, entry.compute(&scored)?))
    };
    Ok(Some(stages.into_iter().filter_map(point).collect()))
}
