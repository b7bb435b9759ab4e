//! `rename`: gives features other names.
//!
//! Roles belong to names, so a column with a role keeps its name, and no feature takes a name that has one.

use std::collections::{BTreeMap, BTreeSet};

use polars::prelude::LazyFrame;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::levels;
use crate::card;
use crate::data::Role;
use crate::error::{Error, Kind, Problem, Result, shorten};
use crate::ml::export::{Lowering, Why};
use crate::ml::selector::require_present;
use crate::ml::{Apply, Fit, Transformer};
use crate::value::Fault;

/// Old name to new name; all at once, so that two columns can change places.
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rename(BTreeMap<String, String>);

impl Transformer for Rename {
    const NAME: &'static str = "rename";
    const DOC: &'static str = "\
Gives features other names.

A map from the old name to the new one. Columns with a role (target, weight, id, …) cannot be renamed.

- `<old name>`: the new name, text

```yaml
- rename: {pickup_datetime: pickup, dropoff_datetime: dropoff}
```
";

    type Fitted = Self;

    fn check(&self) -> Result<(), Vec<Fault>> {
        let mut taken = BTreeSet::new();
        let fault = |(old, new): (&String, &String)| {
            let path = [old.clone()];
            if new.is_empty() {
                return Some(Fault::new(&path, format!("the new name of `{}` is empty", shorten(old))));
            }
            (!taken.insert(new.clone())).then(|| Fault::new(&path, format!("two columns would be called `{}`", shorten(new))))
        };
        let faults: Vec<Fault> = self.0.iter().filter_map(fault).collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn fit(&self, on: Fit<'_>) -> Result<Self> {
        require_present(on.table, &self.0.keys().cloned().collect::<Vec<_>>())?;
        let problem = |(old, new): (&String, &String)| {
            let (role, new_role) = (on.roles.of(old), on.roles.of(new));
            if role != Role::Predictor {
                return Some(Problem::new(format!("`rename` cannot take `{}`: it has the role {}", shorten(old), role.name())));
            }
            if new_role != Role::Predictor {
                return Some(Problem::new(format!("`{}` cannot be called `{}`: that name has the role {}", shorten(old), shorten(new), new_role.name())));
            }
            let is_taken = on.table.has(new) && !self.0.contains_key(new);
            is_taken.then(|| Problem::new(format!("`{}` cannot be called `{}`: there is such a column", shorten(old), shorten(new))))
        };
        Error::all(Kind::Data, self.0.iter().filter_map(problem).collect()).map_or_else(|| Ok(self.clone()), Err)
    }
}

impl Apply for Rename {
    fn apply(&self, mut frame: LazyFrame) -> Result<LazyFrame> {
        levels::require(&*frame.collect_schema()?, self.0.keys().map(String::as_str))?;
        Ok(frame.rename(self.0.keys(), self.0.values(), true))
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        on.rename(&self.0);
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        vec![card::Table {
            caption: "Renamed columns".to_owned(),
            columns: ["column", "new name"].map(str::to_owned).to_vec(),
            rows: self.0.iter().map(|(old, new)| vec![shorten(old).into(), shorten(new).into()]).collect(),
        }]
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use super::*;
    use crate::data::{Roles, Table};

    fn rename(pairs: &[(&str, &str)]) -> Rename {
        Rename(pairs.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect())
    }

    #[test]
    fn names_change_places_at_once() {
        let train = Table::of(df!("a" => [1], "b" => [2], "y" => [3]).unwrap());
        let fitted = rename(&[("a", "b"), ("b", "a")]).fit(Fit { table: &train, roles: &Roles::default().with_target("y"), seed: 0, target: None }).unwrap();
        let out = Table::from_query(fitted.apply(df!("a" => [1], "b" => [2]).unwrap().lazy()).unwrap()).unwrap().collect().unwrap();
        assert!(out.equals(&df!("b" => [1], "a" => [2]).unwrap()));
    }

    #[test]
    fn roles_and_taken_names_are_kept_and_all_faults_told() {
        let train = Table::of(df!("a" => [1], "b" => [2], "c" => [0], "id" => [4], "y" => [3]).unwrap());
        let roles = Roles::new([("id".to_owned(), Role::Id)].into()).with_target("y");
        let on = Fit { table: &train, roles: &roles, seed: 0, target: None };
        assert_eq!(
            rename(&[("y", "z"), ("a", "id"), ("b", "c")]).fit(on).unwrap_err().to_string(),
            "`a` cannot be called `id`: that name has the role id\n`b` cannot be called `c`: there is such a column\n\
             `rename` cannot take `y`: it has the role target"
        );
        assert_eq!(rename(&[("aa", "x"), ("zz", "w")]).fit(on).unwrap_err().problems.len(), 2);
        let faults = rename(&[("a", "x"), ("b", "x"), ("c", "")]).check().unwrap_err();
        assert_eq!(faults.iter().map(ToString::to_string).collect::<Vec<_>>(), ["two columns would be called `x`", "the new name of `c` is empty"]);
    }
}
