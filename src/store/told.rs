//! What a process is doing now, for whoever looks on: a file in its scratch space.
//!
//! The scratch space is locked as long as its process lives, and swept after it. So what is found in one that is locked is of a process that
//! lives, and nothing has to be taken back. It is not synced, and its loss harms nothing; no fault of it is worth a run.

use std::fs;

use serde_json::Value;

use super::lock::{Lock, Tried};
use super::{Store, disk};
use crate::Result;

const FILE: &str = "now.json";

impl Store {
    /// Tells others what this process does, in the place of what it told before. Where that cannot be written, nobody hears of it.
    pub fn tell(&self, value: &Value) {
        let Ok(scratch) = self.home.scratch() else { return };
        let told = scratch.with_file_name(FILE);
        if fs::write(&scratch, value.to_string()).and_then(|()| fs::rename(&scratch, told)).is_err() {
            // What is left of it goes with the scratch space.
            let _ = fs::remove_file(&scratch);
        }
    }

    /// What processes that live have told, in no order.
    ///
    /// # Errors
    /// The disk failed.
    pub fn told(&self) -> Result<Vec<Value>> {
        let mut told = Vec::new();
        for unit in disk::list(&self.home.units())? {
            let Ok(text) = fs::read(unit.join(FILE)) else { continue };
            // A lock that can be had is held by nobody.
            if !matches!(Lock::try_folder(&unit), Tried::Locked(_)) {
                told.extend(serde_json::from_slice::<Value>(&text).ok());
            }
        }
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::Access;

    #[test]
    fn what_a_process_tells_is_heard_as_long_as_it_lives() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join(".recipe");
        let looker = || Store::open(&home, None, Access::Read).unwrap().told().unwrap();
        assert!(looker().is_empty());
        let store = Store::open(&home, None, Access::Write).unwrap();
        store.tell(&json!({ "step": "ingest" }));
        store.tell(&json!({ "step": "split" }));
        assert_eq!(looker(), [json!({ "step": "split" })]);
        let unit = disk::list(&home.join("v1/tmp")).unwrap().remove(0);
        drop(store);
        assert!(looker().is_empty() && !unit.exists());
        // What a killed process leaves is not believed.
        std::fs::create_dir_all(&unit).unwrap();
        std::fs::write(unit.join(FILE), "{}").unwrap();
        assert!(looker().is_empty());
    }
}
