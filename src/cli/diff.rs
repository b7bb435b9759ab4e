//! `recipe diff A B`: two runs side by side, for a terminal, a pull request or a program.

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::Args;

use super::terminal::Terminal;
use super::{Program, out};
use crate::card::{Block, Card, Cell, Tab, Table, format, text};
use crate::error::{Error, Kind, Result, shorten};
use crate::ml::metric::short_name;
use crate::run::{ColumnDiff, Diff, MetricDiff, RowDiff, Session, Side, SliceDiff, find_run};
use crate::store::Access;

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// A run: four or more digits of its id, `latest`, `previous`, or a model such as `models:/NAME@champion`.
    #[arg(default_value = "previous")]
    a: String,
    /// The other one, usually the newer.
    #[arg(default_value = "latest")]
    b: String,
    /// Markdown, for a pull request.
    #[arg(long, conflicts_with = "json")]
    md: bool,
    #[arg(long)]
    json: bool,
    /// Exit with code 10 where B is worse than A in the primary metric on test rows.
    #[arg(long, value_name = "WHAT")]
    fail_on: Option<FailOn>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum FailOn {
    Worse,
}

pub fn diff(program: &Program, args: &DiffArgs) -> Result<ExitCode> {
    let recipe = program.load(&[])?;
    let session = Session::open(&recipe, Access::Read)?;
    let found = crate::run::diff(&session, find_run(&session, &args.a)?, find_run(&session, &args.b)?)?;
    if args.json {
        out(&format!("{:#}\n", serde_json::json!(found)))?;
    } else {
        let card = card(&found);
        out(&if args.md { markdown(&card) } else { text::text(&card, Terminal::width()) })?;
    }
    if args.fail_on.is_some() && found.is_worse() {
        return Err(Error::new(Kind::Gate, format!("run {} is worse than run {}: {}", found.b.run, found.a.run, verdict(&found))));
    }
    Ok(ExitCode::SUCCESS)
}

/// The primary metric of both on test rows, in a sentence.
fn verdict(diff: &Diff) -> String {
    let short = short_name(&diff.primary_metric);
    let Some(metric) = diff.metrics.iter().find(|metric| metric.name == format!("test_{}", diff.primary_metric)) else {
        return format!("neither run has test {short}");
    };
    let value = |value: Option<f64>| value.map_or_else(|| "—".to_owned(), format::number);
    let said = match metric.compared {
        Some(compared) => format!(
            ", {} by {} (95 %: {} – {})",
            compared.verdict(),
            format::number(compared.better_by),
            format::number(compared.low),
            format::number(compared.high)
        ),
        None => String::new(),
    };
    format!("test {short} {} → {}{said}", value(metric.a), value(metric.b))
}

fn card(diff: &Diff) -> Card {
    let table = |caption: &str, columns: &[&str], rows: Vec<Vec<Cell>>| {
        Block::Table(Table { caption: caption.to_owned(), columns: columns.iter().map(|name| (*name).to_owned()).collect(), rows })
    };
    let side = |name: &str, side: &Side| -> Vec<Cell> {
        let time = DateTime::<Utc>::from_timestamp_millis(side.started_ms).map_or_else(String::new, |time| time.format("%Y-%m-%d %H:%M").to_string());
        let optional = |text: &Option<String>| text.as_deref().map_or(Cell::Missing, Cell::from);
        vec![name.into(), side.run.as_str().into(), time.into(), side.status.as_str().into(), optional(&side.profile), optional(&side.message)]
    };
    let mut tabs = vec![Tab::new(
        "runs",
        "Runs",
        vec![table("", &["", "run", "started (UTC)", "status", "profile", "message"], vec![side("A", &diff.a), side("B", &diff.b)])],
    )];
    tabs.push(Tab::new("inputs", "What went in", vec![table("", &["step", "", "changed"], changes(diff))]));
    for (id, title, columns) in [("columns", "Columns of the data", &diff.columns), ("features", "Features", &diff.features)] {
        if !columns.is_empty() {
            tabs.push(Tab::new(id, title, vec![table("", &["column", "A", "B"], columns.iter().map(column).collect())]));
        }
    }
    let metrics = diff.metrics.iter().filter(|metric| metric.a.is_some() || metric.b.is_some()).map(metric).collect();
    let mut blocks: Vec<Block> = diff.unpaired.iter().map(|why| Block::Text(format!("Not compared row by row: {why}."))).collect();
    blocks.push(table("", &["metric", "A", "B", "B is", "by", "95 % from", "to"], metrics));
    tabs.push(Tab::new("metrics", "Metrics", blocks));
    if !diff.slices.is_empty() {
        let row = |slice: &SliceDiff| vec![slice.name.as_str().into(), slice.rows.into(), slice.a.into(), slice.b.into()];
        tabs.push(Tab::new("slices", "Slices", vec![table("", &["slice", "rows", "A", "B"], diff.slices.iter().map(row).collect())]));
    }
    if !diff.rows.is_empty() {
        let ids: Vec<&str> = diff.rows.first().map(|row| row.id.keys().map(String::as_str).collect()).unwrap_or_default();
        let head: Vec<&str> = ["test row"].into_iter().chain(ids).chain(["target", "A", "B", "change"]).collect();
        let row = |row: &RowDiff| {
            let ids = row.id.values().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned).into());
            let told = [row.target.as_str().into(), row.a.as_str().into(), row.b.as_str().into(), row.change.into()];
            std::iter::once(row.row.into()).chain(ids).chain(told).collect()
        };
        tabs.push(Tab::new("rows", "Predictions that changed most", vec![table("", &head, diff.rows.iter().map(row).collect())]));
    }
    Card { summary: format!("Run {} against run {}: {}.", diff.b.run, diff.a.run, verdict(diff)), tabs, ..Card::default() }
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

fn metric(metric: &MetricDiff) -> Vec<Cell> {
    let mut row: Vec<Cell> = vec![metric.name.as_str().into(), metric.a.into(), metric.b.into()];
    match metric.compared {
        Some(compared) => {
            row.push(match compared.verdict() {
                "better" => Cell::Good("better".to_owned()),
                "worse" => Cell::Bad("worse".to_owned()),
                tie => tie.into(),
            });
            row.extend([compared.better_by.into(), compared.low.into(), compared.high.into()]);
        }
        None => row.extend([Cell::Missing, Cell::Missing, Cell::Missing, Cell::Missing]),
    }
    row
}

/// A card of texts and tables as Markdown.
fn markdown(card: &Card) -> String {
    let escape = |text: &str| format::visible(text).replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace('`', "\\`");
    let mut page = format!("{}\n", escape(&card.summary));
    for tab in &card.tabs {
        page.push_str(&format!("\n### {}\n", escape(&tab.title)));
        for block in &tab.blocks {
            page.push('\n');
            match block {
                Block::Text(text) => page.push_str(&format!("{}\n", escape(text))),
                Block::Table(table) => {
                    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
                    page.push_str(&line(table.columns.iter().map(|name| escape(name)).collect()));
                    page.push_str(&line(table.columns.iter().map(|_| "---".to_owned()).collect()));
                    for row in &table.rows {
                        page.push_str(&line(row.iter().map(|cell| escape(&shorten(&format::cell(cell).text))).collect()));
                    }
                }
                _ => {}
            }
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_escapes_what_would_end_a_cell() {
        let table = Table { caption: String::new(), columns: vec!["a|b".into(), "n".into()], rows: vec![vec!["<b>|`x`".into(), 3_usize.into()]] };
        let card = Card { summary: "one | two".into(), tabs: vec![Tab::new("t", "T", vec![Block::Table(table)])], ..Card::default() };
        assert_eq!(markdown(&card), "one \\| two\n\n### T\n\n| a\\|b | n |\n| --- | --- |\n| &lt;b>\\|\\`x\\` | 3 |\n");
    }
}
