//! Two runs side by side: what went in otherwise, and what came of it.
//!
//! What went in is compared by the keys of the steps, which hold everything a result depends on. What came of it is compared on the same
//! test rows where both runs have them and both models are still in the store: draw by draw, so that a difference is told from chance.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Session;
use crate::card::format::number;
use crate::data::rows::{self, hashes, kind_name};
use crate::data::{Role, Table};
use crate::error::{Result, shorten};
use crate::ml::metric;
use crate::ml::model::{Model, Scored};
use crate::ml::slices::Slice;
use crate::ml::uncertainty::{Bootstrap, Compared, Draws, has_interval};
use crate::ml::{FittedChain, Task};
use crate::recipe::document::Document;
use crate::recipe::explain::{differences, one_line};
use crate::steps::evaluate::Evaluation;
use crate::steps::{Artifact, EVALUATION, INGESTED, Json, MODEL, SlotId, TEST, TRAINING, TRAINING_STEPS, TRANSFORMER, VALIDATION};
use crate::store::{Entry, Stale};
use crate::tracking::{Details, RunRow, StepRow};
use crate::value::{Path, Value, display_path};

/// Rows that are shown of those whose prediction changed.
const ROWS: usize = 10;
/// Rows of tables that are held against each other one by one.
const MOST: usize = 5_000_000;
/// Draws begin here, so that the same two runs give the same figures.
const SEED: u64 = 42;

/// Two runs side by side.
#[derive(Clone, Debug, Serialize)]
pub struct Diff {
    pub a: RunRow,
    pub b: RunRow,
    pub config: Vec<ConfigDiff>,
    pub steps: Vec<StepDiff>,
    pub data: Vec<DataDiff>,
    pub columns: Vec<ColumnDiff>,
    pub features: Vec<ColumnDiff>,
    pub primary_metric: String,
    /// Which way that is better, by the recipe as it is now.
    pub greater_is_better: bool,
    /// Those of the test rows first, the primary one at the top.
    pub metrics: Vec<MetricDiff>,
    /// Why metrics of the test rows could not be compared row by row.
    pub unpaired: Option<String>,
    pub slices: Vec<SliceDiff>,
    /// Those whose prediction changed most.
    pub rows: Vec<RowDiff>,
}

/// A key of the configuration that the runs had otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigDiff {
    pub key: String,
    pub a: Option<Setting>,
    pub b: Option<Setting>,
}

/// A value, and where it was set: a file with line and column, or the command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    pub value: String,
    pub place: Option<String>,
}

/// A file or a table whose bytes are others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DataDiff {
    pub name: String,
    pub a: Option<Data>,
    pub b: Option<Data>,
    /// Of a table with the same columns: rows that both have, and that only one has.
    pub rows: Option<Overlap>,
}

/// A file or a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Data {
    pub digest: String,
    pub rows: Option<u64>,
    pub columns: Option<u64>,
}

/// How many rows two tables share; a row that is there twice counts twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Overlap {
    pub both: u64,
    pub only_a: u64,
    pub only_b: u64,
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

/// The rows that a metric is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    Test,
    Validation,
    /// What the model learned from.
    Training,
}

impl Split {
    /// With the beginning of its metrics' names.
    const ALL: [(Self, &'static str); 3] = [(Self::Test, "test_"), (Self::Validation, "val_"), (Self::Training, "training_")];
}

/// A metric in both.
#[derive(Clone, Debug, Serialize)]
pub struct MetricDiff {
    /// With the split before it, as runs have it: `test_r2_score`.
    pub name: String,
    pub split: Split,
    /// Without it.
    pub metric: String,
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
    /// Is B worse than A in the primary metric on test rows, and not by chance as far as that can be told? A run that did not get as far as the
    /// figure is worse than one that did.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        let Some(found) = self.primary() else { return false };
        match (found.compared, found.a, found.b) {
            (Some(compared), ..) => compared.verdict() == "worse",
            (None, Some(a), Some(b)) => (a < b) != self.greater_is_better && a != b,
            (None, a, b) => a.is_some() && b.is_none(),
        }
    }

    /// The primary metric on test rows, where one of the runs has it.
    #[must_use]
    pub fn primary(&self) -> Option<&MetricDiff> {
        self.metrics.iter().find(|found| found.split == Split::Test && found.metric == self.primary_metric)
    }
}

/// A run with what the store still has of it.
struct Kept {
    row: RunRow,
    details: Details,
    steps: BTreeMap<String, StepRow>,
    entries: BTreeMap<String, Entry>,
}

impl Kept {
    fn of(session: &Session<'_>, row: RunRow) -> Result<Self> {
        let tracker = &session.around.tracker;
        let done = tracker.steps(&row.id)?.into_iter().filter(|step| !step.key.is_empty());
        let steps: BTreeMap<String, StepRow> = done.map(|step| (step.step.clone(), step)).collect();
        let details = tracker.details(&row.id)?;
        let mut entries = BTreeMap::new();
        for (name, step) in &steps {
            if let Some(entry) = step.key.parse().ok().map(|key| session.store.entry(name, &key)).transpose()?.flatten() {
                entries.insert(name.clone(), entry);
            }
        }
        Ok(Self { row, details, steps, entries })
    }

    /// An artifact, where it is still there and sound.
    fn read<T: Artifact>(&self, session: &Session<'_>, slot: SlotId) -> Option<T> {
        let path = session.store.output(self.entries.get(slot.step)?, slot.artifact).ok()?;
        T::read(&path).ok()
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
    let models = models(session, &a, &b);
    let pair = |slot, called| models.as_ref().map_err(Clone::clone).and_then(|models| paired(session, &a, &b, models, slot, called));
    if let Ok(pair) = pair(VALIDATION.id, "validation") {
        pair.compare(&mut metrics, Split::Validation);
    }
    let unpaired = match pair(TEST.id, "test") {
        Ok(pair) => {
            pair.compare(&mut metrics, Split::Test);
            rows = pair.rows(session)?;
            None
        }
        Err(why) => Some(why),
    };
    Ok(Diff {
        config: config(session, &a, &b)?,
        data: data(session, &a, &b),
        steps: TRAINING_STEPS.iter().filter_map(|step| step_diff(step, &a, &b)).collect(),
        columns: between(&columns(&a), &columns(&b)),
        features: between(&features(&a), &features(&b)),
        primary_metric: session.recipe.primary_metric.clone(),
        greater_is_better: session.recipe.greater_is_better,
        metrics,
        unpaired,
        slices: slices(session, &a, &b),
        rows,
        a: a.row,
        b: b.row,
    })
}

/// What the runs were told, where it differs.
fn config(session: &Session<'_>, a: &Kept, b: &Kept) -> Result<Vec<ConfigDiff>> {
    let read = |kept: &Kept| -> Result<Value> {
        let text = session.around.tracker.config(&kept.row.id)?.unwrap_or_default();
        // What an older program wrote may not be readable; then nothing is known of it.
        Ok(Document::parse("the run's configuration", &text).map(|document| document.value).unwrap_or_default())
    };
    let mut found = Vec::new();
    differences(&read(a)?, &read(b)?, &mut Path::new(), &mut |path, old, new| {
        let key = display_path(path);
        let setting = |kept: &Kept, value: Option<&Value>| {
            let below = |at: &str| at.strip_prefix(&key).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
            let place = kept.details.places.iter().find(|(at, _)| below(at)).map(|(_, place)| place.clone());
            value.map(|value| Setting { value: one_line(value), place })
        };
        found.push(ConfigDiff { a: setting(a, old), b: setting(b, new), key: key.clone() });
    });
    Ok(found)
}

/// Files and tables whose bytes are others.
fn data(session: &Session<'_>, a: &Kept, b: &Kept) -> Vec<DataDiff> {
    let known = |kept: &Kept| -> BTreeMap<String, Data> {
        let files = kept.details.inputs.iter().map(|input| (input.name.clone(), Data { digest: input.digest.clone(), rows: None, columns: None }));
        let tables = [INGESTED.id, TRAINING.id, VALIDATION.id, TEST.id];
        let tables = kept.details.outputs.iter().filter(|output| tables.iter().any(|slot| slot.artifact == output.name));
        let tables = tables.map(|output| (output.name.clone(), Data { digest: output.digest.clone(), rows: output.rows, columns: output.columns }));
        files.chain(tables).collect()
    };
    let (of_a, of_b) = (known(a), known(b));
    // A run that knows nothing, because an older program made it, has no other data.
    if of_a.is_empty() || of_b.is_empty() {
        return Vec::new();
    }
    let names: BTreeSet<&String> = of_a.keys().chain(of_b.keys()).collect();
    let one = |name: &String| {
        let (before, after) = (of_a.get(name).cloned(), of_b.get(name).cloned());
        let rows = (*name == INGESTED.id.artifact).then(|| overlap(session, a, b)).flatten();
        DataDiff { name: name.clone(), a: before, b: after, rows }
    };
    let differ = |name: &&String| of_a.get(*name).map(|data| &data.digest) != of_b.get(*name).map(|data| &data.digest);
    names.into_iter().filter(differ).map(one).collect()
}

/// How many ingested rows the runs share; `None` where their columns differ, or there are too many to look at.
fn overlap(session: &Session<'_>, a: &Kept, b: &Kept) -> Option<Overlap> {
    let table = |kept: &Kept| kept.read::<Table>(session, INGESTED.id).filter(|table| table.rows().is_ok_and(|rows| rows <= MOST));
    let (of_a, of_b) = (table(a)?, table(b)?);
    if of_a.schema() != of_b.schema() {
        return None;
    }
    let sorted = |table: &Table| -> Option<Vec<u64>> {
        let mut hashes = hashes(table, &table.names().map(str::to_owned).collect::<Vec<_>>()).ok()?;
        hashes.sort_unstable();
        Some(hashes)
    };
    Some(shared(&sorted(&of_a)?, &sorted(&of_b)?))
}

/// How much two sorted lists share.
fn shared(a: &[u64], b: &[u64]) -> Overlap {
    let (mut both, mut i, mut j) = (0, 0, 0);
    while let (Some(one), Some(other)) = (a.get(i), b.get(j)) {
        both += u64::from(one == other);
        i += usize::from(one <= other);
        j += usize::from(other <= one);
    }
    Overlap { both, only_a: a.len() as u64 - both, only_b: b.len() as u64 - both }
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
    let parts = |name: &str| Split::ALL.iter().find_map(|(split, start)| Some((*split, name.strip_prefix(start)?.to_owned())));
    let place = |name: &str| {
        let (split, plain) = parts(name).unzip();
        let known = metric::METRICS.iter().position(|entry| Some(entry.name) == plain.as_deref()).unwrap_or(usize::MAX);
        (split, plain.as_deref() != Some(session.recipe.primary_metric.as_str()), known)
    };
    names.sort_by(|a, b| place(a).cmp(&place(b)).then(a.cmp(b)));
    let one = |name: &String| {
        let (split, metric) = parts(name)?;
        Some(MetricDiff { name: name.clone(), split, metric, a: of_a.get(name).copied(), b: of_b.get(name).copied(), compared: None })
    };
    Ok(names.into_iter().filter_map(one).collect())
}

/// Both models, where they can be held against each other.
///
/// # Errors
/// Why they cannot, as a sentence.
fn models(session: &Session<'_>, a: &Kept, b: &Kept) -> Result<(Model, Model), String> {
    let model = |kept: &Kept| {
        if !kept.steps.contains_key(MODEL.id.step) {
            return Err(format!("run {} trained no model: it is {}", kept.row.id, kept.row.status));
        }
        kept.read::<Model>(session, MODEL.id).ok_or_else(|| format!("the model of run {} is no longer in the cache", kept.row.id))
    };
    let (of_a, of_b) = (model(a)?, model(b)?);
    if of_a.task != of_b.task || of_a.target != of_b.target {
        return Err("the models predict different things".to_owned());
    }
    Ok((of_a, of_b))
}

/// Both models on the same rows.
struct Pair {
    a: Scored,
    b: Scored,
    table: Table,
    target: String,
}

/// # Errors
/// Why they cannot be compared row by row, as a sentence.
fn paired(session: &Session<'_>, a: &Kept, b: &Kept, models: &(Model, Model), slot: SlotId, called: &str) -> Result<Pair, String> {
    let rows = |kept: &Kept| kept.entries.get(slot.step).and_then(|entry| entry.outputs.get(slot.artifact)).map(|stored| stored.digest);
    match (rows(a), rows(b)) {
        (Some(of_a), Some(of_b)) if of_a == of_b => {}
        (Some(_), Some(_)) => return Err(format!("the runs have other {called} rows, so a difference may be the rows'")),
        _ => return Err(format!("the {called} rows of one of the runs are no longer in the cache")),
    }
    let table: Table = b.read(session, slot).ok_or_else(|| format!("the {called} rows are no longer in the cache"))?;
    let weight = session.recipe.roles.first(Role::Weight).filter(|weight| table.has(weight));
    let score = |model: &Model| model.score_known(&table, weight).map_err(|error| error.to_string());
    Ok(Pair { a: score(&models.0)?, b: score(&models.1)?, target: models.1.target.clone(), table })
}

impl Pair {
    /// Gives the metrics of these rows their paired intervals.
    fn compare(&self, metrics: &mut [MetricDiff], split: Split) {
        let Some(draws) = Draws::of(&self.b, Bootstrap::default(), SEED) else { return };
        for found in metrics.iter_mut().filter(|found| found.split == split) {
            found.compared = metric::find(&found.metric).filter(|entry| has_interval(entry)).and_then(|entry| draws.compare(&self.a, entry));
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
        let ids: Vec<String> = session.recipe.roles.all(Role::Id).filter(|name| self.table.has(name)).map(str::to_owned).collect();
        let known = self.table.select(ids.iter().chain([&self.target]).map(String::as_str))?.collect()?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_there_twice_count_twice() {
        let overlap = |both, only_a, only_b| Overlap { both, only_a, only_b };
        assert_eq!(shared(&[1, 1, 2, 5], &[1, 2, 3]), overlap(2, 2, 1));
        assert_eq!(shared(&[], &[7]), overlap(0, 0, 1));
        assert_eq!(shared(&[4, 4], &[4, 4]), overlap(2, 0, 0));
    }
}
