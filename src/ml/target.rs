//! A target that is learned on another scale: its transform, fitted on training rows, and the way back.
//!
//! Estimators see the transformed numbers; predictions come back to the target's own unit before anybody else sees them, so
//! metrics, cards and files never hold transformed ones. Not here: transforms of features, which are `transformers/`.

use std::sync::Arc;

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::export::{Id, Program, Why};
use super::matrix::numbers;
use super::selector::column;
use super::transformers::power::Method;
use super::transformers::quantile::{EDGE, normal_quantile};
use super::{Matrix, Predictions, TrainingSet};
use crate::card::format::number;
use crate::data::Table;
use crate::error::{Error, Result, counted};
use crate::value::{Fault, Value, parse};

/// Raised whenever the same target gives another result.
pub const VERSION: u32 = 1;

/// Residuals that a smeared prediction is the mean over, at most.
const RESIDUALS: usize = 500;

/// `steps.transform.target`: a name, or a map of one name and its options.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TargetTransform {
    /// ln y, for targets above 0.
    Log(Smearing),
    /// ln (1 + y), for targets above -1.
    Log1p(Smearing),
    /// √y, for targets from 0.
    Sqrt(Smearing),
    /// The power that makes the target likeliest to be normal, then mean 0 and deviation 1; for targets above 0.
    BoxCox(Smearing),
    /// The same for any number.
    YeoJohnson(Smearing),
    /// The target's rank among training's, as a normal distribution; predictions stay within training's range.
    Quantile(Quantiles),
    /// Mean 0 and deviation 1.
    Standardize(Nothing),
}

/// What the transforms that bend the target's scale can be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Smearing {
    /// Correct the bias of the way back: predict a mean in the target's unit where it would be nearer to a median (Duan 1983).
    smearing: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quantiles {
    /// How many quantiles are kept, at most as many as rows.
    n_quantiles: usize,
}

impl Default for Quantiles {
    fn default() -> Self {
        Self { n_quantiles: 1000 }
    }
}

/// No options.
#[derive(Clone, Copy, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

impl TargetTransform {
    pub const NAMES: [&'static str; 7] = ["log", "log1p", "sqrt", "box_cox", "yeo_johnson", "quantile", "standardize"];

    /// Reads `log1p` or `{log1p: {…}}`.
    ///
    /// # Errors
    /// Every fault, with its path below `value`.
    pub fn read(value: &Value) -> Result<Self, Vec<Fault>> {
        let named = match value {
            Value::String(name) => Value::Map([(name.clone(), Value::empty())].into()),
            other => other.clone(),
        };
        let read: Self = parse(&named)?;
        match read {
            Self::Quantile(Quantiles { n_quantiles }) if !(2..=100_000).contains(&n_quantiles) => {
                let path = ["quantile", "n_quantiles"].map(str::to_owned);
                Err(vec![Fault::new(&path, format!("`n_quantiles` is a whole number from 2 to 100,000, got {n_quantiles}"))])
            }
            _ => Ok(read),
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        let place = match self {
            Self::Log(_) => 0,
            Self::Log1p(_) => 1,
            Self::Sqrt(_) => 2,
            Self::BoxCox(_) => 3,
            Self::YeoJohnson(_) => 4,
            Self::Quantile(_) => 5,
            Self::Standardize(_) => 6,
        };
        Self::NAMES[place]
    }

    fn smears(self) -> bool {
        match self {
            Self::Log(on) | Self::Log1p(on) | Self::Sqrt(on) | Self::BoxCox(on) | Self::YeoJohnson(on) => on.smearing,
            Self::Quantile(_) | Self::Standardize(_) => false,
        }
    }

    /// Learns from the target of the rows that an estimator is to see.
    ///
    /// # Errors
    /// No rows; values that are missing, infinite or that the transform cannot take (how many, and the least).
    pub fn fit(self, table: &Table, target: &str) -> Result<FittedTarget> {
        let only = Table::from_query(table.lazy().select([column(target)]))?;
        let mut values = Vec::new();
        for batch in only.batches()? {
            values.extend(numbers(batch?.column(target)?)?);
        }
        self.fit_values(&values, target)
    }

    fn fit_values(self, values: &[f64], target: &str) -> Result<FittedTarget> {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if values.is_empty() {
            return Err(Error::data(format!("no training row to learn the transform of target `{target}` from")));
        }
        let (fine, wanted): (fn(f64) -> bool, _) = match self {
            Self::Log(_) | Self::BoxCox(_) => (|y| y > 0.0, "numbers above 0"),
            Self::Log1p(_) => (|y| y > -1.0, "numbers above -1"),
            Self::Sqrt(_) => (|y| y >= 0.0, "numbers from 0"),
            _ => (|_| true, "numbers"),
        };
        let bad = values.iter().filter(|y| !(y.is_finite() && fine(**y))).count() as u64;
        if bad > 0 {
            let error = Error::data(format!("`{}` takes {wanted}; target `{target}` has {} beyond (least: {})", self.name(), counted(bad, "row"), number(low)));
            return Err(error.path("steps.transform.target").hint("use `yeo_johnson`, which takes any number, or filter these rows out in split"));
        }
        let curve = match self {
            Self::Log(_) => Curve::Log,
            Self::Log1p(_) => Curve::Log1p,
            Self::Sqrt(_) => Curve::Sqrt,
            Self::BoxCox(_) => Curve::power(Method::BoxCox, values, high > low),
            Self::YeoJohnson(_) => Curve::power(Method::YeoJohnson, values, high > low),
            Self::Quantile(options) => Curve::ranks(values, options.n_quantiles),
            Self::Standardize(_) => {
                let (center, scale) = center_and_scale(values);
                Curve::Scaled { center, scale }
            }
        };
        Ok(FittedTarget { transform: self, curve, low, high, residuals: Vec::new() })
    }
}

/// A fitted target transform: strictly rising over training's range, or nearly so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedTarget {
    transform: TargetTransform,
    curve: Curve,
    /// Training's range, in the target's unit.
    low: f64,
    high: f64,
    /// Training's residuals on the transformed scale, ascending; none where nothing is smeared.
    residuals: Vec<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Curve {
    Log,
    Log1p,
    Sqrt,
    BoxCox {
        lambda: f64,
        center: f64,
        scale: f64,
    },
    YeoJohnson {
        lambda: f64,
        center: f64,
        scale: f64,
    },
    Scaled {
        center: f64,
        scale: f64,
    },
    /// Targets, and what they become, both ascending; straight lines in between.
    Ranks {
        targets: Vec<f64>,
        ranks: Vec<f64>,
    },
}

impl Curve {
    fn power(method: Method, values: &[f64], varies: bool) -> Self {
        let lambda = if varies { method.likeliest(values) } else { 1.0 };
        let (center, scale) = center_and_scale(&values.iter().map(|y| method.of(*y, lambda)).collect::<Vec<_>>());
        match method {
            Method::BoxCox => Self::BoxCox { lambda, center, scale },
            Method::YeoJohnson => Self::YeoJohnson { lambda, center, scale },
        }
    }

    fn ranks(values: &[f64], most: usize) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let count = most.min(sorted.len()).max(1);
        let mut targets: Vec<f64> = Vec::with_capacity(count);
        let mut ranks: Vec<(f64, f64)> = Vec::with_capacity(count);
        for i in 0..count {
            let share = i as f64 / (count - 1).max(1) as f64;
            let target = quantile(&sorted, share);
            // Where quantiles are equal, the middle of their ranks counts.
            if targets.last() == Some(&target) {
                if let Some((_, last)) = ranks.last_mut() {
                    *last = share;
                }
            } else {
                targets.push(target);
                ranks.push((share, share));
            }
        }
        let ranks = ranks.into_iter().map(|(first, last)| normal_quantile(f64::midpoint(first, last).clamp(EDGE, 1.0 - EDGE))).collect();
        Self::Ranks { targets, ranks }
    }

    fn forward(&self, y: f64) -> f64 {
        match self {
            Self::Log => y.ln(),
            Self::Log1p => y.ln_1p(),
            Self::Sqrt => y.sqrt(),
            Self::BoxCox { lambda, center, scale } => (Method::BoxCox.of(y, *lambda) - center) / scale,
            Self::YeoJohnson { lambda, center, scale } => (Method::YeoJohnson.of(y, *lambda) - center) / scale,
            Self::Scaled { center, scale } => (y - center) / scale,
            Self::Ranks { targets, ranks } => interpolate(targets, ranks, y),
        }
    }

    /// NaN or infinite where there is no such target.
    fn back(&self, z: f64) -> f64 {
        match self {
            Self::Log => z.exp(),
            Self::Log1p => z.exp_m1(),
            Self::Sqrt => z.max(0.0).powi(2),
            Self::BoxCox { lambda, center, scale } => Method::BoxCox.undo(z * scale + center, *lambda),
            Self::YeoJohnson { lambda, center, scale } => Method::YeoJohnson.undo(z * scale + center, *lambda),
            Self::Scaled { center, scale } => z * scale + center,
            Self::Ranks { targets, ranks } => interpolate(ranks, targets, z),
        }
    }
}

impl Curve {
    /// [`Curve::forward`] in operations that other programs have.
    fn lower_forward(&self, y: Id, on: &mut Program) -> Id {
        let scaled = |z: Id, center: f64, scale: f64, on: &mut Program| {
            let centred = on.plus(z, -center);
            on.over(centred, scale)
        };
        match self {
            Self::Log => of_zero_too(y, on),
            Self::Log1p => {
                let moved = on.plus(y, 1.0);
                of_zero_too(moved, on)
            }
            Self::Sqrt => on.root(y),
            Self::BoxCox { lambda, center, scale } => {
                let powered = Method::BoxCox.lower(y, *lambda, on);
                scaled(powered, *center, *scale, on)
            }
            Self::YeoJohnson { lambda, center, scale } => {
                let powered = Method::YeoJohnson.lower(y, *lambda, on);
                scaled(powered, *center, *scale, on)
            }
            Self::Scaled { center, scale } => scaled(y, *center, *scale, on),
            Self::Ranks { targets, ranks } => on.curve(y, targets, ranks),
        }
    }

    /// [`Curve::back`]; missing where it is not finite, but for a missing `z`.
    fn lower_back(&self, z: Id, on: &mut Program) -> Id {
        match self {
            Self::Log => on.exponential(z),
            Self::Log1p => {
                let e = on.exponential(z);
                on.plus(e, -1.0)
            }
            Self::Sqrt => {
                let from_zero = on.clip(z, Some(0.0), None);
                on.product(from_zero, from_zero)
            }
            Self::BoxCox { lambda, center, scale } => {
                let t = on.sum([(z, *scale)], *center);
                let log = undone(t, *lambda, on);
                on.exponential(log)
            }
            Self::YeoJohnson { lambda, center, scale } => {
                let t = on.sum([(z, *scale)], *center);
                let minus = on.times(t, -1.0);
                let (high, low) = (undone(t, *lambda, on), undone(minus, 2.0 - lambda, on));
                let (high, low) = (on.exponential(high), on.exponential(low));
                let (high, low) = (on.plus(high, -1.0), on.sum([(low, -1.0)], 1.0));
                let is_low = on.below(t, 0.0);
                on.choose(vec![(is_low, low)], high)
            }
            Self::Scaled { center, scale } => on.sum([(z, *scale)], *center),
            Self::Ranks { targets, ranks } => on.curve(z, ranks, targets),
        }
    }
}

/// The natural logarithm, which is infinite at 0.
fn of_zero_too(y: Id, on: &mut Program) -> Id {
    let (log, is_zero, least) = (on.logarithm(y), on.equals(y, 0.0), on.number(f64::NEG_INFINITY));
    on.choose(vec![(is_zero, least)], log)
}

/// ln(1 + lambda · t) / lambda, or t.
fn undone(t: Id, lambda: f64, on: &mut Program) -> Id {
    if lambda == 0.0 {
        return t;
    }
    let moved = on.sum([(t, lambda)], 1.0);
    let log = on.logarithm(moved);
    on.over(log, lambda)
}

impl FittedTarget {
    /// [`FittedTarget::back`] in operations that other programs have.
    #[must_use]
    pub fn lower_back(&self, z: Id, on: &mut Program) -> Id {
        let y = self.curve.lower_back(z, on);
        if matches!(self.curve, Curve::Sqrt | Curve::Scaled { .. } | Curve::Ranks { .. }) {
            return y;
        }
        let (is_missing, was_missing) = (on.is_missing(y), on.is_missing(z));
        let (is_high, high, low, missing) = (on.from(z, self.curve.forward(self.high)), on.number(self.high), on.number(self.low), on.missing());
        let beyond = on.choose(vec![(was_missing, missing), (is_high, high)], low);
        on.choose(vec![(is_missing, beyond)], y)
    }

    /// [`FittedTarget::forward`].
    #[must_use]
    pub fn lower_forward(&self, y: Id, on: &mut Program) -> Id {
        self.curve.lower_forward(y, on)
    }

    /// [`FittedTarget::prediction`].
    ///
    /// # Errors
    /// More residuals than are worth an operation each.
    pub fn lower_prediction(&self, z: Id, on: &mut Program) -> Result<Id, Why> {
        const MOST_RESIDUALS: usize = 200;
        if self.residuals.is_empty() {
            return Ok(self.lower_back(z, on));
        }
        let count = self.residuals.len() as f64;
        // The mean of exp(z + r) is exp(z) times the mean of exp(r).
        let factor = self.residuals.iter().map(|residual| residual.exp()).sum::<f64>() / count;
        match self.curve {
            Curve::Log | Curve::Log1p if factor.is_finite() => {
                let e = on.exponential(z);
                Ok(on.sum([(e, factor)], if self.curve == Curve::Log { 0.0 } else { -1.0 }))
            }
            _ if self.residuals.len() > MOST_RESIDUALS => {
                Err(Why::new(format!("takes the mean over {} residuals (`smearing`) of a transform other than log and log1p", self.residuals.len())))
            }
            _ => {
                let mut terms = Vec::with_capacity(self.residuals.len());
                for residual in &self.residuals {
                    let moved = on.plus(z, *residual);
                    terms.push((self.lower_back(moved, on), 1.0));
                }
                let sum = on.sum(terms, 0.0);
                Ok(on.over(sum, count))
            }
        }
    }

    /// The transform's name in recipe.yaml.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.transform.name()
    }

    /// The table with its target transformed.
    ///
    /// # Errors
    /// Where the target cannot be a number.
    pub fn apply(&self, table: &Table, target: &str) -> Result<Table> {
        let curve = Arc::new(self.curve.clone());
        let of = move |values: Column| Ok(values.f64()?.apply_values(|y| curve.forward(y)).into_column());
        let transformed = column(target).cast(DataType::Float64).map(of, |_, field| Ok(field.clone()));
        Table::from_query(table.lazy().with_columns([transformed]))
    }

    /// A target on the scale that the estimator sees; NaN where the transform cannot take it.
    #[must_use]
    pub fn forward(&self, y: f64) -> f64 {
        self.curve.forward(y)
    }

    /// A target for a transformed number; what is beyond every target becomes the least or the greatest of training.
    #[must_use]
    pub fn back(&self, z: f64) -> f64 {
        let y = self.curve.back(z);
        if y.is_finite() || z.is_nan() {
            return y;
        }
        if z >= self.curve.forward(self.high) { self.high } else { self.low }
    }

    /// The prediction in the target's unit for an estimator's.
    #[must_use]
    pub fn prediction(&self, z: f64) -> f64 {
        if self.residuals.is_empty() {
            return self.back(z);
        }
        self.residuals.iter().map(|residual| self.back(z + residual)).sum::<f64>() / self.residuals.len() as f64
    }

    /// Keeps what smearing needs of the residuals that an estimator leaves on the rows it learned from.
    ///
    /// # Errors
    /// Where the rows cannot be read or predicted.
    pub fn learn_residuals(&mut self, set: &TrainingSet, predict: impl Fn(&Matrix) -> Result<Predictions> + Sync) -> Result<()> {
        if !self.transform.smears() {
            return Ok(());
        }
        let mut residuals = set.reduce(
            Vec::new(),
            |chunk| {
                let Predictions::Values(values) = predict(&chunk.x)? else { return Err(Error::bug("a regression gives values")) };
                Ok(chunk.y.iter().zip(values).map(|(y, z)| y - z).collect::<Vec<f64>>())
            },
            |mut all, some| {
                all.extend(some);
                all
            },
        )?;
        residuals.sort_by(f64::total_cmp);
        if residuals.len() > RESIDUALS {
            residuals = (0..RESIDUALS).map(|i| quantile(&residuals, (i as f64 + 0.5) / RESIDUALS as f64)).collect();
        }
        self.residuals = residuals;
        Ok(())
    }

    /// What was learned, in a sentence.
    #[must_use]
    pub fn describe(&self, target: &str) -> String {
        let learned = match &self.curve {
            Curve::Log => format!("ln {target}"),
            Curve::Log1p => format!("ln (1 + {target})"),
            Curve::Sqrt => format!("√{target}"),
            Curve::BoxCox { lambda, .. } => format!("the Box–Cox power {} of {target}, standardized", number(*lambda)),
            Curve::YeoJohnson { lambda, .. } => format!("the Yeo–Johnson power {} of {target}, standardized", number(*lambda)),
            Curve::Scaled { center, scale } => format!("({target} − {}) / {}", number(*center), number(*scale)),
            Curve::Ranks { targets, .. } => format!("the normal rank of {target} among {}", counted(targets.len() as u64, "quantile")),
        };
        let smeared = if self.residuals.is_empty() { "" } else { ", smeared over training's residuals" };
        format!("The estimator learned {learned}; predictions{smeared} and metrics are in the target's own unit.")
    }
}

/// Mean and deviation; a deviation of nearly nothing is 1.
fn center_and_scale(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt();
    let scale = if deviation.is_finite() && deviation >= 10.0 * f64::EPSILON * mean.abs().max(f64::MIN_POSITIVE) { deviation } else { 1.0 };
    (if mean.is_finite() { mean } else { 0.0 }, if scale > 0.0 { scale } else { 1.0 })
}

/// The quantile of ascending values, interpolated as numpy does.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len().max(1) - 1) as f64;
    let at = |i: usize| sorted.get(i).or(sorted.last()).copied().unwrap_or(f64::NAN);
    let (low, high) = (at(place as usize), at(place as usize + 1));
    low + (high - low) * place.fract()
}

/// The line through ascending `x` and their `y`, at `value`; the first or last `y` beyond the ends.
pub(super) fn interpolate(x: &[f64], y: &[f64], value: f64) -> f64 {
    let place = x.partition_point(|x| *x <= value);
    let point = |i: usize| Some((*x.get(i)?, *y.get(i)?));
    match (place.checked_sub(1).and_then(point), point(place)) {
        (Some((x0, y0)), Some((x1, y1))) => y0 + (y1 - y0) * ((value - x0) / (x1 - x0)),
        (Some((_, end)), None) | (None, Some((_, end))) => end,
        (None, None) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::{Chunk, Task};

    const TARGET: [f64; 8] = [0.5, 1.25, 3.0, 0.75, 12.0, 2.0, 40.0, 1.0];

    fn fitted(name: &str, values: &[f64]) -> FittedTarget {
        TargetTransform::read(&Value::String(name.to_owned())).unwrap().fit_values(values, "fare").unwrap()
    }

    /// Numbers computed by `python tests/golden/wrappers.py` (scikit-learn 1.9.1, whose search for the power ends 1e-8 from the root).
    #[test]
    fn powers_agree_with_scikit_learn() {
        let cases = [
            (
                "box_cox",
                [-1.503_078_652_775_094_1, -0.350_121_024_099_993_1, 0.426_391_300_511_505_3, -0.941_875_155_689_486_2],
                [0.501_030_183_588_290_8, 1.788_679_025_757_324_6, 4.461_264_510_430_389, 24.990_305_853_586_293],
            ),
            (
                "yeo_johnson",
                [-1.320_288_524_181_738, -0.450_849_314_298_056_97, 0.399_311_773_006_020_2, -0.957_523_134_031_175_4],
                [0.398_451_596_355_342_33, 1.957_595_071_997_011_4, 4.318_232_188_716_245, 19.900_053_715_726_578],
            ),
        ];
        for (name, forward, back) in cases {
            let fitted = fitted(name, &TARGET);
            for (y, expected) in TARGET.iter().zip(forward) {
                assert!((fitted.forward(*y) - expected).abs() < 1e-6, "{name}: {} {expected}", fitted.forward(*y));
            }
            for (z, expected) in [-1.5, 0.0, 0.7, 1.5].iter().zip(back) {
                assert!((fitted.prediction(*z) / expected - 1.0).abs() < 1e-6, "{name}: {} {expected}", fitted.prediction(*z));
            }
        }
    }

    #[test]
    fn the_way_back_undoes_the_way_there() {
        for name in TargetTransform::NAMES {
            let fitted = fitted(name, &TARGET);
            for y in [0.5, 0.8, 1.0, 2.0, 2.9, 12.0, 39.0, 40.0] {
                let there = fitted.forward(y);
                assert!((fitted.prediction(there) / y - 1.0).abs() < 1e-12, "{name}: {y} {}", fitted.prediction(there));
            }
            // However far off an estimator is, the prediction is a number.
            for z in [-1e9, -40.0, 0.0, 40.0, 1e9] {
                assert!(fitted.prediction(z).is_finite(), "{name}: {z}");
            }
            let read: FittedTarget = serde_json::from_str(&serde_json::to_string(&fitted).unwrap()).unwrap();
            assert_eq!(read, fitted);
            assert!(fitted.prediction(0.3).is_finite() && fitted.describe("fare").contains("fare"), "{name}");
        }
        // A constant target, and one below zero.
        assert_eq!(fitted("standardize", &[3.0; 4]).prediction(0.0), 3.0);
        assert_eq!(fitted("quantile", &[3.0; 4]).prediction(9.0), 3.0);
        assert!((fitted("yeo_johnson", &[-5.0, -1.0, 0.0, 2.0]).prediction(fitted("yeo_johnson", &[-5.0, -1.0, 0.0, 2.0]).forward(-3.0)) + 3.0).abs() < 1e-12);
    }

    #[test]
    fn a_target_outside_of_the_domain_is_refused_with_how_many_rows() {
        let refuse = |name: &str| {
            TargetTransform::read(&Value::String(name.to_owned()))
                .unwrap()
                .fit_values(&[1.0, -2.5, 0.0], "fare")
                .err()
                .map(|error| error.problems[0].message.clone())
        };
        assert_eq!(refuse("log").unwrap(), "`log` takes numbers above 0; target `fare` has 2 rows beyond (least: -2.5)");
        assert_eq!(refuse("sqrt").unwrap(), "`sqrt` takes numbers from 0; target `fare` has 1 row beyond (least: -2.5)");
        assert_eq!((refuse("yeo_johnson"), refuse("quantile")), (None, None));
        let faults = TargetTransform::read(&Value::String("lgo1p".to_owned())).unwrap_err();
        assert_eq!(faults[0].hint.as_deref(), Some("did you mean `log1p`?"));
    }

    #[test]
    fn smearing_gives_the_mean_where_the_way_back_alone_gives_the_median() {
        // ln y is -1, 0 or 1 whatever x is: the mean of y is (1/e + 1 + e) / 3, its median 1.
        let y: Vec<f64> = (0..900).map(|i| f64::from(i % 3 - 1).exp()).collect();
        let options = Value::Map([("smearing".to_owned(), Value::Bool(true))].into());
        let mut smeared = TargetTransform::read(&Value::Map([("log".to_owned(), options)].into())).unwrap().fit_values(&y, "fare").unwrap();
        let x = Matrix { rows: y.len(), columns: vec![vec![0.0; y.len()]], blocks: Vec::new() };
        let chunk = Chunk { x, y: y.iter().map(|y| smeared.forward(*y)).collect(), w: vec![1.0; y.len()] };
        let set = TrainingSet::in_memory(Task::Regression, vec!["x".into()], chunk, 1);
        smeared.learn_residuals(&set, |x| Ok(Predictions::Values(vec![0.0; x.rows]))).unwrap();
        let mean = ((-1.0_f64).exp() + 1.0 + 1.0_f64.exp()) / 3.0;
        assert!((smeared.prediction(0.0) / mean - 1.0).abs() < 2e-3, "{} {mean}", smeared.prediction(0.0));
        assert_eq!(fitted("log", &y).prediction(0.0), 1.0);
    }
}
