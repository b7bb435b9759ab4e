//! Naive Bayes for counts where classes are of unequal size.

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
pub struct ComplementNb {
    #[serde(alias = "smoothness", alias = "Laplace")]
    #[schemars(extend("x-aliases" = ["smoothness", "Laplace"]))]
    alpha: f64,
    norm: bool,
}

impl Default for ComplementNb {
    fn default() -> Self {
        Self { alpha: 1.0, norm: false }
    }
}

impl Estimator for ComplementNb {
    const NAME: &'static str = "complement_nb";
    const ALIASES: &'static [&'static str] = &["ComplementNB"];
    const DOC: &'static str = "\
Complement naive Bayes: `multinomial_nb` for classes of unequal size.

A class is told by what the other classes' rows lack: the features' shares are those in all rows outside the class, and
large ones speak against it. How frequent the classes are does not count. Features below 0 are refused, and so are
missing values. Row weights and class weights count.

Parameters:
- `alpha` or `smoothness` (number > 0, default 1.0): added to every sum, so that no share is 0.
- `norm` (boolean, default false): divide each class's coefficients by their sum.

Source: scikit-learn `ComplementNB`; Rennie, Shih, Teevan and Karger (2003).

```yaml
steps:
  train:
    using: complement_nb
    estimator_params: {alpha: 0.5}
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
        let all: Vec<f64> = (0..on.features.len()).map(|j| sums.classes.iter().map(|class| class.sums[j]).sum()).collect();
        let coefficients = |class: &ClassSum| {
            let others: Vec<f64> = all.iter().zip(&class.sums).map(|(all, own)| all + self.alpha - own).collect();
            let logs = log_shares(&others);
            let divisor = if self.norm { logs.iter().sum() } else { -1.0 };
            logs.iter().map(|log| log / divisor).collect()
        };
        let lines = sums.classes.iter().map(|class| (coefficients(class), None)).collect();
        sums.model(on, Self::NAME, lines)
    }
}
