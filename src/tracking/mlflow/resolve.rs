//! A model by its URI, as the server's registry has it: asked for, fetched once, and checked against its digests.
//!
//! What the server said is remembered, so that commands that only look need not ask it, and so that a server that is down for a moment
//! does not stop the scoring of rows, unless the profile says that it must.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::{Resolved, Tracker, bundle};
use super::api::{Api, Version};
use super::artifacts::Root;
use super::http::{Failure, Http, Patience};
use super::send::{BUNDLE_TAG, MODEL_TAG};
use super::{Settings, files};
use crate::error::{Error, Kind, Result, shorten};
use crate::store::fault::{Op, point};

/// A file of a bundle may be this large, and its list of digests.
const MAX_FILE: u64 = 4 << 30;
const MAX_LINEAGE: u64 = 16 << 20;
/// To fetch a model may take this long.
const FETCH: Duration = Duration::from_hours(1);

/// May the network be used?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    Network,
    /// Only what is remembered.
    Memory,
}

/// The server that models are asked for.
#[derive(Debug)]
pub struct Server {
    settings: Settings,
    reach: Reach,
    /// What was found, so that one command sees one answer.
    found: Mutex<BTreeMap<String, Resolved>>,
}

/// What a server says of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Said {
    name: String,
    version: String,
    model: String,
    bundle: String,
}

impl Server {
    #[must_use]
    pub fn new(settings: Settings, reach: Reach) -> Self {
        Self { settings, reach, found: Mutex::default() }
    }

    fn uri(&self) -> &str {
        self.settings.target.registry()
    }
}

impl Tracker {
    /// Finds a model on the server, else what it said of it last, else in the project's own registry.
    pub(in crate::tracking) fn resolve_there(&self, server: &Server, uri: &str, root: &Path) -> Result<Resolved> {
        let found = |server: &Server| server.found.lock().unwrap_or_else(PoisonError::into_inner).get(uri).cloned();
        if let Some(found) = found(server) {
            return Ok(found);
        }
        let resolved = match server.reach {
            Reach::Memory => self.remembered(server, uri)?.map_or_else(|| self.resolve_here(uri, root), Ok)?,
            Reach::Network => match self.ask(server, uri) {
                Ok(resolved) => resolved,
                Err(failure) if server.settings.is_required => return Err(failure.into_error(server.uri())),
                Err(Failure::Here(error)) if error.kind != Kind::Model => return Err(error),
                Err(failure) => self.instead(server, uri, root, failure)?,
            },
        };
        server.found.lock().unwrap_or_else(PoisonError::into_inner).insert(uri.to_owned(), resolved.clone());
        Ok(resolved)
    }

    /// What will do where the server did not give the model; its failure where nothing will.
    fn instead(&self, server: &Server, uri: &str, root: &Path, failure: Failure) -> Result<Resolved> {
        let is_missing = matches!(&failure, Failure::Here(error) if error.kind == Kind::Model);
        let failure = failure.into_error(server.uri());
        // What a server that answers does not have, it has not any more.
        let remembered = if is_missing { None } else { self.remembered(server, uri)?.filter(|resolved| bundle::load(&resolved.path).is_ok()) };
        match remembered {
            Some(resolved) => {
                let said = format!("{failure}; `{uri}` is {}, as it said before", resolved.uri);
                Ok(Resolved { said: Some(said), ..resolved })
            }
            None => match self.resolve_here(uri, root) {
                Ok(resolved) => {
                    let said = format!("{failure}; `{uri}` is {} of the project's own registry instead", resolved.uri);
                    Ok(Resolved { said: Some(said), ..resolved })
                }
                Err(_) => Err(failure),
            },
        }
    }

    fn remembered(&self, server: &Server, uri: &str) -> Result<Option<Resolved>> {
        let Some(answer) = self.recalled(server.uri(), uri)? else { return Ok(None) };
        let Ok(said) = serde_json::from_str::<Said>(&answer) else { return Ok(None) };
        let path = self.place_of(&said)?;
        Ok(Some(resolved(&said, path)))
    }

    /// Asks the server, and sees to it that the bundle is here.
    fn ask(&self, server: &Server, uri: &str) -> Result<Resolved, Failure> {
        let Settings { target, credentials, timeout, .. } = &server.settings;
        let uris = [target.tracking_uri.as_str(), target.registry()];
        let http = Http::new(&uris, credentials, Patience::of(credentials, Some(*timeout)))?;
        let api = Api { http: &http, uri: target.registry() };
        let (name, version) = find(&api, uri)?;
        let tag = |tag: &str| version.tags.get(tag).filter(|value| is_digest(value)).cloned();
        let (Some(model), Some(bundle)) = (tag(MODEL_TAG), tag(BUNDLE_TAG)) else {
            let error = Error::model(format!("version {} of `{name}` on `{}` was not made by recipe", version.number, target.registry()));
            return Err(error.hint("use it with the program that made it, or name another version").into());
        };
        let said = Said { name, version: version.number, model, bundle };
        let path = self.place_of(&said)?;
        if !bundle::load(&path).is_ok_and(|bundle| bundle.digest == said.model) {
            let http = Http::new(&uris, credentials, Patience::of(credentials, Some(FETCH)))?;
            let root = Root::of(&target.tracking_uri, &Api { http: &http, uri: target.registry() }.whereabouts(&said.name, &said.version)?)?;
            self.fetch(&http, &root, &said, &path)?;
        }
        let answer = serde_json::to_string(&said).map_err(|error| Error::bug(error.to_string()))?;
        self.recall(target.registry(), uri, &answer)?;
        Ok(resolved(&said, path))
    }

    /// Where the bundle of a server's version is, or is put: that of a version here that is the same model, else a folder of its own.
    fn place_of(&self, said: &Said) -> Result<PathBuf> {
        let own = self.versions(None)?.into_iter().find(|row| row.digest == said.model && self.has_bundle(row));
        Ok(own.map_or_else(|| self.fetched().join(&said.bundle), |row| self.bundle_dir(&row.name, row.version)))
    }

    /// Bundles that came from a server, each under the digest of its list of digests. No model's name begins with a dot.
    fn fetched(&self) -> PathBuf {
        self.models.join(".server")
    }

    fn fetch(&self, http: &Http, root: &Root, said: &Said, to: &Path) -> Result<(), Failure> {
        let damaged = |what: &str| Error::model(format!("`{}` version {} on the server is damaged: {what}", said.name, said.version)).hint("register it again");
        let folder = self.fetched();
        point(Op::Write).and_then(|()| std::fs::create_dir_all(&folder)).map_err(|error| Error::io("create", &folder, &error))?;
        let scratch = tempfile::Builder::new().prefix(".new").tempdir_in(&folder).map_err(|error| Error::io("write", &folder, &error))?;
        let get = |name: &str, digest: &str, limit: u64| -> Result<PathBuf, Failure> {
            let path = scratch.path().join(name);
            let parent = path.parent().unwrap_or(&path);
            std::fs::create_dir_all(parent).map_err(|error| Error::io("create", parent, &error))?;
            root.get(http, name, &path, limit)?;
            let mut hasher = blake3::Hasher::new();
            let file = std::fs::File::open(&path).map_err(|error| Error::io("read", &path, &error))?;
            hasher.update_reader(file).map_err(|error| Error::io("read", &path, &error))?;
            if hasher.finalize().to_hex().as_str() != digest {
                return Err(damaged(&format!("`{}` is not what was put there", shorten(name))).into());
            }
            Ok(path)
        };
        let list = get(files::LINEAGE, &said.bundle, MAX_LINEAGE)?;
        let list = std::fs::read(&list).map_err(|error| Error::io("read", &list, &error))?;
        for (name, digest) in files::digests(&list)? {
            get(&name, &digest, MAX_FILE)?;
        }
        if bundle::load(scratch.path())?.digest != said.model {
            return Err(damaged("it is another model").into());
        }
        // What stands there is damaged.
        std::fs::remove_dir_all(to).ok();
        point(Op::Rename).and_then(|()| std::fs::rename(scratch.path(), to)).map_err(|error| Error::io("write", to, &error))?;
        Ok(())
    }
}

fn resolved(said: &Said, path: PathBuf) -> Resolved {
    Resolved { uri: format!("models:/{}/{}", said.name, said.version), path, digest: said.model.clone(), said: None }
}

/// A BLAKE3 in hexadecimal digits: it becomes the name of a folder.
fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The version that `models:/NAME/VERSION`, `models:/NAME@ALIAS` or `models:/NAME/latest` names.
fn find(api: &Api<'_>, uri: &str) -> Result<(String, Version), Failure> {
    let rest = uri.trim_start_matches("models:/");
    let missing =
        |what: String| Failure::Here(Error::model(format!("{what} on the MLflow server `{}`", api.uri)).hint("`recipe sync` sends what was not sent yet"));
    let (name, wanted) = match rest.split_once("/@").or_else(|| rest.split_once('@')) {
        Some((name, alias)) => (name, Err(alias)),
        None => rest.split_once('/').map_or((rest, Err("champion")), |(name, version)| (name, Ok(version))),
    };
    if super::super::check_name(name).is_err() {
        return Err(missing(format!("no model `{}`", shorten(name))));
    }
    let number = match wanted {
        Err(alias) => api.alias(name, alias)?.ok_or_else(|| missing(format!("no model `{name}` with alias `{}`", shorten(alias))))?,
        Ok("latest") => {
            let newest = api.versions(&format!("name = '{name}'"))?.into_iter().max_by_key(|version| version.number.parse::<u64>().unwrap_or(0));
            newest.ok_or_else(|| missing(format!("no model `{name}`")))?.number
        }
        Ok(number) if number.parse::<u64>().is_ok() => number.to_owned(),
        Ok(number) => return Err(missing(format!("no version `{}` of model `{name}`", shorten(number)))),
    };
    let version = api.version(name, &number)?.ok_or_else(|| missing(format!("no version {number} of model `{name}`")))?;
    Ok((name.to_owned(), version))
}
