//! Where rows come from: files, or a query that a database answers.
//!
//! Files are known by their bytes. A database has no cheap digest, so a query's rows are known by when it was asked, as its `refresh` says.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use polars::prelude::DataType;
use serde_json::json;

use super::Table;
use super::source::{self, Read, SourceConfig, SourceFile};
use super::sql::{self, Query, Refresh};
use crate::error::{Error, Place, Result};
use crate::store::{DAY_ASKED, MOMENT_ASKED};

/// What `using` may say of a source, for the catalogue.
pub const SOURCES: [(&str, &str); 5] = [
    ("parquet", "A parquet file; `location`."),
    ("csv", "Separated values with a header line; `location`, `options`."),
    ("json", "JSON lines; `location`."),
    ("arrow", "An Arrow IPC file; `location`."),
    ("sql", "A query to SQLite or PostgreSQL; `connection`, `sql` or `sql_file`, `parameters`, `refresh`."),
];

/// Files or a query.
#[derive(Clone, Debug)]
pub enum Origin {
    Files(SourceConfig),
    Query(Box<Query>),
}

impl Origin {
    /// What reads it, with the version.
    #[must_use]
    pub fn algorithm(&self) -> (String, u32) {
        match self {
            Self::Files(_) => ("source".to_owned(), source::VERSION),
            Self::Query(_) => ("sql".to_owned(), sql::VERSION),
        }
    }

    /// Its section with every default filled in, as far as the rows depend on it.
    #[must_use]
    pub fn config(&self) -> serde_json::Value {
        match self {
            Self::Files(config) => json!(config),
            Self::Query(query) => query.config(),
        }
    }

    /// The files that are read: data, or the query's text.
    ///
    /// # Errors
    /// As [`source::locate`].
    pub fn files(&self, root: &Path) -> Result<Vec<SourceFile>> {
        match self {
            Self::Files(config) => source::locate(root, config),
            Self::Query(query) => Ok(query.file().map(|file| SourceFile { name: file.to_owned(), path: root.join(file) }).into_iter().collect()),
        }
    }

    /// What the rows depend on and no file holds: name → what it is known by. `asked` is when a database is asked.
    #[must_use]
    pub fn external(&self, asked: DateTime<Utc>) -> BTreeMap<String, String> {
        let Self::Query(query) = self else { return BTreeMap::new() };
        // The text in a file is known by the file.
        let text = query.file().is_none().then(|| ("sql", query.text().to_owned()));
        let known = text.into_iter().chain([("database", query.connection.identity())]);
        let when = match query.refresh {
            Refresh::Always => Some((MOMENT_ASKED, asked.to_rfc3339_opts(SecondsFormat::Nanos, true))),
            Refresh::Daily => Some((DAY_ASKED, asked.date_naive().to_string())),
            Refresh::Never => None,
        };
        known.chain(when).map(|(name, known)| (name.to_owned(), known)).collect()
    }

    /// Does it draw a sample?
    #[must_use]
    pub fn draws(&self) -> bool {
        match self {
            Self::Files(config) => config.sample.is_some(),
            Self::Query(query) => query.sample.is_some(),
        }
    }

    /// The query, where it is one.
    #[must_use]
    pub fn query(&self) -> Option<&Query> {
        if let Self::Query(query) = self { Some(query) } else { None }
    }

    /// The first rows, where a look at files is enough for that: no server is asked.
    #[must_use]
    pub fn peek(&self, root: &Path, wanted: &BTreeMap<String, DataType>) -> Option<Table> {
        match self {
            Self::Files(config) => source::peek(&source::locate(root, config).ok()?, config, wanted).ok(),
            Self::Query(query) => query.peek(root, wanted),
        }
    }

    /// All rows; see [`source::read`] and [`Query::read`]. `section` is where the origin stands in a recipe.
    ///
    /// # Errors
    /// Whatever is wrong with the files, or with the query, the database and its rows.
    #[allow(clippy::too_many_arguments, reason = "each is a part of what reading files or asking a database needs")]
    pub fn read(
        &self,
        root: &Path,
        files: &[SourceFile],
        wanted: &BTreeMap<String, DataType>,
        scratch: &Path,
        seed: u64,
        section: &str,
        progress: &dyn Fn(u64),
    ) -> Result<Read> {
        match self {
            Self::Files(config) => source::read(files, config, wanted, scratch, seed),
            Self::Query(query) => query.read(root, wanted, scratch, seed, progress).map_err(|error| query.place(error, section)),
        }
    }

    /// In a few words: one file by its name, several by their number, a query as one.
    #[must_use]
    pub fn words(&self, files: &[SourceFile]) -> String {
        match (self, files) {
            (_, [one]) => one.name.clone(),
            (Self::Files(_), many) => format!("{} files", many.len()),
            (Self::Query(_), _) => "a query".to_owned(),
        }
    }

    /// As [`Origin::words`], in a sentence about columns.
    #[must_use]
    pub fn quoted(&self, files: &[SourceFile]) -> String {
        match (self, files) {
            (Self::Query(_), [one]) => format!("the rows of `{}`", one.name),
            (Self::Query(_), _) => "the query's rows".to_owned(),
            (Self::Files(_), [one]) => format!("`{}`", one.name),
            (Self::Files(_), many) => format!("the {} files", many.len()),
        }
    }

    /// A failure about the rows, with the files where they come from.
    #[must_use]
    pub fn locate(&self, error: Error, files: &[SourceFile]) -> Error {
        match (self, files) {
            (Self::Query(_), []) => error,
            _ => error.at(&Place::file(self.words(files))),
        }
    }
}
