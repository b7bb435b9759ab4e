//! Choosing among training rows: what the transforms that filter, draw, repeat or number them share.
//!
//! A choice is made in one pass over what it depends on and is held as one number a row; the rows themselves
//! stay in their query. Draws are `ChaCha8` from the recipe's seed, one after the other in the table's order.

use std::sync::Arc;

use polars::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::levels::{Names, exactly};
use crate::card;
use crate::data::Table;
use crate::error::{Result, shorten};
use crate::ml::export::{Lowering, Why};
use crate::ml::model::classes;
use crate::ml::selector::{column, require_present};
use crate::ml::{Apply, Fit};

/// To which rows a transform applies: those of training, and never any others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    #[default]
    Train,
}

/// Fitted: nothing happens to later rows; how many training rows there were and are, in all or by class.
#[derive(Debug, Serialize, Deserialize)]
pub struct Chosen {
    pub counts: Vec<ChosenRows>,
}

/// Training rows before and after.
#[derive(Debug, Serialize, Deserialize)]
pub struct ChosenRows {
    pub what: String,
    pub before: u64,
    pub after: u64,
}

impl Chosen {
    #[must_use]
    pub fn new(what: &str, before: u64, after: u64) -> Self {
        Self { counts: vec![ChosenRows { what: what.to_owned(), before, after }] }
    }
}

impl Apply for Chosen {
    fn apply(&self, frame: LazyFrame) -> Result<LazyFrame> {
        Ok(frame)
    }

    fn lower(&self, _on: &mut Lowering) -> Result<(), Why> {
        Ok(())
    }

    fn learned(&self) -> Vec<card::Table> {
        let row = |rows: &ChosenRows| vec![shorten(&rows.what).into(), rows.before.into(), rows.after.into()];
        vec![card::Table {
            caption: "Training rows; all other rows stay as they are".to_owned(),
            columns: ["rows", "before", "after"].map(str::to_owned).to_vec(),
            rows: self.counts.iter().map(row).collect(),
        }]
    }
}

/// The generator of one transform.
#[must_use]
pub fn generator(seed: u64, transform: &str) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(*blake3::hash(format!("transform {transform} {seed}").as_bytes()).as_bytes())
}

/// A whole number below `end`, each equally likely up to one part in 2⁶⁴ / `end`.
pub fn below(generator: &mut ChaCha8Rng, end: u64) -> u64 {
    ((u128::from(generator.next_u64()) * u128::from(end)) >> 64) as u64
}

/// Draws `wanted` of the next `left` rows, one row at a time; every choice is equally likely (Knuth, *Seminumerical
/// Algorithms*, 3.4.2, algorithm S).
#[derive(Clone, Copy, Debug)]
pub struct Lots {
    pub left: u64,
    pub wanted: u64,
}

impl Lots {
    /// Is the next row drawn?
    pub fn draw(&mut self, generator: &mut ChaCha8Rng) -> bool {
        let is_drawn = below(generator, self.left.max(1)) < self.wanted;
        self.left = self.left.saturating_sub(1);
        self.wanted -= u64::from(is_drawn);
        is_drawn
    }
}

/// The classes of a column: how many rows each has, and which one each row has.
#[derive(Debug)]
pub struct Classes {
    pub counts: Vec<(String, u64)>,
    /// Rows without a value have none, which is `u32::MAX`.
    pub of_rows: Vec<u32>,
}

impl Classes {
    /// Of a column, or of the target where none is named.
    ///
    /// # Errors
    /// No such column; more than 1,000 classes.
    pub fn count(transform: &str, named: Option<&str>, on: Fit<'_>) -> Result<Self> {
        let name = match named {
            Some(name) => name,
            None => on.target(transform)?.0,
        };
        require_present(on.table, &[name.to_owned()])?;
        let counts: Vec<(String, u64)> = classes(on.table, name)?.into_iter().collect();
        let mut of_rows = Vec::new();
        for batch in Table::from_query(on.table.lazy().select([column(name)]))?.batches()? {
            let labels = batch?.column(name)?.cast(&DataType::String)?;
            let code = |label: Option<&str>| counts.binary_search_by(|(known, _)| Some(known.as_str()).cmp(&label)).map_or(u32::MAX, |code| code as u32);
            of_rows.extend(labels.str()?.iter().map(code));
        }
        Ok(Self { counts, of_rows })
    }

    /// How many rows of each class there are, and how many there are to be.
    pub fn chosen(&self, wanted: impl Fn(u64) -> u64) -> Chosen {
        let rows = |(label, rows): &(String, u64)| ChosenRows { what: label.clone(), before: *rows, after: wanted(*rows) };
        Chosen { counts: self.counts.iter().map(rows).collect() }
    }
}

/// A column name that the table does not have.
#[must_use]
pub fn spare_name(table: &Table, wanted: &str) -> String {
    Names::new(table.names()).give(wanted)
}

/// A new column's values in the order of a table's rows.
pub struct Attached {
    pub values: Column,
    /// The columns that the values come from, for whoever asks the query which columns a feature reads.
    pub reads: Vec<String>,
}

/// A table with more columns. The values are looked up by the number of the row, so that rows may come in pieces.
pub fn attach(table: &Table, columns: impl Iterator<Item = Attached>) -> LazyFrame {
    let row = spare_name(table, "number of the row");
    let expression = |Attached { values, reads }: Attached| {
        let values = values.rechunk();
        let (name, dtype) = (values.name().clone(), values.dtype().clone());
        let of_rows = move |columns: &mut [Column]| {
            let [rows, ..] = columns else { return Err(polars_err!(ComputeError: "numbers of rows are wanted")) };
            values.take(rows.as_materialized_series().idx()?)
        };
        let reads: Vec<Expr> = reads.iter().map(|name| column(name)).collect();
        column(&row).map_many(of_rows, &reads, move |_, _| Ok(Field::new("".into(), dtype.clone()))).alias(name)
    };
    table.lazy().with_row_index(row.as_str(), None).with_columns(columns.map(expression).collect::<Vec<_>>()).drop(exactly([row.as_str()]))
}

/// Row `i` of a table `times[i]` times, in the table's order; rows beyond `times` are left out.
pub fn take(table: &Table, times: Vec<u32>) -> LazyFrame {
    let repeats = times.iter().any(|times| *times > 1);
    let times = Arc::new(times);
    let (row, count) = (spare_name(table, "number of the row"), spare_name(table, "times of the row"));
    let of_row = move |rows: Column| {
        let rows = rows.cast(&DataType::UInt64)?;
        let counts: UInt32Chunked = rows.u64()?.iter().map(|row| Some(row.and_then(|row| times.get(row as usize).copied()).unwrap_or(0))).collect();
        Ok(counts.with_name(rows.name().clone()).into_column())
    };
    let of_row = column(&row).map(of_row, |_, field| Ok(Field::new(field.name().clone(), DataType::UInt32))).alias(count.as_str());
    let kept = table.lazy().with_row_index(row.as_str(), None).with_columns([of_row]).filter(column(&count).gt(lit(0_u32)));
    let temporary = exactly([row.as_str(), count.as_str()]);
    if !repeats {
        return kept.drop(temporary);
    }
    // A list as long as the row is to be repeated, of which nothing but the length matters.
    let list = |counts: Column| {
        let counts = counts.u32()?;
        let total = counts.iter().flatten().map(|count| count as usize).sum();
        let mut lists = ListPrimitiveChunkedBuilder::<UInt8Type>::new(counts.name().clone(), counts.len(), total, DataType::UInt8);
        counts.iter().for_each(|count| lists.append_slice(&vec![0; count.unwrap_or(0) as usize]));
        Ok(lists.finish().into_column())
    };
    let as_list = column(&count).map(list, |_, field| Ok(Field::new(field.name().clone(), DataType::List(Box::new(DataType::UInt8)))));
    let repeated = kept.with_columns([as_list]).explode(exactly([count.as_str()]), ExplodeOptions { empty_as_null: true, keep_nulls: true });
    repeated.drop(temporary)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_taken_as_often_as_wanted_from_memory_and_from_a_file() {
        let rows = 70_000_u32;
        let frame = df!("x" => (0..rows).collect::<Vec<_>>(), "number of the row" => vec!["a"; rows as usize]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.parquet");
        Table::of(frame.clone()).write(&path).unwrap();
        for (table, most) in [(Table::of(frame), 4), (Table::read(&path).unwrap(), 2), (Table::read(&path).unwrap(), 4)] {
            let times: Vec<u32> = (0..rows).map(|i| (i / 7) % most).collect();
            let expected: Vec<u32> = (0..rows).flat_map(|i| std::iter::repeat_n(i, ((i / 7) % most) as usize)).collect();
            let taken = Table::from_query(take(&table, times)).unwrap();
            assert_eq!(taken.names().collect::<Vec<_>>(), ["x", "number of the row"]);
            let found: Vec<u32> = taken.collect().unwrap().column("x").unwrap().u32().unwrap().iter().flatten().collect();
            assert!(found == expected, "{most}");
            assert_eq!(taken.rows().unwrap(), expected.len());
        }
    }

    #[test]
    fn attached_values_stay_with_their_rows() {
        let rows = 70_000_u32;
        let frame = df!("x" => (0..rows).collect::<Vec<_>>(), "number of the row" => vec![true; rows as usize]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.parquet");
        Table::of(frame.clone()).write(&path).unwrap();
        for table in [Table::of(frame), Table::read(&path).unwrap()] {
            let values = Column::new("v".into(), (0..rows).map(|i| i * 2).collect::<Vec<_>>());
            let attached = Table::from_query(attach(&table, [Attached { values, reads: vec!["x".to_owned()] }].into_iter())).unwrap();
            assert_eq!(attached.names().collect::<Vec<_>>(), ["x", "number of the row", "v"]);
            let few = attached.lazy().filter(column("x").gt(lit(66_000)).and(column("x").lt(lit(66_004))));
            let pieces = [attached.collect().unwrap(), few.collect().unwrap(), attached.lazy().slice(65_000, 900).collect().unwrap()];
            for piece in pieces.into_iter().chain(attached.batches().unwrap().map(Result::unwrap)) {
                let numbers = |name: &str| piece.column(name).unwrap().u32().unwrap().iter().flatten().collect::<Vec<u32>>();
                assert!(piece.height() > 0 && numbers("x").iter().map(|x| x * 2).eq(numbers("v")));
            }
        }
    }

    #[test]
    fn lots_give_exactly_as_many_as_wanted() {
        let mut generator = generator(7, "sample");
        for wanted in [0, 1, 30, 100] {
            let mut lots = Lots { left: 100, wanted };
            assert_eq!((0..100).filter(|_| lots.draw(&mut generator)).count() as u64, wanted);
        }
    }
}
