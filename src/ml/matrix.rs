//! A matrix of numbers, stored column by column.

use polars::prelude::*;

use crate::data::rows::kind_name;
use crate::error::{Error, Result};

/// `rows` × `columns.len()` numbers; a missing value is NaN.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    pub rows: usize,
    pub columns: Vec<Vec<f64>>,
}

impl Matrix {
    /// The named columns of a frame as numbers: booleans are 0 and 1, missing is NaN.
    ///
    /// # Errors
    /// Columns that are absent or not numeric, all named at once.
    pub fn of(frame: &DataFrame, names: &[String]) -> Result<Self> {
        let mut problems = Vec::new();
        let mut columns = Vec::with_capacity(names.len());
        for name in names {
            match frame.column(name) {
                Ok(column) if column.dtype().is_primitive_numeric() || column.dtype().is_bool() || column.dtype().is_decimal() || column.dtype().is_null() => {
                    columns.push(numbers(column)?);
                }
                Ok(column) => problems.push(format!("column `{name}` is not numeric: {}", kind_name(column.dtype()))),
                Err(_) => problems.push(format!("column `{name}` is missing")),
            }
        }
        if !problems.is_empty() {
            return Err(Error::data(problems.join("; ")).hint("encode it (`one_hot`, `date_parts`), give it the role `ignore`, or use `transform: auto`"));
        }
        Ok(Self { rows: frame.height(), columns })
    }

    #[must_use]
    pub fn width(&self) -> usize {
        self.columns.len()
    }
}

/// A column as f64, missing as NaN.
///
/// # Errors
/// Where the cast fails.
pub fn numbers(column: &Column) -> Result<Vec<f64>> {
    let cast = column.cast(&DataType::Float64)?;
    let floats = cast.f64()?;
    let mut values = Vec::with_capacity(floats.len());
    for chunk in floats.downcast_iter() {
        match chunk.validity() {
            None => values.extend_from_slice(chunk.values()),
            Some(_) => values.extend(chunk.iter().map(|value| value.copied().unwrap_or(f64::NAN))),
        }
    }
    Ok(values)
}
