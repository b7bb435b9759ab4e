//! What wraps an estimator: the target's transform, calibrated scores, a decision threshold, prediction intervals.
//!
//! [`Plan`] is what a recipe asks for, [`Adjustments`] what was fitted and lies in the model. An estimator knows nothing of them:
//! [`super::model::Model::predict`] applies them to what it says. All but the target's transform are fitted on validation rows,
//! which the estimator did not learn from, so figures on these rows flatter a little; the test split's do not.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::calibration::{self, Calibration, Method};
use super::conformal::{self, Conformal, Coverage};
use super::export::{Id, Lowering, Said, Why};
use super::model::Scored;
use super::target::{self, FittedTarget, TargetTransform};
use super::threshold::{self, DecisionThreshold};
use super::{Predictions, Task};
use crate::card::Block;
use crate::error::{Error, Result};

/// What a recipe asks for beside the estimator.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    pub target: Option<TargetTransform>,
    pub calibration: Option<Method>,
    pub threshold: Option<DecisionThreshold>,
    pub conformal: Option<Coverage>,
}

/// What was fitted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adjustments {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<FittedTarget>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// The score from which on a row of a binary task is positive, where it is not 0.5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conformal: Option<Conformal>,
}

/// What fitting on validation rows gave: the rows as the finished model scores them, and what a card says of it.
pub struct Adjusted {
    pub adjustments: Adjustments,
    pub scored: Scored,
    pub notes: Vec<String>,
    pub blocks: Vec<Block>,
}

impl Plan {
    /// The algorithms at work, with their versions.
    #[must_use]
    pub fn algorithms(&self) -> BTreeMap<String, u32> {
        let all = [
            (self.target.is_some(), "target transform", target::VERSION),
            (self.calibration.is_some(), "calibration", calibration::VERSION),
            (self.threshold.is_some(), "decision threshold", threshold::VERSION),
            (self.conformal.is_some(), "conformal intervals", conformal::VERSION),
        ];
        all.into_iter().filter(|(is_asked, ..)| *is_asked).map(|(_, name, version)| (name.to_owned(), version)).collect()
    }

    /// What is asked for, as recipe.yaml calls it: what enters the key.
    #[must_use]
    pub fn config(&self) -> BTreeMap<&'static str, serde_json::Value> {
        let all = [
            ("target_transform", serde_json::to_value(self.target)),
            ("calibrate_proba", serde_json::to_value(self.calibration)),
            ("decision_threshold", serde_json::to_value(&self.threshold)),
            ("conformal", serde_json::to_value(self.conformal)),
        ];
        all.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect()
    }

    /// The names of columns that are predicted beside the usual ones.
    pub fn columns(&self) -> impl Iterator<Item = &'static str> {
        self.conformal.iter().flat_map(|_| conformal::COLUMNS)
    }

    /// Fits what is fitted on validation rows, which were scored with `so_far` alone.
    ///
    /// # Errors
    /// Validation rows that are too few, or have one class only.
    pub fn fit(&self, so_far: Adjustments, target: &str, on_validation: Scored) -> Result<Adjusted> {
        let mut adjusted = Adjusted { adjustments: so_far, scored: on_validation, notes: Vec::new(), blocks: Vec::new() };
        adjusted.notes.extend(adjusted.adjustments.target.iter().map(|transform| transform.describe(target)));
        if let Some(method) = self.calibration {
            let calibration = Calibration::fit(method, &adjusted.scored)?;
            adjusted.notes.push(calibration.describe());
            let after = adjusted.scored.with_scores(calibration.apply(&adjusted.scored.task, adjusted.scored.scores.clone()));
            adjusted.blocks.extend(calibration::blocks(&adjusted.scored, &after, "validation (fitted on these rows)"));
            adjusted.adjustments.calibration = Some(calibration);
            adjusted.scored = after;
        }
        if let Some(wanted) = &self.threshold {
            let positive = match &adjusted.scored.task {
                Task::Classification { classes, positive: Some(positive) } => classes.get(*positive).cloned().unwrap_or_default(),
                _ => return Err(Error::config("`decision_threshold` is for two classes").path("steps.train.decision_threshold")),
            };
            let threshold = match wanted {
                DecisionThreshold::At(at) => {
                    adjusted.notes.push(format!("A row is called `{positive}` from score {} on, as the recipe says.", crate::card::format::number(*at)));
                    *at
                }
                DecisionThreshold::BestFor(metric) => {
                    let chosen = threshold::choose(metric, &adjusted.scored)?;
                    adjusted.notes.push(chosen.describe(&positive));
                    adjusted.blocks.push(chosen.curve());
                    chosen.threshold
                }
            };
            if threshold != threshold::DEFAULT {
                adjusted.blocks.push(threshold::table(&adjusted.scored, threshold));
            }
            adjusted.adjustments.threshold = Some(threshold);
            adjusted.scored.adjustments.threshold = Some(threshold);
            adjusted.scored = adjusted.scored.with_scores(adjusted.scored.scores.clone());
        }
        if let Some(coverage) = self.conformal {
            let transform = adjusted.adjustments.target.as_ref();
            let conformal = coverage.fit(&adjusted.scored.y, &adjusted.scored.prediction, &adjusted.scored.weight, transform)?;
            adjusted.notes.push(conformal.describe(transform));
            adjusted.adjustments.conformal = Some(conformal);
        }
        adjusted.scored.adjustments = adjusted.adjustments.clone();
        Ok(adjusted)
    }
}

impl Adjustments {
    /// Is an estimator's word the model's?
    #[must_use]
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }

    /// Can they belong to a model of the task?
    #[must_use]
    pub fn fits(&self, task: &Task) -> bool {
        let is_binary = matches!(task, Task::Classification { positive: Some(_), .. });
        let of_numbers = self.target.is_some() || self.conformal.is_some();
        (!of_numbers || *task == Task::Regression)
            && self.calibration.as_ref().is_none_or(|calibration| calibration.fits(task))
            && self.threshold.is_none_or(|threshold| is_binary && threshold.is_finite())
    }

    /// What a card says of them in short: label and value.
    pub fn facts(&self) -> impl Iterator<Item = (&'static str, String)> {
        let all = [
            ("learned as", self.target.as_ref().map(|target| target.name().to_owned())),
            ("scores calibrated by", self.calibration.as_ref().map(|calibration| calibration.method.name().to_owned())),
            ("positive from score", self.threshold.map(crate::card::format::number)),
            ("coverage of intervals", self.conformal.map(|conformal| crate::card::format::share(conformal.coverage))),
        ];
        all.into_iter().filter_map(|(label, value)| Some((label, value?)))
    }

    /// The model's predictions from an estimator's.
    #[must_use]
    pub fn apply(&self, task: &Task, predictions: Predictions) -> Predictions {
        match (predictions, &self.target, &self.calibration) {
            (Predictions::Values(values), Some(target), _) => Predictions::Values(values.into_iter().map(|value| target.prediction(value)).collect()),
            (Predictions::Scores(scores), _, Some(calibration)) => Predictions::Scores(calibration.apply(task, scores)),
            (as_it_is, ..) => as_it_is,
        }
    }

    /// [`Adjustments::apply`] in operations that other programs have.
    ///
    /// # Errors
    /// Why it has no such form.
    pub fn lower(&self, task: &Task, said: Said, on: &mut Lowering) -> Result<Said, Why> {
        Ok(match (said, &self.target, &self.calibration) {
            (Said::Values(value), Some(target), _) => {
                let lowered = target.lower_prediction(value, &mut on.program);
                Said::Values(lowered.map_err(|why| why.within("target"))?)
            }
            (Said::Scores(scores), _, Some(calibration)) => Said::Scores(calibration.lower(task, scores, &mut on.program)),
            (as_it_is, ..) => as_it_is,
        })
    }

    /// [`Adjustments::interval`], where there are intervals.
    ///
    /// # Errors
    /// Why it has no such form.
    pub fn lower_interval(&self, prediction: Id, on: &mut Lowering) -> Result<Option<[Id; 2]>, Why> {
        Ok(self.conformal.map(|conformal| conformal.lower(prediction, self.target.as_ref(), &mut on.program)))
    }

    /// The score from which on a row of a binary task is positive.
    #[must_use]
    pub fn threshold(&self) -> f64 {
        self.threshold.unwrap_or(threshold::DEFAULT)
    }

    /// The class that is called for a row: binary, the positive one from the threshold on; else the highest score, the first of
    /// equal ones.
    #[must_use]
    pub fn choose(&self, task: &Task, scores: &[Vec<f64>], row: usize) -> usize {
        if let Task::Classification { positive: Some(positive), .. } = task
            && scores.len() == 2
        {
            return if scores[*positive][row] >= self.threshold() { *positive } else { 1 - *positive };
        }
        let mut best = 0;
        for class in 1..scores.len() {
            if scores[class][row] > scores[best][row] {
                best = class;
            }
        }
        best
    }

    /// The interval around a prediction, where there are intervals.
    #[must_use]
    pub fn interval(&self, prediction: f64) -> Option<(f64, f64)> {
        Some(self.conformal?.interval(prediction, self.target.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjustments_belong_to_their_task_and_none_leave_no_trace() {
        let two = Task::Classification { classes: vec!["no".into(), "yes".into()], positive: Some(1) };
        let three = Task::Classification { classes: ["a", "b", "c"].map(str::to_owned).to_vec(), positive: None };
        let threshold = Adjustments { threshold: Some(0.3), ..Adjustments::default() };
        assert!(threshold.fits(&two) && !threshold.fits(&three) && !threshold.fits(&Task::Regression));
        let conformal = Coverage::default().fit(&[1.0; 20], &[0.0; 20], &[1.0; 20], None).unwrap();
        let intervals = Adjustments { conformal: Some(conformal), ..Adjustments::default() };
        assert!(intervals.fits(&Task::Regression) && !intervals.fits(&two));
        assert_eq!(intervals.interval(5.0), Some((4.0, 6.0)));
        assert_eq!(serde_json::to_string(&Adjustments::default()).unwrap(), "{}");
        let scores = vec![vec![0.65, 0.75], vec![0.35, 0.25]];
        assert_eq!((threshold.choose(&two, &scores, 0), threshold.choose(&two, &scores, 1)), (1, 0));
    }
}
