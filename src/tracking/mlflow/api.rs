//! The calls of MLflow's REST interface that are used here, and nothing of why.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::http::{Body, Failure, Http, Method};
use crate::error::shorten;

/// Which MLflow answers: since 3, models are things of their own beside runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    Two,
    Three,
}

/// A server's interface.
#[derive(Clone, Copy)]
pub struct Api<'a> {
    pub http: &'a Http,
    /// The server's address, without a slash at its end.
    pub uri: &'a str,
}

/// A version of a registered model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub number: String,
    /// The logged model that it is, since MLflow 3.
    pub model_id: Option<String>,
    pub status: String,
    pub tags: BTreeMap<String, String>,
}

/// A key and its value, as MLflow writes them.
pub fn pair(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": value })
}

/// A text or a number as a text: what is a number of 64 bits may be written as either.
pub fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A list of keys and values.
pub fn pairs(list: Option<&Value>) -> BTreeMap<String, String> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| Some((text(item.get("key"))?, text(item.get("value")).unwrap_or_default()))).collect()
}

/// The part of an answer that must be there.
pub fn wanted(answer: &Value, pointer: &str) -> Result<String, Failure> {
    text(answer.pointer(pointer))
        .filter(|found| !found.is_empty())
        .ok_or_else(|| Failure::Nonsense(format!("an answer without `{}`: `{}`", pointer.trim_start_matches('/'), shorten(&answer.to_string()))))
}

impl Api<'_> {
    fn url(&self, call: &str) -> String {
        format!("{}/api/2.0/mlflow/{call}", self.uri)
    }

    pub fn get(&self, call: &str, query: &[(&str, &str)]) -> Result<Value, Failure> {
        self.http.again(|_| self.http.json(&Method::GET, &self.url(call), query, Body::Nothing))
    }

    /// A call that may be made twice.
    pub fn post(&self, call: &str, body: &Value) -> Result<Value, Failure> {
        self.http.again(|_| self.post_once(call, body))
    }

    /// A call that must not be made twice: whoever makes it looks first whether it was made.
    pub fn post_once(&self, call: &str, body: &Value) -> Result<Value, Failure> {
        self.http.json(&Method::POST, &self.url(call), &[], Body::Json(body))
    }

    pub fn patch(&self, call: &str, body: &Value) -> Result<Value, Failure> {
        self.http.again(|_| self.http.json(&Method::PATCH, &self.url(call), &[], Body::Json(body)))
    }

    /// Which MLflow this is.
    pub fn line(&self) -> Result<Line, Failure> {
        let version = self.http.text(&format!("{}/version", self.uri))?;
        let major = version.trim().split_once('.').and_then(|(major, _)| major.parse::<u32>().ok());
        match major {
            Some(2) => Ok(Line::Two),
            Some(3..) => Ok(Line::Three),
            _ => Err(Failure::Nonsense(format!("it says that it is version `{}`", shorten(version.trim())))),
        }
    }

    /// The id and tags of an experiment; none where there is no such.
    pub fn experiment(&self, name: &str) -> Result<Option<(String, BTreeMap<String, String>)>, Failure> {
        match self.get("experiments/get-by-name", &[("experiment_name", name)]) {
            Ok(answer) if text(answer.pointer("/experiment/lifecycle_stage")).as_deref() == Some("deleted") => Err(Failure::Refused {
                status: 400,
                code: "RESOURCE_DELETED".to_owned(),
                message: format!("experiment `{}` was deleted; restore it there, or set `experiment.name` to another name", shorten(name)),
                pause: None,
            }),
            Ok(answer) => Ok(Some((wanted(&answer, "/experiment/experiment_id")?, pairs(answer.pointer("/experiment/tags"))))),
            Err(failure) if failure.says("RESOURCE_DOES_NOT_EXIST") => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Makes an experiment; none where somebody else just did.
    pub fn create_experiment(&self, body: &Value) -> Result<Option<String>, Failure> {
        match self.post("experiments/create", body) {
            Ok(answer) => wanted(&answer, "/experiment_id").map(Some),
            Err(failure) if failure.says("RESOURCE_ALREADY_EXISTS") => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Where an alias points; none where it or the model does not exist.
    pub fn alias(&self, name: &str, alias: &str) -> Result<Option<String>, Failure> {
        match self.get("registered-models/alias", &[("name", name), ("alias", alias)]) {
            Ok(answer) => wanted(&answer, "/model_version/version").map(Some),
            Err(failure) => none_there(failure),
        }
    }

    pub fn version(&self, name: &str, number: &str) -> Result<Option<Version>, Failure> {
        match self.get("model-versions/get", &[("name", name), ("version", number)]) {
            Ok(answer) => version(answer.get("model_version").unwrap_or(&Value::Null)).map(Some),
            Err(failure) => none_there(failure),
        }
    }

    /// The versions that a filter lets through, the newest first.
    pub fn versions(&self, filter: &str) -> Result<Vec<Version>, Failure> {
        let query = [("filter", filter), ("max_results", "100"), ("order_by", "version_number DESC")];
        let answer = self.get("model-versions/search", &query)?;
        answer.get("model_versions").and_then(Value::as_array).into_iter().flatten().map(version).collect()
    }

    /// Where the files of a version lie: an artifact root, with models of their own looked up.
    pub fn whereabouts(&self, name: &str, number: &str) -> Result<String, Failure> {
        let answer = self.get("model-versions/get-download-uri", &[("name", name), ("version", number)])?;
        let uri = wanted(&answer, "/artifact_uri")?;
        match uri.strip_prefix("models:/") {
            Some(id) if id.starts_with("m-") => wanted(&self.get(&format!("logged-models/{id}"), &[])?, "/model/info/artifact_uri"),
            _ => Ok(uri),
        }
    }
}

fn version(found: &Value) -> Result<Version, Failure> {
    Ok(Version {
        number: wanted(found, "/version")?,
        model_id: text(found.get("source")).and_then(|source| source.strip_prefix("models:/").filter(|id| id.starts_with("m-")).map(str::to_owned)),
        status: text(found.get("status")).unwrap_or_default(),
        tags: pairs(found.get("tags")),
    })
}

/// Nothing where the server says that there is no such thing; how it says so differs between calls.
fn none_there<T>(failure: Failure) -> Result<Option<T>, Failure> {
    match &failure {
        Failure::Refused { status: 404, .. } => Ok(None),
        Failure::Refused { code, message, .. } if code == "INVALID_PARAMETER_VALUE" && message.contains("not found") => Ok(None),
        _ => Err(failure),
    }
}
