//! Separated values: a strict check of every byte, then polars reads with the types that were found.
//!
//! polars alone fills short rows with nulls, renames duplicate columns, lets NUL bytes through and
//! takes types from the first hundred rows. So a pass of our own goes over the whole file first, a
//! piece a core: it finds malformed rows and counts what each column's cells look like ([`Tally`]).
//! Pieces are cut where the number of quotes so far is even; a file whose quotes do not allow that is
//! read from one end to the other instead. Only where the file must be mended (rows left out, blank
//! lines, quotes inside fields) is a clean copy written and read in its place.
//!
//! The separator is guessed from the first line where nothing is said. Not done here: comments, more than one header line.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::prelude::{Expr, LazyCsvReader, LazyFileListReader, LazyFrame, NullValues, PlSmallStr, Schema};
use rayon::prelude::*;

use crate::data::table::polars_path;
use crate::error::{Error, Kind as Failure, Place, Problem, Result, shorten};

use super::cell::{Cell, Kind, classify, parse};
use super::config::{Format, ReadOptions, extension};
use super::convert::text_as;
use super::records::{Dialect, Field, LONGEST, Refused, Rows, Scanned, Step, Stop, record, scan, show};
use super::sniff;
use super::tally::{Style, Tally};
use super::unpack::{create, in_utf8, open};
use super::window::{Window, pieces};

/// How the reason ends for a row that a decimal comma alone makes malformed.
pub const DECIMAL_COMMA: &str = ": it has a decimal comma";

/// A checked file.
pub struct Csv {
    path: PathBuf,
    pub name: String,
    /// The columns in the file's order, with their types.
    pub columns: Vec<(String, Kind)>,
    pub rows: u64,
    pub refused: Vec<Refused>,
    pub refused_count: u64,
    pub notes: Vec<String>,
    tallies: Vec<Tally>,
    style: Style,
    quote: Option<u8>,
    nulls: Vec<String>,
    has_header: bool,
    skip_lines: u64,
}

/// What the check needs to know about the file it is in.
struct Plan<'a> {
    name: &'a str,
    names: Vec<String>,
    wanted: Vec<Option<Kind>>,
    nulls: Vec<&'a [u8]>,
    dates: bool,
    style: Style,
    dialect: Dialect,
    keep: usize,
}

/// Checks a file (already unpacked) from its first byte to its last.
///
/// # Errors
/// Whatever makes the file as a whole unreadable: no header, a bad header, another encoding, an unclosed
/// quote, a line without end, a column without a type. Malformed rows are counted, not errors, here.
pub fn check(path: &Path, name: &str, options: &ReadOptions, wanted: &BTreeMap<String, Kind>, scratch: &Path, index: usize) -> Result<Csv> {
    let path = in_utf8(path, name, Format::Csv, options.encoding, scratch, index)?;
    let quote = options.quote_char.bytes().next();

    let mut window = Window::new(open(&path, name)?, name);
    window.fill()?;
    if window.data().starts_with(b"\xef\xbb\xbf") {
        window.used(3, 0);
    }
    for _ in 0..options.skip_rows {
        if !window.skip_line()? {
            return Err(too_long(name, window.line));
        }
    }
    let separator = match options.separator {
        Some(separator) => separator as u8,
        None if extension(name).as_deref() == Some("tsv") => b'\t',
        None if options.decimal_comma => b';',
        None => guess(window.data().split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default(), quote),
    };
    let style = Style { separator, decimal_comma: options.decimal_comma };
    let (names, blank) = header(&mut window, name, options.has_header, Dialect { separator, quote, columns: 0 })?;
    let dialect = Dialect { separator, quote, columns: names.len() };
    let plan = Plan {
        name,
        wanted: names.iter().map(|column| wanted.get(column).copied()).collect(),
        nulls: options.null_values.0.iter().map(String::as_bytes).collect(),
        names,
        dates: options.try_parse_dates,
        style,
        dialect,
        keep: usize::try_from(options.max_rejected).unwrap_or(usize::MAX).clamp(5, 100_000),
    };
    let begin = window.position();
    let (found, tallies) = if let Some(found) = plan.quickly(&mut window)? {
        found
    } else {
        window.seek(begin)?;
        plan.carefully(&mut window)?
    };
    let mut kinds = Vec::new();
    let mut notes = Vec::new();
    let mut problems = Vec::new();
    for ((column, wanted), tally) in plan.names.iter().zip(&plan.wanted).zip(&tallies) {
        match wanted.map_or_else(|| tally.decide(column, name, style), |kind| Ok((kind, None))) {
            Ok((kind, note)) => {
                kinds.push(kind);
                notes.extend(note);
            }
            Err(problem) => problems.push(*problem),
        }
    }
    // Rows that were refused may be why: then they are what to report.
    if found.refused_count <= options.max_rejected
        && let Some(error) = Error::all(Failure::Data, problems)
    {
        return Err(error);
    }
    kinds.resize(plan.names.len(), Kind::Text);

    let mend = blank || found.refused_count > 0 || found.blank > 0 || found.stray;
    let path = if mend && found.refused_count <= options.max_rejected {
        let to = scratch.join(format!("source-{index}-clean.csv"));
        window.seek(begin)?;
        plan.copy(&mut window, &to)?;
        to
    } else {
        path
    };
    Ok(Csv {
        path,
        name: name.to_owned(),
        columns: plan.names.into_iter().zip(kinds).collect(),
        rows: found.rows,
        refused: found.refused,
        refused_count: found.refused_count,
        notes,
        tallies,
        style,
        quote,
        nulls: options.null_values.0.clone(),
        has_header: options.has_header || mend,
        skip_lines: if mend { 0 } else { options.skip_rows },
    })
}

impl Csv {
    /// The rows with the columns of `kinds`, in that order of columns.
    ///
    /// # Errors
    /// Where polars cannot open the file.
    pub fn frame(&self, kinds: &[(String, Kind)]) -> Result<LazyFrame> {
        let kinds_by_name: BTreeMap<&str, Kind> = kinds.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
        let mut schema = Schema::default();
        let mut select: BTreeMap<&str, Expr> = BTreeMap::new();
        for ((name, own), tally) in self.columns.iter().zip(&self.tallies) {
            let kind = kinds_by_name.get(name.as_str()).copied().unwrap_or(*own);
            let plain = tally.is_plain(kind, self.style);
            schema.with_column(PlSmallStr::from(name.as_str()), if plain { kind.dtype() } else { Kind::Text.dtype() });
            let column = Expr::Column(PlSmallStr::from(name.as_str()));
            select.insert(name, if plain { column } else { text_as(column, name, kind, self.style.decimal_comma) });
        }
        let columns: Vec<Expr> = kinds.iter().filter_map(|(name, _)| select.remove(name.as_str())).collect();
        let nulls: Vec<PlSmallStr> = self.nulls.iter().map(|null| PlSmallStr::from(null.as_str())).collect();
        let frame = LazyCsvReader::new(polars_path(&self.path)?)
            .with_glob(false)
            .with_cache(false)
            .with_has_header(self.has_header)
            .with_skip_lines(usize::try_from(self.skip_lines).unwrap_or(usize::MAX))
            .with_schema(Some(Arc::new(schema)))
            .with_separator(self.style.separator)
            .with_quote_char(self.quote)
            .with_null_values((!nulls.is_empty()).then_some(NullValues::AllColumns(nulls)))
            .with_missing_is_null(true)
            .finish()?;
        Ok(frame.select(columns))
    }
}

/// The column names, and whether blank lines stood above them; the window is moved to the first row.
fn header(window: &mut Window<'_>, name: &str, has_header: bool, dialect: Dialect) -> Result<(Vec<String>, bool)> {
    let mut blank = false;
    let (names, other, used, lines) = loop {
        let line = window.line;
        let place = Place::line(name, line as usize);
        let data = window.data();
        if data.is_empty() {
            let what = if has_header { "header line" } else { "rows" };
            return Err(Error::data(format!("`{name}` holds no {what}")).at(&place));
        }
        let mut fields = Vec::new();
        match record(data, window.ended, dialect, &mut fields) {
            Step::Record { used, lines } if matches!(fields.as_slice(), [Field { bytes: [], quoted: false }]) => {
                blank = true;
                window.used(used, lines);
            }
            Step::Record { used, lines } => {
                let raw = data.get(..used).unwrap_or_default();
                if raw.contains(&0) {
                    return Err(Error::data("a NUL byte in the first line").at(&place).hint("is the file text?"));
                }
                if std::str::from_utf8(raw).is_err() {
                    return Err(Error::data("the first line is not valid UTF-8").at(&place).hint(LATIN1));
                }
                let names: Vec<String> = fields.iter().map(|field| field.text(dialect.quote).trim().to_owned()).collect();
                break (names, other_separator(raw, dialect), used, lines);
            }
            Step::Malformed { reason, used, .. } => {
                let error = Error::data(format!("the header is malformed: {reason}")).at(&place);
                return Err(match other_separator(data.get(..used).unwrap_or_default(), dialect) {
                    Some(other) => error.hint(other),
                    None => error,
                });
            }
            Step::Unclosed { below } => return Err(unclosed(name, line + below)),
            Step::Incomplete { quoted: Some(below) } if data.len() >= LONGEST => return Err(unclosed(name, line + below)),
            Step::Incomplete { .. } if data.len() >= LONGEST => return Err(too_long(name, line)),
            Step::Incomplete { .. } => window.fill()?,
        }
    };
    if !has_header {
        return Ok(((1..=names.len()).map(|number| format!("column_{number}")).collect(), blank));
    }
    let place = Place::line(name, window.line as usize);
    window.used(used, lines);
    match Error::all(Failure::Data, faults(&names, other, &place)) {
        Some(error) => Err(error),
        None => Ok((names, blank)),
    }
}

/// The column names of a file that this program wrote, packed or not.
///
/// # Errors
/// Where it has none.
pub fn header_of(path: &Path, name: &str) -> Result<Vec<String>> {
    let start = sniff::start(path, LONGEST as u64).unwrap_or_default();
    let mut fields = Vec::new();
    let dialect = Dialect { separator: b',', quote: Some(b'"'), columns: 0 };
    match record(start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start), true, dialect, &mut fields) {
        Step::Record { .. } => Ok(fields.iter().map(|field| field.text(dialect.quote)).collect()),
        _ => Err(Error::data(format!("`{name}` holds no header line")).at(&Place::line(name, 1))),
    }
}

/// The separator of a first line: the comma, unless the line is one field by it and several by another.
fn guess(line: &[u8], quote: Option<u8>) -> u8 {
    let fields = |separator: u8| {
        let mut fields = Vec::new();
        let step = record(line, true, Dialect { separator, quote, columns: 0 }, &mut fields);
        if matches!(step, Step::Record { .. }) { fields.len() } else { 0 }
    };
    if line.is_empty() || fields(b',') > 1 {
        return b',';
    }
    [b';', b'\t', b'|'].into_iter().find(|separator| fields(*separator) > 1).unwrap_or(b',')
}

/// A hint at the separator by which a line falls into fields, if it is another one.
fn other_separator(line: &[u8], dialect: Dialect) -> Option<String> {
    let other = [b',', b';', b'\t', b'|'].into_iter().filter(|separator| *separator != dialect.separator).find(|separator| {
        let mut fields = Vec::new();
        let step = record(line, true, Dialect { separator: *separator, ..dialect }, &mut fields);
        matches!(step, Step::Record { .. }) && fields.len() > 1
    })?;
    Some(format!("is the separator `{0}`? say `options: {{separator: \"{0}\"}}`", other.escape_ascii()))
}

/// What is wrong with the names in a header line; `other` is a hint at another separator.
fn faults(names: &[String], other: Option<String>, place: &Place) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, column) in names.iter().enumerate() {
        let problem = if column.is_empty() {
            let hint = if at == 0 { "a table written by pandas with its index? write it with `index=False`" } else { "name it in the header line" };
            Problem::new(format!("column {} has no name", at + 1)).hint(hint)
        } else if let Some(first) = seen.insert(column, at) {
            Problem::new(format!("columns {} and {} are both called `{}`", first + 1, at + 1, shorten(column))).hint("give every column its own name")
        } else {
            continue;
        };
        problems.push(problem.at(place.clone()));
    }
    if let ([only], Some(hint)) = (names, other) {
        problems.push(Problem::new(format!("the header has one column, `{}`", shorten(only))).at(place.clone()).hint(hint));
    }
    problems
}

/// What to try where bytes are not UTF-8.
pub(super) const LATIN1: &str = "say which encoding it is: `options: {encoding: latin1}`";

fn unclosed(name: &str, line: u64) -> Error {
    Error::data("a quote is opened here and never closed")
        .at(&Place::line(name, line as usize))
        .hint("double a quote that is meant as text, or say `options: {quote_char: \"\"}`")
}

fn too_long(name: &str, line: u64) -> Error {
    Error::data(format!("this line is longer than {} MB", LONGEST >> 20))
        .at(&Place::line(name, line as usize))
        .hint("is the file text in lines, and packed by gzip or zstd if at all?")
}

impl Plan<'_> {
    /// Pieces side by side; `None` where quotes do not allow it.
    fn quickly(&self, window: &mut Window<'_>) -> Result<Option<(Scanned, Vec<Tally>)>> {
        let mut all = Scanned::default();
        let mut tallies = vec![Tally::default(); self.names.len()];
        loop {
            window.fill()?;
            let data = window.data();
            if data.is_empty() {
                return Ok(Some((all, tallies)));
            }
            let pieces = pieces(data, self.dialect.quote, window.ended);
            let Some(end) = pieces.last().map(|piece| piece.end) else {
                if data.len() >= LONGEST {
                    return Ok(None);
                }
                continue;
            };
            let first = window.line;
            let scanned: Vec<(Scanned, Vec<Tally>)> = pieces
                .par_iter()
                .map(|piece| {
                    let mut counter = Counter::new(self);
                    let bytes = data.get(piece.start..piece.end).unwrap_or_default();
                    let scanned = scan(bytes, first + piece.above, true, self.dialect, false, self.keep, &mut counter);
                    (scanned, counter.tallies)
                })
                .collect();
            let mut lines = 0;
            for (piece, counted) in scanned {
                if piece.stop.is_some() {
                    return Ok(None);
                }
                lines += piece.lines;
                self.merge(&mut all, &mut tallies, piece, counted);
            }
            window.used(end, lines);
        }
    }

    /// One record after the other, with exact places.
    fn carefully(&self, window: &mut Window<'_>) -> Result<(Scanned, Vec<Tally>)> {
        let mut all = Scanned::default();
        let mut tallies = vec![Tally::default(); self.names.len()];
        self.walk(window, &mut || Counter::new(self), &mut |scanned, counter| self.merge(&mut all, &mut tallies, scanned, counter.tallies))?;
        Ok((all, tallies))
    }

    fn walk<R: Rows>(&self, window: &mut Window<'_>, rows: &mut dyn FnMut() -> R, done: &mut dyn FnMut(Scanned, R)) -> Result<()> {
        loop {
            window.fill()?;
            if window.data().is_empty() {
                return Ok(());
            }
            let mut taker = rows();
            let scanned = scan(window.data(), window.line, window.ended, self.dialect, true, self.keep, &mut taker);
            match scanned.stop {
                Some(Stop::Unclosed { line }) => return Err(unclosed(self.name, line)),
                Some(Stop::TooLong { line }) => return Err(too_long(self.name, line)),
                Some(Stop::Odd) | None => {}
            }
            window.used(scanned.used, scanned.lines);
            done(scanned, taker);
        }
    }

    fn merge(&self, all: &mut Scanned, tallies: &mut [Tally], piece: Scanned, counted: Vec<Tally>) {
        all.rows += piece.rows;
        all.blank += piece.blank;
        all.stray |= piece.stray;
        all.refused_count += piece.refused_count;
        let room = self.keep.saturating_sub(all.refused.len());
        all.refused.extend(piece.refused.into_iter().take(room));
        for (tally, more) in tallies.iter_mut().zip(counted) {
            tally.merge(more);
        }
    }

    /// The rows that were taken, with one header line, line feeds, and quotes where they are needed.
    fn copy(&self, window: &mut Window<'_>, to: &Path) -> Result<()> {
        let mut writer = create(to)?;
        let mut line = Vec::new();
        for (at, name) in self.names.iter().enumerate() {
            self.put(&mut line, at, name.as_bytes(), true);
        }
        line.push(b'\n');
        let mut failed = writer.write_all(&line).err();
        self.walk(window, &mut || Copy { plan: self, lines: Vec::new() }, &mut |_, copy| {
            if failed.is_none() {
                failed = writer.write_all(&copy.lines).err();
            }
        })?;
        match failed.or_else(|| writer.flush().err()) {
            Some(error) => Err(Error::io("write", to, &error)),
            None => Ok(()),
        }
    }

    /// Appends a field; `text` is unescaped.
    fn put(&self, line: &mut Vec<u8>, at: usize, text: &[u8], unescaped: bool) {
        if at > 0 {
            line.push(self.dialect.separator);
        }
        match self.dialect.quote {
            Some(quote) if unescaped => {
                line.push(quote);
                for byte in text {
                    line.extend(std::iter::repeat_n(*byte, if *byte == quote { 2 } else { 1 }));
                }
                line.push(quote);
            }
            _ => line.extend_from_slice(text),
        }
    }

    fn is_missing(&self, bytes: &[u8]) -> bool {
        bytes.is_empty() || self.nulls.contains(&bytes)
    }

    /// Does the field hold a value of the type that the contract wants?
    fn fits(&self, bytes: &[u8], kind: Kind) -> bool {
        kind == Kind::Text || bytes.trim_ascii().is_empty() || parse(bytes, kind, self.style.decimal_comma).is_some()
    }

    fn misfit(&self, fields: &[Field<'_>]) -> Result<(), String> {
        for ((field, wanted), name) in fields.iter().zip(&self.wanted).zip(&self.names) {
            if let Some(kind) = wanted
                && !self.is_missing(field.bytes)
                && !self.fits(field.bytes, *kind)
            {
                let article = if *kind == Kind::Integer { "an" } else { "a" };
                let comma = if *kind == Kind::Float && parse(field.bytes, *kind, true).is_some() { DECIMAL_COMMA } else { "" };
                return Err(format!("`{}` in column `{name}` is not {article} {}{comma}", show(field.bytes), kind.name()));
            }
        }
        Ok(())
    }
}

/// Counts cells.
struct Counter<'a> {
    plan: &'a Plan<'a>,
    tallies: Vec<Tally>,
    checks: bool,
}

impl<'a> Counter<'a> {
    fn new(plan: &'a Plan<'a>) -> Self {
        Self { plan, tallies: vec![Tally::default(); plan.names.len()], checks: plan.wanted.iter().flatten().any(|kind| *kind != Kind::Text) }
    }
}

impl Rows for Counter<'_> {
    fn row(&mut self, fields: &[Field<'_>], line: u64) -> Result<(), String> {
        if self.checks {
            self.plan.misfit(fields)?;
        }
        for ((field, tally), wanted) in fields.iter().zip(&mut self.tallies).zip(&self.plan.wanted) {
            if *wanted == Some(Kind::Text) {
                continue;
            }
            let text = field.bytes.trim_ascii();
            if self.plan.is_missing(field.bytes) {
                tally.missing += 1;
            } else if text.is_empty() {
                tally.missing += 1;
                tally.padded = true;
            } else {
                let cell = classify(text, self.plan.dates);
                tally.padded |= text.len() < field.bytes.len() && cell != Cell::Text;
                tally.add(cell, text, line);
            }
        }
        Ok(())
    }
}

/// Writes rows again.
struct Copy<'a> {
    plan: &'a Plan<'a>,
    lines: Vec<u8>,
}

impl Rows for Copy<'_> {
    fn row(&mut self, fields: &[Field<'_>], _line: u64) -> Result<(), String> {
        self.plan.misfit(fields)?;
        let quote = self.plan.dialect.quote;
        for (at, field) in fields.iter().enumerate() {
            if field.quoted {
                if at > 0 {
                    self.lines.push(self.plan.dialect.separator);
                }
                self.lines.extend(quote);
                self.lines.extend_from_slice(field.bytes);
                self.lines.extend(quote);
            } else {
                let stray = quote.is_some_and(|quote| field.bytes.contains(&quote));
                self.plan.put(&mut self.lines, at, field.bytes, stray);
            }
        }
        self.lines.push(b'\n');
        Ok(())
    }
}
