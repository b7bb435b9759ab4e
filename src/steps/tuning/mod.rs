//! `steps.train.tuning`, `compare` and `automl`: what is tried, how, and what trials are compared by.
//!
//! [`TuningSection`] searches the parameters of one estimator; [`CompareSection`] and [`AutomlSection`] let several candidates
//! compete. All three become a [`Tuning`], so that trials are carried out, kept and shown in one way.

mod automl;
mod candidates;
mod compare;
mod space;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::space::ParameterSpace;
use super::evaluate::CustomMetric;
use crate::data::{Role, Roles};
use crate::ml::tune::{Algorithm, Contest, Dimension, Distribution, Proposal, Search, Space, Strategy, folds};
use crate::ml::{Task, UnfittedEstimator};
use crate::value::{Fault, Value};

pub use self::automl::AutomlSection;
pub use self::candidates::{Candidate, Candidates, shown};
pub use self::compare::{CompareSection, Select};

/// Trials where neither their number nor a time is set.
const TRIALS: usize = 20;
/// A grid has this many combinations at most.
const MOST_COMBINATIONS: usize = 100_000;

/// `steps.train.tuning`.
#[derive(Clone, Debug, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TuningSection {
    /// `false` switches tuning off and keeps what is said.
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default)]
    algorithm: Algorithm,
    /// How many trials there are, the parameters as written among them; default 20, or no bound where a time is set.
    #[schemars(range(min = 1))]
    max_trials: Option<usize>,
    /// Seconds for the search and the fit of the winner.
    time_budget_secs: Option<f64>,
    /// Trials at a time; they change nothing but the time it takes.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    parallelism: usize,
    /// When to give up.
    early_stop: Option<EarlyStop>,
    /// The share of the training rows that trials learn from; the winner learns from all.
    #[serde(default = "whole")]
    sample_fraction: f64,
    /// Cross-validation on training rows; without it trials are scored on the validation split.
    cv: Option<Cv>,
    /// What is tuned: the estimator's parameters, and options of transforms as `transform.impute.strategy`.
    #[serde(default)]
    parameters: BTreeMap<String, ParameterSpace>,
}

fn yes() -> bool {
    true
}

fn one() -> usize {
    1
}

fn whole() -> f64 {
    1.0
}

/// `early_stop`.
#[derive(Clone, Copy, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EarlyStop {
    /// The search ends after so many trials in a row without a better score.
    #[schemars(range(min = 1))]
    no_progress: usize,
}

/// `cv`.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cv {
    /// How rows are told apart; default `stratified` for classes, `kfold` for numbers.
    pub using: Option<folds::Method>,
    /// How many folds there are.
    #[serde(default = "five")]
    #[schemars(range(min = 2, max = 100))]
    pub folds: usize,
    /// How often rows are dealt out anew.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100))]
    pub repeats: usize,
}

fn five() -> usize {
    5
}

impl Cv {
    /// What is wrong with it; paths are below the section that it stands in.
    fn check(&self, roles: &Roles) -> Vec<Fault> {
        let fault = |key: &str, message: String| Fault::new(&["cv".to_owned(), key.to_owned()], message);
        let mut faults = Vec::new();
        if !(2..=100).contains(&self.folds) {
            faults.push(fault("folds", "`folds` must lie between 2 and 100".to_owned()));
        }
        if !(1..=100).contains(&self.repeats) {
            faults.push(fault("repeats", "`repeats` must lie between 1 and 100".to_owned()));
        }
        if self.repeats > 1 && self.using == Some(folds::Method::Time) {
            faults.push(fault("repeats", "`repeats` does not go with `time`: rows can be dealt out in one order only".to_owned()));
        }
        for (method, role) in [(folds::Method::Group, Role::Group), (folds::Method::Time, Role::Time)] {
            if self.using == Some(method) && roles.first(role).is_none() {
                let fault = fault("using", format!("no column has the role `{}`", role.name()));
                faults.push(fault.hint(format!("name it: `roles: {{COLUMN: {}}}`", role.name())));
            }
        }
        faults
    }

    /// With its default for the task.
    fn filled(self, task: &Task) -> Self {
        let usual = if *task == Task::Regression { folds::Method::Kfold } else { folds::Method::Stratified };
        Self { using: Some(self.using.unwrap_or(usual)), ..self }
    }
}

/// What trials are compared by.
#[derive(Clone, Debug)]
pub struct Objective {
    pub metric: String,
    pub greater_is_better: bool,
    /// Where it is the recipe's own.
    pub custom: Option<CustomMetric>,
}

/// The recipe around a section.
pub struct Around<'a> {
    pub objective: Objective,
    pub roles: &'a Roles,
    pub task: &'a Task,
    /// The recipe's list of transforms.
    pub transforms: &'a Value,
    pub seed: u64,
}

/// Trials that were asked for.
pub struct Tuning {
    pub strategy: Strategy,
    /// What parameters are set over, by the name under which it competes; one without a name where nothing does.
    field: BTreeMap<String, Candidates>,
    spaces: BTreeMap<String, BTreeMap<String, ParameterSpace>>,
    pub objective: Objective,
    pub cv: Option<Cv>,
    pub sample_fraction: f64,
    pub seconds: Option<f64>,
    pub parallelism: usize,
    pub select: Select,
    /// The key below `steps.train` that asks for it.
    pub section: &'static str,
}

impl TuningSection {
    /// The search that the section asks for; nothing where it is switched off.
    ///
    /// # Errors
    /// Every fault, with its path below the section.
    pub fn build(self, mut candidates: Candidates, around: &Around<'_>) -> Result<Option<Tuning>, Vec<Fault>> {
        let mut faults = bounds(self.time_budget_secs, self.parallelism, self.sample_fraction);
        faults.extend(self.cv.iter().flat_map(|cv| cv.check(around.roles)));
        if self.enabled && self.parameters.is_empty() {
            faults.push(nothing_to_tune());
        }
        let asked = Asked {
            algorithm: self.algorithm,
            max_trials: self.max_trials,
            early_stop: self.early_stop,
            is_timed: self.time_budget_secs.is_some(),
            parameters: &self.parameters,
        };
        let search = match asked.search(&mut candidates, around) {
            Ok(search) if faults.is_empty() => search,
            search => return Err(faults.into_iter().chain(search.err().into_iter().flatten()).collect()),
        };
        if !self.enabled {
            return Ok(None);
        }
        Ok(Some(Tuning {
            strategy: Strategy::Alone(search),
            field: BTreeMap::from([(String::new(), candidates)]),
            spaces: BTreeMap::from([(String::new(), self.parameters)]),
            objective: around.objective.clone(),
            cv: self.cv.map(|cv| cv.filled(around.task)),
            sample_fraction: self.sample_fraction,
            seconds: self.time_budget_secs,
            parallelism: self.parallelism,
            select: Select::Best,
            section: "tuning",
        }))
    }
}

fn fault(key: &str, message: impl Into<String>) -> Fault {
    Fault::new(&[key.to_owned()], message)
}

fn nothing_to_tune() -> Fault {
    fault("parameters", "`tuning` has no `parameters`, so there is nothing to tune").hint("such as `parameters: {alpha: {values: [0.1, 1, 10]}}`")
}

/// What is wrong with numbers that all sections have.
fn bounds(seconds: Option<f64>, parallelism: usize, sample_fraction: f64) -> Vec<Fault> {
    let wrong = [
        (parallelism == 0, "parallelism", "`parallelism` is a number from 1"),
        (seconds.is_some_and(|seconds| !(seconds > 0.0 && seconds < 1e9)), "time_budget_secs", "`time_budget_secs` is a number of seconds above 0"),
        (!(sample_fraction > 0.0 && sample_fraction <= 1.0), "sample_fraction", "`sample_fraction` must be above 0 and at most 1"),
    ];
    wrong.into_iter().filter(|(is_wrong, ..)| *is_wrong).map(|(_, key, why)| fault(key, why)).collect()
}

/// How one estimator's parameters are to be searched.
struct Asked<'a> {
    algorithm: Algorithm,
    max_trials: Option<usize>,
    early_stop: Option<EarlyStop>,
    /// Does a time end it?
    is_timed: bool,
    parameters: &'a BTreeMap<String, ParameterSpace>,
}

impl Asked<'_> {
    /// The search over what is written.
    ///
    /// # Errors
    /// Every fault; paths are those of `tuning`.
    fn search(&self, candidates: &mut Candidates, around: &Around<'_>) -> Result<Search, Vec<Fault>> {
        let wrong = [
            (self.max_trials == Some(0), "max_trials", "`max_trials` is a number from 1"),
            (self.early_stop.is_some_and(|stop| stop.no_progress == 0), "early_stop", "`no_progress` is a number of trials from 1"),
            (
                self.early_stop.is_some() && self.algorithm == Algorithm::Halving,
                "early_stop",
                "`early_stop` does not go with `halving`, which drops trials itself",
            ),
        ];
        let mut faults: Vec<Fault> = wrong.into_iter().filter(|(is_wrong, ..)| *is_wrong).map(|(_, key, why)| fault(key, why)).collect();
        let mut dimensions: Vec<Dimension> = Vec::new();
        for (name, space) in self.parameters {
            let below = |fault: Fault| fault.below(name).below("parameters");
            match candidates.tune(name, space) {
                Ok(dimension) if self.algorithm == Algorithm::Grid && dimension.distribution.values().is_none() => {
                    let fault = Fault::new(&[], format!("`grid` needs values that can be counted, and those of `{name}` cannot"));
                    faults.push(below(fault.hint("give `values`, `randint` or `quniform`, or take another algorithm")));
                }
                Ok(dimension) => dimensions.push(dimension),
                Err(wrong) => faults.extend(wrong.into_iter().map(below)),
            }
        }
        if self.algorithm == Algorithm::Grid && self.max_trials.is_none() {
            let counts = dimensions.iter().filter_map(|dimension| dimension.distribution.values());
            if counts.fold(1_usize, |size, values| size.saturating_mul(values.len())) > MOST_COMBINATIONS {
                let fault = fault("max_trials", format!("the grid has more than {MOST_COMBINATIONS} combinations"));
                faults.push(fault.hint("set `max_trials`, or give fewer values"));
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let max_trials = match (self.max_trials, self.algorithm) {
            (Some(trials), _) => trials,
            (None, Algorithm::Grid | Algorithm::Climb) => usize::MAX,
            (None, Algorithm::Random | Algorithm::Tpe) if self.is_timed => usize::MAX,
            (None, _) => TRIALS,
        };
        let space = Space(dimensions);
        Ok(Search {
            written: candidates.place(&space)?,
            space,
            algorithm: self.algorithm,
            max_trials,
            no_progress: self.early_stop.map(|stop| stop.no_progress),
            greater_is_better: around.objective.greater_is_better,
            seed: around.seed,
        })
    }
}

impl Tuning {
    /// Several candidates, where they compete.
    #[must_use]
    pub fn contest(&self) -> Option<&Contest> {
        match &self.strategy {
            Strategy::Alone(_) => None,
            Strategy::Contest(contest) => Some(contest),
        }
    }

    /// What is proposed.
    ///
    /// # Errors
    /// What the estimator or the transforms refuse.
    pub fn make(&self, proposal: &Proposal) -> Result<Candidate, Vec<Fault>> {
        match self.field.get(&proposal.candidate) {
            Some(candidates) => candidates.make(&proposal.parameters),
            None => Err(vec![Fault::new(&[], format!("there is no candidate `{}`", proposal.candidate))]),
        }
    }

    /// The estimators as they are written.
    pub fn estimators(&self) -> impl Iterator<Item = &dyn UnfittedEstimator> {
        self.field.values().map(|candidates| candidates.estimator.as_ref())
    }

    /// What is asked for, but for `parallelism`: what enters the key.
    #[must_use]
    pub fn config(&self) -> serde_json::Value {
        let mut config = json!({
            "time_budget_secs": self.seconds,
            "sample_fraction": self.sample_fraction,
            "cv": self.cv,
            "metric": self.objective.metric,
            "greater_is_better": self.objective.greater_is_better,
            "expression": self.objective.custom.as_ref().map(|custom| &custom.expression),
        });
        let searched = |search: &Search, name: &str| {
            json!({
                "algorithm": search.algorithm.name(),
                "max_trials": search.max_trials,
                "no_progress": search.no_progress,
                "parameters": self.spaces.get(name),
            })
        };
        let mut set = |more: serde_json::Value| {
            if let serde_json::Value::Object(more) = more {
                more.into_iter().for_each(|(key, value)| config[key] = value);
            }
        };
        match &self.strategy {
            Strategy::Alone(search) => set(searched(search, "")),
            Strategy::Contest(contest) => {
                let candidate = |(name, candidates): (&String, &Candidates)| {
                    let entrant = contest.entrants.iter().find(|entrant| entrant.name == *name);
                    let own = json!({"using": candidates.estimator.name(), "estimator_params": candidates.estimator.config()});
                    (name.clone(), json!({"candidate": own, "search": entrant.map(|entrant| searched(&entrant.search, name))}))
                };
                set(json!({
                    "section": self.section,
                    "select": self.select,
                    "max_trials": contest.max_trials,
                    "ensembles": contest.with_ensembles,
                    "candidates": self.field.iter().map(candidate).collect::<BTreeMap<_, _>>(),
                }));
            }
        }
        config
    }

    /// The value of a parameter as it is written, where there is one.
    #[must_use]
    pub fn written(&self, candidate: &str, parameter: &str) -> Option<&Value> {
        self.field.get(candidate)?.written.get(parameter)
    }

    /// The estimators and the transforms at work in trials, with their versions.
    #[must_use]
    pub fn algorithms(&self) -> BTreeMap<String, u32> {
        let mut all: BTreeMap<String, u32> =
            self.estimators().flat_map(UnfittedEstimator::algorithms).map(|(name, version)| (format!("estimator {name}"), version)).collect();
        let values = |dimension: &Dimension| match &dimension.distribution {
            Distribution::Choice(values) => values.clone(),
            _ => Vec::new(),
        };
        for (name, candidates) in &self.field {
            let search = match &self.strategy {
                Strategy::Alone(search) => Some(search),
                Strategy::Contest(contest) => contest.entrants.iter().find(|entrant| entrant.name == *name).map(|entrant| &entrant.search),
            };
            let dimensions = search.iter().flat_map(|search| &search.space.0);
            let each = dimensions.flat_map(|dimension| values(dimension).into_iter().map(|value| BTreeMap::from([(dimension.name.clone(), value)])));
            for candidate in each.chain([BTreeMap::new()]).filter_map(|set| candidates.make(&set).ok()) {
                all.extend(candidate.chain.steps().iter().map(|step| (format!("transform {}", step.name()), step.version())));
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::estimators;
    use crate::value::{display_path, parse};

    fn value(yaml: &str) -> Value {
        serde_json::from_value(serde_yaml::from_str(yaml).unwrap()).unwrap()
    }

    fn built(yaml: &str) -> Result<Tuning, Vec<String>> {
        let transforms = value("[{impute: {columns: [a]}}, standard_scale, {clip: {columns: [a], lower: 0}}, {clip: {columns: [b], lower: 0}}]");
        let written = value("{num_leaves: 20, learning_rate: 0.2}");
        let candidates = Candidates::new(estimators::find("gradient_boosting").unwrap(), written, transforms.clone()).unwrap();
        let objective = Objective { metric: "r2_score".into(), greater_is_better: true, custom: None };
        let section: Result<TuningSection, Vec<Fault>> = parse(&value(yaml));
        let faults = |faults: Vec<Fault>| {
            let line = |fault: Fault| format!("{}: {} ({})", display_path(&fault.path), fault.message, fault.hint.unwrap_or_default());
            faults.into_iter().map(line).collect::<Vec<_>>()
        };
        let around = Around { objective, roles: &Roles::default(), task: &Task::Regression, transforms: &transforms, seed: 1 };
        section.map_err(faults)?.build(candidates, &around).map_err(faults).map(Option::unwrap)
    }

    fn searched(tuning: &Tuning) -> &Search {
        match &tuning.strategy {
            Strategy::Alone(search) => search,
            Strategy::Contest(_) => panic!("nothing competes"),
        }
    }

    #[test]
    fn hyperopts_spellings_are_understood() {
        let tuning = built(
            "algorithm: hyperopt.tpe.suggest
max_trials: 7
parameters:
  learning_rate: {distribution: loguniform, low: -4.6, high: -1}
  num_leaves: {distribution: quniform, low: 4, high: 64, q: 4}
  max_bin: {distribution: randint, low: 15, high: 255}
  reg_lambda: {distribution: lognormal, mu: 0, sigma: 1}
  growth: {values: [leaf_wise, depth_wise]}",
        )
        .unwrap();
        let search = searched(&tuning);
        assert_eq!((search.algorithm, search.max_trials, search.space.0.len()), (Algorithm::Tpe, 7, 5));
        // `reg_lambda` as written is 0, which no lognormal gives.
        assert_eq!(search.written, None);
        for number in 0..200 {
            let point: Vec<f64> = (0..5).map(|i| f64::from((number * 37 + i * 11) % 200) / 200.0).collect();
            assert!(tuning.field[""].make(&search.space.at(&point)).is_ok());
        }
        let own = built("parameters: {learning_rate: {distribution: loguniform, min: 0.01, max: 0.3}}").unwrap();
        let own = searched(&own);
        assert_eq!((own.algorithm, own.max_trials), (Algorithm::Random, 20));
        let rate = own.space.at(&[0.0])["learning_rate"].text().unwrap().parse::<f64>().unwrap();
        assert!((rate - 0.01).abs() < 1e-12 && own.written.is_some());
    }

    #[test]
    fn options_of_transforms_are_reached_by_name_or_place() {
        let tuning = built(
            "parameters:
  transform.impute.strategy: {values: [mean, median]}
  transform[1].standard_scale.with_mean: {values: [true, false]}
  transform.2.clip.upper: {distribution: uniform, low: 1, high: 2}
  transform[3]: {values: [drop_constant, {log: {columns: [b]}}]}",
        )
        .unwrap();
        assert!(tuning.field[""].tune_transforms());
        let parameters = searched(&tuning).space.at(&[0.5, 0.9, 0.9, 0.9]);
        let chain = tuning.field[""].make(&parameters).unwrap().chain;
        let configs: Vec<String> = chain.steps().iter().map(|step| format!("{} {}", step.name(), step.config())).collect();
        for (config, says) in configs.iter().zip(["impute", "standard_scale", "clip", "log"]) {
            assert!(config.starts_with(says), "{configs:?}");
        }
        assert!(configs[1].contains("\"with_mean\":false") && configs[2].contains("1.5"), "{configs:?}");
        assert!(tuning.algorithms().contains_key("transform log") && tuning.algorithms().contains_key("transform drop_constant"));
    }

    #[test]
    fn each_fault_is_named_where_it_stands() {
        for (yaml, says) in [
            ("parameters: {lerning_rate: {values: [1]}}", "parameters.lerning_rate: unknown key `lerning_rate` (did you mean `learning_rate`?)"),
            ("parameters: {num_leaves: {values: [8, many]}}", "parameters.num_leaves.values[1]: `num_leaves` cannot be many: expected a whole number"),
            ("parameters: {num_leaves: {distribution: uniform, low: 4, high: 9}}", "gives whole numbers"),
            ("parameters: {learning_rate: {distribution: uniform, low: -1, high: 1}}", "parameters.learning_rate: `learning_rate` cannot be -0.999"),
            ("parameters: {subsample: {distribution: loguniform, low: 0.1, high: 0.9}}", "are exponents of e"),
            ("parameters: {alpha: {distribution: uniform, low: 1}}", "parameters.alpha: `uniform` needs `high`"),
            ("parameters: {alpha: {distribution: uniform, low: 1, high: 1}}", "parameters.alpha.high: the upper bound of `uniform` must be above"),
            ("parameters: {alpha: {distribution: normal, low: 1, sigma: 1, mu: 0.5}}", "parameters.alpha.low: `low` does not go with `normal`"),
            ("parameters: {alpha: {distribution: unifrom, low: 1}}", "unknown value `unifrom` (did you mean `uniform`?)"),
            ("parameters: {alpha: {}}", "a parameter has `values` or a `distribution`"),
            ("parameters: {alpha: {values: []}}", "parameters.alpha.values: `values` is empty"),
            (
                "parameters: {transform.inpute.strategy: {values: [mean]}}",
                "parameters.transform.inpute.strategy: `steps.transform` has no `inpute` (did you mean `impute`?)",
            ),
            ("parameters: {transform.impute.stratgy: {values: [mean]}}", "unknown key `stratgy` (did you mean `strategy`?)"),
            ("parameters: {transform.impute.strategy: {values: [mean, avg]}}", "parameters.transform.impute.strategy.values[1]"),
            ("parameters: {transform.clip.upper: {values: [1]}}", "`clip` occurs more than once in `steps.transform` (say which: `transform[2].clip…`)"),
            ("parameters: {'transform[1].clip.upper': {values: [1]}}", "item 1 of `steps.transform` is `standard_scale`, not `clip`"),
            ("parameters: {'transform[9].clip.upper': {values: [1]}}", "has no item 9: there are 4"),
            (
                "{algorithm: grid, parameters: {alpha: {distribution: uniform, low: 0.1, high: 0.9}}}",
                "parameters.alpha: `grid` needs values that can be counted",
            ),
            ("{algorithm: halving, early_stop: {no_progress: 3}, parameters: {alpha: {values: [0.5]}}}", "early_stop: `early_stop` does not go with `halving`"),
            ("{max_trials: 0, parameters: {alpha: {values: [0.5]}}}", "max_trials: `max_trials` is a number from 1"),
            ("{cv: {folds: 1}, parameters: {alpha: {values: [0.5]}}}", "cv.folds: `folds` must lie between 2 and 100"),
            ("{cv: {using: time, repeats: 2}, parameters: {alpha: {values: [0.5]}}}", "cv.repeats: `repeats` does not go with `time`"),
            ("{algoritm: grid}", "unknown key `algoritm` (did you mean `algorithm`?)"),
            ("{enabled: true}", "parameters: `tuning` has no `parameters`"),
        ] {
            let faults = built(yaml).err().unwrap_or_default();
            assert!(faults.iter().any(|fault| fault.contains(says)), "{yaml}: {faults:#?}");
        }
    }
}
