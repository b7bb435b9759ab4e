//! Sparse columns: thousands of features in one column of a table, of which a row has few that are not 0.
//!
//! A row is a list of numbers, place, value, place, value, …, with rising places. What the places are called is kept by the
//! fitted transform that makes the column ([`Block`]). In memory the rows of a column are a [`Csr`]; they are never spread
//! out, and who cannot work on them is refused. Not here: sparse raw data, and arithmetic between sparse columns.

use std::fmt;
use std::ops::Range;

use polars::prelude::*;
use schemars::JsonSchema;
use serde::de::{self, Deserializer, IntoDeserializer, Visitor};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, counted, shorten};

/// `auto` makes a sparse column of more features than this.
pub const MANY: usize = 1_000;
/// Features of one sparse column above which it is refused.
pub const MOST: usize = 1 << 18;

/// `sparse:` of a transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(untagged)]
pub enum Sparse {
    /// `auto`: where there are more than 1,000 new columns.
    Named(AutoSparse),
    Always(bool),
}

/// The one name that `sparse` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AutoSparse {
    Auto,
}

impl Default for Sparse {
    fn default() -> Self {
        Self::Named(AutoSparse::Auto)
    }
}

impl Sparse {
    #[must_use]
    pub fn is_auto(&self) -> bool {
        *self == Self::default()
    }

    /// Do so many features become one sparse column?
    #[must_use]
    pub fn takes(self, features: usize) -> bool {
        match self {
            Self::Named(AutoSparse::Auto) => features > MANY,
            Self::Always(wanted) => wanted && features > 0,
        }
    }
}

impl<'de> Deserialize<'de> for Sparse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Not untagged, so that a fault is found where it stands.
        struct SparseReader;
        impl Visitor<'_> for SparseReader {
            type Value = Sparse;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`auto`, true or false")
            }

            fn visit_bool<E: de::Error>(self, wanted: bool) -> Result<Sparse, E> {
                Ok(Sparse::Always(wanted))
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Sparse, E> {
                AutoSparse::deserialize(name.into_deserializer()).map(Sparse::Named)
            }
        }
        deserializer.deserialize_any(SparseReader)
    }
}

/// What a sparse column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The column's name.
    pub column: String,
    /// The transform that makes it.
    pub transform: &'static str,
    /// The name of each place.
    pub features: Vec<String>,
}

/// The type of a sparse column.
#[must_use]
pub fn dtype() -> DataType {
    DataType::List(Box::new(DataType::Float64))
}

/// Is it the type of a sparse column?
#[must_use]
pub fn is_sparse(dtype: &DataType) -> bool {
    *dtype == self::dtype()
}

/// A column of places as a sparse column with a 1 at each; places from `features` on are rows of zeros.
pub fn units(places: Expr, features: usize) -> Expr {
    let rows = move |places: Column| {
        let places = places.u32()?;
        let mut rows = Rows::new(places.name().clone(), places.len(), places.len());
        for place in places.iter() {
            rows.push(place.filter(|place| (*place as usize) < features).map(|place| (place, 1.0)));
        }
        Ok(rows.finish())
    };
    places.map(rows, |_, field| Ok(Field::new(field.name().clone(), dtype())))
}

/// Makes a sparse column row by row.
pub struct Rows {
    lists: ListPrimitiveChunkedBuilder<Float64Type>,
    row: Vec<f64>,
}

impl Rows {
    /// For about so many rows and values that are not 0.
    #[must_use]
    pub fn new(name: PlSmallStr, rows: usize, values: usize) -> Self {
        Self { lists: ListPrimitiveChunkedBuilder::new(name, rows, 2 * values, DataType::Float64), row: Vec::new() }
    }

    /// Adds a row of places, in rising order, and values.
    pub fn push(&mut self, row: impl IntoIterator<Item = (u32, f64)>) {
        self.row.clear();
        self.row.extend(row.into_iter().flat_map(|(place, value)| [f64::from(place), value]));
        self.lists.append_slice(&self.row);
    }

    #[must_use]
    pub fn finish(mut self) -> Column {
        self.lists.finish().into_column()
    }
}

/// Rows × `width` numbers, of which those that are not 0 are held, row by row (compressed sparse rows).
#[derive(Clone, Debug, PartialEq)]
pub struct Csr {
    pub width: usize,
    /// Where each row starts, and where the last one ends.
    starts: Vec<usize>,
    places: Vec<u32>,
    values: Vec<f64>,
}

impl Csr {
    /// No rows yet.
    #[must_use]
    pub fn empty(width: usize) -> Self {
        Self { width, starts: vec![0], places: Vec::new(), values: Vec::new() }
    }

    /// The rows of a sparse column.
    ///
    /// # Errors
    /// A column that is not sparse, or that has places beyond `width`.
    pub fn of(column: &Column, width: usize) -> Result<Self> {
        if !is_sparse(column.dtype()) {
            return Err(Error::data(format!("column `{}` is not sparse", shorten(column.name()))));
        }
        let lists = column.list()?.rechunk();
        let numbers = lists.get_inner().rechunk();
        let numbers = numbers.f64()?.cont_slice()?;
        let mut rows = Self::empty(width);
        let damaged = || Error::data(format!("sparse column `{}` is damaged", shorten(column.name())));
        for chunk in lists.downcast_iter() {
            let offsets: Vec<usize> = chunk.offsets().iter().map(|offset| usize::try_from(*offset).unwrap_or(usize::MAX)).collect();
            for ends in offsets.windows(2) {
                let row = numbers.get(ends[0]..ends[1]).ok_or_else(damaged)?;
                let (pairs, rest) = row.as_chunks::<2>();
                if !rest.is_empty() || pairs.iter().any(|[place, _]| !(*place >= 0.0 && *place < width as f64)) {
                    return Err(damaged());
                }
                rows.push(pairs.iter().map(|[place, value]| (*place as u32, *value)));
            }
        }
        Ok(rows)
    }

    /// Adds a row of places, in rising order, and values.
    pub fn push(&mut self, row: impl IntoIterator<Item = (u32, f64)>) {
        for (place, value) in row {
            self.places.push(place);
            self.values.push(value);
        }
        self.starts.push(self.places.len());
    }

    #[must_use]
    pub fn rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// How many numbers are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.values.len()
    }

    /// Bytes of memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        8 * self.starts.len() + 12 * self.values.len()
    }

    /// The places and values of a row that there is.
    #[inline]
    pub fn row(&self, row: usize) -> impl Iterator<Item = (usize, f64)> {
        let range = self.starts[row]..self.starts[row + 1];
        self.places[range.clone()].iter().zip(&self.values[range]).map(|(place, value)| (*place as usize, *value))
    }

    /// Row after row its values times `weights`, summed.
    pub fn times(&self, weights: &[f64]) -> impl Iterator<Item = f64> {
        (0..self.rows()).map(|row| self.row(row).map(|(place, value)| weights[place] * value).sum())
    }

    /// Some of the rows.
    #[must_use]
    pub fn part(&self, rows: Range<usize>) -> Self {
        let mut part = Self::empty(self.width);
        rows.for_each(|row| part.push(self.row(row).map(|(place, value)| (place as u32, value))));
        part
    }

    /// The rows whose flag is set.
    #[must_use]
    pub fn filter(&self, flags: &[bool]) -> Self {
        let mut kept = Self::empty(self.width);
        let rows = flags.iter().enumerate().filter(|(_, flag)| **flag).map(|(row, _)| row);
        rows.for_each(|row| kept.push(self.row(row).map(|(place, value)| (place as u32, value))));
        kept
    }

    /// Adds the rows of another of the same width.
    pub fn append(&mut self, other: &Self) {
        let before = self.places.len();
        self.starts.extend(other.starts.iter().skip(1).map(|start| before + start));
        self.places.extend_from_slice(&other.places);
        self.values.extend_from_slice(&other.values);
    }

    /// The same rows with every number that is held changed.
    #[must_use]
    pub fn map(mut self, of: impl Fn(f64) -> f64) -> Self {
        self.values.iter_mut().for_each(|value| *value = of(*value));
        self
    }
}

impl Block {
    /// A sparse column as text: the names of what is not 0 with the values, a few of them.
    ///
    /// # Errors
    /// As [`Csr::of`].
    pub fn in_words(&self, column: &Column) -> Result<Column> {
        const SHOWN: usize = 3;
        let rows = Csr::of(column, self.features.len())?;
        let text = |row: usize| {
            let named = rows.row(row).take(SHOWN).map(|(place, value)| format!("{}: {value}", shorten(&self.features[place])));
            let more = rows.row(row).count().saturating_sub(SHOWN);
            let more = (more > 0).then(|| format!("{more} more"));
            named.chain(more).collect::<Vec<_>>().join(", ")
        };
        Ok(Column::new(column.name().clone(), (0..rows.rows()).map(text).collect::<Vec<_>>()))
    }

    /// As messages name it.
    #[must_use]
    pub fn described(&self) -> String {
        format!("`{}` ({} of `{}`)", shorten(&self.column), counted(self.features.len() as u64, "column"), self.transform)
    }
}

/// What an estimator reads of a table: columns of numbers, and behind them what sparse columns hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    pub numbers: Vec<String>,
    pub blocks: Vec<Block>,
}

impl From<Vec<String>> for Features {
    fn from(numbers: Vec<String>) -> Self {
        Self { numbers, blocks: Vec::new() }
    }
}

impl Features {
    /// How many features there are.
    #[must_use]
    pub fn width(&self) -> usize {
        self.numbers.len() + self.blocks.iter().map(|block| block.features.len()).sum::<usize>()
    }

    /// The features' names, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.numbers.iter().chain(self.blocks.iter().flat_map(|block| &block.features)).cloned().collect()
    }

    /// The table's columns, in order.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        self.numbers.iter().chain(self.blocks.iter().map(|block| &block.column)).cloned().collect()
    }

    /// # Errors
    /// Where there is a sparse column; `estimator` cannot work on it.
    pub fn refuse_sparse(&self, estimator: &str) -> Result<()> {
        if self.blocks.is_empty() {
            return Ok(());
        }
        let all: Vec<String> = self.blocks.iter().map(Block::described).collect();
        Err(Error::data(format!("`{estimator}` cannot take sparse columns: {}", all.join(", "))).hint(BETTER))
    }
}

/// What to do where an estimator cannot work on sparse columns.
pub const BETTER: &str = "give it the categories in one column (`ordinal_encode`, `target_encode`), fewer of them (`min_frequency`, `max_categories`), or take \
                          `ridge`, `logistic` or another linear model; `sparse: false` makes dense columns, which cost memory";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_they_were_written() {
        let mut rows = Rows::new("a".into(), 3, 3);
        rows.push([(0, 1.5), (4, -2.0)]);
        rows.push([]);
        rows.push([(3, 1.0)]);
        let column = rows.finish();
        let csr = Csr::of(&column, 5).unwrap();
        assert_eq!((csr.rows(), csr.held(), csr.row(0).collect::<Vec<_>>()), (3, 3, vec![(0, 1.5), (4, -2.0)]));
        assert_eq!(csr.times(&[2.0, 0.0, 0.0, 5.0, 1.0]).collect::<Vec<_>>(), [1.0, 0.0, 5.0]);
        // A slice of a column is its rows only.
        assert_eq!(Csr::of(&column.slice(1, 2), 5).unwrap(), csr.part(1..3));
        assert!(Csr::of(&column, 4).is_err());
        let mut twice = csr.part(0..1);
        twice.append(&csr.part(1..3));
        assert_eq!(twice, csr);
        let block = Block { column: "a".into(), transform: "one_hot", features: ["p", "q", "r", "s", "t"].map(str::to_owned).to_vec() };
        let words = block.in_words(&column).unwrap();
        assert_eq!(words.str().unwrap().iter().flatten().collect::<Vec<_>>(), ["p: 1.5, t: -2", "", "s: 1"]);
    }
}
