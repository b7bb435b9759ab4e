//! Naive Bayes for features that are there or not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::counts::ClassSums;
use super::linear_model::LinearModel;
use super::shared::{Refusals, positive, require_finite, require_width};
use crate::error::{Error, Result};
use crate::ml::export::{Feature, Lowering, Said, Why};
use crate::ml::{Coefficient, Estimator, Matrix, Predict, Predictions, Task, TrainingSet};
use crate::value::Fault;

#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BernoulliNb {
    #[serde(alias = "smoothness", alias = "Laplace")]
    #[schemars(extend("x-aliases" = ["smoothness", "Laplace"]))]
    alpha: f64,
    binarize: f64,
    fit_prior: bool,
}

impl Default for BernoulliNb {
    fn default() -> Self {
        Self { alpha: 1.0, binarize: 0.0, fit_prior: true }
    }
}

/// Linear in ones and zeros.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FittedBernoulliNb {
    features: Vec<String>,
    binarize: f64,
    model: LinearModel,
}

impl Estimator for BernoulliNb {
    const NAME: &'static str = "bernoulli_nb";
    const ALIASES: &'static [&'static str] = &["BernoulliNB"];
    const DOC: &'static str = "\
Bernoulli naive Bayes: for features that are there or not, such as answers to yes or no.

Each class has a probability of every feature being above `binarize`; unlike in `multinomial_nb`, features that are not
there speak, too. Four passes over the rows. Missing values are refused. Row weights and class weights count. The
coefficients are the logarithms of the odds.

Parameters:
- `alpha` or `smoothness` (number > 0, default 1.0): added to every count of a feature that is there, or is not, so that no share is 0.
- `binarize` (number, default 0.0): a feature is there where its value is larger.
- `fit_prior` (boolean, default true): take the classes' shares from the rows; else they are equal.

Source: scikit-learn `BernoulliNB`; Manning, Raghavan and Schütze (2008), 13.3.

```yaml
steps:
  train:
    using: bernoulli_nb
    estimator_params: {binarize: 0.5}
```
";

    type Fitted = FittedBernoulliNb;

    fn supports(task: &Task) -> bool {
        task.classes() >= 2
    }

    fn takes_sparse(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), Vec<Fault>> {
        Refusals::default()
            .unless(positive(self.alpha), "alpha", "must be a number > 0")
            .unless(self.binarize.is_finite(), "binarize", "must be a number")
            .done()
    }

    fn fit(&self, on: &TrainingSet) -> Result<FittedBernoulliNb> {
        if on.is_sparse() && self.binarize < 0.0 {
            return Err(
                Error::data("`bernoulli_nb` takes sparse columns with `binarize` from 0 only").hint("below 0 every feature would be there in every row")
            );
        }
        let sums = ClassSums::of(on, Self::NAME, |x| f64::from(u8::from(x > self.binarize)))?;
        let mut lines = Vec::with_capacity(sums.classes.len());
        for (class, prior) in sums.classes.iter().zip(sums.priors(self.fit_prior)) {
            let there = class.sums.iter().map(|sum| sum + self.alpha);
            let not: Vec<f64> = class.sums.iter().map(|sum| class.weight - sum + self.alpha).collect();
            let odds = there.zip(&not).map(|(there, not)| (there / not).ln()).collect();
            let nothing_there: f64 = not.iter().map(|not| (not / (class.weight + 2.0 * self.alpha)).ln()).sum();
            lines.push((odds, Some(prior + nothing_there)));
        }
        Ok(FittedBernoulliNb { features: on.features.clone(), binarize: self.binarize, model: sums.model(on, Self::NAME, lines)? })
    }
}

impl Predict for FittedBernoulliNb {
    fn predict(&self, features: &Matrix) -> Result<Predictions> {
        require_width(&self.features, features)?;
        require_finite(BernoulliNb::NAME, &self.features, features)?;
        let is_there = |x: f64| f64::from(u8::from(x > self.binarize));
        let there = |column: &Vec<f64>| column.iter().map(|x| is_there(*x)).collect();
        let blocks = features.blocks.iter().map(|block| block.clone().map(is_there)).collect();
        self.model.predict(&Matrix { rows: features.rows, columns: features.columns.iter().map(there).collect(), blocks })
    }

    fn coefficients(&self) -> Vec<Coefficient> {
        self.model.coefficients()
    }

    fn lower(&self, features: &[Feature], on: &mut Lowering) -> Result<Said, Why> {
        let mut there = Vec::with_capacity(features.len());
        for feature in features {
            there.push(match *feature {
                Feature::Number(x) => {
                    let is = on.program.above(x, self.binarize);
                    Feature::Number(on.program.as_number(is))
                }
                Feature::OneHot { width, .. } if self.binarize >= 1.0 => Feature::OneHot { code: on.program.number(-1.0), width },
                Feature::OneHot { .. } => *feature,
            });
        }
        self.model.lower(&there, on)
    }

    fn describe(&self) -> String {
        self.model.describe()
    }
}
