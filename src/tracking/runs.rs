//! Runs: one row each, with its metrics and steps.

use std::collections::BTreeMap;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::Serialize;

use super::Tracker;
use crate::error::{Error, Result};
use crate::store::fault::{Op, point};

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS runs (
  id TEXT PRIMARY KEY, recipe TEXT NOT NULL, profile TEXT, template TEXT NOT NULL, seed INTEGER NOT NULL, status TEXT NOT NULL,
  started_ms INTEGER NOT NULL, finished_ms INTEGER, config TEXT NOT NULL, program TEXT NOT NULL,
  git_commit TEXT, git_branch TEXT, git_dirty INTEGER, message TEXT, error TEXT);
CREATE TABLE IF NOT EXISTS run_metrics (run TEXT NOT NULL REFERENCES runs(id), name TEXT NOT NULL, value REAL NOT NULL, PRIMARY KEY (run, name));
CREATE TABLE IF NOT EXISTS run_params (run TEXT NOT NULL REFERENCES runs(id), name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (run, name));
CREATE TABLE IF NOT EXISTS run_steps (run TEXT NOT NULL REFERENCES runs(id), step TEXT NOT NULL, state TEXT NOT NULL, key TEXT NOT NULL, seconds REAL NOT NULL, PRIMARY KEY (run, step));
CREATE INDEX IF NOT EXISTS runs_by_time ON runs (recipe, started_ms);
CREATE TABLE IF NOT EXISTS run_sweeps (run TEXT PRIMARY KEY REFERENCES runs(id), sweep TEXT NOT NULL, overrides TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS runs_by_sweep ON run_sweeps (sweep);
CREATE TABLE IF NOT EXISTS run_details (
  run TEXT PRIMARY KEY REFERENCES runs(id), command TEXT, versions TEXT NOT NULL, places TEXT NOT NULL, patch TEXT, validated INTEGER, reason TEXT);
CREATE TABLE IF NOT EXISTS run_inputs (
  run TEXT NOT NULL REFERENCES runs(id), step TEXT NOT NULL, name TEXT NOT NULL, location TEXT NOT NULL, digest TEXT NOT NULL,
  PRIMARY KEY (run, step, name));
CREATE TABLE IF NOT EXISTS run_outputs (
  run TEXT NOT NULL REFERENCES runs(id), step TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, bytes INTEGER NOT NULL,
  rows INTEGER, columns INTEGER, PRIMARY KEY (run, step, name));
CREATE TABLE IF NOT EXISTS looks (at_ms INTEGER NOT NULL, recipe TEXT NOT NULL, who TEXT);
";

/// The first schema that knows sweeps, and the first that knows inputs, outputs, details and looks.
const SWEEPS: i64 = 3;
const DETAILS: i64 = 5;

/// How a run ended, or that it has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Running,
    Finished,
    Failed,
    Killed,
}

impl Status {
    /// The name MLflow gives it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
        }
    }
}

/// What is known when a run starts.
#[derive(Clone, Debug, Default)]
pub struct Started {
    pub id: String,
    /// Other runs that tell that they live.
    pub living: Vec<String>,
    pub recipe: String,
    pub profile: Option<String>,
    pub template: String,
    pub seed: u64,
    pub started_ms: i64,
    /// The resolved configuration, as YAML.
    pub config: String,
    pub program: String,
    pub git_commit: Option<String>,
    pub git_branch: Option<String>,
    pub git_dirty: Option<bool>,
    /// What the work tree has otherwise than the commit.
    pub git_patch: Option<String>,
    pub message: Option<String>,
    pub member: Option<Member>,
    /// What was typed, or would give the same.
    pub command: Option<String>,
    /// Where each value of the configuration was set: key → place.
    pub places: BTreeMap<String, String>,
}

/// The sweep that a run belongs to, and what it sets there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    pub sweep: String,
    /// As on the command line.
    pub overrides: Vec<String>,
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepRow {
    pub step: String,
    /// `executed`, `cached`, `used` or `failed`.
    pub state: String,
    /// Empty where it failed.
    pub key: String,
    pub seconds: f64,
}

/// A file that a step read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InputRow {
    pub step: String,
    /// As the recipe has it.
    pub name: String,
    /// Where it lay then.
    pub location: String,
    /// BLAKE3 of its bytes.
    pub digest: String,
}

/// An artifact that a step made, or that was found in its place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OutputRow {
    pub step: String,
    pub name: String,
    /// BLAKE3 of its bytes.
    pub digest: String,
    pub bytes: u64,
    /// Where it is a table.
    pub rows: Option<u64>,
    pub columns: Option<u64>,
}

/// What is known when it ends.
#[derive(Clone, Debug, Default)]
pub struct Finished {
    pub finished_ms: i64,
    pub metrics: BTreeMap<String, f64>,
    pub params: BTreeMap<String, String>,
    pub steps: Vec<StepRow>,
    pub inputs: Vec<InputRow>,
    pub outputs: Vec<OutputRow>,
    /// Step → what computed it, with the version of each.
    pub versions: BTreeMap<String, BTreeMap<String, u32>>,
    /// Did the model pass the gate, and what decided it?
    pub verdict: Option<(bool, String)>,
    pub error: Option<String>,
}

/// A run as it is looked back on.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunRow {
    pub id: String,
    pub recipe: String,
    pub profile: Option<String>,
    pub template: String,
    pub seed: u64,
    pub status: String,
    pub started_ms: i64,
    pub finished_ms: Option<i64>,
    /// The program and its version.
    pub program: String,
    pub git_commit: Option<String>,
    pub git_branch: Option<String>,
    /// Not asked for where every step came from the cache.
    pub git_dirty: Option<bool>,
    pub sweep: Option<String>,
    pub message: Option<String>,
    pub error: Option<String>,
}

/// What else is known of a run; programs before schema 5 kept nothing of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Details {
    pub command: Option<String>,
    /// Step → what computed it, with the version of each.
    pub versions: BTreeMap<String, BTreeMap<String, u32>>,
    /// Where each value of the configuration was set: key → place.
    pub places: BTreeMap<String, String>,
    /// What the work tree had otherwise than the commit.
    pub patch: Option<String>,
    pub validated: Option<bool>,
    pub reason: Option<String>,
    pub inputs: Vec<InputRow>,
    pub outputs: Vec<OutputRow>,
}

/// Somebody asked for the test scores of a recipe's models.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Look {
    pub at_ms: i64,
    pub who: Option<String>,
}

/// A finished run that trained a model, as it is compared with others.
#[derive(Clone, Debug, PartialEq)]
pub struct Contender {
    pub run: String,
    pub profile: Option<String>,
    pub sweep: Option<String>,
    pub started_ms: i64,
    /// The metric on validation and test rows; on test rows only if the run evaluated.
    pub validation: Option<f64>,
    pub test: Option<f64>,
    /// The keys of its train and split steps: runs with the same one have the same model, or the same rows.
    pub train: String,
    pub split: Option<String>,
    /// What fitting took when it was done.
    pub fit_seconds: f64,
    /// What the gate said, where it was asked.
    pub validated: Option<bool>,
}

impl Tracker {
    /// Records a run, or what has become of it, in one transaction.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub fn record(&self, started: &Started, status: Status, finished: &Finished) -> Result<()> {
        point(Op::Write).map_err(|error| Error::io("write to", &self.database, &error))?;
        let mut connection = self.writer()?;
        // Not each run is brought to the platter: that costs more than to find nothing changed.
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(|error| self.failure(&error))?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(|error| self.failure(&error))?;
        let write = |connection: &mut rusqlite::Connection| -> rusqlite::Result<()> {
            let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            transaction.execute(
                "INSERT OR REPLACE INTO runs (id, recipe, profile, template, seed, status, started_ms, finished_ms, config, program, git_commit, git_branch, git_dirty, message, error)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
                params![
                    started.id,
                    started.recipe,
                    started.profile,
                    started.template,
                    started.seed as i64,
                    status.name(),
                    started.started_ms,
                    (status != Status::Running).then_some(finished.finished_ms),
                    started.config,
                    started.program,
                    started.git_commit,
                    started.git_branch,
                    started.git_dirty,
                    started.message,
                    finished.error,
                ],
            )?;
            for (name, value) in finished.metrics.iter().filter(|(_, value)| value.is_finite()) {
                transaction.execute("INSERT OR REPLACE INTO run_metrics VALUES (?1, ?2, ?3)", params![started.id, name, value])?;
            }
            for (name, value) in &finished.params {
                transaction.execute("INSERT OR REPLACE INTO run_params VALUES (?1, ?2, ?3)", params![started.id, name, value])?;
            }
            for step in &finished.steps {
                transaction.execute(
                    "INSERT OR REPLACE INTO run_steps VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![started.id, step.step, step.state, step.key, step.seconds],
                )?;
            }
            if status == Status::Running {
                record_lost(&transaction, started)?;
            }
            record_details(&transaction, started, finished)?;
            if let Some(member) = &started.member {
                let overrides = serde_json::Value::from(member.overrides.clone()).to_string();
                transaction.execute("INSERT OR REPLACE INTO run_sweeps VALUES (?1, ?2, ?3)", params![started.id, member.sweep, overrides])?;
            }
            transaction.commit()
        };
        write(&mut connection).map_err(|error| self.failure(&error))
    }

    /// The last runs, newest first.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn runs(&self, recipe: Option<&str>, limit: usize) -> Result<Vec<RunRow>> {
        let Some(connection) = self.reader()? else { return Ok(Vec::new()) };
        // A database of an older program knows no sweeps.
        let sweep = if self.check_schema(&connection)? < SWEEPS { "NULL" } else { "(SELECT sweep FROM run_sweeps WHERE run = id)" };
        let read = || -> rusqlite::Result<Vec<RunRow>> {
            let mut statement = connection.prepare(&format!(
                "SELECT id, recipe, profile, template, seed, status, started_ms, finished_ms, program, git_commit, git_branch, git_dirty, {sweep}, message, error
                 FROM runs WHERE ?1 IS NULL OR recipe = ?1 ORDER BY started_ms DESC, rowid DESC LIMIT ?2"
            ))?;
            statement.query_map(params![recipe, i64::try_from(limit).unwrap_or(i64::MAX)], run_row)?.collect()
        };
        read().map_err(|error| self.failure(&error))
    }

    /// What else is known of a run.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn details(&self, run: &str) -> Result<Details> {
        let Some(connection) = self.reader()? else { return Ok(Details::default()) };
        if self.check_schema(&connection)? < DETAILS {
            return Ok(Details::default());
        }
        read_details(&connection, run).map_err(|error| self.failure(&error))
    }

    /// Notes that somebody asked for the test scores of a recipe's models.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub fn look(&self, recipe: &str, at_ms: i64, who: Option<&str>) -> Result<()> {
        let connection = self.writer()?;
        connection.execute("INSERT INTO looks VALUES (?1, ?2, ?3)", params![at_ms, recipe, who]).map(|_| ()).map_err(|error| self.failure(&error))
    }

    /// Who asked for the test scores of a recipe's models, the oldest first.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn looks(&self, recipe: &str) -> Result<Vec<Look>> {
        let Some(connection) = self.reader()? else { return Ok(Vec::new()) };
        if self.check_schema(&connection)? < DETAILS {
            return Ok(Vec::new());
        }
        let read = || -> rusqlite::Result<Vec<Look>> {
            let mut statement = connection.prepare("SELECT at_ms, who FROM looks WHERE recipe = ?1 ORDER BY rowid")?;
            statement.query_map([recipe], |row| Ok(Look { at_ms: row.get(0)?, who: row.get(1)? }))?.collect()
        };
        read().map_err(|error| self.failure(&error))
    }

    /// A run's metrics.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn metrics(&self, run: &str) -> Result<BTreeMap<String, f64>> {
        let Some(connection) = self.reader()? else { return Ok(BTreeMap::new()) };
        let read = || -> rusqlite::Result<BTreeMap<String, f64>> {
            let mut statement = connection.prepare("SELECT name, value FROM run_metrics WHERE run = ?1")?;
            statement.query_map([run], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        read().map_err(|error| self.failure(&error))
    }

    /// A metric of every run that has it.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn metric(&self, name: &str) -> Result<BTreeMap<String, f64>> {
        let Some(connection) = self.reader()? else { return Ok(BTreeMap::new()) };
        let read = || -> rusqlite::Result<BTreeMap<String, f64>> {
            let mut statement = connection.prepare("SELECT run, value FROM run_metrics WHERE name = ?1")?;
            statement.query_map([name], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        read().map_err(|error| self.failure(&error))
    }

    /// The metrics of a recipe's runs whose names begin so, of the last `limit` runs that have any; the oldest run first, each with when it began.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn metrics_of(&self, recipe: &str, beginning: &str, limit: usize) -> Result<Vec<(String, i64, BTreeMap<String, f64>)>> {
        let Some(connection) = self.reader()? else { return Ok(Vec::new()) };
        let read = || -> rusqlite::Result<Vec<(String, i64, BTreeMap<String, f64>)>> {
            let mut statement = connection.prepare(
                "WITH last AS (
                   SELECT id, started_ms, rowid AS at FROM runs
                   WHERE recipe = ?1 AND EXISTS (SELECT 1 FROM run_metrics m WHERE m.run = id AND substr(m.name, 1, length(?2)) = ?2)
                   ORDER BY started_ms DESC, at DESC LIMIT ?3)
                 SELECT last.id, last.started_ms, m.name, m.value FROM last JOIN run_metrics m ON m.run = last.id
                 WHERE substr(m.name, 1, length(?2)) = ?2 ORDER BY last.started_ms, last.at",
            )?;
            let mut found: Vec<(String, i64, BTreeMap<String, f64>)> = Vec::new();
            let mut rows = statement.query(params![recipe, beginning, i64::try_from(limit).unwrap_or(i64::MAX)])?;
            while let Some(row) = rows.next()? {
                let run: String = row.get(0)?;
                if found.last().is_none_or(|last| last.0 != run) {
                    found.push((run, row.get(1)?, BTreeMap::new()));
                }
                if let Some(last) = found.last_mut() {
                    last.2.insert(row.get(2)?, row.get(3)?);
                }
            }
            Ok(found)
        };
        read().map_err(|error| self.failure(&error))
    }

    /// A run's steps, in their order.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn steps(&self, run: &str) -> Result<Vec<StepRow>> {
        let Some(connection) = self.reader()? else { return Ok(Vec::new()) };
        let read = || -> rusqlite::Result<Vec<StepRow>> {
            let mut statement = connection.prepare("SELECT step, state, key, seconds FROM run_steps WHERE run = ?1 ORDER BY rowid")?;
            statement.query_map([run], |row| Ok(StepRow { step: row.get(0)?, state: row.get(1)?, key: row.get(2)?, seconds: row.get(3)? }))?.collect()
        };
        read().map_err(|error| self.failure(&error))
    }

    /// A run's parameters.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn params(&self, run: &str) -> Result<BTreeMap<String, String>> {
        let Some(connection) = self.reader()? else { return Ok(BTreeMap::new()) };
        let read = || -> rusqlite::Result<BTreeMap<String, String>> {
            let mut statement = connection.prepare("SELECT name, value FROM run_params WHERE run = ?1")?;
            statement.query_map([run], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        read().map_err(|error| self.failure(&error))
    }

    /// A run's resolved configuration, as YAML.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn config(&self, run: &str) -> Result<Option<String>> {
        let Some(connection) = self.reader()? else { return Ok(None) };
        connection.query_row("SELECT config FROM runs WHERE id = ?1", [run], |row| row.get(0)).optional().map_err(|error| self.failure(&error))
    }

    /// The finished runs of a recipe that trained a model, newest first.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn contenders(&self, recipe: &str, metric: &str) -> Result<Vec<Contender>> {
        let Some(connection) = self.reader()? else { return Ok(Vec::new()) };
        // A database of an older program knows no sweeps.
        let schema = self.check_schema(&connection)?;
        let sweep = if schema < SWEEPS { "NULL" } else { "(SELECT sweep FROM run_sweeps WHERE run = r.id)" };
        let validated = if schema < DETAILS { "NULL" } else { "(SELECT validated FROM run_details WHERE run = r.id)" };
        let read = || -> rusqlite::Result<Vec<Contender>> {
            let mut statement = connection.prepare(&format!(
                "SELECT r.id, r.profile, {sweep}, r.started_ms, v.value, t.value, fit.key, cut.key, fit.seconds, {validated}
                 FROM runs r
                 JOIN run_steps fit ON fit.run = r.id AND fit.step = 'train'
                 LEFT JOIN run_steps cut ON cut.run = r.id AND cut.step = 'split'
                 LEFT JOIN run_metrics v ON v.run = r.id AND v.name = ?2
                 LEFT JOIN run_metrics t ON t.run = r.id AND t.name = ?3
                 WHERE r.recipe = ?1 AND r.status = 'FINISHED'
                 ORDER BY r.started_ms DESC, r.rowid DESC"
            ))?;
            let rows = statement.query_map(params![recipe, format!("val_{metric}"), format!("test_{metric}")], |row| {
                Ok(Contender {
                    run: row.get(0)?,
                    profile: row.get(1)?,
                    sweep: row.get(2)?,
                    started_ms: row.get(3)?,
                    validation: row.get(4)?,
                    test: row.get(5)?,
                    train: row.get(6)?,
                    split: row.get(7)?,
                    fit_seconds: row.get(8)?,
                    validated: row.get(9)?,
                })
            })?;
            rows.collect()
        };
        read().map_err(|error| self.failure(&error))
    }

    /// The sweeps of a recipe, newest first.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn sweeps(&self, recipe: &str) -> Result<Vec<String>> {
        let Some(connection) = self.reader()? else { return Ok(Vec::new()) };
        if self.check_schema(&connection)? < SWEEPS {
            return Ok(Vec::new());
        }
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut statement = connection.prepare(
                "SELECT s.sweep FROM run_sweeps s JOIN runs r ON r.id = s.run WHERE r.recipe = ?1 GROUP BY s.sweep ORDER BY max(r.started_ms) DESC, s.sweep",
            )?;
            statement.query_map([recipe], |row| row.get(0))?.collect()
        };
        read().map_err(|error| self.failure(&error))
    }
}

/// Runs that began a minute before this one, never ended and do not live are recorded as killed.
fn record_lost(transaction: &rusqlite::Connection, started: &Started) -> rusqlite::Result<()> {
    const MINUTE_MS: i64 = 60_000;
    let sql = "UPDATE runs SET status = ?1, error = 'its process ended without a word'
               WHERE status = ?2 AND started_ms < ?3 AND id NOT IN (SELECT value FROM json_each(?4))";
    let living = serde_json::Value::from(started.living.clone()).to_string();
    transaction.execute(sql, params![Status::Killed.name(), Status::Running.name(), started.started_ms - MINUTE_MS, living])?;
    Ok(())
}

fn record_details(transaction: &Transaction<'_>, started: &Started, finished: &Finished) -> rusqlite::Result<()> {
    let json = |value: serde_json::Result<String>| value.unwrap_or_default();
    let (versions, places) = (json(serde_json::to_string(&finished.versions)), json(serde_json::to_string(&started.places)));
    let (validated, reason) = finished.verdict.as_ref().map_or((None, None), |(validated, reason)| (Some(*validated), Some(reason)));
    transaction.execute(
        "INSERT OR REPLACE INTO run_details VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![started.id, started.command, versions, places, started.git_patch, validated, reason],
    )?;
    for input in &finished.inputs {
        transaction.prepare_cached("INSERT OR REPLACE INTO run_inputs VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(params![
            started.id,
            input.step,
            input.name,
            input.location,
            input.digest
        ])?;
    }
    for output in &finished.outputs {
        let OutputRow { step, name, digest, bytes, rows, columns } = output;
        let count = |value: &Option<u64>| value.map(|value| value as i64);
        transaction.prepare_cached("INSERT OR REPLACE INTO run_outputs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?.execute(params![
            started.id,
            step,
            name,
            digest,
            *bytes as i64,
            count(rows),
            count(columns)
        ])?;
    }
    Ok(())
}

fn read_details(connection: &Connection, run: &str) -> rusqlite::Result<Details> {
    let query = "SELECT command, versions, places, patch, validated, reason FROM run_details WHERE run = ?1";
    let found = connection.query_row(query, [run], |row| {
        let (versions, places): (String, String) = (row.get(1)?, row.get(2)?);
        Ok(Details {
            command: row.get(0)?,
            versions: serde_json::from_str(&versions).unwrap_or_default(),
            places: serde_json::from_str(&places).unwrap_or_default(),
            patch: row.get(3)?,
            validated: row.get(4)?,
            reason: row.get(5)?,
            ..Details::default()
        })
    });
    let mut details = found.optional()?.unwrap_or_default();
    let mut inputs = connection.prepare("SELECT step, name, location, digest FROM run_inputs WHERE run = ?1 ORDER BY rowid")?;
    details.inputs = inputs
        .query_map([run], |row| Ok(InputRow { step: row.get(0)?, name: row.get(1)?, location: row.get(2)?, digest: row.get(3)? }))?
        .collect::<rusqlite::Result<_>>()?;
    let mut outputs = connection.prepare("SELECT step, name, digest, bytes, rows, columns FROM run_outputs WHERE run = ?1 ORDER BY rowid")?;
    let count = |row: &Row<'_>, at: usize| -> rusqlite::Result<Option<u64>> { Ok(row.get::<_, Option<i64>>(at)?.map(|value| value as u64)) };
    details.outputs = outputs
        .query_map([run], |row| {
            let bytes = count(row, 3)?.unwrap_or_default();
            Ok(OutputRow { step: row.get(0)?, name: row.get(1)?, digest: row.get(2)?, bytes, rows: count(row, 4)?, columns: count(row, 5)? })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(details)
}

fn run_row(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    Ok(RunRow {
        id: row.get(0)?,
        recipe: row.get(1)?,
        profile: row.get(2)?,
        template: row.get(3)?,
        seed: row.get::<_, i64>(4)? as u64,
        status: row.get(5)?,
        started_ms: row.get(6)?,
        finished_ms: row.get(7)?,
        program: row.get(8)?,
        git_commit: row.get(9)?,
        git_branch: row.get(10)?,
        git_dirty: row.get(11)?,
        sweep: row.get(12)?,
        message: row.get(13)?,
        error: row.get(14)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::tracker;
    use super::*;

    #[test]
    fn a_run_is_kept_with_its_metrics_and_the_newest_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        let tracker = tracker(dir.path());
        assert!(tracker.runs(None, 10).unwrap().is_empty());
        for (id, time) in [("a", 1), ("b", 2)] {
            let started = Started { id: id.into(), recipe: "taxi".into(), template: "regression/v1".into(), started_ms: time, ..Started::default() };
            let finished =
                Finished { finished_ms: time + 5, metrics: BTreeMap::from([("test_r2_score".into(), 0.5), ("nan".into(), f64::NAN)]), ..Finished::default() };
            tracker.record(&started, Status::Running, &Finished::default()).unwrap();
            tracker.record(&started, Status::Finished, &finished).unwrap();
        }
        let runs = tracker.runs(Some("taxi"), 10).unwrap();
        assert_eq!(
            runs.iter().map(|r| (r.id.as_str(), r.status.as_str(), r.finished_ms)).collect::<Vec<_>>(),
            [("b", "FINISHED", Some(7)), ("a", "FINISHED", Some(6))]
        );
        assert_eq!(tracker.metrics("a").unwrap(), BTreeMap::from([("test_r2_score".into(), 0.5)]));
    }

    #[test]
    fn a_run_whose_process_is_gone_is_recorded_as_killed() {
        let dir = tempfile::tempdir().unwrap();
        let tracker = tracker(dir.path());
        for (id, started_ms, status) in
            [("gone", 1, Status::Running), ("lives", 1, Status::Running), ("done", 1, Status::Finished), ("young", 60_002, Status::Running)]
        {
            let started = Started { id: id.into(), recipe: "taxi".into(), started_ms, living: vec!["lives".into()], ..Started::default() };
            tracker.record(&started, status, &Finished::default()).unwrap();
        }
        let status: BTreeMap<String, String> = tracker.runs(None, 10).unwrap().into_iter().map(|run| (run.id, run.status)).collect();
        let wanted = [("done", "FINISHED"), ("gone", "KILLED"), ("lives", "RUNNING"), ("young", "RUNNING")];
        assert_eq!(status, wanted.map(|(id, status)| (id.to_owned(), status.to_owned())).into());
    }

    #[test]
    fn a_database_of_an_older_program_is_read_and_learns_of_sweeps_with_the_next_write() {
        let dir = tempfile::tempdir().unwrap();
        let tracker = tracker(dir.path());
        let old = TABLES.split("CREATE TABLE IF NOT EXISTS run_sweeps").next().unwrap();
        let connection = rusqlite::Connection::open(dir.path().join("runs.db")).unwrap();
        connection
            .execute_batch(&format!(
                "PRAGMA journal_mode = WAL; {old}{} PRAGMA user_version = 2;
                 INSERT INTO runs (id, recipe, template, seed, status, started_ms, config, program) VALUES ('a', 'taxi', 'regression/v1', 1, 'FINISHED', 1, '', '');
                 INSERT INTO run_metrics VALUES ('a', 'val_r2_score', 0.5);
                 INSERT INTO run_steps VALUES ('a', 'train', 'executed', 'k', 2.0);",
                super::super::registry::TABLES
            ))
            .unwrap();
        let identity = tracker.identity().unwrap();
        assert!(identity.is_some());
        let board = || -> Vec<(String, Option<f64>, Option<String>)> {
            tracker.contenders("taxi", "r2_score").unwrap().into_iter().map(|c| (c.run, c.validation, c.sweep)).collect()
        };
        let old = ("a".to_owned(), Some(0.5), None);
        assert_eq!(board(), std::slice::from_ref(&old));
        assert!(tracker.sweeps("taxi").unwrap().is_empty());

        let member = Member { sweep: "s".into(), overrides: vec!["seed=1".into()] };
        let started = Started { id: "b".into(), recipe: "taxi".into(), started_ms: 2, member: Some(member), ..Started::default() };
        let steps = vec![StepRow { step: "train".into(), state: "cached".into(), key: "k".into(), seconds: 2.0 }];
        tracker.record(&started, Status::Finished, &Finished { steps, ..Finished::default() }).unwrap();
        assert_eq!(board(), [("b".to_owned(), None, Some("s".to_owned())), old]);
        assert_eq!((tracker.sweeps("taxi").unwrap(), tracker.identity().unwrap()), (vec!["s".to_owned()], identity));
    }

    #[test]
    fn a_database_of_schema_4_is_read_and_learns_details_with_the_next_write() {
        let dir = tempfile::tempdir().unwrap();
        let tracker = tracker(dir.path());
        let old = TABLES.split("CREATE TABLE IF NOT EXISTS run_details").next().unwrap();
        let connection = rusqlite::Connection::open(dir.path().join("runs.db")).unwrap();
        connection
            .execute_batch(&format!(
                "PRAGMA journal_mode = WAL; {old}{} PRAGMA user_version = 4;
                 INSERT INTO runs (id, recipe, template, seed, status, started_ms, config, program) VALUES ('a', 'taxi', 'regression/v1', 1, 'FINISHED', 1, '', '');
                 INSERT INTO run_steps VALUES ('a', 'train', 'executed', 'k', 2.0);",
                super::super::registry::TABLES
            ))
            .unwrap();
        drop(connection);
        assert_eq!((tracker.details("a").unwrap(), tracker.looks("taxi").unwrap()), (Details::default(), vec![]));
        assert_eq!(tracker.contenders("taxi", "r2_score").unwrap()[0].validated, None);

        let started = Started {
            id: "b".into(),
            recipe: "taxi".into(),
            started_ms: 2,
            command: Some("recipe run".into()),
            places: BTreeMap::from([("seed".into(), "recipe.yaml:3:7".into())]),
            git_patch: Some("diff".into()),
            ..Started::default()
        };
        let input = InputRow { step: "ingest".into(), name: "a.csv".into(), location: "/data/a.csv".into(), digest: "1".into() };
        let output = OutputRow { step: "train".into(), name: "model".into(), digest: "2".into(), bytes: 9, rows: None, columns: Some(3) };
        let finished = Finished {
            inputs: vec![input.clone()],
            outputs: vec![output.clone()],
            versions: BTreeMap::from([("train".into(), BTreeMap::from([("estimator ridge".into(), 1)]))]),
            verdict: Some((false, "failed".into())),
            ..Finished::default()
        };
        // Twice, as a run that begins and ends.
        tracker.record(&started, Status::Running, &Finished::default()).unwrap();
        tracker.record(&started, Status::Finished, &finished).unwrap();
        let details = Details {
            command: Some("recipe run".into()),
            versions: finished.versions.clone(),
            places: started.places.clone(),
            patch: Some("diff".into()),
            validated: Some(false),
            reason: Some("failed".into()),
            inputs: vec![input],
            outputs: vec![output],
        };
        assert_eq!((tracker.details("b").unwrap(), tracker.details("a").unwrap()), (details, Details::default()));
        tracker.look("taxi", 7, Some("ada")).unwrap();
        assert_eq!(tracker.looks("taxi").unwrap(), [Look { at_ms: 7, who: Some("ada".into()) }]);
        assert!(tracker.looks("other").unwrap().is_empty());
    }
}
