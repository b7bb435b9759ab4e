//! train: the estimator is fitted on transformed training rows; the model joins it with the chain.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::curve::Curve;
use super::explain::TrainExplain;
use super::leaks::LeakCheck;
use super::trials::{self, Found, Ground};
use super::tuning::Tuning;
use super::{
    BEST_PARAMETERS, Context, Count, Goal, Json, MODEL, Needs, PREDICTED_TRAINING, Progress, RUN, Report, SlotId, Step, Surroundings, TRAINING,
    TRANSFORMED_TRAINING, TRANSFORMED_VALIDATION, TRANSFORMER, VALIDATION,
};
use crate::card::{Bars, Block, Card, Cell, Fact, Tab, Table as CardTable};
use crate::data::{ParquetSink, Role, Roles, Table, both};
use crate::error::{Error, Result, nearest, shorten, thousands};
use crate::ml::adjust::{Adjusted, Adjustments, Plan};
use crate::ml::explain;
use crate::ml::leak;
use crate::ml::metric;
use crate::ml::model::{LabelType, Model, OutputNames, Scored, classes};
use crate::ml::target::FittedTarget;
use crate::ml::{Coefficient, Deadline, FittedChain, Rounds, TargetKind, Task, TrainingSet, UnfittedEstimator, tune};

const VERSION: u32 = 6;
const WORST: usize = 10;
/// How often one looks how far a fit is.
const LOOK: Duration = Duration::from_millis(200);

/// `class_weight:` of recipe.yaml.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClassWeight {
    /// `balanced`: rows / (classes × rows of the class), as scikit-learn has it.
    Named(Balanced),
    /// One factor a label; 1 where a label is not named.
    PerClass(BTreeMap<String, f64>),
}

/// The one name that `class_weight` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balanced {
    Balanced,
}

impl ClassWeight {
    fn factors(&self, counts: &BTreeMap<String, u64>) -> Result<Vec<f64>> {
        match self {
            Self::Named(Balanced::Balanced) => {
                let total: u64 = counts.values().sum();
                Ok(counts.values().map(|n| total as f64 / (counts.len() as f64 * *n as f64)).collect())
            }
            Self::PerClass(weights) => {
                for (label, weight) in weights {
                    if !counts.contains_key(label) {
                        let error = Error::config(format!("`class_weight` names a class that does not occur: {label}")).path("steps.train.class_weight");
                        return Err(match nearest(label, counts.keys().map(String::as_str)) {
                            Some(near) => error.hint(format!("did you mean `{near}`?")),
                            None => error.hint(format!("the classes are {}", counts.keys().cloned().collect::<Vec<_>>().join(", "))),
                        });
                    }
                    if !weight.is_finite() || *weight < 0.0 {
                        return Err(Error::config(format!("`class_weight` of `{label}` is no weight: {weight}")).path("steps.train.class_weight"));
                    }
                }
                Ok(counts.keys().map(|label| weights.get(label).copied().unwrap_or(1.0)).collect())
            }
        }
    }
}

/// What learns.
pub enum Learner {
    Estimator(Box<dyn UnfittedEstimator>),
    /// The best of what is tried.
    Tuning(Box<Tuning>),
}

impl Learner {
    /// The estimators as they are written; several where they compete.
    pub fn estimators(&self) -> Vec<&dyn UnfittedEstimator> {
        match self {
            Self::Estimator(estimator) => vec![estimator.as_ref()],
            Self::Tuning(tuning) => tuning.estimators().collect(),
        }
    }

    fn wants_validation(&self) -> bool {
        match self {
            Self::Estimator(estimator) => estimator.wants_validation(),
            Self::Tuning(_) => true,
        }
    }
}

/// The train step.
pub struct Train {
    pub learner: Learner,
    pub class_weight: Option<ClassWeight>,
    /// What wraps the estimator.
    pub plan: Plan,
    pub leaks: LeakCheck,
    pub explain: TrainExplain,
    pub output: OutputNames,
    pub goal: Goal,
    pub target: String,
    pub roles: Roles,
    pub primary_metric: String,
    pub seed: u64,
}

impl Step for Train {
    fn name(&self) -> &'static str {
        "train"
    }

    fn needs(&self, _around: &Surroundings) -> Result<Needs> {
        let mut reads = vec![TRANSFORMED_TRAINING.id, TRANSFORMER.id, TRAINING.id, VALIDATION.id];
        if self.learner.wants_validation() {
            reads.push(TRANSFORMED_VALIDATION.id);
        }
        let mut algorithms = self.plan.algorithms();
        algorithms.insert("train".to_owned(), VERSION);
        algorithms.insert("explain".to_owned(), explain::VERSION);
        algorithms.insert("leaks".to_owned(), leak::VERSION);
        for estimator in self.learner.estimators() {
            algorithms.extend(estimator.algorithms().into_iter().map(|(name, version)| (format!("estimator {name}"), version)));
        }
        let mut config = serde_json::json!({
            "class_weight": self.class_weight,
            "leaks": self.leaks,
            "explain": self.explain,
            "predict_prefix": self.output.prefix,
            "predict_scores_for_all_classes": self.output.all_scores,
            "goal": self.goal,
            "target": self.target,
            "weight": self.roles.first(Role::Weight),
        });
        self.plan.config().into_iter().for_each(|(key, value)| config[key] = value);
        // Several candidates are part of what is asked of them.
        if let [estimator] = self.learner.estimators().as_slice() {
            config["using"] = estimator.name().into();
            config["estimator_params"] = estimator.config();
        }
        if let Learner::Tuning(tuning) = &self.learner {
            config["tuning"] = tuning.config();
            config["roles"] = self.roles.iter().map(|(name, role)| (name, role.name())).collect();
            algorithms.insert("tuning".to_owned(), tune::VERSION);
            algorithms.insert("metrics".to_owned(), metric::VERSION);
            algorithms.extend(tuning.algorithms());
        }
        Ok(Needs { algorithms, config, reads, seed: Some(self.seed), ..Needs::default() })
    }

    fn writes(&self) -> Vec<SlotId> {
        vec![MODEL.id, BEST_PARAMETERS.id, PREDICTED_TRAINING.id, RUN.id]
    }

    fn run(&self, cx: &Context<'_>) -> Result<Report> {
        let begun = Instant::now();
        let transformed = cx.read(&TRANSFORMED_TRAINING)?;
        let chain = cx.read(&TRANSFORMER)?;
        let training = cx.read(&TRAINING)?;
        let validation = cx.read(&VALIDATION)?;
        let weight = self.roles.first(Role::Weight);

        let counts = match self.goal {
            Goal::Regression => BTreeMap::new(),
            Goal::Classification { .. } => classes(&training, &self.target)?,
        };
        if let Goal::Classification { .. } = self.goal {
            let unlearned: Vec<String> =
                classes(&validation, &self.target)?.into_keys().filter(|label| !counts.contains_key(label)).map(|l| shorten(&l)).collect();
            if !unlearned.is_empty() {
                return Err(Error::data(format!("target `{}` has classes that no training row has: {}", self.target, unlearned.join(", ")))
                    .hint("share classes out with `split: {using: stratified}`, or leave rare ones out"));
            }
        }
        let task = self.goal.task(&self.target, &counts)?;
        if let Some(estimator) = self.learner.estimators().into_iter().find(|estimator| !estimator.supports(&task)) {
            return Err(Error::config(format!("`{}` cannot do {}", estimator.name(), metric::task_name(&task)))
                .path("steps.train.using")
                .hint("`recipe list estimators` shows what each can do"));
        }
        // Now, not after hours of fitting.
        for name in self.output.columns(&task).into_iter().chain(self.plan.columns().map(str::to_owned)) {
            refuse_taken(training.names(), &name)?;
        }
        let is_classification = self.goal != Goal::Regression;
        let leaks = self.leaks.look(&chain, &training, &transformed, &validation, &self.target, is_classification)?;
        let (mut model, found, learned_rows, parameters) = match &self.learner {
            Learner::Estimator(estimator) => {
                let watched = estimator.wants_validation().then(|| cx.read(&TRANSFORMED_VALIDATION)).transpose()?;
                let prepared = self.prepare(&task, chain, &transformed, &training, watched.as_ref(), self.seed)?;
                let learn = || self.learn(&prepared, estimator.as_ref(), Deadline::NONE);
                (watching(cx, &prepared.set.rounds, learn)?, None, prepared.rows(), estimator.config())
            }
            Learner::Tuning(tuning) => {
                let tuning = tuning.as_ref();
                let transformed_validation = &cx.read(&TRANSFORMED_VALIDATION)?;
                let (task, training, validation, transformed, chain) = (&task, &training, &validation, &transformed, &chain);
                let ground = Ground { train: self, tuning, task, training, validation, transformed, transformed_validation, chain, begun };
                let Found { model, rows, winner } = trials::search(&ground, cx)?;
                let parameters = winner.parameters();
                (model, Some((tuning, winner)), rows, parameters)
            }
        };
        let Adjusted { adjustments, scored: on_validation, notes, blocks } =
            self.plan.fit(model.adjustments.clone(), &self.target, model.score_known(&validation, weight)?)?;
        model.adjustments = adjustments;
        cx.write(&MODEL, &model)?;
        cx.write(&BEST_PARAMETERS, &Json(parameters.clone()))?;

        // Training rows are scored once: for their metrics and for `predicted_training_data`.
        let mut sink = ParquetSink::create(&cx.path(&PREDICTED_TRAINING));
        let (mut on_training, all) = (model.unscored(), training.rows()?);
        model.score(&training, |frame, predictions| {
            on_training.add(&frame, &self.target, weight, &predictions)?;
            cx.rows("scoring training rows", on_training.rows(), all);
            sink.write(&with_columns(frame, model.prediction_columns(&predictions)?)?)
        })?;
        let (training_rows, width) = sink.finish()?;

        let mut metrics = prefixed("training_", metric::compute_all(&on_training));
        metrics.extend(prefixed("val_", metric::compute_all(&on_validation)));
        let using = model.estimator.name();
        let mut run = serde_json::json!({ "estimator": using, "parameters": parameters, "metrics": metrics, "features": model.features });
        if let Some((tuning, winner)) = &found {
            run["trials"] = winner.trials();
            let more = [("transforms", winner.transforms()), ("leaderboard", winner.leaderboard(tuning))];
            more.into_iter().filter_map(|(key, value)| Some((key, value?))).for_each(|(key, value)| run[key] = value);
        }
        cx.write(&RUN, &Json(run))?;

        // Filled when it is shown: the primary metric comes first.
        let mut tabs = vec![Tab::new("metrics", "Metrics", Vec::new())];
        tabs.push(Tab::new("model", "Model", model_blocks(&model, &parameters)));
        let estimator = match &self.learner {
            Learner::Estimator(estimator) => Some(estimator.as_ref()).filter(|estimator| !estimator.wants_validation()),
            Learner::Tuning(_) => None,
        };
        let curve = Curve { train: self, model: &model, estimator, transformed: &transformed, training: &training, validation: &validation };
        let (curve, explained) = both(|| curve.tab(), || self.explain.tab(&model, &training, &validation));
        tabs.extend(curve?);
        if let Some((tuning, winner)) = &found {
            let title = if tuning.contest().is_some() { "Leaderboard" } else { "Tuning" };
            tabs.push(Tab::new(tuning.section, title, winner.blocks(tuning)));
        }
        if !notes.is_empty() {
            tabs.push(Tab::new("adjustments", "Around the estimator", notes.into_iter().map(Block::Text).chain(blocks).collect()));
        }
        tabs.push(explained?);
        tabs.extend(leaks.tab);
        let profile = metric::plots::fit_blocks(&on_validation, "validation");
        if !profile.is_empty() {
            tabs.push(Tab::new("profile", if task == Task::Regression { "Residuals" } else { "Scores" }, profile));
        }
        tabs.push(Tab::new("worst", "Worst predictions", worst_blocks(&model, &training, &on_training)?));
        let mut params: BTreeMap<String, String> = BTreeMap::from([("train.using".to_owned(), using.to_owned())]);
        if let serde_json::Value::Object(map) = &parameters {
            params.extend(map.iter().map(|(key, value)| (format!("train.{key}"), text_of(value))));
        }
        if let Some((tuning, winner)) = &found {
            params.extend(winner.params(tuning));
        }
        let warnings: Vec<String> = leaks.warnings.into_iter().chain(found.iter().filter_map(|(_, winner)| winner.warning())).collect();
        Ok(Report {
            line: model.estimator.describe(),
            note: found.as_ref().map(|(tuning, winner)| winner.describe(tuning)).unwrap_or_default(),
            card: Card {
                summary: format!("{} learned from {} rows", model.estimator.describe(), thousands(learned_rows as u64)),
                headline: vec![Fact::new("features", model.chain.reads().width()), Fact::new("training rows", training_rows)],
                warnings: warnings.clone(),
                tabs,
            },
            params,
            metrics,
            warnings,
            shapes: BTreeMap::from([(PREDICTED_TRAINING.id.artifact.to_owned(), (training_rows, width))]),
            verdict: None,
        })
    }

    fn present(&self, mut report: Report) -> Report {
        let value = |prefix: &str| report.metrics.get(&format!("{prefix}{}", self.primary_metric)).copied();
        let (training, validation) = (value("training_"), value("val_"));
        let short = metric::short_name(&self.primary_metric);
        let shown = validation.map_or_else(|| "—".to_owned(), crate::card::format::number);
        let warnings = overfit_warning(&self.primary_metric, &report.metrics);
        let card = &mut report.card;
        card.summary = format!("{}: validation {short} {shown}.", card.summary);
        card.headline.splice(0..0, [Fact::new(format!("validation {short}"), validation), Fact::new(format!("training {short}"), training)]);
        card.warnings.extend(warnings.iter().cloned());
        if let Some(tab) = card.tabs.iter_mut().find(|tab| tab.id == "metrics") {
            *tab = self.metrics_tab(&report.metrics);
        }
        let tuned = std::mem::take(&mut report.note);
        report.note = if tuned.is_empty() { format!("val {short} {shown}") } else { format!("val {short} {shown}, {tuned}") };
        report.warnings.extend(warnings);
        report
    }
}

/// Tells of the rounds of a fit while it is under way.
fn watching<T>(cx: &Context<'_>, rounds: &Rounds, fit: impl FnOnce() -> T) -> T {
    let (done, is_done) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let watch = move || {
            while is_done.recv_timeout(LOOK) == Err(mpsc::RecvTimeoutError::Timeout) {
                if let Some((done, of)) = rounds.told() {
                    (cx.progress)(Progress { doing: "fitting", count: Some(Count { done, of: Some(of), what: "rounds" }) });
                }
            }
        };
        // Where the system has no thread to give, nobody watches.
        let _ = std::thread::Builder::new().name("watch".to_owned()).spawn_scoped(scope, watch);
        let fitted = fit();
        drop(done);
        fitted
    })
}

/// Rows as an estimator is to see them, and what was fitted on the way.
pub(super) struct Prepared {
    chain: FittedChain,
    set: TrainingSet,
    /// Rows on which an estimator may decide when to stop.
    watched: Option<TrainingSet>,
    target: Option<FittedTarget>,
    labels: LabelType,
}

impl Prepared {
    pub fn rows(&self) -> usize {
        self.set.rows
    }

    /// How many numbers there are, about.
    pub fn numbers(&self) -> usize {
        [Some(&self.set), self.watched.as_ref()].into_iter().flatten().map(|set| set.rows * (set.features.len() + 2)).sum()
    }
}

impl Train {
    /// Makes rows ready: `transformed` and `watched` went through the chain, `raw` are those of `transformed` before it.
    ///
    /// # Errors
    /// Rows that the estimator cannot be given: a class that is lost, a target that its transform cannot take.
    pub(super) fn prepare(&self, task: &Task, chain: FittedChain, transformed: &Table, raw: &Table, watched: Option<&Table>, seed: u64) -> Result<Prepared> {
        let weight = self.roles.first(Role::Weight);
        let factors = match (&self.class_weight, task) {
            (Some(weights), Task::Classification { classes: all, .. }) => {
                let mut counts = self.counts_learned_from(&classes(raw, &self.target)?, transformed, raw)?;
                // A fold may have none of a rare class.
                for class in all {
                    counts.entry(class.clone()).or_default();
                }
                weights.factors(&counts)?
            }
            (None, Task::Classification { .. }) => {
                self.counts_learned_from(&classes(raw, &self.target)?, transformed, raw)?;
                Vec::new()
            }
            (_, Task::Regression) => Vec::new(),
        };
        let target = self.plan.target.map(|wanted| wanted.fit(transformed, &self.target)).transpose()?;
        let set = |table: &Table| {
            let table = target.as_ref().map_or_else(|| Ok(table.clone()), |target| target.apply(table, &self.target))?;
            TrainingSet::new(task.clone(), &table, chain.reads().clone(), &self.target, weight, factors.clone(), seed)
        };
        let (set, watched) = (set(transformed)?, watched.map(set).transpose()?);
        let labels = raw.schema().get(&self.target).map_or(LabelType::String, LabelType::of);
        Ok(Prepared { chain, set, watched, target, labels })
    }

    /// Fits an estimator; the model has no adjustments yet but the target's transform.
    ///
    /// # Errors
    /// As [`UnfittedEstimator::fit`].
    pub(super) fn learn(&self, prepared: &Prepared, estimator: &dyn UnfittedEstimator, deadline: Deadline) -> Result<Model> {
        let mut set = prepared.set.clone();
        set.deadline = deadline;
        set.validation = prepared.watched.clone().filter(|_| estimator.wants_validation()).map(Box::new);
        let fitted = estimator.fit(&set)?;
        let mut adjustments = Adjustments { target: prepared.target.clone(), ..Adjustments::default() };
        if let Some(target) = &mut adjustments.target {
            target.learn_residuals(&set, |features| fitted.predict(features))?;
        }
        Ok(Model {
            task: set.task,
            target: self.target.clone(),
            labels: prepared.labels,
            output: self.output.clone(),
            features: prepared.chain.features().to_vec(),
            chain: prepared.chain.clone(),
            estimator: fitted,
            adjustments,
        })
    }

    /// What the target is to transforms that learn from it.
    pub(super) fn target_kind(&self) -> TargetKind {
        if self.goal == Goal::Regression { TargetKind::Number } else { TargetKind::Classes }
    }

    /// How many rows of each class the estimator sees: a transform may have filtered or drawn training rows.
    fn counts_learned_from(&self, counts: &BTreeMap<String, u64>, transformed: &Table, training: &Table) -> Result<BTreeMap<String, u64>> {
        if counts.is_empty() || transformed.rows()? == training.rows()? {
            return Ok(counts.clone());
        }
        let left = classes(transformed, &self.target)?;
        let lost: Vec<String> = counts.keys().filter(|label| !left.contains_key(*label)).map(|label| shorten(label)).collect();
        if lost.is_empty() {
            return Ok(left);
        }
        Err(Error::data(format!("no training row is left of some classes of target `{}`: {}", self.target, lost.join(", ")))
            .hint("a `filter` or `sample` among `steps.transform` takes them all; let some of them stay"))
    }

    /// Training and validation metrics, the primary one first.
    fn metrics_tab(&self, metrics: &BTreeMap<String, f64>) -> Tab {
        let table = metric::table(&self.primary_metric, &[("training", metrics, "training_"), ("validation", metrics, "val_")]);
        Tab::new("metrics", "Metrics", vec![Block::Table(table)])
    }
}

/// A frame with prediction columns added.
///
/// # Errors
/// As [`refuse_taken`].
pub fn with_columns(mut frame: polars::prelude::DataFrame, columns: Vec<polars::prelude::Column>) -> Result<polars::prelude::DataFrame> {
    for column in columns {
        refuse_taken(frame.schema().iter_names().map(polars::prelude::PlSmallStr::as_str), column.name())?;
        frame.with_column(column)?;
    }
    Ok(frame)
}

/// # Errors
/// Exit code 4 where the data has a column of that name already.
fn refuse_taken<'a>(mut taken: impl Iterator<Item = &'a str>, name: &str) -> Result<()> {
    if !taken.any(|column| column == name) {
        return Ok(());
    }
    let error = Error::data(format!("the data already has a column `{name}`, which predictions would overwrite"));
    // A number's prediction has one name; labels and scores have the prefix.
    Err(match name {
        "prediction" | "prediction_lower" | "prediction_upper" => error.hint("rename it in the data"),
        _ => error.hint("rename it in the data, or set `steps.train.predict_prefix`"),
    })
}

/// Metric names with a prefix.
pub fn prefixed(prefix: &str, metrics: BTreeMap<String, f64>) -> BTreeMap<String, f64> {
    metrics.into_iter().map(|(name, value)| (format!("{prefix}{name}"), value)).collect()
}

/// A parameter as text.
fn text_of(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn model_blocks(model: &Model, parameters: &serde_json::Value) -> Vec<Block> {
    const SHOWN: usize = 40;
    let mut blocks = Vec::new();
    let coefficients = model.estimator.coefficients();
    if !coefficients.is_empty() {
        let size = |c: &Coefficient| c.standardised.unwrap_or(c.value).abs();
        let mut sorted: Vec<&Coefficient> = coefficients.iter().filter(|c| c.feature != "intercept").collect();
        sorted.sort_by(|a, b| size(b).total_cmp(&size(a)));
        let more = sorted.len().saturating_sub(SHOWN);
        let label = |c: &Coefficient| c.class.as_ref().map_or_else(|| c.feature.clone(), |class| format!("{} ({class})", c.feature));
        blocks.push(Block::Bars(Bars {
            caption: "What moves the prediction most, per standard deviation of the feature".to_owned(),
            x: "per standard deviation".to_owned(),
            bars: sorted.iter().take(20).map(|c| (label(c), c.standardised.unwrap_or(c.value))).collect(),
        }));
        let rows = sorted
            .iter()
            .take(SHOWN)
            .copied()
            .chain(coefficients.iter().filter(|c| c.feature == "intercept"))
            .map(|c| vec![label(c).into(), c.value.into(), c.standardised.into()])
            .collect();
        blocks.push(Block::Table(CardTable {
            caption: if more > 0 { format!("Coefficients, and {} more", thousands(more as u64)) } else { "Coefficients".to_owned() },
            columns: ["feature", "coefficient", "per standard deviation"].map(str::to_owned).to_vec(),
            rows,
        }));
    }
    let mut importances = model.estimator.importances();
    let splits = split_table(&importances, &model.estimator.splits());
    if !importances.is_empty() {
        importances.sort_by(|a, b| b.value.total_cmp(&a.value));
        blocks.push(Block::Bars(Bars {
            caption: "Importance of the features in the fit".to_owned(),
            x: "share".to_owned(),
            bars: importances.iter().take(SHOWN).map(|c| (c.feature.clone(), c.value)).collect(),
        }));
    }
    blocks.extend(splits.map(Block::Table));
    if let serde_json::Value::Object(map) = parameters {
        let facts: Vec<Fact> = map.iter().map(|(key, value)| Fact::new(key.as_str(), text_of(value))).collect();
        if !facts.is_empty() {
            blocks.push(Block::Heading("Parameters".to_owned()));
            blocks.push(Block::Facts(facts));
        }
    }
    if blocks.is_empty() {
        blocks.push(Block::Text(model.estimator.describe()));
    }
    blocks
}

/// What trees ask about, the features that gained most first.
fn split_table(importances: &[Coefficient], splits: &[(u64, f64)]) -> Option<CardTable> {
    const SHOWN: usize = 40;
    let mut rows: Vec<(&Coefficient, &(u64, f64))> = importances.iter().zip(splits).collect();
    rows.sort_by(|a, b| b.0.value.total_cmp(&a.0.value));
    let row = |(feature, (count, cover)): (&Coefficient, &(u64, f64))| {
        let mean = if *count > 0 { Cell::Number(cover / *count as f64) } else { Cell::Missing };
        vec![feature.feature.as_str().into(), Cell::Share(feature.value), (*count).into(), mean]
    };
    (!rows.is_empty()).then(|| CardTable {
        caption: "Splits by feature".to_owned(),
        columns: ["feature", "share of the gain", "splits", "mean cover"].map(str::to_owned).to_vec(),
        rows: rows.into_iter().take(SHOWN).map(row).collect(),
    })
}

/// The training rows that are predicted worst, with their raw values.
fn worst_blocks(model: &Model, training: &crate::data::Table, scored: &Scored) -> Result<Vec<Block>> {
    let loss = scored.losses();
    let mut order: Vec<usize> = (0..loss.len()).collect();
    order.sort_by(|a, b| loss[*b].total_cmp(&loss[*a]).then(a.cmp(b)));
    order.truncate(WORST);
    let mut rows = Vec::new();
    let columns: Vec<String> = training.names().take(12).map(str::to_owned).collect();
    let picked = crate::data::rows::pick(training, &order)?;
    for (i, row) in order.iter().enumerate() {
        let said = match &model.task {
            Task::Regression => Cell::Number(scored.prediction[*row]),
            Task::Classification { classes, .. } => classes.get(scored.prediction[*row] as usize).cloned().into(),
        };
        let mut cells = vec![Cell::Count(*row as u64 + 1), said, Cell::Number(loss[*row])];
        cells.extend(crate::data::rows::cells(&picked, i, &columns));
        rows.push(cells);
    }
    let error = if model.task == Task::Regression { "error" } else { "log loss" };
    let mut head = vec!["row".to_owned(), "predicted".to_owned(), error.to_owned()];
    head.extend(columns);
    Ok(vec![Block::Table(CardTable { caption: "The training rows that fit worst".to_owned(), columns: head, rows })])
}

fn overfit_warning(primary: &str, metrics: &BTreeMap<String, f64>) -> Vec<String> {
    let (Some(training), Some(validation)) = (metrics.get(&format!("training_{primary}")), metrics.get(&format!("val_{primary}"))) else { return Vec::new() };
    let worse = if metric::greater_is_better(primary) { training - validation } else { validation - training };
    // A training error near nothing would make any difference look huge.
    if training.abs() > 1e-9 && worse > 0.25 * training.abs() {
        return vec![format!(
            "validation {primary} is {:.0} % worse than training: the model may be overfitted, or the validation split is small",
            100.0 * worse / training.abs().max(1e-12)
        )];
    }
    Vec::new()
}
