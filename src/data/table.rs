//! A table: a lazy frame with its schema, over a parquet file or memory.
//!
//! Whatever reads rows one after the other does so through [`Batches`]: pieces of exactly
//! [`BATCH_ROWS`] rows in the table's order, at any thread count, so that sums taken a batch at a time
//! are the same everywhere.

use std::fs::File;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;

use polars::io::HiveOptions;
use polars::io::utils::file::Writable;
use polars::lazy::dsl::SpecialEq;
use polars::prelude::*;

use crate::error::{Error, Kind, Result};

/// Rows in a batch (the last one may be shorter).
pub const BATCH_ROWS: usize = 65_536;
/// Rows in a row group of the parquet files that are written: few, since a reader holds several of them decoded.
pub const ROW_GROUP_ROWS: usize = BATCH_ROWS;

/// A file of at most so many bytes and values is decoded once, not for every query.
const SMALL_FILE: u64 = 4 << 20;
const SMALL_VALUES: usize = 2 << 20;

/// Rows and named, typed columns; cheap to clone.
#[derive(Clone)]
pub struct Table {
    frame: LazyFrame,
    schema: SchemaRef,
    /// What a small file holds, once it was asked for; clones share it.
    held: Option<Arc<Held>>,
}

struct Held {
    path: PathBuf,
    rows: OnceLock<Option<DataFrame>>,
}

impl Held {
    /// A small file's rows; `None` where there are many, or where they cannot be read, which the query over the file then says.
    fn rows(&self, file: &LazyFrame, width: usize) -> Option<&DataFrame> {
        let read = || {
            let rows = ParquetReader::new(File::open(&self.path).ok()?).num_rows().ok()?;
            (rows.saturating_mul(width) <= SMALL_VALUES)
                .then(|| file.clone().collect_with_engine(Engine::Streaming).ok().map(|rows| contiguous(rows.unwrap_single())))?
        };
        self.rows.get_or_init(read).as_ref()
    }
}

impl Table {
    /// A frame in memory.
    #[must_use]
    pub fn of(frame: DataFrame) -> Self {
        let schema = frame.schema().clone();
        Self { frame: frame.lazy(), schema, held: None }
    }

    /// A query; its schema is resolved now.
    ///
    /// # Errors
    /// Where the query names a column that is not there.
    pub fn from_query(mut frame: LazyFrame) -> Result<Self> {
        let schema = frame.collect_schema()?;
        Ok(Self { frame, schema, held: None })
    }

    /// A parquet file.
    ///
    /// # Errors
    /// Where the file cannot be read or is not parquet.
    pub fn read(path: &Path) -> Result<Self> {
        // A directory called `k=1` on the way makes no column `k`.
        let args = ScanArgsParquet { glob: false, cache: false, hive_options: HiveOptions::new_disabled(), ..Default::default() };
        let table = Self::from_query(LazyFrame::scan_parquet(polars_path(path)?, args)?)?;
        let is_small = std::fs::metadata(path).is_ok_and(|file| file.len() <= SMALL_FILE);
        let held = is_small.then(|| Arc::new(Held { path: path.to_owned(), rows: OnceLock::new() }));
        Ok(Self { held, ..table })
    }

    pub fn lazy(&self) -> LazyFrame {
        self.decoded().map_or_else(|| self.frame.clone(), |rows| rows.clone().lazy())
    }

    /// The rows of a small file.
    fn decoded(&self) -> Option<&DataFrame> {
        self.held.as_ref()?.rows(&self.frame, self.schema.len())
    }

    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The column names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.schema.iter_names().map(PlSmallStr::as_str)
    }

    #[must_use]
    pub fn has(&self, column: &str) -> bool {
        self.schema.contains(column)
    }

    /// Every row in memory.
    ///
    /// # Errors
    /// Where the query fails.
    pub fn collect(&self) -> Result<DataFrame> {
        if let Some(rows) = self.decoded() {
            return Ok(rows.clone());
        }
        Ok(self.lazy().collect_with_engine(Engine::Streaming)?.unwrap_single())
    }

    /// The first rows in memory.
    ///
    /// # Errors
    /// Where the query fails.
    pub fn head(&self, rows: usize) -> Result<DataFrame> {
        Ok(self.lazy().limit(IdxSize::try_from(rows).unwrap_or(IdxSize::MAX)).collect()?)
    }

    /// Some of the columns, in the order in which they are named.
    ///
    /// # Errors
    /// A column that is not there.
    pub fn select<'a>(&self, columns: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        Self::from_query(self.lazy().select(columns.into_iter().map(|name| Expr::Column(name.into())).collect::<Vec<_>>()))
    }

    /// How many rows there are.
    ///
    /// # Errors
    /// Where the query fails.
    pub fn rows(&self) -> Result<usize> {
        let counted = self.frame.clone().select([len().alias("rows")]).collect_with_engine(Engine::Streaming)?.unwrap_single();
        Ok(counted.column("rows")?.get(0)?.extract::<usize>().unwrap_or(0))
    }

    /// The rows in order, in pieces of exactly [`BATCH_ROWS`] (the last may be shorter, none is empty).
    ///
    /// # Errors
    /// Where the query cannot start.
    pub fn batches(&self) -> Result<Batches> {
        if let Some(rows) = self.decoded() {
            return Ok(Batches { query: None, pending: (rows.height() > 0).then(|| rows.clone()) });
        }
        let (send, receive) = sync_channel(1);
        // A reader that has gone ends the query.
        let hand_on = PlanCallback::new(move |rows: DataFrame| Ok(send.send(rows).is_err()));
        let query = self.lazy().sink_batches(hand_on, true, NonZeroUsize::new(BATCH_ROWS))?;
        let reader = std::thread::Builder::new().name("query".to_owned()).spawn(move || query.collect_with_engine(Engine::Streaming).map(drop));
        let reader = reader.map_err(|error| Error::new(Kind::Io, format!("cannot start a thread: {error}")))?;
        Ok(Batches { query: Some((receive, reader)), pending: None })
    }

    /// Writes all rows as parquet, in order, with row groups of [`ROW_GROUP_ROWS`].
    ///
    /// # Errors
    /// Where the query or the writing fails.
    pub fn write(&self, path: &Path) -> Result<()> {
        self.sink(path, FileWriteFormat::Parquet(Arc::new(parquet_options())))
    }

    /// Writes all rows, in order, in a format of polars.
    ///
    /// The file is opened here: polars opens one that it gets by its name in the background, even after the query failed.
    ///
    /// # Errors
    /// Where the query or the writing fails.
    pub fn sink(&self, path: &Path, format: FileWriteFormat) -> Result<()> {
        let file = File::create(path).map_err(|error| Error::io("write", path, &error))?;
        let file = SpecialEq::new(Arc::new(Mutex::new(Some(Writable::Local(file)))));
        let target = SinkDestination::File { target: SinkTarget::Dyn(file) };
        self.lazy().sink(target, format, UnifiedSinkArgs { maintain_order: true, ..Default::default() })?.collect_with_engine(Engine::Streaming)?;
        Ok(())
    }
}

/// How every parquet file of this program is written.
#[must_use]
pub fn parquet_options() -> ParquetWriteOptions {
    ParquetWriteOptions { compression: ParquetCompression::Lz4Raw, row_group_size: Some(ROW_GROUP_ROWS), ..Default::default() }
}

/// A path as polars wants it.
///
/// # Errors
/// A path that is not UTF-8.
pub fn polars_path(path: &Path) -> Result<PlRefPath> {
    let text = path.to_str().ok_or_else(|| Error::usage(format!("path is not UTF-8: `{}`", path.display())))?;
    Ok(PlRefPath::new(text))
}

/// Rows in order, [`BATCH_ROWS`] at a time.
pub struct Batches {
    /// What a query that is running hands on, and its thread: rows that stop coming are all of them only if it ended well.
    query: Option<(Receiver<DataFrame>, JoinHandle<PolarsResult<()>>)>,
    pending: Option<DataFrame>,
}

impl Batches {
    /// The next rows of the query, in pieces of any size.
    fn received(&mut self) -> Option<PolarsResult<DataFrame>> {
        if let Some(rows) = self.query.as_ref().and_then(|(receive, _)| receive.recv().ok()) {
            return Some(Ok(rows));
        }
        let (_, reader) = self.query.take()?;
        reader.join().unwrap_or_else(|panic| resume_unwind(panic)).err().map(Err)
    }
}

impl Iterator for Batches {
    type Item = Result<DataFrame>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(frame) = self.pending.take_if(|frame| frame.height() >= BATCH_ROWS) {
                let split = i64::try_from(BATCH_ROWS).unwrap_or(i64::MAX);
                let (batch, rest) = frame.split_at(split);
                self.pending = (rest.height() > 0).then_some(rest);
                return Some(Ok(contiguous(batch)));
            }
            match self.received() {
                Some(Ok(frame)) => match &mut self.pending {
                    Some(pending) => {
                        if let Err(error) = pending.vstack_mut(&frame) {
                            return Some(Err(error.into()));
                        }
                    }
                    pending @ None => *pending = (frame.height() > 0).then_some(frame),
                },
                Some(Err(error)) => return Some(Err(error.into())),
                None => return self.pending.take().map(|frame| Ok(contiguous(frame))),
            }
        }
    }
}

/// The same rows, each column in one piece.
fn contiguous(mut frame: DataFrame) -> DataFrame {
    frame.rechunk_mut();
    frame
}

impl From<PolarsError> for Error {
    fn from(error: PolarsError) -> Self {
        let full = error.to_string();
        let first = full.lines().next().unwrap_or_default().to_owned();
        match &error {
            PolarsError::IO { error: io, .. } if matches!(io.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::PermissionDenied) => {
                Error::new(Kind::Io, first)
            }
            PolarsError::IO { .. } if full.contains("No space left") => Error::new(Kind::Io, first).hint("free some space and run again; nothing was lost"),
            _ => Error::data(first),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_the_order_and_have_the_fixed_size() {
        let rows = BATCH_ROWS * 2 + 10;
        let frame = df!("x" => (0..rows as i64).collect::<Vec<_>>()).unwrap();
        let batches: Vec<DataFrame> = Table::of(frame).batches().unwrap().collect::<Result<_>>().unwrap();
        assert_eq!(batches.iter().map(DataFrame::height).collect::<Vec<_>>(), [BATCH_ROWS, BATCH_ROWS, 10]);
        assert_eq!(batches[2].column("x").unwrap().get(9).unwrap().extract::<i64>(), Some(rows as i64 - 1));
    }

    #[test]
    fn rows_that_stop_coming_because_a_query_fails_are_not_taken_for_all() {
        let rows = BATCH_ROWS as i64 * 3;
        let failing = |fail: fn(i64) -> PolarsResult<()>| {
            let frame = df!("x" => (0..rows).collect::<Vec<_>>()).unwrap().lazy();
            let look = move |x: Column| {
                x.i64()?.iter().flatten().try_for_each(|x| if x == BATCH_ROWS as i64 * 2 { fail(x) } else { Ok(()) })?;
                Ok(x)
            };
            let table = Table::from_query(frame.with_column(col("x").map(look, |_, field| Ok(field.clone())))).unwrap();
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| table.batches().unwrap().collect::<Result<Vec<DataFrame>>>()))
        };
        assert_eq!(failing(|_| Ok(())).unwrap().unwrap().len(), 3);
        assert!(failing(|_| polars_bail!(ComputeError: "a bad row")).unwrap().unwrap_err().to_string().contains("a bad row"));
        assert!(failing(|x| panic!("row {x}")).is_err());
    }

    #[test]
    fn what_is_written_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("k=1")).unwrap();
        let path = dir.path().join("k=1/a b.parquet");
        let frame = df!("x" => [1.5, 2.5], "s" => ["a", "b"]).unwrap();
        Table::of(frame.clone()).write(&path).unwrap();
        let table = Table::read(&path).unwrap();
        assert_eq!(table.rows().unwrap(), 2);
        assert!(table.collect().unwrap().equals(&frame));
    }
}
