//! A small MLflow server of the tests' own: it holds what it is told in memory, keeps the limits of the real one, and fails when it is told to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};

/// What happens from a call on, counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    #[default]
    Never,
    /// The connection breaks before the call is heard, and at every later one.
    Before(usize),
    /// The connection breaks after the call was done, and the server is gone.
    After(usize),
    /// That call is done and its answer lost; later ones are well.
    Lost(usize),
    /// Every call is refused twice before it is heard.
    Twice,
    /// A page of HTML, whatever is asked.
    Page,
    /// An error that no MLflow server makes.
    Odd(usize),
}

/// What the server holds.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub version: String,
    /// Where artifacts lie; the server itself where nothing is said.
    pub root: Option<String>,
    pub experiments: Vec<Value>,
    pub runs: BTreeMap<String, Value>,
    pub models: BTreeMap<String, Value>,
    pub registered: BTreeMap<String, Value>,
    pub versions: Vec<Value>,
    /// Path below the root → content.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Method and path of every call that was heard.
    pub calls: Vec<String>,
    /// The `Authorization` of every call.
    pub callers: Vec<String>,
    pub fault: Fault,
    heard: usize,
    /// How often each call was refused since it was last heard.
    refused: BTreeMap<String, usize>,
}

pub struct MlflowServer {
    pub uri: String,
    pub world: Arc<Mutex<World>>,
}

impl MlflowServer {
    pub fn start(version: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        let world = Arc::new(Mutex::new(World { version: version.to_owned(), ..World::default() }));
        let shared = Arc::clone(&world);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // Whoever goes away in the middle is not waited for.
                let _ = answer(&stream.unwrap(), &shared);
            }
        });
        Self { uri, world }
    }

    /// Begins with nothing, and fails as is said.
    pub fn reset(&self, fault: Fault) {
        let mut world = self.world.lock().unwrap();
        *world = World { version: world.version.clone(), root: world.root.clone(), fault, ..World::default() };
    }

    pub fn fail(&self, fault: Fault) {
        let mut world = self.world.lock().unwrap();
        (world.fault, world.heard) = (fault, 0);
    }

    pub fn world(&self) -> World {
        self.world.lock().unwrap().clone()
    }
}

impl World {
    /// All that is held, as one value that can be compared: files by their digests.
    pub fn holds(&self) -> Value {
        let files: BTreeMap<&str, String> = self.files.iter().map(|(path, bytes)| (path.as_str(), blake3::hash(bytes).to_hex()[..12].to_owned())).collect();
        json!({ "experiments": self.experiments, "runs": self.runs, "models": self.models, "registered": self.registered, "versions": self.versions, "files": files })
    }

    pub fn run(&self) -> &Value {
        assert_eq!(self.runs.len(), 1);
        self.runs.values().next().unwrap()
    }
}

/// The values of a list of keys and values.
pub fn pairs(list: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    list.as_array().into_iter().flatten().map(|item| (item["key"].as_str().unwrap().to_owned(), text(&item["value"]))).collect()
}

fn answer(stream: &TcpStream, world: &Mutex<World>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let (mut length, mut caller) = (0, String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap(),
            "authorization" => value.trim().clone_into(&mut caller),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    if method.is_empty() {
        return Ok(());
    }

    let mut world = world.lock().unwrap();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    world.callers.push(caller);
    if world.fault == Fault::Page {
        return reply(stream, 200, "text/html", b"<!doctype html><title>hello</title>");
    }
    if world.fault == Fault::Twice {
        let refused = world.refused.entry(format!("{method} {path}")).or_default();
        *refused += 1;
        if *refused <= 2 {
            let status = if *refused == 1 { 503 } else { 429 };
            return reply(stream, status, "application/json", b"busy");
        }
        *refused = 0;
    }
    world.heard += 1;
    let heard = world.heard;
    match world.fault {
        Fault::Before(at) if heard >= at => return Ok(()),
        Fault::After(at) if heard > at => return Ok(()),
        Fault::Odd(at) if heard == at => return reply(stream, 200, "application/json", b"{\"run\": {}, \"experiment\": 7}"),
        _ => {}
    }
    world.calls.push(format!("{method} {path}"));
    let query: BTreeMap<String, String> = query.split('&').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (key.to_owned(), plain(value))).collect();
    let done = if path == "/version" {
        Ok(Answer::Text(world.version.clone()))
    } else if let Some(file) = path.strip_prefix("/api/2.0/mlflow-artifacts/artifacts/") {
        world.file(&method, &plain(file), body)
    } else {
        let call = path.strip_prefix("/api/2.0/mlflow/").unwrap_or("?").to_owned();
        let body = if body.is_empty() { json!({}) } else { serde_json::from_slice(&body).unwrap() };
        world.call(&method, &call, &query, &body).map(Answer::Json)
    };
    match world.fault {
        Fault::After(at) | Fault::Lost(at) if heard == at => return Ok(()),
        _ => {}
    }
    match done {
        Ok(Answer::Text(text)) => reply(stream, 200, "text/plain", text.as_bytes()),
        Ok(Answer::Bytes(bytes)) => reply(stream, 200, "application/octet-stream", &bytes),
        Ok(Answer::Json(value)) => reply(stream, 200, "application/json", value.to_string().as_bytes()),
        Err((status, code, message)) => reply(stream, status, "application/json", json!({ "error_code": code, "message": message }).to_string().as_bytes()),
    }
}

enum Answer {
    Text(String),
    Bytes(Vec<u8>),
    Json(Value),
}

type Refusal = (u16, &'static str, String);

fn reply(mut stream: &TcpStream, status: u16, kind: &str, body: &[u8]) -> std::io::Result<()> {
    let retry = if matches!(status, 429 | 503) { "Retry-After: 0\r\n" } else { "" };
    let head = format!("HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n{retry}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)
}

fn plain(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        match bytes[at] {
            b'%' => {
                out.push(u8::from_str_radix(&text[at + 1..at + 3], 16).unwrap());
                at += 2;
            }
            b'+' => out.push(b' '),
            byte => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8(out).unwrap()
}

fn missing(what: &str) -> Refusal {
    (404, "RESOURCE_DOES_NOT_EXIST", format!("no {what}"))
}

fn invalid(what: &str) -> Refusal {
    (400, "INVALID_PARAMETER_VALUE", what.to_owned())
}

/// Does a filter such as ``name = 'x' AND tags.`k` = 'v'`` let something through?
fn passes(filter: &str, found: &Value, tags: &Value) -> bool {
    filter.split(" AND ").all(|part| {
        let (left, right) = part.split_once(" = ").unwrap();
        let right = right.trim_matches('\'');
        match left.strip_prefix("tags.") {
            Some(key) => pairs(tags).get(key.trim_matches('`')).is_some_and(|value| value == right),
            None => found[left] == right,
        }
    })
}

/// Sets tags or params of a list, as the last word.
fn set(list: &mut Value, items: &Value) {
    for item in items.as_array().into_iter().flatten() {
        let list = list.as_array_mut().unwrap();
        match list.iter_mut().find(|old| old["key"] == item["key"]) {
            Some(old) => *old = item.clone(),
            None => list.push(item.clone()),
        }
    }
}

impl World {
    fn is_three(&self) -> bool {
        self.version.starts_with('3')
    }

    fn artifacts(&self, below: &str) -> String {
        self.root.as_ref().map_or_else(|| format!("mlflow-artifacts:/{below}"), |root| format!("{root}/{below}"))
    }

    fn file(&mut self, method: &str, path: &str, body: Vec<u8>) -> Result<Answer, Refusal> {
        if method == "PUT" {
            self.files.insert(path.to_owned(), body);
            return Ok(Answer::Text("{}".to_owned()));
        }
        self.files.get(path).cloned().map(Answer::Bytes).ok_or_else(|| missing("artifact"))
    }

    fn call(&mut self, method: &str, call: &str, query: &BTreeMap<String, String>, body: &Value) -> Result<Value, Refusal> {
        let asked = |key: &str| query.get(key).cloned().unwrap_or_default();
        let said = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        match (method, call) {
            ("GET", "experiments/get-by-name") => {
                let found = self.experiments.iter().find(|experiment| experiment["name"] == asked("experiment_name").as_str());
                found.map(|found| json!({ "experiment": found })).ok_or_else(|| missing("experiment"))
            }
            ("POST", "experiments/create") => {
                if self.experiments.iter().any(|experiment| experiment["name"] == body["name"]) {
                    return Err((400, "RESOURCE_ALREADY_EXISTS", "it exists".to_owned()));
                }
                let id = (self.experiments.len() + 1).to_string();
                self.experiments.push(json!({ "experiment_id": id, "name": body["name"], "lifecycle_stage": "active", "tags": [] }));
                Ok(json!({ "experiment_id": id }))
            }
            ("POST", "experiments/set-experiment-tag") => {
                let found = self.experiments.iter_mut().find(|experiment| experiment["experiment_id"] == body["experiment_id"]);
                set(&mut found.ok_or_else(|| missing("experiment"))?["tags"], &json!([{ "key": body["key"], "value": body["value"] }]));
                Ok(json!({}))
            }
            ("POST", "runs/search") => {
                let found: Vec<&Value> = self.runs.values().filter(|run| passes(&said("filter"), &run["info"], &run["data"]["tags"])).collect();
                Ok(if found.is_empty() { json!({}) } else { json!({ "runs": found }) })
            }
            ("POST", "runs/create") => {
                let id = format!("{:032x}", self.runs.len() + 1);
                let experiment = said("experiment_id");
                let info = json!({ "run_id": id, "run_name": body["run_name"], "experiment_id": experiment, "status": "RUNNING",
                    "start_time": body["start_time"], "artifact_uri": self.artifacts(&format!("{experiment}/{id}/artifacts")) });
                let run = json!({ "info": info, "data": { "tags": body["tags"], "params": [], "metrics": [] },
                    "inputs": { "dataset_inputs": [] }, "outputs": { "model_outputs": [] } });
                self.runs.insert(id, run.clone());
                Ok(json!({ "run": run }))
            }
            ("GET", "runs/get") => self.runs.get(&asked("run_id")).map(|run| json!({ "run": run })).ok_or_else(|| missing("run")),
            ("POST", "runs/log-batch") => self.batch(body),
            ("POST", "runs/log-inputs") => {
                let inputs = &mut self.runs.get_mut(&said("run_id")).ok_or_else(|| missing("run"))?["inputs"]["dataset_inputs"];
                for dataset in body["datasets"].as_array().unwrap() {
                    assert!(dataset["dataset"]["digest"].as_str().unwrap().len() <= 36);
                    inputs.as_array_mut().unwrap().push(dataset.clone());
                }
                Ok(json!({}))
            }
            ("POST", "runs/outputs") if self.is_three() => {
                let outputs = &mut self.runs.get_mut(&said("run_id")).ok_or_else(|| missing("run"))?["outputs"]["model_outputs"];
                for model in body["models"].as_array().unwrap() {
                    if outputs.as_array().unwrap().contains(model) {
                        return Err((400, "BAD_REQUEST", "UNIQUE constraint failed".to_owned()));
                    }
                    outputs.as_array_mut().unwrap().push(model.clone());
                }
                Ok(json!({}))
            }
            ("POST", "runs/set-tag") => {
                let run = self.runs.get_mut(&said("run_id")).ok_or_else(|| missing("run"))?;
                set(&mut run["data"]["tags"], &json!([{ "key": body["key"], "value": body["value"] }]));
                Ok(json!({}))
            }
            ("POST", "runs/update") => {
                let run = self.runs.get_mut(&said("run_id")).ok_or_else(|| missing("run"))?;
                (run["info"]["status"], run["info"]["end_time"]) = (body["status"].clone(), body["end_time"].clone());
                Ok(json!({}))
            }
            ("POST", "logged-models/search") if self.is_three() => {
                let found: Vec<&Value> = self.models.values().filter(|model| passes(&said("filter"), &model["info"], &model["info"]["tags"])).collect();
                Ok(if found.is_empty() { json!({}) } else { json!({ "models": found }) })
            }
            ("POST", "logged-models") if self.is_three() => {
                let id = format!("m-{:032x}", self.models.len() + 1);
                let info = json!({ "model_id": id, "name": body["name"], "status": "LOGGED_MODEL_PENDING", "model_type": body["model_type"], "tags": body["tags"],
                    "source_run_id": body["source_run_id"], "artifact_uri": self.artifacts(&format!("{}/models/{id}/artifacts", said("experiment_id"))) });
                self.models.insert(id.clone(), json!({ "info": info, "data": { "params": body["params"] } }));
                Ok(json!({ "model": self.models[&id] }))
            }
            ("POST", "registered-models/create") => {
                if self.registered.contains_key(&said("name")) {
                    return Err((400, "RESOURCE_ALREADY_EXISTS", "it exists".to_owned()));
                }
                self.registered.insert(said("name"), json!({ "description": body["description"], "aliases": {} }));
                Ok(json!({ "registered_model": { "name": body["name"] } }))
            }
            ("POST", "registered-models/alias") => {
                let model = self.registered.get_mut(&said("name")).ok_or_else(|| missing("model"))?;
                model["aliases"][said("alias")] = body["version"].clone();
                Ok(json!({}))
            }
            ("GET", "registered-models/alias") => {
                let model = self.registered.get(&asked("name")).ok_or_else(|| missing("model"))?;
                let number = &model["aliases"][asked("alias")];
                let found = self.versions.iter().find(|version| version["name"] == asked("name").as_str() && version["version"] == *number);
                found.map(|version| json!({ "model_version": version })).ok_or_else(|| invalid("Registered model alias x not found."))
            }
            ("POST", "model-versions/create") => {
                self.registered.get(&said("name")).ok_or_else(|| missing("model"))?;
                let number = self.versions.iter().filter(|version| version["name"] == body["name"]).count() + 1;
                let version = json!({ "name": body["name"], "version": number.to_string(), "source": body["source"], "run_id": body["run_id"], "status": "READY", "tags": body["tags"] });
                self.versions.push(version.clone());
                Ok(json!({ "model_version": version }))
            }
            ("GET", "model-versions/get") => self.version(query).map(|version| json!({ "model_version": version })),
            ("GET", "model-versions/get-download-uri") => {
                let source = self.version(query)?["source"].as_str().unwrap().to_owned();
                let model = source.strip_prefix("models:/").and_then(|id| self.models.get(id));
                Ok(json!({ "artifact_uri": model.map_or(source.into(), |model| model["info"]["artifact_uri"].clone()) }))
            }
            ("GET", "model-versions/search") => {
                let found: Vec<&Value> = self.versions.iter().rev().filter(|version| passes(&asked("filter"), version, &version["tags"])).collect();
                Ok(if found.is_empty() { json!({}) } else { json!({ "model_versions": found }) })
            }
            (method, call) => match (method, call.strip_prefix("logged-models/")) {
                ("GET", Some(id)) if self.is_three() => self.models.get(id).map(|model| json!({ "model": model })).ok_or_else(|| missing("model")),
                ("PATCH", Some(id)) if self.is_three() => {
                    self.models.get_mut(id).ok_or_else(|| missing("model"))?["info"]["status"] = body["status"].clone();
                    Ok(json!({}))
                }
                _ => Err((404, "ENDPOINT_NOT_FOUND", format!("{method} {call}"))),
            },
        }
    }

    fn version(&self, query: &BTreeMap<String, String>) -> Result<&Value, Refusal> {
        let found = self.versions.iter().find(|version| version["name"] == query["name"].as_str() && version["version"] == query["version"].as_str());
        found.ok_or_else(|| missing("version"))
    }

    fn batch(&mut self, body: &Value) -> Result<Value, Refusal> {
        let size = |kind: &str| body[kind].as_array().map_or(0, Vec::len);
        if size("metrics") > 1000 || size("params") > 100 || size("tags") > 100 || body.to_string().len() > 1_000_000 {
            return Err(invalid("a batch is too large"));
        }
        let data = &mut self.runs.get_mut(body["run_id"].as_str().unwrap()).ok_or_else(|| missing("run"))?["data"];
        for param in body["params"].as_array().into_iter().flatten() {
            if data["params"].as_array().unwrap().iter().any(|old| old["key"] == param["key"] && old["value"] != param["value"]) {
                return Err(invalid("a param does not change"));
            }
        }
        set(&mut data["params"], &body["params"]);
        set(&mut data["tags"], &body["tags"]);
        // As in a store of files: a metric that comes twice is there twice.
        data["metrics"].as_array_mut().unwrap().extend(body["metrics"].as_array().cloned().unwrap_or_default());
        let mut metrics = Map::new();
        for metric in body["metrics"].as_array().into_iter().flatten() {
            assert!(metrics.insert(metric["key"].as_str().unwrap().to_owned(), Value::Null).is_none());
        }
        Ok(json!({}))
    }
}
