//! Poisson regression.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::linear_model::LinearModel;
use super::tweedie::{self, Tweedie};
use crate::error::Result;
use crate::ml::{Estimator, Task, TrainingSet};
use crate::value::Fault;

#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Poisson {
    alpha: f64,
    fit_intercept: bool,
    max_iter: usize,
    tol: f64,
}

impl Default for Poisson {
    fn default() -> Self {
        Self { alpha: 1.0, fit_intercept: true, max_iter: 100, tol: 1e-8 }
    }
}

impl Poisson {
    fn as_tweedie(&self) -> Tweedie {
        Tweedie::named(1.0, self.alpha, self.fit_intercept, self.max_iter, self.tol)
    }
}

impl Estimator for Poisson {
    const NAME: &'static str = "poisson";
    const ALIASES: &'static [&'static str] = &["poisson_regression", "PoissonRegressor"];
    const DOC: &'static str = "\
Poisson regression: for counts and rates, such as the rides of an hour.

The prediction is μ = exp(xβ + b), never negative; minimises 1/Σw Σ wᵢ (μᵢ − yᵢ ln μᵢ) + ½ alpha ‖β‖². Effects
multiply: a coefficient of 0.1 makes the prediction 10.5 % larger for each unit of the feature. Scale the features
first (`standard_scale`): the penalty depends on their units. For a rate, divide the count by the exposure and
give the exposure as the weight. Memory does not grow with the number of rows. The target need not be whole, but
values below 0 are refused, and so are missing ones.

Parameters:
- `alpha` (number ≥ 0, default 1.0): strength of the penalty.
- `fit_intercept` (boolean, default true): estimate b, which is not penalised.
- `max_iter` (1..=100000, default 100): Newton steps; where there are more than 1,000 coefficients, each
  stands for 20 steps of L-BFGS.
- `tol` (number > 0, default 1e-8): stop when no coefficient, taken over its feature's range, moves by more.

Source: scikit-learn `PoissonRegressor`; McCullagh and Nelder (1989).

```yaml
steps:
  train:
    using: poisson
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
