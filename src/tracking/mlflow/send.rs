//! Sending a run: the list of calls that follows from its record, each noted as soon as it is answered.
//!
//! | what | how it is not done twice |
//! |---|---|
//! | experiment, registered model | their names are unique |
//! | run, logged model, version | looked for by the tags that only this run, or this model, has |
//! | params, metrics, datasets, outputs | what a run that was there before has already is left out |
//! | files, tags, aliases, states | doing it again changes nothing |
//!
//! A model has one version a name, here and there: where the server has a version with this model's digest, no other is made, and its
//! aliases stay where they are. The run becomes FINISHED, FAILED or KILLED on the server last, so that whoever looks there
//! sees what is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use chrono::Utc;
use serde_json::{Map, Value, json};

use super::super::Tracker;
use super::super::outbox::{Dataset, Journal, Shipment};
use super::api::{Api, Line, Version, pair, pairs, text, wanted};
use super::artifacts::Root;
use super::http::{Body, Credentials, Failure, Http, Patience};
use super::{Target, batch, files};
use crate::error::{Error, Result};

/// By these tags a run, a model and its files are known again.
pub(super) const RUN_TAG: &str = "recipe.run_id";
pub(super) const MODEL_TAG: &str = "recipe.model_digest";
pub(super) const BUNDLE_TAG: &str = "recipe.bundle_digest";
/// Where MLflow Recipes keeps a run's model.
const MODEL_FOLDER: &str = "train/model";
/// Datasets and schemas are bounded too.
const MAX_SCHEMA: usize = 1_000_000;
const MAX_SOURCE: usize = 65_000;
/// How often a version that the server still makes is looked at.
const LOOKS: usize = 20;

/// A run that the server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Where it can be looked at.
    pub url: String,
    /// The registered model's name and its version on the server.
    pub version: Option<(String, String)>,
    /// What could not go along, though nothing failed.
    pub notes: Vec<String>,
}

/// Why a run was not sent, or not all of it.
#[derive(Debug)]
pub struct NotSent {
    pub error: Error,
    /// Is it of no use to send another run to the same server now?
    pub is_down: bool,
}

impl From<Error> for NotSent {
    fn from(error: Error) -> Self {
        Self { error, is_down: false }
    }
}

/// A registered model whose bundle lies here.
struct Model {
    name: String,
    version: u64,
    digest: String,
    dir: PathBuf,
    aliases: Vec<String>,
}

/// The run on the server.
struct There {
    id: String,
    artifact_uri: String,
    params: BTreeMap<String, String>,
    metrics: BTreeSet<String>,
    datasets: BTreeSet<(String, String)>,
    outputs: BTreeSet<String>,
}

struct Sender<'a> {
    tracker: &'a Tracker,
    http: &'a Http,
    journal: Journal<'a>,
    run: &'a Shipment,
    progress: &'a dyn Fn(&str),
    /// The server that is asked at the moment, for messages.
    asked: &'a str,
    notes: Vec<String>,
}

impl Tracker {
    /// Sends what a server still lacks of a run in the outbox, in `total` time at most.
    ///
    /// # Errors
    /// A server that is down, refuses or answers nonsense; what it confirmed is noted, and the next attempt goes on from there.
    pub fn send(&self, run: &str, credentials: &Credentials, total: Option<Duration>, progress: &dyn Fn(&str)) -> Result<Sent, NotSent> {
        let shipment = self.shipment(run)?;
        let target = &shipment.parcel.target;
        let http = Http::new(&[&target.tracking_uri, target.registry()], credentials, Patience::of(credentials, total))?;
        let journal = self.journal(run)?;
        let asked = target.tracking_uri.as_str();
        let mut sender = Sender { tracker: self, http: &http, journal, run: &shipment, progress, asked, notes: Vec::new() };
        match sender.all() {
            Ok(sent) => {
                sender.journal.close(Utc::now().timestamp_millis())?;
                Ok(sent)
            }
            Err(failure) => {
                let is_down = failure.is_down();
                let error = failure.into_error(sender.asked);
                sender.journal.failed(&error.to_string())?;
                Err(NotSent { error, is_down })
            }
        }
    }
}

impl<'a> Sender<'a> {
    fn target(&self) -> &'a Target {
        &self.run.parcel.target
    }

    fn api(&self) -> Api<'a> {
        Api { http: self.http, uri: &self.target().tracking_uri }
    }

    fn registry(&self) -> Api<'a> {
        Api { http: self.http, uri: self.target().registry() }
    }

    /// Another registry knows nothing of this server's runs and models, only where their files lie.
    fn is_one_server(&self) -> bool {
        self.target().registry() == self.target().tracking_uri
    }

    fn all(&mut self) -> Result<Sent, Failure> {
        let line = self.api().line()?;
        let experiment = self.experiment()?;
        let there = self.run(&experiment)?;
        self.params(&there)?;
        self.datasets(&there)?;
        let model = self.model()?;
        let known = model.as_ref().map(|model| self.known(model)).transpose()?.flatten();
        let id = match (&model, line) {
            (Some(model), Line::Three) => self.model_id(model, known.as_ref(), &experiment, &there)?,
            _ => None,
        };
        self.metrics(&there, id.as_deref())?;
        let root = match Root::of(self.asked, &there.artifact_uri) {
            Ok(root) => root,
            Err(failure) => {
                // The figures are there, and the run has ended.
                self.end(&there)?;
                return Err(failure);
            }
        };
        self.files(&root)?;
        let mut version = None;
        if let Some(model) = &model {
            let source = match (&known, &id) {
                (Some(_), _) => String::new(),
                (None, Some(id)) => self.upload_model(model, id, &there)?,
                (None, None) => self.upload_into_run(model, &root, &there)?,
            };
            if let Some(id) = &id {
                self.output(id, &there)?;
            }
            self.asked = self.target().registry();
            version = Some((model.name.clone(), self.version(model, known, &source, id.as_deref(), &there)?));
            self.asked = &self.target().tracking_uri;
        }
        self.end(&there)?;
        let url = format!("{}/#/experiments/{experiment}/runs/{}", self.asked, there.id);
        Ok(Sent { url, version, notes: std::mem::take(&mut self.notes) })
    }

    /// Does a call unless the server has answered it before.
    fn once(&mut self, call: &str, work: impl FnOnce() -> Result<String, Failure>) -> Result<String, Failure> {
        if let Some(answer) = self.journal.answer(call) {
            return Ok(answer.to_owned());
        }
        let answer = work()?;
        self.journal.note(call, &answer)?;
        Ok(answer)
    }

    fn experiment(&mut self) -> Result<String, Failure> {
        let (api, target) = (self.api(), self.target());
        let mut found = api.experiment(&target.experiment)?;
        if found.is_none() {
            let mut body = Map::from_iter([("name".to_owned(), Value::from(target.experiment.as_str()))]);
            body.extend(target.artifact_location.as_ref().map(|location| ("artifact_location".to_owned(), location.as_str().into())));
            found = match api.create_experiment(&Value::Object(body))? {
                Some(id) => Some((id, BTreeMap::new())),
                None => api.experiment(&target.experiment)?,
            };
        }
        let (id, tags) = found.ok_or_else(|| Failure::Nonsense(format!("experiment `{}` is there and is not", target.experiment)))?;
        let better = if target.greater_is_better { "True" } else { "False" };
        for (key, value) in
            [("mlflow.experiment.primaryMetric.name", target.primary_metric.as_str()), ("mlflow.experiment.primaryMetric.greaterIsBetter", better)]
        {
            if tags.get(key).map(String::as_str) != Some(value) {
                api.post("experiments/set-experiment-tag", &json!({ "experiment_id": id, "key": key, "value": value }))?;
            }
        }
        Ok(id)
    }

    /// The run on the server: the one that is noted, else one that an earlier attempt made unheard, else a new one.
    fn run(&mut self, experiment: &str) -> Result<There, Failure> {
        let api = self.api();
        if let Some(id) = self.journal.answer("run").map(str::to_owned) {
            match api.get("runs/get", &[("run_id", &id)]) {
                Ok(answer) => return there(&answer["run"]),
                // A server that was set up anew knows nothing of what it confirmed.
                Err(failure) if failure.says("RESOURCE_DOES_NOT_EXIST") => self.journal.clear()?,
                Err(failure) => return Err(failure),
            }
        }
        let filter = format!("tags.`{RUN_TAG}` = '{}'", self.run.run);
        let search = json!({ "experiment_ids": [experiment], "filter": filter, "max_results": 1 });
        let name = format!("{}-{}", self.run.recipe, self.run.run);
        let tags: Vec<Value> = batch::tags(&tags(self.run, &name)).iter().map(|(key, value)| pair(key, value)).collect();
        let body = json!({ "experiment_id": experiment, "start_time": self.run.started_ms, "run_name": name, "tags": tags });
        let run = self.http.again(|_| match api.post("runs/search", &search)?.pointer("/runs/0") {
            Some(run) => Ok(run.clone()),
            None => api.post_once("runs/create", &body).map(|answer| answer["run"].clone()),
        })?;
        let there = there(&run)?;
        self.journal.note("run", &there.id)?;
        Ok(there)
    }

    fn params(&mut self, there: &There) -> Result<(), Failure> {
        let items = batch::params(&self.run.params).into_iter().map(|(key, value)| ("params", pair(&key, &value))).collect();
        self.batches("params", items, there)
    }

    fn metrics(&mut self, there: &There, model: Option<&str>) -> Result<(), Failure> {
        let at = self.run.finished_ms.unwrap_or(self.run.started_ms);
        let metric = |(key, value): (String, f64)| {
            let mut item = Map::from_iter([
                ("key".to_owned(), Value::from(key.as_str())),
                ("value".to_owned(), value.into()),
                ("timestamp".to_owned(), at.into()),
                ("step".to_owned(), 0.into()),
            ]);
            item.extend(model.map(|id| ("model_id".to_owned(), id.into())));
            if let Some(dataset) = self.run.parcel.datasets.iter().find(|dataset| key.starts_with(prefix(&dataset.context))) {
                item.insert("dataset_name".to_owned(), dataset.name.as_str().into());
                item.insert("dataset_digest".to_owned(), dataset.digest.as_str().into());
            }
            ("metrics", Value::Object(item))
        };
        let items = batch::metrics(&self.run.metrics).into_iter().map(metric).collect();
        self.batches("metrics", items, there)
    }

    /// Sends what is new of each batch that the server has not confirmed.
    fn batches(&mut self, name: &str, items: Vec<(&'static str, Value)>, there: &There) -> Result<(), Failure> {
        let api = self.api();
        for (number, mut body) in batch::batches(items).into_iter().enumerate() {
            self.once(&format!("{name} {number}"), || {
                anew(api, there, |have| {
                    for (kind, list) in &mut body {
                        let is_there = |key: &str| if kind == "metrics" { have.metrics.contains(key) } else { have.params.contains_key(key) };
                        if let Value::Array(list) = list {
                            list.retain(|item| !text(item.get("key")).is_some_and(|key| is_there(&key)));
                        }
                    }
                    if body.values().any(|list| list.as_array().is_some_and(|list| !list.is_empty())) {
                        body.insert("run_id".to_owned(), there.id.as_str().into());
                        api.post_once("runs/log-batch", &Value::Object(body.clone()))?;
                    }
                    Ok(())
                })
            })?;
        }
        Ok(())
    }

    fn datasets(&mut self, there: &There) -> Result<(), Failure> {
        let api = self.api();
        let run = self.run;
        self.once("datasets", || {
            anew(api, there, |have| {
                let new = run.parcel.datasets.iter().filter(|dataset| !have.datasets.contains(&(dataset.name.clone(), dataset.digest.clone())));
                let new: Vec<Value> = new.map(dataset).collect();
                if !new.is_empty() {
                    api.post_once("runs/log-inputs", &json!({ "run_id": there.id, "datasets": new }))?;
                }
                Ok(())
            })
        })
        .map(|_| ())
    }

    /// Cards and the configuration.
    fn files(&mut self, root: &Root) -> Result<(), Failure> {
        let http = self.http;
        let run = self.run;
        (self.progress)("cards");
        self.once("file config.resolved.yaml", || root.put(http, "config.resolved.yaml", Body::Bytes(run.config.as_bytes())).map(|()| String::new()))?;
        for path in &run.paths {
            let bytes = self.journal.file(path)?;
            self.once(&format!("file {path}"), || root.put(http, path, Body::Bytes(&bytes)).map(|()| String::new()))?;
        }
        Ok(())
    }

    /// The model that the run registered here, if its bundle is still there.
    fn model(&mut self) -> Result<Option<Model>, Failure> {
        let param = |name: &str| self.run.params.get(name).cloned();
        let (Some(name), Some(version)) = (param("register.model_name"), param("register.version").and_then(|version| version.parse().ok())) else {
            return Ok(None);
        };
        match self.tracker.version(&name, version)? {
            Some(row) if self.tracker.has_bundle(&row) => {
                let dir = self.tracker.bundle_dir(&name, version);
                Ok(Some(Model { dir, digest: row.digest, aliases: row.aliases, name, version }))
            }
            _ => {
                self.notes.push(format!("{name} v{version} was deleted here, so it is not registered on the server"));
                Ok(None)
            }
        }
    }

    /// The server's version of this very model, if it has one.
    fn known(&mut self, model: &Model) -> Result<Option<Version>, Failure> {
        self.asked = self.target().registry();
        let found = known(self.registry(), model)?;
        self.asked = &self.target().tracking_uri;
        Ok(found)
    }

    /// The logged model: that of the known version, or that of an earlier attempt; else a new one.
    fn model_id(&mut self, model: &Model, known: Option<&Version>, experiment: &str, there: &There) -> Result<Option<String>, Failure> {
        if let Some(known) = known {
            return Ok(known.model_id.clone());
        }
        let (api, run) = (self.api(), self.run);
        let filter = format!("tags.`{RUN_TAG}` = '{}'", run.run);
        let search = json!({ "experiment_ids": [experiment], "filter": filter, "max_results": 1 });
        let params: Vec<Value> = batch::params(&run.params).iter().take(100).map(|(key, value)| pair(key, value)).collect();
        let tags = [pair(RUN_TAG, &run.run), pair(MODEL_TAG, &model.digest), pair("mlflow.source.type", "RECIPE")];
        let name = model.name.replace(['.', '/', ':', '%', '"', '\''], "_");
        let kind = run.params.get("train.using").cloned().unwrap_or_default();
        let body = json!({ "experiment_id": experiment, "name": name, "model_type": kind, "source_run_id": there.id, "params": params, "tags": tags });
        let id = self.once("model", || {
            api.http.again(|_| match api.post("logged-models/search", &search)?.pointer("/models/0") {
                Some(found) => wanted(found, "/info/model_id"),
                None => wanted(&api.post_once("logged-models", &body)?, "/model/info/model_id"),
            })
        })?;
        Ok(Some(id))
    }

    /// Puts the bundle's files into the logged model's place; gives the version's source.
    fn upload_model(&mut self, model: &Model, id: &str, there: &There) -> Result<String, Failure> {
        let api = self.api();
        let uri = self.once("model root", || wanted(&api.get(&format!("logged-models/{id}"), &[])?, "/model/info/artifact_uri"))?;
        let amended = files::amend(&model.dir, &[("run_id", &there.id), ("model_id", id), ("artifact_path", &uri)])?;
        let place = Root::of(self.asked, &uri)?;
        self.upload(model, &amended, &place)?;
        self.once("ready", || api.patch(&format!("logged-models/{id}"), &json!({ "model_id": id, "status": "LOGGED_MODEL_READY" })).map(|_| String::new()))?;
        Ok(if self.is_one_server() { format!("models:/{id}") } else { place.source() })
    }

    /// Puts the bundle's files into the run, as MLflow 2 has it; gives the version's source.
    fn upload_into_run(&mut self, model: &Model, root: &Root, there: &There) -> Result<String, Failure> {
        let api = self.api();
        let amended = files::amend(&model.dir, &[("run_id", &there.id), ("artifact_path", MODEL_FOLDER)])?;
        let place = root.below(MODEL_FOLDER);
        self.upload(model, &amended, &place)?;
        let said: Value = serde_json::from_slice(&amended.mlmodel).unwrap_or_default();
        let flavors = said.get("flavors").cloned().unwrap_or_else(|| json!({ "recipe": {} }));
        let made = chrono::DateTime::<Utc>::from_timestamp_millis(self.run.finished_ms.unwrap_or(self.run.started_ms)).unwrap_or_default();
        let history = json!([{ "run_id": there.id, "artifact_path": MODEL_FOLDER, "flavors": flavors, "model_uuid": model.digest.get(..32),
            "utc_time_created": made.format("%Y-%m-%d %H:%M:%S%.6f").to_string() }]);
        let body = json!({ "run_id": there.id, "key": "mlflow.log-model.history", "value": history.to_string() });
        self.once("history", || api.post("runs/set-tag", &body).map(|_| String::new()))?;
        Ok(if self.is_one_server() { format!("{}/{MODEL_FOLDER}", there.artifact_uri) } else { place.source() })
    }

    fn upload(&mut self, model: &Model, amended: &files::Amended, root: &Root) -> Result<(), Failure> {
        let http = self.http;
        for path in files::list(&model.dir)? {
            (self.progress)(&format!("model, {path}"));
            let file = model.dir.join(&path);
            let body = match path.as_str() {
                files::MLMODEL => Body::Bytes(&amended.mlmodel),
                files::LINEAGE => Body::Bytes(&amended.lineage),
                _ => Body::File(&file),
            };
            self.once(&format!("file {MODEL_FOLDER}/{path}"), || root.put(http, &path, body).map(|()| String::new()))?;
        }
        self.once("bundle", || Ok(amended.digest.clone()))?;
        Ok(())
    }

    /// Says that the run made the model.
    fn output(&mut self, id: &str, there: &There) -> Result<(), Failure> {
        let api = self.api();
        let body = json!({ "run_id": there.id, "models": [{ "model_id": id, "step": 0 }] });
        self.once("output", || {
            anew(api, there, |have| {
                if !have.outputs.contains(id) {
                    api.post_once("runs/outputs", &body)?;
                }
                Ok(())
            })
        })
        .map(|_| ())
    }

    /// The version on the server, and the aliases that point to it here.
    fn version(&mut self, model: &Model, known: Option<Version>, source: &str, id: Option<&str>, there: &There) -> Result<String, Failure> {
        let registry = self.registry();
        let run = self.run;
        // Is it this run's own?
        let (number, is_own) = if let Some(known) = known {
            let is_own = known.tags.get(RUN_TAG) == Some(&run.run);
            self.journal.note("version", &known.number)?;
            (known.number, is_own)
        } else {
            let description = self.target().description.as_deref().unwrap_or_default();
            match registry.post("registered-models/create", &json!({ "name": model.name, "description": description })) {
                Err(failure) if !failure.says("RESOURCE_ALREADY_EXISTS") => return Err(failure),
                _ => {}
            }
            let bundle = self.journal.answer("bundle").unwrap_or_default().to_owned();
            let tags: Vec<Value> = batch::tags(&version_tags(run, model, &bundle)).iter().map(|(key, value)| pair(key, value)).collect();
            let mut body = json!({ "name": model.name, "source": source, "tags": tags });
            if let (true, Value::Object(body)) = (self.is_one_server(), &mut body) {
                body.insert("run_id".to_owned(), there.id.as_str().into());
                body.extend(id.map(|id| ("model_id".to_owned(), id.into())));
            }
            let number = self.once("version", || {
                registry.http.again(|tried| match if tried > 0 { self::known(registry, model)? } else { None } {
                    Some(known) => Ok(known.number),
                    None => wanted(&registry.post_once("model-versions/create", &body)?, "/model_version/version"),
                })
            })?;
            (number, true)
        };
        for look in 0..LOOKS {
            let status = registry.version(&model.name, &number)?.map(|version| version.status).unwrap_or_default();
            match status.as_str() {
                "PENDING_REGISTRATION" if look + 1 < LOOKS => std::thread::sleep(Duration::from_millis(250)),
                "READY" => break,
                status => return Err(Failure::Nonsense(format!("version {number} of `{}` is `{status}`", model.name))),
            }
        }
        for alias in &model.aliases {
            // A model that was registered there before moves no alias, but one that points nowhere is nobody's to keep.
            if is_own || registry.alias(&model.name, alias)?.is_none() {
                let body = json!({ "name": model.name, "alias": alias, "version": number });
                self.once(&format!("alias {alias}"), || registry.post("registered-models/alias", &body).map(|_| String::new()))?;
            }
        }
        Ok(number)
    }

    fn end(&mut self, there: &There) -> Result<(), Failure> {
        let api = self.api();
        let body = json!({ "run_id": there.id, "status": self.run.status, "end_time": self.run.finished_ms.unwrap_or(self.run.started_ms) });
        self.once("end", || api.post("runs/update", &body).map(|_| String::new())).map(|_| ())
    }
}

/// Adds something to a run that must not be there twice: before each further attempt it is looked what is there by now.
fn anew(api: Api<'_>, there: &There, mut add: impl FnMut(&There) -> Result<(), Failure>) -> Result<String, Failure> {
    api.http.again(|tried| {
        if tried == 0 {
            add(there)?;
        } else {
            add(&self::there(&api.get("runs/get", &[("run_id", &there.id)])?["run"])?)?;
        }
        Ok(String::new())
    })
}

/// The version that has this model's digest; the oldest, where several programs made one each at the same moment.
fn known(registry: Api<'_>, model: &Model) -> Result<Option<Version>, Failure> {
    let filter = format!("name = '{}' AND tags.`{MODEL_TAG}` = '{}'", model.name, model.digest);
    Ok(registry.versions(&filter)?.into_iter().min_by_key(|version| version.number.parse::<u64>().unwrap_or(u64::MAX)))
}

/// What a server says of a run.
fn there(run: &Value) -> Result<There, Failure> {
    let id = wanted(run, "/info/run_id")?;
    let artifact_uri = wanted(run, "/info/artifact_uri")?;
    let list = |pointer: &str| run.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    let key = |item: &Value, pointer: &str| text(item.pointer(pointer)).unwrap_or_default();
    Ok(There {
        params: pairs(run.pointer("/data/params")),
        metrics: list("/data/metrics").iter().map(|item| key(item, "/key")).collect(),
        datasets: list("/inputs/dataset_inputs").iter().map(|item| (key(item, "/dataset/name"), key(item, "/dataset/digest"))).collect(),
        outputs: list("/outputs/model_outputs").iter().map(|item| key(item, "/model_id")).collect(),
        artifact_uri,
        id,
    })
}

/// What a run is known by there; the names are those of MLflow and MLflow Recipes, but for our own.
fn tags(run: &Shipment, name: &str) -> BTreeMap<String, String> {
    let set = |pairs: &[(&str, Option<String>)]| -> BTreeMap<String, String> {
        pairs.iter().filter_map(|(key, value)| Some(((*key).to_owned(), value.clone()?))).collect()
    };
    let mut tags = set(&[
        ("mlflow.runName", Some(name.to_owned())),
        ("mlflow.note.content", run.message.clone()),
        ("mlflow.source.name", Some(run.recipe.clone())),
        ("mlflow.source.type", Some("RECIPE".to_owned())),
        ("mlflow.source.git.commit", run.git_commit.clone()),
        ("mlflow.source.git.branch", run.git_branch.clone()),
        ("mlflow.pipeline.template.name", Some(run.template.clone())),
        ("mlflow.pipeline.profile.name", run.profile.clone()),
        (RUN_TAG, Some(run.run.clone())),
        ("recipe.name", Some(run.recipe.clone())),
        ("recipe.program", Some(run.program.clone())),
        ("recipe.seed", Some((run.seed as u64).to_string())),
        ("recipe.git_dirty", run.git_dirty.map(|dirty| dirty.to_string())),
        ("recipe.error", run.error.clone()),
        ("recipe.sweep", run.sweep.clone()),
    ]);
    tags.extend(run.parcel.tags.clone());
    tags
}

fn version_tags(run: &Shipment, model: &Model, bundle: &str) -> BTreeMap<String, String> {
    let own = [
        (RUN_TAG, run.run.clone()),
        (MODEL_TAG, model.digest.clone()),
        (BUNDLE_TAG, bundle.to_owned()),
        ("recipe.version", model.version.to_string()),
        ("mlflow.source.type", "RECIPE".to_owned()),
        ("mlflow.pipeline.template.name", run.template.clone()),
        ("validation_status", run.parcel.tags.get("recipe.verdict").cloned().unwrap_or_default()),
    ];
    let metrics = run.metrics.iter().filter(|(name, _)| name.starts_with("test_")).map(|(name, value)| (name.clone(), value.to_string()));
    own.into_iter().map(|(key, value)| (key.to_owned(), value)).chain(metrics).collect()
}

/// How the names of the metrics on a dataset begin.
fn prefix(context: &str) -> &'static str {
    match context {
        "training" => "training_",
        "validation" => "val_",
        "test" => "test_",
        // No metric's name does.
        _ => "\0",
    }
}

fn dataset(dataset: &Dataset) -> Value {
    let kind = |kind: &str| match kind {
        "integer" => "long",
        "float" => "double",
        "boolean" => "boolean",
        "date" | "datetime" => "datetime",
        _ => "string",
    };
    let columns: Vec<Value> = dataset.columns.iter().map(|(name, of)| json!({ "name": name, "type": kind(of), "required": false })).collect();
    let schema = json!({ "mlflow_colspec": columns }).to_string();
    let uri = dataset.files.keys().next().cloned().unwrap_or_default();
    let source = json!({ "uri": uri, "files": dataset.files }).to_string();
    let source = if source.len() > MAX_SOURCE { json!({ "uri": uri }).to_string() } else { source };
    let mut body = json!({ "name": dataset.name, "digest": dataset.digest, "source_type": "local", "source": source,
        "profile": json!({ "num_rows": dataset.rows, "num_elements": dataset.rows * dataset.columns.len() as u64 }).to_string() });
    if let (true, Value::Object(body)) = (schema.len() < MAX_SCHEMA, &mut body) {
        body.insert("schema".to_owned(), schema.into());
    }
    json!({ "dataset": body, "tags": [pair("mlflow.data.context", &dataset.context)] })
}
