//! `recipe ui`: recipes, runs and models of a project as pages, made on this machine and for it.
//!
//! Every page is drawn when it is asked for, from what lies in the project then: nothing is kept but the model that was asked last. It only
//! looks: the store and the database are opened to read, no server is asked, and no answer changes anything. Pages come whole from here, so that
//! they work without a script; the only one there is fetches what a run is doing again each second ([`live`]).
//!
//! [`address`] takes addresses apart; [`page`] holds what all pages share; then there is one file a page.

mod address;
mod compare;
mod config;
mod drift;
mod graph;
mod live;
mod model;
mod models;
mod page;
mod predict;
mod recipe;
mod recipes;
mod run;
mod runs;
mod secret;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Kind, Result, shorten};
use crate::recipe::{Recipe, Selection, project};
use crate::serve::http::{self, Answer, Answering, Answers, Method, Request, StatusCode};
use crate::serve::{Guard, Limits};
use crate::store::{Access, Store};
use crate::tracking::bundle::{self, Bundle};
use crate::tracking::{RunRow, Tracker, VersionRow};
use address::Query;
use page::{Page, problems_page};

/// Where pages are answered, and for whom.
pub struct Options {
    pub address: SocketAddr,
    pub limits: Limits,
    /// Names by which clients may call a server that listens beyond loopback; any where there are none.
    pub hosts: Vec<String>,
}

/// Answers pages of the project that `selection` stands in until `stop` says so; `ready` is told the address.
///
/// # Errors
/// Exit code 3 where there is no project; 6 where the address cannot be listened on.
pub fn serve(selection: Selection, options: Options, stop: Receiver<()>, ready: impl FnOnce(SocketAddr)) -> Result<()> {
    let root = project::find_root(&selection.dir)?;
    let guard = Guard { is_loopback: options.address.ip().is_loopback(), hosts: options.hosts };
    let ui = Arc::new(Ui { root, selection, loaded: Mutex::new(None) });
    http::listen(options.address, &options.limits, guard, &ui, stop, ready)
}

/// The pages of a project.
struct Ui {
    root: PathBuf,
    /// As on the command line; a page chooses the recipe, and may choose the profile.
    selection: Selection,
    /// The model that was asked last, by its digest.
    loaded: Mutex<Option<(String, Arc<Bundle>)>>,
}

impl Answers for Ui {
    fn answer(self: Arc<Self>, request: Request) -> Answering {
        http::beside(move || {
            let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.respond(&request)));
            answer.unwrap_or_else(|panic| problems_page(&self, &Error::panic(panic.as_ref())))
        })
    }
}

impl Ui {
    fn respond(&self, request: &Request) -> Answer {
        let parts = address::parts(&request.path);
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let takes = if matches!(parts.as_slice(), ["models", _, _, "predict"]) { "GET, POST" } else { "GET" };
        let is_known = matches!(request.method, Method::GET | Method::HEAD) || (request.method == Method::POST && takes.ends_with("POST"));
        if !is_known {
            let answer = Answer::new(StatusCode::METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", format!("this page takes {takes}\n"));
            return Answer { allow: Some(takes), ..answer };
        }
        let query = Query::of(&request.query);
        let page = match parts.as_slice() {
            [""] => recipes::page(self),
            ["assets", name] => page::asset(name).ok_or_else(nothing),
            ["favicon.ico"] => Ok(Answer::new(StatusCode::NO_CONTENT, "text/plain", "")),
            ["live"] => live::page(self, &query),
            ["recipes", name] => recipe::page(self, name),
            ["recipes", name, "config"] => config::page(self, name, &query),
            ["recipes", name, file] => recipe::card(self, name, file),
            ["runs"] => runs::page(self, &query),
            ["runs", id] | ["runs", id, "index.html"] => run::page(self, id),
            ["runs", id, file] => run::card(self, id, file),
            ["compare"] => compare::page(self, &query),
            ["models"] => models::page(self),
            ["models", name] => model::page(self, name),
            ["models", name, version, "predict"] => {
                let typed = (request.method == Method::POST).then(|| Query::of(&String::from_utf8_lossy(&request.body)));
                predict::page(self, name, version, &query, typed.as_ref())
            }
            _ => Err(nothing()),
        };
        page.unwrap_or_else(|error| problems_page(self, &error))
    }

    /// The project's name, for people.
    fn name(&self) -> String {
        self.root.file_name().map_or_else(|| "project".to_owned(), |name| name.to_string_lossy().into_owned())
    }

    /// The recipes by the names of their folders; a lone recipe.yaml goes by the project's.
    fn slugs(&self) -> Vec<String> {
        let names = project::names(&self.root);
        if names.is_empty() { vec![self.name()] } else { names }
    }

    /// What selects a recipe of the project, by its folder's name.
    fn selected(&self, slug: &str, profiles: &[&str]) -> Result<Selection> {
        if !self.slugs().iter().any(|known| known == slug) {
            return Err(Error::usage(format!("there is no recipe `{}` in this project", shorten(slug))));
        }
        let is_alone = project::names(&self.root).is_empty();
        let profiles = if profiles.is_empty() { self.selection.profiles.clone() } else { profiles.iter().map(|name| (*name).to_owned()).collect() };
        Ok(Selection { dir: self.root.clone(), recipe: (!is_alone).then(|| slug.to_owned()), profiles, ..self.selection.clone() })
    }

    /// A recipe of the project as it is now.
    fn recipe(&self, slug: &str) -> Result<Recipe> {
        Recipe::select(&self.selected(slug, &[])?)
    }

    /// Every recipe with its folder's name.
    fn recipes(&self) -> Vec<(String, Result<Recipe>)> {
        self.slugs()
            .into_iter()
            .map(|slug| {
                let recipe = self.recipe(&slug);
                (slug, recipe)
            })
            .collect()
    }

    /// The recipes that can be read, by the name that runs know them by, each with its folder's.
    fn by_name(&self) -> BTreeMap<String, (String, Recipe)> {
        self.recipes().into_iter().filter_map(|(slug, recipe)| recipe.ok().map(|recipe| (recipe.name.clone(), (slug, recipe)))).collect()
    }

    /// The project's own part of the store, whichever recipe is meant.
    fn store(&self) -> Result<Store> {
        Store::open(&self.root.join(".recipe"), None, Access::Read)
    }

    fn tracker(&self) -> Result<Tracker> {
        let store = self.store()?;
        Ok(Tracker::new(store.runs_db(), store.models_dir()))
    }

    /// The bundle of a version, read once as long as no other is asked for.
    fn bundle(&self, tracker: &Tracker, version: &VersionRow) -> Result<Arc<Bundle>> {
        let kept = || self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bundle)) = kept().as_ref().filter(|(digest, _)| *digest == version.digest) {
            return Ok(Arc::clone(bundle));
        }
        let found = tracker.resolve_here(&format!("models:/{}/{}", version.name, version.version), &self.root)?;
        let bundle = Arc::new(bundle::load(&found.path)?);
        *kept() = Some((version.digest.clone(), Arc::clone(&bundle)));
        Ok(bundle)
    }

    /// A page of this project.
    fn page<'a>(&'a self, section: &'static str, title: impl Into<String>) -> Page<'a> {
        Page::new(self, section, title.into())
    }
}

/// A run, by its id or the first digits of it.
fn find_run(tracker: &Tracker, id: &str) -> Result<RunRow> {
    let mut fitting: Vec<RunRow> =
        tracker.runs(None, usize::MAX)?.into_iter().filter(|run| run.id == id || (id.len() >= 4 && run.id.starts_with(id))).collect();
    match (fitting.len(), fitting.pop()) {
        (1, Some(run)) => Ok(run),
        (0, _) => Err(Error::usage(format!("there is no run `{}` in this project", shorten(id)))),
        _ => Err(Error::usage(format!("several runs begin with `{}`", shorten(id)))),
    }
}

fn nothing() -> Error {
    Error::usage("there is no such page")
}

/// The status of a page that says what went wrong.
fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Usage => StatusCode::NOT_FOUND,
        Kind::Busy => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
