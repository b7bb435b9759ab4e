//! JSON lines: one object a line, read twice: once for columns and types, once into parquet in the scratch folder.
//!
//! A key that a row lacks is a missing value; columns stand in the order in which their keys first appear.
//! Types are found as in csv, over all rows: integers with floats are floats, anything with text is text.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use polars::prelude::*;
use rayon::prelude::*;
use serde::de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::data::table::{ROW_GROUP_ROWS, parquet_options};
use crate::error::{Error, Kind as Failure, Place, Problem, Result};

use super::cell::{Cell, Kind, Typed, classify, parse, whole};
use super::columnar::scan_parquet;
use super::config::{Format, ReadOptions};
use super::convert::values;
use super::records::{LONGEST, Refused, show};
use super::tally::{Style, Tally};
use super::unpack::{in_utf8, open};
use super::window::{Window, pieces};

const STYLE: Style = Style { separator: 0, decimal_comma: false };

/// A checked file.
pub struct Json {
    path: PathBuf,
    pub name: String,
    pub columns: Vec<(String, Kind)>,
    pub rows: u64,
    pub refused: Vec<Refused>,
    pub refused_count: u64,
    pub notes: Vec<String>,
    nulls: Vec<String>,
    wanted: BTreeMap<String, Kind>,
    target: PathBuf,
}

/// Checks a file (already unpacked) from its first line to its last.
///
/// # Errors
/// An array in place of lines, nested values (all keys that hold some), an integer beyond 64 bits, a line
/// without end. Broken lines are counted, not errors, here.
pub fn check(path: &Path, name: &str, options: &ReadOptions, wanted: &BTreeMap<String, Kind>, scratch: &Path, index: usize) -> Result<Json> {
    let path = in_utf8(path, name, Format::Json, options.encoding, scratch, index)?;
    let mut window = begin(&path, name)?;
    if window.data().trim_ascii_start().first() == Some(&b'[') {
        let error = Error::data(format!("`{name}` is one JSON array")).at(&Place::line(name, 1));
        return Err(error.hint("write one object a line, without brackets and commas between them: `jq -c '.[]'` does it"));
    }
    let keep = usize::try_from(options.max_rejected).unwrap_or(usize::MAX).clamp(5, 100_000);
    let mut all = Found::default();
    while let Some((ends, first)) = next(&mut window, name)? {
        let data = window.data();
        let found: Vec<Found> = ends
            .par_iter()
            .map(|piece| {
                let mut found = Found::default();
                let bytes = data.get(piece.start..piece.end).unwrap_or_default();
                found.lines = lines(bytes, first + piece.above, |line, text| found.line(line, text, options, wanted, keep));
                found
            })
            .collect();
        let used = ends.last().map_or(0, |piece| piece.end);
        let count = found.iter().map(|found| found.lines).sum();
        for found in found {
            all.merge(found, keep);
        }
        window.used(used, count);
    }
    let mut problems: Vec<Problem> = Vec::new();
    for (key, (line, what)) in &all.nested {
        let problem = Problem::new(format!("`{key}` holds {what}")).at(Place::line(name, *line as usize));
        problems.push(problem.hint("values are plain: flatten it into keys of its own, or leave it out"));
    }
    let (mut columns, mut notes) = (Vec::new(), Vec::new());
    for (key, tally) in all.keys.iter().zip(&all.tallies) {
        match wanted.get(key).map_or_else(|| tally.decide(key, name, STYLE), |kind| Ok((*kind, None))) {
            Ok((kind, note)) => {
                columns.push((key.clone(), kind));
                notes.extend(note);
            }
            Err(problem) => problems.push(*problem),
        }
    }
    if all.refused_count <= options.max_rejected
        && let Some(error) = Error::all(Failure::Data, problems)
    {
        return Err(error);
    }
    Ok(Json {
        path,
        name: name.to_owned(),
        columns,
        rows: all.rows,
        refused: all.refused,
        refused_count: all.refused_count,
        notes,
        nulls: options.null_values.0.clone(),
        wanted: wanted.clone(),
        target: scratch.join(format!("source-{index}-json.parquet")),
    })
}

impl Json {
    /// The rows with the columns of `kinds`, in that order of columns, by way of a parquet file.
    ///
    /// # Errors
    /// Failures to read and write.
    pub fn frame(&self, kinds: &[(String, Kind)]) -> Result<LazyFrame> {
        let schema: Schema = kinds.iter().map(|(name, kind)| polars::prelude::Field::new(name.as_str().into(), kind.dtype())).collect();
        let file = std::fs::File::create(&self.target).map_err(|error| Error::io("write", &self.target, &error))?;
        let mut writer = ParquetWriter::new(file).with_compression(parquet_options().compression).with_row_group_size(Some(ROW_GROUP_ROWS)).batched(&schema)?;
        let mut window = begin(&self.path, &self.name)?;
        while let Some((ends, first)) = next(&mut window, &self.name)? {
            let data = window.data();
            let frames: Vec<Result<(u64, DataFrame)>> = ends
                .par_iter()
                .map(|piece| {
                    let bytes = data.get(piece.start..piece.end).unwrap_or_default();
                    self.rows(bytes, first + piece.above, kinds)
                })
                .collect();
            let used = ends.last().map_or(0, |piece| piece.end);
            let mut count = 0;
            for frame in frames {
                let (lines, frame) = frame?;
                count += lines;
                if frame.height() > 0 {
                    writer.write_batch(&frame)?;
                }
            }
            window.used(used, count);
        }
        writer.finish()?;
        scan_parquet(&self.target)
    }

    /// The rows of some lines.
    fn rows(&self, bytes: &[u8], first: u64, kinds: &[(String, Kind)]) -> Result<(u64, DataFrame)> {
        let mut typed: Vec<Vec<Option<Typed>>> = vec![Vec::new(); kinds.len()];
        let mut texts: Vec<Vec<Option<String>>> = vec![Vec::new(); kinds.len()];
        let mut height = 0;
        let index: BTreeMap<&str, usize> = kinds.iter().enumerate().map(|(at, (name, _))| (name.as_str(), at)).collect();
        let count = lines(bytes, first, |_, text| {
            let Ok(row) = row(text) else { return };
            if misfit(&row, &self.wanted, &self.nulls).is_some() {
                return;
            }
            for (key, scalar) in row.0 {
                let Some(at) = index.get(key.as_ref()).copied() else { continue };
                let Some((_, kind)) = kinds.get(at) else { continue };
                if scalar.is_missing(&self.nulls) {
                    continue;
                }
                if *kind == Kind::Text {
                    if let Some(column) = texts.get_mut(at) {
                        column.resize(height, None);
                        column.push(scalar.text());
                    }
                } else if let Some(column) = typed.get_mut(at) {
                    column.resize(height, None);
                    column.push(scalar.as_kind(*kind));
                }
            }
            height += 1;
        });
        let columns = kinds.iter().zip(typed.into_iter().zip(texts)).map(|((name, kind), (mut typed, mut texts))| {
            let name = PlSmallStr::from(name.as_str());
            typed.resize(height, None);
            texts.resize(height, None);
            let series = if *kind == Kind::Text { Series::new(name, texts) } else { values(typed.into_iter(), name, *kind) };
            series.into_column()
        });
        Ok((count, DataFrame::new(height, columns.collect())?))
    }
}

/// The window at the first line.
fn begin<'a>(path: &Path, name: &'a str) -> Result<Window<'a>> {
    let mut window = Window::new(open(path, name)?, name);
    window.fill()?;
    if window.data().starts_with(b"\xef\xbb\xbf") {
        window.used(3, 0);
    }
    Ok(window)
}

/// The next runs of whole lines, and the line number of the first.
fn next(window: &mut Window<'_>, name: &str) -> Result<Option<(Vec<super::window::Piece>, u64)>> {
    loop {
        window.fill()?;
        if window.data().is_empty() {
            return Ok(None);
        }
        let ends = pieces(window.data(), None, window.ended);
        if !ends.is_empty() {
            return Ok(Some((ends, window.line)));
        }
        if window.data().len() >= LONGEST {
            let error = Error::data(format!("this line is longer than {} MB", LONGEST >> 20)).at(&Place::line(name, window.line as usize));
            return Err(error.hint("is every object on a line of its own?"));
        }
    }
}

/// Hands over each line that is not blank, with its number; the count of lines.
fn lines(bytes: &[u8], first: u64, mut each: impl FnMut(u64, &[u8])) -> u64 {
    let mut count = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let text = line.trim_ascii();
        if !text.is_empty() {
            each(first + count, text);
        }
        count += 1;
    }
    count
}

/// What lines hold.
#[derive(Default)]
struct Found {
    keys: Vec<String>,
    index: BTreeMap<String, usize>,
    tallies: Vec<Tally>,
    nested: BTreeMap<String, (u64, &'static str)>,
    rows: u64,
    lines: u64,
    refused: Vec<Refused>,
    refused_count: u64,
}

impl Found {
    fn line(&mut self, line: u64, text: &[u8], options: &ReadOptions, wanted: &BTreeMap<String, Kind>, keep: usize) {
        let nulls = &options.null_values.0;
        let row = match row(text).and_then(|row| match misfit(&row, wanted, nulls) {
            Some(reason) => Err(reason),
            None => Ok(row),
        }) {
            Ok(row) => row,
            Err(reason) => {
                self.refused_count += 1;
                if self.refused.len() < keep {
                    let text = String::from_utf8_lossy(text.get(..4096).unwrap_or(text)).into_owned();
                    self.refused.push(Refused { line, reason, text });
                }
                return;
            }
        };
        self.rows += 1;
        for (key, scalar) in row.0 {
            if let Scalar::Nested(what) = scalar {
                self.nested.entry(key.to_string()).or_insert((line, what));
                continue;
            }
            let Some(tally) = self.tally(&key) else { continue };
            match scalar.cell(options.try_parse_dates) {
                Some(cell) if !scalar.is_missing(nulls) => tally.add(cell, scalar.text().unwrap_or_default().as_bytes(), line),
                _ => tally.missing += 1,
            }
        }
    }

    fn tally(&mut self, key: &str) -> Option<&mut Tally> {
        let at = if let Some(at) = self.index.get(key) {
            *at
        } else {
            self.index.insert(key.to_owned(), self.keys.len());
            self.keys.push(key.to_owned());
            self.tallies.push(Tally::default());
            self.keys.len() - 1
        };
        self.tallies.get_mut(at)
    }

    fn merge(&mut self, later: Self, keep: usize) {
        for (key, more) in later.keys.iter().zip(later.tallies) {
            if let Some(tally) = self.tally(key) {
                tally.merge(more);
            }
        }
        for (key, place) in later.nested {
            self.nested.entry(key).or_insert(place);
        }
        self.rows += later.rows;
        self.refused_count += later.refused_count;
        let room = keep.saturating_sub(self.refused.len());
        self.refused.extend(later.refused.into_iter().take(room));
    }
}

/// Why a row breaks the wanted types, if it does.
fn misfit(row: &Row<'_>, wanted: &BTreeMap<String, Kind>, nulls: &[String]) -> Option<String> {
    row.0.iter().find_map(|(key, scalar)| {
        let kind = wanted.get(key.as_ref())?;
        let fits = *kind == Kind::Text || scalar.is_missing(nulls) || matches!(scalar, Scalar::Nested(_)) || scalar.as_kind(*kind).is_some();
        let article = if *kind == Kind::Integer { "an" } else { "a" };
        (!fits).then(|| format!("`{}` in column `{key}` is not {article} {}", show(scalar.text().unwrap_or_default().as_bytes()), kind.name()))
    })
}

/// Reads a line.
fn row(text: &[u8]) -> Result<Row<'_>, String> {
    if text.contains(&0) {
        return Err("a NUL byte".to_owned());
    }
    let mut row: Row<'_> = serde_json::from_slice(text).map_err(|error| {
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        if error.column() > 0 { format!("{message} (column {})", error.column()) } else { message.to_owned() }
    })?;
    // serde_json turns integers beyond 64 bits into floats: the text tells them from real ones.
    if row.0.iter().any(|(_, scalar)| matches!(scalar, Scalar::Large(..))) {
        let integers = long_integers(text);
        for (_, scalar) in &mut row.0 {
            if let Scalar::Large(value, digits) = scalar {
                match integers.iter().find(|text| text.parse() == Ok(*value)) {
                    Some(text) => digits.clone_from(text),
                    None => *scalar = Scalar::Float(*value),
                }
            }
        }
    }
    Ok(row)
}

/// Numbers of 19 digits and more without point or exponent.
fn long_integers(text: &[u8]) -> Vec<String> {
    let number = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    let runs = text.split(|byte| !number(byte)).filter(|run| run.len() >= 19 && run.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-'));
    runs.map(|run| String::from_utf8_lossy(run).into_owned()).collect()
}

/// A plain JSON value.
enum Scalar<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    /// Beyond 64 bits, with its digits.
    Large(f64, String),
    Float(f64),
    Text(Cow<'a, str>),
    Nested(&'static str),
}

impl Scalar<'_> {
    fn cell(&self, dates: bool) -> Option<Cell> {
        Some(match self {
            Self::Null | Self::Nested(_) => return None,
            Self::Boolean(_) => Cell::Boolean,
            Self::Integer(_) => Cell::Integer,
            Self::Large(..) => Cell::Huge,
            Self::Float(_) => Cell::Float,
            Self::Text(text) => match classify(text.as_bytes(), dates) {
                moment @ (Cell::Date | Cell::Datetime | Cell::Zoned) => moment,
                _ => Cell::Text,
            },
        })
    }

    fn is_missing(&self, nulls: &[String]) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => nulls.iter().any(|null| null.as_str() == text.as_ref()),
            _ => false,
        }
    }

    fn text(&self) -> Option<String> {
        Some(match self {
            Self::Null | Self::Nested(_) => return None,
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Large(_, digits) => digits.clone(),
            Self::Float(value) => serde_json::Number::from_f64(*value).map(|number| number.to_string()).unwrap_or_default(),
            Self::Text(text) => text.to_string(),
        })
    }

    fn as_kind(&self, kind: Kind) -> Option<Typed> {
        match (self, kind) {
            (Self::Boolean(value), Kind::Boolean) => Some(Typed::Boolean(*value)),
            (Self::Boolean(value), Kind::Integer) => Some(Typed::Integer(i64::from(*value))),
            (Self::Boolean(value), Kind::Float) => Some(Typed::Float(f64::from(u8::from(*value)))),
            (Self::Integer(value @ (0 | 1)), Kind::Boolean) => Some(Typed::Boolean(*value == 1)),
            (Self::Integer(value), Kind::Integer) => Some(Typed::Integer(*value)),
            (Self::Integer(value), Kind::Float) => Some(Typed::Float(*value as f64)),
            (Self::Float(value), Kind::Integer) => whole(*value).map(Typed::Integer),
            (Self::Float(value) | Self::Large(value, _), Kind::Float) => Some(Typed::Float(*value)),
            (Self::Text(text), kind) => parse(text.as_bytes(), kind, false),
            _ => None,
        }
    }
}

/// An object's keys and values, in order.
struct Row<'a>(Vec<(Cow<'a, str>, Scalar<'a>)>);

impl<'de> Deserialize<'de> for Row<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Row<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row<'de>, A::Error> {
                let mut entries: Vec<(Cow<'de, str>, Scalar<'de>)> = Vec::new();
                while let Some(Text(key)) = map.next_key()? {
                    if entries.iter().any(|(earlier, _)| *earlier == key) {
                        return Err(de::Error::custom(format!("key `{key}` stands twice")));
                    }
                    entries.push((key, map.next_value()?));
                }
                Ok(Row(entries))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// A string, borrowed where nothing is escaped in it.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::deserialize(deserializer)? {
            Scalar::Text(text) => Ok(Self(text)),
            _ => Err(de::Error::custom("expected a string")),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Scalar<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Boolean(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Integer(value))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Scalar<'de>, E> {
                Ok(i64::try_from(value).map_or_else(|_| Scalar::Large(value as f64, value.to_string()), Scalar::Integer))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Scalar<'de>, E> {
                let large = value.abs() >= 9.2e18 && value.fract() == 0.0;
                Ok(if large { Scalar::Large(value, String::new()) } else { Scalar::Float(value) })
            }

            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Text(Cow::Borrowed(value)))
            }

            fn visit_str<E>(self, value: &str) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Text(Cow::Owned(value.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Scalar<'de>, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::Nested("a list"))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar<'de>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Nested("an object"))
            }
        }
        deserializer.deserialize_any(Any)
    }
}
