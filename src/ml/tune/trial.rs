//! A trial: what was proposed, and what came of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::value::Value;

/// Parameters to be tried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// Counted from 0: the parameters as they are written.
    pub number: usize,
    /// Whose parameters they are where several candidates compete; else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub candidate: String,
    /// The trial that had these parameters first; itself, but for later rounds of halving.
    pub origin: usize,
    /// Where the parameters lie in the space; nothing where those that are written lie outside.
    pub point: Option<Vec<f64>>,
    /// The share of the training rows that is learned from.
    pub share: f64,
    /// What is set over the parameters as they are written; empty for these.
    pub parameters: BTreeMap<String, Value>,
}

/// A proposal that was tried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    pub proposal: Proposal,
    pub outcome: Outcome,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The metric: the mean over the folds, which are all it was computed on.
    Scored { score: f64, folds: Vec<f64> },
    /// Why there is no score.
    Failed(String),
}

impl Outcome {
    /// The mean of the folds' scores.
    #[must_use]
    pub fn of(folds: Vec<f64>) -> Self {
        Self::Scored { score: folds.iter().sum::<f64>() / folds.len() as f64, folds }
    }
}

impl Trial {
    #[must_use]
    pub fn score(&self) -> Option<f64> {
        match &self.outcome {
            Outcome::Scored { score, .. } => Some(*score),
            Outcome::Failed(_) => None,
        }
    }

    /// The standard deviation of the folds' scores, where there are several.
    #[must_use]
    pub fn deviation(&self) -> Option<f64> {
        let Outcome::Scored { score, folds } = &self.outcome else { return None };
        let squares: f64 = folds.iter().map(|fold| (fold - score).powi(2)).sum();
        (folds.len() > 1).then(|| (squares / (folds.len() - 1) as f64).sqrt())
    }

    /// The standard error of the score, where there are several folds.
    #[must_use]
    pub fn standard_error(&self) -> Option<f64> {
        let Outcome::Scored { folds, .. } = &self.outcome else { return None };
        self.deviation().map(|deviation| deviation / (folds.len() as f64).sqrt())
    }
}

impl Proposal {
    /// Is it what a trial tried out?
    #[must_use]
    pub fn is_of(&self, trial: &Trial) -> bool {
        let json = |proposal: &Self| serde_json::to_value(proposal).ok();
        json(self) == json(&trial.proposal)
    }
}
