//! `indicate_missing`: whether a value was missing becomes a column.

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::levels;
use crate::card;
use crate::error::{Error, Result, shorten};
use crate::ml::export::{Lowering, Value, Why};
use crate::ml::selector::{Selector, column};
use crate::ml::{Apply, Fit, Transformer, reduce};

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IndicateMissing {
    columns: Selector,
}

impl Default for IndicateMissing {
    fn default() -> Self {
        Self { columns: Selector::has_missing() }
    }
}

/// Fitted: which columns, and how many values training misses.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedIndicateMissing {
    columns: Vec<(String, u64)>,
}

impl Transformer for IndicateMissing {
    const NAME: &'static str = "indicate_missing";
    const ALIASES: &'static [&'static str] = &["indicate_na", "MissingIndicator"];
    const DOC: &'static str = "Adds a column `<name>_missing`, true where a value is missing (null or NaN); the column itself stays.

Put it before `impute`, or set `add_indicator` there. A column without missing values in training gets one where it is named.

- `columns`: selector, default `has_missing()`

```yaml
- indicate_missing: {columns: [trip_distance, payment_type]}
```";

    type Fitted = FittedIndicateMissing;

    fn fit(&self, on: Fit<'_>) -> Result<FittedIndicateMissing> {
        let columns = levels::encodable(&self.columns, on, Self::NAME)?;
        let taken: Vec<String> =
            columns.iter().map(|name| indicator(name)).filter(|name| on.table.has(name)).map(|name| format!("`{}`", shorten(&name))).collect();
        if !taken.is_empty() {
            return Err(Error::data(format!("`indicate_missing` would replace columns that are there: {}", taken.join(", "))).hint("rename them before it"));
        }
        let missing = reduce::missing(on.table, &columns)?;
        Ok(FittedIndicateMissing { columns: columns.into_iter().zip(missing).collect() })
    }
}

fn indicator(name: &str) -> String {
    format!("{name}_missing")
}

impl Apply for FittedIndicateMissing {
    fn apply(&self, mut frame: LazyFrame) -> Result<LazyFrame> {
        let schema = frame.collect_schema()?;
        levels::require(&schema, self.columns.iter().map(|(name, _)| name.as_str()))?;
        let is_missing = |(name, _): &(String, u64)| {
            let is_float = schema.get(name).is_some_and(DataType::is_float);
            let missing = if is_float { column(name).is_null().or(column(name).is_nan()) } else { column(name).is_null() };
            missing.alias(indicator(name))
        };
        Ok(frame.with_columns(self.columns.iter().map(is_missing).collect::<Vec<_>>()))
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        for (name, _) in &self.columns {
            let is_missing = on.is_missing(name)?;
            on.set(&indicator(name), Value::Truth(is_missing));
        }
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        let row = |(name, missing): &(String, u64)| vec![shorten(name).into(), shorten(&indicator(name)).into(), (*missing).into()];
        let columns = ["column", "new column", "missing in training"].map(str::to_owned).to_vec();
        vec![card::Table { caption: String::new(), columns, rows: self.columns.iter().map(row).collect() }]
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::ml::transformers::contract_tests::{close, fit_apply, fit_error};

    #[test]
    fn nulls_and_nan_are_missing() {
        let frame = df!("x" => [Some(1.0), None, Some(f64::NAN)], "s" => [Some("a"), None, Some("")], "full" => [1, 2, 3]).unwrap();
        let out = fit_apply(&frame, "indicate_missing");
        assert_eq!(out.get_column_names(), ["x", "s", "full", "x_missing", "s_missing"]);
        close(&out, "x_missing", &[0.0, 1.0, 1.0]);
        close(&out, "s_missing", &[0.0, 1.0, 0.0]);
        assert!(fit_apply(&frame, "indicate_na: {columns: full}").column("full_missing").is_ok());
        assert_eq!(fit_error(&out, "indicate_missing: {columns: s}").to_string(), "`indicate_missing` would replace columns that are there: `s_missing`");
    }
}
