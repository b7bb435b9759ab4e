//! An HTTP/1.1 server within limits: it knows requests and answers, and nothing of models or pages.
//!
//! hyper speaks the protocol. What is ours: how many connections there may be, how long a client may take over its headers and its body, how
//! large either may be, and whom a server on loopback answers. A page in a browser can send requests to loopback, under any name that its
//! owner lets point there; so the `Host` must be one that means this machine, and an `Origin` must be the server's own.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use hyper::service::service_fn;
pub use hyper::{Method, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::error::{Error, Kind, Result};

/// Headers of a request, at most, in number and bytes.
const HEADERS: usize = 64;
const HEADER_BYTES: usize = 32 << 10;
/// As much as a main thread has, for queries and pages that nest.
const STACK: usize = 8 << 20;
/// How long requests that were taken may last once the server is told to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(10);

/// What one client may cost.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a body.
    pub body: usize,
    /// A client has this long for its headers, and as long for its body; a connection without a request is closed after it.
    pub patience: Duration,
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: 16 << 20, patience: Duration::from_secs(10), connections: 4096 }
    }
}

/// Whom the server answers.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    pub is_loopback: bool,
    /// Names, without a port, that are allowed; beyond loopback any where there are none.
    pub hosts: Vec<String>,
}

impl Guard {
    /// Is a request that names this host, from this origin, to be answered?
    fn admits(&self, host: Option<&str>, origin: Option<&str>) -> bool {
        let Some(host) = host else { return false };
        let name = without_port(host);
        let is_known = self.hosts.iter().any(|known| known.eq_ignore_ascii_case(name));
        let is_here = matches!(name, "127.0.0.1" | "[::1]") || name.eq_ignore_ascii_case("localhost");
        let is_admitted = if self.is_loopback { is_here || is_known } else { is_known || self.hosts.is_empty() };
        let is_own =
            |origin: &str| ["http://", "https://"].iter().any(|scheme| origin.strip_prefix(scheme).is_some_and(|from| from.eq_ignore_ascii_case(host)));
        is_admitted && origin.is_none_or(is_own)
    }
}

/// `localhost` of `localhost:8080`, `[::1]` of `[::1]:8080`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && (!name.contains(':') || name.ends_with(']')) => name,
        _ => host,
    }
}

/// What a client asks.
pub struct Request {
    pub method: Method,
    pub path: String,
    /// What stands behind `?`, as it is written.
    pub query: String,
    /// `text/csv; charset=utf-8`, in lower case.
    pub content_type: String,
    pub body: Bytes,
}

/// What it gets.
pub struct Answer {
    pub status: StatusCode,
    pub content_type: &'static str,
    pub body: Bytes,
    /// The method that would have done, where another was used.
    pub allow: Option<&'static str>,
    /// What a browser may do with it, where it is a page: its content policy.
    pub policy: Option<&'static str>,
}

impl Answer {
    #[must_use]
    pub fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status, content_type, body: body.into(), allow: None, policy: None }
    }

    #[must_use]
    pub fn json(status: StatusCode, body: &serde_json::Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    /// An error in `MLflow`'s form.
    #[must_use]
    pub fn error(status: StatusCode, code: &str, message: &str) -> Self {
        Self::json(status, &serde_json::json!({ "error_code": code, "message": message }))
    }
}

/// What an endpoint does, later.
pub type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// An answer that takes time, found beside the threads that speak with clients. One that panics is a fault of this program.
pub fn beside(work: impl FnOnce() -> Answer + Send + 'static) -> Answering {
    Box::pin(async move {
        let broken = |_| Answer::error(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", "the answer panicked");
        tokio::task::spawn_blocking(work).await.unwrap_or_else(broken)
    })
}

/// What answers requests.
pub trait Answers: Send + Sync + 'static {
    fn answer(self: Arc<Self>, request: Request) -> Answering;
}

/// Listens until `stop` says so or is dropped; `ready` is told the address. Requests that were taken are answered first.
///
/// # Errors
/// Exit code 6 where the address cannot be listened on.
pub fn listen(
    address: SocketAddr,
    limits: &Limits,
    guard: Guard,
    answers: &Arc<impl Answers>,
    stop: Receiver<()>,
    ready: impl FnOnce(SocketAddr),
) -> Result<()> {
    let failed = |error: &std::io::Error| {
        Error::new(Kind::Io, format!("cannot listen on {address}: {error}"))
            .hint("another program may listen there: choose a free port with `--port`, or 0 for any")
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_stack_size(STACK).enable_all().build().map_err(|error| failed(&error))?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await.map_err(|error| failed(&error))?;
        ready(listener.local_addr().map_err(|error| failed(&error))?);
        let stopped = tokio::task::spawn_blocking(move || stop.recv());
        tokio::pin!(stopped);
        let (room, graceful) = (Arc::new(Semaphore::new(limits.connections)), GracefulShutdown::new());
        let shared = Arc::new((limits.clone(), guard));
        loop {
            let place = tokio::select! {
                place = Arc::clone(&room).acquire_owned() => place,
                _ = &mut stopped => break,
            };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = &mut stopped => break,
            };
            // A client that is gone again, or no file left for it: the next one may have more luck.
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let _ = stream.set_nodelay(true);
            let (shared, answers) = (Arc::clone(&shared), Arc::clone(answers));
            let service = service_fn(move |request| {
                let (shared, answers) = (Arc::clone(&shared), Arc::clone(&answers));
                async move { Ok::<_, Infallible>(respond(request, &shared.0, &shared.1, answers).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.patience)
                .max_headers(HEADERS)
                .max_buf_size(HEADER_BYTES)
                .serve_connection(TokioIo::new(stream), service);
            let watched = graceful.watch(connection);
            tokio::spawn(async move {
                // A client that broke off is no fault of the server.
                let _ = watched.await;
                drop(place);
            });
        }
        let _ = tokio::time::timeout(LAST_REQUESTS, graceful.shutdown()).await;
        Ok(())
    })
}

type Responded = hyper::Response<Full<Bytes>>;

async fn respond(request: hyper::Request<Incoming>, limits: &Limits, guard: &Guard, answers: Arc<impl Answers>) -> Responded {
    let (head, body) = request.into_parts();
    let header = |name| head.headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
    if !guard.admits(header(HOST), header(ORIGIN)) {
        return sent(Answer::error(StatusCode::FORBIDDEN, "PERMISSION_DENIED", "this host or origin is not answered; `--allow-host` allows one"));
    }
    let content_type = header(CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
    let body = match tokio::time::timeout(limits.patience, Limited::new(body, limits.body).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let message =
                format!("a body has at most {} bytes; send fewer rows at a time, or raise the limit of `recipe serve` with `--max-body`", limits.body);
            return sent(Answer::error(StatusCode::PAYLOAD_TOO_LARGE, "BAD_REQUEST", &message));
        }
        Ok(Err(_)) => return sent(Answer::error(StatusCode::BAD_REQUEST, "BAD_REQUEST", "the body broke off")),
        Err(_) => return sent(Answer::error(StatusCode::REQUEST_TIMEOUT, "BAD_REQUEST", "the body did not come in time")),
    };
    let (path, query) = (head.uri.path().to_owned(), head.uri.query().unwrap_or_default().to_owned());
    sent(answers.answer(Request { method: head.method, path, query, content_type, body }).await)
}

fn sent(answer: Answer) -> Responded {
    let mut response = hyper::Response::new(Full::new(answer.body));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(policy) = answer.policy {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        // Forms send their origin, which they would not without any referrer.
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        for name in ["cross-origin-opener-policy", "cross-origin-resource-policy"] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("same-origin"));
        }
    }
    if answer.status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if let Some(allow) = answer.allow {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_s_names_are_answered_on_loopback() {
        let guard = Guard { is_loopback: true, hosts: vec!["model.test".to_owned()] };
        for host in ["localhost:8080", "LOCALHOST", "127.0.0.1:1", "[::1]:8080", "[::1]", "model.test:80"] {
            assert!(guard.admits(Some(host), None), "{host}");
        }
        for host in ["evil.test", "localhost.evil.test", "127.0.0.1.evil.test:80", "0.0.0.0:80", ""] {
            assert!(!guard.admits(Some(host), None), "{host}");
        }
        assert!(!guard.admits(None, None));
        assert!(guard.admits(Some("localhost:8080"), Some("http://localhost:8080")));
        for origin in ["http://evil.test", "null", "http://localhost:8081", "http://localhost:8080.evil.test"] {
            assert!(!guard.admits(Some("localhost:8080"), Some(origin)), "{origin}");
        }
        let open = Guard { is_loopback: false, hosts: Vec::new() };
        assert!(open.admits(Some("anything.test"), None) && !open.admits(Some("anything.test"), Some("http://evil.test")));
        assert!(!Guard { is_loopback: false, hosts: vec!["model.test".to_owned()] }.admits(Some("anything.test"), None));
    }
}
