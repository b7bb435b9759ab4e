//! The fixed steps of the two templates, what they share, and nothing of how they are run.
//!
//! A step states once what its result depends on ([`Needs`]) and what it writes, and turns inputs into
//! outputs and a [`Report`]. It prints nothing and knows neither the store nor HTML. Where files lie is
//! the runner's business: a step asks its [`Context`] by [`Slot`].

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::card::Card;
use crate::data::source::SourceFile;
use crate::data::{Profile, Roles, Table};
use crate::error::{Error, Problem, Result};
use crate::ml::Task;
use crate::ml::chain::FittedChain;
use crate::ml::model::Model;
use crate::store::Entry;
use crate::tracking::Tracker;

pub mod applied;
mod curve;
pub mod drift;
pub mod evaluate;
pub mod explain;
pub mod gate;
pub mod ingest;
pub mod leaks;
pub mod predict;
pub mod register;
pub mod skew;
pub mod slices;
pub mod split;
pub mod train;
pub mod transform;
mod trials;
pub mod tuning;

/// A named output of a step, and the type it is read as.
pub struct Slot<T> {
    pub id: SlotId,
    kind: PhantomData<fn() -> T>,
}

/// A slot without its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotId {
    pub step: &'static str,
    pub artifact: &'static str,
    pub extension: &'static str,
}

impl<T> Slot<T> {
    const fn new(step: &'static str, artifact: &'static str, extension: &'static str) -> Self {
        Self { id: SlotId { step, artifact, extension }, kind: PhantomData }
    }
}

pub const INGESTED: Slot<Table> = Slot::new("ingest", "ingested_data", "parquet");
pub const PROFILE: Slot<Json<serde_json::Value>> = Slot::new("ingest", "data_profile", "json");
pub const TRAINING: Slot<Table> = Slot::new("split", "training_data", "parquet");
pub const TRAINING_PROFILE: Slot<Json<Profile>> = Slot::new("split", "training_data_profile", "json");
pub const VALIDATION: Slot<Table> = Slot::new("split", "validation_data", "parquet");
pub const TEST: Slot<Table> = Slot::new("split", "test_data", "parquet");
pub const TRANSFORMED_TRAINING: Slot<Table> = Slot::new("transform", "transformed_training_data", "parquet");
pub const TRANSFORMED_VALIDATION: Slot<Table> = Slot::new("transform", "transformed_validation_data", "parquet");
pub const TRANSFORMER: Slot<FittedChain> = Slot::new("transform", "transformer", "json");
pub const MODEL: Slot<Model> = Slot::new("train", "model", "json");
pub const BEST_PARAMETERS: Slot<Json<serde_json::Value>> = Slot::new("train", "best_parameters", "json");
pub const PREDICTED_TRAINING: Slot<Table> = Slot::new("train", "predicted_training_data", "parquet");
pub const RUN: Slot<Json<serde_json::Value>> = Slot::new("train", "run", "json");
pub const EVALUATION: Slot<Json<evaluate::Evaluation>> = Slot::new("evaluate", "evaluation", "json");
pub const REGISTERED: Slot<Json<register::Registered>> = Slot::new("register", "registered_model_version", "json");
pub const INGESTED_SCORING: Slot<Table> = Slot::new("ingest_scoring", "ingested_scoring_data", "parquet");
pub const SCORED: Slot<Table> = Slot::new("predict", "scored_data", "parquet");

/// Every artifact there is, in the order of the steps.
pub const ARTIFACTS: [SlotId; 17] = [
    INGESTED.id,
    PROFILE.id,
    TRAINING.id,
    TRAINING_PROFILE.id,
    VALIDATION.id,
    TEST.id,
    TRANSFORMED_TRAINING.id,
    TRANSFORMED_VALIDATION.id,
    TRANSFORMER.id,
    MODEL.id,
    BEST_PARAMETERS.id,
    PREDICTED_TRAINING.id,
    RUN.id,
    EVALUATION.id,
    REGISTERED.id,
    INGESTED_SCORING.id,
    SCORED.id,
];

/// The training chain, in order.
pub const TRAINING_STEPS: [&str; 6] = ["ingest", "split", "transform", "train", "evaluate", "register"];
/// The scoring chain, in order.
pub const SCORING_STEPS: [&str; 2] = ["ingest_scoring", "predict"];

/// What can lie in a slot.
pub trait Artifact: Sized {
    /// Reads it from its file.
    ///
    /// # Errors
    /// Where the file cannot be read as this.
    fn read(path: &Path) -> Result<Self>;

    /// Writes it to its file.
    ///
    /// # Errors
    /// Where the file cannot be written.
    fn write(&self, path: &Path) -> Result<()>;
}

/// Anything that serde knows, as JSON.
pub struct Json<T>(pub T);

impl Artifact for Table {
    fn read(path: &Path) -> Result<Self> {
        Table::read(path)
    }

    fn write(&self, path: &Path) -> Result<()> {
        Table::write(self, path)
    }
}

impl<T: Serialize + DeserializeOwned> Artifact for Json<T> {
    fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, &error))?;
        let value = serde_json::from_slice(&bytes).map_err(|error| Error::store(format!("`{}` is damaged: {error}", path.display())))?;
        Ok(Self(value))
    }

    fn write(&self, path: &Path) -> Result<()> {
        let bytes = serde_json::to_vec(&self.0).map_err(|error| Error::bug(error.to_string()))?;
        std::fs::write(path, bytes).map_err(|error| Error::io("write", path, &error))
    }
}

impl Artifact for FittedChain {
    fn read(path: &Path) -> Result<Self> {
        FittedChain::load(Json::read(path)?.0)
    }

    fn write(&self, path: &Path) -> Result<()> {
        Json(self.save()).write(path)
    }
}

impl Artifact for Model {
    fn read(path: &Path) -> Result<Self> {
        Model::load(Json::read(path)?.0)
    }

    fn write(&self, path: &Path) -> Result<()> {
        Json(self.save()).write(path)
    }
}

/// Everything a step's result depends on. The runner makes the key from it.
#[derive(Default)]
pub struct Needs {
    /// What computes the result, with the version of each algorithm.
    pub algorithms: BTreeMap<String, u32>,
    /// The step's own section, with every default filled in.
    pub config: serde_json::Value,
    /// Input files outside the store.
    pub files: Vec<SourceFile>,
    /// Artifacts of earlier steps.
    pub reads: Vec<SlotId>,
    /// Artifacts of earlier steps that the result is only checked against; other ones make no other result.
    pub checks: Vec<SlotId>,
    /// What lies neither in a file nor in an artifact, such as a registered model: name → what it is known by.
    pub external: BTreeMap<String, String>,
    /// The registered name whose champion the model that is read is held against; see [`Tracker::rival`].
    pub rival_of: Option<String>,
    /// The seed, where the step draws.
    pub seed: Option<u64>,
}

/// A step of a template.
pub trait Step: Send + Sync {
    fn name(&self) -> &'static str;

    /// Everything the result depends on.
    ///
    /// # Errors
    /// Input files that are missing; a model that cannot be found.
    fn needs(&self, around: &Surroundings) -> Result<Needs>;

    fn writes(&self) -> Vec<SlotId>;

    /// The first rows of what it reads from outside, where it does and they are there.
    fn peek(&self, _root: &Path) -> Option<Table> {
        None
    }

    /// The columns that its configuration names and the data does not have, among other problems that are not asked for.
    fn misfits(&self, _root: &Path, _heads: &Heads) -> Vec<Problem> {
        Vec::new()
    }

    /// Turns inputs into outputs.
    ///
    /// # Errors
    /// Whatever is wrong with the data, or with the disk.
    fn run(&self, cx: &Context<'_>) -> Result<Report>;

    /// The report as this recipe shows it. What only chooses among findings, such as the primary metric
    /// in train, is no part of the key and so must not be stored: it is added here.
    fn present(&self, report: Report) -> Report {
        report
    }

    /// Does what the step did outside the store still stand? If not, in a few words, what is missing.
    ///
    /// # Errors
    /// Where that cannot be found out.
    fn missing_effect(&self, _report: &Report, _around: &Surroundings) -> Result<Option<String>> {
        Ok(None)
    }

    /// What to tell of a result that was found in the cache, because the world around it moved on.
    ///
    /// # Errors
    /// Where that cannot be found out.
    fn reminder(&self, _report: &Report, _around: &Surroundings) -> Result<Option<String>> {
        Ok(None)
    }

    /// Why the result is never taken from the cache, in a few words; `None` where it may be.
    fn always_runs(&self) -> Option<&'static str> {
        None
    }

    /// What to tell where the outputs differ from those of the time before although the same was found.
    fn reordered(&self, _before: &Report, _now: &Report) -> Option<String> {
        None
    }
}

/// What steps may know of the world: the project, the recipe, the registry.
pub struct Surroundings {
    /// The project root; relative paths start here.
    pub root: PathBuf,
    /// The recipe's name.
    pub recipe: String,
    pub roles: Roles,
    pub target: String,
    pub seed: u64,
    pub tracker: Tracker,
    /// For freshness tests and times in records, never for outputs.
    pub now: DateTime<Utc>,
    /// From when the rows of a database are: now, or the start of the sweep, whose runs are to see the same rows.
    pub asked: DateTime<Utc>,
    /// This run's id.
    pub run: String,
    /// The resolved configuration as YAML, for bundles.
    pub resolved_config: String,
}

/// What a step gets to work with.
pub struct Context<'a> {
    pub around: &'a Surroundings,
    /// The files of [`Needs::files`].
    pub files: &'a [SourceFile],
    /// Artifact name → verified path.
    pub inputs: &'a BTreeMap<&'static str, PathBuf>,
    /// A folder of this execution's own; outputs go here as `<artifact>.<extension>`.
    pub scratch: &'a Path,
    /// Told what goes on, for the live line.
    pub progress: &'a (dyn Fn(Progress<'_>) + Sync),
    /// Told what is worth a line that stays.
    pub tell: &'a (dyn Fn(&str) + Sync),
    /// Keeps a value under a name until the step is done, for a run that goes on where this one was killed.
    pub note: &'a (dyn Fn(&str, &serde_json::Value) -> Result<()> + Sync),
    /// What earlier runs noted, by name.
    pub notes: &'a BTreeMap<String, serde_json::Value>,
    /// The results of the steps before this one, with their keys.
    pub before: &'a BTreeMap<&'static str, Entry>,
}

/// What a running step does, and how far it is, where that can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    pub doing: &'a str,
    pub count: Option<Count>,
}

/// How much is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    pub done: u64,
    /// Of how much, where that is known.
    pub of: Option<u64>,
    /// `rows`, `rounds`, `trials`.
    pub what: &'static str,
}

impl Count {
    /// Are there so many that not each one is worth telling? A trial is.
    #[must_use]
    pub fn is_quick(&self) -> bool {
        self.what != "trials"
    }
}

impl Context<'_> {
    /// Says what goes on.
    pub fn doing(&self, doing: &str) {
        (self.progress)(Progress { doing, count: None });
    }

    /// Says how many rows were read.
    pub fn read_rows(&self, done: u64) {
        (self.progress)(Progress { doing: "", count: Some(Count { done, of: None, what: "rows" }) });
    }

    /// Says how many rows of so many are done.
    pub fn rows(&self, doing: &str, done: usize, of: usize) {
        (self.progress)(Progress { doing, count: Some(Count { done: done as u64, of: Some(of as u64), what: "rows" }) });
    }

    /// Reads an input that [`Needs::reads`] named.
    ///
    /// # Errors
    /// Where the file is damaged.
    pub fn read<T: Artifact>(&self, slot: &Slot<T>) -> Result<T> {
        match self.inputs.get(slot.id.artifact) {
            Some(path) => T::read(path),
            None => Err(Error::bug(format!("a step reads `{}` without saying so", slot.id.artifact))),
        }
    }

    /// Reads what [`Needs::checks`] named, where it is still kept.
    ///
    /// # Errors
    /// As [`Context::read`].
    pub fn check<T: Artifact>(&self, slot: &Slot<T>) -> Result<Option<T>> {
        self.inputs.get(slot.id.artifact).map(|path| T::read(path)).transpose()
    }

    /// Where an output's file goes.
    #[must_use]
    pub fn path<T>(&self, slot: &Slot<T>) -> PathBuf {
        output_path(self.scratch, slot.id)
    }

    /// The size of an input's file, in bytes.
    ///
    /// # Errors
    /// As [`Context::read`].
    pub fn size<T>(&self, slot: &Slot<T>) -> Result<u64> {
        let path = self.inputs.get(slot.id.artifact).ok_or_else(|| Error::bug(format!("a step reads `{}` without saying so", slot.id.artifact)))?;
        Ok(std::fs::metadata(path).map_err(|error| Error::io("read", path, &error))?.len())
    }

    /// Writes an output.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write<T: Artifact>(&self, slot: &Slot<T>, value: &T) -> Result<()> {
        value.write(&self.path(slot))
    }
}

/// The first rows of the data, for a look at names before anything runs.
pub struct Heads {
    pub training: Table,
    /// Where the recipe scores and its data is there.
    pub scoring: Option<Table>,
}

/// Where an output's file lies in a scratch folder.
#[must_use]
pub fn output_path(scratch: &Path, id: SlotId) -> PathBuf {
    scratch.join(format!("{}.{}", id.artifact, id.extension))
}

/// What a step tells of its execution; kept with its outputs, so it holds no clock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What follows the step's name on the terminal: `10,000 × 6`.
    pub line: String,
    /// What follows the time: `parquet, contract 4/4`.
    pub note: String,
    pub card: Card,
    pub params: BTreeMap<String, String>,
    pub metrics: BTreeMap<String, f64>,
    pub warnings: Vec<String>,
    /// Artifact → rows and columns, where it is a table.
    pub shapes: BTreeMap<String, (u64, u64)>,
    /// Set by evaluate: did the model pass?
    pub verdict: Option<Verdict>,
}

/// What the gate said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub validated: bool,
    /// What decided it, in one sentence.
    pub reason: String,
}

/// What a recipe predicts, before the data is seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    Regression,
    /// Binary where a positive class is set, else multiclass.
    Classification {
        positive: Option<String>,
    },
}

impl Goal {
    /// The task once the classes are known.
    ///
    /// # Errors
    /// A positive class that does not occur; one class only; two classes without a positive one.
    pub fn task(&self, target: &str, classes: &BTreeMap<String, u64>) -> Result<Task> {
        let Self::Classification { positive } = self else { return Ok(Task::Regression) };
        let labels: Vec<String> = classes.keys().cloned().collect();
        if let [only] = labels.as_slice() {
            return Err(
                Error::data(format!("target `{target}` has one class only: {only}")).hint("a classifier needs at least two; check the filter and the data")
            );
        }
        match positive {
            None if labels.len() == 2 => {
                Err(Error::config(format!("target `{target}` has two classes, so `positive_class` must say which one is positive: {}", labels.join(", ")))
                    .path("positive_class")
                    .hint(format!("add `positive_class: {}` to recipe.yaml", labels[1])))
            }
            None => Ok(Task::Classification { classes: labels, positive: None }),
            Some(_) if labels.len() > 2 => Err(Error::config(format!(
                "`positive_class` is for two classes, but target `{target}` has {}: {}",
                labels.len(),
                labels.iter().take(10).cloned().collect::<Vec<_>>().join(", ")
            ))
            .path("positive_class")
            .hint("leave `positive_class` out for several classes")),
            // A number may be written otherwise: the labels of a column of floats are `0.0` and `1.0`.
            Some(wanted) => match labels.iter().position(|label| label == wanted).or_else(|| labels.iter().position(|label| is_same_number(label, wanted))) {
                Some(index) => Ok(Task::Classification { classes: labels, positive: Some(index) }),
                None => Err(Error::data(format!("`positive_class` does not occur in target `{target}`: {wanted}"))
                    .path("positive_class")
                    .hint(format!("the classes are {}", labels.join(", ")))),
            },
        }
    }
}

fn is_same_number(one: &str, other: &str) -> bool {
    matches!((one.parse::<f64>(), other.parse::<f64>()), (Ok(one), Ok(other)) if one == other)
}
