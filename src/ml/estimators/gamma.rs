//! Gamma regression.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::linear_model::LinearModel;
use super::tweedie::{self, Tweedie};
use crate::error::Result;
use crate::ml::{Estimator, Task, TrainingSet};
use crate::value::Fault;

#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gamma {
    alpha: f64,
    fit_intercept: bool,
    max_iter: usize,
    tol: f64,
}

impl Default for Gamma {
    fn default() -> Self {
        Self { alpha: 1.0, fit_intercept: true, max_iter: 100, tol: 1e-8 }
    }
}

impl Gamma {
    fn as_tweedie(&self) -> Tweedie {
        Tweedie::named(2.0, self.alpha, self.fit_intercept, self.max_iter, self.tol)
    }
}

impl Estimator for Gamma {
    const NAME: &'static str = "gamma";
    const ALIASES: &'static [&'static str] = &["gamma_regression", "GammaRegressor"];
    const DOC: &'static str = "\
Gamma regression: for positive amounts whose spread grows with their size, such as costs and durations.

The prediction is μ = exp(xβ + b), always positive; minimises 1/Σw Σ wᵢ (ln μᵢ + yᵢ/μᵢ) + ½ alpha ‖β‖². An error of
10 % counts the same for small and for large targets, and effects multiply. Scale the features first
(`standard_scale`): the penalty depends on their units. Memory does not grow with the number of rows. Targets of 0 or
below are refused, and so are missing values; `tweedie` takes zeros.

Parameters:
- `alpha` (number ≥ 0, default 1.0): strength of the penalty.
- `fit_intercept` (boolean, default true): estimate b, which is not penalised.
- `max_iter` (1..=100000, default 100): Newton steps; where there are more than 1,000 coefficients, each
  stands for 20 steps of L-BFGS.
- `tol` (number > 0, default 1e-8): stop when no coefficient, taken over its feature's range, moves by more.

Source: scikit-learn `GammaRegressor`; McCullagh and Nelder (1989).

```yaml
steps:
  train:
    using: gamma
    estimator_params: {alpha: 0.01}
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
        self.as_tweedie().check()
    }

    fn fit(&self, on: &TrainingSet) -> Result<LinearModel> {
        tweedie::fit(on, Self::NAME, &self.as_tweedie())
    }
}
