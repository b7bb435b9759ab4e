//! The `split` section of a recipe.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::error::shorten;

/// A part of the split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Training,
    Validation,
    Test,
}

impl Part {
    pub const ALL: [Self; 3] = [Self::Training, Self::Validation, Self::Test];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// The part that a label in a column names: `TRAINING`, `train`, `Val`, …
    pub(super) fn parse(label: &str) -> Option<Self> {
        match label.to_ascii_lowercase().as_str() {
            "training" | "train" => Some(Self::Training),
            "validation" | "val" | "valid" => Some(Self::Validation),
            "test" => Some(Self::Test),
            _ => None,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How rows are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// By a hash of the row's content and the seed: equal rows share a part, the order of rows is no matter, new rows move no old ones.
    #[default]
    #[serde(alias = "hash")]
    #[schemars(extend("x-aliases" = ["hash"]))]
    SplitRatios,
    /// By lot, with exact sizes.
    Random,
    /// By lot, with exact sizes in each class of the target (or in each tenth of a numeric one).
    Stratified,
    /// Earlier rows train, later rows test; rows of the same moment stay together.
    Time,
    /// By a hash of the group column and the seed: whole groups stay together.
    Group,
    /// As a column says: `TRAINING`, `VALIDATION` or `TEST`.
    #[serde(alias = "fixed")]
    #[schemars(extend("x-aliases" = ["fixed"]))]
    Column,
}

impl Method {
    /// The name in recipe.yaml.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SplitRatios => "split_ratios",
            Self::Random => "random",
            Self::Stratified => "stratified",
            Self::Time => "time",
            Self::Group => "group",
            Self::Column => "column",
        }
    }
}

/// Shares of training, validation and test: positive, summing to one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratios([f64; 3]);

impl Default for Ratios {
    fn default() -> Self {
        Self([0.75, 0.125, 0.125])
    }
}

/// By a visitor, so that a refused list is reported at its own path.
impl<'de> Deserialize<'de> for Ratios {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ThreeNumbers;
        impl<'de> Visitor<'de> for ThreeNumbers {
            type Value = Ratios;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of three numbers")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Ratios, A::Error> {
                let mut ratios: Vec<f64> = Vec::new();
                while let Some(ratio) = items.next_element()? {
                    ratios.push(ratio);
                }
                Ratios::parse(&ratios).map_err(A::Error::custom)
            }
        }
        deserializer.deserialize_seq(ThreeNumbers)
    }
}

impl JsonSchema for Ratios {
    fn schema_name() -> Cow<'static, str> {
        "Ratios".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Shares of training, validation and test; they are divided by their sum.",
            "type": "array", "items": {"type": "number", "exclusiveMinimum": 0}, "minItems": 3, "maxItems": 3,
        })
    }
}

impl Ratios {
    /// Three positive, finite numbers, divided by their sum.
    ///
    /// # Errors
    /// Another count of numbers, or one that is not positive and finite; in words.
    pub fn parse(ratios: &[f64]) -> Result<Self, String> {
        let three: [f64; 3] =
            ratios.try_into().map_err(|_| format!("`split_ratios` takes three numbers (training, validation, test), got {}", ratios.len()))?;
        if let Some(bad) = three.iter().find(|ratio| !(ratio.is_finite() && **ratio > 0.0)) {
            return Err(format!("`split_ratios` takes positive numbers, got `{}`", shorten(&bad.to_string())));
        }
        let sum: f64 = three.iter().sum();
        let shares = match sum {
            // What sums to one already stays as it was written.
            _ if (sum - 1.0).abs() < 1e-12 => three,
            _ if sum.is_finite() => three.map(|ratio| ratio / sum),
            _ => three.map(|ratio| ratio / 4.0 / three.iter().map(|ratio| ratio / 4.0).sum::<f64>()),
        };
        if shares.iter().any(|share| *share < 1e-9) {
            return Err("a share of `split_ratios` is smaller than one row in 10⁹".to_owned());
        }
        Ok(Self(shares))
    }

    #[must_use]
    pub fn shares(&self) -> [f64; 3] {
        self.0
    }

    /// The part of a bucket in 0 … 2⁶⁴−1: training below r₀·2⁶⁴, validation below (r₀+r₁)·2⁶⁴, else test.
    pub(super) fn part_of(&self, bucket: u64) -> Part {
        let edge = |share: f64| (share * 18_446_744_073_709_551_616.0) as u64;
        if bucket < edge(self.0[0]) {
            Part::Training
        } else if bucket < edge(self.0[0] + self.0[1]) {
            Part::Validation
        } else {
            Part::Test
        }
    }

    /// Whole rows for each part that sum to `rows`, by largest remainder; ties go to the earlier part.
    pub(super) fn quotas(&self, rows: u64) -> [u64; 3] {
        let exact = self.0.map(|share| share * rows as f64);
        let mut quotas = exact.map(|share| share.floor() as u64);
        let mut order = [0, 1, 2];
        order.sort_by(|a: &usize, b: &usize| exact[*b].fract().total_cmp(&exact[*a].fract()).then(a.cmp(b)));
        let mut left = rows.saturating_sub(quotas.iter().sum());
        for part in order.into_iter().cycle() {
            if left == 0 {
                break;
            }
            quotas[part] += 1;
            left -= 1;
        }
        quotas
    }
}

/// The `split` section.
///
/// ```yaml
/// using: time
/// columns: [pickup_at]
/// split_ratios: [0.8, 0.1, 0.1]
/// gap: 1d
/// post_split_filter: fare_amount > 0
/// apply_to: [training]
/// ```
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SplitConfig {
    pub using: Method,
    pub split_ratios: Ratios,
    /// For `split_ratios` and `group`: what is hashed. For `time`, `stratified` and `column`: the one column that decides.
    pub columns: Option<Vec<String>>,
    /// A row is kept where this SQL expression is true.
    pub post_split_filter: Option<String>,
    /// The parts that the filter is applied to.
    pub apply_to: Vec<Part>,
    /// For `time`: rows less than this before a cut are dropped (`30s`, `15m`, `12h`, `7d`, `2w`; a plain number for a column of integers).
    pub gap: Option<String>,
    /// For `time`: where validation and test begin, instead of ratios (`["2016-03-01", "2016-04-01"]`).
    pub cuts: Option<Vec<String>>,
}

impl Default for SplitConfig {
    fn default() -> Self {
        Self {
            using: Method::default(),
            split_ratios: Ratios::default(),
            columns: None,
            post_split_filter: None,
            apply_to: Part::ALL.to_vec(),
            gap: None,
            cuts: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Value, parse};

    #[test]
    fn ratios_are_three_positive_numbers_and_are_normalised() {
        assert_eq!(Ratios::parse(&[6.0, 1.0, 1.0]).unwrap(), Ratios::default());
        assert_eq!(Ratios::parse(&[1e308, 1e308, 1e308]).unwrap().shares(), [1.0 / 3.0; 3]);
        for bad in [&[0.5, 0.5][..], &[0.5, 0.5, 0.0], &[f64::NAN, 1.0, 1.0], &[2.0, -0.5, -0.5], &[f64::INFINITY, 1.0, 1.0], &[1.0, 1e-300, 1.0]] {
            assert!(Ratios::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_section_is_read_and_its_faults_have_words() {
        let ratios = |items: &[&str]| Value::List(items.iter().map(|item| Value::plain_scalar(item)).collect());
        let section = |entries: Vec<(&str, Value)>| Value::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect());
        let config: SplitConfig = parse(&section(vec![("using", Value::plain_scalar("hash")), ("split_ratios", ratios(&["2", "1", "1"]))])).unwrap();
        assert_eq!(config.using, Method::SplitRatios);
        assert_eq!(config.split_ratios.shares(), [0.5, 0.25, 0.25]);
        assert_eq!(parse::<SplitConfig>(&Value::empty()).unwrap(), SplitConfig::default());
        let faults = parse::<SplitConfig>(&section(vec![("split_ratios", ratios(&["1", "1"])), ("usng", Value::Null)])).unwrap_err();
        let words: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(words, ["`split_ratios` takes three numbers (training, validation, test), got 2", "unknown key `usng`"]);
    }

    #[test]
    fn quotas_sum_to_the_rows_and_follow_the_largest_remainder() {
        assert_eq!(Ratios::default().quotas(10), [8, 1, 1]);
        assert_eq!(Ratios::default().quotas(4), [3, 1, 0]);
        assert_eq!(Ratios::parse(&[1.0, 1.0, 1.0]).unwrap().quotas(10_000_001), [3_333_334, 3_333_334, 3_333_333]);
    }
}
