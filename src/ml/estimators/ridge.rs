//! Least squares with an L2 penalty.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::linear_model::{LinearModel, Link, least_squares};
use super::shared::{Refusals, Targets, not_negative};
use crate::error::Result;
use crate::ml::{Estimator, Task, TrainingSet};
use crate::value::Fault;

#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ridge {
    alpha: f64,
    fit_intercept: bool,
}

impl Default for Ridge {
    fn default() -> Self {
        Self { alpha: 1.0, fit_intercept: true }
    }
}

impl Estimator for Ridge {
    const NAME: &'static str = "ridge";
    const ALIASES: &'static [&'static str] = &["ridge_regression", "Ridge"];
    const VERSION: u32 = 2;
    const DOC: &'static str = "\
Ridge regression: linear regression that keeps its coefficients small.

Minimises Σ wᵢ (yᵢ − xᵢβ − b)² + alpha ‖β‖²; the intercept b is not penalised. Use it where features are
many or correlated. Scale the features first (`standard_scale`): the penalty depends on their units.
Row weights count as in scikit-learn. Missing values are refused.

Parameters:
- `alpha` (number ≥ 0, default 1.0): strength of the penalty; 0 gives `linear`.
- `fit_intercept` (boolean, default true): estimate b.

Source: scikit-learn `Ridge`; Hoerl and Kennard (1970).

```yaml
steps:
  train:
    using: ridge
    estimator_params: {alpha: 0.5}
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
        Refusals::default().unless(not_negative(self.alpha), "alpha", "must be a number ≥ 0").done()
    }

    fn fit(&self, on: &TrainingSet) -> Result<LinearModel> {
        least_squares(on, Self::NAME, &Targets::Number, self.alpha, self.fit_intercept, |_| None)?.model(Self::NAME, on, Link::Value)
    }
}
