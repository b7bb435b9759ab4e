//! `pca`: columns become few that are uncorrelated, those of the largest variance first.
//!
//! Components are the eigenvectors of the covariance matrix, in scikit-learn's sign (the largest loading is positive). One pass
//! for the matrix, whatever the number of rows. Where
//! values are missing, a covariance is that of the rows that have both. Not here: whitening, sparse input.

use polars::prelude::*;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::levels::{self, Names};
use super::scaling::require_finite;
use crate::card::{self, Cell};
use crate::error::{Error, Result, shorten};
use crate::ml::export::{Lowering, Why};
use crate::ml::linalg::{Symmetric, eigen};
use crate::ml::matrix::numbers;
use crate::ml::reduce;
use crate::ml::selector::{ColumnKind, Selector, column, require};
use crate::ml::{Apply, Fit, Transformer};
use crate::value::Fault;

/// More columns than this are refused: the time grows with their third power.
const MOST_COLUMNS: usize = 500;

/// The configuration; its page is [`Transformer::DOC`].
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pca {
    columns: Selector,
    n_components: f64,
    keep: bool,
}

impl Default for Pca {
    fn default() -> Self {
        Self { columns: Selector::numeric(), n_components: 5.0, keep: false }
    }
}

/// Fitted: component `k` is `Σ loadings[k][j] · (x[j] - means[j])`.
#[derive(Debug, Serialize, Deserialize)]
pub struct FittedPca {
    columns: Vec<String>,
    means: Vec<f64>,
    components: Vec<Component>,
    keep: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Component {
    name: String,
    loadings: Vec<f64>,
    variance: f64,
    share: f64,
}

impl Transformer for Pca {
    const NAME: &'static str = "pca";
    const ALIASES: &'static [&'static str] = &["PCA"];
    const DOC: &'static str = "Replaces numeric columns by their principal components `pca_1`, `pca_2`, …

As scikit-learn's `PCA`: values are centered, not scaled, so put `standard_scale` before it where units differ. Where a value is
missing, all components of the row are: put `impute` before it. At most 500 columns.

- `columns`: selector, default `numeric()`
- `n_components`: how many, a whole number from 1, or the share of variance that they are to explain, between 0 and 1; default 5,
  at most as many as there are columns
- `keep`: boolean, default `false`: keep the columns themselves

```yaml
- pca: {columns: [trip_distance, passenger_count], n_components: 0.9}
```";

    type Fitted = FittedPca;

    fn check(&self) -> Result<(), Vec<Fault>> {
        let count = self.n_components;
        if (count > 0.0 && count < 1.0) || (count >= 1.0 && count.fract() == 0.0 && count.is_finite()) {
            return Ok(());
        }
        Err(vec![Fault::new(&["n_components".to_owned()], format!("`n_components` is a whole number from 1 or a share between 0 and 1, got {count}"))])
    }

    fn fit(&self, on: Fit<'_>) -> Result<FittedPca> {
        let columns = levels::encodable(&self.columns, on, Self::NAME)?;
        require(Self::NAME, on.table, &columns, ColumnKind::NUMBERS)?;
        if columns.len() > MOST_COLUMNS {
            return Err(Error::data(format!("`pca` takes at most {MOST_COLUMNS} columns, not {}", columns.len())).hint("name fewer columns"));
        }
        let moments = reduce::moments(on.table, &columns)?;
        require_finite(Self::NAME, &columns, &moments)?;
        let pairs = reduce::pairs(on.table, &columns)?;
        let places = || (0..columns.len()).flat_map(|i| (0..=i).map(move |j| (i, j)));
        if columns.is_empty() || places().any(|(i, j)| !pairs.covariance(i, j).is_finite()) {
            return Err(Error::data("`pca` has too few training rows that have all values to learn from").hint("put `impute` before it"));
        }
        let mut covariance = Symmetric::zeros(columns.len());
        places().for_each(|(i, j)| covariance.set(i, j, pairs.covariance(i, j)));
        let found = eigen(&covariance);
        let total: f64 = found.iter().map(|(variance, _)| variance.max(0.0)).sum();
        let share = |variance: f64| if total > 0.0 { variance.max(0.0) / total } else { 0.0 };

        let count = if self.n_components < 1.0 {
            let explained = found.iter().scan(0.0, |sum, (variance, _)| {
                *sum += share(*variance);
                Some(*sum)
            });
            explained.take_while(|explained| *explained <= self.n_components).count() + 1
        } else {
            self.n_components as usize
        };
        let stay = on.table.names().filter(|name| self.keep || !columns.iter().any(|column| column == name));
        let mut names = Names::new(stay.chain(on.roles.iter().map(|(name, _)| name)));
        let component = |(k, (variance, mut loadings)): (usize, (f64, Vec<f64>))| {
            let largest = loadings.iter().fold(0.0_f64, |largest, loading| if loading.abs() > largest.abs() { *loading } else { largest });
            for loading in &mut loadings {
                *loading *= largest.signum();
            }
            Component { name: names.give(&format!("pca_{}", k + 1)), loadings, variance: variance.max(0.0), share: share(variance) }
        };
        let components = found.into_iter().take(count).enumerate().map(component).collect();
        Ok(FittedPca { columns, means: moments.iter().map(|m| m.mean).collect(), components, keep: self.keep })
    }
}

impl Apply for FittedPca {
    fn apply(&self, mut frame: LazyFrame) -> Result<LazyFrame> {
        levels::require(&*frame.collect_schema()?, self.columns.iter().map(String::as_str))?;
        let values: Vec<Expr> = self.columns.iter().map(|name| column(name).cast(DataType::Float64)).collect();
        let Some((first, rest)) = values.split_first() else { return Ok(frame) };
        let project = |component: &Component| {
            let (loadings, means) = (component.loadings.clone(), self.means.clone());
            let sum = move |columns: &mut [Column]| {
                let columns: Vec<Vec<f64>> =
                    columns.par_iter().map(|column| numbers(column).map_err(|error| polars_err!(ComputeError: "{error}"))).collect::<PolarsResult<_>>()?;
                let rows = columns.first().map_or(0, Vec::len);
                let mut total = vec![0.0; rows];
                for ((column, mean), loading) in columns.iter().zip(&means).zip(&loadings) {
                    total.iter_mut().zip(column).for_each(|(total, x)| *total += loading * (x - mean));
                }
                Ok(Float64Chunked::from_vec("".into(), total).into_column())
            };
            first.clone().map_many(sum, rest, |_, _| Ok(Field::new("".into(), DataType::Float64))).alias(component.name.as_str())
        };
        let projected = frame.with_columns(self.components.iter().map(project).collect::<Vec<_>>());
        let made = |name: &&String| self.components.iter().all(|component| component.name != **name);
        Ok(if self.keep { projected } else { projected.drop(levels::exactly(self.columns.iter().filter(made).map(String::as_str))) })
    }

    fn lower(&self, on: &mut Lowering) -> Result<(), Why> {
        let mut centred = Vec::with_capacity(self.columns.len());
        for (name, mean) in self.columns.iter().zip(&self.means) {
            let x = on.number(name)?;
            centred.push(on.program.plus(x, -mean));
        }
        if !self.keep {
            on.drop(self.columns.iter().map(String::as_str));
        }
        for component in &self.components {
            let total = on.program.sum(centred.iter().copied().zip(component.loadings.iter().copied()), 0.0);
            on.set_number(&component.name, total);
        }
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        let name = |component: &Component| shorten(&component.name);
        let variances = card::Table {
            caption: "Variance that each component explains".to_owned(),
            columns: ["component", "variance", "share"].map(str::to_owned).to_vec(),
            rows: self.components.iter().map(|c| vec![name(c).into(), Cell::Number(c.variance), Cell::Share(c.share)]).collect(),
        };
        let loadings = |(j, column): (usize, &String)| {
            let of = self.components.iter().map(|component| component.loadings.get(j).copied().into());
            [shorten(column).into(), self.means.get(j).copied().into()].into_iter().chain(of).collect()
        };
        let head = ["column", "mean"].map(str::to_owned).into_iter();
        let loadings = card::Table {
            caption: "Loadings".to_owned(),
            columns: head.chain(self.components.iter().map(name)).collect(),
            rows: self.columns.iter().enumerate().map(loadings).collect(),
        };
        vec![variances, loadings]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::transformers::contract_tests::{close, fit, fit_apply, refused};

    /// `python tests/golden/numeric_transforms.py` with scikit-learn 1.9.1.
    #[test]
    fn components_are_scikit_learns() {
        let frame = df!("a" => [2.0, 4.0, 0.5, 1.0, 3.0], "b" => [1.0, 0.5, 2.0, -4.0, 3.0], "c" => [-3.0, 1.0, 7.0, 2.5, 0.0], "s" => ["x"; 5]).unwrap();
        let out = fit_apply(&frame, "pca: {n_components: 2}");
        assert_eq!(out.get_column_names(), ["s", "pca_1", "pca_2"]);
        close(&out, "pca_1", &[-4.368_423_823_025_640_5, -0.941_705_026_430_684_5, 5.508_205_327_484_318, 1.758_309_011_831_593_2, -1.956_385_489_859_586_5]);
        close(&out, "pca_2", &[-0.214_248_014_335_937_1, 0.179_702_751_499_075_44, 2.096_043_950_816_566, -4.400_153_421_802_693, 2.338_654_733_822_99]);
        let table = fit(&frame, "pca: {n_components: 3}").learned().remove(0);
        let shares: Vec<f64> = table.rows.iter().filter_map(|row| if let Some(Cell::Share(share)) = row.last() { Some(*share) } else { None }).collect();
        assert!((shares[0] - 0.627_514_865_681_257_6).abs() < 1e-12 && (shares[1] - 0.321_296_618_790_927_4).abs() < 1e-12, "{shares:?}");
        assert_eq!(fit_apply(&frame, "pca: {n_components: 0.9, keep: true}").get_column_names()[4..], ["pca_1", "pca_2"]);
        assert_eq!(refused("pca: {n_components: 1.5}").len(), 1);
    }

    #[test]
    fn a_missing_value_makes_all_components_missing() {
        let train = df!("a" => [1.0, 2.0, 4.0], "b" => [1_i64, 5, 2]).unwrap();
        let later = df!("a" => [Some(1.0), None], "b" => [1_i64, 5]).unwrap();
        let out = fit(&train, "pca").apply(later.lazy()).unwrap().collect().unwrap();
        for name in ["pca_1", "pca_2"] {
            let values: Vec<f64> = out.column(name).unwrap().f64().unwrap().iter().flatten().collect();
            assert!(values[0].is_finite() && values[1].is_nan());
        }
    }
}
