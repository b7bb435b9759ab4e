//! `log` and `log1p`: logarithms of skewed columns.

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::card::{self, Cell};
use crate::error::{Error, Result};
use crate::ml::export::{Function, Lowering, Why};
use crate::ml::selector::{ColumnKind, Selector, column, require};
use crate::ml::{Apply, Fit, Transformer, reduce};
use crate::value::Fault;

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    columns: Selector,
    #[serde(default = "natural")]
    base: f64,
    #[serde(default)]
    offset: f64,
    #[serde(default)]
    signed: bool,
}

fn natural() -> f64 {
    std::f64::consts::E
}

/// `log` with offset 1; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log1p {
    columns: Selector,
}

/// Fitted: which columns, and how.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedLog {
    columns: Vec<String>,
    base: f64,
    offset: f64,
    signed: bool,
}

impl Transformer for Log {
    const NAME: &'static str = "log";
    const DOC: &'static str = "Takes the logarithm of numeric columns: `log(x + offset)`.

A training value with `x + offset` of 0 or less is an error that names the column; in later data it becomes missing.

- `columns`: selector, required
- `base`: number above 0 and not 1, default e
- `offset`: number, default 0; with 1 and base e, `log1p` is used, which is exact for small values
- `signed`: boolean, default `false`: `sign(x) · log|x|`, and 0 where |x| < 1; takes any value, not beside `offset`

```yaml
- log: {columns: [trip_distance], offset: 1}
```";

    type Fitted = FittedLog;

    fn check(&self) -> Result<(), Vec<Fault>> {
        let mut faults = Vec::new();
        let mut refuse = |key: &str, message: String| faults.push(Fault::new(&[key.to_owned()], message));
        if !(self.base.is_finite() && self.base > 0.0 && self.base != 1.0) {
            refuse("base", format!("expected a number above 0 and not 1, got `{}`", self.base));
        }
        if !self.offset.is_finite() {
            refuse("offset", "expected a finite number".to_owned());
        } else if self.signed && self.offset != 0.0 {
            refuse("offset", "cannot be given beside `signed`".to_owned());
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn fit(&self, on: Fit<'_>) -> Result<FittedLog> {
        let columns = self.columns.resolve(on)?;
        require(Self::NAME, on.table, &columns, ColumnKind::NUMBERS)?;
        if !self.signed {
            let moments = reduce::moments(on.table, &columns)?;
            let bad = columns.iter().zip(&moments).filter(|(_, m)| m.min + self.offset <= 0.0);
            let bad: Vec<String> = bad.map(|(name, m)| format!("`{name}` (smallest {})", m.min)).collect();
            if !bad.is_empty() {
                let hint = "use an `offset` (1 for counts), `signed: true`, or put `- clip: {lower: ...}` before it";
                return Err(Error::data(format!("values without a logarithm in {}", bad.join(", "))).hint(hint));
            }
        }
        Ok(FittedLog { columns, base: self.base, offset: self.offset, signed: self.signed })
    }
}

impl Transformer for Log1p {
    const NAME: &'static str = "log1p";
    const DOC: &'static str = "Takes `log(1 + x)` of numeric columns: for counts and amounts that may be 0.

A training value of -1 or less is an error that names the column; in later data it becomes missing.

- `columns`: selector, required

```yaml
- log1p: {columns: [trip_distance]}
```";

    type Fitted = FittedLog;

    fn fit(&self, on: Fit<'_>) -> Result<FittedLog> {
        Log { columns: self.columns.clone(), base: natural(), offset: 1.0, signed: false }.fit(on)
    }
}

impl FittedLog {
    fn of(&self, name: &str) -> Expr {
        let x = column(name).cast(DataType::Float64);
        if self.signed {
            let magnitude = when(column(name).cast(DataType::Float64).lt(lit(0.0))).then(-x.clone()).otherwise(x.clone());
            let log = magnitude.clone().log(lit(self.base));
            // NaN compares as the largest number here, so it passes `log` and stays NaN.
            return when(magnitude.lt(lit(1.0))).then(lit(0.0)).when(x.clone().lt(lit(0.0))).then(-log.clone()).otherwise(log).alias(name);
        }
        let moved = x.clone() + lit(self.offset);
        let log = match (self.offset == 1.0, self.base == natural()) {
            (true, true) => x.log1p(),
            (true, false) => x.log1p() / lit(self.base.ln()),
            _ => moved.clone().log(lit(self.base)),
        };
        when(moved.gt(lit(0.0))).then(log).otherwise(lit(NULL)).alias(name)
    }
}

impl Apply for FittedLog {
    fn apply(&self, frame: LazyFrame) -> Result<LazyFrame> {
        Ok(frame.with_columns(self.columns.iter().map(|name| self.of(name)).collect::<Vec<_>>()))
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        for name in &self.columns {
            let x = on.number(name)?;
            let program = &mut on.program;
            let log = if self.signed {
                let size = program.function(Function::Absolute, x);
                let log = program.logarithm(size);
                let log = program.over(log, self.base.ln());
                let minus = program.times(log, -1.0);
                let (is_small, is_below, zero) = (program.below(size, 1.0), program.below(x, 0.0), program.number(0.0));
                program.choose(vec![(is_small, zero), (is_below, minus)], log)
            } else {
                let moved = program.plus(x, self.offset);
                let log = program.logarithm(moved);
                program.over(log, self.base.ln())
            };
            on.set_number(name, log);
        }
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        let rows = self.columns.iter().map(|name| vec![Cell::Text(name.clone()), Cell::Number(self.base), Cell::Number(self.offset)]);
        vec![card::Table { caption: String::new(), columns: ["column", "base", "offset"].map(str::to_owned).to_vec(), rows: rows.collect() }]
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::ml::transformers::contract_tests::{close, fit, fit_apply, fit_error};

    #[test]
    fn logarithms_have_base_offset_and_sign() {
        let frame = df!("count" => [Some(0_i64), Some(7), None, Some(63)]).unwrap();
        close(&fit_apply(&frame, "log: {columns: count, offset: 1, base: 2}"), "count", &[0.0, 3.0, f64::NAN, 6.0]);
        close(&fit_apply(&frame, "log1p: {columns: count}"), "count", &[0.0, 2.079_441_541_679_835_7, f64::NAN, 4.158_883_083_359_671_5]);
        let signed = df!("x" => [-100.0, -0.5, 0.0, 0.5, 1000.0, f64::NAN]).unwrap();
        close(&fit_apply(&signed, "log: {columns: x, base: 10, signed: true}"), "x", &[-2.0, 0.0, 0.0, 0.0, 3.0, f64::NAN]);
    }

    #[test]
    fn a_value_without_logarithm_is_an_error_in_training_and_missing_later() {
        let error = fit_error(&df!("a" => [0.0, 1.0], "b" => [-2_i64, 1], "c" => [1.0, 2.0]).unwrap(), "log: {columns: [a, b, c]}");
        assert_eq!(error.to_string(), "values without a logarithm in `a` (smallest 0), `b` (smallest -2)");
        let fitted = fit(&df!("a" => [1.0]).unwrap(), "log: {columns: a}");
        let later = fitted.apply(df!("a" => [0.0, -1.0, 1.0]).unwrap().lazy()).unwrap().collect().unwrap();
        assert_eq!(later.column("a").unwrap().null_count(), 2);
    }
}
