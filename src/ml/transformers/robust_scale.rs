//! `robust_scale`: by median and interquartile range, which outliers hardly move.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scaling::{Scaled, ScaledColumn};
use crate::error::{Error, Result};
use crate::ml::selector::{ColumnKind, Selector, require};
use crate::ml::{Fit, Transformer, reduce};
use crate::value::Fault;

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RobustScale {
    columns: Selector,
    quantile_range: [f64; 2],
    with_centering: bool,
    with_scaling: bool,
}

impl Default for RobustScale {
    fn default() -> Self {
        Self { columns: Selector::numeric(), quantile_range: [25.0, 75.0], with_centering: true, with_scaling: true }
    }
}

impl Transformer for RobustScale {
    const NAME: &'static str = "robust_scale";
    const ALIASES: &'static [&'static str] = &["RobustScaler"];
    const DOC: &'static str = "Scales numeric columns by training's median and interquartile range: `(x - median) / range`.

Missing values are passed over and stay missing; where the range is 0, values are only centered.

- `columns`: selector, default `numeric()`
- `quantile_range`: two percentages in [0, 100], the first smaller, default `[25, 75]`
- `with_centering`: boolean, default `true`: subtract the median
- `with_scaling`: boolean, default `true`: divide by the range

```yaml
- robust_scale: {columns: [trip_distance], quantile_range: [10, 90]}
```";

    type Fitted = Scaled;

    fn check(&self) -> Result<(), Vec<Fault>> {
        let [low, high] = self.quantile_range;
        if 0.0 <= low && low < high && high <= 100.0 {
            return Ok(());
        }
        Err(vec![Fault::new(&["quantile_range".to_owned()], format!("expected two percentages in [0, 100], the first smaller, got `[{low}, {high}]`"))])
    }

    fn fit(&self, on: Fit<'_>) -> Result<Scaled> {
        let [low, high] = self.quantile_range;
        let columns = self.columns.resolve(on)?;
        require(Self::NAME, on.table, &columns, ColumnKind::NUMBERS)?;
        let quantiles = reduce::quantiles(on.table, &columns, &[low / 100.0, 0.5, high / 100.0])?;
        let infinite = |q: &Vec<f64>| q.iter().any(|v| v.is_infinite()) || (q.iter().any(|v| v.is_nan()) && !q.iter().all(|v| v.is_nan()));
        let bad: Vec<String> = columns.iter().zip(&quantiles).filter(|(_, q)| infinite(q)).map(|(name, _)| format!("`{name}`")).collect();
        if !bad.is_empty() {
            return Err(Error::data(format!("`{}` finds infinite quantiles: {}", Self::NAME, bad.join(", "))).hint("put `- clip` before it"));
        }
        let scaled = columns.iter().zip(&quantiles).map(|(name, q)| {
            let [low, median, high] = q.as_slice() else { return ScaledColumn::new(name, 0.0, 1.0) };
            ScaledColumn::new(name, if self.with_centering { *median } else { 0.0 }, if self.with_scaling { high - low } else { 1.0 })
        });
        Ok(Scaled::new(scaled.collect(), "median", "range"))
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::ml::transformers::contract_tests::{close, fit_apply};

    #[test]
    fn it_agrees_with_scikit_learn() {
        let frame = df!("x" => [Some(1.0), Some(2.5), None, Some(-4.0), Some(10.0)], "c" => [7_i64; 5]).unwrap();
        let scaled = fit_apply(&frame, "robust_scale: {}");
        close(&scaled, "x", &[-0.162_162_162_162_162_17, 0.162_162_162_162_162_17, f64::NAN, -1.243_243_243_243_243_2, 1.783_783_783_783_783_8]);
        close(&scaled, "c", &[0.0; 5]);
        let scaled = fit_apply(&frame, "robust_scale: {quantile_range: [10, 90], with_centering: false, columns: x}");
        close(&scaled, "x", &[0.097_560_975_609_756_1, 0.243_902_439_024_390_25, f64::NAN, -0.390_243_902_439_024_4, 0.975_609_756_097_561]);
    }
}
