//! evaluate: metrics on all three splits, and the gate.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use polars::prelude::{Column, DataFrame, IdxCa, IdxSize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::explain::EvaluateExplain;
use super::gate::{Baseline, FIGURES, Measured, Rival, against_champion, criteria_table, sentence, sure};
pub use super::gate::{Criterion, Outcome, Severity};
use super::slices::{Sets, SliceBy, SliceRows, SliceSearch, Sliced, column_of, slice};
use super::train::{prefixed, with_columns};
use super::{Context, EVALUATION, Goal, Heads, Json, MODEL, Needs, Report, SlotId, Step, Surroundings, TEST, TRAINING, VALIDATION, Verdict};
use crate::card::format::{number, share};
use crate::card::{Block, Card, Cell, Fact, IntervalRow, Intervals, Tab};
use crate::data::{AggregateExpression, ParquetSink, Role, Roles, Table, Wanted, both};
use crate::error::{Error, Kind, Problem, Result, nearest, shorten};
use crate::ml::adjust::Adjustments;
use crate::ml::calibration;
use crate::ml::explain;
use crate::ml::metric::{self, MetricEntry};
use crate::ml::model::{Model, Scored};
use crate::ml::slices;
use crate::ml::uncertainty::{self, Bootstrap, Compared, Drawn, Draws, Interval, Method};
use crate::ml::{Predictions, Task};
use crate::tracking::bundle;

const VERSION: u32 = 3;

/// A metric of the user's own: an SQL aggregate over `prediction`, `target`, `proba`, `weight` and the
/// columns of the data.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomMetric {
    /// The name under which criteria may use it.
    pub name: String,
    /// An SQL aggregate.
    pub expression: AggregateExpression,
    /// Is a greater value better?
    pub greater_is_better: bool,
}

/// The evaluate step.
pub struct Evaluate {
    pub criteria: Vec<Criterion>,
    pub custom_metrics: Vec<CustomMetric>,
    pub primary_metric: String,
    pub explain: EvaluateExplain,
    pub bootstrap: Bootstrap,
    pub slices: Vec<SliceBy>,
    pub slice_search: SliceSearch,
    /// The registered name whose champion criteria may speak of.
    pub model_name: String,
    pub goal: Goal,
    pub target: String,
    pub roles: Roles,
    pub seed: u64,
}

/// What evaluate found, as register and the registry read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    pub validated: bool,
    pub reason: String,
    pub metrics: BTreeMap<String, f64>,
    /// Of the metrics on the test rows.
    #[serde(default)]
    pub intervals: BTreeMap<String, Interval>,
    pub dummy: BTreeMap<String, f64>,
    /// `test_*` of the champion, where a criterion names it and there is one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub champion: BTreeMap<String, f64>,
    pub outcomes: Vec<Outcome>,
    #[serde(default)]
    pub slices: Sliced,
}

impl Step for Evaluate {
    fn name(&self) -> &'static str {
        "evaluate"
    }

    fn needs(&self, _around: &Surroundings) -> Result<Needs> {
        Ok(Needs {
            algorithms: [
                ("evaluate", VERSION),
                ("metrics", metric::VERSION),
                ("explain", explain::VERSION),
                ("uncertainty", uncertainty::VERSION),
                ("slices", slices::VERSION),
            ]
            .map(|(name, version)| (name.to_owned(), version))
            .into(),
            config: serde_json::json!({
                "validation_criteria": self.criteria,
                "custom_metrics": self.custom_metrics,
                "primary_metric": self.primary_metric,
                "explain": self.explain,
                "bootstrap": self.bootstrap,
                "slices": self.slices,
                "slice_search": self.slice_search,
                "weight": self.roles.first(Role::Weight),
                "sensitive": self.roles.all(Role::Sensitive).collect::<Vec<_>>(),
                "not_searched": self.slice_search.left_out(&self.roles),
            }),
            reads: vec![MODEL.id, TRAINING.id, VALIDATION.id, TEST.id],
            rival_of: self.names_champion().then(|| self.model_name.clone()),
            seed: Some(self.seed),
            ..Needs::default()
        })
    }

    fn misfits(&self, _root: &Path, heads: &Heads) -> Vec<Problem> {
        let scored = ["prediction", "target", "proba", "weight"];
        let unknown = |name: &String| !scored.contains(&name.as_str()) && !heads.training.has(name);
        let mut problems: Vec<Problem> =
            self.slices.iter().enumerate().flat_map(|(i, slice)| slice.misfits(&format!("steps.evaluate.slices[{i}]"), &heads.training)).collect();
        for (i, criterion) in self.criteria.iter().enumerate() {
            if let Some(column) = criterion.slice.as_deref().and_then(column_of) {
                let path = format!("steps.evaluate.validation_criteria[{i}].slice");
                problems.extend(SliceBy::column(column).misfits(&path, &heads.training));
            }
        }
        for column in self.slice_search.columns.iter().flatten() {
            problems.extend(SliceBy::column(column).misfits("steps.evaluate.slice_search.columns", &heads.training));
        }
        let custom = self.custom_metrics.iter().enumerate();
        let custom = custom.filter_map(|(i, custom)| {
            let name = custom.expression.columns().into_iter().find(unknown)?;
            let problem =
                Problem::misfit(format!("no column `{}` for the metric `{}`", shorten(&name), custom.name)).path(format!("custom_metrics[{i}].expression"));
            Some(match nearest(&name, heads.training.names().chain(scored)) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem,
            })
        });
        problems.extend(custom);
        problems
    }

    fn writes(&self) -> Vec<SlotId> {
        vec![EVALUATION.id]
    }

    fn run(&self, cx: &Context<'_>) -> Result<Report> {
        let mut model = cx.read(&MODEL)?;
        let weight = self.roles.first(Role::Weight);
        let training = cx.read(&TRAINING)?;
        let splits = [("training", "training_", training), ("validation", "val_", cx.read(&VALIDATION)?), ("test", "test_", cx.read(&TEST)?)];
        let mut metrics = BTreeMap::new();
        let mut scored = Vec::new();
        let mut test_rows = DataFrame::empty();
        for (name, prefix, table) in &splits {
            cx.doing(name);
            let (split, custom, rows) = self.score(cx, &model, table, weight, name)?;
            metrics.extend(prefixed(prefix, metric::compute_all(&split)));
            metrics.extend(prefixed(prefix, custom));
            scored.push(split);
            test_rows = rows;
        }
        let (Some(on_training), Some(on_test)) = (scored.first(), scored.get(2)) else { return Err(Error::bug("three splits are scored")) };
        if on_test.rows() == 0 {
            return Err(Error::data("the test split is empty").hint("give it a larger share in `steps.split.split_ratios`"));
        }
        let dummy_scored = dummy_scored(on_training, on_test);
        let dummy = prefixed("test_", metric::compute_all(&dummy_scored));
        let champion = self.champion(cx, &model, &splits[2].2, weight)?;
        let default = [Criterion::beats_dummy(&self.primary_metric)];
        let criteria = if self.criteria.is_empty() { &default[..] } else { &self.criteria };
        let slice_rows = SliceRows::make(&self.slices, criteria.iter().filter_map(|criterion| criterion.slice.as_deref()), &splits[2].2)?;
        let is_sure = criteria.iter().any(|criterion| criterion.confidence.is_some());
        let draws = Draws::of(on_test, if is_sure { sure(self.bootstrap, 0.5) } else { self.bootstrap }, self.seed);
        let entries: Vec<&'static MetricEntry> = metric::of_task(&on_test.task)
            .filter(|entry| self.bootstrap.samples > 0 || criteria.iter().any(|criterion| criterion.confidence.is_some() && criterion.metric == entry.name))
            .collect();
        let (drawn, figures_drawn) =
            both(|| draws.as_ref().map(|draws| draws.drawn(&entries)).unwrap_or_default(), || self.custom_drawn(draws.as_ref(), &metrics, &test_rows));
        let figures_drawn = figures_drawn?;
        let champion_metrics = champion.as_ref().map(|(_, metrics)| metrics.clone()).unwrap_or_default();
        let measured = Measured {
            metrics: &metrics,
            figures: self.figures(cx, &model, &splits[2].2)?,
            scored: on_test,
            draws: draws.as_ref(),
            drawn: &drawn,
            figures_drawn: &figures_drawn,
            dummy: Rival { scored: &dummy_scored, metrics: &dummy },
            champion: champion.as_ref().map(|(scored, metrics)| Rival { scored, metrics }),
            slices: &slice_rows,
            bootstrap: self.bootstrap,
            seed: self.seed,
            differences: RefCell::default(),
        };
        let outcomes = criteria.iter().map(|criterion| measured.judge(criterion, self.greater_is_better(&criterion.metric))).collect::<Result<Vec<_>>>()?;
        let interval_of = |draws: &Draws<'_>| -> BTreeMap<String, Interval> {
            entries.iter().filter_map(|entry| Some((entry.name.to_owned(), draws.interval(entry, &drawn, self.bootstrap)?))).collect()
        };
        let mut intervals = draws.as_ref().filter(|_| self.bootstrap.samples > 0).map(interval_of).unwrap_or_default();
        if self.bootstrap.samples > 0 {
            intervals.extend(figures_drawn.iter().filter_map(|(name, drawn)| {
                let (low, high) = drawn.interval(self.bootstrap)?;
                Some((name.clone(), Interval { low, high, method: Method::Bootstrap }))
            }));
        }
        let against_dummy = measured.against_dummy(&self.primary_metric);
        cx.doing("slices");
        let sets = Sets { validation: &splits[1].2, on_validation: &scored[1], test: &splits[2].2, on_test };
        let predicted = scored.iter().map(Scored::rows).sum();
        let (sliced, explained) = both(
            || slice(&slice_rows, &self.slice_search, &self.roles, &sets, &self.primary_metric, self.bootstrap, self.seed),
            || self.explain.tab(&model, &splits[2].2, weight, &self.primary_metric, predicted, self.seed),
        );
        let (sliced, explained) = (sliced?, explained?);
        let failed: Vec<&Outcome> = outcomes.iter().filter(|o| !o.passed && o.severity == Severity::Error).collect();
        let validated = failed.is_empty();
        let reason = match failed.first() {
            None if outcomes.len() == 1 => format!("passed: {}", sentence(&outcomes[0])),
            None => format!("passed all {} criteria", outcomes.len()),
            Some(first) if failed.len() == 1 => format!("failed: {}", sentence(first)),
            Some(first) => format!("failed {} of {} criteria, first: {}", failed.len(), outcomes.len(), sentence(first)),
        };
        let mut warnings: Vec<String> = outcomes
            .iter()
            .filter(|o| !o.passed && o.severity == Severity::Warn)
            .map(|o| format!("criterion missed (severity warn): {}", sentence(o)))
            .collect();
        let evaluation = Evaluation {
            validated,
            reason: reason.clone(),
            metrics: metrics.clone(),
            intervals: intervals.clone(),
            dummy: dummy.clone(),
            champion: champion_metrics.clone(),
            outcomes: outcomes.clone(),
            slices: sliced.clone(),
        };
        cx.write(&EVALUATION, &Json(evaluation))?;

        let primary = format!("test_{}", self.primary_metric);
        let short = metric::short_name(&self.primary_metric);
        let interval = intervals.get(&self.primary_metric);
        let percent = number(100.0 * self.bootstrap.ci);
        warnings.extend(self.doubts(on_training, on_test, &metrics, interval, against_dummy));
        let value = metrics.get(&primary).copied();
        let dummy_value = dummy.get(&primary).copied();
        let shown = value.map_or_else(|| "—".to_owned(), number);
        let passed = outcomes.iter().filter(|o| o.passed).count();
        let dummy_text = dummy_value.map_or_else(String::new, |d| format!(", dummy {}", number(d)));
        let range = interval.map(|i| format!("{} – {}", number(i.low), number(i.high)));
        let standing = self.standing(value, dummy_value, &shown);
        let beside = against_champion(criteria, &outcomes).map(|said| format!("; {said}")).unwrap_or_default();
        let worst_text = sliced.worst(&self.primary_metric).map(|worst| format!(" Worst slice: {worst}.")).unwrap_or_default();
        let verdict = if validated { "VALIDATED" } else { "REJECTED" };
        let mut tabs =
            vec![Tab::new("criteria", "Criteria", vec![Block::Text(format!("{verdict}: the model {reason}.")), Block::Table(criteria_table(&outcomes))])];
        let figures = Figures { metrics: &metrics, intervals: &intervals, dummy: &dummy, champion: &champion_metrics };
        tabs.push(Tab::new("metrics", "Metrics", figures.blocks(&self.primary_metric, &percent, against_dummy)));
        tabs.extend(sliced.tabs(&self.primary_metric, &self.slice_search, &percent));
        tabs.extend(metric::plots::tabs(on_test));
        tabs.push(explained);
        if model.adjustments.calibration.take().is_some() {
            let uncalibrated = model.score_known(&splits[2].2, weight)?;
            tabs.push(Tab::new("reliability", "Reliability", calibration::blocks(&uncalibrated, on_test, "test")));
        }
        Ok(Report {
            line: format!("test {short} {shown}"),
            note: format!("{passed}/{} criteria{dummy_text}", outcomes.len()),
            card: Card {
                summary: format!("{verdict}: {standing}{beside}. The model {reason}.{worst_text}"),
                headline: std::iter::once(Fact::new(format!("test {short}"), value))
                    .chain(range.map(|range| Fact::new(format!("{percent} % interval"), range)))
                    .chain([
                        Fact::new("verdict", if validated { Cell::Good(verdict.to_owned()) } else { Cell::Bad(verdict.to_owned()) }),
                        Fact::new(format!("dummy {short}"), dummy_value),
                    ])
                    .chain(champion_metrics.get(&primary).map(|value| Fact::new(format!("champion {short}"), *value)))
                    .chain([
                        Fact::new(format!("validation {short}"), metrics.get(&format!("val_{}", self.primary_metric)).copied()),
                        Fact::new("test rows", on_test.rows()),
                    ])
                    .chain(metrics.get("test_interval_coverage").map(|share| Fact::new("interval coverage", Cell::Share(*share))))
                    .collect(),
                warnings: warnings.clone(),
                tabs,
            },
            params: BTreeMap::new(),
            metrics,
            warnings,
            shapes: BTreeMap::new(),
            verdict: Some(Verdict { validated, reason }),
        })
    }
}

impl Evaluate {
    /// How the primary metric stands to the dummy's, in half a sentence.
    fn standing(&self, value: Option<f64>, dummy: Option<f64>, shown: &str) -> String {
        let short = metric::short_name(&self.primary_metric);
        let (Some(value), Some(dummy)) = (value, dummy) else { return format!("test {short} {shown}") };
        let greater = self.greater_is_better(&self.primary_metric);
        let by = if greater { value - dummy } else { dummy - value };
        let against = format!("test {short} {shown} against {}", number(dummy));
        if by <= 0.0 {
            return format!("does not beat the dummy, {against}");
        }
        // A share of an error is gone; of a score that grows, such a share says nothing.
        let by = if !greater && value >= 0.0 { share(by / dummy) } else { number(by) };
        format!("beats the dummy by {by}, {against}")
    }

    fn names_champion(&self) -> bool {
        self.criteria.iter().any(|criterion| criterion.baseline == Some(Baseline::Champion))
    }

    /// The champion on the test rows, through its own chain, with its metrics; `None` where no criterion names it, or there is none.
    fn champion(&self, cx: &Context<'_>, model: &Model, test: &Table, weight: Option<&str>) -> Result<Option<(Scored, BTreeMap<String, f64>)>> {
        if !self.names_champion() {
            return Ok(None);
        }
        let Some(rival) = cx.around.tracker.rival(&self.model_name, &bundle::digest(model))? else { return Ok(None) };
        cx.doing("champion");
        let mut champion = bundle::load(&rival.path)?.model;
        let cannot = |kind: Kind, why: String| {
            Error::new(kind, format!("the champion `{}` cannot be held against this model: {why}", rival.uri))
                .path("steps.evaluate.validation_criteria")
                .hint("leave `baseline: champion` out until a model of this kind is the champion, or register under another `model_name`")
        };
        if champion.task != model.task {
            let said = |task: &Task| match task {
                Task::Regression => "numbers".to_owned(),
                Task::Classification { classes, .. } => format!("the classes {}", shorten(&classes.join(", "))),
            };
            return Err(cannot(Kind::Data, format!("it predicts {}, and this one {}", said(&champion.task), said(&model.task))));
        }
        champion.target.clone_from(&self.target);
        let (scored, custom, _) = self.score(cx, &champion, test, weight, "champion").map_err(|error| cannot(error.kind, error.to_string()))?;
        let mut metrics = prefixed("test_", metric::compute_all(&scored));
        metrics.extend(prefixed("test_", custom));
        Ok(Some((scored, metrics)))
    }

    /// What a model says of a table, the custom metrics, and the columns that these read.
    fn score(&self, cx: &Context<'_>, model: &Model, table: &Table, weight: Option<&str>, name: &str) -> Result<(Scored, BTreeMap<String, f64>, DataFrame)> {
        let all = table.rows()?;
        if self.custom_metrics.is_empty() {
            let mut scored = model.unscored();
            model.score(table, |frame, predictions| {
                scored.add(&frame, &self.target, weight, &predictions)?;
                cx.rows(name, scored.rows(), all);
                Ok(())
            })?;
            return Ok((scored, BTreeMap::new(), DataFrame::empty()));
        }
        // Custom metrics are queries over the rows with their predictions.
        let path = cx.scratch.join(format!("scored_{name}.parquet"));
        let mut sink = ParquetSink::create(&path);
        let mut scored = model.unscored();
        model.score(table, |frame, predictions| {
            scored.add(&frame, &self.target, weight, &predictions)?;
            cx.rows(name, scored.rows(), all);
            let columns = metric_columns(model, &frame, weight, &predictions)?;
            let free = frame.drop_many(columns.iter().map(|column| column.name().clone()));
            sink.write(&with_columns(free, columns)?)
        })?;
        sink.finish()?;
        let rows = Table::read(&path)?;
        let mut values = BTreeMap::new();
        for custom in &self.custom_metrics {
            let value = Self::custom(custom, &rows).map_err(|error| {
                error
                    .path("custom_metrics")
                    .hint(format!("the expression of `{}` sees `prediction`, `target`, `proba`, `weight` and the columns of the data", custom.name))
            })?;
            // As with built-in metrics, one that has no value is left out.
            values.extend(value.filter(|value| value.is_finite()).map(|value| (custom.name.clone(), value)));
        }
        let read: BTreeSet<String> = self.custom_metrics.iter().flat_map(|custom| custom.expression.columns()).collect();
        let columns = rows.select(read.iter().map(String::as_str))?.collect()?;
        std::fs::remove_file(&path).map_err(|error| Error::io("remove", &path, &error))?;
        Ok((scored, values, columns))
    }

    /// The custom metrics of the test rows in draws of them.
    fn custom_drawn(&self, draws: Option<&Draws<'_>>, metrics: &BTreeMap<String, f64>, rows: &DataFrame) -> Result<BTreeMap<String, Drawn>> {
        let mut all = BTreeMap::new();
        for custom in &self.custom_metrics {
            let value = metrics.get(&format!("test_{}", custom.name)).copied();
            let (Some(draws), Some(value), false) = (draws, value, rows.width() == 0) else { continue };
            let of = |drawn: &[usize]| {
                let places = IdxCa::from_vec("".into(), drawn.iter().map(|row| *row as IdxSize).collect());
                custom.expression.number_of(rows.take(&places)?)
            };
            all.extend(draws.figure(value, of)?.map(|drawn| (custom.name.clone(), drawn)));
        }
        Ok(all)
    }

    /// A custom metric's value, where it has one.
    fn custom(custom: &CustomMetric, rows: &Table) -> Result<Option<f64>> {
        custom.expression.check_against(rows.schema(), Wanted::Number)?;
        custom.expression.number(rows)
    }

    /// What criteria name beside metrics.
    fn figures(&self, cx: &Context<'_>, model: &Model, test: &Table) -> Result<BTreeMap<&'static str, f64>> {
        let mut figures = BTreeMap::new();
        for figure in FIGURES.into_iter().filter(|figure| self.criteria.iter().any(|criterion| criterion.metric == *figure)) {
            let value = if figure == "model_bytes" {
                cx.size(&MODEL)? as f64
            } else {
                // The quickest of three tells most of the program and least of the machine.
                let mut best = f64::INFINITY;
                for _ in 0..3 {
                    let (start, mut rows) = (Instant::now(), 0_usize);
                    model.score(test, |frame, _| {
                        rows += frame.height();
                        Ok(())
                    })?;
                    best = best.min(start.elapsed().as_secs_f64() * 1e6 / rows.max(1) as f64);
                }
                best
            };
            figures.insert(figure, value);
        }
        Ok(figures)
    }

    /// What a reader of the figures should know before believing them.
    fn doubts(
        &self,
        on_training: &Scored,
        on_test: &Scored,
        metrics: &BTreeMap<String, f64>,
        interval: Option<&Interval>,
        against_dummy: Option<Compared>,
    ) -> Vec<String> {
        let short = metric::short_name(&self.primary_metric);
        let mut doubts = Vec::new();
        if let (Some(interval), Some(value)) = (interval, metrics.get(&format!("test_{}", self.primary_metric)))
            && interval.high - interval.low > 0.5 * value.abs()
        {
            doubts.push(format!(
                "{} test rows leave test {short} between {} and {}: more of them, or cross-validation, would tell more",
                on_test.rows(),
                number(interval.low),
                number(interval.high)
            ));
        }
        if let Some(compared) = against_dummy.filter(|compared| compared.verdict() == "tie") {
            doubts.push(format!("in test {short} the model and the dummy are tied: it is better by {} to {}", number(compared.low), number(compared.high)));
        }
        if let Task::Classification { classes, .. } = &on_training.task {
            let total: f64 = on_training.weight.iter().sum();
            let mut rarest: Option<(f64, &String)> = None;
            for (i, class) in classes.iter().enumerate() {
                let rows: f64 = on_training.y.iter().zip(&on_training.weight).filter(|(y, _)| **y as usize == i).map(|(_, w)| w).sum();
                if rarest.is_none_or(|(share, _)| rows / total < share) {
                    rarest = Some((rows / total, class));
                }
            }
            if let Some((share, class)) = rarest.filter(|(share, _)| *share < 0.05) {
                doubts.push(format!(
                    "only {} % of the training rows are `{}`: accuracy says little here; look at its recall and precision, or set `class_weight: balanced`",
                    number(100.0 * share),
                    shorten(class)
                ));
            }
            if let Some(error) = calibration::miscalibration(on_test) {
                doubts.push(format!(
                    "the scores are no probabilities: on test rows they are {} off in the mean; `calibrate_proba: isotonic` or `sigmoid` mends that",
                    number(error)
                ));
            }
        }
        doubts
    }

    fn greater_is_better(&self, name: &str) -> bool {
        self.custom_metrics.iter().find(|custom| custom.name == name).map_or_else(|| metric::greater_is_better(name), |custom| custom.greater_is_better)
    }
}

/// `prediction`, `target`, `proba` (binary) and `weight` as numbers or labels, for custom metrics.
pub(super) fn metric_columns(model: &Model, frame: &DataFrame, weight: Option<&str>, predictions: &Predictions) -> Result<Vec<Column>> {
    let mut columns = Vec::new();
    match (predictions, &model.task) {
        (Predictions::Values(values), _) => columns.push(Column::new("prediction".into(), values)),
        (Predictions::Scores(scores), Task::Classification { positive, .. }) => {
            let labels = model.prediction_columns(predictions)?;
            if let Some(label) = labels.first() {
                columns.push(label.clone().with_name("prediction".into()));
            }
            if let Some(score) = positive.and_then(|p| scores.get(p)) {
                columns.push(Column::new("proba".into(), score));
            }
        }
        (Predictions::Scores(_), Task::Regression) => {}
    }
    columns.push(frame.column(&model.target)?.clone().with_name("target".into()));
    if let Some(weight) = weight {
        columns.push(frame.column(weight)?.clone().with_name("weight".into()));
    }
    Ok(columns)
}

/// What a model that has only seen the target's distribution in training says of the test rows.
fn dummy_scored(training: &Scored, test: &Scored) -> Scored {
    let total: f64 = training.weight.iter().sum();
    let mut dummy = Scored { prediction: Vec::new(), scores: vec![Vec::new(); test.scores.len()], adjustments: Adjustments::default(), ..test.clone() };
    let predictions = match &test.task {
        Task::Regression => {
            let mean = training.y.iter().zip(&training.weight).map(|(y, w)| y * w).sum::<f64>() / total;
            Predictions::Values(vec![mean; test.rows()])
        }
        Task::Classification { classes, .. } => {
            let mut share = vec![0.0; classes.len()];
            for (class, weight) in training.y.iter().zip(&training.weight) {
                share[*class as usize] += weight / total;
            }
            Predictions::Scores(share.into_iter().map(|p| vec![p; test.rows()]).collect())
        }
    };
    dummy.push(&predictions);
    dummy
}

/// What was measured, as the card shows it.
struct Figures<'a> {
    metrics: &'a BTreeMap<String, f64>,
    intervals: &'a BTreeMap<String, Interval>,
    dummy: &'a BTreeMap<String, f64>,
    champion: &'a BTreeMap<String, f64>,
}

impl Figures<'_> {
    /// The primary metric drawn, then every metric with its interval beside the splits, the dummy and the champion.
    fn blocks(&self, primary: &str, percent: &str, against_dummy: Option<Compared>) -> Vec<Block> {
        let mut blocks = Vec::new();
        if let Some(compared) = against_dummy {
            blocks.push(Block::Text(format!(
                "Against the dummy in {}, on the same rows: {}, by {} ({percent} %: {} – {}).",
                metric::short_name(primary),
                compared.verdict(),
                number(compared.better_by),
                number(compared.low),
                number(compared.high)
            )));
        }
        blocks.extend(self.drawn(primary, percent).map(Block::Intervals));
        let columns = [
            ("test", self.metrics, "test_"),
            ("validation", self.metrics, "val_"),
            ("training", self.metrics, "training_"),
            ("dummy on test", self.dummy, "test_"),
            ("champion on test", self.champion, "test_"),
        ];
        let mut table = metric::table(primary, &columns[..if self.champion.is_empty() { 4 } else { 5 }]);
        if !self.intervals.is_empty() {
            table.caption = format!("Metrics, with {percent} % intervals on the test split");
            table.columns.splice(2..2, ["from".to_owned(), "to".to_owned()]);
            for row in &mut table.rows {
                let interval = if let Some(Cell::Text(name)) = row.first() { self.intervals.get(name) } else { None };
                row.splice(2..2, [interval.map(|interval| interval.low).into(), interval.map(|interval| interval.high).into()]);
            }
            table.columns.push("interval by".to_owned());
            for row in &mut table.rows {
                let interval = if let Some(Cell::Text(name)) = row.first() { self.intervals.get(name) } else { None };
                row.push(interval.map(|interval| interval.method.name()).into());
            }
        }
        blocks.push(Block::Table(table));
        blocks
    }

    /// The primary metric on the splits and of the champion; the dummy where it is not so far away that the rest would be one dot.
    fn drawn(&self, primary: &str, percent: &str) -> Option<Intervals> {
        const NEAR: f64 = 6.0;
        let (test, dummy) = (self.metrics.get(&format!("test_{primary}"))?, self.dummy.get(&format!("test_{primary}")));
        let range = self.intervals.get(primary).map(|interval| (interval.low, interval.high));
        let row = |name: &str, value: Option<&f64>, range| value.map(|value| IntervalRow { name: name.to_owned(), value: *value, range });
        let rows = [
            row("test", Some(test), range),
            row("validation", self.metrics.get(&format!("val_{primary}")), None),
            row("training", self.metrics.get(&format!("training_{primary}")), None),
            row("champion on test", self.champion.get(&format!("test_{primary}")), None),
        ];
        let short = metric::short_name(primary);
        Some(Intervals {
            caption: if range.is_some() { format!("{short}, on test rows with its {percent} % interval") } else { short.to_owned() },
            x: short.to_owned(),
            rows: rows.into_iter().flatten().collect(),
            reference: dummy.filter(|dummy| dummy.abs() <= NEAR * test.abs()).map(|dummy| ("the dummy".to_owned(), *dummy)),
        })
    }
}
