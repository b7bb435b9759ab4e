//! `steps.train.tuning`: what is searched, how, and what an estimator and a chain become with parameters that are tried out.
//!
//! A parameter is one of the estimator's, or an option of a transform by its path: `transform.clip.upper` where one transform has that
//! name, else `transform[2].clip.upper`, counted from 0 as messages count. Every value that a space can give is held against the
//! estimator's and the transforms' own parsing when the recipe is read, each parameter by itself.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::evaluate::CustomMetric;
use crate::data::{Role, Roles};
use crate::error::shorten;
use crate::ml::tune::{Algorithm, Dimension, Distribution, Search, Space, folds};
use crate::ml::{Chain, EstimatorEntry, UnfittedEstimator, transformers};
use crate::value::{Fault, Path as KeyPath, Value, path_of, suggest};

/// Trials where neither their number nor a time is set.
const TRIALS: usize = 20;
/// A grid has this many combinations at most.
const MOST_COMBINATIONS: usize = 100_000;
/// Points at which a distribution is held against what a parameter takes.
const PROBES: [f64; 5] = [0.0005, 0.25, 0.5, 0.75, 0.9995];

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

/// What may be chosen for a parameter: `values`, or a `distribution` as hyperopt defines it.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ParameterSpace {
    /// The values to choose from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<serde_json::Value>>")]
    values: Option<Vec<Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    distribution: Option<Kind>,
    /// The lower bound; for `loguniform` and `qloguniform` its natural logarithm, as in hyperopt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    low: Option<f64>,
    /// The upper bound; for `loguniform` and `qloguniform` its natural logarithm; for `randint` the first number that is too large.
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "upper")]
    #[schemars(extend("x-aliases" = ["upper"]))]
    high: Option<f64>,
    /// The lower bound in the parameter's own unit, in place of `low`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min: Option<f64>,
    /// The upper bound in the parameter's own unit, in place of `high`; `randint` may give it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max: Option<f64>,
    /// Values are multiples of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    q: Option<f64>,
    /// The mean of a normal distribution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mu: Option<f64>,
    /// The standard deviation of a normal distribution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sigma: Option<f64>,
}

/// `distribution`, by hyperopt's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// Even between `low` and `high`.
    Uniform,
    /// As `uniform`, in multiples of `q`.
    Quniform,
    /// `e` to the power of what `uniform` gives.
    Loguniform,
    /// As `loguniform`, in multiples of `q`.
    Qloguniform,
    /// Normal with mean `mu` and standard deviation `sigma`.
    Normal,
    /// As `normal`, in multiples of `q`.
    Qnormal,
    /// `e` to the power of what `normal` gives.
    Lognormal,
    /// As `lognormal`, in multiples of `q`.
    Qlognormal,
    /// A whole number from `low` (default 0) on and below `high`.
    Randint,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Quniform => "quniform",
            Self::Loguniform => "loguniform",
            Self::Qloguniform => "qloguniform",
            Self::Normal => "normal",
            Self::Qnormal => "qnormal",
            Self::Lognormal => "lognormal",
            Self::Qlognormal => "qlognormal",
            Self::Randint => "randint",
        }
    }

    fn is_normal(self) -> bool {
        matches!(self, Self::Normal | Self::Qnormal | Self::Lognormal | Self::Qlognormal)
    }

    fn is_log(self) -> bool {
        matches!(self, Self::Loguniform | Self::Qloguniform | Self::Lognormal | Self::Qlognormal)
    }

    fn is_stepped(self) -> bool {
        matches!(self, Self::Quniform | Self::Qloguniform | Self::Qnormal | Self::Qlognormal)
    }
}

impl ParameterSpace {
    /// # Errors
    /// What is missing, does not belong together or makes no space; paths are below the parameter.
    fn distribution(&self) -> Result<Distribution, Vec<Fault>> {
        let fault = |key: &str, message: String| Fault::new(&[key.to_owned()][..usize::from(!key.is_empty())], message);
        let numbers = [("low", self.low), ("high", self.high), ("min", self.min), ("max", self.max), ("q", self.q), ("mu", self.mu), ("sigma", self.sigma)];
        let kind = match (&self.values, self.distribution) {
            (Some(_), Some(_)) => return Err(vec![fault("values", "a parameter has `values` or a `distribution`, not both".to_owned())]),
            (None, None) => {
                return Err(vec![
                    fault("", "a parameter has `values` or a `distribution`".to_owned())
                        .hint("such as `{values: [1, 10]}` or `{distribution: uniform, low: 0, high: 1}`"),
                ]);
            }
            (Some(values), None) => {
                let spare = numbers.iter().filter(|(_, given)| given.is_some());
                let mut faults: Vec<Fault> = spare.map(|(key, _)| fault(key, format!("`{key}` goes with a `distribution`"))).collect();
                if values.is_empty() {
                    faults.push(fault("values", "`values` is empty".to_owned()));
                }
                return if faults.is_empty() { Ok(Distribution::Choice(values.clone())) } else { Err(faults) };
            }
            (None, Some(kind)) => kind,
        };
        let name = kind.name();
        let bounds: &[&str] = if kind.is_normal() { &["mu", "sigma"] } else { &["low", "high", "min", "max"] };
        let belongs = |key: &str| bounds.contains(&key) || (key == "q" && kind.is_stepped());
        let mut faults: Vec<Fault> = numbers
            .iter()
            .filter_map(|(key, given)| match given {
                Some(_) if !belongs(key) => Some(fault(key, format!("`{key}` does not go with `{name}`"))),
                Some(x) if !x.is_finite() => Some(fault(key, format!("`{key}` is a finite number"))),
                _ => None,
            })
            .collect();
        let mut wanted = |key: &str, given: Option<f64>| {
            if given.is_none() {
                faults.push(fault("", format!("`{name}` needs `{key}`")));
            }
            given.unwrap_or_default()
        };
        let q = kind.is_stepped().then(|| wanted("q", self.q));
        let distribution = if kind.is_normal() {
            let (mu, sigma) = (wanted("mu", self.mu), wanted("sigma", self.sigma));
            if self.sigma.is_some() && sigma <= 0.0 {
                faults.push(fault("sigma", "`sigma` must be above 0".to_owned()));
            }
            Distribution::Normal { mu, sigma, is_log: kind.is_log(), q }
        } else {
            for (one, other) in [("low", "min"), ("high", "max")] {
                let is_given = |key: &str| numbers.iter().any(|(name, given)| *name == key && given.is_some());
                if is_given(one) && is_given(other) {
                    faults.push(fault(other, format!("`{one}` and `{other}` say the same thing")));
                }
            }
            let own_unit = |bound: Option<f64>| bound.map(|bound| if kind.is_log() { bound.ln() } else { bound });
            if kind.is_log() && [self.min, self.max].iter().flatten().any(|bound| *bound <= 0.0) {
                faults.push(fault(if self.min.is_some_and(|min| min <= 0.0) { "min" } else { "max" }, format!("the bounds of `{name}` must be above 0")));
            }
            let mut wanted = |key: &str, given: Option<f64>| {
                if given.is_none() {
                    faults.push(fault("", format!("`{name}` needs `{key}`")));
                }
                given.unwrap_or_default()
            };
            let is_whole = kind == Kind::Randint;
            let low = self.low.or(own_unit(self.min)).or(is_whole.then_some(0.0));
            let high = self.high.or(own_unit(self.max).map(|max| if is_whole { max + 1.0 } else { max }));
            let (low, high) = (wanted("low", low), wanted("high", high));
            if faults.is_empty() && low >= high {
                faults.push(fault(if self.max.is_some() { "max" } else { "high" }, format!("the upper bound of `{name}` must be above the lower one")));
            }
            if is_whole && [low, high].iter().any(|bound| bound.fract() != 0.0 || bound.abs() > 1e15) {
                faults.push(fault("", "the bounds of `randint` are whole numbers".to_owned()));
            }
            if is_whole { Distribution::Integers { low: low as i64, high: high as i64 } } else { Distribution::Uniform { low, high, is_log: kind.is_log(), q } }
        };
        if q.is_some_and(|q| q <= 0.0) && self.q.is_some() {
            faults.push(fault("q", "`q` must be above 0".to_owned()));
        }
        if faults.is_empty() { Ok(distribution) } else { Err(faults) }
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

/// A search that was asked for.
pub struct Tuning {
    pub search: Search,
    pub candidates: Candidates,
    pub objective: Objective,
    pub cv: Option<Cv>,
    pub sample_fraction: f64,
    pub seconds: Option<f64>,
    pub parallelism: usize,
    /// The values as they are written, where there are some.
    written: BTreeMap<String, Value>,
    parameters: BTreeMap<String, ParameterSpace>,
}

/// What parameters are set over.
pub struct Candidates {
    entry: &'static EstimatorEntry,
    parameters: Value,
    transforms: Value,
    targets: BTreeMap<String, Target>,
}

/// Where a parameter goes.
#[derive(Clone, Debug, PartialEq)]
enum Target {
    Estimator(KeyPath),
    Transform(KeyPath),
}

/// What a set of parameters makes.
pub struct Candidate {
    pub estimator: Box<dyn UnfittedEstimator>,
    /// The transforms; the recipe's own where none of their options is tuned.
    pub chain: Chain,
}

impl Candidates {
    /// The recipe's estimator with its parameters, and its list of transforms; all of them have been read without fault.
    #[must_use]
    pub fn new(entry: &'static EstimatorEntry, parameters: Value, transforms: Value) -> Self {
        Self { entry, parameters, transforms, targets: BTreeMap::new() }
    }

    /// Is any option of a transform tuned?
    #[must_use]
    pub fn tune_transforms(&self) -> bool {
        self.targets.values().any(|target| matches!(target, Target::Transform(_)))
    }

    /// The estimator and the chain with parameters set over what is written.
    ///
    /// # Errors
    /// What they refuse; each path begins with the parameter's name if it is about one.
    pub fn make(&self, set: &BTreeMap<String, Value>) -> Result<Candidate, Vec<Fault>> {
        let (mut parameters, mut transforms) = (self.parameters.clone(), self.transforms.clone());
        for (name, value) in set {
            match self.targets.get(name) {
                Some(Target::Estimator(path)) => put(&mut parameters, path, value.clone()),
                Some(Target::Transform(path)) => put(&mut transforms, path, value.clone()),
                None => {}
            }
        }
        let estimator = (self.entry.parse)(&parameters);
        let chain = Chain::parse(&transforms);
        match (estimator, chain) {
            (Ok(estimator), Ok(chain)) => Ok(Candidate { estimator, chain }),
            (estimator, chain) => Err(estimator.err().into_iter().chain(chain.err()).flatten().collect()),
        }
    }

    /// Where a parameter goes.
    fn target(&self, name: &str) -> Result<Target, Fault> {
        let path = path_of(name);
        let refuse = |message: String| Fault::new(&[], message);
        let Some(("transform", rest)) = path.split_first().map(|(first, rest)| (first.as_str(), rest)) else { return Ok(Target::Estimator(path)) };
        let Value::List(items) = &self.transforms else { return Err(refuse("there is no transform to tune".to_owned())) };
        let names: Vec<&str> = items.iter().map(transform_name).collect();
        let called = |at: usize, name: &str| names[at] == name || transformers::find(names[at]).is_some_and(|entry| entry.name == name);
        let how = "write `transform.NAME.OPTION`, or `transform[0].NAME.OPTION` with a place in the list, from 0 on";
        let (at, rest) = match rest.split_first() {
            None => return Err(refuse(format!("`{name}` names no transform")).hint(how)),
            Some((first, rest)) => match (first.parse::<usize>(), rest.split_first()) {
                (Ok(at), _) if at >= names.len() => {
                    return Err(refuse(format!("`steps.transform` has no item {at}: there are {}", names.len())).hint(how));
                }
                (Ok(at), None) => return Ok(Target::Transform(vec![at.to_string()])),
                (Ok(at), Some((named, rest))) if called(at, named) => (at, rest),
                (Ok(at), Some((named, _))) => return Err(refuse(format!("item {at} of `steps.transform` is `{}`, not `{}`", names[at], shorten(named)))),
                (Err(_), _) => match (0..names.len()).filter(|at| called(*at, first)).collect::<Vec<_>>().as_slice() {
                    [] => return Err(refuse(format!("`steps.transform` has no `{}`", shorten(first))).hint(suggest(first, &names))),
                    [at] => (*at, rest),
                    [at, ..] => {
                        let hint = format!("say which: `transform[{at}].{first}…`");
                        return Err(refuse(format!("`{first}` occurs more than once in `steps.transform`")).hint(hint));
                    }
                },
            },
        };
        if rest.is_empty() {
            return Err(refuse(format!("`{name}` names no option of the transform")).hint(how));
        }
        Ok(Target::Transform([at.to_string(), names[at].to_owned()].into_iter().chain(rest.iter().cloned()).collect()))
    }

    /// The value that a parameter has as it is written, defaults filled in.
    fn written(&self, name: &str, as_written: &Candidate) -> Option<Value> {
        let (config, path) = match self.targets.get(name)? {
            Target::Estimator(path) => (as_written.estimator.config(), path.as_slice()),
            Target::Transform(path) => {
                let (at, below) = path.split_first()?;
                (as_written.chain.steps().get(at.parse::<usize>().ok()?)?.config(), below.get(1..)?)
            }
        };
        let config: Value = serde_json::from_value(config).ok()?;
        config.at(path).cloned()
    }
}

/// A transform's name as it is written.
fn transform_name(item: &Value) -> &str {
    match item {
        Value::String(name) => name,
        Value::Map(map) => map.keys().next().map_or("", String::as_str),
        _ => "",
    }
}

/// Sets a value, making the maps above it; a transform that is only a name gets options.
fn put(root: &mut Value, path: &[String], value: Value) {
    let mut at = root;
    for part in path {
        if let Value::String(name) = at {
            *at = Value::Map(BTreeMap::from([(name.clone(), Value::Null)]));
        }
        if *at == Value::Null {
            *at = Value::empty();
        }
        at = match at {
            Value::Map(map) => map.entry(part.clone()).or_default(),
            Value::List(list) => match part.parse::<usize>().ok().and_then(|i| list.get_mut(i)) {
                Some(item) => item,
                None => return,
            },
            _ => return,
        };
    }
    *at = value;
}

impl TuningSection {
    /// The search that the section asks for; nothing where it is switched off.
    ///
    /// # Errors
    /// Every fault, with its path below the section.
    pub fn build(
        self,
        mut candidates: Candidates,
        objective: Objective,
        roles: &Roles,
        is_classification: bool,
        seed: u64,
    ) -> Result<Option<Tuning>, Vec<Fault>> {
        let fault = |key: &str, message: &str| Fault::new(&[key.to_owned()], message);
        let key = |keys: &[&str]| -> KeyPath { keys.iter().map(|key| (*key).to_owned()).collect() };
        let mut faults = Vec::new();
        let wrong = [
            (self.max_trials == Some(0), "max_trials", "`max_trials` is a number from 1"),
            (self.parallelism == 0, "parallelism", "`parallelism` is a number from 1"),
            (
                self.time_budget_secs.is_some_and(|seconds| !(seconds > 0.0 && seconds < 1e9)),
                "time_budget_secs",
                "`time_budget_secs` is a number of seconds above 0",
            ),
            (!(self.sample_fraction > 0.0 && self.sample_fraction <= 1.0), "sample_fraction", "`sample_fraction` must be above 0 and at most 1"),
            (self.early_stop.is_some_and(|stop| stop.no_progress == 0), "early_stop", "`no_progress` is a number of trials from 1"),
            (
                self.early_stop.is_some() && self.algorithm == Algorithm::Halving,
                "early_stop",
                "`early_stop` does not go with `halving`, which drops trials itself",
            ),
        ];
        faults.extend(wrong.into_iter().filter(|(is_wrong, ..)| *is_wrong).map(|(_, key, why)| fault(key, why)));
        if let Some(cv) = self.cv {
            if !(2..=100).contains(&cv.folds) {
                faults.push(Fault::new(&key(&["cv", "folds"]), "`folds` must lie between 2 and 100"));
            }
            if !(1..=100).contains(&cv.repeats) {
                faults.push(Fault::new(&key(&["cv", "repeats"]), "`repeats` must lie between 1 and 100"));
            }
            if cv.repeats > 1 && cv.using == Some(folds::Method::Time) {
                faults.push(Fault::new(&key(&["cv", "repeats"]), "`repeats` does not go with `time`: rows can be dealt out in one order only"));
            }
        }
        for (method, role) in [(folds::Method::Group, Role::Group), (folds::Method::Time, Role::Time)] {
            if self.cv.is_some_and(|cv| cv.using == Some(method)) && roles.first(role).is_none() {
                let fault = Fault::new(&key(&["cv", "using"]), format!("no column has the role `{}`", role.name()));
                faults.push(fault.hint(format!("name it: `roles: {{COLUMN: {}}}`", role.name())));
            }
        }
        if self.enabled && self.parameters.is_empty() {
            faults.push(
                fault("parameters", "`tuning` has no `parameters`, so there is nothing to tune").hint("such as `parameters: {alpha: {values: [0.1, 1, 10]}}`"),
            );
        }
        let mut dimensions = Vec::new();
        for (name, space) in &self.parameters {
            let below = |mut fault: Fault| {
                fault.path.splice(0..0, key(&["parameters", name]));
                fault
            };
            match (space.distribution(), candidates.target(name)) {
                (Ok(distribution), Ok(target)) => {
                    candidates.targets.insert(name.clone(), target);
                    let dimension = Dimension { name: name.clone(), distribution };
                    faults.extend(misfits(&candidates, &dimension).into_iter().map(below));
                    if self.algorithm == Algorithm::Grid && dimension.distribution.values().is_none() {
                        faults.push(below(
                            Fault::new(&[], format!("`grid` needs values that can be counted, and those of `{name}` cannot"))
                                .hint("give `values`, `randint` or `quniform`, or take another algorithm"),
                        ));
                    }
                    dimensions.push(dimension);
                }
                (distribution, target) => faults.extend(distribution.err().into_iter().flatten().chain(target.err()).map(below)),
            }
        }
        if self.algorithm == Algorithm::Grid {
            let size =
                dimensions.iter().filter_map(|dimension| dimension.distribution.values()).fold(1_usize, |size, values| size.saturating_mul(values.len()));
            if size > MOST_COMBINATIONS && self.max_trials.is_none() {
                faults.push(
                    fault("max_trials", &format!("the grid has more than {MOST_COMBINATIONS} combinations")).hint("set `max_trials`, or give fewer values"),
                );
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        if !self.enabled {
            return Ok(None);
        }
        let as_written = candidates.make(&BTreeMap::new())?;
        let written: Vec<Option<Value>> = dimensions.iter().map(|dimension| candidates.written(&dimension.name, &as_written)).collect();
        let named = dimensions.iter().zip(&written).filter_map(|(dimension, value)| Some((dimension.name.clone(), value.clone()?))).collect();
        let space = Space(dimensions);
        let max_trials = match (self.max_trials, self.algorithm) {
            (Some(trials), _) => trials,
            (None, Algorithm::Grid) => usize::MAX,
            (None, Algorithm::Random | Algorithm::Tpe) if self.time_budget_secs.is_some() => usize::MAX,
            (None, _) => TRIALS,
        };
        let cv =
            self.cv.map(|cv| Cv { using: Some(cv.using.unwrap_or(if is_classification { folds::Method::Stratified } else { folds::Method::Kfold })), ..cv });
        Ok(Some(Tuning {
            search: Search {
                written: space.find(&written),
                space,
                algorithm: self.algorithm,
                max_trials,
                no_progress: self.early_stop.map(|stop| stop.no_progress),
                greater_is_better: objective.greater_is_better,
                seed,
            },
            candidates,
            objective,
            cv,
            sample_fraction: self.sample_fraction,
            seconds: self.time_budget_secs,
            parallelism: self.parallelism,
            written: named,
            parameters: self.parameters,
        }))
    }
}

/// What is wrong with values of a parameter, the others being as they are written; paths are below the parameter.
fn misfits(candidates: &Candidates, dimension: &Dimension) -> Vec<Fault> {
    let name = &dimension.name;
    let probes: Vec<(KeyPath, Value)> = match &dimension.distribution {
        Distribution::Choice(values) => values.iter().enumerate().map(|(i, value)| (vec!["values".to_owned(), i.to_string()], value.clone())).collect(),
        // Their ends are far out, and a draw from there may well be refused.
        distribution @ Distribution::Normal { .. } => vec![(Vec::new(), distribution.at(0.5))],
        distribution => PROBES.map(|point| (Vec::new(), distribution.at(point))).to_vec(),
    };
    for (path, value) in probes {
        let Err(faults) = candidates.make(&BTreeMap::from([(name.clone(), value.clone())])) else { continue };
        let Some(first) = faults.into_iter().next() else { continue };
        let is_unknown = first.message.starts_with("unknown key") || first.message.starts_with("missing ");
        let message = if is_unknown { first.message } else { format!("`{name}` cannot be {}: {}", shown(&value), first.message) };
        let mut fault = Fault::new(if is_unknown { &[] } else { &path }, message);
        let is_log = matches!(dimension.distribution, Distribution::Uniform { is_log: true, .. });
        fault.hint = match first.hint {
            None if fault.message.contains("a whole number") => Some("`randint`, or `quniform` with `q: 1`, gives whole numbers".to_owned()),
            None if is_log => Some("`low` and `high` of a logarithmic distribution are exponents of e; `min` and `max` are not".to_owned()),
            hint => hint,
        };
        return vec![fault];
    }
    Vec::new()
}

/// A value as text.
#[must_use]
pub fn shown(value: &Value) -> String {
    match value {
        Value::Number(text) => {
            text.parse::<f64>().map_or_else(|_| text.clone(), |x| if x.fract() == 0.0 { text.clone() } else { crate::card::format::number(x) })
        }
        Value::Null => "null".to_owned(),
        other => other.text().unwrap_or_else(|| serde_json::to_string(other).unwrap_or_default()),
    }
}

impl Tuning {
    /// What is asked for, but for `parallelism`: what enters the key.
    #[must_use]
    pub fn config(&self) -> serde_json::Value {
        json!({
            "algorithm": self.search.algorithm,
            "max_trials": self.search.max_trials,
            "time_budget_secs": self.seconds,
            "no_progress": self.search.no_progress,
            "sample_fraction": self.sample_fraction,
            "cv": self.cv,
            "parameters": self.parameters,
            "metric": self.objective.metric,
            "greater_is_better": self.objective.greater_is_better,
            "expression": self.objective.custom.as_ref().map(|custom| &custom.expression),
        })
    }

    /// The parameters' values as they are written, where there are some.
    #[must_use]
    pub fn written(&self) -> &BTreeMap<String, Value> {
        &self.written
    }

    /// The transforms at work in trials, with their versions.
    #[must_use]
    pub fn algorithms(&self) -> BTreeMap<String, u32> {
        let values = |dimension: &Dimension| match &dimension.distribution {
            Distribution::Choice(values) => values.clone(),
            _ => Vec::new(),
        };
        let each =
            self.search.space.0.iter().flat_map(|dimension| values(dimension).into_iter().map(|value| BTreeMap::from([(dimension.name.clone(), value)])));
        let made = each.chain([BTreeMap::new()]).filter_map(|set| self.candidates.make(&set).ok());
        made.flat_map(|candidate| candidate.chain.steps().iter().map(|step| (format!("transform {}", step.name()), step.version())).collect::<Vec<_>>())
            .collect()
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
        let candidates = Candidates::new(estimators::find("gradient_boosting").unwrap(), value("{num_leaves: 20, learning_rate: 0.2}"), transforms);
        let objective = Objective { metric: "r2_score".into(), greater_is_better: true, custom: None };
        let section: Result<TuningSection, Vec<Fault>> = parse(&value(yaml));
        let faults = |faults: Vec<Fault>| {
            let line = |fault: Fault| format!("{}: {} ({})", display_path(&fault.path), fault.message, fault.hint.unwrap_or_default());
            faults.into_iter().map(line).collect::<Vec<_>>()
        };
        section.map_err(faults)?.build(candidates, objective, &Roles::default(), false, 1).map_err(faults).map(Option::unwrap)
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
        let search = &tuning.search;
        assert_eq!((search.algorithm, search.max_trials, search.space.0.len()), (Algorithm::Tpe, 7, 5));
        // `reg_lambda` as written is 0, which no lognormal gives.
        assert_eq!(search.written, None);
        for number in 0..200 {
            let point: Vec<f64> = (0..5).map(|i| f64::from((number * 37 + i * 11) % 200) / 200.0).collect();
            assert!(tuning.candidates.make(&search.space.at(&point)).is_ok());
        }
        let own = built("parameters: {learning_rate: {distribution: loguniform, min: 0.01, max: 0.3}}").unwrap();
        assert_eq!((own.search.algorithm, own.search.max_trials), (Algorithm::Random, 20));
        let rate = own.search.space.at(&[0.0])["learning_rate"].text().unwrap().parse::<f64>().unwrap();
        assert!((rate - 0.01).abs() < 1e-12 && own.search.written.is_some());
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
        assert!(tuning.candidates.tune_transforms());
        let parameters = tuning.search.space.at(&[0.5, 0.9, 0.9, 0.9]);
        let chain = tuning.candidates.make(&parameters).unwrap().chain;
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
