//! A real MLflow server beside the record of runs: what it gets, what happens when it fails, and models that come from it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use recipe::recipe::{Recipe, Selection};
use recipe::run::{Session, sync};
use recipe::store::Access;
use serde_json::{Value, json};

use crate::mlflow_server::{Fault, MlflowServer, pairs};
use crate::project::{Project, Ran};

/// A project whose profile `prod` names a server.
fn project(uri: &str) -> Project {
    Project::regression()
        .with("profiles/prod.yaml", &format!("experiment: {{name: prices, tracking_uri: \"{uri}\"}}\n"))
        .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        .env("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0.01")
        .env("USER", "ann")
}

/// An address where nobody answers.
const NOWHERE: &str = "http://127.0.0.1:9";

/// The files below a folder, by their paths in it.
fn below(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path.strip_prefix(dir).unwrap().to_string_lossy().into_owned()) }
        }
    }
    found
}

#[test]
fn a_run_is_on_the_server_with_all_that_belongs_to_it() {
    for version in ["3.17.2", "2.22.5"] {
        let server = MlflowServer::start(version);
        let project = project(&server.uri);
        let ran = project.ok(&["run", "-p", "prod", "-m", "first"]);
        let line = ran.stderr.lines().find(|line| line.starts_with("tracking: sent in ")).unwrap();
        assert!(line.ends_with(&format!(", houses v1, {}/#/experiments/1/runs/{:032x}", server.uri, 1)), "{line}");

        let world = server.world();
        let run = world.run();
        assert_eq!(world.experiments[0]["name"], "prices");
        assert_eq!(
            pairs(&world.experiments[0]["tags"]),
            BTreeMap::from([
                ("mlflow.experiment.primaryMetric.name".to_owned(), "test_root_mean_squared_error".to_owned()),
                ("mlflow.experiment.primaryMetric.greaterIsBetter".to_owned(), "False".to_owned())
            ])
        );
        let local = project.ok(&["runs"]).stdout.lines().nth(2).unwrap()[..12].to_owned();
        assert_eq!((run["info"]["run_name"].as_str(), run["info"]["status"].as_str()), (Some(format!("houses-{local}").as_str()), Some("FINISHED")));
        let tags = pairs(&run["data"]["tags"]);
        let said = [
            ("mlflow.note.content", "first"),
            ("mlflow.pipeline.profile.name", "prod"),
            ("mlflow.pipeline.template.name", "regression/v1"),
            ("mlflow.source.name", "houses"),
            ("mlflow.source.type", "RECIPE"),
            ("mlflow.user", "ann"),
            ("recipe.run_id", &local),
            ("recipe.seed", "42"),
            ("recipe.verdict", "VALIDATED"),
        ];
        for (key, value) in said {
            assert_eq!(tags.get(key).map(String::as_str), Some(value), "{key}");
        }
        let params = pairs(&run["data"]["params"]);
        assert_eq!((params["train.using"].as_str(), params["train.alpha"].as_str(), params["register.version"].as_str()), ("ridge", "0.5", "1"));
        let metrics = run["data"]["metrics"].as_array().unwrap();
        for metric in ["training_r2_score", "val_r2_score", "test_r2_score"] {
            let found = metrics.iter().find(|found| found["key"] == metric).unwrap();
            assert!(found["value"].as_f64().unwrap() > 0.5 && found["timestamp"] == run["info"]["end_time"], "{found}");
            assert_eq!(found.get("model_id").is_some(), version.starts_with('3'), "{found}");
        }
        let datasets = run["inputs"]["dataset_inputs"].as_array().unwrap();
        let of = |part: &Value| (part["dataset"]["name"].as_str().unwrap().to_owned(), part["tags"][0]["value"].as_str().unwrap().to_owned());
        let named =
            [("training_data", "training"), ("validation_data", "validation"), ("test_data", "test")].map(|(name, of)| (name.to_owned(), of.to_owned()));
        assert_eq!(datasets.iter().map(of).collect::<Vec<_>>(), named);
        let source: Value = serde_json::from_str(datasets[0]["dataset"]["source"].as_str().unwrap()).unwrap();
        assert!(source["uri"] == "data/houses.csv" && source["files"]["data/houses.csv"].is_string(), "{source}");

        let model = if version.starts_with('3') { format!("1/models/m-{:032x}/artifacts", 1) } else { format!("1/{:032x}/artifacts/train/model", 1) };
        let mut wanted: Vec<String> = ["ingest", "split", "transform", "train", "evaluate", "register"]
            .iter()
            .flat_map(|step| ["html", "json"].map(|kind| format!("1/{:032x}/artifacts/{step}/card.{kind}", 1)))
            .chain([format!("1/{:032x}/artifacts/config.resolved.yaml", 1)])
            .chain(below(&project.path(".recipe/models/houses/1")).into_iter().map(|path| format!("{model}/{path}")))
            .collect();
        wanted.sort();
        assert_eq!(world.files.keys().cloned().collect::<Vec<_>>(), wanted);
        let card = String::from_utf8_lossy(&world.files[&format!("1/{:032x}/artifacts/train/card.html", 1)]);
        assert!(card.contains("<title>") && !card.contains("href=\"ingest.html\"") && !card.contains("href=\"index.html\""));

        let registered = &world.versions[0];
        let tags = pairs(&registered["tags"]);
        assert_eq!((registered["name"].as_str(), world.registered["houses"]["aliases"]["champion"].as_str()), (Some("houses"), Some("1")));
        assert_eq!(tags["recipe.model_digest"], params["register.digest"]);
        assert_eq!(tags["validation_status"], "VALIDATED");
        assert!(tags["test_r2_score"].parse::<f64>().unwrap() > 0.5);
        if version.starts_with('3') {
            let id = format!("m-{:032x}", 1);
            assert_eq!(registered["source"], format!("models:/{id}"));
            assert_eq!((&world.models[&id]["info"]["status"], &world.models[&id]["info"]["model_type"]), (&json!("LOGGED_MODEL_READY"), &json!("ridge")));
            assert_eq!(run["outputs"]["model_outputs"], json!([{ "model_id": id, "step": 0 }]));
        } else {
            assert_eq!(registered["source"], format!("mlflow-artifacts:/1/{:032x}/artifacts/train/model", 1));
            assert!(pairs(&run["data"]["tags"])["mlflow.log-model.history"].contains("train/model"));
        }

        // A run that found everything has nothing to tell; one that changes something has, and the same model stays one version.
        let again = project.ok(&["run", "-p", "prod"]);
        assert!(!again.stderr.contains("tracking"), "{}", again.stderr);
        assert_eq!(server.world().runs.len(), 1);
        project.ok(&["run", "-p", "prod", "evaluate.bootstrap.samples=0"]);
        let world = server.world();
        assert_eq!((world.runs.len(), world.models.len(), world.versions.len()), (2, usize::from(version.starts_with('3')), 1));
        assert_eq!(project.ok(&["sync"]).stdout, "nothing waits to be sent\n");
    }
}

/// Works with a project in this process.
fn session<T>(project: &Project, retries: &str, work: impl FnOnce(&Session<'_>) -> T) -> T {
    let environment = [("MLFLOW_HTTP_REQUEST_MAX_RETRIES", retries), ("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let selection = Selection { dir: project.root().to_owned(), profiles: vec!["prod".to_owned()], environment, ..Selection::default() };
    let recipe = Recipe::select(&selection).unwrap();
    work(&Session::open(&recipe, Access::Write).unwrap())
}

/// Sends what waits; the failures.
fn send(project: &Project, retries: &str) -> Vec<String> {
    session(project, retries, |session| {
        let mut failures = Vec::new();
        sync(session, &|_| true, &mut |_, result| failures.extend(result.err().map(|error| error.to_string()))).unwrap();
        failures
    })
}

fn breaks_at_every_call(version: &str, faults: impl Fn(usize) -> Vec<Fault>) {
    let server = MlflowServer::start(version);
    let project = project(&server.uri);
    server.fail(Fault::Before(1));
    let ran = project.ok(&["run", "-p", "prod"]);
    assert!(ran.stderr.contains("does not answer") && ran.stderr.contains("`recipe sync` sends it later"), "{}", ran.stderr);
    let databases = || ["runs.db", "runs.db-wal", "runs.db-shm"].map(|name| project.path(".recipe").join(name));
    let kept: Vec<(PathBuf, Vec<u8>)> = databases().into_iter().filter_map(|path| Some((path.clone(), fs::read(path).ok()?))).collect();
    // As it was before anything was sent.
    let restore = || {
        for path in databases() {
            fs::remove_file(path).unwrap_or(());
        }
        for (path, bytes) in &kept {
            fs::write(path, bytes).unwrap();
        }
    };
    restore();
    server.reset(Fault::Never);
    assert_eq!(send(&project, "0"), [""; 0]);
    let undisturbed = server.world();
    let (whole, count) = (undisturbed.holds(), undisturbed.calls.len());
    assert!(count > 30, "{count}: {:#?}", undisturbed.calls);
    for at in 1..=count {
        for fault in faults(at) {
            restore();
            server.reset(fault);
            // An answer that is lost is asked for again at once.
            let failures = send(&project, if matches!(fault, Fault::Lost(_)) { "1" } else { "0" });
            match fault {
                Fault::Lost(_) => assert_eq!(failures, [""; 0], "{version}, {fault:?}"),
                // To a file or a change of state a server may say anything, once it takes it.
                Fault::Odd(_) => assert!(failures.len() <= 1),
                _ => assert_eq!(failures.len(), 1, "{version}, {fault:?}"),
            }
            server.fail(Fault::Never);
            assert_eq!(send(&project, "0"), [""; 0], "{version}, {fault:?}");
            if !matches!(fault, Fault::Odd(_)) {
                assert_eq!(server.world().holds(), whole, "{version}, {fault:?}");
            }
            assert!(session(&project, "0", |session| session.around.tracker.waiting().unwrap()).is_empty(), "{version}, {fault:?}");
        }
    }
}

#[test]
fn a_server_that_fails_at_any_call_has_all_of_it_once_after_sync() {
    breaks_at_every_call("3.17.2", |at| vec![Fault::After(at), Fault::Lost(at)]);
}

#[test]
fn a_server_of_the_second_line_that_fails_at_any_call_has_all_of_it_once_after_sync() {
    breaks_at_every_call("2.22.5", |at| if at % 4 == 0 { vec![Fault::Before(at), Fault::Odd(at)] } else { vec![Fault::Before(at)] });
}

#[test]
fn a_server_that_is_down_or_talks_nonsense_breaks_no_run() {
    let server = MlflowServer::start("3.17.2");
    server.fail(Fault::Page);
    for (uri, why) in [(NOWHERE, "does not answer"), (server.uri.as_str(), "does not answer as an MLflow server: it says that it is version `<!doctype html>")]
    {
        let project = project(uri);
        let ran = project.ok(&["run", "-p", "prod"]);
        assert!(
            ran.stderr.contains(why) && ran.stderr.contains("it is kept here, and `recipe sync` sends it later") && ran.stderr.contains("VALIDATED"),
            "{}",
            ran.stderr
        );
        let listed = project.ok(&["sync", "--dry-run"]).stdout;
        assert!(listed.contains(uri) && listed.contains("does not answer") && listed.lines().count() == 1, "{listed}");
        let refused = project.recipe(&["sync"]);
        assert!(refused.code == 11 && refused.stderr.contains("1 of 1 run not sent"), "{}", refused.stderr);
        let strict = project.recipe(&["run", "-p", "prod", "tracking.required=true", "train.estimator_params.alpha=2"]);
        assert!(strict.code == 11 && strict.stderr.contains("it is kept here"), "{} {}", strict.code, strict.stderr);
        assert_eq!(project.ok(&["sync", "--dry-run"]).stdout.lines().count(), 2);
        let run = project.ok(&["sync", "--dry-run"]).stdout[..12].to_owned();
        project.ok(&["sync", "--forget", &run]);
        assert_eq!(project.ok(&["sync", "--dry-run"]).stdout.lines().count(), 1);
    }

    // One that hears and never answers takes no more than its time.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let patient = project(&format!("http://{}", deaf.local_addr().unwrap()));
    let ran = patient.ok(&["run", "train", "-p", "prod", "tracking.timeout_secs=1"]);
    assert!(ran.stderr.contains("no answer in time"), "{}", ran.stderr);

    // A failed run goes there as well, with the card of its failure.
    server.reset(Fault::Never);
    let project = project(&server.uri);
    assert_eq!(project.recipe(&["run", "-p", "prod", "ingest.schema={price: {type: float, min: 1e9}}"]).code, 4);
    let world = server.world();
    assert_eq!(world.run()["info"]["status"], "FAILED");
    assert!(pairs(&world.run()["data"]["tags"])["recipe.error"].contains("price"));
    assert!(world.files.keys().any(|path| path.ends_with("/ingest/card.html")));
}

#[test]
fn a_busy_server_is_asked_again_and_credentials_go_nowhere_else() {
    let server = MlflowServer::start("3.17.2");
    server.fail(Fault::Twice);
    let project = project(&server.uri).env("MLFLOW_TRACKING_USERNAME", "ann").env("MLFLOW_TRACKING_PASSWORD", "s3cret-w0rd");
    let ran = project.ok(&["run", "-p", "prod", "-v"]);
    assert!(ran.stderr.contains("tracking: sent in"), "{}", ran.stderr);
    let world = server.world();
    assert_eq!((world.runs.len(), world.versions.len()), (1, 1));
    // `ann:s3cret-w0rd`.
    assert!(world.callers.iter().all(|caller| caller == "Basic YW5uOnMzY3JldC13MHJk"), "{:?}", world.callers);
    let mut said = format!("{}{}", ran.stdout, ran.stderr).into_bytes();
    said.extend(project.ok(&["config", "-p", "prod"]).stdout.into_bytes());
    said.extend(server.world().files.into_values().flatten());
    said.extend(below(&project.path(".recipe")).iter().flat_map(|file| fs::read(project.path(".recipe").join(file)).unwrap()));
    for secret in ["s3cret-w0rd", "YW5uOnMzY3JldC13MHJk"] {
        assert!(!said.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }

    server.reset(Fault::Never);
    // The token of `.env` is used where there is no user.
    let project = self::project(&server.uri).with(".env", "MLFLOW_TRACKING_TOKEN=t0ken\n");
    project.ok(&["run", "train", "-p", "prod"]);
    assert!(server.world().callers.iter().all(|caller| caller == "Bearer t0ken"));
    let named = project.recipe(&["run", "-p", "prod", "experiment.tracking_uri=http://ann:s3cret-w0rd@localhost:1"]);
    assert!(named.code == 3 && named.stderr.contains("may not hold a user or a password") && !named.stderr.contains("s3cret"), "{}", named.stderr);
}

#[test]
fn a_model_comes_from_the_server_and_only_whole() {
    let server = MlflowServer::start("3.17.2");
    let trained = project(&server.uri);
    trained.ok(&["run", "-p", "prod"]);
    let scoring = "\n  ingest_scoring: {location: data/houses.csv}\n  predict: {output: {location: out.csv}}\n";
    let there = |uri: &str| {
        let project = project(uri);
        project.write("recipe.yaml", format!("{}{scoring}", project.read("recipe.yaml").trim_end()));
        project
    };
    let project = there(&server.uri);
    // Looking asks nobody.
    let calls = server.world().calls.len();
    let before = project.recipe(&["status", "predict", "-p", "prod"]);
    assert!(before.code == 0 && before.stdout.contains("blocked") || before.stdout.contains("waiting"), "{}", before.stdout);
    assert_eq!(server.world().calls.len(), calls);

    project.ok(&["run", "predict", "-p", "prod"]);
    let scored = project.read("out.csv");
    let plain = |model: &str, project: &Project| project.recipe(&["predict", model, "data/houses.csv", "-p", "prod"]);
    for model in ["models:/houses@champion", "models:/houses/1", "models:/houses/latest"] {
        assert_eq!(plain(model, &project).stdout, plain(model, &trained).stdout, "{model}");
    }
    assert!(scored.lines().count() == 241);
    let calls = server.world().calls.len();
    assert!(project.ok(&["status", "predict", "-p", "prod"]).stdout.lines().all(|line| line.contains("fresh")));
    assert_eq!(server.world().calls.len(), calls);

    // A server that is down for a moment stops nothing, unless it must be asked.
    server.fail(Fault::Before(1));
    let down = plain("models:/houses@champion", &project);
    assert!(down.code == 0 && down.stderr.contains("`models:/houses@champion` is models:/houses/1, as it said before"), "{}", down.stderr);
    assert_eq!(project.recipe(&["run", "predict", "-p", "prod", "tracking.required=true"]).code, 11);
    let new = there(&server.uri);
    assert_eq!(plain("models:/houses@champion", &new).code, 11);
    server.fail(Fault::Never);
    let unknown = plain("models:/houses@challenger", &new);
    assert!(unknown.code == 7 && unknown.stderr.contains("no model `houses` with alias `challenger` on the MLflow server"), "{}", unknown.stderr);

    // A file that was changed on the server is not used.
    let paths: Vec<String> = server.world().files.keys().filter(|path| path.contains("/models/")).cloned().collect();
    for path in paths {
        let whole = server.world().files[&path].clone();
        let mut changed = whole.clone();
        *changed.last_mut().unwrap() ^= 1;
        server.world.lock().unwrap().files.insert(path.clone(), changed);
        let refused = plain("models:/houses@champion", &new);
        assert!(refused.code == 7 && refused.stderr.contains("is damaged"), "{path}: {} {}", refused.code, refused.stderr);
        server.world.lock().unwrap().files.insert(path, whole);
    }
    assert!(fs::read_dir(new.path(".recipe/models/.server")).unwrap().next().is_none());
    assert_eq!(plain("models:/houses@champion", &new).code, 0);

    // One that another program registered is not ours to use.
    server.world.lock().unwrap().versions.push(json!({ "name": "houses", "version": "2", "source": "x", "status": "READY", "tags": [] }));
    let foreign = plain("models:/houses/2", &new);
    assert!(foreign.code == 7 && foreign.stderr.contains("was not made by recipe"), "{}", foreign.stderr);
}

#[test]
fn files_go_to_a_folder_that_the_server_shares() {
    let folder = tempfile::tempdir().unwrap();
    let server = MlflowServer::start("3.17.2");
    server.world.lock().unwrap().root = Some(format!("file://{}", folder.path().display()));
    let trained = project(&server.uri);
    trained.ok(&["run", "-p", "prod"]);
    assert!(server.world().files.is_empty());
    assert!(folder.path().join(format!("1/{:032x}/artifacts/train/card.html", 1)).is_file());
    let other = project(&server.uri);
    assert_eq!(other.ok(&["predict", "models:/houses@champion", "data/houses.csv", "-p", "prod"]).stdout.lines().count(), 241);

    server.reset(Fault::Never);
    server.world.lock().unwrap().root = Some("s3://bucket".to_owned());
    let ran = project(&server.uri).ok(&["run", "-p", "prod"]);
    assert!(ran.stderr.contains("keeps its files where this program cannot go: `s3://bucket/1/"), "{}", ran.stderr);
}

#[test]
fn what_a_profile_says_of_a_server_is_checked() {
    let project = Project::regression();
    let cases = [
        ("experiment.tracking_uri=sqlite:///mlruns.db", "not the address of an MLflow server: `sqlite:///mlruns.db`"),
        ("model_registry.registry_uri=http://localhost", "`registry_uri` needs a server that keeps the model's files"),
        ("tracking.timeout_secs=0", "`timeout_secs` must lie between 1 and 86400"),
        ("experiment.tracking_url=x", "unknown key `tracking_url`"),
    ];
    for (text, said) in cases {
        let refused = project.recipe(&["validate", text]);
        assert!(refused.code == 3 && refused.stderr.contains(said), "{text}: {}", refused.stderr);
    }
    assert_eq!(project.recipe(&["validate", "experiment.tracking_uri="]).code, 0);
}

/// A real server of the environment that `benches/peer/setup.sh` makes; `None`, with a message, where there is none.
struct RealServer {
    child: Child,
    uri: String,
    python: PathBuf,
    dir: tempfile::TempDir,
}

/// Does a server say its version?
fn answers(port: u16) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET /version HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
        let mut said = String::new();
        stream.read_to_string(&mut said)?;
        Ok(said)
    };
    ask().is_ok_and(|said| said.contains(" 200 "))
}

impl RealServer {
    fn start(name: &str, artifacts: &[&str]) -> Option<Self> {
        let place =
            std::env::var_os("RECIPE_PEER_VENV").map(PathBuf::from).or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/recipe/peer")))?;
        let python = PathBuf::from(format!("{}-{name}/bin/python", place.display()));
        if !python.exists() {
            eprintln!("skipped: no {}; `sh benches/peer/setup.sh {name}` makes it", python.display());
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(&python)
            .args(["-m", "mlflow", "server", "--backend-store-uri", "sqlite:///mlflow.db", "--host", "127.0.0.1", "--workers", "1", "--port"])
            .arg(port.to_string())
            .args(artifacts)
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let server = Self { child, uri: format!("http://127.0.0.1:{port}"), python, dir };
        let start = Instant::now();
        while !answers(port) {
            assert!(start.elapsed() < Duration::from_mins(4), "{name} does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(server)
    }

    /// What MLflow's own client says, as JSON.
    fn ask(&self, script: &str, argument: &Path) -> Value {
        let ran = Ran::of(
            &Command::new(&self.python).args(["-c", script]).arg(argument).env("MLFLOW_TRACKING_URI", &self.uri).current_dir(self.dir.path()).output().unwrap(),
        );
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap()
    }
}

impl Drop for RealServer {
    fn drop(&mut self) {
        // With its workers.
        let _ = Command::new("kill").args(["--", &format!("-{}", self.child.id())]).status();
        let _ = self.child.wait();
    }
}

const CLIENT: &str = r#"
import json, sys, mlflow
from mlflow import MlflowClient
client = MlflowClient()
runs = mlflow.search_runs(experiment_names=["prices"], output_format="list")
run = runs[0]
names = []
def walk(path):
    for item in client.list_artifacts(run.info.run_id, path):
        if item.is_dir: walk(item.path)
        else: names.append(item.path)
walk(None)
version = client.get_model_version_by_alias("houses", "champion")
models = mlflow.search_logged_models(experiment_ids=[run.info.experiment_id], output_format="list") if hasattr(mlflow, "search_logged_models") else []
folder = mlflow.artifacts.download_artifacts("models:/houses@champion", dst_path=sys.argv[1])
print(json.dumps({
    "runs": len(runs), "status": run.info.status, "user": run.data.tags["mlflow.user"], "type": run.data.tags["mlflow.source.type"],
    "params": run.data.params, "metrics": run.data.metrics, "datasets": [i.dataset.name + " " + i.tags[0].value for i in run.inputs.dataset_inputs],
    "artifacts": sorted(names), "version": str(version.version), "tags": version.tags, "versions": len(client.search_model_versions("name='houses'")),
    "models": [model.status.value for model in models], "model_metrics": {m.key: m.value for model in models for m in model.metrics}, "folder": folder,
}))
"#;

fn real(name: &str, artifacts: &[&str]) {
    let Some(server) = RealServer::start(name, artifacts) else { return };
    let project = project(&server.uri);
    let ran = project.ok(&["run", "-p", "prod"]);
    assert!(ran.stderr.contains("tracking: sent in"), "{}", ran.stderr);
    // The same again, as if nobody had heard that it is there.
    let connection = rusqlite::Connection::open(project.path(".recipe/runs.db")).unwrap();
    connection.execute_batch("DELETE FROM outbox_done; UPDATE outbox SET sent_ms = NULL").unwrap();
    drop(connection);
    project.ok(&["sync"]);

    let down = tempfile::tempdir().unwrap();
    let seen = server.ask(CLIENT, down.path());
    assert_eq!((&seen["runs"], &seen["versions"], &seen["version"]), (&json!(1), &json!(1), &json!("1")), "{seen:#}");
    assert_eq!((&seen["status"], &seen["user"], &seen["type"]), (&json!("FINISHED"), &json!("ann"), &json!("RECIPE")));
    assert_eq!(seen["params"]["train.using"], "ridge");
    let own: Value = serde_json::from_slice(&fs::read(project.ok(&["artifact", "evaluation", "-p", "prod"]).stdout.trim()).unwrap()).unwrap();
    for metric in ["test_r2_score", "test_root_mean_squared_error"] {
        assert_eq!(seen["metrics"][metric], own["metrics"][metric]);
        assert_eq!(seen["tags"][metric].as_str().unwrap().parse::<f64>().unwrap(), own["metrics"][metric].as_f64().unwrap());
        if name.ends_with('3') {
            assert_eq!(seen["model_metrics"][metric], own["metrics"][metric]);
        }
    }
    assert_eq!(seen["models"], if name.ends_with('3') { json!(["READY"]) } else { json!([]) });
    assert!(seen["metrics"]["training_r2_score"].is_f64() && seen["metrics"]["val_r2_score"].is_f64());
    assert_eq!(seen["datasets"], json!(["training_data training", "validation_data validation", "test_data test"]));
    let artifacts = seen["artifacts"].to_string();
    for path in ["config.resolved.yaml", "train/card.html", "evaluate/card.json"] {
        assert!(artifacts.contains(path), "{artifacts}");
    }
    // What MLflow's client fetches is a bundle that this program takes.
    let folder = seen["folder"].as_str().unwrap();
    let local = project.ok(&["predict", "models:/houses/1", "data/houses.csv"]).stdout;
    assert_eq!(project.ok(&["predict", folder, "data/houses.csv"]).stdout, local);
    let other = self::project(&server.uri);
    assert_eq!(other.ok(&["predict", "models:/houses@champion", "data/houses.csv", "-p", "prod"]).stdout, local);
    assert!(other.path(".recipe/models/.server").is_dir());
}

#[test]
fn mlflow_2_takes_a_run_and_its_client_finds_it() {
    real("mlflow", &["--serve-artifacts", "--artifacts-destination", "./artifacts"]);
}

#[test]
fn mlflow_3_takes_a_run_and_its_client_finds_it() {
    real("mlflow3", &["--no-serve-artifacts", "--default-artifact-root", "./artifacts"]);
}

#[test]
fn a_registry_of_its_own_takes_the_version_and_gives_it_back() {
    let artifacts = ["--serve-artifacts", "--artifacts-destination", "./artifacts"];
    // A registry of the third line takes no version whose files lie behind another server.
    let (Some(tracking), Some(registry)) = (RealServer::start("mlflow3", &artifacts), RealServer::start("mlflow", &artifacts)) else { return };
    let profile = format!("model_registry: {{registry_uri: \"{}\"}}\nexperiment: {{name: prices, tracking_uri: \"{}\"}}\n", registry.uri, tracking.uri);
    let project = || project(NOWHERE).with("profiles/prod.yaml", &profile);
    let here = project();
    let ran = here.ok(&["run", "-p", "prod"]);
    assert!(ran.stderr.contains("tracking: sent in"), "{}", ran.stderr);
    let down = tempfile::tempdir().unwrap();
    let names = "import json, mlflow\nclient = mlflow.MlflowClient()\n\
        models = [[m.name, sorted(m.aliases)] for m in client.search_registered_models()]\n\
        print(json.dumps({'models': models, 'runs': len(mlflow.search_runs(search_all_experiments=True, output_format='list'))}))";
    assert_eq!(registry.ask(names, down.path()), json!({ "models": [["houses", ["champion"]]], "runs": 0 }));
    assert_eq!(tracking.ask(names, down.path()), json!({ "models": [], "runs": 1 }));
    let local = here.ok(&["predict", "models:/houses/1", "data/houses.csv"]).stdout;
    let other = project();
    assert_eq!(other.ok(&["predict", "models:/houses@champion", "data/houses.csv", "-p", "prod"]).stdout, local);
}
