//! `recipe inspect`: the graph of a recipe, or a step's card as text.

use std::process::ExitCode;

use clap::Args;

use super::run::shown;
use super::terminal::Terminal;
use super::{Program, StepArg, out, status};
use crate::card::{format, text};
use crate::error::{Error, Kind, Result};
use crate::run::{PlanState, Session, card_path, chain, index_path, plan};
use crate::store::Access;

#[derive(Debug, Args)]
pub struct InspectArgs {
    #[command(flatten)]
    step: StepArg,
    /// Open the HTML page in the browser.
    #[arg(long)]
    open: bool,
    #[arg(long)]
    json: bool,
}

pub fn inspect(program: &Program, args: &InspectArgs) -> Result<ExitCode> {
    let recipe = program.load(&[])?;
    match args.step.name() {
        None => graph(program, args, &recipe),
        Some(step) => card(program, args, &recipe, step),
    }
}

fn graph(program: &Program, args: &InspectArgs, recipe: &crate::recipe::Recipe) -> Result<ExitCode> {
    let mut lines = plan(recipe, "register")?;
    if !recipe.scoring.is_empty() {
        lines.extend(plan(recipe, "predict")?);
    }
    let mut text = String::new();
    if args.json {
        for line in &lines {
            text.push_str(&format!("{}\n", status::json(line)));
        }
    } else {
        let profile = recipe.profile.as_ref().map_or_else(String::new, |p| format!(" · profile {p}"));
        text.push_str(&format!("{} · {}{profile} · seed {}\n\n", recipe.name, recipe.template, recipe.seed));
        for (i, line) in lines.iter().enumerate() {
            if line.step == "ingest_scoring" {
                text.push('\n');
            }
            let (word, _, why) = status::describe(&line.state);
            let glyph = match line.state {
                PlanState::Fresh => "●",
                PlanState::Stale(_) => "○",
                PlanState::Waiting(_) => "·",
                PlanState::Blocked(_) | PlanState::Gated(_) => "✗",
            };
            let shape = line.report.as_ref().map_or_else(String::new, |r| r.line.clone());
            let seconds = line.seconds.map_or_else(String::new, format::seconds);
            let joint = if lines.get(i + 1).is_some_and(|next| next.step != "ingest_scoring") { "│" } else { " " };
            text.push_str(&format!("  {glyph} {:<14} {word:<8} {shape:<34} {seconds:>8}\n", line.step));
            if !why.is_empty() {
                text.push_str(&format!("  {joint}   {why}\n"));
            }
        }
    }
    let session = Session::open(recipe, Access::Read)?;
    let index = index_path(&session);
    if index.exists() && !args.json {
        text.push_str(&format!("\ncards: {}\n", shown(program, &index)));
    }
    out(&text)?;
    if args.open {
        open(&index)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn card(program: &Program, args: &InspectArgs, recipe: &crate::recipe::Recipe, step: &str) -> Result<ExitCode> {
    chain(recipe, step)?;
    let session = Session::open(recipe, Access::Read)?;
    let Some((_, report)) = session.latest(step)? else {
        return Err(Error::data(format!("`{step}` has not run yet")).hint(format!("`recipe run {step}` runs it")));
    };
    let page = card_path(&session, step);
    if args.json {
        out(&format!("{}\n", serde_json::to_string_pretty(&report).map_err(|error| Error::bug(error.to_string()))?))?;
    } else {
        out(&format!("{}\n\ncard: {}\n", text::text(&report.card, Terminal::width()).trim_end(), shown(program, &page)))?;
    }
    if args.open {
        open(&page)?;
    }
    // A rejected model is rejected, however often one looks.
    Ok(match report.verdict {
        Some(verdict) if !verdict.validated => ExitCode::from(Kind::Gate.exit_code()),
        _ => ExitCode::SUCCESS,
    })
}

/// Opens a page with the desktop's own program.
fn open(page: &std::path::Path) -> Result<()> {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    std::process::Command::new(opener)
        .arg(page)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .map(|_| ())
        .map_err(|error| Error::new(Kind::Io, format!("cannot start `{opener}`: {error}")).hint(format!("open {} yourself", page.display())))
}
