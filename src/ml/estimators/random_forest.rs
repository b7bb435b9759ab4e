//! Many decision trees, each of rows and features drawn for it.

use schemars::JsonSchema;

use super::forest::{FittedForest, Forest, Variety};
use crate::error::Result;
use crate::ml::trees::Thresholds;
use crate::ml::{Estimator, Task, TrainingSet};
use crate::value::Fault;

pub type RandomForest = Forest<RowsDrawn>;

/// Rows are drawn for each tree.
#[derive(Clone, Debug, JsonSchema)]
pub struct RowsDrawn;

impl Variety for RowsDrawn {
    const THRESHOLDS: Thresholds = Thresholds::Best;
    const BOOTSTRAP: bool = true;
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
        self.refusals()
    }

    fn fit(&self, on: &TrainingSet) -> Result<FittedForest> {
        self.grow(on, Self::NAME)
    }
}
