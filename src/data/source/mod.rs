//! Reading tables: csv, JSON lines, parquet and Arrow, each plain or packed by gzip or zstd, from one file or many.
//!
//! [`locate`] says which files are meant, [`read`] checks them and gives one [`Table`] that streams. Every
//! row of the files is either in that table or among the rejects; which one, and every column's type, is
//! decided over all rows, never over the first ones. Not done here: the data contract (types it wants are
//! taken as given), dropping rows without a target, remote locations, databases (`data/sql/`).

pub(crate) mod cell;
mod columnar;
mod config;
pub(super) mod convert;
mod csv;
mod jsonl;
mod locate;
mod records;
mod sniff;
mod tally;
mod union;
mod unpack;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use polars::prelude::{DataType, OptFlags, UnionArgs, concat};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind as Failure, Place, Problem, Result};

use super::Table;
use cell::Kind;
use records::Refused;
use union::Part;

pub use config::{Encoding, Format, OneOrMore, ReadOptions, Sample, SourceConfig};
pub(super) use csv::header_of as header;
pub use locate::{SourceFile, locate};
pub use sniff::{Packed, looks_like};

/// Raised when the same file gives other rows.
pub const VERSION: u32 = 1;
pub(super) use union::Draw;
pub(super) use unpack::packed;

/// A malformed row that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    pub file: String,
    /// From 1; where the row spans lines, its first.
    pub line: u64,
    pub reason: String,
    /// The row as it stands in the file, up to 4096 bytes.
    pub text: String,
}

/// What was read.
pub struct Read {
    /// The rows, in the order of the files; streams from them or from copies in the scratch folder.
    pub table: Table,
    /// Good rows in the files: those of `table` where nothing is sampled.
    pub rows_read: u64,
    /// Rows in the sample, where there is one: then those of `table`.
    pub rows_sampled: Option<u64>,
    /// The rows that were left out, all of them up to 100,000.
    pub rejects: Vec<Reject>,
    pub rejected: u64,
    /// `csv`, `parquet (gzip)`, … joined by commas.
    pub formats: String,
    /// What may surprise, for warnings.
    pub notes: Vec<String>,
}

/// Checks `files` whole and reads them as one table.
///
/// `wanted` are the column types that the contract asks for, by name; a value that is not of its type makes
/// its row malformed. `scratch` takes copies where a file must be unpacked, decoded or mended, and must live
/// as long as the table. `seed` draws the sample.
///
/// # Errors
/// What is wrong with the data, with file, line and column: damaged and mistaken files, bad headers, more
/// malformed rows than `max_rejected` (the first five), files that do not fit together, no rows at all.
pub fn read(files: &[SourceFile], config: &SourceConfig, wanted: &BTreeMap<String, DataType>, scratch: &Path, seed: u64) -> Result<Read> {
    let wanted: BTreeMap<String, Kind> = wanted.iter().filter_map(|(name, dtype)| Some((name.clone(), Kind::of(dtype)?))).collect();
    let mut formats = BTreeSet::new();
    let mut parts = Vec::with_capacity(files.len());
    let mut refused = Refusals::default();
    for (index, file) in files.iter().enumerate() {
        let format = locate::format_of(file, config.using)?;
        let packed = unpack::packed(&file.path, &file.name)?;
        formats.insert(packed.map_or_else(|| format.name().to_owned(), |packed| format!("{} ({})", format.name(), packed.name())));
        let mut path = file.path.clone();
        if let Some(packed) = packed {
            path = scratch.join(format!("source-{index}"));
            unpack::unpack(&file.path, &file.name, packed, &path)?;
        }
        let mut part = Part::check(&path, &file.name, format, &config.options, &wanted, scratch, index)?;
        refused.take(&mut part);
        parts.push(part);
    }
    let rejected = refused.count;
    let rejects = refused.within(config.options.max_rejected)?;
    let rows_read: u64 = parts.iter().map(Part::rows).sum();
    if rows_read == 0 {
        return Err(without_rows(files, rejected));
    }
    let kinds = union::kinds(&parts, &wanted)?;
    let notes = parts.iter_mut().flat_map(Part::take_notes).collect();
    let frames = parts.iter().map(|part| part.frame(&kinds)).collect::<Result<Vec<_>>>()?;
    let mut frame = match <[_; 1]>::try_from(frames) {
        Ok([frame]) => frame,
        Err(frames) => {
            let frame = concat(frames, UnionArgs { maintain_order: true, rechunk: false, ..Default::default() })?;
            // polars 0.55 counts the rows of a union in 128-bit integers, which panics in a build without them: hide the union from it.
            frame.map(Ok, OptFlags::STREAMING, None, Some("files"))
        }
    };
    let mut rows_sampled = None;
    if let Some(sample) = config.sample {
        let sample = union::Draw::new(sample, rows_read, seed);
        rows_sampled = Some(sample.rows);
        frame = sample.of(frame, &kinds);
    }
    let formats = formats.into_iter().collect::<Vec<_>>().join(", ");
    Ok(Read { table: Table::from_query(frame)?, rows_read, rows_sampled, rejects, rejected, formats, notes })
}

/// The first rows of the first file, a thousand or so, to look at names and types before anything runs.
///
/// # Errors
/// As [`read`], for that part of the file.
pub fn peek(files: &[SourceFile], config: &SourceConfig, wanted: &BTreeMap<String, DataType>) -> Result<Table> {
    const BYTES: u64 = 256 << 10;
    const ROWS: u32 = 1000;
    let file = files.first().ok_or_else(|| Error::data("no location is given"))?;
    let scratch = tempfile::tempdir().map_err(|error| Error::io("write", &std::env::temp_dir(), &error))?;
    let mut config = SourceConfig { sample: None, using: Some(locate::format_of(file, config.using)?), ..config.clone() };
    config.options.max_rejected = u64::MAX;
    let mut file = file.clone();
    if matches!(config.using, Some(Format::Csv | Format::Json)) {
        let head = scratch.path().join("head");
        unpack::head(&file.path, &file.name, BYTES, config.options.encoding, &head)?;
        file.path = head;
    }
    let rows = read(&[file], &config, wanted, scratch.path(), 0)?.table.lazy().limit(ROWS);
    Ok(Table::of(Table::from_query(rows)?.collect()?))
}

fn without_rows(files: &[SourceFile], rejected: u64) -> Error {
    let what = if rejected > 0 { "no well-formed rows" } else { "no rows" };
    match files {
        [file] => Error::data(format!("`{}` holds {what}", file.name)).at(&Place::file(&file.name)),
        files => Error::data(format!("the {} files hold {what}", files.len())),
    }
}

/// Malformed rows of all files.
#[derive(Default)]
struct Refusals {
    rejects: Vec<Reject>,
    count: u64,
}

impl Refusals {
    fn take(&mut self, part: &mut Part) {
        let (name, refused, count) = part.take_refused();
        self.count += count;
        self.rejects.extend(refused.into_iter().map(|Refused { line, reason, text }| Reject { file: name.clone(), line, reason, text }));
    }

    /// All of them, if they are no more than `allowed`.
    fn within(self, allowed: u64) -> Result<Vec<Reject>> {
        const SHOWN: usize = 5;
        if self.count <= allowed {
            return Ok(self.rejects);
        }
        let mut problems: Vec<Problem> = Vec::new();
        for reject in self.rejects.iter().take(SHOWN) {
            let problem = Problem::new(format!("malformed row: {}", reject.reason)).at(Place::line(&reject.file, reject.line as usize));
            problems.push(match &reject.reason {
                reason if reason.contains("is not valid UTF-8") => problem.hint(csv::LATIN1),
                reason if reason.ends_with(csv::DECIMAL_COMMA) => problem.hint("if all its numbers have one: `options: {decimal_comma: true}`"),
                _ => problem,
            });
        }
        let them = if self.count == 1 { "it" } else { "them" };
        let hint = format!("mend {them}, or leave {them} out: `options: {{max_rejected: {}}}`", self.count);
        if self.count > SHOWN as u64 {
            problems.push(Problem::new(format!("{} rows are malformed; the first {SHOWN} are shown", self.count)).hint(hint));
        } else if let Some(last) = problems.pop() {
            problems.push(last.hint(hint));
        }
        Err(Error { kind: Failure::Data, problems })
    }
}

#[cfg(test)]
mod tests;
