//! The JSON twin of a page: what a step found, for programs.
//!
//! It lies beside the page, `evaluate.json` beside `evaluate.html`, and holds nothing that belongs to the moment: no time, no
//! path, no run. So the same result has the same bytes, and two twins can be compared. `schemas/card.json` is its form; what is
//! added to it later is optional, and a field that changes its meaning raises [`VERSION`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Card;
use crate::error::Error;

/// The version of the twin's form.
pub const VERSION: u32 = 1;

/// What a step found, or why it failed.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[schemars(title = "A step's card", description = "The JSON twin of a card of `recipe`.")]
pub struct Twin {
    /// The version of this form: 1.
    pub schema: u32,
    /// The recipe's name.
    pub recipe: String,
    /// `regression/v1`, `classification/v1`.
    pub template: String,
    /// `ingest`, `split`, `transform`, `train`, `evaluate`, `register`, `ingest_scoring` or `predict`.
    pub step: String,
    pub state: State,
    /// Equal where the same result is shown; the key of the step's result stands first.
    pub result: String,
    /// The figures of the step, such as `test_roc_auc`.
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
    /// What went wrong, where the step failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<TwinProblem>,
    /// What the program ended with, where the step failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
    pub card: Card,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Ok,
    Failed,
}

/// One thing that went wrong.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct TwinProblem {
    pub message: String,
    /// `recipe.yaml:14:12`, or a data file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The key of the configuration, such as `steps.train.using`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What to try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The problems of an error.
#[must_use]
pub fn problems(error: &Error) -> Vec<TwinProblem> {
    let problem = |problem: &crate::error::Problem| TwinProblem {
        message: problem.message.clone(),
        place: problem.place.as_ref().map(ToString::to_string),
        key: problem.path.clone(),
        hint: problem.hint.clone(),
    };
    error.problems.iter().map(problem).collect()
}

/// The JSON Schema (draft 2020-12) of a twin, made from its type; `schemas/card.json` is it.
#[cfg(test)]
pub fn schema() -> serde_json::Value {
    schemars::generate::SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Twin>().to_value()
}
