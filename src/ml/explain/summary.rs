//! What each column adds to the predictions of many rows.

use polars::prelude::DataFrame;

use super::{Explainer, Origin, Scale};
use crate::error::Result;
use crate::ml::Matrix;

/// Multiplications that a summary may take.
const WORK: u64 = 40_000_000;
const MOST_ROWS: u64 = 300;
const LEAST_ROWS: u64 = 20;

/// Contributions of some rows, column by column.
pub struct Summary {
    pub scale: Scale,
    pub rows: usize,
    /// For each output the class that it speaks for and what it is before anything is known of a row.
    pub outputs: Vec<(Option<usize>, f64)>,
    /// Those that add most first.
    pub columns: Vec<Summed>,
}

/// What one column adds.
pub struct Summed {
    pub origin: Origin,
    /// The mean absolute contribution to each output.
    pub means: Vec<f64>,
    /// What it adds to the first output in each row.
    pub values: Vec<f64>,
}

impl Summed {
    /// Over all outputs.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.means.iter().sum::<f64>() / self.means.len().max(1) as f64
    }
}

impl Explainer<'_> {
    /// How many rows take little time to explain.
    #[must_use]
    pub fn affordable_rows(&self) -> usize {
        (WORK / self.work.max(1)).clamp(LEAST_ROWS, MOST_ROWS) as usize
    }

    /// What each column adds to the predictions of raw rows.
    ///
    /// # Errors
    /// As [`Explainer::contributions`].
    pub fn summary(&self, sample: &DataFrame) -> Result<Summary> {
        let features: Matrix = self.features(sample)?;
        let found = self.contributions(&features)?;
        let summed = |(place, origin): (usize, &Origin)| {
            let of = |values: &Vec<Vec<f64>>| values.get(place).cloned().unwrap_or_default();
            let mean = |values: Vec<f64>| values.iter().map(|value| value.abs()).sum::<f64>() / features.rows.max(1) as f64;
            Summed {
                origin: origin.clone(),
                means: found.outputs.iter().map(|output| mean(of(&output.values))).collect(),
                values: found.outputs.first().map(|output| of(&output.values)).unwrap_or_default(),
            }
        };
        let mut columns: Vec<Summed> = self.columns.iter().enumerate().map(summed).collect();
        columns.sort_by(|a, b| b.mean().total_cmp(&a.mean()));
        let outputs = found.outputs.iter().map(|output| (output.class, output.base)).collect();
        Ok(Summary { scale: found.scale, rows: features.rows, outputs, columns })
    }
}
