//! A recipe's own golden test: a few rows and what its chain makes of them, kept below the project's `tests/`.
//!
//! The chain runs up to train in a temporary store, on rows as ingest gave them. What makes no sense on so few rows is left out: reader
//! options, tests on whole tables, sampling, tuning, and what goes by the clock; `automl` has a few trials; a certain leak is no error. Numbers are kept with six digits, so that the
//! last bits of another processor make no difference. It does not judge the model: evaluate does.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json, json};

use super::{Options, Session, run};
use crate::data::rows::kind_name;
use crate::data::{Table, tiny};
use crate::error::{Error, Result};
use crate::ml::model::Model;
use crate::ml::probe;
use crate::recipe::Recipe;
use crate::steps::{Artifact, Goal};
use crate::store::Access;
use crate::value::{Value, path_of};

/// Rows that are kept.
pub const ROWS: usize = 200;
/// Predictions that are written down.
const PREDICTIONS: usize = 20;
const DATA: &str = "data.parquet";
const EXPECTED: &str = "expected.json";
/// Trials that `automl` has: a cheap model or two and a first forest or boosting.
const TRIALS: usize = 4;
/// Numbers are equal if they differ by no more than this share.
const TOLERANCE: f64 = 1e-5;

/// Settings that make no sense on a few rows, or whose outcome a clock decides.
const UNFIT: [&str; 12] = [
    "steps.ingest.connection",
    "steps.ingest.sql",
    "steps.ingest.sql_file",
    "steps.ingest.parameters",
    "steps.ingest.refresh",
    "steps.ingest.options",
    "steps.ingest.tests",
    "steps.ingest.sample",
    "steps.train.tuning",
    "steps.train.time_budget_secs",
    "steps.train.automl.time_budget_secs",
    "steps.train.compare.time_budget_secs",
];

/// Where the rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Drawn from the recipe's data.
    Drawn,
    /// Made up, column by column.
    MadeUp,
    /// They were there.
    Kept,
}

/// One thing that is not as expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// `metrics.val_root_mean_squared_error`.
    pub place: String,
    pub expected: Json,
    pub found: Json,
}

/// The folder of a recipe's test.
#[must_use]
pub fn dir(recipe: &Recipe) -> PathBuf {
    recipe.root.join("tests").join(&recipe.name)
}

/// What the command line would have to say for the chain to run on the rows that are kept.
#[must_use]
pub fn overrides(recipe: &Recipe) -> Vec<String> {
    let at = |path: &str| recipe.document.value.at(&path_of(path));
    let mut overrides = vec![format!("steps.ingest.location={DATA}"), "steps.ingest.using=parquet".to_owned()];
    let mut unfit: Vec<String> = UNFIT.map(str::to_owned).to_vec();
    if let Some(Value::Map(candidates)) = at("steps.train.compare.candidates") {
        unfit.extend(candidates.keys().map(|name| format!("steps.train.compare.candidates.{name}.tuning")));
    }
    overrides.extend(unfit.iter().filter(|path| at(path).is_some()).map(|path| format!("~{path}")));
    if at("steps.train.using").and_then(Value::text).is_some_and(|using| using.starts_with("automl")) {
        overrides.push(format!("steps.train.automl.max_trials={TRIALS}"));
    }
    if at("steps.train.leaks.on_certain").and_then(Value::text).as_deref() != Some("ignore") {
        overrides.push("steps.train.leaks.on_certain=warn".to_owned());
    }
    overrides
}

/// Makes the rows, where they are not there or `wanted` says so; tells where they came from and how many there are.
///
/// # Errors
/// Whatever ingest fails with; a disk that cannot be written.
pub fn make_rows(recipe: &Recipe, wanted: Rows) -> Result<(Rows, usize)> {
    let path = dir(recipe).join(DATA);
    if wanted == Rows::Kept && path.exists() {
        return Ok((Rows::Kept, Table::read(&path)?.rows()?));
    }
    run(recipe, "ingest", &local(), &|_| {})?;
    let ingested = Table::read(&Session::open(recipe, Access::Read)?.artifact("ingested_data")?)?;
    let class = (recipe.goal != Goal::Regression).then_some(recipe.target.as_str());
    let rows = match wanted {
        Rows::MadeUp => tiny::make_up(&ingested, ROWS, &recipe.roles.clone().with_target(&recipe.target), recipe.seed)?,
        Rows::Drawn | Rows::Kept => tiny::draw(&ingested, ROWS, class, recipe.seed)?,
    };
    fs::create_dir_all(dir(recipe)).map_err(|error| Error::io("create", &dir(recipe), &error))?;
    rows.write(&path)?;
    Ok((if wanted == Rows::MadeUp { Rows::MadeUp } else { Rows::Drawn }, rows.rows()?))
}

/// Runs the chain of a recipe that was composed with [`overrides`], in a store that is thrown away; gives what there is to compare.
///
/// # Errors
/// Rows that are not there; whatever a step fails with.
pub fn found(mut recipe: Recipe) -> Result<Json> {
    let data = dir(&recipe).join(DATA);
    if !data.is_file() {
        return Err(unblessed(&recipe, &data));
    }
    let scratch = tempfile::tempdir().map_err(|error| Error::io("write", &std::env::temp_dir(), &error))?;
    fs::copy(&data, scratch.path().join(DATA)).map_err(|error| Error::io("read", &data, &error))?;
    scratch.path().clone_into(&mut recipe.root);
    recipe.cache_dir = None;
    let outcome = run(&recipe, "train", &local(), &|_| {})?;
    let session = Session::open(&recipe, Access::Read)?;
    let mut steps = Map::new();
    for artifact in ["ingested_data", "training_data", "validation_data", "test_data", "transformed_training_data"] {
        let table = Table::read(&session.artifact(artifact)?)?;
        let columns: Vec<Json> = table.schema().iter().map(|(name, dtype)| format!("{name}: {}", kind_name(dtype)).into()).collect();
        steps.insert(artifact.to_owned(), json!({ "rows": table.rows()?, "columns": columns }));
    }
    let model = Model::read(&session.artifact("model")?)?;
    let rows = Table::read(&session.artifact("ingested_data")?)?;
    let coefficients: Map<String, Json> = model
        .estimator
        .coefficients()
        .into_iter()
        .map(|found| (found.class.map_or(found.feature.clone(), |class| format!("{} ({class})", found.feature)), found.value.into()))
        .collect();
    let metrics = outcome.steps.last().map(|step| step.report.metrics.clone()).unwrap_or_default();
    let mut said = probe::predictions(&model, &rows)?;
    said.truncate(PREDICTIONS);
    let mut properties: Map<String, Json> = probe::survival(&model, &rows)?
        .into_iter()
        .map(|(tried, refused)| (tried, refused.map_or_else(|| "survived".into(), |why| format!("refused: {why}").into())))
        .collect();
    properties.insert("the order of rows".to_owned(), if probe::is_free_of_order(&model, &rows)? { "does not matter".into() } else { "matters".into() });
    let mut found = json!({
        "artifacts": steps,
        "model": { "estimator": model.estimator.name(), "features": model.features, "coefficients": coefficients },
        "metrics": metrics,
        "predictions": said,
        "properties": properties,
    });
    round(&mut found);
    Ok(found)
}

fn local() -> Options {
    Options { is_local: true, ..Options::default() }
}

/// What is written down, if something is.
///
/// # Errors
/// Nothing written down, exit code 4; a file that is no JSON.
pub fn expected(recipe: &Recipe) -> Result<Json> {
    let path = dir(recipe).join(EXPECTED);
    let text = fs::read(&path).map_err(|_| unblessed(recipe, &path))?;
    serde_json::from_slice(&text).map_err(|error| Error::data(format!("`{}` is damaged: {error}", path.display())).hint("`recipe test --bless` writes it anew"))
}

/// Writes down what was found.
///
/// # Errors
/// A disk that cannot be written.
pub fn write(recipe: &Recipe, found: &Json) -> Result<()> {
    let path = dir(recipe).join(EXPECTED);
    let text = serde_json::to_string_pretty(found).map_err(|error| Error::bug(error.to_string()))?;
    fs::write(&path, text + "\n").map_err(|error| Error::io("write", &path, &error))
}

fn unblessed(recipe: &Recipe, path: &Path) -> Error {
    let name = path.strip_prefix(&recipe.root).unwrap_or(path).display();
    Error::data(format!("`{}` has no golden test yet: `{name}` is not there", recipe.name))
        .hint("`recipe test --bless` draws a few rows of the recipe's data and writes down what the chain makes of them")
}

/// Everything that differs, causes first: data, then the model, then what it says.
#[must_use]
pub fn differences(expected: &Json, found: &Json) -> Vec<Difference> {
    let mut all = Vec::new();
    compare(String::new(), expected, found, &mut all);
    let part = |difference: &Difference| ["artifacts", "model"].iter().position(|part| difference.place.starts_with(part)).unwrap_or(2);
    all.sort_by_key(part);
    all
}

fn compare(place: String, expected: &Json, found: &Json, all: &mut Vec<Difference>) {
    let below = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
    match (expected, found) {
        (Json::Object(before), Json::Object(now)) => {
            for key in before.keys().chain(now.keys().filter(|key| !before.contains_key(*key))) {
                compare(below(key), before.get(key).unwrap_or(&Json::Null), now.get(key).unwrap_or(&Json::Null), all);
            }
        }
        (Json::Array(before), Json::Array(now)) if before.len() == now.len() => {
            for (i, (before, now)) in before.iter().zip(now).enumerate() {
                compare(below(&(i + 1).to_string()), before, now, all);
            }
        }
        (before, now) if is_same(before, now) => {}
        (before, now) => all.push(Difference { place, expected: before.clone(), found: now.clone() }),
    }
}

fn is_same(before: &Json, now: &Json) -> bool {
    match (before.as_f64(), now.as_f64()) {
        (Some(before), Some(now)) => before == now || (before - now).abs() <= TOLERANCE * before.abs().max(now.abs()) + 1e-9,
        _ => before == now,
    }
}

/// Six significant digits of every number that is no whole one.
fn round(value: &mut Json) {
    match value {
        Json::Array(items) => items.iter_mut().for_each(round),
        Json::Object(map) => map.values_mut().for_each(round),
        Json::Number(number) if number.is_f64() => {
            let short = number.as_f64().and_then(|number| format!("{number:.5e}").parse::<f64>().ok());
            *value = short.map_or(Json::Null, Json::from);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_named_by_place_and_last_bits_are_none() {
        let before = json!({ "a": { "x": 1.0, "y": [1, 2] }, "gone": true, "same": 0.333_333 });
        let now = json!({ "a": { "x": 1.1, "y": [1, 3] }, "new": "n", "same": 0.333_334 });
        let places: Vec<String> = differences(&before, &now).into_iter().map(|d| format!("{} {} {}", d.place, d.expected, d.found)).collect();
        assert_eq!(places, ["a.x 1.0 1.1", "a.y.2 2 3", "gone true null", "new null \"n\""]);
        let mut rounded = json!([1.234_567_89, 1_234_567.89, 7, -0.000_123_456_78]);
        round(&mut rounded);
        assert_eq!(rounded, json!([1.234_57, 1_234_570.0, 7, -0.000_123_457]));
    }
}
