//! Where rows come from, as `ingest` and `ingest_scoring` say it.
//!
//! Values are checked here once; reading trusts them afterwards. Nothing here touches a file.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::value::Fault;

/// A file format that is read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    Parquet,
    /// Separated values with a header line; `.tsv` is the same with tabs.
    Csv,
    /// JSON lines: one object a line.
    Json,
    /// An Arrow IPC file (Feather version 2).
    Arrow,
}

impl Format {
    /// The name in recipe.yaml.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Arrow => "arrow",
        }
    }

    /// The format that a file's extension says, behind `.gz` or `.zst`.
    #[must_use]
    pub fn of_name(file: &str) -> Option<Self> {
        match extension(file)?.as_str() {
            "parquet" | "pq" => Some(Self::Parquet),
            "csv" | "tsv" => Some(Self::Csv),
            "json" | "jsonl" | "ndjson" => Some(Self::Json),
            "arrow" | "feather" | "ipc" => Some(Self::Arrow),
            _ => None,
        }
    }
}

/// A file name's extension in lower case, behind `.gz` or `.zst`.
pub(super) fn extension(file: &str) -> Option<String> {
    let lower = file.rsplit('/').next()?.to_lowercase();
    let plain = [".gz", ".zst"].iter().find_map(|packed| lower.strip_suffix(packed)).unwrap_or(&lower);
    plain.rsplit_once('.').map(|(_, extension)| extension.to_owned())
}

/// How a text file's bytes stand for characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    #[default]
    Utf8,
    /// ISO 8859-1, read as its superset Windows-1252 like browsers do.
    Latin1,
    /// UTF-16 in the order its byte order mark says, little-endian without one.
    Utf16,
}

/// One string or a list of strings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct OneOrMore(pub Vec<String>);

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strings;
        impl<'de> Visitor<'de> for Strings {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E>(self, text: &str) -> Result<OneOrMore, E> {
                Ok(OneOrMore(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<OneOrMore, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(OneOrMore(list))
            }
        }
        deserializer.deserialize_any(Strings)
    }
}

impl JsonSchema for OneOrMore {
    fn schema_name() -> Cow<'static, str> {
        "OneOrMore".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // A number alone is refused, in a list it is a text: a length makes the difference.
        json_schema!({"anyOf": [{"type": "string", "minLength": 0}, {"type": "array", "items": {"type": "string"}}]})
    }
}

/// Keeps some rows only, drawn from the recipe's seed: the same ones at any thread count.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sample {
    /// This many rows, or all where there are fewer.
    Rows(u64),
    /// This share of the rows, above 0 and at most 1.
    Fraction(f64),
}

/// Reader options; all but `max_rejected` and `null_values` speak of csv only.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReadOptions {
    /// Default: a comma, in `.tsv` files a tab, with `decimal_comma` a semicolon.
    pub separator: Option<char>,
    pub has_header: bool,
    /// Texts that mean missing, besides the empty field; compared exactly, quotes taken off.
    pub null_values: OneOrMore,
    pub encoding: Encoding,
    /// Empty: quotes mean nothing.
    pub quote_char: String,
    /// Are ISO dates and times recognised, or left as text?
    pub try_parse_dates: bool,
    /// Lines above the header that are left out.
    pub skip_rows: u64,
    /// `1,5` is one and a half.
    pub decimal_comma: bool,
    /// How many malformed rows may be left out before reading fails.
    pub max_rejected: u64,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            separator: None,
            has_header: true,
            null_values: OneOrMore::default(),
            encoding: Encoding::Utf8,
            quote_char: "\"".to_owned(),
            try_parse_dates: true,
            skip_rows: 0,
            decimal_comma: false,
            max_rejected: 0,
        }
    }
}

/// Where rows come from and how to read them.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// Default: by the files' extensions.
    #[serde(default)]
    pub using: Option<Format>,
    /// Files, globs and directories, relative to the project root.
    pub location: OneOrMore,
    /// How text files are read.
    #[serde(default)]
    pub options: ReadOptions,
    /// Some of the rows only.
    #[serde(default)]
    pub sample: Option<Sample>,
}

impl SourceConfig {
    /// Are the values such that reading can begin?
    ///
    /// # Errors
    /// Every value that cannot be meant, with its path below this section.
    pub fn check(&self) -> Result<(), Vec<Fault>> {
        let mut faults = Vec::new();
        let mut fault = |path: &[&str], message: &str| {
            let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
            faults.push(Fault::new(&path, message));
        };
        if self.location.0.iter().all(|location| location.trim().is_empty()) {
            fault(&["location"], "no location is given");
        }
        let options = &self.options;
        let quote = options.quote_char.as_bytes();
        if let Some(separator) = options.separator {
            if !separator.is_ascii() || matches!(separator, '\n' | '\r' | '\0') {
                fault(&["options", "separator"], "the separator is one ASCII character, no line end");
            } else if quote == [separator as u8] {
                fault(&["options", "separator"], "the separator and the quote are the same character");
            }
        }
        if quote.len() > 1 || quote.iter().any(|byte| !byte.is_ascii() || matches!(byte, b'\n' | b'\r' | 0)) {
            fault(&["options", "quote_char"], "the quote is one ASCII character, or empty for none");
        }
        if options.decimal_comma && options.separator == Some(',') {
            fault(&["options", "decimal_comma"], "a decimal comma needs another separator than `,`");
        }
        match self.sample {
            Some(Sample::Rows(0)) => fault(&["sample", "rows"], "a sample has at least one row"),
            Some(Sample::Fraction(share)) if !(share > 0.0 && share <= 1.0) => fault(&["sample", "fraction"], "a fraction is above 0 and at most 1"),
            _ => {}
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Value, display_path, parse};

    fn value(text: &str) -> Value {
        serde_yaml::from_str::<serde_json::Value>(text).map(|v| from_json(&v)).unwrap()
    }

    fn from_json(value: &serde_json::Value) -> Value {
        match value {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(b) => Value::Bool(*b),
            serde_json::Value::Number(n) => Value::Number(n.to_string()),
            serde_json::Value::String(s) => Value::String(s.clone()),
            serde_json::Value::Array(a) => Value::List(a.iter().map(from_json).collect()),
            serde_json::Value::Object(o) => Value::Map(o.iter().map(|(k, v)| (k.clone(), from_json(v))).collect()),
        }
    }

    #[test]
    fn a_location_alone_is_a_whole_source() {
        let config: SourceConfig = parse(&value("location: data/a.csv")).unwrap();
        assert_eq!(config.location.0, ["data/a.csv"]);
        assert_eq!(config.options, ReadOptions::default());
        assert!(config.check().is_ok());
    }

    #[test]
    fn options_and_samples_are_read_and_numbers_among_null_values_stay_text() {
        let text = "{using: csv, location: [a.csv, b.csv], options: {separator: ';', null_values: [NA, -999]}, sample: {rows: 10}}";
        let config: SourceConfig = parse(&value(text)).unwrap();
        assert_eq!(config.options.null_values.0, ["NA", "-999"]);
        assert_eq!((config.using, config.sample), (Some(Format::Csv), Some(Sample::Rows(10))));
    }

    #[test]
    fn every_impossible_value_is_named() {
        let text = "{location: '', options: {separator: '\"', quote_char: ab, decimal_comma: true}, sample: {fraction: 1.5}}";
        let config: SourceConfig = parse(&value(text)).unwrap();
        let faults = config.check().unwrap_err();
        let paths: Vec<String> = faults.iter().map(|fault| display_path(&fault.path)).collect();
        assert_eq!(paths, ["location", "options.quote_char", "sample.fraction"]);
    }

    #[test]
    fn the_extension_says_the_format_behind_a_compression() {
        assert_eq!(Format::of_name("a/b.CSV.gz"), Some(Format::Csv));
        assert_eq!(Format::of_name("b.feather"), Some(Format::Arrow));
        assert_eq!(Format::of_name("b.txt"), None);
    }
}
