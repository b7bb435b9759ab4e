//! Estimators inside of an estimator: named members with parameters of their own.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::{find, named};
use crate::error::{Error, Result, shorten};
use crate::ml::export::{Feature, Id, Lowering, Said, Why};
use crate::ml::metric::task_name;
use crate::ml::{EstimatorEntry, FittedEstimator, Matrix, Predictions, Task, TrainingSet, UnfittedEstimator};
use crate::value::{Fault, Value};

/// Members by name.
pub type Members = BTreeMap<String, Member>;

/// An estimator and its parameters, as in `steps.train`.
#[derive(Clone, Debug, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The estimator; `recipe list estimators` shows them.
    using: String,
    /// The estimator's parameters.
    #[serde(default)]
    #[schemars(schema_with = "any_parameters")]
    estimator_params: Value,
}

fn any_parameters(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"description": "The estimator's parameters.", "type": ["object", "null"]})
}

/// With defaults filled in and names as they are listed, so that the same member is the same in a key.
impl Serialize for Member {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let config = self.parse().map(|estimator| serde_json::json!({"using": estimator.name(), "estimator_params": estimator.config()}));
        config.unwrap_or_default().serialize(serializer)
    }
}

impl Member {
    pub fn named(using: &str) -> Self {
        Self { using: using.to_owned(), estimator_params: Value::Null }
    }

    fn entry(&self) -> Result<&'static EstimatorEntry, Vec<Fault>> {
        named(&self.using).map_err(|fault| vec![fault.below("using")])
    }

    /// # Errors
    /// An unknown estimator; refused parameters; paths are below the member.
    pub fn parse(&self) -> Result<Box<dyn UnfittedEstimator>, Vec<Fault>> {
        (self.entry()?.parse)(&self.estimator_params).map_err(|faults| faults.into_iter().map(|fault| fault.below("estimator_params")).collect())
    }

    /// # Errors
    /// As [`UnfittedEstimator::fit`]; a task that the estimator cannot do.
    pub fn fit(&self, path: &str, on: &TrainingSet) -> Result<Box<dyn FittedEstimator>> {
        let estimator = self.parse().map_err(|_| Error::bug(format!("`{path}` was not checked")))?;
        if !estimator.supports(&on.task) {
            let error = Error::config(format!("`{}` cannot do {}", estimator.name(), task_name(&on.task)));
            return Err(error.path(&format!("steps.train.estimator_params.{path}.using")).hint("`recipe list estimators` shows what each can do"));
        }
        estimator.fit(on)
    }
}

/// What is wrong with members; paths begin with `estimators`.
pub fn check(members: &Members) -> Vec<Fault> {
    let faults = members.iter().filter_map(|(name, member)| Some((name, member.parse().err()?)));
    faults.flat_map(|(name, faults)| faults.into_iter().map(|fault| fault.below(name).below("estimators"))).collect()
}

/// The algorithms of members, with their versions.
pub fn algorithms<'a>(members: impl Iterator<Item = &'a Member>) -> Vec<(&'static str, u32)> {
    members.filter_map(|member| member.parse().ok()).flat_map(|estimator| estimator.algorithms()).collect()
}

/// Members where none are named: a linear model and boosted trees, which err in different ways.
pub fn usual(task: &Task) -> Members {
    let linear = if *task == Task::Regression { "ridge" } else { "logistic" };
    [("linear", linear), ("boosted", "gradient_boosting")].map(|(name, using)| (name.to_owned(), Member::named(using))).into()
}

/// A fitted member.
#[derive(Deserialize)]
#[serde(try_from = "Saved")]
pub struct FittedMember {
    pub name: String,
    pub estimator: Box<dyn FittedEstimator>,
}

/// A fitted member as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    name: String,
    using: String,
    fitted: serde_json::Value,
}

impl Serialize for FittedMember {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Saved { name: self.name.clone(), using: self.estimator.name().to_owned(), fitted: self.estimator.save() }.serialize(serializer)
    }
}

impl TryFrom<Saved> for FittedMember {
    type Error = String;

    fn try_from(saved: Saved) -> Result<Self, String> {
        let entry = find(&saved.using).ok_or_else(|| format!("unknown estimator `{}`", shorten(&saved.using)))?;
        Ok(Self { name: saved.name, estimator: (entry.load)(saved.fitted).map_err(|error| error.to_string())? })
    }
}

/// Fits every member on the same rows.
///
/// # Errors
/// As [`Member::fit`].
pub fn fit_all(members: &Members, on: &TrainingSet) -> Result<Vec<FittedMember>> {
    let fit = |(name, member): (&String, &Member)| Ok(FittedMember { name: name.clone(), estimator: member.fit(&format!("estimators.{name}"), on)? });
    members.iter().map(fit).collect()
}

/// What a member says in operations that other programs have.
///
/// # Errors
/// Why it has no such form.
pub fn lower(estimator: &dyn FittedEstimator, features: &[Feature], on: &mut Lowering) -> Result<Vec<Id>, Why> {
    match estimator.lower(features, on).map_err(|why| why.within(estimator.name()))? {
        Said::Values(value) => Ok(vec![value]),
        Said::Scores(scores) => Ok(scores),
    }
}

/// What a member says, one column for a number or for each of so many classes.
///
/// # Errors
/// As [`FittedEstimator::predict`]; a member of another task.
pub fn columns(estimator: &dyn FittedEstimator, features: &Matrix, classes: usize) -> Result<Vec<Vec<f64>>> {
    match (estimator.predict(features)?, classes) {
        (Predictions::Values(values), 0) => Ok(vec![values]),
        (Predictions::Scores(scores), 1..) if scores.len() == classes => Ok(scores),
        _ => Err(Error::model(format!("the model is damaged: `{}` inside of it is of another task", estimator.name()))),
    }
}
