//! Where things lie in `.recipe/`, how the folder is made, and scratch space in it.
//!
//! ```text
//! .recipe/            0700, .gitignore, version
//!   v1/CACHEDIR.TAG   v1/ can be deleted at any time, what is beside it cannot
//!   v1/lock           shared: works with the store; exclusive: deletes from it
//!   v1/locks/<xx>     one of 256 stands for a key while it is computed; `latest` while that is written
//!   v1/tmp/<unit>/    scratch of one process, locked as long as it lives
//!   v1/objects/<xx>/<digest>.<extension>     outputs
//!   v1/steps/<step>/<key>.json               records
//!   v1/notes/<step>/<key>/<name>.json        what a step has found that is not done yet
//!   v1/latest/<recipe>/<profile>.json        what each recipe last used
//!   v1/users/<project>/<recipe>/<profile>.json   the same, in a cache that several projects share
//!   v1/files.json     digests of large files that did not change
//!   cards/ models/ runs.db                   written by others, placed here
//! ```
//! With `cache.dir` set, there are two such folders: the cache holds objects, records and users, the
//! project the rest.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use rustix::io::Errno;

use super::disk::{self, create_dirs, failed, file_name, forbidden, unique_name};
use super::lock::{self, Lock, Tried};
use super::{Access, Digest, sealed};
use crate::{Error, Result};

/// The layout that this program writes.
const VERSION: u32 = 1;
const CACHE_TAG: &str =
    "Signature: 8a477f597d28d172789f06886806bc55\n# Results of `recipe` that it computes again if they are deleted.\n# https://bford.info/cachedir/\n";
const IGNORE: &str = "*\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// `.recipe/` of a project: private.
    Project,
    /// `cache.dir`: whoever the umask lets in.
    Cache,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// Worth an fsync.
    Kept,
    /// A loss of power may take it.
    Cheap,
}

#[derive(PartialEq, Serialize, Deserialize)]
struct Version {
    version: u32,
}

/// One folder with a `v1/` in it.
pub(super) struct Root {
    dir: PathBuf,
    v1: PathBuf,
    lock: Option<Lock>,
    unit: Mutex<Option<Unit>>,
    /// Why nothing can be written here, if so.
    pub denied: Option<Errno>,
}

/// Scratch space of one process.
struct Unit {
    path: PathBuf,
    _lock: Option<Lock>,
}

impl Root {
    pub fn open(dir: &Path, role: Role, access: Access) -> Result<Self> {
        let v1 = dir.join("v1");
        for path in [dir, &v1] {
            match fs::metadata(path) {
                Ok(metadata) if metadata.is_dir() => {}
                Ok(_) => return Err(Error::store(format!("`{}` is a file, where the store needs a folder", path.display())).hint("move it away and run again")),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::io("open", path, &error)),
            }
        }
        refuse_newer(dir, &v1)?;
        match access {
            Access::Read => Self::open_to_read(dir, v1, Errno::ROFS),
            Access::Write => Self::open_to_write(dir, v1, role),
        }
    }

    fn open_to_read(dir: &Path, v1: PathBuf, denied: Errno) -> Result<Self> {
        let path = v1.join("lock");
        let lock = disk::open(&path).ok().map(|file| Lock::shared(file, &path)).transpose()?;
        Ok(Self { dir: dir.to_owned(), v1, lock, unit: Mutex::new(None), denied: Some(denied) })
    }

    fn open_to_write(dir: &Path, v1: PathBuf, role: Role) -> Result<Self> {
        let path = v1.join("lock");
        let make = || {
            create_dirs(dir, if role == Role::Project { 0o700 } else { 0o777 })?;
            create_dirs(&v1, 0o777)?;
            create_dirs(&v1.join("tmp"), 0o777)?;
            lock::create(&path)
        };
        let file = match make() {
            Ok(file) => file,
            Err(error) if forbidden(&error) && v1.is_dir() => return Self::open_to_read(dir, v1, Errno::from_io_error(&error).unwrap_or(Errno::ROFS)),
            Err(error) => return Err(Error::io("create the store in", dir, &error)),
        };
        let lock = Some(Lock::shared(file, &path)?);
        let may_write = |path: &Path| rustix::fs::access(path, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK);
        let denied = may_write(&v1).and_then(|()| may_write(&v1.join("tmp"))).err();
        let root = Self { dir: dir.to_owned(), v1, lock, unit: Mutex::new(None), denied };
        if root.is_writable() {
            root.sweep()?;
            root.mark(role)?;
        }
        Ok(root)
    }

    /// Writes the files that say what this folder is, where they are not there.
    fn mark(&self, role: Role) -> Result<()> {
        let marks = [(self.version_file(), sealed::seal(&Version { version: VERSION })?), (self.tag(), CACHE_TAG.into())];
        for (path, bytes) in marks {
            if disk::read_small(&path)?.is_none_or(|there| there != bytes) {
                self.replace(&path, &bytes, Durability::Cheap)?;
            }
        }
        // Its contents are the user's to change.
        let ignore = self.dir.join(".gitignore");
        if role == Role::Project && !ignore.exists() {
            self.replace(&ignore, IGNORE.as_bytes(), Durability::Cheap)?;
        }
        Ok(())
    }

    /// The scratch spaces of all processes.
    pub fn units(&self) -> PathBuf {
        self.v1.join("tmp")
    }

    /// Removes what killed runs left in `tmp/`.
    fn sweep(&self) -> Result<()> {
        for path in disk::list(&self.units())? {
            if let Tried::Locked(_lock) = Lock::try_folder(&path) {
                // What another user left is theirs to sweep.
                let _ = disk::remove_tree(&path);
            }
        }
        Ok(())
    }

    /// Removes all scratch space; only for whoever holds the store alone.
    pub fn sweep_all(&self) -> Result<()> {
        let own = self.unit.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|unit| unit.path.clone());
        for path in disk::list(&self.v1.join("tmp"))?.into_iter().filter(|path| Some(path) != own.as_ref()) {
            if path.is_dir() { disk::remove_tree(&path) } else { disk::remove_file(&path) }.map_err(failed("remove", &path))?;
        }
        Ok(())
    }

    /// A path in this process's scratch space that nothing stands at.
    pub fn scratch(&self) -> Result<PathBuf> {
        self.may_write()?;
        let mut unit = self.unit.lock().unwrap_or_else(PoisonError::into_inner);
        let unit = match &mut *unit {
            Some(unit) => unit,
            none => none.insert(self.make_unit()?),
        };
        Ok(unit.path.join(unique_name()))
    }

    fn make_unit(&self) -> Result<Unit> {
        // A sweeper may come between making and locking, and then be about to remove it or have done so: the next name has another try.
        for _ in 0..100 {
            let path = self.v1.join("tmp").join(unique_name());
            create_dirs(&path, 0o777).map_err(failed("create", &path))?;
            match Lock::try_folder(&path) {
                Tried::Locked(lock) if lock.stands_at(&path) => return Ok(Unit { path, _lock: Some(lock) }),
                // Then nobody sweeps either.
                Tried::NoLocks => return Ok(Unit { path, _lock: None }),
                Tried::Locked(_) | Tried::Taken => {}
            }
        }
        Err(Error::new(crate::error::Kind::Io, format!("cannot make a scratch folder in `{}`", self.v1.join("tmp").display())))
    }

    /// Puts a whole file in place, or nothing.
    pub fn replace(&self, path: &Path, bytes: &[u8], durability: Durability) -> Result<()> {
        let parent = path.parent().unwrap_or(path);
        let scratch = self.scratch()?;
        let put = || -> Result<()> {
            create_dirs(parent, 0o777).map_err(failed("create", parent))?;
            disk::write_new(&scratch, bytes).map_err(failed("write", path))?;
            if durability == Durability::Kept {
                disk::sync(std::slice::from_ref(&scratch))?;
            }
            disk::rename(&scratch, path).map_err(failed("write", path))
        };
        put().inspect_err(|_| {
            let _ = disk::remove_file(&scratch);
        })?;
        if durability == Durability::Kept { disk::sync(&[parent.to_owned()]) } else { Ok(()) }
    }

    /// Bytes in scratch folders.
    pub fn scratch_bytes(&self) -> Result<u64> {
        let mut folders = vec![self.v1.join("tmp")];
        let mut bytes = 0;
        while let Some(folder) = folders.pop() {
            for path in disk::list(&folder)? {
                match fs::symlink_metadata(&path) {
                    Ok(metadata) if metadata.is_dir() => folders.push(path),
                    // A run that goes on may have removed it meanwhile.
                    metadata => bytes += metadata.map_or(0, |metadata| metadata.len()),
                }
            }
        }
        Ok(bytes)
    }

    /// The lock that whoever deletes has to hold alone.
    pub fn lock(&self) -> Result<(&Lock, PathBuf)> {
        self.may_write()?;
        match &self.lock {
            Some(lock) => Ok((lock, self.v1.join("lock"))),
            None => Err(Error::bug("a store that can be written has no lock")),
        }
    }

    pub fn is_writable(&self) -> bool {
        self.denied.is_none()
    }

    fn may_write(&self) -> Result<()> {
        match self.denied {
            None => Ok(()),
            Some(errno) => Err(Error::io("write to", &self.v1, &errno.into())
                .hint("results that are stored already can be used; a new one needs a disk that may be written to")),
        }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn tag(&self) -> PathBuf {
        self.v1.join("CACHEDIR.TAG")
    }

    pub fn version_file(&self) -> PathBuf {
        self.dir.join("version")
    }

    /// True where the version file, if there is one, is one that this program wrote.
    pub fn version_is_sound(&self) -> Result<bool> {
        Ok(sealed::read::<Version>(&self.version_file())?.only_if(|v| v.version == VERSION) != sealed::Read::Damaged)
    }

    /// True where the tag, if there is one, is what this program wrote.
    pub fn tag_is_sound(&self) -> Result<bool> {
        Ok(disk::read_small(&self.tag())?.is_none_or(|bytes| bytes == CACHE_TAG.as_bytes()))
    }

    pub fn key_lock(&self, key: &Digest) -> Result<PathBuf> {
        self.lock_file(&format!("{:02x}", key.first_byte()))
    }

    pub fn latest_lock(&self) -> Result<PathBuf> {
        self.lock_file("latest")
    }

    pub fn lock_file(&self, name: &str) -> Result<PathBuf> {
        let dir = self.v1.join("locks");
        create_dirs(&dir, 0o777).map_err(failed("create", &dir))?;
        Ok(dir.join(name))
    }

    pub fn objects(&self) -> PathBuf {
        self.v1.join("objects")
    }

    pub fn object(&self, digest: &Digest, extension: &str) -> PathBuf {
        self.objects().join(format!("{:02x}", digest.first_byte())).join(object_name(digest, extension))
    }

    pub fn steps(&self) -> PathBuf {
        self.v1.join("steps")
    }

    pub fn record(&self, step: &str, key: &Digest) -> PathBuf {
        self.steps().join(escape(step)).join(format!("{key}.json"))
    }

    pub fn notes(&self) -> PathBuf {
        self.v1.join("notes")
    }

    pub fn notes_of_step(&self, step: &str) -> PathBuf {
        self.notes().join(escape(step))
    }

    pub fn notes_of(&self, step: &str, key: &Digest) -> PathBuf {
        self.notes_of_step(step).join(key.to_string())
    }

    pub fn note(&self, step: &str, key: &Digest, name: &str) -> PathBuf {
        self.notes_of(step, key).join(format!("{}.json", escape(name)))
    }

    pub fn latest(&self) -> PathBuf {
        self.v1.join("latest")
    }

    pub fn users(&self) -> PathBuf {
        self.v1.join("users")
    }

    pub fn files(&self) -> PathBuf {
        self.v1.join("files.json")
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if let Some(unit) = self.unit.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = disk::remove_tree(&unit.path);
        }
    }
}

/// The file name of an object.
pub(super) fn object_name(digest: &Digest, extension: &str) -> String {
    if extension.is_empty() { digest.to_string() } else { format!("{digest}.{}", escape(extension)) }
}

fn refuse_newer(dir: &Path, v1: &Path) -> Result<()> {
    let refuse = |version: u64| {
        Err(Error::store(format!("`{}` was written by a newer `recipe` (layout {version}, this program knows {VERSION})", dir.display()))
            .hint("update `recipe`, or move the folder away and run again"))
    };
    if let Some(bytes) = disk::read_small(&dir.join("version"))? {
        let plain = || std::str::from_utf8(&bytes).ok()?.trim().parse::<u64>().ok();
        // Damage reads as no version at all, and is written anew.
        let sealed = sealed::unseal(&bytes).and_then(|body| serde_json::from_slice::<Version>(body).ok()).map(|v| u64::from(v.version));
        if let Some(version) = sealed.or_else(plain).filter(|version| *version > u64::from(VERSION)) {
            return refuse(version);
        }
    }
    if !v1.is_dir() {
        let newest = disk::list(dir)?.iter().filter_map(|path| file_name(path).strip_prefix('v')?.parse::<u64>().ok()).max();
        if let Some(version) = newest.filter(|version| *version > u64::from(VERSION)) {
            return refuse(version);
        }
    }
    Ok(())
}

/// A name as one harmless path component: letters, digits, `-`, `_` and inner dots stay, all else
/// becomes `%` and two hexadecimal digits. Different names stay different; long ones end in their hash.
pub(super) fn escape(name: &str) -> String {
    const LIMIT: usize = 100;
    if name.is_empty() {
        return "%empty".to_owned();
    }
    let mut text = String::new();
    for (i, byte) in name.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => text.push(char::from(byte)),
            b'.' if i > 0 => text.push('.'),
            _ => text.push_str(&format!("%{byte:02x}")),
        }
    }
    if text.len() > LIMIT {
        text.truncate(LIMIT);
        text.push_str("%hash-");
        text.push_str(&Digest::of(name.as_bytes()).to_string());
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_names_become_harmless_ones() {
        assert_eq!(
            ["taxi_fare", "../x", ".", "", "a/b", "a\0b", "x.y", "é"].map(escape),
            ["taxi_fare", "%2e.%2fx", "%2e", "%empty", "a%2fb", "a%00b", "x.y", "%c3%a9"]
        );
        assert!(escape(&"é".repeat(1000)).len() < 200);
    }

    proptest! {
        #[test]
        fn different_names_stay_different_and_are_one_component(a in "(.|[./%]){0,60}", b in "(.|[./%]){0,60}") {
            prop_assert_eq!(a == b, escape(&a) == escape(&b));
            prop_assert_eq!(Path::new(&escape(&a)).components().count(), 1);
            prop_assert!(!escape(&a).starts_with('.'));
        }
    }
}
