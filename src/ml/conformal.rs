//! Split-conformal prediction intervals: how far predictions were off on rows that were not learned from says how far they may be.
//!
//! The half-width is the ⌈(n + 1) · coverage⌉-th smallest of n validation errors, so an interval holds the target of a new row
//! of the same kind with at least the wanted probability, whatever the model (Papadopoulos et al. 2002; Lei et al. 2018). Where
//! rows have weights, a row counts with its weight, and the new row with their mean (Tibshirani et al. 2019). With a target transform errors are taken on its scale: intervals are as wide as the scale is stretched there, and never leave it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::export::{Id, Program};
use super::target::FittedTarget;
use crate::error::{Error, Result, counted, thousands};
use crate::value::Fault;

/// Raised whenever the same errors give another interval.
pub const VERSION: u32 = 2;

/// The columns that intervals are written to.
pub const COLUMNS: [&str; 2] = ["prediction_lower", "prediction_upper"];

/// `steps.train.conformal`.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Coverage {
    /// The share of targets that intervals are to hold, between 0 and 1.
    coverage: f64,
}

impl Default for Coverage {
    fn default() -> Self {
        Self { coverage: 0.9 }
    }
}

/// Fitted intervals.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conformal {
    pub coverage: f64,
    /// On the scale that the estimator learned.
    half_width: f64,
    /// The rows it was fitted on.
    rows: u64,
}

impl Coverage {
    /// # Errors
    /// A coverage that is not between 0 and 1.
    pub fn check(self) -> Result<(), Vec<Fault>> {
        if self.coverage > 0.0 && self.coverage < 1.0 {
            return Ok(());
        }
        Err(vec![Fault::new(&["coverage".to_owned()], format!("`coverage` must lie between 0 and 1, got {}", self.coverage))])
    }

    /// Fits intervals to targets, what was predicted for them and the rows' weights (≥ 0).
    ///
    /// # Errors
    /// Too few rows for the coverage.
    pub fn fit(self, y: &[f64], prediction: &[f64], weight: &[f64], target: Option<&FittedTarget>) -> Result<Conformal> {
        let on_scale = |y: f64| target.map_or(y, |target| target.forward(y));
        // A target that the transform cannot take is as far off as can be.
        let far = |y: &f64, p: &f64| Some((on_scale(*y) - on_scale(*p)).abs()).filter(|error| !error.is_nan()).unwrap_or(f64::INFINITY);
        let mut errors: Vec<(f64, f64)> = y.iter().zip(prediction).zip(weight).filter(|(_, w)| **w > 0.0).map(|((y, p), w)| (far(y, p), *w)).collect();
        errors.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let total: f64 = errors.iter().map(|(_, w)| w).sum();
        // Without the rounding of products such as 10 · 0.9, and of sums.
        let wanted = (total + total / errors.len() as f64) * self.coverage * (1.0 - 1e-12);
        let within = errors.iter().scan(0.0, |sum, (error, w)| {
            *sum += w;
            Some((*sum, *error))
        });
        let half_width = within.into_iter().find(|(sum, _)| *sum >= wanted).map(|(_, error)| error);
        match half_width {
            Some(half_width) if half_width.is_finite() => Ok(Conformal { coverage: self.coverage, half_width, rows: errors.len() as u64 }),
            Some(_) => Err(Error::data("too many validation rows have a target that its transform cannot take, so no interval can hold them")
                .path("steps.train.conformal")
                .hint("choose a target transform that takes them, such as `yeo_johnson`")),
            None => {
                let least = (self.coverage / (1.0 - self.coverage) - 1e-9).ceil() as u64;
                Err(Error::data(format!(
                    "intervals of coverage {} need {} of validation, there are {}",
                    self.coverage,
                    counted(least, "row"),
                    thousands(errors.len() as u64)
                ))
                .path("steps.train.conformal.coverage")
                .hint("give validation a larger share in `steps.split.split_ratios`, or ask for less coverage"))
            }
        }
    }
}

impl Conformal {
    /// The interval around a prediction, in the target's unit.
    #[must_use]
    pub fn interval(&self, prediction: f64, target: Option<&FittedTarget>) -> (f64, f64) {
        match target {
            None => (prediction - self.half_width, prediction + self.half_width),
            Some(target) => {
                let z = target.forward(prediction);
                (target.back(z - self.half_width), target.back(z + self.half_width))
            }
        }
    }

    /// [`Conformal::interval`] in operations that other programs have.
    #[must_use]
    pub fn lower(&self, prediction: Id, target: Option<&FittedTarget>, on: &mut Program) -> [Id; 2] {
        let z = target.map_or(prediction, |target| target.lower_forward(prediction, on));
        [-self.half_width, self.half_width].map(|half| {
            let bound = on.plus(z, half);
            target.map_or(bound, |target| target.lower_back(bound, on))
        })
    }

    /// What was learned, in a sentence.
    #[must_use]
    pub fn describe(&self, target: Option<&FittedTarget>) -> String {
        let scale = if target.is_some() { " on the transformed scale" } else { "" };
        format!(
            "Intervals of coverage {} reach {}{scale} to either side of the prediction, by the errors on {} of validation.",
            self.coverage,
            crate::card::format::number(self.half_width),
            counted(self.rows, "row"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::model::Scored;

    #[test]
    fn the_half_width_is_the_finite_sample_quantile() {
        // ⌈10 · 0.8⌉ = 8th smallest of the errors 1..9; ⌈10 · 0.9⌉ = 9th; 0.95 would need the tenth of nine.
        let y: Vec<f64> = (1..=9).map(f64::from).collect();
        let fit = |coverage| Coverage { coverage }.fit(&y, &[0.0; 9], &[2.0; 9], None);
        assert_eq!(fit(0.8).unwrap().interval(100.0, None), (92.0, 108.0));
        assert_eq!(fit(0.9).unwrap().interval(0.0, None), (-9.0, 9.0));
        // Weights 1, 1, 2 and 0 with errors 1, 2, 3 and 9, and a new row of weight 4/3: 0.7 · 16/3 = 3.73 of 4 lie within 3.
        let weighted = Coverage { coverage: 0.7 }.fit(&[1.0, 2.0, 3.0, 9.0], &[0.0; 4], &[1.0, 1.0, 2.0, 0.0], None).unwrap();
        assert_eq!((weighted.interval(0.0, None), weighted.rows), ((-3.0, 3.0), 3));
        let lighter = Coverage { coverage: 0.3 }.fit(&[1.0, 2.0, 3.0, 9.0], &[0.0; 4], &[1.0, 1.0, 2.0, 0.0], None).unwrap();
        assert_eq!(lighter.interval(0.0, None), (-2.0, 2.0));
        assert_eq!(fit(0.95).unwrap_err().problems[0].message, "intervals of coverage 0.95 need 19 rows of validation, there are 9");
    }

    #[test]
    fn on_a_transformed_scale_intervals_follow_it() {
        let log = crate::ml::target::TargetTransform::read(&crate::value::Value::String("log".into())).unwrap();
        let frame = polars::prelude::df!("y" => [1.0, 2.0, 4.0]).unwrap();
        let log = log.fit(&crate::data::Table::of(frame), "y").unwrap();
        // Off by factors of 2, 2 and 4: the interval divides and multiplies by 4.
        let fitted = Coverage { coverage: 0.75 }.fit(&[1.0, 8.0, 40.0], &[2.0, 4.0, 10.0], &[1.0; 3], Some(&log)).unwrap();
        let (lower, upper) = fitted.interval(8.0, Some(&log));
        assert!((lower - 2.0).abs() < 1e-12 && (upper - 32.0).abs() < 1e-12, "{lower} {upper}");
    }

    #[test]
    fn new_rows_are_covered_about_as_often_as_asked() {
        // Errors of one distribution: half of them fit the interval, the others are held against it.
        let mut draw = crate::ml::trees::draw::Draw::new(3, 0);
        let errors: Vec<f64> = (0..4000).map(|_| draw.unit().powi(2) - draw.unit()).collect();
        let (fitted_on, new) = errors.split_at(2000);
        for coverage in [0.5, 0.8, 0.95] {
            let conformal = Coverage { coverage }.fit(fitted_on, &vec![0.0; 2000], &vec![1.0; 2000], None).unwrap();
            let mut scored = Scored::empty(&crate::ml::Task::Regression);
            scored.adjustments.conformal = Some(conformal);
            scored.y = new.to_vec();
            scored.weight = vec![1.0; 2000];
            scored.push(&crate::ml::Predictions::Values(vec![0.0; 2000]));
            let found = crate::ml::metric::compute_all(&scored)["interval_coverage"];
            assert!((found - coverage).abs() < 0.03, "{coverage}: {found}");
        }
    }
}
