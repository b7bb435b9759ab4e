//! Which rows of a group lie strictly before a row in time: what `lag` and `rolling` share.
//!
//! A row may look at rows of its group with an earlier moment and at no others, neither at itself nor at rows of the same
//! moment. Earlier rows are those of the table at hand and those of the history: the last training rows of each group, as many
//! as a row after them can look back to. Both are put in one order, by moment and then by value (missing first), so that the
//! order of rows in a table is no matter. Where table and history have rows of a group at the same moment, these are taken for
//! the same rows, and the side with more of them counts; so training rows that are scored again do not count twice.
//!
//! Values become whole numbers that sort as they do, and back again. Memory while a table is looked at: about 40 bytes a row
//! and 32 a row and column, and 8 for each value that is found.

use std::cmp::Ordering;
use std::collections::HashMap;

use polars::prelude::*;
use rayon::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::levels::{self, Kind, Names};
use super::rows::{Attached, attach};
use crate::card;
use crate::data::{Role, Table};
use crate::error::{Error, Result, shorten};
use crate::ml::input::InputColumn;
use crate::ml::selector::{ColumnKind, Selector, column, require, require_present};
use crate::ml::{AcrossRows, Apply, Fit};

/// Values that the histories of one transform may hold.
const MOST_VALUES: usize = 5_000_000;
/// Groups that are worked on before their results are put in place.
const GROUPS_AT_ONCE: usize = 4096;

/// A fitted transform whose new columns are made of earlier rows.
pub trait OfThePast: Serialize + DeserializeOwned + Send + Sync + 'static {
    fn past(&self) -> &Past;

    /// The new columns of each column that is looked at.
    fn names(&self) -> Vec<Vec<&str>>;

    /// The new columns for a whole table, each with the place of the column it is taken from.
    ///
    /// # Errors
    /// Columns that are absent; where the table cannot be read.
    fn found(&self, table: &Table) -> Result<Vec<(usize, Column)>>;
}

impl<T: OfThePast> AcrossRows for T {
    fn outputs(&self) -> Vec<&str> {
        self.names().into_iter().flatten().collect()
    }

    fn columns(&self, table: &Table) -> Result<Vec<Column>> {
        Ok(self.found(table)?.into_iter().map(|(_, column)| column).collect())
    }
}

impl<T: OfThePast> Apply for T {
    fn apply(&self, frame: LazyFrame) -> Result<LazyFrame> {
        let table = Table::from_query(frame)?;
        Ok(self.past().attach(&table, self.found(&table)?))
    }

    fn across_rows(&self) -> Option<&dyn AcrossRows> {
        Some(self)
    }

    fn learned(&self) -> Vec<card::Table> {
        vec![self.past().learned(&self.names())]
    }
}

/// The columns whose earlier values are looked at, in which groups and which order, and the history.
#[derive(Debug, Serialize, Deserialize)]
pub struct Past {
    by: Vec<By>,
    order: InputColumn,
    columns: Vec<Watched>,
    /// Sorted by key.
    groups: Vec<Group>,
}

#[derive(Debug, Serialize, Deserialize)]
struct By {
    name: String,
    kind: Kind,
}

#[derive(Debug, Serialize, Deserialize)]
struct Watched {
    /// With the type that its values are read as.
    column: InputColumn,
    /// Will later data have it? If not, it may be absent, and rows without a value are passed over.
    is_known: bool,
}

/// The last training rows of one group.
#[derive(Debug, Serialize, Deserialize)]
struct Group {
    key: Vec<Option<String>>,
    /// One for each of [`Past::columns`].
    histories: Vec<History>,
}

#[derive(Debug, Serialize, Deserialize)]
struct History {
    /// In the unit of the order's type, ascending.
    moments: Vec<i64>,
    values: Values,
}

/// A column's values; NaN and infinities are missing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Values {
    /// Integers, booleans, dates and datetimes.
    Integers(Vec<Option<i64>>),
    Floats(Vec<Option<f64>>),
    Texts(Vec<Option<String>>),
}

/// How far a row looks back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    Rows(usize),
    /// In the unit of the order's type.
    Time(i64),
}

/// A value in its place: the moment, and a number that sorts as the values do.
pub type Entry = (i64, Option<i64>);

/// A row that asks for earlier values.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    row: u32,
    pub moment: i64,
    /// How many entries of its group lie before it.
    pub before: usize,
}

/// What one pass over a table found.
pub struct Rows {
    keys: Vec<Vec<Option<String>>>,
    /// The group of each row; groups of the history come first, in their order.
    groups: Vec<u32>,
    moments: Vec<Option<i64>>,
    /// Column by column.
    values: Vec<Values>,
    /// The rows that have a moment, by group and moment.
    order: Vec<u32>,
}

/// The column that tells the order: the one that is named, or that has the role `time`.
///
/// # Errors
/// No such column, or one that has no order in time.
pub fn order_column(transform: &str, named: Option<&str>, on: Fit<'_>) -> Result<InputColumn> {
    let Some(name) = named.or_else(|| on.roles.first(Role::Time)) else {
        return Err(
            Error::config(format!("`{transform}` needs a column that tells the order of rows")).hint("name it: `order: day`, or give a column the role `time`")
        );
    };
    require_present(on.table, &[name.to_owned()])?;
    require(transform, on.table, &[name.to_owned()], &[ColumnKind::Integer, ColumnKind::Date, ColumnKind::Datetime])
        .map_err(|error| error.hint("read it as a date: `options: {try_parse_dates: true}` in ingest"))?;
    let dtype = on.table.schema().get(name).filter(|dtype| !dtype.is_null()).unwrap_or(&DataType::Int64);
    Ok(InputColumn::new(name, dtype))
}

/// Seconds in the unit of a column of dates or datetimes; `None` for other columns and for parts of days of a date.
#[must_use]
pub fn in_unit_of(order: &InputColumn, seconds: i64) -> Option<i64> {
    match order.dtype()? {
        DataType::Date => (seconds % 86_400 == 0).then_some(seconds / 86_400),
        DataType::Datetime(TimeUnit::Milliseconds, _) => seconds.checked_mul(1_000),
        DataType::Datetime(TimeUnit::Microseconds, _) => seconds.checked_mul(1_000_000),
        DataType::Datetime(TimeUnit::Nanoseconds, _) => seconds.checked_mul(1_000_000_000),
        _ => None,
    }
}

/// The columns that a selector means and those that groups are told by.
///
/// # Errors
/// All that are not there.
pub fn columns(selector: &Selector, by: &[String], on: Fit<'_>) -> Result<Vec<String>> {
    match (selector.resolve(on), require_present(on.table, by)) {
        (Ok(columns), Ok(())) if columns.is_empty() => {
            Err(Error::data("`columns` names no column of this table").hint("name some: a selector such as `numeric()` takes features only"))
        }
        (Ok(columns), Ok(())) => Ok(columns),
        (Err(mut error), Err(more)) => {
            error.problems.extend(more.problems);
            Err(error)
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// Names for new columns, unlike all columns and all that have a role.
#[must_use]
pub fn names(on: Fit<'_>) -> Names {
    Names::new(on.table.names().chain(on.roles.iter().map(|(name, _)| name)))
}

impl Past {
    /// Learns the history that rows after those of training can look back to.
    ///
    /// # Errors
    /// Columns that groups cannot be told by; a history of more than [`MOST_VALUES`] values.
    pub fn learn(transform: &str, on: Fit<'_>, by: &[String], order: InputColumn, columns: Vec<InputColumn>, reach: Reach) -> Result<Self> {
        let kinds = levels::kinds(on.table, by, transform)?;
        let is_known = |name: &str| !matches!(on.roles.of(name), Role::Target | Role::PostEvent);
        let mut past = Self {
            by: by.iter().cloned().zip(kinds).map(|(name, kind)| By { name, kind }).collect(),
            order,
            columns: columns.into_iter().map(|column| Watched { is_known: is_known(&column.name), column }).collect(),
            groups: Vec::new(),
        };
        let rows = past.read(on.table)?;
        let mut groups: Vec<Group> = rows.keys.iter().map(|key| Group { key: key.clone(), histories: Vec::with_capacity(past.columns.len()) }).collect();
        let mut kept = 0;
        for place in 0..past.columns.len() {
            let texts = past.texts(&rows, place);
            for run in rows.runs() {
                let entries = past.entries(&rows, place, &texts, run);
                let tail = tail(&entries, reach);
                kept += tail.len();
                if let Some(group) = rows.group_of(run).and_then(|group| groups.get_mut(group)) {
                    group.histories.push(History {
                        moments: tail.iter().map(|(moment, _)| *moment).collect(),
                        values: past.decoded(place, &texts, tail.iter().map(|(_, code)| *code)),
                    });
                }
            }
            if kept > MOST_VALUES {
                return Err(Error::data(format!("`{transform}` would have to keep more than {MOST_VALUES} values of training rows for later ones"))
                    .hint("look back less far, at fewer columns, or in fewer groups"));
            }
        }
        groups.retain(|group| group.histories.iter().any(|history| !history.moments.is_empty()));
        groups.sort_by(|a, b| a.key.cmp(&b.key));
        past.groups = groups;
        Ok(past)
    }

    /// Reads a table once: groups, moments and values.
    ///
    /// # Errors
    /// Columns that are absent, all named; where the table cannot be read.
    pub fn read(&self, table: &Table) -> Result<Rows> {
        let schema = table.schema();
        let known = self.columns.iter().filter(|watched| watched.is_known).map(|watched| watched.column.name.as_str());
        levels::require(schema, self.by.iter().map(|by| by.name.as_str()).chain([self.order.name.as_str()]).chain(known))?;
        let by = |(i, by): (usize, &By)| levels::text(&by.name, schema.get(&by.name).unwrap_or(&DataType::Null), by.kind).alias(format!("by {i}"));
        let value = |(i, watched): (usize, &Watched)| {
            let name = &watched.column.name;
            let value = if schema.contains(name) { column(name) } else { lit(NULL) };
            Values::expression(value, &dtype(&watched.column)).alias(format!("value {i}"))
        };
        let moment = column(&self.order.name).cast(dtype(&self.order)).to_physical().cast(DataType::Int64).alias("moment");
        let wanted = self.by.iter().enumerate().map(by).chain([moment]).chain(self.columns.iter().enumerate().map(value));
        let narrow = Table::from_query(table.lazy().select(wanted.collect::<Vec<_>>()))?;

        let mut groups = Groups::of(self.by.len(), self.groups.iter().map(|group| group.key.as_slice()));
        let values = self.columns.iter().map(|watched| Values::empty(&dtype(&watched.column))).collect();
        let mut rows = Rows { keys: Vec::new(), groups: Vec::new(), moments: Vec::new(), values, order: Vec::new() };
        for batch in narrow.batches()? {
            let batch = batch?;
            let by: Vec<&StringChunked> = (0..self.by.len()).map(|i| Ok(batch.column(&format!("by {i}"))?.str()?)).collect::<Result<_>>()?;
            let mut texts: Vec<_> = by.iter().map(|texts| texts.iter()).collect();
            let mut key = Vec::with_capacity(texts.len());
            for _ in 0..batch.height() {
                key.clear();
                key.extend(texts.iter_mut().map(|texts| texts.next().flatten()));
                rows.groups.push(groups.code(&key));
            }
            rows.moments.extend(batch.column("moment")?.i64()?.iter());
            for (i, values) in rows.values.iter_mut().enumerate() {
                values.extend(batch.column(&format!("value {i}"))?)?;
            }
        }
        rows.keys = groups.keys;
        rows.order = (0..rows.moments.len() as u32).filter(|row| rows.moments[*row as usize].is_some()).collect();
        let (groups, moments) = (&rows.groups, &rows.moments);
        rows.order.par_sort_unstable_by_key(|row| (groups[*row as usize], moments[*row as usize], *row));
        Ok(rows)
    }

    /// For each row `width` values, which `find` makes of its group's entries: one vector a value, in the order of rows. A row
    /// without a moment has `nothing`.
    pub fn find<T: Copy + Send>(&self, rows: &Rows, place: usize, width: usize, nothing: T, find: impl Fn(&[Entry], &[Asked]) -> Vec<T> + Sync) -> Vec<Vec<T>> {
        let texts = self.texts(rows, place);
        let mut outputs = vec![vec![nothing; rows.moments.len()]; width];
        let runs: Vec<&[u32]> = rows.runs().collect();
        for runs in runs.chunks(GROUPS_AT_ONCE) {
            let of_group = |run: &&[u32]| {
                let entries = self.entries(rows, place, &texts, run);
                let mut before = 0;
                let mut ask = |row: &u32| {
                    let moment = rows.moments[*row as usize]?;
                    before += entries[before..].iter().take_while(|(earlier, _)| *earlier < moment).count();
                    Some(Asked { row: *row, moment, before })
                };
                let asked: Vec<Asked> = run.iter().filter_map(&mut ask).collect();
                let found = find(&entries, &asked);
                (asked, found)
            };
            let found: Vec<(Vec<Asked>, Vec<T>)> = runs.par_iter().map(of_group).collect();
            for (asked, found) in found {
                for (asked, values) in asked.iter().zip(found.chunks(width.max(1))) {
                    for (output, value) in outputs.iter_mut().zip(values) {
                        output[asked.row as usize] = *value;
                    }
                }
            }
        }
        outputs
    }

    /// A column of values that [`Past::find`] took from the entries.
    ///
    /// # Errors
    /// Where the values cannot get the column's type back.
    pub fn column(&self, rows: &Rows, place: usize, name: &str, codes: Vec<Option<i64>>) -> Result<Column> {
        let dtype = self.columns.get(place).map_or(DataType::Null, |watched| dtype(&watched.column));
        let texts = self.texts(rows, place);
        Ok(match self.decoded(place, &texts, codes.into_iter()) {
            Values::Integers(values) => Column::new(name.into(), values).cast(&dtype.to_physical())?.cast(&dtype)?,
            Values::Floats(values) => Column::new(name.into(), values).cast(&dtype)?,
            Values::Texts(values) => Column::new(name.into(), values),
        })
    }

    /// Adds columns of values to a table, in the order of its rows; with each the place of the column it was taken from.
    fn attach(&self, table: &Table, columns: Vec<(usize, Column)>) -> LazyFrame {
        let around = || self.by.iter().map(|by| by.name.clone()).chain([self.order.name.clone()]);
        let of = |place: usize| self.columns.get(place).filter(|watched| watched.is_known).map(|watched| watched.column.name.clone());
        attach(table, columns.into_iter().map(|(place, values)| Attached { values, reads: around().chain(of(place)).collect() }))
    }

    /// The table for the card; `outputs` are the new columns of each column.
    fn learned(&self, outputs: &[Vec<&str>]) -> card::Table {
        let row = |(place, (watched, outputs)): (usize, (&Watched, &Vec<&str>))| {
            let histories = || self.groups.iter().filter_map(move |group| group.histories.get(place)).filter(|history| !history.moments.is_empty());
            let rows: usize = histories().map(|history| history.moments.len()).sum();
            let last = histories().filter_map(|history| history.moments.last()).max().and_then(|last| self.moment_text(*last));
            let names = outputs.iter().map(|name| shorten(name)).collect::<Vec<_>>().join(", ");
            vec![shorten(&watched.column.name).into(), names.into(), (histories().count() as u64).into(), (rows as u64).into(), last.into()]
        };
        let by: Vec<String> = self.by.iter().map(|by| format!("`{}`", shorten(&by.name))).collect();
        let groups = if by.is_empty() { String::new() } else { format!(" by {}", by.join(", ")) };
        card::Table {
            caption: format!("History that later rows see{groups}, in the order of `{}`", shorten(&self.order.name)),
            columns: ["column", "became", "groups", "rows of history", "until"].map(str::to_owned).to_vec(),
            rows: self.columns.iter().zip(outputs).enumerate().map(row).collect(),
        }
    }

    fn moment_text(&self, moment: i64) -> Option<String> {
        let dtype = dtype(&self.order);
        let column = Column::new("".into(), [moment]).cast(&dtype.to_physical()).ok()?.cast(&dtype).ok()?;
        column.get(0).ok().map(|value| value.to_string())
    }

    /// The distinct texts of a column and its history, sorted; none where it holds no text.
    fn texts<'a>(&'a self, rows: &'a Rows, place: usize) -> Vec<&'a str> {
        let histories = self.groups.iter().filter_map(|group| group.histories.get(place)).map(|history| &history.values);
        let mut texts: Vec<&str> = histories.chain(rows.values.get(place)).flat_map(Values::texts).collect();
        texts.par_sort_unstable();
        texts.dedup();
        texts
    }

    /// All that is known of a group's column, in order; `run` are its rows by moment.
    fn entries(&self, rows: &Rows, place: usize, texts: &[&str], run: &[u32]) -> Vec<Entry> {
        let (Some(watched), Some(values)) = (self.columns.get(place), rows.values.get(place)) else { return Vec::new() };
        let mut here: Vec<Entry> = run
            .iter()
            .filter_map(|row| Some((rows.moments[*row as usize]?, values.code(*row as usize, texts))))
            .filter(|(_, code)| watched.is_known || code.is_some())
            .collect();
        here.sort();
        let history = rows.group_of(run).and_then(|group| self.groups.get(group)).and_then(|group| group.histories.get(place));
        let Some(history) = history else { return here };
        let earlier: Vec<Entry> = history.moments.iter().enumerate().map(|(i, moment)| (*moment, history.values.code(i, texts))).collect();
        joined(&earlier, &here)
    }

    fn decoded(&self, place: usize, texts: &[&str], codes: impl Iterator<Item = Option<i64>>) -> Values {
        match self.columns.get(place).map_or(Values::Integers(Vec::new()), |watched| Values::empty(&dtype(&watched.column))) {
            Values::Integers(_) => Values::Integers(codes.collect()),
            Values::Floats(_) => Values::Floats(codes.map(|code| code.map(float)).collect()),
            Values::Texts(_) => Values::Texts(codes.map(|code| texts.get(code? as usize).map(|text| (*text).to_owned())).collect()),
        }
    }
}

fn dtype(column: &InputColumn) -> DataType {
    column.dtype().unwrap_or(DataType::Null)
}

/// What later rows can look back to: the last moment, and as much before it as rows of that moment look at.
fn tail(entries: &[Entry], reach: Reach) -> &[Entry] {
    let Some((last, _)) = entries.last() else { return entries };
    let earliest = match reach {
        Reach::Rows(rows) => {
            let before = entries.partition_point(|(moment, _)| moment < last);
            entries.get(before.saturating_sub(rows)).map_or(*last, |(moment, _)| *moment)
        }
        Reach::Time(span) => last.saturating_sub(span),
    };
    &entries[entries.partition_point(|(moment, _)| *moment < earliest)..]
}

/// Two sequences as one; of a moment that both have, the side with more entries counts, `here` where they are equal.
fn joined(history: &[Entry], here: &[Entry]) -> Vec<Entry> {
    let mut all = Vec::with_capacity(history.len() + here.len());
    let (mut history, mut here) = (history.chunk_by(|a, b| a.0 == b.0).peekable(), here.chunk_by(|a, b| a.0 == b.0).peekable());
    loop {
        let order = match (history.peek().and_then(|of| of.first()), here.peek().and_then(|of| of.first())) {
            (None, None) => return all,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let from_history = if order.is_le() { history.next().unwrap_or_default() } else { &[] };
        let from_here = if order.is_ge() { here.next().unwrap_or_default() } else { &[] };
        all.extend_from_slice(if from_history.len() > from_here.len() { from_history } else { from_here });
    }
}

impl Rows {
    /// The rows of each group, by moment.
    fn runs(&self) -> impl Iterator<Item = &[u32]> {
        self.order.chunk_by(|a, b| self.groups[*a as usize] == self.groups[*b as usize])
    }

    fn group_of(&self, run: &[u32]) -> Option<usize> {
        run.first().and_then(|row| self.groups.get(*row as usize)).map(|group| *group as usize)
    }
}

/// Numbers for groups as they are met.
struct Groups {
    /// For each column the number of each text; 0 is a missing value.
    texts: Vec<HashMap<String, u32>>,
    known: HashMap<Vec<u32>, u32>,
    keys: Vec<Vec<Option<String>>>,
    /// The numbers of the key that is looked up.
    numbers: Vec<u32>,
}

impl Groups {
    fn of<'a>(width: usize, keys: impl Iterator<Item = &'a [Option<String>]>) -> Self {
        let mut groups = Self { texts: vec![HashMap::new(); width], known: HashMap::new(), keys: Vec::new(), numbers: Vec::new() };
        for key in keys {
            groups.code(&key.iter().map(Option::as_deref).collect::<Vec<_>>());
        }
        groups
    }

    fn code(&mut self, key: &[Option<&str>]) -> u32 {
        self.numbers.clear();
        for (text, known) in key.iter().zip(&mut self.texts) {
            let number = match text {
                None => 0,
                Some(text) => known.get(*text).copied().unwrap_or_else(|| {
                    let number = known.len() as u32 + 1;
                    known.insert((*text).to_owned(), number);
                    number
                }),
            };
            self.numbers.push(number);
        }
        if let Some(code) = self.known.get(self.numbers.as_slice()) {
            return *code;
        }
        let code = self.keys.len() as u32;
        self.known.insert(self.numbers.clone(), code);
        self.keys.push(key.iter().map(|text| text.map(str::to_owned)).collect());
        code
    }
}

impl Values {
    fn empty(dtype: &DataType) -> Self {
        match ColumnKind::of(dtype) {
            ColumnKind::Float => Self::Floats(Vec::new()),
            ColumnKind::String => Self::Texts(Vec::new()),
            _ => Self::Integers(Vec::new()),
        }
    }

    /// A column as it is read into these.
    fn expression(value: Expr, dtype: &DataType) -> Expr {
        match Self::empty(dtype) {
            Self::Integers(_) => value.cast(dtype.clone()).to_physical().cast(DataType::Int64),
            Self::Floats(_) => value.cast(DataType::Float64),
            Self::Texts(_) => value.cast(DataType::String),
        }
    }

    fn extend(&mut self, column: &Column) -> Result<()> {
        match self {
            Self::Integers(values) => values.extend(column.i64()?.iter()),
            Self::Floats(values) => values.extend(column.f64()?.iter().map(|value| value.filter(|value| value.is_finite()))),
            Self::Texts(values) => values.extend(column.str()?.iter().map(|value| value.map(str::to_owned))),
        }
        Ok(())
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        let texts = if let Self::Texts(texts) = self { texts.as_slice() } else { &[] };
        texts.iter().flatten().map(String::as_str)
    }

    /// A number that sorts as the values do; `texts` are all texts, sorted.
    fn code(&self, row: usize, texts: &[&str]) -> Option<i64> {
        match self {
            Self::Integers(values) => values.get(row).copied().flatten(),
            Self::Floats(values) => values.get(row).copied().flatten().map(|value| ordered(value.to_bits() as i64)),
            Self::Texts(values) => values.get(row)?.as_deref().and_then(|text| texts.binary_search(&text).ok()).map(|place| place as i64),
        }
    }
}

/// The code of a float as the float.
#[must_use]
pub fn float(code: i64) -> f64 {
    f64::from_bits(ordered(code) as u64)
}

/// The code of a number in a column of this kind.
#[must_use]
pub fn code(number: f64, dtype: &DataType) -> i64 {
    if dtype.is_float() { ordered(number.to_bits() as i64) } else { number as i64 }
}

/// Bits of floats as numbers that sort as the floats do, and back (IEEE 754, `totalOrder`).
fn ordered(bits: i64) -> i64 {
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// The sales of `tests/golden/past.py`.
#[cfg(test)]
pub(super) fn sales() -> DataFrame {
    let day = |day: i64| (19_723 + day) * 86_400_000_000;
    let frame = df!(
        "day" => [3, 1, 8, 2, 1, 9, 5, 4, 11, 7, 6, 2].map(day),
        "shop" => ["a", "a", "b", "a", "b", "b", "a", "b", "a", "a", "b", "b"],
        "sales" => [Some(4.0), Some(1.5), Some(8.25), None, Some(7.0), Some(2.0), Some(5.5), Some(3.25), Some(11.0), None, Some(6.5), Some(2.25)]
    );
    frame.unwrap().lazy().with_columns([col("day").cast(DataType::Datetime(TimeUnit::Microseconds, None))]).collect().unwrap()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ml::transformers::contract_tests::fit;

    const YAML: [&str; 3] = [
        "lag: {columns: [x], by: [g], order: t, periods: [1, 3]}",
        "rolling: {columns: [x], by: [g], order: t, window: 3, aggregates: [sum, min, max, count], min_periods: 2}",
        "rolling: {columns: [x], by: [g], order: t, window: 2d, aggregates: [sum, count]}",
    ];

    /// Group, day and value.
    type Row = (Option<u8>, Option<i32>, Option<i8>);

    fn rows(days: std::ops::Range<i32>) -> impl Strategy<Value = Vec<Row>> {
        let group = proptest::option::weighted(0.9, 0..3_u8);
        proptest::collection::vec((group, proptest::option::weighted(0.9, days), proptest::option::weighted(0.8, -3..4_i8)), 1..40)
    }

    fn frame(rows: &[Row]) -> DataFrame {
        let texts: Vec<Option<String>> = rows.iter().map(|row| row.0.map(|g| g.to_string())).collect();
        let columns = vec![
            Column::new("g".into(), texts),
            Column::new("t".into(), rows.iter().map(|row| row.1).collect::<Vec<_>>()).cast(&DataType::Date).unwrap(),
            Column::new("x".into(), rows.iter().map(|row| row.2.map(f64::from)).collect::<Vec<_>>()),
        ];
        DataFrame::new(rows.len(), columns).unwrap()
    }

    /// The new columns for rows of a table, where `train` was fitted on.
    fn features(train: &[Row], table: &[Row]) -> Vec<Vec<Option<f64>>> {
        let of = |yaml: &str| {
            let fitted = fit(&frame(train), yaml);
            let loaded = (crate::ml::transformers::find(fitted.name()).unwrap().load)(fitted.save()).unwrap();
            let out = loaded.apply(frame(table).lazy()).unwrap().collect().unwrap();
            let columns: Vec<Vec<Option<f64>>> = out.columns()[3..].iter().map(|column| column.f64().unwrap().iter().collect()).collect();
            columns
        };
        let columns: Vec<Vec<Option<f64>>> = YAML.iter().flat_map(|yaml| of(yaml)).collect();
        (0..table.len()).map(|row| columns.iter().map(|column| column[row]).collect()).collect()
    }

    /// The same by definition, for one row among all.
    fn defined(row: Row, all: &[Row]) -> Vec<Option<f64>> {
        let Some(day) = row.1 else { return vec![None; 8] };
        let mut earlier: Vec<(i32, Option<i8>)> = all.iter().filter(|other| other.0 == row.0).filter_map(|other| Some((other.1?, other.2))).collect();
        earlier.retain(|(other, _)| *other < day);
        earlier.sort_unstable();
        let lag = |period: usize| earlier.len().checked_sub(period).and_then(|i| earlier[i].1).map(f64::from);
        let there = |window: &[(i32, Option<i8>)]| window.iter().filter_map(|(_, x)| x.map(f64::from)).collect::<Vec<f64>>();
        let three = there(&earlier[earlier.len().saturating_sub(3)..]);
        let two_days = there(&earlier.iter().copied().filter(|(other, _)| *other >= day - 2).collect::<Vec<_>>());
        let if_two = |value: f64| (three.len() >= 2).then_some(value);
        vec![
            lag(1),
            lag(3),
            if_two(three.iter().sum()),
            if_two(three.iter().copied().fold(f64::MAX, f64::min)),
            if_two(three.iter().copied().fold(f64::MIN, f64::max)),
            Some(three.len() as f64),
            (!two_days.is_empty()).then(|| two_days.iter().sum()),
            Some(two_days.len() as f64),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

        #[test]
        fn a_row_is_made_of_strictly_earlier_rows_of_its_group(train in rows(0..9), later in rows(9..16), cut in 0..9_i32) {
            let defined_among = |table: &[Row], all: &[Row]| table.iter().map(|row| defined(*row, all)).collect::<Vec<_>>();
            let found = features(&train, &train);
            prop_assert_eq!(&found, &defined_among(&train, &train));
            // Rows after training see it as if they stood in one table with it, and it does not matter if they do.
            let all: Vec<Row> = train.iter().chain(&later).copied().collect();
            let after = defined_among(&later, &all);
            prop_assert_eq!(&features(&train, &later), &after);
            prop_assert_eq!(&features(&train, &all)[train.len()..], &after[..]);
            // The order of rows is no matter.
            let backwards: Vec<Row> = train.iter().rev().copied().collect();
            let mut found_backwards = features(&backwards, &backwards);
            found_backwards.reverse();
            prop_assert_eq!(&found_backwards, &found);
            // Other values from a day on change nothing up to that day, that day's rows included.
            let changed: Vec<Row> = train.iter().map(|row| if row.1 >= Some(cut) { (row.0, row.1, Some(100)) } else { *row }).collect();
            for (row, (before, after)) in train.iter().zip(found.iter().zip(features(&changed, &changed))) {
                prop_assert!(row.1 > Some(cut) || *before == after, "{row:?}: {before:?} became {after:?}");
            }
        }
    }

    #[test]
    fn of_a_moment_that_both_have_the_side_with_more_rows_counts() {
        let entries = |all: &[(i64, i64)]| all.iter().map(|(moment, code)| (*moment, Some(*code))).collect::<Vec<Entry>>();
        let (history, here) = (entries(&[(1, 7), (2, 1), (2, 2), (3, 5)]), entries(&[(0, 9), (2, 3), (3, 6), (4, 8)]));
        assert_eq!(joined(&history, &here), entries(&[(0, 9), (1, 7), (2, 1), (2, 2), (3, 6), (4, 8)]));
        assert_eq!(tail(&here, Reach::Rows(1)), &here[2..]);
        assert_eq!(tail(&history, Reach::Rows(1)), &history[1..], "moments stay whole");
        assert_eq!(tail(&here, Reach::Time(2)), &here[1..]);
    }

    #[test]
    fn codes_sort_as_values_do_and_become_them_again() {
        let values = [f64::MIN, -2.5, -0.0, 0.0, 1e-300, 3.0, f64::MAX];
        let codes = values.map(|value| code(value, &DataType::Float64));
        assert!(codes.is_sorted() && codes.map(float).map(f64::to_bits) == values.map(f64::to_bits));
    }
}
