//! One column of a batch as plain wide values, and the bytes and hashes of those values.
//!
//! The split by content needs the same bytes for equal values for ever: whatever width a column happens to
//! be stored in, however it is chunked, and in whatever order rows stand. polars' own row hash promises
//! none of that. So a value is written as one tag byte and a self-delimiting body:
//!
//! | value | bytes |
//! |---|---|
//! | missing | `0` |
//! | boolean | `1`, 0 or 1 |
//! | any number that is an integer in −2⁶³ … 2⁶³−1 (`3`, `3.0`, `3.00`, −0.0 = 0) | `2`, i64 |
//! | an integer in 2⁶³ … 2⁶⁴−1 | `3`, u64 |
//! | another float | `4`, the bits of its f64 |
//! | NaN | `5` |
//! | another decimal | `6`, i128 without trailing zeros, scale |
//! | string, bytes | `7` or `8`, length as LEB128, bytes |
//! | date | `9`, days |
//! | date and time | `10`, whole seconds, nanoseconds |
//! | time of day | `11`, nanoseconds |
//! | duration | `12`, whole seconds, nanoseconds |
//!
//! All numbers are little-endian. An integer column that becomes a float column because a new file holds `1.5`
//! keeps its old rows' bytes. Column names do not enter: a row is its values in the order of the names.
//! Nested values have no canonical form; they are refused here.

use chrono::{Datelike, Timelike};
use polars::prelude::*;
use rayon::prelude::*;

use super::wide::wide;
use crate::error::{Error, Result, nearest};

/// Rows that one task hashes; a constant, so that it is no matter how many tasks there are.
const PIECE: usize = 4096;

pub(crate) type StringArray = <StringType as PolarsDataType>::Array;
type BytesArray = <BinaryType as PolarsDataType>::Array;

/// The values of a column in wide types, in one piece.
pub(crate) struct Cells {
    series: Series,
    kind: Kind,
    valid: Option<Vec<bool>>,
    flags: Vec<bool>,
}

/// What the wide values mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Missing,
    Boolean,
    Integer,
    Unsigned,
    Float,
    Decimal(usize),
    Text,
    Bytes,
    Date,
    /// Units a second since 1970.
    Instant(i64),
    Time,
    /// Units a second.
    Span(i64),
}

/// A column's values, borrowed; one entry a row.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub rows: usize,
    /// False where a value is missing; `None` where none is.
    pub valid: Option<&'a [bool]>,
    pub values: Values<'a>,
}

#[derive(Clone, Copy)]
pub(crate) enum Values<'a> {
    Missing,
    Boolean(&'a [bool]),
    Integer(&'a [i64]),
    Unsigned(&'a [u64]),
    Float(&'a [f64]),
    Decimal(&'a [i128], usize),
    Text(&'a StringArray),
    Bytes(&'a BytesArray),
    Date(&'a [i64]),
    Instant(&'a [i64], i64),
    Time(&'a [i64]),
    Span(&'a [i64], i64),
}

impl Kind {
    /// The kind of a column.
    ///
    /// # Errors
    /// A nested or unknown type.
    pub(crate) fn of(name: &str, dtype: &DataType) -> Result<Self> {
        let per_second = |unit: &TimeUnit| match unit {
            TimeUnit::Nanoseconds => 1_000_000_000,
            TimeUnit::Microseconds => 1_000_000,
            TimeUnit::Milliseconds => 1_000,
        };
        Ok(match dtype {
            DataType::Null => Self::Missing,
            DataType::Boolean => Self::Boolean,
            DataType::UInt64 => Self::Unsigned,
            dtype if dtype.is_integer() => Self::Integer,
            dtype if dtype.is_float() => Self::Float,
            DataType::Decimal(_, scale) => Self::Decimal(*scale),
            DataType::String => Self::Text,
            DataType::Binary => Self::Bytes,
            DataType::Date => Self::Date,
            DataType::Datetime(unit, _) => Self::Instant(per_second(unit)),
            DataType::Time => Self::Time,
            DataType::Duration(unit) => Self::Span(per_second(unit)),
            other => return Err(Error::data(format!("column `{name}` has a type that rows cannot be told apart by: {other}")).hint("flatten nested columns")),
        })
    }

    /// `integer`, `float`, `string`, … as cards show it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Missing => "empty",
            Self::Boolean => "boolean",
            Self::Integer | Self::Unsigned => "integer",
            Self::Float => "float",
            Self::Decimal(_) => "decimal",
            Self::Text => "string",
            Self::Bytes => "binary",
            Self::Date => "date",
            Self::Instant(_) => "datetime",
            Self::Time => "time",
            Self::Span(_) => "duration",
        }
    }

    pub(crate) fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Unsigned | Self::Float | Self::Decimal(_))
    }
}

impl Cells {
    /// A column's values.
    ///
    /// # Errors
    /// A nested or unknown type.
    pub(crate) fn of(column: &Column) -> Result<Self> {
        let kind = Kind::of(column.name(), column.dtype())?;
        let series = column.as_materialized_series().to_physical_repr().rechunk();
        let series = match kind {
            Kind::Missing | Kind::Boolean | Kind::Text | Kind::Bytes | Kind::Decimal(_) => series,
            Kind::Unsigned => series.cast(&DataType::UInt64)?,
            Kind::Float => series.cast(&DataType::Float64)?,
            Kind::Integer | Kind::Date | Kind::Instant(_) | Kind::Time | Kind::Span(_) => series.strict_cast(&DataType::Int64)?,
        };
        let valid: Option<Vec<bool>> = match series.chunks().first().and_then(|chunk| chunk.validity()) {
            Some(bits) if series.null_count() > 0 && kind != Kind::Missing => Some(booleans(bits.as_slice())),
            _ => None,
        };
        let mut flags = Vec::new();
        if kind == Kind::Boolean {
            flags = series.bool()?.downcast_iter().next().map_or_else(Vec::new, |chunk| booleans(chunk.values().as_slice()));
            flags.iter_mut().zip(valid.iter().flatten()).for_each(|(flag, valid)| *flag &= *valid);
        }
        Ok(Self { series, kind, valid, flags })
    }

    /// # Errors
    /// Never for cells made by [`Cells::of`].
    pub(crate) fn view(&self) -> Result<View<'_>> {
        fn slice<T: PolarsNumericType>(array: &ChunkedArray<T>) -> &[T::Native] {
            array.downcast_iter().next().map_or(&[], |chunk| chunk.values().as_slice())
        }
        let series = &self.series;
        let values = match self.kind {
            Kind::Missing => Values::Missing,
            Kind::Boolean => Values::Boolean(&self.flags),
            Kind::Integer => Values::Integer(slice(series.i64()?)),
            Kind::Unsigned => Values::Unsigned(slice(series.u64()?)),
            Kind::Float => Values::Float(slice(series.f64()?)),
            Kind::Decimal(scale) => Values::Decimal(slice(series.i128()?), scale),
            Kind::Text => series.str()?.downcast_iter().next().map_or(Values::Missing, Values::Text),
            Kind::Bytes => series.binary()?.downcast_iter().next().map_or(Values::Missing, Values::Bytes),
            Kind::Date => Values::Date(slice(series.i64()?)),
            Kind::Instant(per_second) => Values::Instant(slice(series.i64()?), per_second),
            Kind::Time => Values::Time(slice(series.i64()?)),
            Kind::Span(per_second) => Values::Span(slice(series.i64()?), per_second),
        };
        Ok(View { rows: series.len(), valid: self.valid.as_deref(), values })
    }
}

impl View<'_> {
    /// Is the value there? NaN counts as missing.
    #[inline]
    pub(crate) fn is_present(&self, row: usize) -> bool {
        self.is_valid(row)
            && match self.values {
                Values::Missing => false,
                Values::Float(values) => !values[row].is_nan(),
                _ => true,
            }
    }

    /// Appends the canonical bytes of the value in a row.
    #[inline]
    fn encode(&self, row: usize, out: &mut Vec<u8>) {
        if !self.is_valid(row) {
            return out.push(0);
        }
        match self.values {
            Values::Missing => out.push(0),
            Values::Boolean(values) => out.extend_from_slice(&[1, u8::from(values[row])]),
            Values::Integer(values) => tagged(out, 2, values[row].to_le_bytes()),
            Values::Unsigned(values) => match i64::try_from(values[row]) {
                Ok(small) => tagged(out, 2, small.to_le_bytes()),
                Err(_) => tagged(out, 3, values[row].to_le_bytes()),
            },
            Values::Float(values) => encode_float(values[row], out),
            Values::Decimal(values, scale) => encode_decimal(values[row], scale, out),
            Values::Text(values) => encode_bytes(7, values.value(row).as_bytes(), out),
            Values::Bytes(values) => encode_bytes(8, values.value(row), out),
            Values::Date(values) => tagged(out, 9, values[row].to_le_bytes()),
            Values::Instant(values, per_second) => encode_seconds(10, values[row], per_second, out),
            Values::Time(values) => tagged(out, 11, values[row].to_le_bytes()),
            Values::Span(values, per_second) => encode_seconds(12, values[row], per_second, out),
        }
    }

    /// A quick 64-bit hash of each row's value, for counting within this program only: equal numbers agree
    /// whatever their type, missing and NaN are [`MISSING`]. Two of 10⁷ values agree by chance once in 10⁵ columns.
    ///
    /// True where it was seen on the way that every value is there and, of numbers, finite.
    pub(crate) fn hashes(&self, out: &mut Vec<u64>) -> bool {
        out.resize(self.rows, 0);
        let mut are_all_finite = self.valid.is_none();
        match self.values {
            Values::Missing => {
                out.fill(MISSING);
                are_all_finite = false;
            }
            Values::Boolean(values) => hash_each(values, out, |v| mix(u64::from(v) ^ TAGS[0])),
            Values::Integer(values) => hash_each(values, out, |v| mix(v as u64)),
            Values::Unsigned(values) => hash_each(values, out, mix),
            Values::Float(values) if all_small(values) => hash_each(values, out, hash_small_float),
            Values::Float(values) => {
                hash_each(values, out, hash_float);
                are_all_finite = false;
            }
            Values::Decimal(values, scale) => hash_each(values, out, |v| hash_decimal(v, scale)),
            Values::Text(values) => self.hash_views(&values.to_binview(), 0, out),
            Values::Bytes(values) => self.hash_views(values, TAGS[5], out),
            Values::Date(values) => hash_each(values, out, |v| mix(v as u64 ^ TAGS[1])),
            Values::Instant(values, _) => hash_each(values, out, |v| mix(v as u64 ^ TAGS[2])),
            Values::Time(values) => hash_each(values, out, |v| mix(v as u64 ^ TAGS[3])),
            Values::Span(values, _) => hash_each(values, out, |v| mix(v as u64 ^ TAGS[4])),
        }
        if let Some(valid) = self.valid {
            wide(
                #[inline(always)]
                || out.iter_mut().zip(valid).for_each(|(hash, valid)| *hash = if *valid { *hash } else { MISSING }),
            );
        }
        are_all_finite
    }

    /// Short ones lie in their view, beside their length, and are hashed many at once.
    fn hash_views(&self, values: &BytesArray, tag: u64, out: &mut [u64]) {
        let pair = |low: u32, high: u32| u64::from(low) | (u64::from(high) << 32);
        let longest = wide(
            #[inline(always)]
            || {
                out.iter_mut().zip(values.views().as_slice()).fold(0, |longest, (out, view)| {
                    let first = mix(pair(view.length, view.prefix) ^ TAGS[4]);
                    *out = mix(first.wrapping_add(pair(view.buffer_idx, view.offset))) ^ tag;
                    longest.max(view.length)
                })
            },
        );
        if longest > IN_VIEW {
            for (row, (out, view)) in out.iter_mut().zip(values.views().as_slice()).enumerate() {
                if view.length > IN_VIEW && self.is_valid(row) {
                    *out = hash_bytes(values.value(row)) ^ tag;
                }
            }
        }
    }

    #[inline]
    fn is_valid(&self, row: usize) -> bool {
        self.valid.is_none_or(|valid| valid[row])
    }

    /// The value of a row as a reader would write it; `None` where it is missing.
    pub(crate) fn text(&self, row: usize) -> Option<String> {
        if !self.is_present(row) {
            return None;
        }
        Some(match self.values {
            Values::Missing => return None,
            Values::Boolean(values) => values[row].to_string(),
            Values::Integer(values) => values[row].to_string(),
            Values::Unsigned(values) => values[row].to_string(),
            Values::Float(values) => show_float(values[row]),
            Values::Decimal(values, scale) => show_decimal(values[row], scale),
            Values::Text(values) => values.value(row).to_owned(),
            Values::Bytes(values) => format!("{} bytes", values.value(row).len()),
            Values::Date(values) => show_date(values[row]),
            Values::Instant(values, per_second) => show_instant(values[row], per_second),
            Values::Time(values) => show_instant(values[row], 1_000_000_000).split_once(' ').map_or_else(String::new, |(_, time)| time.to_owned()),
            Values::Span(values, per_second) => format!("{} s", show_float(values[row] as f64 / per_second as f64)),
        })
    }

    /// The value of a row as an integer on the column's own scale: dates in days, instants in their unit.
    pub(crate) fn ordinal(&self, row: usize) -> Option<i64> {
        if !self.is_present(row) {
            return None;
        }
        match self.values {
            Values::Integer(values) | Values::Date(values) | Values::Instant(values, _) | Values::Time(values) | Values::Span(values, _) => Some(values[row]),
            Values::Unsigned(values) => i64::try_from(values[row]).ok(),
            _ => None,
        }
    }

    /// The value of a row as f64, for numbers only.
    #[inline]
    pub(crate) fn number(&self, row: usize) -> Option<f64> {
        if !self.is_present(row) {
            return None;
        }
        match self.values {
            Values::Integer(values) => Some(values[row] as f64),
            Values::Unsigned(values) => Some(values[row] as f64),
            Values::Float(values) => Some(values[row]),
            Values::Decimal(values, scale) => Some(decimal_number(values[row], scale)),
            _ => None,
        }
    }
}

/// The hash of a missing value.
pub(crate) const MISSING: u64 = 0x6d69_7373_696e_6721;
/// Bytes that lie in a view itself, at most (Arrow's layout of variable-size views), followed by zeros.
pub(crate) const IN_VIEW: u32 = 12;
/// Keep the kinds apart that share a representation.
const TAGS: [u64; 6] =
    [0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb, 0xd6e8_feb8_6659_fd93, 0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db];

/// A bitmap's bits, of which the first stands so many bits after the beginning of the first byte: all bits of a byte at once.
fn booleans((bytes, first, rows): (&[u8], usize, usize)) -> Vec<bool> {
    let mut flags = vec![false; bytes.len() * 8];
    let (eights, _) = flags.as_chunks_mut::<8>();
    wide(
        #[inline(always)]
        || eights.iter_mut().zip(bytes).for_each(|(flags, byte)| *flags = std::array::from_fn(|bit| byte >> bit & 1 == 1)),
    );
    flags.drain(..first);
    flags.truncate(rows);
    flags
}

fn hash_each<T: Copy>(values: &[T], out: &mut [u64], hash: impl Fn(T) -> u64) {
    wide(
        #[inline(always)]
        || out.iter_mut().zip(values).for_each(|(out, value)| *out = hash(*value)),
    );
}

/// Keeps floats that are no integers apart from integers.
const FRACTION: u64 = TAGS[2].rotate_left(7);

/// A bijection that spreads every bit over all others (the finaliser of `SplitMix64`, Steele et al. 2014).
#[inline(always)]
#[allow(clippy::inline_always, reason = "it is run in `wide`")]
pub(crate) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[inline]
fn hash_float(value: f64) -> u64 {
    if value.is_nan() {
        return MISSING;
    }
    match whole(value) {
        Some(integer) => mix(integer as u64),
        None => mix(value.to_bits() ^ FRACTION),
    }
}

/// [`hash_float`] of a float below [`MOST_ROUNDED`], without a branch, so that several are hashed at once.
#[inline(always)]
#[allow(clippy::inline_always, reason = "it is run in `wide`")]
fn hash_small_float(value: f64) -> u64 {
    let sum = value + TO_WHOLE;
    mix(if sum - TO_WHOLE == value { sum.to_bits().wrapping_sub(TO_WHOLE.to_bits()) } else { value.to_bits() ^ FRACTION })
}

fn all_small(values: &[f64]) -> bool {
    wide(
        #[inline(always)]
        || values.iter().fold(true, |all, value| all & (value.abs() < MOST_ROUNDED)),
    )
}

fn hash_decimal(value: i128, scale: usize) -> u64 {
    let (value, scale) = reduce(value, scale);
    match i64::try_from(value) {
        Ok(integer) if scale == 0 => mix(integer as u64),
        _ => mix(mix(value as u64) ^ mix((value >> 64) as u64).rotate_left(9) ^ scale as u64),
    }
}

/// Multiply-and-fold over words of eight bytes, as wyhash does, ended by [`mix`].
#[inline]
fn hash_bytes(bytes: &[u8]) -> u64 {
    let fold = |state: u64, word: u64| {
        let product = u128::from(state ^ word ^ TAGS[4]) * u128::from(TAGS[3]);
        (product as u64) ^ ((product >> 64) as u64)
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let mut state = (bytes.len() as u64).wrapping_mul(TAGS[0]);
    for word in words {
        state = fold(state, u64::from_le_bytes(*word));
    }
    let tail = rest.iter().rev().fold(0u64, |tail, byte| (tail << 8) | u64::from(*byte));
    mix(fold(state, tail))
}

/// 2⁵¹: floats within it are rounded to whole ones by adding 3·2⁵¹.
pub(crate) const MOST_ROUNDED: f64 = 2_251_799_813_685_248.0;
/// 3·2⁵¹.
pub(crate) const TO_WHOLE: f64 = 3.0 * MOST_ROUNDED;

/// The integer that a float is, if it is one in i64's range.
#[inline]
fn whole(value: f64) -> Option<i64> {
    if value.abs() < MOST_ROUNDED {
        // Rounded by a sum, whose last bits are then the integer.
        let sum = value + TO_WHOLE;
        return (sum - TO_WHOLE == value).then(|| (sum.to_bits() as i64) - (TO_WHOLE.to_bits() as i64));
    }
    let integer = value as i64;
    (integer as f64 == value && integer != i64::MAX).then_some(integer)
}

#[inline]
fn tagged(out: &mut Vec<u8>, tag: u8, body: [u8; 8]) {
    let mut bytes = [tag; 9];
    bytes[1..].copy_from_slice(&body);
    out.extend_from_slice(&bytes);
}

#[inline]
fn encode_float(value: f64, out: &mut Vec<u8>) {
    if value.is_nan() {
        out.push(5);
    } else if let Some(integer) = whole(value) {
        tagged(out, 2, integer.to_le_bytes());
    } else if (9_223_372_036_854_775_808.0..18_446_744_073_709_551_616.0).contains(&value) {
        tagged(out, 3, (value as u64).to_le_bytes());
    } else {
        tagged(out, 4, value.to_bits().to_le_bytes());
    }
}

fn encode_decimal(value: i128, scale: usize, out: &mut Vec<u8>) {
    let (value, scale) = reduce(value, scale);
    if scale == 0 {
        if let Ok(integer) = i64::try_from(value) {
            return tagged(out, 2, integer.to_le_bytes());
        }
        if let Ok(integer) = u64::try_from(value) {
            return tagged(out, 3, integer.to_le_bytes());
        }
    }
    out.push(6);
    out.extend_from_slice(&value.to_le_bytes());
    out.push(scale as u8);
}

fn encode_bytes(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
}

fn encode_seconds(tag: u8, value: i64, per_second: i64, out: &mut Vec<u8>) {
    let nanoseconds = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
    tagged(out, tag, value.div_euclid(per_second).to_le_bytes());
    out.extend_from_slice(&(nanoseconds as u32).to_le_bytes());
}

/// A decimal without the zeros that end it.
fn reduce(mut value: i128, mut scale: usize) -> (i128, usize) {
    while scale > 0 && value % 10 == 0 {
        value /= 10;
        scale -= 1;
    }
    (value, scale)
}

fn decimal_number(value: i128, scale: usize) -> f64 {
    value as f64 / 10f64.powi(scale as i32)
}

/// A float as a reader would write it.
pub(crate) fn show_float(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        "0".to_owned()
    } else if (1e-5..1e16).contains(&size) || !value.is_finite() {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}

fn show_decimal(value: i128, scale: usize) -> String {
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if value < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// Days since 1970 as `2016-02-29`.
pub(crate) fn show_date(days: i64) -> String {
    let instant = days.checked_mul(86_400).and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0));
    instant.map_or_else(|| format!("day {days}"), |instant| instant.format("%Y-%m-%d").to_string())
}

/// Units since 1970 as `2016-02-29 13:00:00`.
pub(crate) fn show_instant(value: i64, per_second: i64) -> String {
    let nanoseconds = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
    let Some(instant) = chrono::DateTime::from_timestamp(value.div_euclid(per_second), nanoseconds as u32) else { return value.to_string() };
    let year = instant.year();
    if nanoseconds != 0 || !(0..=9999).contains(&year) {
        return instant.format("%Y-%m-%d %H:%M:%S%.f").to_string();
    }
    // Whole columns are shown, and reading a format again for each value takes most of the time.
    let mut shown = String::with_capacity(19);
    for (mark, digits, number) in [
        ("", 4, year.unsigned_abs()),
        ("-", 2, instant.month()),
        ("-", 2, instant.day()),
        (" ", 2, instant.hour()),
        (":", 2, instant.minute()),
        (":", 2, instant.second()),
    ] {
        shown.push_str(mark);
        shown.extend((0..digits).rev().map(|place| char::from(b'0' + (number / 10_u32.pow(place) % 10) as u8)));
    }
    shown
}

/// The names in order; every one that is absent is named in the error.
///
/// # Errors
/// Names that the schema does not hold, each with the nearest that it does.
pub(crate) fn sorted_columns(schema: &Schema, names: &[String]) -> Result<Vec<String>> {
    let mut sorted: Vec<String> = names.to_vec();
    sorted.sort();
    sorted.dedup();
    let absent = sorted.iter().filter(|name| !schema.contains(name)).map(|name| {
        let problem = crate::error::Problem::new(format!("column `{}` is missing", crate::error::shorten(name)));
        match nearest(name, schema.iter_names().map(PlSmallStr::as_str)) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None => problem,
        }
    });
    match Error::all(crate::error::Kind::Data, absent.collect()) {
        Some(error) => Err(error),
        None => Ok(sorted),
    }
}

/// The first 16 bytes, little-endian, of blake3(`prefix` ‖ canonical bytes of the columns in the order given), for each row.
///
/// # Errors
/// A column that is absent or of a nested type.
pub(crate) fn row_hashes(batch: &DataFrame, columns: &[String], prefix: &[u8]) -> Result<Vec<u128>> {
    let cells: Vec<Cells> = columns.iter().map(|name| Cells::of(batch.column(name)?)).collect::<Result<_>>()?;
    let views: Vec<View> = cells.iter().map(Cells::view).collect::<Result<_>>()?;
    let mut hashes = vec![0u128; batch.height()];
    hashes.par_chunks_mut(PIECE).enumerate().for_each(|(piece, hashes)| {
        let mut buffer = Vec::with_capacity(prefix.len() + columns.len() * 12);
        buffer.extend_from_slice(prefix);
        for (offset, hash) in hashes.iter_mut().enumerate() {
            buffer.truncate(prefix.len());
            for view in &views {
                view.encode(piece * PIECE + offset, &mut buffer);
            }
            let digest = blake3::hash(&buffer);
            let (halves, _) = digest.as_bytes().as_chunks::<16>();
            *hash = u128::from_le_bytes(halves[0]);
        }
    });
    Ok(hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(column: &Column) -> Vec<Vec<u8>> {
        let cells = Cells::of(column).unwrap();
        let view = cells.view().unwrap();
        (0..view.rows)
            .map(|row| {
                let mut out = Vec::new();
                view.encode(row, &mut out);
                out
            })
            .collect()
    }

    #[test]
    fn equal_numbers_have_equal_bytes_in_every_width() {
        let wide = bytes(&Column::new("x".into(), [Some(1i64), None, Some(-7)]));
        for dtype in [DataType::Int8, DataType::Int32, DataType::Float32, DataType::Float64, DataType::Decimal(10, 2)] {
            let narrow = Column::new("x".into(), [Some(1i64), None, Some(-7)]).cast(&dtype).unwrap();
            assert_eq!(bytes(&narrow), wide, "{dtype}");
        }
        assert_eq!(bytes(&Column::new("x".into(), [u64::MAX]))[0][0], 3);
        assert_eq!(bytes(&Column::new("x".into(), [-0.0, f64::NAN, -f64::NAN])), bytes(&Column::new("x".into(), [0.0, -f64::NAN, f64::NAN])));
        assert_eq!(bytes(&Column::new("x".into(), [1.5f64])), bytes(&Column::new("x".into(), [1.5f32])));
    }

    #[test]
    fn whole_floats_are_found_at_every_size() {
        let powers = (0..70).map(|power| 2f64.powi(power));
        let beside = powers.flat_map(|size| [size - 1.0, size - 0.5, size, size + 0.5, size + 1.0, size * 1.1]);
        let others = [0.0, -0.0, 5e-324, 0.1, 1e300, f64::INFINITY, f64::NAN];
        for value in beside.chain(others).flat_map(|value| [value, -value]) {
            let integer = value as i64;
            assert_eq!(whole(value), (integer as f64 == value && integer != i64::MAX).then_some(integer), "{value:e}");
            // Alone it is hashed beside others, after an infinity apart from them.
            let hash = |values: &[f64]| {
                let mut hashes = Vec::new();
                Cells::of(&Column::new("x".into(), values)).unwrap().view().unwrap().hashes(&mut hashes);
                hashes.pop()
            };
            assert_eq!(hash(&[value]), hash(&[f64::INFINITY, value]), "{value:e}");
        }
    }

    #[test]
    fn texts_are_hashed_by_what_they_say_wherever_they_lie() {
        let texts: Vec<String> = (0..30).map(|length| "añb\0".chars().cycle().take(length).collect()).collect();
        let hashes = |column: &Column| {
            let mut hashes = Vec::new();
            Cells::of(column).unwrap().view().unwrap().hashes(&mut hashes);
            hashes
        };
        let column = Column::new("s".into(), &texts);
        let all = hashes(&column);
        for (row, text) in texts.iter().enumerate() {
            // Alone, short ones have no longer one beside them; in a slice or out of another text they lie elsewhere.
            let inside = Column::new("s".into(), [format!("{text}…and more")]).str().unwrap().apply(|whole| whole?.strip_suffix("…and more").map(Into::into));
            assert_eq!(hashes(&Column::new("s".into(), [text.as_str()])), all[row..=row]);
            assert_eq!(hashes(&inside.into_column()), all[row..=row]);
            assert_eq!(hashes(&column.slice(row as i64, 1)), all[row..=row]);
        }
        let bytes = hashes(&column.cast(&DataType::Binary).unwrap());
        let with_holes = hashes(&Column::new("s".into(), texts.iter().map(|text| (text.len() % 3 > 0).then_some(text.as_str())).collect::<Vec<_>>()));
        for (row, text) in texts.iter().enumerate() {
            assert_eq!(with_holes[row], if text.len() % 3 > 0 { all[row] } else { MISSING });
        }
        assert_eq!(all.iter().chain(&bytes).chain([&MISSING]).collect::<std::collections::BTreeSet<_>>().len(), 61);
    }

    #[test]
    fn an_instant_is_the_same_in_every_unit_and_apart_from_a_date() {
        let days = Column::new("t".into(), [0i32, -1]).cast(&DataType::Date).unwrap();
        let of = |unit| bytes(&days.cast(&DataType::Datetime(unit, None)).unwrap());
        assert_eq!(of(TimeUnit::Milliseconds), of(TimeUnit::Nanoseconds));
        assert_ne!(of(TimeUnit::Milliseconds), bytes(&days));
    }

    #[test]
    fn instants_are_shown_as_chrono_shows_them() {
        for value in (-40..40).map(|i| i * 9_876_543_211_i64).chain([0, 951_782_400, 253_402_300_799, 253_402_300_800]) {
            let shown = chrono::DateTime::from_timestamp(value, 0).unwrap().format("%Y-%m-%d %H:%M:%S").to_string();
            assert_eq!(show_instant(value, 1), shown);
            assert_eq!(show_instant(value * 1_000 + 50, 1_000), format!("{shown}.050"));
        }
    }

    #[test]
    fn neighbouring_strings_do_not_run_into_each_other() {
        let left = df!("a" => ["ab"], "b" => ["c"]).unwrap();
        let right = df!("a" => ["a"], "b" => ["bc"]).unwrap();
        let names = ["a".to_owned(), "b".to_owned()];
        assert_ne!(row_hashes(&left, &names, b"").unwrap(), row_hashes(&right, &names, b"").unwrap());
    }

    #[test]
    fn values_are_shown_as_a_reader_would_write_them() {
        let text = |column: Column| Cells::of(&column).unwrap().view().unwrap().text(0).unwrap();
        let decimal = Column::new("x".into(), ["-0.05"]).cast(&DataType::Decimal(10, 2)).unwrap();
        assert_eq!(text(decimal), "-0.05");
        assert_eq!(text(Column::new("x".into(), [19_000i32]).cast(&DataType::Date).unwrap()), "2022-01-08");
        assert_eq!(text(Column::new("x".into(), [1e300])), "1e300");
        let instant = Column::new("x".into(), [1_500i64]).cast(&DataType::Datetime(TimeUnit::Milliseconds, None)).unwrap();
        assert_eq!(text(instant), "1970-01-01 00:00:01.500");
    }
}
