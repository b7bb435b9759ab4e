//! Fingerprints of rows, to find values and rows that come twice in bounded memory.
//!
//! A fingerprint is the first 128 bits of the BLAKE3 of the values' bytes: 16 bytes a row whatever the
//! row holds, and among 10⁹ rows two different ones share a fingerprint with a chance below 10⁻²⁰. Equal
//! values have equal bytes: `-0.0` is `0.0`, every NaN is the same, and each value tells its length. It is
//! not for keys that are stored: the bytes depend on the columns' types.

use polars::prelude::*;
use rayon::prelude::*;

use crate::data::kind_name;
use crate::error::{Error, Result, shorten};

/// How missing values count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// A row with one has no fingerprint.
    Skipped,
    /// A missing value equals another.
    Equal,
}

/// The fingerprint of each row over the columns, in order.
///
/// # Errors
/// A column of lists, structs or other nested values.
pub fn fingerprints(columns: &[&Column], missing: Missing) -> Result<Vec<Option<u128>>> {
    let rows = columns.first().map_or(0, |column| column.len());
    let cells: Vec<Cells> = columns.iter().map(|column| Cells::of(column)).collect::<Result<_>>()?;
    Ok((0..rows)
        .into_par_iter()
        .map_init(Vec::new, |bytes: &mut Vec<u8>, row| {
            bytes.clear();
            for column in &cells {
                let is_there = column.write(row, bytes);
                if !is_there && missing == Missing::Skipped {
                    return None;
                }
            }
            let hash = blake3::hash(bytes);
            hash.as_bytes().first_chunk::<16>().map(|first| u128::from_le_bytes(*first))
        })
        .collect())
}

/// A column's values, in one of the few forms that have bytes.
enum Cells {
    Booleans(BooleanChunked),
    Integers(Int64Chunked),
    Unsigned(UInt64Chunked),
    Floats(Float64Chunked),
    Texts(StringChunked),
    Bytes(BinaryChunked),
    Nothing,
}

impl Cells {
    fn of(column: &Column) -> Result<Self> {
        let series = column.as_materialized_series();
        Ok(match series.dtype() {
            DataType::Null => Self::Nothing,
            DataType::Boolean => Self::Booleans(series.bool()?.clone()),
            DataType::UInt64 => Self::Unsigned(series.u64()?.clone()),
            DataType::String => Self::Texts(series.str()?.clone()),
            DataType::Binary => Self::Bytes(series.binary()?.clone()),
            dtype if dtype.is_float() => Self::Floats(series.cast(&DataType::Float64)?.f64()?.clone()),
            dtype if dtype.is_decimal() => Self::Texts(series.cast(&DataType::String)?.str()?.clone()),
            dtype if dtype.is_integer() || dtype.is_temporal() => Self::Integers(series.to_physical_repr().cast(&DataType::Int64)?.i64()?.clone()),
            dtype => return Err(Error::data(format!("values of column `{}` cannot be compared: they are {}", shorten(column.name()), kind_name(dtype)))),
        })
    }

    /// Appends the value's bytes; false if it is missing.
    fn write(&self, row: usize, bytes: &mut Vec<u8>) -> bool {
        let fixed = match self {
            Self::Booleans(values) => values.get(row).map(|value| u64::from(value).to_le_bytes()),
            Self::Integers(values) => values.get(row).map(i64::to_le_bytes),
            Self::Unsigned(values) => values.get(row).map(u64::to_le_bytes),
            Self::Floats(values) => values.get(row).filter(|value| !value.is_nan()).map(|value| (value + 0.0).to_le_bytes()),
            Self::Texts(values) => return append(values.get(row).map(str::as_bytes), bytes),
            Self::Bytes(values) => return append(values.get(row), bytes),
            Self::Nothing => None,
        };
        append(fixed.as_ref().map(<[u8; 8]>::as_slice), bytes)
    }
}

fn append(value: Option<&[u8]>, bytes: &mut Vec<u8>) -> bool {
    bytes.extend(value.map_or(0, |value| value.len() as u64 + 1).to_le_bytes());
    bytes.extend(value.unwrap_or_default());
    value.is_some()
}
