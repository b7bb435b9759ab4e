//! What each recipe last used: `v1/latest/<recipe>/<profile>.json`, step → key.
//!
//! It is what a miss is compared with, what `inspect` and `show` show, and what `gc` keeps. In a cache
//! that projects share, each project has a copy under `users/`, so that `gc` there knows of all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::disk::{self, failed};
use super::layout::{Durability, Root, escape};
use super::lock::{Lock, Wait};
use super::sealed::{self, Read};
use super::{Digest, Entry, Store};
use crate::Result;
use crate::error::Kind;

/// Whose results: a recipe under a profile.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    pub recipe: String,
    pub profile: Option<String>,
}

impl Owner {
    #[must_use]
    pub fn new(recipe: &str, profile: Option<&str>) -> Self {
        Self { recipe: recipe.to_owned(), profile: profile.map(str::to_owned) }
    }

    /// Below a `latest` folder.
    fn path(&self) -> PathBuf {
        let profile = self.profile.as_deref().map_or("%none".to_owned(), escape);
        Path::new(&escape(&self.recipe)).join(format!("{profile}.json"))
    }
}

/// The file's contents. It names its owner, so that a copy in another's place is seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Latest {
    recipe: String,
    profile: Option<String>,
    pub steps: BTreeMap<String, Digest>,
}

impl Latest {
    pub fn owner(&self) -> Owner {
        Owner { recipe: self.recipe.clone(), profile: self.profile.clone() }
    }
}

impl Store {
    /// The result that this owner last used of a step, if it is still on record. Its outputs are not looked at.
    ///
    /// # Errors
    /// The disk failed.
    pub fn latest(&self, owner: &Owner, step: &str) -> Result<Option<Entry>> {
        let Some(digest) = self.latest_of(owner)?.good().and_then(|latest| latest.steps.get(step).copied()) else { return Ok(None) };
        Ok(self.cache().entry(step, &digest)?.good())
    }

    /// The record of a step's key, if there still is one. Its outputs are not looked at.
    ///
    /// # Errors
    /// The disk failed.
    pub fn entry(&self, step: &str, key: &Digest) -> Result<Option<Entry>> {
        Ok(self.cache().entry(step, key)?.good())
    }

    /// Every recipe and profile of this project that has results.
    ///
    /// # Errors
    /// The disk failed.
    pub fn owners(&self) -> Result<Vec<Owner>> {
        let mut owners = Vec::new();
        for path in latest_files(&self.home.latest())? {
            owners.extend(sealed::read::<Latest>(&path)?.good().map(|latest| latest.owner()));
        }
        owners.sort();
        Ok(owners)
    }

    /// Notes what this owner used of a step. Writes only if that is news; on a disk that forbids
    /// writing it does nothing.
    ///
    /// # Errors
    /// The disk failed.
    pub fn remember(&self, owner: &Owner, step: &str, entry: &Entry) -> Result<()> {
        self.mark_used(step, entry);
        let mut is_news = false;
        for (_, path) in self.latest_paths(owner) {
            is_news |= read_latest(&path, owner)?.good().is_none_or(|latest| latest.steps.get(step) != Some(&entry.digest));
        }
        if !is_news || !self.home.is_writable() {
            return Ok(());
        }
        self.edit_latest(owner, |steps| {
            steps.insert(step.to_owned(), entry.digest);
        })
    }

    pub(super) fn latest_of(&self, owner: &Owner) -> Result<Read<Latest>> {
        read_latest(&self.home.latest().join(owner.path()), owner)
    }

    /// Changes what an owner used, one process at a time.
    pub(super) fn edit_latest(&self, owner: &Owner, edit: impl FnOnce(&mut BTreeMap<String, Digest>)) -> Result<()> {
        let _lock = Lock::exclusive(&self.home.latest_lock()?, Wait::Block(&mut |_| Ok(())))?;
        let mut latest =
            self.latest_of(owner)?.good().unwrap_or_else(|| Latest { recipe: owner.recipe.clone(), profile: owner.profile.clone(), steps: BTreeMap::new() });
        edit(&mut latest.steps);
        let bytes = sealed::seal(&latest)?;
        for (root, path) in self.latest_paths(owner).into_iter().filter(|(root, _)| root.is_writable()) {
            if latest.steps.is_empty() {
                disk::remove_file(&path).map_err(failed("remove", &path))?;
            } else {
                root.replace(&path, &bytes, Durability::Cheap)?;
            }
        }
        Ok(())
    }

    /// The owner's file, and its copy in a cache elsewhere.
    fn latest_paths(&self, owner: &Owner) -> Vec<(&Root, PathBuf)> {
        let mut paths = vec![(&self.home, self.home.latest().join(owner.path()))];
        if let Some(cache) = &self.elsewhere {
            paths.push((cache, cache.users().join(self.project()).join(owner.path())));
        }
        paths
    }

    /// This project's folder among a cache's users: a hash of where the project lies.
    fn project(&self) -> String {
        let dir = self.home.dir();
        let whole = dir.canonicalize().or_else(|_| std::path::absolute(dir)).unwrap_or_else(|_| dir.to_owned());
        Digest::of(whole.as_os_str().as_encoded_bytes()).to_string()
    }

    /// All files that say what an owner last used, here and in a cache elsewhere.
    pub(super) fn all_latest(&self) -> Result<Vec<PathBuf>> {
        let mut files = latest_files(&self.home.latest())?;
        if let Some(cache) = &self.elsewhere {
            files.extend(latest_files(&cache.latest())?);
        }
        for project in disk::list(&self.cache().users())? {
            files.extend(latest_files(&project)?);
        }
        Ok(files)
    }

    /// Step and key of every result that an owner last used, leaving out one owner's (of one step, or of all).
    pub(super) fn used_by_others(&self, except: Option<(&Owner, Option<&str>)>) -> Result<BTreeSet<(String, Digest)>> {
        let own: Vec<PathBuf> = except.map_or_else(Vec::new, |(owner, _)| self.latest_paths(owner).into_iter().map(|(_, path)| path).collect());
        let mut used = BTreeSet::new();
        for path in self.all_latest()? {
            let Some(latest) = sealed::read::<Latest>(&path)?.good() else { continue };
            let is_own = own.contains(&path);
            let gone = |step: &str| is_own && except.is_some_and(|(_, only)| only.is_none_or(|only| only == step));
            used.extend(latest.steps.into_iter().filter(|(step, _)| !gone(step)));
        }
        Ok(used)
    }

    /// Once a day a record that is used gets a new mtime, from which `gc` reads its age.
    fn mark_used(&self, step: &str, entry: &Entry) {
        const DAY: Duration = Duration::from_hours(24);
        let path = self.cache().record(step, &entry.digest);
        let age = |path: &Path| SystemTime::now().duration_since(std::fs::metadata(path).ok()?.modified().ok()?).ok();
        if self.cache().is_writable() && age(&path).is_some_and(|age| age > DAY) {
            // Whoever may not do that (another user's record) loses nothing by it.
            let _ = disk::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        }
    }
}

fn read_latest(path: &Path, owner: &Owner) -> Result<Read<Latest>> {
    match sealed::read::<Latest>(path) {
        Err(error) if error.kind == Kind::Io && path.is_dir() => Ok(Read::Damaged),
        read => Ok(read?.only_if(|latest| latest.owner() == *owner)),
    }
}

/// `<dir>/<recipe>/<profile>.json`, all of them.
fn latest_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for recipe in disk::list(dir)? {
        files.extend(disk::list(&recipe)?);
    }
    Ok(files)
}

/// True where a file of the `latest` kind lies where its owner's should.
pub(super) fn lies_right(path: &Path, latest: &Latest) -> bool {
    path.ends_with(latest.owner().path())
}
