//! Notes of a long computation: what a step has found so far, so that a run that was killed goes on there.
//!
//! They lie under the step's key, so they are found again by whoever computes the very same. Each is a sealed file of its own, whole or not
//! there, and says which key and name it belongs to: what is torn, flipped or elsewhere is no note. They are gone once the result is on
//! record, and whoever deletes results deletes them. A loss of power may take the last ones.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::disk::{self, failed, file_name};
use super::layout::Durability;
use super::sealed::{self, Read};
use super::{Digest, Pending, Store};
use crate::Result;

/// A note as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    key: Digest,
    name: String,
    value: Value,
}

impl Pending<'_> {
    /// Keeps a value until the result is committed, whatever becomes of this process; one of the same name is replaced.
    ///
    /// # Errors
    /// The disk failed.
    pub fn note(&self, name: &str, value: &Value) -> Result<()> {
        let note = Note { key: self.digest, name: name.to_owned(), value: value.clone() };
        let cache = self.store.cache();
        cache.replace(&cache.note(&self.key.step, &self.digest, name), &sealed::seal(&note)?, Durability::Cheap)
    }

    /// Everything that was noted for this key and is sound, by name.
    ///
    /// # Errors
    /// The disk failed.
    pub fn notes(&self) -> Result<BTreeMap<String, Value>> {
        let cache = self.store.cache();
        let mut notes = BTreeMap::new();
        for path in disk::list(&cache.notes_of(&self.key.step, &self.digest))? {
            let read = sealed::read::<Note>(&path)?;
            let fits = |note: &Note| note.key == self.digest && cache.note(&self.key.step, &self.digest, &note.name) == path;
            notes.extend(read.only_if(fits).good().map(|note| (note.name, note.value)));
        }
        Ok(notes)
    }

    /// Deletes what was noted for this key.
    pub(super) fn drop_notes(&self) -> Result<()> {
        let folder = self.store.cache().notes_of(&self.key.step, &self.digest);
        if !folder.exists() {
            return Ok(());
        }
        disk::remove_tree(&folder).map_err(failed("remove", &folder))
    }
}

impl Store {
    /// Deletes all notes, or those of one step; gives their bytes.
    pub(super) fn delete_notes(&self, step: Option<&str>) -> Result<u64> {
        let folder = step.map_or_else(|| self.cache().notes(), |step| self.cache().notes_of_step(step));
        let bytes = self.walk_notes()?.iter().filter(|path| path.starts_with(&folder)).map(|path| fs::symlink_metadata(path).map_or(0, |m| m.len())).sum();
        disk::remove_tree(&folder).map_err(failed("remove", &folder))?;
        Ok(bytes)
    }

    /// The files of all notes.
    pub(super) fn walk_notes(&self) -> Result<Vec<PathBuf>> {
        let mut notes = Vec::new();
        for step in disk::list(&self.cache().notes())? {
            for key in disk::list(&step)? {
                notes.extend(disk::list(&key)?);
            }
        }
        Ok(notes)
    }

    /// Is a note's file whole, and where it should be?
    pub(super) fn is_sound_note(&self, path: &std::path::Path) -> Result<bool> {
        let Read::Good(note) = sealed::read::<Note>(path)? else { return Ok(false) };
        let step = path.parent().and_then(|key| key.parent()).map(file_name).unwrap_or_default();
        Ok(self.cache().note(&step, &note.key, &note.name) == path)
    }
}
