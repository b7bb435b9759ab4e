//! Tests of data, `tests:` of recipe.yaml: a list of one-key maps.
//!
//! ```yaml
//! tests:
//!   - row_count: {min: 1000}
//!   - no_duplicates
//!   - expression: {sql: "dropoff > pickup", mostly: 0.99, severity: warn}
//!   - mean: {column: fare, min: 5, max: 30, where: "payment = 'card'"}
//! ```
//! Each may state its `severity` (`error`, or `warn`) and, but for `freshness` and `aggregate`, `where`: only rows
//! where that SQL expression is true count. Tests of rows may state `mostly`: the share of the rows looked at that must hold (default 1).
//! A missing value (null, and NaN in a float column) is not looked at, but for `not_null`, `null_share` and
//! `no_duplicates`; nor is a row where an `expression` or `column_pair` is null.
//!
//! This file is the declaration; `checks.rs` holds a table against it. Not here: whether values exist in
//! another file (`relationship`), and drift, which wants a reference.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use super::contract::{bad_regex, is_default, is_reversed};
use super::scalar::{moment, read_text};
use crate::data::{AggregateExpression, RowExpression, Scalar, Severity};
use crate::value::Fault;

/// Declares the settings of a test with the keys that all share.
macro_rules! settings {
    ($(#[$doc:meta])* rows $name:ident { $($(#[$attr:meta])* $field:ident: $type:ty,)* }) => {
        settings! {
            $(#[$doc])*
            $name {
                $($(#[$attr])* $field: $type,)*
                /// The share of the rows looked at that must hold.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                mostly: Option<f64>,
            }
        }
    };
    ($(#[$doc:meta])* $name:ident { $($(#[$attr:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$attr])* pub $field: $type,)*
            #[serde(default, skip_serializing_if = "is_default")]
            pub severity: Severity,
            /// Only rows where this is true count.
            #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
            pub only: Option<RowExpression>,
        }
    };
}

settings! {
    /// A count of rows or values between two.
    RowCount {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<u64>,
    }
}
settings! {
    /// At most this share of a column is missing.
    NullShare { column: String, max: f64, }
}
settings! {
    /// A column, and nothing more to say of it.
    rows OneColumn { column: String, }
}
settings! {
    /// A column and a list of values.
    rows Listed { column: String, values: Vec<Scalar>, }
}
settings! {
    /// Each value between two.
    rows Range {
        column: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<Scalar>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<Scalar>,
        /// The bounds themselves are refused.
        #[serde(default, skip_serializing_if = "is_default")]
        exclusive: bool,
    }
}
settings! {
    /// A regular expression is found in each text.
    rows Regex { column: String, pattern: String, }
}
settings! {
    /// Characters in each text.
    rows Characters {
        column: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<u32>,
    }
}
settings! {
    /// An SQL expression is true in each row.
    rows Expression {
        sql: RowExpression,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    }
}
settings! {
    /// One column compared with another in each row.
    rows ColumnPair { column: String, operator: Operator, other: String, }
}
settings! {
    /// No two rows are the same in these columns.
    rows Unique { columns: Vec<String>, }
}
settings! {
    /// No two rows are the same in these columns, or in all.
    rows NoDuplicates {
        #[serde(default, skip_serializing_if = "is_default")]
        columns: Vec<String>,
    }
}
settings! {
    /// Each value is at least the one before it.
    rows Increasing {
        column: String,
        /// Each is above the one before.
        #[serde(default, skip_serializing_if = "is_default")]
        strictly: bool,
    }
}
settings! {
    /// One value, or none, in all rows.
    Constant { column: String, }
}
settings! {
    /// The number of different values.
    DistinctCount {
        column: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<u64>,
    }
}
settings! {
    /// The least or greatest value of a column between two.
    Extreme {
        column: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<Scalar>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<Scalar>,
    }
}
settings! {
    /// A figure of a column between two; the standard deviation divides by n − 1.
    Figure {
        column: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<f64>,
    }
}
settings! {
    /// A quantile of a column between two, interpolated linearly as numpy does.
    Quantile {
        column: String,
        /// 0 to 1.
        q: f64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<f64>,
    }
}
settings! {
    /// Each value of a column has a share of the rows between two.
    ClassBalance {
        column: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min_share: Option<f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_share: Option<f64>,
    }
}

/// The newest moment in a column is at most so old.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freshness {
    pub column: String,
    pub max_age: Age,
    /// A fixed moment in place of the clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Scalar>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub severity: Severity,
}

/// An SQL expression over all rows is true: `AVG(tip) < 0.2 * AVG(fare)`.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aggregate {
    pub sql: AggregateExpression,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub severity: Severity,
}

/// One test, chosen by its name.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", remote = "Self")]
#[schemars(rename = "DataTest", transform = or_by_name)]
pub enum DataTest {
    RowCount(RowCount),
    NullShare(NullShare),
    NotNull(OneColumn),
    #[serde(alias = "accepted_values")]
    #[schemars(extend("x-aliases" = ["accepted_values"]))]
    In(Listed),
    NotIn(Listed),
    Range(Range),
    Regex(Regex),
    Length(Characters),
    #[serde(alias = "expression_is_true")]
    #[schemars(extend("x-aliases" = ["expression_is_true"]))]
    Expression(Expression),
    ColumnPair(ColumnPair),
    #[serde(alias = "unique_combination")]
    #[schemars(extend("x-aliases" = ["unique_combination"]))]
    Unique(Unique),
    NoDuplicates(NoDuplicates),
    Increasing(Increasing),
    Constant(Constant),
    DistinctCount(DistinctCount),
    Min(Extreme),
    Max(Extreme),
    Mean(Figure),
    Median(Figure),
    Stdev(Figure),
    Sum(Figure),
    Quantile(Quantile),
    ClassBalance(ClassBalance),
    Freshness(Freshness),
    Aggregate(Aggregate),
}

/// The test that needs no settings may stand as a name.
fn or_by_name(schema: &mut Schema) {
    if let Some(Json::Array(alternatives)) = schema.get_mut("oneOf") {
        alternatives.push(serde_json::json!({"const": "no_duplicates"}));
    }
}

/// How two columns compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, serde::Deserialize)]
pub enum Operator {
    #[serde(rename = "=", alias = "==")]
    #[schemars(extend("x-aliases" = ["=="]))]
    Equal,
    #[serde(rename = "!=", alias = "<>")]
    #[schemars(extend("x-aliases" = ["<>"]))]
    Unequal,
    #[serde(rename = "<")]
    Below,
    #[serde(rename = "<=")]
    AtMost,
    #[serde(rename = ">")]
    Above,
    #[serde(rename = ">=")]
    AtLeast,
}

impl Operator {
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Unequal => "!=",
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
        }
    }
}

/// A length of time: a whole number and `s`, `m`, `h`, `d` or `w`, such as `36h`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Age {
    seconds: i64,
    text: String,
}

impl Age {
    /// Reads `90m`, `36h`, `2d`; `None` for anything else, and above a million years.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let trimmed = text.trim();
        let (number, unit) = trimmed.split_at_checked(trimmed.len().checked_sub(1)?)?;
        let unit = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 604_800,
            _ => return None,
        };
        let number: u32 = number.trim_end().parse().ok()?;
        let seconds = i64::from(number) * unit;
        (seconds <= 31_557_600_000_000).then(|| Self { seconds, text: trimmed.to_owned() })
    }

    #[must_use]
    pub fn seconds(&self) -> i64 {
        self.seconds
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl DataTest {
    /// The name in recipe.yaml.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::RowCount(_) => "row_count",
            Self::NullShare(_) => "null_share",
            Self::NotNull(_) => "not_null",
            Self::In(_) => "in",
            Self::NotIn(_) => "not_in",
            Self::Range(_) => "range",
            Self::Regex(_) => "regex",
            Self::Length(_) => "length",
            Self::Expression(_) => "expression",
            Self::ColumnPair(_) => "column_pair",
            Self::Unique(_) => "unique",
            Self::NoDuplicates(_) => "no_duplicates",
            Self::Increasing(_) => "increasing",
            Self::Constant(_) => "constant",
            Self::DistinctCount(_) => "distinct_count",
            Self::Min(_) => "min",
            Self::Max(_) => "max",
            Self::Mean(_) => "mean",
            Self::Median(_) => "median",
            Self::Stdev(_) => "stdev",
            Self::Sum(_) => "sum",
            Self::Quantile(_) => "quantile",
            Self::ClassBalance(_) => "class_balance",
            Self::Freshness(_) => "freshness",
            Self::Aggregate(_) => "aggregate",
        }
    }

    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::RowCount(t) => t.severity,
            Self::NullShare(t) => t.severity,
            Self::NotNull(t) => t.severity,
            Self::In(t) | Self::NotIn(t) => t.severity,
            Self::Range(t) => t.severity,
            Self::Regex(t) => t.severity,
            Self::Length(t) => t.severity,
            Self::Expression(t) => t.severity,
            Self::ColumnPair(t) => t.severity,
            Self::Unique(t) => t.severity,
            Self::NoDuplicates(t) => t.severity,
            Self::Increasing(t) => t.severity,
            Self::Constant(t) => t.severity,
            Self::DistinctCount(t) => t.severity,
            Self::Min(t) | Self::Max(t) => t.severity,
            Self::Mean(t) | Self::Median(t) | Self::Stdev(t) | Self::Sum(t) => t.severity,
            Self::Quantile(t) => t.severity,
            Self::ClassBalance(t) => t.severity,
            Self::Freshness(t) => t.severity,
            Self::Aggregate(t) => t.severity,
        }
    }

    /// The rows that count, and the share of them that must hold.
    #[must_use]
    pub fn rows(&self) -> (Option<&RowExpression>, Option<f64>) {
        match self {
            Self::NotNull(t) => (t.only.as_ref(), t.mostly),
            Self::In(t) | Self::NotIn(t) => (t.only.as_ref(), t.mostly),
            Self::Range(t) => (t.only.as_ref(), t.mostly),
            Self::Regex(t) => (t.only.as_ref(), t.mostly),
            Self::Length(t) => (t.only.as_ref(), t.mostly),
            Self::Expression(t) => (t.only.as_ref(), t.mostly),
            Self::ColumnPair(t) => (t.only.as_ref(), t.mostly),
            Self::Unique(t) => (t.only.as_ref(), t.mostly),
            Self::NoDuplicates(t) => (t.only.as_ref(), t.mostly),
            Self::Increasing(t) => (t.only.as_ref(), t.mostly),
            Self::RowCount(t) => (t.only.as_ref(), None),
            Self::NullShare(t) => (t.only.as_ref(), None),
            Self::Constant(t) => (t.only.as_ref(), None),
            Self::DistinctCount(t) => (t.only.as_ref(), None),
            Self::Min(t) | Self::Max(t) => (t.only.as_ref(), None),
            Self::Mean(t) | Self::Median(t) | Self::Stdev(t) | Self::Sum(t) => (t.only.as_ref(), None),
            Self::Quantile(t) => (t.only.as_ref(), None),
            Self::ClassBalance(t) => (t.only.as_ref(), None),
            Self::Freshness(_) | Self::Aggregate(_) => (None, None),
        }
    }

    /// Checks what types alone cannot say.
    ///
    /// # Errors
    /// Every fault, with its path below the test: `range.min`.
    pub fn check(&self) -> Result<(), Vec<Fault>> {
        let mut faults = Vec::new();
        let mut fault = |key: &str, message: Option<String>| {
            let path = [self.name().to_owned(), key.to_owned()];
            faults.extend(message.map(|message| Fault::new(&path, message)));
        };
        if let (_, Some(mostly)) = self.rows() {
            fault("mostly", no_share("mostly", mostly));
        }
        match self {
            Self::RowCount(RowCount { min, max, .. }) | Self::DistinctCount(DistinctCount { min, max, .. }) => {
                fault("min", bad_bounds("min", "max", *min, *max));
            }
            Self::Length(Characters { min, max, .. }) => fault("min", bad_bounds("min", "max", *min, *max)),
            Self::Mean(Figure { min, max, .. })
            | Self::Median(Figure { min, max, .. })
            | Self::Stdev(Figure { min, max, .. })
            | Self::Sum(Figure { min, max, .. }) => fault("min", bad_bounds("min", "max", *min, *max)),
            Self::Quantile(Quantile { q, min, max, .. }) => {
                fault("q", no_share("q", *q));
                fault("min", bad_bounds("min", "max", *min, *max));
            }
            Self::Range(Range { min, max, .. }) | Self::Min(Extreme { min, max, .. }) | Self::Max(Extreme { min, max, .. }) => match (min, max) {
                (Some(min), Some(max)) => fault("min", is_reversed(min, max).then(|| format!("`min` is above `max`: {min} and {max}"))),
                _ => fault("min", bad_bounds("min", "max", min.as_ref(), max.as_ref())),
            },
            Self::NullShare(NullShare { max, .. }) => fault("max", no_share("max", *max)),
            Self::ClassBalance(ClassBalance { min_share, max_share, .. }) => {
                fault("min_share", bad_bounds("min_share", "max_share", *min_share, *max_share));
                fault("min_share", min_share.and_then(|share| no_share("min_share", share)));
                fault("max_share", max_share.and_then(|share| no_share("max_share", share)));
            }
            Self::In(Listed { values, .. }) | Self::NotIn(Listed { values, .. }) => fault("values", values.is_empty().then(|| "`values` is empty".to_owned())),
            Self::Regex(Regex { pattern, .. }) => fault("pattern", bad_regex(pattern)),
            Self::Unique(Unique { columns, .. }) => fault("columns", columns.is_empty().then(|| "`columns` is empty".to_owned())),
            Self::Freshness(Freshness { now: Some(now), .. }) => {
                fault("now", moment(now.text()).is_none().then(|| format!("not a moment: `{}`", crate::error::shorten(now.text()))));
            }
            _ => {}
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

fn no_share(key: &str, share: f64) -> Option<String> {
    (!(0.0..=1.0).contains(&share)).then(|| format!("`{key}` is a share from 0 to 1, got {share}"))
}

/// Why two bounds make no sense: neither is given, or they are the wrong way round.
fn bad_bounds<T: PartialOrd + fmt::Display>(lower: &str, upper: &str, min: Option<T>, max: Option<T>) -> Option<String> {
    match (min, max) {
        (None, None) => Some(format!("`{lower}` or `{upper}` must be given")),
        (Some(min), Some(max)) if min > max => Some(format!("`{lower}` is above `{upper}`: {min} and {max}")),
        _ => None,
    }
}

impl Serialize for DataTest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for DataTest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneKey;

        impl<'de> Visitor<'de> for OneKey {
            type Value = DataTest;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a test's name, or a map of one name")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<DataTest, E> {
                let no_settings = std::collections::BTreeMap::<String, String>::new();
                DataTest::deserialize(MapAccessDeserializer::new(MapDeserializer::new(std::iter::once((name, no_settings)))))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<DataTest, A::Error> {
                let test = DataTest::deserialize(MapAccessDeserializer::new(&mut map))?;
                match map.next_key::<String>()? {
                    None => Ok(test),
                    Some(second) => Err(de::Error::custom(format!(
                        "a test is a map of one name: found `{}` and `{}`; its settings stand a level deeper, or `-` begins the next test",
                        test.name(),
                        crate::error::shorten(&second)
                    ))),
                }
            }
        }

        deserializer.deserialize_any(OneKey)
    }
}

impl Serialize for Age {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl JsonSchema for Age {
    fn schema_name() -> Cow<'static, str> {
        "Age".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"description": "A length of time, such as `90m`, `36h` or `2d`.", "type": "string", "pattern": "^\\s*[0-9]+\\s*[smhdw]\\s*$"})
    }
}

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_text(deserializer, "a length of time such as `36h`", |text| {
            Self::parse(text).ok_or_else(|| format!("not a length of time: `{}`; write `36h`, `2d` or `90m`", crate::error::shorten(text)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Value, display_path, parse};

    fn map(entries: &[(&str, Value)]) -> Value {
        Value::Map(entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
    }

    fn text(text: &str) -> Value {
        Value::plain_scalar(text)
    }

    #[test]
    fn a_test_is_a_name_or_a_map_of_one_name_and_is_written_as_it_came() {
        let list = Value::List(vec![
            text("no_duplicates"),
            map(&[("row_count", map(&[("min", text("3"))]))]),
            map(&[("expression_is_true", map(&[("sql", text("a > b")), ("where", text("a > 0")), ("mostly", text("0.9")), ("severity", text("warn"))]))]),
            map(&[("in", map(&[("column", text("1e3")), ("values", Value::List(vec![text("007"), text("x")]))]))]),
            map(&[("freshness", map(&[("column", text("t")), ("max_age", text("36h"))]))]),
            map(&[("column_pair", map(&[("column", text("b")), ("operator", text(">=")), ("other", text("a"))]))]),
        ]);
        let tests: Vec<DataTest> = parse(&list).unwrap();
        let json = serde_json::to_string(&tests).unwrap();
        assert_eq!(
            json,
            concat!(
                r#"[{"no_duplicates":{}},{"row_count":{"min":3}},{"expression":{"sql":"a > b","mostly":0.9,"severity":"warn","where":"a > 0"}},"#,
                r#"{"in":{"column":"1e3","values":["007","x"]}},{"freshness":{"column":"t","max_age":"36h"}},"#,
                r#"{"column_pair":{"column":"b","operator":">=","other":"a"}}]"#
            )
        );
        assert_eq!(serde_json::from_str::<Vec<DataTest>>(&json).unwrap(), tests);
    }

    #[test]
    fn every_wrong_key_is_named_with_its_path() {
        let list = Value::List(vec![
            map(&[("row_cuont", map(&[]))]),
            map(&[("row_count", map(&[("mn", text("3"))]))]),
            map(&[("expression", map(&[("sql", text("SUM(a) > 0"))]))]),
            map(&[("mean", map(&[("column", text("a")), ("min", text("x")), ("mostly", text("0.5"))]))]),
            map(&[("freshness", map(&[("column", text("t")), ("max_age", text("2 days"))]))]),
            map(&[("constant", map(&[("column", text("a"))])), ("row_count", map(&[]))]),
            text("3"),
        ]);
        let faults = parse::<Vec<DataTest>>(&list).unwrap_err();
        let shown: Vec<String> = faults.iter().map(|f| format!("{}: {f} | {}", display_path(&f.path), f.hint.as_deref().unwrap_or_default())).collect();
        assert_eq!(
            shown,
            [
                "[0]: unknown value `row_cuont` | did you mean `row_count`?",
                "[1].row_count.mn: unknown key `mn` | did you mean `min`?",
                "[2].expression.sql: an aggregate here would leak: `SUM` looks at all rows, and this is worked out a row at a time: `SUM(a) > 0` (fit it on training rows with a transform, or use an aggregate in a metric or an `aggregate` test) | ",
                "[3].mean.min: expected a number, got `x` | ",
                "[3].mean.mostly: unknown key `mostly` | known here: `column`, `min`, `max`, `severity`, `where`",
                "[4].freshness.max_age: not a length of time: `2 days`; write `36h`, `2d` or `90m` | ",
                "[5]: a test is a map of one name: found `constant` and `row_count`; its settings stand a level deeper, or `-` begins the next test | ",
                "[6]: expected a test's name, or a map of one name, got `3` | ",
            ]
        );
    }

    #[test]
    fn what_types_cannot_say_is_checked() {
        let faults = |json: &str| -> Vec<String> {
            let test: DataTest = serde_json::from_str(json).unwrap();
            test.check().err().unwrap_or_default().iter().map(|f| format!("{}: {f}", display_path(&f.path))).collect()
        };
        let cases = [
            (r#"{"row_count":{}}"#, "row_count.min: `min` or `max` must be given"),
            (r#"{"row_count":{"min":5,"max":1}}"#, "row_count.min: `min` is above `max`: 5 and 1"),
            (r#"{"range":{"column":"a","min":"10","max":"9"}}"#, "range.min: `min` is above `max`: 10 and 9"),
            (r#"{"not_null":{"column":"a","mostly":1.5}}"#, "not_null.mostly: `mostly` is a share from 0 to 1, got 1.5"),
            (r#"{"null_share":{"column":"a","max":-1}}"#, "null_share.max: `max` is a share from 0 to 1, got -1"),
            (r#"{"quantile":{"column":"a","q":2,"max":1}}"#, "quantile.q: `q` is a share from 0 to 1, got 2"),
            (r#"{"regex":{"column":"a","pattern":"["}}"#, "regex.pattern: not a regular expression: `[`: unclosed character class"),
            (r#"{"freshness":{"column":"a","max_age":"2d","now":"soon"}}"#, "freshness.now: not a moment: `soon`"),
            (r#"{"class_balance":{"column":"a","min_share":0.5,"max_share":0.1}}"#, "class_balance.min_share: `min_share` is above `max_share`: 0.5 and 0.1"),
        ];
        for (json, fault) in cases {
            assert_eq!(faults(json), [fault]);
        }
        assert_eq!(faults(r#"{"range":{"column":"a","min":"9","max":"10"}}"#), Vec::<String>::new());
    }

    #[test]
    fn a_length_of_time_is_a_number_and_a_unit() {
        let seconds = |text: &str| Age::parse(text).map(|age| age.seconds());
        assert_eq!(["90m", "36h", "2d", "1w", "10s"].map(seconds), [5_400, 129_600, 172_800, 604_800, 10].map(Some));
        assert_eq!(["2", "d", "-1d", "1.5h", "2 days", "", "4294967296s", "1é"].map(seconds), [None; 8]);
    }
}
