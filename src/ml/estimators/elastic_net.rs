//! Least squares with an L1 and an L2 penalty.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::design::Design;
use super::linear_model::{LinearModel, Link, Statistics};
use super::residuals::Residuals;
use super::shared::{Refusals, Targets, not_negative, positive};
use crate::error::Result;
use crate::ml::linalg::{Quadratic, Symmetric, descend, descend_along};
use crate::ml::{Estimator, Task, TrainingSet};
use crate::value::Fault;

#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ElasticNet {
    alpha: f64,
    l1_ratio: f64,
    fit_intercept: bool,
    max_iter: usize,
    tol: f64,
}

impl Default for ElasticNet {
    fn default() -> Self {
        Self { alpha: 1.0, l1_ratio: 0.5, fit_intercept: true, max_iter: 10_000, tol: 1e-10 }
    }
}

impl Estimator for ElasticNet {
    const NAME: &'static str = "elastic_net";
    const ALIASES: &'static [&'static str] = &["elasticnet", "ElasticNet"];
    const VERSION: u32 = 2;
    const DOC: &'static str = "\
Elastic net: linear regression that drops features and keeps the coefficients of correlated ones alike.

Minimises 1/(2Σw) Σ wᵢ (yᵢ − xᵢβ − b)² + alpha (l1_ratio ‖β‖₁ + (1 − l1_ratio)/2 ‖β‖²). Scale the features
first (`standard_scale`): the penalty depends on their units. Coordinate descent on the Gram matrix, so two
passes over the rows however many steps it takes. Row weights count as in scikit-learn. Missing values
are refused.

Parameters:
- `alpha` (number ≥ 0, default 1.0): strength of the penalty.
- `l1_ratio` (number 0..1, default 0.5): 1 is `lasso`, 0 penalises squares only.
- `fit_intercept` (boolean, default true): estimate b, which is not penalised.
- `max_iter` (1..=1000000, default 10000): sweeps over the coefficients.
- `tol` (number > 0, default 1e-10): stop when no coefficient moves the predictions by more than this
  share of the target's standard deviation (stricter than scikit-learn's duality gap of 1e-4).

Source: scikit-learn `ElasticNet`; Friedman, Hastie and Tibshirani (2010).

```yaml
steps:
  train:
    using: elastic_net
    estimator_params: {alpha: 0.01, l1_ratio: 0.7}
```
";

    type Fitted = LinearModel;

    fn supports(task: &Task) -> bool {
        *task == Task::Regression
    }

    fn takes_sparse(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), Vec<Fault>> {
        Refusals::default()
            .unless(not_negative(self.alpha), "alpha", "must be a number ≥ 0")
            .unless((0.0..=1.0).contains(&self.l1_ratio), "l1_ratio", "must lie between 0 and 1")
            .unless((1..=1_000_000).contains(&self.max_iter), "max_iter", "must lie between 1 and 1000000")
            .unless(positive(self.tol), "tol", "must be a number > 0")
            .done()
    }

    fn fit(&self, on: &TrainingSet) -> Result<LinearModel> {
        fit(on, Self::NAME, self)
    }
}

impl ElasticNet {
    /// With the parameters of a lasso.
    pub(super) fn lasso(alpha: f64, fit_intercept: bool, max_iter: usize, tol: f64) -> Self {
        Self { alpha, l1_ratio: 1.0, fit_intercept, max_iter, tol }
    }

    /// The penalties in the units of the scaled columns and the scaled target.
    fn penalties(&self, scale: &[f64], target: f64) -> (Vec<f64>, Vec<f64>) {
        let (lasso, ridge) = (self.alpha * self.l1_ratio, self.alpha * (1.0 - self.l1_ratio));
        let l1 = scale.iter().map(|s| if lasso == 0.0 { 0.0 } else { lasso * s * target }).collect();
        let l2 = scale.iter().map(|s| if ridge == 0.0 { 0.0 } else { ridge * s * s }).collect();
        (l1, l2)
    }

    fn note(&self, settled: bool) -> Option<String> {
        (!settled).then(|| format!("not settled after {} sweeps", self.max_iter))
    }
}

/// Fits under the name of the estimator that asked.
pub(super) fn fit(on: &TrainingSet, name: &str, net: &ElasticNet) -> Result<LinearModel> {
    if on.is_sparse() {
        return fit_sparse(on, name, net);
    }
    let sums = Statistics::of(on, name, &Targets::Number, net.fit_intercept)?;
    let features = sums.gram.size();
    let mut mean = Symmetric::zeros(features);
    for i in 0..features {
        (0..=i).for_each(|j| mean.set(i, j, sums.gram.get(i, j) / sums.weight));
    }
    let linear: Vec<f64> = sums.cross[0].iter().map(|c| c / sums.weight).collect();
    let scale = &sums.scaling.scale[..features];
    let target = sums.scaling.scale[features];
    let (l1, l2) = net.penalties(scale, target);
    let mut solution = vec![0.0; features];
    let function = Quadratic { matrix: &mean, linear: &linear, l1: &l1, l2: &l2 };
    let settled = descend(&function, &mut solution, net.tol * sums.variance[0].sqrt(), net.max_iter);
    let coefficients = solution.into_iter().zip(sums.units(0)).map(|(x, unit)| if x == 0.0 { 0.0 } else { x * unit }).collect();
    let output = sums.output(0, None, coefficients);
    Ok(LinearModel::new(name, on, sums.deviations, vec![output], Link::Value)?.with_means(&sums.means).with_note(net.note(settled)))
}

/// The same without a Gram matrix, with all rows in memory.
fn fit_sparse(on: &TrainingSet, name: &str, net: &ElasticNet) -> Result<LinearModel> {
    let design = Design::of(on, name, &Targets::Number, net.fit_intercept)?;
    let mut residuals = Residuals::of(&design)?;
    let (l1, l2) = net.penalties(design.scales(), design.target().scale);
    let mut solution = vec![0.0; design.features()];
    let tolerance = net.tol * residuals.spread();
    let settled = descend_along(&mut residuals, &l1, &l2, &mut solution, tolerance, net.max_iter);
    // The columns are centred, so that the intercept has nothing to add.
    solution.resize(design.width, 0.0);
    let output = design.output(None, &solution, design.target());
    Ok(LinearModel::new(name, on, design.deviations, vec![output], Link::Value)?.with_means(&design.moments.mean).with_note(net.note(settled)))
}
