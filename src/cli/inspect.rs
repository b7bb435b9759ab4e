//! `recipe inspect`: the graph of a recipe, or a step's card as text.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use super::run::shown;
use super::terminal::Terminal;
use super::{Program, StepArg, out, status};
use crate::card::twin::Twin;
use crate::card::{format, text};
use crate::error::{Error, Kind, Result};
use crate::run::{Edge, PlanLine, PlanState, Session, card_path, chain, edges, failed_card, index_path, plan};
use crate::steps::ARTIFACTS;
use crate::store::Access;

#[derive(Debug, Args)]
pub struct InspectArgs {
    #[command(flatten)]
    step: StepArg,
    /// Open the HTML page in the browser.
    #[arg(long)]
    open: bool,
    /// As JSON, for a program.
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
    let edges = edges(&lines);
    let session = Session::open(recipe, Access::Read)?;
    let index = index_path(&session);
    if args.json {
        let whole = serde_json::json!({
            "recipe": recipe.name,
            "template": recipe.template,
            "profile": recipe.profile,
            "seed": recipe.seed,
            "steps": lines.iter().map(status::json).collect::<Vec<_>>(),
            "edges": edges,
        });
        out(&format!("{whole:#}\n"))?;
    } else {
        let mut text = drawn(recipe, &lines, &edges, Terminal::width());
        if index.exists() {
            text.push_str(&format!("\ncards: {}\n", shown(program, &index)));
        }
        out(&text)?;
    }
    if args.open {
        open(&index)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A line a step; below it why it is stale, and what goes from it to others.
fn drawn(recipe: &crate::recipe::Recipe, lines: &[PlanLine], edges: &[Edge], width: usize) -> String {
    let profile = recipe.profile.as_ref().map_or_else(String::new, |p| format!(" · profile {p}"));
    let head = format!("{} · {}{profile} · seed {}", recipe.name, recipe.template, recipe.seed);
    let mut text = text::wrap(&head, width).join("\n") + "\n\n";
    let names = lines.iter().map(|line| line.step.len()).max().unwrap_or(0);
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
        let seconds = line.seconds.map_or_else(String::new, format::seconds);
        let begin = format!("  {glyph} {:<names$}  {word:<7}  {seconds:>8}", line.step);
        let shape = line.report.as_ref().map_or("", |report| report.line.as_str());
        let joint = if lines.get(i + 1).is_some_and(|next| next.step != "ingest_scoring") { "│" } else { " " };
        let mut below: Vec<String> = Vec::new();
        if format::width(&begin) + 2 + format::width(shape) <= width {
            text.push_str(format!("{begin}  {shape}").trim_end());
        } else {
            text.push_str(begin.trim_end());
            below.push(shape.to_owned());
        }
        text.push('\n');
        below.extend((!why.is_empty()).then_some(why));
        below.extend(line.note());
        if let PlanState::Stale(reasons) = &line.state {
            below.extend(reasons.iter().skip(1).map(ToString::to_string));
        }
        for artifact in ARTIFACTS.iter().filter(|slot| slot.step == line.step).map(|slot| slot.artifact) {
            let own = || edges.iter().filter(|edge| edge.artifact == artifact);
            let Some(first) = own().next() else { continue };
            let shape = first.rows.map_or_else(String::new, |rows| format!(" {}", format::shape(Some(rows), first.columns)));
            let readers = own().map(|edge| edge.to).collect::<Vec<_>>().join(", ");
            below.push(format!("{artifact}{shape} → {readers}"));
        }
        for part in below.iter().flat_map(|part| text::wrap(&format::visible(part), width.saturating_sub(6))) {
            text.push_str(&format!("  {joint}   {part}\n"));
        }
    }
    text
}

fn card(program: &Program, args: &InspectArgs, recipe: &crate::recipe::Recipe, step: &str) -> Result<ExitCode> {
    chain(recipe, step)?;
    let session = Session::open(recipe, Access::Read)?;
    let page = card_path(&session, step);
    if let Some(twin) = failed_card(&session, step) {
        return failure(program, args, &twin, &page);
    }
    let Some((entry, report)) = session.latest(step)? else {
        return Err(Error::data(format!("`{step}` has not run yet")).hint(format!("`recipe run {step}` runs it")));
    };
    if args.json {
        out(&format!("{}\n", serde_json::to_string_pretty(&report).map_err(|error| Error::bug(error.to_string()))?))?;
    } else {
        let mut last = format!("card: {} · run {}\n", shown(program, &page), entry.run);
        // What stands here may not be what the recipe says now.
        if let Some(line) = plan(recipe, step).ok().and_then(|mut lines| lines.pop()) {
            let (word, _, why) = status::describe(&line.state);
            let told = match line.state {
                PlanState::Fresh | PlanState::Gated(_) => line.note(),
                _ => Some(format!("{word}: {why}").trim_end_matches(": ").to_owned()),
            };
            last.extend(told.iter().flat_map(|told| text::wrap(&format::visible(told), Terminal::width())).map(|line| line + "\n"));
        }
        out(&format!("{}\n\n{last}", text::text(&report.card, Terminal::width()).trim_end()))?;
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

/// Why a step failed, as its page says.
fn failure(program: &Program, args: &InspectArgs, twin: &Twin, page: &Path) -> Result<ExitCode> {
    if args.json {
        out(&format!("{}\n", serde_json::to_string_pretty(twin).map_err(|error| Error::bug(error.to_string()))?))?;
    } else {
        let width = Terminal::width();
        let mut text = format!("{} FAILED\n", twin.step);
        for problem in &twin.problems {
            let at = |place: &Option<String>, before: &str| place.as_ref().map(|place| format!("{before}{place}")).unwrap_or_default();
            let place = format!("{}{}", at(&problem.place, "in "), at(&problem.key, if problem.place.is_some() { " at " } else { "at " }));
            let hint = at(&problem.hint, "try: ");
            text.push('\n');
            for part in [&problem.message, &place, &hint].into_iter().filter(|part| !part.is_empty()) {
                part.lines().flat_map(|line| text::wrap(&format::visible(line), width)).for_each(|line| text += &(line + "\n"));
            }
        }
        out(&format!("{text}\ncard: {}\n", shown(program, page)))?;
    }
    if args.open {
        open(page)?;
    }
    // What failed has failed, however often one looks.
    Ok(ExitCode::from(twin.exit_code.unwrap_or(Kind::Data.exit_code())))
}

/// Opens a page, a file or an address, with the desktop's own program.
pub fn open(page: impl AsRef<std::ffi::OsStr>) -> Result<()> {
    let page = page.as_ref();
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    std::process::Command::new(opener)
        .arg(page)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .map(|_| ())
        .map_err(|error| Error::new(Kind::Io, format!("cannot start `{opener}`: {error}")).hint(format!("open {} yourself", page.to_string_lossy())))
}
