//! Naive Bayes for counts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::counts::{ClassSum, ClassSums, log_shares};
use super::linear_model::LinearModel;
use super::shared::{Refusals, positive};
use crate::error::Result;
use crate::ml::{Estimator, Task, TrainingSet};
use crate::value::Fault;

#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MultinomialNb {
    #[serde(alias = "smoothness", alias = "Laplace")]
    #[schemars(extend("x-aliases" = ["smoothness", "Laplace"]))]
    alpha: f64,
    fit_prior: bool,
}

impl Default for MultinomialNb {
    fn default() -> Self {
        Self { alpha: 1.0, fit_prior: true }
    }
}

impl Estimator for MultinomialNb {
    const NAME: &'static str = "multinomial_nb";
    const ALIASES: &'static [&'static str] = &["MultinomialNB"];
    const DOC: &'static str = "\
Multinomial naive Bayes: for counts of many things, such as the words of a text.

Each class has its share of every feature, the features' sums being taken over its rows; a row's score is its class's
share of the rows times the shares of what it counts. Made for the columns of `tfidf` and `hash`. Four passes over the
rows. Features below 0 are refused, and so are missing values. Row weights and class weights count. The coefficients
are the logarithms of the shares.

Parameters:
- `alpha` or `smoothness` (number > 0, default 1.0): added to every sum, so that no share is 0.
- `fit_prior` (boolean, default true): take the classes' shares from the rows; else they are equal.

Source: scikit-learn `MultinomialNB`; Manning, Raghavan and Schütze (2008), 13.2.

```yaml
steps:
  train:
    using: multinomial_nb
    estimator_params: {alpha: 0.1}
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
        Refusals::default().unless(positive(self.alpha), "alpha", "must be a number > 0").done()
    }

    fn fit(&self, on: &TrainingSet) -> Result<LinearModel> {
        let sums = ClassSums::of(on, Self::NAME, |x| x)?;
        sums.refuse_negative(on, Self::NAME)?;
        let shares = |class: &ClassSum| log_shares(&class.sums.iter().map(|sum| sum + self.alpha).collect::<Vec<f64>>());
        let lines = sums.classes.iter().zip(sums.priors(self.fit_prior)).map(|(class, prior)| (shares(class), Some(prior))).collect();
        sums.model(on, Self::NAME, lines)
    }
}
