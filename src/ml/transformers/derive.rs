//! `derive`: new columns, worked out a row at a time.
//!
//! Expressions are SQL and look at one row, so they cannot leak from one row to another; one that names
//! the target is refused here. All expressions of one `derive` see the columns that were there before it.
//! Nothing is learned. Not here: aggregates and windows, which the expression's parser refuses.

use std::collections::BTreeMap;

use polars::prelude::LazyFrame;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::levels;
use crate::card;
use crate::data::{Role, RowExpression, Table, Wanted, kind_name};
use crate::error::{Error, Kind, Problem, Result, shorten};
use crate::ml::export::{Lowering, Why, derived};
use crate::ml::{Apply, Fit, Transformer};
use crate::value::Fault;

/// New column to its expression.
#[derive(Clone, JsonSchema, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Derive(BTreeMap<String, RowExpression>);

/// The expressions and the types they gave in training.
#[derive(Serialize, Deserialize)]
pub struct FittedDerive(BTreeMap<String, Derived>);

#[derive(Serialize, Deserialize)]
struct Derived {
    expression: RowExpression,
    kind: String,
}

impl Transformer for Derive {
    const NAME: &'static str = "derive";
    const ALIASES: &'static [&'static str] = &["mutate", "FunctionTransformer"];
    const DOC: &'static str = "\
Adds columns that are worked out from the others, a row at a time.

A map from the new column's name to an SQL expression. A name that is there already is replaced, unless the column has a
role. Expressions see the columns before this `derive`, not each other; a second `derive` sees the first one's.
Aggregates, windows and the target are refused, because they would leak.

- `<new column>`: an SQL expression; names with blanks or signs stand in double quotes, texts in single ones

```yaml
- derive:
    trip_minutes: (EXTRACT(EPOCH FROM dropoff_datetime) - EXTRACT(EPOCH FROM pickup_datetime)) / 60
    is_airport: CASE WHEN dropoff_zip = '11371' THEN 1 ELSE 0 END
```
";

    type Fitted = FittedDerive;

    fn check(&self) -> Result<(), Vec<Fault>> {
        if self.0.contains_key("") { Err(vec![Fault::new(&[String::new()], "the name of a new column is empty")]) } else { Ok(()) }
    }

    fn fit(&self, on: Fit<'_>) -> Result<FittedDerive> {
        let refused: Vec<Problem> = self.0.iter().flat_map(|(name, expression)| self.refused(name, expression, on)).collect();
        if let Some(error) = Error::all(Kind::Config, refused) {
            return Err(error);
        }
        let schema = on.table.schema();
        let wrong: Vec<Error> = self.0.values().filter_map(|expression| expression.check_against(schema, Wanted::Anything).err()).collect();
        if let Some(kind) = wrong.first().map(|error| error.kind) {
            return Err(Error { kind, problems: wrong.into_iter().flat_map(|error| error.problems).collect() });
        }
        let made = Table::from_query(with(on.table.lazy(), self.0.iter()))?;
        let derived = |(name, expression): (&String, &RowExpression)| {
            (name.clone(), Derived { expression: expression.clone(), kind: made.schema().get(name).map(kind_name).unwrap_or_default().to_owned() })
        };
        Ok(FittedDerive(self.0.iter().map(derived).collect()))
    }
}

impl Derive {
    /// What roles and the other expressions forbid.
    fn refused(&self, name: &str, expression: &RowExpression, on: Fit<'_>) -> Vec<Problem> {
        let mut problems = Vec::new();
        let role = on.roles.of(name);
        if role != Role::Predictor {
            let problem = Problem::new(format!("`derive` cannot replace `{}`: it has the role {}", shorten(name), role.name()));
            problems.push(problem.hint("give the new column another name"));
        }
        for read in expression.columns() {
            match on.roles.of(&read) {
                Role::Target => {
                    let problem = Problem::new(format!("`{}` is derived from the target `{}`, which is not known when scoring", shorten(name), shorten(&read)));
                    problems.push(problem.hint("leave the target out of the expression; `target:` beside the steps transforms the target itself"));
                }
                Role::PostEvent => {
                    let problem = Problem::new(format!("`{}` is derived from `{}`, which is known only after the event", shorten(name), shorten(&read)));
                    problems.push(problem.hint("leave it out of the expression, or change its role"));
                }
                _ if !on.table.has(&read) && self.0.contains_key(&read) => {
                    let problem = Problem::new(format!("`{}` is derived from `{}`, which the same `derive` makes", shorten(name), shorten(&read)));
                    problems.push(problem.hint("put it into a second `derive` behind this one"));
                }
                _ => {}
            }
        }
        problems
    }
}

/// The frame with new columns.
fn with<'a>(frame: LazyFrame, columns: impl Iterator<Item = (&'a String, &'a RowExpression)>) -> LazyFrame {
    frame.with_columns(columns.map(|(name, expression)| expression.expr().alias(name.as_str())).collect::<Vec<_>>())
}

impl Apply for FittedDerive {
    fn apply(&self, mut frame: LazyFrame) -> Result<LazyFrame> {
        let read: Vec<String> = self.0.values().flat_map(|derived| derived.expression.columns()).collect();
        levels::require(&*frame.collect_schema()?, read.iter().map(String::as_str))?;
        Ok(with(frame, self.0.iter().map(|(name, derived)| (name, &derived.expression))))
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        let mut made = Vec::with_capacity(self.0.len());
        for (name, derived) in &self.0 {
            let value = derived::lower(&derived.expression.expr(), on);
            made.push((name, value.map_err(|why| why.behind(&format!("makes `{}` by an expression that", shorten(name))))?));
        }
        for (name, value) in made {
            on.set(name, value);
        }
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        let row = |(name, derived): (&String, &Derived)| {
            vec![shorten(name).into(), derived.expression.text().split_whitespace().collect::<Vec<_>>().join(" ").into(), derived.kind.as_str().into()]
        };
        vec![card::Table {
            caption: "Derived columns".to_owned(),
            columns: ["column", "expression", "type"].map(str::to_owned).to_vec(),
            rows: self.0.iter().map(row).collect(),
        }]
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use super::*;
    use crate::ml::transformers::contract_tests::{fit, fit_apply, fit_error, refused};

    fn sample() -> DataFrame {
        df!("a" => [1_i64, 2], "b c" => [Some(0.5), None], "fare_amount" => [1.0, 2.0]).unwrap()
    }

    #[test]
    fn expressions_see_the_columns_before_and_not_each_other() {
        let out = fit_apply(&sample(), "derive: {a: a * 10, twice: a * 2, sum: 'a + \"b c\"', one: '1'}");
        assert!(out.equals_missing(
            &df!("a" => [10_i64, 20], "b c" => [Some(0.5), None], "fare_amount" => [1.0, 2.0], "one" => out.column("one").unwrap().as_materialized_series().clone(),
                "sum" => [Some(1.5), None], "twice" => [2_i64, 4])
            .unwrap()
        ));
        assert_eq!(fit_error(&sample(), "derive: {x: a + 1, z: x + 1}").to_string(), "`z` is derived from `x`, which the same `derive` makes");
    }

    #[test]
    fn the_target_is_a_leak_and_aggregates_are_refused_when_read() {
        let error = fit_error(&sample(), "mutate: {x: fare_amount / a, fare_amount: a}");
        assert_eq!(
            error.to_string(),
            "`derive` cannot replace `fare_amount`: it has the role target\n`x` is derived from the target `fare_amount`, which is not known when scoring"
        );
        assert_eq!(error.kind.exit_code(), 3);
        for leak in ["AVG(a)", "SUM(a) OVER (PARTITION BY a)", "ROW_NUMBER() OVER (ORDER BY a)"] {
            assert_eq!(refused(&format!("derive: {{x: '{leak}'}}")).len(), 1, "{leak}");
        }
    }

    #[test]
    fn all_unknown_columns_are_named_at_fitting_and_at_scoring() {
        let error = fit_error(&sample(), "derive: {x: aa + 1, y: zz + 1}");
        let text = error.to_string();
        assert!(text.contains("`aa`") && text.contains("`zz`") && error.kind.exit_code() == 4, "{text}");
        let fitted = fit(&sample(), "derive: {x: a + \"b c\"}");
        let error = fitted.apply(df!("q" => [1]).unwrap().lazy()).err().unwrap();
        assert_eq!(error.to_string(), "columns are missing: `a`, `b c`");
    }

    #[test]
    fn the_result_types_are_told() {
        let table = fit(&sample(), "derive: {x: a > 1, y: CAST(a AS VARCHAR)}").learned().remove(0);
        assert_eq!(table.rows, [["x", "a > 1", "boolean"], ["y", "CAST(a AS VARCHAR)", "string"]].map(|row| row.map(card::Cell::from).to_vec()));
    }
}
