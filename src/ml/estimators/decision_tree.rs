//! One decision tree.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::forest::{FittedForest, Growth, Limits, MaxFeatures, NamedFeatures};
use crate::error::Result;
use crate::ml::trees::Thresholds;
use crate::ml::{Estimator, Task, TrainingSet};
use crate::value::Fault;

#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecisionTree {
    max_depth: Option<usize>,
    #[serde(alias = "min_n")]
    #[schemars(extend("x-aliases" = ["min_n"]))]
    min_samples_split: usize,
    min_samples_leaf: usize,
    min_impurity_decrease: f64,
}

impl Default for DecisionTree {
    fn default() -> Self {
        Self { max_depth: None, min_samples_split: 2, min_samples_leaf: 1, min_impurity_decrease: 0.0 }
    }
}

impl DecisionTree {
    fn limits(&self) -> Limits {
        Limits {
            max_depth: self.max_depth,
            min_samples_split: self.min_samples_split,
            min_samples_leaf: self.min_samples_leaf,
            min_impurity_decrease: self.min_impurity_decrease,
        }
    }
}

impl Estimator for DecisionTree {
    const NAME: &'static str = "decision_tree";
    const ALIASES: &'static [&'static str] = &["tree", "DecisionTreeRegressor", "DecisionTreeClassifier"];
    const VERSION: u32 = 2;
    const DOC: &'static str = "\
A decision tree: questions of the form `feature ≤ threshold`, and at their end a mean or the classes' shares.

Easy to read when small, needs no scaling, finds interactions; alone it predicts less well than forests or
boosting. Splits minimise the squared error, or the Gini impurity. Nodes of up to 256 rows try every threshold
between two different values; larger ones try 255 quantiles of the training rows, and then every threshold in the bins
on both sides of the best, which is the same where a feature has no more than 255 values. Of equally good splits the
first feature's lowest is taken (scikit-learn draws one). Missing values go to the side where they fit better; where
training had none, to the side with more rows. All training rows are held in memory. Row weights and class
weights count; rows of weight 0 are left out, and `min_samples_*` count rows, not weights. Importances are each
feature's share of the decrease of impurity.

Parameters:
- `max_depth` (1..=1000, default null: no limit): questions on the longest path.
- `min_samples_split` (2 or more, default 2): rows a node needs to be split.
- `min_samples_leaf` (1 or more, default 1): rows that each side of a split must keep.
- `min_impurity_decrease` (number ≥ 0, default 0): the least decrease, weighed by the node's share of the
  rows, that a split must bring.

Source: Breiman, Friedman, Olshen and Stone (1984); scikit-learn `DecisionTreeRegressor` and
`DecisionTreeClassifier`, which round features to 32 bits where this does not.

```yaml
steps:
  train:
    using: decision_tree
    estimator_params: {max_depth: 5, min_samples_leaf: 20}
```
";

    type Fitted = FittedForest;

    fn supports(task: &Task) -> bool {
        *task == Task::Regression || task.classes() >= 2
    }

    fn check(&self) -> Result<(), Vec<Fault>> {
        self.limits().check().done()
    }

    fn fit(&self, on: &TrainingSet) -> Result<FittedForest> {
        let max_features = MaxFeatures::Named(NamedFeatures::All);
        Growth { name: Self::NAME, trees: 1, limits: self.limits(), max_features, draws: None, thresholds: Thresholds::Best }.fit(on)
    }
}
