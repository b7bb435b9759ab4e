//! What an estimator and a chain become with parameters that are tried out.
//!
//! A parameter is one of the estimator's, or an option of a transform by its path: `transform.clip.upper` where one transform has that
//! name, else `transform[2].clip.upper`, counted from 0 as messages count. Every value that a space can give is held against the
//! estimator's and the transforms' own parsing when the recipe is read, each parameter by itself.

use std::collections::BTreeMap;

use super::space::ParameterSpace;
use crate::error::shorten;
use crate::ml::tune::{Dimension, Distribution, Space};
use crate::ml::{Chain, EstimatorEntry, UnfittedEstimator, transformers};
use crate::value::{About, Fault, Path as KeyPath, Value, path_of, suggest};

/// Points at which a distribution is held against what a parameter takes.
const PROBES: [f64; 5] = [0.0005, 0.25, 0.5, 0.75, 0.9995];

/// What parameters are set over: an estimator and a chain as they are written.
pub struct Candidates {
    entry: &'static EstimatorEntry,
    pub parameters: Value,
    transforms: Value,
    targets: BTreeMap<String, Target>,
    /// The estimator as it is written.
    pub estimator: Box<dyn UnfittedEstimator>,
    /// The values of what is tuned as they are written, where there are some.
    pub written: BTreeMap<String, Value>,
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
    pub chain: Chain,
    /// Are options of its transforms tuned, so that its rows are its own?
    pub has_own_chain: bool,
}

impl Candidates {
    /// An estimator with its parameters, and the recipe's list of transforms, which has been read without fault.
    ///
    /// # Errors
    /// What the estimator refuses; paths are below its parameters.
    pub fn new(entry: &'static EstimatorEntry, parameters: Value, transforms: Value) -> Result<Self, Vec<Fault>> {
        let estimator = (entry.parse)(&parameters)?;
        Ok(Self { entry, parameters, transforms, targets: BTreeMap::new(), estimator, written: BTreeMap::new() })
    }

    /// With parameters of the estimator that are set without a space.
    pub(super) fn taking(mut self, names: &[&str]) -> Self {
        self.targets.extend(names.iter().map(|name| ((*name).to_owned(), Target::Estimator(vec![(*name).to_owned()]))));
        self
    }

    /// Takes a parameter in.
    ///
    /// # Errors
    /// What makes no space, or goes nowhere; values that are refused, the others being as they are written. Paths are below the parameter.
    pub(super) fn tune(&mut self, name: &str, space: &ParameterSpace) -> Result<Dimension, Vec<Fault>> {
        let (distribution, target) = match (space.distribution(), self.target(name)) {
            (Ok(distribution), Ok(target)) => (distribution, target),
            (distribution, target) => return Err(distribution.err().into_iter().flatten().chain(target.err()).collect()),
        };
        self.targets.insert(name.to_owned(), target);
        let dimension = Dimension { name: name.to_owned(), distribution };
        let faults = self.misfits(&dimension);
        if faults.is_empty() { Ok(dimension) } else { Err(faults) }
    }

    /// Where the values as they are written lie among those that may be chosen; nothing where one lies outside.
    ///
    /// # Errors
    /// As [`Candidates::make`].
    pub(super) fn place(&mut self, space: &Space) -> Result<Option<Vec<f64>>, Vec<Fault>> {
        let as_written = self.make(&BTreeMap::new())?;
        let values: Vec<Option<Value>> = space.0.iter().map(|dimension| self.value(&dimension.name, &as_written)).collect();
        let named = space.0.iter().zip(&values).filter_map(|(dimension, value)| Some((dimension.name.clone(), value.clone()?)));
        self.written = named.collect();
        Ok(space.find(&values))
    }

    /// Is any option of a transform tuned?
    pub(super) fn tune_transforms(&self) -> bool {
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
            (Ok(estimator), Ok(chain)) => Ok(Candidate { estimator, chain, has_own_chain: self.tune_transforms() }),
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
    fn value(&self, name: &str, as_written: &Candidate) -> Option<Value> {
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

    /// What is wrong with values of a parameter, the others being as they are written; paths are below the parameter.
    fn misfits(&self, dimension: &Dimension) -> Vec<Fault> {
        let name = &dimension.name;
        let probes: Vec<(KeyPath, Value)> = match &dimension.distribution {
            Distribution::Choice(values) => values.iter().enumerate().map(|(i, value)| (vec!["values".to_owned(), i.to_string()], value.clone())).collect(),
            // Their ends are far out, and a draw from there may well be refused.
            distribution @ Distribution::Normal { .. } => vec![(Vec::new(), distribution.at(0.5))],
            distribution => PROBES.map(|point| (Vec::new(), distribution.at(point))).to_vec(),
        };
        for (path, value) in probes {
            let Err(faults) = self.make(&BTreeMap::from([(name.clone(), value.clone())])) else { continue };
            let Some(first) = faults.into_iter().next() else { continue };
            let is_unknown = matches!(first.about, About::UnknownKey | About::MissingKey);
            let message = if is_unknown { first.message } else { format!("`{name}` cannot be {}: {}", shown(&value), first.message) };
            let mut fault = Fault::new(if is_unknown { &[] } else { &path }, message);
            let is_log = matches!(dimension.distribution, Distribution::Uniform { is_log: true, .. });
            fault.hint = match first.hint {
                None if first.about == About::WholeNumber => Some("`randint`, or `quniform` with `q: 1`, gives whole numbers".to_owned()),
                None if is_log => Some("`low` and `high` of a logarithmic distribution are exponents of e; `min` and `max` are not".to_owned()),
                hint => hint,
            };
            return vec![fault];
        }
        Vec::new()
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
            *at = Value::Map([(name.clone(), Value::Null)].into());
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
