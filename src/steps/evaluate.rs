//! evaluate: metrics on all three splits, and the gate.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::explain::EvaluateExplain;
use super::train::{prefixed, with_columns};
use super::{Context, EVALUATION, Goal, Heads, Json, MODEL, Needs, Report, SlotId, Step, Surroundings, TEST, TRAINING, VALIDATION, Verdict};
use crate::card::{Block, Card, Cell, Fact, Tab, Table as CardTable};
use crate::data::{AggregateExpression, ParquetSink, Role, Roles, Table, Wanted};
use crate::error::{Error, Kind, Problem, Result, nearest, shorten};
use crate::ml::adjust::Adjustments;
use crate::ml::calibration;
use crate::ml::explain;
use crate::ml::metric;
use crate::ml::model::{Model, Scored};
use crate::ml::{Predictions, Task};
use crate::value::{Fault, suggest};

const VERSION: u32 = 1;

/// One line of `validation_criteria`.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Criterion {
    /// The metric that is held against something.
    pub metric: String,
    /// The least value, or the greatest where smaller is better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// A model that must be beaten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// With a baseline: by how much the model must be better, as a share of the baseline's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_improvement: Option<f64>,
    /// `warn`: a failure does not reject the model.
    #[serde(default)]
    pub severity: Severity,
}

/// What a criterion compares with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    Dummy,
}

/// Does a failed criterion reject the model?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Warn,
    #[default]
    Error,
}

impl Criterion {
    /// Checks what types alone cannot say.
    ///
    /// # Errors
    /// Neither or both of `threshold` and `baseline`; a metric that is not computed.
    pub fn check(&self, known: &[&str]) -> Result<(), Vec<Fault>> {
        let path = |name: &str| vec![name.to_owned()];
        let mut faults = Vec::new();
        if !known.contains(&self.metric.as_str()) {
            faults.push(
                Fault::new(&path("metric"), format!("criterion on a metric that is not computed here: `{}`", self.metric)).hint(suggest(&self.metric, known)),
            );
        }
        match (self.threshold, self.baseline) {
            (None, None) => {
                faults.push(Fault::new(&[], "a criterion needs `threshold` or `baseline`").hint("for example `{metric: r2_score, threshold: 0.5}`"));
            }
            (Some(_), Some(_)) => faults.push(Fault::new(&path("baseline"), "a criterion has `threshold` or `baseline`, not both")),
            _ => {}
        }
        if self.threshold.is_some_and(|t| !t.is_finite()) {
            faults.push(Fault::new(&path("threshold"), "a threshold is a finite number"));
        }
        if self.min_improvement.is_some() && self.baseline.is_none() {
            faults.push(Fault::new(&path("min_improvement"), "`min_improvement` goes with `baseline`"));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

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
    pub goal: Goal,
    pub target: String,
    pub roles: Roles,
    pub seed: u64,
}

/// One criterion's outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub criterion: String,
    pub value: Option<f64>,
    pub bound: Option<f64>,
    pub passed: bool,
    pub severity: Severity,
}

/// What evaluate found, as register and the registry read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    pub validated: bool,
    pub reason: String,
    pub metrics: BTreeMap<String, f64>,
    pub dummy: BTreeMap<String, f64>,
    pub outcomes: Vec<Outcome>,
}

impl Step for Evaluate {
    fn name(&self) -> &'static str {
        "evaluate"
    }

    fn needs(&self, _around: &Surroundings) -> Result<Needs> {
        Ok(Needs {
            algorithms: BTreeMap::from([("evaluate".to_owned(), VERSION), ("metrics".to_owned(), metric::VERSION), ("explain".to_owned(), explain::VERSION)]),
            config: serde_json::json!({
                "validation_criteria": self.criteria,
                "custom_metrics": self.custom_metrics,
                "primary_metric": self.primary_metric,
                "explain": self.explain,
                "weight": self.roles.first(Role::Weight),
            }),
            reads: vec![MODEL.id, TRAINING.id, VALIDATION.id, TEST.id],
            seed: Some(self.seed),
            ..Needs::default()
        })
    }

    fn misfits(&self, _root: &Path, heads: &Heads) -> Vec<Problem> {
        let scored = ["prediction", "target", "proba", "weight"];
        let unknown = |name: &String| !scored.contains(&name.as_str()) && !heads.training.has(name);
        let custom = self.custom_metrics.iter().enumerate();
        custom
            .filter_map(|(i, custom)| {
                let name = custom.expression.columns().into_iter().find(unknown)?;
                let problem =
                    Problem::misfit(format!("no column `{}` for the metric `{}`", shorten(&name), custom.name)).path(format!("custom_metrics[{i}].expression"));
                Some(match nearest(&name, heads.training.names().chain(scored)) {
                    Some(near) => problem.hint(format!("did you mean `{near}`?")),
                    None => problem,
                })
            })
            .collect()
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
        for (name, prefix, table) in &splits {
            (cx.progress)(name);
            let (split, custom) = self.score(cx, &model, table, weight, name)?;
            metrics.extend(prefixed(prefix, metric::compute_all(&split)));
            metrics.extend(prefixed(prefix, custom));
            scored.push(split);
        }
        let (Some(on_training), Some(on_test)) = (scored.first(), scored.get(2)) else { return Err(Error::bug("three splits are scored")) };
        if on_test.rows() == 0 {
            return Err(Error::data("the test split is empty").hint("give it a larger share in `steps.split.split_ratios`"));
        }
        let dummy = prefixed("test_", metric::compute_all(&dummy_scored(on_training, on_test)));
        let outcomes = self.outcomes(&metrics, &dummy)?;
        let failed: Vec<&Outcome> = outcomes.iter().filter(|o| !o.passed && o.severity == Severity::Error).collect();
        let validated = failed.is_empty();
        let reason = match failed.first() {
            None if outcomes.len() == 1 => format!("passed: {}", sentence(&outcomes[0])),
            None => format!("passed all {} criteria", outcomes.len()),
            Some(first) if failed.len() == 1 => format!("failed: {}", sentence(first)),
            Some(first) => format!("failed {} of {} criteria, first: {}", failed.len(), outcomes.len(), sentence(first)),
        };
        let warnings: Vec<String> = outcomes
            .iter()
            .filter(|o| !o.passed && o.severity == Severity::Warn)
            .map(|o| format!("criterion missed (severity warn): {}", sentence(o)))
            .collect();
        let evaluation = Evaluation { validated, reason: reason.clone(), metrics: metrics.clone(), dummy: dummy.clone(), outcomes: outcomes.clone() };
        cx.write(&EVALUATION, &Json(evaluation))?;

        let primary = format!("test_{}", self.primary_metric);
        let short = metric::short_name(&self.primary_metric);
        let value = metrics.get(&primary).copied();
        let dummy_value = dummy.get(&primary).copied();
        let shown = value.map_or_else(|| "—".to_owned(), crate::card::format::number);
        let passed = outcomes.iter().filter(|o| o.passed).count();
        let dummy_text = dummy_value.map_or_else(String::new, |d| format!(", dummy {}", crate::card::format::number(d)));
        let mut tabs = vec![
            Tab::new(
                "criteria",
                "Criteria",
                vec![
                    Block::Text(format!("{}: the model {reason}.", if validated { "VALIDATED" } else { "REJECTED" })),
                    Block::Table(criteria_table(&outcomes)),
                ],
            ),
            Tab::new(
                "metrics",
                "Metrics",
                vec![Block::Table(metric::table(
                    &self.primary_metric,
                    &[("test", &metrics, "test_"), ("validation", &metrics, "val_"), ("training", &metrics, "training_"), ("dummy on test", &dummy, "test_")],
                ))],
            ),
        ];
        tabs.extend(metric::plots::tabs(on_test));
        let predicted = scored.iter().map(Scored::rows).sum();
        if let Some((_, _, test)) = splits.last() {
            tabs.push(self.explain.tab(&model, test, weight, &self.primary_metric, predicted, self.seed)?);
        }
        if model.adjustments.calibration.take().is_some() {
            let uncalibrated = model.score_known(&splits[2].2, weight)?;
            tabs.push(Tab::new("reliability", "Reliability", calibration::blocks(&uncalibrated, on_test, "test")));
        }
        Ok(Report {
            line: format!("test {short} {shown}"),
            note: format!("{passed}/{} criteria{dummy_text}", outcomes.len()),
            card: Card {
                summary: format!("{}: test {short} {shown}{dummy_text}; the model {reason}.", if validated { "VALIDATED" } else { "REJECTED" }),
                headline: vec![
                    Fact::new("verdict", if validated { Cell::Good("VALIDATED".to_owned()) } else { Cell::Bad("REJECTED".to_owned()) }),
                    Fact::new(format!("test {short}"), value),
                    Fact::new(format!("validation {short}"), metrics.get(&format!("val_{}", self.primary_metric)).copied()),
                    Fact::new(format!("dummy {short}"), dummy_value),
                    Fact::new("test rows", on_test.rows()),
                ]
                .into_iter()
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
    fn score(&self, cx: &Context<'_>, model: &Model, table: &Table, weight: Option<&str>, name: &str) -> Result<(Scored, BTreeMap<String, f64>)> {
        if self.custom_metrics.is_empty() {
            return Ok((model.score_known(table, weight)?, BTreeMap::new()));
        }
        // Custom metrics are queries over the rows with their predictions.
        let path = cx.scratch.join(format!("scored_{name}.parquet"));
        let mut sink = ParquetSink::create(&path);
        let mut scored = model.unscored();
        model.score(table, |frame, predictions| {
            scored.add(&frame, &self.target, weight, &predictions)?;
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
        std::fs::remove_file(&path).map_err(|error| Error::io("remove", &path, &error))?;
        Ok((scored, values))
    }

    /// A custom metric's value, where it has one.
    fn custom(custom: &CustomMetric, rows: &Table) -> Result<Option<f64>> {
        custom.expression.check_against(rows.schema(), Wanted::Number)?;
        custom.expression.number(rows)
    }

    fn outcomes(&self, metrics: &BTreeMap<String, f64>, dummy: &BTreeMap<String, f64>) -> Result<Vec<Outcome>> {
        let default = [Criterion {
            metric: self.primary_metric.clone(),
            threshold: None,
            baseline: Some(Baseline::Dummy),
            min_improvement: None,
            severity: Severity::Error,
        }];
        let criteria = if self.criteria.is_empty() { &default[..] } else { &self.criteria };
        criteria
            .iter()
            .map(|criterion| {
                let name = format!("test_{}", criterion.metric);
                let better = self.greater_is_better(&criterion.metric);
                let value = metrics.get(&name).copied().filter(|v| !v.is_nan());
                let bound = match (criterion.threshold, criterion.baseline) {
                    (Some(threshold), _) => Some(threshold),
                    (None, Some(Baseline::Dummy)) => {
                        let base = dummy.get(&name).copied().ok_or_else(|| {
                            Error::new(Kind::Config, format!("`baseline: dummy` needs a built-in metric: `{}` has no dummy value", criterion.metric))
                                .path("steps.evaluate.validation_criteria")
                        })?;
                        let share = criterion.min_improvement.unwrap_or(0.0) * base.abs();
                        Some(if better { base + share } else { base - share })
                    }
                    (None, None) => None,
                };
                let passed = match (value, bound) {
                    // A threshold may be met exactly; a dummy must be beaten.
                    (Some(value), Some(bound)) if criterion.threshold.is_some() => {
                        if better {
                            value >= bound
                        } else {
                            value <= bound
                        }
                    }
                    (Some(value), Some(bound)) => {
                        if better {
                            value > bound
                        } else {
                            value < bound
                        }
                    }
                    _ => false,
                };
                let sign = match (better, criterion.threshold.is_some()) {
                    (true, true) => "≥",
                    (true, false) => ">",
                    (false, true) => "≤",
                    (false, false) => "<",
                };
                let against = match criterion.baseline {
                    Some(Baseline::Dummy) if criterion.min_improvement.unwrap_or(0.0) > 0.0 => {
                        format!(" (dummy, and {:.0} % better)", 100.0 * criterion.min_improvement.unwrap_or(0.0))
                    }
                    Some(Baseline::Dummy) => " (dummy)".to_owned(),
                    None => String::new(),
                };
                Ok(Outcome {
                    criterion: format!("{} {sign} {}{against}", criterion.metric, bound.map_or_else(|| "—".to_owned(), crate::card::format::number)),
                    value,
                    bound,
                    passed,
                    severity: criterion.severity,
                })
            })
            .collect()
    }

    fn greater_is_better(&self, name: &str) -> bool {
        self.custom_metrics.iter().find(|custom| custom.name == name).map_or_else(|| metric::greater_is_better(name), |custom| custom.greater_is_better)
    }
}

/// `prediction`, `target`, `proba` (binary) and `weight` as numbers or labels, for custom metrics.
pub(super) fn metric_columns(
    model: &Model,
    frame: &polars::prelude::DataFrame,
    weight: Option<&str>,
    predictions: &Predictions,
) -> Result<Vec<polars::prelude::Column>> {
    use polars::prelude::Column;
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

fn sentence(outcome: &Outcome) -> String {
    let value = outcome.value.map_or_else(|| "not computable".to_owned(), crate::card::format::number);
    format!("test {} ({value})", outcome.criterion)
}

/// Outcomes as a table.
#[must_use]
pub fn criteria_table(outcomes: &[Outcome]) -> CardTable {
    CardTable {
        caption: "Validation criteria, on the test split".to_owned(),
        columns: ["criterion", "value", "bound", "verdict"].map(str::to_owned).to_vec(),
        rows: outcomes
            .iter()
            .map(|o| {
                let verdict = match (o.passed, o.severity) {
                    (true, _) => Cell::Good("pass".to_owned()),
                    (false, Severity::Error) => Cell::Bad("fail".to_owned()),
                    (false, Severity::Warn) => Cell::Text("warning".to_owned()),
                };
                vec![o.criterion.as_str().into(), o.value.into(), o.bound.into(), verdict]
            })
            .collect(),
    }
}
