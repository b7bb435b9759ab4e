//! `drop`: lets columns go.

use polars::prelude::LazyFrame;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::levels::exactly;
use crate::card;
use crate::data::Role;
use crate::error::{Error, Result, shorten};
use crate::ml::export::{Lowering, Why};
use crate::ml::{Apply, Fit, Selector, Transformer};

/// Drops these columns.
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DropColumns {
    pub columns: Selector,
}

/// The columns that go; those that are absent are passed over.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FittedDrop(Vec<String>);

impl Transformer for DropColumns {
    const NAME: &'static str = "drop";
    const ALIASES: &'static [&'static str] = &["rm"];
    const DOC: &'static str = "\
Drops columns.

The target and the weight cannot be dropped. Scoring does not need the dropped columns.

- `columns`: selector, required

```yaml
- drop: {columns: [vendor, ends_with(_zip)]}
```
";

    type Fitted = FittedDrop;

    fn fit(&self, on: Fit<'_>) -> Result<FittedDrop> {
        let names = self.columns.resolve(on)?;
        let needed = |name: &&String| matches!(on.roles.of(name), Role::Target | Role::Weight);
        let refused: Vec<String> = names.iter().filter(needed).map(|name| format!("`{}` ({})", shorten(name), on.roles.of(name).name())).collect();
        if refused.is_empty() {
            return Ok(FittedDrop(names));
        }
        Err(Error::data(format!("`drop` cannot take {}", refused.join(", "))).hint("training needs it; leave it out of `columns`"))
    }
}

impl FittedDrop {
    pub(super) fn new(names: Vec<String>) -> Self {
        Self(names)
    }

    pub(super) fn names(&self) -> &[String] {
        &self.0
    }
}

impl Apply for FittedDrop {
    fn apply(&self, frame: LazyFrame) -> Result<LazyFrame> {
        if self.0.is_empty() {
            return Ok(frame);
        }
        Ok(frame.drop(exactly(self.0.iter().map(String::as_str))))
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        on.drop(self.0.iter().map(String::as_str));
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        vec![listed("Dropped columns", &self.0)]
    }
}

/// A table of column names.
pub(super) fn listed(caption: &str, names: &[String]) -> card::Table {
    card::Table { caption: caption.to_owned(), columns: vec!["column".to_owned()], rows: names.iter().map(|name| vec![shorten(name).into()]).collect() }
}

#[cfg(test)]
mod tests {
    use polars::prelude::{IntoLazy, df};

    use super::*;
    use crate::data::{Roles, Table};

    #[test]
    fn columns_go_and_scoring_does_not_need_them() {
        let train = Table::of(df!("a" => [1], "^a$" => [1], "b" => ["x"], "y" => [1]).unwrap());
        let roles = Roles::default().with_target("y");
        let on = Fit { table: &train, roles: &roles, seed: 0, target: None };
        let fitted = DropColumns { columns: Selector::names(["^a$", "b"]) }.fit(on).unwrap();
        assert_eq!(Table::from_query(fitted.apply(train.lazy()).unwrap()).unwrap().names().collect::<Vec<_>>(), ["a", "y"]);
        let scoring = df!("a" => [1]).unwrap();
        assert_eq!(Table::from_query(fitted.apply(scoring.lazy()).unwrap()).unwrap().names().collect::<Vec<_>>(), ["a"]);
        let error = DropColumns { columns: Selector::names(["y"]) }.fit(on).unwrap_err();
        assert_eq!(error.to_string(), "`drop` cannot take `y` (target)");
    }
}
