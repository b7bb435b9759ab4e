//! A trained model: the fitted chain, the fitted estimator and what joins them to named columns.
//!
//! Scoring takes raw rows, as ingest gives them, a batch at a time. Loading a model only parses JSON;
//! it never runs code.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use polars::prelude::*;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::adjust::Adjustments;
use super::chain::FittedChain;
use super::export::rows::{self, Record};
use super::training::target_numbers;
use super::{FittedEstimator, Matrix, Predictions, Task, conformal, estimators};
use crate::data::{BATCH_ROWS, Table};
use crate::error::{Error, Result};

/// Batches that are scored side by side.
const BATCHES_AT_ONCE: usize = 4;
/// Raised when what is saved changes so that older programs cannot read it.
const FORMAT: u32 = 2;
/// The format of a model without adjustments.
const PLAIN_FORMAT: u32 = 1;

/// The type the target's labels had, so that predicted labels get it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelType {
    String,
    Integer,
    Float,
    Boolean,
}

impl LabelType {
    #[must_use]
    pub fn of(dtype: &DataType) -> Self {
        match dtype {
            DataType::Boolean => Self::Boolean,
            dtype if dtype.is_integer() => Self::Integer,
            dtype if dtype.is_float() => Self::Float,
            _ => Self::String,
        }
    }

    fn dtype(self) -> DataType {
        match self {
            Self::String => DataType::String,
            Self::Integer => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Boolean => DataType::Boolean,
        }
    }
}

/// How prediction columns are called and which are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputNames {
    /// `predicted_` gives `predicted_label`, `predicted_score`, `predicted_score_<class>`.
    pub prefix: String,
    pub all_scores: bool,
}

impl Default for OutputNames {
    fn default() -> Self {
        Self { prefix: "predicted_".to_owned(), all_scores: true }
    }
}

impl OutputNames {
    /// The names of the prediction columns, in their order.
    #[must_use]
    pub fn columns(&self, task: &Task) -> Vec<String> {
        let Task::Classification { classes, .. } = task else { return vec!["prediction".to_owned()] };
        let prefix = &self.prefix;
        let mut names = vec![format!("{prefix}label"), format!("{prefix}score")];
        if self.all_scores {
            names.extend(classes.iter().map(|class| format!("{prefix}score_{class}")));
        }
        names
    }
}

/// A chain and an estimator, fitted, with the names of what goes in and comes out.
pub struct Model {
    pub task: Task,
    pub target: String,
    pub labels: LabelType,
    pub output: OutputNames,
    pub chain: FittedChain,
    /// The chain's output columns that the estimator reads, in order.
    pub features: Vec<String>,
    pub estimator: Box<dyn FittedEstimator>,
    /// What is done to the estimator's predictions.
    pub adjustments: Adjustments,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    format: u32,
    task: Task,
    target: String,
    labels: LabelType,
    output: OutputNames,
    chain: serde_json::Value,
    features: Vec<String>,
    estimator: String,
    fitted: serde_json::Value,
    #[serde(default, skip_serializing_if = "Adjustments::are_none")]
    adjustments: Adjustments,
}

impl Model {
    /// The model as JSON; [`Model::load`] gives back an equal one.
    #[must_use]
    pub fn save(&self) -> serde_json::Value {
        let saved = Saved {
            format: if self.adjustments.are_none() { PLAIN_FORMAT } else { FORMAT },
            task: self.task.clone(),
            target: self.target.clone(),
            labels: self.labels,
            output: self.output.clone(),
            chain: self.chain.save(),
            features: self.features.clone(),
            estimator: self.estimator.name().to_owned(),
            fitted: self.estimator.save(),
            adjustments: self.adjustments.clone(),
        };
        serde_json::to_value(saved).unwrap_or_default()
    }

    /// Reads a saved model.
    ///
    /// # Errors
    /// Exit code 7 where it is damaged, newer than this program or names an unknown estimator.
    pub fn load(saved: serde_json::Value) -> Result<Self> {
        let format = saved.get("format").and_then(serde_json::Value::as_u64).unwrap_or(0);
        if format > u64::from(FORMAT) {
            return Err(Error::model(format!("the model's format is newer than this program: {format} > {FORMAT}")).hint("update recipe"));
        }
        let saved: Saved = serde_json::from_value(saved).map_err(|error| Error::model(format!("the model is damaged: {error}")))?;
        let entry = estimators::find(&saved.estimator).ok_or_else(|| Error::model(format!("the model uses an unknown estimator: {}", saved.estimator)))?;
        if !counts_fit(&saved.fitted, saved.task.classes()) {
            return Err(Error::model("the model is damaged: its estimator is of another number of classes than its task"));
        }
        let chain = FittedChain::load(saved.chain)?;
        if chain.features() != saved.features {
            return Err(Error::model("the model is damaged: its transforms make other features than its estimator reads"));
        }
        if !saved.adjustments.fits(&saved.task) {
            return Err(Error::model("the model is damaged: what adjusts its predictions does not fit its task"));
        }
        Ok(Self {
            task: saved.task,
            target: saved.target,
            labels: saved.labels,
            output: saved.output,
            chain,
            features: saved.features,
            estimator: (entry.load)(saved.fitted)?,
            adjustments: saved.adjustments,
        })
    }

    /// Reads a model that anyone may have written: whatever it passes for, it must score some rows, or refuse them, without falling over.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn load_tried(saved: serde_json::Value, examples: &[Record]) -> Result<Self> {
        let tried = catch_unwind(AssertUnwindSafe(|| {
            let model = Self::load(saved)?;
            // Rows that it refuses are none of its faults.
            rows::frame(&model.chain.inputs, examples).and_then(|rows| model.predict(&rows)).ok();
            Ok(model)
        }));
        tried.unwrap_or_else(|_| Err(Error::model("the model is damaged: its parts do not fit together")))
    }

    /// Predictions for raw rows in memory, in their order.
    ///
    /// # Errors
    /// Exit code 4 where a needed column is missing or has values that do not fit.
    pub fn predict(&self, frame: &DataFrame) -> Result<Predictions> {
        self.predict_transformed(&self.chain.apply(frame.clone().lazy())?.collect()?)
    }

    /// Predictions for rows that went through the chain, in their order.
    ///
    /// # Errors
    /// Features that are missing.
    pub fn predict_transformed(&self, frame: &DataFrame) -> Result<Predictions> {
        let said = self.estimator.predict(&Matrix::read(frame, self.chain.reads())?)?;
        Ok(self.adjustments.apply(&self.task, said))
    }

    /// The prediction columns for raw rows in memory: `prediction` for regression, with its interval where the model has
    /// one; label and scores for classification.
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub fn prediction_columns(&self, predictions: &Predictions) -> Result<Vec<Column>> {
        let mut names = self.output.columns(&self.task).into_iter();
        let mut name = || PlSmallStr::from(names.next().unwrap_or_default());
        match (predictions, &self.task) {
            (Predictions::Values(values), _) => {
                let mut columns = vec![Column::new(name(), values)];
                let intervals: Option<(Vec<f64>, Vec<f64>)> = values.iter().map(|value| self.adjustments.interval(*value)).collect();
                if let (Some((lower, upper)), true) = (intervals, self.adjustments.conformal.is_some()) {
                    columns.extend(conformal::COLUMNS.into_iter().zip([lower, upper]).map(|(name, bounds)| Column::new(name.into(), bounds)));
                }
                Ok(columns)
            }
            (Predictions::Scores(scores), Task::Classification { classes, .. }) => {
                let rows = scores.first().map_or(0, Vec::len);
                let best: Vec<usize> = (0..rows).map(|row| self.choose(scores, row)).collect();
                let labels: Vec<&str> = best.iter().map(|class| classes.get(*class).map_or("", String::as_str)).collect();
                // Booleans do not parse from text in polars, so they are compared.
                let label = match self.labels {
                    LabelType::Boolean => Column::new(name(), labels.iter().map(|label| *label == "true").collect::<Vec<_>>()),
                    other => Column::new(name(), labels).cast(&other.dtype())?,
                };
                let top: Vec<f64> = best.iter().enumerate().map(|(row, class)| scores[*class][row]).collect();
                let mut columns = vec![label, Column::new(name(), top)];
                if self.output.all_scores {
                    columns.extend(scores.iter().map(|score| Column::new(name(), score)));
                }
                Ok(columns)
            }
            (Predictions::Scores(_), Task::Regression) => Err(Error::model("the model gives class scores for a regression")),
        }
    }

    /// See [`Adjustments::choose`].
    #[must_use]
    pub fn choose(&self, scores: &[Vec<f64>], row: usize) -> usize {
        self.adjustments.choose(&self.task, scores, row)
    }

    /// No rows yet, to be scored by this model.
    #[must_use]
    pub fn unscored(&self) -> Scored {
        Scored { adjustments: self.adjustments.clone(), ..Scored::empty(&self.task) }
    }

    /// Scores a table a batch at a time, in order: each raw batch with its predictions. A batch has the table's columns, so
    /// that of a table that [`FittedChain::prepare`] gave has what was prepared too.
    ///
    /// # Errors
    /// As [`Model::predict`]; whatever `each` returns.
    pub fn score(&self, table: &Table, mut each: impl FnMut(DataFrame, Predictions) -> Result<()>) -> Result<()> {
        let prepared = self.chain.prepare(table)?;
        let added: Vec<&str> = prepared.names().filter(|name| !table.has(name)).collect();
        let mut batches = prepared.batches()?;
        let mut before = 0;
        loop {
            let some: Vec<DataFrame> = batches.by_ref().take(BATCHES_AT_ONCE).collect::<Result<_>>()?;
            if some.is_empty() {
                return Ok(());
            }
            let predicted: Vec<Predictions> = some
                .par_iter()
                .enumerate()
                .map(|(i, frame)| self.predict(frame).map_err(|error| counted_from(error, before + i * BATCH_ROWS)))
                .collect::<Result<_>>()?;
            before += some.iter().map(DataFrame::height).sum::<usize>();
            for (frame, predictions) in some.into_iter().zip(predicted) {
                each(if added.is_empty() { frame } else { frame.drop_many(added.iter().copied()) }, predictions)?;
            }
        }
    }

    /// Scores a table whose target is known.
    ///
    /// # Errors
    /// As [`Model::predict`]; a target that is missing or has a label that training did not.
    pub fn score_known(&self, table: &Table, weight: Option<&str>) -> Result<Scored> {
        let mut scored = self.unscored();
        self.score(table, |frame, predictions| scored.add(&frame, &self.target, weight, &predictions))?;
        Ok(scored)
    }
}

/// Do all counts of classes in a fitted state agree? What is made for each class is made before a row is scored.
pub(in crate::ml) fn counts_fit(state: &serde_json::Value, classes: usize) -> bool {
    match state {
        serde_json::Value::Object(map) => map.iter().all(|(key, part)| match part.as_f64() {
            Some(count) if key == "classes" => count == classes as f64,
            _ => counts_fit(part, classes),
        }),
        serde_json::Value::Array(items) => items.iter().all(|part| counts_fit(part, classes)),
        _ => true,
    }
}

/// An error of a batch says from where its rows count.
fn counted_from(mut error: Error, before: usize) -> Error {
    for problem in error.problems.iter_mut().filter(|problem| before > 0 && problem.message.contains(" in row ")) {
        problem.message.push_str(&format!(" (counted from row {})", before + 1));
    }
    error
}

/// Rows whose truth and prediction are both known: what metrics are computed from.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    pub task: Task,
    /// The target's number, or the class index.
    pub y: Vec<f64>,
    /// The predicted number, or the predicted class index.
    pub prediction: Vec<f64>,
    /// One vector a class for classification, else empty.
    pub scores: Vec<Vec<f64>>,
    /// One weight a row.
    pub weight: Vec<f64>,
    /// How labels are decided and intervals are made.
    pub adjustments: Adjustments,
}

impl Scored {
    /// Adds predictions; `y` and `weight` are the caller's.
    pub fn push(&mut self, predictions: &Predictions) {
        match predictions {
            Predictions::Values(values) => self.prediction.extend_from_slice(values),
            Predictions::Scores(scores) => {
                let rows = scores.first().map_or(0, Vec::len);
                self.prediction.extend((0..rows).map(|row| self.adjustments.choose(&self.task, scores, row) as f64));
                for (all, more) in self.scores.iter_mut().zip(scores) {
                    all.extend_from_slice(more);
                }
            }
        }
    }

    /// No rows yet.
    #[must_use]
    pub fn empty(task: &Task) -> Self {
        let scores = vec![Vec::new(); task.classes()];
        Self { task: task.clone(), y: Vec::new(), prediction: Vec::new(), scores, weight: Vec::new(), adjustments: Adjustments::default() }
    }

    /// The same rows with other scores.
    #[must_use]
    pub fn with_scores(&self, scores: Vec<Vec<f64>>) -> Self {
        let mut again = Self { y: self.y.clone(), weight: self.weight.clone(), adjustments: self.adjustments.clone(), ..Self::empty(&self.task) };
        again.push(&Predictions::Scores(scores));
        again
    }

    /// Some of the rows, in the order given.
    #[must_use]
    pub fn take(&self, rows: &[usize]) -> Self {
        let scores = vec![Vec::new(); self.scores.len()];
        let (y, prediction, weight) = (Vec::new(), Vec::new(), Vec::new());
        let mut taken = Self { task: self.task.clone(), y, prediction, scores, weight, adjustments: self.adjustments.clone() };
        self.take_into(rows, &mut taken);
        taken
    }

    /// As [`Scored::take`], in the place of what `taken`, a copy of these rows or of some of them, holds.
    pub fn take_into(&self, rows: &[usize], taken: &mut Self) {
        let of = |values: &[f64], taken: &mut Vec<f64>| {
            taken.clear();
            taken.extend(rows.iter().map(|row| values[*row]));
        };
        of(&self.y, &mut taken.y);
        of(&self.prediction, &mut taken.prediction);
        of(&self.weight, &mut taken.weight);
        self.scores.iter().zip(&mut taken.scores).for_each(|(scores, taken)| of(scores, taken));
    }

    /// Adds raw rows whose target is known, with their predictions.
    ///
    /// # Errors
    /// A target that is missing or has a label that training did not; no such weight column.
    pub fn add(&mut self, frame: &DataFrame, target: &str, weight: Option<&str>, predictions: &Predictions) -> Result<()> {
        self.y.extend(target_numbers(frame.column(target)?, &self.task)?);
        match weight {
            Some(weight) => self.weight.extend(super::matrix::numbers(frame.column(weight)?)?),
            None => self.weight.resize(self.y.len(), 1.0),
        }
        self.push(predictions);
        Ok(())
    }

    /// A row's own loss: the absolute error, or −ln of the score of the true class.
    #[must_use]
    pub fn loss(&self, row: usize) -> f64 {
        let y = self.y[row];
        if self.task == Task::Regression {
            return (y - self.prediction[row]).abs();
        }
        -self.scores.get(y as usize).map_or(0.0, |scores| scores[row]).clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
    }

    /// The loss of every row.
    #[must_use]
    pub fn losses(&self) -> Vec<f64> {
        (0..self.rows()).map(|row| self.loss(row)).collect()
    }

    #[must_use]
    pub fn rows(&self) -> usize {
        self.y.len()
    }
}

/// The classes of a target column, sorted, with how often each occurs.
///
/// # Errors
/// Where the column cannot be read as labels, or has more than 1,000 of them.
pub fn classes(table: &Table, target: &str) -> Result<BTreeMap<String, u64>> {
    const MANY: usize = 1_000;
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let only = Table::from_query(table.lazy().select([Expr::Column(target.into())]))?;
    for batch in only.batches()? {
        let labels = batch?.column(target)?.cast(&DataType::String)?;
        for label in labels.str()?.iter().flatten() {
            match counts.get_mut(label) {
                Some(count) => *count += 1,
                None => {
                    counts.insert(label.to_owned(), 1);
                }
            }
        }
        if counts.len() > MANY {
            return Err(
                Error::data(format!("target `{target}` has more than {MANY} classes")).hint("is it a number to predict? then the template is `regression/v1`")
            );
        }
    }
    Ok(counts)
}
