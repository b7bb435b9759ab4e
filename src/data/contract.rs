//! The data contract, `schema:` of recipe.yaml: what each column must be and hold.
//!
//! ```yaml
//! schema:                       # or: schema: {strict: true, columns: {fare: …}}
//!   fare: {type: float, not_null: true, range: [0, 500]}
//!   payment: {type: string, in: [cash, card], severity: warn}
//! ```
//! `strict: true` refuses columns that the contract does not name. `columns` is reserved: where it is
//! there, only `strict` may stand beside it, so a column that is called `columns` needs that form.
//! A column that is called `strict` is told from the switch by its value, a map.
//!
//! Missing is null, and NaN in a float column. Only `not_null` looks at missing values; the others pass
//! them. This file is the declaration; `checks.rs` holds a table against it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use polars::prelude::{DataType, TimeUnit};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::data::Scalar;
use crate::value::Fault;

/// What each column must be and hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contract {
    pub columns: BTreeMap<String, ColumnContract>,
    /// Refuse columns that are not named.
    pub strict: bool,
    /// Columns stand under `columns:`.
    nested: bool,
}

/// What one column must be and hold. A column that is named must be there.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnContract {
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ColumnType>,
    /// No value is missing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub not_null: bool,
    /// No value comes twice.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unique: bool,
    /// Only these values.
    #[serde(rename = "in", default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<Scalar>>,
    /// Least and greatest value, both allowed; null for an open end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[Option<Scalar>; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Scalar>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Scalar>,
    /// A regular expression (Rust's syntax) that is found somewhere in each text; `^…$` for all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// Characters in each text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<Length>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub severity: Severity,
}

/// What a failure means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Warn,
    #[default]
    Error,
}

/// The type of a column, as recipe.yaml names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    #[serde(alias = "bool")]
    #[schemars(extend("x-aliases" = ["bool"]))]
    Boolean,
    #[serde(alias = "int", alias = "int64", alias = "int32", alias = "long", alias = "bigint")]
    #[schemars(extend("x-aliases" = ["int", "int64", "int32", "long", "bigint"]))]
    Integer,
    #[serde(alias = "double", alias = "float64", alias = "float32", alias = "number", alias = "decimal")]
    #[schemars(extend("x-aliases" = ["double", "float64", "float32", "number", "decimal"]))]
    Float,
    #[serde(alias = "str", alias = "text", alias = "varchar")]
    #[schemars(extend("x-aliases" = ["str", "text", "varchar"]))]
    String,
    Date,
    #[serde(alias = "timestamp")]
    #[schemars(extend("x-aliases" = ["timestamp"]))]
    Datetime,
    Time,
}

impl ColumnType {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::String => "string",
            Self::Date => "date",
            Self::Datetime => "datetime",
            Self::Time => "time",
        }
    }

    /// The type a reader should give the column.
    #[must_use]
    pub fn data_type(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::String => DataType::String,
            Self::Date => DataType::Date,
            Self::Datetime => DataType::Datetime(TimeUnit::Microseconds, None),
            Self::Time => DataType::Time,
        }
    }

    /// Is the type of a column of this kind? Any width, unit or time zone; a column of nothing but nulls is of every kind.
    #[must_use]
    pub fn fits(self, dtype: &DataType) -> bool {
        dtype.is_null() || kind_name(dtype) == self.name() || (self == Self::Float && dtype.is_decimal())
    }
}

/// The type of a column in the words of recipe.yaml.
#[must_use]
pub fn kind_name(dtype: &DataType) -> &'static str {
    match dtype {
        DataType::Boolean => "boolean",
        DataType::String => "string",
        DataType::Date => "date",
        DataType::Datetime(..) => "datetime",
        DataType::Time => "time",
        DataType::Duration(_) => "duration",
        DataType::Null => "null",
        DataType::Binary | DataType::BinaryOffset => "binary",
        DataType::List(_) => "list",
        DataType::Struct(_) => "struct",
        _ if dtype.is_integer() => "integer",
        _ if dtype.is_float() => "float",
        _ if dtype.is_decimal() => "decimal",
        _ => "other",
    }
}

/// A number of characters: exactly `3`, or from and to: `[1, 40]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length {
    pub min: u32,
    pub max: u32,
}

impl Contract {
    /// A contract over these columns.
    #[must_use]
    pub fn new(columns: BTreeMap<String, ColumnContract>, strict: bool) -> Self {
        Self { columns, strict, nested: true }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty() && !self.strict
    }

    /// The type a reader should give each column that states one.
    #[must_use]
    pub fn wanted_types(&self) -> BTreeMap<String, DataType> {
        self.columns.iter().filter_map(|(name, column)| Some((name.clone(), column.kind?.data_type()))).collect()
    }

    /// Checks what types alone cannot say.
    ///
    /// # Errors
    /// Every fault, with its path below `schema`.
    pub fn check(&self) -> Result<(), Vec<Fault>> {
        let mut faults = Vec::new();
        for (name, column) in &self.columns {
            let above: Vec<String> = if self.nested { vec!["columns".to_owned(), name.clone()] } else { vec![name.clone()] };
            column.check(&mut |key, message| {
                let path: Vec<String> = above.iter().cloned().chain([key.to_owned()]).collect();
                faults.push(Fault::new(&path, message));
            });
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

impl ColumnContract {
    /// The least and greatest value, from `range` or from `min` and `max`.
    #[must_use]
    pub fn bounds(&self) -> (Option<&Scalar>, Option<&Scalar>) {
        match &self.range {
            Some([min, max]) => (min.as_ref(), max.as_ref()),
            None => (self.min.as_ref(), self.max.as_ref()),
        }
    }

    fn check(&self, fault: &mut dyn FnMut(&str, String)) {
        if self.range.is_some() && (self.min.is_some() || self.max.is_some()) {
            fault("range", "`range` and `min` or `max` say the same: keep one".to_owned());
        }
        let (min, max) = self.bounds();
        let (lower, upper) = if self.range.is_some() { ("range", "range") } else { ("min", "max") };
        if let Some(kind) = self.kind {
            let written = [(lower, min), (upper, max)].into_iter().filter_map(|(key, value)| Some((key, value?)));
            for (key, value) in written.chain(self.values.iter().flatten().map(|value| ("in", value))) {
                if value.literal(&kind.data_type()).is_none() {
                    fault(key, format!("not a value of type {}: `{}`", kind.name(), crate::error::shorten(value.text())));
                }
            }
            for (key, given) in [("regex", self.regex.is_some()), ("length", self.length.is_some())] {
                if given && kind != ColumnType::String {
                    fault(key, format!("`{key}` is for strings, and the column is {}", kind.name()));
                }
            }
        }
        if let (Some(min), Some(max)) = (min, max)
            && is_reversed(min, max)
        {
            fault(lower, format!("the least value is above the greatest: {min} and {max}"));
        }
        if self.values.as_ref().is_some_and(Vec::is_empty) {
            fault("in", "`in` allows no value".to_owned());
        }
        if let Some(message) = self.regex.as_deref().and_then(bad_regex) {
            fault("regex", message);
        }
        if let Some(Length { min, max }) = self.length
            && min > max
        {
            fault("length", format!("the least length is above the greatest: {min} and {max}"));
        }
    }
}

/// Is the first bound above the second, as numbers or, where they are none, as texts (dates sort as texts)?
pub(super) fn is_reversed(min: &Scalar, max: &Scalar) -> bool {
    match (min.number(), max.number()) {
        (Some(min), Some(max)) => min > max,
        _ => min.text() > max.text(),
    }
}

/// Why a regular expression cannot be used.
pub(super) fn bad_regex(pattern: &str) -> Option<String> {
    let error = regex::Regex::new(pattern).err()?.to_string();
    let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
    Some(format!("not a regular expression: `{}`: {reason}", crate::error::shorten(pattern)))
}

/// For `skip_serializing_if`.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Serialize for Contract {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if self.strict {
            map.serialize_entry("strict", &true)?;
        }
        if self.nested {
            map.serialize_entry("columns", &self.columns)?;
        } else {
            for (name, column) in &self.columns {
                map.serialize_entry(name, column)?;
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Contract {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Columns;

        impl<'de> Visitor<'de> for Columns {
            type Value = Contract;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of column names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Contract, A::Error> {
                let mut contract = Contract::default();
                let mut under: Option<BTreeMap<String, ColumnContract>> = None;
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "columns" => under = Some(map.next_value()?),
                        "strict" => match map.next_value()? {
                            Strict::Switch(strict) => contract.strict = strict,
                            Strict::Column(column) => {
                                contract.columns.insert(key, column);
                            }
                        },
                        _ => {
                            contract.columns.insert(key, map.next_value()?);
                        }
                    }
                }
                if let Some(columns) = under {
                    if let Some(beside) = contract.columns.keys().next() {
                        return Err(de::Error::unknown_field(beside, &["columns", "strict"]));
                    }
                    contract.columns = columns;
                    contract.nested = true;
                }
                Ok(contract)
            }
        }

        deserializer.deserialize_map(Columns)
    }
}

impl JsonSchema for Contract {
    fn schema_name() -> Cow<'static, str> {
        "Contract".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let column = generator.subschema_for::<ColumnContract>();
        json_schema!({
            "description": "What each column must be and hold.",
            "type": ["object", "null"],
            "properties": {
                "strict": {"description": "Refuse columns that are not named.", "anyOf": [{"type": "boolean"}, column]},
                "columns": {"description": "The columns, where something stands beside them.", "type": "object", "additionalProperties": column},
            },
            "additionalProperties": column,
            "if": {"required": ["columns"]},
            "then": {"propertyNames": {"enum": ["columns", "strict"]}},
        })
    }
}

/// The switch, or a column that is called `strict`.
enum Strict {
    Switch(bool),
    Column(ColumnContract),
}

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Strict;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true or false")
            }

            fn visit_bool<E: de::Error>(self, strict: bool) -> Result<Strict, E> {
                Ok(Strict::Switch(strict))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Strict, A::Error> {
                ColumnContract::deserialize(MapAccessDeserializer::new(map)).map(Strict::Column)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl Serialize for Length {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.min == self.max { serializer.serialize_u32(self.min) } else { [self.min, self.max].serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Characters;

        impl<'de> Visitor<'de> for Characters {
            type Value = Length;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of characters or two of them: `[1, 40]`")
            }

            fn visit_u64<E: de::Error>(self, exactly: u64) -> Result<Length, E> {
                let exactly = u32::try_from(exactly).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(exactly), &self))?;
                Ok(Length { min: exactly, max: exactly })
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Length, A::Error> {
                let [min, max] = <[u32; 2]>::deserialize(de::value::SeqAccessDeserializer::new(seq))?;
                Ok(Length { min, max })
            }
        }

        deserializer.deserialize_any(Characters)
    }
}

impl JsonSchema for Length {
    fn schema_name() -> Cow<'static, str> {
        "Length".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Exactly so many, or from and to: `[1, 40]`.",
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 2, "maxItems": 2},
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Value, display_path, parse};

    fn value(json: &str) -> Value {
        fn of(json: serde_json::Value) -> Value {
            match json {
                serde_json::Value::Null => Value::Null,
                serde_json::Value::Bool(b) => Value::Bool(b),
                serde_json::Value::Number(n) => Value::Number(n.to_string()),
                serde_json::Value::String(s) => Value::String(s),
                serde_json::Value::Array(list) => Value::List(list.into_iter().map(of).collect()),
                serde_json::Value::Object(map) => Value::Map(map.into_iter().map(|(k, v)| (k, of(v))).collect()),
            }
        }
        of(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn both_forms_say_the_same_and_are_written_as_they_came() {
        for json in [
            r#"{"fare":{"type":"float","not_null":true,"range":["0",null]},"strict":{"length":3}}"#,
            r#"{"strict":true,"fare":{"min":"0","severity":"warn"}}"#,
            r#"{"strict":true,"columns":{"columns":{"type":"string","length":[1,4]}}}"#,
        ] {
            let contract: Contract = parse(&value(json)).unwrap();
            assert_eq!(serde_json::to_string(&contract).unwrap(), json);
            assert_eq!(serde_json::from_str::<Contract>(json).unwrap(), contract);
        }
    }

    #[test]
    fn types_have_aliases_and_tell_readers_what_to_read() {
        let contract: Contract = parse(&value(r#"{"a":{"type":"int"},"b":{"type":"double"},"c":{"type":"text"},"d":{"type":"bool"},"e":{}}"#)).unwrap();
        let types = [("a", DataType::Int64), ("b", DataType::Float64), ("c", DataType::String), ("d", DataType::Boolean)];
        assert_eq!(contract.wanted_types(), types.map(|(name, dtype)| (name.to_owned(), dtype)).into());
    }

    #[test]
    fn every_fault_is_named_with_its_path() {
        let contract: Contract = parse(&value(
            r#"{"columns":{
                "a":{"type":"integer","range":[5,1],"regex":"x"},
                "b":{"range":[0,1],"max":3,"regex":"(","in":[]},
                "c":{"type":"date","min":"yesterday","in":["2016-02-30"]},
                "d":{"length":[4,1]}}}"#,
        ))
        .unwrap();
        let faults: Vec<String> = contract.check().unwrap_err().iter().map(|f| format!("{}: {f}", display_path(&f.path))).collect();
        assert_eq!(
            faults,
            [
                "columns.a.regex: `regex` is for strings, and the column is integer",
                "columns.a.range: the least value is above the greatest: 5 and 1",
                "columns.b.range: `range` and `min` or `max` say the same: keep one",
                "columns.b.in: `in` allows no value",
                "columns.b.regex: not a regular expression: `(`: unclosed group",
                "columns.c.min: not a value of type date: `yesterday`",
                "columns.c.in: not a value of type date: `2016-02-30`",
                "columns.d.length: the least length is above the greatest: 4 and 1",
            ]
        );
    }

    #[test]
    fn unknown_keys_and_types_are_refused_with_the_nearest_name() {
        let faults = parse::<Contract>(&value(r#"{"fare":{"typ":"float"},"tip":{"type":"flot"},"x":{"range":[1]}}"#)).unwrap_err();
        let shown: Vec<String> = faults.iter().map(|f| format!("{}: {f} ({})", display_path(&f.path), f.hint.as_deref().unwrap_or_default())).collect();
        assert_eq!(
            shown,
            [
                "fare.typ: unknown key `typ` (did you mean `type`?)",
                "tip.type: unknown value `flot` (did you mean `float`?)",
                "x.range: invalid length 1, expected an array of length 2 ()",
            ]
        );
        let faults = parse::<Contract>(&value(r#"{"columns":{},"fare":{}}"#)).unwrap_err();
        assert_eq!(faults[0].to_string(), "unknown key `fare`");
    }
}
