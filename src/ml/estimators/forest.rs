//! What a decision tree, a random forest and extra trees have in common: training rows, growing and the fitted type; and the
//! parameters of the two forests, which are the same.

use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::de::{self, IntoDeserializer, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::shared::{Refusals, class_weights, power_of_two, require_target, require_width};
use crate::error::{Error, Result, counted, thousands};
use crate::ml::explain::{Contributions, OutputContributions, Scale};
use crate::ml::export::{Feature, Lowering, Said, Why};
use crate::ml::trees::cart::Rows;
use crate::ml::trees::{Binned, Cart, Shapley, Targets, Thresholds, Trees};
use crate::ml::{Coefficient, Matrix, Predict, Predictions, TrainingSet};
use crate::value::Fault;

/// A limit on the depth that is larger than this is a slip.
pub const MOST_DEPTH: usize = 1000;
/// As many values as a byte can tell apart beside a missing one.
const BINS: usize = 255;

/// Training rows with a weight above 0, their targets brought near to one.
pub struct TreeRows {
    /// features × rows; a missing value is NaN.
    pub columns: Vec<Vec<f64>>,
    pub y: Vec<f64>,
    /// Nothing where all weigh 1.
    pub w: Option<Vec<f64>>,
    /// y = (target · scale) − centre, for regression.
    pub scale: f64,
    pub centre: f64,
}

impl TreeRows {
    /// The rows of a training set.
    ///
    /// # Errors
    /// Infinite values (columns named); a target that is missing, infinite or of one class; no row with a weight.
    pub fn of(on: &TrainingSet, name: &str) -> Result<Self> {
        if on.task.classes() > 0 {
            class_weights(on)?;
        } else {
            require_target(on)?;
        }
        let whole = on.whole()?;
        refuse_infinite(name, &on.features, &whole.x)?;
        let whole = whole.counted();
        let w = whole.w;
        let mut rows = Self { columns: whole.x.columns, y: whole.y, w: None, scale: 1.0, centre: 0.0 };
        if rows.y.is_empty() {
            return Err(Error::data(format!("`{name}` got no row with a weight above 0")));
        }
        u32::try_from(rows.y.len()).map_err(|_| Error::data(format!("`{name}` takes at most 4,294,967,295 rows")))?;
        if !w.iter().sum::<f64>().is_finite() {
            return Err(Error::data("the sum of the weights is too large to be a number").hint("divide the weights by a constant"));
        }
        if w.iter().any(|w| *w != 1.0) {
            rows.w = Some(w);
        }
        Ok(rows)
    }

    /// Brings targets near to one and their mean to zero: digits are kept and squares do not overflow.
    pub fn scaled(mut self) -> Self {
        let largest = self.y.iter().fold(0.0_f64, |largest, y| largest.max(y.abs()));
        self.scale = if largest > 0.0 { power_of_two(largest) } else { 1.0 };
        let weight = |row: usize| self.w.as_ref().map_or(1.0, |w| w[row]);
        let total: f64 = (0..self.y.len()).map(weight).sum();
        self.centre = self.y.iter().enumerate().map(|(row, y)| weight(row) * (y * self.scale)).sum::<f64>() / total;
        for y in &mut self.y {
            *y = *y * self.scale - self.centre;
        }
        self
    }

    pub fn targets(&self) -> Targets<'_> {
        Targets { y: &self.y, w: self.w.as_deref() }
    }
}

/// Refuses infinite values, naming every column that has some; missing ones may be.
///
/// # Errors
/// The columns and how many rows.
pub fn refuse_infinite(name: &str, features: &[String], matrix: &Matrix) -> Result<()> {
    let mut bad = Vec::new();
    for (feature, column) in features.iter().zip(&matrix.columns) {
        let count = column.iter().filter(|x| x.is_infinite()).count();
        if count > 0 {
            bad.push(format!("`{feature}` ({})", counted(count as u64, "row")));
        }
    }
    if bad.is_empty() {
        return Ok(());
    }
    Err(Error::data(format!("`{name}` cannot take infinite values: {}", bad.join(", "))).hint("bound the column with `clip`, or filter the rows out in ingest"))
}

/// How many features a node tries.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize)]
#[serde(untagged)]
pub enum MaxFeatures {
    Named(NamedFeatures),
    Count(usize),
    Share(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedFeatures {
    /// The root of the features for classes, all for numbers.
    Auto,
    Sqrt,
    Log2,
    All,
}

impl<'de> Deserialize<'de> for MaxFeatures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MaxFeaturesReader)
    }
}

/// Not untagged, so that a fault is found where it stands.
struct MaxFeaturesReader;

impl Visitor<'_> for MaxFeaturesReader {
    type Value = MaxFeatures;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name, a number of features or a share of them")
    }

    fn visit_u64<E: de::Error>(self, count: u64) -> Result<MaxFeatures, E> {
        Ok(MaxFeatures::Count(usize::try_from(count).unwrap_or(usize::MAX)))
    }

    fn visit_f64<E: de::Error>(self, share: f64) -> Result<MaxFeatures, E> {
        Ok(MaxFeatures::Share(share))
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<MaxFeatures, E> {
        NamedFeatures::deserialize(name.into_deserializer()).map(MaxFeatures::Named)
    }
}

impl MaxFeatures {
    pub fn is_fine(self) -> bool {
        match self {
            Self::Named(_) => true,
            Self::Count(count) => count >= 1,
            Self::Share(share) => share > 0.0 && share <= 1.0,
        }
    }

    fn of(self, features: usize, classes: usize) -> usize {
        let count = match self {
            Self::Named(NamedFeatures::Auto) if classes > 0 => (features as f64).sqrt() as usize,
            Self::Named(NamedFeatures::Sqrt) => (features as f64).sqrt() as usize,
            Self::Named(NamedFeatures::Log2) => (features as f64).log2() as usize,
            Self::Named(NamedFeatures::Auto | NamedFeatures::All) => features,
            Self::Count(count) => count.min(features),
            Self::Share(share) => (features as f64 * share) as usize,
        };
        count.max(1)
    }
}

/// Where trees stop, for all that follow impurity.
#[derive(Clone, Copy)]
pub struct Limits {
    pub max_depth: Option<usize>,
    pub min_samples_split: usize,
    pub min_samples_leaf: usize,
    pub min_impurity_decrease: f64,
}

impl Limits {
    pub fn check(self) -> Refusals {
        Refusals::default()
            .unless(self.max_depth.is_none_or(|depth| (1..=MOST_DEPTH).contains(&depth)), "max_depth", "must lie between 1 and 1000, or be null for no limit")
            .unless(self.min_samples_split >= 2, "min_samples_split", "must be at least 2")
            .unless(self.min_samples_leaf >= 1, "min_samples_leaf", "must be at least 1")
            .unless(super::shared::not_negative(self.min_impurity_decrease), "min_impurity_decrease", "must be a number ≥ 0")
    }
}

/// What makes a forest's trees differ.
pub trait Variety: JsonSchema + Clone + Send + Sync + 'static {
    const THRESHOLDS: Thresholds;
    /// Whether rows are drawn where nothing is said.
    const BOOTSTRAP: bool;
}

/// The parameters of a random forest, or of extra trees.
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, bound = "")]
pub struct Forest<V: Variety> {
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
    #[serde(skip)]
    variety: PhantomData<V>,
}

impl<V: Variety> Default for Forest<V> {
    fn default() -> Self {
        Self {
            n_estimators: 100,
            max_depth: None,
            min_samples_split: 2,
            min_samples_leaf: 1,
            min_impurity_decrease: 0.0,
            max_features: MaxFeatures::Named(NamedFeatures::Auto),
            bootstrap: V::BOOTSTRAP,
            max_samples: 1.0,
            variety: PhantomData,
        }
    }
}

impl<V: Variety> Forest<V> {
    fn limits(&self) -> Limits {
        Limits {
            max_depth: self.max_depth,
            min_samples_split: self.min_samples_split,
            min_samples_leaf: self.min_samples_leaf,
            min_impurity_decrease: self.min_impurity_decrease,
        }
    }

    /// Every refused parameter.
    pub fn refusals(&self) -> Result<(), Vec<Fault>> {
        self.limits()
            .check()
            .unless((1..=100_000).contains(&self.n_estimators), "n_estimators", "must lie between 1 and 100000")
            .unless(self.max_features.is_fine(), "max_features", "must be a number of features (`3`), a share above 0 and up to 1 (`0.5`), or a name")
            .unless(self.max_samples > 0.0 && self.max_samples <= 1.0, "max_samples", "must be above 0 and at most 1")
            .done()
    }

    /// Grows the forest.
    ///
    /// # Errors
    /// As [`Growth::fit`].
    pub fn grow(&self, on: &TrainingSet, name: &'static str) -> Result<FittedForest> {
        let draws = self.bootstrap.then_some(self.max_samples);
        let thresholds = V::THRESHOLDS;
        Growth { name, trees: self.n_estimators, limits: self.limits(), max_features: self.max_features, draws, thresholds }.fit(on)
    }
}

/// How trees grow.
pub struct Growth {
    pub name: &'static str,
    pub trees: usize,
    pub limits: Limits,
    pub max_features: MaxFeatures,
    /// The share of rows that is drawn for each tree; nothing: each tree sees each row once.
    pub draws: Option<f64>,
    pub thresholds: Thresholds,
}

impl Growth {
    /// Grows the trees.
    ///
    /// # Errors
    /// As [`TreeRows::of`].
    pub fn fit(&self, on: &TrainingSet) -> Result<FittedForest> {
        let classes = on.task.classes();
        let mut rows = TreeRows::of(on, self.name)?;
        if classes == 0 {
            rows = rows.scaled();
        }
        let width = rows.columns.len();
        let binned = (self.thresholds == Thresholds::Best).then(|| Binned::new(&rows.columns, &vec![false; width], BINS, on.seed));
        let cart = Cart {
            trees: self.trees,
            most_depth: self.limits.max_depth.unwrap_or(usize::MAX),
            min_rows_split: self.limits.min_samples_split,
            min_rows_leaf: self.limits.min_samples_leaf,
            min_decrease: self.limits.min_impurity_decrease * rows.scale * rows.scale,
            most_features: self.max_features.of(width, classes),
            draws: self.draws.map_or(0, |share| ((rows.y.len() as f64 * share).round() as usize).max(1)),
            thresholds: self.thresholds,
            seed: on.seed,
            deadline: on.deadline,
        };
        let (mut trees, importances) = cart.fit(Rows { binned: binned.as_ref(), columns: &rows.columns, targets: rows.targets(), classes });
        on.deadline.check()?;
        if classes == 0 {
            trees.map_values(|value| (value + rows.centre) / rows.scale);
        }
        Ok(FittedForest { estimator: self.name.to_owned(), features: on.features.clone(), classes, trees, importances })
    }
}

/// Trees whose values are averaged.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Saved")]
pub struct FittedForest {
    estimator: String,
    features: Vec<String>,
    /// The number of classes; 0 for regression.
    classes: usize,
    trees: Trees,
    importances: Vec<f64>,
}

/// A forest as it was written, before it is believed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    estimator: String,
    features: Vec<String>,
    classes: usize,
    trees: Trees,
    importances: Vec<f64>,
}

impl TryFrom<Saved> for FittedForest {
    type Error = String;

    fn try_from(saved: Saved) -> Result<Self, String> {
        let Saved { estimator, features, classes, trees, importances } = saved;
        if trees.is_empty() || trees.features() != features.len() || trees.width() != classes.max(1) || importances.len() != features.len() {
            return Err("its trees do not fit its features".to_owned());
        }
        Ok(Self { estimator, features, classes, trees, importances })
    }
}

/// One line a feature.
pub fn importance_lines(features: &[String], importances: &[f64]) -> Vec<Coefficient> {
    let line = |(feature, value): (&String, &f64)| Coefficient { feature: feature.clone(), class: None, value: *value, standardised: None };
    features.iter().zip(importances).map(line).collect()
}

impl Predict for FittedForest {
    fn predict(&self, features: &Matrix) -> Result<Predictions> {
        require_width(&self.features, features)?;
        refuse_infinite(&self.estimator, &self.features, features)?;
        let mut columns = self.trees.sums(&features.columns, features.rows, self.classes.max(1));
        let trees = self.trees.len() as f64;
        columns.iter_mut().flatten().for_each(|sum| *sum /= trees);
        Ok(if self.classes == 0 { Predictions::Values(columns.swap_remove(0)) } else { Predictions::Scores(columns) })
    }

    fn importances(&self) -> Vec<Coefficient> {
        importance_lines(&self.features, &self.importances)
    }

    fn splits(&self) -> Vec<(u64, f64)> {
        self.trees.questions()
    }

    fn contributions(&self, features: &Matrix) -> Result<Option<Contributions>> {
        require_width(&self.features, features)?;
        refuse_infinite(&self.estimator, &self.features, features)?;
        let trees = self.trees.len() as f64;
        let Shapley { base, values } = self.trees.shapley(&features.columns, features.rows, self.classes.max(1));
        let output = |(class, (base, mut values)): (usize, (f64, Vec<Vec<f64>>))| {
            values.iter_mut().flatten().for_each(|value| *value /= trees);
            OutputContributions { class: (self.classes > 0).then_some(class), base: base / trees, values }
        };
        let scale = if self.classes > 0 { Scale::Probability } else { Scale::Prediction };
        Ok(Some(Contributions { scale, work: self.trees.shapley_work(), outputs: base.into_iter().zip(values).enumerate().map(output).collect() }))
    }

    fn lower(&self, features: &[Feature], on: &mut Lowering) -> Result<Said, Why> {
        let sums = on.program.trees(&self.trees, Feature::numbers(features)?, self.classes.max(1));
        let mut means = Vec::with_capacity(sums.len());
        for sum in sums {
            means.push(on.program.over(sum, self.trees.len() as f64));
        }
        Ok(if self.classes == 0 { Said::Values(means.swap_remove(0)) } else { Said::Scores(means) })
    }

    fn describe(&self) -> String {
        let leaves = match self.trees.leaves() {
            1 => "1 leaf".to_owned(),
            many => format!("{} leaves", thousands(many as u64)),
        };
        let trees = if self.trees.len() == 1 { String::new() } else { format!("{} trees, ", self.trees.len()) };
        format!("{}, {trees}{leaves}, depth {}", self.estimator, self.trees.depth())
    }
}
