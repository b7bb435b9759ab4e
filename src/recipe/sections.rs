//! What recipe.yaml may say, section by section, and what is known but comes later.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::data::Role;
use crate::ml::calibration::Method;
use crate::ml::conformal::Coverage;
use crate::ml::threshold::DecisionThreshold;
use crate::ml::uncertainty::Bootstrap;
use crate::steps::drift::Gates;
use crate::steps::evaluate::{Criterion, CustomMetric};
use crate::steps::explain::{EvaluateExplain, TrainExplain};
use crate::steps::leaks::LeakCheck;
use crate::steps::slices::{SliceBy, SliceSearch};
use crate::steps::train::ClassWeight;
use crate::steps::tuning::{AutomlSection, CompareSection, TuningSection};
use crate::value::{Fault, Path, Value};

/// The top level, without `steps` and what is handled apart.
#[derive(Debug, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Root {
    pub recipe: String,
    /// The recipe's name; default: its directory's.
    pub name: Option<String>,
    /// For readers; goes with registered models.
    pub description: Option<String>,
    /// Every random choice of a run comes from this number.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// The column to predict.
    pub target_col: String,
    /// The class that is looked for, where there are two.
    pub positive_class: Option<String>,
    pub primary_metric: Option<String>,
    /// What columns are for; one that is not named is a predictor.
    #[serde(default)]
    pub roles: BTreeMap<String, Role>,
    /// Where models are registered.
    #[serde(default)]
    pub model_registry: ModelRegistry,
    /// What runs belong to, and the server that gets them.
    #[serde(default)]
    pub experiment: Experiment,
    /// How patiently runs are sent to the server.
    #[serde(default)]
    pub tracking: Tracking,
    /// Where results are kept.
    #[serde(default)]
    pub cache: Cache,
}

fn default_seed() -> u64 {
    42
}

/// `model_registry:` of a profile.
#[derive(Debug, Default, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRegistry {
    /// The registered model's name; default: the recipe's.
    pub model_name: Option<String>,
    /// The address of the MLflow server that registers models, where it is not `experiment.tracking_uri`.
    pub registry_uri: Option<String>,
}

/// `experiment:` of a profile.
#[derive(Debug, Default, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The experiment on the server that a run belongs to; default: the recipe's name.
    pub name: Option<String>,
    /// The address of an MLflow server that runs and models are sent to; empty for none.
    pub tracking_uri: Option<String>,
    /// Where the server keeps the files of an experiment that it makes anew.
    pub artifact_location: Option<String>,
}

/// `tracking:` of a profile.
#[derive(Debug, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tracking {
    /// Is a run that could not be sent to the server a failure, with exit code 11?
    pub required: bool,
    /// How long sending may take at the end of a run; `recipe sync` takes the time it needs.
    #[schemars(range(min = 1))]
    pub timeout_secs: f64,
}

impl Default for Tracking {
    fn default() -> Self {
        Self { required: false, timeout_secs: 60.0 }
    }
}

/// `cache:` of a profile.
#[derive(Debug, Default, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// A directory that projects may share, relative to the root.
    pub dir: Option<String>,
}

/// `steps.train`, without `estimator_params` and what comes later.
#[derive(Debug, Default, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSection {
    pub using: Option<String>,
    /// Factors on the rows of each class.
    pub class_weight: Option<ClassWeight>,
    /// What the card shows of how the model came to its predictions.
    #[serde(default)]
    pub explain: TrainExplain,
    /// What is done about columns that give the target away.
    #[serde(default)]
    pub leaks: LeakCheck,
    /// How the names of predicted columns begin.
    pub predict_prefix: Option<String>,
    /// A column of scores for each class; default true.
    pub predict_scores_for_all_classes: Option<bool>,
    /// How class scores are calibrated on validation rows; default `none`.
    pub calibrate_proba: Option<Method>,
    /// From which score on a row is positive.
    pub decision_threshold: Option<DecisionThreshold>,
    /// Intervals around predicted numbers, by the errors on validation rows: `{coverage: 0.9}`.
    pub conformal: Option<Coverage>,
    /// After how many rounds without a better validation loss boosting stops: a number, or `{rounds: 20}`.
    pub early_stopping: Option<EarlyStopping>,
    /// The search for better parameters.
    pub tuning: Option<TuningSection>,
    /// Named candidates that compete, with `using: compare`.
    pub compare: Option<CompareSection>,
    /// What `using: automl` tries, and how long.
    pub automl: Option<AutomlSection>,
    /// The same as `automl.time_budget_secs`.
    pub time_budget_secs: Option<f64>,
    /// Training data is not rebalanced in this version.
    #[serde(default)]
    #[schemars(extend("const" = false))]
    pub rebalance_training_data: bool,
    /// The share that resampling would aim at; without it, nothing.
    pub resampling_minority_percentage: Option<f64>,
    /// Read as MLflow Recipes writes it: here the card of `train` holds no profile of data that could be left out.
    #[serde(default)]
    pub skip_data_profiling: bool,
}

/// `steps.train.early_stopping`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EarlyStopping {
    pub rounds: usize,
    /// A share of the training rows that is watched in place of the validation split.
    pub validation_fraction: Option<f64>,
}

impl<'de> Deserialize<'de> for EarlyStopping {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RoundsOrMap;
        impl<'de> Visitor<'de> for RoundsOrMap {
            type Value = EarlyStopping;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of rounds or a map")
            }

            fn visit_u64<E>(self, rounds: u64) -> Result<EarlyStopping, E> {
                Ok(EarlyStopping { rounds: usize::try_from(rounds).unwrap_or(usize::MAX), validation_fraction: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<EarlyStopping, A::Error> {
                let Watched { rounds, validation_fraction } = Watched::deserialize(MapAccessDeserializer::new(map))?;
                Ok(EarlyStopping { rounds, validation_fraction })
            }
        }
        deserializer.deserialize_any(RoundsOrMap)
    }
}

/// `early_stopping` as a map.
#[derive(JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
struct Watched {
    /// Rounds without a better loss.
    #[schemars(range(min = 1))]
    rounds: usize,
    /// A share of the training rows that is watched in place of the validation split.
    validation_fraction: Option<f64>,
}

impl JsonSchema for EarlyStopping {
    fn schema_name() -> Cow<'static, str> {
        "EarlyStopping".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "integer", "minimum": 1}, Watched::json_schema(generator)]})
    }
}

/// `steps.evaluate`.
#[derive(Debug, Default, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluateSection {
    /// What a model must reach to be registered.
    #[serde(default)]
    pub validation_criteria: Vec<Criterion>,
    /// What the card shows of which columns matter.
    #[serde(default)]
    pub explain: EvaluateExplain,
    /// Intervals of metrics, by drawing test rows again.
    #[serde(default)]
    pub bootstrap: Bootstrap,
    /// Some of the test rows, whose metrics are compared with those of the others: columns, or expressions with a name.
    #[serde(default)]
    pub slices: Vec<SliceBy>,
    /// The search for slices in which the model is worse.
    #[serde(default)]
    pub slice_search: SliceSearch,
}

/// `custom_metrics`.
#[derive(Debug, Default, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomMetrics {
    #[serde(default)]
    pub custom_metrics: Vec<CustomMetric>,
}

/// `steps.register`.
#[derive(Debug, Default, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterSection {
    /// The registered model's name; default: the recipe's.
    pub model_name: Option<String>,
    /// Register a model that failed the gate, too.
    #[serde(default)]
    pub allow_non_validated_model: bool,
    /// The alias that moves to the new version; default `champion`, `none` for no alias.
    pub alias: Option<String>,
}

/// `steps.predict`, without `output`.
#[derive(Debug, Default, JsonSchema, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PredictSection {
    /// The model: `models:/NAME@ALIAS` or `models:/NAME/VERSION`.
    pub model_uri: Option<String>,
    /// How many reasons each row is given: the columns that moved its prediction most.
    #[serde(default)]
    pub reasons: usize,
    /// What the rows to score are held against before anything is written.
    #[serde(default)]
    pub gates: Gates,
}

/// The keys that stand at the root.
pub const ROOT_KEYS: [&str; 16] = [
    "recipe",
    "name",
    "description",
    "seed",
    "target_col",
    "positive_class",
    "primary_metric",
    "roles",
    "params",
    "vars",
    "custom_metrics",
    "steps",
    "model_registry",
    "experiment",
    "tracking",
    "cache",
];

/// The keys that the steps section knows.
pub const STEPS: [&str; 8] = ["ingest", "split", "transform", "train", "evaluate", "register", "ingest_scoring", "predict"];

/// Keys that the recipe's design knows but this version does not do yet: path, value it must have to
/// count (empty: any), what it is for.
const LATER: &[(&str, &str, &str)] = &[
    ("steps.ingest.loader_method", "", "Python hooks"),
    ("steps.ingest_scoring.loader_method", "", "Python hooks"),
    ("steps.ingest.using", "custom", "Python hooks"),
    ("steps.ingest.using", "delta", "Delta sources"),
    ("steps.ingest.using", "spark_sql", "Spark sources"),
    ("steps.ingest_scoring.using", "custom", "Python hooks"),
    ("steps.ingest_scoring.using", "delta", "Delta sources"),
    ("steps.ingest_scoring.using", "spark_sql", "Spark sources"),
    ("steps.split.using", "custom", "Python hooks"),
    ("steps.split.split_method", "", "Python hooks"),
    ("steps.split.post_split_method", "", "Python hooks"),
    ("steps.split.post_split_filter_method", "", "Python hooks"),
    ("steps.transform.using", "custom", "Python hooks"),
    ("steps.transform.transformer_method", "", "Python hooks"),
    ("steps.train.using", "custom", "Python hooks"),
    ("steps.train.estimator_method", "", "Python hooks"),
    ("steps.train.rebalance_training_data", "true", "resampling"),
    ("steps.predict.result_type", "", "Spark results"),
    ("steps.predict.output.using", "delta", "Delta output"),
    ("steps.predict.output.using", "table", "Spark tables; `using: sql` writes to SQLite and PostgreSQL"),
];

/// Everything in a configuration that is known but not done yet.
#[must_use]
pub fn later(root: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, wanted, what) in LATER {
        let path: Path = path.split('.').map(str::to_owned).collect();
        let found = root.at(&path).filter(|value| **value != Value::Null && (wanted.is_empty() || value.text().as_deref() == Some(*wanted)));
        if found.is_some() {
            faults.push(later_fault(&path, what));
        }
    }
    if let Some(Value::List(metrics)) = root.get("custom_metrics") {
        for (i, metric) in metrics.iter().enumerate() {
            if metric.get("function").is_some() {
                faults.push(
                    later_fault(&["custom_metrics".to_owned(), i.to_string(), "function".to_owned()], "Python hooks")
                        .hint("write it as an SQL aggregate: `expression: \"AVG(ABS(prediction - target))\"`"),
                );
            }
        }
    }
    faults
}

fn later_fault(path: &[String], what: &str) -> Fault {
    let key = path.iter().rev().find(|part| part.parse::<usize>().is_err()).cloned().unwrap_or_default();
    Fault::new(path, format!("`{key}` is not in this version yet ({what})"))
}
