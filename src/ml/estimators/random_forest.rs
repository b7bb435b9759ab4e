//! Many decision trees, each of rows and features drawn for it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::forest::{FittedForest, Forest, Limits, MaxFeatures, NamedFeatures};
use crate::error::Result;
use crate::ml::trees::Thresholds;
use crate::ml::{Estimator, Task, TrainingSet};
use crate::value::Fault;

#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RandomForest {
    #[serde(alias = "trees", alias = "num_trees")]
    #[schemars(extend("x-aliases" = ["trees", "num_trees"]))]
    n_estimators: usize,
    max_depth: Option<usize>,
    #[serde(alias = "min_n")]
    #[schemars(extend("x-aliases" = ["min_n"]))]
    min_samples_split: usize,
    min_samples_leaf: usize,
    min_impurity_decrease: f64,
    #[serde(alias = "mtry")]
    #[schemars(extend("x-aliases" = ["mtry"]))]
    max_features: MaxFeatures,
    bootstrap: bool,
    max_samples: f64,
}

impl Default for RandomForest {
    fn default() -> Self {
        Self {
            n_estimators: 100,
            max_depth: None,
            min_samples_split: 2,
            min_samples_leaf: 1,
            min_impurity_decrease: 0.0,
            max_features: MaxFeatures::Named(NamedFeatures::Auto),
            bootstrap: true,
            max_samples: 1.0,
        }
    }
}

impl RandomForest {
    fn limits(&self) -> Limits {
        Limits {
            max_depth: self.max_depth,
            min_samples_split: self.min_samples_split,
            min_samples_leaf: self.min_samples_leaf,
            min_impurity_decrease: self.min_impurity_decrease,
        }
    }
}

impl Estimator for RandomForest {
    const NAME: &'static str = "random_forest";
    const ALIASES: &'static [&'static str] = &["forest", "RandomForestRegressor", "RandomForestClassifier"];
    const DOC: &'static str = "\
A random forest: the mean of many decision trees, each grown from rows drawn with putting back.

Hard to get wrong: needs no scaling and little tuning, and more trees never harm. The trees are those of
`decision_tree`; each node tries features that are drawn anew. The prediction is the mean of the trees' means, or of
their classes' shares. Draws depend on the recipe's seed only. Unlimited trees make a large model: about a leaf for every
two rows and tree; `min_samples_leaf: 5` makes it a fraction of that and rarely harms. Missing values go to the side
where they fit better. All training rows are held in memory. Row weights and class weights count.

Parameters:
- `n_estimators` (1..=100000, default 100): trees.
- `max_features` (default `auto`): features that each node tries, drawn anew and constant ones not counted: `sqrt`, `log2`,
  `all`, a number of them (`3`) or a share (`0.5`); `auto` is `sqrt` for classes and `all` for numbers.
- `bootstrap` (default true): draw rows for each tree with putting back; else each tree sees every row.
- `max_samples` (above 0 and up to 1, default 1): with `bootstrap`, how many rows are drawn, as a share of all.
- `max_depth` (1..=1000, default null: no limit): questions on the longest path.
- `min_samples_split` (2 or more, default 2): rows a node needs to be split.
- `min_samples_leaf` (1 or more, default 1): rows that each side of a split must keep.
- `min_impurity_decrease` (number ≥ 0, default 0): the least decrease, weighed by the node's share of the
  rows, that a split must bring.

Source: Breiman (2001); scikit-learn `RandomForestRegressor` and `RandomForestClassifier`.

```yaml
steps:
  train:
    using: random_forest
    estimator_params: {n_estimators: 300, min_samples_leaf: 5}
```
";

    type Fitted = FittedForest;

    fn supports(task: &Task) -> bool {
        *task == Task::Regression || task.classes() >= 2
    }

    fn check(&self) -> Result<(), Vec<Fault>> {
        self.limits()
            .check()
            .unless((1..=100_000).contains(&self.n_estimators), "n_estimators", "must lie between 1 and 100000")
            .unless(self.max_features.is_fine(), "max_features", "must be a number of features (`3`), a share above 0 and up to 1 (`0.5`), or a name")
            .unless(self.max_samples > 0.0 && self.max_samples <= 1.0, "max_samples", "must be above 0 and at most 1")
            .done()
    }

    fn fit(&self, on: &TrainingSet) -> Result<FittedForest> {
        let draws = self.bootstrap.then_some(self.max_samples);
        let (limits, thresholds) = (self.limits(), Thresholds::Best);
        Forest { name: Self::NAME, trees: self.n_estimators, limits, max_features: self.max_features, draws, thresholds }.fit(on)
    }
}
