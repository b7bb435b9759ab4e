//! `min_max_scale`: into a fixed range.

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
pub struct MinMaxScale {
    columns: Selector,
    feature_range: [f64; 2],
    clip: bool,
}

impl Default for MinMaxScale {
    fn default() -> Self {
        Self { columns: Selector::numeric(), feature_range: [0.0, 1.0], clip: false }
    }
}

impl Transformer for MinMaxScale {
    const NAME: &'static str = "min_max_scale";
    const ALIASES: &'static [&'static str] = &["MinMaxScaler", "range"];
    const DOC: &'static str = "Scales numeric columns so that training's smallest and largest values become the ends of a range.

Missing values are passed over and stay missing; a constant column becomes the lower end.

- `columns`: selector, default `numeric()`
- `feature_range`: two finite numbers, the first smaller, default `[0, 1]`
- `clip`: boolean, default `false`: bring values beyond training's back into the range

```yaml
- min_max_scale: {columns: numeric(), feature_range: [-1, 1], clip: true}
```";

    type Fitted = Scaled;

    fn check(&self) -> Result<(), Vec<Fault>> {
        let [low, high] = self.feature_range;
        if low.is_finite() && high.is_finite() && low < high {
            return Ok(());
        }
        Err(vec![Fault::new(&["feature_range".to_owned()], format!("expected two finite numbers, the first smaller, got `[{low}, {high}]`"))])
    }

    fn fit(&self, on: Fit<'_>) -> Result<Scaled> {
        let [low, high] = self.feature_range;
        let columns = self.columns.resolve(on)?;
        require(Self::NAME, on.table, &columns, ColumnKind::NUMBERS)?;
        let moments = reduce::moments(on.table, &columns)?;
        require_finite(Self::NAME, &columns, &moments)?;
        let scale = |(name, m): (&String, &Moments)| {
            let range = ScaledColumn::new(name, m.min, m.max - m.min);
            ScaledColumn { scale: range.scale / (high - low), offset: if m.count == 0 { 0.0 } else { low }, ..range }
        };
        let mut scaled = Scaled::new(columns.iter().zip(&moments).map(scale).collect(), "minimum", "divisor");
        scaled.within = self.clip.then_some(self.feature_range);
        Ok(scaled)
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::data::Table;
    use crate::ml::transformers::contract_tests::{close, fit, fit_apply};

    #[test]
    fn it_agrees_with_scikit_learn() {
        let frame = df!("x" => [Some(1.0), Some(2.5), None, Some(-4.0), Some(10.0)], "c" => [7.0; 5]).unwrap();
        let scaled = fit_apply(&frame, "min_max_scale: {feature_range: [-1, 1]}");
        close(&scaled, "x", &[-0.285_714_285_714_285_7, -0.071_428_571_428_571_4, f64::NAN, -1.0, 1.0]);
        close(&scaled, "c", &[-1.0; 5]);
    }

    #[test]
    fn values_beyond_training_are_brought_back_where_clip_is_set() {
        let fitted = fit(&df!("x" => [0.0, 10.0]).unwrap(), "min_max_scale: {clip: true}");
        let later = Table::from_query(fitted.apply(df!("x" => [-5.0, 5.0, 20.0, f64::NAN]).unwrap().lazy()).unwrap()).unwrap();
        close(&later.collect().unwrap(), "x", &[0.0, 0.5, 1.0, f64::NAN]);
    }
}
