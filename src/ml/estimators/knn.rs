//! The nearest training rows.
//!
//! Distances are taken one by one, not through a product of matrices, so that equal rows are at
//! distance zero exactly and ties are true ties. Training rows stand in groups of eight, feature by
//! feature, so that eight distances grow side by side in registers.

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shared::{Moments, Refusals, Scaling, Targets, class_weights, power_of_two, require_finite, require_target, require_width};
use crate::error::{Error, Result};
use crate::ml::{Estimator, Matrix, Predict, Predictions, Task, TrainingSet};
use crate::value::Fault;

/// Training rows whose distances are taken side by side.
const GROUP: usize = 8;
/// Rows to predict that one thread takes at a time.
const QUERIES: usize = 64;
/// Groups that stay in the cache while those rows pass by.
const GROUPS_AT_ONCE: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Weights {
    Uniform,
    Distance,
}

#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knn {
    #[serde(alias = "k")]
    #[schemars(extend("x-aliases" = ["k"]))]
    n_neighbors: usize,
    weights: Weights,
}

impl Default for Knn {
    fn default() -> Self {
        Self { n_neighbors: 5, weights: Weights::Uniform }
    }
}

/// The training rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FittedKnn {
    n_neighbors: usize,
    weights: Weights,
    features: Vec<String>,
    /// The number of classes; 0 for regression.
    classes: usize,
    /// A power of two that all features are multiplied by, so that squares stay in range.
    scale: f64,
    /// Groups of eight rows, in them eight values of each feature; the last group is filled up with zeros.
    groups: Vec<f64>,
    targets: Vec<f64>,
    /// Nothing where all rows weigh the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    row_weights: Option<Vec<f64>>,
}

impl Estimator for Knn {
    const NAME: &'static str = "knn";
    const ALIASES: &'static [&'static str] = &["k_nearest_neighbors", "KNeighborsRegressor", "KNeighborsClassifier"];
    const DOC: &'static str = "\
Nearest neighbours: the mean, or the shares of the classes, of the training rows that are most alike.

Alike means a small Euclidean distance, so scale the features first (`standard_scale`) and keep them few. There
is nothing to fit: the model is the training rows (it is as large as they are), and each prediction looks
at all of them. Of rows at the same distance the earlier one counts as nearer. Row weights and class weights are the weights
of the neighbours' votes: they do not change who is a neighbour, but rows of weight 0 are none. Missing values
are refused. It has no coefficients and no importances of its own; permutation importance explains it.

Parameters:
- `n_neighbors` or `k` (1..=100000, default 5): how many rows; no more than training has.
- `weights` (`uniform` or `distance`, default `uniform`): each counts the same, or by 1/distance, where rows at
  distance zero leave the others out; a row's weight multiplies that.

Source: scikit-learn `KNeighborsRegressor` and `KNeighborsClassifier` with `algorithm='brute'`, which know no row weights.

```yaml
steps:
  train:
    using: knn
    estimator_params: {k: 10, weights: distance}
```
";

    type Fitted = FittedKnn;

    fn supports(task: &Task) -> bool {
        *task == Task::Regression || task.classes() >= 2
    }

    fn check(&self) -> Result<(), Vec<Fault>> {
        Refusals::default().unless((1..=100_000).contains(&self.n_neighbors), "n_neighbors", "must lie between 1 and 100000").done()
    }

    fn fit(&self, on: &TrainingSet) -> Result<FittedKnn> {
        if on.task == Task::Regression {
            require_target(on)?;
        } else {
            class_weights(on)?;
        }
        let scaling = Scaling::of(&Moments::of(on, Self::NAME, &Targets::None)?, false);
        // The largest feature decides; what vanishes beside it would not have moved a distance.
        let scale = scaling.scale.iter().copied().filter(|scale| *scale > 0.0).fold(f64::INFINITY, f64::min);
        let scale = if scale.is_finite() { scale } else { power_of_two(1.0) };
        let whole = on.whole()?.counted();
        if whole.x.rows < self.n_neighbors {
            let rows = if whole.x.rows == on.rows { "rows" } else { "rows with a weight above 0" };
            return Err(Error::data(format!("`n_neighbors` is {}, but training has {} {rows}", self.n_neighbors, whole.x.rows)).hint("lower `n_neighbors`"));
        }
        let largest = whole.w.iter().copied().fold(0.0, f64::max);
        // Their size does not matter, and brought near to one they do not overflow.
        let row_weights = whole.w.iter().any(|w| *w != largest).then(|| whole.w.iter().map(|w| w * power_of_two(largest)).collect());
        let width = on.features.len();
        let mut groups = vec![0.0; whole.x.rows.div_ceil(GROUP) * GROUP * width];
        for (j, column) in whole.x.columns.iter().enumerate() {
            for (i, x) in column.iter().enumerate() {
                groups[(i / GROUP * width + j) * GROUP + i % GROUP] = x * scale;
            }
        }
        let classes = on.task.classes();
        let (features, targets) = (on.features.clone(), whole.y);
        Ok(FittedKnn { n_neighbors: self.n_neighbors, weights: self.weights, features, classes, scale, groups, targets, row_weights })
    }
}

impl FittedKnn {
    /// The nearest rows of each query as (squared distance, row), nearest first.
    fn neighbours(&self, queries: &[Vec<f64>]) -> Vec<Vec<(f64, usize)>> {
        let mut nearest = vec![Vec::with_capacity(self.n_neighbors.min(self.targets.len()) + 1); queries.len()];
        let size = self.features.len() * GROUP;
        let groups: Vec<&[f64]> = (0..self.targets.len().div_ceil(GROUP)).map(|g| self.groups.get(g * size..(g + 1) * size).unwrap_or_default()).collect();
        for (part, groups) in groups.chunks(GROUPS_AT_ONCE).enumerate() {
            for (query, nearest) in queries.iter().zip(&mut nearest) {
                for (g, group) in groups.iter().enumerate() {
                    let first = (part * GROUPS_AT_ONCE + g) * GROUP;
                    let distances = distances(query, group);
                    let rows = (self.targets.len() - first).min(GROUP);
                    for (row, distance) in (first..).zip(&distances[..rows]) {
                        keep(nearest, self.n_neighbors, *distance, row);
                    }
                }
            }
        }
        nearest
    }

    /// Each neighbour's say; they sum to one.
    fn shares(&self, neighbours: &[(f64, usize)]) -> Vec<f64> {
        let mut shares: Vec<f64> = match self.weights {
            Weights::Uniform => vec![1.0; neighbours.len()],
            Weights::Distance => neighbours.iter().map(|(squared, _)| 1.0 / squared.sqrt()).collect(),
        };
        if shares.iter().any(|share| share.is_infinite()) {
            for share in &mut shares {
                *share = f64::from(u8::from(share.is_infinite()));
            }
        }
        if let Some(weights) = &self.row_weights {
            for (share, (_, row)) in shares.iter_mut().zip(neighbours) {
                *share *= weights.get(*row).copied().unwrap_or(0.0);
            }
        }
        let total: f64 = shares.iter().sum();
        for share in &mut shares {
            *share /= total;
        }
        shares
    }
}

/// Squared distances to the rows of a group.
fn distances(query: &[f64], group: &[f64]) -> [f64; GROUP] {
    let mut sums = [0.0; GROUP];
    for (q, values) in query.iter().zip(group.as_chunks::<GROUP>().0) {
        for (sum, x) in sums.iter_mut().zip(values) {
            *sum += (q - x) * (q - x);
        }
    }
    sums
}

/// Keeps the nearest; rows come in order, so of equal ones the earlier stays.
fn keep(nearest: &mut Vec<(f64, usize)>, most: usize, distance: f64, row: usize) {
    if nearest.len() == most {
        match nearest.last() {
            Some((worst, _)) if distance < *worst => nearest.pop(),
            _ => return,
        };
    }
    let place = nearest.partition_point(|(other, _)| *other <= distance);
    nearest.insert(place, (distance, row));
}

impl Predict for FittedKnn {
    fn predict(&self, features: &Matrix) -> Result<Predictions> {
        require_width(&self.features, features)?;
        require_finite(Knn::NAME, &self.features, features)?;
        let starts: Vec<usize> = (0..features.rows).step_by(QUERIES).collect();
        let parts: Vec<Vec<Vec<f64>>> = starts
            .into_par_iter()
            .map(|start| {
                let rows = start..(start + QUERIES).min(features.rows);
                let queries: Vec<Vec<f64>> = rows.map(|i| features.columns.iter().map(|column| column[i] * self.scale).collect()).collect();
                let mut predictions = Vec::with_capacity(queries.len());
                for (i, neighbours) in self.neighbours(&queries).iter().enumerate() {
                    if neighbours.iter().any(|(distance, _)| !distance.is_finite()) {
                        return Err(Error::data(format!("row {} lies too far from every training row to be measured", start + i + 1)));
                    }
                    let mut row = vec![0.0; self.classes.max(1)];
                    for ((_, neighbour), share) in neighbours.iter().zip(self.shares(neighbours)) {
                        let target = self.targets.get(*neighbour).copied().unwrap_or(0.0);
                        let (place, value) = if self.classes == 0 { (0, share * target) } else { (target as usize, share) };
                        if let Some(sum) = row.get_mut(place) {
                            *sum += value;
                        }
                    }
                    predictions.push(row);
                }
                Ok(predictions)
            })
            .collect::<Result<_>>()?;
        let column = |k: usize| parts.iter().flatten().map(|row| row[k]).collect::<Vec<f64>>();
        Ok(if self.classes == 0 { Predictions::Values(column(0)) } else { Predictions::Scores((0..self.classes).map(column).collect()) })
    }

    fn describe(&self) -> String {
        format!("knn, {} neighbours among {} rows", self.n_neighbors, self.targets.len())
    }
}
