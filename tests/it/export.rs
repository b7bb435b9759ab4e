//! Models for other programs: ONNX, SQL, the bundle in MLflow.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::project::{Project, Ran};

/// The interpreter of an environment that `benches/peer/setup.sh` makes.
fn peer(name: &str) -> Option<PathBuf> {
    let place = match std::env::var("RECIPE_PEER_VENV") {
        Ok(place) => PathBuf::from(format!("{place}-{name}")),
        Err(_) => PathBuf::from(std::env::var_os("HOME")?).join(format!(".cache/recipe/peer-{name}")),
    };
    let python = place.join("bin/python");
    if !python.is_file() {
        #[expect(clippy::print_stderr, reason = "a test that did not run must say so")]
        {
            eprintln!("skipped: `sh benches/peer/setup.sh {name}` makes the environment that it needs");
        }
        return None;
    }
    Some(python)
}

/// Trains and registers; gives the bundle's directory.
fn registered(project: &Project) -> PathBuf {
    project.ok(&["run"]);
    let models = project.path(".recipe/models");
    let name = fs::read_dir(&models).unwrap().next().unwrap().unwrap().path();
    name.join("1")
}

fn without_onnx() -> Project {
    let project = Project::regression();
    project.edit("recipe.yaml", "using: ridge\n    estimator_params: {alpha: 0.5}", "using: knn");
    project.edit("recipe.yaml", "threshold: 0.5", "threshold: -10");
    project.edit("recipe.yaml", "- one_hot: {columns: [town]}", "- hash: {columns: [town], n_features: 4}");
    project
}

#[test]
fn a_model_is_exported_to_every_place_and_what_was_verified_is_said() {
    let project = Project::regression();
    let bundle = registered(&project);
    let ran = project.ok(&["export", "onnx", "models:/houses@champion", "-o", "model.onnx"]);
    assert!(ran.stderr.contains("not verified: `--verify PYTHON` runs it in onnxruntime"), "{}", ran.stderr);
    assert_eq!(fs::read(project.path("model.onnx")).unwrap(), fs::read(bundle.join("model.onnx")).unwrap());
    for dialect in ["duckdb", "postgres", "sqlite", "spark", "bigquery"] {
        let ran = project.ok(&["export", "sql", "models:/houses@champion", "--dialect", dialect, "--table", "houses", "--columns", "id"]);
        assert!(ran.stdout.contains("FROM houses") && ran.stdout.contains("id"), "{}", ran.stdout);
        assert!(ran.stderr.contains("predictions like the model's in SQLite"), "{}", ran.stderr);
    }
    if let Some(python) = peer("interop") {
        let python = python.to_string_lossy().into_owned();
        let ran = project.ok(&["export", "onnx", "models:/houses@champion", "-o", "model.onnx", "--verify", &python]);
        assert!(ran.stderr.contains("verified by onnx ") && ran.stderr.contains("apart at most"), "{}", ran.stderr);
    }
    let ran = project.recipe(&["export", "onnx", "models:/houses@champion", "-o", "other.onnx", "--verify", "/no/python"]);
    assert_eq!((ran.code, project.path("other.onnx").exists()), (2, false), "{}", ran.stderr);
    let card = project.ok(&["inspect", "register"]).stdout;
    assert!(card.contains("the rows as JSON lines") && card.contains("SQL in SQLite"), "{card}");
}

#[test]
fn all_that_cannot_be_exported_is_named() {
    let project = without_onnx();
    let bundle = registered(&project);
    for arguments in [vec!["export", "onnx", "models:/houses@champion", "-o", "x"], vec!["export", "sql", "models:/houses@champion", "--dialect", "spark"]] {
        let ran = project.recipe(&arguments);
        assert_eq!(ran.code, 7, "{}", ran.stderr);
        assert!(ran.stderr.contains("`hash` cannot be exported") && ran.stderr.contains("`knn` cannot be exported"), "{}", ran.stderr);
    }
    assert!(!bundle.join("model.onnx").exists() && bundle.join("code/recipe_pyfunc.py").is_file());
    assert!(fs::read_to_string(bundle.join("LINEAGE.json")).unwrap().contains("`knn` cannot be exported"));
}

#[test]
fn lineage_names_data_configuration_and_versions_by_digest() {
    let project = Project::regression();
    let bundle = registered(&project);
    let lineage: serde_json::Value = serde_json::from_slice(&fs::read(bundle.join("LINEAGE.json")).unwrap()).unwrap();
    assert_eq!(lineage["steps"]["ingest"]["files"]["data/houses.csv"].as_str().unwrap().len(), 64);
    assert!(lineage["steps"]["train"]["algorithms"]["estimator ridge"].is_u64());
    assert_eq!(lineage["steps"]["train"]["inputs"]["transformer"], lineage["steps"]["transform"]["outputs"]["transformer"]);
    // Two runs elsewhere give the same bundle but for the run's id.
    let again: serde_json::Value = serde_json::from_slice(&fs::read(registered(&Project::regression()).join("LINEAGE.json")).unwrap()).unwrap();
    assert_eq!(lineage["steps"], again["steps"]);
    assert_eq!(lineage["files"]["model.onnx"], again["files"]["model.onnx"]);
    assert_eq!(lineage["files"]["skew.json"], again["files"]["skew.json"]);
}

const LOAD: &str = r#"
import json, sys
import mlflow, pandas
bundle, rows, wanted = sys.argv[1:]
model = mlflow.pyfunc.load_model(bundle)
frame = pandas.read_csv(rows)[[column.name for column in model.metadata.get_input_schema().inputs]]
# MLflow does not take whole numbers of 64 bits for floats.
frame = frame.astype({name: "float64" for name in frame.select_dtypes("int64")})
found = model.predict(frame)
wanted = pandas.read_csv(wanted)
assert list(found.columns) == list(wanted.columns), (list(found.columns), list(wanted.columns))
for name in wanted.columns:
    for ours, theirs in zip(wanted[name], found[name]):
        assert ours == theirs or abs(ours - theirs) <= 1e-9 * max(1.0, abs(ours)), (name, ours, theirs)
print(mlflow.__version__, len(found))
"#;

/// Loads the bundle in MLflow and compares with `recipe predict`.
#[track_caller]
fn loads(python: &Path, project: &Project, bundle: &Path, rows: &str, columns: &str) {
    let bundle = bundle.to_string_lossy().into_owned();
    project.ok(&["predict", &bundle, rows, "-o", "wanted.csv", "--columns", columns]);
    project.write("load.py", LOAD);
    let mut command = Command::new(python);
    command.args(["load.py", &bundle, rows, "wanted.csv"]).current_dir(project.root()).env("RECIPE_BIN", env!("CARGO_BIN_EXE_recipe"));
    let ran = Ran::of(&command.env("MLFLOW_TRACKING_URI", project.path("mlruns")).output().unwrap());
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn mlflow_loads_a_bundle_and_predicts_what_recipe_does() {
    let Some(python) = peer("interop") else { return };
    let project = Project::regression();
    let bundle = registered(&project);
    loads(&python, &project, &bundle, "data/houses.csv", "prediction");
    let project = Project::classification();
    let bundle = registered(&project);
    loads(&python, &project, &bundle, "data/loans.csv", "predicted_label,predicted_score,predicted_score_no,predicted_score_yes");
}

#[test]
fn where_there_is_no_onnx_the_loader_calls_recipe() {
    let project = without_onnx();
    let bundle = registered(&project);
    for name in ["interop", "mlflow"] {
        let Some(python) = peer(name) else { continue };
        loads(&python, &project, &bundle, "data/houses.csv", "prediction");
        let program = "import sys, mlflow; mlflow.pyfunc.load_model(sys.argv[1])";
        let mut command = Command::new(&python);
        command.args(["-c", program, &bundle.to_string_lossy()]).current_dir(project.root()).env_remove("RECIPE_BIN").env("PATH", "/usr/bin:/bin");
        let ran = Ran::of(&command.output().unwrap());
        assert!(ran.code != 0 && ran.stderr.contains("its loader needs the `recipe` program"), "{}", ran.stderr);
    }
}

/// Whatever happens to a file of a bundle, scoring says what is wrong with it, exit code 7.
#[test]
fn a_bundle_with_any_file_damaged_is_refused() {
    let project = Project::regression();
    let bundle = registered(&project);
    let path = bundle.to_string_lossy().into_owned();
    let files = ["MLmodel", "model.json", "model.onnx", "config.resolved.yaml", "training_profile.json", "input_example.json", "serving_input_example.json"];
    let files = files.into_iter().chain(["skew.json", "requirements.txt", "conda.yaml", "python_env.yaml", "code/recipe_pyfunc.py", "LINEAGE.json"]);
    for name in files {
        let file = bundle.join(name);
        let whole = fs::read(&file).unwrap();
        let mut flipped = whole.clone();
        let at = if name == "LINEAGE.json" { 0 } else { flipped.len() / 2 };
        flipped[at] ^= 1;
        for bytes in [flipped, whole[..whole.len() / 2].to_vec(), Vec::new()] {
            fs::write(&file, bytes).unwrap();
            let ran = project.recipe(&["predict", &path, "data/houses.csv"]);
            assert!(ran.code == 7 && ran.stderr.contains("damaged"), "{name}: {} {}", ran.code, ran.stderr);
        }
        fs::remove_file(&file).unwrap();
        let ran = project.recipe(&["predict", &path, "data/houses.csv"]);
        assert!(ran.code == 7 && ran.stderr.contains(name), "{name}: {} {}", ran.code, ran.stderr);
        fs::write(&file, whole).unwrap();
    }
    project.ok(&["predict", &path, "data/houses.csv", "-o", "out.csv"]);
    for strange in ["../MLmodel", "/etc/passwd", "code/../../x", "a/b/c", ".."] {
        let lineage = fs::read_to_string(bundle.join("LINEAGE.json")).unwrap();
        fs::write(bundle.join("LINEAGE.json"), lineage.replace("\"model.onnx\"", &format!("\"{strange}\""))).unwrap();
        let ran = project.recipe(&["predict", &path, "data/houses.csv"]);
        assert!(ran.code == 7 && ran.stderr.contains("outside of it"), "{strange}: {}", ran.stderr);
        fs::write(bundle.join("LINEAGE.json"), lineage).unwrap();
    }
}
