//! What is kept of the training rows, so that later ones can be held against them.

use serde::{Deserialize, Serialize};

use super::count::{Counts, Watch};
use crate::data::{ProfiledColumn, Roles, Table, profile};
use crate::error::Result;

/// A numeric column with at most so many values has each of them as an edge.
const FEW_VALUES: usize = 100;

/// The columns a model reads, and its predictions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// Raw columns on training rows.
    pub columns: Vec<ColumnReference>,
    /// What the model said on validation rows: the number, or the label.
    pub prediction: Option<ColumnReference>,
}

/// A column, as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnReference {
    pub name: String,
    pub ruler: Ruler,
    pub counts: Counts,
}

/// By what the values of a column are counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruler {
    /// Edges in rising order. The cells are what lies below e₀, e₀ itself, what lies between e₀ and e₁, e₁ itself, …, what lies above eₙ.
    Numbers {
        edges: Vec<f64>,
        /// Those of them that a histogram is drawn with.
        drawn: Vec<f64>,
        /// Standard deviation, with n − 1; 0 where there is none.
        deviation: f64,
        least: f64,
        most: f64,
    },
    /// A cell for each of these, the most frequent first, and one for all others.
    Categories {
        names: Vec<String>,
        /// The reference had no others.
        complete: bool,
    },
    /// Dates, times and columns without a value: one cell.
    Untold,
}

impl ColumnReference {
    /// Columns of a table, in the order of `names`; those that the table does not have are left out.
    ///
    /// # Errors
    /// Columns of nested types; a query that fails.
    pub fn of(table: &Table, names: &[String]) -> Result<Vec<Self>> {
        let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| table.has(name)).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let only = table.select(names.iter().copied())?;
        let profile = profile(&only, &Roles::default())?;
        let mut columns: Vec<Self> = profile
            .columns
            .iter()
            .map(|column| {
                let ruler = Ruler::of(column);
                Self { name: column.summary.name.clone(), counts: Counts::empty(&ruler), ruler }
            })
            .collect();
        let blank = columns.clone();
        let mut watch = Watch::over(&blank);
        for batch in only.batches()? {
            watch.add(&batch?)?;
        }
        for (column, counts) in columns.iter_mut().zip(watch.finish()) {
            column.counts = counts;
        }
        Ok(columns)
    }
}

impl Ruler {
    fn of(column: &ProfiledColumn) -> Self {
        match &column.numbers {
            Some(numbers) => {
                let drawn = column.summary.histogram.as_ref().map(|histogram| histogram.edges.clone()).unwrap_or_default();
                let values = if column.categories_complete && column.categories.len() <= FEW_VALUES {
                    column.categories.iter().filter_map(|(value, _)| value.parse().ok()).collect()
                } else {
                    numbers.percentiles.clone()
                };
                let (Some(least), Some(most)) = (numbers.percentiles.first(), numbers.percentiles.last()) else { return Self::Untold };
                let mut edges: Vec<f64> = values.into_iter().chain(drawn.iter().copied()).filter(|edge| edge.is_finite()).collect();
                edges.sort_unstable_by(f64::total_cmp);
                edges.dedup();
                Self::Numbers { edges, drawn, deviation: column.summary.deviation.unwrap_or(0.0), least: *least, most: *most }
            }
            None if matches!(column.summary.kind.as_str(), "string" | "boolean") && !column.categories.is_empty() => {
                Self::Categories { names: column.categories.iter().map(|(name, _)| name.clone()).collect(), complete: column.categories_complete }
            }
            None => Self::Untold,
        }
    }

    /// How many cells there are.
    #[must_use]
    pub fn cells(&self) -> usize {
        match self {
            Self::Numbers { edges, .. } => 2 * edges.len() + 1,
            Self::Categories { names, .. } => names.len() + 1,
            Self::Untold => 1,
        }
    }
}
