//! Many decision trees whose thresholds are drawn.

use schemars::JsonSchema;

use super::forest::{FittedForest, Forest, Variety};
use crate::error::Result;
use crate::ml::trees::Thresholds;
use crate::ml::{Estimator, Task, TrainingSet};
use crate::value::Fault;

pub type ExtraTrees = Forest<ThresholdsDrawn>;

/// Thresholds are drawn at each node.
#[derive(Clone, Debug, JsonSchema)]
pub struct ThresholdsDrawn;

impl Variety for ThresholdsDrawn {
    const THRESHOLDS: Thresholds = Thresholds::Drawn;
    const BOOTSTRAP: bool = false;
}

impl Estimator for ExtraTrees {
    const NAME: &'static str = "extra_trees";
    const ALIASES: &'static [&'static str] = &["extremely_randomized_trees", "ExtraTreesRegressor", "ExtraTreesClassifier"];
    const DOC: &'static str = "\
Extremely randomised trees: a random forest whose thresholds are drawn, too.

Each node tries one threshold a feature, drawn evenly between the feature's lowest and highest value there, and takes
the best of them. Quicker to fit than `random_forest` and often as good, with smoother predictions; less so where many
features say nothing. The rest is as there: the prediction is the mean of the trees', missing values go to the
side where they fit better, all training rows are held in memory, row weights and class weights count.

Parameters:
- `n_estimators` (1..=100000, default 100): trees.
- `max_features` (default `auto`): features that each node tries, drawn anew and constant ones not counted: `sqrt`, `log2`,
  `all`, a number of them (`3`) or a share (`0.5`); `auto` is `sqrt` for classes and `all` for numbers.
- `bootstrap` (default false): draw rows for each tree with putting back; else each tree sees every row.
- `max_samples` (above 0 and up to 1, default 1): with `bootstrap`, how many rows are drawn, as a share of all.
- `max_depth` (1..=1000, default null: no limit): questions on the longest path.
- `min_samples_split` (2 or more, default 2): rows a node needs to be split.
- `min_samples_leaf` (1 or more, default 1): rows that each side of a split must keep.
- `min_impurity_decrease` (number ≥ 0, default 0): the least decrease, weighed by the node's share of the
  rows, that a split must bring.

Source: Geurts, Ernst and Wehenkel (2006); scikit-learn `ExtraTreesRegressor` and `ExtraTreesClassifier`.

```yaml
steps:
  train:
    using: extra_trees
    estimator_params: {n_estimators: 300, min_samples_leaf: 2}
```
";

    type Fitted = FittedForest;

    fn supports(task: &Task) -> bool {
        *task == Task::Regression || task.classes() >= 2
    }

    fn check(&self) -> Result<(), Vec<Fault>> {
        self.refusals()
    }

    fn fit(&self, on: &TrainingSet) -> Result<FittedForest> {
        self.grow(on, Self::NAME)
    }
}
