//! What each path answers.

use std::sync::Arc;
use std::time::Instant;

use hyper::{Method, StatusCode};
use polars::prelude::DataFrame;
use serde_json::{Map, Value as Json, json};
use tokio::sync::oneshot;

use super::body;
use super::http::{Answer, Answering, Answers, Request};
use super::measured::{Measured, Path};
use super::scorer::{Job, Scorer};
use super::served::{Loaded, Served};
use crate::data::rows;
use crate::error::{Error, Kind};
use crate::tracking::bundle;

/// Reasons of a row where nothing is said, and at most.
const REASONS: usize = 3;
const MOST_REASONS: usize = 100;
/// Bodies above so many bytes are read beside the threads that speak with clients.
const LARGE: usize = 64 << 10;

/// Each path with the method that it takes.
const PATHS: [(&str, &str); 8] = [
    ("/ping", "GET"),
    ("/health", "GET"),
    ("/version", "GET"),
    ("/schema", "GET"),
    ("/metrics", "GET"),
    ("/openapi.json", "GET"),
    ("/invocations", "POST"),
    ("/explain", "POST"),
];

pub struct Endpoints {
    served: Arc<Served>,
    scorer: Scorer,
    measured: Arc<Measured>,
}

impl Endpoints {
    pub fn new(served: Arc<Served>) -> Self {
        let measured = Arc::new(Measured::default());
        let counted = Arc::clone(&measured);
        Self { served, scorer: Scorer::new(move |requests, rows| counted.scored(requests, rows)), measured }
    }

    async fn respond(&self, request: Request) -> Answer {
        let Some((_, method)) = PATHS.iter().find(|(path, _)| *path == request.path) else {
            let known = PATHS.map(|(path, _)| path).join(", ");
            return Answer::error(StatusCode::NOT_FOUND, "ENDPOINT_NOT_FOUND", &format!("no such path; there are {known}"));
        };
        if request.method.as_str() != *method && !(request.method == Method::HEAD && *method == "GET") {
            let answer = Answer::error(StatusCode::METHOD_NOT_ALLOWED, "BAD_REQUEST", &format!("`{}` takes {method}", request.path));
            return Answer { allow: Some(method), ..answer };
        }
        let now = self.served.now();
        match request.path.as_str() {
            "/version" => Answer::new(StatusCode::OK, "text/plain; charset=utf-8", env!("CARGO_PKG_VERSION")),
            "/schema" => Answer::json(StatusCode::OK, &schema(&now)),
            "/metrics" => Answer::new(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", self.measured.text(&now.found.uri)),
            "/openapi.json" => Answer::json(StatusCode::OK, &openapi(&now)),
            "/invocations" => self.measured(Path::Invocations, request, now, 0).await,
            "/explain" => match reasons(&request.query) {
                Some(count) => self.measured(Path::Explain, request, now, count).await,
                None => Answer::error(StatusCode::BAD_REQUEST, "BAD_REQUEST", &format!("`reasons` is a number from 1 to {MOST_REASONS}")),
            },
            _ => Answer::new(StatusCode::OK, "text/plain; charset=utf-8", "\n"),
        }
    }

    async fn measured(&self, path: Path, request: Request, now: Arc<Loaded>, reasons: usize) -> Answer {
        let start = Instant::now();
        let answer = match self.score(request, now, reasons).await {
            Ok(scored) => Answer::json(StatusCode::OK, &json!({ "predictions": records(&scored) })),
            Err(answer) => answer,
        };
        self.measured.answered(path, answer.status.as_u16(), start.elapsed());
        answer
    }

    async fn score(&self, request: Request, loaded: Arc<Loaded>, reasons: usize) -> Result<DataFrame, Answer> {
        let (model, is_large) = (Arc::clone(&loaded), request.body.len() > LARGE);
        let read = move || body::rows(&request.content_type, &request.body, &model.model.chain.inputs);
        let read = if is_large { tokio::task::spawn_blocking(read).await.unwrap_or_else(|_| Err(Error::bug("reading rows panicked"))) } else { read() };
        let rows = read.map_err(|error| refused(&error))?;
        let (reply, replied) = oneshot::channel();
        if !self.scorer.send(Job { loaded, rows, reasons, reply }) {
            return Err(Answer::error(StatusCode::SERVICE_UNAVAILABLE, "TEMPORARILY_UNAVAILABLE", "too many requests wait; try again in a second"));
        }
        match replied.await {
            Ok(scored) => scored.map_err(|error| refused(&error)),
            Err(_) => Err(Answer::error(StatusCode::SERVICE_UNAVAILABLE, "TEMPORARILY_UNAVAILABLE", "the server is stopping")),
        }
    }
}

impl Answers for Endpoints {
    fn answer(self: Arc<Self>, request: Request) -> Answering {
        Box::pin(async move { self.respond(request).await })
    }
}

/// The answer to rows that cannot be scored: the client's fault, or ours.
fn refused(error: &Error) -> Answer {
    let message: Vec<String> = error
        .problems
        .iter()
        .map(|problem| problem.hint.as_ref().map_or_else(|| problem.message.clone(), |hint| format!("{} ({hint})", problem.message)))
        .collect();
    let message = message.join("; ");
    match error.kind {
        Kind::Data | Kind::Config | Kind::Usage => Answer::error(StatusCode::BAD_REQUEST, "BAD_REQUEST", &message),
        _ => Answer::error(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", &message),
    }
}

/// `reasons=5`, or how many there are where nothing is said; `None` where it is no such number.
fn reasons(query: &str) -> Option<usize> {
    match query.split('&').find_map(|pair| pair.strip_prefix("reasons=")) {
        None => Some(REASONS),
        Some(count) => count.parse().ok().filter(|count| (1..=MOST_REASONS).contains(count)),
    }
}

/// Each row as an object of the prediction columns.
fn records(scored: &DataFrame) -> Vec<Map<String, Json>> {
    let names: Vec<String> = scored.get_column_names().into_iter().map(ToString::to_string).collect();
    rows::records(scored, &names)
}

fn columns(pairs: Vec<(String, String)>) -> Vec<Json> {
    pairs.into_iter().map(|(name, kind)| json!({ "name": name, "type": kind })).collect()
}

fn schema(now: &Loaded) -> Json {
    json!({
        "model": now.found.uri,
        "digest": now.digest,
        "inputs": columns(bundle::inputs(&now.model)),
        "outputs": columns(bundle::outputs(&now.model).unwrap_or_default()),
    })
}

/// A JSON Schema type for a type of the signature.
fn json_type(kind: &str) -> Json {
    let (kind, format) = match kind {
        "boolean" => ("boolean", None),
        "string" | "binary" => ("string", None),
        "date" => ("string", Some("date")),
        kind if kind.starts_with("datetime") => ("string", Some("date-time")),
        kind if ["i", "u", "long", "integer"].iter().any(|start| kind.starts_with(start)) => ("integer", None),
        _ => ("number", None),
    };
    let mut schema = json!({ "type": [kind, "null"] });
    if let (Some(format), Json::Object(map)) = (format, &mut schema) {
        map.insert("format".to_owned(), format.into());
    }
    schema
}

/// The server as an `OpenAPI` document.
fn openapi(now: &Loaded) -> Json {
    let object = |pairs: Vec<(String, String)>| -> Json {
        let properties: Map<String, Json> = pairs.into_iter().map(|(name, kind)| (name, json_type(&kind))).collect();
        json!({ "type": "object", "properties": properties })
    };
    let (row, prediction) = (object(bundle::inputs(&now.model)), object(bundle::outputs(&now.model).unwrap_or_default()));
    let list = |of: &str| json!({ "type": "array", "items": { "$ref": of } });
    let lists = json!({ "type": "array", "items": { "type": "array", "items": {} } });
    let either = json!({ "oneOf": [list("#/components/schemas/Row"), lists] });
    let body = json!({
        "oneOf": [
            { "type": "object", "required": ["dataframe_records"], "properties": { "dataframe_records": list("#/components/schemas/Row") } },
            {
                "type": "object",
                "required": ["dataframe_split"],
                "properties": {
                    "dataframe_split": {
                        "type": "object",
                        "required": ["columns", "data"],
                        "properties": { "columns": { "type": "array", "items": { "type": "string" } }, "data": lists },
                    },
                },
            },
            { "type": "object", "required": ["instances"], "properties": { "instances": either } },
            { "type": "object", "required": ["inputs"], "properties": { "inputs": { "oneOf": [either, { "type": "object" }] } } },
        ],
    });
    let text = |status: &str, what: &str| json!({ status: { "description": what } });
    let error = json!({ "description": "What is wrong.", "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } } });
    let scoring = |summary: &str, parameters: Json| {
        json!({
            "summary": summary,
            "parameters": parameters,
            "requestBody": {
                "required": true,
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Rows" } }, "text/csv": { "schema": { "type": "string" } } },
            },
            "responses": {
                "200": {
                    "description": "A prediction for each row.",
                    "content": {
                        "application/json": {
                            "schema": { "type": "object", "required": ["predictions"], "properties": { "predictions": list("#/components/schemas/Prediction") } },
                        },
                    },
                },
                "400": error, "403": error, "408": error, "413": error, "500": error, "503": error,
            },
        })
    };
    let count = json!([{
        "name": "reasons",
        "in": "query",
        "schema": { "type": "integer", "minimum": 1, "maximum": MOST_REASONS, "default": REASONS },
    }]);
    json!({
        "openapi": "3.1.0",
        "info": { "title": now.found.uri, "version": env!("CARGO_PKG_VERSION") },
        "paths": {
            "/invocations": { "post": scoring("Score rows.", json!([])) },
            "/explain": { "post": scoring("Score rows, and say which columns moved each prediction most.", count) },
            "/ping": { "get": { "summary": "Is it there?", "responses": text("200", "It is.") } },
            "/health": { "get": { "summary": "Is it there?", "responses": text("200", "It is.") } },
            "/version": { "get": { "summary": "The program's version.", "responses": text("200", "The version.") } },
            "/schema": { "get": { "summary": "What the model reads and gives.", "responses": text("200", "Names and types.") } },
            "/metrics": { "get": { "summary": "Counters, for Prometheus.", "responses": text("200", "The text format.") } },
            "/openapi.json": { "get": { "summary": "This document.", "responses": text("200", "This document.") } },
        },
        "components": {
            "schemas": {
                "Row": row,
                "Rows": body,
                "Prediction": prediction,
                "Error": {
                    "type": "object",
                    "required": ["error_code", "message"],
                    "properties": { "error_code": { "type": "string" }, "message": { "type": "string" } },
                },
            },
        },
    })
}
