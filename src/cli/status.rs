//! `recipe status` and `recipe why`.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Args;

use super::terminal::{Style, Terminal};
use super::{Program, StepArg, out};
use crate::card::format;
use crate::card::text::wrap;
use crate::error::{Error, Result};
use crate::recipe::Recipe;
use crate::run::{PlanLine, PlanState, chain, plan};
use crate::store::Stale;

#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    step: StepArg,
    /// Exit with 10 where something would run.
    #[arg(long)]
    exit_code: bool,
    /// As JSON, for a program.
    #[arg(long)]
    json: bool,
    /// KEY=VALUE overrides.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

#[derive(Debug, Args)]
pub struct WhyArgs {
    #[arg(value_name = "STEP", add = super::complete::steps())]
    step: String,
    /// KEY=VALUE overrides, as `recipe run` would get them.
    #[arg(value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// As JSON, for a program.
    #[arg(long)]
    json: bool,
}

pub fn status(program: &Program, args: &StatusArgs) -> Result<ExitCode> {
    let recipe = program.load(&args.overrides)?;
    let until = args.step.name().unwrap_or("register");
    let is_fresh = print(program, &recipe, until, args.json)?;
    Ok(if args.exit_code && !is_fresh { ExitCode::from(10) } else { ExitCode::SUCCESS })
}

/// Prints the plan; true where nothing would run.
pub fn print(program: &Program, recipe: &Recipe, until: &str, as_json: bool) -> Result<bool> {
    let lines = plan(recipe, until)?;
    let is_fresh = lines.iter().all(|line| matches!(line.state, PlanState::Fresh | PlanState::Gated(_)));
    let mut text = String::new();
    for line in &lines {
        if as_json {
            let mut line = json(line);
            line["recipe"] = recipe.name.as_str().into();
            text.push_str(&format!("{line}\n"));
        } else {
            let (word, style, why) = describe(&line.state);
            let more = if let PlanState::Stale(reasons) = &line.state { &reasons[1.min(reasons.len())..] } else { &[] };
            let reasons = std::iter::once(why).chain(more.iter().map(Stale::to_string));
            // What another program reads is a line a reason.
            let room = if std::io::stdout().is_terminal() { Terminal::width().saturating_sub(25) } else { usize::MAX };
            for (i, reason) in reasons.flat_map(|reason| wrap(&reason, room)).enumerate() {
                let (step, word) = if i == 0 { (line.step, word) } else { ("", "") };
                text.push_str(&format!("{step:<14} {}  {reason}\n", paint_stdout(program, &format!("{word:<8}"), style)));
            }
        }
    }
    out(&text)?;
    Ok(is_fresh)
}

/// Colour on stdout only where stdout is looked at.
fn paint_stdout(program: &Program, text: &str, style: Style) -> String {
    if std::io::stdout().is_terminal() { program.terminal.paint(text, style) } else { text.to_owned() }
}

/// A word for the state, and why.
pub fn describe(state: &PlanState) -> (&'static str, Style, String) {
    match state {
        PlanState::Fresh => ("fresh", Style::Good, String::new()),
        PlanState::Stale(reasons) => ("stale", Style::Warn, reasons.first().map_or_else(String::new, ToString::to_string)),
        PlanState::Waiting(step) => ("waiting", Style::Dim, format!("for {step}")),
        PlanState::Blocked(why) => ("blocked", Style::Bad, why.clone()),
        PlanState::Gated(why) => ("gated", Style::Bad, format!("the model was rejected: it {why}")),
    }
}

/// A line of the plan as JSON.
pub fn json(line: &PlanLine) -> serde_json::Value {
    let (word, _, why) = describe(&line.state);
    let reasons: Vec<String> = match &line.state {
        PlanState::Stale(reasons) => reasons.iter().map(Stale::to_string).collect(),
        _ if why.is_empty() => Vec::new(),
        _ => vec![why],
    };
    let shapes = line.report.as_ref().map(|r| r.shapes.clone()).unwrap_or_default();
    serde_json::json!({ "step": line.step, "state": word, "reasons": reasons, "seconds": line.seconds, "shapes": shapes, "line": line.report.as_ref().map(|r| r.line.clone()) })
}

pub fn why(program: &Program, args: &WhyArgs) -> Result<ExitCode> {
    let recipe = program.load(&args.overrides)?;
    chain(&recipe, &args.step)?;
    let lines = plan(&recipe, &args.step)?;
    let line = lines.last().ok_or_else(|| Error::bug("a chain has steps"))?;
    if args.json {
        out(&format!("{}\n", json(line)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = match &line.state {
        PlanState::Fresh => {
            let seconds = line.seconds.map_or_else(String::new, |s| format!(" (it took {})", format::seconds(s)));
            format!("{} would not run: nothing it depends on has changed{seconds}\n", line.step)
        }
        PlanState::Stale(reasons) => {
            let list: String = reasons.iter().map(|reason| format!("  {reason}\n")).collect();
            format!("{} would run, because\n{list}", line.step)
        }
        PlanState::Waiting(first) => format!("{} may run: it depends on {first}, which would run (`recipe why {first}`)\n", line.step),
        PlanState::Blocked(why) => format!("{} cannot run: {why}\n", line.step),
        PlanState::Gated(why) => format!("{} would not run: the model was rejected: it {why}\n", line.step),
    };
    out(&text)?;
    Ok(ExitCode::SUCCESS)
}
