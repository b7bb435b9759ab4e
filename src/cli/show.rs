//! `recipe show`: an artifact's content.

use std::process::ExitCode;

use clap::Args;

use super::terminal::Terminal;
use super::{Program, out};
use crate::card::text;
use crate::card::{Block, Card, Tab, Table as CardTable};
use crate::data::{Table, rows};
use crate::error::{Error, Result, thousands};
use crate::ml::FittedChain;
use crate::ml::chain::Trace;
use crate::run::Session;
use crate::steps::{ARTIFACTS, Artifact};
use crate::store::Access;

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// `ingested_data`, `training_data`, `model`, …, or that of an earlier run: `7f3a:model`, `previous:test_data`.
    #[arg(value_name = "ARTIFACT | RUN:ARTIFACT", add = super::complete::artifacts())]
    name: String,
    /// How tables are written.
    #[arg(long, default_value = "table")]
    format: Format,
    /// Rows to print.
    #[arg(short = 'n', value_name = "ROWS", default_value_t = 20)]
    rows: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Csv,
    Jsonl,
    Json,
}

pub fn show(program: &Program, args: &ShowArgs) -> Result<ExitCode> {
    let recipe = program.load(&[])?;
    let session = Session::open(&recipe, Access::Read)?;
    let path = session.artifact(&args.name)?;
    let name = args.name.rsplit(':').next().unwrap_or_default();
    let is_table = ARTIFACTS.iter().any(|slot| slot.artifact == name && slot.extension == "parquet");
    if is_table {
        table(args, &Table::read(&path)?)?;
    } else if name == "transformer" && args.format == Format::Table {
        let fitted = FittedChain::read(&path)?;
        let blocks = fitted.trace().into_iter().enumerate().flat_map(|(i, step)| learned(i + 1, step)).collect();
        out(&text::text(&Card { tabs: vec![Tab::new("learned", "Learned", blocks)], ..Card::default() }, Terminal::width()))?;
    } else {
        let bytes = std::fs::read(&path).map_err(|error| Error::io("read", &path, &error))?;
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| Error::store(format!("`{}` is damaged: {error}", args.name)))?;
        out(&format!("{}\n", serde_json::to_string_pretty(&value).map_err(|error| Error::bug(error.to_string()))?))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What one transform of a chain learned.
fn learned(number: usize, step: Trace) -> Vec<Block> {
    let tables: Vec<Block> = step.learned.into_iter().filter(|table| !table.rows.is_empty()).map(Block::Table).collect();
    let nothing = tables.is_empty().then(|| Block::Text("Nothing is learned.".to_owned()));
    std::iter::once(Block::Heading(format!("{number} {}", step.name))).chain(nothing).chain(tables).collect()
}

fn table(args: &ShowArgs, table: &Table) -> Result<()> {
    let names: Vec<String> = table.names().map(str::to_owned).collect();
    let frame = table.head(args.rows)?;
    match args.format {
        Format::Table => {
            let total = table.rows()?;
            let shown = CardTable {
                caption: format!("{} × {}", thousands(total as u64), names.len()),
                rows: (0..frame.height()).map(|row| rows::cells(&frame, row, &names)).collect(),
                columns: names,
            };
            out(&text::table(&shown, Terminal::width()))?;
        }
        Format::Csv => {
            let mut writer = csv::Writer::from_writer(Vec::new());
            let fail = |error: csv::Error| Error::bug(error.to_string());
            writer.write_record(&names).map_err(fail)?;
            for row in 0..frame.height() {
                let fields: Vec<String> = frame
                    .columns()
                    .iter()
                    .map(|column| match rows::json(column, row) {
                        serde_json::Value::Null => String::new(),
                        serde_json::Value::String(text) => text,
                        other => other.to_string(),
                    })
                    .collect();
                writer.write_record(&fields).map_err(fail)?;
            }
            let bytes = writer.into_inner().map_err(|error| Error::bug(error.to_string()))?;
            out(&String::from_utf8_lossy(&bytes))?;
        }
        Format::Jsonl => {
            let text: String = rows::records(&frame, &names).into_iter().map(|record| format!("{}\n", serde_json::Value::Object(record))).collect();
            out(&text)?;
        }
        Format::Json => {
            let records = rows::records(&frame, &names);
            out(&format!("{}\n", serde_json::to_string_pretty(&records).map_err(|error| Error::bug(error.to_string()))?))?;
        }
    }
    Ok(())
}
