//! Locks between runs: `flock`, which the kernel drops with the process, so that none is ever stale.
//!
//! Two kinds use this. `v1/lock` is held shared by whoever works with the store and exclusively by
//! whoever deletes from it. A fixed set of files in `v1/locks/` stands for the keys, so that a key is
//! computed by one run at a time; a run holds one of them at a time, so two runs cannot block each other.
//!
//! Locks save work; results do not hang on them. Where a file system has none, everything goes on
//! without, except deleting.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::disk::{failed, forbidden};
use super::fault::{Op, point};
use crate::error::Kind;
use crate::{Error, Result};

/// How often a held lock is asked for again.
const PAUSE: Duration = Duration::from_millis(20);

/// What to do while another run holds a lock.
pub enum Wait<'a> {
    /// Wait, and call this at once and then every 20 ms with the time waited so far. Its error ends the
    /// wait: that is how a time-out ([`Kind::Busy`]) or Ctrl-C ([`Kind::Interrupted`]) gets in.
    Block(&'a mut dyn FnMut(Duration) -> Result<()>),
    /// Fail with [`Kind::Busy`].
    NoWait,
}

/// A lock held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    /// The file system has locks.
    real: bool,
}

/// What came of a try to lock a folder.
pub(super) enum Tried {
    Locked(Lock),
    /// Another holds it, or it is gone.
    Taken,
    /// The file system has no locks, so nobody can tell.
    NoLocks,
}

impl Lock {
    /// Opens a lock file, making it if need be, and locks it exclusively.
    pub fn exclusive(path: &Path, wait: Wait<'_>) -> Result<Self> {
        let file = create(path).map_err(failed("open", path))?;
        let real = acquire(&file, path, FlockOperation::NonBlockingLockExclusive, wait)?;
        Ok(Self { file, real })
    }

    /// Locks an open file, shared; waits for whoever deletes.
    pub fn shared(file: File, path: &Path) -> Result<Self> {
        let real = acquire(&file, path, FlockOperation::NonBlockingLockShared, Wait::Block(&mut |_| Ok(())))?;
        Ok(Self { file, real })
    }

    /// Locks a folder exclusively if nobody holds it.
    pub fn try_folder(path: &Path) -> Tried {
        let Ok(file) = File::open(path) else { return Tried::Taken };
        match acquire(&file, path, FlockOperation::NonBlockingLockExclusive, Wait::NoWait) {
            Ok(true) => Tried::Locked(Self { file, real: true }),
            Ok(false) => Tried::NoLocks,
            Err(_) => Tried::Taken,
        }
    }

    /// The locked folder is still the one that stands at `path`.
    pub fn stands_at(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        match (self.file.metadata(), std::fs::metadata(path)) {
            (Ok(held), Ok(there)) => (held.dev(), held.ino()) == (there.dev(), there.ino()),
            _ => false,
        }
    }

    /// Does something while the shared lock is turned into an exclusive one, then turns it back.
    pub fn exclusively<T>(&self, path: &Path, wait: Wait<'_>, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let refused = || {
            Error::new(Kind::Io, format!("cannot lock `{}`: the file system has no locks", path.display())).hint("when nothing runs, delete the folder by hand")
        };
        if !self.real {
            return Err(refused());
        }
        let result = match acquire(&self.file, path, FlockOperation::NonBlockingLockExclusive, wait) {
            Ok(true) => work(),
            Ok(false) => Err(refused()),
            Err(error) => Err(error),
        };
        // A failed try may have dropped the shared lock, too.
        acquire(&self.file, path, FlockOperation::NonBlockingLockShared, Wait::Block(&mut |_| Ok(())))?;
        result
    }
}

/// Opens a lock file for writing (network file systems want that), or for reading where that is all one may.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let existing = OpenOptions::new().read(true).write(true).open(path);
    match existing {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            point(Op::Write)?;
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
        }
        Err(error) if forbidden(&error) => File::open(path),
        result => result,
    }
}

/// True once the lock is held, false where the file system has no locks.
fn acquire(file: &File, path: &Path, operation: FlockOperation, mut wait: Wait<'_>) -> Result<bool> {
    let start = Instant::now();
    loop {
        match flock(file, operation) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) => match &mut wait {
                Wait::NoWait => return Err(Error::new(Kind::Busy, "another run is at work in this store").hint("wait for it, or run without `--no-wait`")),
                Wait::Block(notice) => {
                    notice(start.elapsed())?;
                    std::thread::sleep(PAUSE);
                }
            },
            Err(Errno::INTR) => {}
            Err(Errno::NOTSUP | Errno::NOLCK | Errno::NOSYS | Errno::INVAL | Errno::BADF) => return Ok(false),
            Err(error) => return Err(Error::io("lock", path, &error.into())),
        }
    }
}
