//! What an estimator is: configuration that fits a [`TrainingSet`] and becomes a [`Predict`].

use schemars::JsonSchema;
#[cfg(test)]
use schemars::{Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::explain::Contributions;
use super::export::{Feature, Lowering, Said, Why};
use super::{Matrix, TrainingSet};
use crate::error::{Error, Result};
use crate::value::{Fault, Value, parse};

/// What is predicted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    Regression,
    /// Labels in sorted order; a class is its index here. `positive` is set for binary tasks.
    Classification {
        classes: Vec<String>,
        positive: Option<usize>,
    },
}

impl Task {
    /// A classification into so many classes, the last one positive where there are two; for asking what can do it.
    #[must_use]
    pub fn of_classes(count: usize) -> Self {
        Self::Classification { classes: (0..count).map(|i| i.to_string()).collect(), positive: (count == 2).then_some(1) }
    }

    /// The number of classes; 0 for regression.
    #[must_use]
    pub fn classes(&self) -> usize {
        match self {
            Self::Regression => 0,
            Self::Classification { classes, .. } => classes.len(),
        }
    }
}

/// What a fitted estimator says of some rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Predictions {
    /// One number a row.
    Values(Vec<f64>),
    /// One vector a class, in the task's class order, one score a row in each; a row's scores sum to one.
    Scores(Vec<Vec<f64>>),
}

/// One line of a model's explanation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coefficient {
    pub feature: String,
    /// The class it belongs to, in multinomial models.
    pub class: Option<String>,
    /// Per unit of the feature (coefficient), or a share of one (importance).
    pub value: f64,
    /// The coefficient times the feature's standard deviation in training, where that has a meaning.
    pub standardised: Option<f64>,
}

/// An estimator before fitting: its parameters.
pub trait Estimator: JsonSchema + Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The canonical name in recipe.yaml.
    const NAME: &'static str;
    /// Other accepted names.
    const ALIASES: &'static [&'static str] = &[];
    /// Raised whenever the same input gives another model.
    const VERSION: u32 = 1;
    /// The user's page: first line a sentence, then parameters, then an example fenced as yaml.
    const DOC: &'static str;

    type Fitted: Predict;

    /// Can it do the task?
    fn supports(task: &Task) -> bool;

    /// Checks what types alone cannot say.
    ///
    /// # Errors
    /// Each refused value with its path.
    fn check(&self) -> Result<(), Vec<Fault>> {
        Ok(())
    }

    /// Does fitting look at [`TrainingSet::validation`]?
    fn wants_validation(&self) -> bool {
        false
    }

    /// Can it work on sparse columns without spreading them out?
    fn takes_sparse(&self) -> bool {
        false
    }

    /// What fits, with its versions: itself, and the estimators inside of it.
    fn algorithms(&self) -> Vec<(&'static str, u32)> {
        vec![(Self::NAME, Self::VERSION)]
    }

    /// Learns from training rows.
    ///
    /// # Errors
    /// Missing values where the algorithm cannot take them (columns named), too few rows.
    fn fit(&self, on: &TrainingSet) -> Result<Self::Fitted>;
}

/// A fitted estimator.
pub trait Predict: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Predictions for `rows` × features numbers, columns in the order of fitting.
    ///
    /// # Errors
    /// Where a value is missing and the algorithm cannot take that.
    fn predict(&self, features: &Matrix) -> Result<Predictions>;

    /// Coefficients, with a last line `intercept` where there is one; empty where the model has none.
    fn coefficients(&self) -> Vec<Coefficient> {
        Vec::new()
    }

    /// Shares of one a feature: what it contributes to the fit; empty where coefficients say it.
    fn importances(&self) -> Vec<Coefficient> {
        Vec::new()
    }

    /// For each feature how many splits are on it and the weight of the training rows that came to them, in the order of
    /// [`Predict::importances`]; empty where there are no trees.
    fn splits(&self) -> Vec<(u64, f64)> {
        Vec::new()
    }

    /// What each feature adds to each output, in the order of fitting; nothing where there is no exact and fast way.
    ///
    /// # Errors
    /// As [`Predict::predict`].
    fn contributions(&self, _features: &Matrix) -> Result<Option<Contributions>> {
        Ok(None)
    }

    /// What it says after fewer rounds, for at most `most` numbers of rounds, the last of them all; nothing where it does not learn in rounds.
    ///
    /// # Errors
    /// As [`Predict::predict`].
    fn staged(&self, _features: &Matrix, _most: usize) -> Result<Option<Vec<(usize, Predictions)>>> {
        Ok(None)
    }

    /// Says what it computes in operations that other programs have: the same as [`Predict::predict`], row by row; a row that
    /// is refused there has no prediction.
    ///
    /// # Errors
    /// Why it has no such form.
    fn lower(&self, _features: &[Feature], _on: &mut Lowering) -> Result<Said, Why> {
        Err(Why::new("computes what ONNX and SQL have no operation for"))
    }

    /// One line for the terminal: `ridge, 9 coefficients`.
    fn describe(&self) -> String;
}

/// [`Estimator`] without its type.
pub trait UnfittedEstimator: Send + Sync {
    fn name(&self) -> &'static str;
    /// See [`Estimator::algorithms`].
    fn algorithms(&self) -> Vec<(&'static str, u32)>;
    /// The parameters with every default filled in: what enters the key.
    fn config(&self) -> serde_json::Value;
    fn supports(&self, task: &Task) -> bool;
    /// See [`Estimator::wants_validation`].
    fn wants_validation(&self) -> bool;
    /// See [`Estimator::takes_sparse`].
    fn takes_sparse(&self) -> bool;
    /// See [`Estimator::fit`]; sparse columns are refused where it cannot take them.
    ///
    /// # Errors
    /// As there.
    fn fit(&self, on: &TrainingSet) -> Result<Box<dyn FittedEstimator>>;
}

/// [`Predict`] without its type.
pub trait FittedEstimator: Send + Sync {
    fn name(&self) -> &'static str;
    /// See [`Predict::predict`].
    ///
    /// # Errors
    /// As there.
    fn predict(&self, features: &Matrix) -> Result<Predictions>;
    fn coefficients(&self) -> Vec<Coefficient>;
    fn importances(&self) -> Vec<Coefficient>;
    /// See [`Predict::splits`].
    fn splits(&self) -> Vec<(u64, f64)>;
    /// See [`Predict::contributions`].
    ///
    /// # Errors
    /// As there.
    fn contributions(&self, features: &Matrix) -> Result<Option<Contributions>>;
    /// See [`Predict::staged`].
    ///
    /// # Errors
    /// As there.
    fn staged(&self, features: &Matrix, most: usize) -> Result<Option<Vec<(usize, Predictions)>>>;

    /// See [`Predict::lower`].
    ///
    /// # Errors
    /// As there.
    fn lower(&self, features: &[Feature], on: &mut Lowering) -> Result<Said, Why>;
    fn describe(&self) -> String;
    /// The fitted state, to be read back by [`EstimatorEntry::load`].
    fn save(&self) -> serde_json::Value;
}

struct Unfitted<E>(E);
struct Fitted<E: Estimator>(E::Fitted);

impl<E: Estimator> UnfittedEstimator for Unfitted<E> {
    fn name(&self) -> &'static str {
        E::NAME
    }

    fn algorithms(&self) -> Vec<(&'static str, u32)> {
        self.0.algorithms()
    }

    fn config(&self) -> serde_json::Value {
        serde_json::to_value(&self.0).unwrap_or_default()
    }

    fn supports(&self, task: &Task) -> bool {
        E::supports(task)
    }

    fn wants_validation(&self) -> bool {
        self.0.wants_validation()
    }

    fn takes_sparse(&self) -> bool {
        self.0.takes_sparse()
    }

    fn fit(&self, on: &TrainingSet) -> Result<Box<dyn FittedEstimator>> {
        if !self.0.takes_sparse() {
            on.refuse_sparse(E::NAME)?;
        }
        Ok(Box::new(Fitted::<E>(self.0.fit(on)?)))
    }
}

impl<E: Estimator> FittedEstimator for Fitted<E> {
    fn name(&self) -> &'static str {
        E::NAME
    }

    fn predict(&self, features: &Matrix) -> Result<Predictions> {
        self.0.predict(features)
    }

    fn coefficients(&self) -> Vec<Coefficient> {
        self.0.coefficients()
    }

    fn importances(&self) -> Vec<Coefficient> {
        self.0.importances()
    }

    fn splits(&self) -> Vec<(u64, f64)> {
        self.0.splits()
    }

    fn contributions(&self, features: &Matrix) -> Result<Option<Contributions>> {
        self.0.contributions(features)
    }

    fn staged(&self, features: &Matrix, most: usize) -> Result<Option<Vec<(usize, Predictions)>>> {
        self.0.staged(features, most)
    }

    fn lower(&self, features: &[Feature], on: &mut Lowering) -> Result<Said, Why> {
        self.0.lower(features, on)
    }

    fn describe(&self) -> String {
        self.0.describe()
    }

    fn save(&self) -> serde_json::Value {
        serde_json::to_value(&self.0).unwrap_or_default()
    }
}

/// One line of the list of estimators.
pub struct EstimatorEntry {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub version: u32,
    pub doc: &'static str,
    pub supports: fn(&Task) -> bool,
    /// Reads `estimator_params`.
    pub parse: fn(&Value) -> Result<Box<dyn UnfittedEstimator>, Vec<Fault>>,
    /// What an editor is told of the parameters.
    #[cfg(test)]
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    /// Reads a fitted state back.
    pub load: fn(serde_json::Value) -> Result<Box<dyn FittedEstimator>>,
}

impl EstimatorEntry {
    #[must_use]
    pub const fn of<E: Estimator>() -> Self {
        Self {
            name: E::NAME,
            aliases: E::ALIASES,
            version: E::VERSION,
            doc: E::DOC,
            supports: E::supports,
            parse: |value| {
                let nothing = Value::empty();
                let estimator: E = parse(if *value == Value::Null { &nothing } else { value })?;
                estimator.check()?;
                Ok(Box::new(Unfitted(estimator)))
            },
            #[cfg(test)]
            schema: E::json_schema,
            load: |saved| {
                let fitted = serde_json::from_value(saved).map_err(|error| Error::model(format!("fitted `{}` is damaged: {error}", E::NAME)))?;
                Ok(Box::new(Fitted::<E>(fitted)))
            },
        }
    }
}
