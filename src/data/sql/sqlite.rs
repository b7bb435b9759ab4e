//! `SQLite`: a file that is read without changing it, or gets a table in one transaction.
//!
//! A value's type is its own there, whatever its column says. So values are kept as they come, whole numbers, numbers and texts apart, and what a
//! column is follows at the end: from the type that the table declares, or where the query computes the column, from all its values.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use polars::prelude::{AnyValue, Column, DataType, Expr, lit};
use rusqlite::types::{Value as Own, ValueRef};
use rusqlite::{Connection as Database, ErrorCode, OpenFlags, TransactionBehavior};

use super::connection::Connection;
use super::output::{IfExists, Stored, columns_of, there_already, write_cell};
use super::spool::{Spool, Spooled, Value, numbered};
use super::statement::Statement;
use super::{Ask, CONNECTION, Given, check_names, write_name};
use crate::data::Table;
use crate::data::source::cell::{Cell, Kind, Typed, classify};
use crate::data::source::convert::text_as;
use crate::error::{Error, Kind as Failure, Problem, Result, shorten, thousands};

/// How long a database may be locked by another program.
const LOCKED: Duration = Duration::from_secs(10);
/// Whole numbers up to here are 64-bit floats as well.
const EXACT: u64 = 1 << 53;

fn open(connection: &Connection, root: &Path, flags: OpenFlags) -> Result<(Database, PathBuf)> {
    let path = connection.file(root).ok_or_else(|| Error::bug("the connection is not one to SQLite"))?;
    let database = Database::open_with_flags(&path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(|error| explain(&error, connection, None))?;
    database.busy_timeout(LOCKED).map_err(|error| explain(&error, connection, None))?;
    Ok((database, path))
}

/// Asks a query and puts its rows into a file; `patience` is how long that may take.
///
/// # Errors
/// A file that is not there or no database; what `SQLite` says of the query; values that do not go together in a column, or with its declared type.
pub fn read(ask: &Ask<'_>, to: &Path, patience: Option<Duration>) -> Result<Spooled> {
    if connection_file(ask).is_none_or(|path| !path.is_file()) {
        return Err(Error::data(format!("there is no SQLite database at `{}`", ask.connection.written()))
            .hint("the path is relative to the project root")
            .path(CONNECTION));
    }
    let (database, _) = open(ask.connection, ask.root, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let (over, is_over) = channel::<()>();
    if let Some(patience) = patience {
        let handle = database.get_interrupt_handle();
        std::thread::spawn(move || {
            if is_over.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
                handle.interrupt();
            }
        });
    }
    let result = rows(ask, &database, to);
    drop(over);
    result
}

fn connection_file(ask: &Ask<'_>) -> Option<PathBuf> {
    ask.connection.file(ask.root)
}

fn rows(ask: &Ask<'_>, database: &Database, to: &Path) -> Result<Spooled> {
    let failed = |error: rusqlite::Error| explain(&error, ask.connection, Some(ask.statement));
    let mut query = database.prepare(&ask.statement.sent).map_err(failed)?;
    if !query.readonly() {
        let problem = ask.statement.problem("the query changes the database", None);
        return Err(Error { kind: Failure::Config, problems: vec![problem.hint("a source is read with `SELECT …` or `WITH … SELECT …`")] });
    }
    for name in &ask.statement.names {
        let Some(at) = query.parameter_index(&format!(":{name}")).map_err(failed)? else { continue };
        let value = match ask.given.get(name).unwrap_or(&Given::Null) {
            Given::Null => Own::Null,
            Given::Boolean(flag) => Own::Integer(i64::from(*flag)),
            Given::Integer(number) => Own::Integer(*number),
            Given::Float(number) => Own::Real(*number),
            Given::Text(text) => Own::Text(text.clone()),
        };
        query.raw_bind_parameter(at, value).map_err(failed)?;
    }
    let mut columns: Vec<Seen> = query.columns().map(|column| Seen::new(column.name(), column.decl_type())).collect();
    check_names(columns.iter().map(|column| column.name.as_str()))?;
    let kinds = columns.iter().flat_map(|_| [Kind::Integer, Kind::Float, Kind::Text].map(|kind| (String::new(), kind)));
    let mut spool = Spool::create(to, &kinds.collect::<Vec<_>>())?;
    let mut rows = query.raw_query();
    while ask.most.is_none_or(|most| spool.rows() < most) {
        let Some(row) = rows.next().map_err(failed)? else { break };
        let number = spool.rows() + 1;
        for (at, column) in columns.iter_mut().enumerate() {
            match row.get_ref(at).map_err(failed)? {
                ValueRef::Null => {}
                ValueRef::Integer(value) => {
                    column.integer(value, number);
                    spool.put(3 * at, Typed::Integer(value).into());
                }
                ValueRef::Real(value) => {
                    column.real.get_or_insert((number, value));
                    spool.put(3 * at + 1, Typed::Float(value).into());
                }
                ValueRef::Text(bytes) => {
                    let text = std::str::from_utf8(bytes).map_err(|_| column.odd("holds a text that is not valid UTF-8", number))?;
                    column.text(text, number);
                    spool.put(3 * at + 2, Value::Text(text.to_owned()));
                }
                ValueRef::Blob(_) => return Err(column.odd("holds bytes (a blob)", number)),
            }
        }
        spool.end_row()?;
        if spool.rows().is_multiple_of(8192) {
            (ask.progress)(spool.rows());
        }
    }
    drop(rows);
    let count = spool.finish()?;
    let mut kinds = Vec::new();
    let mut select = Vec::new();
    let mut problems = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        match column.decide(ask.wanted.contains_key(&column.name)) {
            Ok(kind) => {
                select.push(column.values(at, kind).alias(column.name.as_str()));
                kinds.push((column.name.clone(), kind));
            }
            Err(problem) => problems.push(*problem),
        }
    }
    Error::all(Failure::Data, problems).map_or(Ok(()), Err)?;
    Ok(Spooled { frame: Table::read(to)?.lazy().select(select), kinds, rows: count })
}

/// A column, and the first row of each sort of value in it.
struct Seen {
    name: String,
    /// The declared type, as it was written, and what it means.
    declared: Option<(String, Kind)>,
    integer: Option<(u64, i64)>,
    /// Beyond what a float holds.
    huge: Option<(u64, i64)>,
    /// Neither 0 nor 1.
    many: Option<(u64, i64)>,
    real: Option<(u64, f64)>,
    text: Option<(u64, String)>,
    /// A text that is no date; one that is neither date nor moment.
    no_date: Option<(u64, String)>,
    no_moment: Option<(u64, String)>,
}

impl Seen {
    fn new(name: &str, declared: Option<&str>) -> Self {
        let declared = declared.and_then(|text| Some((text.to_owned(), kind_of(text)?)));
        Self { name: name.to_owned(), declared, integer: None, huge: None, many: None, real: None, text: None, no_date: None, no_moment: None }
    }

    fn integer(&mut self, value: i64, row: u64) {
        self.integer.get_or_insert((row, value));
        if value.unsigned_abs() > EXACT {
            self.huge.get_or_insert((row, value));
        }
        if !matches!(value, 0 | 1) {
            self.many.get_or_insert((row, value));
        }
    }

    fn text(&mut self, text: &str, row: u64) {
        if self.text.is_none() {
            self.text = Some((row, shorten(text)));
        }
        if self.no_moment.is_some() {
            return;
        }
        let cell = classify(text.trim_ascii().as_bytes(), true);
        if cell != Cell::Date && self.no_date.is_none() {
            self.no_date = Some((row, shorten(text)));
        }
        if !matches!(cell, Cell::Date | Cell::Datetime | Cell::Zoned) {
            self.no_moment = Some((row, shorten(text)));
        }
    }

    fn odd(&self, what: &str, row: u64) -> Error {
        let name = shorten(&self.name);
        Error::data(format!("column `{name}` {what} in row {} of the query", thousands(row)))
            .hint(format!("leave it out, or use `hex({0}) AS {0}` in the query", write_name(&self.name)))
    }

    /// What the column is; one that is `wanted` as something may be texts for now.
    fn decide(&self, wanted: bool) -> Result<Kind, Box<Problem>> {
        let named = |row: u64, value: &dyn std::fmt::Display| Some((row, value.to_string()));
        let integer = || self.integer.as_ref().and_then(|(row, value)| named(*row, value));
        let real = || self.real.as_ref().and_then(|(row, value)| named(*row, value));
        let many = || self.many.as_ref().and_then(|(row, value)| named(*row, value));
        let huge = || self.huge.as_ref().and_then(|(row, value)| named(*row, value)).filter(|_| self.real.is_some() || self.declared.is_some());
        let number = || integer().or_else(real);
        let by_values = || match (self.text.is_some(), self.real.is_some(), self.integer.is_some()) {
            (false, true, _) => Kind::Float,
            (false, false, true) => Kind::Integer,
            (false, false, false) => Kind::Missing,
            (true, ..) if self.no_date.is_none() => Kind::Date,
            (true, ..) if self.no_moment.is_none() => Kind::Datetime,
            (true, ..) => Kind::Text,
        };
        let kind = self.declared.as_ref().map_or_else(by_values, |(_, kind)| *kind);
        let misfit = match kind {
            Kind::Missing => None,
            Kind::Boolean => real().or_else(|| self.text.clone()).or_else(many),
            Kind::Integer => real().or_else(|| self.text.clone()),
            Kind::Float => self.text.clone().or_else(huge),
            Kind::Date => number().or_else(|| self.no_date.clone()),
            Kind::Datetime => number().or_else(|| self.no_moment.clone()),
            Kind::Text => number(),
        };
        let Some((row, value)) = misfit else { return Ok(kind) };
        if wanted {
            return Ok(Kind::Text);
        }
        let (name, quoted) = (shorten(&self.name), write_name(&self.name));
        let cast = format!("`CAST({quoted} AS TEXT) AS {quoted}` in the query makes texts of all");
        let row = thousands(row);
        let problem = match (&self.declared, &self.text) {
            (Some((declared, _)), _) => {
                format!("`{value}` in row {row} of the query does not fit column `{name}`, which is declared {}", shorten(declared))
            }
            (None, Some((other, text))) => {
                format!("column `{name}` holds `{value}` in row {row} of the query and the text `{text}` in row {}", thousands(*other))
            }
            (None, None) => format!("column `{name}` holds fractions, and `{value}` in row {row} of the query, which a 64-bit float would change"),
        };
        Err(Box::new(Problem::new(problem).hint(match kind {
            Kind::Date | Kind::Datetime => format!("{cast}; `datetime({quoted}, 'unixepoch')` reads seconds since 1970"),
            _ => cast,
        })))
    }

    /// The values of the column with a number, of a kind that was decided.
    fn values(&self, at: usize, kind: Kind) -> Expr {
        let [integer, real, text] = [0, 1, 2].map(|sort| Expr::Column(numbered(3 * at + sort)));
        match kind {
            Kind::Missing => text,
            Kind::Boolean => integer.neq(lit(0_i64)),
            Kind::Integer => integer,
            Kind::Float => real.fill_null(integer.cast(DataType::Float64)),
            Kind::Date | Kind::Datetime => text_as(text, &self.name, kind, false),
            Kind::Text => text.fill_null(integer.cast(DataType::String)).fill_null(real.cast(DataType::String)),
        }
    }
}

/// What a declared type means, where it says anything.
fn kind_of(declared: &str) -> Option<Kind> {
    let upper = declared.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| upper.contains(word));
    Some(match upper.as_str() {
        "DATE" => Kind::Date,
        _ if upper.starts_with("DATETIME") || upper.starts_with("TIMESTAMP") => Kind::Datetime,
        _ if has(&["BOOL"]) => Kind::Boolean,
        _ if has(&["INT"]) => Kind::Integer,
        _ if has(&["CHAR", "CLOB", "TEXT"]) => Kind::Text,
        _ if has(&["REAL", "FLOA", "DOUB", "DEC", "NUMERIC"]) => Kind::Float,
        _ => return None,
    })
}

/// Which of the tables are there?
///
/// # Errors
/// A file that is no database.
pub fn exists(connection: &Connection, root: &Path, tables: &[String]) -> Result<Vec<String>> {
    if connection.file(root).is_none_or(|path| !path.exists()) {
        return Ok(Vec::new());
    }
    let (database, _) = open(connection, root, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut there = Vec::new();
    for table in tables {
        there.extend(has(&database, table).map_err(|error| explain(&error, connection, None))?.then(|| table.clone()));
    }
    Ok(there)
}

fn has(database: &Database, table: &str) -> rusqlite::Result<bool> {
    database.query_row("SELECT count(*) > 0 FROM sqlite_schema WHERE type IN ('table', 'view') AND name = ?1 COLLATE NOCASE", [table], |row| row.get(0))
}

/// Writes tables, all of them or none.
///
/// # Errors
/// A table that is there already, or has other columns; a database that is locked or cannot be written.
pub fn write(connection: &Connection, root: &Path, tables: &[(String, Table)], if_exists: IfExists) -> Result<()> {
    let path = connection.file(root).ok_or_else(|| Error::bug("the connection is not one to SQLite"))?;
    let is_new = !path.exists();
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, &error))?;
    }
    let written = fill(connection, root, tables, if_exists);
    if written.is_err() && is_new {
        // Nobody knows the file, which holds nothing.
        std::fs::remove_file(&path).ok();
    }
    written
}

fn fill(connection: &Connection, root: &Path, tables: &[(String, Table)], if_exists: IfExists) -> Result<()> {
    let failed = |error: rusqlite::Error| explain(&error, connection, None);
    let (mut database, _) = open(connection, root, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    for (name, table) in tables {
        let columns = columns_of(table, name)?;
        let target = write_name(name);
        let is_there = has(&transaction, name).map_err(failed)?;
        if is_there && if_exists == IfExists::Fail {
            return Err(there_already(name));
        }
        if is_there && if_exists == IfExists::Replace {
            transaction.execute_batch(&format!("DROP TABLE {target}")).map_err(failed)?;
        }
        if !is_there || if_exists == IfExists::Replace {
            let list: Vec<String> = columns.iter().map(|(column, kind)| format!("{} {}", write_name(column), type_name(*kind))).collect();
            transaction.execute_batch(&format!("CREATE TABLE {target} ({})", list.join(", "))).map_err(failed)?;
        }
        let names: Vec<String> = columns.iter().map(|(column, _)| write_name(column)).collect();
        let places = vec!["?"; columns.len()].join(", ");
        let mut insert = transaction.prepare(&format!("INSERT INTO {target} ({}) VALUES ({places})", names.join(", "))).map_err(failed)?;
        for batch in table.batches()? {
            let batch = batch?;
            let series: Vec<_> = batch.columns().iter().map(Column::as_materialized_series).collect();
            for row in 0..batch.height() {
                for (at, column) in series.iter().enumerate() {
                    insert.raw_bind_parameter(at + 1, own(&column.get(row)?)).map_err(failed)?;
                }
                insert.raw_execute().map_err(failed)?;
            }
        }
    }
    transaction.commit().map_err(failed)
}

fn type_name(kind: Stored) -> &'static str {
    match kind {
        Stored::Boolean => "BOOLEAN",
        Stored::Integer => "INTEGER",
        Stored::Float => "REAL",
        Stored::Date => "DATE",
        Stored::Datetime => "TIMESTAMP",
        Stored::Text => "TEXT",
    }
}

/// A value as `SQLite` has it; NaN is NULL there.
fn own(value: &AnyValue<'_>) -> Own {
    match value {
        AnyValue::Boolean(flag) => Own::Integer(i64::from(*flag)),
        AnyValue::Float64(number) => Own::Real(*number),
        AnyValue::Float32(number) => Own::Real(f64::from(*number)),
        value if value.is_integer() && value.extract::<i64>().is_some() => Own::Integer(value.extract().unwrap_or_default()),
        value => write_cell(value).map_or(Own::Null, |text| Own::Text(text.into_owned())),
    }
}

/// What `SQLite` says against a query.
fn against(statement: &Statement, msg: &str, at: Option<usize>) -> Error {
    let is_wrong = at.is_some() || msg.starts_with("no such function") || msg.starts_with("wrong number of arguments");
    let is_absent = ["no such table", "no such column"].iter().any(|start| msg.starts_with(start));
    Error { kind: if is_wrong && !is_absent { Failure::Config } else { Failure::Data }, problems: vec![statement.problem(format!("SQLite says: {msg}"), at)] }
}

/// A failure as a user sees it: configuration where the query is wrong, else data.
fn explain(error: &rusqlite::Error, connection: &Connection, statement: Option<&Statement>) -> Error {
    let name = connection.written();
    match (error, statement) {
        (rusqlite::Error::SqlInputError { msg, offset, .. }, Some(statement)) => {
            let at = usize::try_from(*offset).ok().map(|byte| statement.character_of(byte));
            against(statement, msg, at)
        }
        // Where SQLite knows no place, or says it of a row.
        (rusqlite::Error::SqliteFailure(failure, Some(msg)), Some(statement)) if failure.code == ErrorCode::Unknown => against(statement, msg, None),
        (rusqlite::Error::SqliteFailure(failure, _), _) if failure.code == ErrorCode::NotADatabase => {
            Error::data(format!("`{name}` is no SQLite database")).hint("check the path; an encrypted database cannot be read").path(CONNECTION)
        }
        (rusqlite::Error::SqliteFailure(failure, _), _) if matches!(failure.code, ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::data(format!("the SQLite database `{name}` is locked by another program")).hint("run again when that is done").path(CONNECTION)
        }
        (error, _) => {
            let problem = Problem::new(format!("SQLite says of `{name}`: {}", connection.scrub(&error.to_string())));
            Error { kind: Failure::Data, problems: vec![if statement.is_none() { problem.path(CONNECTION) } else { problem }] }
        }
    }
}
