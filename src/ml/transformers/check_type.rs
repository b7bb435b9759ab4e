//! `check_type`: columns hold what they are said to hold.

use std::collections::BTreeMap;

use polars::prelude::{DataType, LazyFrame};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::levels;
use crate::card;
use crate::data::kind_name;
use crate::error::{Error, Kind, Problem, Result, shorten};
use crate::ml::export::{Lowering, Why};
use crate::ml::selector::Selector;
use crate::ml::{Apply, Fit, Transformer};

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckType {
    columns: Selector,
    #[serde(rename = "type")]
    wanted: Option<Wanted>,
}

/// A type as recipe.yaml names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wanted {
    Integer,
    Float,
    Number,
    Boolean,
    String,
    Date,
    Datetime,
    Time,
}

impl Default for CheckType {
    fn default() -> Self {
        Self { columns: Selector::all(), wanted: None }
    }
}

/// Fitted: the type of each column, by the name that messages use.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FittedCheckType(BTreeMap<String, String>);

impl Transformer for CheckType {
    const NAME: &'static str = "check_type";
    const ALIASES: &'static [&'static str] = &["check_class"];
    const DOC: &'static str = "Stops where a column is of another type than the one given, or than in training.

A column without any value has no type and passes. The error (exit code 4) names every column with both types.

- `columns`: selector, default `all()`
- `type`: `integer`, `float`, `number` (either), `boolean`, `string`, `date`, `datetime` or `time`; default: training's type of each column

```yaml
- check_type: {columns: [trip_distance], type: float}
- check_type: {columns: [vendor, pickup_zip]}
```";

    type Fitted = FittedCheckType;

    fn fit(&self, on: Fit<'_>) -> Result<FittedCheckType> {
        let columns = levels::encodable(&self.columns, on, Self::NAME)?;
        let given = self.wanted.map(|wanted| match wanted {
            Wanted::Integer => "integer",
            Wanted::Float => "float",
            Wanted::Number => "number",
            Wanted::Boolean => "boolean",
            Wanted::String => "string",
            Wanted::Date => "date",
            Wanted::Datetime => "datetime",
            Wanted::Time => "time",
        });
        let kind = |name: &String| given.or_else(|| on.table.schema().get(name).map(kind_name)).unwrap_or_default().to_owned();
        Ok(FittedCheckType(columns.into_iter().map(|name| (name.clone(), kind(&name))).collect()))
    }
}

impl Apply for FittedCheckType {
    fn apply(&self, mut frame: LazyFrame) -> Result<LazyFrame> {
        let schema = frame.collect_schema()?;
        levels::require(&schema, self.0.keys().map(String::as_str))?;
        let problem = |(name, wanted): (&String, &String)| {
            let dtype = schema.get(name)?;
            let found = kind_name(dtype);
            let fits = *dtype == DataType::Null || wanted == "null" || found == wanted || (wanted == "number" && matches!(found, "integer" | "float"));
            let message = || format!("`check_type`: column `{}` is {found}, not {wanted}", shorten(name));
            (!fits).then(|| Problem::new(message()).hint("give its type in the contract at `steps.ingest`, or correct the data"))
        };
        Error::all(Kind::Data, self.0.iter().filter_map(problem).collect()).map_or(Ok(frame), Err)
    }

    fn required(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn lower(&self, _on: &mut Lowering) -> Result<(), Why> {
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        let rows = self.0.iter().map(|(name, kind)| vec![shorten(name).into(), kind.as_str().into()]).collect();
        vec![card::Table { caption: String::new(), columns: ["column", "type"].map(str::to_owned).to_vec(), rows }]
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::ml::transformers::contract_tests::fit;

    #[test]
    fn every_other_type_is_named() {
        let train = df!("x" => [1.0], "n" => [1_i64], "s" => ["a"]).unwrap();
        let later = df!("x" => ["b"], "n" => [1.0], "s" => [None::<&str>]).unwrap();
        let error = |yaml: &str, rows: &DataFrame| fit(&train, yaml).apply(rows.clone().lazy()).err().unwrap().to_string();
        assert_eq!(error("check_type", &later), "`check_type`: column `n` is float, not integer\n`check_type`: column `x` is string, not float");
        assert_eq!(error("check_type: {type: number}", &train), "`check_type`: column `s` is string, not number");
        assert!(fit(&train, "check_type").apply(train.clone().lazy()).is_ok());
    }
}
