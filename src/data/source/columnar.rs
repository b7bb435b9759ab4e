//! Parquet and Arrow files: checked before polars believes them, types brought to the few we use.
//!
//! | in the file | in the table |
//! |---|---|
//! | integers of any width | 64-bit integers (one beyond that fails when it is read) |
//! | floats, decimals | 64-bit floats |
//! | timestamps | microseconds without a time zone; with one: in UTC |
//! | dictionaries, categories, enums, times of day | strings |
//! | durations | seconds, as floats |
//!
//! Nested and binary columns are refused.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use polars::io::HiveOptions;
use polars::io::ipc::IpcScanOptions;
use polars::prelude::*;

use crate::data::table::polars_path;
use crate::error::{Error, Kind as Failure, Place, Problem, Result};

use super::cell::Kind;
use super::config::Format;
use super::convert::convert;
use super::sniff;
use super::unpack::open;

/// More rows to a byte than any writer packs; a file that says more is forged.
const ROWS_PER_BYTE: u64 = 1_000_000;

/// A checked file.
pub struct Columnar {
    path: PathBuf,
    pub name: String,
    format: Format,
    pub columns: Vec<(String, Kind)>,
    pub rows: u64,
    pub notes: Vec<String>,
    own: Vec<ArrowDataType>,
}

/// Checks a file by its footer; its data is not read.
///
/// # Errors
/// A file of another format, a truncated or forged one, nested and binary columns.
pub fn check(path: &Path, name: &str, format: Format, scratch: &Path, index: usize) -> Result<Columnar> {
    footer(path, name, format)?;
    let mut path = path.to_owned();
    let (mut schema, mut rows) = metadata(&path, name, format)?;
    if format == Format::Parquet && schema.iter_values().any(|field| matches!(field.dtype, ArrowDataType::Dictionary(..))) {
        path = without_arrow_schema(&path, name, scratch, index)?;
        (schema, rows) = metadata(&path, name, format)?;
    }
    let (mut columns, mut notes, mut problems, mut own) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for field in schema.iter_values() {
        let column = field.name.as_str();
        match kind_of(&field.dtype) {
            Ok((kind, note)) => {
                notes.extend(note.map(|note| format!("`{name}`: column `{column}` holds {note}")));
                columns.push((column.to_owned(), kind));
                own.push(field.dtype.clone());
            }
            Err(what) => problems
                .push(Problem::new(format!("column `{column}` is {what}")).at(Place::file(name)).hint("write it as columns of plain values, or leave it out")),
        }
    }
    if let Some(error) = Error::all(Failure::Data, problems) {
        return Err(error);
    }
    if columns.is_empty() {
        return Err(Error::data(format!("`{name}` has no columns")).at(&Place::file(name)));
    }
    Ok(Columnar { path, name: name.to_owned(), format, columns, rows, notes, own })
}

impl Columnar {
    /// The rows with the columns of `kinds`, in that order of columns.
    ///
    /// # Errors
    /// Where polars cannot open the file.
    pub fn frame(&self, kinds: &[(String, Kind)]) -> Result<LazyFrame> {
        let select: Vec<Expr> = kinds
            .iter()
            .filter_map(|(name, kind)| {
                let at = self.columns.iter().position(|(own, _)| own == name)?;
                let (_, from) = self.columns.get(at)?;
                Some(match (self.own.get(at)?, kind) {
                    // Not by way of integers with a sign, which it may not fit.
                    (ArrowDataType::UInt64, Kind::Text | Kind::Float) => Expr::Column(PlSmallStr::from(name)).cast(kind.dtype()),
                    (own, _) => convert(brought(name, own, *from), name, *from, *kind),
                })
            })
            .collect();
        Ok(scan(&self.path, self.format)?.select(select))
    }
}

fn scan(path: &Path, format: Format) -> Result<LazyFrame> {
    let path = polars_path(path)?;
    Ok(match format {
        Format::Arrow => {
            let args = UnifiedScanArgs { glob: false, cache: false, hive_options: HiveOptions::new_disabled(), ..Default::default() };
            LazyFrame::scan_ipc(path, IpcScanOptions::default(), args)?
        }
        _ => LazyFrame::scan_parquet(path, ScanArgsParquet { glob: false, cache: false, hive_options: HiveOptions::new_disabled(), ..Default::default() })?,
    })
}

/// A parquet file of our own making.
pub fn scan_parquet(path: &Path) -> Result<LazyFrame> {
    scan(path, Format::Parquet)
}

/// Do the first and last bytes fit the format, and the footer the file?
fn footer(path: &Path, name: &str, format: Format) -> Result<()> {
    let io = |error: std::io::Error| Error::io("read", Path::new(name), &error);
    let mut file = open(path, name)?;
    let size = file.metadata().map_err(io)?.len();
    if size == 0 {
        return Err(Error::data(format!("`{name}` is empty: 0 bytes")).at(&Place::file(name)));
    }
    let magic: &[u8] = if format == Format::Arrow { b"ARROW1" } else { b"PAR1" };
    let tail_size = magic.len() as u64 + 4;
    let mut head = vec![0; magic.len()];
    let begins = file.read_exact(&mut head).is_ok() && head == magic;
    if !begins {
        if format == Format::Arrow && head.starts_with(&[0xff, 0xff, 0xff, 0xff]) {
            return Err(Error::data(format!("`{name}` is an Arrow stream"))
                .at(&Place::file(name))
                .hint("write it as an Arrow file (Feather version 2) or as parquet"));
        }
        return Err(sniff::mistaken(name, format, sniff::looks_like(path)));
    }
    let cut = |what: String| Err(Error::data(format!("`{name}` is damaged: {what}")).at(&Place::file(name)).hint("fetch or write it again"));
    if size < tail_size + magic.len() as u64 {
        return cut(format!("{size} bytes are too few for a {} file", format.name()));
    }
    let mut tail = vec![0; tail_size as usize];
    file.seek(SeekFrom::End(-(tail_size as i64))).map_err(io)?;
    file.read_exact(&mut tail).map_err(io)?;
    match tail.split_first_chunk::<4>() {
        Some((length, end)) if end == magic => {
            let length = u64::from(u32::from_le_bytes(*length));
            if length == 0 || length > size - tail_size - magic.len() as u64 {
                return cut(format!("its footer claims {length} bytes of {size}"));
            }
            Ok(())
        }
        _ => cut("it ends too early".to_owned()),
    }
}

/// Runs polars on bytes that nobody vouches for.
fn guarded<T>(name: &str, work: impl FnOnce() -> PolarsResult<T>) -> Result<T> {
    let what = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.to_string().lines().next().unwrap_or_default().to_owned(),
        Err(_) => "its footer cannot be read".to_owned(),
    };
    Err(Error::data(format!("`{name}` is damaged: {what}")).at(&Place::file(name)).hint("fetch or write it again"))
}

/// Columns and rows as the footer says, where it can be true.
fn metadata(path: &Path, name: &str, format: Format) -> Result<(std::sync::Arc<ArrowSchema>, u64)> {
    let file = open(path, name)?;
    let size = file.metadata().map_err(|error| Error::io("read", Path::new(name), &error))?.len();
    if format == Format::Arrow {
        let schema = guarded(name, || IpcReader::new(file).schema())?;
        if schema.iter_values().any(|field| kind_of(&field.dtype).is_err()) {
            return Ok((schema, 0));
        }
        let rows = scan(path, format)?.select([len().alias("rows")]);
        let counted = guarded(name, || rows.collect_with_engine(Engine::Streaming))?.unwrap_single();
        return Ok((schema, counted.column("rows")?.get(0)?.extract::<u64>().unwrap_or(0)));
    }
    let mut reader = ParquetReader::new(file);
    let (schema, lie, rows) = guarded(name, || {
        let metadata = reader.get_metadata()?.clone();
        let mut lie = None;
        let mut rows = 0_u64;
        for group in &metadata.row_groups {
            rows = rows.saturating_add(group.num_rows() as u64);
            for column in group.parquet_columns() {
                let (start, length) =
                    (column.dictionary_page_offset().unwrap_or(column.data_page_offset()).min(column.data_page_offset()), column.compressed_size());
                let end = u64::try_from(start).ok().zip(u64::try_from(length).ok()).and_then(|(start, length)| start.checked_add(length));
                let column_name = column.descriptor().path_in_schema.first().map(ToString::to_string).unwrap_or_default();
                let flat = column.descriptor().path_in_schema.len() == 1 && column.descriptor().descriptor.max_rep_level == 0;
                if end.is_none_or(|end| end > size) {
                    lie = Some(format!("column `{column_name}` lies outside the file"));
                } else if flat && column.num_values() != group.num_rows() as i64 {
                    lie = Some(format!("column `{column_name}` claims {} values for {} rows", column.num_values(), group.num_rows()));
                }
            }
        }
        if rows != metadata.num_rows as u64 {
            lie = Some(format!("its footer claims {} rows, its row groups {rows}", metadata.num_rows));
        } else if rows > size.saturating_mul(ROWS_PER_BYTE) {
            lie = Some(format!("its footer claims {rows} rows in {size} bytes"));
        }
        let schema = if lie.is_some() { std::sync::Arc::default() } else { reader.schema()? };
        Ok((schema, lie, rows))
    })?;
    match lie {
        Some(lie) => Err(Error::data(format!("`{name}` is damaged: {lie}")).at(&Place::file(name)).hint("fetch or write it again")),
        None => Ok((schema, rows)),
    }
}

/// The kind of a column, with what changes on the way; or what it is that cannot be read.
fn kind_of(dtype: &ArrowDataType) -> Result<(Kind, Option<&'static str>), String> {
    use ArrowDataType as A;
    Ok(match dtype {
        A::Null => (Kind::Missing, None),
        A::Boolean => (Kind::Boolean, None),
        A::Int8 | A::Int16 | A::Int32 | A::Int64 | A::UInt8 | A::UInt16 | A::UInt32 | A::UInt64 => (Kind::Integer, None),
        A::Float32 | A::Float64 => (Kind::Float, None),
        A::Decimal(..) | A::Decimal32(..) | A::Decimal64(..) => (Kind::Float, Some("decimals, read as 64-bit floats")),
        A::Utf8 | A::LargeUtf8 | A::Utf8View => (Kind::Text, None),
        A::Date32 => (Kind::Date, None),
        A::Date64 | A::Timestamp(_, None) => (Kind::Datetime, None),
        A::Timestamp(_, Some(_)) => (Kind::Datetime, Some("times with a time zone, read as UTC")),
        A::Time32(_) | A::Time64(_) => (Kind::Text, Some("times of day, read as strings")),
        A::Duration(_) => (Kind::Float, Some("durations, read as seconds")),
        A::List(_) | A::LargeList(_) | A::FixedSizeList(..) => return Err("a list".to_owned()),
        A::Struct(_) => return Err("nested".to_owned()),
        A::Map(..) => return Err("a map".to_owned()),
        A::Binary | A::LargeBinary | A::BinaryView | A::FixedSizeBinary(_) => return Err("binary".to_owned()),
        A::Dictionary(..) => return Err("a dictionary, which is read from parquet files only".to_owned()),
        other => return Err(format!("of a type that is not read: {other:?}")),
    })
}

/// A column in the type of its kind.
fn brought(name: &str, own: &ArrowDataType, kind: Kind) -> Expr {
    let column = Expr::Column(PlSmallStr::from(name));
    match own {
        ArrowDataType::Timestamp(unit, _) => micros(column, *unit),
        ArrowDataType::Date64 => micros(column, ArrowTimeUnit::Millisecond),
        ArrowDataType::UInt64 => {
            let name = name.to_owned();
            column.map(move |column| signed(&column, &name), |_, field| Ok(Field::new(field.name().clone(), DataType::Int64)))
        }
        ArrowDataType::Duration(unit) => column.to_physical().cast(DataType::Float64) / lit(per_second(*unit) as f64),
        _ => column.strict_cast(kind.dtype()),
    }
}

/// Unsigned integers as those with a sign.
fn signed(column: &Column, name: &str) -> PolarsResult<Column> {
    match column.u64()?.iter().flatten().find(|value| i64::try_from(*value).is_err()) {
        None => column.cast(&DataType::Int64),
        Some(value) => {
            let what =
                format!("column `{name}` holds an integer beyond {}: `{value}`: declare it: `schema: {{{name}: {{type: string}}}}`, or `float`", i64::MAX);
            Err(PolarsError::ComputeError(what.into()))
        }
    }
}

fn micros(column: Expr, unit: ArrowTimeUnit) -> Expr {
    let ticks = column.to_physical();
    let micros = match per_second(unit) {
        1_000_000_000 => ticks.floor_div(lit(1_000_i64)),
        per_second => ticks * lit(1_000_000 / per_second),
    };
    micros.cast(Kind::Datetime.dtype())
}

/// Ticks a second as polars holds them: it has no whole seconds.
fn per_second(unit: ArrowTimeUnit) -> i64 {
    match unit {
        ArrowTimeUnit::Second | ArrowTimeUnit::Millisecond => 1_000,
        ArrowTimeUnit::Microsecond => 1_000_000,
        ArrowTimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// A copy whose footer does not say that strings are dictionaries in memory.
///
/// Parquet holds plain strings; only the note `ARROW:schema` in the footer asks for dictionaries, which this build of polars
/// cannot make. The note is renamed, byte for byte, so that no length changes.
fn without_arrow_schema(path: &Path, name: &str, scratch: &Path, index: usize) -> Result<PathBuf> {
    const NOTE: &[u8] = b"ARROW:schema";
    let to = scratch.join(format!("source-{index}-strings.parquet"));
    let written = |error: std::io::Error| Error::io("write", &to, &error);
    std::io::copy(&mut open(path, name)?, &mut File::create(&to).map_err(written)?).map_err(written)?;
    let mut copy = File::options().read(true).write(true).open(&to).map_err(written)?;
    let size = copy.metadata().map_err(written)?.len();
    let mut length = [0; 4];
    copy.seek(SeekFrom::End(-8)).map_err(written)?;
    copy.read_exact(&mut length).map_err(written)?;
    let start = size.saturating_sub(8 + u64::from(u32::from_le_bytes(length)));
    let mut footer = vec![0; (size - start) as usize];
    copy.seek(SeekFrom::Start(start)).map_err(written)?;
    copy.read_exact(&mut footer).map_err(written)?;
    if let Some(at) = footer.windows(NOTE.len()).rposition(|bytes| bytes == NOTE) {
        copy.seek(SeekFrom::Start(start + at as u64)).map_err(written)?;
        copy.write_all(b"arrow:schema").map_err(written)?;
    }
    Ok(to)
}
