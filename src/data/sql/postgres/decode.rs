//! `PostgreSQL`'s values on the wire, as those of a table.

use std::error::Error;

use tokio_postgres::types::{FromSql, Kind as Form, Type};

use crate::data::source::cell::{Kind, Typed};
use crate::data::sql::spool::Value;

/// Days and microseconds from 1970-01-01 to 2000-01-01, from which `PostgreSQL` counts.
const DAYS: i32 = 10_957;
const MICROS: i64 = 946_684_800_000_000;
/// As many digits always survive in a 64-bit float.
const SAFE_DIGITS: usize = 15;

/// A value's bytes.
pub struct Raw<'a>(pub &'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Why a value has no place in its column.
#[derive(Debug, PartialEq)]
pub struct Why {
    pub message: String,
    pub hint: &'static str,
}

fn why(message: impl Into<String>, hint: &'static str) -> Why {
    Why { message: message.into(), hint }
}

/// The type behind a domain.
fn plain(dtype: &Type) -> &Type {
    if let Form::Domain(inside) = dtype.kind() { plain(inside) } else { dtype }
}

/// What a column of a type becomes, if it has a place in a table.
pub fn kind_of(dtype: &Type) -> Option<Kind> {
    let dtype = plain(dtype);
    if matches!(dtype.kind(), Form::Enum(_)) || dtype.name() == "citext" {
        return Some(Kind::Text);
    }
    Some(match *dtype {
        Type::BOOL => Kind::Boolean,
        Type::INT2 | Type::INT4 | Type::INT8 => Kind::Integer,
        Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC => Kind::Float,
        Type::DATE => Kind::Date,
        Type::TIMESTAMP | Type::TIMESTAMPTZ => Kind::Datetime,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => Kind::Text,
        _ => return None,
    })
}

/// A value that is not NULL.
///
/// # Errors
/// A number that a 64-bit float would change, a moment without end.
pub fn value(dtype: &Type, raw: &[u8]) -> Result<Value, Why> {
    let dtype = plain(dtype);
    let odd = || why("has a value that cannot be read", "cast it to text in the query");
    let integer = || -> Option<i64> {
        Some(match raw {
            [a, b] => i64::from(i16::from_be_bytes([*a, *b])),
            [a, b, c, d] => i64::from(i32::from_be_bytes([*a, *b, *c, *d])),
            _ => i64::from_be_bytes(raw.try_into().ok()?),
        })
    };
    Ok(match *dtype {
        Type::BOOL => Typed::Boolean(raw == [1]).into(),
        Type::INT2 | Type::INT4 | Type::INT8 => Typed::Integer(integer().ok_or_else(odd)?).into(),
        Type::FLOAT4 => Typed::Float(f64::from(f32::from_be_bytes(raw.try_into().map_err(|_| odd())?))).into(),
        Type::FLOAT8 => Typed::Float(f64::from_be_bytes(raw.try_into().map_err(|_| odd())?)).into(),
        Type::NUMERIC => Typed::Float(numeric(raw).ok_or_else(odd)??).into(),
        Type::DATE => match i32::from_be_bytes(raw.try_into().map_err(|_| odd())?) {
            i32::MAX | i32::MIN => return Err(endless()),
            days => Typed::Days(days.saturating_add(DAYS)).into(),
        },
        Type::TIMESTAMP | Type::TIMESTAMPTZ => match i64::from_be_bytes(raw.try_into().map_err(|_| odd())?) {
            i64::MAX | i64::MIN => return Err(endless()),
            micros => Typed::Micros(micros.saturating_add(MICROS)).into(),
        },
        _ => {
            let text = std::str::from_utf8(raw).map_err(|_| odd())?;
            // char(n) is filled up with blanks that mean nothing.
            Value::Text(if *dtype == Type::BPCHAR { text.trim_end_matches(' ') } else { text }.to_owned())
        }
    })
}

fn endless() -> Why {
    why("holds `infinity`", "make it a date in the query, for example `NULLIF(day, 'infinity')`")
}

/// A number of any length, where a 64-bit float gives it back as it was.
fn numeric(raw: &[u8]) -> Option<Result<f64, Why>> {
    let mut words = raw.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let (count, weight, sign, _scale) = (words.next()?, words.next()? as i16, words.next()?, words.next()?);
    match sign {
        0xC000 => return Some(Ok(f64::NAN)),
        0xD000 => return Some(Ok(f64::INFINITY)),
        0xF000 => return Some(Ok(f64::NEG_INFINITY)),
        _ => {}
    }
    let digits: String = words.take(usize::from(count)).map(|word| format!("{word:04}")).collect();
    let point = (i32::from(weight) + 1) * 4;
    let significant = digits.trim_start_matches('0');
    // The first digit stands for this power of ten.
    let exponent = point - 1 - i32::try_from(digits.len() - significant.len()).ok()?;
    let significant = significant.trim_end_matches('0');
    let mark = if sign == 0x4000 { "-" } else { "" };
    let Some((first, rest)) = significant.split_at_checked(1) else { return Some(Ok(0.0)) };
    let number: f64 = format!("{mark}{first}.{rest}e{exponent}").parse().ok()?;
    let shortest = format!("{:e}", number.abs());
    let (mantissa, power) = shortest.split_once('e')?;
    let is_same = mantissa.replace('.', "") == significant && power.parse() == Ok(exponent);
    let is_exact = rest.len() < 38 && exponent >= i32::try_from(rest.len()).ok()? && number.is_finite() && {
        let whole = format!("{significant}{}", "0".repeat(usize::try_from(exponent).ok()? - rest.len()));
        whole.len() < 38 && whole.parse::<u128>().is_ok_and(|whole| number.abs() < 1e38 && number.abs() as u128 == whole)
    };
    Some(if significant.len() <= SAFE_DIGITS && number.is_finite() || is_same || is_exact {
        Ok(number)
    } else {
        Err(why(
            format!("holds a number with {} digits, which a 64-bit float would change", significant.len()),
            "say what it shall be in the query: `::double precision`, `round(…, 6)` or `::text`",
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(words: &[u16]) -> Result<f64, Why> {
        let raw: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        numeric(&raw).unwrap()
    }

    #[test]
    fn a_decimal_is_the_float_that_gives_it_back() {
        // 12345.678, -0.00012, 0, 10000, 1152921504606846976 (2^60), NaN
        assert_eq!(number(&[3, 1, 0, 3, 1, 2345, 6780]), Ok(12_345.678));
        assert_eq!(number(&[2, 0xFFFF, 0x4000, 5, 1, 2000]), Ok(-0.000_12));
        assert_eq!(number(&[0, 0, 0, 0]), Ok(0.0));
        assert_eq!(number(&[1, 1, 0, 0, 1]), Ok(10_000.0));
        assert_eq!(number(&[5, 4, 0, 0, 115, 2921, 5046, 684, 6976]), Ok(1_152_921_504_606_846_976.0));
        assert!(number(&[0, 0, 0xC000, 0]).unwrap().is_nan());
        // 1152921504606846977, and a third to 20 digits
        let lost = number(&[5, 4, 0, 0, 115, 2921, 5046, 684, 6977]).unwrap_err();
        assert_eq!(lost.message, "holds a number with 19 digits, which a 64-bit float would change");
        assert!(number(&[5, 0xFFFF, 0, 20, 3333, 3333, 3333, 3333, 3333]).is_err());
        // 0.3333333333333333 is what a float says itself.
        assert_eq!(number(&[4, 0xFFFF, 0, 16, 3333, 3333, 3333, 3333]), Ok(0.333_333_333_333_333_3));
    }

    #[test]
    fn moments_count_from_1970() {
        assert_eq!(value(&Type::DATE, &8_825_i32.to_be_bytes()), Ok(Typed::Days(19_782).into()));
        assert_eq!(value(&Type::TIMESTAMPTZ, &(-MICROS).to_be_bytes()), Ok(Typed::Micros(0).into()));
        assert!(value(&Type::DATE, &i32::MAX.to_be_bytes()).is_err());
        assert_eq!(value(&Type::BPCHAR, b"ab  "), Ok(Value::Text("ab".into())));
        assert_eq!(kind_of(&Type::UUID), None);
    }
}
