//! `sqrt`: square roots of skewed columns.

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::card::{self, Cell};
use crate::error::{Error, Result};
use crate::ml::export::{Lowering, Why};
use crate::ml::selector::{ColumnKind, Selector, column, require};
use crate::ml::{Apply, Fit, Transformer, reduce};

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sqrt {
    columns: Selector,
}

/// Fitted: which columns.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedSqrt {
    columns: Vec<String>,
}

impl Transformer for Sqrt {
    const NAME: &'static str = "sqrt";
    const DOC: &'static str = "Takes the square root of numeric columns.

A negative training value is an error that names the column; in later data it becomes missing.

- `columns`: selector, required

```yaml
- sqrt: {columns: [trip_distance]}
```";

    type Fitted = FittedSqrt;

    fn fit(&self, on: Fit<'_>) -> Result<FittedSqrt> {
        let columns = self.columns.resolve(on)?;
        require(Self::NAME, on.table, &columns, ColumnKind::NUMBERS)?;
        let moments = reduce::moments(on.table, &columns)?;
        let bad: Vec<String> = columns.iter().zip(&moments).filter(|(_, m)| m.min < 0.0).map(|(name, m)| format!("`{name}` (smallest {})", m.min)).collect();
        if bad.is_empty() {
            return Ok(FittedSqrt { columns });
        }
        Err(Error::data(format!("values without a square root in {}", bad.join(", "))).hint("put `- clip: {lower: 0}` before it"))
    }
}

impl Apply for FittedSqrt {
    fn apply(&self, frame: LazyFrame) -> Result<LazyFrame> {
        let root = |name: &String| {
            let x = column(name).cast(DataType::Float64);
            when(x.clone().gt_eq(lit(0.0))).then(x.sqrt()).otherwise(lit(NULL)).alias(name.as_str())
        };
        Ok(frame.with_columns(self.columns.iter().map(root).collect::<Vec<_>>()))
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        for name in &self.columns {
            let x = on.number(name)?;
            let root = on.program.root(x);
            on.set_number(name, root);
        }
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        let rows = self.columns.iter().map(|name| vec![Cell::Text(name.clone())]).collect();
        vec![card::Table { caption: String::new(), columns: vec!["column".to_owned()], rows }]
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::ml::transformers::contract_tests::{close, fit_apply, fit_error};

    #[test]
    fn roots_are_taken_and_negative_values_refused() {
        let frame = df!("count" => [Some(0_i64), Some(9), None], "x" => [-1.0, 4.0, 1.0]).unwrap();
        close(&fit_apply(&frame, "sqrt: {columns: count}"), "count", &[0.0, 3.0, f64::NAN]);
        assert_eq!(fit_error(&frame, "sqrt: {columns: \"*\"}").to_string(), "values without a square root in `x` (smallest -1)");
    }
}
