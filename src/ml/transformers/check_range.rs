//! `check_range`: numbers stay within given bounds, or near training's range.

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checks::{Rule, is_there, pass_on};
use super::levels;
use crate::card;
use crate::error::{Result, shorten};
use crate::ml::export::{Lowering, Why};
use crate::ml::selector::{ColumnKind, Selector, column, require};
use crate::ml::{Apply, Fit, Transformer, reduce};
use crate::value::Fault;

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckRange {
    columns: Selector,
    lower: Option<f64>,
    upper: Option<f64>,
    slack: f64,
}

impl Default for CheckRange {
    fn default() -> Self {
        Self { columns: Selector::numeric(), lower: None, upper: None, slack: 0.05 }
    }
}

/// Fitted: the bounds of each column.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedCheckRange {
    columns: Vec<Bounds>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Bounds {
    name: String,
    lower: Option<f64>,
    upper: Option<f64>,
}

impl Transformer for CheckRange {
    const NAME: &'static str = "check_range";
    const DOC: &'static str = "Stops where a number lies outside given bounds, or outside training's range.

Given bounds hold for training rows too. Where neither is given, the bounds are training's smallest and largest value, each
moved outwards by `slack` times their distance. Missing values pass. The error (exit code 4) names columns, values and rows.

- `columns`: selector, default `numeric()`
- `lower`, `upper`: numbers; one of them may be left out
- `slack`: a share from 0, default 0.05; only without `lower` and `upper`

```yaml
- check_range: {columns: [passenger_count], lower: 1, upper: 6}
- check_range: {columns: [trip_distance], slack: 10}
```";

    type Fitted = FittedCheckRange;

    fn check(&self) -> Result<(), Vec<Fault>> {
        let mut faults = Vec::new();
        let mut refuse = |key: &str, message: String| faults.push(Fault::new(&[key.to_owned()], message));
        for (key, bound) in [("lower", self.lower), ("upper", self.upper)] {
            if bound.is_some_and(|bound| !bound.is_finite()) {
                refuse(key, "expected a finite number; leave the key out for no bound".to_owned());
            }
        }
        if let (Some(lower), Some(upper)) = (self.lower, self.upper)
            && lower > upper
        {
            refuse("lower", format!("`{lower}` is above `upper`, `{upper}`"));
        }
        if !(self.slack >= 0.0 && self.slack.is_finite()) {
            refuse("slack", format!("`slack` is a share from 0, got {}", self.slack));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn fit(&self, on: Fit<'_>) -> Result<FittedCheckRange> {
        let columns = levels::encodable(&self.columns, on, Self::NAME)?;
        require(Self::NAME, on.table, &columns, ColumnKind::NUMBERS)?;
        if self.lower.is_some() || self.upper.is_some() {
            return Ok(FittedCheckRange { columns: columns.into_iter().map(|name| Bounds { name, lower: self.lower, upper: self.upper }).collect() });
        }
        let moments = reduce::moments(on.table, &columns)?;
        // An infinite or absent bound bounds nothing.
        let finite = |bound: f64| bound.is_finite().then_some(bound);
        let bounds = columns.into_iter().zip(moments).map(|(name, m)| {
            let slack = if m.max > m.min { self.slack * (m.max - m.min) } else { 0.0 };
            Bounds { name, lower: finite(m.min - slack), upper: finite(m.max + slack) }
        });
        Ok(FittedCheckRange { columns: bounds.collect() })
    }
}

impl Apply for FittedCheckRange {
    fn apply(&self, mut frame: LazyFrame) -> Result<LazyFrame> {
        let schema = frame.collect_schema()?;
        levels::require(&schema, self.columns.iter().map(|bounds| bounds.name.as_str()))?;
        let rule = |bounds: &Bounds| {
            let value = || column(&bounds.name).cast(DataType::Float64);
            let below = bounds.lower.map(|lower| value().lt(lit(lower)));
            let above = bounds.upper.map(|upper| value().gt(lit(upper)));
            let outside = below.into_iter().chain(above).reduce(Expr::or)?;
            let range = match (bounds.lower, bounds.upper) {
                (Some(lower), Some(upper)) => format!("values outside [{lower}, {upper}]"),
                (Some(lower), None) => format!("values below {lower}"),
                (None, upper) => format!("values above {}", upper.unwrap_or(f64::INFINITY)),
            };
            Some(Rule { column: bounds.name.clone(), broken: is_there(&bounds.name, schema.get(&bounds.name)?).and(outside), what: range })
        };
        let rules: Vec<Rule> = self.columns.iter().filter_map(rule).collect();
        pass_on(CheckRange::NAME, frame, &rules, "correct the data, widen the bounds, or bring values back with `clip`")
    }

    fn required(&self) -> Vec<String> {
        self.columns.iter().map(|bounds| bounds.name.clone()).collect()
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        for bounds in &self.columns {
            let x = on.number(&bounds.name)?;
            let below = bounds.lower.map(|lower| on.program.below(x, lower));
            let above = bounds.upper.map(|upper| on.program.above(x, upper));
            on.refusals.extend(below.into_iter().chain(above));
        }
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        let row = |b: &Bounds| vec![shorten(&b.name).into(), b.lower.into(), b.upper.into()];
        let columns = ["column", "lower", "upper"].map(str::to_owned).to_vec();
        vec![card::Table { caption: String::new(), columns, rows: self.columns.iter().map(row).collect() }]
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::ml::transformers::contract_tests::{fit, refused};

    #[test]
    fn values_outside_are_named_with_their_rows_and_missing_ones_pass() {
        let train = df!("x" => [Some(0.0), None, Some(10.0)], "k" => [1_i64, 1, 1]).unwrap();
        let later = df!("x" => [Some(-0.5), Some(-0.6), None, Some(f64::NAN), Some(10.5), Some(11.0)], "k" => [1_i64, 1, 2, 3, 4, 5]).unwrap();
        let error = |yaml: &str| fit(&train, yaml).apply(later.clone().lazy()).err().unwrap().to_string();
        assert_eq!(
            error("check_range"),
            "`check_range`: column `x` has values outside [-0.5, 10.5]: `-0.6` in row 2, `11.0` in row 6\n\
             `check_range`: column `k` has values outside [1, 1]: `2` in row 3, `3` in row 4, `4` in row 5 and 1 more"
        );
        assert_eq!(error("check_range: {columns: k, upper: 4}"), "`check_range`: column `k` has values above 4: `5` in row 6");
        assert!(fit(&train, "check_range: {lower: -1, upper: 11}").apply(later.lazy()).is_ok());
        assert_eq!(refused("check_range: {lower: 2, upper: 1, slack: -1}").len(), 2);
    }
}
