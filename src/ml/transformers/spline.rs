//! `spline`: a number becomes B-spline basis functions, so that a linear model can learn a smooth curve of it.
//!
//! Definitions are scikit-learn 1.9's `SplineTransformer`; a basis function is computed by the recurrence of Cox and de Boor
//! (de Boor, *A Practical Guide to Splines*, chapter IX). Not here: periodic splines, natural splines.

use std::sync::Arc;

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::levels::{self, Names};
use super::scaling::require_finite;
use crate::card;
use crate::error::{Result, shorten};
use crate::ml::export::{Form, Id, Lowering, Program, Why};
use crate::ml::selector::{ColumnKind, Selector, column, require};
use crate::ml::{Apply, Fit, Transformer, reduce};
use crate::value::Fault;

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spline {
    columns: Selector,
    #[serde(default = "five")]
    n_knots: usize,
    #[serde(default = "three")]
    degree: usize,
    #[serde(default)]
    knots: Placement,
    #[serde(default)]
    extrapolation: Extrapolation,
    #[serde(default)]
    keep: bool,
}

fn five() -> usize {
    5
}

fn three() -> usize {
    3
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Placement {
    #[default]
    Quantile,
    Uniform,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Extrapolation {
    #[default]
    Constant,
    Linear,
}

/// Fitted: each column's basis.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedSpline {
    columns: Vec<Curve>,
    keep: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Curve {
    column: String,
    outputs: Vec<String>,
    basis: Basis,
}

/// B-splines of one degree over ascending knots.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Basis {
    degree: usize,
    extrapolation: Extrapolation,
    /// `degree` more on either side of the knots between which training lies.
    knots: Vec<f64>,
}

impl Transformer for Spline {
    const NAME: &'static str = "spline";
    const ALIASES: &'static [&'static str] = &["bs", "spline_b", "SplineTransformer"];
    const DOC: &'static str = "Replaces numbers by B-spline basis functions: a linear model then learns a smooth curve of each.

As scikit-learn's `SplineTransformer` without its last function, which is one less the others. `x` becomes `x_spline_1`,
`x_spline_2`, …, `n_knots` + `degree` - 2 of them. Knots at equal places count once; a column with fewer than two different values
stays as it is. Missing where the number is.

- `columns`: selector, required
- `n_knots`: from 2 to 100, default 5, the ends of training's range among them
- `degree`: of the pieces, from 1 (straight) to 5, default 3 (cubic)
- `knots`: `quantile` (default: as many training rows between any two) or `uniform` (equal steps)
- `extrapolation`: beyond training's range, `constant` (default: as at its end) or `linear`
- `keep`: boolean, default `false`: keep the columns themselves

```yaml
- spline: {columns: [trip_distance], n_knots: 6}
```";

    type Fitted = FittedSpline;

    fn check(&self) -> Result<(), Vec<Fault>> {
        let outside = |name: &str, value: usize, from: usize, to: usize| {
            let fault = || Fault::new(&[name.to_owned()], format!("`{name}` is a whole number from {from} to {to}, got {value}"));
            (!(from..=to).contains(&value)).then(fault)
        };
        let faults: Vec<Fault> = [outside("n_knots", self.n_knots, 2, 100), outside("degree", self.degree, 1, 5)].into_iter().flatten().collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn fit(&self, on: Fit<'_>) -> Result<FittedSpline> {
        let columns = levels::encodable(&self.columns, on, Self::NAME)?;
        require(Self::NAME, on.table, &columns, ColumnKind::NUMBERS)?;
        require_finite(Self::NAME, &columns, &reduce::moments(on.table, &columns)?)?;
        let share = |i: usize| i as f64 / (self.n_knots - 1) as f64;
        let shares: Vec<f64> = match self.knots {
            Placement::Quantile => (0..self.n_knots).map(share).collect(),
            Placement::Uniform => vec![0.0, 1.0],
        };
        let found = reduce::quantiles(on.table, &columns, &shares)?;
        let stays = |name: &&str| self.keep || !columns.iter().any(|column| column == name);
        let mut names = Names::new(on.table.names().filter(stays).chain(on.roles.iter().map(|(name, _)| name)));
        let mut curves = Vec::new();
        for (column, mut knots) in columns.into_iter().zip(found) {
            if let (Placement::Uniform, [low, high]) = (self.knots, knots.as_slice()) {
                let (low, high) = (*low, *high);
                knots = (0..self.n_knots).map(|i| low + (high - low) * share(i)).collect();
            }
            knots.retain(|knot| knot.is_finite());
            knots.dedup();
            if let Some(basis) = Basis::over(&knots, self.degree, self.extrapolation) {
                let outputs = (1..basis.count()).map(|k| names.give(&format!("{column}_spline_{k}"))).collect();
                curves.push(Curve { column, outputs, basis });
            }
        }
        Ok(FittedSpline { columns: curves, keep: self.keep })
    }
}

impl Basis {
    /// Goes on beyond both ends in the steps there; `None` with fewer than two knots.
    fn over(inner: &[f64], degree: usize, extrapolation: Extrapolation) -> Option<Self> {
        let ([first, second, ..], [.., before, last]) = (inner, inner) else { return None };
        let below = (1..=degree).rev().map(|i| first - i as f64 * (second - first));
        let above = (1..=degree).map(|i| last + i as f64 * (last - before));
        Some(Self { degree, extrapolation, knots: below.chain(inner.iter().copied()).chain(above).collect() })
    }

    /// How many functions there are; they add up to one.
    fn count(&self) -> usize {
        self.knots.len().saturating_sub(self.degree + 1)
    }

    fn knot(&self, i: usize) -> f64 {
        self.knots.get(i).copied().unwrap_or(f64::NAN)
    }

    /// Training's range.
    fn ends(&self) -> (f64, f64) {
        (self.knot(self.degree), self.knot(self.count()))
    }

    /// Function `k` at `x`.
    fn value(&self, k: usize, x: f64) -> f64 {
        let (low, high) = self.ends();
        let end = x.clamp(low, high);
        let value = self.within(k, self.degree, end);
        if self.extrapolation == Extrapolation::Constant || x == end {
            return value;
        }
        value + (x - end) * self.slope(k, end)
    }

    /// The recurrence, for `x` in training's range, whose last piece holds the last knot.
    fn within(&self, k: usize, degree: usize, x: f64) -> f64 {
        let count = self.count();
        let is_at_the_end = x >= self.knot(count);
        // values[i] is function k + i of the degree that has been reached.
        let mut values: Vec<f64> = (k..=k + degree)
            .map(|i| {
                let holds = if is_at_the_end { i + 1 == count } else { self.knot(i) <= x && x < self.knot(i + 1) };
                f64::from(u8::from(holds))
            })
            .collect();
        for d in 1..=degree {
            for i in 0..=degree - d {
                let (from, to) = (k + i, k + i + d);
                let rising = (x - self.knot(from)) / (self.knot(to) - self.knot(from));
                let falling = (self.knot(to + 1) - x) / (self.knot(to + 1) - self.knot(from + 1));
                if let [value, next] = &mut values[i..i + 2] {
                    *value = rising * *value + falling * *next;
                }
            }
        }
        values.first().copied().unwrap_or_default()
    }

    /// [`Basis::value`] in operations that other programs have.
    fn lower(&self, k: usize, x: Id, on: &mut Program) -> Id {
        let ((low, high), count) = (self.ends(), self.count());
        let end = on.clip(x, Some(low), Some(high));
        let mut values: Vec<Id> = Vec::with_capacity(self.degree + 1);
        for i in k..=k + self.degree {
            // The last piece holds the last knot.
            let mut truths = vec![on.from(end, self.knot(i))];
            if i + 1 != count {
                truths.push(on.below(end, self.knot(i + 1)));
            }
            let holds = on.add(Form::All(truths));
            values.push(if i >= count { on.times(end, 0.0) } else { on.as_number(holds) });
        }
        for d in 1..=self.degree {
            for i in 0..=self.degree - d {
                let (from, to) = (k + i, k + i + d);
                let rising = on.plus(end, -self.knot(from));
                let rising = on.over(rising, self.knot(to) - self.knot(from));
                let falling = on.sum([(end, -1.0)], self.knot(to + 1));
                let falling = on.over(falling, self.knot(to + 1) - self.knot(from + 1));
                if let [value, next] = &mut values[i..i + 2] {
                    let (left, right) = (on.product(rising, *value), on.product(falling, *next));
                    *value = on.sum([(left, 1.0), (right, 1.0)], 0.0);
                }
            }
        }
        let value = values.first().copied().unwrap_or(end);
        if self.extrapolation == Extrapolation::Constant {
            return value;
        }
        let mut beyond = |end: f64| {
            let slope = self.slope(k, end);
            on.sum([(x, slope)], self.within(k, self.degree, end) - end * slope)
        };
        let lines = (beyond(low), beyond(high));
        let (is_low, is_high) = (on.below(x, low), on.above(x, high));
        on.choose(vec![(is_low, lines.0), (is_high, lines.1)], value)
    }

    fn slope(&self, k: usize, x: f64) -> f64 {
        let d = self.degree;
        let part = |k: usize| self.within(k, d - 1, x) * d as f64 / (self.knot(k + d) - self.knot(k));
        part(k) - part(k + 1)
    }
}

impl Apply for FittedSpline {
    fn apply(&self, mut frame: LazyFrame) -> Result<LazyFrame> {
        levels::require(&*frame.collect_schema()?, self.columns.iter().map(|curve| curve.column.as_str()))?;
        let mut outputs = Vec::new();
        for curve in &self.columns {
            let basis = Arc::new(curve.basis.clone());
            for (k, name) in curve.outputs.iter().enumerate() {
                let basis = Arc::clone(&basis);
                let of = move |values: Column| Ok(values.f64()?.apply_values(|x| if x.is_nan() { x } else { basis.value(k, x) }).into_column());
                outputs.push(column(&curve.column).cast(DataType::Float64).map(of, |_, field| Ok(field.clone())).alias(name.as_str()));
            }
        }
        let is_made = |name: &&str| self.columns.iter().any(|curve| curve.outputs.iter().any(|output| output == name));
        let replaced: Vec<&str> = self.columns.iter().map(|curve| curve.column.as_str()).filter(|name| !is_made(name)).collect();
        let frame = frame.with_columns(outputs);
        Ok(if self.keep { frame } else { frame.drop(levels::exactly(replaced)) })
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        let mut made = Vec::new();
        for curve in &self.columns {
            let x = on.number(&curve.column)?;
            for (k, name) in curve.outputs.iter().enumerate() {
                made.push((name, curve.basis.lower(k, x, &mut on.program)));
            }
        }
        if !self.keep {
            on.drop(self.columns.iter().map(|curve| curve.column.as_str()));
        }
        for (name, number) in made {
            on.set_number(name, number);
        }
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        let knots = |basis: &Basis| {
            let inner = basis.knots.iter().skip(basis.degree).take(basis.knots.len() - 2 * basis.degree);
            inner.map(|knot| card::format::number(*knot)).collect::<Vec<_>>().join(", ")
        };
        let row = |curve: &Curve| vec![shorten(&curve.column).into(), curve.outputs.len().into(), curve.basis.degree.into(), knots(&curve.basis).into()];
        vec![card::Table {
            caption: "Knots".to_owned(),
            columns: ["column", "functions", "degree", "knots"].map(str::to_owned).to_vec(),
            rows: self.columns.iter().map(row).collect(),
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::transformers::contract_tests::{close, fit, refused};

    /// `python tests/golden/numeric_transforms.py` with scikit-learn 1.9.1.
    #[test]
    fn functions_are_scikit_learns() {
        let train = df!("x" => [0.0, 1.0, 1.5, 2.0, 4.0, 7.0, 9.0, 10.0]).unwrap();
        let later = df!("x" => [-1.0, 0.0, 1.2, 4.5, 9.9, 10.0, 12.5]).unwrap();
        let third = 1.0 / 3.0;
        let cases: [(&str, &[[f64; 7]]); 3] = [
            (
                "n_knots: 4, knots: uniform",
                &[
                    [third / 2.0, third / 2.0, 0.043_690_666_666_666_68, 0.0, 0.0, 0.0, 0.0],
                    [2.0 * third, 2.0 * third, 0.560_394_666_666_666_8, 0.045_770_833_333_333_35, 0.0, 0.0, 0.0],
                    [third / 2.0, third / 2.0, 0.388_138_666_666_666_63, 0.565_604_166_666_666_8, 4.499_999_999_999_953_5e-6, 0.0, 0.0],
                    [0.0, 0.0, 0.007_775_999_999_999_997, 0.381_479_166_666_666_7, 0.182_103_166_666_666_57, third / 2.0, third / 2.0],
                    [0.0, 0.0, 0.0, 0.007_145_833_333_333_331, 0.665_780_166_666_666_7, 2.0 * third, 2.0 * third],
                ],
            ),
            (
                "degree: 2, n_knots: 3, extrapolation: linear",
                &[
                    [0.833_333_333_333_333_3, 0.5, 0.18, 0.0, 0.0, 0.0, 0.0],
                    [third / 2.0, 0.5, 0.772, 0.432_142_857_142_857_16, 0.000_142_857_142_857_141_84, 0.0, 0.0],
                    [0.0, 0.0, 0.048, 0.544_897_959_183_673_5, 0.514_040_816_326_530_5, 0.5, 0.142_857_142_857_142_9],
                ],
            ),
            (
                "degree: 1, n_knots: 3, extrapolation: linear",
                &[
                    [4.0 * third, 1.0, 0.6, 0.0, 0.0, 0.0, 0.0],
                    [-third, 0.0, 0.4, 0.785_714_285_714_285_7, 0.014_285_714_285_714_235, 0.0, -0.357_142_857_142_857_1],
                ],
            ),
        ];
        for (parameters, expected) in cases {
            let out = fit(&train, &format!("spline: {{columns: [x], {parameters}}}")).apply(later.clone().lazy()).unwrap().collect().unwrap();
            assert_eq!(out.width(), expected.len());
            for (k, values) in expected.iter().enumerate() {
                close(&out, &format!("x_spline_{}", k + 1), values);
            }
        }
    }

    #[test]
    fn a_column_without_two_values_stays_and_missing_stays_missing() {
        let frame = df!("c" => [7_i64; 3], "x" => [Some(1.0), None, Some(2.0)], "n" => [None::<f64>; 3]).unwrap();
        let out = fit(&frame, "spline: {columns: '*', degree: 1}").apply(frame.lazy()).unwrap().collect().unwrap();
        assert_eq!(out.get_column_names(), ["c", "n", "x_spline_1", "x_spline_2", "x_spline_3", "x_spline_4"]);
        close(&out, "x_spline_1", &[1.0, f64::NAN, 0.0]);
        assert_eq!(refused("spline: {columns: '*', degree: 0, n_knots: 1}").len(), 2);
    }
}
