//! Looking over the whole store: every byte is read, nothing is changed.

use std::fmt;
use std::path::Path;

use super::disk::{self, failed, file_name};
use super::fingerprint::{self, Files};
use super::latest::{self, Latest};
use super::layout::{Root, object_name};
use super::sealed::{self, Read};
use super::{Digest, Store};
use crate::Result;

/// One thing that is wrong. The next run that needs it computes it again; `gc` deletes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Path below the store.
    pub file: String,
    /// What is wrong with it, in words.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.file, self.problem)
    }
}

impl Store {
    /// Checks every file of the store, sorted by path; empty if all is well.
    ///
    /// # Errors
    /// The disk failed.
    pub fn verify(&self) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        let mut note = |root: &Root, path: &Path, problem: &str| {
            let file = path.strip_prefix(root.dir()).unwrap_or(path).display().to_string();
            findings.push(Finding { file, problem: problem.to_owned() });
        };
        let cache = self.cache();
        for root in [Some(&self.home), self.elsewhere.as_ref()].into_iter().flatten() {
            if !root.version_is_sound()? {
                note(root, &root.version_file(), "is damaged");
            }
            if !root.tag_is_sound()? {
                note(root, &root.tag(), "is damaged");
            }
        }
        if sealed::read::<Files>(&self.home.files())? == Read::Damaged {
            note(&self.home, &self.home.files(), "is damaged");
        }
        // Objects first by themselves, then what records miss among them.
        for path in self.walk_objects()? {
            if !is_sound_object(&path, cache)? {
                note(cache, &path, "is damaged");
            }
        }
        for walked in self.walk_records()? {
            let Some((outline, _)) = &walked.sound else {
                note(cache, &walked.path, "is damaged");
                continue;
            };
            for (name, stored) in &outline.outputs {
                let path = self.object_path(stored);
                if !path.exists() {
                    note(cache, &path, &format!("is missing (`{name}` of `{}`)", outline.key.step));
                }
            }
        }
        for path in self.walk_notes()? {
            if !self.is_sound_note(&path)? {
                note(cache, &path, "is damaged");
            }
        }
        for path in self.all_latest()? {
            let root = if path.starts_with(self.home.dir()) { &self.home } else { cache };
            match sealed::read::<Latest>(&path)?.only_if(|latest| latest::lies_right(&path, latest)) {
                Read::Good(latest) => {
                    for (step, key) in &latest.steps {
                        let record = cache.record(step, key);
                        if !record.exists() {
                            note(cache, &record, &format!("is missing (last `{step}` of `{}`)", latest.owner().recipe));
                        }
                    }
                }
                Read::Absent => {}
                Read::Damaged => note(root, &path, "is damaged"),
            }
        }
        findings.sort();
        findings.dedup();
        Ok(findings)
    }
}

/// An object's name is the digest of its bytes, and it lies in the folder of that digest.
fn is_sound_object(path: &Path, cache: &Root) -> Result<bool> {
    let name = file_name(path);
    let (stem, extension) = name.split_once('.').unwrap_or((&name, ""));
    let Ok(digest) = stem.parse::<Digest>() else { return Ok(false) };
    if !path.is_file() || object_name(&digest, extension) != name || cache.object(&digest, extension) != path {
        return Ok(false);
    }
    let found = disk::open(path).and_then(fingerprint::hash).map_err(failed("read", path))?;
    Ok(found == digest)
}
