//! What may be chosen for a parameter, as a recipe says it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ml::tune::Distribution;
use crate::value::{Fault, Value};

/// What may be chosen for a parameter: `values`, or a `distribution` as hyperopt defines it.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParameterSpace {
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
    pub(super) fn distribution(&self) -> Result<Distribution, Vec<Fault>> {
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
        let q = kind.is_stepped().then(|| wanted(&mut faults, name, "q", self.q));
        let distribution = if kind.is_normal() {
            let (mu, sigma) = (wanted(&mut faults, name, "mu", self.mu), wanted(&mut faults, name, "sigma", self.sigma));
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
            let is_whole = kind == Kind::Randint;
            let low = self.low.or(own_unit(self.min)).or(is_whole.then_some(0.0));
            let high = self.high.or(own_unit(self.max).map(|max| if is_whole { max + 1.0 } else { max }));
            let (low, high) = (wanted(&mut faults, name, "low", low), wanted(&mut faults, name, "high", high));
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

/// A number that a distribution cannot do without; 0 where it is missing, which is a fault.
fn wanted(faults: &mut Vec<Fault>, distribution: &str, key: &str, given: Option<f64>) -> f64 {
    if given.is_none() {
        faults.push(Fault::new(&[], format!("`{distribution}` needs `{key}`")));
    }
    given.unwrap_or_default()
}
