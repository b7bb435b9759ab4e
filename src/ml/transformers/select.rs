//! `select`: keeps some features and lets the others go.
//!
//! Only features go; target, weight, id and the other roles stay, so that nothing a later step needs is
//! lost. What is remembered is what went, so that scoring needs neither it nor the target.

use polars::prelude::LazyFrame;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::drop::FittedDrop;
use crate::card;
use crate::error::{Error, Result};
use crate::ml::export::{Lowering, Why};
use crate::ml::{Apply, Fit, Selector, Transformer};

/// Keeps these features.
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Select {
    pub columns: Selector,
}

/// The columns that went.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedSelect {
    kept: Vec<String>,
    dropped: FittedDrop,
}

impl Transformer for Select {
    const NAME: &'static str = "select";
    const DOC: &'static str = "\
Keeps the features that are named and drops all others.

The order of columns stays. Columns that are no features (target, weight, id, …) always stay.

- `columns`: selector, required

```yaml
- select: {columns: [trip_distance, starts_with(pickup)]}
```
";

    type Fitted = FittedSelect;

    fn fit(&self, on: Fit<'_>) -> Result<FittedSelect> {
        let kept = self.columns.resolve(on)?;
        let (kept, dropped): (Vec<String>, Vec<String>) =
            on.table.names().filter(|name| on.roles.is_feature(name)).map(str::to_owned).partition(|name| kept.contains(name));
        if kept.is_empty() {
            return Err(Error::data("`select` would leave no feature").hint("name some columns, or leave `select` out"));
        }
        Ok(FittedSelect { kept, dropped: FittedDrop::new(dropped) })
    }
}

impl Apply for FittedSelect {
    fn apply(&self, frame: LazyFrame) -> Result<LazyFrame> {
        self.dropped.apply(frame)
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        self.dropped.lower(on)
    }

    fn learned(&self) -> Vec<card::Table> {
        vec![super::drop::listed("Kept features", &self.kept), super::drop::listed("Dropped features", self.dropped.names())]
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::{by_name, df};

    use super::*;
    use crate::data::{Role, Roles, Table};

    fn names(columns: &[&str]) -> Result<Vec<String>> {
        let train = Table::of(df!("id" => [1], "a" => [1], "^b$" => [1], "b" => [1], "*" => [1], "y" => [1]).unwrap());
        let roles = Roles::new([("id".to_owned(), Role::Id)].into()).with_target("y");
        let fitted = Select { columns: Selector::parse(columns).unwrap() }.fit(Fit { table: &train, roles: &roles, seed: 0, target: None })?;
        let scoring = train.lazy().drop(by_name(["y", "b"], true, false));
        Ok(Table::from_query(fitted.apply(scoring)?)?.names().map(str::to_owned).collect())
    }

    #[test]
    fn other_features_go_and_scoring_needs_neither_them_nor_the_target() {
        assert_eq!(names(&["a"]).unwrap(), ["id", "a"]);
        assert_eq!(names(&["`*`", "a"]).unwrap(), ["id", "a", "*"]);
        assert_eq!(names(&["except(a)"]).unwrap(), ["id", "^b$", "*"]);
    }

    #[test]
    fn selecting_nothing_is_refused() {
        assert_eq!(names(&["y"]).unwrap_err().to_string(), "`select` would leave no feature");
        assert_eq!(names(&["aa", "zz"]).unwrap_err().problems.len(), 2);
    }
}
