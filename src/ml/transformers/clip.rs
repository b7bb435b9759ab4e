//! `clip`: values beyond a bound become the bound.

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::card::{self, Cell};
use crate::error::Result;
use crate::ml::export::{Lowering, Why};
use crate::ml::selector::{ColumnKind, Selector, column, require};
use crate::ml::{Apply, Fit, Transformer, reduce};
use crate::value::Fault;

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clip {
    columns: Selector,
    lower: Option<f64>,
    upper: Option<f64>,
    quantiles: Option<[f64; 2]>,
}

impl Default for Clip {
    fn default() -> Self {
        Self { columns: Selector::numeric(), lower: None, upper: None, quantiles: None }
    }
}

/// Fitted: the bounds of each column.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedClip {
    columns: Vec<Bounds>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Bounds {
    name: String,
    lower: Option<f64>,
    upper: Option<f64>,
}

impl Transformer for Clip {
    const NAME: &'static str = "clip";
    const ALIASES: &'static [&'static str] = &["winsorize"];
    const DOC: &'static str = "Brings values beyond a bound back to the bound; the bounds are given or are training's quantiles.

Columns become floats. Missing values stay missing.

- `columns`: selector, default `numeric()`
- `lower`, `upper`: numbers; one of them may be left out
- `quantiles`: two shares in [0, 1], the first smaller; default `[0.01, 0.99]` where neither bound is given, linear interpolation

```yaml
- clip: {columns: [trip_distance], quantiles: [0.005, 0.995]}
- clip: {columns: [passenger_count], lower: 1, upper: 6}
```";

    type Fitted = FittedClip;

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
        if let Some([low, high]) = self.quantiles {
            if self.lower.is_some() || self.upper.is_some() {
                refuse("quantiles", "cannot be given beside `lower` or `upper`".to_owned());
            }
            if !(0.0 <= low && low < high && high <= 1.0) {
                refuse("quantiles", format!("expected two shares in [0, 1], the first smaller, got `[{low}, {high}]`"));
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn fit(&self, on: Fit<'_>) -> Result<FittedClip> {
        let columns = self.columns.resolve(on)?;
        require(Self::NAME, on.table, &columns, ColumnKind::NUMBERS)?;
        if self.lower.is_some() || self.upper.is_some() {
            return Ok(FittedClip { columns: columns.into_iter().map(|name| Bounds { name, lower: self.lower, upper: self.upper }).collect() });
        }
        let quantiles = reduce::quantiles(on.table, &columns, &self.quantiles.unwrap_or([0.01, 0.99]))?;
        // An infinite or absent quantile bounds nothing.
        let bound = |value: Option<&f64>| value.copied().filter(|v| v.is_finite());
        let bounds = columns.into_iter().zip(&quantiles).map(|(name, q)| Bounds { name, lower: bound(q.first()), upper: bound(q.last()) });
        Ok(FittedClip { columns: bounds.collect() })
    }
}

impl Apply for FittedClip {
    fn apply(&self, frame: LazyFrame) -> Result<LazyFrame> {
        let clip = |bounds: &Bounds| {
            let mut value = column(&bounds.name).cast(DataType::Float64);
            if let Some(lower) = bounds.lower {
                value = value.clip_min(lit(lower));
            }
            if let Some(upper) = bounds.upper {
                value = value.clip_max(lit(upper));
            }
            value
        };
        Ok(frame.with_columns(self.columns.iter().map(clip).collect::<Vec<_>>()))
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        for bounds in &self.columns {
            let x = on.number(&bounds.name)?;
            let clipped = on.program.clip(x, bounds.lower, bounds.upper);
            on.set_number(&bounds.name, clipped);
        }
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        let row = |b: &Bounds| vec![Cell::Text(b.name.clone()), b.lower.into(), b.upper.into()];
        let columns = ["column", "lower", "upper"].map(str::to_owned).to_vec();
        vec![card::Table { caption: String::new(), columns, rows: self.columns.iter().map(row).collect() }]
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::ml::transformers::contract_tests::{close, fit_apply, refused};

    #[test]
    fn bounds_hold_and_missing_stays_missing() {
        let frame = df!("x" => [Some(0.0), Some(100.0), None, Some(f64::NAN), Some(f64::INFINITY)]).unwrap();
        close(&fit_apply(&frame, "clip: {lower: 1, upper: 6}"), "x", &[1.0, 6.0, f64::NAN, f64::NAN, 6.0]);
        close(&fit_apply(&frame, "clip: {upper: 6}"), "x", &[0.0, 6.0, f64::NAN, f64::NAN, 6.0]);
    }

    #[test]
    fn quantiles_are_those_of_training() {
        let frame = df!("count" => [0_i64, 10, 20, 30, 1000]).unwrap();
        close(&fit_apply(&frame, "clip: {quantiles: [0.125, 0.75]}"), "count", &[5.0, 10.0, 20.0, 30.0, 30.0]);
    }

    #[test]
    fn bounds_and_quantiles_exclude_each_other() {
        assert_eq!(
            refused("clip: {lower: 1, quantiles: [0.5, 0.1]}"),
            ["quantiles: cannot be given beside `lower` or `upper`", "quantiles: expected two shares in [0, 1], the first smaller, got `[0.5, 0.1]`"]
        );
    }
}
