//! The few calls with which the store changes the disk, each with its [`fault`](super::fault) point,
//! and the two with which it reads.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::fault::{Op, point};
use crate::Error;

/// `map_err(failed("write", path))`.
pub(super) fn failed(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |error| Error::io(doing, path, &error)
}

/// True where the disk or its permissions forbid writing, as against a write that went wrong.
pub(super) fn forbidden(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}

/// A name that no other process or thread uses: process, counter, random number.
pub(super) fn unique_name() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let random = RandomState::new().build_hasher().finish();
    format!("{}-{}-{random:016x}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// Makes a folder and those above it; one that is there is left alone.
pub(super) fn create_dirs(path: &Path, mode: u32) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    point(Op::Write)?;
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => {
                create_dirs(parent, 0o777)?;
                create_dirs(path, mode)
            }
            _ => Err(error),
        },
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        result => result,
    }
}

/// Writes a file that must not be there yet.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    point(Op::Write)?;
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    // In two halves with a fault point between them, so that tests see torn files.
    let (first, second) = bytes.split_at(bytes.len() / 2);
    file.write_all(first)?;
    point(Op::Write)?;
    file.write_all(second)
}

/// Takes away the right to write; outputs are never edited.
pub(super) fn make_read_only(path: &Path) -> io::Result<()> {
    point(Op::Write)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o444))
}

pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    point(Op::Rename)?;
    fs::rename(from, to)
}

pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    point(Op::Remove)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Removes a folder and all in it; one that is not there is fine.
pub(super) fn remove_tree(path: &Path) -> io::Result<()> {
    point(Op::Remove)?;
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Brings files or folders to the platter, several at a time: a journal commits them together, so
/// eight cost little more than one.
pub(super) fn sync(paths: &[PathBuf]) -> Result<(), Error> {
    for path in paths {
        point(Op::Sync).map_err(failed("write", path))?;
    }
    for batch in paths.chunks(8) {
        let results: Vec<io::Result<()>> = match batch {
            [only] => vec![sync_one(only)],
            many => std::thread::scope(|scope| {
                let threads: Vec<_> = many.iter().map(|path| scope.spawn(|| sync_one(path))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread failed")))).collect()
            }),
        };
        for (path, result) in batch.iter().zip(results) {
            result.map_err(failed("write", path))?;
        }
    }
    Ok(())
}

fn sync_one(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    match file.sync_all() {
        // Some file systems have no fsync for folders.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) && path.is_dir() => Ok(()),
        result => result,
    }
}

/// Opens a file to read it; a pipe does not block.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed()).open(path)
}

/// A small file of the store's own: `None` where nothing is there, an empty text where what is there cannot be one.
pub(super) fn read_small(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let read = || -> io::Result<Vec<u8>> {
        let file = open(path)?;
        let metadata = file.metadata()?;
        let mut bytes = Vec::new();
        if metadata.is_file() && metadata.len() <= SMALL_FILE {
            bytes.reserve(metadata.len() as usize);
            file.take(SMALL_FILE).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Error::io("read", path, &error)),
    }
}

/// Records and the like stay below this many bytes.
pub(super) const SMALL_FILE: u64 = 64 << 20;

/// What a folder holds, sorted; empty where there is no such folder.
pub(super) fn list(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let read = || -> io::Result<Vec<PathBuf>> { fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect() };
    match read() {
        Ok(mut paths) => {
            paths.sort();
            Ok(paths)
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(error) => Err(Error::io("read", dir, &error)),
    }
}

/// The last part of a path, as text.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map(OsStr::to_string_lossy).unwrap_or_default().into_owned()
}
