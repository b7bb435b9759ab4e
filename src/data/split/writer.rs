//! The three files of a split, written side by side while the rows pass once.
//!
//! Each file keeps the order of the rows and has row groups of exactly [`ROW_GROUP_ROWS`], so its bytes depend on
//! its rows alone. Held in memory is at most one row group a file.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use polars::io::parquet::write::BatchedWriter;
use polars::prelude::*;
use rayon::prelude::*;

use super::Part;
use crate::data::ROW_GROUP_ROWS;
use crate::data::table::parquet_options;
use crate::error::{Error, Result};

/// A parquet file that grows by batches.
struct GrowingFile {
    writer: BatchedWriter<BufWriter<File>>,
    pending: DataFrame,
}

impl GrowingFile {
    fn create(path: &Path, schema: &Schema) -> Result<Self> {
        let file = File::create(path).map_err(|error| Error::io("create", path, &error))?;
        let writer = parquet_options().to_writer(BufWriter::new(file)).batched(schema)?;
        Ok(Self { writer, pending: DataFrame::empty_with_schema(schema) })
    }

    fn push(&mut self, rows: &DataFrame) -> Result<()> {
        self.pending.vstack_mut(rows)?;
        while self.pending.height() >= ROW_GROUP_ROWS {
            let (mut group, rest) = self.pending.split_at(ROW_GROUP_ROWS as i64);
            group.rechunk_mut();
            self.writer.write_batch(&group)?;
            self.pending = rest;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        if self.pending.height() > 0 {
            self.pending.rechunk_mut();
            self.writer.write_batch(&self.pending)?;
        }
        self.writer.finish()?;
        Ok(())
    }
}

/// The same rows with strings of their own: filtered ones would keep the strings of every batch they came from in memory
/// until their row group is full.
fn own_strings(rows: DataFrame) -> Result<DataFrame> {
    let height = rows.height();
    let own = |column: Column| -> Result<Column> {
        Ok(match column.dtype() {
            DataType::String => {
                StringChunked::from_chunk_iter(column.name().clone(), column.str()?.downcast_iter().map(|chunk| chunk.clone().gc())).into_column()
            }
            DataType::Binary => {
                BinaryChunked::from_chunk_iter(column.name().clone(), column.binary()?.downcast_iter().map(|chunk| chunk.clone().gc())).into_column()
            }
            _ => column,
        })
    };
    let columns: Vec<Result<Column>> = rows.into_columns().into_par_iter().map(own).collect();
    Ok(DataFrame::new(height, columns.into_iter().collect::<Result<_>>()?)?)
}

/// The files of the three parts.
pub(super) struct PartFiles([GrowingFile; 3]);

impl PartFiles {
    pub(super) fn create(paths: &super::SplitPaths, schema: &Schema) -> Result<Self> {
        Ok(Self([GrowingFile::create(&paths.training, schema)?, GrowingFile::create(&paths.validation, schema)?, GrowingFile::create(&paths.test, schema)?]))
    }

    /// Appends each row of the batch to the part that its label names; other labels are left out.
    pub(super) fn push(&mut self, batch: &DataFrame, labels: &[u8]) -> Result<()> {
        for (part, file) in Part::ALL.into_iter().zip(&mut self.0) {
            let label = part as u8;
            let mask: BooleanChunked = labels.iter().map(|other| Some(*other == label)).collect();
            file.push(&own_strings(batch.filter(&mask)?)?)?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<()> {
        self.0.into_iter().try_for_each(GrowingFile::finish)
    }
}
