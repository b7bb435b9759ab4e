//! One decision tree, grown by exact search.
//!
//! All training rows are in memory, with their order by each feature, sorted once and split stably down
//! the tree. Regression and classification are one search: a split is worth Σₖ Sₖ²/W on its left side
//! plus the same on its right, where Sₖ is Σ w y, or the weight of class k. That is the squared error, or the
//! Gini impurity, up to what the split does not change. Not here: histograms, categories, missing values,
//! pruning; the boosted trees have those.
//!
//! Why not smartcore: its classifier takes no weights, gives labels only, looks at all rows for every node,
//! and passes over splits between tied values (0/1 columns) by the label of one row. It is the
//! regression oracle in the tests.

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shared::{Moments, Refusals, Scaling, Targets, class_weights, not_negative, require_finite, require_width};
use crate::error::{Error, Result};
use crate::ml::{Coefficient, Estimator, Matrix, Predict, Predictions, Task, TrainingSet};
use crate::value::Fault;

const DEEPEST: usize = 64;
/// Below this many values to look at, threads cost more than they save.
const WORTH_THREADS: usize = if cfg!(test) { 1 << 8 } else { 1 << 15 };

#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecisionTree {
    max_depth: usize,
    min_samples_split: usize,
    min_samples_leaf: usize,
    min_impurity_decrease: f64,
}

impl Default for DecisionTree {
    fn default() -> Self {
        Self { max_depth: DEEPEST, min_samples_split: 2, min_samples_leaf: 1, min_impurity_decrease: 0.0 }
    }
}

/// The nodes, root first, a child always behind its parent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Saved")]
pub struct FittedDecisionTree {
    features: Vec<String>,
    /// The number of classes; 0 for regression.
    classes: usize,
    nodes: Vec<Node>,
    importances: Vec<f64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Node {
    /// Rows with `feature` ≤ `threshold` go to the node `left`, the others to the one behind it.
    Split { feature: usize, threshold: f64, left: usize },
    /// The mean of the target, or the shares of the classes.
    Leaf(Vec<f64>),
}

/// A tree as it was written, before it is believed.
#[derive(Deserialize)]
struct Saved {
    features: Vec<String>,
    classes: usize,
    nodes: Vec<Node>,
    importances: Vec<f64>,
}

impl TryFrom<Saved> for FittedDecisionTree {
    type Error = String;

    fn try_from(saved: Saved) -> Result<Self, String> {
        let Saved { features, classes, nodes, importances } = saved;
        let fine = |(i, node): (usize, &Node)| match node {
            Node::Split { feature, left, .. } => *feature < features.len() && *left > i && *left < nodes.len().saturating_sub(1),
            Node::Leaf(values) => values.len() == classes.max(1),
        };
        if nodes.is_empty() || !nodes.iter().enumerate().all(fine) {
            return Err("its nodes are no tree".to_owned());
        }
        Ok(Self { features, classes, nodes, importances })
    }
}

impl Estimator for DecisionTree {
    const NAME: &'static str = "decision_tree";
    const ALIASES: &'static [&'static str] = &["tree", "DecisionTreeRegressor", "DecisionTreeClassifier"];
    const DOC: &'static str = "\
A decision tree: questions of the form `feature ≤ threshold`, and at their end a mean or the classes' shares.

Easy to read when small, needs no scaling, finds interactions; alone it predicts less well than forests or
boosting. Splits minimise the squared error, or the Gini impurity; every threshold between two different
values is tried, and of equally good splits the first feature's lowest is taken (scikit-learn draws one). All
training rows are held in memory. Row weights and class weights count; rows of weight 0 are left out, and
`min_samples_*` count rows, not weights. Missing values are refused. Importances are each feature's share of
the decrease of impurity.

Parameters:
- `max_depth` (1..=64, default 64): questions on the longest path.
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

    type Fitted = FittedDecisionTree;

    fn supports(task: &Task) -> bool {
        *task == Task::Regression || task.classes() >= 2
    }

    fn check(&self) -> Result<(), Vec<Fault>> {
        Refusals::default()
            .unless((1..=DEEPEST).contains(&self.max_depth), "max_depth", "must lie between 1 and 64")
            .unless(self.min_samples_split >= 2, "min_samples_split", "must be at least 2")
            .unless(self.min_samples_leaf >= 1, "min_samples_leaf", "must be at least 1")
            .unless(not_negative(self.min_impurity_decrease), "min_impurity_decrease", "must be a number ≥ 0")
            .done()
    }

    fn fit(&self, on: &TrainingSet) -> Result<FittedDecisionTree> {
        let classes = on.task.classes();
        if classes > 0 {
            class_weights(on)?;
        }
        let target = if classes == 0 { Targets::Number } else { Targets::None };
        let moments = Moments::of(on, Self::NAME, &target)?;
        let scaling = Scaling::of(&moments, true);
        // A centred, scaled target keeps digits and does not overflow.
        let (centre, scale) = if classes == 0 { (scaling.centre[on.features.len()], scaling.scale[on.features.len()]) } else { (0.0, 1.0) };
        let whole = on.whole()?;
        let targets: Vec<f64> = whole.y.iter().map(|y| if scale == 0.0 { 0.0 } else { (y - centre) * scale }).collect();
        u32::try_from(targets.len()).map_err(|_| Error::data("`decision_tree` takes at most 4,294,967,295 rows"))?;
        let rows = Rows { x: &whole.x, y: &targets, w: &whole.w, classes };
        let mut grower = Grower::new(self, rows, moments.weight, self.min_impurity_decrease * scale * scale);
        grower.grow();
        let Grower { mut nodes, importances, .. } = grower;
        if classes == 0 {
            for node in &mut nodes {
                if let Node::Leaf(values) = node {
                    for value in values.iter_mut() {
                        *value = if scale == 0.0 { centre } else { *value / scale + centre };
                    }
                }
            }
        }
        let sum: f64 = importances.iter().sum();
        let importances = importances.iter().map(|share| if sum > 0.0 { share / sum } else { 0.0 }).collect();
        Ok(FittedDecisionTree { features: on.features.clone(), classes, nodes, importances })
    }
}

struct Rows<'a> {
    x: &'a Matrix,
    y: &'a [f64],
    w: &'a [f64],
    classes: usize,
}

impl Rows<'_> {
    fn add(&self, row: u32, sums: &mut Sums) {
        let (y, w) = (self.y[row as usize], self.w[row as usize]);
        sums.weight += w;
        if self.classes == 0 {
            sums.values[0] += w * y;
        } else if let Some(value) = sums.values.get_mut(y as usize) {
            *value += w;
        }
    }
}

/// The weight of some rows, with Σ w y or the weight of each class.
#[derive(Clone)]
struct Sums {
    weight: f64,
    values: Vec<f64>,
}

impl Sums {
    fn none(classes: usize) -> Self {
        Self { weight: 0.0, values: vec![0.0; classes.max(1)] }
    }

    /// Σₖ Sₖ² / W: the larger, the purer.
    fn purity(&self) -> f64 {
        self.values.iter().map(|value| value * value).sum::<f64>() / self.weight
    }
}

struct Split {
    feature: usize,
    threshold: f64,
    /// Rows that go left.
    left: usize,
    purity: f64,
}

/// Is a purity above another by more than rounding? Else splits that are equally good would be told
/// apart by the order in which numbers were added.
fn better(purity: f64, than: f64) -> bool {
    purity > than * (1.0 + 1e-12)
}

/// A node that may still be split: rows `start..end` of every order.
struct Open {
    node: usize,
    start: usize,
    end: usize,
    depth: usize,
}

struct Grower<'a> {
    parameters: &'a DecisionTree,
    rows: Rows<'a>,
    weight: f64,
    /// What a split must bring, in units of the scaled target.
    least_decrease: f64,
    /// For each feature the rows from its lowest value to its highest, within each node.
    orders: Vec<Vec<u32>>,
    goes_left: Vec<bool>,
    nodes: Vec<Node>,
    importances: Vec<f64>,
}

impl<'a> Grower<'a> {
    fn new(parameters: &'a DecisionTree, rows: Rows<'a>, weight: f64, least_decrease: f64) -> Self {
        let counted: Vec<u32> = (0..rows.y.len() as u32).filter(|row| rows.w[*row as usize] > 0.0).collect();
        let order = |column: &Vec<f64>| {
            let mut order = counted.clone();
            // Stable: rows with equal values stay in row order.
            order.sort_by(|a, b| column[*a as usize].partial_cmp(&column[*b as usize]).unwrap_or(std::cmp::Ordering::Equal));
            order
        };
        let mut orders: Vec<Vec<u32>> = rows.x.columns.par_iter().map(order).collect();
        if orders.is_empty() {
            orders.push(counted);
        }
        let (goes_left, importances) = (vec![false; rows.y.len()], vec![0.0; rows.x.columns.len()]);
        Self { parameters, rows, weight, least_decrease, orders, goes_left, nodes: Vec::new(), importances }
    }

    fn grow(&mut self) {
        self.nodes.push(Node::Leaf(Vec::new()));
        let mut open = vec![Open { node: 0, start: 0, end: self.orders[0].len(), depth: 0 }];
        while let Some(Open { node, start, end, depth }) = open.pop() {
            let rows = &self.orders[0][start..end];
            let mut sums = Sums::none(self.rows.classes);
            for row in rows {
                self.rows.add(*row, &mut sums);
            }
            let first = rows.first().map(|row| self.rows.y[*row as usize]);
            let pure = rows.iter().all(|row| Some(self.rows.y[*row as usize]) == first);
            let can_split = !pure && depth < self.parameters.max_depth && rows.len() >= self.parameters.min_samples_split;
            let split = if can_split { self.best_split(start, end, &sums) } else { None };
            let Some(split) = split else {
                self.nodes[node] = Node::Leaf(sums.values.iter().map(|value| value / sums.weight).collect());
                continue;
            };
            self.importances[split.feature] += (split.purity - sums.purity()).max(0.0);
            self.part(start, end, &split);
            let left = self.nodes.len();
            self.nodes[node] = Node::Split { feature: split.feature, threshold: split.threshold, left };
            self.nodes.extend([Node::Leaf(Vec::new()), Node::Leaf(Vec::new())]);
            let middle = start + split.left;
            open.push(Open { node: left + 1, start: middle, end, depth: depth + 1 });
            open.push(Open { node: left, start, end: middle, depth: depth + 1 });
        }
    }

    fn best_split(&self, start: usize, end: usize, sums: &Sums) -> Option<Split> {
        let features = self.rows.x.columns.len();
        let best: Vec<Option<Split>> = if (end - start) * features >= WORTH_THREADS {
            (0..features).into_par_iter().map(|j| self.best_of(j, start, end, sums)).collect()
        } else {
            (0..features).map(|j| self.best_of(j, start, end, sums)).collect()
        };
        let best = best.into_iter().flatten().reduce(|best, next| if better(next.purity, best.purity) { next } else { best })?;
        let decrease = (best.purity - sums.purity()) / self.weight;
        // Rounding must not refuse a split that leaves impurity as it is, as the first of an exclusive-or does.
        (decrease + f64::EPSILON >= self.least_decrease).then_some(best)
    }

    fn best_of(&self, feature: usize, start: usize, end: usize, sums: &Sums) -> Option<Split> {
        let column = &self.rows.x.columns[feature];
        let order = &self.orders[feature][start..end];
        let least = self.parameters.min_samples_leaf;
        let mut left = Sums::none(self.rows.classes);
        let mut right = sums.clone();
        let mut best: Option<Split> = None;
        for (count, pair) in (1..).zip(order.windows(2)) {
            self.rows.add(pair[0], &mut left);
            let (low, high) = (column[pair[0] as usize], column[pair[1] as usize]);
            if low == high || count < least || order.len() - count < least {
                continue;
            }
            right.weight = sums.weight - left.weight;
            right.values.iter_mut().zip(&sums.values).zip(&left.values).for_each(|((right, all), left)| *right = all - left);
            if right.weight <= 0.0 {
                continue;
            }
            let purity = left.purity() + right.purity();
            if best.as_ref().is_none_or(|best| better(purity, best.purity)) {
                let middle = low / 2.0 + high / 2.0;
                let threshold = if middle < high && middle >= low { middle } else { low };
                best = Some(Split { feature, threshold, left: count, purity });
            }
        }
        best
    }

    /// Moves the rows that go left to the front of every order, keeping the order on both sides.
    fn part(&mut self, start: usize, end: usize, split: &Split) {
        for (i, row) in self.orders[split.feature][start..end].iter().enumerate() {
            self.goes_left[*row as usize] = i < split.left;
        }
        let goes_left = &self.goes_left;
        let part = |order: &mut Vec<u32>| {
            let rows = &mut order[start..end];
            let (left, right): (Vec<u32>, Vec<u32>) = rows.iter().partition(|row| goes_left[**row as usize]);
            let (front, back) = rows.split_at_mut(left.len());
            front.copy_from_slice(&left);
            back.copy_from_slice(&right);
        };
        if (end - start) * self.orders.len() >= WORTH_THREADS {
            self.orders.par_iter_mut().for_each(part);
        } else {
            self.orders.iter_mut().for_each(part);
        }
    }
}

impl FittedDecisionTree {
    fn leaf(&self, features: &Matrix, row: usize) -> &[f64] {
        let mut node = 0;
        loop {
            match &self.nodes[node] {
                Node::Split { feature, threshold, left } => node = left + usize::from(features.columns[*feature][row] > *threshold),
                Node::Leaf(values) => return values,
            }
        }
    }

    fn depth(&self) -> usize {
        let mut depths = vec![0; self.nodes.len()];
        for (i, node) in self.nodes.iter().enumerate() {
            if let Node::Split { left, .. } = node {
                depths[*left] = depths[i] + 1;
                depths[left + 1] = depths[i] + 1;
            }
        }
        depths.into_iter().max().unwrap_or(0)
    }
}

impl Predict for FittedDecisionTree {
    fn predict(&self, features: &Matrix) -> Result<Predictions> {
        require_width(&self.features, features)?;
        require_finite(DecisionTree::NAME, &self.features, features)?;
        let mut columns = vec![Vec::with_capacity(features.rows); self.classes.max(1)];
        for row in 0..features.rows {
            columns.iter_mut().zip(self.leaf(features, row)).for_each(|(column, value)| column.push(*value));
        }
        Ok(if self.classes == 0 { Predictions::Values(columns.swap_remove(0)) } else { Predictions::Scores(columns) })
    }

    fn importances(&self) -> Vec<Coefficient> {
        let line = |(feature, value): (&String, &f64)| Coefficient { feature: feature.clone(), class: None, value: *value, standardised: None };
        self.features.iter().zip(&self.importances).map(line).collect()
    }

    fn describe(&self) -> String {
        let leaves = self.nodes.iter().filter(|node| matches!(node, Node::Leaf(_))).count();
        format!("decision_tree, {leaves} leaves, depth {}", self.depth())
    }
}
