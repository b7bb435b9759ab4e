//! `power`: skewed columns become nearly normal, by the power that makes them likeliest.
//!
//! Transforms are those of Box and Cox (1964) and of Yeo and Johnson (2000). The exponent λ maximises the likelihood of normal
//! values: where its derivative `J - n · cov(T, ∂T/∂λ) / var(T)` is zero, with `J` the sum of `ln x`, or of `sign(x) · ln(1 + |x|)`.
//! The root is found to about 1e-12, one pass over the table for each step of all columns side by side. Not here: shifts.

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scaling::{ScaledColumn, require_finite};
use crate::card::{self, Cell};
use crate::error::{Error, Result};
use crate::ml::export::{Function, Id, Lowering, Program, Why};
use crate::ml::matrix::numbers;
use crate::ml::reduce::{self, Running, sum};
use crate::ml::selector::{ColumnKind, Selector, column, require};
use crate::ml::{Apply, Fit, Transformer};

/// Exponents are sought up to this size.
const LARGEST: f64 = 32.0;

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Power {
    columns: Selector,
    method: Method,
    standardize: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::ml) enum Method {
    YeoJohnson,
    BoxCox,
}

impl Default for Power {
    fn default() -> Self {
        Self { columns: Selector::numeric(), method: Method::YeoJohnson, standardize: true }
    }
}

/// Fitted: the exponent of each column, and how the result is scaled.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedPower {
    method: Method,
    columns: Vec<Powered>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Powered {
    name: String,
    lambda: f64,
    center: f64,
    scale: f64,
}

impl Transformer for Power {
    const NAME: &'static str = "power";
    const ALIASES: &'static [&'static str] = &["PowerTransformer", "YeoJohnson"];
    const DOC: &'static str = "Makes skewed numeric columns nearly normal by a power that is learned from training.

As scikit-learn's `PowerTransformer`: the exponent maximises the likelihood; it is sought between -32 and 32. Missing values
stay missing; constant columns are only scaled. With `box_cox` a training value of 0 or less is an error that names the column; in
later data it becomes missing.

- `columns`: selector, default `numeric()`
- `method`: `yeo_johnson` (default: any number), or `box_cox` (numbers above 0)
- `standardize`: boolean, default `true`: scale the result to mean 0 and deviation 1

```yaml
- power: {columns: [trip_distance]}
- power: {columns: [passenger_count], method: box_cox, standardize: false}
```";

    type Fitted = FittedPower;

    fn fit(&self, on: Fit<'_>) -> Result<FittedPower> {
        let columns = self.columns.resolve(on)?;
        require(Self::NAME, on.table, &columns, ColumnKind::NUMBERS)?;
        let moments = reduce::moments(on.table, &columns)?;
        require_finite(Self::NAME, &columns, &moments)?;
        let low: Vec<String> = columns.iter().zip(&moments).filter(|(_, m)| m.min <= 0.0).map(|(name, m)| format!("`{name}` (smallest {})", m.min)).collect();
        if self.method == Method::BoxCox && !low.is_empty() {
            return Err(Error::data(format!("`method: box_cox` takes numbers above 0, not {}", low.join(", "))).hint("use `method: yeo_johnson`"));
        }
        // A constant column has no likeliest power.
        let mut roots: Vec<Root> = moments.iter().map(|m| if m.max > m.min { Root::new() } else { Root::settled(1.0) }).collect();
        loop {
            let (names, probes): (Vec<String>, Vec<f64>) = columns.iter().zip(&roots).filter_map(|(name, root)| Some((name.clone(), root.probe()?))).unzip();
            if names.is_empty() {
                break;
            }
            let start = probes.into_iter().map(|lambda| (lambda, Joint::default())).collect();
            let slopes = reduce::pass(on.table, &names, start, |(lambda, joint), column| {
                *joint = joint.join(Joint::of(&numbers(column)?, self.method, *lambda));
                Ok(())
            })?;
            roots.iter_mut().filter(|root| root.probe().is_some()).zip(slopes).for_each(|(root, (_, joint))| root.tell(joint.slope()));
        }
        let start = roots.iter().map(|root| (root.best, Running::default())).collect();
        let powered = reduce::pass(on.table, &columns, start, |(lambda, running), column| {
            let values = numbers(column)?.into_iter().map(|x| self.method.of(x, *lambda)).collect();
            *running = running.join(Running::of(values));
            Ok(())
        })?;
        let one = |(name, (lambda, running)): (&String, (f64, Running))| {
            let m = running.finish();
            let scaled = if self.standardize { ScaledColumn::new(name, m.mean, m.variance.sqrt()) } else { ScaledColumn::new(name, 0.0, 1.0) };
            Powered { name: name.clone(), lambda, center: scaled.center, scale: scaled.scale }
        };
        Ok(FittedPower { method: self.method, columns: columns.iter().zip(powered).map(one).collect() })
    }
}

impl Method {
    /// The exponent under which values, not all the same, are likeliest to be normal.
    pub(in crate::ml) fn likeliest(self, values: &[f64]) -> f64 {
        let mut root = Root::new();
        while let Some(lambda) = root.probe() {
            root.tell(Joint::of(values, self, lambda).slope());
        }
        root.best
    }

    /// The value that [`Method::of`] transforms to `t`; NaN or infinite where there is none.
    pub(in crate::ml) fn undo(self, t: f64, lambda: f64) -> f64 {
        let log = |t: f64, lambda: f64| if lambda == 0.0 { t } else { (lambda * t).ln_1p() / lambda };
        match self {
            Self::BoxCox => log(t, lambda).exp(),
            Self::YeoJohnson if t < 0.0 => -log(-t, 2.0 - lambda).exp_m1(),
            Self::YeoJohnson => log(t, lambda).exp_m1(),
        }
    }

    /// [`Method::of`] in operations that other programs have.
    pub(in crate::ml) fn lower(self, x: Id, lambda: f64, on: &mut Program) -> Id {
        /// Below this (eᶻ - 1) / z is its series, as others have no `exp_m1`.
        const SMALL: f64 = 1e-5;
        let powered = |on: &mut Program, x: Id, lambda: f64, sign: f64| {
            let log = on.logarithm(x);
            let z = on.times(log, lambda);
            let e = on.function(Function::Exponential, z);
            let grown = on.plus(e, -1.0);
            let grown = if lambda == 0.0 { on.number(1.0) } else { on.quotient(grown, z) };
            let square = on.product(z, z);
            let series = on.sum([(z, 0.5), (square, 1.0 / 6.0)], 1.0);
            let size = on.function(Function::Absolute, z);
            let is_small = on.below(size, SMALL);
            let factor = on.choose(vec![(is_small, series)], grown);
            let product = on.product(log, factor);
            on.times(product, sign)
        };
        if self == Self::BoxCox {
            return powered(on, x, lambda, 1.0);
        }
        let (above, below) = (on.plus(x, 1.0), on.sum([(x, -1.0)], 1.0));
        let (high, low) = (powered(on, above, lambda, 1.0), powered(on, below, 2.0 - lambda, -1.0));
        let is_low = on.below(x, 0.0);
        on.choose(vec![(is_low, low)], high)
    }

    /// The transformed value; NaN where there is none.
    pub(in crate::ml) fn of(self, x: f64, lambda: f64) -> f64 {
        match self {
            Self::BoxCox if x > 0.0 => x.ln() * grown(lambda * x.ln()),
            Self::BoxCox => f64::NAN,
            Self::YeoJohnson if x < 0.0 => -(-x).ln_1p() * grown((2.0 - lambda) * (-x).ln_1p()),
            Self::YeoJohnson => x.ln_1p() * grown(lambda * x.ln_1p()),
        }
    }

    /// The transformed value, its derivative by λ, and the value's part of `J`.
    fn with_slope(self, x: f64, lambda: f64) -> (f64, f64, f64) {
        let log = match self {
            Self::BoxCox => x.ln(),
            Self::YeoJohnson => x.abs().ln_1p(),
        };
        if self == Self::YeoJohnson && x < 0.0 {
            let z = (2.0 - lambda) * log;
            return (-log * grown(z), log * log * grown_slope(z), -log);
        }
        (log * grown(lambda * log), log * log * grown_slope(lambda * log), log)
    }
}

/// (eᶻ - 1) / z.
fn grown(z: f64) -> f64 {
    if z == 0.0 { 1.0 } else { z.exp_m1() / z }
}

/// The derivative of [`grown`]: (z eᶻ - eᶻ + 1) / z².
fn grown_slope(z: f64) -> f64 {
    if z.abs() >= 0.1 {
        return (z * z.exp() - z.exp_m1()) / (z * z);
    }
    // Σ zᵏ / (k! (k + 2)), without the cancellation.
    let mut power = 1.0;
    (0..12_u32).fold(0.0, |total, k| {
        let term = power / f64::from(k + 2);
        power *= z / f64::from(k + 1);
        total + term
    })
}

/// Transformed values `t` and derivatives `d` of some rows: means, and sums of products of deviations.
#[derive(Clone, Copy, Debug, Default)]
struct Joint {
    count: f64,
    t: f64,
    d: f64,
    tt: f64,
    td: f64,
    logs: f64,
}

impl Joint {
    fn of(values: &[f64], method: Method, lambda: f64) -> Self {
        let all: Vec<(f64, f64, f64)> = values.iter().filter(|x| !x.is_nan()).map(|x| method.with_slope(*x, lambda)).collect();
        if all.is_empty() {
            return Self::default();
        }
        let count = all.len() as f64;
        let total = |of: fn(&(f64, f64, f64)) -> f64| sum(&all.iter().map(of).collect::<Vec<_>>(), |v| v);
        let (t, d, logs) = (total(|v| v.0) / count, total(|v| v.1) / count, total(|v| v.2));
        let products = |of: &dyn Fn(f64, f64) -> f64| sum(&all.iter().map(|v| of(v.0 - t, v.1 - d)).collect::<Vec<_>>(), |v| v);
        Self { count, t, d, tt: products(&|t, _| t * t), td: products(&|t, d| t * d), logs }
    }

    fn join(self, more: Self) -> Self {
        if self.count == 0.0 || more.count == 0.0 {
            return if self.count == 0.0 { more } else { self };
        }
        let count = self.count + more.count;
        let (t, d, share) = (more.t - self.t, more.d - self.d, self.count * more.count / count);
        Self {
            count,
            t: self.t + t * more.count / count,
            d: self.d + d * more.count / count,
            tt: self.tt + more.tt + t * t * share,
            td: self.td + more.td + t * d * share,
            logs: self.logs + more.logs,
        }
    }

    /// The derivative of the log likelihood by λ.
    fn slope(self) -> f64 {
        self.logs - self.count * self.td / self.tt
    }
}

/// The search for the λ where a falling function crosses zero: a bracket is widened, then narrowed by the rule of false position
/// in the form called Illinois.
#[derive(Clone, Copy, Debug)]
struct Root {
    /// λ and the function there, below and above the root.
    low: Option<(f64, f64)>,
    high: Option<(f64, f64)>,
    next: Option<f64>,
    best: f64,
    /// Did the last step move the lower end?
    moved_low: Option<bool>,
    steps: u32,
}

impl Root {
    fn new() -> Self {
        Self { low: None, high: None, next: Some(1.0), best: 1.0, moved_low: None, steps: 0 }
    }

    fn settled(at: f64) -> Self {
        Self { next: None, best: at, ..Self::new() }
    }

    /// Where the function is wanted next; `None` once the root is known.
    fn probe(&self) -> Option<f64> {
        self.next
    }

    fn tell(&mut self, value: f64) {
        const MOST: u32 = 80;
        let Some(at) = self.next else { return };
        self.steps += 1;
        // Powers that overflow are too far out.
        if !value.is_finite() {
            self.next = None;
            return;
        }
        let step = (at - self.best).abs();
        let is_first = self.steps == 1;
        self.best = at;
        if value == 0.0 || self.steps >= MOST {
            self.next = None;
            return;
        }
        let is_low = value > 0.0;
        let is_repeated = self.moved_low == Some(is_low);
        self.moved_low = Some(is_low);
        if is_low {
            self.low = Some((at, value));
        } else {
            self.high = Some((at, value));
        }
        self.next = match (self.low.as_mut(), self.high.as_mut()) {
            (Some(low), Some(high)) => {
                if !is_first && (step <= 1e-13 * at.abs().max(1.0) || (high.0 - low.0).abs() <= 1e-14 * at.abs().max(1.0)) {
                    None
                } else {
                    // The end that stays behind counts half.
                    if is_repeated {
                        let behind = if is_low { &mut *high } else { &mut *low };
                        behind.1 /= 2.0;
                    }
                    Some(crossing(*low, *high))
                }
            }
            // Still falling towards zero: twice as far out.
            (Some(low), None) => (low.0 < LARGEST).then(|| (low.0 + 2.0_f64.max(low.0.abs())).min(LARGEST)),
            (None, Some(high)) => (high.0 > -LARGEST).then(|| (high.0 - 2.0_f64.max(high.0.abs())).max(-LARGEST)),
            (None, None) => None,
        };
    }
}

/// Where the line through two points crosses zero.
fn crossing(low: (f64, f64), high: (f64, f64)) -> f64 {
    (low.0 * high.1 - high.0 * low.1) / (high.1 - low.1)
}

impl Apply for FittedPower {
    fn apply(&self, frame: LazyFrame) -> Result<LazyFrame> {
        let power = |c: &Powered| {
            let (method, lambda, center, scale) = (self.method, c.lambda, c.center, c.scale);
            let of = move |values: Column| Ok(values.f64()?.apply_values(|x| (method.of(x, lambda) - center) / scale).into_column());
            column(&c.name).cast(DataType::Float64).map(of, |_, field| Ok(field.clone()))
        };
        Ok(frame.with_columns(self.columns.iter().map(power).collect::<Vec<_>>()))
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        for column in &self.columns {
            let x = on.number(&column.name)?;
            let powered = self.method.lower(x, column.lambda, &mut on.program);
            let centred = on.program.plus(powered, -column.center);
            let scaled = on.program.over(centred, column.scale);
            on.set_number(&column.name, scaled);
        }
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        let row = |c: &Powered| vec![Cell::Text(c.name.clone()), Cell::Number(c.lambda), Cell::Number(c.center), Cell::Number(c.scale)];
        let columns = ["column", "lambda", "mean", "deviation"].map(str::to_owned).to_vec();
        vec![card::Table { caption: String::new(), columns, rows: self.columns.iter().map(row).collect() }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::transformers::contract_tests::{close, fit, fit_apply, fit_error};

    /// Exponents and values computed by `python tests/golden/numeric_transforms.py`. scikit-learn 1.9.1 finds -0.76766217,
    /// 0.36378738 and -0.38982554: its search ends 1e-8 from the root.
    #[test]
    fn it_agrees_with_scikit_learn() {
        let x = [0.5, 1.25, 3.0, 0.75, 12.0, 2.0, 40.0, 1.0];
        let signed = [-3.0, 0.0, 0.5, 2.0, -0.25, 7.5, 1.0, 30.0];
        let cases: [(&str, [f64; 8], f64, [f64; 8], [f64; 8]); 3] = [
            (
                "yeo_johnson",
                x,
                -0.767_662_180_799_409,
                [
                    -1.320_288_531_534_857_8,
                    -0.450_849_311_236_760_25,
                    0.399_311_780_191_478_45,
                    -0.957_523_136_410_240_6,
                    1.310_793_328_184_753,
                    0.020_979_347_348_507_64,
                    1.673_750_792_022_409,
                    -0.676_174_268_565_287_7,
                ],
                [
                    0.348_430_311_544_269_7,
                    0.603_663_607_805_163_6,
                    0.853_237_600_618_13,
                    0.454_924_020_828_854_47,
                    1.120_812_877_352_876_5,
                    0.742_174_018_871_947_8,
                    1.227_362_970_487_640_8,
                    0.537_517_027_059_603,
                ],
            ),
            (
                "yeo_johnson",
                signed,
                0.363_787_374_913_248_8,
                [
                    -1.933_896_713_485_748,
                    -0.277_284_084_042_718_8,
                    -0.140_578_950_838_373_88,
                    0.145_310_730_260_343_16,
                    -0.361_556_299_788_463_9,
                    0.736_168_548_284_329_8,
                    -0.030_601_378_303_056_98,
                    1.862_438_147_913_688_4,
                ],
                [
                    -5.294_356_224_767_542,
                    0.0,
                    0.436_894_938_547_847_1,
                    1.350_567_686_069_208_9,
                    -0.269_324_959_908_367_1,
                    3.238_885_878_994_974,
                    0.788_371_460_813_007_6,
                    6.838_322_681_290_103,
                ],
            ),
            (
                "box_cox",
                x,
                -0.389_825_539_282_786_85,
                [
                    -1.503_078_652_702_671_4,
                    -0.350_121_024_134_817_4,
                    0.426_391_300_460_228_2,
                    -0.941_875_155_679_746_9,
                    1.223_416_989_281_993_5,
                    0.099_485_965_774_364_05,
                    1.639_974_973_649_041_9,
                    -0.594_194_396_648_392,
                ],
                [
                    -0.795_830_237_615_291_5,
                    0.213_713_648_079_127_3,
                    0.893_637_393_789_573,
                    -0.304_433_550_511_038_4,
                    1.591_522_893_615_676_2,
                    0.607_395_060_458_605_3,
                    1.956_266_190_103_779_2,
                    0.0,
                ],
            ),
        ];
        for (method, values, lambda, standardized, plain) in cases {
            let frame = df!("x" => values).unwrap();
            let fitted = fit(&frame, &format!("power: {{method: {method}}}"));
            let found = fitted.save()["columns"][0]["lambda"].as_f64().unwrap();
            assert!((found - lambda).abs() < 1e-10, "{method}: {found} is not {lambda}");
            close(&fit_apply(&frame, &format!("power: {{method: {method}}}")), "x", &standardized);
            close(&fit_apply(&frame, &format!("power: {{method: {method}, standardize: false}}")), "x", &plain);
        }
    }

    #[test]
    fn the_exponent_is_the_same_in_one_batch_and_in_several() {
        // 0.5, 1.5, … 9.5 over and over, squared: the likeliest power is that of ten rows, whatever their number.
        let values = |rows: usize| (0..rows).map(|i| ((i % 10) as f64 + 0.5).powi(2)).collect::<Vec<_>>();
        let lambda = |rows| fit(&df!("x" => values(rows)).unwrap(), "power: {method: box_cox}").save()["columns"][0]["lambda"].as_f64().unwrap();
        assert!((lambda(10) - lambda(200_000)).abs() < 1e-9, "{} {}", lambda(10), lambda(200_000));
        let method = Method::YeoJohnson;
        for x in [-5.0, -1e-9, 0.0, 0.3, 1e6] {
            for lambda in [-1.0, 0.0, 0.01, 1.0, 1.99, 2.0] {
                let (_, slope, _) = method.with_slope(x, lambda);
                let step = (method.of(x, lambda + 1e-5) - method.of(x, lambda - 1e-5)) / 2e-5;
                assert!((slope - step).abs() <= 1e-5 * slope.abs().max(1e-9), "{x} {lambda}: {slope} is not {step}");
            }
        }
    }

    #[test]
    fn values_without_a_power_are_refused_or_become_missing() {
        let frame = df!("x" => [1.0, 2.0, 5.0], "z" => [0.0, 1.0, 2.0]).unwrap();
        let error = fit_error(&frame, "power: {method: box_cox}");
        assert_eq!(error.to_string(), "`method: box_cox` takes numbers above 0, not `z` (smallest 0)");
        let fitted = fit(&frame, "power: {method: box_cox, columns: x}");
        let later = fitted.apply(df!("x" => [Some(-1.0), None, Some(2.0)]).unwrap().lazy()).unwrap().collect().unwrap();
        assert!(crate::ml::Matrix::of(&later, &["x".to_owned()]).unwrap().columns[0][..2].iter().all(|x| x.is_nan()));
    }

    #[test]
    fn constant_and_empty_columns_stay_finite() {
        let frame = df!("c" => [7_i64; 3], "n" => [None::<f64>; 3]).unwrap();
        let out = fit_apply(&frame, "power: {}");
        close(&out, "c", &[0.0; 3]);
        close(&out, "n", &[f64::NAN; 3]);
    }
}
