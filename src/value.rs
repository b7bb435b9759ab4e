//! A configuration value without its file: what YAML, a profile or the command line gave.
//!
//! Scalars keep the text they were written as, so that a column called `1e3` or `007` is still that
//! string when a string is asked for. [`parse`] turns a value into a typed struct and reports *every*
//! fault with its path, not only the first. Where a path stands in a file is the business of
//! `recipe/document.rs`.

mod map;

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, Deserialize, DeserializeOwned, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::error::{nearest, shorten};
pub use map::Map;

/// A tree of configuration. Maps are sorted: the order of keys never means anything.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Value {
    #[default]
    Null,
    Bool(bool),
    /// A number, as it was written.
    Number(String),
    String(String),
    List(Vec<Value>),
    Map(Map),
}

/// A key in a map or an index in a list, from the root down.
pub type Path = Vec<String>;

/// `["steps", "train", "using"]` as `steps.train.using`; list indices as `[0]`.
#[must_use]
pub fn display_path(path: &[String]) -> String {
    let mut text = String::new();
    for part in path {
        if part.parse::<usize>().is_ok() {
            text.push_str(&format!("[{part}]"));
        } else {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(part);
        }
    }
    text
}

impl Value {
    /// An empty map.
    #[must_use]
    pub fn empty() -> Self {
        Self::Map(Map::default())
    }

    /// What a plain YAML scalar means: null, boolean (`true`/`false` only), number or string.
    #[must_use]
    pub fn plain_scalar(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Self::Null,
            "true" | "True" | "TRUE" => Self::Bool(true),
            "false" | "False" | "FALSE" => Self::Bool(false),
            _ if looks_like_number(text) => Self::Number(text.to_owned()),
            _ => Self::String(text.to_owned()),
        }
    }

    /// `map`, `list`, `string`, … as messages name it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Map(map) => map.get(key),
            _ => None,
        }
    }

    /// The value at a path of keys and indices.
    #[must_use]
    pub fn at(&self, path: &[String]) -> Option<&Value> {
        path.iter().try_fold(self, |value, part| match value {
            Self::Map(map) => map.get(part),
            Self::List(list) => part.parse::<usize>().ok().and_then(|i| list.get(i)),
            _ => None,
        })
    }

    /// The value at a path, to be changed.
    pub fn at_mut(&mut self, path: &[String]) -> Option<&mut Value> {
        path.iter().try_fold(self, |value, part| match value {
            Self::Map(map) => map.get_mut(part),
            Self::List(list) => part.parse::<usize>().ok().and_then(|i| list.get_mut(i)),
            _ => None,
        })
    }

    /// Takes a key out of a map.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        match self {
            Self::Map(map) => map.remove(key),
            _ => None,
        }
    }

    /// Everything below that is no map with keys, with the path that leads to it; `path` leads here.
    pub fn each_leaf(&self, path: &mut Path, each: &mut dyn FnMut(&Path, &Value)) {
        match self {
            Self::Map(map) if !map.is_empty() => {
                for (key, value) in map {
                    path.push(key.clone());
                    value.each_leaf(path, each);
                    path.pop();
                }
            }
            leaf => each(path, leaf),
        }
    }

    /// Removes what stands at a path; true if something did.
    pub fn remove(&mut self, path: &[String]) -> bool {
        let Some((last, parents)) = path.split_last() else { return false };
        match self.at_mut(parents) {
            Some(Self::Map(map)) => map.remove(last).is_some(),
            Some(Self::List(list)) => match last.parse::<usize>() {
                Ok(i) if i < list.len() => {
                    list.remove(i);
                    true
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// A scalar's text as it was written; `None` for lists, maps and null.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Bool(b) => Some(b.to_string()),
            Self::Number(s) | Self::String(s) => Some(s.clone()),
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }
}

fn looks_like_number(text: &str) -> bool {
    if matches!(text, ".inf" | "-.inf" | "+.inf" | ".Inf" | "-.Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && digits.contains(|c: char| c.is_ascii_digit()) && text.parse::<f64>().is_ok()
}

fn number(text: &str) -> Option<f64> {
    match text.trim_start_matches(['+', '-']).to_ascii_lowercase().as_str() {
        ".inf" => Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }),
        ".nan" => Some(f64::NAN),
        _ => text.parse().ok(),
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(b) => serializer.serialize_bool(*b),
            Self::Number(text) => {
                if let Ok(n) = text.parse::<i64>() {
                    serializer.serialize_i64(n)
                } else if let Ok(n) = text.parse::<u64>() {
                    serializer.serialize_u64(n)
                } else {
                    serializer.serialize_f64(number(text).unwrap_or(f64::NAN))
                }
            }
            Self::String(text) => serializer.serialize_str(text),
            Self::List(list) => {
                let mut seq = serializer.serialize_seq(Some(list.len()))?;
                for item in list {
                    seq.serialize_element(item)?;
                }
                seq.end()
            }
            Self::Map(map) => {
                let mut entries = serializer.serialize_map(Some(map.len()))?;
                for (key, value) in map {
                    entries.serialize_entry(key, value)?;
                }
                entries.end()
            }
        }
    }
}

/// A part of a configuration that another type keeps to read it later. Numbers keep their value, not how they were written.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
                Ok(Value::Bool(flag))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
                Ok(Value::Number(number.to_string()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
                Ok(Value::Number(number.to_string()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
                Ok(Value::Number(number.to_string()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Value, E> {
                Ok(Value::String(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Value::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
                let mut map = BTreeMap::new();
                while let Some((key, value)) = entries.next_entry()? {
                    map.insert(key, value);
                }
                Ok(Value::Map(map.into()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// What a fault is about, for whoever says it in other words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    Value,
    /// A whole number is wanted.
    WholeNumber,
    UnknownKey,
    /// The path stands for a key that is missing, so it has no place of its own.
    MissingKey,
}

/// One thing wrong with a value, at a path below the value that was parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub path: Path,
    pub message: String,
    pub hint: Option<String>,
    pub about: About,
    located: bool,
}

impl Fault {
    #[must_use]
    pub fn new(path: &[String], message: impl Into<String>) -> Self {
        Self { path: path.to_vec(), message: message.into(), hint: None, about: About::Value, located: true }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same fault seen from one key further up.
    #[must_use]
    pub fn below(mut self, key: &str) -> Self {
        self.path.insert(0, key.to_owned());
        self
    }

    /// A problem that was found apart, at a path.
    #[must_use]
    pub fn of(path: &[String], problem: crate::error::Problem) -> Self {
        Self { hint: problem.hint, ..Self::new(path, problem.message) }
    }

    fn unexpected(unexpected: &de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let wanted = expected_text(expected);
        let mut fault = <Self as de::Error>::custom(format!("expected {wanted}, got {}", unexpected_text(unexpected)));
        if wanted.starts_with("a whole number") {
            fault.about = About::WholeNumber;
        }
        fault
    }

    fn locate(mut self, path: &[String]) -> Self {
        if !self.located {
            self.located = true;
            let below = std::mem::take(&mut self.path);
            self.path = path.iter().cloned().chain(below).collect();
        }
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { path: Vec::new(), message: message.to_string(), hint: None, about: About::Value, located: false }
    }

    fn invalid_type(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::unexpected(&unexpected, expected)
    }

    fn invalid_value(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::unexpected(&unexpected, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let mut fault = Self::custom(format!("unknown value `{}`", shorten(variant)));
        fault.hint = Some(suggest(variant, expected));
        fault
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let mut fault = Self::custom(format!("unknown key `{}`", shorten(field)));
        fault.path = vec![field.to_owned()];
        fault.about = About::UnknownKey;
        fault.hint = Some(suggest(field, expected));
        fault
    }

    fn missing_field(field: &'static str) -> Self {
        let mut fault = Self::custom(format!("missing key `{field}`"));
        fault.path = vec![field.to_owned()];
        fault.about = About::MissingKey;
        fault
    }
}

/// What a type is called by those who do not write Rust.
fn expected_text(expected: &dyn de::Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "f32" | "f64" => "a number".to_owned(),
        "i8" | "i16" | "i32" | "i64" => "a whole number".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        _ if text.starts_with("struct ") => "a map".to_owned(),
        _ => text,
    }
}

fn unexpected_text(unexpected: &de::Unexpected<'_>) -> String {
    match unexpected {
        de::Unexpected::Str(text) => format!("`{}`", shorten(text)),
        de::Unexpected::Unsigned(n) => format!("`{n}`"),
        de::Unexpected::Signed(n) => format!("`{n}`"),
        de::Unexpected::Float(n) => format!("`{n}`"),
        de::Unexpected::Bool(b) => format!("`{b}`"),
        de::Unexpected::Seq => "a list".to_owned(),
        de::Unexpected::Map => "a map".to_owned(),
        de::Unexpected::Unit => "nothing".to_owned(),
        other => other.to_string(),
    }
}

/// `did you mean …` where a known name is near, else the list of them.
#[must_use]
pub fn suggest(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ")),
    }
}

/// The path that `steps.transform[1].one_hot` shows.
#[must_use]
pub fn path_of(shown: &str) -> Path {
    shown.split(['.', '[']).map(|part| part.trim_end_matches(']').to_owned()).collect()
}

/// Reads a typed struct out of a value.
///
/// # Errors
/// Every fault found, each with its path below `value`: unknown keys (with the nearest known one),
/// wrong types, missing keys, refused values.
pub fn parse<T: DeserializeOwned>(value: &Value) -> Result<T, Vec<Fault>> {
    const MANY: usize = 50;
    let mut rest = value.clone();
    let mut faults: Vec<Fault> = Vec::new();
    let mut taken_out: Vec<Path> = Vec::new();
    loop {
        let mut fault = match T::deserialize(Reader { value: &rest, path: Vec::new() }) {
            Ok(parsed) if faults.is_empty() => return Ok(parsed),
            Ok(_) => return Err(without_echoes(faults)),
            Err(fault) => fault.locate(&[]),
        };
        // Go on behind the fault: take the offending entry out, or the map that lacks a key, and read again.
        let offending: Path = if fault.about == About::MissingKey { fault.path.iter().rev().skip(1).rev().cloned().collect() } else { fault.path.clone() };
        fault.path = as_written(value, &taken_out, &fault.path);
        // What is wrong at or above a place where something was taken out is wrong because of that.
        let is_a_consequence = faults.iter().any(|earlier| earlier.path.starts_with(&fault.path));
        let went_on = rest.remove(&offending);
        taken_out.push(as_written(value, &taken_out, &offending));
        if !is_a_consequence {
            faults.push(fault);
        }
        if !went_on || faults.len() >= MANY {
            return Err(without_echoes(faults));
        }
    }
}

/// Without the missing keys that are there under a misspelt name: the unknown key says so already.
fn without_echoes(faults: Vec<Fault>) -> Vec<Fault> {
    let said: Vec<(Path, String)> =
        faults.iter().filter_map(|fault| Some((fault.path.iter().rev().skip(1).rev().cloned().collect(), fault.hint.clone()?))).collect();
    let is_echo = |fault: &Fault| {
        fault.about == About::MissingKey
            && fault.path.split_last().is_some_and(|(key, above)| said.iter().any(|(path, hint)| path == above && *hint == format!("did you mean `{key}`?")))
    };
    faults.into_iter().filter(|fault| !is_echo(fault)).collect()
}

/// A path in what is left of `value` as one in `value` itself: indices move up where items were taken out of a list.
fn as_written(value: &Value, taken_out: &[Path], path: &[String]) -> Path {
    let mut written: Path = Vec::new();
    for part in path {
        let index = if matches!(value.at(&written), Some(Value::List(_))) { part.parse::<usize>().ok() } else { None };
        written.push(part.clone());
        let Some(index) = index else { continue };
        let mut left = index;
        for candidate in 0.. {
            if let Some(last) = written.last_mut() {
                *last = candidate.to_string();
            }
            if taken_out.contains(&written) {
                continue;
            }
            if left == 0 {
                break;
            }
            left -= 1;
        }
    }
    written
}

struct Reader<'a> {
    value: &'a Value,
    path: Path,
}

impl<'a> Reader<'a> {
    fn child(&self, key: &str, value: &'a Value) -> Reader<'a> {
        let mut path = self.path.clone();
        path.push(key.to_owned());
        Reader { value, path }
    }

    fn number<'de, V: Visitor<'de>>(text: &str, visitor: V) -> Result<V::Value, Fault> {
        if let Ok(n) = text.parse::<u64>() {
            visitor.visit_u64(n)
        } else if let Ok(n) = text.parse::<i64>() {
            visitor.visit_i64(n)
        } else {
            let value = number(text).ok_or_else(|| <Fault as de::Error>::custom(format!("not a number: `{}`", shorten(text))))?;
            // A message shows the number as it was written.
            visitor
                .visit_f64(value)
                .map_err(|fault: Fault| Fault { message: fault.message.replace(&format!("`{value}`"), &format!("`{}`", shorten(text))), ..fault })
        }
    }

    fn any<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Fault> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(b) => visitor.visit_bool(*b),
            Value::Number(text) => Self::number(text, visitor),
            Value::String(text) => visitor.visit_str(text),
            Value::List(list) => {
                let items = list.iter().enumerate().map(|(i, item)| self.child(&i.to_string(), item));
                visitor.visit_seq(SeqDeserializer::new(items))
            }
            Value::Map(map) => {
                let entries = map.iter().map(|(key, value)| (key.clone(), self.child(key, value)));
                visitor.visit_map(MapDeserializer::new(entries))
            }
        }
    }
}

impl IntoDeserializer<'_, Fault> for Reader<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> de::Deserializer<'de> for Reader<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.any(visitor).map_err(|fault| fault.locate(&self.path))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.value.text() {
            Some(text) => visitor.visit_string(text),
            None => self.any(visitor),
        }
        .map_err(|fault| fault.locate(&self.path))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Fault> {
        let path = self.path.clone();
        visitor.visit_newtype_struct(self).map_err(|fault| fault.locate(&path))
    }

    fn deserialize_enum<V: Visitor<'de>>(self, _name: &'static str, _variants: &'static [&'static str], visitor: V) -> Result<V::Value, Fault> {
        let result = match self.value {
            Value::Map(map) if map.len() == 1 => match map.iter().next() {
                Some((key, value)) => visitor.visit_enum(OneKey { key: key.clone(), value: self.child(key, value) }),
                None => Err(<Fault as de::Error>::custom("expected a name or a map of one name")),
            },
            value => match value.text() {
                Some(text) => visitor.visit_enum(de::value::StringDeserializer::<Fault>::new(text)),
                None => Err(<Fault as de::Error>::custom(format!("expected a name or a map of one name, got {}", value.kind()))),
            },
        };
        result.map_err(|fault| fault.locate(&self.path))
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _name: &'static str, _fields: &'static [&'static str], visitor: V) -> Result<V::Value, Fault> {
        // serde would read a list by position.
        if let Value::List(_) = self.value {
            return Err(<Fault as de::Error>::custom("expected a map of keys, got a list").locate(&self.path));
        }
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq
        tuple tuple_struct map ignored_any
    }
}

struct OneKey<'a> {
    key: String,
    value: Reader<'a>,
}

impl<'de, 'a> de::EnumAccess<'de> for OneKey<'a> {
    type Error = Fault;
    type Variant = Reader<'a>;

    fn variant_seed<V: de::DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Reader<'a>), Fault> {
        Ok((seed.deserialize(de::value::StringDeserializer::<Fault>::new(self.key))?, self.value))
    }
}

impl<'de> de::VariantAccess<'de> for Reader<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        de::Deserialize::deserialize(self)
    }

    fn newtype_variant_seed<T: de::DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Fault> {
        de::Deserializer::deserialize_any(self, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _fields: &'static [&'static str], visitor: V) -> Result<V::Value, Fault> {
        de::Deserializer::deserialize_any(self, visitor)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        columns: Vec<String>,
        #[serde(default)]
        alpha: f64,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        seed: u64,
        inner: Option<Inner>,
    }

    fn map(entries: &[(&str, Value)]) -> Value {
        Value::Map(entries.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect())
    }

    #[test]
    fn a_number_like_name_stays_the_text_that_was_written() {
        let value = map(&[("columns", Value::List(vec![Value::plain_scalar("1e3"), Value::plain_scalar("no"), Value::plain_scalar("007")]))]);
        let inner: Inner = parse(&value).unwrap();
        assert_eq!(inner.columns, ["1e3", "no", "007"]);
    }

    #[test]
    fn all_faults_are_reported_with_their_paths() {
        let inner = map(&[("colums", Value::Null), ("alpha", Value::String("x".into())), ("columns", Value::List(vec![]))]);
        let faults = parse::<Outer>(&map(&[("seed", Value::plain_scalar("-1")), ("inner", inner)])).unwrap_err();
        let shown: Vec<String> = faults.iter().map(|f| format!("{}: {f}", display_path(&f.path))).collect();
        assert_eq!(shown, ["inner.alpha: expected a number, got `x`", "inner.colums: unknown key `colums`", "seed: expected a whole number from 0, got `-1`"]);
        assert_eq!(faults[1].hint.as_deref(), Some("did you mean `columns`?"));
    }

    #[test]
    fn faults_in_a_list_keep_their_places_and_a_missing_key_hides_no_other() {
        let item = |entries: &[(&str, &str)]| map(&entries.iter().map(|(key, text)| (*key, Value::plain_scalar(text))).collect::<Vec<_>>());
        let list = Value::List(vec![
            Value::plain_scalar("3"),
            item(&[("columns", "3")]),
            item(&[("alpha", "1")]),
            map(&[("columns", Value::List(vec![])), ("alpha", Value::plain_scalar("1"))]),
            item(&[("column", "x")]),
        ]);
        let faults = parse::<Vec<Inner>>(&list).unwrap_err();
        let shown: Vec<String> = faults.iter().map(|f| format!("{}: {f}", display_path(&f.path))).collect();
        assert_eq!(
            shown,
            ["[0]: expected a map, got `3`", "[1].columns: expected a list, got `3`", "[2].columns: missing key `columns`", "[4].column: unknown key `column`",]
        );
    }
}
