//! The gate: what a model must reach, and what decided it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::card::format::number;
use crate::card::{Cell, Table as CardTable};
use crate::error::{Error, Kind, Result};
use crate::ml::metric;
use crate::ml::model::Scored;
use crate::ml::uncertainty::{self, Bootstrap, Draws};
use crate::value::{Fault, suggest};

/// What a criterion may speak of beside metrics: the time that one row takes, in microseconds, as it was measured in this run, and the
/// size of the model's file.
pub const FIGURES: [&str; 2] = ["latency_us_per_row", "model_bytes"];

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
    /// How sure it must be, from 0.5 to 0.999: the near end of the metric's interval on the test rows is held against the bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
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
    /// What a model must do where nothing is said.
    #[must_use]
    pub fn beats_dummy(metric: &str) -> Self {
        Self { metric: metric.to_owned(), threshold: None, baseline: Some(Baseline::Dummy), min_improvement: None, confidence: None, severity: Severity::Error }
    }

    /// Checks what types alone cannot say.
    ///
    /// # Errors
    /// Neither or both of `threshold` and `baseline`; a metric that is not computed.
    pub fn check(&self, known: &[&str]) -> Result<(), Vec<Fault>> {
        let path = |name: &str| vec![name.to_owned()];
        let mut faults = Vec::new();
        let is_figure = FIGURES.contains(&self.metric.as_str());
        if !known.contains(&self.metric.as_str()) && !is_figure {
            faults.push(
                Fault::new(&path("metric"), format!("criterion on a metric that is not computed here: `{}`", self.metric))
                    .hint(suggest(&self.metric, &[known, &FIGURES].concat())),
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
        if is_figure && self.baseline.is_some() {
            faults.push(Fault::new(&path("baseline"), format!("`{}` has no baseline", self.metric)).hint("give it a `threshold`"));
        }
        match self.confidence {
            Some(confidence) if !(0.5..=0.999).contains(&confidence) => {
                faults.push(Fault::new(&path("confidence"), "`confidence` must lie between 0.5 and 0.999"));
            }
            Some(_) if metric::find(&self.metric).is_none_or(|entry| !uncertainty::has_interval(entry)) => {
                faults.push(Fault::new(&path("confidence"), format!("`{}` has no interval, so there is no confidence in it", self.metric)));
            }
            _ => {}
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

/// One criterion's outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub criterion: String,
    pub value: Option<f64>,
    /// With a confidence: what the metric surely reaches, which is held against the bound in the value's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surely: Option<f64>,
    pub bound: Option<f64>,
    pub passed: bool,
    pub severity: Severity,
}

/// What was measured on the test rows.
pub struct Measured<'a> {
    /// `test_*`.
    pub metrics: &'a BTreeMap<String, f64>,
    /// By [`FIGURES`].
    pub figures: BTreeMap<&'static str, f64>,
    pub scored: &'a Scored,
    pub dummy: &'a Scored,
    /// `test_*` of the dummy.
    pub dummy_metrics: &'a BTreeMap<String, f64>,
    pub bootstrap: Bootstrap,
    pub seed: u64,
}

impl Measured<'_> {
    /// Holds the model against a criterion.
    ///
    /// # Errors
    /// A baseline for a metric that the dummy has no value of.
    pub fn judge(&self, criterion: &Criterion, greater_is_better: bool) -> Result<Outcome> {
        let name = format!("test_{}", criterion.metric);
        let value = self.metrics.get(&name).or_else(|| self.figures.get(criterion.metric.as_str())).copied().filter(|v| !v.is_nan());
        let better = |base: f64, by: f64| if greater_is_better { base + by } else { base - by };
        let base = self.dummy_metrics.get(&name).copied();
        let bound = match (criterion.threshold, criterion.baseline) {
            (Some(threshold), _) => Some(threshold),
            (None, Some(Baseline::Dummy)) => {
                let base = base.ok_or_else(|| {
                    Error::new(Kind::Config, format!("`baseline: dummy` needs a built-in metric: `{}` has no dummy value", criterion.metric))
                        .path("steps.evaluate.validation_criteria")
                })?;
                Some(better(base, criterion.min_improvement.unwrap_or(0.0) * base.abs()))
            }
            (None, None) => None,
        };
        let surely = criterion.confidence.and_then(|confidence| self.surely(criterion, confidence, greater_is_better));
        let held = if criterion.confidence.is_some() { surely } else { value };
        // A threshold may be met exactly; a dummy must be beaten.
        let passed = match (held, bound, greater_is_better, criterion.threshold.is_some()) {
            (Some(held), Some(bound), true, true) => held >= bound,
            (Some(held), Some(bound), true, false) => held > bound,
            (Some(held), Some(bound), false, true) => held <= bound,
            (Some(held), Some(bound), false, false) => held < bound,
            _ => false,
        };
        let sign = match (greater_is_better, criterion.threshold.is_some()) {
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
        let sure = criterion.confidence.map(|confidence| format!(", {} % sure", number(100.0 * confidence))).unwrap_or_default();
        Ok(Outcome {
            criterion: format!("{} {sign} {}{against}{sure}", criterion.metric, bound.map_or_else(|| "—".to_owned(), number)),
            value,
            surely,
            bound,
            passed,
            severity: criterion.severity,
        })
    }

    /// What the metric reaches with a confidence: the near end of its interval, or the dummy's value bettered by the near end of the
    /// difference's.
    fn surely(&self, criterion: &Criterion, confidence: f64, greater_is_better: bool) -> Option<f64> {
        // Of a two-sided interval, one end is missed half as often.
        let bootstrap = Bootstrap { samples: self.bootstrap.samples.max(Bootstrap::default().samples), ci: 2.0 * confidence - 1.0 };
        let draws = Draws::of(self.scored, bootstrap, self.seed)?;
        let entry = metric::find(&criterion.metric)?;
        if criterion.baseline.is_some() {
            let base = self.dummy_metrics.get(&format!("test_{}", criterion.metric))?;
            let least = draws.compare(self.dummy, entry)?.low;
            return Some(if greater_is_better { base + least } else { base - least });
        }
        let interval = *draws.of_metrics(&[entry]).get(entry.name)?;
        Some(if greater_is_better { interval.low } else { interval.high })
    }
}

/// What decided it, in words.
#[must_use]
pub fn sentence(outcome: &Outcome) -> String {
    let value = outcome.value.map_or_else(|| "not computable".to_owned(), number);
    let surely = outcome.surely.map(|surely| format!(", surely {}", number(surely))).unwrap_or_default();
    let test = if FIGURES.iter().any(|figure| outcome.criterion.starts_with(figure)) { "" } else { "test " };
    format!("{test}{} ({value}{surely})", outcome.criterion)
}

/// Outcomes as a table.
#[must_use]
pub fn criteria_table(outcomes: &[Outcome]) -> CardTable {
    let has_surely = outcomes.iter().any(|outcome| outcome.surely.is_some());
    let mut columns = vec!["criterion", "value", "bound", "verdict"];
    if has_surely {
        columns.insert(2, "surely");
    }
    CardTable {
        caption: "Validation criteria, on the test split".to_owned(),
        columns: columns.into_iter().map(str::to_owned).collect(),
        rows: outcomes
            .iter()
            .map(|o| {
                let verdict = match (o.passed, o.severity) {
                    (true, _) => Cell::Good("pass".to_owned()),
                    (false, Severity::Error) => Cell::Bad("fail".to_owned()),
                    (false, Severity::Warn) => Cell::Text("warning".to_owned()),
                };
                let mut row = vec![o.criterion.as_str().into(), o.value.into(), o.bound.into(), verdict];
                if has_surely {
                    row.insert(2, o.surely.into());
                }
                row
            })
            .collect(),
    }
}
