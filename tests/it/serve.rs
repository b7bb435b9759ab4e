//! `recipe serve`: the scoring protocol, limits, and a model that changes under it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::project::Project;

/// A server that is ended with the test.
struct Server {
    child: Child,
    address: String,
    stderr: BufReader<std::process::ChildStderr>,
}

impl Server {
    fn start(project: &Project, arguments: &[&str]) -> Self {
        let words: Vec<&str> = ["serve"].iter().chain(arguments).chain(&["--port", "0"]).copied().collect();
        let mut child = project.command(&words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let address = line.trim().rsplit_once("http://").unwrap_or_else(|| panic!("{line}")).1.to_owned();
        Self { child, address, stderr }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        stream
    }

    /// A request as it is written; gives the status, the headers and the body.
    fn raw(&self, text: &[u8]) -> (u16, BTreeMap<String, String>, String) {
        let mut stream = self.connect();
        // The server may answer, and close, before it has read all.
        let _ = stream.write_all(text);
        answer(&mut BufReader::new(stream))
    }

    fn request(&self, method: &str, path: &str, content_type: &str, body: &str) -> (u16, String) {
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let (status, _, body) = self.raw(text.as_bytes());
        (status, body)
    }

    fn get(&self, path: &str) -> String {
        let (status, body) = self.request("GET", path, "text/plain", "");
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let (status, body) = self.request("POST", path, "application/json", &body.to_string());
        (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{body}")))
    }

    /// The server is told to stop; gives its exit code and what it said since it began.
    fn stop(mut self) -> (Option<i32>, String) {
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        let code = self.child.wait().unwrap().code();
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).unwrap();
        (code, said)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answer(stream: &mut impl BufRead) -> (u16, BTreeMap<String, String>, String) {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("`{line}`"));
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    (status, headers, String::from_utf8(body).unwrap())
}

/// The rows of the project's data as the model says them, and as JSON.
fn expected(project: &Project) -> (Vec<f64>, Vec<Value>, String) {
    let csv = project.read("data/houses.csv");
    let csv: String = csv.lines().take(41).map(|line| format!("{line}\n")).collect();
    project.write("few.csv", &csv);
    project.ok(&["predict", "models:/houses@champion", "few.csv", "-o", "scored.jsonl"]);
    let rows: Vec<Value> = project.read("scored.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (rows.iter().map(|row| row["prediction"].as_f64().unwrap()).collect(), rows, csv)
}

fn predictions(answer: &Value) -> Vec<f64> {
    answer["predictions"].as_array().unwrap_or_else(|| panic!("{answer}")).iter().map(|row| row["prediction"].as_f64().unwrap()).collect()
}

#[test]
fn a_model_answers_as_predict_does_in_every_form_and_to_many_at_once() {
    let project = Project::regression();
    project.ok(&["run"]);
    let (wanted, rows, csv) = expected(&project);
    let server = Server::start(&project, &["models:/houses@champion"]);
    assert_eq!((server.get("/ping"), server.get("/health")), ("\n".to_owned(), "\n".to_owned()));
    assert_eq!(server.get("/version"), env!("CARGO_PKG_VERSION"));

    let (status, said) = server.post("/invocations", &json!({ "dataframe_records": rows }));
    assert_eq!((status, predictions(&said)), (200, wanted.clone()));
    let (status, said) = server.request("POST", "/invocations", "text/csv", &csv);
    assert_eq!((status, predictions(&serde_json::from_str(&said).unwrap())), (200, wanted.clone()));
    let (status, said) = server.post("/explain?reasons=2", &json!({ "dataframe_records": rows }));
    assert_eq!((status, predictions(&said)), (200, wanted.clone()));
    let first = &said["predictions"][0];
    assert!(first["reason_1"].is_string() && first["reason_2_contribution"].is_number() && first.get("reason_3").is_none(), "{first}");

    // One row a request, from many clients: each has the answer to its own row.
    std::thread::scope(|scope| {
        for client in 0..8 {
            let (server, rows, wanted) = (&server, &rows, &wanted);
            scope.spawn(move || {
                let mut stream = server.connect();
                let mut replies = BufReader::new(stream.try_clone().unwrap());
                for row in (0..rows.len()).map(|i| (i * 7 + client) % rows.len()) {
                    let body = json!({ "instances": [rows[row]] }).to_string();
                    let head =
                        format!("POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
                    stream.write_all((head + &body).as_bytes()).unwrap();
                    let (status, _, said) = answer(&mut replies);
                    assert_eq!((status, predictions(&serde_json::from_str(&said).unwrap())), (200, vec![wanted[row]]));
                }
            });
        }
    });
    let metrics = server.get("/metrics");
    assert!(metrics.contains(&format!("recipe_requests_total{{path=\"/invocations\",status=\"2xx\"}} {}", 2 + 8 * rows.len())), "{metrics}");
    assert!(metrics.contains(&format!("recipe_rows_total {}", 3 * rows.len() + 8 * rows.len())), "{metrics}");
    let openapi: Value = serde_json::from_str(&server.get("/openapi.json")).unwrap();
    assert_eq!(openapi["components"]["schemas"]["Row"]["properties"]["area"]["type"], json!(["integer", "null"]));

    // Another version becomes the champion, and answers.
    project.ok(&["run", "train.estimator_params.alpha=50"]);
    let (moved, ..) = expected(&project);
    assert_ne!(moved, wanted);
    let since = Instant::now();
    while !server.get("/schema").contains("models:/houses/2") {
        assert!(since.elapsed() < Duration::from_mins(1), "the alias has moved and the server has not");
        std::thread::sleep(Duration::from_millis(50));
    }
    let (_, said) = server.post("/invocations", &json!({ "dataframe_records": rows }));
    assert_eq!(predictions(&said), moved);
    let (code, said) = server.stop();
    assert!(code == Some(0) && said.contains("now serving models:/houses/2") && said.ends_with("stopped\n"), "{code:?} {said}");
}

#[test]
fn what_cannot_be_answered_is_refused_and_the_next_request_is_answered() {
    let project = Project::regression();
    project.ok(&["run"]);
    let (wanted, rows, _) = expected(&project);
    let server = Server::start(&project, &["models:/houses@champion", "--max-body", "100000", "--timeout", "1"]);
    let head = |lines: &str| format!("GET /ping HTTP/1.1\r\n{lines}\r\n\r\n").into_bytes();
    let post = |length: usize| {
        format!("POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n").into_bytes()
    };
    for (name, request, wanted) in [
        ("another host", head("Host: evil.test"), 403),
        ("no host", head("Accept: */*"), 403),
        ("another origin", head("Host: localhost\r\nOrigin: http://evil.test"), 403),
        ("a large body", [post(200_000), vec![b' '; 200_000]].concat(), 413),
        ("a body that does not come", post(50), 408),
        ("no HTTP", b"\x16\x03\x01\r\n\r\n".to_vec(), 400),
        ("too many headers", head(&format!("Host: localhost\r\n{}", (0..100).map(|i| format!("X-{i}: 1")).collect::<Vec<_>>().join("\r\n"))), 431),
    ] {
        assert_eq!(server.raw(&request).0, wanted, "{name}");
    }
    // A client that says nothing is not waited for.
    let mut silent = server.connect();
    assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0);

    assert_eq!(server.request("GET", "/nothing", "text/plain", "").0, 404);
    let (status, headers, _) = server.raw(&format!("GET /invocations HTTP/1.1\r\nHost: {}\r\n\r\n", server.address).into_bytes());
    assert_eq!((status, headers["allow"].as_str()), (405, "POST"));
    for (body, says) in [
        (json!({ "dataframe_records": [{ "aera": 1 }] }), "did `aera` replace it"),
        (json!({ "dataframe_records": [{ "area": "large" }] }), "row 1, column `area`"),
        (json!([]), "rows stand under one of"),
    ] {
        let (status, said) = server.post("/invocations", &body);
        assert!(status == 400 && said["message"].as_str().unwrap().contains(says), "{said}");
    }
    assert_eq!(server.post("/explain?reasons=0", &json!({ "dataframe_records": rows })).0, 400);
    let (status, said) = server.post("/invocations", &json!({ "dataframe_records": rows }));
    assert_eq!((status, predictions(&said)), (200, wanted));

    let taken = project.recipe(&["serve", "models:/houses@champion", "--port", server.address.rsplit_once(':').unwrap().1]);
    assert!(taken.code == 6 && taken.stderr.contains("cannot listen on 127.0.0.1"), "{}", taken.stderr);
    let absent = project.recipe(&["serve", "models:/flats@champion"]);
    assert_eq!(absent.code, 7, "{}", absent.stderr);
}
