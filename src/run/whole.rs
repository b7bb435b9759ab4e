//! All that is known of a run, and the card that shows it, for the terminal and the page.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Now;

use crate::card::format::{self, day_and_time};
use crate::card::{Block, Card, Cell, Fact, Tab, Table};
use crate::error::Result;
use crate::ml::metric;
use crate::tracking::{Details, RunRow, StepRow, Tracker};

/// All that is known of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Whole {
    #[serde(flatten)]
    pub row: RunRow,
    #[serde(flatten)]
    pub details: Details,
    pub steps: Vec<StepRow>,
    pub params: BTreeMap<String, String>,
    pub metrics: BTreeMap<String, f64>,
    /// Resolved, as YAML.
    pub config: Option<String>,
}

impl Whole {
    /// # Errors
    /// Where the database cannot be read.
    pub fn of(tracker: &Tracker, row: RunRow) -> Result<Self> {
        let (details, config) = (tracker.details(&row.id)?, tracker.config(&row.id)?);
        let (steps, params, metrics) = (tracker.steps(&row.id)?, tracker.params(&row.id)?, tracker.metrics(&row.id)?);
        Ok(Self { row, details, steps, params, metrics, config })
    }
}

/// How long a run took; nothing where it has not ended.
#[must_use]
pub fn took(run: &RunRow) -> Cell {
    run.finished_ms.map_or(Cell::Missing, |end| Cell::Seconds((end - run.started_ms) as f64 / 1000.0))
}

/// The state of a run, as a cell; one that is said to run, and that no process does, is lost.
#[must_use]
pub fn status(run: &RunRow, live: &[Now]) -> Cell {
    match run.status.as_str() {
        "RUNNING" if !live.iter().any(|now| now.run == run.id) => Cell::Bad("LOST".to_owned()),
        "FAILED" | "KILLED" => Cell::Bad(run.status.clone()),
        status => status.into(),
    }
}

/// A run as a card, the primary metric first.
#[must_use]
pub fn run_card(run: &Whole, primary: &str, live: &[Now]) -> Card {
    let Whole { row, details, .. } = run;
    let commit = row.git_commit.as_ref().map(|commit| {
        let dirty = if row.git_dirty == Some(true) { ", changed since (`--patch`)" } else { "" };
        let branch = row.git_branch.as_ref().map_or_else(String::new, |branch| format!(" on {branch}"));
        format!("{}{branch}{dirty}", commit.chars().take(10).collect::<String>())
    });
    let gate = details.validated.map(|validated| if validated { Cell::Good("VALIDATED".to_owned()) } else { Cell::Bad("REJECTED".to_owned()) });
    let headline: Vec<(&str, Cell)> = vec![
        ("run", row.id.as_str().into()),
        ("recipe", format!("{} ({})", row.recipe, row.template).into()),
        ("profile", row.profile.clone().into()),
        ("status", status(row, live)),
        ("started (UTC)", day_and_time(row.started_ms).into()),
        ("took", took(row)),
        ("gate", gate.unwrap_or(Cell::Missing)),
        ("reason", details.reason.clone().into()),
        ("seed", row.seed.to_string().into()),
        ("message", row.message.clone().into()),
        ("error", row.error.clone().into()),
        ("command", details.command.clone().into()),
        ("git", commit.into()),
        ("program", row.program.as_str().into()),
        ("sweep", row.sweep.clone().into()),
    ];
    let headline = headline.into_iter().filter(|(_, value)| *value != Cell::Missing).map(|(label, value)| Fact::new(label, value)).collect();
    let table = |id: &str, title: &str, columns: &[&str], rows: Vec<Vec<Cell>>| {
        let columns = columns.iter().map(|name| (*name).to_owned()).collect();
        (!rows.is_empty()).then(|| Tab::new(id, title, vec![Block::Table(Table { caption: String::new(), columns, rows })]))
    };
    let digest = |text: &str| Cell::from(text.chars().take(12).collect::<String>());
    let steps = run.steps.iter().map(|step| {
        let versions = details.versions.get(&step.step).into_iter().flatten();
        let by = versions.filter(|(name, _)| **name != step.step).map(|(name, version)| format!("{name} {version}")).collect::<Vec<_>>().join(", ");
        vec![step.step.as_str().into(), step.state.as_str().into(), Cell::Seconds(step.seconds), digest(&step.key), by.into()]
    });
    let inputs =
        details.inputs.iter().map(|input| vec![input.name.as_str().into(), input.step.as_str().into(), digest(&input.digest), input.location.as_str().into()]);
    let outputs = details.outputs.iter().map(|output| {
        let shape = output.rows.map(|rows| format::shape(Some(rows), output.columns));
        vec![output.name.as_str().into(), output.step.as_str().into(), shape.into(), Cell::Bytes(output.bytes), digest(&output.digest)]
    });
    let params = run.params.iter().map(|(name, value)| vec![name.as_str().into(), value.as_str().into()]);
    let mut tabs: Vec<Tab> = Vec::new();
    if !run.metrics.is_empty() {
        let columns = [("validation", &run.metrics, "val_"), ("test", &run.metrics, "test_"), ("training", &run.metrics, "training_")];
        let mut table = metric::table(primary, &columns);
        table.caption = String::new();
        let others = run.metrics.iter().filter(|(name, _)| !columns.iter().any(|(_, _, prefix)| name.starts_with(prefix)));
        let others: Vec<Vec<Cell>> = others.map(|(name, value)| vec![name.as_str().into(), (*value).into()]).collect();
        let others = Table { caption: String::new(), columns: vec!["figure".to_owned(), "value".to_owned()], rows: others };
        let blocks = [table, others].into_iter().filter(|table| !table.rows.is_empty()).map(Block::Table).collect();
        tabs.push(Tab::new("metrics", "Metrics", blocks));
    }
    tabs.extend(table("steps", "Steps", &["step", "", "time", "key", "made with"], steps.collect()));
    tabs.extend(table("inputs", "What it read", &["file", "step", "digest", "where"], inputs.collect()));
    tabs.extend(table("outputs", "What it made", &["artifact", "step", "size", "bytes", "digest"], outputs.collect()));
    tabs.extend(table("params", "Parameters", &["parameter", "value"], params.collect()));
    Card { headline, tabs, ..Card::default() }
}
