//! Explanations: what the columns of a row, and of all rows, have to do with what a model predicts.
//!
//! Values of single rows are exact Shapley values, which add up to what the model gives the row: of trees as
//! path-dependent `TreeSHAP` defines them ([`super::trees::shapley`]), of linear models coefficient · (value − training mean).
//! Nothing is approximated: an estimator that has no exact and fast way has none here. All figures are of raw input
//! columns, as far as a feature comes from one ([`lineage`]). Permutation importance and partial dependence look at
//! predictions only, and so are there for every model.

mod altered;
pub mod dependence;
pub mod lineage;
pub mod permutation;
pub mod reasons;
pub mod summary;

use polars::prelude::{DataFrame, IntoLazy};

use super::model::Model;
use super::{Matrix, Task};
use crate::error::{Error, Result};
pub use lineage::Origin;

/// Raised whenever an explanation changes for the same model and rows.
pub const VERSION: u32 = 2;

/// Estimators whose predictions can be explained, for messages.
pub const EXPLAINABLE: &str = "linear models, trees, forests and boosted trees";

/// What contributions are measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// The prediction itself.
    Prediction,
    /// The logarithm of the prediction.
    Logarithm,
    /// The score of a class.
    Probability,
    /// ln(p / (1 − p)) of the class.
    LogOdds,
    /// A class's output before the softmax.
    Margin,
}

impl Scale {
    /// As an axis says it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Prediction => "prediction",
            Self::Logarithm => "ln of the prediction",
            Self::Probability => "probability",
            Self::LogOdds => "log odds",
            Self::Margin => "score before the softmax",
        }
    }
}

/// What each feature or column adds to a model's outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Contributions {
    pub scale: Scale,
    /// About how many multiplications a row takes.
    pub work: u64,
    pub outputs: Vec<OutputContributions>,
}

/// What each feature or column adds to one output: `base` plus a row's `values` is what the model gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputContributions {
    /// The class that it speaks for.
    pub class: Option<usize>,
    /// The mean output, before anything is known of the row.
    pub base: f64,
    /// features × rows; the features of a sparse column count together.
    pub values: Vec<Vec<f64>>,
}

impl Contributions {
    /// Keeps what is said of one of two classes; a single output speaks for both.
    fn keep(&mut self, class: usize) {
        if self.outputs.len() > 1 {
            self.outputs.retain(|output| output.class == Some(class));
        }
        for output in self.outputs.iter_mut().filter(|output| output.class != Some(class)) {
            output.class = Some(class);
            output.base = -output.base;
            output.values.iter_mut().flatten().for_each(|value| *value = -*value);
        }
    }
}

/// Explains a model's predictions in terms of columns.
pub struct Explainer<'a> {
    model: &'a Model,
    /// What features stand for, each once, in the order of the features.
    pub columns: Vec<Origin>,
    /// For each column of numbers and each sparse column its place in `columns`.
    place: Vec<usize>,
    /// About how many multiplications a row takes.
    work: u64,
}

impl<'a> Explainer<'a> {
    /// `None` where the model's estimator has no exact explanation.
    ///
    /// # Errors
    /// Where the model's transforms cannot be followed.
    pub fn of(model: &'a Model) -> Result<Option<Self>> {
        let nothing = Matrix::empty(model.chain.reads());
        let Some(Contributions { work, .. }) = model.estimator.contributions(&nothing)? else { return Ok(None) };
        let mut columns: Vec<Origin> = Vec::new();
        let mut place = Vec::new();
        for origin in model.chain.origins()? {
            place.push(columns.iter().position(|column| *column == origin).unwrap_or_else(|| {
                columns.push(origin);
                columns.len() - 1
            }));
        }
        Ok(Some(Self { model, columns, place, work }))
    }

    /// Raw rows as the estimator reads them.
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub fn features(&self, frame: &DataFrame) -> Result<Matrix> {
        Matrix::read(&self.model.chain.apply(frame.clone().lazy())?.collect()?, self.model.chain.reads())
    }

    /// What each of [`Explainer::columns`] adds, for rows as [`Explainer::features`] gives them. Of two classes there is one
    /// output, which speaks for the positive one.
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub fn contributions(&self, features: &Matrix) -> Result<Contributions> {
        let mut found = self.model.estimator.contributions(features)?.ok_or_else(|| Error::bug("an explainer of a model that has no explanation"))?;
        for output in &mut found.outputs {
            let mut sums = vec![Vec::new(); self.columns.len()];
            for (place, values) in self.place.iter().zip(std::mem::take(&mut output.values)) {
                let sum: &mut Vec<f64> = &mut sums[*place];
                if sum.is_empty() {
                    *sum = values;
                } else {
                    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
                }
            }
            output.values = sums;
        }
        if let Task::Classification { positive: Some(positive), .. } = self.model.task {
            found.keep(positive);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
