//! Fingerprints of files: the digest of their bytes, and how not to read a large file twice.
//!
//! A file of at most 8 MB is read every time. For a larger one `v1/files.json` remembers device, inode,
//! size, mtime and ctime with the digest; while all five stay the same, so does the digest. An edit with
//! mtime put back still moves ctime, which no program can set. Two things keep this honest:
//! - a file that was touched less than two seconds before it was hashed is not remembered: an edit
//!   in the same tick of the file system's clock would look like no edit (the "racy clean" of git);
//! - nor is one whose metadata changed while it was read.
//!
//! No path is written down, so moving the project costs nothing.
//!
//! Large files are read in pieces and hashed by all cores, not mapped: a mapped file that somebody
//! truncates kills the process.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::PoisonError;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::layout::Durability;
use super::{Digest, Store, disk, sealed};
use crate::error::shorten;
use crate::{Error, Result};

/// Files up to this many bytes are read every time.
const SMALL: u64 = 8 << 20;
/// Bytes read at a time.
const PIECE: usize = 4 << 20;
/// Seconds that a file must have been left alone to be remembered.
const SETTLED: i64 = 2;
/// Files remembered at most.
const MANY: usize = 10_000;

/// Device and inode → what the file looked like, and its digest.
pub(super) type Files = BTreeMap<String, (Stat, Digest)>;

/// What the file system says about a file. Times are seconds and nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stat {
    size: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
}

impl Stat {
    fn of(metadata: &Metadata) -> Self {
        Self { size: metadata.len(), mtime: (metadata.mtime(), metadata.mtime_nsec()), ctime: (metadata.ctime(), metadata.ctime_nsec()) }
    }

    /// Long enough untouched, as seen at `now` (seconds since 1970).
    fn is_settled(&self, now: i64) -> bool {
        self.mtime.0.max(self.ctime.0) < now - SETTLED
    }
}

impl Store {
    /// The digest of a file's bytes.
    ///
    /// # Errors
    /// No such file, or not a plain file ([`Kind::Data`](crate::error::Kind)); it cannot be read ([`Kind::Io`](crate::error::Kind)).
    pub fn fingerprint(&self, path: &Path) -> Result<Digest> {
        let shown = shorten(&path.display().to_string());
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => return Err(Error::data(format!("`{shown}` is a folder, not a file"))),
            Ok(metadata) if !metadata.is_file() => return Err(Error::data(format!("`{shown}` is not a plain file"))),
            _ => {}
        }
        self.digest_of(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::data(format!("no such file: `{shown}`")),
            _ => Error::io("read", path, &error),
        })
    }

    /// Whether a file still has the bytes it had when `digest` was taken; a vanished file has not.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn unchanged(&self, path: &Path, digest: &Digest) -> Result<bool> {
        match self.fingerprint(path) {
            Ok(now) => Ok(now == *digest),
            Err(error) if error.kind == crate::error::Kind::Data => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The digest of a plain file, read or remembered.
    pub(super) fn digest_of(&self, path: &Path) -> io::Result<Digest> {
        let file = disk::open(path)?;
        let metadata = file.metadata()?;
        if metadata.len() <= SMALL {
            return hash(file);
        }
        let stat = Stat::of(&metadata);
        let name = format!("{}:{}", metadata.dev(), metadata.ino());
        if let Some((_, digest)) = self.with_files(|files| files.get(&name).copied()).filter(|(known, _)| *known == stat) {
            return Ok(digest);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs().cast_signed());
        let digest = hash(file.try_clone()?)?;
        if stat.is_settled(now) && Stat::of(&file.metadata()?) == stat {
            self.remember_file(&name, stat, digest);
        }
        Ok(digest)
    }

    fn with_files<T>(&self, work: impl FnOnce(&mut Files) -> T) -> T {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        work(files.get_or_insert_with(|| self.stored_files()))
    }

    fn stored_files(&self) -> Files {
        sealed::read(&self.home.files()).ok().and_then(sealed::Read::good).unwrap_or_default()
    }

    /// Notes a digest. If that fails, or another run writes at the same time, only time is lost.
    fn remember_file(&self, name: &str, stat: Stat, digest: Digest) {
        let all = self.with_files(|files| {
            files.extend(self.stored_files());
            files.insert(name.to_owned(), (stat, digest));
            while files.len() > MANY {
                let oldest = files.iter().min_by_key(|(other, (stat, _))| (*other == name, stat.ctime)).map(|(name, _)| name.clone());
                oldest.and_then(|name| files.remove(&name));
            }
            files.clone()
        });
        if self.home.is_writable()
            && let Ok(bytes) = sealed::seal(&all)
        {
            let _ = self.home.replace(&self.home.files(), &bytes, Durability::Cheap);
        }
    }
}

/// Hashes what is left of a file.
pub(super) fn hash(mut file: File) -> io::Result<Digest> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain file"));
    }
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; PIECE.min(metadata.len() as usize + 1)];
    loop {
        let mut filled = 0;
        while let Some(rest) = piece.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read(rest) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let Some(bytes) = piece.get(..filled).filter(|bytes| !bytes.is_empty()) else { break };
        if metadata.len() > SMALL {
            hasher.update_rayon(bytes)
        } else {
            hasher.update(bytes)
        };
        if filled < piece.len() {
            break;
        }
    }
    Ok(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::FileExt;
    use std::time::Duration;

    use super::super::Access;
    use super::*;
    use crate::error::Kind;

    fn project() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join(".recipe"), None, Access::Write).unwrap();
        (dir, store)
    }

    #[test]
    fn a_large_file_has_the_plain_blake3_of_its_bytes() {
        let (dir, store) = project();
        let bytes: Vec<u8> = (0..9_500_000_u32).map(|i| (i * 31 / 8) as u8).collect();
        let path = dir.path().join("data");
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, bytes.len()] {
            fs::write(&path, &bytes[..size]).unwrap();
            assert_eq!(store.fingerprint(&path).unwrap(), Digest::of(&bytes[..size]));
        }
    }

    #[test]
    fn a_file_touched_just_now_is_not_remembered() {
        let (dir, store) = project();
        let path = dir.path().join("data");
        fs::write(&path, vec![7; 9 << 20]).unwrap();
        let before = store.fingerprint(&path).unwrap();
        assert!(!dir.path().join(".recipe/v1/files.json").exists());
        // An edit in place with the old mtime put back.
        let mtime = fs::metadata(&path).unwrap().modified().unwrap();
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(b"8", 5_000_000).unwrap();
        file.set_modified(mtime).unwrap();
        assert!(!store.unchanged(&path, &before).unwrap());
    }

    #[test]
    fn a_remembered_digest_is_used_until_the_ctime_moves() {
        let (dir, store) = project();
        let path = dir.path().join("data");
        fs::write(&path, vec![7; 9 << 20]).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        let name = format!("{}:{}", metadata.dev(), metadata.ino());
        let planted = Digest::of(b"planted");
        store.remember_file(&name, Stat::of(&metadata), planted);
        let again = Store::open(&dir.path().join(".recipe"), None, Access::Read).unwrap();
        assert_eq!(again.fingerprint(&path).unwrap(), planted);
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_modified(metadata.modified().unwrap() - Duration::from_secs(9)).unwrap();
        file.set_modified(metadata.modified().unwrap()).unwrap();
        let now = fs::metadata(&path).unwrap();
        assert_eq!(again.fingerprint(&path).unwrap() == planted, now.ctime_nsec() == metadata.ctime_nsec() && now.ctime() == metadata.ctime());
    }

    #[test]
    fn a_file_settles_two_seconds_after_its_last_change() {
        let stat = |mtime, ctime| Stat { size: 9, mtime: (mtime, 0), ctime: (ctime, 0) };
        assert!(stat(97, 97).is_settled(100));
        assert!(!stat(97, 98).is_settled(100));
        assert!(!stat(98, 97).is_settled(100));
        assert!(!stat(1_000_000, 97).is_settled(100), "an mtime in the future is never settled");
    }

    #[test]
    fn what_is_no_plain_file_is_refused_at_once() {
        let (dir, store) = project();
        let refusal = |path: &Path| {
            let error = store.fingerprint(path).unwrap_err();
            (error.kind, error.to_string().replace(dir.path().to_str().unwrap(), ""))
        };
        assert_eq!(refusal(&dir.path().join("none")), (Kind::Data, "no such file: `/none`".to_owned()));
        assert_eq!(refusal(dir.path()).0, Kind::Data);
        assert_eq!(refusal(Path::new("/dev/zero")), (Kind::Data, "`/dev/zero` is not a plain file".to_owned()));
    }
}
