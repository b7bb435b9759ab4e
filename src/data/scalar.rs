//! A plain value in a contract or test: kept as it was written, given a type by the column it is held against.
//!
//! `007` is a text beside a string column and a number beside an integer one; `2016-02-01` is a date
//! beside a date. It does not guess: a value that does not fit its column's type is a fault, said where
//! the types meet.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use polars::prelude::*;
use schemars::{JsonSchema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Visitor};
use serde::{Serialize, de};

/// A number, text, boolean, date, moment or time of day, as it was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Scalar(String);

impl Scalar {
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The value as one that compares with a column of this type; `None` where it does not fit.
    #[must_use]
    pub fn literal(&self, dtype: &DataType) -> Option<Expr> {
        let text = self.0.trim();
        Some(match dtype {
            DataType::Boolean => lit(text.to_ascii_lowercase().parse::<bool>().ok()?),
            DataType::String => lit(self.0.as_str()),
            DataType::Date => lit(date(text)?.signed_duration_since(NaiveDate::default()).num_days()).cast(DataType::Int32).cast(DataType::Date),
            DataType::Time => lit(time(text)?.signed_duration_since(NaiveTime::MIN).num_microseconds()? * 1_000).cast(DataType::Time),
            DataType::Datetime(unit, _) => {
                let moment = moment(text)?;
                let physical = match unit {
                    TimeUnit::Nanoseconds => moment.timestamp_nanos_opt()?,
                    TimeUnit::Microseconds => moment.timestamp_micros(),
                    TimeUnit::Milliseconds => moment.timestamp_millis(),
                };
                lit(physical).cast(dtype.clone())
            }
            _ if dtype.is_numeric() => match (text.parse::<i64>(), text.parse::<u64>()) {
                (Ok(integer), _) => lit(integer),
                (_, Ok(integer)) => lit(integer),
                _ => lit(self.number()?),
            },
            _ => return None,
        })
    }

    /// The finite number that is written here.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        self.0.trim().parse::<f64>().ok().filter(|number| number.is_finite())
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `2016-02-01`.
fn date(text: &str) -> Option<NaiveDate> {
    text.parse().ok()
}

/// `08:30` or `08:30:15.5`.
fn time(text: &str) -> Option<NaiveTime> {
    text.parse().ok().or_else(|| NaiveTime::parse_from_str(text, "%H:%M").ok())
}

/// A date (its midnight), `2016-02-01 08:30[:15]` or `2016-02-01T08:30:15+01:00`; without an offset it is taken as UTC.
#[must_use]
pub fn moment(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.with_timezone(&Utc));
    }
    if let Some(date) = date(text) {
        return Some(date.and_time(NaiveTime::MIN).and_utc());
    }
    let (day, clock) = text.split_once(['T', ' '])?;
    Some(NaiveDateTime::new(date(day)?, time(clock.trim())?).and_utc())
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_text(deserializer, "a plain value", |text| Ok(Self::new(text)))
    }
}

impl JsonSchema for Scalar {
    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> schemars::Schema {
        json_schema!({"type": ["string", "number", "boolean"]})
    }
}

/// Reads what stands as text in a configuration. Asked for a text, `value.rs` gives a scalar as it was
/// written, and gives a fault that `parse` finds the path of that text.
pub(super) fn read_text<'de, D: Deserializer<'de>, T>(deserializer: D, wanted: &'static str, parse: fn(&str) -> Result<T, String>) -> Result<T, D::Error> {
    struct Text<T> {
        wanted: &'static str,
        parse: fn(&str) -> Result<T, String>,
    }

    impl<T> Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.wanted)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            (self.parse)(text).map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Text { wanted, parse })
}
