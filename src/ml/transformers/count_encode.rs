//! `count_encode`: a level becomes how often training has it.
//!
//! One number for a column of any number of levels, learned without the target, so that it cannot leak.
//! Two levels that are equally frequent become the same number; `target_encode` tells them apart.

use std::collections::{BTreeMap, HashMap};

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::levels::{self, Kind, Levels, Novel};
use crate::card;
use crate::error::{Result, shorten};
use crate::ml::export::{Lowering, Values, Why};
use crate::ml::{Apply, Fit, Selector, Transformer};

/// Levels of one column that the card lists.
const LISTED: usize = 100;

/// Replaces levels by their counts or shares.
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CountEncode {
    pub columns: Selector,
    pub normalize: bool,
}

impl Default for CountEncode {
    fn default() -> Self {
        Self { columns: Selector::nominal(), normalize: false }
    }
}

/// The number of each level.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedCountEncode {
    columns: Vec<Counted>,
    normalize: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Counted {
    name: String,
    kind: Kind,
    counts: BTreeMap<String, u64>,
    missing: u64,
    rows: u64,
}

impl Transformer for CountEncode {
    const NAME: &'static str = "count_encode";
    const ALIASES: &'static [&'static str] = &["CountEncoder"];
    const DOC: &'static str = "\
Replaces each level of a column by the number of training rows that have it.

Missing values count as a level; a value that training did not have becomes 0. The result is a float.

- `columns`: selector, default `nominal()`
- `normalize`: boolean, default false; true gives shares of the training rows

```yaml
- count_encode: {columns: [pickup_zip, dropoff_zip], normalize: true}
```
";

    type Fitted = FittedCountEncode;

    fn fit(&self, on: Fit<'_>) -> Result<FittedCountEncode> {
        let columns = levels::encodable(&self.columns, on, Self::NAME)?;
        Ok(self.encode(levels::count(on.table, &columns, Self::NAME)?))
    }
}

impl CountEncode {
    /// Encodes columns whose levels are counted.
    pub(super) fn encode(&self, counted: Vec<Levels>) -> FittedCountEncode {
        let columns = counted.into_iter().map(|levels| Counted {
            name: levels.column,
            kind: levels.kind,
            counts: levels.known.into_iter().filter_map(|level| Some((level.value?, level.rows))).collect(),
            missing: levels.missing,
            rows: levels.rows,
        });
        FittedCountEncode { columns: columns.collect(), normalize: self.normalize }
    }
}

impl Apply for FittedCountEncode {
    fn apply(&self, mut frame: LazyFrame) -> Result<LazyFrame> {
        if self.columns.is_empty() {
            return Ok(frame);
        }
        let schema = frame.collect_schema()?;
        levels::require(&schema, self.columns.iter().map(|column| column.name.as_str()))?;
        let encode = |column: &Counted| {
            let number = |count: u64| if self.normalize { count as f64 / column.rows.max(1) as f64 } else { count as f64 };
            let dtype = schema.get(&column.name).cloned().unwrap_or(DataType::Null);
            let known: HashMap<String, f64> = column.counts.iter().map(|(level, count)| (level.clone(), number(*count))).collect();
            let text = levels::text(&column.name, &dtype, column.kind);
            levels::lookup::<Float64Type>(text, &column.name, known, Novel::Code(number(column.missing)), Novel::Code(0.0))
        };
        Ok(frame.with_columns(self.columns.iter().map(encode).collect::<Vec<_>>()))
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        for column in &self.columns {
            let number = |count: u64| if self.normalize { count as f64 / column.rows.max(1) as f64 } else { count as f64 };
            let keys: Vec<String> = column.counts.keys().cloned().collect();
            let values = column.counts.values().map(|count| number(*count)).chain([0.0, number(column.missing)]).collect();
            let count = on.level(&column.name, column.kind, &keys, Values::Numbers(values))?;
            on.set_number(&column.name, count);
        }
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        let table = |column: &Counted| {
            let mut order: Vec<(&String, &u64)> = column.counts.iter().collect();
            order.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            let share = |count: u64| card::Cell::Share(count as f64 / column.rows.max(1) as f64);
            let missing = (column.missing > 0).then(|| vec![card::Cell::Missing, column.missing.into(), share(column.missing)]);
            let known = order.into_iter().take(LISTED).map(|(level, count)| vec![shorten(level).into(), (*count).into(), share(*count)]);
            let more = if column.counts.len() > LISTED { format!(", the {LISTED} most frequent shown") } else { String::new() };
            card::Table {
                caption: format!("`{}`: {} levels{more}", shorten(&column.name), column.counts.len()),
                columns: ["level", "training rows", "share"].map(str::to_owned).to_vec(),
                rows: missing.into_iter().chain(known).collect(),
            }
        };
        self.columns.iter().map(table).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::transformers::contract_tests::fit;

    #[test]
    fn levels_become_counts_or_shares_and_unseen_ones_nothing() {
        let train = df!("c" => [Some("a"), Some("b"), Some("a"), None]).unwrap();
        let probe = df!("c" => [Some("a"), Some("b"), None, Some("zz")]).unwrap();
        let numbers = |yaml: &str| {
            let out = fit(&train, yaml).apply(probe.clone().lazy()).unwrap().collect().unwrap();
            out.column("c").unwrap().f64().unwrap().iter().flatten().collect::<Vec<_>>()
        };
        assert_eq!(numbers("count_encode: {}"), [2.0, 1.0, 1.0, 0.0]);
        assert_eq!(numbers("count_encode: {normalize: true}"), [0.5, 0.25, 0.25, 0.0]);
    }
}
