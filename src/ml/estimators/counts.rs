//! Sums by class, and naive Bayes on them: what the multinomial, complement and Bernoulli estimators share.
//!
//! All three have logarithms of scores that are linear in what they count, so a fitted one is a [`LinearModel`].

use super::linear_model::{LinearModel, Link, Output};
use super::shared::{Moments, Scaling, Targets, class_weights, present, sums_by_class};
use crate::error::{Error, Result};
use crate::ml::{Task, TrainingSet};

/// Weighted sums of the features, or of what is counted of them, for the classes that occur.
pub struct ClassSums {
    pub classes: Vec<ClassSum>,
    /// Standard deviations of what is counted.
    deviations: Vec<f64>,
    /// The lowest value of each feature.
    low: Vec<f64>,
}

pub struct ClassSum {
    /// Its index.
    class: usize,
    /// The sum of its rows' weights.
    pub weight: f64,
    /// One a feature.
    pub sums: Vec<f64>,
}

impl ClassSums {
    /// Four passes over the rows; `of` says what counts of a value.
    ///
    /// # Errors
    /// Fewer than two classes; see [`Moments::of`].
    pub fn of(on: &TrainingSet, name: &str, of: impl Fn(f64) -> f64 + Sync) -> Result<Self> {
        let weights = class_weights(on)?;
        let moments = Moments::of(on, name, &Targets::None)?;
        let features = on.features.len();
        let columns = Scaling::none(features);
        let sums = sums_by_class(on, &columns, &vec![vec![0.0; features]; weights.len()], |x, _| of(x))?;
        let mean: Vec<f64> = (0..features).map(|j| sums.iter().map(|sums| sums[j]).sum::<f64>() / moments.weight).collect();
        let squares = sums_by_class(on, &columns, &vec![mean; weights.len()], |x, mean| (of(x) - mean) * (of(x) - mean))?;
        let deviations = (0..features).map(|j| (squares.iter().map(|squares| squares[j]).sum::<f64>() / moments.weight).sqrt()).collect();
        let kept = present(&weights);
        let classes = sums.into_iter().enumerate().filter(|(class, _)| kept.contains(class));
        Ok(Self { classes: classes.map(|(class, sums)| ClassSum { class, weight: weights[class], sums }).collect(), deviations, low: moments.low })
    }

    /// # Errors
    /// Values below 0, columns named.
    pub fn refuse_negative(&self, on: &TrainingSet, name: &str) -> Result<()> {
        let negative = on.features.iter().zip(&self.low).filter(|(_, low)| **low < 0.0);
        let negative: Vec<String> = negative.map(|(feature, low)| format!("`{feature}` (lowest {low})")).collect();
        if negative.is_empty() {
            return Ok(());
        }
        Err(Error::data(format!("`{name}` counts, and cannot take values below 0: {}", negative.join(", ")))
            .hint("take these columns away, bring them to 0..1 with `min_max_scale`, or use `naive_bayes`"))
    }

    /// The logarithm of each class's share of the weights, or of equal shares.
    pub fn priors(&self, learned: bool) -> Vec<f64> {
        let total: f64 = self.classes.iter().map(|class| class.weight).sum();
        let share = |class: &ClassSum| if learned { class.weight / total } else { 1.0 / self.classes.len() as f64 };
        self.classes.iter().map(|class| share(class).ln()).collect()
    }

    /// The model with these coefficients and intercepts, class by class.
    ///
    /// # Errors
    /// Coefficients beyond the range of numbers.
    pub fn model(self, on: &TrainingSet, name: &str, lines: Vec<(Vec<f64>, Option<f64>)>) -> Result<LinearModel> {
        let Task::Classification { classes, .. } = &on.task else { return Err(Error::bug("naive Bayes got a number to predict")) };
        let output = |(class, (coefficients, intercept)): (&ClassSum, (Vec<f64>, Option<f64>))| Output {
            class: classes.get(class.class).cloned(),
            coefficients,
            intercept,
        };
        let outputs = self.classes.iter().zip(lines).map(output).collect();
        let link = Link::Softmax { classes: classes.len(), present: self.classes.iter().map(|class| class.class).collect() };
        LinearModel::new(name, on, self.deviations, outputs, link)
    }
}

/// ln(valueⱼ / Σ value).
pub fn log_shares(values: &[f64]) -> Vec<f64> {
    let total: f64 = values.iter().sum();
    values.iter().map(|value| (value / total).ln()).collect()
}
