//! Deleting: what nobody uses, what one recipe made, or everything; and how much there is.
//!
//! Whoever deletes holds the store's lock alone, so it waits for running steps and they for it. Records
//! go first, then the objects that no record names any more: a process killed in between leaves objects
//! too many, never a record without its outputs. The registry is no cache and is not touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::disk::{self, failed, file_name};
use super::fingerprint::Files;
use super::latest::{Latest, Owner};
use super::layout::object_name;
use super::lock::Wait;
use super::record::Outline;
use super::sealed::{self, Read};
use super::{Access, Digest, Store};
use crate::{Error, Result};

/// What was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    /// Records of steps.
    pub results: usize,
    /// Output files.
    pub objects: usize,
    /// Bytes of both.
    pub bytes: u64,
}

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// By step: results, and bytes of their outputs (an output shared by two results counts in both).
    pub steps: BTreeMap<String, (usize, u64)>,
    /// Output files, and their bytes.
    pub objects: (usize, u64),
    /// Bytes of records.
    pub records: u64,
    /// Bytes in scratch folders and notes of running and killed runs.
    pub scratch: u64,
}

/// A record found by walking.
pub(super) struct Walked {
    pub path: PathBuf,
    /// Step and key, if the record is sound and lies where it should.
    pub sound: Option<(Outline, Digest)>,
}

impl Store {
    /// Deletes every result that no recipe last used; with `unused_for`, only those that none used for so
    /// long. Also what killed runs left and whatever is damaged.
    ///
    /// # Errors
    /// What the wait said; the disk failed or forbids writing.
    pub fn gc(&mut self, unused_for: Option<Duration>, wait: Wait<'_>) -> Result<Freed> {
        self.alone(wait, || {
            let used = self.used_by_others(None)?;
            let now = SystemTime::now();
            let notes = self.delete_notes(None)?;
            let mut freed = self.delete_all_but(|walked, outline, digest| {
                let age = fs::metadata(&walked.path).and_then(|m| m.modified()).ok().and_then(|time| now.duration_since(time).ok()).unwrap_or_default();
                unused_for.is_some_and(|limit| age < limit) || used.contains(&(outline.key.step.clone(), *digest))
            })?;
            freed.bytes += notes;
            Ok(freed)
        })
    }

    /// Makes a recipe forget its results, of one step or of all, and deletes those that this recipe made
    /// and no other owner last used.
    ///
    /// # Errors
    /// What the wait said; the disk failed or forbids writing.
    pub fn forget(&mut self, owner: &Owner, step: Option<&str>, wait: Wait<'_>) -> Result<Freed> {
        self.alone(wait, || {
            let others = self.used_by_others(Some((owner, step)))?;
            let own: BTreeSet<(String, Digest)> = self.latest_of(owner)?.good().map(|latest| latest.steps.into_iter().collect()).unwrap_or_default();
            self.delete_notes(step)?;
            self.edit_latest(owner, |steps| steps.retain(|name, _| step.is_some_and(|step| step != name)))?;
            self.delete_all_but(|_, outline, digest| {
                let name = &outline.key.step;
                let id = (name.clone(), *digest);
                let is_meant = step.is_none_or(|step| step == name) && (outline.recipe == owner.recipe || own.contains(&id));
                !is_meant || others.contains(&id)
            })
        })
    }

    /// Deletes all results, of every recipe and, in a shared cache, of every project.
    ///
    /// # Errors
    /// What the wait said; the disk failed or forbids writing.
    pub fn clear(&mut self, wait: Wait<'_>) -> Result<Freed> {
        self.alone(wait, || {
            for path in [self.home.latest(), self.cache().latest(), self.cache().users()] {
                disk::remove_tree(&path).map_err(failed("remove", &path))?;
            }
            let files = self.home.files();
            disk::remove_file(&files).map_err(failed("remove", &files))?;
            self.delete_notes(None)?;
            self.delete_all_but(|_, _, _| false)
        })
    }

    /// How much is stored.
    ///
    /// # Errors
    /// The disk failed.
    pub fn usage(&self) -> Result<Usage> {
        let mut usage = Usage::default();
        for walked in self.walk_records()? {
            usage.records += size(&walked.path);
            if let Some((outline, _)) = walked.sound {
                let (results, bytes) = usage.steps.entry(outline.key.step).or_default();
                *results += 1;
                *bytes += outline.outputs.values().map(|stored| stored.bytes).sum::<u64>();
            }
        }
        for path in self.walk_objects()? {
            usage.objects.0 += 1;
            usage.objects.1 += size(&path);
        }
        usage.scratch = self.cache().scratch_bytes()?;
        usage.scratch += self.walk_notes()?.iter().map(|path| size(path)).sum::<u64>();
        if self.elsewhere.is_some() {
            usage.scratch += self.home.scratch_bytes()?;
        }
        Ok(usage)
    }

    fn alone<T>(&self, wait: Wait<'_>, work: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.access == Access::Read {
            return Err(Error::bug("a store that is open to read cannot delete"));
        }
        let (lock, path) = self.cache().lock()?;
        lock.exclusively(&path, wait, work)
    }

    fn delete_all_but(&self, keep: impl Fn(&Walked, &Outline, &Digest) -> bool) -> Result<Freed> {
        let mut freed = Freed::default();
        let mut needed = BTreeSet::new();
        for walked in self.walk_records()? {
            match &walked.sound {
                Some((outline, digest)) if keep(&walked, outline, digest) => {
                    needed.extend(outline.outputs.values().map(|stored| object_name(&stored.digest, &stored.extension)));
                }
                _ => {
                    freed.results += 1;
                    freed.bytes += remove(&walked.path)?;
                }
            }
        }
        for path in self.walk_objects()? {
            if !needed.contains(&file_name(&path)) {
                freed.objects += 1;
                freed.bytes += remove(&path)?;
            }
        }
        for path in self.all_latest()? {
            if sealed::read::<Latest>(&path)? == Read::Damaged {
                freed.bytes += remove(&path)?;
            }
        }
        if sealed::read::<Files>(&self.home.files())? == Read::Damaged {
            freed.bytes += remove(&self.home.files())?;
        }
        self.cache().sweep_all()?;
        Ok(freed)
    }

    /// All records, read without their reports.
    pub(super) fn walk_records(&self) -> Result<Vec<Walked>> {
        let mut records = Vec::new();
        for folder in disk::list(&self.cache().steps())? {
            for path in disk::list(&folder)? {
                let outline = sealed::read::<Outline>(&path)?.good();
                let sound =
                    outline.map(|outline| (outline.key.digest(), outline)).filter(|(digest, outline)| self.cache().record(&outline.key.step, digest) == path);
                records.push(Walked { path, sound: sound.map(|(digest, outline)| (outline, digest)) });
            }
        }
        Ok(records)
    }

    pub(super) fn walk_objects(&self) -> Result<Vec<PathBuf>> {
        let mut objects = Vec::new();
        for folder in disk::list(&self.cache().objects())? {
            objects.extend(disk::list(&folder)?);
        }
        Ok(objects)
    }
}

fn size(path: &Path) -> u64 {
    fs::symlink_metadata(path).map_or(0, |metadata| metadata.len())
}

fn remove(path: &Path) -> Result<u64> {
    let bytes = size(path);
    if path.is_dir() { disk::remove_tree(path) } else { disk::remove_file(path) }.map_err(failed("remove", path))?;
    Ok(bytes)
}
