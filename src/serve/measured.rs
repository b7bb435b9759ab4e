//! What the server counts, in Prometheus' text format.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The greatest seconds of each bucket.
const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Classes of answers: 2xx, 4xx, 5xx.
const CLASSES: [(&str, u16); 3] = [("2xx", 2), ("4xx", 4), ("5xx", 5)];

/// Counters since the start.
#[derive(Default)]
pub struct Measured {
    answers: [[AtomicU64; CLASSES.len()]; 2],
    buckets: [AtomicU64; BUCKETS.len() + 1],
    micros: AtomicU64,
    batches: AtomicU64,
    batched: AtomicU64,
    rows: AtomicU64,
}

/// The paths that are told apart.
#[derive(Clone, Copy)]
pub enum Path {
    Invocations,
    Explain,
}

impl Measured {
    /// A request was answered.
    pub fn answered(&self, path: Path, status: u16, took: Duration) {
        if let Some(class) = CLASSES.iter().position(|(_, hundreds)| status / 100 == *hundreds) {
            self.answers[path as usize][class].fetch_add(1, Relaxed);
        }
        let seconds = took.as_secs_f64();
        let bucket = BUCKETS.iter().position(|most| seconds <= *most).unwrap_or(BUCKETS.len());
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.micros.fetch_add(took.as_micros() as u64, Relaxed);
    }

    /// Requests were scored together.
    pub fn scored(&self, requests: usize, rows: usize) {
        self.batches.fetch_add(1, Relaxed);
        self.batched.fetch_add(requests as u64, Relaxed);
        self.rows.fetch_add(rows as u64, Relaxed);
    }

    pub fn text(&self, model: &str) -> String {
        let mut text = String::new();
        let head = |text: &mut String, name: &str, kind: &str, help: &str| {
            let _ = writeln!(text, "# HELP recipe_{name} {help}\n# TYPE recipe_{name} {kind}");
        };
        head(&mut text, "requests_total", "counter", "Requests that were answered.");
        for (path, counts) in ["/invocations", "/explain"].iter().zip(&self.answers) {
            for ((class, _), count) in CLASSES.iter().zip(counts) {
                let _ = writeln!(text, "recipe_requests_total{{path=\"{path}\",status=\"{class}\"}} {}", count.load(Relaxed));
            }
        }
        head(&mut text, "request_seconds", "histogram", "Seconds from a whole request to its answer.");
        let mut sum = 0;
        for (i, count) in self.buckets.iter().enumerate() {
            sum += count.load(Relaxed);
            let most = BUCKETS.get(i).map_or_else(|| "+Inf".to_owned(), f64::to_string);
            let _ = writeln!(text, "recipe_request_seconds_bucket{{le=\"{most}\"}} {sum}");
        }
        let seconds = self.micros.load(Relaxed) as f64 / 1e6;
        let _ = writeln!(text, "recipe_request_seconds_sum {seconds}\nrecipe_request_seconds_count {sum}");
        for (name, help, count) in [
            ("batches_total", "Queries that scored rows of one or several requests.", &self.batches),
            ("batched_requests_total", "Requests in these queries.", &self.batched),
            ("rows_total", "Rows that were scored.", &self.rows),
        ] {
            head(&mut text, name, "counter", help);
            let _ = writeln!(text, "recipe_{name} {}", count.load(Relaxed));
        }
        head(&mut text, "model_info", "gauge", "The model that is served.");
        let escaped = model.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = writeln!(text, "recipe_model_info{{model=\"{escaped}\"}} 1");
        text
    }
}
