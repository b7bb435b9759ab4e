//! Writing a table as one file: parquet, csv, JSON lines or Arrow.
//!
//! The file is written beside its place under a name of its own and renamed when it is whole and on disk,
//! so that a reader never sees half of it, and a failure leaves what was there. The parent directory must exist.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, NaiveDate};
use flate2::write::GzEncoder;
use polars::io::ipc::{IpcScanOptions, IpcWriterOptions};
use polars::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Place, Problem, Result};

use super::Table;
use super::source::{self, Format, Packed};
use super::table::{BATCH_ROWS, polars_path};

/// What to do where a file is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SaveMode {
    #[default]
    Overwrite,
    /// Fail.
    Error,
    /// Rows go behind those that are there (csv and JSON lines).
    Append,
}

/// Writes all rows, in order, and says how many.
///
/// Missing values are empty fields in csv and `null` in JSON lines, where NaN and infinities are `null` too (JSON has
/// no others). Times are ISO, in UTC where they had a zone. Arrow files have the oldest layout, for other readers.
///
/// # Errors
/// A file that is there (with [`SaveMode::Error`]) or cannot be appended to; columns that the format cannot
/// hold, all named; whatever the query and the disk refuse. Then the place is as it was.
pub fn write(table: &Table, path: &Path, format: Format, compression: Option<Packed>, mode: SaveMode) -> Result<u64> {
    let name = path.display().to_string();
    let text = matches!(format, Format::Csv | Format::Json);
    if compression.is_some() && !text {
        return Err(Error::config(format!("{} files are not packed as a whole: `{name}`", format.name())).hint("leave `.gz` or `.zst` off its name"));
    }
    // A link stays a link: what it points to is written.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let there = fs::metadata(path).ok();
    if there.as_ref().is_some_and(|there| !there.is_file()) {
        return Err(Error::new(Kind::Io, format!("`{name}` is there and no regular file")).hint("name a file"));
    }
    if there.is_some() && mode == SaveMode::Error {
        return Err(Error::data(format!("`{name}` is there already")).hint("`save_mode: overwrite` replaces it"));
    }
    if mode == SaveMode::Append && !text {
        return Err(Error::config(format!("{} files cannot be appended to", format.name())).hint("append to csv or json, or write a file of its own"));
    }
    refuse_unwritable(table, format, &name)?;
    let append = mode == SaveMode::Append && there.is_some_and(|there| there.len() > 0);
    let beside = Beside::of(path)?;
    if append {
        appendable(table, path, &name, format, compression)?;
        copy(path, &beside.path, compression.is_none()).map_err(|error| Error::io("copy", path, &error))?;
    }
    let rows = match format {
        Format::Parquet => {
            table.write(&beside.path)?;
            Table::read(&beside.path)?.rows()? as u64
        }
        Format::Arrow => {
            let options = IpcWriterOptions { compat_level: CompatLevel::oldest(), record_batch_size: Some(BATCH_ROWS), ..Default::default() };
            table.sink(&beside.path, FileWriteFormat::Ipc(options))?;
            let arguments = UnifiedScanArgs { glob: false, cache: false, ..Default::default() };
            Table::from_query(LazyFrame::scan_ipc(polars_path(&beside.path)?, IpcScanOptions::default(), arguments)?)?.rows()? as u64
        }
        Format::Csv | Format::Json => {
            let file = File::options().append(true).create(true).open(&beside.path).map_err(|error| Error::io("write", &beside.path, &error))?;
            let mut writer = Packer::new(BufWriter::new(file), compression).map_err(|error| Error::io("write", &beside.path, &error))?;
            let rows = if format == Format::Csv { csv(table, &mut writer, !append)? } else { json(table, &mut writer, &beside.path)? };
            writer.finish().map_err(|error| Error::io("write", &beside.path, &error))?;
            rows
        }
    };
    beside.rename(path)?;
    Ok(rows)
}

/// Columns that the format has no place for.
fn refuse_unwritable(table: &Table, format: Format, name: &str) -> Result<()> {
    if !matches!(format, Format::Csv | Format::Json) {
        return Ok(());
    }
    let problems = table
        .schema()
        .iter()
        .filter(|(_, dtype)| {
            !(dtype.is_primitive_numeric() || matches!(dtype, DataType::Boolean | DataType::String | DataType::Date | DataType::Datetime(..) | DataType::Null))
        })
        .map(|(column, dtype)| {
            Problem::new(format!("column `{column}` of type {dtype} cannot be written as {}", format.name()))
                .at(Place::file(name))
                .hint("write parquet or arrow")
        })
        .collect();
    Error::all(Kind::Data, problems).map_or(Ok(()), Err)
}

/// Can rows go behind those that are there: same packing, same columns, a whole last line?
fn appendable(table: &Table, path: &Path, name: &str, format: Format, compression: Option<Packed>) -> Result<()> {
    let there = source::packed(path, name)?;
    if there != compression {
        let named = |packed: Option<Packed>| packed.map_or("plain", Packed::name);
        return Err(Error::data(format!("`{name}` is {}, not {}", named(there), named(compression))).hint("use `save_mode: overwrite`, or another name"));
    }
    if format != Format::Csv {
        return Ok(());
    }
    let (there, here) = (source::header(path, name)?, table.names().map(str::to_owned).collect::<Vec<_>>());
    if there == here {
        return Ok(());
    }
    let list = |names: &[String]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    Err(Error::data(format!("`{name}` has other columns: {} there, {} now", list(&there), list(&here)))
        .hint("append rows of the same columns, or use `save_mode: overwrite`"))
}

/// A copy of the file to append to, ending in a whole line.
fn copy(path: &Path, to: &Path, plain: bool) -> io::Result<()> {
    fs::copy(path, to)?;
    let mut file = File::options().read(true).append(true).open(to)?;
    let mut last = [b'\n'];
    if plain {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last == [b'\n'] { Ok(()) } else { file.write_all(b"\n") }
}

fn csv(table: &Table, writer: &mut Packer, header: bool) -> Result<u64> {
    let options =
        CsvWriter::new(writer).include_header(header).with_date_format(Some("%Y-%m-%d".into())).with_datetime_format(Some("%Y-%m-%dT%H:%M:%S%.f".into()));
    let mut writer = options.batched(table.schema())?;
    let mut rows = 0;
    for batch in table.batches()? {
        let batch = batch?;
        rows += batch.height() as u64;
        writer.write_batch(&batch)?;
    }
    writer.finish()?;
    Ok(rows)
}

fn json(table: &Table, writer: &mut Packer, path: &Path) -> Result<u64> {
    let keys = table.names().map(|name| serde_json::to_string(name).map_err(|error| Error::bug(error.to_string()))).collect::<Result<Vec<_>>>()?;
    let mut rows = 0;
    let mut text = Vec::new();
    for batch in table.batches()? {
        let batch = batch?;
        text.clear();
        lines(&batch, &keys, &mut text).map_err(|error| Error::bug(error.to_string()))?;
        writer.write_all(&text).map_err(|error| Error::io("write", path, &error))?;
        rows += batch.height() as u64;
    }
    Ok(rows)
}

fn lines(batch: &DataFrame, keys: &[String], text: &mut Vec<u8>) -> io::Result<()> {
    let columns: Vec<&Series> = batch.columns().iter().map(Column::as_materialized_series).collect();
    for row in 0..batch.height() {
        for (at, (key, column)) in keys.iter().zip(&columns).enumerate() {
            write!(text, "{}{key}:", if at == 0 { '{' } else { ',' })?;
            match column.get(row).unwrap_or(AnyValue::Null) {
                AnyValue::Boolean(value) => write!(text, "{value}")?,
                AnyValue::String(value) => serde_json::to_writer(&mut *text, value)?,
                AnyValue::StringOwned(value) => serde_json::to_writer(&mut *text, value.as_str())?,
                AnyValue::Float64(value) => serde_json::to_writer(&mut *text, &value)?,
                AnyValue::Float32(value) => serde_json::to_writer(&mut *text, &value)?,
                AnyValue::Date(days) => write!(text, "\"{}\"", day(days))?,
                AnyValue::Datetime(ticks, unit, _) | AnyValue::DatetimeOwned(ticks, unit, _) => write!(text, "\"{}\"", moment(ticks, unit))?,
                AnyValue::Null => text.extend_from_slice(b"null"),
                integer => write!(text, "{integer}")?,
            }
        }
        text.extend_from_slice(if keys.is_empty() { b"{}\n" } else { b"}\n" });
    }
    Ok(())
}

/// A day since 1970-01-01 as ISO has it.
pub(super) fn day(days: i32) -> String {
    NaiveDate::from_epoch_days(days).map(|date| date.to_string()).unwrap_or_default()
}

/// A moment since 1970-01-01 as ISO has it.
pub(super) fn moment(ticks: i64, unit: TimeUnit) -> String {
    let moment = match unit {
        TimeUnit::Nanoseconds => Some(DateTime::from_timestamp_nanos(ticks)),
        TimeUnit::Microseconds => DateTime::from_timestamp_micros(ticks),
        TimeUnit::Milliseconds => DateTime::from_timestamp_millis(ticks),
    };
    moment.map(|moment| moment.format("%Y-%m-%dT%H:%M:%S%.f").to_string()).unwrap_or_default()
}

/// A writer that packs, or not.
enum Packer {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
    Zstd(zstd::stream::write::Encoder<'static, BufWriter<File>>),
}

impl Packer {
    fn new(file: BufWriter<File>, compression: Option<Packed>) -> io::Result<Self> {
        Ok(match compression {
            None => Self::Plain(file),
            Some(Packed::Gzip) => Self::Gzip(GzEncoder::new(file, flate2::Compression::default())),
            Some(Packed::Zstd) => Self::Zstd(zstd::stream::write::Encoder::new(file, 3)?),
        })
    }

    fn finish(self) -> io::Result<()> {
        let mut file = match self {
            Self::Plain(file) => file,
            Self::Gzip(writer) => writer.finish()?,
            Self::Zstd(writer) => writer.finish()?,
        };
        file.flush()
    }
}

impl Write for Packer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(writer) => writer.write(bytes),
            Self::Gzip(writer) => writer.write(bytes),
            Self::Zstd(writer) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(writer) => writer.flush(),
            Self::Gzip(writer) => writer.flush(),
            Self::Zstd(writer) => writer.flush(),
        }
    }
}

/// A name beside a file, gone again unless it is renamed.
struct Beside {
    path: PathBuf,
}

impl Beside {
    fn of(path: &Path) -> Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = path.file_name().ok_or_else(|| Error::config(format!("`{}` names no file", path.display())))?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}-{}.tmp", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)));
        Ok(Self { path: path.with_file_name(hidden) })
    }

    /// Puts the file in its place once its bytes are on disk.
    fn rename(&self, to: &Path) -> Result<()> {
        let failed = |error: io::Error| Error::io("write", to, &error);
        File::open(&self.path).and_then(|file| file.sync_all()).map_err(failed)?;
        fs::rename(&self.path, to).map_err(failed)?;
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let frame =
            df!("x" => [Some(1.5), None], "n" => [f64::NAN, f64::INFINITY], "s" => ["a,\"b\"", ""], "d" => [0_i32, 19_723], "t" => [0_i64, 1_500_000]).unwrap();
        let exprs = [col("d").cast(DataType::Date), col("t").cast(DataType::Datetime(TimeUnit::Microseconds, None))];
        Table::from_query(frame.lazy().with_columns(exprs)).unwrap()
    }

    #[test]
    fn text_formats_are_written_to_the_letter() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        assert_eq!(write(&table(), &path, Format::Csv, None, SaveMode::Overwrite).unwrap(), 2);
        let csv = fs::read_to_string(&path).unwrap();
        assert_eq!(csv, "x,n,s,d,t\n1.5,NaN,\"a,\"\"b\"\"\",1970-01-01,1970-01-01T00:00:00\n,inf,\"\",2024-01-01,1970-01-01T00:00:01.500\n");
        write(&table(), &path, Format::Json, None, SaveMode::Overwrite).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "{\"x\":1.5,\"n\":null,\"s\":\"a,\\\"b\\\"\",\"d\":\"1970-01-01\",\"t\":\"1970-01-01T00:00:00\"}\n\
             {\"x\":null,\"n\":null,\"s\":\"\",\"d\":\"2024-01-01\",\"t\":\"1970-01-01T00:00:01.500\"}\n"
        );
    }

    #[test]
    fn rows_are_appended_under_one_header_to_a_file_of_the_same_columns() {
        let dir = tempfile::tempdir().unwrap();
        let one = Table::of(df!("x" => [1_i64], "y" => ["a"]).unwrap());
        let other = Table::of(df!("x" => [1_i64], "z" => ["a"]).unwrap());
        let plain = dir.path().join("t.csv");
        fs::write(&plain, "x,y\n0,b").unwrap();
        write(&one, &plain, Format::Csv, None, SaveMode::Append).unwrap();
        assert_eq!(fs::read_to_string(&plain).unwrap(), "x,y\n0,b\n1,a\n");
        let error = write(&other, &plain, Format::Csv, None, SaveMode::Append).unwrap_err();
        assert_eq!(error.to_string(), format!("`{}` has other columns: `x`, `y` there, `x`, `z` now", plain.display()));
        let packed = dir.path().join("t.csv.gz");
        for _ in 0..2 {
            write(&one, &packed, Format::Csv, Some(Packed::Gzip), SaveMode::Append).unwrap();
        }
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(File::open(&packed).unwrap()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "x,y\n1,a\n1,a\n");
        assert_eq!(write(&one, &packed, Format::Csv, None, SaveMode::Append).unwrap_err().kind, Kind::Data);
        assert_eq!(write(&one, &plain, Format::Parquet, None, SaveMode::Append).unwrap_err().kind, Kind::Config);
    }

    #[test]
    fn a_failure_leaves_what_was_there_and_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        fs::write(&path, "old").unwrap();
        assert_eq!(write(&table(), &path, Format::Csv, None, SaveMode::Error).unwrap_err().kind, Kind::Data);
        let failing = Table::from_query(df!("s" => ["a"]).unwrap().lazy().select([col("s").strict_cast(DataType::Int64)])).unwrap();
        for format in [Format::Csv, Format::Json, Format::Parquet, Format::Arrow] {
            assert!(write(&failing, &path, format, None, SaveMode::Overwrite).is_err());
        }
        let nested = Table::of(DataFrame::new(1, vec![Column::new("l".into(), [Series::new("".into(), [1_i64])])]).unwrap());
        let error = write(&nested, &path, Format::Json, None, SaveMode::Overwrite).unwrap_err();
        assert!(error.to_string().starts_with("column `l` of type list[i64] cannot be written as json"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
