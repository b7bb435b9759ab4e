//! `standard_scale`: mean 0 and standard deviation 1.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scaling::{Scaled, ScaledColumn, require_finite};
use crate::error::Result;
use crate::ml::reduce::{self, Moments};
use crate::ml::selector::{ColumnKind, Selector, require};
use crate::ml::{Fit, Transformer};
use crate::value::Fault;

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StandardScale {
    columns: Selector,
    with_mean: bool,
    with_std: bool,
    ddof: u8,
}

impl Default for StandardScale {
    fn default() -> Self {
        Self { columns: Selector::numeric(), with_mean: true, with_std: true, ddof: 0 }
    }
}

impl Transformer for StandardScale {
    const NAME: &'static str = "standard_scale";
    const ALIASES: &'static [&'static str] = &["StandardScaler", "normalize"];
    const DOC: &'static str = "Scales numeric columns to mean 0 and standard deviation 1: `(x - mean) / deviation`.

Missing values are passed over and stay missing; a constant column becomes 0.

- `columns`: selector, default `numeric()`
- `with_mean`: boolean, default `true`: subtract the mean
- `with_std`: boolean, default `true`: divide by the standard deviation
- `ddof`: 0 or 1, default 0 as in scikit-learn: the variance's divisor is the number of values minus this

```yaml
- standard_scale: {columns: [trip_distance, passenger_count]}
```";

    type Fitted = Scaled;

    fn check(&self) -> Result<(), Vec<Fault>> {
        if self.ddof > 1 {
            return Err(vec![Fault::new(&["ddof".to_owned()], format!("expected 0 or 1, got `{}`", self.ddof))]);
        }
        Ok(())
    }

    fn fit(&self, on: Fit<'_>) -> Result<Scaled> {
        let columns = self.columns.resolve(on)?;
        require(Self::NAME, on.table, &columns, ColumnKind::NUMBERS)?;
        let moments = reduce::moments(on.table, &columns)?;
        require_finite(Self::NAME, &columns, &moments)?;
        let scale = |(name, m): (&String, &Moments)| {
            let center = if self.with_mean { m.mean } else { 0.0 };
            ScaledColumn::new(name, center, if self.with_std { self.deviation(m) } else { 1.0 })
        };
        Ok(Scaled::new(columns.iter().zip(&moments).map(scale).collect(), "mean", "deviation"))
    }
}

impl StandardScale {
    /// Scales exactly these columns.
    pub(super) fn of(columns: &[String]) -> Self {
        Self { columns: Selector::names(columns), ..Self::default() }
    }

    /// The standard deviation, or 0 where the variance is within rounding of it (scikit-learn's `_is_constant_feature`).
    fn deviation(&self, moments: &Moments) -> f64 {
        let count = moments.count as f64;
        let rounding = count * f64::EPSILON * moments.variance + (count * moments.mean * f64::EPSILON).powi(2);
        if moments.variance <= rounding {
            return 0.0;
        }
        let deviation = (moments.variance * count / (count - f64::from(self.ddof))).sqrt();
        // A tiny deviation that is more than rounding is a real one; `ScaledColumn::new` takes 0 for constant only.
        deviation.max(10.0 * f64::EPSILON)
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::ml::transformers::contract_tests::{close, fit_apply};

    #[test]
    fn it_agrees_with_scikit_learn() {
        let frame = df!("x" => [Some(1.0), Some(2.5), None, Some(-4.0), Some(10.0)], "count" => [3_i64, 1, 4, 1, 5]).unwrap();
        let scaled = fit_apply(&frame, "standard_scale: {}");
        close(&scaled, "x", &[-0.274_059_534_009_043_15, 0.024_914_503_091_731_197, f64::NAN, -1.270_639_657_678_291, 1.519_784_688_595_603]);
        close(&scaled, "count", &[0.125, -1.125, 0.75, -1.125, 1.375]);
        let frame = df!("constant" => [0.1 + 0.2; 3], "offset" => [1e9 + 1.0, 1e9 + 2.0, 1e9 + 4.0]).unwrap();
        let scaled = fit_apply(&frame, "standard_scale: {}");
        close(&scaled, "constant", &[0.0; 3]);
        close(&scaled, "offset", &[-1.069_044_999_509_720_4, -0.267_261_273_772_447_2, 1.336_306_177_702_099_3]);
    }
}
