//! A column cut into slices: which values go together, and what each slice is called.
//!
//! Texts and booleans are cut by value, the commonest [`LEVELS`] apart and the others together; so are whole numbers with no more values than that.
//! Other numbers, dates and moments are cut at edges: those that are given, or quantiles of the rows at hand, each the
//! shortest number that parts them so. A bin holds its lower edge and not its upper one. Missing values are a slice of their own.

use std::collections::BTreeMap;

use polars::prelude::*;

use crate::data::rows::kind_name;
use crate::error::{Error, Result, counted, shorten};
use crate::ml::matrix::numbers;

/// Values of a column that are slices of their own.
pub const LEVELS: usize = 24;
/// Quantile bins, where nothing is said.
pub const BINS: usize = 5;

/// How numbers are cut.
#[derive(Clone, Debug, PartialEq)]
pub enum Bins {
    /// By value or by quantiles, as the column is.
    Automatic,
    Quantiles(usize),
    /// In rising order.
    Edges(Vec<f64>),
}

/// A column's slices.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    pub column: String,
    /// What each slice is called; the last but one may hold all other values, the last one holds those that are missing.
    pub names: Vec<String>,
    rule: Rule,
}

#[derive(Clone, Debug, PartialEq)]
enum Rule {
    /// The slice of each value; others go to the last but one.
    Levels(BTreeMap<String, u32>),
    Edges(Vec<f64>),
}

/// Can a column of this type be cut?
#[must_use]
pub fn can_cut(dtype: &DataType) -> bool {
    matches!(kind_name(dtype), "boolean" | "string" | "date" | "datetime" | "integer" | "float")
}

impl Cut {
    /// Learns the slices of a column from its rows.
    ///
    /// # Errors
    /// A type that cannot be cut; bins for a column of texts.
    pub fn learn(column: &Column, bins: &Bins) -> Result<Self> {
        let name = column.name().to_string();
        let kind = kind_name(column.dtype());
        if !can_cut(column.dtype()) {
            return Err(Error::config(format!("`{}` cannot be cut into slices: it is a column of type {kind}", shorten(&name))));
        }
        let is_ordered = !matches!(kind, "boolean" | "string");
        if !is_ordered && *bins != Bins::Automatic {
            return Err(
                Error::config(format!("`{}` has no bins: it is a column of type {kind}", shorten(&name))).hint("name the column alone: each value is a slice")
            );
        }
        if column.dtype().is_temporal() && matches!(bins, Bins::Edges(_)) {
            return Err(
                Error::config(format!("`edges` are numbers, and `{}` is a column of type {kind}", shorten(&name))).hint("use `bins`, or `{name: …, where: …}`")
            );
        }
        if !is_ordered {
            return Ok(Self::by_value(name, &texts(column)?, false));
        }
        if *bins == Bins::Automatic && kind == "integer" && column.drop_nulls().n_unique()? <= LEVELS {
            return Ok(Self::by_value(name, &texts(column)?, true));
        }
        let edges = match bins {
            Bins::Edges(edges) => edges.clone(),
            Bins::Quantiles(count) => quantiles(&ordinals(column)?, *count, column.dtype().is_temporal()),
            Bins::Automatic => quantiles(&ordinals(column)?, BINS, column.dtype().is_temporal()),
        };
        let written = written(&edges, column.dtype())?;
        let mut names = match (written.first(), written.last()) {
            (Some(first), Some(last)) => {
                let between = written.windows(2).map(|pair| format!("{} ≤ {name} < {}", pair[0], pair[1]));
                [format!("{name} < {first}")].into_iter().chain(between).chain([format!("{name} ≥ {last}")]).collect()
            }
            _ => vec![format!("{name}: any")],
        };
        names.push(format!("{name} is missing"));
        Ok(Self { column: name, names, rule: Rule::Edges(edges) })
    }

    fn by_value(column: String, values: &StringChunked, are_numbers: bool) -> Self {
        let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
        for value in values.iter().flatten() {
            *rows.entry(value).or_default() += 1;
        }
        let mut order: Vec<(&str, usize)> = rows.into_iter().collect();
        if are_numbers {
            order.sort_by(|(a, _), (b, _)| a.parse::<f64>().unwrap_or(f64::NAN).total_cmp(&b.parse::<f64>().unwrap_or(f64::NAN)));
        } else {
            order.sort_by(|(a, m), (b, n)| n.cmp(m).then(a.cmp(b)));
        }
        let others = order.len().saturating_sub(LEVELS);
        order.truncate(LEVELS);
        let mut names: Vec<String> = order.iter().map(|(value, _)| format!("{column} = {}", shorten(value))).collect();
        names.push(format!("{column}: {}", counted(others as u64, "other value")));
        names.push(format!("{column} is missing"));
        let places = order.into_iter().enumerate().map(|(place, (value, _))| (value.to_owned(), place as u32)).collect();
        Self { column, names, rule: Rule::Levels(places) }
    }

    /// The slice of each row, as a place among the names.
    ///
    /// # Errors
    /// A column of another type.
    pub fn place(&self, column: &Column) -> Result<Vec<u32>> {
        let missing = self.names.len().saturating_sub(1) as u32;
        Ok(match &self.rule {
            Rule::Levels(places) => {
                texts(column)?.iter().map(|value| value.map_or(missing, |value| places.get(value).copied().unwrap_or(missing - 1))).collect()
            }
            Rule::Edges(edges) => {
                let place = |value: f64| if value.is_nan() { missing } else { edges.partition_point(|edge| *edge <= value) as u32 };
                ordinals(column)?.into_iter().map(place).collect()
            }
        })
    }

    /// The place of the slice of one value, where it has one.
    #[must_use]
    pub fn of_value(&self, value: &str) -> Option<usize> {
        match &self.rule {
            Rule::Levels(places) => places.get(value).map(|place| *place as usize),
            Rule::Edges(_) => None,
        }
    }
}

fn texts(column: &Column) -> Result<StringChunked> {
    Ok(column.cast(&DataType::String)?.str()?.clone())
}

/// Numbers, or the days or moments since 1970 in the column's own unit; missing is NaN.
fn ordinals(column: &Column) -> Result<Vec<f64>> {
    match column.dtype() {
        DataType::Date | DataType::Datetime(..) => numbers(&column.cast(&DataType::Int64)?),
        _ => numbers(column),
    }
}

/// Edges between so many bins of about as many rows, in rising order, each the shortest number that parts the same values.
fn quantiles(values: &[f64], bins: usize, is_temporal: bool) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let mut edges: Vec<f64> = (1..bins).filter_map(|bin| sorted.get(bin * sorted.len() / bins).copied()).collect();
    edges.dedup();
    let short = |edge: f64| {
        let below = sorted.partition_point(|value| *value < edge).checked_sub(1).and_then(|place| sorted.get(place).copied())?;
        Some(if is_temporal { edge } else { shortest(below, edge) })
    };
    edges.into_iter().filter_map(short).collect()
}

/// A number above `below` and not above `edge`, with few digits.
fn shortest(below: f64, edge: f64) -> f64 {
    let power = (edge - below).log10().floor() as i32;
    let rounded = |power: i32| {
        let scale = 10_f64.powi(power.abs());
        if power < 0 { (edge * scale).floor() / scale } else { (edge / scale).floor() * scale }
    };
    [power.saturating_add(1), power].into_iter().map(rounded).find(|short| *short > below && *short <= edge).unwrap_or(edge)
}

/// Edges as a person reads them.
fn written(edges: &[f64], dtype: &DataType) -> Result<Vec<String>> {
    if !dtype.is_temporal() {
        return Ok(edges.iter().map(f64::to_string).collect());
    }
    let moments = Column::new("edge".into(), edges.iter().map(|edge| edge.round() as i64).collect::<Vec<_>>()).cast(dtype)?;
    let text = texts(&moments)?;
    let full = |text: &str| text.strip_suffix(".000000").or_else(|| text.strip_suffix(".000")).unwrap_or(text).to_owned();
    Ok(text.iter().map(|text| text.map_or_else(String::new, full)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(column: &Column, bins: &Bins) -> Vec<(String, usize)> {
        let cut = Cut::learn(column, bins).unwrap();
        let places = cut.place(column).unwrap();
        cut.names
            .iter()
            .enumerate()
            .map(|(place, name)| (name.clone(), places.iter().filter(|p| **p as usize == place).count()))
            .filter(|(_, n)| *n > 0)
            .collect()
    }

    fn named(list: &[(&str, usize)]) -> Vec<(String, usize)> {
        list.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect()
    }

    #[test]
    fn columns_are_cut_by_value_or_at_stated_edges() {
        let town = Column::new("town".into(), [Some("b"), Some("a"), None, Some("b")]);
        assert_eq!(sizes(&town, &Bins::Automatic), named(&[("town = b", 2), ("town = a", 1), ("town is missing", 1)]));
        let hour = Column::new("hour".into(), [Some(10_i64), Some(9), Some(10), None]);
        assert_eq!(sizes(&hour, &Bins::Automatic), named(&[("hour = 9", 1), ("hour = 10", 2), ("hour is missing", 1)]));
        assert_eq!(sizes(&hour, &Bins::Edges(vec![10.0])), named(&[("hour < 10", 1), ("hour ≥ 10", 2), ("hour is missing", 1)]));
        let price = Column::new("price".into(), (0..100).map(|i| f64::from(i) / 7.0).collect::<Vec<_>>());
        assert_eq!(
            sizes(&price, &Bins::Quantiles(4)),
            named(&[("price < 3.5", 25), ("3.5 ≤ price < 7.1", 25), ("7.1 ≤ price < 10.7", 25), ("price ≥ 10.7", 25)])
        );
        let many = Column::new("id".into(), (0..30).map(|i| format!("{i:02}")).collect::<Vec<_>>());
        assert_eq!(sizes(&many, &Bins::Automatic).last().unwrap(), &("id: 6 other values".to_owned(), 6));
        let days = Column::new("day".into(), [0_i32, 1, 365, 366]).cast(&DataType::Date).unwrap();
        assert_eq!(sizes(&days, &Bins::Quantiles(2)), named(&[("day < 1971-01-01", 2), ("day ≥ 1971-01-01", 2)]));
        assert!(Cut::learn(&town, &Bins::Quantiles(3)).unwrap_err().to_string().contains("`town` has no bins"));
    }
}
