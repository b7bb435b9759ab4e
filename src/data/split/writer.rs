//! The three parts of a split, written side by side and profiled while the rows pass once.

use polars::prelude::*;
use rayon::prelude::*;

use super::Part;
use crate::data::{ParquetSink, Profile, Profiler, Roles};
use crate::error::Result;

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

/// The three parts: their files and their profiles in the making.
pub(super) struct Parts([(ParquetSink, Profiler); 3]);

impl Parts {
    pub(super) fn create(paths: &super::SplitPaths, schema: &Schema, roles: &Roles) -> Result<Self> {
        let open = |path| -> Result<_> { Ok((ParquetSink::with_schema(path, schema)?, Profiler::new(schema, roles, None)?)) };
        Ok(Self([open(&paths.training)?, open(&paths.validation)?, open(&paths.test)?]))
    }

    /// Appends each row of the batch to the part that its label names; other labels are left out.
    pub(super) fn push(&mut self, batch: &DataFrame, labels: &[u8]) -> Result<()> {
        for (part, (file, profiler)) in Part::ALL.into_iter().zip(&mut self.0) {
            let label = part as u8;
            let mask: BooleanChunked = labels.iter().map(|other| Some(*other == label)).collect();
            let rows = own_strings(batch.filter(&mask)?)?;
            profiler.add(&rows)?;
            file.write(&rows)?;
        }
        Ok(())
    }

    /// Ends the files. Returns the profiles.
    pub(super) fn finish(self) -> Result<[Profile; 3]> {
        let [training, validation, test] = self.0.map(|(file, profiler)| file.finish().map(|_| profiler));
        Ok([training?, validation?, test?].map(Profiler::finish))
    }
}
