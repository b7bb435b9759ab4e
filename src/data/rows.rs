//! A few rows of a table as values: for cards, examples and `recipe show`.

use polars::prelude::{AnyValue, Column, DataFrame, DataType, IdxCa, IdxSize};

use super::Table;
use super::canonical::{Cells, Kind as CellKind, row_hashes, sorted_columns};
use crate::card::Cell;
use crate::error::{Error, Kind, Problem, Result, nearest, shorten};

/// A type as messages and cards name it.
#[must_use]
pub fn kind_name(dtype: &DataType) -> &'static str {
    match dtype {
        DataType::Boolean => "boolean",
        DataType::String | DataType::Categorical(..) | DataType::Enum(..) => "string",
        DataType::Date => "date",
        DataType::Datetime(..) => "datetime",
        DataType::Time => "time",
        DataType::Duration(_) => "duration",
        dtype if dtype.is_integer() => "integer",
        dtype if dtype.is_primitive_numeric() || dtype.is_decimal() => "float",
        DataType::Null => "null",
        DataType::List(_) => "sparse",
        _ => "other",
    }
}

/// The rows at some positions (from 0), in the order asked for.
///
/// # Errors
/// Where the table cannot be read.
pub fn pick(table: &Table, positions: &[usize]) -> Result<DataFrame> {
    let mut found: Vec<(usize, DataFrame)> = Vec::new();
    let mut start = 0;
    for batch in table.batches()? {
        let batch = batch?;
        for (i, position) in positions.iter().enumerate().filter(|(_, p)| (start..start + batch.height()).contains(p)) {
            found.push((i, batch.slice((position - start) as i64, 1)));
        }
        start += batch.height();
    }
    found.sort_by_key(|(i, _)| *i);
    let mut frames = found.into_iter().map(|(_, frame)| frame);
    let Some(mut whole) = frames.next() else { return table.head(0) };
    for frame in frames {
        whole.vstack_mut(&frame)?;
    }
    Ok(whole)
}

/// How many values of a column of numbers lie between neighbouring edges, which rise; the last edge belongs to the last bin.
///
/// # Errors
/// Where the table cannot be read.
pub fn count_between(table: &Table, name: &str, edges: &[f64]) -> Result<Vec<u64>> {
    let mut counts = vec![0_u64; edges.len().saturating_sub(1)];
    let Some((last, inner)) = edges.split_last() else { return Ok(counts) };
    for batch in Table::from_query(table.lazy().select([super::column(name)]))?.batches()? {
        let numbers = batch?.column(name)?.cast(&DataType::Float64)?;
        for value in numbers.f64()?.iter().flatten().filter(|value| value <= last) {
            // The number of edges at or below it.
            let place = inner.partition_point(|edge| *edge <= value);
            if let Some(count) = place.checked_sub(1).and_then(|bin| counts.get_mut(bin)) {
                *count += 1;
            }
        }
    }
    Ok(counts)
}

/// At most `most` rows, spread evenly over the table, in its order.
///
/// # Errors
/// Where the table cannot be read.
pub fn spread(table: &Table, most: usize) -> Result<DataFrame> {
    let step = stride(table.rows()?, most);
    let (mut whole, mut start) = (table.head(0)?, 0_usize);
    for batch in table.batches()? {
        let batch = batch?;
        let first = start.next_multiple_of(step) - start;
        let rows: Vec<IdxSize> = (first..batch.height()).step_by(step).map(|row| row as IdxSize).collect();
        whole.vstack_mut(&batch.take(&IdxCa::from_vec("".into(), rows))?)?;
        start += batch.height();
    }
    whole.rechunk_mut();
    Ok(whole)
}

/// Of so many rows every how-manieth is taken, so that at most `most` are.
#[must_use]
pub fn stride(rows: usize, most: usize) -> usize {
    rows.div_ceil(most.max(1)).max(1)
}

/// One row's values in some columns.
#[must_use]
pub fn cells(frame: &DataFrame, row: usize, columns: &[String]) -> Vec<Cell> {
    columns.iter().map(|name| frame.column(name).map_or(Cell::Missing, |column| cell(column, row))).collect()
}

/// One value as a cell.
#[must_use]
pub fn cell(column: &Column, row: usize) -> Cell {
    match column.get(row) {
        Ok(AnyValue::Null) | Err(_) => Cell::Missing,
        Ok(value) if value.dtype().is_float() => Cell::Number(value.extract::<f64>().unwrap_or(f64::NAN)),
        Ok(AnyValue::String(text)) => Cell::Text(shorten(text)),
        Ok(AnyValue::StringOwned(text)) => Cell::Text(shorten(&text)),
        Ok(value) if value.dtype().is_integer() => value.extract::<i64>().map_or_else(|| Cell::Text(value.to_string()), Cell::Integer),
        Ok(value) => Cell::Text(value.to_string()),
    }
}

/// One value as JSON: numbers stay numbers, dates are text, missing is null.
#[must_use]
pub fn json(column: &Column, row: usize) -> serde_json::Value {
    match column.get(row) {
        Ok(AnyValue::Null) | Err(_) => serde_json::Value::Null,
        Ok(AnyValue::Boolean(b)) => b.into(),
        Ok(AnyValue::String(text)) => text.into(),
        Ok(AnyValue::StringOwned(text)) => text.to_string().into(),
        Ok(value) if value.dtype().is_float() => value.extract::<f64>().map_or(serde_json::Value::Null, Into::into),
        Ok(value) if value.dtype().is_integer() => value.extract::<i64>().map_or(serde_json::Value::Null, Into::into),
        Ok(value) => value.to_string().into(),
    }
}

/// Rows as JSON objects of some columns (those that are there).
#[must_use]
pub fn records(frame: &DataFrame, columns: &[String]) -> Vec<serde_json::Map<String, serde_json::Value>> {
    (0..frame.height()).map(|row| columns.iter().filter_map(|name| frame.column(name).ok().map(|column| (name.clone(), json(column, row)))).collect()).collect()
}

/// A hash of some columns' values for each row: equal values agree, whatever their type.
///
/// # Errors
/// Columns that are absent or of a nested type.
pub fn hashes(table: &Table, columns: &[String]) -> Result<Vec<u64>> {
    let columns = sorted_columns(table.schema(), columns)?;
    let mut hashes = Vec::new();
    for batch in table.batches()? {
        hashes.extend(row_hashes(&batch?, &columns, &[])?.into_iter().map(|hash| hash as u64));
    }
    Ok(hashes)
}

/// The place in time of each row, by a column of dates, moments or whole numbers; nothing where it is missing.
///
/// # Errors
/// A column that is absent or tells no time.
pub fn ordinals(table: &Table, column: &str) -> Result<Vec<Option<i64>>> {
    sorted_columns(table.schema(), &[column.to_owned()])?;
    let dtype = table.schema().get(column).cloned().unwrap_or(DataType::Null);
    let kind = CellKind::of(column, &dtype)?;
    if !matches!(kind, CellKind::Date | CellKind::Instant(_) | CellKind::Integer | CellKind::Unsigned | CellKind::Time) {
        let error = Error::data(format!("column `{column}` cannot tell the time: it is a {}", kind.name()));
        return Err(error.hint("read it as a date: `options: {try_parse_dates: true}` in ingest"));
    }
    let mut ordinals = Vec::new();
    for batch in table.batches()? {
        let cells = Cells::of(batch?.column(column)?)?;
        let view = cells.view()?;
        ordinals.extend((0..view.rows).map(|row| view.ordinal(row)));
    }
    Ok(ordinals)
}

/// Names that a message lists.
const SHOWN: usize = 20;

/// Refuses names that are not in the table, all at once.
///
/// # Errors
/// Exit code 4, at the configuration path that names them, with the nearest column for each.
pub fn require_columns(table: &Table, names: &[String], path: &str) -> Result<()> {
    let known: Vec<&str> = table.names().collect();
    let Some(missing) = unknown(names, &known) else { return Ok(()) };
    Err(Error { kind: Kind::Data, problems: vec![Problem::misfit(format!("no such columns: {missing}")).path(path)] })
}

/// The names that are not known, twenty at most, with the nearest known one for each; `None` where all are known.
#[must_use]
pub fn unknown(names: &[String], known: &[&str]) -> Option<String> {
    let missing: Vec<String> = names
        .iter()
        .filter(|name| !known.contains(&name.as_str()))
        .map(|name| match nearest(name, known.iter().copied()) {
            Some(near) => format!("`{}` (did you mean `{near}`?)", shorten(name)),
            None => format!("`{}`", shorten(name)),
        })
        .collect();
    let more = if missing.len() > SHOWN { format!(" and {} more", missing.len() - SHOWN) } else { String::new() };
    (!missing.is_empty()).then(|| missing.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ") + &more)
}
