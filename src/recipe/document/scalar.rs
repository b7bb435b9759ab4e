//! What a scalar means: YAML 1.2's core schema, with strict booleans and numbers as they were written.

use super::marks::At;
use super::read::Fault;
use crate::error::shorten;
use crate::value::Value;

/// What a scalar means that has one of YAML's own tags before it.
pub(super) fn tagged(text: String, core: &str, at: At) -> Result<Value, Fault> {
    let shown = shorten(&text);
    let value = match core {
        "str" => return Ok(Value::String(text)),
        "null" => return Ok(Value::Null),
        _ => plain(text, at)?,
    };
    let fits = match (core, &value) {
        ("bool", Value::Bool(_)) | ("float", Value::Number(_)) => true,
        ("int", Value::Number(text)) => text.parse::<i128>().is_ok(),
        _ => false,
    };
    if fits { Ok(value) } else { Err(Fault::new(format!("`{shown}` is no `!!{core}`"), at)) }
}

pub(super) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~") || text.eq_ignore_ascii_case("null")
}

/// What a plain scalar means.
pub(super) fn plain(text: String, at: At) -> Result<Value, Fault> {
    // Most are names.
    if text.starts_with(|c: char| c.is_ascii_alphabetic() && !matches!(c, 'n' | 'N' | 't' | 'T' | 'f' | 'F')) {
        return Ok(Value::String(text));
    }
    if is_null(&text) {
        return Ok(Value::Null);
    }
    for flag in [true, false] {
        if text.eq_ignore_ascii_case(if flag { "true" } else { "false" }) {
            return Ok(Value::Bool(flag));
        }
    }
    let unsigned = text.trim_start_matches(['+', '-']);
    if text.len() - unsigned.len() <= 1 && [".inf", ".nan"].iter().any(|word| unsigned.eq_ignore_ascii_case(word)) {
        return Err(not_finite(&text, at));
    }
    match Value::plain_scalar(&text) {
        Value::Number(_) if text.parse::<f64>().is_ok_and(f64::is_finite) => Ok(Value::Number(text)),
        Value::Number(_) => Err(not_finite(&text, at)),
        _ => Ok(whole(&text).map_or(Value::String(text), Value::Number)),
    }
}

fn not_finite(text: &str, at: At) -> Fault {
    Fault::new(format!("`{}` is no finite number", shorten(text)), at)
}

/// A whole number of 64 bits that is written as `0x1F`, `0o17`, `0b1` or with `_` between digits, in decimal digits.
fn whole(text: &str) -> Option<String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let prefixed = |prefixes: [&str; 2]| prefixes.iter().find_map(|prefix| digits.strip_prefix(prefix));
    let (radix, digits) = if let Some(rest) = prefixed(["0x", "0X"]) {
        (16, rest)
    } else if let Some(rest) = prefixed(["0o", "0O"]) {
        (8, rest)
    } else if let Some(rest) = prefixed(["0b", "0B"]) {
        (2, rest)
    } else if digits.starts_with('0') {
        return None;
    } else {
        (10, digits)
    };
    if digits.split('_').any(|group| group.is_empty() || !group.chars().all(|c| c.is_digit(radix))) {
        return None;
    }
    let digits = format!("{sign}{}", digits.replace('_', ""));
    if sign.is_empty() {
        u64::from_str_radix(&digits, radix).ok().map(|n| n.to_string())
    } else {
        i64::from_str_radix(&digits, radix).ok().map(|n| n.to_string())
    }
}
