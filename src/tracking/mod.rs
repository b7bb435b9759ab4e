//! The embedded record of runs and registry of models: `SQLite` at `.recipe/runs.db`, bundles beside it.
//!
//! The registry is no cache: nothing here is ever cleaned, and a registered version owns its bundle.

pub mod bundle;
pub mod mlflow;
mod outbox;
mod registry;
mod runs;

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::error::{Error, Kind, Result};

pub use outbox::{Dataset, Parcel, Waiting};
pub use registry::{Account, AliasRow, Event, HistoryRow, Registration, Resolved, VersionRow, check_name};
pub use runs::{Contender, Finished, Member, RunRow, Started, Status, StepRow};

/// Raised with each change of the tables; an older program refuses a newer database.
const SCHEMA: i64 = 5;
const BUSY: Duration = Duration::from_secs(30);

/// The runs and models of a project.
#[derive(Clone, Debug)]
pub struct Tracker {
    database: PathBuf,
    models: PathBuf,
    /// Connections for looking that nobody uses at the moment. `SQLite` reads its whole log again when it is opened and no
    /// other connection is there, so they are kept.
    idle: Arc<Mutex<Vec<Connection>>>,
    /// Where models are asked for first.
    server: Option<Arc<mlflow::Server>>,
}

/// A connection for looking, given back at the end.
#[derive(Debug)]
struct Reader<'a> {
    connection: Option<Connection>,
    tracker: &'a Tracker,
}

impl Deref for Reader<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("taken out by drop alone")
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        self.tracker.idle().extend(self.connection.take());
    }
}

impl Tracker {
    /// Nothing is opened or made before it is needed.
    #[must_use]
    pub fn new(database: PathBuf, models: PathBuf) -> Self {
        Self { database, models, idle: Arc::default(), server: None }
    }

    /// The same with a server that is asked for models first.
    #[must_use]
    pub fn with_server(self, server: mlflow::Server) -> Self {
        Self { server: Some(Arc::new(server)), ..self }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The database for looking; `None` where there is none yet, or an empty one. Makes and writes nothing.
    fn reader(&self) -> Result<Option<Reader<'_>>> {
        if !self.database.exists() {
            return Ok(None);
        }
        let idle = self.idle().pop();
        let connection = idle.map_or_else(|| Self::patiently(|| self.open_to_read()), Ok)?;
        let connection = Reader { connection: Some(connection), tracker: self };
        // A process killed while it made the database leaves one without tables.
        Ok((self.check_schema(&connection)? > 0).then_some(connection))
    }

    fn open_to_read(&self) -> Result<Connection> {
        let open = |flags: OpenFlags, name: &str| {
            let connection = Connection::open_with_flags(name, flags | OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
            connection.busy_timeout(BUSY)?;
            connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
            Ok(connection)
        };
        let plain = self.database.to_string_lossy().into_owned();
        open(OpenFlags::empty(), &plain)
            .or_else(|error| {
                if is_busy(&error) {
                    return Err(error);
                }
                // A write-ahead log cannot be read on a read-only disk without being told so.
                let uri = format!("file:{}?immutable=1", plain.replace('%', "%25").replace('?', "%3f").replace('#', "%23"));
                open(OpenFlags::SQLITE_OPEN_URI, &uri)
            })
            .map_err(|error| self.failure(&error))
    }

    /// The database for writing, made where it is not there. What it commits is on the platter.
    fn writer(&self) -> Result<Connection> {
        Self::patiently(|| self.open_to_write())
    }

    fn open_to_write(&self) -> Result<Connection> {
        let mut connection = Connection::open(&self.database).map_err(|error| self.failure(&error))?;
        connection.busy_timeout(BUSY).map_err(|error| self.failure(&error))?;
        let version = self.check_schema(&connection)?;
        if version < SCHEMA {
            connection.pragma_update(None, "journal_mode", "WAL").map_err(|error| self.failure(&error))?;
            Self::make_tables(&mut connection).map_err(|error| self.failure(&error))?;
        }
        // A log is read when the next program begins, so it stays short.
        connection.pragma_update(None, "wal_autocheckpoint", 250).map_err(|error| self.failure(&error))?;
        connection.pragma_update(None, "foreign_keys", true).map_err(|error| self.failure(&error))?;
        Ok(connection)
    }

    /// All that this program reads, whatever an older one, or another process in this moment, made of it already.
    fn make_tables(connection: &mut Connection) -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(&format!("{}{}{}", runs::TABLES, registry::TABLES, outbox::TABLES))?;
        registry::remember_who(&transaction)?;
        transaction.pragma_update(None, "user_version", SCHEMA)?;
        transaction.commit()
    }

    /// Does it again while another program is at the same. `SQLite` waits by itself for a lock, but gives up at once
    /// where two programs change a new database to a write-ahead log.
    fn patiently<T>(open: impl Fn() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        loop {
            match open() {
                Err(error) if error.kind == Kind::Busy && start.elapsed() < BUSY => std::thread::sleep(Duration::from_millis(20)),
                outcome => return outcome,
            }
        }
    }

    fn check_schema(&self, connection: &Connection) -> Result<i64> {
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(|error| self.failure(&error))?;
        if version > SCHEMA {
            return Err(Error::store(format!("`{}` was written by a newer recipe", self.database.display())).hint("update recipe"));
        }
        Ok(version)
    }

    fn failure(&self, error: &rusqlite::Error) -> Error {
        use rusqlite::ErrorCode::{CannotOpen, DatabaseCorrupt, DiskFull, NotADatabase, PermissionDenied, ReadOnly, SystemIoFailure};
        let path = self.database.display();
        match error.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => Error::store(format!("the run and model registry is damaged: `{path}`: {error}"))
                .hint("restore it from a backup, or move it away to begin a new registry; cached results are not affected"),
            Some(DiskFull) => Error::new(Kind::Io, format!("disk full while writing `{path}`")).hint("free some space and run again; nothing was lost"),
            // A write-ahead log that does not fit on the disk is told as this.
            Some(SystemIoFailure) => Error::new(Kind::Io, format!("cannot use `{path}`: {error}"))
                .hint("check that the disk has free space and no errors, and run again; nothing was lost"),
            Some(ReadOnly | PermissionDenied | CannotOpen) => {
                Error::new(Kind::Io, format!("cannot use `{path}`: {error}")).hint("check the permissions of that path")
            }
            _ if is_busy(error) => Error::new(Kind::Busy, format!("`{path}` is in use by another program")).hint("wait for it to end and run again"),
            _ => Error::store(format!("`{path}`: {error}")),
        }
    }

    /// Where a version's bundle lies.
    fn bundle_dir(&self, name: &str, version: u64) -> PathBuf {
        self.models.join(name).join(version.to_string())
    }

    /// The database's path, for messages.
    #[must_use]
    pub fn database(&self) -> &Path {
        &self.database
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn tracker(dir: &Path) -> Tracker {
        Tracker::new(dir.join("runs.db"), dir.join("models"))
    }

    #[test]
    fn a_newer_or_damaged_database_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let tracker = tracker(dir.path());
        tracker.writer().unwrap().pragma_update(None, "user_version", SCHEMA + 1).unwrap();
        assert_eq!(tracker.reader().unwrap_err().kind, Kind::Store);
        assert_eq!(tracker.writer().unwrap_err().kind, Kind::Store);
        std::fs::write(dir.path().join("runs.db"), b"not a database, but long enough to look like a file of one ........").unwrap();
        assert_eq!(tracker.reader().unwrap_err().kind, Kind::Store);
    }
}
