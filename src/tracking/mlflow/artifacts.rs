//! Where a server keeps files: behind itself, or in a folder that both can reach.

use std::path::{Path, PathBuf};

use super::http::{Body, Failure, Http};
use crate::error::{Error, Kind, shorten};

/// A folder of artifacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// The server takes and gives files at this URL.
    Proxied(String),
    /// A folder of this machine, or one that it shares with the server.
    Folder(PathBuf),
}

impl Root {
    /// Reads an artifact URI of the server at `server`.
    ///
    /// # Errors
    /// A place that only other programs reach, such as a bucket.
    pub fn of(server: &str, uri: &str) -> Result<Self, Failure> {
        let unknown = || {
            let error = Error::new(Kind::Remote, format!("the MLflow server `{server}` keeps its files where this program cannot go: `{}`", shorten(uri)));
            Failure::Here(error.hint("start it with `--serve-artifacts`, and name another experiment: one keeps its place for files"))
        };
        if let Some(rest) = uri.strip_prefix("mlflow-artifacts:") {
            let path = match rest.strip_prefix("//") {
                // Credentials go to the server that was named and to no other.
                Some(rest) => {
                    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
                    let own = server.split_once("://").map_or(server, |(_, rest)| rest);
                    if !host.is_empty() && host != own.split('/').next().unwrap_or_default() {
                        return Err(unknown());
                    }
                    path
                }
                None => rest.trim_start_matches('/'),
            };
            return Ok(Self::Proxied(format!("{}/{}", proxy(server), path.trim_end_matches('/'))));
        }
        if uri.strip_prefix(&proxy(server)).is_some_and(|rest| rest.starts_with('/')) {
            return Ok(Self::Proxied(uri.trim_end_matches('/').to_owned()));
        }
        let folder = match uri.strip_prefix("file://") {
            Some(rest) => decode(rest.strip_prefix("localhost").unwrap_or(rest)),
            None => uri.strip_prefix("file:").map_or_else(|| uri.to_owned(), decode),
        };
        let folder = PathBuf::from(folder);
        if folder.is_absolute() { Ok(Self::Folder(folder)) } else { Err(unknown()) }
    }

    /// The folder below it.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        match self {
            Self::Proxied(url) => Self::Proxied(format!("{url}/{}", encode(name))),
            Self::Folder(path) => Self::Folder(path.join(name)),
        }
    }

    /// Its name among servers: one knows no other's `mlflow-artifacts:`.
    #[must_use]
    pub fn source(&self) -> String {
        match self {
            Self::Proxied(url) => url.clone(),
            Self::Folder(path) => path.display().to_string(),
        }
    }

    /// Puts a file in its place, over what is there.
    ///
    /// # Errors
    /// A server that refuses; a folder that cannot be written.
    pub fn put(&self, http: &Http, path: &str, body: Body<'_>) -> Result<(), Failure> {
        match self {
            Self::Proxied(url) => http.put(&format!("{url}/{}", encode(path)), body),
            Self::Folder(folder) => {
                let to = folder.join(path);
                let parent = to.parent().unwrap_or(folder);
                std::fs::create_dir_all(parent).map_err(|error| Error::io("create", parent, &error))?;
                let written = match body {
                    Body::Nothing => std::fs::write(&to, []),
                    Body::Json(value) => std::fs::write(&to, value.to_string()),
                    Body::Bytes(bytes) => std::fs::write(&to, bytes),
                    Body::File(from) => std::fs::copy(from, &to).map(|_| ()),
                };
                written.map_err(|error| Error::io("write", &to, &error).into())
            }
        }
    }

    /// Copies a file of it to `to`.
    ///
    /// # Errors
    /// A file that is not there, or larger than `limit` bytes.
    pub fn get(&self, http: &Http, path: &str, to: &Path, limit: u64) -> Result<(), Failure> {
        match self {
            Self::Proxied(url) => http.download(&format!("{url}/{}", encode(path)), to, limit),
            Self::Folder(folder) => {
                let from = folder.join(path);
                std::fs::copy(&from, to).map(|_| ()).map_err(|error| Error::io("read", &from, &error).into())
            }
        }
    }
}

/// The address below which a server takes and gives files.
fn proxy(server: &str) -> String {
    format!("{server}/api/2.0/mlflow-artifacts/artifacts")
}

/// A path as part of a URL: all but letters, digits and `-._~/` as `%` and two digits.
fn encode(path: &str) -> String {
    path.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn decode(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'%').then(|| after.get(..2)).flatten().and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_told_apart_and_credentials_go_to_no_other_host() {
        let server = "https://mlflow.example:8443/prefix";
        let proxied = |path: &str| Some(Root::Proxied(format!("{server}/api/2.0/mlflow-artifacts/artifacts/{path}")));
        let cases = [
            ("mlflow-artifacts:/1/r/artifacts", proxied("1/r/artifacts")),
            ("mlflow-artifacts:///1/r", proxied("1/r")),
            ("mlflow-artifacts://mlflow.example:8443/1/r/", proxied("1/r")),
            ("mlflow-artifacts://elsewhere/1/r", None),
            ("https://mlflow.example:8443/prefix/api/2.0/mlflow-artifacts/artifacts/1/r", proxied("1/r")),
            ("https://elsewhere/prefix/api/2.0/mlflow-artifacts/artifacts/1/r", None),
            ("file:///srv/a%20b/1", Some(Root::Folder("/srv/a b/1".into()))),
            ("/srv/1", Some(Root::Folder("/srv/1".into()))),
            ("./mlruns/1", None),
            ("s3://bucket/1", None),
        ];
        for (uri, root) in cases {
            assert_eq!(Root::of(server, uri).ok(), root, "{uri}");
        }
        assert_eq!(encode("train/a b%é.html"), "train/a%20b%25%C3%A9.html");
    }
}
