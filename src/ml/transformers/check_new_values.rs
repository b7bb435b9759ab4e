//! `check_new_values`: a column holds no value that training did not have.

use std::collections::{BTreeSet, HashMap};

use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checks::{Rule, pass_on};
use super::levels::{self, Kind, Novel};
use crate::card;
use crate::error::{Result, shorten};
use crate::ml::export::{Lowering, Values, Why};
use crate::ml::selector::Selector;
use crate::ml::{Apply, Fit, Transformer};

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckNewValues {
    columns: Selector,
    ignore_missing: bool,
}

impl Default for CheckNewValues {
    fn default() -> Self {
        Self { columns: Selector::nominal(), ignore_missing: true }
    }
}

/// Fitted: the values of each column.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedCheckNewValues {
    columns: Vec<Known>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Known {
    name: String,
    kind: Kind,
    values: BTreeSet<String>,
    /// A missing value passes.
    missing: bool,
}

impl Transformer for CheckNewValues {
    const NAME: &'static str = "check_new_values";
    const DOC: &'static str = "Stops where a later row has a value that training did not have.

The error (exit code 4) names columns, values and rows.

- `columns`: selector, default `nominal()`
- `ignore_missing`: boolean, default `true`: a missing value passes; `false`: only where training has some

```yaml
- check_new_values: {columns: [payment_type, vendor]}
```";

    type Fitted = FittedCheckNewValues;

    fn fit(&self, on: Fit<'_>) -> Result<FittedCheckNewValues> {
        let columns = levels::encodable(&self.columns, on, Self::NAME)?;
        let known = levels::count(on.table, &columns, Self::NAME)?.into_iter().map(|levels| Known {
            name: levels.column,
            kind: levels.kind,
            values: levels.known.into_iter().filter_map(|level| level.value).collect(),
            missing: self.ignore_missing || levels.missing > 0,
        });
        Ok(FittedCheckNewValues { columns: known.collect() })
    }
}

impl Apply for FittedCheckNewValues {
    fn apply(&self, mut frame: LazyFrame) -> Result<LazyFrame> {
        let schema = frame.collect_schema()?;
        levels::require(&schema, self.columns.iter().map(|known| known.name.as_str()))?;
        let rule = |known: &Known| {
            let values: HashMap<String, u32> = known.values.iter().map(|value| (value.clone(), 0)).collect();
            let text = levels::text(&known.name, schema.get(&known.name)?, known.kind);
            let is_new = levels::lookup::<UInt32Type>(text, &known.name, values, Novel::Code(u32::from(!known.missing)), Novel::Code(1)).eq(lit(1_u32));
            Some(Rule { column: known.name.clone(), broken: is_new, what: "values that training did not have".to_owned() })
        };
        let rules: Vec<Rule> = self.columns.iter().filter_map(rule).collect();
        pass_on(CheckNewValues::NAME, frame, &rules, "correct the data, train with such rows, or lump unseen values with `group_rare`")
    }

    fn required(&self) -> Vec<String> {
        self.columns.iter().map(|known| known.name.clone()).collect()
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        for known in &self.columns {
            let keys: Vec<String> = known.values.iter().cloned().collect();
            let of_missing = if known.missing { 0.0 } else { 1.0 };
            let values = Values::Numbers(keys.iter().map(|_| 0.0).chain([1.0, of_missing]).collect());
            let is_new = on.level(&known.name, known.kind, &keys, values)?;
            let is_new = on.program.equals(is_new, 1.0);
            on.refusals.push(is_new);
        }
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        const LISTED: usize = 20;
        let row = |known: &Known| {
            let some: Vec<String> = known.values.iter().take(LISTED).map(|value| shorten(value)).collect();
            let more = if known.values.len() > LISTED { ", …" } else { "" };
            vec![shorten(&known.name).into(), known.values.len().into(), format!("{}{more}", some.join(", ")).into()]
        };
        let columns = ["column", "values", "which"].map(str::to_owned).to_vec();
        vec![card::Table { caption: String::new(), columns, rows: self.columns.iter().map(row).collect() }]
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::ml::transformers::contract_tests::fit;

    #[test]
    fn new_values_are_named_with_their_rows() {
        let train = df!("s" => ["a", "b"], "n" => [1_i64, 2]).unwrap();
        let later = df!("s" => [Some("a"), None, Some("c")], "n" => [2.0, 2.5, 1.0]).unwrap();
        let error = |yaml: &str| fit(&train, yaml).apply(later.clone().lazy()).err().unwrap().to_string();
        assert_eq!(error("check_new_values"), "`check_new_values`: column `s` has values that training did not have: `c` in row 3");
        assert_eq!(
            error("check_new_values: {columns: '*', ignore_missing: false}"),
            "`check_new_values`: column `s` has values that training did not have: no value in row 2, `c` in row 3\n\
             `check_new_values`: column `n` has values that training did not have: `2.5` in row 2"
        );
    }
}
