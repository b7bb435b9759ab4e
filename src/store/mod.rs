//! The store: results of steps on disk, found by what they depend on.
//!
//! A step's [`StepKey`] says everything its result depends on. [`Store::lookup`] finds the result under
//! the key's digest, or says why there is none; [`Store::begin`] hands out a scratch folder, and
//! [`Pending::commit`] turns that into a result. What is stored is never believed unseen: records are
//! sealed by their own hash, outputs are hashed when they are used, and damage is a miss, which
//! computing again heals. A process may be killed at any point, and the disk may fill up: what is there
//! stays right.
//!
//! Only this module knows where things lie in `.recipe/` (see `layout.rs`).
//!
//! What it deliberately does not do: know what a step is, decide what enters a key, keep runs or
//! registered models, or print.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

mod digest;
mod disk;
pub(crate) mod fault;
mod fingerprint;
mod gc;
mod key;
mod latest;
mod layout;
mod lock;
mod notes;
mod object;
mod pending;
mod record;
mod sealed;
mod stale;
#[cfg(test)]
mod tests;
mod told;
mod verify;

pub use digest::{Digest, NotADigest};
pub use gc::{Freed, Usage};
pub use key::{DAY_ASKED, MOMENT_ASKED, StepKey};
pub use latest::Owner;
pub use lock::Wait;
pub use pending::{Begin, Output, Pending, Reuse};
pub use record::{Entry, Stored};
pub use stale::{Change, Stale};
pub use verify::Finding;

use crate::{Error, Result};
use layout::{Durability, Role, Root, escape};
use sealed::Read;

/// What one means to do with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Look only: nothing is made or changed, and a store that is not there is an empty one.
    Read,
    /// Compute and store. Where the disk forbids writing, what is stored can still be used.
    Write,
}

/// The results of a project, and where else things lie in its `.recipe/`.
pub struct Store {
    home: Root,
    elsewhere: Option<Root>,
    access: Access,
    files: Mutex<Option<fingerprint::Files>>,
}

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct Held {
    _lock: lock::Lock,
}

/// What a lookup found.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "there is one a step")]
pub enum Lookup {
    /// The result, with all its outputs there and right.
    Hit(Entry),
    /// There is none, or it is damaged, for these reasons; never empty.
    Miss(Vec<Stale>),
}

/// What is on record under a key.
#[allow(clippy::large_enum_variant, reason = "there is one a step")]
enum Found {
    Hit(Entry),
    /// A result that cannot be used.
    Broken(Vec<Stale>),
    Absent,
}

impl Store {
    /// Opens the store in `dir` (a project's `.recipe`), with results in `cache` instead if that is given.
    /// Holds `v1/lock` shared until it is dropped, so a thread that deletes through one store must not hold another.
    ///
    /// # Errors
    /// [`Kind::Store`](crate::error::Kind) if a file stands there or a newer program wrote it;
    /// [`Kind::Io`](crate::error::Kind) if it cannot be made or read.
    pub fn open(dir: &Path, cache: Option<&Path>, access: Access) -> Result<Self> {
        let home = Root::open(dir, Role::Project, access)?;
        let elsewhere = cache.filter(|cache| *cache != dir).map(|cache| Root::open(cache, Role::Cache, access)).transpose()?;
        Ok(Self { home, elsewhere, access, files: Mutex::new(None) })
    }

    /// The folder of results.
    fn cache(&self) -> &Root {
        self.elsewhere.as_ref().unwrap_or(&self.home)
    }

    /// Whether new results can be stored and noted.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.home.is_writable() && self.cache().is_writable()
    }

    /// Finds the result of a key, or says why there is none: compared with what this owner last used.
    ///
    /// # Errors
    /// The disk failed.
    pub fn lookup(&self, owner: &Owner, key: &StepKey) -> Result<Lookup> {
        let digest = key.digest();
        match self.find(&key.step, &digest)? {
            Found::Hit(entry) => Ok(Lookup::Hit(entry)),
            Found::Broken(reasons) => Ok(Lookup::Miss(reasons)),
            Found::Absent => self.why_absent(owner, key, &digest).map(Lookup::Miss),
        }
    }

    fn find(&self, step: &str, digest: &Digest) -> Result<Found> {
        Ok(match self.cache().entry(step, digest)? {
            Read::Absent => Found::Absent,
            Read::Damaged => Found::Broken(vec![Stale::Damaged("record".to_owned())]),
            Read::Good(entry) => match self.check_outputs(&entry)? {
                reasons if reasons.is_empty() => Found::Hit(entry),
                reasons => Found::Broken(reasons),
            },
        })
    }

    fn why_absent(&self, owner: &Owner, key: &StepKey, digest: &Digest) -> Result<Vec<Stale>> {
        let latest = match self.latest_of(owner)? {
            Read::Absent => return Ok(vec![Stale::NeverRun]),
            Read::Damaged => return Ok(vec![Stale::Damaged("latest".to_owned())]),
            Read::Good(latest) => latest,
        };
        let Some(before) = latest.steps.get(&key.step) else { return Ok(vec![Stale::NeverRun]) };
        if before == digest {
            return Ok(vec![Stale::RecordMissing]);
        }
        Ok(match self.cache().entry(&key.step, before)? {
            Read::Absent => vec![Stale::RecordMissing],
            Read::Damaged => vec![Stale::Damaged("record".to_owned())],
            Read::Good(before) => Stale::between(&before.key, key),
        })
    }

    /// Where a recipe's cards are.
    #[must_use]
    pub fn cards_dir(&self, recipe: &str) -> PathBuf {
        self.home.dir().join("cards").join(escape(recipe))
    }

    /// The database of runs and registered models.
    #[must_use]
    pub fn runs_db(&self) -> PathBuf {
        self.home.dir().join("runs.db")
    }

    /// Where registered bundles are.
    #[must_use]
    pub fn models_dir(&self) -> PathBuf {
        self.home.dir().join("models")
    }

    /// Takes a lock of this project that only one program holds at a time.
    ///
    /// # Errors
    /// What ends the wait; a disk that forbids writing.
    pub fn hold(&self, name: &str, wait: Wait<'_>) -> Result<Held> {
        Ok(Held { _lock: lock::Lock::exclusive(&self.home.lock_file(name)?, wait)? })
    }

    /// Writes a file of `.recipe/` (a card), making its folder: all of it or nothing. It is not synced.
    ///
    /// # Errors
    /// The path lies elsewhere; the disk failed or forbids writing.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        if !path.starts_with(self.home.dir()) || path.components().any(|part| part == std::path::Component::ParentDir) {
            return Err(Error::bug(format!("`{}` is not a file of the store", path.display())));
        }
        self.home.replace(path, bytes, Durability::Cheap)
    }
}
