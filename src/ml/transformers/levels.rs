//! Levels: the distinct values of a column as text, what those that encode them share.
//!
//! A level is a value written as text; missing (null or NaN) is the level without one. `1`, `true` and
//! `2024-05-01` become levels as well, so that integers, booleans and dates can be encoded, and a
//! column that is read as `3.0` today and as `3` tomorrow keeps its levels. Which levels are rare is
//! scikit-learn's rule. Not here: what a level becomes; that is each transform's business.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

use polars::prelude::*;
use serde::{Deserialize, Serialize};

use crate::data::{Role, Table};
use crate::error::{Error, Result, nearest, shorten};
use crate::ml::reduce::{self, CATEGORY_LIMIT, Categories};
use crate::ml::selector::{self, column};
use crate::ml::{Fit, Selector as Columns};
use crate::value::Fault;

/// How the values of a column become text, fixed at fitting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    String,
    Boolean,
    Integer,
    Float,
    Temporal,
}

impl Kind {
    /// The kind of a column; `None` for lists, structs and bytes.
    #[must_use]
    pub fn of(dtype: &DataType) -> Option<Self> {
        match dtype {
            DataType::String | DataType::Null => Some(Self::String),
            DataType::Boolean => Some(Self::Boolean),
            dtype if dtype.is_integer() => Some(Self::Integer),
            dtype if dtype.is_float() || dtype.is_decimal() => Some(Self::Float),
            dtype if dtype.is_temporal() => Some(Self::Temporal),
            _ => None,
        }
    }

    /// A level as a user wrote it in the form the data has: `01` is `1` in an integer column.
    #[must_use]
    pub fn canonical(self, written: &str) -> String {
        match self {
            Self::Integer => written.parse::<i128>().map_or_else(|_| written.to_owned(), |n| n.to_string()),
            Self::Float => written.parse::<f64>().ok().and_then(float_text).unwrap_or_else(|| written.to_owned()),
            Self::Boolean => written.to_lowercase(),
            Self::String | Self::Temporal => written.to_owned(),
        }
    }

    /// Orders as the values themselves do: 2 before 10, `false` before `true`, text by its bytes.
    #[must_use]
    pub fn compare(self, a: &Level, b: &Level) -> Ordering {
        let number = |level: &Level| level.value.as_deref().unwrap_or_default().parse::<f64>().unwrap_or(f64::INFINITY);
        let integer = |level: &Level| level.value.as_deref().unwrap_or_default().parse::<i128>().unwrap_or(i128::MAX);
        match self {
            Self::Integer => integer(a).cmp(&integer(b)),
            Self::Float => number(a).total_cmp(&number(b)),
            Self::String | Self::Boolean | Self::Temporal => a.value.cmp(&b.value),
        }
    }
}

/// A float as polars writes it.
fn float_text(number: f64) -> Option<String> {
    let text = Column::new("".into(), [number + 0.0]).cast(&DataType::String).ok()?;
    text.str().ok()?.get(0).map(str::to_owned)
}

/// A level and how many training rows have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// `None`: missing.
    pub value: Option<String>,
    pub rows: u64,
}

/// The levels of one column in training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels {
    pub column: String,
    pub kind: Kind,
    /// Sorted; missing is not among them.
    pub known: Vec<Level>,
    /// Rows without a value.
    pub missing: u64,
    /// All rows.
    pub rows: u64,
}

/// A selector of exactly these columns; those that are absent are passed over.
#[must_use]
pub fn exactly<'a>(names: impl IntoIterator<Item = &'a str>) -> polars::prelude::Selector {
    by_name(names, false, false)
}

/// A column as text: null where the value is missing or NaN.
pub fn text(name: &str, dtype: &DataType, kind: Kind) -> Expr {
    let value = column(name);
    let is_number = dtype.is_float() || dtype.is_decimal();
    if is_number || (kind == Kind::Float && (dtype.is_integer() || dtype.is_bool())) {
        // Adding zero makes -0.0 the same level as 0.0.
        let number = value.cast(DataType::Float64) + lit(0.0);
        let written = number.clone().cast(DataType::String);
        let written = if kind == Kind::Float {
            written
        } else {
            let whole = number.clone().cast(DataType::Int64);
            when(whole.clone().cast(DataType::Float64).eq(number.clone())).then(whole.cast(DataType::String)).otherwise(written)
        };
        return when(number.is_not_nan()).then(written).otherwise(lit(NULL).cast(DataType::String)).alias(name);
    }
    value.cast(DataType::String)
}

/// The columns a transform is to encode.
///
/// # Errors
/// Columns that are not there; the target, the weight and what is known only after the event, all named.
pub fn encodable(columns: &Columns, on: Fit<'_>, transform: &str) -> Result<Vec<String>> {
    let names = columns.resolve(on)?;
    let kept_off = |name: &&String| matches!(on.roles.of(name), Role::Target | Role::Weight | Role::PostEvent);
    let refused: Vec<String> = names.iter().filter(kept_off).map(|name| format!("`{}` ({})", shorten(name), on.roles.of(name).name())).collect();
    if refused.is_empty() {
        return Ok(names);
    }
    Err(Error::data(format!("`{transform}` cannot take {}", refused.join(", ")))
        .hint("transforms work on features; a selector such as `nominal()` leaves the others out"))
}

/// Counts the levels of columns, one pass over the table.
///
/// # Errors
/// A column that holds lists, structs or bytes (all named); more than [`CATEGORY_LIMIT`] levels; no rows.
pub fn count(table: &Table, columns: &[String], transform: &str) -> Result<Vec<Levels>> {
    let kinds = kinds(table, columns, transform)?;
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let texts: Vec<Expr> = columns.iter().zip(&kinds).filter_map(|(name, kind)| Some(text(name, table.schema().get(name)?, *kind))).collect();
    let texts = Table::from_query(table.lazy().select(texts))?;
    let counts = reduce::categories(&texts, columns, CATEGORY_LIMIT)?;
    let counted: Vec<Levels> = columns.iter().zip(kinds).zip(counts).map(|((column, kind), counts)| Levels::of(column, kind, counts)).collect();
    if counted.iter().any(|levels| levels.rows == 0) {
        return Err(Error::data(format!("`{transform}` has no training rows to learn from")));
    }
    Ok(counted)
}

impl Levels {
    /// Sorts what was counted.
    #[must_use]
    pub fn of(column: &str, kind: Kind, counted: Categories) -> Self {
        let mut levels: Vec<Level> = counted.counts.into_iter().map(|(value, rows)| Level { value: Some(value), rows }).collect();
        levels.sort_by(|a, b| kind.compare(a, b));
        let rows = counted.missing + levels.iter().map(|level| level.rows).sum::<u64>();
        Self { column: column.to_owned(), kind, known: levels, missing: counted.missing, rows }
    }
}

/// The kinds of columns.
///
/// # Errors
/// Columns that are not there or hold lists, structs or bytes, all named.
pub fn kinds(table: &Table, columns: &[String], transform: &str) -> Result<Vec<Kind>> {
    selector::require_present(table, columns)?;
    let mut kinds = Vec::with_capacity(columns.len());
    let mut refused = Vec::new();
    for column in columns {
        let dtype = table.schema().get(column).unwrap_or(&DataType::Null);
        match Kind::of(dtype) {
            Some(kind) => kinds.push(kind),
            None => refused.push(format!("`{}` ({})", shorten(column), selector::type_words(dtype))),
        }
    }
    if refused.is_empty() {
        return Ok(kinds);
    }
    Err(Error::data(format!("`{transform}` cannot take columns of this type: {}", refused.join(", "))))
}

/// Which levels are infrequent, by scikit-learn's rule (`_BaseEncoder._identify_infrequent`).
///
/// `min_frequency` below 1 is a share of `rows`, from 1 on a count; at most `max_categories` remain,
/// the infrequent one among them. Of equal counts the later level stays.
#[must_use]
pub fn infrequent(counts: &[u64], rows: u64, min_frequency: Option<f64>, max_categories: Option<usize>) -> Vec<bool> {
    let threshold = match min_frequency {
        Some(share) if share < 1.0 => share * rows as f64,
        Some(count) => count,
        None => 0.0,
    };
    let mut mask: Vec<bool> = counts.iter().map(|count| (*count as f64) < threshold).collect();
    let remaining = mask.iter().filter(|rare| !**rare).count() + 1;
    if let Some(most) = max_categories.filter(|most| remaining > *most) {
        let mut order: Vec<usize> = (0..counts.len()).collect();
        order.sort_by_key(|i| counts.get(*i));
        let keep = most.saturating_sub(1);
        for index in order.iter().take(counts.len().saturating_sub(keep)) {
            if let Some(rare) = mask.get_mut(*index) {
                *rare = true;
            }
        }
    }
    mask
}

/// Refuses thresholds that [`infrequent`] cannot mean.
#[must_use]
pub fn check_rarity(min_frequency: Option<f64>, max_categories: Option<usize>) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(least) = min_frequency.filter(|least| !(*least > 0.0 && least.is_finite() && (*least < 1.0 || least.fract() == 0.0))) {
        let fault = Fault::new(&["min_frequency".to_owned()], format!("`min_frequency` is neither a share nor a count: {least}"));
        faults.push(fault.hint("a share lies between 0 and 1, a count is a whole number from 1"));
    }
    if max_categories == Some(0) {
        faults.push(Fault::new(&["max_categories".to_owned()], "`max_categories` is at least 1, got 0"));
    }
    faults
}

/// The code of a value that no output belongs to.
pub const NOTHING: u32 = u32::MAX;

/// What becomes of a value that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Novel<N> {
    Code(N),
    Refuse,
}

/// Text as numbers: one for each known level, never null.
pub fn lookup<T: PolarsNumericType>(text: Expr, column: &str, known: HashMap<String, T::Native>, missing: Novel<T::Native>, unseen: Novel<T::Native>) -> Expr {
    let column = column.to_owned();
    let function = move |values: Column| {
        let texts = values.str()?;
        let mut codes = Vec::with_capacity(texts.len());
        for text in texts.iter() {
            let novel = match text {
                Some(text) => known.get(text).map_or(unseen, |code| Novel::Code(*code)),
                None => missing,
            };
            match novel {
                Novel::Code(code) => codes.push(code),
                Novel::Refuse => return Err(refusal(&column, text)),
            }
        }
        Ok(ChunkedArray::<T>::from_vec(values.name().clone(), codes).into_column())
    };
    text.map(function, |_, field| Ok(Field::new(field.name().clone(), T::get_static_dtype())))
}

fn refusal(column: &str, value: Option<&str>) -> PolarsError {
    let what = match value {
        Some(value) => format!("a value that training did not have: `{}`", shorten(value)),
        None => "a missing value, which training did not have".to_owned(),
    };
    PolarsError::ComputeError(format!("column `{}` holds {what}", shorten(column)).into())
}

/// New column names, each unlike all that are taken.
pub struct Names(BTreeSet<String>);

impl Names {
    /// `taken` are the columns that stay.
    pub fn new<'a>(taken: impl IntoIterator<Item = &'a str>) -> Self {
        Self(taken.into_iter().map(str::to_owned).collect())
    }

    /// `wanted`, cut to 100 characters, with `_2`, `_3`, … behind it where that is taken.
    pub fn give(&mut self, wanted: &str) -> String {
        let wanted: String = wanted.chars().take(100).collect();
        let mut name = wanted.clone();
        let mut number = 1;
        while !self.0.insert(name.clone()) {
            number += 1;
            name = format!("{wanted}_{number}");
        }
        name
    }
}

/// Refuses a frame without columns that a fitted transform needs.
///
/// # Errors
/// All columns that are missing, with the nearest names.
pub fn require<'a>(schema: &Schema, needed: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let missing: Vec<&str> = needed.into_iter().filter(|name| !schema.contains(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let quoted = |names: &mut dyn Iterator<Item = &str>| names.map(|name| format!("`{}`", shorten(name))).collect::<Vec<_>>().join(", ");
    let what = if missing.len() == 1 { "a column is" } else { "columns are" };
    let error = Error::data(format!("{what} missing: {}", quoted(&mut missing.iter().copied())));
    let near: BTreeSet<&str> = missing.iter().filter_map(|name| nearest(name, schema.iter_names().map(PlSmallStr::as_str))).collect();
    Err(if near.is_empty() { error } else { error.hint(format!("did you mean {}?", quoted(&mut near.into_iter()))) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infrequent_levels_are_scikit_learns() {
        // a 4, b 2, c 2, d 1, missing 1, of 10 rows: OneHotEncoder 1.9.1.
        let counts = [4, 2, 2, 1, 1];
        let rare = |min, max| infrequent(&counts, 10, min, max).iter().map(|rare| u8::from(*rare)).collect::<Vec<_>>();
        assert_eq!(rare(Some(2.0), None), [0, 0, 0, 1, 1]);
        assert_eq!(rare(Some(0.3), None), [0, 1, 1, 1, 1]);
        assert_eq!(rare(None, Some(3)), [0, 1, 0, 1, 1]);
        assert_eq!(rare(None, Some(5)), [0, 0, 0, 1, 0]);
        assert_eq!(rare(None, Some(1)), [1; 5]);
        assert_eq!(rare(None, Some(6)), [0; 5]);
    }

    #[test]
    fn levels_sort_as_their_values_and_float_nan_is_missing() {
        let table = Table::of(df!("i" => [10_i64, 9, 2], "f" => [0.0, f64::NAN, -0.0], "b" => [Some(true), None, Some(false)]).unwrap());
        let columns = ["i", "f", "b"].map(str::to_owned);
        let levels = count(&table, &columns, "one_hot").unwrap();
        let shown: Vec<Vec<&str>> = levels.iter().map(|l| l.known.iter().map(|l| l.value.as_deref().unwrap()).collect()).collect();
        assert_eq!(shown, [vec!["2", "9", "10"], vec!["0.0"], vec!["false", "true"]]);
        assert_eq!(levels.iter().map(|l| l.missing).collect::<Vec<_>>(), [0, 1, 1]);
    }

    #[test]
    fn a_whole_float_is_the_integer_it_was_in_training() {
        let frame = df!("x" => [Some(3.0), Some(2.5), Some(1e300), None, Some(f64::NAN)]).unwrap();
        let shown = frame.lazy().select([text("x", &DataType::Float64, Kind::Integer)]).collect().unwrap();
        let shown: Vec<Option<&str>> = shown.column("x").unwrap().str().unwrap().iter().collect();
        assert_eq!(shown, [Some("3"), Some("2.5"), Some("1e+300"), None, None]);
    }

    #[test]
    fn names_that_are_taken_get_a_number() {
        let mut names = Names::new(["a_b"]);
        assert_eq!([names.give("a_b"), names.give("a_b"), names.give("a_b_2")], ["a_b_2", "a_b_3", "a_b_2_2"].map(str::to_owned));
        assert_eq!(names.give(&"é".repeat(500)).chars().count(), 100);
    }
}
