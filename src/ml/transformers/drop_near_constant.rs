//! `drop_near_constant`: columns that hardly vary leave.
//!
//! The rule is that of caret's and tidymodels' `nzv`: the most frequent value is far ahead of the second one, and there are few
//! distinct values for so many rows.

use polars::prelude::LazyFrame;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::levels::{Kind, encodable, exactly};
use crate::card::{self, Cell};
use crate::error::{Result, shorten};
use crate::ml::export::{Lowering, Why};
use crate::ml::selector::Selector;
use crate::ml::{Apply, Fit, Transformer, reduce};
use crate::value::Fault;

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DropNearConstant {
    columns: Selector,
    freq_cut: f64,
    unique_cut: f64,
}

impl Default for DropNearConstant {
    fn default() -> Self {
        Self { columns: Selector::all(), freq_cut: 19.0, unique_cut: 0.1 }
    }
}

/// Fitted: the columns that go, and why.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedDropNearConstant {
    dropped: Vec<Dropped>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Dropped {
    name: String,
    distinct: u64,
    /// Rows with the most frequent value and with the second one.
    most: [u64; 2],
}

impl Transformer for DropNearConstant {
    const NAME: &'static str = "drop_near_constant";
    const ALIASES: &'static [&'static str] = &["nzv"];
    const DOC: &'static str = "Drops columns that are constant, or nearly so, in training.

As tidymodels' `nzv`: a column goes where its most frequent value is more than `freq_cut` times as frequent as the second one,
and its distinct values are at most the share `unique_cut` of the rows; and where it has one value or none. Missing
values do not count as a value.

- `columns`: selector, default `all()`
- `freq_cut`: a number from 1, default 19 (95 rows to 5)
- `unique_cut`: a share between 0 and 1, default 0.1

```yaml
- drop_near_constant: {freq_cut: 20, unique_cut: 0.3}
```";

    type Fitted = FittedDropNearConstant;

    fn check(&self) -> Result<(), Vec<Fault>> {
        let mut faults = Vec::new();
        if !(self.freq_cut >= 1.0 && self.freq_cut.is_finite()) {
            faults.push(Fault::new(&["freq_cut".to_owned()], format!("`freq_cut` is a number from 1, got {}", self.freq_cut)));
        }
        if !(0.0..=1.0).contains(&self.unique_cut) {
            faults.push(Fault::new(&["unique_cut".to_owned()], format!("`unique_cut` is a share between 0 and 1, got {}", self.unique_cut)));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn fit(&self, on: Fit<'_>) -> Result<FittedDropNearConstant> {
        let mut columns = encodable(&self.columns, on, Self::NAME)?;
        columns.retain(|name| on.table.schema().get(name).is_some_and(|dtype| Kind::of(dtype).is_some()));
        let most = (self.unique_cut * on.table.rows()? as f64).floor();
        // A column with more distinct values than these is not near constant; one value is constant among any number of rows.
        let counted = reduce::categories_within(on.table, &columns, (most as usize).max(1))?;
        let mut dropped = Vec::new();
        for (name, counted) in columns.into_iter().zip(counted) {
            let Some(counted) = counted else { continue };
            let mut rows: Vec<u64> = counted.counts.into_values().collect();
            rows.sort_unstable_by(|a, b| b.cmp(a));
            let [first, second] = [0, 1].map(|i| rows.get(i).copied().unwrap_or(0));
            if second == 0 || first as f64 > self.freq_cut * second as f64 {
                dropped.push(Dropped { name, distinct: rows.len() as u64, most: [first, second] });
            }
        }
        Ok(FittedDropNearConstant { dropped })
    }
}

impl Apply for FittedDropNearConstant {
    fn apply(&self, frame: LazyFrame) -> Result<LazyFrame> {
        Ok(frame.drop(exactly(self.dropped.iter().map(|dropped| dropped.name.as_str()))))
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        on.drop(self.dropped.iter().map(|dropped| dropped.name.as_str()));
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        let row = |d: &Dropped| [shorten(&d.name).into(), d.distinct.into()].into_iter().chain(d.most.map(Cell::from)).collect();
        let columns = ["dropped column", "distinct values", "rows with the most frequent", "with the second"].map(str::to_owned).to_vec();
        vec![card::Table { caption: String::new(), columns, rows: self.dropped.iter().map(row).collect() }]
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::ml::transformers::contract_tests::{fit_apply, refused};

    /// By hand: `c` has one value, `near` is 97 rows to 2, `x` is 95 to 5, which is not above 19.
    #[test]
    fn columns_that_hardly_vary_go() {
        let rows = 0..100;
        let near = |i: &i32| {
            if *i < 97 {
                "a"
            } else if *i < 99 {
                "b"
            } else {
                "c"
            }
        };
        let frame = df!(
            "c" => vec![1; 100], "near" => rows.clone().map(|i| near(&i)).collect::<Vec<_>>(), "x" => rows.clone().map(|i| i32::from(i < 95)).collect::<Vec<_>>(),
            "all" => rows.clone().map(f64::from).collect::<Vec<_>>(), "holes" => rows.map(|i| (i % 50 == 0).then_some(i)).collect::<Vec<_>>()
        )
        .unwrap();
        assert_eq!(fit_apply(&frame, "nzv").get_column_names(), ["x", "all", "holes"]);
        assert_eq!(fit_apply(&frame, "nzv: {freq_cut: 18}").get_column_names(), ["all", "holes"]);
        assert_eq!(refused("nzv: {freq_cut: 0.5, unique_cut: 2}").len(), 2);
    }
}
