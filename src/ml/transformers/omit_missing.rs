//! `omit_missing`: training rows with missing values are left out; all other rows stay.

use polars::prelude::{Expr, LazyFrame, lit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checks::is_there;
use super::levels;
use super::rows::{Chosen, When};
use crate::data::Table;
use crate::error::{Error, Result};
use crate::ml::{Fit, Selector, Transformer};

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OmitMissing {
    columns: Selector,
    when: When,
}

impl Default for OmitMissing {
    fn default() -> Self {
        Self { columns: Selector::all(), when: When::Train }
    }
}

impl Transformer for OmitMissing {
    const NAME: &'static str = "omit_missing";
    const ALIASES: &'static [&'static str] = &["naomit"];
    const DOC: &'static str = "Leaves out training rows that miss a value (null or NaN) in any of some columns.

Validation, test and scoring rows are never left out, so what is missing there still needs `impute` or an estimator that takes it.
To drop columns instead, see `drop_missing`.

- `columns`: selector, default `all()`
- `when`: `train` (default), the only time there is

```yaml
- omit_missing: {columns: [trip_distance, payment_type]}
```";

    type Fitted = Chosen;

    fn fit(&self, on: Fit<'_>) -> Result<Chosen> {
        Ok(self.fit_training(on)?.0)
    }

    fn fit_training(&self, on: Fit<'_>) -> Result<(Chosen, LazyFrame)> {
        let columns = levels::encodable(&self.columns, on, Self::NAME)?;
        let there = columns.iter().filter_map(|name| Some(is_there(name, on.table.schema().get(name)?)));
        let kept = on.table.lazy().filter(there.reduce(Expr::and).unwrap_or_else(|| lit(true)));
        let (before, after) = (on.table.rows()? as u64, Table::from_query(kept.clone())?.rows()? as u64);
        if after > 0 || before == 0 {
            return Ok((Chosen::new("without missing values", before, after), kept));
        }
        Err(Error::data(format!("`omit_missing` leaves no training row: each of {before} misses a value")).hint("drop columns first with `drop_missing`"))
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::ml::transformers::contract_tests::{fit_error, training};

    #[test]
    fn rows_that_miss_a_value_are_left_out_of_training() {
        let frame = df!("x" => [Some(1.0), None, Some(f64::NAN), Some(4.0)], "s" => [Some("a"), Some("b"), Some("c"), None]).unwrap();
        assert_eq!(training(&frame, "omit_missing: {columns: x}").height(), 2);
        assert_eq!(training(&frame, "naomit").height(), 1);
        let error = fit_error(&frame.slice(1, 3), "omit_missing");
        assert_eq!(error.to_string(), "`omit_missing` leaves no training row: each of 3 misses a value");
    }
}
