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

use std::fmt;

use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Serialize, Serializer};

use super::contract::{bad_regex, is_default, is_reversed};
use super::scalar::moment;
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
        #[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
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
    rows Values { column: String, values: Vec<Scalar>, }
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
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aggregate {
    pub sql: AggregateExpression,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub severity: Severity,
}

/// One test, chosen by its name.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum DataTest {
    RowCount(RowCount),
    NullShare(NullShare),
    NotNull(OneColumn),
    #[serde(alias = "accepted_values")]
    In(Values),
    NotIn(Values),
    Range(Range),
    Regex(Regex),
    Length(Characters),
    #[serde(alias = "expression_is_true")]
    Expression(Expression),
    ColumnPair(ColumnPair),
    #[serde(alias = "unique_combination")]
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

/// How two columns compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub enum Operator {
    #[serde(rename = "=", alias = "==")]
    Equal,
    #[serde(rename = "!=", alias = "<>")]
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
        let mut fault = |key: &str, message: String| faults.push(Fault::new(&[self.name().to_owned(), key.to_owned()], message));
        let neither = |either: bool| (!either).then(|| "`min` or `max` must be given".to_owned());
        if let (_, Some(mostly)) = self.rows()
            && !(0.0..=1.0).contains(&mostly)
        {
            fault("mostly", format!("`mostly` is a share from 0 to 1, got {mostly}"));
        }
        match self {
            Self::RowCount(RowCount { min, max, .. }) | Self::DistinctCount(DistinctCount { min, max, .. }) => {
                neither(min.is_some() || max.is_some()).into_iter().for_each(|message| fault("min", message));
                crossed(*min, *max).into_iter().for_each(|message| fault("min", message));
            }
            Self::Length(Characters { min, max, .. }) => {
                neither(min.is_some() || max.is_some()).into_iter().for_each(|message| fault("min", message));
                crossed(*min, *max).into_iter().for_each(|message| fault("min", message));
            }
            Self::Mean(Figure { min, max, .. })
            | Self::Median(Figure { min, max, .. })
            | Self::Stdev(Figure { min, max, .. })
            | Self::Sum(Figure { min, max, .. })
            | Self::Quantile(Quantile { min, max, .. }) => {
                neither(min.is_some() || max.is_some()).into_iter().for_each(|message| fault("min", message));
                crossed(*min, *max).into_iter().for_each(|message| fault("min", message));
                if let Self::Quantile(Quantile { q, .. }) = self
                    && !(0.0..=1.0).contains(q)
                {
                    fault("q", format!("`q` is from 0 to 1, got {q}"));
                }
            }
            Self::Range(Range { min, max, .. }) | Self::Min(Extreme { min, max, .. }) | Self::Max(Extreme { min, max, .. }) => {
                neither(min.is_some() || max.is_some()).into_iter().for_each(|message| fault("min", message));
                if let (Some(min), Some(max)) = (min, max)
                    && is_reversed(min, max)
                {
                    fault("min", format!("`min` is above `max`: {min} and {max}"));
                }
            }
            Self::NullShare(NullShare { max, .. }) if !(0.0..=1.0).contains(max) => fault("max", format!("`max` is a share from 0 to 1, got {max}")),
            Self::ClassBalance(ClassBalance { min_share, max_share, .. }) => {
                if min_share.is_none() && max_share.is_none() {
                    fault("min_share", "`min_share` or `max_share` must be given".to_owned());
                }
                for (key, share) in [("min_share", min_share), ("max_share", max_share)] {
                    if let Some(share) = share.filter(|share| !(0.0..=1.0).contains(share)) {
                        fault(key, format!("`{key}` is a share from 0 to 1, got {share}"));
                    }
                }
                crossed(*min_share, *max_share).into_iter().for_each(|_| fault("min_share", "`min_share` is above `max_share`".to_owned()));
            }
            Self::In(Values { values, .. }) | Self::NotIn(Values { values, .. }) if values.is_empty() => fault("values", "`values` is empty".to_owned()),
            Self::Regex(Regex { pattern, .. }) => bad_regex(pattern).into_iter().for_each(|message| fault("pattern", message)),
            Self::Unique(Unique { columns, .. }) if columns.is_empty() => fault("columns", "`columns` is empty".to_owned()),
            Self::Freshness(Freshness { now: Some(now), .. }) if moment(now.text()).is_none() => {
                fault("now", format!("not a moment: `{}`", crate::error::shorten(now.text())));
            }
            _ => {}
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

fn crossed<T: PartialOrd + fmt::Display>(min: Option<T>, max: Option<T>) -> Option<String> {
    let (min, max) = min.zip(max)?;
    (min > max).then(|| format!("`min` is above `max`: {min} and {max}"))
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

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom(format!("not a length of time: `{}`; write `36h`, `2d` or `90m`", crate::error::shorten(&text))))
    }
}
