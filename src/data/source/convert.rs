//! Columns of one type from columns of another, refusing what would lose something.

use polars::prelude::*;

use super::cell::{Kind, Typed, parse};
use super::records::show;

/// A text column as `kind`; blank text is missing.
///
/// Running it fails on the first text that has no such value, and names it.
pub fn text_as(column: Expr, name: &str, kind: Kind, decimal_comma: bool) -> Expr {
    let name = name.to_owned();
    column.map(move |column| texts(&column, &name, kind, decimal_comma), move |_, field| Ok(Field::new(field.name().clone(), kind.dtype())))
}

/// A column of the type that holds `from` as `to`, through its text where a cast could lose something.
pub fn convert(column: Expr, name: &str, from: Kind, to: Kind) -> Expr {
    match (from, to) {
        (from, to) if from == to => column,
        (Kind::Missing, _) | (_, Kind::Text) | (Kind::Integer, Kind::Float) | (Kind::Boolean, Kind::Integer | Kind::Float) | (Kind::Date, Kind::Datetime) => {
            column.strict_cast(to.dtype())
        }
        (Kind::Text, _) => text_as(column, name, to, false),
        _ => text_as(column.strict_cast(DataType::String), name, to, false),
    }
}

fn texts(column: &Column, name: &str, kind: Kind, decimal_comma: bool) -> PolarsResult<Column> {
    let texts = column.str()?;
    let mut odd = None;
    let mut value = |text: Option<&str>| {
        let text = text.filter(|text| !text.trim_ascii().is_empty())?;
        let value = parse(text.as_bytes(), kind, decimal_comma);
        if value.is_none() && odd.is_none() {
            odd = Some(show(text.as_bytes()));
        }
        value
    };
    let label = column.name().clone();
    let series = match kind {
        Kind::Missing => Series::full_null(label, column.len(), &kind.dtype()),
        Kind::Text => texts.clone().into_series(),
        kind => values(texts.iter().map(&mut value), label, kind),
    };
    match odd {
        Some(odd) => Err(PolarsError::ComputeError(format!("`{odd}` in column `{name}` is not of type {}", kind.name()).into())),
        None => Ok(series.into_column()),
    }
}

/// A column of values of one kind, which is not text; values of another kind become missing.
pub fn values(values: impl Iterator<Item = Option<Typed>>, name: PlSmallStr, kind: Kind) -> Series {
    match kind {
        Kind::Boolean => {
            BooleanChunked::from_iter_options(name, values.map(|value| if let Some(Typed::Boolean(value)) = value { Some(value) } else { None })).into_series()
        }
        Kind::Integer => {
            Int64Chunked::from_iter_options(name, values.map(|value| if let Some(Typed::Integer(value)) = value { Some(value) } else { None })).into_series()
        }
        Kind::Float => {
            Float64Chunked::from_iter_options(name, values.map(|value| if let Some(Typed::Float(value)) = value { Some(value) } else { None })).into_series()
        }
        Kind::Date => {
            let days = Int32Chunked::from_iter_options(name, values.map(|value| if let Some(Typed::Days(value)) = value { Some(value) } else { None }));
            days.into_date().into_series()
        }
        Kind::Datetime => {
            let micros = Int64Chunked::from_iter_options(name, values.map(|value| if let Some(Typed::Micros(value)) = value { Some(value) } else { None }));
            micros.into_datetime(TimeUnit::Microseconds, None).into_series()
        }
        Kind::Missing | Kind::Text => Series::full_null(name, values.count(), &DataType::String),
    }
}
