//! `drop_constant`: columns that say nothing leave.

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::card::{self, Cell};
use crate::error::Result;
use crate::ml::export::{Lowering, Why};
use crate::ml::selector::{ColumnKind, Selector, column};
use crate::ml::{Apply, Fit, Transformer};

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DropConstant {
    columns: Selector,
}

impl Default for DropConstant {
    fn default() -> Self {
        Self { columns: Selector::all() }
    }
}

/// Fitted: the columns that go.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedDropConstant {
    dropped: Vec<String>,
}

impl Transformer for DropConstant {
    const NAME: &'static str = "drop_constant";
    const ALIASES: &'static [&'static str] = &["VarianceThreshold", "zv"];
    const DOC: &'static str = "Drops columns that have only one value in training, or none.

Missing values do not count as a value: a column of 5 and nulls is dropped. To keep the difference, put `impute` with
`add_indicator: true` before.

- `columns`: selector, default `all()`

```yaml
- drop_constant:
```";

    type Fitted = FittedDropConstant;

    fn fit(&self, on: Fit<'_>) -> Result<FittedDropConstant> {
        let schema = on.table.schema();
        let known = |name: &String| schema.get(name).is_some_and(|dtype| ColumnKind::of(dtype) != ColumnKind::Other);
        let columns: Vec<String> = self.columns.resolve(on)?.into_iter().filter(known).collect();
        if columns.is_empty() {
            return Ok(FittedDropConstant { dropped: columns });
        }
        let varies = |(i, name): (usize, &String)| {
            let is_float = schema.get(name).is_some_and(DataType::is_float);
            let values = if is_float { column(name).fill_nan(lit(NULL)) } else { column(name) };
            values.clone().min().neq(values.max()).alias(i.to_string())
        };
        let varies: Vec<Expr> = columns.iter().enumerate().map(varies).collect();
        let found = on.table.lazy().select(varies).collect_with_engine(Engine::Streaming)?.unwrap_single();
        // No value at all compares to null.
        let is_constant = |column: &Column| Ok(!matches!(column.get(0)?, AnyValue::Boolean(true)));
        let constant = found.columns().iter().map(is_constant).collect::<Result<Vec<bool>>>()?;
        Ok(FittedDropConstant { dropped: columns.into_iter().zip(constant).filter(|(_, constant)| *constant).map(|(name, _)| name).collect() })
    }
}

impl Apply for FittedDropConstant {
    fn apply(&self, frame: LazyFrame) -> Result<LazyFrame> {
        Ok(frame.drop(by_name(self.dropped.iter().map(String::as_str), false, false)))
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        on.drop(self.dropped.iter().map(String::as_str));
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        let rows = self.dropped.iter().map(|name| vec![Cell::Text(name.clone())]).collect();
        vec![card::Table { caption: String::new(), columns: vec!["dropped column".to_owned()], rows }]
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::ml::transformers::contract_tests::fit_apply;

    #[test]
    fn columns_with_one_value_or_none_are_dropped() {
        let frame = df!(
            "c" => [5.0, 5.0, f64::NAN], "x" => [1.0, 2.0, 2.0], "s" => [Some("a"), None, Some("a")], "t" => ["a", "b", "a"],
            "b" => [true, true, true], "empty" => [None::<i64>, None, None]
        )
        .unwrap();
        assert_eq!(fit_apply(&frame, "drop_constant:").get_column_names(), ["x", "t"]);
    }
}
