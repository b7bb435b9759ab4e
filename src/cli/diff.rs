//! `recipe diff A B`: two runs side by side, for a terminal, a pull request or a program.

use std::process::ExitCode;

use clap::Args;

use super::terminal::Terminal;
use super::{Program, complete, day_and_time, out};
use crate::card::{Block, Card, Cell, Tab, Table, format, text};
use crate::error::{Error, Kind, Result, shorten};
use crate::ml::metric::short_name;
use crate::run::{ColumnDiff, ConfigDiff, DataDiff, Diff, MetricDiff, RowDiff, Session, Setting, SliceDiff, Split, find_run};
use crate::store::Access;
use crate::tracking::RunRow;

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// A run: four or more digits of its id, `latest`, `previous`, or a model such as `models:/NAME@champion`.
    #[arg(default_value = "previous", add = complete::runs())]
    a: String,
    /// The other one, usually the newer.
    #[arg(default_value = "latest", add = complete::runs())]
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
        return Err(Error::new(Kind::Gate, format!("run {} is worse than run {}: {}", found.b.id, found.a.id, verdict(&found))));
    }
    Ok(ExitCode::SUCCESS)
}

/// The primary metric of both on test rows, in a sentence.
fn verdict(diff: &Diff) -> String {
    let short = short_name(&diff.primary_metric);
    let Some(metric) = diff.primary() else {
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

/// What is said of metrics of the rows that a model learned from.
const TRAINING: &str = "The models learned from these rows, so the figures say little of others.";

fn card(diff: &Diff) -> Card {
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
        setting.as_ref().map(told).into()
    };
    vec![config.key.as_str().into(), of(&config.a), of(&config.b)]
}

/// Rows × columns where they are known, else the beginning of the digest.
fn data(data: &DataDiff) -> Vec<Cell> {
    let of = |data: &Option<crate::run::Data>| -> Cell {
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
    vec![metric.metric.as_str().into(), metric.a.into(), metric.b.into()]
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
            [word, compared.better_by.into(), format!("{} – {}", format::number(compared.low), format::number(compared.high)).into()]
        }
        None => [Cell::Missing, Cell::Missing, Cell::Missing],
    };
    figures(metric).into_iter().chain(told).collect()
}

/// What a reader of a pull request opens when they want it.
const FOLDED: [&str; 2] = ["validation", "training"];

/// A card of texts and tables as Markdown.
fn markdown(card: &Card) -> String {
    let escape = |text: &str| format::visible(text).replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;").replace('`', "\\`");
    let mut page = format!("{}\n", escape(&card.summary));
    for tab in &card.tabs {
        let is_folded = FOLDED.contains(&tab.id.as_str());
        page.push_str(&if is_folded { format!("\n<details><summary>{}</summary>\n", escape(&tab.title)) } else { format!("\n### {}\n", escape(&tab.title)) });
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
        if is_folded {
            page.push_str("\n</details>\n");
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
