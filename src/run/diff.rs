//! Two runs side by side: what went in otherwise, and what came of it.
//!
//! What went in is compared by the keys of the steps, which hold everything a result depends on. What came of it is compared on the same
//! test rows where both runs have them and both models are still in the store: draw by draw, so that a difference is told from chance.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Session;
use crate::card::format::number;
use crate::data::rows::{self, kind_name};
use crate::data::{Role, Table};
use crate::error::{Error, Result, shorten};
use crate::ml::metric;
use crate::ml::model::{Model, Scored};
use crate::ml::slices::Slice;
use crate::ml::uncertainty::{Bootstrap, Compared, Draws};
use crate::ml::{FittedChain, Task};
use crate::steps::evaluate::Evaluation;
use crate::steps::{Artifact, EVALUATION, INGESTED, Json, MODEL, SlotId, TEST, TRAINING_STEPS, TRANSFORMER};
use crate::store::{Entry, Stale};
use crate::tracking::{RunRow, StepRow};

/// Rows that are shown of those whose prediction changed.
const ROWS: usize = 10;
/// Draws begin here, so that the same two runs give the same figures.
const SEED: u64 = 42;

/// Two runs side by side.
#[derive(Clone, Debug, Serialize)]
pub struct Diff {
    pub a: Side,
    pub b: Side,
    pub steps: Vec<StepDiff>,
    pub columns: Vec<ColumnDiff>,
    pub features: Vec<ColumnDiff>,
    pub primary_metric: String,
    /// Those of the test rows first, the primary one at the top.
    pub metrics: Vec<MetricDiff>,
    /// Why metrics could not be compared row by row.
    pub unpaired: Option<String>,
    pub slices: Vec<SliceDiff>,
    /// Those whose prediction changed most.
    pub rows: Vec<RowDiff>,
}

/// One of the two runs.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    pub run: String,
    pub status: String,
    pub profile: Option<String>,
    pub started_ms: i64,
    pub message: Option<String>,
}

/// What a step had otherwise.
#[derive(Clone, Debug, Serialize)]
pub struct StepDiff {
    pub step: String,
    pub is_same: bool,
    /// What it was given otherwise, beside results of earlier steps.
    pub changes: Vec<String>,
    /// Earlier results that it was given otherwise.
    pub inputs: Vec<String>,
    /// The record of one of the two is gone, so that nothing more is known.
    pub is_forgotten: bool,
}

/// A column that one has and the other has not, or has with another type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnDiff {
    pub name: String,
    pub a: Option<String>,
    pub b: Option<String>,
}

/// A metric in both.
#[derive(Clone, Debug, Serialize)]
pub struct MetricDiff {
    pub name: String,
    pub a: Option<f64>,
    pub b: Option<f64>,
    /// By how much B is better, on the same rows, with 95 % confidence.
    pub compared: Option<Compared>,
}

/// A slice in both, by the primary metric.
#[derive(Clone, Debug, Serialize)]
pub struct SliceDiff {
    pub name: String,
    pub rows: usize,
    pub a: Option<f64>,
    pub b: Option<f64>,
}

/// A test row whose prediction changed.
#[derive(Clone, Debug, Serialize)]
pub struct RowDiff {
    /// From 1, in the order of the test split.
    pub row: usize,
    /// The columns with the role `id`.
    pub id: BTreeMap<String, serde_json::Value>,
    pub target: String,
    pub a: String,
    pub b: String,
    pub change: f64,
}

impl Diff {
    /// Is B worse than A in the primary metric on test rows, and not by chance as far as that can be told?
    #[must_use]
    pub fn is_worse(&self) -> bool {
        let name = format!("test_{}", self.primary_metric);
        let Some(found) = self.metrics.iter().find(|metric| metric.name == name) else { return false };
        match (found.compared, found.a, found.b) {
            (Some(compared), ..) => compared.verdict() == "worse",
            (None, Some(a), Some(b)) => (a < b) != metric::greater_is_better(&self.primary_metric) && a != b,
            _ => false,
        }
    }
}

/// A run with what the store still has of it.
struct Kept {
    row: RunRow,
    steps: BTreeMap<String, StepRow>,
    entries: BTreeMap<String, Entry>,
}

impl Kept {
    fn of(session: &Session<'_>, row: RunRow) -> Result<Self> {
        let steps: BTreeMap<String, StepRow> = session.around.tracker.steps(&row.id)?.into_iter().map(|step| (step.step.clone(), step)).collect();
        let mut entries = BTreeMap::new();
        for (name, step) in &steps {
            if let Some(entry) = step.key.parse().ok().map(|key| session.store.entry(name, &key)).transpose()?.flatten() {
                entries.insert(name.clone(), entry);
            }
        }
        Ok(Self { row, steps, entries })
    }

    /// An artifact, where it is still there and sound.
    fn read<T: Artifact>(&self, session: &Session<'_>, slot: SlotId) -> Option<T> {
        let path = session.store.output(self.entries.get(slot.step)?, slot.artifact).ok()?;
        T::read(&path).ok()
    }

    fn side(&self) -> Side {
        let RunRow { id, status, profile, started_ms, message, .. } = self.row.clone();
        Side { run: id, status, profile, started_ms, message }
    }
}

/// Compares two runs of the session's recipe.
///
/// # Errors
/// Where the store or the database cannot be read.
pub fn diff(session: &Session<'_>, a: RunRow, b: RunRow) -> Result<Diff> {
    let (a, b) = (Kept::of(session, a)?, Kept::of(session, b)?);
    let columns = |kept: &Kept| -> Vec<(String, String)> {
        let table: Option<Table> = kept.read(session, INGESTED.id);
        table.map(|table| table.schema().iter().map(|(name, dtype)| (name.to_string(), kind_name(dtype).to_owned())).collect()).unwrap_or_default()
    };
    let features = |kept: &Kept| -> Vec<(String, String)> {
        let chain: Option<FittedChain> = kept.read(session, TRANSFORMER.id);
        chain.map(|chain| chain.features().iter().map(|name| (name.clone(), "feature".to_owned())).collect()).unwrap_or_default()
    };
    let mut metrics = metrics(session, &a, &b)?;
    let mut rows = Vec::new();
    let unpaired = match paired(session, &a, &b) {
        Ok(pair) => {
            pair.compare(&mut metrics);
            rows = pair.rows(session)?;
            None
        }
        Err(why) => Some(why),
    };
    Ok(Diff {
        steps: TRAINING_STEPS.iter().filter_map(|step| step_diff(step, &a, &b)).collect(),
        columns: between(&columns(&a), &columns(&b)),
        features: between(&features(&a), &features(&b)),
        primary_metric: session.recipe.primary_metric.clone(),
        metrics,
        unpaired,
        slices: slices(session, &a, &b),
        rows,
        a: a.side(),
        b: b.side(),
    })
}

fn step_diff(step: &str, a: &Kept, b: &Kept) -> Option<StepDiff> {
    let (one, other) = (a.steps.get(step)?, b.steps.get(step)?);
    let (mut changes, mut inputs) = (Vec::new(), Vec::new());
    let is_same = one.key == other.key;
    let both = a.entries.get(step).zip(b.entries.get(step));
    if let Some((one, other)) = both.filter(|_| !is_same) {
        for reason in Stale::between(&one.key, &other.key) {
            match reason {
                Stale::Input(name) => inputs.push(name),
                reason => changes.push(reason.to_string()),
            }
        }
    }
    Some(StepDiff { step: step.to_owned(), is_same, changes, inputs, is_forgotten: !is_same && both.is_none() })
}

/// The names that differ, in the order of the first and then of the second.
fn between(a: &[(String, String)], b: &[(String, String)]) -> Vec<ColumnDiff> {
    if a.is_empty() || b.is_empty() {
        return Vec::new();
    }
    let (of_a, of_b): (BTreeMap<&String, &String>, BTreeMap<&String, &String>) =
        (a.iter().map(|(name, kind)| (name, kind)).collect(), b.iter().map(|(name, kind)| (name, kind)).collect());
    let mut seen = BTreeSet::new();
    a.iter()
        .chain(b)
        .filter(|(name, _)| seen.insert(name) && of_a.get(name) != of_b.get(name))
        .map(|(name, _)| ColumnDiff { name: name.clone(), a: of_a.get(name).map(|kind| (*kind).clone()), b: of_b.get(name).map(|kind| (*kind).clone()) })
        .collect()
}

fn metrics(session: &Session<'_>, a: &Kept, b: &Kept) -> Result<Vec<MetricDiff>> {
    let tracker = &session.around.tracker;
    let (of_a, of_b) = (tracker.metrics(&a.row.id)?, tracker.metrics(&b.row.id)?);
    let names: BTreeSet<&String> = of_a.keys().chain(of_b.keys()).collect();
    let mut names: Vec<&String> = names.into_iter().collect();
    let place = |name: &str| {
        let (split, plain) = name.split_once('_').unwrap_or_default();
        let split = ["test", "val", "training"].iter().position(|known| *known == split).unwrap_or(usize::MAX);
        (split, plain != session.recipe.primary_metric, metric::METRICS.iter().position(|entry| entry.name == plain).unwrap_or(usize::MAX))
    };
    names.sort_by(|a, b| place(a).cmp(&place(b)).then(a.cmp(b)));
    let one = |name: &String| MetricDiff { name: name.clone(), a: of_a.get(name).copied(), b: of_b.get(name).copied(), compared: None };
    Ok(names.into_iter().map(one).collect())
}

/// Both models on the same test rows.
struct Pair {
    a: Scored,
    b: Scored,
    test: Table,
    target: String,
}

/// # Errors
/// Why they cannot be compared row by row, as a sentence.
fn paired(session: &Session<'_>, a: &Kept, b: &Kept) -> Result<Pair, String> {
    let rows = |kept: &Kept| kept.entries.get(TEST.id.step).and_then(|entry| entry.outputs.get(TEST.id.artifact)).map(|stored| stored.digest);
    match (rows(a), rows(b)) {
        (Some(of_a), Some(of_b)) if of_a == of_b => {}
        (Some(_), Some(_)) => return Err("the runs have other test rows, so a difference may be the rows'".to_owned()),
        _ => return Err("the test rows of one of the runs are no longer in the cache".to_owned()),
    }
    let model = |kept: &Kept| kept.read::<Model>(session, MODEL.id).ok_or_else(|| format!("the model of run {} is no longer in the cache", kept.row.id));
    let (of_a, of_b) = (model(a)?, model(b)?);
    if of_a.task != of_b.task || of_a.target != of_b.target {
        return Err("the models predict different things".to_owned());
    }
    let test: Table = b.read(session, TEST.id).ok_or("the test rows are no longer in the cache")?;
    let weight = session.recipe.roles.first(Role::Weight).filter(|weight| test.has(weight));
    let score = |model: &Model| model.score_known(&test, weight).map_err(|error| error.to_string());
    Ok(Pair { a: score(&of_a)?, b: score(&of_b)?, target: of_b.target.clone(), test })
}

impl Pair {
    /// Gives the metrics of the test rows their paired intervals.
    fn compare(&self, metrics: &mut [MetricDiff]) {
        let Some(draws) = Draws::of(&self.b, Bootstrap::default(), SEED) else { return };
        for found in metrics {
            let entry = found.name.strip_prefix("test_").and_then(metric::find);
            found.compared = entry.and_then(|entry| draws.compare(&self.a, entry));
        }
    }

    /// How far a row's predictions lie apart.
    fn change(&self, row: usize) -> f64 {
        if self.a.scores.is_empty() {
            return (self.a.prediction[row] - self.b.prediction[row]).abs();
        }
        self.a.scores.iter().zip(&self.b.scores).map(|(a, b)| (a[row] - b[row]).abs()).fold(0.0, f64::max)
    }

    fn rows(&self, session: &Session<'_>) -> Result<Vec<RowDiff>> {
        let changes: Vec<f64> = (0..self.b.rows()).map(|row| self.change(row)).collect();
        let mut order: Vec<usize> = (0..changes.len()).filter(|row| changes[*row] > 0.0).collect();
        order.sort_by(|a, b| changes[*b].total_cmp(&changes[*a]).then(a.cmp(b)));
        order.truncate(ROWS);
        let ids: Vec<String> = session.recipe.roles.all(Role::Id).filter(|name| self.test.has(name)).map(str::to_owned).collect();
        let known = self.test.select(ids.iter().chain([&self.target]).map(String::as_str))?.collect()?;
        let said = |scored: &Scored, row: usize| match &scored.task {
            Task::Regression => number(scored.prediction[row]),
            Task::Classification { classes, .. } => {
                let class = scored.prediction[row] as usize;
                let score = scored.scores.get(class).map_or(f64::NAN, |scores| scores[row]);
                format!("{} ({})", shorten(classes.get(class).map_or("", String::as_str)), number(score))
            }
        };
        let text = |value: serde_json::Value| if let serde_json::Value::String(text) = value { text } else { value.to_string() };
        let value = |name: &str, row: usize| known.column(name).map(|column| rows::json(column, row)).unwrap_or_default();
        let one = |row: usize| RowDiff {
            row: row + 1,
            id: ids.iter().map(|name| (name.clone(), value(name, row))).collect(),
            target: text(value(&self.target, row)),
            a: said(&self.a, row),
            b: said(&self.b, row),
            change: changes[row],
        };
        Ok(order.into_iter().map(one).collect())
    }
}

/// The slices that both runs measured, by the primary metric.
fn slices(session: &Session<'_>, a: &Kept, b: &Kept) -> Vec<SliceDiff> {
    let of = |kept: &Kept| kept.read::<Json<Evaluation>>(session, EVALUATION.id).map(|evaluation| evaluation.0.slices.named).unwrap_or_default();
    let (of_a, of_b) = (of(a), of(b));
    let primary = session.recipe.primary_metric.as_str();
    let pair = |slice: &Slice| {
        let before = of_a.iter().find(|before| before.name == slice.name)?;
        let value = |slice: &Slice| slice.metrics.get(primary).copied();
        Some(SliceDiff { name: slice.name.clone(), rows: slice.rows, a: value(before), b: value(slice) })
    };
    of_b.iter().filter_map(pair).collect()
}

/// The run that a text names: the first digits of its id, `latest`, `previous`, or a model's URI.
///
/// # Errors
/// Exit code 2 where there is none, or several.
pub fn find_run(session: &Session<'_>, text: &str) -> Result<RunRow> {
    let tracker = &session.around.tracker;
    let runs = tracker.runs(Some(&session.recipe.name), usize::MAX >> 1)?;
    if let Some(before) = ["latest", "previous"].iter().position(|word| *word == text) {
        let mut trained = Vec::new();
        for run in runs.iter().filter(|run| run.status == "FINISHED") {
            if trained.len() <= before && tracker.steps(&run.id)?.iter().any(|step| step.step == MODEL.id.step) {
                trained.push(run);
            }
        }
        let none = || Error::usage(format!("there is no {text} run of `{}` that trained a model", session.recipe.name)).hint("`recipe runs` lists all");
        return trained.get(before).map(|run| (*run).clone()).ok_or_else(none);
    }
    let wanted = if text.starts_with("models:/") {
        let digest = tracker.resolve(text, &session.around.root)?.digest;
        tracker.versions(None)?.into_iter().rfind(|row| row.digest == digest).map(|row| row.run).unwrap_or_default()
    } else {
        text.to_owned()
    };
    let fitting: Vec<&RunRow> = runs.iter().filter(|run| run.id == wanted || (wanted.len() >= 4 && run.id.starts_with(&wanted))).collect();
    match fitting.as_slice() {
        [only] => Ok((*only).clone()),
        [] => {
            Err(Error::usage(format!("no run `{}` of `{}`", shorten(text), session.recipe.name)).hint("`recipe runs` lists them; four digits of an id will do"))
        }
        several => Err(Error::usage(format!("several runs begin with `{}`", shorten(text)))
            .hint(several.iter().take(5).map(|run| run.id.as_str()).collect::<Vec<_>>().join(", "))),
    }
}
