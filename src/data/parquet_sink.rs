//! A parquet file that grows by batches.
//!
//! Rows keep their order and row groups have exactly [`ROW_GROUP_ROWS`], so the file's bytes depend on its
//! rows alone. At most one row group is held in memory.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use polars::io::parquet::write::BatchedWriter;
use polars::prelude::*;

use super::table::{ROW_GROUP_ROWS, parquet_options};
use crate::error::{Error, Result};

/// A parquet file in the making; without [`ParquetSink::finish`] it is not readable.
pub struct ParquetSink {
    path: PathBuf,
    open: Option<Open>,
    rows: u64,
}

struct Open {
    writer: BatchedWriter<BufWriter<File>>,
    pending: DataFrame,
}

impl ParquetSink {
    /// A file whose columns are those of the first batch.
    #[must_use]
    pub fn create(path: &Path) -> Self {
        Self { path: path.to_path_buf(), open: None, rows: 0 }
    }

    /// A file whose columns are known, so that it may stay without rows.
    ///
    /// # Errors
    /// Where the file cannot be made.
    pub fn with_schema(path: &Path, schema: &Schema) -> Result<Self> {
        let mut sink = Self::create(path);
        sink.open(schema)?;
        Ok(sink)
    }

    fn open(&mut self, schema: &Schema) -> Result<&mut Open> {
        if self.open.is_none() {
            let file = File::create(&self.path).map_err(|error| Error::io("create", &self.path, &error))?;
            let writer = parquet_options().to_writer(BufWriter::new(file)).batched(schema)?;
            self.open = Some(Open { writer, pending: DataFrame::empty_with_schema(schema) });
        }
        self.open.as_mut().ok_or_else(|| Error::bug("a sink that was opened is open"))
    }

    /// Appends rows.
    ///
    /// # Errors
    /// Other columns than before; a disk that failed.
    pub fn write(&mut self, rows: &DataFrame) -> Result<()> {
        self.rows += rows.height() as u64;
        let open = self.open(rows.schema())?;
        open.pending.vstack_mut(rows)?;
        while open.pending.height() >= ROW_GROUP_ROWS {
            let (mut group, rest) = open.pending.split_at(ROW_GROUP_ROWS as i64);
            group.rechunk_mut();
            open.writer.write_batch(&group)?;
            // No rows of it would still hold all of the group.
            open.pending = if rest.height() == 0 { rest.clear() } else { rest };
        }
        Ok(())
    }

    /// Closes the file; gives rows and columns.
    ///
    /// # Errors
    /// Where the disk failed.
    pub fn finish(mut self) -> Result<(u64, u64)> {
        let rows = self.rows;
        let open = self.open(&Schema::default())?;
        if open.pending.height() > 0 {
            open.pending.rechunk_mut();
            open.writer.write_batch(&open.pending)?;
        }
        open.writer.finish()?;
        Ok((rows, open.pending.width() as u64))
    }
}
