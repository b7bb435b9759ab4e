//! Rows counted by the cells of a reference, a batch at a time.

use std::collections::{BTreeMap, HashMap};

use polars::prelude::*;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{ColumnReference, Ruler};
use crate::data::first_characters;
use crate::error::{Result, shorten};

/// Categories that the reference does not have are named up to so many.
const NEW_NAMES: usize = 1_000;

/// A column's rows by cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    pub rows: u64,
    /// Null or NaN.
    pub missing: u64,
    /// One count a cell of the ruler.
    pub cells: Vec<u64>,
    /// By how much finite numbers lie below the first edge, summed up; and above the last.
    pub below: f64,
    pub above: f64,
    /// Categories that the reference never had, with their rows; of the first thousand.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub new: BTreeMap<String, u64>,
}

impl Counts {
    #[must_use]
    pub fn empty(ruler: &Ruler) -> Self {
        Self { cells: vec![0; ruler.cells()], ..Self::default() }
    }

    /// Rows that have a value.
    #[must_use]
    pub fn present(&self) -> u64 {
        self.rows - self.missing.min(self.rows)
    }

    #[must_use]
    pub fn missing_share(&self) -> f64 {
        self.missing as f64 / self.rows.max(1) as f64
    }

    fn put(&mut self, cell: usize) {
        if let Some(count) = self.cells.get_mut(cell) {
            *count += 1;
        }
    }
}

/// Counts columns of rows that stream by.
pub struct Watch<'a> {
    columns: Vec<Watched<'a>>,
}

struct Watched<'a> {
    name: &'a str,
    ruler: &'a Ruler,
    places: HashMap<&'a str, usize>,
    counts: Counts,
}

impl<'a> Watch<'a> {
    #[must_use]
    pub fn over(columns: impl IntoIterator<Item = &'a ColumnReference>) -> Self {
        let watched = |column: &'a ColumnReference| {
            let places = match &column.ruler {
                Ruler::Categories { names, .. } => names.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect(),
                _ => HashMap::new(),
            };
            Watched { name: &column.name, ruler: &column.ruler, places, counts: Counts::empty(&column.ruler) }
        };
        Self { columns: columns.into_iter().map(watched).collect() }
    }

    /// Counts rows; a column that is not there stays uncounted.
    ///
    /// # Errors
    /// A column that cannot be read as what it was in training.
    pub fn add(&mut self, frame: &DataFrame) -> Result<()> {
        self.columns.par_iter_mut().try_for_each(|watched| match frame.column(watched.name) {
            Ok(column) => watched.add(column),
            Err(_) => Ok(()),
        })
    }

    /// The counts, in the order of the columns.
    #[must_use]
    pub fn finish(self) -> Vec<Counts> {
        self.columns.into_iter().map(|watched| watched.counts).collect()
    }
}

impl Watched<'_> {
    fn add(&mut self, column: &Column) -> Result<()> {
        self.counts.rows += column.len() as u64;
        match self.ruler {
            Ruler::Numbers { edges, .. } => {
                let numbers = column.cast(&DataType::Float64)?;
                for value in numbers.f64()?.iter() {
                    match value.filter(|value| !value.is_nan()) {
                        Some(value) => self.add_number(edges, value),
                        None => self.counts.missing += 1,
                    }
                }
            }
            Ruler::Categories { names, complete } => {
                let texts = column.cast(&DataType::String)?;
                for text in texts.str()?.iter() {
                    let Some(text) = text.map(first_characters) else {
                        self.counts.missing += 1;
                        continue;
                    };
                    let known = self.places.get(text).copied();
                    self.counts.put(known.unwrap_or(names.len()));
                    if known.is_none() && *complete {
                        self.add_new(text);
                    }
                }
            }
            Ruler::Untold => {
                let missing = column.null_count() as u64;
                self.counts.missing += missing;
                if let Some(count) = self.counts.cells.first_mut() {
                    *count += column.len() as u64 - missing;
                }
            }
        }
        Ok(())
    }

    fn add_number(&mut self, edges: &[f64], value: f64) {
        let edge = edges.partition_point(|edge| *edge < value);
        match (edges.get(edge), edges.first(), edges.last()) {
            (Some(at), ..) if *at == value => self.counts.put(2 * edge + 1),
            (_, Some(first), Some(last)) => {
                self.counts.put(2 * edge);
                if value.is_finite() {
                    self.counts.below += (first - value).max(0.0);
                    self.counts.above += (value - last).max(0.0);
                }
            }
            _ => {}
        }
    }

    fn add_new(&mut self, text: &str) {
        if let Some(count) = self.counts.new.get_mut(text) {
            *count += 1;
        } else if self.counts.new.len() < NEW_NAMES {
            self.counts.new.insert(text.to_owned(), 1);
        }
    }
}

impl ColumnReference {
    /// For each row of a column, in words, what training never had: a category, a number outside of its range, no value.
    ///
    /// # Errors
    /// A column that cannot be read as what it was in training.
    pub fn never_seen(&self, column: &Column) -> Result<Vec<Option<String>>> {
        let name = shorten(&self.name);
        let missing = || (self.counts.missing == 0 && self.counts.rows > 0).then(|| format!("`{name}` is missing"));
        Ok(match &self.ruler {
            Ruler::Numbers { least, most, .. } => {
                let judge = |value: Option<f64>| match value.filter(|value| !value.is_nan()) {
                    None => missing(),
                    Some(value) if value < *least => Some(format!("`{name}` is {value}, below {least}")),
                    Some(value) if value > *most => Some(format!("`{name}` is {value}, above {most}")),
                    Some(_) => None,
                };
                column.cast(&DataType::Float64)?.f64()?.iter().map(judge).collect()
            }
            Ruler::Categories { names, complete } => {
                let known: std::collections::HashSet<&str> = names.iter().map(String::as_str).collect();
                let judge = |value: Option<&str>| match value {
                    None => missing(),
                    Some(text) if *complete && !known.contains(first_characters(text)) => Some(format!("`{name}` is new: {}", shorten(text))),
                    Some(_) => None,
                };
                column.cast(&DataType::String)?.str()?.iter().map(judge).collect()
            }
            Ruler::Untold => column.is_null().iter().map(|is_null| is_null.unwrap_or(false).then(missing).flatten()).collect(),
        })
    }
}
