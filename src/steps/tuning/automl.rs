//! `steps.train.automl`: estimators that usually do well, tuned from cheap parameters on, and ensembles of the best.
//!
//! The line-up is FLAML's idea (Wang, Wu, Weimer and Zhu 2021) with this program's estimators: boosting begins with few leaves and stops
//! by the validation split, forests begin with few trees, and what they cost grows only where that pays.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::space::ParameterSpace;
use super::{Around, Asked, Candidates, Cv, Select, Tuning, bounds, fault, one, yes};
use crate::ml::tune::{Algorithm, Contest, Cost, ENSEMBLES, Entrant, Pace, Strategy};
use crate::ml::{Task, estimators, metric};
use crate::value::{Fault, Value};

/// Trials where neither their number nor a time is set.
const TRIALS: usize = 40;
/// Where only a time is set there are so many at most: more would only fit the validation rows.
const MOST_TRIALS: usize = 1_000;

/// `steps.train.automl`.
#[derive(Clone, Debug, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutomlSection {
    /// Seconds for the search and the fit of the winner.
    pub time_budget_secs: Option<f64>,
    /// Trials of all candidates together; default 40, or 1000 at most where a time is set.
    #[schemars(range(min = 1))]
    max_trials: Option<usize>,
    /// The estimators that take part, in the order of their first trials; default those that usually do well.
    candidates: Option<Vec<String>>,
    /// Are weighted means of the best candidates tried as well? Default true.
    #[serde(default = "yes")]
    ensemble: bool,
    /// Trials at a time; they change nothing but the time it takes.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    parallelism: usize,
    /// Cross-validation on training rows; without it candidates are scored on the validation split.
    cv: Option<Cv>,
}

impl Default for AutomlSection {
    fn default() -> Self {
        Self { time_budget_secs: None, max_trials: None, candidates: None, ensemble: true, parallelism: 1, cv: None }
    }
}

impl AutomlSection {
    /// The contest that the section asks for.
    ///
    /// # Errors
    /// Every fault, with its path below the section.
    pub fn build(self, around: &Around<'_>) -> Result<Tuning, Vec<Fault>> {
        let mut faults = bounds(self.time_budget_secs, self.parallelism, 1.0);
        faults.extend(self.cv.iter().flat_map(|cv| cv.check(around.roles)));
        if self.max_trials == Some(0) {
            faults.push(fault("max_trials", "`max_trials` is a number from 1"));
        }
        let names = match &self.candidates {
            None => usual(around.task),
            Some(names) => self::names(names, around.task).unwrap_or_else(|wrong| {
                faults.extend(wrong);
                Vec::new()
            }),
        };
        if !faults.is_empty() {
            return Err(faults);
        }
        let (mut entrants, mut field, mut spaces) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for name in names {
            let (entrant, candidates, parameters) = entrant(name, around)?;
            entrants.push(entrant);
            field.insert(name.to_owned(), candidates);
            spaces.insert(name.to_owned(), parameters);
        }
        let with_ensembles = self.ensemble && entrants.len() > 1;
        if with_ensembles {
            for (name, using) in ENSEMBLES {
                let entry = estimators::named(using).map_err(|fault| vec![fault])?;
                let candidates = Candidates::new(entry, Value::empty(), around.transforms.clone())?;
                field.insert(name.to_owned(), candidates.taking(&["estimators", "weights"]));
            }
        }
        let max_trials = self.max_trials.unwrap_or(if self.time_budget_secs.is_some() { MOST_TRIALS } else { TRIALS });
        let greater_is_better = around.objective.greater_is_better;
        Ok(Tuning {
            strategy: Strategy::Contest(Contest { entrants, pace: Pace::ByPromise, max_trials, with_ensembles, greater_is_better }),
            field,
            spaces,
            objective: around.objective.clone(),
            cv: self.cv.map(|cv| cv.filled(around.task)),
            sample_fraction: 1.0,
            seconds: self.time_budget_secs,
            parallelism: self.parallelism,
            select: Select::Best,
            section: "automl",
        })
    }
}

/// The estimators that are named, each once.
fn names(names: &[String], task: &Task) -> Result<Vec<&'static str>, Vec<Fault>> {
    let mut found: Vec<&'static str> = Vec::new();
    let mut faults = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let below = |fault: Fault| fault.below(&i.to_string()).below("candidates");
        match estimators::named(name) {
            Ok(entry) if !(entry.supports)(task) => {
                let fault = Fault::new(&[], format!("`{}` cannot do {}", entry.name, metric::task_name(task)));
                faults.push(below(fault.hint(estimators::able(task))));
            }
            Ok(entry) if found.contains(&entry.name) => faults.push(below(Fault::new(&[], format!("`{}` is named twice", entry.name)))),
            Ok(entry) => found.push(entry.name),
            Err(fault) => faults.push(below(fault)),
        }
    }
    if names.is_empty() {
        faults.push(fault("candidates", "`candidates` is empty").hint("leave it out for those that usually do well"));
    }
    if faults.is_empty() { Ok(found) } else { Err(faults) }
}

/// Those that usually do well, cheap ones first.
fn usual(task: &Task) -> Vec<&'static str> {
    let cheap: &[&str] = if *task == Task::Regression { &["dummy", "ridge"] } else { &["dummy", "logistic", "naive_bayes"] };
    cheap.iter().copied().chain(["gradient_boosting", "extra_trees", "random_forest"]).collect()
}

/// An estimator with its start and its space; one that has none is tried once, as it is by default.
fn entrant(name: &'static str, around: &Around<'_>) -> Result<(Entrant, Candidates, BTreeMap<String, ParameterSpace>), Vec<Fault>> {
    let lined_up = line_up(name);
    let read = |value: serde_json::Value| serde_json::from_value::<Value>(value).unwrap_or_default();
    let written = read(lined_up.start);
    let parameters: BTreeMap<String, ParameterSpace> = serde_json::from_value(lined_up.space).unwrap_or_default();
    let entry = estimators::named(name).map_err(|fault| vec![fault])?;
    let mut candidates = Candidates::new(entry, written.clone(), around.transforms.clone())?;
    let algorithm = if parameters.is_empty() { Algorithm::Random } else { Algorithm::Climb };
    let asked = Asked { algorithm, max_trials: lined_up.max_trials, early_stop: None, is_timed: false, parameters: &parameters };
    let search = asked.search(&mut candidates, around)?;
    let cost = Cost { base: lined_up.cost, powers: lined_up.powers.iter().map(|(name, power)| ((*name).to_owned(), *power)).collect() };
    Ok((Entrant { name: name.to_owned(), using: name.to_owned(), parameters: written, search, cost }, candidates, parameters))
}

/// Where an estimator begins, what may be chosen, and what a trial costs beside others.
struct LinedUp {
    start: serde_json::Value,
    space: serde_json::Value,
    max_trials: Option<usize>,
    cost: f64,
    powers: &'static [(&'static str, f64)],
}

fn line_up(name: &str) -> LinedUp {
    let log = |min: f64, max: f64| json!({"distribution": "loguniform", "min": min, "max": max});
    let whole = |min: f64, max: f64| json!({"distribution": "qloguniform", "min": min, "max": max, "q": 1});
    let even = |low: f64, high: f64| json!({"distribution": "uniform", "low": low, "high": high});
    let once = LinedUp { start: json!({}), space: json!({}), max_trials: Some(1), cost: 1.0, powers: &[] };
    match name {
        "ridge" => LinedUp { start: json!({"alpha": 1}), space: json!({"alpha": log(1e-4, 1e4)}), max_trials: Some(5), cost: 0.1, ..once },
        "logistic" => LinedUp { start: json!({"C": 1}), space: json!({"C": log(1e-4, 1e4)}), max_trials: Some(5), cost: 0.3, ..once },
        "gradient_boosting" => LinedUp {
            start: json!({
                "n_estimators": 500, "early_stopping_rounds": 20, "num_leaves": 8, "learning_rate": 0.1, "min_child_samples": 20,
                "subsample": 1, "colsample_bytree": 1, "reg_alpha": 0.001, "reg_lambda": 1,
            }),
            space: json!({
                "num_leaves": whole(4.0, 512.0), "learning_rate": log(0.02, 0.5), "min_child_samples": whole(2.0, 128.0),
                "subsample": even(0.5, 1.0), "colsample_bytree": even(0.3, 1.0), "reg_alpha": log(0.001, 10.0), "reg_lambda": log(0.001, 100.0),
            }),
            max_trials: None,
            // Half the learning rate takes twice the rounds.
            cost: 0.1,
            powers: &[("num_leaves", 0.5), ("learning_rate", -1.0)],
        },
        "extra_trees" | "random_forest" => LinedUp {
            start: json!({"n_estimators": 32, "max_features": 0.7, "min_samples_leaf": 3}),
            space: json!({"n_estimators": whole(16.0, 512.0), "max_features": even(0.1, 0.95), "min_samples_leaf": whole(1.0, 64.0)}),
            max_trials: None,
            cost: if name == "extra_trees" { 0.1 } else { 0.2 },
            powers: &[("n_estimators", 1.0), ("max_features", 0.5)],
        },
        _ => once,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Objective;
    use super::*;
    use crate::data::Roles;

    #[test]
    fn every_start_lies_in_its_space_and_every_point_is_taken() {
        for task in [Task::Regression, Task::of_classes(2), Task::of_classes(3)] {
            let objective = Objective { metric: "r2_score".into(), greater_is_better: true, custom: None };
            let around = Around { objective, roles: &Roles::default(), task: &task, transforms: &Value::List(Vec::new()), seed: 1 };
            let tuning = AutomlSection::default().build(&around).unwrap_or_else(|faults| panic!("{faults:?}"));
            for entrant in &tuning.contest().unwrap().entrants {
                let width = entrant.search.space.0.len();
                assert_eq!(entrant.search.written.as_ref().map(Vec::len), Some(width), "{}", entrant.name);
                for i in 0..=20 {
                    let point: Vec<f64> = (0..width).map(|k| f64::from((i * (k as u32 + 3)) % 21) / 20.0).collect();
                    assert!(tuning.field[&entrant.name].make(&entrant.search.space.at(&point)).is_ok(), "{}: {point:?}", entrant.name);
                }
            }
        }
    }
}
