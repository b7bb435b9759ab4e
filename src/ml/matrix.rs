//! A matrix of numbers, stored column by column, with sparse columns behind them.

use std::ops::Range;

use polars::prelude::*;

use super::sparse::{Csr, Features};
use crate::data::rows::kind_name;
use crate::error::{Error, Result};

/// `rows` × features: numbers column by column, a missing value being NaN, and behind them sparse columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    pub rows: usize,
    pub columns: Vec<Vec<f64>>,
    pub blocks: Vec<Csr>,
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
        Ok(Self { rows: frame.height(), columns, blocks: Vec::new() })
    }

    /// What an estimator reads of a frame.
    ///
    /// # Errors
    /// As [`Matrix::of`]; a sparse column that is absent or none.
    pub fn read(frame: &DataFrame, features: &Features) -> Result<Self> {
        let block = |block: &super::sparse::Block| Csr::of(frame.column(&block.column)?, block.features.len());
        Ok(Self { blocks: features.blocks.iter().map(block).collect::<Result<_>>()?, ..Self::of(frame, &features.numbers)? })
    }

    /// No rows yet.
    #[must_use]
    pub fn empty(features: &Features) -> Self {
        let blocks = features.blocks.iter().map(|block| Csr::empty(block.features.len())).collect();
        Self { rows: 0, columns: vec![Vec::new(); features.numbers.len()], blocks }
    }

    /// Some of the rows.
    #[must_use]
    pub fn part(&self, rows: Range<usize>) -> Self {
        let columns = self.columns.iter().map(|column| column.get(rows.clone()).unwrap_or_default().to_vec()).collect();
        Self { rows: rows.len(), columns, blocks: self.blocks.iter().map(|block| block.part(rows.clone())).collect() }
    }

    /// The sparse columns, each with the place of its first feature.
    pub fn placed_blocks(&self) -> impl Iterator<Item = (usize, &Csr)> {
        self.blocks.iter().scan(self.columns.len(), |next, block| {
            let first = *next;
            *next += block.width;
            Some((first, block))
        })
    }

    #[must_use]
    pub fn width(&self) -> usize {
        self.columns.len() + self.blocks.iter().map(|block| block.width).sum::<usize>()
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
