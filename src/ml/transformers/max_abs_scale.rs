//! `max_abs_scale`: the largest magnitude becomes 1, zero stays zero.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::scaling::{Scaled, ScaledColumn, require_finite};
use crate::error::Result;
use crate::ml::selector::{ColumnKind, Selector, require};
use crate::ml::{Fit, Transformer, reduce};

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MaxAbsScale {
    columns: Selector,
}

impl Default for MaxAbsScale {
    fn default() -> Self {
        Self { columns: Selector::numeric() }
    }
}

impl Transformer for MaxAbsScale {
    const NAME: &'static str = "max_abs_scale";
    const ALIASES: &'static [&'static str] = &["MaxAbsScaler", "max_abs"];
    const DOC: &'static str = "Divides numeric columns by training's largest magnitude: results lie in [-1, 1] and zero stays zero.

Missing values are passed over and stay missing.

- `columns`: selector, default `numeric()`

```yaml
- max_abs_scale: {columns: [trip_distance]}
```";

    type Fitted = Scaled;

    fn fit(&self, on: Fit<'_>) -> Result<Scaled> {
        let columns = self.columns.resolve(on)?;
        require(Self::NAME, on.table, &columns, ColumnKind::NUMBERS)?;
        let moments = reduce::moments(on.table, &columns)?;
        require_finite(Self::NAME, &columns, &moments)?;
        let scaled = columns.iter().zip(&moments).map(|(name, m)| ScaledColumn::new(name, 0.0, m.max.abs().max(m.min.abs())));
        Ok(Scaled::new(scaled.collect(), "center", "largest magnitude"))
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::ml::transformers::contract_tests::{close, fit_apply};

    #[test]
    fn the_largest_magnitude_becomes_one() {
        let frame = df!("x" => [Some(1.0), None, Some(-4.0)], "z" => [0.0; 3]).unwrap();
        let scaled = fit_apply(&frame, "max_abs_scale: {}");
        close(&scaled, "x", &[0.25, f64::NAN, -1.0]);
        close(&scaled, "z", &[0.0; 3]);
    }
}
