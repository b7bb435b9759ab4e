//! How good a model was after fewer rounds, where it learns in rounds, or would be after fewer training rows: its learning curve.
//!
//! A curve is drawn from a fixed number of rows, by root mean squared error for numbers and log loss for classes. What is done to
//! predictions afterwards (calibration, intervals) is no part of it.

use polars::prelude::IntoLazy;

use super::adjust::Adjustments;
use super::model::Model;
use super::{Matrix, Predictions, Task, metric, target_numbers};
use crate::data::Table;
use crate::data::rows::spread;
use crate::error::{Error, Result};

/// Rows that are looked at.
const ROWS: usize = 1_000;
/// Points of a curve of rounds.
const POINTS: usize = 40;

/// The name of what a curve shows.
#[must_use]
pub fn measure(task: &Task) -> &'static str {
    if *task == Task::Regression { "root_mean_squared_error" } else { "log_loss" }
}

/// Rows with a known target as a model's estimator reads them.
pub struct Sample<'a> {
    model: &'a Model,
    y: Vec<f64>,
    weight: Vec<f64>,
    features: Matrix,
}

impl<'a> Sample<'a> {
    /// At most 1,000 rows of a table, spread over it; `None` where it has none.
    ///
    /// # Errors
    /// Where the rows cannot be read.
    pub fn of(model: &'a Model, table: &Table, weight: Option<&str>) -> Result<Option<Self>> {
        let rows = spread(&model.chain.prepare(table)?, ROWS)?;
        if rows.height() == 0 {
            return Ok(None);
        }
        let y = target_numbers(rows.column(&model.target)?, &model.task)?;
        let weight = weight.map_or_else(|| Ok(vec![1.0; rows.height()]), |weight| super::matrix::numbers(rows.column(weight)?))?;
        let features = Matrix::read(&model.chain.apply(rows.lazy())?.collect()?, model.chain.reads())?;
        Ok(Some(Self { model, y, weight, features }))
    }

    /// The loss after more and more rounds; `None` where the model does not learn in rounds. It costs about one prediction of the rows.
    ///
    /// # Errors
    /// As [`Predict::predict`](super::Predict::predict).
    pub fn by_rounds(&self) -> Result<Option<Vec<(usize, f64)>>> {
        let Some(stages) = self.model.estimator.staged(&self.features, POINTS)? else { return Ok(None) };
        stages
            .into_iter()
            .map(|(round, said)| Ok(self.loss(self.model, said)?.map(|loss| (round, loss))))
            .filter_map(Result::transpose)
            .collect::<Result<_>>()
            .map(Some)
    }

    /// The loss of a model with the same chain; `None` where it is not defined.
    ///
    /// # Errors
    /// As [`Predict::predict`](super::Predict::predict).
    pub fn loss_of(&self, other: &Model) -> Result<Option<f64>> {
        self.loss(other, other.estimator.predict(&self.features)?)
    }

    fn loss(&self, said_by: &Model, said: Predictions) -> Result<Option<f64>> {
        let entry = metric::find(measure(&self.model.task)).ok_or_else(|| Error::bug("a curve's metric is unknown"))?;
        let mut scored = self.model.unscored();
        (scored.y, scored.weight) = (self.y.clone(), self.weight.clone());
        let adjustments = Adjustments { target: said_by.adjustments.target.clone(), ..Adjustments::default() };
        scored.push(&adjustments.apply(&self.model.task, said));
        Ok(entry.compute(&scored))
    }
}
