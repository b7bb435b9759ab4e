//! `drop_missing`: columns that are mostly empty leave.

use polars::prelude::LazyFrame;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::levels::{encodable, exactly};
use crate::card::{self, Cell};
use crate::error::{Result, shorten};
use crate::ml::export::{Lowering, Why};
use crate::ml::selector::Selector;
use crate::ml::{Apply, Fit, Transformer, reduce};
use crate::value::Fault;

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DropMissing {
    columns: Selector,
    threshold: f64,
}

impl Default for DropMissing {
    fn default() -> Self {
        Self { columns: Selector::all(), threshold: 0.5 }
    }
}

/// Fitted: the columns that go, with their share of missing values.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedDropMissing {
    dropped: Vec<(String, f64)>,
}

impl Transformer for DropMissing {
    const NAME: &'static str = "drop_missing";
    const ALIASES: &'static [&'static str] = &["filter_missing"];
    const DOC: &'static str = "Drops columns with too many missing values (nulls and NaN) in training.

To leave out rows instead, see `omit_missing`.

- `columns`: selector, default `all()`
- `threshold`: the share of missing values above which a column goes, from 0 to below 1; default 0.5

```yaml
- drop_missing: {threshold: 0.2}
```";

    type Fitted = FittedDropMissing;

    fn check(&self) -> Result<(), Vec<Fault>> {
        if (0.0..1.0).contains(&self.threshold) {
            return Ok(());
        }
        Err(vec![Fault::new(&["threshold".to_owned()], format!("`threshold` is a share from 0 to below 1, got {}", self.threshold))])
    }

    fn fit(&self, on: Fit<'_>) -> Result<FittedDropMissing> {
        let columns = encodable(&self.columns, on, Self::NAME)?;
        let rows = on.table.rows()?.max(1) as f64;
        let missing = reduce::missing(on.table, &columns)?;
        let shares = columns.into_iter().zip(missing).map(|(name, missing)| (name, missing as f64 / rows));
        Ok(FittedDropMissing { dropped: shares.filter(|(_, share)| *share > self.threshold).collect() })
    }
}

impl Apply for FittedDropMissing {
    fn apply(&self, frame: LazyFrame) -> Result<LazyFrame> {
        Ok(frame.drop(exactly(self.dropped.iter().map(|(name, _)| name.as_str()))))
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        on.drop(self.dropped.iter().map(|(name, _)| name.as_str()));
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        let rows = self.dropped.iter().map(|(name, share)| vec![shorten(name).into(), Cell::Share(*share)]).collect();
        vec![card::Table { caption: String::new(), columns: ["dropped column", "missing"].map(str::to_owned).to_vec(), rows }]
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::ml::transformers::contract_tests::fit_apply;

    #[test]
    fn columns_above_the_share_go() {
        let frame = df!("half" => [Some(1.0), Some(f64::NAN)], "all" => [None::<&str>, None], "none" => [1, 2]).unwrap();
        assert_eq!(fit_apply(&frame, "drop_missing").get_column_names(), ["half", "none"]);
        assert_eq!(fit_apply(&frame, "drop_missing: {threshold: 0.4}").get_column_names(), ["none"]);
    }
}
