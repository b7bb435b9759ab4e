//! What is still to be sent to a server: the parcel of each run that belongs on one, and what the server has confirmed of it.
//!
//! The record of runs stays the truth; a parcel holds only what is not in it. An answer is noted as soon as it comes, so that sending
//! goes on where it broke off.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::mlflow::Target;
use super::{Status, Tracker};
use crate::error::{Error, Result};
use crate::store::fault::{Op, point};

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS outbox (run TEXT PRIMARY KEY, parcel TEXT NOT NULL, content TEXT NOT NULL, sent_ms INTEGER, error TEXT);
CREATE TABLE IF NOT EXISTS outbox_files (run TEXT NOT NULL REFERENCES outbox(run) ON DELETE CASCADE, path TEXT NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (run, path));
CREATE TABLE IF NOT EXISTS outbox_done (run TEXT NOT NULL REFERENCES outbox(run) ON DELETE CASCADE, call TEXT NOT NULL, answer TEXT NOT NULL, PRIMARY KEY (run, call));
CREATE TABLE IF NOT EXISTS server_models (server TEXT NOT NULL, uri TEXT NOT NULL, answer TEXT NOT NULL, PRIMARY KEY (server, uri));
";
/// The version of the tables that knows these.
const SINCE: i64 = 5;

/// What a server is to get of a run beyond its record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Parcel {
    pub target: Target,
    /// Who ran it, from which repository, what the gate said: tags.
    pub tags: BTreeMap<String, String>,
    pub datasets: Vec<Dataset>,
    /// Cards and the like: path → bytes. Kept beside the parcel until they are sent.
    #[serde(skip)]
    pub files: BTreeMap<String, Vec<u8>>,
}

/// A table that a run read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dataset {
    pub name: String,
    /// What it was for: `training`, `validation`, `test`, `scoring`.
    pub context: String,
    pub digest: String,
    /// The files it came from, as the recipe names them, with their digests.
    pub files: BTreeMap<String, String>,
    /// Column and kind.
    pub columns: Vec<(String, String)>,
    pub rows: u64,
}

/// A run that was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub run: String,
    pub recipe: String,
    pub started_ms: i64,
    /// The server's address.
    pub uri: String,
    /// Why the last attempt failed, if there was one.
    pub error: Option<String>,
}

/// A run as it is sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Shipment {
    pub run: String,
    pub recipe: String,
    pub profile: Option<String>,
    pub template: String,
    pub seed: i64,
    pub status: String,
    pub started_ms: i64,
    pub finished_ms: Option<i64>,
    pub config: String,
    pub program: String,
    pub git_commit: Option<String>,
    pub git_branch: Option<String>,
    pub git_dirty: Option<bool>,
    pub message: Option<String>,
    pub error: Option<String>,
    pub sweep: Option<String>,
    pub metrics: BTreeMap<String, f64>,
    pub params: BTreeMap<String, String>,
    pub parcel: Parcel,
    /// The paths of [`Parcel::files`], which are read one at a time.
    pub paths: Vec<String>,
}

/// What a server has confirmed of a run: call → what it answered.
pub(super) struct Journal<'a> {
    tracker: &'a Tracker,
    connection: Connection,
    run: String,
    done: BTreeMap<String, String>,
}

impl Parcel {
    /// What tells a run from another that found the same results: equal where a server would get nothing new. `steps` are their names and keys.
    #[must_use]
    pub fn content(&self, steps: &[(&str, String)]) -> String {
        let whole = serde_json::json!([self.target, steps]);
        blake3::hash(whole.to_string().as_bytes()).to_hex().to_string()
    }
}

impl Tracker {
    /// Puts a run's parcel into the outbox, in the place of what was there of it.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub fn pack(&self, run: &str, parcel: &Parcel, content: &str) -> Result<()> {
        point(Op::Write).map_err(|error| Error::io("write to", self.database(), &error))?;
        let text = serde_json::to_string(parcel).map_err(|error| Error::bug(error.to_string()))?;
        let mut connection = self.writer()?;
        let write = |connection: &mut Connection| -> rusqlite::Result<()> {
            let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            transaction.execute(
                "INSERT INTO outbox (run, parcel, content) VALUES (?1, ?2, ?3) ON CONFLICT (run) DO UPDATE SET parcel = excluded.parcel, content = excluded.content",
                params![run, text, content],
            )?;
            for (path, bytes) in &parcel.files {
                transaction.execute("INSERT OR REPLACE INTO outbox_files VALUES (?1, ?2, ?3)", params![run, path, bytes])?;
            }
            transaction.commit()
        };
        write(&mut connection).map_err(|error| self.failure(&error))
    }

    /// Has a server got all of a run with this content?
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn was_sent(&self, content: &str) -> Result<bool> {
        let Some(connection) = self.reader()? else { return Ok(false) };
        if self.check_schema(&connection)? < SINCE {
            return Ok(false);
        }
        let query = "SELECT EXISTS (SELECT 1 FROM outbox WHERE content = ?1 AND sent_ms IS NOT NULL)";
        connection.query_row(query, [content], |row| row.get(0)).map_err(|error| self.failure(&error))
    }

    /// The ended runs that are still to be sent, the oldest first.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn waiting(&self) -> Result<Vec<Waiting>> {
        let Some(connection) = self.reader()? else { return Ok(Vec::new()) };
        if self.check_schema(&connection)? < SINCE {
            return Ok(Vec::new());
        }
        let read = || -> rusqlite::Result<Vec<Waiting>> {
            let mut statement = connection.prepare(
                "SELECT o.run, r.recipe, r.started_ms, json_extract(o.parcel, '$.target.tracking_uri'), o.error FROM outbox o JOIN runs r ON r.id = o.run
                 WHERE o.sent_ms IS NULL AND r.status <> ?1 ORDER BY r.started_ms, r.rowid",
            )?;
            let rows = statement.query_map([Status::Running.name()], |row| {
                Ok(Waiting { run: row.get(0)?, recipe: row.get(1)?, started_ms: row.get(2)?, uri: row.get(3)?, error: row.get(4)? })
            })?;
            rows.collect()
        };
        read().map_err(|error| self.failure(&error))
    }

    /// Takes a run out of the outbox; it stays recorded here.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub fn forget_parcel(&self, run: &str) -> Result<()> {
        point(Op::Write).map_err(|error| Error::io("write to", self.database(), &error))?;
        self.writer()?.execute("DELETE FROM outbox WHERE run = ?1", [run]).map(|_| ()).map_err(|error| self.failure(&error))
    }

    /// All of a run that a server is to get.
    pub(super) fn shipment(&self, run: &str) -> Result<Shipment> {
        let gone = || Error::bug(format!("run `{run}` is not in the outbox"));
        let connection = self.reader()?.ok_or_else(gone)?;
        let read = || -> rusqlite::Result<Option<(Shipment, String)>> {
            let found = connection
                .query_row(
                    "SELECT r.recipe, r.profile, r.template, r.seed, r.status, r.started_ms, r.finished_ms, r.config, r.program, r.git_commit, r.git_branch,
                       r.git_dirty, r.message, r.error, (SELECT sweep FROM run_sweeps WHERE run = r.id), o.parcel
                     FROM outbox o JOIN runs r ON r.id = o.run WHERE o.run = ?1",
                    [run],
                    |row| {
                        let shipment = Shipment {
                            run: run.to_owned(),
                            recipe: row.get(0)?,
                            profile: row.get(1)?,
                            template: row.get(2)?,
                            seed: row.get(3)?,
                            status: row.get(4)?,
                            started_ms: row.get(5)?,
                            finished_ms: row.get(6)?,
                            config: row.get(7)?,
                            program: row.get(8)?,
                            git_commit: row.get(9)?,
                            git_branch: row.get(10)?,
                            git_dirty: row.get(11)?,
                            message: row.get(12)?,
                            error: row.get(13)?,
                            sweep: row.get(14)?,
                            ..Shipment::default()
                        };
                        Ok((shipment, row.get(15)?))
                    },
                )
                .optional()?;
            let Some((mut shipment, parcel)) = found else { return Ok(None) };
            let mut statement = connection.prepare("SELECT path FROM outbox_files WHERE run = ?1 ORDER BY path")?;
            shipment.paths = statement.query_map([run], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            Ok(Some((shipment, parcel)))
        };
        let (mut shipment, parcel) = read().map_err(|error| self.failure(&error))?.ok_or_else(gone)?;
        shipment.parcel =
            serde_json::from_str(&parcel).map_err(|error| Error::store(format!("the outbox in `{}` is damaged: {error}", self.database().display())))?;
        shipment.metrics = self.metrics(run)?;
        shipment.params = self.params(run)?;
        Ok(shipment)
    }

    /// The journal of a run's parcel, open for writing.
    pub(super) fn journal(&self, run: &str) -> Result<Journal<'_>> {
        let connection = self.writer()?;
        let open = || -> rusqlite::Result<BTreeMap<String, String>> {
            // An answer that is lost with the power is asked for again.
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            let mut statement = connection.prepare("SELECT call, answer FROM outbox_done WHERE run = ?1")?;
            statement.query_map([run], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        let done = open().map_err(|error| self.failure(&error))?;
        Ok(Journal { tracker: self, connection, run: run.to_owned(), done })
    }

    /// What a server said last of a model, for looking without asking it.
    pub(super) fn recalled(&self, server: &str, uri: &str) -> Result<Option<String>> {
        let Some(connection) = self.reader()? else { return Ok(None) };
        if self.check_schema(&connection)? < SINCE {
            return Ok(None);
        }
        let query = "SELECT answer FROM server_models WHERE server = ?1 AND uri = ?2";
        connection.query_row(query, [server, uri], |row| row.get(0)).optional().map_err(|error| self.failure(&error))
    }

    pub(super) fn recall(&self, server: &str, uri: &str, answer: &str) -> Result<()> {
        if self.recalled(server, uri)?.as_deref() == Some(answer) {
            return Ok(());
        }
        point(Op::Write).map_err(|error| Error::io("write to", self.database(), &error))?;
        let write = "INSERT OR REPLACE INTO server_models VALUES (?1, ?2, ?3)";
        self.writer()?.execute(write, [server, uri, answer]).map(|_| ()).map_err(|error| self.failure(&error))
    }
}

impl Journal<'_> {
    /// What the server answered, if it did.
    pub fn answer(&self, call: &str) -> Option<&str> {
        self.done.get(call).map(String::as_str)
    }

    pub fn note(&mut self, call: &str, answer: &str) -> Result<()> {
        self.write("INSERT OR REPLACE INTO outbox_done VALUES (?1, ?2, ?3)", &[&self.run, call, answer])?;
        self.done.insert(call.to_owned(), answer.to_owned());
        Ok(())
    }

    /// Forgets every answer.
    pub fn clear(&mut self) -> Result<()> {
        self.write("DELETE FROM outbox_done WHERE run = ?1", &[&self.run])?;
        self.done.clear();
        Ok(())
    }

    /// A file of the parcel.
    pub fn file(&self, path: &str) -> Result<Vec<u8>> {
        let query = "SELECT bytes FROM outbox_files WHERE run = ?1 AND path = ?2";
        self.connection.query_row(query, [self.run.as_str(), path], |row| row.get(0)).map_err(|error| self.tracker.failure(&error))
    }

    /// Notes why it could not be sent.
    pub fn failed(&self, why: &str) -> Result<()> {
        self.write("UPDATE outbox SET error = ?2 WHERE run = ?1", &[&self.run, why])
    }

    /// The server has all of it: what was kept for it goes.
    pub fn close(self, now_ms: i64) -> Result<()> {
        point(Op::Write).map_err(|error| Error::io("write to", self.tracker.database(), &error))?;
        let mut connection = self.connection;
        let write = |connection: &mut Connection| -> rusqlite::Result<()> {
            let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            transaction.execute("UPDATE outbox SET sent_ms = ?2, error = NULL WHERE run = ?1", params![self.run, now_ms])?;
            transaction.execute("DELETE FROM outbox_files WHERE run = ?1", [&self.run])?;
            transaction.execute("DELETE FROM outbox_done WHERE run = ?1 AND call LIKE 'file %'", [&self.run])?;
            transaction.commit()
        };
        write(&mut connection).map_err(|error| self.tracker.failure(&error))
    }

    fn write(&self, statement: &str, values: &[&str]) -> Result<()> {
        point(Op::Write).map_err(|error| Error::io("write to", self.tracker.database(), &error))?;
        self.connection.execute(statement, rusqlite::params_from_iter(values)).map(|_| ()).map_err(|error| self.tracker.failure(&error))
    }
}
