//! A bundle: the directory that holds everything a trained model needs. Loading one never runs code.
//!
//! `LINEAGE.json` names every other file with its digest, so damage is found before anything is used.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::data::Table;
use crate::data::rows;
use crate::error::{Error, Result};
use crate::ml::model::Model;
use crate::ml::{Predictions, Task};
use crate::store::fault::{Op, point};

/// Raised when the layout changes.
pub const VERSION: u32 = 1;
/// Written last; names the other files.
const LINEAGE: &str = "LINEAGE.json";
/// A bundle's files may be this large.
const MAX_BYTES: u64 = 4 << 30;

/// What a bundle is made of.
pub struct BundleParts<'a> {
    pub model: &'a Model,
    pub training: &'a Table,
    pub profile: &'a serde_json::Value,
    pub evaluation: &'a serde_json::Value,
    pub recipe: &'a str,
    pub run: &'a str,
    pub resolved_config: &'a str,
    pub example_rows: usize,
    pub now: DateTime<Utc>,
}

/// A loaded bundle.
pub struct Bundle {
    pub model: Model,
    pub digest: String,
    /// What later rows are held against ([`crate::ml::drift::Reference`]).
    pub profile: serde_json::Value,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lineage {
    bundle_version: u32,
    recipe: String,
    program: String,
    run: String,
    model_digest: String,
    evaluation: serde_json::Value,
    /// File → BLAKE3.
    files: BTreeMap<String, String>,
}

/// The model's identity: weights, transformer and signature; no times, no run.
#[must_use]
pub fn digest(model: &Model) -> String {
    blake3::hash(model.save().to_string().as_bytes()).to_hex().to_string()
}

/// Column and type of what the model asks for.
#[must_use]
pub fn inputs(model: &Model) -> Vec<(String, String)> {
    model.chain.inputs.iter().map(|column| (column.name.clone(), column.kind.clone())).collect()
}

/// Column and type of what it gives.
///
/// # Errors
/// Where the model contradicts its task.
pub fn outputs(model: &Model) -> Result<Vec<(String, String)>> {
    let nothing = match &model.task {
        Task::Regression => Predictions::Values(Vec::new()),
        Task::Classification { classes, .. } => Predictions::Scores(vec![Vec::new(); classes.len()]),
    };
    Ok(model.prediction_columns(&nothing)?.iter().map(|column| (column.name().to_string(), rows::kind_name(column.dtype()).to_owned())).collect())
}

/// Writes a bundle into a new directory.
///
/// # Errors
/// Where a file cannot be written.
pub fn write(dir: &Path, parts: &BundleParts<'_>) -> Result<()> {
    point(Op::Write).and_then(|()| fs::create_dir_all(dir)).map_err(|error| Error::io("create", dir, &error))?;
    let example = rows::records(&parts.training.head(parts.example_rows)?, &inputs(parts.model).into_iter().map(|(name, _)| name).collect::<Vec<_>>());
    let files: BTreeMap<&str, Vec<u8>> = BTreeMap::from([
        ("MLmodel", mlmodel(parts)?.into_bytes()),
        ("model.json", json(&parts.model.save())?),
        ("config.resolved.yaml", parts.resolved_config.as_bytes().to_vec()),
        ("training_profile.json", json(parts.profile)?),
        ("input_example.json", json(&example)?),
    ]);
    let lineage = Lineage {
        bundle_version: VERSION,
        recipe: parts.recipe.to_owned(),
        program: format!("recipe {}", env!("CARGO_PKG_VERSION")),
        run: parts.run.to_owned(),
        model_digest: digest(parts.model),
        evaluation: parts.evaluation.clone(),
        files: files.iter().map(|(name, bytes)| ((*name).to_owned(), blake3::hash(bytes).to_hex().to_string())).collect(),
    };
    let lineage = serde_json::to_vec_pretty(&lineage).map_err(|error| Error::bug(error.to_string()))?;
    for (name, bytes) in files.iter().map(|(name, bytes)| (*name, bytes)).chain([(LINEAGE, &lineage)]) {
        let path = dir.join(name);
        let write = || -> std::io::Result<()> {
            point(Op::Write)?;
            let mut file = fs::File::create(&path)?;
            std::io::Write::write_all(&mut file, bytes)?;
            file.sync_all()
        };
        write().map_err(|error| Error::io("write", &path, &error))?;
    }
    Ok(())
}

/// A bundle's files with their sizes, by name.
///
/// # Errors
/// Where the directory cannot be read.
pub fn files(dir: &Path) -> Result<Vec<(String, u64)>> {
    let read = || -> std::io::Result<Vec<(String, u64)>> {
        fs::read_dir(dir)?.map(|entry| entry.and_then(|entry| Ok((entry.file_name().to_string_lossy().into_owned(), entry.metadata()?.len())))).collect()
    };
    let mut files = read().map_err(|error| Error::io("read", dir, &error))?;
    files.sort();
    Ok(files)
}

/// Is there a bundle? Whether it is sound only [`load`] says.
#[must_use]
pub fn exists(dir: &Path) -> bool {
    dir.join(LINEAGE).is_file()
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Error::bug(error.to_string()))
}

/// The file by which other tools know a model directory.
fn mlmodel(parts: &BundleParts<'_>) -> Result<String> {
    let columns = |columns: Vec<(String, String)>| {
        let list: Vec<serde_json::Value> =
            columns.into_iter().map(|(name, kind)| serde_json::json!({ "name": name, "type": mlflow_type(&kind), "required": false })).collect();
        serde_json::Value::from(list).to_string()
    };
    let text = serde_json::json!({
        "flavors": { "recipe": { "data": "model.json", "version": VERSION } },
        "signature": { "inputs": columns(inputs(parts.model)), "outputs": columns(outputs(parts.model)?), "params": null },
        "run_id": parts.run,
        "model_uuid": &digest(parts.model)[..32],
        "saved_input_example_info": { "artifact_path": "input_example.json", "type": "dataframe", "pandas_orient": "records" },
    });
    // JSON is YAML.
    serde_json::to_string_pretty(&text).map_err(|error| Error::bug(error.to_string()))
}

fn mlflow_type(kind: &str) -> &'static str {
    match kind {
        "integer" | "float" => "double",
        "boolean" => "boolean",
        "date" | "datetime" => "datetime",
        _ => "string",
    }
}

/// Reads a bundle and checks every file against its digest.
///
/// # Errors
/// Exit code 7 where it is missing, damaged or newer than this program.
pub fn load(dir: &Path) -> Result<Bundle> {
    let read = |name: &str| -> Result<Vec<u8>> {
        let path = dir.join(name);
        let missing = |error: &std::io::Error| {
            Error::model(format!("cannot read `{}`: {error}", path.display())).hint("is it the directory of a bundle? it holds `LINEAGE.json` and `model.json`")
        };
        let size = fs::symlink_metadata(&path).map_err(|error| missing(&error))?;
        if !size.is_file() || size.len() > MAX_BYTES {
            return Err(Error::model(format!("`{}` is not a file of a bundle", path.display())));
        }
        fs::read(&path).map_err(|error| missing(&error))
    };
    let damaged = |what: String| {
        Error::model(format!("the bundle `{}` is damaged: {what}", dir.display())).hint("restore it from where it was copied, or register the model again")
    };
    let lineage: serde_json::Value = serde_json::from_slice(&read(LINEAGE)?).map_err(|error| damaged(format!("`{LINEAGE}`: {error}")))?;
    let version = lineage.get("bundle_version").and_then(serde_json::Value::as_u64).unwrap_or(0);
    if version > u64::from(VERSION) {
        return Err(Error::model(format!("the bundle `{}` is newer than this program: version {version}", dir.display())).hint("update recipe"));
    }
    let lineage: Lineage = serde_json::from_value(lineage).map_err(|error| damaged(format!("`LINEAGE.json`: {error}")))?;
    let mut files = BTreeMap::new();
    for (name, wanted) in &lineage.files {
        if Path::new(name).components().count() != 1 || name == ".." || name == "." {
            return Err(damaged(format!("it names a file outside of it: `{}`", crate::error::shorten(name))));
        }
        let bytes = read(name)?;
        if blake3::hash(&bytes).to_hex().as_str() != wanted {
            return Err(damaged(format!("`{name}` is not what was written")));
        }
        files.insert(name.as_str(), bytes);
    }
    let part = |name: &str| -> Result<serde_json::Value> {
        let bytes = files.get(name).ok_or_else(|| damaged(format!("`{name}` is not listed")))?;
        serde_json::from_slice(bytes).map_err(|error| damaged(format!("`{name}`: {error}")))
    };
    let model = Model::load(part("model.json")?)?;
    if digest(&model) != lineage.model_digest {
        return Err(damaged("the model's digest differs".to_owned()));
    }
    Ok(Bundle { model, digest: lineage.model_digest, profile: part("training_profile.json")? })
}
