//! `drop_correlated`: of columns that say nearly the same, the one that tells most about the target stays.
//!
//! Columns are gone through from the one most associated with the target to the least; one stays where it is correlated with none
//! that stays already. tidymodels' `corr` looks at the columns only and drops those that are most correlated on average.

use polars::prelude::LazyFrame;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::levels::{encodable, exactly};
use super::scaling::require_finite;
use crate::card::{self, Cell};
use crate::error::{Error, Result, shorten};
use crate::ml::export::{Lowering, Why};
use crate::ml::reduce::{self, Pairs};
use crate::ml::selector::{ColumnKind, Selector, require};
use crate::ml::{Apply, Fit, TargetKind, Transformer};
use crate::value::Fault;

/// More columns than this are refused: every pair is looked at.
const MOST_COLUMNS: usize = 2_000;

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DropCorrelated {
    columns: Selector,
    threshold: f64,
}

impl Default for DropCorrelated {
    fn default() -> Self {
        Self { columns: Selector::numeric(), threshold: 0.9 }
    }
}

/// Fitted: the columns that go, and why.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedDropCorrelated {
    dropped: Vec<Dropped>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Dropped {
    name: String,
    kept: String,
    correlation: f64,
    /// With the target: of the dropped column, and of the kept one.
    associations: [f64; 2],
}

impl Transformer for DropCorrelated {
    const NAME: &'static str = "drop_correlated";
    const ALIASES: &'static [&'static str] = &["corr"];
    const DOC: &'static str = "Drops numeric columns that are strongly correlated with one that is kept.

Of two columns the one with the larger association with the target stays: the absolute correlation with a number, or the
correlation ratio (0 to 1) for classes; of equal ones the first. Correlations are Pearson's, over the training rows that have
both values. Constant columns stay: see `drop_constant`.

- `columns`: selector, default `numeric()`
- `threshold`: absolute correlation above which a column goes, between 0 and 1; default 0.9

```yaml
- drop_correlated: {columns: [trip_distance, passenger_count], threshold: 0.95}
```";

    type Fitted = FittedDropCorrelated;

    fn check(&self) -> Result<(), Vec<Fault>> {
        if self.threshold > 0.0 && self.threshold < 1.0 {
            return Ok(());
        }
        Err(vec![Fault::new(&["threshold".to_owned()], format!("`threshold` is a correlation between 0 and 1, got {}", self.threshold))])
    }

    fn fit(&self, on: Fit<'_>) -> Result<FittedDropCorrelated> {
        let columns = encodable(&self.columns, on, Self::NAME)?;
        require(Self::NAME, on.table, &columns, ColumnKind::NUMBERS)?;
        if columns.len() > MOST_COLUMNS {
            return Err(Error::data(format!("`drop_correlated` compares at most {MOST_COLUMNS} columns, not {}", columns.len())).hint("name fewer columns"));
        }
        let moments = reduce::moments(on.table, &columns)?;
        require_finite(Self::NAME, &columns, &moments)?;
        let (pairs, associations) = look(&columns, on)?;
        let mut order: Vec<usize> = (0..columns.len()).collect();
        let association = |i: usize| associations.get(i).copied().unwrap_or(0.0);
        order.sort_by(|a, b| association(*b).total_cmp(&association(*a)));
        let mut kept: Vec<usize> = Vec::new();
        let mut dropped = Vec::new();
        for i in order {
            let correlated = |j: &&usize| pairs.correlation(i, **j).abs() > self.threshold;
            match (kept.iter().find(correlated), columns.get(i)) {
                (Some(&j), Some(name)) => {
                    let kept = columns.get(j).cloned().unwrap_or_default();
                    dropped
                        .push((i, Dropped { name: name.clone(), kept, correlation: pairs.correlation(i, j), associations: [association(i), association(j)] }));
                }
                _ => kept.push(i),
            }
        }
        dropped.sort_by_key(|(i, _)| *i);
        Ok(FittedDropCorrelated { dropped: dropped.into_iter().map(|(_, dropped)| dropped).collect() })
    }
}

/// The pairs of columns, and each one's association with the target: 0 where it has none.
fn look(columns: &[String], on: Fit<'_>) -> Result<(Pairs, Vec<f64>)> {
    let there = |association: f64| if association.is_nan() { 0.0 } else { association.abs() };
    let Ok((target, kind)) = on.target(DropCorrelated::NAME) else { return Ok((reduce::pairs(on.table, columns)?, vec![0.0; columns.len()])) };
    if kind == TargetKind::Number {
        let with_target: Vec<String> = columns.iter().cloned().chain([target.to_owned()]).collect();
        let pairs = reduce::pairs(on.table, &with_target)?;
        let associations = (0..columns.len()).map(|i| there(pairs.correlation(i, columns.len()))).collect();
        return Ok((pairs, associations));
    }
    let classes = reduce::group_moments(on.table, target, columns)?;
    let overall = reduce::moments(on.table, columns)?;
    let ratio = |(i, overall): (usize, &reduce::Moments)| {
        let between = |classes: &Vec<reduce::Moments>| classes.get(i).filter(|m| m.count > 0).map_or(0.0, |m| m.count as f64 * (m.mean - overall.mean).powi(2));
        there((classes.values().map(between).sum::<f64>() / (overall.count as f64 * overall.variance)).sqrt())
    };
    Ok((reduce::pairs(on.table, columns)?, overall.iter().enumerate().map(ratio).collect()))
}

impl Apply for FittedDropCorrelated {
    fn apply(&self, frame: LazyFrame) -> Result<LazyFrame> {
        Ok(frame.drop(exactly(self.dropped.iter().map(|dropped| dropped.name.as_str()))))
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        on.drop(self.dropped.iter().map(|dropped| dropped.name.as_str()));
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        let row = |d: &Dropped| {
            let [own, kept] = d.associations;
            vec![shorten(&d.name).into(), shorten(&d.kept).into(), Cell::Number(d.correlation), Cell::Number(own), Cell::Number(kept)]
        };
        let columns = ["dropped column", "kept instead", "correlation", "association with the target", "of the kept one"].map(str::to_owned).to_vec();
        vec![card::Table { caption: String::new(), columns, rows: self.dropped.iter().map(row).collect() }]
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::*;

    use super::*;
    use crate::ml::transformers::contract_tests::{fit, fit_apply};

    #[test]
    fn the_column_that_tells_most_about_the_target_stays() {
        let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let noisy = [1.0, 2.5, 2.5, 4.5, 4.5, 6.5];
        let frame = df!(
            "noisy" => noisy, "x" => x, "negative" => x.map(|v| -v), "other" => [1.0, -1.0, -1.0, 1.0, 1.0, -1.0], "c" => [1.0; 6], "fare_amount" => x
        )
        .unwrap();
        let out = fit_apply(&frame, "drop_correlated");
        assert_eq!(out.get_column_names(), ["x", "other", "c", "fare_amount"]);
        let table = fit(&frame, "drop_correlated").learned().remove(0);
        // numpy.corrcoef(noisy, x)[0, 1]
        assert!(
            matches!(&table.rows[0][..3], [Cell::Text(name), Cell::Text(kept), Cell::Number(r)]
            if name == "noisy" && kept == "x" && (r - 0.968_131_812_664_744_4).abs() < 1e-9),
            "{table:?}"
        );
        let classes = frame.lazy().with_columns([col("fare_amount").gt(lit(3.0)).cast(DataType::String)]).collect().unwrap();
        // The correlation ratio is 0.885 for `noisy` and 0.878 for `x`.
        assert_eq!(fit_apply(&classes, "drop_correlated: {threshold: 0.9}").get_column_names(), ["noisy", "other", "c", "fare_amount"]);
    }

    #[test]
    fn correlations_are_over_the_rows_that_have_both() {
        let frame = df!("a" => [Some(1.0), Some(2.0), None, Some(4.0), Some(9.0)], "b" => [Some(2.0), Some(1.0), Some(7.0), Some(5.0), None]).unwrap();
        let pairs = reduce::pairs(&crate::data::Table::of(frame), &["a".to_owned(), "b".to_owned()]).unwrap();
        // pandas: DataFrame.corr() and .cov() of the three whole rows
        assert!((pairs.correlation(0, 1) - 0.838_627_869_377_534_6).abs() < 1e-12, "{}", pairs.correlation(0, 1));
        assert!((pairs.covariance(1, 0) - 2.666_666_666_666_666_5).abs() < 1e-12, "{}", pairs.covariance(1, 0));
    }
}
