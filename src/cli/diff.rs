//! `recipe diff A B`: two runs side by side, for a terminal, a pull request or a program.

use std::process::ExitCode;

use clap::Args;

use super::terminal::Terminal;
use super::{Program, complete, out};
use crate::card::{Block, Card, format, text};
use crate::error::{Error, Kind, Result, shorten};
use crate::run::{Session, diff_card, find_run, verdict};
use crate::store::Access;

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
    /// As JSON, for a program.
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
        let card = diff_card(&found);
        out(&if args.md { markdown(&card) } else { text::text(&card, Terminal::width()) })?;
    }
    if args.fail_on.is_some() && found.is_worse() {
        return Err(Error::new(Kind::Gate, format!("run {} is worse than run {}: {}", found.b.id, found.a.id, verdict(&found))));
    }
    Ok(ExitCode::SUCCESS)
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
    use crate::card::{Tab, Table};

    #[test]
    fn markdown_escapes_what_would_end_a_cell() {
        let table = Table { caption: String::new(), columns: vec!["a|b".into(), "n".into()], rows: vec![vec!["<b>|`x`".into(), 3_usize.into()]] };
        let card = Card { summary: "one | two".into(), tabs: vec![Tab::new("t", "T", vec![Block::Table(table)])], ..Card::default() };
        assert_eq!(markdown(&card), "one \\| two\n\n### T\n\n| a\\|b | n |\n| --- | --- |\n| &lt;b>\\|\\`x\\` | 3 |\n");
    }
}
