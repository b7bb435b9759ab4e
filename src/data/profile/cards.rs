//! A profile and a preview as blocks of a card.

use polars::prelude::*;

use super::Profile;
use crate::card::{Block, Cell, ColumnProfile, Fact, Table as CardTable};
use crate::data::Table;
use crate::data::canonical::{Cells, Values, View};
use crate::error::{Result, shorten};

/// Columns that a card shows; it must stay below 1 MB.
const COLUMNS: usize = 200;
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
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.columns.len() > COLUMNS {
            notes.push(format!("{COLUMNS} of {} columns are shown: target first, then those with alerts.", self.columns.len()));
        }
        if self.columns.iter().any(|column| column.numbers.as_ref().is_some_and(|numbers| numbers.estimated)) {
            notes.push("Quantiles are those of a sample of rows.".to_owned());
        }
        if self.columns.iter().any(|column| column.categories_estimated) {
            notes.push("Where distinct values are marked as estimated, the counts of frequent values are estimates too.".to_owned());
        }
        notes
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
        (_, Some(text)) => Cell::Text(shorten(&text)),
    }
}
