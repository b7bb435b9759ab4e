//! What a text field is: the one place that says which texts are numbers, booleans, dates and times.
//!
//! The check pass classifies with it and the reading converts with it, so the two cannot disagree.
//! Texts that carry more than their number (`007`, `+49`) are not numbers: a leading zero is a code.

use chrono::{Datelike, NaiveDate, NaiveTime, Timelike};
use polars::prelude::{DataType, TimeUnit};

/// What a column holds once it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Nothing but missing values: any type would do.
    Missing,
    Boolean,
    /// 64-bit signed.
    Integer,
    /// 64-bit.
    Float,
    Date,
    /// Microseconds, without a time zone; what had one is in UTC.
    Datetime,
    Text,
}

impl Kind {
    /// The column's type in a table.
    pub fn dtype(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Date => DataType::Date,
            Self::Datetime => DataType::Datetime(TimeUnit::Microseconds, None),
            Self::Missing | Self::Text => DataType::String,
        }
    }

    /// The kind of a wanted type, if it is one that is read.
    pub fn of(dtype: &DataType) -> Option<Self> {
        match dtype {
            DataType::Boolean => Some(Self::Boolean),
            DataType::Date => Some(Self::Date),
            DataType::Datetime(..) => Some(Self::Datetime),
            DataType::String => Some(Self::Text),
            dtype if dtype.is_integer() => Some(Self::Integer),
            dtype if dtype.is_float() || dtype.is_decimal() => Some(Self::Float),
            _ => None,
        }
    }

    /// As messages name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "nothing",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Date => "date",
            Self::Datetime => "datetime",
            Self::Text => "string",
        }
    }

    /// The kind that holds both without losing anything, if there is one.
    pub fn with(self, other: Self) -> Option<Self> {
        match (self, other) {
            (a, b) if a == b => Some(a),
            (Self::Missing, kind) | (kind, Self::Missing) => Some(kind),
            (Self::Integer | Self::Float, Self::Integer | Self::Float) => Some(Self::Float),
            (Self::Date | Self::Datetime, Self::Date | Self::Datetime) => Some(Self::Datetime),
            _ => None,
        }
    }
}

/// What one field looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    Boolean,
    Integer,
    /// An integer beyond 64 bits.
    Huge,
    Float,
    /// `NaN`, `inf`, `-inf`, `infinity` in any case.
    NotFinite,
    /// `1,5`
    Comma,
    /// Digits with a leading zero or plus.
    Coded,
    Date,
    Datetime,
    /// A date and time with a time zone.
    Zoned,
    Text,
}

/// How many sorts of [`Cell`] there are.
pub const CELLS: usize = Cell::Text as usize + 1;

/// A field's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Typed {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    /// Days since 1970-01-01.
    Days(i32),
    /// Microseconds since 1970-01-01 00:00 UTC.
    Micros(i64),
}

/// What a field that is neither empty nor padded looks like.
pub fn classify(text: &[u8], dates: bool) -> Cell {
    match text.first() {
        Some(b'0'..=b'9' | b'-' | b'+' | b'.') => number(text).unwrap_or_else(|| if dates { moment(text) } else { Cell::Text }),
        Some(b't' | b'T' | b'f' | b'F') if boolean(text).is_some() => Cell::Boolean,
        Some(b'n' | b'N' | b'i' | b'I') if special(text) => Cell::NotFinite,
        _ => Cell::Text,
    }
}

/// The value of a field as `kind`; `None` where it has none. [`Kind::Text`] has no value here.
pub fn parse(text: &[u8], kind: Kind, decimal_comma: bool) -> Option<Typed> {
    let text = text.trim_ascii();
    match kind {
        Kind::Missing | Kind::Text => None,
        Kind::Boolean => match text {
            b"1" => Some(Typed::Boolean(true)),
            b"0" => Some(Typed::Boolean(false)),
            _ => boolean(text).map(Typed::Boolean),
        },
        Kind::Integer => {
            let text = std::str::from_utf8(text).ok()?;
            text.parse().ok().or_else(|| float(text.as_bytes(), decimal_comma).and_then(whole)).map(Typed::Integer)
        }
        Kind::Float => float(text, decimal_comma).map(Typed::Float),
        Kind::Date => date(text).map(|date| Typed::Days(days(date))),
        Kind::Datetime => date(text).map(|date| i64::from(days(date)) * 86_400_000_000).or_else(|| datetime(text).map(|(micros, _)| micros)).map(Typed::Micros),
    }
}

/// A float that is a whole number within ±2^53, as that number.
pub fn whole(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0).then_some(value as i64)
}

fn boolean(text: &[u8]) -> Option<bool> {
    if text.eq_ignore_ascii_case(b"true") {
        Some(true)
    } else if text.eq_ignore_ascii_case(b"false") {
        Some(false)
    } else {
        None
    }
}

/// `nan`, `inf`, `infinity` in any case, the last two with a sign.
fn special(text: &[u8]) -> bool {
    text.eq_ignore_ascii_case(b"nan") || text.eq_ignore_ascii_case(b"inf") || text.eq_ignore_ascii_case(b"infinity")
}

fn float(text: &[u8], decimal_comma: bool) -> Option<f64> {
    let cell = number(text).or_else(|| special(text).then_some(Cell::NotFinite))?;
    let text = std::str::from_utf8(text).ok()?;
    match cell {
        Cell::Comma => decimal_comma.then(|| text.replacen(',', ".", 1).parse().ok())?,
        _ => text.parse().ok(),
    }
}

/// The cell of something that is a number all through.
fn number(text: &[u8]) -> Option<Cell> {
    let (sign, rest) = match text.split_first()? {
        (sign @ (b'-' | b'+'), rest) => (Some(*sign), rest),
        _ => (None, text),
    };
    if rest.first().is_some_and(u8::is_ascii_alphabetic) {
        let infinite = special(rest) && !rest.eq_ignore_ascii_case(b"nan");
        return (infinite && sign == Some(b'-')).then_some(Cell::NotFinite);
    }
    let digits = count_digits(rest);
    let fraction = rest.get(digits..)?;
    let coded = sign == Some(b'+') || (digits > 1 && rest.first() == Some(&b'0'));
    let plain = |cell| Some(if coded { Cell::Coded } else { cell });
    match fraction.split_first() {
        None if digits == 0 => None,
        None if digits < 19 => plain(Cell::Integer),
        None => plain(if std::str::from_utf8(text).is_ok_and(|text| text.parse::<i64>().is_ok()) { Cell::Integer } else { Cell::Huge }),
        Some((b'.', rest)) => {
            let decimals = count_digits(rest);
            let end = rest.get(decimals..)?;
            (digits + decimals > 0 && (end.is_empty() || exponent(end))).then(|| plain(Cell::Float))?
        }
        Some((b',', rest)) => (digits > 0 && !rest.is_empty() && count_digits(rest) == rest.len()).then(|| plain(Cell::Comma))?,
        Some((b'e' | b'E', _)) => (digits > 0 && exponent(fraction)).then(|| plain(Cell::Float))?,
        Some(_) => None,
    }
}

fn count_digits(text: &[u8]) -> usize {
    text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len())
}

fn exponent(text: &[u8]) -> bool {
    let Some((b'e' | b'E', rest)) = text.split_first() else { return false };
    let digits = rest.strip_prefix(b"-").or_else(|| rest.strip_prefix(b"+")).unwrap_or(rest);
    !digits.is_empty() && count_digits(digits) == digits.len()
}

fn moment(text: &[u8]) -> Cell {
    if date(text).is_some() {
        return Cell::Date;
    }
    match datetime(text) {
        Some((_, false)) => Cell::Datetime,
        Some((_, true)) => Cell::Zoned,
        None => Cell::Text,
    }
}

/// `2024-06-01`
fn date(text: &[u8]) -> Option<NaiveDate> {
    match text {
        [year @ .., b'-', m1, m2, b'-', d1, d2] if year.len() == 4 => {
            NaiveDate::from_ymd_opt(i32::try_from(digits(year)?).ok()?, digits(&[*m1, *m2])?, digits(&[*d1, *d2])?)
        }
        _ => None,
    }
}

/// `2024-06-01T12:00`, with `T` or a space; seconds, up to nine decimals, `Z` or `+02:00` may follow. Microseconds in UTC, and whether a zone was given.
fn datetime(text: &[u8]) -> Option<(i64, bool)> {
    let (day, rest) = text.split_at_checked(10)?;
    let day = date(day)?;
    let (b'T' | b' ', rest) = rest.split_first()? else { return None };
    let zone_at = rest.iter().position(|byte| matches!(byte, b'Z' | b'+' | b'-')).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at_checked(zone_at)?;
    let (clock, nanos) = match clock.iter().position(|byte| *byte == b'.') {
        Some(8) => (clock.get(..8)?, fraction(clock.get(9..)?)?),
        Some(_) => return None,
        None => (clock, 0),
    };
    let time = match clock {
        [h1, h2, b':', m1, m2] => NaiveTime::from_hms_opt(digits(&[*h1, *h2])?, digits(&[*m1, *m2])?, 0)?,
        [h1, h2, b':', m1, m2, b':', s1, s2] => NaiveTime::from_hms_opt(digits(&[*h1, *h2])?, digits(&[*m1, *m2])?, digits(&[*s1, *s2])?)?,
        _ => return None,
    };
    let offset = match zone {
        [] | [b'Z'] => 0,
        [sign, h1, h2] => offset(*sign, digits(&[*h1, *h2])?, 0)?,
        [sign, h1, h2, m1, m2] | [sign, h1, h2, b':', m1, m2] => offset(*sign, digits(&[*h1, *h2])?, digits(&[*m1, *m2])?)?,
        _ => return None,
    };
    let seconds = i64::from(days(day)) * 86_400 + i64::from(time.num_seconds_from_midnight()) - offset;
    Some((seconds * 1_000_000 + i64::from(nanos / 1_000), !zone.is_empty()))
}

fn offset(sign: u8, hours: u32, minutes: u32) -> Option<i64> {
    let seconds = i64::from(hours) * 3_600 + i64::from(minutes) * 60;
    (hours <= 23 && minutes <= 59).then_some(if sign == b'-' { -seconds } else { seconds })
}

fn fraction(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > 9 {
        return None;
    }
    Some(digits(text)? * 10_u32.pow(9 - u32::try_from(text.len()).ok()?))
}

fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0_u32, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
}

fn days(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - 719_163
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_what_a_reader_would_call_them() {
        let cases: &[(&str, Cell)] = &[
            ("0", Cell::Integer),
            ("-12", Cell::Integer),
            ("9223372036854775807", Cell::Integer),
            ("-9223372036854775808", Cell::Integer),
            ("9223372036854775808", Cell::Huge),
            ("18446744073709551616", Cell::Huge),
            ("007", Cell::Coded),
            ("-01", Cell::Coded),
            ("00.5", Cell::Coded),
            ("+49", Cell::Coded),
            ("0.5", Cell::Float),
            (".5", Cell::Float),
            ("5.", Cell::Float),
            ("1e-3", Cell::Float),
            ("1.5E+10", Cell::Float),
            ("NaN", Cell::NotFinite),
            ("-inf", Cell::NotFinite),
            ("1,5", Cell::Comma),
            (".", Cell::Text),
            ("-", Cell::Text),
            ("1e", Cell::Text),
            ("1,234,5", Cell::Text),
            ("1.2.3", Cell::Text),
            ("True", Cell::Boolean),
            ("Trueish", Cell::Text),
            ("NA", Cell::Text),
            ("2024-02-29", Cell::Date),
            ("2023-02-29", Cell::Text),
            ("2024-02-29 12:30", Cell::Datetime),
            ("2024-02-29T12:30:59.123456789", Cell::Datetime),
            ("2024-02-29T12:30:59Z", Cell::Zoned),
            ("2024-02-29T12:30:59+02:00", Cell::Zoned),
            ("2024-02-29T25:00", Cell::Text),
        ];
        for (text, cell) in cases {
            assert_eq!(classify(text.as_bytes(), true), *cell, "{text}");
        }
        assert_eq!(classify(b"2024-02-29", false), Cell::Text);
    }

    #[test]
    fn values_are_those_of_the_text() {
        assert_eq!(parse(b"1970-01-02", Kind::Date, false), Some(Typed::Days(1)));
        assert_eq!(parse(b"1970-01-01T01:00:00.5+01:00", Kind::Datetime, false), Some(Typed::Micros(500_000)));
        assert_eq!(parse(b"1969-12-31", Kind::Datetime, false), Some(Typed::Micros(-86_400_000_000)));
        assert_eq!(parse(b" 3.0 ", Kind::Integer, false), Some(Typed::Integer(3)));
        assert_eq!(parse(b"3.5", Kind::Integer, false), None);
        assert_eq!(parse(b"007", Kind::Integer, false), Some(Typed::Integer(7)));
        assert_eq!(parse(b"1,5", Kind::Float, true), Some(Typed::Float(1.5)));
        assert_eq!(parse(b"1,5", Kind::Float, false), None);
        assert_eq!(parse(b"yes", Kind::Boolean, false), None);
    }
}
