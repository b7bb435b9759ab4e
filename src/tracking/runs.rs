//! Runs: one row each, with its metrics and steps.

use std::collections::BTreeMap;

use rusqlite::config::DbConfig;
use rusqlite::{OptionalExtension, params};

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
";

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
    pub message: Option<String>,
    pub member: Option<Member>,
}

/// The sweep that a run belongs to, and what it sets there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    pub sweep: String,
    /// As on the command line.
    pub overrides: Vec<String>,
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRow {
    pub step: String,
    /// `executed`, `cached` or `failed`.
    pub state: String,
    pub key: String,
    pub seconds: f64,
}

/// What is known when it ends.
#[derive(Clone, Debug, Default)]
pub struct Finished {
    pub finished_ms: i64,
    pub metrics: BTreeMap<String, f64>,
    pub params: BTreeMap<String, String>,
    pub steps: Vec<StepRow>,
    pub error: Option<String>,
}

/// A run as it is looked back on.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    pub id: String,
    pub recipe: String,
    pub profile: Option<String>,
    pub status: String,
    pub started_ms: i64,
    pub finished_ms: Option<i64>,
    pub message: Option<String>,
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
        let read = || -> rusqlite::Result<Vec<RunRow>> {
            let mut statement = connection.prepare(
                "SELECT id, recipe, profile, status, started_ms, finished_ms, message FROM runs WHERE ?1 IS NULL OR recipe = ?1 ORDER BY started_ms DESC, rowid DESC LIMIT ?2",
            )?;
            let rows = statement.query_map(params![recipe, limit as i64], |row| {
                Ok(RunRow {
                    id: row.get(0)?,
                    recipe: row.get(1)?,
                    profile: row.get(2)?,
                    status: row.get(3)?,
                    started_ms: row.get(4)?,
                    finished_ms: row.get(5)?,
                    message: row.get(6)?,
                })
            })?;
            rows.collect()
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

    /// A run's steps, by name.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn steps(&self, run: &str) -> Result<Vec<StepRow>> {
        let Some(connection) = self.reader()? else { return Ok(Vec::new()) };
        let read = || -> rusqlite::Result<Vec<StepRow>> {
            let mut statement = connection.prepare("SELECT step, state, key, seconds FROM run_steps WHERE run = ?1 ORDER BY step")?;
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
        let sweep = if self.check_schema(&connection)? < 3 { "NULL" } else { "(SELECT sweep FROM run_sweeps WHERE run = r.id)" };
        let read = || -> rusqlite::Result<Vec<Contender>> {
            let mut statement = connection.prepare(&format!(
                "SELECT r.id, r.profile, {sweep}, r.started_ms, v.value, t.value, fit.key, cut.key, fit.seconds
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
        if self.check_schema(&connection)? < 3 {
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
}
