//! A profile and a preview as blocks of a card.

use polars::prelude::*;

use super::counter::SAMPLED;
use super::sampler::SAMPLED_ROWS;
use super::{Profile, QUANTILE_ROWS, QUANTILE_VALUES, distinct_of_column};
use crate::card::format::{count, share};
use crate::card::{Block, Cell, ColumnProfile, Fact, Table as CardTable};
use crate::data::Table;
use crate::data::canonical::{Cells, Values, View};
use crate::error::{Result, shorten};

/// Columns that a card shows; it must stay below 1 MB.
const COLUMNS: usize = 200;
/// The relative standard error of estimated distinct values, times the root of what is held (see `sampler.rs`).
const DISTINCT_ERROR: f64 = 1.2;
/// Above as many columns each shows fewer values.
const ROOMY: usize = 60;
const PREVIEW_COLUMNS: usize = 60;
const PREVIEW_ROWS: usize = 100;

impl Profile {
    /// The blocks of a card's profile tab; at most 200 columns, which is then said.
    #[must_use]
    pub fn into_blocks(&self) -> Vec<Block> {
        let missing: u64 = self.columns.iter().map(|column| column.summary.missing).sum();
        let cells = self.rows * self.columns.len() as u64;
        let mut facts = vec![Fact::new("rows", self.rows), Fact::new("columns", self.columns.len())];
        facts.push(Fact::new("missing cells", if cells == 0 { Cell::Missing } else { Cell::Share(missing as f64 / cells as f64) }));
        facts.push(Fact::new(self.duplicates.label(), self.duplicates.rows));
        facts.push(Fact::new("alerts", self.alerts().count()));
        let mut blocks = vec![Block::Facts(facts)];
        let notes = self.notes();
        if !notes.is_empty() {
            blocks.push(Block::Text(notes.join(" ")));
        }
        blocks.push(Block::Profile(self.shown()));
        blocks
    }

    /// What is estimated and what is left out, in sentences.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.columns.len() > COLUMNS {
            notes.push(format!("{COLUMNS} of {} columns are shown: target first, then those with alerts.", self.columns.len()));
        }
        if self.columns.iter().any(|column| column.numbers.as_ref().is_some_and(|numbers| numbers.estimated)) {
            notes.push(format!(
                "Quantiles are those of a sample of rows: their ranks are off by less than {} of the rows, 95 % sure.",
                share(self.rank_error())
            ));
        }
        if self.columns.iter().any(|column| column.summary.distinct_estimated) {
            notes.push(format!(
                "Distinct values marked ≈ are estimates, off by less than {}, 95 % sure.",
                share(2.0 * DISTINCT_ERROR / (SAMPLED as f64).sqrt())
            ));
        }
        if self.columns.iter().any(|column| column.categories_estimated && !column.summary.top.is_empty()) {
            let most = distinct_of_column(self.columns.len());
            notes.push(format!("In columns of more than {} distinct values the counts of frequent ones are estimates.", count(most as u64)));
        }
        notes
    }

    /// By how much the rank of a sampled median may be off, as a share of the rows: 1.96 standard errors with as few rows as a sample may have.
    fn rank_error(&self) -> f64 {
        let numeric = self.columns.iter().filter(|column| column.numbers.is_some()).count().max(1);
        let most = (QUANTILE_VALUES / numeric).clamp(10_000, QUANTILE_ROWS).min(SAMPLED_ROWS);
        1.96 * 0.5 / (most as f64 / 2.0).sqrt()
    }

    fn shown(&self) -> Vec<ColumnProfile> {
        let mut chosen: Vec<usize> = (0..self.columns.len()).collect();
        let rank = |index: &usize| {
            let summary = self.columns.get(*index).map(|column| &column.summary);
            summary.map_or(2, |summary| if summary.role == "target" { 0 } else { 1 + u8::from(summary.alerts.is_empty()) })
        };
        if chosen.len() > COLUMNS {
            chosen.sort_by_key(rank);
            chosen.truncate(COLUMNS);
            chosen.sort_unstable();
        }
        let values = if chosen.len() > ROOMY { 3 } else { 10 };
        let short = |mut summary: ColumnProfile| {
            summary.top.truncate(values);
            summary.top.iter_mut().for_each(|(value, _)| *value = shorten(value));
            summary.range = summary.range.map(|(least, most)| (shorten(&least), shorten(&most)));
            summary
        };
        chosen.iter().filter_map(|index| self.columns.get(*index)).map(|column| short(column.summary.clone())).collect()
    }
}

/// The first rows as a card's table: at most 100 rows and 60 columns; long strings are cut.
///
/// # Errors
/// A column of a nested type; a query that fails.
pub fn preview(table: &Table, rows: usize) -> Result<CardTable> {
    let frame = table.head(rows.min(PREVIEW_ROWS))?;
    let all = frame.width();
    let shown: Vec<&Column> = frame.columns().iter().take(PREVIEW_COLUMNS).collect();
    let cells: Vec<Cells> = shown.iter().map(|column| Cells::of(column)).collect::<Result<_>>()?;
    let views: Vec<View> = cells.iter().map(Cells::view).collect::<Result<_>>()?;
    let of_all = if all > shown.len() { format!(", {} of {all} columns", shown.len()) } else { String::new() };
    let caption = format!("the first {} rows{of_all}", frame.height());
    let columns = shown.iter().map(|column| shorten(column.name())).collect();
    Ok(CardTable { caption, columns, rows: (0..frame.height()).map(|row| views.iter().map(|view| cell(view, row)).collect()).collect() })
}

fn cell(view: &View, row: usize) -> Cell {
    match (view.values, view.text(row)) {
        (_, None) => Cell::Missing,
        (Values::Float(values), Some(_)) if values[row].is_finite() => Cell::Number(values[row]),
        (Values::Integer(values), Some(_)) => Cell::Integer(values[row]),
        (_, Some(text)) => Cell::Text(shorten(&text)),
    }
}
