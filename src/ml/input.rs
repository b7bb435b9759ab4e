//! The raw columns a fitted chain reads, and how later data is brought to the types they had in training.
//!
//! A value either has the same meaning in training's type or is an error that names column, value and row:
//! nothing becomes missing because it did not fit. Types are written in a small language of our own
//! (`i64`, `datetime[us, UTC]`), so that a saved model does not depend on polars' format.

use polars::prelude::*;
use serde::{Deserialize, Serialize};

use super::selector::{ColumnKind, column};
use crate::data::rows::kind_name;
use crate::error::{Error, Kind, Problem, Result, nearest, shorten};

/// A column's name and exact type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputColumn {
    pub name: String,
    /// `i64`, `f64`, `string`, `boolean`, `date`, `datetime[us]`, …
    pub kind: String,
}

impl InputColumn {
    #[must_use]
    pub fn new(name: &str, dtype: &DataType) -> Self {
        Self { name: name.to_owned(), kind: type_name(dtype) }
    }

    /// The type, where a model can take it.
    #[must_use]
    pub fn dtype(&self) -> Option<DataType> {
        type_of(&self.kind)
    }

    /// The type as messages name it.
    fn in_words(&self) -> &str {
        self.dtype().map_or(self.kind.as_str(), |dtype| kind_name(&dtype))
    }

    /// Every column of a schema.
    #[must_use]
    pub fn of(schema: &Schema) -> Vec<Self> {
        schema.iter().map(|(name, dtype)| Self::new(name, dtype)).collect()
    }
}

const PLAIN: [(&str, DataType); 16] = [
    ("i8", DataType::Int8),
    ("i16", DataType::Int16),
    ("i32", DataType::Int32),
    ("i64", DataType::Int64),
    ("u8", DataType::UInt8),
    ("u16", DataType::UInt16),
    ("u32", DataType::UInt32),
    ("u64", DataType::UInt64),
    ("f32", DataType::Float32),
    ("f64", DataType::Float64),
    ("boolean", DataType::Boolean),
    ("string", DataType::String),
    ("date", DataType::Date),
    ("time", DataType::Time),
    ("null", DataType::Null),
    ("binary", DataType::Binary),
];

const UNITS: [(&str, TimeUnit); 3] = [("ns", TimeUnit::Nanoseconds), ("us", TimeUnit::Microseconds), ("ms", TimeUnit::Milliseconds)];

fn type_name(dtype: &DataType) -> String {
    let unit_name = |unit: &TimeUnit| UNITS.iter().find(|(_, u)| u == unit).map_or("us", |(name, _)| *name);
    match dtype {
        DataType::Datetime(unit, None) => format!("datetime[{}]", unit_name(unit)),
        DataType::Datetime(unit, Some(zone)) => format!("datetime[{}, {}]", unit_name(unit), zone.as_str()),
        DataType::Duration(unit) => format!("duration[{}]", unit_name(unit)),
        DataType::Decimal(precision, scale) => format!("decimal[{precision}, {scale}]"),
        _ if ColumnKind::of(dtype) == ColumnKind::String => "string".to_owned(),
        _ => PLAIN.iter().find(|(_, d)| d == dtype).map_or_else(|| dtype.to_string(), |(name, _)| (*name).to_owned()),
    }
}

fn type_of(name: &str) -> Option<DataType> {
    if let Some((_, dtype)) = PLAIN.iter().find(|(plain, _)| *plain == name) {
        return Some(dtype.clone());
    }
    let (family, arguments) = name.strip_suffix(']')?.split_once('[')?;
    let (first, second) = match arguments.split_once(", ") {
        Some((first, second)) => (first, Some(second)),
        None => (arguments, None),
    };
    let unit = || UNITS.iter().find(|(name, _)| *name == first).map(|(_, unit)| *unit);
    match family {
        "datetime" => Some(DataType::Datetime(unit()?, TimeZone::opt_try_new(second).ok()?)),
        "duration" => Some(DataType::Duration(unit()?)),
        "decimal" => Some(DataType::Decimal(first.parse().ok()?, second?.parse().ok()?)),
        _ => None,
    }
}

/// Checks that the needed columns are there and gives them training's types.
///
/// Only where a type differs and not every value of it must fit are the values read now, once.
///
/// # Errors
/// Columns that are absent, all named; types that cannot become training's; values that do not fit, with their rows.
pub fn admit(mut frame: LazyFrame, needed: &[InputColumn]) -> Result<LazyFrame> {
    let schema = frame.collect_schema()?;
    let names = || schema.iter_names().map(PlSmallStr::as_str);
    let absent = |wanted: &InputColumn| {
        let problem = Problem::misfit(format!("column `{}` ({}) is missing; the model was trained with it", shorten(&wanted.name), wanted.in_words()));
        match nearest(&wanted.name, names().filter(|name| needed.iter().all(|n| n.name != *name))) {
            Some(near) => problem.hint(format!("did `{near}` replace it? rename it to `{}`", wanted.name)),
            None => problem,
        }
    };
    let mut problems: Vec<Problem> = needed.iter().filter(|wanted| !schema.contains(&wanted.name)).map(absent).collect();
    if let Some(last) = problems.pop() {
        let all = needed.iter().map(|column| format!("`{}`", shorten(&column.name))).take(20).collect::<Vec<_>>().join(", ");
        problems.push(last.hint(format!("score data with the columns that training had: {all}")));
    }
    Error::all(Kind::Data, problems).map_or(Ok(()), Err)?;

    let mut casts: Vec<Expr> = Vec::new();
    let mut doubtful: Vec<(&InputColumn, Expr)> = Vec::new();
    let mut problems = Vec::new();
    for wanted in needed {
        let (Some(from), Some(to)) = (schema.get(&wanted.name), wanted.dtype()) else { continue };
        if *from == to {
            continue;
        }
        match conversion(&wanted.name, from, &to) {
            Conversion::Sure(cast) => casts.push(cast),
            Conversion::Doubtful(cast) => {
                casts.push(cast.clone());
                doubtful.push((wanted, cast));
            }
            Conversion::None => {
                problems.push(Problem::new(format!("column `{}` is {}; the model was trained with {}", wanted.name, kind_name(from), wanted.in_words())));
            }
        }
    }
    problems.extend(misfits(&frame, &schema, &doubtful)?);
    Error::all(Kind::Data, problems).map_or(Ok(()), Err)?;
    Ok(if casts.is_empty() { frame } else { frame.with_columns(casts) })
}

enum Conversion {
    /// Every value fits.
    Sure(Expr),
    /// A value that does not fit becomes null.
    Doubtful(Expr),
    None,
}

fn conversion(name: &str, from: &DataType, to: &DataType) -> Conversion {
    use ColumnKind::{Boolean, Date, Datetime, Empty, Float, Integer, String};
    let value = || column(name);
    let cast = || value().cast(to.clone());
    let number = || value().cast(DataType::Float64).fill_nan(lit(NULL));
    let zone = |dtype: &DataType| matches!(dtype, DataType::Datetime(_, Some(_)));
    match (ColumnKind::of(from), ColumnKind::of(to)) {
        (Empty, _) | (Integer | Float | Boolean, Float) | (Boolean, Integer) | (Date, Datetime) | (Integer | Boolean | Date | String, String) => {
            Conversion::Sure(cast())
        }
        (Float, Integer) => Conversion::Doubtful(when(number().eq(number().floor())).then(number().cast(to.clone())).otherwise(lit(NULL)).alias(name)),
        (Integer | Float, Boolean) => {
            Conversion::Doubtful(when(number().eq(lit(0.0))).then(lit(false)).when(number().eq(lit(1.0))).then(lit(true)).otherwise(lit(NULL)).alias(name))
        }
        (String, Boolean) => {
            Conversion::Doubtful(when(value().eq(lit("true"))).then(lit(true)).when(value().eq(lit("false"))).then(lit(false)).otherwise(lit(NULL)).alias(name))
        }
        (Integer, Integer) | (String, Integer | Float) => Conversion::Doubtful(cast()),
        (String, Date) => Conversion::Doubtful(day(name)),
        (String, Datetime) if !zone(to) => Conversion::Doubtful(moment(name, to)),
        (Datetime, Date) => Conversion::Doubtful(when(cast().cast(from.clone()).eq(value())).then(cast()).otherwise(lit(NULL)).alias(name)),
        (Datetime, Datetime) if zone(from) == zone(to) => Conversion::Sure(cast()),
        _ => Conversion::None,
    }
}

/// How a date and time may be written.
const MOMENTS: [&str; 4] = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];

fn format(format: &str) -> StrptimeOptions {
    StrptimeOptions { format: Some(format.into()), strict: false, ..Default::default() }
}

/// ISO text as a date.
fn day(name: &str) -> Expr {
    column(name).str().to_date(format("%Y-%m-%d"))
}

/// ISO text as a date and time without a zone; a date alone is its midnight.
fn moment(name: &str, to: &DataType) -> Expr {
    let unit = if let DataType::Datetime(unit, _) = to { Some(*unit) } else { None };
    let written = MOMENTS.iter().map(|text| column(name).str().to_datetime(unit, None, format(text), lit("raise")));
    polars::lazy::dsl::coalesce(&written.chain([day(name).cast(to.clone())]).collect::<Vec<_>>())
}

/// One problem for each column with values that do not fit, with the first of them.
fn misfits(frame: &LazyFrame, schema: &Schema, doubtful: &[(&InputColumn, Expr)]) -> Result<Vec<Problem>> {
    let misfit = |wanted: &InputColumn, cast: &Expr| {
        let is_float = schema.get(&wanted.name).is_some_and(DataType::is_float);
        let there = if is_float { column(&wanted.name).is_not_null().and(column(&wanted.name).is_not_nan()) } else { column(&wanted.name).is_not_null() };
        there.and(cast.clone().is_null())
    };
    let conditions: Vec<(String, Expr)> = doubtful.iter().map(|(wanted, cast)| (wanted.name.clone(), misfit(wanted, cast))).collect();
    let problem = |((wanted, _), found): (&(&InputColumn, Expr), Option<String>)| {
        found.map(|found| Problem::new(format!("column `{}` has values that are no {}: {found}", wanted.name, wanted.in_words())))
    };
    Ok(doubtful.iter().zip(rows_where(frame, &conditions)?).filter_map(problem).collect())
}

/// For each column and condition the first values that meet it, such as "`x` in row 3, `y` in row 8 and 4 more"; `None`
/// where no row does. Rows count from 1.
///
/// # Errors
/// Where the query fails.
pub(super) fn rows_where(frame: &LazyFrame, conditions: &[(String, Expr)]) -> Result<Vec<Option<String>>> {
    const SHOWN: IdxSize = 3;
    if conditions.is_empty() {
        return Ok(Vec::new());
    }
    let counts: Vec<Expr> = conditions.iter().enumerate().map(|(i, (_, met))| met.clone().cast(DataType::UInt64).sum().alias(i.to_string())).collect();
    let counts = frame.clone().select(counts).collect_with_engine(Engine::Streaming)?.unwrap_single();
    let mut found = Vec::with_capacity(conditions.len());
    for ((name, met), count) in conditions.iter().zip(counts.columns()) {
        let count = count.get(0)?.extract::<u64>().unwrap_or(0);
        if count == 0 {
            found.push(None);
            continue;
        }
        let first = frame.clone().select([column(name).cast(DataType::String).alias("value"), met.clone().alias("met")]);
        let first = first.with_row_index("row", Some(1)).filter(column("met")).limit(SHOWN).collect()?;
        let rows = first.column("row")?.cast(&DataType::UInt64)?;
        let text = |value: Option<&str>| value.map_or_else(|| "no value".to_owned(), |value| format!("`{}`", shorten(value)));
        let values = first.column("value")?;
        let shown: Vec<String> =
            values.str()?.iter().zip(rows.u64()?.iter()).map(|(value, row)| format!("{} in row {}", text(value), row.unwrap_or_default())).collect();
        let more = if count > shown.len() as u64 { format!(" and {} more", count - shown.len() as u64) } else { String::new() };
        found.push(Some(format!("{}{more}", shown.join(", "))));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(pairs: &[(&str, &str)]) -> Vec<InputColumn> {
        pairs.iter().map(|(name, kind)| InputColumn { name: (*name).to_owned(), kind: (*kind).to_owned() }).collect()
    }

    #[test]
    fn type_names_are_read_back() {
        let zone = TimeZone::opt_try_new(Some("UTC")).unwrap();
        let others = [DataType::Datetime(TimeUnit::Milliseconds, zone), DataType::Duration(TimeUnit::Nanoseconds), DataType::Decimal(12, 2)];
        for dtype in PLAIN.map(|(_, dtype)| dtype).into_iter().chain(others) {
            assert_eq!(type_of(&type_name(&dtype)), Some(dtype));
        }
        assert_eq!(type_of("list[i64]"), None);
    }

    #[test]
    fn values_take_the_type_of_training() {
        let later = df!(
            "n" => [Some("7"), None], "x" => [1_i64, 2], "i" => [3.0, f64::NAN], "ok" => ["true", "false"], "day" => ["2016-03-01", "2016-03-02"],
            "at" => ["2016-03-01", "2016-03-02T11:30:00"], "zip" => [10_001_i64, 10_002]
        )
        .unwrap();
        let needed = [("n", "i64"), ("x", "f64"), ("i", "i32"), ("ok", "boolean"), ("day", "date"), ("at", "datetime[us]"), ("zip", "string")];
        let admitted = admit(later.lazy(), &wanted(&needed)).unwrap().collect().unwrap();
        assert_eq!(InputColumn::of(admitted.schema()), wanted(&needed));
        assert_eq!(admitted.column("i").unwrap().null_count() + admitted.column("n").unwrap().null_count(), 2);
        assert_eq!(admitted.column("at").unwrap().get(1).unwrap().to_string(), "2016-03-02 11:30:00");
    }

    #[test]
    fn a_value_that_does_not_fit_is_named_with_its_row() {
        let later =
            df!("n" => [Some("7"), None, Some("x"), Some("1.5")], "i" => [1.0, 2.5, 3.0, 1e300], "x" => ["1", "2", "3", "4"], "s" => [1.5, 2.0, 3.0, 4.0]);
        let error = admit(later.unwrap().lazy(), &wanted(&[("n", "i64"), ("i", "i64"), ("x", "f64"), ("s", "string")])).err().unwrap();
        let shown: Vec<&str> = error.problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(
            shown,
            [
                "column `s` is float; the model was trained with string",
                "column `n` has values that are no integer: `x` in row 3, `1.5` in row 4",
                "column `i` has values that are no integer: `2.5` in row 2, `1e+300` in row 4",
            ]
        );
    }

    #[test]
    fn missing_columns_are_named_together_with_the_nearest_unused_one() {
        let later = df!("trip_dist" => [1.0], "extra" => [1]).unwrap();
        let error = admit(later.lazy(), &wanted(&[("trip_distance", "f64"), ("zebra", "string")])).err().unwrap();
        let shown: Vec<String> = error.problems.iter().map(|p| format!("{}; {}", p.message, p.hint.as_deref().unwrap_or_default())).collect();
        assert_eq!(
            shown,
            [
                "column `trip_distance` (float) is missing; the model was trained with it; did `trip_dist` replace it? rename it to `trip_distance`",
                "column `zebra` (string) is missing; the model was trained with it; score data with the columns that training had: `trip_distance`, `zebra`",
            ]
        );
    }
}
