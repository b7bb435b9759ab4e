//! The registry of models: versions, aliases, and who moved what.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use serde::Serialize;

use super::Tracker;
use super::bundle::{self, BundleParts};
use crate::error::{Error, Result, nearest};
use crate::store::fault::{Op, point};

pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS registry (id TEXT NOT NULL);
INSERT INTO registry SELECT lower(hex(randomblob(16))) WHERE NOT EXISTS (SELECT 1 FROM registry);
CREATE TABLE IF NOT EXISTS models (name TEXT PRIMARY KEY, description TEXT);
CREATE TABLE IF NOT EXISTS versions (
  name TEXT NOT NULL REFERENCES models(name), version INTEGER NOT NULL, digest TEXT NOT NULL, run TEXT NOT NULL, created_ms INTEGER NOT NULL,
  validated INTEGER NOT NULL, PRIMARY KEY (name, version));
CREATE UNIQUE INDEX IF NOT EXISTS versions_by_digest ON versions (name, digest);
CREATE TABLE IF NOT EXISTS aliases (name TEXT NOT NULL REFERENCES models(name), alias TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (name, alias));
CREATE TABLE IF NOT EXISTS history (at_ms INTEGER NOT NULL, name TEXT NOT NULL, event TEXT NOT NULL, alias TEXT, from_version INTEGER, to_version INTEGER, run TEXT);
CREATE TRIGGER IF NOT EXISTS history_is_kept BEFORE DELETE ON history BEGIN SELECT raise(ABORT, 'the history of models is kept'); END;
CREATE TRIGGER IF NOT EXISTS history_is_not_changed BEFORE UPDATE ON history BEGIN SELECT raise(ABORT, 'the history of models is kept'); END;
";

/// Who changed something by hand, and why; the first programs did not ask.
pub(super) fn remember_who(connection: &Connection) -> rusqlite::Result<()> {
    if connection.prepare("SELECT who FROM history").is_ok() {
        return Ok(());
    }
    connection.execute_batch("ALTER TABLE history ADD COLUMN who TEXT; ALTER TABLE history ADD COLUMN why TEXT;")
}

/// A version of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRow {
    pub name: String,
    pub version: u64,
    pub digest: String,
    pub run: String,
    pub created_ms: i64,
    pub validated: bool,
    pub aliases: Vec<String>,
}

/// An alias and the version it points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasRow {
    pub alias: String,
    pub version: u64,
}

/// Something that happened to a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HistoryRow {
    pub at_ms: i64,
    pub name: String,
    pub event: Event,
    pub alias: Option<String>,
    pub from_version: Option<u64>,
    pub to_version: Option<u64>,
    /// The run that did it; none where a person did.
    pub run: Option<String>,
    pub who: Option<String>,
    pub why: Option<String>,
}

/// What may happen to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Registered,
    /// An alias was pointed at a version.
    Alias,
    /// An alias was pointed back.
    Rollback,
    Deleted,
}

impl Event {
    const ALL: [Self; 4] = [Self::Registered, Self::Alias, Self::Rollback, Self::Deleted];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Alias => "alias",
            Self::Rollback => "rollback",
            Self::Deleted => "deleted",
        }
    }
}

/// On whose account something is changed, when and why.
#[derive(Clone, Copy, Debug, Default)]
pub struct Account<'a> {
    pub now_ms: i64,
    pub run: Option<&'a str>,
    pub who: Option<&'a str>,
    pub why: Option<&'a str>,
}

/// What registering did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    pub version: u64,
    pub digest: String,
    /// The alias that now points to this version because of this registration.
    pub alias_moved: Option<String>,
    /// Something the user should hear.
    pub said: Option<String>,
    /// The bundle's files with their sizes.
    pub files: Vec<(String, u64)>,
    pub inputs: Vec<(String, String)>,
    pub outputs: Vec<(String, String)>,
}

/// A model that was asked for by URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// With the version spelled out: `models:/taxi_fare/3`, or the path.
    pub uri: String,
    /// The bundle's directory.
    pub path: PathBuf,
    pub digest: String,
    /// What the user should hear: that it was not found where it was looked for first.
    pub said: Option<String>,
}

/// Refuses names that could not be a folder or that MLflow would not take.
///
/// # Errors
/// Exit code 3, saying what a name may hold.
pub fn check_name(name: &str) -> Result<()> {
    let fits =
        !name.is_empty() && name.len() <= 200 && !name.starts_with('.') && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' '));
    if fits && !name.contains("..") {
        return Ok(());
    }
    Err(Error::config(format!("not a model name: `{}`", crate::error::shorten(name)))
        .hint("letters, digits, `_`, `-`, `.` and spaces; it may not begin with a dot"))
}

impl Tracker {
    /// Puts a model into the registry. The same model again gives its version and moves no alias.
    ///
    /// # Errors
    /// Where the bundle or the database cannot be written.
    pub fn register(&self, name: &str, parts: &BundleParts<'_>, alias: Option<&str>, description: Option<&str>) -> Result<Registration> {
        check_name(name)?;
        let digest = bundle::digest(parts.model);
        let folder = self.models.join(name);
        std::fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, &error))?;
        // Registrations come one after another, so what stands here was left by a killed one.
        let scratch = folder.join(".new");
        let placed = self.place(name, parts, &digest, &scratch, alias, description);
        if placed.is_err() {
            std::fs::remove_dir_all(&scratch).ok();
        }
        let (version, alias_moved, said) = placed?;
        let files = bundle::files(&self.bundle_dir(name, version))?;
        Ok(Registration { version, digest, alias_moved, said, files, inputs: bundle::inputs(parts.model), outputs: bundle::outputs(parts.model)? })
    }

    fn place(
        &self,
        name: &str,
        parts: &BundleParts<'_>,
        digest: &str,
        scratch: &Path,
        alias: Option<&str>,
        description: Option<&str>,
    ) -> Result<(u64, Option<String>, Option<String>)> {
        let mut connection = self.writer()?;
        let fail = |error: rusqlite::Error| self.failure(&error);
        let account = Account { now_ms: parts.now.timestamp_millis(), run: Some(parts.run), ..Account::default() };
        let move_in = |dir: &Path| -> Result<()> {
            std::fs::remove_dir_all(scratch).ok();
            bundle::write(scratch, parts)?;
            // What stands there has no row, or is damaged.
            std::fs::remove_dir_all(dir).ok();
            let rename = || {
                point(Op::Rename)?;
                std::fs::rename(scratch, dir)?;
                std::fs::File::open(dir.parent().unwrap_or(dir))?.sync_all()
            };
            rename().map_err(|error| Error::io("write", dir, &error))
        };
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
        let known: Option<i64> = transaction
            .query_row("SELECT version FROM versions WHERE name = ?1 AND digest = ?2", params![name, digest], |row| row.get(0))
            .optional()
            .map_err(fail)?;
        if let Some(version) = known {
            let version = version as u64;
            let dir = self.bundle_dir(name, version);
            // Where its bundle is damaged or gone, this one has the same digest.
            if bundle::load(&dir).is_err() {
                move_in(&dir)?;
            }
            let pointed = alias.and_then(|alias| alias_version(&transaction, name, alias).ok().flatten().map(|at| (alias, at)));
            let said = pointed.filter(|(_, at)| *at != version).map(|(alias, at)| stays(name, alias, version, at));
            // An alias that points nowhere yet is nobody's to keep.
            let moved = alias.filter(|_| pointed.is_none());
            if let Some(alias) = moved {
                move_alias(&transaction, Event::Alias, name, alias, version, account).map_err(fail)?;
            }
            transaction.commit().map_err(fail)?;
            return Ok((version, moved.map(str::to_owned), said));
        }
        // A number is never used again, even if its version was deleted.
        let newest =
            "SELECT coalesce(max(version), 0) + 1 FROM (SELECT version FROM versions WHERE name = ?1 UNION ALL SELECT to_version FROM history WHERE name = ?1)";
        let version = transaction.query_row(newest, [name], |row| row.get::<_, i64>(0)).map_err(fail)? as u64;
        let dir = self.bundle_dir(name, version);
        move_in(&dir)?;
        point(Op::Write).map_err(|error| Error::io("write to", &self.database, &error))?;
        let write = |transaction: Transaction<'_>| -> rusqlite::Result<()> {
            transaction.execute("INSERT OR IGNORE INTO models (name) VALUES (?1)", [name])?;
            if let Some(description) = description {
                transaction.execute("UPDATE models SET description = ?2 WHERE name = ?1", [name, description])?;
            }
            transaction.execute(
                "INSERT INTO versions (name, version, digest, run, created_ms, validated) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    name,
                    version as i64,
                    digest,
                    parts.run,
                    account.now_ms,
                    parts.evaluation.get("validated").and_then(serde_json::Value::as_bool).unwrap_or(false)
                ],
            )?;
            remember(&transaction, Event::Registered, name, (None, None, Some(version)), account)?;
            if let Some(alias) = alias {
                move_alias(&transaction, Event::Alias, name, alias, version, account)?;
            }
            transaction.commit()
        };
        write(transaction).map_err(fail)?;
        Ok((version, alias.map(str::to_owned), None))
    }

    /// What should be said of a version that is registered already and asked for again: that its alias
    /// points elsewhere.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn alias_elsewhere(&self, name: &str, alias: &str, version: u64) -> Result<Option<String>> {
        Ok(self.alias(name, alias)?.filter(|at| *at != version).map(|at| stays(name, alias, version, at)))
    }

    /// The version that an alias points to.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn alias(&self, name: &str, alias: &str) -> Result<Option<u64>> {
        let Some(connection) = self.reader()? else { return Ok(None) };
        alias_version(&connection, name, alias).map_err(|error| self.failure(&error))
    }

    /// The champion that a model of this digest is held against: the version that the alias points to. Where that is this very model, the one that
    /// it was held against before it became the champion, so that being registered changes nothing for it.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn rival(&self, name: &str, digest: &str) -> Result<Option<Resolved>> {
        let versions = self.versions(Some(name))?;
        let Some(champion) = versions.iter().find(|row| row.aliases.iter().any(|alias| alias == "champion")) else { return Ok(None) };
        if champion.digest != digest {
            return Ok(Some(self.resolved(champion)));
        }
        let Some(connection) = self.reader()? else { return Ok(None) };
        let before: Option<Option<i64>> = connection
            .query_row(
                "SELECT from_version FROM history WHERE name = ?1 AND alias = 'champion' AND to_version = ?2 ORDER BY rowid LIMIT 1",
                params![name, champion.version as i64],
                |row| row.get(0),
            )
            .optional()
            .map_err(|error| self.failure(&error))?;
        let before = before.flatten().filter(|before| *before as u64 != champion.version);
        Ok(before.and_then(|before| versions.iter().find(|row| row.version == before as u64)).map(|row| self.resolved(row)))
    }

    /// Points an alias at a version.
    ///
    /// # Errors
    /// Exit code 7 where there is no such version.
    pub fn set_alias(&self, name: &str, alias: &str, version: u64, account: Account<'_>) -> Result<()> {
        if !alias.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
            || alias.is_empty()
            || alias == "latest"
            || alias.strip_prefix('v').is_some_and(|n| n.parse::<u64>().is_ok())
        {
            return Err(Error::usage(format!("not an alias: `{alias}`")).hint("letters, digits, `_` and `-`; not `latest` and not `v1`"));
        }
        self.change(|transaction| {
            if !has_version(transaction, name, version)? {
                return Ok(Err(self.no_version(name, version)));
            }
            move_alias(transaction, Event::Alias, name, alias, version, account).map(Ok)
        })
    }

    /// Points an alias back at the version that it pointed to before the present one; gives both, the present one first.
    ///
    /// # Errors
    /// Exit code 7 where the alias points nowhere, there was none before, or it was deleted.
    pub fn roll_back(&self, name: &str, alias: &str, account: Account<'_>) -> Result<(u64, u64)> {
        self.change(|transaction| {
            let Some(now) = alias_version(transaction, name, alias)? else {
                return Ok(Err(self.no_alias(name, alias)));
            };
            // How it came to the present version the first time; a rollback to it tells nothing of what was before it.
            let before: Option<Option<i64>> = transaction
                .query_row(
                    "SELECT from_version FROM history WHERE name = ?1 AND alias = ?2 AND to_version = ?3 AND event = 'alias' AND from_version IS NOT ?3
                     ORDER BY rowid DESC LIMIT 1",
                    params![name, alias, now as i64],
                    |row| row.get(0),
                )
                .optional()?;
            let Some(before) = before.flatten().map(|version| version as u64) else {
                return Ok(Err(Error::model(format!("alias {alias} of `{name}` pointed nowhere before v{now}"))
                    .hint(format!("`recipe models alias {name} {alias} VERSION` points it at any version"))));
            };
            if !has_version(transaction, name, before)? {
                return Ok(Err(Error::model(format!("alias {alias} of `{name}` pointed to v{before} before, which was deleted"))
                    .hint(format!("`recipe models alias {name} {alias} VERSION` points it at any version"))));
            }
            move_alias(transaction, Event::Rollback, name, alias, before, account).map(|()| Ok((now, before)))
        })
    }

    /// Deletes a version and its bundle. Its number is not used again, and the history keeps it.
    ///
    /// # Errors
    /// Exit code 7 where there is no such version, or an alias points to it.
    pub fn delete(&self, name: &str, version: u64, account: Account<'_>) -> Result<()> {
        self.change(|transaction| {
            if !has_version(transaction, name, version)? {
                return Ok(Err(self.no_version(name, version)));
            }
            let pointing: Vec<String> = aliases(transaction, name)?.into_iter().filter(|row| row.version == version).map(|row| row.alias).collect();
            if let Some(alias) = pointing.first() {
                return Ok(Err(Error::model(format!("{name} v{version} is not deleted: alias {} points to it", pointing.join(", ")))
                    .hint(format!("point it elsewhere first: `recipe models alias {name} {alias} VERSION`"))));
            }
            transaction.execute("DELETE FROM versions WHERE name = ?1 AND version = ?2", params![name, version as i64])?;
            remember(transaction, Event::Deleted, name, (None, Some(version), None), account).map(Ok)
        })?;
        // Without a row the bundle is nobody's; killed here, it takes room and does no harm.
        let dir = self.bundle_dir(name, version);
        match std::fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", &dir, &error)),
            _ => Ok(()),
        }
    }

    /// What happened to a model, or to all, the oldest first.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn history(&self, name: Option<&str>) -> Result<Vec<HistoryRow>> {
        let Some(connection) = self.reader()? else { return Ok(Vec::new()) };
        let read = || -> rusqlite::Result<Vec<HistoryRow>> {
            let who = if connection.prepare("SELECT who FROM history").is_ok() { "who, why" } else { "NULL, NULL" };
            let query =
                format!("SELECT at_ms, name, event, alias, from_version, to_version, run, {who} FROM history WHERE ?1 IS NULL OR name = ?1 ORDER BY rowid");
            let mut statement = connection.prepare(&query)?;
            let version =
                |row: &Row<'_>, place: usize| -> rusqlite::Result<Option<u64>> { Ok(row.get::<_, Option<i64>>(place)?.map(|version| version as u64)) };
            let rows = statement.query_map([name], |row| {
                let event: String = row.get(2)?;
                Ok(HistoryRow {
                    at_ms: row.get(0)?,
                    name: row.get(1)?,
                    event: Event::ALL.into_iter().find(|known| known.name() == event).unwrap_or(Event::Alias),
                    alias: row.get(3)?,
                    from_version: version(row, 4)?,
                    to_version: version(row, 5)?,
                    run: row.get(6)?,
                    who: row.get(7)?,
                    why: row.get(8)?,
                })
            })?;
            rows.collect()
        };
        let rows = read().map_err(|error| self.failure(&error))?;
        match name {
            Some(name) if rows.is_empty() => Err(self.no_model(name)),
            _ => Ok(rows),
        }
    }

    /// Changes the registry: all of it, or nothing where it fails.
    fn change<T>(&self, change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<Result<T>>) -> Result<T> {
        let fail = |error: rusqlite::Error| self.failure(&error);
        let mut connection = self.writer()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
        let done = change(&transaction).map_err(fail)??;
        transaction.commit().map_err(fail)?;
        Ok(done)
    }

    fn no_version(&self, name: &str, version: u64) -> Error {
        let versions = self.versions(Some(name)).unwrap_or_default();
        let known: Vec<String> = versions.iter().map(|v| v.version.to_string()).collect();
        let error = Error::model(format!("no version {version} of model `{name}`"));
        if known.is_empty() { self.no_model(name) } else { error.hint(format!("versions: {}", known.join(", "))) }
    }

    fn no_alias(&self, name: &str, alias: &str) -> Error {
        match self.versions(Some(name)) {
            Ok(versions) if versions.is_empty() => self.no_model(name),
            _ => Error::model(format!("model `{name}` has no alias `{alias}`")).hint(format!("`recipe models alias {name} {alias} VERSION` sets it")),
        }
    }

    fn no_model(&self, name: &str) -> Error {
        let names: Vec<String> = self.versions(None).unwrap_or_default().into_iter().map(|v| v.name).collect();
        let error = Error::model(format!("no model `{name}` in the registry"));
        match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None if names.is_empty() => error.hint("the registry is empty: `recipe run` trains and registers a model"),
            None => error.hint("`recipe models` lists them"),
        }
    }

    /// Makes the database where there is none yet.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn create(&self) -> Result<()> {
        if self.identity()?.is_none() {
            self.writer()?;
        }
        Ok(())
    }

    /// What tells this registry from every other, wherever it is moved; `None` where there is none yet.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn identity(&self) -> Result<Option<String>> {
        let Some(connection) = self.reader()? else { return Ok(None) };
        // One that an older program made gets its identity with the next write.
        if self.check_schema(&connection)? < 2 {
            return Ok(None);
        }
        connection.query_row("SELECT id FROM registry", [], |row| row.get(0)).optional().map_err(|error| self.failure(&error))
    }

    /// Does a version's bundle lie where it was put? Its files are not looked into.
    #[must_use]
    pub fn has_bundle(&self, row: &VersionRow) -> bool {
        bundle::exists(&self.bundle_dir(&row.name, row.version))
    }

    /// One version.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn version(&self, name: &str, version: u64) -> Result<Option<VersionRow>> {
        Ok(self.versions(Some(name))?.into_iter().find(|row| row.version == version))
    }

    /// The versions of one model, or of all, by name and version.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn versions(&self, name: Option<&str>) -> Result<Vec<VersionRow>> {
        let Some(connection) = self.reader()? else { return Ok(Vec::new()) };
        let read = || -> rusqlite::Result<Vec<VersionRow>> {
            let mut statement = connection
                .prepare("SELECT name, version, digest, run, created_ms, validated FROM versions WHERE ?1 IS NULL OR name = ?1 ORDER BY name, version")?;
            let rows = statement.query_map([name], |row| {
                Ok(VersionRow {
                    name: row.get(0)?,
                    version: row.get::<_, i64>(1)? as u64,
                    digest: row.get(2)?,
                    run: row.get(3)?,
                    created_ms: row.get(4)?,
                    validated: row.get(5)?,
                    aliases: Vec::new(),
                })
            })?;
            let mut rows: Vec<VersionRow> = rows.collect::<rusqlite::Result<_>>()?;
            for row in &mut rows {
                row.aliases = aliases(&connection, &row.name)?.into_iter().filter(|a| a.version == row.version).map(|a| a.alias).collect();
            }
            Ok(rows)
        };
        read().map_err(|error| self.failure(&error))
    }

    /// Finds a model by URI: `models:/<name>/<version>`, `models:/<name>@<alias>`, `models:/<name>/latest`,
    /// `runs:/<id>`, a model's name (its `champion`), or the path of a bundle. A `models:/` URI is asked of the server, where there is one.
    ///
    /// # Errors
    /// Exit code 7 where there is none, or its bundle is missing or damaged; 11 where the server must be asked and cannot.
    pub fn resolve(&self, uri: &str, root: &Path) -> Result<Resolved> {
        match &self.server {
            Some(server) if uri.starts_with("models:/") => self.resolve_there(server, uri, root),
            _ => self.resolve_here(uri, root),
        }
    }

    /// The same in this project's own registry.
    ///
    /// # Errors
    /// Exit code 7 where there is none, or its bundle is missing or damaged.
    pub fn resolve_here(&self, uri: &str, root: &Path) -> Result<Resolved> {
        let bad = || {
            Error::model(format!("not a model URI: `{uri}`"))
                .hint("`models:/NAME/VERSION`, `models:/NAME@ALIAS`, `models:/NAME/latest`, `runs:/ID` or the path of a bundle")
        };
        if let Some(run) = uri.strip_prefix("runs:/") {
            let run = run.split('/').next().unwrap_or_default();
            let found = self.versions(None)?.into_iter().rfind(|row| row.run == run || (run.len() >= 4 && row.run.starts_with(run)));
            let row =
                found.ok_or_else(|| Error::model(format!("run `{run}` registered no model")).hint("`recipe models` shows which run each version came from"))?;
            return Ok(self.resolved(&row));
        }
        let Some(rest) = uri.strip_prefix("models:/") else {
            let path = root.join(uri);
            if path.is_dir() {
                let digest = bundle::load(&path)?.digest;
                return Ok(Resolved { uri: uri.to_owned(), path, digest, said: None });
            }
            return Err(Error::model(format!("no bundle at `{uri}`, and it is no model URI"))
                .hint("`models:/NAME/VERSION`, `models:/NAME@ALIAS`, `models:/NAME/latest`, `runs:/ID` or the path of a bundle"));
        };
        let (name, wanted) = match (rest.split_once("/@").or_else(|| rest.split_once('@')), rest.split_once('/')) {
            (Some((name, alias)), _) => (name, Wanted::Alias(alias)),
            (None, Some((name, "latest"))) => (name, Wanted::Latest),
            (None, Some((name, version))) => (name, Wanted::Version(version.parse().map_err(|_| bad())?)),
            (None, None) => (rest, Wanted::Alias("champion")),
        };
        let versions = self.versions(Some(name))?;
        if versions.is_empty() {
            return Err(self.no_model(name));
        }
        let row = match wanted {
            Wanted::Latest => versions.last(),
            Wanted::Version(version) => Some(versions.iter().find(|row| row.version == version).ok_or_else(|| self.no_version(name, version))?),
            Wanted::Alias(alias) => Some(versions.iter().find(|row| row.aliases.iter().any(|a| a == alias)).ok_or_else(|| self.no_alias(name, alias))?),
        };
        row.map(|row| self.resolved(row)).ok_or_else(|| self.no_model(name))
    }

    fn resolved(&self, row: &VersionRow) -> Resolved {
        Resolved { uri: format!("models:/{}/{}", row.name, row.version), path: self.bundle_dir(&row.name, row.version), digest: row.digest.clone(), said: None }
    }
}

enum Wanted<'a> {
    Alias(&'a str),
    Latest,
    Version(u64),
}

fn stays(name: &str, alias: &str, version: u64, at: u64) -> String {
    format!("this model is already {name} v{version}; alias {alias} stays at v{at}; `recipe models alias {name} {alias} {version}` moves it back")
}

fn aliases(connection: &Connection, name: &str) -> rusqlite::Result<Vec<AliasRow>> {
    let mut statement = connection.prepare_cached("SELECT alias, version FROM aliases WHERE name = ?1 ORDER BY alias")?;
    statement.query_map([name], |row| Ok(AliasRow { alias: row.get(0)?, version: row.get::<_, i64>(1)? as u64 }))?.collect()
}

fn alias_version(connection: &Connection, name: &str, alias: &str) -> rusqlite::Result<Option<u64>> {
    Ok(aliases(connection, name)?.into_iter().find(|row| row.alias == alias).map(|row| row.version))
}

fn has_version(connection: &Connection, name: &str, version: u64) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM versions WHERE name = ?1 AND version = ?2")?.exists(params![name, version as i64])
}

fn move_alias(connection: &Connection, event: Event, name: &str, alias: &str, version: u64, account: Account<'_>) -> rusqlite::Result<()> {
    let before = alias_version(connection, name, alias)?;
    connection.execute("INSERT OR REPLACE INTO aliases VALUES (?1, ?2, ?3)", params![name, alias, version as i64])?;
    remember(connection, event, name, (Some(alias), before, Some(version)), account)
}

/// Writes the history: an alias, from which version and to which.
fn remember(connection: &Connection, event: Event, name: &str, what: (Option<&str>, Option<u64>, Option<u64>), account: Account<'_>) -> rusqlite::Result<()> {
    let (alias, from, to) = (what.0, what.1.map(|version| version as i64), what.2.map(|version| version as i64));
    let Account { now_ms, run, who, why } = account;
    connection.execute(
        "INSERT INTO history (at_ms, name, event, alias, from_version, to_version, run, who, why) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![now_ms, name, event.name(), alias, from, to, run, who, why],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_leave_the_registry_are_refused() {
        for name in ["../x", "a/b", "", ".hidden", "a\\b", "x..y", "\u{0}"] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        for name in ["taxi_fare", "Taxi fare 2", "modèle-1.0"] {
            assert!(check_name(name).is_ok(), "{name:?}");
        }
    }
}
