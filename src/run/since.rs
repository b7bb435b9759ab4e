//! What a step found that it did not find the time before: rows, columns, figures. Shown on its page, and stored nowhere.

use std::collections::BTreeSet;

use crate::card::format::{count, number, share};
use crate::card::{Block, Cell, ColumnProfile, Tab, Table};
use crate::error::{counted, shorten};
use crate::steps::Report;

/// Rows of a table.
const SHOWN: usize = 100;
/// Shares of missing values that differ by less are alike.
const MISSING: f64 = 0.01;
/// Counts of distinct values that differ by a smaller part are alike.
const DISTINCT: f64 = 0.2;
/// Medians that differ by a smaller part of the standard deviation, and ends by a smaller part of the range, are alike.
const MOVED: f64 = 0.25;
const ENDS: f64 = 0.1;

/// The tab of a page; `None` where the step found what it found before.
#[must_use]
pub(super) fn since(before: &Report, after: &Report) -> Option<Tab> {
    let mut said = Vec::new();
    let mut blocks = Vec::new();
    for (name, (rows, width)) in &after.shapes {
        match before.shapes.get(name) {
            Some((old, _)) if old != rows => said.push(format!("`{name}` has {}, before {}", counted(*rows, "row"), count(*old))),
            Some((_, old)) if old != width => said.push(format!("`{name}` has {}, before {}", counted(*width, "column"), count(*old))),
            _ => {}
        }
    }
    let columns = columns(&profile(before), &profile(after));
    if !columns.is_empty() {
        let names: BTreeSet<&String> = columns.iter().map(|(name, ..)| name).collect();
        said.push(format!("{} differently", if names.len() == 1 { "1 column looks".to_owned() } else { format!("{} columns look", names.len()) }));
        let row = |(name, what, before, after): &(String, &str, Cell, Cell)| vec![name.as_str().into(), (*what).into(), before.clone(), after.clone()];
        blocks.push(Block::Table(Table {
            caption: "Columns that look otherwise than before".to_owned(),
            columns: ["column", "what", "before", "now"].map(str::to_owned).to_vec(),
            rows: columns.iter().take(SHOWN).map(row).collect(),
        }));
    }
    let metrics: Vec<Vec<Cell>> = after
        .metrics
        .iter()
        .filter_map(|(name, now)| before.metrics.get(name).filter(|old| *old != now).map(|old| (name, old, now)))
        .map(|(name, old, now)| vec![name.as_str().into(), (*old).into(), (*now).into(), (now - old).into()])
        .collect();
    if !metrics.is_empty() {
        said.push(format!("{} changed", counted(metrics.len() as u64, "figure")));
        let columns = ["metric", "before", "now", "difference"].map(str::to_owned).to_vec();
        blocks.push(Block::Table(Table { caption: "Figures".to_owned(), columns, rows: metrics.into_iter().take(SHOWN).collect() }));
    }
    if said.is_empty() {
        return None;
    }
    blocks.insert(0, Block::Text(format!("Since the last time this step ran: {}.", said.join("; "))));
    Some(Tab::new("since", "Since the last run", blocks))
}

fn profile(report: &Report) -> Vec<&ColumnProfile> {
    let blocks = report.card.tabs.iter().filter(|tab| tab.id == "profile").flat_map(|tab| &tab.blocks);
    blocks.filter_map(|block| if let Block::Profile(columns) = block { Some(columns) } else { None }).flatten().collect()
}

/// What differs between the columns of two profiles: column, what, before, now.
fn columns(before: &[&ColumnProfile], after: &[&ColumnProfile]) -> Vec<(String, &'static str, Cell, Cell)> {
    let mut found = Vec::new();
    if before.is_empty() || after.is_empty() {
        return found;
    }
    let gone = before.iter().filter(|old| !after.iter().any(|new| new.name == old.name));
    found.extend(gone.map(|old| (shorten(&old.name), "column", Cell::Text(old.kind.clone()), Cell::Bad("gone".to_owned()))));
    for new in after {
        let name = shorten(&new.name);
        let Some(old) = before.iter().find(|old| old.name == new.name) else {
            found.push((name, "column", Cell::Missing, Cell::Text(format!("new, {}", new.kind))));
            continue;
        };
        let mut add = |what, before: String, after: String| found.push((name.clone(), what, Cell::Text(before), Cell::Text(after)));
        if old.kind != new.kind {
            add("type", old.kind.clone(), new.kind.clone());
        }
        let missing = |column: &ColumnProfile| column.missing as f64 / column.rows.max(1) as f64;
        if (missing(old) - missing(new)).abs() >= MISSING {
            add("missing", share(missing(old)), share(missing(new)));
        }
        if let (Some(a), Some(b)) = (old.distinct, new.distinct)
            && a.abs_diff(b) as f64 > DISTINCT * a.max(1) as f64
        {
            add("distinct values", count(a), count(b));
        }
        if let (Some(a), Some(b)) = (old.quantiles, new.quantiles) {
            let differ = |at: usize, by: f64| (a[at] - b[at]).abs() > by;
            if differ(3, MOVED * old.deviation.unwrap_or(0.0)) {
                add("median", number(a[3]), number(b[3]));
            }
            for (what, at) in [("least value", 0), ("greatest value", 6)] {
                if differ(at, ENDS * (a[6] - a[0])) {
                    add(what, number(a[at]), number(b[at]));
                }
            }
        }
        for alert in new.alerts.iter().filter(|alert| !old.alerts.contains(alert)).take(3) {
            add("alert", "–".to_owned(), shorten(alert));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::Card;

    fn report(rows: u64, column: ColumnProfile) -> Report {
        let tab = Tab::new("profile", "Profile", vec![Block::Profile(vec![column])]);
        let card = Card { tabs: vec![tab], ..Card::default() };
        Report { card, shapes: [("ingested_data".to_owned(), (rows, 1))].into(), metrics: [("m".to_owned(), rows as f64)].into(), ..Report::default() }
    }

    #[test]
    fn what_changed_is_said_and_what_did_not_is_not() {
        let quantiles = |by: f64| Some([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(|value| value + by));
        let column = |kind: &str, missing, by| ColumnProfile {
            name: "fare".into(),
            kind: kind.into(),
            rows: 100,
            missing,
            deviation: Some(2.0),
            quantiles: quantiles(by),
            ..ColumnProfile::default()
        };
        let before = report(100, column("integer", 0, 0.0));
        assert_eq!(since(&before, &before), None);
        let tab = since(&before, &report(120, column("float", 7, 1.0))).unwrap();
        let Block::Text(said) = &tab.blocks[0] else { panic!("{tab:?}") };
        assert_eq!(said, "Since the last time this step ran: `ingested_data` has 120 rows, before 100; 1 column looks differently; 1 figure changed.");
        let Block::Table(table) = &tab.blocks[1] else { panic!("{tab:?}") };
        let words: Vec<&Cell> = table.rows.iter().map(|row| &row[1]).collect();
        assert_eq!(words, ["type", "missing", "median", "least value", "greatest value"].map(Cell::from).iter().collect::<Vec<_>>());
    }
}
