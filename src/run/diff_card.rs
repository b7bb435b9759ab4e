//! Two runs side by side as a card, for the terminal, a pull request and the page.

use super::diff::{ColumnDiff, ConfigDiff, DataDiff, Diff, MetricDiff, RowDiff, Setting, SliceDiff, Split};
use crate::card::format::{self, day_and_time};
use crate::card::{Block, Card, Cell, Tab, Table};
use crate::ml::metric::short_name;
use crate::ml::uncertainty::Compared;
use crate::tracking::RunRow;

/// The primary metric of both on test rows, in a sentence.
#[must_use]
pub fn verdict(diff: &Diff) -> String {
    let short = short_name(&diff.primary_metric);
    let Some(metric) = diff.primary() else {
        return format!("neither run has test {short}");
    };
    let value = |value: Option<f64>| value.map_or_else(|| "—".to_owned(), format::number);
    let said = match metric.compared {
        // Equal in every draw.
        Some(Compared { better_by: 0.0, low: 0.0, high: 0.0 }) => ", the same".to_owned(),
        Some(Compared { better_by, low, high }) => {
            let tie = if low <= 0.0 && high >= 0.0 { "a tie: " } else { "" };
            let (word, by, from, to) = if better_by < 0.0 { ("worse", 0.0 - better_by, 0.0 - high, 0.0 - low) } else { ("better", better_by, low, high) };
            format!(", {tie}{word} by {} (95 %: {})", format::number(by), between(from, to))
        }
        None => String::new(),
    };
    format!("test {short} {} → {}{said}", value(metric.a), value(metric.b))
}

/// An interval in words, which read well below zero too.
fn between(low: f64, high: f64) -> String {
    format!("{} to {}", format::number(low), format::number(high))
}

/// What is said of metrics of the rows that a model learned from.
const TRAINING: &str = "The models learned from these rows, so the figures say little of others.";

/// Two runs side by side as a card: what each tab holds is said in its title.
#[must_use]
pub fn diff_card(diff: &Diff) -> Card {
    let table = |columns: &[&str], rows: Vec<Vec<Cell>>| {
        Block::Table(Table { caption: String::new(), columns: columns.iter().map(|name| (*name).to_owned()).collect(), rows })
    };
    let mut tabs = vec![Tab::new("runs", "Runs", vec![table(&["", "A", "B"], sides(&diff.a, &diff.b))])];
    if !diff.config.is_empty() {
        tabs.push(Tab::new("config", "Configuration", vec![table(&["key", "A", "B"], diff.config.iter().map(setting).collect())]));
    }
    tabs.push(Tab::new("inputs", "What went in", vec![table(&["step", "", "changed"], changes(diff))]));
    if !diff.data.is_empty() {
        let mut blocks = vec![table(&["", "A", "B"], diff.data.iter().map(data).collect())];
        blocks.extend(diff.data.iter().find_map(|data| data.rows).map(|rows| {
            let count = |rows: u64| format::count(rows);
            Block::Text(format!(
                "Of the ingested rows {} are in both, {} only in A and {} only in B.",
                count(rows.both),
                count(rows.only_a),
                count(rows.only_b)
            ))
        }));
        tabs.push(Tab::new("data", "Data", blocks));
    }
    for (id, title, columns) in [("columns", "Columns of the data", &diff.columns), ("features", "Features", &diff.features)] {
        if !columns.is_empty() {
            tabs.push(Tab::new(id, title, vec![table(&["column", "A", "B"], columns.iter().map(column).collect())]));
        }
    }
    for (split, id, title) in [
        (Split::Test, "metrics", "Metrics on test rows"),
        (Split::Validation, "validation", "Metrics on validation rows"),
        (Split::Training, "training", "Metrics on training rows"),
    ] {
        let of: Vec<&MetricDiff> = diff.metrics.iter().filter(|metric| metric.split == split).collect();
        let mut blocks: Vec<Block> = (split == Split::Training).then(|| Block::Text(TRAINING.to_owned())).into_iter().collect();
        blocks.extend(diff.unpaired.iter().filter(|_| split == Split::Test).map(|why| Block::Text(format!("Not compared row by row: {why}."))));
        if of.iter().any(|metric| metric.compared.is_some()) {
            blocks.push(table(&["metric", "A", "B", "B is", "by", "95 %"], of.iter().map(|metric| paired(metric)).collect()));
        } else if !of.is_empty() {
            blocks.push(table(&["metric", "A", "B"], of.iter().map(|metric| figures(metric)).collect()));
        }
        if !of.is_empty() || split == Split::Test {
            tabs.push(Tab::new(id, title, blocks));
        }
    }
    if !diff.slices.is_empty() {
        let row = |slice: &SliceDiff| vec![slice.name.as_str().into(), slice.rows.into(), slice.a.into(), slice.b.into()];
        let columns = ["slice", "rows", "A", "B"];
        tabs.push(Tab::new(
            "slices",
            &format!("Slices of the test rows, by {}", short_name(&diff.primary_metric)),
            vec![table(&columns, diff.slices.iter().map(row).collect())],
        ));
    }
    if !diff.rows.is_empty() {
        let ids: Vec<&str> = diff.rows.first().map(|row| row.id.keys().map(String::as_str).collect()).unwrap_or_default();
        let head: Vec<&str> = ["test row"].into_iter().chain(ids).chain(["target", "A", "B", "change"]).collect();
        let row = |row: &RowDiff| {
            let ids = row.id.values().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned).into());
            let told = [row.target.as_str().into(), row.a.as_str().into(), row.b.as_str().into(), row.change.into()];
            std::iter::once(row.row.into()).chain(ids).chain(told).collect()
        };
        tabs.push(Tab::new("rows", "Predictions that changed most", vec![table(&head, diff.rows.iter().map(row).collect())]));
    }
    Card { summary: format!("Run {} against run {}: {}.", diff.b.id, diff.a.id, verdict(diff)), tabs, ..Card::default() }
}

/// What tells the runs apart, without what neither has.
fn sides(a: &RunRow, b: &RunRow) -> Vec<Vec<Cell>> {
    let git = |run: &RunRow| {
        let dirty = if run.git_dirty == Some(true) { ", changed since" } else { "" };
        run.git_commit.as_ref().map(|commit| format!("{}{dirty}", commit.chars().take(10).collect::<String>()))
    };
    let rows: [(&str, &dyn Fn(&RunRow) -> Option<String>); 7] = [
        ("run", &|run| Some(run.id.clone())),
        ("started (UTC)", &|run| Some(day_and_time(run.started_ms))),
        ("status", &|run| Some(run.status.clone())),
        ("profile", &|run| run.profile.clone()),
        ("seed", &|run| Some(run.seed.to_string())),
        ("git", &git),
        ("message", &|run| run.message.clone()),
    ];
    let row = |(name, of): (&str, &dyn Fn(&RunRow) -> Option<String>)| vec![name.into(), of(a).into(), of(b).into()];
    rows.into_iter().map(row).filter(|row| row.iter().skip(1).any(|cell| *cell != Cell::Missing)).collect()
}

/// What each has, and where it was set.
fn setting(config: &ConfigDiff) -> Vec<Cell> {
    let of = |setting: &Option<Setting>| -> Cell {
        let told = |setting: &Setting| match &setting.place {
            Some(place) => format!("{} ({place})", setting.value),
            None => setting.value.clone(),
        };
        setting.as_ref().map_or_else(|| "not set".to_owned(), told).into()
    };
    vec![config.key.as_str().into(), of(&config.a), of(&config.b)]
}

/// Rows × columns where they are known, else the beginning of the digest.
fn data(data: &DataDiff) -> Vec<Cell> {
    let of = |data: &Option<super::Data>| -> Cell {
        data.as_ref().map(|data| data.rows.map_or_else(|| data.digest.chars().take(12).collect(), |rows| format::shape(Some(rows), data.columns))).into()
    };
    vec![data.name.as_str().into(), of(&data.a), of(&data.b)]
}

/// A line a step, or one for each thing that it was given otherwise.
fn changes(diff: &Diff) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    for step in &diff.steps {
        let name = || Cell::from(step.step.as_str());
        if step.is_same {
            rows.push(vec![name(), "same".into(), Cell::Missing]);
        } else if step.is_forgotten {
            rows.push(vec![name(), "other".into(), "its record is no longer in the cache".into()]);
        } else {
            let inputs = (!step.inputs.is_empty()).then(|| format!("it reads other {}", step.inputs.join(", ")));
            for change in step.changes.iter().cloned().chain(inputs) {
                rows.push(vec![name(), "other".into(), change.into()]);
            }
        }
    }
    rows
}

fn column(column: &ColumnDiff) -> Vec<Cell> {
    let cell = |kind: &Option<String>| kind.as_deref().map_or(Cell::Missing, Cell::from);
    vec![column.name.as_str().into(), cell(&column.a), cell(&column.b)]
}

fn figures(metric: &MetricDiff) -> Vec<Cell> {
    let of = |value: Option<f64>| value.map_or_else(|| "not measured".into(), Cell::from);
    vec![metric.metric.as_str().into(), of(metric.a), of(metric.b)]
}

/// With how much better B is, and how sure that is.
fn paired(metric: &MetricDiff) -> Vec<Cell> {
    let told = match metric.compared {
        Some(compared) => {
            let word = match compared.verdict() {
                "better" => Cell::Good("better".to_owned()),
                "worse" => Cell::Bad("worse".to_owned()),
                tie => tie.into(),
            };
            [word, compared.better_by.into(), between(compared.low, compared.high).into()]
        }
        None => [Cell::Missing, Cell::Missing, Cell::Missing],
    };
    figures(metric).into_iter().chain(told).collect()
}
