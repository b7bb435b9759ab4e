//! `steps.train.compare`: named candidates, one leaderboard, one winner.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::space::ParameterSpace;
use super::{Around, Asked, Candidates, Cv, EarlyStop, Tuning, bounds, fault, nothing_to_tune, one, whole, yes};
use crate::ml::tune::{Algorithm, Contest, Cost, Entrant, Pace, Strategy};
use crate::ml::{estimators, metric, uncertainty};
use crate::value::{Fault, Value};

/// `steps.train.compare`.
#[derive(Clone, Debug, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompareSection {
    /// What competes, by name: each an estimator with its parameters.
    #[serde(default)]
    candidates: BTreeMap<String, CandidateSection>,
    /// Which one wins; default `best`.
    #[serde(default)]
    select: Select,
    /// Seconds for all candidates and the fit of the winner.
    time_budget_secs: Option<f64>,
    /// Trials at a time; they change nothing but the time it takes.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    parallelism: usize,
    /// The share of the training rows that trials learn from; the winner learns from all.
    #[serde(default = "whole")]
    sample_fraction: f64,
    /// Cross-validation on training rows; without it candidates are scored on the validation split.
    cv: Option<Cv>,
}

impl Default for CompareSection {
    fn default() -> Self {
        Self { candidates: BTreeMap::new(), select: Select::Best, time_budget_secs: None, parallelism: 1, sample_fraction: 1.0, cv: None }
    }
}

/// Which candidate wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Select {
    /// The one with the best score.
    #[default]
    Best,
    /// The simplest one whose score is within one standard error of the best one's.
    OneStandardError,
}

/// A candidate of `compare`.
#[derive(Clone, Debug, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
struct CandidateSection {
    /// The estimator; `recipe list estimators` shows them.
    using: String,
    /// The estimator's parameters.
    #[serde(default)]
    #[schemars(schema_with = "any_parameters")]
    estimator_params: Value,
    /// The search for better parameters of this candidate.
    tuning: Option<CandidateTuning>,
}

fn any_parameters(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"description": "The estimator's parameters.", "type": ["object", "null"]})
}

/// `tuning` of a candidate. Halving is left out: its scores on few rows say nothing beside others'.
#[derive(Clone, Debug, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
struct CandidateTuning {
    /// `false` switches tuning off and keeps what is said.
    #[serde(default = "yes")]
    enabled: bool,
    /// How parameters are proposed; `halving` does not go with other candidates.
    #[serde(default)]
    algorithm: Algorithm,
    /// How many trials there are, the parameters as written among them; default 20.
    #[schemars(range(min = 1))]
    max_trials: Option<usize>,
    /// When to give up.
    early_stop: Option<EarlyStop>,
    /// What is tuned, as in `steps.train.tuning`.
    #[serde(default)]
    parameters: BTreeMap<String, ParameterSpace>,
}

impl CompareSection {
    /// The contest that the section asks for.
    ///
    /// # Errors
    /// Every fault, with its path below the section.
    pub fn build(self, around: &Around<'_>) -> Result<Tuning, Vec<Fault>> {
        let mut faults = bounds(self.time_budget_secs, self.parallelism, self.sample_fraction);
        faults.extend(self.cv.iter().flat_map(|cv| cv.check(around.roles)));
        if self.candidates.len() < 2 {
            let fault = fault("candidates", "`compare` needs two `candidates` at least");
            faults.push(fault.hint("such as `candidates: {plain: {using: ridge}, boosted: {using: gradient_boosting}}`"));
        }
        let has_interval = around.objective.custom.is_none() && metric::find(&around.objective.metric).is_some_and(uncertainty::has_interval);
        if self.select == Select::OneStandardError && self.cv.is_none() && !has_interval {
            let message = format!("`{}` has no standard error on the validation split", around.objective.metric);
            faults.push(fault("select", message).hint("add `cv`: the folds give one"));
        }
        let (mut entrants, mut field, mut spaces) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for (name, section) in self.candidates {
            let below = |fault: Fault| fault.below(&name).below("candidates");
            match section.entrant(&name, self.time_budget_secs.is_some(), around) {
                Ok((entrant, candidates, parameters)) => {
                    entrants.push(entrant);
                    spaces.insert(name.clone(), parameters);
                    field.insert(name, candidates);
                }
                Err(wrong) => faults.extend(wrong.into_iter().map(below)),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let greater_is_better = around.objective.greater_is_better;
        Ok(Tuning {
            strategy: Strategy::Contest(Contest { entrants, pace: Pace::InTurn, max_trials: usize::MAX, with_ensembles: false, greater_is_better }),
            field,
            spaces,
            objective: around.objective.clone(),
            cv: self.cv.map(|cv| cv.filled(around.task)),
            sample_fraction: self.sample_fraction,
            seconds: self.time_budget_secs,
            parallelism: self.parallelism,
            select: self.select,
            section: "compare",
        })
    }
}

impl CandidateSection {
    fn entrant(self, name: &str, is_timed: bool, around: &Around<'_>) -> Result<(Entrant, Candidates, BTreeMap<String, ParameterSpace>), Vec<Fault>> {
        let entry = estimators::named(&self.using).map_err(|fault| vec![fault.below("using")])?;
        if !(entry.supports)(around.task) {
            return Err(vec![fault("using", format!("`{}` cannot do {}", entry.name, metric::task_name(around.task))).hint(estimators::able(around.task))]);
        }
        let below = |key: &'static str| move |faults: Vec<Fault>| faults.into_iter().map(|fault| fault.below(key)).collect::<Vec<_>>();
        let mut candidates = Candidates::new(entry, self.estimator_params, around.transforms.clone()).map_err(below("estimator_params"))?;
        let tuning = self.tuning.filter(|tuning| tuning.enabled);
        let mut faults = Vec::new();
        if let Some(tuning) = &tuning {
            if tuning.parameters.is_empty() {
                faults.push(nothing_to_tune());
            }
            if tuning.algorithm == Algorithm::Halving {
                let fault = fault("algorithm", "`halving` does not go with other candidates, which are not scored on few rows");
                faults.push(fault.hint("take `random`, `grid` or `tpe`"));
            }
        }
        let parameters = tuning.as_ref().map(|tuning| tuning.parameters.clone()).unwrap_or_default();
        let asked = Asked {
            algorithm: tuning.as_ref().map(|tuning| tuning.algorithm).unwrap_or_default(),
            max_trials: tuning.as_ref().map_or(Some(1), |tuning| tuning.max_trials),
            early_stop: tuning.as_ref().and_then(|tuning| tuning.early_stop),
            is_timed,
            parameters: &parameters,
        };
        let search = match asked.search(&mut candidates, around) {
            Ok(search) if faults.is_empty() => search,
            search => return Err(below("tuning")(faults.into_iter().chain(search.err().into_iter().flatten()).collect())),
        };
        let cost = Cost { base: 1.0, powers: BTreeMap::new() };
        let entrant = Entrant { name: name.to_owned(), using: entry.name.to_owned(), parameters: candidates.parameters.clone(), search, cost };
        Ok((entrant, candidates, parameters))
    }
}
