//! Least squares with an L1 penalty.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::elastic_net::{self, ElasticNet};
use super::linear_model::LinearModel;
use crate::error::Result;
use crate::ml::{Estimator, Task, TrainingSet};
use crate::value::Fault;

#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lasso {
    alpha: f64,
    fit_intercept: bool,
    max_iter: usize,
    tol: f64,
}

impl Default for Lasso {
    fn default() -> Self {
        Self { alpha: 1.0, fit_intercept: true, max_iter: 10_000, tol: 1e-10 }
    }
}

impl Lasso {
    fn as_elastic_net(&self) -> ElasticNet {
        ElasticNet::lasso(self.alpha, self.fit_intercept, self.max_iter, self.tol)
    }
}

impl Estimator for Lasso {
    const NAME: &'static str = "lasso";
    const ALIASES: &'static [&'static str] = &["Lasso"];
    const VERSION: u32 = 2;
    const DOC: &'static str = "\
Lasso: linear regression that sets the coefficients of weak features to exactly zero.

Minimises 1/(2Σw) Σ wᵢ (yᵢ − xᵢβ − b)² + alpha ‖β‖₁. Use it to select features. Scale them first
(`standard_scale`): the penalty depends on their units. Coordinate descent on the Gram matrix, so two passes
over the rows however many steps it takes. Row weights count as in scikit-learn. Missing values are refused.

Parameters:
- `alpha` (number ≥ 0, default 1.0): strength of the penalty.
- `fit_intercept` (boolean, default true): estimate b, which is not penalised.
- `max_iter` (1..=1000000, default 10000): sweeps over the coefficients.
- `tol` (number > 0, default 1e-10): stop when no coefficient moves the predictions by more than this
  share of the target's standard deviation (stricter than scikit-learn's duality gap of 1e-4).

Source: scikit-learn `Lasso`; Tibshirani (1996).

```yaml
steps:
  train:
    using: lasso
    estimator_params: {alpha: 0.1}
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
        self.as_elastic_net().check()
    }

    fn fit(&self, on: &TrainingSet) -> Result<LinearModel> {
        elastic_net::fit(on, Self::NAME, &self.as_elastic_net())
    }
}
