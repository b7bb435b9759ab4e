//! Scored rows as a table of a database.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use polars::prelude::{AnyValue, DataType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::connection::Connection;
use super::{Dialect, Sql, at_connection, postgres, sqlite};
use crate::data::Table;
use crate::data::sink::{day, moment};
use crate::error::{Error, Kind, Problem, Result, shorten};
use crate::value::Fault;

/// Where it stands in a recipe.
const SECTION: &str = "steps.predict.output";

/// What happens to a table that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IfExists {
    /// It is an error.
    #[default]
    Fail,
    /// Rows go behind those that are there.
    Append,
    /// It is dropped and made anew.
    Replace,
}

/// `output:` with `using: sql`.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableOutput {
    using: Sql,
    /// The database: `sqlite:data/app.db`, `postgres://user@host/database`, or `${env:NAME}` for all of it.
    pub connection: Connection,
    /// The table, in `PostgreSQL` also `schema.table`.
    pub table: String,
    /// What happens to a table that is there already.
    #[serde(default)]
    pub if_exists: IfExists,
    /// Columns to write; all inputs and the predictions where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
}

impl TableOutput {
    /// Puts the connection together.
    ///
    /// # Errors
    /// What is wrong with connection and table.
    pub fn prepare(&mut self, environment: &BTreeMap<String, String>) -> Result<(), Vec<Fault>> {
        let mut faults = Vec::new();
        if let Err((message, hint)) = self.connection.bind(environment) {
            faults.push(Fault::new(&["connection".to_owned()], message).hint(hint));
        }
        if self.table.split('.').any(|part| part.trim().is_empty() || part.contains('\0')) {
            faults.push(Fault::new(&["table".to_owned()], "no table is named"));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// The table for rows that were set aside.
    #[must_use]
    pub fn aside(&self) -> String {
        format!("{}_quarantine", self.table)
    }

    /// Refuses, before anything is scored, what could not be written then.
    ///
    /// # Errors
    /// A database that is not there; a table that is, with [`IfExists::Fail`].
    pub fn check(&self, root: &Path, tables: &[String]) -> Result<()> {
        let there = match self.connection.dialect() {
            Dialect::Sqlite => sqlite::exists(&self.connection, root, tables),
            Dialect::Postgres => postgres::exists(&self.connection, tables),
        };
        let there = there.map_err(|error| at_connection(error, SECTION))?;
        match there.first() {
            Some(table) if self.if_exists == IfExists::Fail => Err(there_already(table)),
            _ => Ok(()),
        }
    }

    /// Writes tables, all of them or none.
    ///
    /// # Errors
    /// Columns that a database has no type for; whatever the database refuses. Then it is as it was.
    pub fn write(&self, root: &Path, tables: &[(String, Table)]) -> Result<()> {
        let written = match self.connection.dialect() {
            Dialect::Sqlite => sqlite::write(&self.connection, root, tables, self.if_exists),
            Dialect::Postgres => postgres::write(&self.connection, tables, self.if_exists),
        };
        written.map_err(|error| at_connection(error, SECTION).path(&format!("{SECTION}.table")))
    }
}

pub(super) fn there_already(table: &str) -> Error {
    Error::data(format!("the table `{}` exists already", shorten(table)))
        .path("steps.predict.output.if_exists")
        .hint("`if_exists: append` adds rows to it, `if_exists: replace` makes it anew")
}

/// What a column is in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Boolean,
    Integer,
    Float,
    Date,
    Datetime,
    Text,
}

/// The columns of a table and what they are in a database.
pub(super) fn columns_of(table: &Table, name: &str) -> Result<Vec<(String, Stored)>> {
    let mut columns = Vec::new();
    let mut problems = Vec::new();
    for (column, dtype) in table.schema().iter() {
        let stored = match dtype {
            DataType::Boolean => Stored::Boolean,
            DataType::Date => Stored::Date,
            DataType::Datetime(..) => Stored::Datetime,
            DataType::String | DataType::Null => Stored::Text,
            dtype if dtype.is_integer() => Stored::Integer,
            dtype if dtype.is_float() => Stored::Float,
            dtype => {
                problems
                    .push(Problem::new(format!("column `{column}` of type {dtype} cannot be written to the table `{name}`")).hint("leave it out of `columns`"));
                continue;
            }
        };
        columns.push((column.to_string(), stored));
    }
    Error::all(Kind::Data, problems).map_or(Ok(columns), Err)
}

/// A value as text that both databases read, or nothing.
pub(super) fn write_cell<'a>(value: &'a AnyValue<'a>) -> Option<Cow<'a, str>> {
    Some(match value {
        AnyValue::Null => return None,
        AnyValue::String(text) => Cow::from(*text),
        AnyValue::StringOwned(text) => Cow::from(text.as_str()),
        AnyValue::Float64(number) => format!("{number:?}").into(),
        AnyValue::Float32(number) => format!("{number:?}").into(),
        AnyValue::Date(days) => day(*days).into(),
        AnyValue::Datetime(ticks, unit, _) | AnyValue::DatetimeOwned(ticks, unit, _) => moment(*ticks, *unit).into(),
        other => other.to_string().into(),
    })
}
