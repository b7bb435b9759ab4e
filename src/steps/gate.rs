//! The gate: what a model must reach, and what decided it.
//!
//! A criterion holds a metric of the test rows against a threshold, against another model on the same rows (the dummy, or the champion of the
//! registry), or the metric of some slices against a threshold or the metric of all rows. Where there is no champion yet, a criterion on it passes and
//! says so. With a confidence, what the metric surely reaches is held against the bound in the value's place.

use std::cell::RefCell;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::card::format::number;
use crate::card::{Cell, Table as CardTable};
use crate::error::{Error, Kind, Result};
use crate::ml::metric::{self, MetricEntry};
use crate::ml::model::Scored;
use crate::ml::uncertainty::{self, Bootstrap, Compared, Drawn, Draws, FEWEST};
use crate::value::{Fault, suggest};

use super::slices::{SliceBy, SliceRows, check_name};

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
    /// With a baseline: by how much the model may be worse, as a share of the baseline's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_worse_than: Option<f64>,
    /// Some of the test rows, and the worst of them counts: `hour=*` for each slice of a column, `town=Lake` for one, or the name of an expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<String>,
    /// With a slice: how many times worse than on all test rows the metric may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ratio_to_overall: Option<f64>,
    /// How sure it must be, from 0.5 to 0.999: the near end of the metric's interval on the test rows is held against the bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// `warn`: a failure does not reject the model.
    #[serde(default)]
    pub severity: Severity,
}

/// What a criterion compares with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    /// A model that always says what training rows are in the mean.
    Dummy,
    /// The registered model that the alias `champion` points to.
    Champion,
}

impl Baseline {
    fn name(self) -> &'static str {
        match self {
            Self::Dummy => "dummy",
            Self::Champion => "champion",
        }
    }
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
        Self {
            metric: metric.to_owned(),
            threshold: None,
            baseline: Some(Baseline::Dummy),
            min_improvement: None,
            not_worse_than: None,
            slice: None,
            max_ratio_to_overall: None,
            confidence: None,
            severity: Severity::Error,
        }
    }

    /// Checks what types alone cannot say.
    ///
    /// # Errors
    /// None or several of the bounds; a metric that is not computed; what does not go together; a slice that nobody named.
    pub fn check(&self, known: &[&str], slices: &[SliceBy]) -> Result<(), Vec<Fault>> {
        let path = |name: &str| vec![name.to_owned()];
        let mut faults = Vec::new();
        let mut refuse = |is_wrong: bool, key: &str, why: String| {
            if is_wrong {
                faults.push(Fault::new(&path(key), why));
            }
        };
        let is_figure = FIGURES.contains(&self.metric.as_str());
        let built_in = metric::find(&self.metric);
        let is_share = |share: Option<f64>| share.is_none_or(|share| share.is_finite() && share >= 0.0);
        refuse(self.threshold.is_some() && self.baseline.is_some(), "baseline", "a criterion has `threshold` or `baseline`, not both".to_owned());
        refuse(self.threshold.is_some_and(|t| !t.is_finite()), "threshold", "a threshold is a finite number".to_owned());
        for (key, share) in [("min_improvement", self.min_improvement), ("not_worse_than", self.not_worse_than)] {
            refuse(share.is_some() && self.baseline.is_none(), key, format!("`{key}` goes with `baseline`"));
        }
        // `min_improvement` below zero was taken before there was `not_worse_than`.
        refuse(self.min_improvement.is_some_and(|share| !share.is_finite()), "min_improvement", "`min_improvement` is a finite number".to_owned());
        refuse(!is_share(self.not_worse_than), "not_worse_than", "`not_worse_than` is a share of the baseline's value, from 0".to_owned());
        let has_both = self.not_worse_than.is_some() && self.min_improvement.is_some();
        refuse(has_both, "not_worse_than", "a criterion has `min_improvement` or `not_worse_than`, not both".to_owned());
        if let Some(ratio) = self.max_ratio_to_overall {
            refuse(self.slice.is_none(), "max_ratio_to_overall", "`max_ratio_to_overall` goes with `slice`".to_owned());
            refuse(!(ratio.is_finite() && ratio >= 1.0), "max_ratio_to_overall", "`max_ratio_to_overall` is a number from 1".to_owned());
            refuse(self.threshold.is_some(), "max_ratio_to_overall", "a criterion has `threshold` or `max_ratio_to_overall`, not both".to_owned());
            let why = "`confidence` does not go with `max_ratio_to_overall`: both figures of the ratio are unsure".to_owned();
            refuse(self.confidence.is_some(), "confidence", why);
        }
        if let Some(slice) = &self.slice {
            refuse(self.baseline.is_some(), "baseline", "a slice is held against `threshold` or `max_ratio_to_overall`, not against a baseline".to_owned());
            refuse(
                built_in.is_none() && known.contains(&self.metric.as_str()),
                "slice",
                format!("slices have built-in metrics, and `{}` is none", self.metric),
            );
            refuse(is_figure, "slice", format!("`{}` is not measured in slices", self.metric));
            faults.extend(check_name(slice, slices).err());
        }
        if !known.contains(&self.metric.as_str()) && !is_figure {
            faults.push(
                Fault::new(&path("metric"), format!("criterion on a metric that is not computed here: `{}`", self.metric))
                    .hint(suggest(&self.metric, &[known, &FIGURES].concat())),
            );
        }
        if self.threshold.is_none() && self.baseline.is_none() && self.max_ratio_to_overall.is_none() {
            let (needs, example) = match self.slice {
                Some(_) => ("`threshold` or `max_ratio_to_overall`", "for example `max_ratio_to_overall: 1.5`"),
                None => ("`threshold` or `baseline`", "for example `{metric: r2_score, threshold: 0.5}`"),
            };
            faults.push(Fault::new(&[], format!("a criterion needs {needs}")).hint(example));
        }
        if is_figure && self.baseline.is_some() {
            faults.push(Fault::new(&path("baseline"), format!("`{}` has no baseline", self.metric)).hint("give it a `threshold`"));
        }
        match self.confidence {
            Some(confidence) if !(0.5..=0.999).contains(&confidence) => {
                faults.push(Fault::new(&path("confidence"), "`confidence` must lie between 0.5 and 0.999"));
            }
            Some(_) if built_in.is_none() && self.baseline.is_some() => {
                let why = format!("`{}` is a metric of your own: its difference to a baseline has no interval", self.metric);
                faults.push(Fault::new(&path("confidence"), why).hint("hold it against a `threshold`, or leave `confidence` out"));
            }
            Some(_) if is_figure || built_in.is_some_and(|entry| !uncertainty::has_interval(entry)) => {
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
    /// With a baseline: by how much the model is better than it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<Compared>,
    /// What else decided it: which slice, or that there is no champion yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    pub passed: bool,
    pub severity: Severity,
}

/// Another model on the same test rows.
pub struct Rival<'a> {
    pub scored: &'a Scored,
    /// `test_*`.
    pub metrics: &'a BTreeMap<String, f64>,
}

/// What was measured on the test rows.
pub struct Measured<'a> {
    /// `test_*`.
    pub metrics: &'a BTreeMap<String, f64>,
    /// By [`FIGURES`].
    pub figures: BTreeMap<&'static str, f64>,
    pub scored: &'a Scored,
    pub draws: Option<&'a Draws<'a>>,
    /// Of the metrics that have an interval.
    pub drawn: &'a BTreeMap<&'static str, Drawn>,
    /// Of custom metrics.
    pub figures_drawn: &'a BTreeMap<String, Drawn>,
    pub dummy: Rival<'a>,
    /// Where a criterion names it and there is one.
    pub champion: Option<Rival<'a>>,
    pub slices: &'a SliceRows,
    pub bootstrap: Bootstrap,
    pub seed: u64,
    /// The differences to baselines, which several criteria may want: empty to begin with.
    pub differences: RefCell<BTreeMap<(Baseline, &'static str), Option<Drawn>>>,
}

/// A value, what it surely reaches, and what it is held against.
#[derive(Default)]
struct Held {
    value: Option<f64>,
    surely: Option<f64>,
    bound: Option<f64>,
    compared: Option<Compared>,
    note: Option<String>,
    /// There is nothing to hold it against.
    passes: bool,
}

impl Measured<'_> {
    /// Holds the model against a criterion.
    ///
    /// # Errors
    /// A baseline for a metric that it has no value of.
    pub fn judge(&self, criterion: &Criterion, greater_is_better: bool) -> Result<Outcome> {
        let name = format!("test_{}", criterion.metric);
        let value = self.metrics.get(&name).or_else(|| self.figures.get(criterion.metric.as_str())).copied().filter(|v| !v.is_nan());
        let held = match (&criterion.slice, criterion.baseline) {
            (Some(slice), _) => self.in_slices(criterion, slice, value, greater_is_better),
            (None, Some(baseline)) => self.against(criterion, baseline, value, greater_is_better)?,
            (None, None) => {
                let surely = criterion.confidence.and_then(|confidence| {
                    let bootstrap = sure(self.bootstrap, confidence);
                    let (low, high) = match metric::find(&criterion.metric) {
                        Some(entry) => self.draws?.interval(entry, self.drawn, bootstrap).map(|interval| (interval.low, interval.high))?,
                        None => self.figures_drawn.get(&criterion.metric)?.interval(bootstrap)?,
                    };
                    Some(if greater_is_better { low } else { high })
                });
                Held { value, surely, bound: criterion.threshold, ..Held::default() }
            }
        };
        // A threshold may be met exactly, and so may what a model may be worse by; a baseline must be beaten.
        let is_strict = criterion.baseline.is_some() && criterion.not_worse_than.is_none();
        let decides = if criterion.confidence.is_some() { held.surely } else { held.value };
        let passed = held.passes
            || match (decides, held.bound, greater_is_better, is_strict) {
                (Some(held), Some(bound), true, false) => held >= bound,
                (Some(held), Some(bound), true, true) => held > bound,
                (Some(held), Some(bound), false, false) => held <= bound,
                (Some(held), Some(bound), false, true) => held < bound,
                _ => false,
            };
        let sign = match (greater_is_better, is_strict) {
            (true, false) => "≥",
            (true, true) => ">",
            (false, false) => "≤",
            (false, true) => "<",
        };
        let sure = criterion.confidence.map(|confidence| format!(", {} % sure", number(100.0 * confidence))).unwrap_or_default();
        let place = criterion.slice.as_ref().map(|slice| format!(" in {slice}")).unwrap_or_default();
        let bound = if held.passes { String::new() } else { format!(" {sign} {}", held.bound.map_or_else(|| "—".to_owned(), number)) };
        Ok(Outcome {
            criterion: format!("{}{place}{bound}{}{sure}", criterion.metric, criterion.against()),
            value: held.value,
            surely: held.surely,
            bound: held.bound,
            compared: held.compared,
            note: held.note,
            passed,
            severity: criterion.severity,
        })
    }

    /// Against another model on the same rows.
    fn against(&self, criterion: &Criterion, baseline: Baseline, value: Option<f64>, greater_is_better: bool) -> Result<Held> {
        let rival = match (baseline, &self.champion) {
            (Baseline::Dummy, _) => &self.dummy,
            (Baseline::Champion, Some(champion)) => champion,
            (Baseline::Champion, None) => {
                return Ok(Held { value, note: Some("there is no champion before it".to_owned()), passes: true, ..Held::default() });
            }
        };
        let Some(base) = rival.metrics.get(&format!("test_{}", criterion.metric)).copied() else {
            if baseline == Baseline::Champion {
                return Ok(Held { value, note: Some("the champion has no value of it".to_owned()), ..Held::default() });
            }
            return Err(Error::new(Kind::Config, format!("`baseline: dummy` needs a built-in metric: `{}` has no dummy value", criterion.metric))
                .path("steps.evaluate.validation_criteria"));
        };
        let better = |by: f64| if greater_is_better { base + by } else { base - by };
        let by = criterion.not_worse_than.map_or(criterion.min_improvement.unwrap_or(0.0), |share| -share);
        let entry = metric::find(&criterion.metric);
        // Beside a plain criterion on the dummy nothing more is shown than it asks for.
        let is_shown = baseline == Baseline::Champion || criterion.confidence.is_some();
        let (mut compared, mut surely) = (None, None);
        if let Some(entry) = entry.filter(|_| is_shown) {
            compared = self.difference(baseline, rival, entry, |drawn| drawn.compared(self.bootstrap));
            // Of a two-sided interval, one end is missed half as often.
            surely = criterion.confidence.and_then(|confidence| {
                let least = self.difference(baseline, rival, entry, |drawn| drawn.compared(sure(self.bootstrap, confidence)))?.low;
                Some(better(least))
            });
        }
        Ok(Held { value, surely, bound: Some(better(by * base.abs())), compared, ..Held::default() })
    }

    /// By how much the model is better than the dummy, where the metric has an interval.
    #[must_use]
    pub fn against_dummy(&self, metric: &str) -> Option<Compared> {
        self.difference(Baseline::Dummy, &self.dummy, metric::find(metric)?, |drawn| drawn.compared(self.bootstrap))
    }

    fn difference<T>(&self, baseline: Baseline, rival: &Rival<'_>, entry: &'static MetricEntry, of: impl Fn(&Drawn) -> Option<T>) -> Option<T> {
        let mut differences = self.differences.borrow_mut();
        let drawn = differences
            .entry((baseline, entry.name))
            .or_insert_with(|| self.draws.filter(|_| uncertainty::has_interval(entry)).and_then(|draws| draws.difference(rival.scored, entry)));
        of(drawn.as_ref()?)
    }

    /// The worst of some slices, or the one that is least sure.
    fn in_slices(&self, criterion: &Criterion, slice: &str, overall: Option<f64>, greater_is_better: bool) -> Held {
        let named = self.slices.named(slice);
        let enough: Vec<_> = named.iter().filter(|(_, rows)| rows.len() >= FEWEST).collect();
        let Some(entry) = metric::find(&criterion.metric).filter(|_| !enough.is_empty()) else {
            let note = if named.is_empty() { "no test row is in it".to_owned() } else { format!("none of its slices has {FEWEST} test rows") };
            return Held { note: Some(note), ..Held::default() };
        };
        let bound = criterion.threshold.or_else(|| Some(times_worse(overall?, criterion.max_ratio_to_overall?, greater_is_better)));
        let mut worst: Option<(f64, Held)> = None;
        for (name, rows) in enough {
            let some = self.scored.take(rows);
            let Some(value) = entry.compute(&some).filter(|value| value.is_finite()) else { continue };
            let surely = criterion.confidence.and_then(|confidence| {
                let draws = Draws::of(&some, sure(self.bootstrap, confidence), self.seed)?;
                let interval = draws.of_metrics(&[entry]).remove(entry.name)?;
                Some(if greater_is_better { interval.low } else { interval.high })
            });
            // What has no interval is surely nothing.
            let decides = match criterion.confidence {
                Some(_) => surely.unwrap_or(if greater_is_better { f64::NEG_INFINITY } else { f64::INFINITY }),
                None => value,
            };
            let badness = if greater_is_better { -decides } else { decides };
            if worst.as_ref().is_none_or(|(most, _)| badness > *most) {
                let note = (*name != slice).then(|| format!("worst in {name}, {} rows", rows.len()));
                worst = Some((badness, Held { value: Some(value), surely, bound, note, ..Held::default() }));
            }
        }
        let nothing = || Held { note: Some("the metric is not defined in any of its slices".to_owned()), ..Held::default() };
        worst.map_or_else(nothing, |(_, held)| held)
    }
}

/// Draws enough for a one-sided confidence: of a two-sided interval, one end is missed half as often.
#[must_use]
pub fn sure(bootstrap: Bootstrap, confidence: f64) -> Bootstrap {
    Bootstrap { samples: bootstrap.samples.max(Bootstrap::default().samples), ci: 2.0 * confidence - 1.0 }
}

/// A value so many times worse.
fn times_worse(value: f64, times: f64, greater_is_better: bool) -> f64 {
    if greater_is_better == (value > 0.0) { value / times } else { value * times }
}

impl Criterion {
    /// What it is held against, in brackets.
    fn against(&self) -> String {
        let percent = |share: f64| format!("{} %", number(100.0 * share));
        if let Some(ratio) = self.max_ratio_to_overall {
            return format!(" ({} times worse than on all test rows)", number(ratio));
        }
        let Some(baseline) = self.baseline.map(Baseline::name) else { return String::new() };
        match (self.min_improvement, self.not_worse_than) {
            (Some(share), _) if share > 0.0 => format!(" ({baseline}, and {} better)", percent(share)),
            (_, Some(share)) if share > 0.0 => format!(" ({baseline}, and up to {} worse)", percent(share)),
            _ => format!(" ({baseline})"),
        }
    }
}

/// What decided it, in words.
#[must_use]
pub fn sentence(outcome: &Outcome) -> String {
    let value = outcome.value.map_or_else(|| "not computable".to_owned(), number);
    let surely = outcome.surely.map(|surely| format!(", surely {}", number(surely))).unwrap_or_default();
    let compared = outcome.compared.map(|compared| format!("; {}", in_words(&compared))).unwrap_or_default();
    let note = outcome.note.as_ref().map(|note| format!("; {note}")).unwrap_or_default();
    let test = if FIGURES.iter().any(|figure| outcome.criterion.starts_with(figure)) { "" } else { "test " };
    format!("{test}{} ({value}{surely}{compared}{note})", outcome.criterion)
}

/// `a tie, better by −0.1 to 0.2`.
fn in_words(compared: &Compared) -> String {
    match compared.verdict() {
        "better" => format!("better by {} to {}", number(compared.low), number(compared.high)),
        "worse" => format!("worse by {} to {}", number(-compared.high), number(-compared.low)),
        _ => format!("a tie, better by {} to {}", number(compared.low), number(compared.high)),
    }
}

/// How the model stands to the champion, where a criterion names it and there is one: `not worse than the champion, 95 % sure`.
#[must_use]
pub fn against_champion(criteria: &[Criterion], outcomes: &[Outcome]) -> Option<String> {
    let (criterion, outcome) = criteria.iter().zip(outcomes).find(|(criterion, _)| criterion.baseline == Some(Baseline::Champion))?;
    let compared = outcome.compared?;
    let sure = criterion.confidence.map(|confidence| format!(", {} % sure", number(100.0 * confidence))).unwrap_or_default();
    let name = metric::short_name(&criterion.metric);
    Some(match (compared.verdict(), criterion.not_worse_than) {
        ("better", _) => format!("better than the champion by {} to {} in {name}", number(compared.low), number(compared.high)),
        (_, Some(share)) if outcome.passed => {
            let share = if share > 0.0 { format!(" by more than {} %", number(100.0 * share)) } else { String::new() };
            format!("not worse than the champion{share} in {name}{sure}")
        }
        ("worse", _) => format!("worse than the champion by {} to {} in {name}", number(-compared.high), number(-compared.low)),
        _ => format!("a tie with the champion in {name}"),
    })
}

/// Outcomes as a table.
#[must_use]
pub fn criteria_table(outcomes: &[Outcome]) -> CardTable {
    let has_surely = outcomes.iter().any(|outcome| outcome.surely.is_some());
    let has_words = outcomes.iter().any(|outcome| outcome.compared.is_some() || outcome.note.is_some());
    let mut columns = vec!["criterion", "value"];
    columns.extend(has_surely.then_some("surely"));
    columns.push("bound");
    columns.extend(has_words.then_some("found"));
    columns.push("verdict");
    let row = |o: &Outcome| {
        let mut row: Vec<Cell> = vec![o.criterion.as_str().into(), o.value.into()];
        row.extend(has_surely.then(|| o.surely.into()));
        row.push(o.bound.into());
        let words: Vec<String> = o.compared.iter().map(in_words).chain(o.note.clone()).collect();
        row.extend(has_words.then(|| if words.is_empty() { Cell::Missing } else { words.join("; ").into() }));
        row.push(match (o.passed, o.severity) {
            (true, _) => Cell::Good("pass".to_owned()),
            (false, Severity::Error) => Cell::Bad("fail".to_owned()),
            (false, Severity::Warn) => Cell::Text("warning".to_owned()),
        });
        row
    };
    CardTable {
        caption: "Validation criteria, on the test split".to_owned(),
        columns: columns.into_iter().map(str::to_owned).collect(),
        rows: outcomes.iter().map(row).collect(),
    }
}
