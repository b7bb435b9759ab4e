//! Tables into `PostgreSQL`: `COPY` in one transaction, so that all of it is there or nothing.

use std::io::Cursor;

use futures_util::SinkExt;
use polars::prelude::Column;
use tokio_postgres::types::Type;

use super::{Doing, Session, explain};
use crate::data::Table;
use crate::data::sql::connection::Connection;
use crate::data::sql::output::{IfExists, Stored, columns_of, there_already, write_cell};
use crate::data::sql::write_name;
use crate::error::{Error, Result};

/// A name is this long at most, in bytes; a longer one would be cut.
const LONGEST_NAME: usize = 63;
/// Bytes that are sent at once.
const PIECE: usize = 1 << 16;

/// `schema.table` as SQL has it.
fn quoted(table: &str) -> String {
    table.split('.').map(write_name).collect::<Vec<_>>().join(".")
}

fn type_name(kind: Stored) -> &'static str {
    match kind {
        Stored::Boolean => "boolean",
        Stored::Integer => "bigint",
        Stored::Float => "double precision",
        Stored::Date => "date",
        Stored::Datetime => "timestamp",
        Stored::Text => "text",
    }
}

/// Which of the tables are there?
///
/// # Errors
/// A server that is not there or lets nobody in.
pub fn exists(connection: &Connection, tables: &[String]) -> Result<Vec<String>> {
    let session = Session::open(connection)?;
    let failed = |error: tokio_postgres::Error| explain(&error, connection, Doing::Writing);
    let mut there = Vec::new();
    for table in tables {
        let name = quoted(table);
        let statement = session.runtime.block_on(session.client.prepare_typed("SELECT to_regclass($1) IS NOT NULL", &[Type::TEXT])).map_err(failed)?;
        let row = session.runtime.block_on(session.client.query_one(&statement, &[&name])).map_err(failed)?;
        there.extend(row.try_get::<_, bool>(0).map_err(failed)?.then(|| table.clone()));
    }
    session.close();
    Ok(there)
}

/// Writes tables, all of them or none.
///
/// # Errors
/// A table that is there already, or has other columns; whatever the server refuses.
pub fn write(connection: &Connection, tables: &[(String, Table)], if_exists: IfExists) -> Result<()> {
    let mut session = Session::open(connection)?;
    let runtime = &session.runtime;
    let failed = |error: tokio_postgres::Error| explain(&error, connection, Doing::Writing);
    let transaction = runtime.block_on(session.client.transaction()).map_err(failed)?;
    for (name, table) in tables {
        let columns = columns_of(table, name)?;
        if let Some((long, _)) = columns.iter().find(|(column, _)| column.len() > LONGEST_NAME) {
            return Err(Error::data(format!("PostgreSQL cuts names after {LONGEST_NAME} bytes: `{long}`")).hint("choose `columns`, or rename it in the data"));
        }
        let target = quoted(name);
        let is_there = runtime.block_on(transaction.prepare_typed("SELECT to_regclass($1) IS NOT NULL", &[Type::TEXT])).map_err(failed)?;
        let is_there: bool = runtime.block_on(transaction.query_one(&is_there, &[&target])).and_then(|row| row.try_get(0)).map_err(failed)?;
        if is_there && if_exists == IfExists::Fail {
            return Err(there_already(name));
        }
        if is_there && if_exists == IfExists::Replace {
            runtime.block_on(transaction.batch_execute(&format!("DROP TABLE {target}"))).map_err(failed)?;
        }
        if !is_there || if_exists == IfExists::Replace {
            let list: Vec<String> = columns.iter().map(|(column, kind)| format!("{} {}", write_name(column), type_name(*kind))).collect();
            runtime.block_on(transaction.batch_execute(&format!("CREATE TABLE {target} ({})", list.join(", ")))).map_err(failed)?;
        }
        let names: Vec<String> = columns.iter().map(|(column, _)| write_name(column)).collect();
        let copy = format!("COPY {target} ({}) FROM STDIN", names.join(", "));
        let sink = runtime.block_on(transaction.copy_in::<_, Cursor<Vec<u8>>>(&copy)).map_err(failed)?;
        let mut sink = std::pin::pin!(sink);
        let mut piece: Vec<u8> = Vec::with_capacity(PIECE);
        let mut rows = 0_u64;
        for batch in table.batches()? {
            let batch = batch?;
            let series: Vec<_> = batch.columns().iter().map(Column::as_materialized_series).collect();
            for row in 0..batch.height() {
                for (at, column) in series.iter().enumerate() {
                    if at > 0 {
                        piece.push(b'\t');
                    }
                    match write_cell(&column.get(row)?) {
                        None => piece.extend_from_slice(b"\\N"),
                        Some(text) => escape(&text, &mut piece),
                    }
                }
                piece.push(b'\n');
                if piece.len() >= PIECE {
                    runtime.block_on(sink.send(Cursor::new(std::mem::take(&mut piece)))).map_err(|error| stopped(error, runtime, sink.as_mut(), &failed))?;
                }
            }
            rows += batch.height() as u64;
        }
        if !piece.is_empty() {
            runtime.block_on(sink.send(Cursor::new(piece))).map_err(|error| stopped(error, runtime, sink.as_mut(), &failed))?;
        }
        let written = runtime.block_on(sink.as_mut().finish()).map_err(failed)?;
        if written != rows {
            return Err(Error::data(format!("PostgreSQL took {written} of {rows} rows of `{name}`")));
        }
    }
    runtime.block_on(transaction.commit()).map_err(failed)?;
    session.close();
    Ok(())
}

/// Why a server takes no more rows: it says so where the copy is brought to its end.
fn stopped(
    error: tokio_postgres::Error,
    runtime: &tokio::runtime::Runtime,
    sink: std::pin::Pin<&mut tokio_postgres::CopyInSink<Cursor<Vec<u8>>>>,
    failed: &dyn Fn(tokio_postgres::Error) -> Error,
) -> Error {
    match runtime.block_on(sink.finish()) {
        Err(said) if said.as_db_error().is_some() => failed(said),
        _ => failed(error),
    }
}

/// A text as `COPY` reads it.
fn escape(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            byte => out.push(byte),
        }
    }
}
