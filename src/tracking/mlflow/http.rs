//! One request and its answer, as plain blocking calls: the only place that speaks HTTP.
//!
//! reqwest is asynchronous; a runtime on the caller's thread drives it, and nothing above knows of it. A request is tried again where the
//! server says that it may help (408, 429, 5xx) or the connection broke, a few times, each after a longer pause. [`Patience`] bounds all
//! of it. Credentials go into headers here and nowhere else; a redirect is not followed, since they would go along.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

pub use reqwest::Method;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Request, Response, Url, header};
use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, Kind, Result, shorten};

/// To come to a connection takes this long at most.
const CONNECT: Duration = Duration::from_secs(5);
/// A server that asks for a longer pause is asked again after this one.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Answers that are no file are this large at most.
const MAX_ANSWER: usize = 64 << 20;
/// What a slow line still does in a second.
const BYTES_A_SECOND: u64 = 1 << 20;

/// Who asks, and how patiently: what MLflow's own variables say. Never stored, never shown.
#[derive(Clone, Default, PartialEq)]
pub struct Credentials {
    user: Option<(String, String)>,
    token: Option<String>,
    is_insecure: bool,
    certificate: Option<String>,
    timeout: Option<f64>,
    retries: Option<u32>,
    backoff: Option<f64>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

impl Credentials {
    /// Reads `MLFLOW_TRACKING_USERNAME` and `_PASSWORD`, `MLFLOW_TRACKING_TOKEN`, `MLFLOW_TRACKING_INSECURE_TLS`,
    /// `MLFLOW_TRACKING_SERVER_CERT_PATH`, `MLFLOW_HTTP_REQUEST_TIMEOUT`, `_MAX_RETRIES` and `_BACKOFF_FACTOR`.
    #[must_use]
    pub fn of(environment: &BTreeMap<String, String>) -> Self {
        let get = |name: &str| environment.get(name).filter(|value| !value.is_empty()).cloned();
        let number = |name: &str| get(name).and_then(|value| value.trim().parse::<f64>().ok()).filter(|value| value.is_finite() && *value >= 0.0);
        Self {
            user: get("MLFLOW_TRACKING_USERNAME").zip(get("MLFLOW_TRACKING_PASSWORD")),
            token: get("MLFLOW_TRACKING_TOKEN"),
            is_insecure: get("MLFLOW_TRACKING_INSECURE_TLS").is_some_and(|value| matches!(value.to_lowercase().as_str(), "true" | "1")),
            certificate: get("MLFLOW_TRACKING_SERVER_CERT_PATH"),
            timeout: number("MLFLOW_HTTP_REQUEST_TIMEOUT").filter(|seconds| *seconds > 0.0),
            retries: number("MLFLOW_HTTP_REQUEST_MAX_RETRIES").map(|count| count.min(20.0) as u32),
            backoff: number("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR").map(|seconds| seconds.min(60.0)),
        }
    }
}

/// The address of a server, without a slash at its end; the error is a message and a hint that do not show it where it holds a password.
///
/// # Errors
/// What is no address of a server, or holds more than one.
pub fn address(text: &str) -> Result<String, (String, &'static str)> {
    let url = Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(url) = url else {
        let hint = "`http://HOST:PORT` or `https://HOST`; leave it out, and runs and models are kept in the project's own `.recipe/`";
        return Err((format!("not the address of an MLflow server: `{}`", shorten(text)), hint));
    };
    if !url.username().is_empty() || url.password().is_some() {
        let hint = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, in the environment or in `.env`";
        return Err(("the address of an MLflow server may not hold a user or a password: it is kept with runs and shown".to_owned(), hint));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err((format!("the address of an MLflow server ends with its path: `{}`", shorten(text)), "leave out what follows `?` or `#`"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// How long one waits.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For an answer, besides what the bytes take that go over the line.
    answer: Duration,
    /// How often a request is tried again.
    retries: u32,
    /// The first pause; each is twice as long as the one before.
    pause: Duration,
    /// When all is over.
    end: Option<Instant>,
}

impl Patience {
    /// As the environment says, and `total` for everything together.
    #[must_use]
    pub fn of(credentials: &Credentials, total: Option<Duration>) -> Self {
        Self {
            answer: Duration::from_secs_f64(credentials.timeout.unwrap_or(30.0).clamp(0.001, 86_400.0)),
            retries: credentials.retries.unwrap_or(3),
            pause: Duration::from_secs_f64(credentials.backoff.unwrap_or(0.25)),
            end: total.and_then(|total| Instant::now().checked_add(total)),
        }
    }

    /// What is left of the whole time; none where it is over.
    fn left(&self) -> Option<Duration> {
        match self.end {
            None => Some(Duration::MAX),
            Some(end) => end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()),
        }
    }
}

/// Why a call failed.
#[derive(Debug)]
pub enum Failure {
    /// Nobody is there.
    Absent(String),
    /// No whole answer came, or not in time. What was asked for may have been done.
    Down(String),
    /// The server says no, and perhaps how long to wait before it is asked again.
    Refused { status: u16, code: String, message: String, pause: Option<Duration> },
    /// What answers is no MLflow server, or says what one cannot mean.
    Nonsense(String),
    /// It failed on this side.
    Here(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Here(error)
    }
}

impl Failure {
    /// Is it of no use to ask this server for anything else now?
    #[must_use]
    pub fn is_down(&self) -> bool {
        match self {
            Self::Absent(_) | Self::Down(_) => true,
            Self::Refused { status, .. } => matches!(status, 401 | 403 | 408 | 429 | 500..=599),
            Self::Nonsense(_) | Self::Here(_) => false,
        }
    }

    /// May the same request be answered a little later?
    fn may_pass(&self) -> bool {
        match self {
            Self::Down(_) => true,
            Self::Refused { status, .. } => matches!(status, 408 | 429 | 500..=599),
            Self::Absent(_) | Self::Nonsense(_) | Self::Here(_) => false,
        }
    }

    /// Does the server say this error code of MLflow?
    #[must_use]
    pub fn says(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }

    /// As a user sees it; exit code 11, but where it failed on this side.
    #[must_use]
    pub fn into_error(self, uri: &str) -> Error {
        let remote = |message: String| Error::new(Kind::Remote, message);
        match self {
            Self::Here(error) => error,
            Self::Absent(why) | Self::Down(why) => {
                remote(format!("the MLflow server `{uri}` does not answer: {why}")).hint("check its address, and that it runs")
            }
            Self::Nonsense(why) => remote(format!("`{uri}` does not answer as an MLflow server: {why}")).hint("check its address; MLflow 2.22 and 3 are known"),
            Self::Refused { status: status @ (401 | 403), message, .. } => remote(format!("the MLflow server `{uri}` lets nobody in: {status}, {message}"))
                .hint("set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"),
            Self::Refused { status, code, message, .. } => {
                let code = if code.is_empty() { String::new() } else { format!(" {code}") };
                remote(format!("the MLflow server `{uri}` says no: {status}{code}, {message}"))
            }
        }
    }
}

/// What goes along with a request.
#[derive(Clone, Copy)]
pub enum Body<'a> {
    Nothing,
    Json(&'a serde_json::Value),
    Bytes(&'a [u8]),
    File(&'a Path),
}

/// A client of one server, for one thread.
pub struct Http {
    /// Always there but while it is dropped.
    runtime: Option<Runtime>,
    client: Client,
    credentials: Credentials,
    patience: Patience,
}

impl Http {
    /// A client for the servers at these addresses.
    ///
    /// # Errors
    /// Exit code 3 for a certificate that cannot be read, 6 where the system has no sockets left.
    pub fn new(uris: &[&str], credentials: &Credentials, patience: Patience) -> Result<Self> {
        let failed = |error: &dyn std::fmt::Display| Error::new(Kind::Io, format!("cannot open connections: {error}"));
        let runtime = Builder::new_current_thread().enable_io().enable_time().build().map_err(|error| failed(&error))?;
        let mut client = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .user_agent(concat!("recipe/", env!("CARGO_PKG_VERSION")))
            // The system's certificates take a moment to read.
            .tls_built_in_root_certs(uris.iter().any(|uri| uri.starts_with("https:")) && credentials.certificate.is_none());
        if credentials.is_insecure {
            if credentials.certificate.is_some() {
                return Err(Error::config("MLFLOW_TRACKING_INSECURE_TLS and MLFLOW_TRACKING_SERVER_CERT_PATH are both set")
                    .hint("a certificate is checked or it is not: take one of them away"));
            }
            client = client.danger_accept_invalid_certs(true);
        }
        if let Some(path) = &credentials.certificate {
            let unfit = |why: String| Error::config(format!("MLFLOW_TRACKING_SERVER_CERT_PATH: {why}")).hint("it names a file with certificates in PEM format");
            let text = std::fs::read(path).map_err(|error| unfit(format!("cannot read `{path}`: {error}")))?;
            let known = Certificate::from_pem_bundle(&text).ok().filter(|known| !known.is_empty());
            for certificate in known.ok_or_else(|| unfit(format!("`{path}` holds no certificate")))? {
                client = client.add_root_certificate(certificate);
            }
        }
        let client = client.build().map_err(|error| failed(&last_cause(&error)))?;
        Ok(Self { runtime: Some(runtime), client, credentials: credentials.clone(), patience })
    }

    /// Does something again while that may help and there is time; it hears how often it was tried before.
    ///
    /// # Errors
    /// The last failure.
    pub fn again<T>(&self, mut once: impl FnMut(u32) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut pause = self.patience.pause;
        let mut tried = 0;
        loop {
            if self.patience.left().is_none() {
                return Err(Failure::Down("the time for it is over".to_owned()));
            }
            let failure = match once(tried) {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            let wanted = if let Failure::Refused { pause, .. } = &failure { *pause } else { None };
            let wait = wanted.unwrap_or(pause).min(LONGEST_PAUSE);
            if !failure.may_pass() || tried >= self.patience.retries || self.patience.left().is_none_or(|left| left <= wait) {
                return Err(failure);
            }
            std::thread::sleep(wait);
            pause = pause.saturating_mul(2);
            tried += 1;
        }
    }

    /// Asks for JSON, once.
    ///
    /// # Errors
    /// [`Failure::Refused`] with what the server says; another where nothing sensible comes.
    pub fn json(&self, method: &Method, url: &str, query: &[(&str, &str)], body: Body<'_>) -> Result<serde_json::Value, Failure> {
        let bytes = self.call(method, url, query, body, "application/json")?;
        serde_json::from_slice(&bytes).map_err(|_| Failure::Nonsense(format!("no JSON but `{}`", shorten(&String::from_utf8_lossy(&bytes)))))
    }

    /// Asks for a text.
    ///
    /// # Errors
    /// As [`Http::json`].
    pub fn text(&self, url: &str) -> Result<String, Failure> {
        let bytes = self.again(|_| self.call(&Method::GET, url, &[], Body::Nothing, "*/*"))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Puts a file somewhere; what the server answers says no more than that it has it.
    ///
    /// # Errors
    /// As [`Http::json`].
    pub fn put(&self, url: &str, body: Body<'_>) -> Result<(), Failure> {
        self.again(|_| self.call(&Method::PUT, url, &[], body, "*/*")).map(|_| ())
    }

    /// Writes what lies at a URL to a file, no more than `limit` bytes of it.
    ///
    /// # Errors
    /// As [`Http::json`]; a disk that is full.
    pub fn download(&self, url: &str, to: &Path, limit: u64) -> Result<(), Failure> {
        let timeout = self.patience.answer.saturating_add(Duration::from_secs(limit / BYTES_A_SECOND));
        self.again(|_| {
            let request = self.request(&Method::GET, url, &[], Body::Nothing, "*/*", timeout)?;
            self.block(async {
                let mut response = self.client.execute(request).await.map_err(|error| down(&error))?;
                if response.status().as_u16() != 200 {
                    return whole(response).await.map(|_| ());
                }
                let mut file = File::create(to).map_err(|error| Error::io("write", to, &error))?;
                let mut left = limit;
                while let Some(part) = response.chunk().await.map_err(|error| down(&error))? {
                    left = left.checked_sub(part.len() as u64).ok_or_else(|| Failure::Nonsense(format!("a file is larger than {limit} bytes")))?;
                    file.write_all(&part).map_err(|error| Error::io("write", to, &error))?;
                }
                Ok(())
            })
        })
    }

    fn call(&self, method: &Method, url: &str, query: &[(&str, &str)], body: Body<'_>, accept: &str) -> Result<Vec<u8>, Failure> {
        let size = match body {
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::File(path) => std::fs::metadata(path).map_err(|error| Error::io("read", path, &error))?.len(),
            Body::Nothing | Body::Json(_) => 0,
        };
        let timeout = self.patience.answer.saturating_add(Duration::from_secs(size / BYTES_A_SECOND));
        let request = self.request(method, url, query, body, accept, timeout)?;
        self.block(async { whole(self.client.execute(request).await.map_err(|error| down(&error))?).await })
    }

    fn request(&self, method: &Method, url: &str, query: &[(&str, &str)], body: Body<'_>, accept: &str, timeout: Duration) -> Result<Request, Failure> {
        let mut request = self.client.request(method.clone(), url).query(query).header(header::ACCEPT, accept);
        request = match (&self.credentials.user, &self.credentials.token) {
            (Some((user, password)), _) => request.basic_auth(user, Some(password)),
            (None, Some(token)) => request.bearer_auth(token),
            (None, None) => request,
        };
        request = match body {
            Body::Nothing => request,
            Body::Json(value) => request.header(header::CONTENT_TYPE, "application/json").body(value.to_string()),
            Body::Bytes(bytes) => request.body(bytes.to_vec()),
            Body::File(path) => request.body(std::fs::read(path).map_err(|error| Error::io("read", path, &error))?),
        };
        let left = self.patience.left().unwrap_or(Duration::from_millis(1));
        request.timeout(timeout.min(left)).build().map_err(|error| Failure::Nonsense(format!("it cannot be asked: {}", last_cause(&error))))
    }

    fn block<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        match &self.runtime {
            Some(runtime) => runtime.block_on(work),
            None => Err(Failure::Here(Error::bug("a client is used after its end"))),
        }
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        // A name that is still being looked up must not hold up the program.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn down(error: &reqwest::Error) -> Failure {
    let why = last_cause(error);
    if error.is_connect() {
        Failure::Absent(why)
    } else if error.is_timeout() {
        Failure::Down("no answer in time".to_owned())
    } else {
        Failure::Down(format!("the connection broke: {why}"))
    }
}

/// The innermost reason, which says most and holds no address.
fn last_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    shorten(&cause.to_string())
}

/// All of an answer, unless it is a refusal.
async fn whole(mut response: Response) -> Result<Vec<u8>, Failure> {
    let text = |name: header::HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let pause = text(header::RETRY_AFTER).trim().parse().ok().map(Duration::from_secs);
    let is_page = text(header::CONTENT_TYPE).contains("html");
    let status = response.status().as_u16();
    if (300..400).contains(&status) {
        return Err(Failure::Nonsense(format!("it sends elsewhere: `{}`", shorten(&text(header::LOCATION)))));
    }
    let mut bytes = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| down(&error))? {
        if bytes.len() + part.len() > MAX_ANSWER {
            return Err(Failure::Nonsense("it says more than anyone would read".to_owned()));
        }
        bytes.extend_from_slice(&part);
    }
    if (200..300).contains(&status) {
        return Ok(bytes);
    }
    let said: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let part = |name: &str| said.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
    let message = match part("message") {
        Some(message) => first_line(&message),
        None if is_page => "a page of HTML".to_owned(),
        None => shorten(String::from_utf8_lossy(&bytes).trim()),
    };
    Err(Failure::Refused { status, code: part("error_code").unwrap_or_default(), message, pause })
}

/// A server's words, as far as they say what is wrong.
fn first_line(message: &str) -> String {
    let line: String = message.lines().next().unwrap_or_default().chars().take(300).collect();
    line.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_whole_and_never_shown() {
        let set = |pairs: &[(&str, &str)]| Credentials::of(&pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
        let both = set(&[("MLFLOW_TRACKING_USERNAME", "ann"), ("MLFLOW_TRACKING_PASSWORD", "s3cret"), ("MLFLOW_TRACKING_TOKEN", "t0ken")]);
        assert_eq!(both.user, Some(("ann".to_owned(), "s3cret".to_owned())));
        assert_eq!(format!("{both:?}"), "Credentials(…)");
        // A name without a password lets nobody in.
        assert_eq!(set(&[("MLFLOW_TRACKING_USERNAME", "ann"), ("MLFLOW_TRACKING_INSECURE_TLS", "false")]), Credentials::default());
    }

    #[test]
    fn an_address_holds_no_password_and_its_error_shows_none() {
        assert_eq!(address("HTTP://MLflow.example:5000/prefix/").as_deref(), Ok("http://mlflow.example:5000/prefix"));
        for text in ["https://ann:s3cret@host", "https://s3cret@host/"] {
            let (message, hint) = address(text).unwrap_err();
            assert!(!format!("{message}{hint}").contains("s3cret"), "{message}");
        }
        for text in ["sqlite:///mlruns.db", "databricks", "", "http://", "./mlruns", "http://host/?x=1"] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
