//! Objects: the outputs' bytes, filed under their digest.
//!
//! An object is believed only if it has the right size and its bytes hash right at the time it is
//! asked for. It is read-only, never edited, and never linked to from outside.

use std::path::PathBuf;

use super::{Entry, Stale, Store, Stored};
use crate::error::{nearest, shorten};
use crate::{Error, Result};

/// What stands where an object should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Good,
    Missing,
    Damaged,
}

impl Store {
    pub(super) fn object_path(&self, stored: &Stored) -> PathBuf {
        self.cache().object(&stored.digest, &stored.extension)
    }

    /// Looks whether an object is there and right.
    pub(super) fn check(&self, stored: &Stored) -> Result<Check> {
        let path = self.object_path(stored);
        match std::fs::metadata(&path) {
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => return Ok(Check::Missing),
            Err(error) => return Err(Error::io("read", &path, &error)),
            Ok(metadata) if !metadata.is_file() || metadata.len() != stored.bytes => return Ok(Check::Damaged),
            Ok(_) => {}
        }
        let digest = self.digest_of(&path).map_err(|error| Error::io("read", &path, &error))?;
        Ok(if digest == stored.digest { Check::Good } else { Check::Damaged })
    }

    /// What is wrong with an entry's outputs.
    pub(super) fn check_outputs(&self, entry: &Entry) -> Result<Vec<Stale>> {
        let mut reasons = Vec::new();
        for (name, stored) in &entry.outputs {
            match self.check(stored)? {
                Check::Good => {}
                Check::Missing => reasons.push(Stale::OutputMissing(name.clone())),
                Check::Damaged => reasons.push(Stale::Damaged(name.clone())),
            }
        }
        Ok(reasons)
    }

    /// The file of an output, looked over before it is handed out. Read it; never write, move or link it.
    ///
    /// # Errors
    /// No output of that name, or the file is missing or damaged ([`Kind::Store`](crate::error::Kind)); the disk failed.
    pub fn output(&self, entry: &Entry, name: &str) -> Result<PathBuf> {
        let Some(stored) = entry.outputs.get(name) else {
            let error = Error::store(format!("`{}` has no output `{}`", entry.key.step, shorten(name)));
            return Err(match nearest(name, entry.outputs.keys().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error,
            });
        };
        let what = match self.check(stored)? {
            Check::Good => return Ok(self.object_path(stored)),
            Check::Missing => "is missing from the store",
            Check::Damaged => "is damaged in the store",
        };
        Err(Error::store(format!("output `{name}` of `{}` {what}", entry.key.step)).hint("`recipe run` computes it again"))
    }
}
