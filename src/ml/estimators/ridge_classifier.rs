//! Classification by ridge regression on signs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::linear_model::{LinearModel, Link, least_squares};
use super::shared::{Refusals, Targets, class_weights, not_negative, present};
use crate::error::Result;
use crate::ml::{Estimator, Task, TrainingSet};
use crate::value::Fault;

#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RidgeClassifier {
    alpha: f64,
    fit_intercept: bool,
}

impl Default for RidgeClassifier {
    fn default() -> Self {
        Self { alpha: 1.0, fit_intercept: true }
    }
}

impl Estimator for RidgeClassifier {
    const NAME: &'static str = "ridge_classifier";
    const ALIASES: &'static [&'static str] = &["RidgeClassifier"];
    const VERSION: u32 = 2;
    const DOC: &'static str = "\
Ridge classification: a ridge regression on 1 (the class) and −1 (the others), one for each class.

With two classes there is one regression, for the second. The largest output is the predicted class, as
in scikit-learn. The fastest linear classifier, in two passes over the rows. Scores are the softmax of
the outputs (of −output and output with two classes): they rank and sum to one, but they are no
probabilities; for those take `logistic`, or add `calibrate_proba`. Row weights and class weights count.
Missing values are refused.

Parameters:
- `alpha` (number ≥ 0, default 1.0): strength of the penalty on the squares of the coefficients.
- `fit_intercept` (boolean, default true): estimate an intercept, which is not penalised.

Source: scikit-learn `RidgeClassifier`.

```yaml
steps:
  train:
    using: ridge_classifier
    estimator_params: {alpha: 2.0}
```
";

    type Fitted = LinearModel;

    fn supports(task: &Task) -> bool {
        task.classes() >= 2
    }

    fn takes_sparse(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), Vec<Fault>> {
        Refusals::default().unless(not_negative(self.alpha), "alpha", "must be a number ≥ 0").done()
    }

    fn fit(&self, on: &TrainingSet) -> Result<LinearModel> {
        let Task::Classification { classes, .. } = &on.task else { return Err(crate::error::Error::bug("`ridge_classifier` got a number to predict")) };
        let present = present(&class_weights(on)?);
        let several = present.len() > 2;
        let columns = if several { present.clone() } else { present[1..].to_vec() };
        let name = |t: usize| several.then(|| classes[present[t]].clone());
        let found = least_squares(on, Self::NAME, &Targets::Signs(columns), self.alpha, self.fit_intercept, name)?;
        let classes = classes.len();
        let link = if several { Link::Softmax { classes, present } } else { Link::Signs { classes, present } };
        found.model(Self::NAME, on, link)
    }
}
