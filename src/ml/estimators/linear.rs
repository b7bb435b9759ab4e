//! Ordinary least squares.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::linear_model::{LinearModel, Link, least_squares};
use super::shared::Targets;
use crate::error::Result;
use crate::ml::{Estimator, Task, TrainingSet};

#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Linear {
    fit_intercept: bool,
}

impl Default for Linear {
    fn default() -> Self {
        Self { fit_intercept: true }
    }
}

impl Estimator for Linear {
    const NAME: &'static str = "linear";
    const ALIASES: &'static [&'static str] = &["linear_regression", "ols", "LinearRegression"];
    const VERSION: u32 = 2;
    const DOC: &'static str = "\
Linear regression by ordinary least squares: the plane with the smallest sum of squared errors.

Minimises Σ wᵢ (yᵢ − xᵢβ − b)². A first model for a number: quick, bounded in memory whatever the number
of rows, and its coefficients can be read. Where columns are combinations of others (all levels of a
one-hot encoding, more features than rows) many planes fit equally well; the one with the smallest
‖β‖² is taken, as scikit-learn does. A column counts as a combination where the others leave no more
than 1e-12 of its sum of squares. Row weights count as in scikit-learn. Missing values are refused.

Parameters:
- `fit_intercept` (boolean, default true): estimate b; without it the plane goes through the origin.

Source: scikit-learn `LinearRegression`.

```yaml
steps:
  train:
    using: linear
    estimator_params: {fit_intercept: true}
```
";

    type Fitted = LinearModel;

    fn supports(task: &Task) -> bool {
        *task == Task::Regression
    }

    fn fit(&self, on: &TrainingSet) -> Result<LinearModel> {
        least_squares(on, Self::NAME, &Targets::Number, 0.0, self.fit_intercept, |_| None)?.model(Self::NAME, on, Link::Value)
    }
}
