//! Rows on their way from a database to parquet: a few thousand in memory at a time.

use std::path::Path;

use polars::prelude::{Column, DataFrame, DataType, Expr, Field, IntoColumn, LazyFrame, NamedFrom, PlSmallStr, Schema, Series};

use crate::data::source::cell::{Kind, Typed};
use crate::data::source::convert::values;
use crate::data::{ParquetSink, Table};
use crate::error::Result;

/// Rows, and bytes of text, that are held until they are written.
const ROWS: usize = 8192;
const BYTES: usize = 8 << 20;

/// A value that is there.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Typed(Typed),
    Text(String),
}

impl From<Typed> for Value {
    fn from(value: Typed) -> Self {
        Self::Typed(value)
    }
}

/// A file that grows by rows. Its columns are called by their numbers.
pub struct Spool {
    sink: ParquetSink,
    columns: Vec<Buffer>,
    pending: usize,
    bytes: usize,
    rows: u64,
}

struct Buffer {
    kind: Kind,
    typed: Vec<Option<Typed>>,
    texts: Vec<Option<String>>,
}

/// The name of a column of the spool.
pub fn numbered(column: usize) -> PlSmallStr {
    column.to_string().into()
}

impl Spool {
    /// A file for rows of these columns.
    ///
    /// # Errors
    /// Where the file cannot be made.
    pub fn create(path: &Path, columns: &[(String, Kind)]) -> Result<Self> {
        let dtype = |kind: Kind| if kind == Kind::Text { DataType::String } else { kind.dtype() };
        let schema: Schema = columns.iter().enumerate().map(|(at, (_, kind))| Field::new(numbered(at), dtype(*kind))).collect();
        let columns = columns.iter().map(|(_, kind)| Buffer { kind: *kind, typed: Vec::new(), texts: Vec::new() }).collect();
        Ok(Self { sink: ParquetSink::with_schema(path, &schema)?, columns, pending: 0, bytes: 0, rows: 0 })
    }

    /// The rows that have ended.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// A value of the row that goes on; what is not put is missing.
    pub fn put(&mut self, column: usize, value: Value) {
        let Some(buffer) = self.columns.get_mut(column) else { return };
        match value {
            Value::Typed(value) => {
                buffer.typed.resize(self.pending, None);
                buffer.typed.push(Some(value));
            }
            Value::Text(text) => {
                self.bytes += text.len();
                buffer.texts.resize(self.pending, None);
                buffer.texts.push(Some(text));
            }
        }
    }

    /// Ends a row.
    ///
    /// # Errors
    /// Where the disk failed.
    pub fn end_row(&mut self) -> Result<()> {
        self.rows += 1;
        self.pending += 1;
        if self.pending >= ROWS || self.bytes >= BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.pending == 0 {
            return Ok(());
        }
        let pending = std::mem::take(&mut self.pending);
        let columns = self.columns.iter_mut().enumerate().map(|(at, buffer)| -> Column {
            let (mut typed, mut texts) = (std::mem::take(&mut buffer.typed), std::mem::take(&mut buffer.texts));
            typed.resize(pending, None);
            texts.resize(pending, None);
            let series = if buffer.kind == Kind::Text { Series::new(numbered(at), texts) } else { values(typed.into_iter(), numbered(at), buffer.kind) };
            series.into_column()
        });
        let frame = DataFrame::new(pending, columns.collect())?;
        self.bytes = 0;
        self.sink.write(&frame)
    }

    /// Closes the file; gives the number of rows.
    ///
    /// # Errors
    /// Where the disk failed.
    pub fn finish(mut self) -> Result<u64> {
        self.flush()?;
        self.sink.finish()?;
        Ok(self.rows)
    }
}

/// What a query gave, in a file.
pub struct Spooled {
    pub frame: LazyFrame,
    /// The columns of the frame.
    pub kinds: Vec<(String, Kind)>,
    pub rows: u64,
}

impl Spooled {
    /// The rows of a spool whose columns are those of the query.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn read(path: &Path, kinds: Vec<(String, Kind)>, rows: u64) -> Result<Self> {
        let columns: Vec<Expr> = kinds.iter().enumerate().map(|(at, (name, _))| Expr::Column(numbered(at)).alias(name.as_str())).collect();
        Ok(Self { frame: Table::read(path)?.lazy().select(columns), kinds, rows })
    }
}
