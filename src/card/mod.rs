//! What a step found, as plain data: a card has tabs, a tab has blocks.
//!
//! Steps fill these in and know nothing of HTML; `html.rs` draws the page, `text.rs` the terminal's
//! form. The JSON twin of a card is this structure, serialised (`twin.rs`). A card holds what was *found*, never a
//! clock, so equal results give equal bytes.

pub mod format;
pub mod html;
#[cfg(test)]
mod sample;
mod svg;
pub mod text;
pub mod twin;
pub(crate) mod view;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One step's findings.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Card {
    /// The one sentence that matters most.
    pub summary: String,
    /// Headline figures, the most important first: label and value.
    pub headline: Vec<Fact>,
    /// Warnings in words; also counted in the page's head.
    pub warnings: Vec<String>,
    pub tabs: Vec<Tab>,
}

/// A label and its value.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Fact {
    pub label: String,
    pub value: Cell,
}

impl Fact {
    #[must_use]
    pub fn new(label: impl Into<String>, value: impl Into<Cell>) -> Self {
        Self { label: label.into(), value: value.into() }
    }
}

/// A page of a card.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Tab {
    /// Stable, for deep links: `profile`, `residuals`.
    pub id: String,
    pub title: String,
    pub blocks: Vec<Block>,
}

impl Tab {
    #[must_use]
    pub fn new(id: &str, title: &str, blocks: Vec<Block>) -> Self {
        Self { id: id.to_owned(), title: title.to_owned(), blocks }
    }
}

/// One value in a table or a fact; how it is written is the renderer's business.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    Text(String),
    Count(u64),
    /// A whole number of the data, which may be a name or a year: shown as it is.
    Integer(i64),
    /// A measured number: shown with four significant digits, the full value on hover.
    Number(f64),
    /// A share of one, shown in per cent.
    Share(f64),
    Bytes(u64),
    Seconds(f64),
    /// A good or bad word, such as `pass`, `fail`.
    Good(String),
    Bad(String),
    Missing,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}
impl From<u64> for Cell {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}
impl From<usize> for Cell {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}
impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Missing, Into::into)
    }
}

/// A building block of a tab.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    Heading(String),
    /// A paragraph.
    Text(String),
    Facts(Vec<Fact>),
    Table(Table),
    Histogram(Histogram),
    Bars(Bars),
    Lines(Lines),
    Points(Points),
    Swarm(Swarm),
    Heat(Heat),
    Intervals(Intervals),
    Groups(Groups),
    /// One row a column of a data set, with a small histogram each.
    Profile(Vec<ColumnProfile>),
    /// Preformatted text: configuration, SQL, a log.
    Code(String),
}

/// A table; every row has as many cells as there are columns.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Table {
    pub caption: String,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Cell>>,
}

/// Real counts between real edges: `edges.len() == counts.len() + 1` for each series.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Histogram {
    pub caption: String,
    pub x: String,
    pub edges: Vec<f64>,
    pub series: Vec<Counts>,
}

/// A named row of counts.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Counts {
    pub name: String,
    pub counts: Vec<u64>,
}

/// Horizontal bars, one a label, in the order given; negative values go left of the axis.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Bars {
    pub caption: String,
    pub x: String,
    pub bars: Vec<(String, f64)>,
}

/// Lines over a common pair of axes.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Lines {
    pub caption: String,
    pub x: String,
    pub y: String,
    pub series: Vec<Line>,
    /// Draw the diagonal from corner to corner as a reference.
    pub diagonal: bool,
}

/// A named line. Beside named ones, a line without a name is drawn faintly behind them, as one of many.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// A value as it was from time to time. No block of a card, since a card holds no moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    pub caption: String,
    pub y: String,
    /// Milliseconds since 1970, the value and what it belongs to (a run); in the order of time.
    pub points: Vec<(i64, f64, String)>,
    /// What the values are held against: a name and its value.
    pub reference: Option<(String, f64)>,
}

/// A scatter plot (at most a few thousand points; the step samples).
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Points {
    pub caption: String,
    pub x: String,
    pub y: String,
    pub points: Vec<(f64, f64)>,
    pub diagonal: bool,
}

/// For each name a row of points on a common axis, spread where they would lie on each other.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Swarm {
    pub caption: String,
    pub x: String,
    /// What the colour of a point stands for.
    pub shade: String,
    pub rows: Vec<SwarmRow>,
}

/// A named row of points: where each lies, and its shade from 0 to 1, if it has one.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct SwarmRow {
    pub name: String,
    pub points: Vec<(f64, Option<f64>)>,
}

/// For each name a value and the interval around it, on a common axis.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Intervals {
    pub caption: String,
    pub x: String,
    pub rows: Vec<IntervalRow>,
    /// What the rows are held against: a name and its value.
    pub reference: Option<(String, f64)>,
}

/// A named value, and from where to where it may lie.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct IntervalRow {
    pub name: String,
    pub value: f64,
    pub range: Option<(f64, f64)>,
}

/// How many rows each series has of each value, drawn as shares of the series: `rows[label].1[series]`.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Groups {
    pub caption: String,
    pub x: String,
    pub series: Vec<String>,
    pub rows: Vec<(String, Vec<u64>)>,
}

impl Groups {
    /// The rows of each series.
    #[must_use]
    pub fn totals(&self) -> Vec<u64> {
        (0..self.series.len()).map(|series| self.rows.iter().filter_map(|(_, counts)| counts.get(series)).sum()).collect()
    }
}

/// A matrix of counts, such as a confusion matrix: `counts[row][column]`.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Heat {
    pub caption: String,
    pub x: String,
    pub y: String,
    pub labels: Vec<String>,
    pub counts: Vec<Vec<u64>>,
}

/// The profile of one column.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct ColumnProfile {
    pub name: String,
    /// `integer`, `float`, `string`, `boolean`, `date`, `datetime`, …
    pub kind: String,
    pub role: String,
    pub rows: u64,
    pub missing: u64,
    pub distinct: Option<u64>,
    /// `distinct` is an estimate.
    pub distinct_estimated: bool,
    pub zeros: Option<u64>,
    pub mean: Option<f64>,
    pub deviation: Option<f64>,
    /// Minimum, 5 %, 25 %, 50 %, 75 %, 95 %, maximum.
    pub quantiles: Option<[f64; 7]>,
    pub skewness: Option<f64>,
    /// Minimum and maximum as text, for dates and strings.
    pub range: Option<(String, String)>,
    pub histogram: Option<Histogram>,
    /// Most frequent values and their counts.
    pub top: Vec<(String, u64)>,
    pub alerts: Vec<String>,
}

impl ColumnProfile {
    /// The mean; 0 where it is but what rounding left of one, as in a standardised column.
    #[must_use]
    pub fn shown_mean(&self) -> Option<f64> {
        let is_noise = |mean: f64| self.deviation.is_some_and(|deviation| mean.abs() < 1e-12 * deviation);
        self.mean.map(|mean| if is_noise(mean) { 0.0 } else { mean })
    }
}
