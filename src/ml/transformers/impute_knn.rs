//! `impute_knn`: a missing number becomes the mean of the nearest training rows that have one.
//!
//! Definitions are scikit-learn 1.9's `KNNImputer`: the distance of two rows is Euclidean over the columns that both have, scaled up
//! for those that they have not (Dixon 1979). Not here: texts, and an index (every row that misses something is held against all
//! donors).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use polars::prelude::*;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::levels;
use super::rows::generator;
use super::scaling::require_finite;
use crate::card;
use crate::data::Table;
use crate::error::{Result, shorten};
use crate::ml::Matrix;
use crate::ml::matrix::numbers;
use crate::ml::selector::{ColumnKind, Selector, column, require};
use crate::ml::{Apply, Fit, Transformer, reduce};
use crate::value::Fault;
use rand_chacha::rand_core::RngCore;

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImputeKnn {
    columns: Selector,
    n_neighbors: usize,
    weights: Weights,
    max_donors: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Weights {
    Uniform,
    Distance,
}

impl Default for ImputeKnn {
    fn default() -> Self {
        Self { columns: Selector::numeric(), n_neighbors: 5, weights: Weights::Uniform, max_donors: 2000 }
    }
}

/// Fitted: training rows to copy from.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedImputeKnn {
    n_neighbors: usize,
    weights: Weights,
    columns: Vec<Donated>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Donated {
    name: String,
    /// None where training has no value.
    mean: Option<f64>,
    missing: u64,
    /// One value a donor, in training's order.
    donors: Vec<Option<f64>>,
}

impl Transformer for ImputeKnn {
    const NAME: &'static str = "impute_knn";
    const ALIASES: &'static [&'static str] = &["knnimpute", "KNNImputer"];
    const DOC: &'static str = "Fills missing numbers with the mean of the nearest training rows that have one.

As scikit-learn's `KNNImputer`. Near is by the columns named here that both rows have, in their own units: put `standard_scale`
before it. Where a row has none of them, the training mean fills in. Columns become floats; one without any training value stays.

- `columns`: selector, default `numeric()`
- `n_neighbors`: how many rows the mean is of, from 1 to 1,000, default 5
- `weights`: `uniform` (default) or `distance`: nearer rows count more
- `max_donors`: so many training rows, drawn by the seed, are kept to copy from, from 1 to 20,000, default 2000

```yaml
- impute_knn: {columns: [trip_distance, passenger_count], n_neighbors: 3}
```";

    type Fitted = FittedImputeKnn;

    fn check(&self) -> Result<(), Vec<Fault>> {
        let outside = |name: &str, value: usize, most: usize, shown: &str| {
            (!(1..=most).contains(&value)).then(|| Fault::new(&[name.to_owned()], format!("`{name}` is a whole number from 1 to {shown}, got {value}")))
        };
        let faults = [outside("n_neighbors", self.n_neighbors, 1000, "1,000"), outside("max_donors", self.max_donors, 20_000, "20,000")];
        let faults: Vec<Fault> = faults.into_iter().flatten().collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn fit(&self, on: Fit<'_>) -> Result<FittedImputeKnn> {
        let columns = levels::encodable(&self.columns, on, Self::NAME)?;
        require(Self::NAME, on.table, &columns, ColumnKind::NUMBERS)?;
        let moments = reduce::moments(on.table, &columns)?;
        require_finite(Self::NAME, &columns, &moments)?;
        let missing = reduce::missing(on.table, &columns)?;
        let donors = drawn(on.table, &columns, self.max_donors, on.seed)?;
        let donated = columns.into_iter().zip(donors).zip(moments).zip(missing);
        let donated =
            donated.map(|(((name, donors), moments), missing)| Donated { name, mean: Some(moments.mean).filter(|mean| mean.is_finite()), missing, donors });
        Ok(FittedImputeKnn { n_neighbors: self.n_neighbors, weights: self.weights, columns: donated.collect() })
    }
}

/// At most `most` rows, all equally likely, in their order: those with the smallest of as many random numbers as there are rows.
fn drawn(table: &Table, columns: &[String], most: usize, seed: u64) -> Result<Vec<Vec<Option<f64>>>> {
    let mut generator = generator(seed, ImputeKnn::NAME);
    let mut kept: BinaryHeap<(u64, Reverse<u64>)> = BinaryHeap::new();
    let rows = table.rows()? as u64;
    for row in 0..rows {
        let lot = generator.next_u64();
        if kept.len() < most {
            kept.push((lot, Reverse(row)));
        } else if let Some(mut highest) = kept.peek_mut()
            && lot < highest.0
        {
            *highest = (lot, Reverse(row));
        }
    }
    let mut wanted: Vec<usize> = kept.into_iter().map(|(_, Reverse(row))| row as usize).collect();
    wanted.sort_unstable();
    let mut donors = vec![Vec::with_capacity(wanted.len()); columns.len()];
    let (mut before, mut next) = (0, 0);
    for batch in Table::from_query(table.lazy().select(columns.iter().map(|name| column(name)).collect::<Vec<_>>()))?.batches()? {
        let batch = batch?;
        let here = wanted.iter().skip(next).take_while(|row| **row < before + batch.height()).map(|row| row - before).collect::<Vec<_>>();
        for (donors, values) in donors.iter_mut().zip(Matrix::of(&batch, columns)?.columns) {
            donors.extend(here.iter().map(|row| values.get(*row).copied().filter(|value| value.is_finite())));
        }
        next += here.len();
        before += batch.height();
    }
    Ok(donors)
}

/// What a row is held against: donors as rows, NaN where missing.
struct Donors {
    rows: Vec<Vec<f64>>,
    n_neighbors: usize,
    weights: Weights,
}

impl Donors {
    /// The value of column `wanted` for a row, `fallback` where no donor can be compared with it.
    fn value(&self, row: &[f64], wanted: usize, fallback: f64) -> f64 {
        let value = |donor: &[f64]| donor.get(wanted).copied().filter(|value| !value.is_nan());
        let mut near: Vec<(f64, f64)> =
            self.rows.iter().filter_map(|donor| Some((distance(row, donor), value(donor)?))).filter(|(distance, _)| !distance.is_nan()).collect();
        if near.is_empty() {
            return fallback;
        }
        if near.len() > self.n_neighbors {
            // Stable among equals: the earlier donor is taken.
            near.sort_by(|a, b| a.0.total_cmp(&b.0));
            near.truncate(self.n_neighbors);
        }
        let is_same = near.iter().any(|(distance, _)| *distance == 0.0);
        let weight = |distance: f64| match self.weights {
            Weights::Uniform => 1.0,
            Weights::Distance if is_same => f64::from(u8::from(distance == 0.0)),
            Weights::Distance => 1.0 / distance,
        };
        let total: f64 = near.iter().map(|(distance, _)| weight(*distance)).sum();
        near.iter().map(|(distance, value)| weight(*distance) * value).sum::<f64>() / total
    }
}

/// Euclidean over the columns that both have, scaled up to all; NaN where they share none.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let (mut sum, mut shared) = (0.0, 0_usize);
    for difference in a.iter().zip(b).map(|(a, b)| a - b).filter(|difference| difference.is_finite()) {
        sum += difference * difference;
        shared += 1;
    }
    if shared == 0 { f64::NAN } else { (sum * a.len() as f64 / shared as f64).sqrt() }
}

impl Apply for FittedImputeKnn {
    fn apply(&self, mut frame: LazyFrame) -> Result<LazyFrame> {
        levels::require(&*frame.collect_schema()?, self.columns.iter().map(|column| column.name.as_str()))?;
        let count = self.columns.first().map_or(0, |column| column.donors.len());
        let rows = (0..count).map(|row| self.columns.iter().map(|column| column.donors.get(row).copied().flatten().unwrap_or(f64::NAN)).collect());
        let donors = Arc::new(Donors { rows: rows.collect(), n_neighbors: self.n_neighbors, weights: self.weights });
        let values: Vec<Expr> = self.columns.iter().map(|c| column(&c.name).cast(DataType::Float64)).collect();
        let fill = |(wanted, donated): (usize, &Donated)| {
            let (donors, mean) = (Arc::clone(&donors), donated.mean.unwrap_or(f64::NAN));
            let fill = move |columns: &mut [Column]| {
                let numbers = |column: &Column| numbers(column).map_err(|error| polars_err!(ComputeError: "{error}"));
                let mut filled = columns.get(wanted).map(numbers).transpose()?.unwrap_or_default();
                // The others are only looked at for rows that miss something.
                let has_gaps = filled.iter().any(|value| value.is_nan());
                let columns: Vec<Vec<f64>> = if has_gaps { columns.iter().map(numbers).collect::<PolarsResult<_>>()? } else { Vec::new() };
                filled.par_iter_mut().enumerate().filter(|(_, value)| value.is_nan()).for_each(|(row, value)| {
                    let row: Vec<f64> = columns.iter().map(|column| column.get(row).copied().unwrap_or(f64::NAN)).collect();
                    *value = donors.value(&row, wanted, mean);
                });
                // What has no donor at all stays missing.
                let filled: Float64Chunked = filled.into_iter().map(|value| (!value.is_nan()).then_some(value)).collect();
                Ok(filled.into_column())
            };
            let first = values.first().cloned().unwrap_or_else(|| column(&donated.name));
            first.map_many(fill, values.get(1..).unwrap_or_default(), |_, _| Ok(Field::new("".into(), DataType::Float64))).alias(donated.name.as_str())
        };
        let has_donor = |(_, column): &(usize, &Donated)| column.donors.iter().any(Option::is_some);
        Ok(frame.with_columns(self.columns.iter().enumerate().filter(has_donor).map(fill).collect::<Vec<_>>()))
    }

    fn learned(&self) -> Vec<card::Table> {
        let row = |c: &Donated| {
            let donors = c.donors.iter().flatten().count();
            vec![shorten(&c.name).into(), c.missing.into(), donors.into(), c.mean.into()]
        };
        vec![card::Table {
            caption: "Rows to copy from".to_owned(),
            columns: ["column", "missing in training", "donors", "training mean"].map(str::to_owned).to_vec(),
            rows: self.columns.iter().map(row).collect(),
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::transformers::contract_tests::{close, fit, fit_apply, refused};

    /// `python tests/golden/numeric_transforms.py` with scikit-learn 1.9.1.
    #[test]
    fn values_are_scikit_learns() {
        let train = df!(
            "a" => [Some(1.0), Some(3.0), None, Some(8.0), Some(2.5), Some(2.5)],
            "b" => [Some(2.0), Some(4.0), Some(6.0), Some(8.0), None, Some(5.0)],
            "c" => [None, Some(3.0), Some(5.0), Some(7.0), Some(1.0), Some(2.0)],
        )
        .unwrap();
        let later = df!(
            "a" => [None, Some(4.0), None, Some(2.5), Some(1.0)],
            "b" => [Some(5.0), None, None, None, Some(2.0)],
            "c" => [Some(2.5), None, None, Some(1.0), Some(3.0)],
        )
        .unwrap();
        let cases = [
            ("uniform", [[2.75, 4.0, 3.4, 2.5, 1.0], [5.0, 4.5, 5.0, 4.5, 2.0], [2.5, 2.0, 3.6, 1.0, 3.0]]),
            ("distance", [[2.654_508_497_187_473_3, 4.0, 3.4, 2.5, 1.0], [5.0, 4.4, 5.0, 4.673_368_365_289_59, 2.0], [2.5, 2.2, 3.6, 1.0, 3.0]]),
        ];
        for (weights, expected) in cases {
            let fitted = fit(&train, &format!("impute_knn: {{n_neighbors: 2, weights: {weights}}}"));
            let out = fitted.apply(later.clone().lazy()).unwrap().collect().unwrap();
            for (name, values) in ["a", "b", "c"].iter().zip(&expected) {
                close(&out, name, values);
            }
        }
    }

    #[test]
    fn donors_are_drawn_by_seed_and_columns_without_a_value_stay() {
        let numbers: Vec<Option<f64>> = (0..100).map(|i| (i % 10 > 0).then_some(f64::from(i))).collect();
        let frame = df!("x" => &numbers, "y" => (0..100).collect::<Vec<i32>>(), "n" => [None::<f64>; 100]).unwrap();
        let table = fit(&frame, "impute_knn: {max_donors: 20}").learned().remove(0);
        assert!(matches!(table.rows[1][2], card::Cell::Count(20)), "{:?}", table.rows);
        let out = fit_apply(&frame, "impute_knn: {n_neighbors: 2}");
        assert_eq!(out.column("n").unwrap().null_count(), 100);
        // Row 50 has 49 and 51 beside it.
        assert_eq!(out.column("x").unwrap().f64().unwrap().get(50), Some(50.0));
        assert_eq!(refused("impute_knn: {n_neighbors: 0, max_donors: 0}").len(), 2);
    }
}
