//! `check_missing`: no value of a column may be missing.

use polars::prelude::LazyFrame;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checks::{Rule, is_there, pass_on};
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
pub struct CheckMissing {
    columns: Selector,
}

impl Default for CheckMissing {
    fn default() -> Self {
        Self { columns: Selector::all() }
    }
}

/// Fitted: which columns.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FittedCheckMissing(Vec<String>);

impl Transformer for CheckMissing {
    const NAME: &'static str = "check_missing";
    const DOC: &'static str = "Stops where a value is missing (null or NaN), in training and in all later rows.

The error (exit code 4) names each column with rows.

- `columns`: selector, default `all()`

```yaml
- check_missing: {columns: [vendor, pickup_zip]}
```";

    type Fitted = FittedCheckMissing;

    fn fit(&self, on: Fit<'_>) -> Result<FittedCheckMissing> {
        Ok(FittedCheckMissing(levels::encodable(&self.columns, on, Self::NAME)?))
    }
}

impl Apply for FittedCheckMissing {
    fn apply(&self, mut frame: LazyFrame) -> Result<LazyFrame> {
        let schema = frame.collect_schema()?;
        levels::require(&schema, self.0.iter().map(String::as_str))?;
        let rule = |name: &String| Some(Rule { column: name.clone(), broken: is_there(name, schema.get(name)?).not(), what: "missing values".to_owned() });
        let rules: Vec<Rule> = self.0.iter().filter_map(rule).collect();
        pass_on(CheckMissing::NAME, frame, &rules, "fill them with `impute` before it, or correct the data")
    }

    fn required(&self) -> Vec<String> {
        self.0.clone()
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        for name in &self.0 {
            let is_missing = on.is_missing(name)?;
            on.refusals.push(is_missing);
        }
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        vec![listed("Without missing values", &self.0)]
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use crate::ml::transformers::contract_tests::fit;

    #[test]
    fn missing_values_are_named_with_their_rows() {
        let fitted = fit(&df!("x" => [1.0], "s" => ["a"]).unwrap(), "check_missing");
        assert_eq!(fitted.required(), ["x", "s"]);
        let later = df!("x" => [Some(1.0), None, Some(f64::NAN)], "s" => [None::<&str>; 3]).unwrap();
        let error = fitted.apply(later.lazy()).err().unwrap();
        assert_eq!(
            error.to_string(),
            "`check_missing`: column `x` has missing values: no value in row 2, `NaN` in row 3\n\
             `check_missing`: column `s` has missing values: no value in row 1, no value in row 2, no value in row 3"
        );
        assert_eq!(error.kind.exit_code(), 4);
    }
}
