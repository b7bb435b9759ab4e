//! `check_columns`: columns are there, also where no feature is computed from them.

use polars::prelude::LazyFrame;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::drop::listed;
use super::levels;
use crate::card;
use crate::error::Result;
use crate::ml::export::{Lowering, Why};
use crate::ml::selector::Selector;
use crate::ml::{Apply, Fit, Transformer};

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckColumns {
    columns: Selector,
}

impl Default for CheckColumns {
    fn default() -> Self {
        Self { columns: Selector::all() }
    }
}

/// Fitted: which columns.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FittedCheckColumns(Vec<String>);

impl Transformer for CheckColumns {
    const NAME: &'static str = "check_columns";
    const ALIASES: &'static [&'static str] = &["check_cols"];
    const DOC: &'static str = "Stops where later data lacks a column, even one that no feature is computed from.

Without it, later data needs only the columns that features are computed from. The error (exit code 4) names all that are missing.

- `columns`: selector, default `all()`

```yaml
- check_columns: {columns: [vendor, pickup_zip]}
```";

    type Fitted = FittedCheckColumns;

    fn fit(&self, on: Fit<'_>) -> Result<FittedCheckColumns> {
        Ok(FittedCheckColumns(levels::encodable(&self.columns, on, Self::NAME)?))
    }
}

impl Apply for FittedCheckColumns {
    fn apply(&self, mut frame: LazyFrame) -> Result<LazyFrame> {
        levels::require(&*frame.collect_schema()?, self.0.iter().map(String::as_str))?;
        Ok(frame)
    }

    fn required(&self) -> Vec<String> {
        self.0.clone()
    }

    fn lower(&self, _on: &mut Lowering) -> Result<(), Why> {
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        vec![listed("Columns that must be there", &self.0)]
    }
}
