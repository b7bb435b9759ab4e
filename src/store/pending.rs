//! A result in the making: a scratch folder that either becomes a record and objects, or nothing.
//!
//! Order on disk: outputs and record are written and synced in scratch; the outputs are renamed to
//! their digests; the record follows, last. Whoever finds a record thus finds its outputs. A process
//! killed on the way leaves a scratch folder, which the next run sweeps, and at most objects that no
//! record names: the next run makes the same ones, or `gc` takes them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::disk::{self, create_dirs, failed};
use super::layout::escape;
use super::lock::{Lock, Wait};
use super::{Access, Digest, Entry, Found, Owner, StepKey, Store, Stored, fingerprint};
use crate::{Error, Result};

/// Whether a result that another run made while one waited will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    Allowed,
    /// Compute it in any case (`--force`).
    Never,
}

/// How a computation starts.
pub enum Begin<'a> {
    /// Another run computed it meanwhile.
    AlreadyDone(Entry),
    Pending(Pending<'a>),
}

/// A scratch folder for the outputs of one key, which no other run computes as long as this lives.
/// Dropped without [`commit`](Self::commit), it leaves nothing behind.
pub struct Pending<'a> {
    pub(super) store: &'a Store,
    pub(super) key: StepKey,
    pub(super) digest: Digest,
    recipe: String,
    dir: PathBuf,
    _lock: Lock,
}

/// An output that a step wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The artifact's name.
    pub name: String,
    /// The file's name in the scratch folder.
    pub file: String,
    /// Without the dot; empty for none.
    pub extension: String,
}

impl Output {
    #[must_use]
    pub fn new(name: &str, file: &str, extension: &str) -> Self {
        Self { name: name.to_owned(), file: file.to_owned(), extension: extension.to_owned() }
    }
}

impl Store {
    /// Starts computing a key, when no other run does. A thread holds one `Pending` at a time.
    ///
    /// # Errors
    /// [`Kind::Busy`](crate::error::Kind) if another run computes it and `wait` is [`Wait::NoWait`]; what the `wait`
    /// callback returned; a disk that failed or forbids writing.
    pub fn begin(&self, owner: &Owner, key: &StepKey, reuse: Reuse, wait: Wait<'_>) -> Result<Begin<'_>> {
        if self.access == Access::Read {
            return Err(Error::bug("a store that is open to read cannot compute"));
        }
        let cache = self.cache();
        let digest = key.digest();
        let dir = cache.scratch()?;
        let lock = Lock::exclusive(&cache.key_lock(&digest)?, wait)?;
        if reuse == Reuse::Allowed
            && let Found::Hit(entry) = self.find(&key.step, &digest)?
        {
            return Ok(Begin::AlreadyDone(entry));
        }
        create_dirs(&dir, 0o777).map_err(failed("create", &dir))?;
        let pending = Pending { store: self, key: key.clone(), digest, recipe: owner.recipe.clone(), dir, _lock: lock };
        if reuse == Reuse::Never {
            pending.drop_notes()?;
        }
        Ok(Begin::Pending(pending))
    }
}

impl Pending<'_> {
    /// The scratch folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where to write a file; the name is escaped if it has to be.
    #[must_use]
    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.join(escape(file))
    }

    /// Moves the outputs into the store and records the result. `seconds` is how long the step took,
    /// `run` the id of the run that did it.
    ///
    /// # Errors
    /// An output was not written; the disk failed. Then nothing is on record.
    pub fn commit(self, outputs: &[Output], report: &Value, seconds: f64, run: &str) -> Result<Entry> {
        let cache = self.store.cache();
        let mut stored = BTreeMap::new();
        let mut moves = Vec::new();
        for output in outputs {
            let from = self.path(&output.file);
            let object = self.hash(output, &from)?;
            moves.push((from, self.store.object_path(&object)));
            if stored.insert(output.name.clone(), object).is_some() {
                return Err(Error::bug(format!("`{}` writes `{}` twice", self.key.step, output.name)));
            }
        }
        let entry = Entry {
            key: self.key.clone(),
            digest: self.digest,
            outputs: stored,
            report: report.clone(),
            seconds: if seconds.is_finite() { seconds } else { 0.0 },
            run: run.to_owned(),
            recipe: self.recipe.clone(),
        };
        let record = cache.scratch()?;
        let result = self.put(&entry, moves, &record);
        if result.is_err() {
            let _ = disk::remove_file(&record);
        }
        result?;
        // The result stands; what is left of its making is only in the way.
        let _ = self.drop_notes();
        Ok(entry)
    }

    fn hash(&self, output: &Output, path: &Path) -> Result<Stored> {
        if !output.extension.is_empty() && escape(&output.extension) != output.extension {
            return Err(Error::bug(format!("`{}` is no file extension", output.extension)));
        }
        let is_file = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
        if !is_file {
            return Err(Error::bug(format!("`{}` did not write its output `{}`", self.key.step, output.name)));
        }
        let read = || {
            let file = disk::open(path)?;
            Ok(Stored { bytes: file.metadata()?.len(), digest: fingerprint::hash(file)?, extension: output.extension.clone() })
        };
        read().map_err(failed("read", path))
    }

    fn put(&self, entry: &Entry, mut moves: Vec<(PathBuf, PathBuf)>, record: &Path) -> Result<()> {
        disk::write_new(record, &entry.seal()?).map_err(failed("write", record))?;
        for (from, _) in &moves {
            disk::make_read_only(from).map_err(failed("write", from))?;
        }
        moves.push((record.to_owned(), self.store.cache().record(&self.key.step, &self.digest)));
        disk::sync(&moves.iter().map(|(from, _)| from.clone()).collect::<Vec<_>>())?;
        let mut folders = BTreeSet::new();
        for (from, to) in &moves {
            let folder = to.parent().unwrap_or(to);
            create_dirs(folder, 0o777).map_err(failed("create", folder))?;
            // Whatever stands there is replaced: it has the same bytes, or it is damaged.
            disk::rename(from, to).map_err(failed("write", to))?;
            folders.insert(folder.to_owned());
        }
        disk::sync(&folders.into_iter().collect::<Vec<_>>())
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let _ = disk::remove_tree(&self.dir);
    }
}
