//! A bundle: the directory that holds everything a trained model needs. Loading one never runs code.
//!
//! `LINEAGE.json` names every other file with its digest, so damage is found before anything is used, and says from which data,
//! configuration and algorithms the model came. `model.json` is what this program loads. For `MLflow` there are `MLmodel`, a loader in Python
//! and what it needs: `model.onnx` where the model has a form in ONNX; where it has none the loader calls this program.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path};

use chrono::{DateTime, Utc};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::data::Table;
use crate::data::rows;
use crate::error::{Error, Result};
use crate::ml::export::lowering::input_kind;
use crate::ml::export::program::InputKind;
use crate::ml::export::rows::Record;
use crate::ml::model::Model;
use crate::ml::{Predictions, Task};
use crate::store::fault::{Op, point};
use crate::store::{Digest, Entry};

/// Raised when the layout changes.
pub const VERSION: u32 = 2;
/// Written last; names the other files.
const LINEAGE: &str = "LINEAGE.json";
/// What `MLflow` imports.
const LOADER: &str = "code/recipe_pyfunc.py";
const ONNX: &str = "model.onnx";
/// What the loader needs in Python.
const REQUIREMENTS: [&str; 3] = ["numpy>=1.26,<3", "onnxruntime>=1.17,<2", "pandas>=1.5,<4"];
/// A few training rows.
const EXAMPLE: &str = "input_example.json";
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
    /// [`Model::save`] as JSON.
    pub saved: &'a [u8],
    /// The model as an ONNX file, or why there is none.
    pub onnx: Result<&'a [u8], &'a str>,
    /// What was replayed before the bundle was written.
    pub skew: &'a serde_json::Value,
    /// The steps that led here.
    pub steps: &'a BTreeMap<&'static str, Entry>,
}

/// A loaded bundle.
pub struct Bundle {
    pub model: Model,
    pub digest: String,
    /// What later rows are held against ([`crate::ml::drift::Reference`]).
    pub profile: serde_json::Value,
    /// A few training rows.
    pub examples: Vec<Record>,
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
    /// Why the model has no form in ONNX.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    without_onnx: Option<String>,
    /// What led to the model, by step.
    #[serde(default)]
    steps: BTreeMap<String, Origin>,
    /// File → BLAKE3.
    files: BTreeMap<String, String>,
}

/// What a step's result depends on, as digests: source files (data, SQL, hooks), artifacts of other steps, its configuration, versions.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Origin {
    key: String,
    algorithms: BTreeMap<String, u32>,
    config: String,
    files: BTreeMap<String, String>,
    inputs: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
    seed: Option<u64>,
}

impl Origin {
    fn of(entry: &Entry) -> Self {
        let texts = |digests: &BTreeMap<String, Digest>| digests.iter().map(|(name, digest)| (name.clone(), digest.to_string())).collect();
        Self {
            key: entry.digest.to_string(),
            algorithms: entry.key.algorithms.clone(),
            config: Digest::of(entry.key.config.to_string().as_bytes()).to_string(),
            files: texts(&entry.key.files),
            inputs: texts(&entry.key.inputs),
            outputs: entry.outputs.iter().map(|(name, stored)| (name.clone(), stored.digest.to_string())).collect(),
            seed: entry.key.seed,
        }
    }
}

/// The model's identity: weights, transformer and signature; no times, no run.
#[must_use]
pub fn digest(model: &Model) -> String {
    digest_of(model.save().to_string().as_bytes())
}

/// The same, of a model that is saved already.
fn digest_of(saved: &[u8]) -> String {
    blake3::hash(saved).to_hex().to_string()
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
    let mut files: BTreeMap<&str, Vec<u8>> = BTreeMap::from([
        (LOADER, include_bytes!("recipe_pyfunc.py").to_vec()),
        ("requirements.txt", REQUIREMENTS.join("\n").into_bytes()),
        ("python_env.yaml", b"python: \"3.11\"\nbuild_dependencies: [pip]\ndependencies: [\"-r requirements.txt\"]\n".to_vec()),
        ("conda.yaml", conda().into_bytes()),
        ("skew.json", json(parts.skew)?),
        ("serving_input_example.json", json(&serde_json::json!({ "dataframe_records": &example }))?),
        ("MLmodel", mlmodel(parts)?.into_bytes()),
        ("model.json", parts.saved.to_vec()),
        ("config.resolved.yaml", parts.resolved_config.as_bytes().to_vec()),
        ("training_profile.json", json(parts.profile)?),
        (EXAMPLE, json(&example)?),
    ]);
    if let Ok(bytes) = parts.onnx {
        files.insert(ONNX, bytes.to_vec());
    }
    let lineage = Lineage {
        bundle_version: VERSION,
        recipe: parts.recipe.to_owned(),
        program: format!("recipe {}", env!("CARGO_PKG_VERSION")),
        run: parts.run.to_owned(),
        model_digest: digest_of(parts.saved),
        evaluation: parts.evaluation.clone(),
        without_onnx: parts.onnx.err().map(str::to_owned),
        steps: parts.steps.iter().map(|(name, entry)| ((*name).to_owned(), Origin::of(entry))).collect(),
        files: files.iter().map(|(name, bytes)| ((*name).to_owned(), blake3::hash(bytes).to_hex().to_string())).collect(),
    };
    let lineage = serde_json::to_vec_pretty(&lineage).map_err(|error| Error::bug(error.to_string()))?;
    let mut written = Vec::with_capacity(files.len() + 1);
    for (name, bytes) in files.iter().map(|(name, bytes)| (*name, bytes)).chain([(LINEAGE, &lineage)]) {
        let path = dir.join(name);
        let write = || -> std::io::Result<fs::File> {
            point(Op::Write)?;
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut file = fs::File::create(&path)?;
            std::io::Write::write_all(&mut file, bytes)?;
            Ok(file)
        };
        written.push((write().map_err(|error| Error::io("write", &path, &error))?, path));
    }
    // Side by side, so that the disk is waited for once and not for each.
    written.par_iter().try_for_each(|(file, path)| file.sync_all().map_err(|error| Error::io("write", path, &error)))
}

/// A bundle's files with their sizes, by name.
///
/// # Errors
/// Where the directory cannot be read.
pub fn files(dir: &Path) -> Result<Vec<(String, u64)>> {
    fn read(dir: &Path, within: &str, files: &mut Vec<(String, u64)>) -> std::io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let name = format!("{within}{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                read(&entry.path(), &format!("{name}/"), files)?;
            } else {
                files.push((name, entry.metadata()?.len()));
            }
        }
        Ok(())
    }
    let mut files = Vec::new();
    read(dir, "", &mut files).map_err(|error| Error::io("read", dir, &error))?;
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
    let columns = |columns: Vec<(String, String)>, kind: fn(&str) -> &'static str| {
        let list: Vec<serde_json::Value> =
            columns.into_iter().map(|(name, of)| serde_json::json!({ "name": name, "type": kind(&of), "required": false })).collect();
        serde_json::Value::from(list).to_string()
    };
    let mut flavors = serde_json::json!({
        "recipe": { "data": "model.json", "version": VERSION },
        "python_function": {
            "loader_module": "recipe_pyfunc",
            "code": "code",
            "env": { "conda": "conda.yaml", "virtualenv": "python_env.yaml" },
            "python_version": "3.11.0",
        },
    });
    if parts.onnx.is_ok() {
        flavors["onnx"] = serde_json::json!({ "onnx_version": "1.14.0", "data": ONNX, "providers": ["CPUExecutionProvider"] });
    }
    let text = serde_json::json!({
        "flavors": flavors,
        "signature": { "inputs": columns(inputs(parts.model), input_type), "outputs": columns(outputs(parts.model)?, output_type), "params": null },
        "run_id": parts.run,
        "model_uuid": digest_of(parts.saved).chars().take(32).collect::<String>(),
    });
    // JSON is YAML.
    serde_json::to_string_pretty(&text).map_err(|error| Error::bug(error.to_string()))
}

/// What `MLflow` calls the type of a raw column: every number is a double, so that whole numbers and missing ones convert.
fn input_type(kind: &str) -> &'static str {
    match input_kind(kind) {
        Some(InputKind::Number) => "double",
        Some(InputKind::Boolean) => "boolean",
        Some(InputKind::Date | InputKind::Datetime) => "datetime",
        _ if kind.starts_with("datetime") => "datetime",
        _ => "string",
    }
}

fn output_type(kind: &str) -> &'static str {
    match kind {
        "integer" => "long",
        "float" => "double",
        "boolean" => "boolean",
        _ => "string",
    }
}

fn conda() -> String {
    let pip: Vec<String> = REQUIREMENTS.iter().map(|package| format!("      - \"{package}\"\n")).collect();
    format!("channels: [conda-forge]\ndependencies:\n  - python=3.11\n  - pip\n  - pip:\n{}", pip.concat())
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
        let parts: Vec<Component<'_>> = Path::new(name).components().collect();
        if !matches!(parts.as_slice(), [Component::Normal(_)] | [Component::Normal(_), Component::Normal(_)]) {
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
    let examples: Vec<Record> = serde_json::from_value(part(EXAMPLE)?).map_err(|error| damaged(format!("`{EXAMPLE}`: {error}")))?;
    let model = Model::load_tried(part("model.json")?, &examples)?;
    if digest(&model) != lineage.model_digest {
        return Err(damaged("the model's digest differs".to_owned()));
    }
    Ok(Bundle { model, digest: lineage.model_digest, profile: part("training_profile.json")?, examples })
}
