//! Gradient boosted trees on histograms.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::forest::{MOST_DEPTH, TreeRows, importance_lines, refuse_infinite};
use super::shared::{Refusals, class_weights, not_negative, positive, present, require_width, wrong_choice};
use crate::error::{Error, Result, counted, nearest, thousands};
use crate::ml::explain::{Contributions, OutputContributions, Scale};
use crate::ml::export::{Feature, Lowering, Said, Why};
use crate::ml::trees::bins::MOST_CATEGORIES;
use crate::ml::trees::boost::{Fit, Validation};
use crate::ml::trees::cart::shares;
use crate::ml::trees::draw::Draw;
use crate::ml::trees::{Binned, Boosted, Boosting, Growth, Link, MOST_ROWS, Objective, Rules, Shape, Shapley};
use crate::ml::{Coefficient, Estimator, Matrix, Predict, Predictions, Task, TrainingSet};
use crate::value::Fault;

/// What is minimised, as the recipe names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Loss {
    /// Squared for numbers, the log loss for classes.
    Auto,
    #[serde(alias = "squared_error", alias = "regression", alias = "l2", alias = "mse")]
    #[schemars(extend("x-aliases" = ["squared_error", "regression", "l2", "mse"]))]
    Squared,
    #[serde(alias = "absolute_error", alias = "regression_l1", alias = "l1", alias = "mae")]
    #[schemars(extend("x-aliases" = ["absolute_error", "regression_l1", "l1", "mae"]))]
    Absolute,
    Huber,
    Quantile,
    Poisson,
    Gamma,
    Tweedie,
    #[serde(alias = "log_loss", alias = "logistic")]
    #[schemars(extend("x-aliases" = ["log_loss", "logistic"]))]
    Binary,
    #[serde(alias = "softmax")]
    #[schemars(extend("x-aliases" = ["softmax"]))]
    Multiclass,
}

impl Loss {
    fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Squared => "squared",
            Self::Absolute => "absolute",
            Self::Huber => "huber",
            Self::Quantile => "quantile",
            Self::Poisson => "poisson",
            Self::Gamma => "gamma",
            Self::Tweedie => "tweedie",
            Self::Binary => "binary",
            Self::Multiclass => "multiclass",
        }
    }
}

#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GradientBoosting {
    objective: Loss,
    #[serde(
        alias = "num_iterations",
        alias = "num_iteration",
        alias = "n_iter",
        alias = "num_boost_round",
        alias = "num_trees",
        alias = "max_iter",
        alias = "trees"
    )]
    #[schemars(extend("x-aliases" = ["num_iterations", "num_iteration", "n_iter", "num_boost_round", "num_trees", "max_iter", "trees"]))]
    n_estimators: usize,
    #[serde(alias = "eta", alias = "shrinkage_rate", alias = "learn_rate")]
    #[schemars(extend("x-aliases" = ["eta", "shrinkage_rate", "learn_rate"]))]
    learning_rate: f64,
    #[serde(alias = "max_leaves", alias = "max_leaf_nodes")]
    #[schemars(extend("x-aliases" = ["max_leaves", "max_leaf_nodes"]))]
    num_leaves: usize,
    max_depth: i64,
    #[serde(alias = "grow_policy")]
    #[schemars(extend("x-aliases" = ["grow_policy"]))]
    growth: Growth,
    #[serde(alias = "min_data_in_leaf", alias = "min_samples_leaf", alias = "min_n")]
    #[schemars(extend("x-aliases" = ["min_data_in_leaf", "min_samples_leaf", "min_n"]))]
    min_child_samples: u64,
    #[serde(alias = "min_sum_hessian_in_leaf")]
    #[schemars(extend("x-aliases" = ["min_sum_hessian_in_leaf"]))]
    min_child_weight: f64,
    #[serde(alias = "min_gain_to_split", alias = "gamma", alias = "loss_reduction")]
    #[schemars(extend("x-aliases" = ["min_gain_to_split", "gamma", "loss_reduction"]))]
    min_split_gain: f64,
    #[serde(alias = "lambda_l1")]
    #[schemars(extend("x-aliases" = ["lambda_l1"]))]
    reg_alpha: f64,
    #[serde(alias = "lambda_l2", alias = "lambda", alias = "l2_regularization")]
    #[schemars(extend("x-aliases" = ["lambda_l2", "lambda", "l2_regularization"]))]
    reg_lambda: f64,
    #[serde(alias = "bagging_fraction", alias = "sample_size")]
    #[schemars(extend("x-aliases" = ["bagging_fraction", "sample_size"]))]
    subsample: f64,
    #[serde(alias = "bagging_freq")]
    #[schemars(extend("x-aliases" = ["bagging_freq"]))]
    subsample_freq: usize,
    #[serde(alias = "feature_fraction")]
    #[schemars(extend("x-aliases" = ["feature_fraction"]))]
    colsample_bytree: f64,
    #[serde(alias = "feature_fraction_bynode")]
    #[schemars(extend("x-aliases" = ["feature_fraction_bynode"]))]
    colsample_bynode: f64,
    #[serde(alias = "max_bins")]
    #[schemars(extend("x-aliases" = ["max_bins"]))]
    max_bin: usize,
    #[serde(alias = "early_stopping_round", alias = "n_iter_no_change", alias = "stop_iter")]
    #[schemars(extend("x-aliases" = ["early_stopping_round", "n_iter_no_change", "stop_iter"]))]
    early_stopping_rounds: usize,
    validation_fraction: Option<f64>,
    alpha: f64,
    tweedie_variance_power: f64,
    #[serde(alias = "categorical_feature", alias = "cat_features")]
    #[schemars(extend("x-aliases" = ["categorical_feature", "cat_features"]))]
    categorical_features: Vec<String>,
    cat_smooth: f64,
    cat_l2: f64,
    max_cat_threshold: usize,
    min_data_per_group: u64,
    #[serde(alias = "monotonic_cst")]
    #[schemars(extend("x-aliases" = ["monotonic_cst"]))]
    monotone_constraints: BTreeMap<String, i8>,
    #[serde(alias = "interaction_cst")]
    #[schemars(extend("x-aliases" = ["interaction_cst"]))]
    interaction_constraints: Vec<Vec<String>>,
}

impl Default for GradientBoosting {
    fn default() -> Self {
        Self {
            objective: Loss::Auto,
            n_estimators: 100,
            learning_rate: 0.1,
            num_leaves: 31,
            max_depth: -1,
            growth: Growth::LeafWise,
            min_child_samples: 20,
            min_child_weight: 1e-3,
            min_split_gain: 0.0,
            reg_alpha: 0.0,
            reg_lambda: 0.0,
            subsample: 1.0,
            subsample_freq: 1,
            colsample_bytree: 1.0,
            colsample_bynode: 1.0,
            max_bin: 255,
            early_stopping_rounds: 0,
            validation_fraction: None,
            alpha: 0.9,
            tweedie_variance_power: 1.5,
            categorical_features: Vec::new(),
            cat_smooth: 10.0,
            cat_l2: 10.0,
            max_cat_threshold: 32,
            min_data_per_group: 100,
            monotone_constraints: BTreeMap::new(),
            interaction_constraints: Vec::new(),
        }
    }
}

impl Estimator for GradientBoosting {
    const NAME: &'static str = "gradient_boosting";
    const ALIASES: &'static [&'static str] =
        &["gbm", "gbdt", "lightgbm", "LGBMRegressor", "LGBMClassifier", "HistGradientBoostingRegressor", "HistGradientBoostingClassifier"];
    const DOC: &'static str = "\
Gradient boosted trees: each tree corrects what the trees before it leave, on histograms of binned features.

The usual first choice on tables. Needs no scaling and no encoding of ordered values, takes missing values (each split
learns where they go; where training had none, they go with most rows), finds interactions. Names and defaults of the
parameters are those of LightGBM, whose other spellings are understood too (`num_iterations`, `eta`, `lambda_l2`,
`min_data_in_leaf`, `bagging_fraction`, `feature_fraction`, ...). Row weights and class weights count; rows of weight 0
are left out, and `min_child_samples` counts rows, not weights. The same seed gives the same model at any number of
threads. All training rows are held in memory. Infinite values are refused. Importances are each feature's share of
what splits gained.

Parameters:
- `objective` (default `auto`): for numbers `squared` (the default), `absolute`, `huber` and `quantile` (see `alpha`), and
  for targets ≥ 0 `poisson`, `gamma` (above 0) and `tweedie`; for classes the log loss: `binary` or `multiclass`.
- `n_estimators` (1..=100000, default 100): rounds; `multiclass` grows a tree for each class in each.
- `learning_rate` (above 0, default 0.1): each tree's share; half of it needs about twice the rounds.
- `num_leaves` (2..=65536, default 31): leaves of a tree at most.
- `max_depth` (up to 1000, default -1): questions on the longest path; 0 or less: no limit.
- `growth` (`leaf_wise` or `depth_wise`, default `leaf_wise`): split the leaf that gains most, or one nearest to the root.
- `min_child_samples` (default 20): rows that each side of a split must keep.
- `min_child_weight` (default 0.001): the sum of hessians that each side of a split must keep.
- `min_split_gain` (≥ 0, default 0): what a split must gain.
- `reg_alpha`, `reg_lambda` (≥ 0, default 0): penalties on a leaf's value and its square.
- `subsample` (above 0, at most 1, default 1): the share of rows that a tree is grown from.
- `subsample_freq` (default 1): rounds after which these rows are drawn anew.
- `colsample_bytree`, `colsample_bynode` (above 0, at most 1, default 1): the share of features that a tree, or each node,
  looks at.
- `max_bin` (2..=255, default 255): bins of a feature.
- `early_stopping_rounds` (default 0: never): stop after so many rounds without a lower loss on the validation split,
  and keep the rounds up to the lowest.
- `validation_fraction` (between 0 and 1): stop by this share of the training rows instead, drawn and left out of the fit;
  0.1 where there is no validation split.
- `alpha` (default 0.9): the level of `quantile` (between 0 and 1); where `huber` turns from squared to absolute.
- `tweedie_variance_power` (between 1 and 2, default 1.5): near 2 it is `gamma`, near 1 `poisson`.
- `categorical_features` (names): features whose whole numbers from 0 to 65535, as `ordinal_encode` makes them, are
  categories without order. Splits part them into two sets, in the order of their mean gradients. Missing, rare (beyond
  `max_bin`) and new ones go with the larger set.
- `cat_smooth` (default 10): what is added to hessians where categories are ordered.
- `cat_l2` (default 10): what is added to `reg_lambda` in splits of categories.
- `max_cat_threshold` (default 32): categories of the smaller set at most.
- `min_data_per_group` (default 100): rows by which that set grows at least.
- `monotone_constraints` (for example `{distance: 1}`): 1 where predictions never fall as the feature rises, -1 where
  they never rise. Not for `multiclass`.
- `interaction_constraints` (for example `[[a, b], [c]]`): features that may stand on one path; those not named are one
  more set.

Source: Friedman (2001); Chen and Guestrin (2016); Ke et al. (2017), LightGBM, whose results these are to within what
depends on the order of sums and the edges of bins.

```yaml
steps:
  train:
    using: gradient_boosting
    estimator_params: {n_estimators: 300, learning_rate: 0.05, early_stopping_rounds: 20}
```
";

    type Fitted = FittedGradientBoosting;

    fn supports(task: &Task) -> bool {
        *task == Task::Regression || task.classes() >= 2
    }

    fn check(&self) -> Result<(), Vec<Fault>> {
        let share = |value: f64| value > 0.0 && value <= 1.0;
        let between = |value: f64, low: f64, high: f64| value > low && value < high;
        let alpha = if self.objective == Loss::Quantile { between(self.alpha, 0.0, 1.0) } else { positive(self.alpha) };
        let monotone = self.monotone_constraints.values().all(|direction| (-1..=1).contains(direction));
        Refusals::default()
            .unless((1..=100_000).contains(&self.n_estimators), "n_estimators", "must lie between 1 and 100000")
            .unless(positive(self.learning_rate), "learning_rate", "must be a number > 0")
            .unless((2..=65_536).contains(&self.num_leaves), "num_leaves", "must lie between 2 and 65536")
            .unless(self.max_depth <= MOST_DEPTH as i64, "max_depth", "must be at most 1000; 0 or less is no limit")
            .unless(not_negative(self.min_child_weight), "min_child_weight", "must be a number ≥ 0")
            .unless(not_negative(self.min_split_gain), "min_split_gain", "must be a number ≥ 0")
            .unless(not_negative(self.reg_alpha), "reg_alpha", "must be a number ≥ 0")
            .unless(not_negative(self.reg_lambda), "reg_lambda", "must be a number ≥ 0")
            .unless(share(self.subsample), "subsample", "must be above 0 and at most 1")
            .unless(self.subsample_freq >= 1, "subsample_freq", "must be at least 1")
            .unless(share(self.colsample_bytree), "colsample_bytree", "must be above 0 and at most 1")
            .unless(share(self.colsample_bynode), "colsample_bynode", "must be above 0 and at most 1")
            .unless((2..=255).contains(&self.max_bin), "max_bin", "must lie between 2 and 255")
            .unless(self.validation_fraction.is_none_or(|share| between(share, 0.0, 1.0)), "validation_fraction", "must lie between 0 and 1")
            .unless(alpha, "alpha", "must be a number > 0, and below 1 for `quantile`")
            .unless(between(self.tweedie_variance_power, 1.0, 2.0), "tweedie_variance_power", "must lie between 1 and 2")
            .unless(not_negative(self.cat_smooth), "cat_smooth", "must be a number ≥ 0")
            .unless(not_negative(self.cat_l2), "cat_l2", "must be a number ≥ 0")
            .unless(self.max_cat_threshold >= 1, "max_cat_threshold", "must be at least 1")
            .unless(monotone, "monotone_constraints", "has 1, -1 or 0 for each feature")
            .done()
    }

    fn wants_validation(&self) -> bool {
        self.early_stopping_rounds > 0 && self.validation_fraction.is_none()
    }

    fn fit(&self, on: &TrainingSet) -> Result<FittedGradientBoosting> {
        let classes = on.task.classes();
        let present = if classes > 0 { present(&class_weights(on)?) } else { Vec::new() };
        let mut objective = self.objective(present.len())?;
        let scales = matches!(objective, Objective::Squared | Objective::Absolute | Objective::Huber { .. } | Objective::Quantile { .. });
        let mut rows = self.rows(on, objective)?;
        if scales {
            rows = rows.scaled();
        }
        renumber(&mut rows.y, &present);
        let categorical = self.categorical(on, &rows.columns)?;
        let mut rules = self.rules(&on.features, objective)?;
        let shape = self.shape(&on.features)?;
        // Penalties are in units of the target.
        if let Objective::Huber { delta } = &mut objective {
            *delta *= rows.scale;
        }
        if matches!(objective, Objective::Squared | Objective::Huber { .. }) {
            rules.l1 *= rows.scale;
            rules.min_gain *= rows.scale * rows.scale;
        }
        let boosting = Boosting {
            objective,
            rounds: self.n_estimators,
            learning_rate: self.learning_rate,
            shape,
            rules,
            row_fraction: self.subsample,
            row_every: self.subsample_freq,
            feature_fraction: self.colsample_bytree,
            patience: self.early_stopping_rounds,
            seed: on.seed,
            deadline: on.deadline,
            told: on.rounds.clone(),
        };
        let held = self.held(on, objective, &mut rows, &present)?;
        let binned = Binned::new(&rows.columns, &categorical, self.max_bin, on.seed);
        drop(std::mem::take(&mut rows.columns));
        let validation = held.as_ref().map(|held| Validation { columns: &held.columns, targets: held.targets() });
        let Fit { mut boosted, gains } = boosting.fit(&binned, rows.targets(), validation.as_ref());
        on.deadline.check()?;
        if scales {
            boosted.trees.map_values(|value| (value / rows.scale).clamp(f64::MIN, f64::MAX));
            boosted.start.iter_mut().for_each(|start| *start = (*start + rows.centre) / rows.scale);
        }
        Ok(FittedGradientBoosting { features: on.features.clone(), classes, present, link: objective.link(), boosted, importances: shares(gains) })
    }
}

/// Classes as their places among those that occur.
fn renumber(y: &mut [f64], present: &[usize]) {
    if !present.is_empty() {
        for y in y {
            *y = present.iter().position(|class| *class as f64 == *y).unwrap_or(0) as f64;
        }
    }
}

impl GradientBoosting {
    /// The loss for a task of so many classes (0: a number).
    fn objective(&self, classes: usize) -> Result<Objective> {
        Ok(match (self.objective, classes) {
            (Loss::Auto | Loss::Squared, 0) => Objective::Squared,
            (Loss::Absolute, 0) => Objective::Absolute,
            (Loss::Huber, 0) => Objective::Huber { delta: self.alpha },
            (Loss::Quantile, 0) => Objective::Quantile { level: self.alpha },
            (Loss::Poisson, 0) => Objective::Poisson,
            (Loss::Gamma, 0) => Objective::Gamma,
            (Loss::Tweedie, 0) => Objective::Tweedie { power: self.tweedie_variance_power },
            (Loss::Auto | Loss::Binary | Loss::Multiclass, 2) => Objective::Logistic,
            (Loss::Auto | Loss::Multiclass, 3..) => Objective::Softmax { classes },
            (loss, 0) => return Err(wrong_choice("objective", loss.name(), &["squared", "absolute", "huber", "quantile", "poisson", "gamma", "tweedie"])),
            (loss, 2) => return Err(wrong_choice("objective", loss.name(), &["auto", "binary"])),
            (loss, _) => return Err(wrong_choice("objective", loss.name(), &["auto", "multiclass"])),
        })
    }

    /// The rows of a set, with targets that the loss can take.
    fn rows(&self, on: &TrainingSet, objective: Objective) -> Result<TreeRows> {
        let rows = TreeRows::of(on, Self::NAME)?;
        if rows.y.len() > MOST_ROWS {
            return Err(Error::data(format!("`{}` takes at most {} rows, got {}", Self::NAME, thousands(MOST_ROWS as u64), thousands(rows.y.len() as u64))));
        }
        let (fine, wanted): (fn(&f64) -> bool, _) = match objective {
            Objective::Poisson | Objective::Tweedie { .. } => (|y| *y >= 0.0, "≥ 0"),
            Objective::Gamma => (|y| *y > 0.0, "above 0"),
            _ => return Ok(rows),
        };
        let bad = rows.y.iter().filter(|y| !fine(y)).count();
        let name = self.objective.name();
        if bad > 0 {
            return Err(Error::data(format!("objective `{name}` takes targets {wanted}; {} not", counted(bad as u64, "row")))
                .hint("take the objective `squared`, or filter the rows out in ingest"));
        }
        if rows.y.iter().all(|y| *y == 0.0) {
            return Err(Error::data(format!("objective `{name}` needs a target above 0 in some row")));
        }
        Ok(rows)
    }

    /// The places of named features.
    fn places<'a>(key: &str, names: impl Iterator<Item = &'a String>, features: &[String]) -> Result<Vec<usize>> {
        let place = |name: &String| {
            features.iter().position(|feature| feature == name).ok_or_else(|| {
                let error = Error::config(format!("`{key}` names a feature that the estimator does not get: {name}"))
                    .path(&format!("steps.train.estimator_params.{key}"));
                match nearest(name, features.iter().map(String::as_str)) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint("names are those that the transforms make; the card of the transform step lists them"),
                }
            })
        };
        names.map(place).collect()
    }

    /// Which features are categories; their values must be whole numbers.
    fn categorical(&self, on: &TrainingSet, columns: &[Vec<f64>]) -> Result<Vec<bool>> {
        let mut categorical = vec![false; columns.len()];
        let mut bad = Vec::new();
        for place in Self::places("categorical_features", self.categorical_features.iter(), &on.features)? {
            categorical[place] = true;
            let fine = |x: &f64| x.is_nan() || (*x >= 0.0 && *x < MOST_CATEGORIES as f64 && x.fract() == 0.0);
            if let Some(x) = columns[place].iter().find(|x| !fine(x)) {
                bad.push(format!("`{}` ({x})", on.features[place]));
            }
        }
        if bad.is_empty() {
            return Ok(categorical);
        }
        Err(Error::data(format!("categories must be whole numbers from 0 to 65535: {}", bad.join(", "))).hint("encode the column with `ordinal_encode`"))
    }

    fn rules(&self, features: &[String], objective: Objective) -> Result<Rules> {
        let mut monotone = vec![0; features.len()];
        let places = Self::places("monotone_constraints", self.monotone_constraints.keys(), features)?;
        places.iter().zip(self.monotone_constraints.values()).for_each(|(place, direction)| monotone[*place] = *direction);
        let path = "steps.train.estimator_params.monotone_constraints";
        if let Some(name) = self.monotone_constraints.keys().find(|name| self.categorical_features.contains(name)) {
            return Err(Error::config(format!("a category has no order to be monotone in: {name}")).path(path));
        }
        if monotone.iter().all(|direction| *direction == 0) {
            monotone.clear();
        } else if matches!(objective, Objective::Softmax { .. }) {
            return Err(Error::config("`monotone_constraints` are not for more than two classes").path(path));
        }
        Ok(Rules {
            l1: self.reg_alpha,
            l2: self.reg_lambda,
            min_rows: self.min_child_samples.max(1),
            min_hessian: self.min_child_weight,
            min_gain: self.min_split_gain,
            cat_smooth: self.cat_smooth,
            cat_l2: self.cat_l2,
            min_rows_per_group: self.min_data_per_group,
            most_categories: self.max_cat_threshold,
            monotone,
        })
    }

    fn shape(&self, features: &[String]) -> Result<Shape> {
        let sets = self.interaction_constraints.iter().map(|set| Self::places("interaction_constraints", set.iter(), features));
        let mut together = sets.collect::<Result<Vec<_>>>()?;
        let rest: Vec<usize> = (0..features.len()).filter(|place| together.iter().all(|set| !set.contains(place))).collect();
        if !together.is_empty() && !rest.is_empty() {
            together.push(rest);
        }
        Ok(Shape {
            growth: self.growth,
            most_leaves: self.num_leaves,
            most_depth: usize::try_from(self.max_depth).ok().filter(|depth| *depth > 0).unwrap_or(usize::MAX),
            node_fraction: self.colsample_bynode,
            together,
        })
    }

    /// The rows on which it is decided when to stop: the validation split, or some that are taken out of training's.
    fn held(&self, on: &TrainingSet, objective: Objective, rows: &mut TreeRows, present: &[usize]) -> Result<Option<TreeRows>> {
        if self.early_stopping_rounds == 0 {
            return Ok(None);
        }
        if let (None, Some(validation)) = (self.validation_fraction, &on.validation)
            && validation.rows > 0
        {
            let mut held = Self::rows_held(validation, objective, present)?;
            held.y.iter_mut().for_each(|y| *y = if objective.link() == Link::Identity { *y * rows.scale - rows.centre } else { *y });
            return Ok(Some(held));
        }
        let share = self.validation_fraction.unwrap_or(0.1);
        let draw = Draw::new(on.seed, u64::MAX);
        let is_held: Vec<bool> = (0..rows.y.len()).map(|row| draw.of(row as u64) < share).collect();
        let mut held = TreeRows { columns: Vec::new(), y: Vec::new(), w: None, scale: rows.scale, centre: rows.centre };
        let take = |column: &mut Vec<f64>| {
            let taken = column.iter().zip(&is_held).filter(|(_, is)| **is).map(|(x, _)| *x).collect();
            let mut is = is_held.iter();
            column.retain(|_| !is.next().copied().unwrap_or(false));
            taken
        };
        held.columns = rows.columns.iter_mut().map(take).collect();
        held.y = take(&mut rows.y);
        held.w = rows.w.as_mut().map(take);
        if held.y.is_empty() || rows.y.is_empty() {
            return Err(Error::data("training has too few rows to hold some out for early stopping").hint("take `early_stopping_rounds` away"));
        }
        Ok(Some(held))
    }

    /// The rows of a validation set; classes that training does not have have been refused.
    fn rows_held(on: &TrainingSet, objective: Objective, present: &[usize]) -> Result<TreeRows> {
        let whole = on.whole()?;
        refuse_infinite(Self::NAME, &on.features, &whole.x)?;
        let fine = |y: &&f64| y.is_finite() && (!matches!(objective, Objective::Gamma) || **y > 0.0);
        if whole.y.iter().filter(fine).count() < whole.y.len() {
            return Err(Error::data("the target is missing, infinite or out of the objective's range in validation rows"));
        }
        if whole.w.iter().all(|w| *w == 0.0) {
            return Err(Error::data("no validation row has a weight above 0").hint("give `validation_fraction`, to stop by rows of training"));
        }
        let mut held = TreeRows { columns: whole.x.columns, y: whole.y, w: Some(whole.w), scale: 1.0, centre: 0.0 };
        renumber(&mut held.y, present);
        Ok(held)
    }
}

/// Boosted trees with what turns their scores into predictions.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Saved")]
pub struct FittedGradientBoosting {
    features: Vec<String>,
    /// The number of classes; 0 for regression.
    classes: usize,
    /// The classes that training had.
    present: Vec<usize>,
    link: Link,
    boosted: Boosted,
    importances: Vec<f64>,
}

/// Boosted trees as they were written, before they are believed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    features: Vec<String>,
    classes: usize,
    present: Vec<usize>,
    link: Link,
    boosted: Boosted,
    importances: Vec<f64>,
}

impl TryFrom<Saved> for FittedGradientBoosting {
    type Error = String;

    fn try_from(saved: Saved) -> Result<Self, String> {
        let Saved { features, classes, present, link, boosted, importances } = saved;
        let outputs = match link {
            Link::Identity | Link::Logarithm if classes == 0 && present.is_empty() => 1,
            Link::Logit if present.len() == 2 => 1,
            Link::Softmax if present.len() > 2 => present.len(),
            _ => 0,
        };
        let fits = boosted.trees.features() == features.len() && boosted.trees.width() == 1 && importances.len() == features.len();
        let classes_fit = present.iter().all(|class| *class < classes) && present.is_sorted_by(|a, b| a < b);
        if outputs == 0 || boosted.start.len() != outputs || !boosted.trees.len().is_multiple_of(outputs) || !fits || !classes_fit {
            return Err("its trees do not fit its features and classes".to_owned());
        }
        Ok(Self { features, classes, present, link, boosted, importances })
    }
}

impl FittedGradientBoosting {
    /// Scores as predictions; a class that training rows did not have scores 0.
    fn said(&self, scores: Vec<Vec<f64>>, rows: usize) -> Predictions {
        let mut found = self.link.predictions(scores);
        if self.classes == 0 {
            return Predictions::Values(found.swap_remove(0));
        }
        let mut scores = vec![Vec::new(); self.classes];
        for (class, shares) in self.present.iter().zip(found) {
            scores[*class] = shares;
        }
        for scores in &mut scores {
            scores.resize(rows, 0.0);
        }
        Predictions::Scores(scores)
    }
}

impl Predict for FittedGradientBoosting {
    fn predict(&self, features: &Matrix) -> Result<Predictions> {
        require_width(&self.features, features)?;
        refuse_infinite(GradientBoosting::NAME, &self.features, features)?;
        Ok(self.said(self.boosted.scores(&features.columns, features.rows), features.rows))
    }

    fn staged(&self, features: &Matrix, most: usize) -> Result<Option<Vec<(usize, Predictions)>>> {
        require_width(&self.features, features)?;
        refuse_infinite(GradientBoosting::NAME, &self.features, features)?;
        let outputs = self.boosted.start.len().max(1);
        let rounds = self.boosted.trees.len() / outputs;
        let count = most.min(rounds);
        let mut scores: Vec<Vec<f64>> = self.boosted.start.iter().map(|start| vec![*start; features.rows]).collect();
        let (mut stages, mut before) = (Vec::new(), 0);
        for stage in 1..=count {
            let round = rounds * stage / count;
            let more = self.boosted.trees.sums_of(before * outputs..round * outputs, &features.columns, features.rows, outputs);
            scores.iter_mut().flatten().zip(more.iter().flatten()).for_each(|(score, more)| *score += more);
            stages.push((round, self.said(scores.clone(), features.rows)));
            before = round;
        }
        Ok((count > 1).then_some(stages))
    }

    fn importances(&self) -> Vec<Coefficient> {
        importance_lines(&self.features, &self.importances)
    }

    fn splits(&self) -> Vec<(u64, f64)> {
        self.boosted.trees.questions()
    }

    fn contributions(&self, features: &Matrix) -> Result<Option<Contributions>> {
        require_width(&self.features, features)?;
        refuse_infinite(GradientBoosting::NAME, &self.features, features)?;
        let (scale, classes): (_, &[usize]) = match self.link {
            Link::Identity => (Scale::Prediction, &[]),
            Link::Logarithm => (Scale::Logarithm, &[]),
            // The one output speaks for the second class.
            Link::Logit => (Scale::LogOdds, self.present.get(1..).unwrap_or_default()),
            Link::Softmax => (Scale::Margin, &self.present),
        };
        let start = &self.boosted.start;
        let Shapley { base, values } = self.boosted.trees.shapley(&features.columns, features.rows, start.len());
        let output =
            |(k, ((base, start), values)): (usize, ((f64, &f64), _))| OutputContributions { class: classes.get(k).copied(), base: base + start, values };
        let outputs = base.into_iter().zip(start).zip(values).enumerate().map(output).collect();
        Ok(Some(Contributions { scale, work: self.boosted.trees.shapley_work(), outputs }))
    }

    fn lower(&self, features: &[Feature], on: &mut Lowering) -> Result<Said, Why> {
        let sums = on.program.trees(&self.boosted.trees, Feature::numbers(features)?, self.boosted.start.len());
        let mut scores = Vec::with_capacity(sums.len());
        for (sum, start) in sums.into_iter().zip(&self.boosted.start) {
            scores.push(on.program.plus(sum, *start));
        }
        let found = self.link.lower(scores, &mut on.program);
        if self.classes == 0 {
            return found.first().copied().map(Said::Values).ok_or_else(|| Why::new("has no output"));
        }
        Ok(Said::among(found, self.classes, &self.present, on))
    }

    fn describe(&self) -> String {
        let trees = &self.boosted.trees;
        format!("{}, {}, {} leaves", GradientBoosting::NAME, counted(trees.len() as u64, "tree"), thousands(trees.leaves() as u64))
    }
}
