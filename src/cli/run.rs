//! `recipe run`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::terminal::{Narrator, Style, json_event};
use super::{Program, diagnostic, out, status};
use crate::error::{Error, Result};
use crate::recipe::Recipe;
use crate::recipe::emit::plain;
use crate::recipe::overrides::is_override;
use crate::run::{Event, Force, Options, Outcome, Session, run as run_recipe};
use crate::steps::{Artifact, Json, RUN};
use crate::store::Access;

#[derive(Debug, Args)]
pub struct RunArgs {
    /// STEP and KEY=VALUE overrides: `recipe run train steps.train.using=ridge`.
    #[arg(value_name = "STEP | KEY=VALUE")]
    words: Vec<String>,
    #[arg(short = 's', long = "step", value_name = "STEP", hide = true)]
    step: Option<String>,
    /// Run although nothing changed: everything, or one step.
    #[arg(long, value_name = "STEP", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    force: Option<String>,
    /// Say what would run, and why.
    #[arg(long)]
    dry_run: bool,
    /// Run every recipe of the project.
    #[arg(long)]
    all: bool,
    /// Events as JSON, a line each, on stdout.
    #[arg(long)]
    json: bool,
    /// Fail with exit code 8 instead of waiting for another run.
    #[arg(long)]
    no_wait: bool,
    /// Write the recipe with the model's own parameters in the place of `tuning`, `compare` and `automl`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["all", "dry_run"])]
    emit: Option<PathBuf>,
    /// A note that is kept with the run.
    #[arg(short = 'm', long, value_name = "TEXT")]
    message: Option<String>,
}

pub fn run(program: &Program, args: &RunArgs) -> Result<ExitCode> {
    let (overrides, step) = overrides_and_step(&args.words, args.step.as_deref(), "`recipe run evaluate` runs everything up to evaluate")?;
    let until = step.as_deref().unwrap_or("register");
    if args.all {
        return run_all(program, args, until, &overrides);
    }
    let recipe = program.load(&overrides)?;
    if args.dry_run {
        return status::print(program, &recipe, until, false).map(|_| ExitCode::SUCCESS);
    }
    let emit = args.emit.as_ref().map(|file| free(program, file, until)).transpose()?;
    on_interrupt();
    let outcome = one(program, args, &recipe, until)?;
    if let Some(file) = emit {
        let session = Session::open(&recipe, Access::Read)?;
        let Json(run) = Json::read(&session.artifact(RUN.id.artifact)?)?;
        std::fs::write(&file, plain(&recipe.document, &run)?).map_err(|error| Error::io("write", &file, &error))?;
    }
    Ok(close(program, args, &outcome))
}

/// Where a recipe may be written after a run, which is found out before it.
///
/// # Errors
/// Exit code 2 where something is there already, or no model will be.
fn free(program: &Program, file: &Path, until: &str) -> Result<PathBuf> {
    if !["train", "evaluate", "register"].contains(&until) {
        return Err(Error::usage(format!("`--emit` writes what train found, and `{until}` does not train")).hint("`recipe run train --emit FILE`"));
    }
    let path = program.directory.join(file);
    if path.exists() {
        return Err(Error::usage(format!("`{}` is there already", file.display())).hint("`--emit` writes a new file; name another one"));
    }
    Ok(path)
}

/// The words of a command line that are overrides, and the step among the rest, if there is one.
///
/// # Errors
/// Exit code 2 where there are several steps; `hint` says what to write.
pub fn overrides_and_step(words: &[String], option: Option<&str>, hint: &str) -> Result<(Vec<String>, Option<String>)> {
    let (overrides, steps): (Vec<String>, Vec<String>) = words.iter().cloned().partition(|word| is_override(word));
    if steps.len() > 1 {
        return Err(Error::usage(format!("one step is wanted, got {}: {}", steps.len(), steps.join(", "))).hint(hint));
    }
    Ok((overrides, steps.into_iter().next().or_else(|| option.map(str::to_owned))))
}

fn run_all(program: &Program, args: &RunArgs, until: &str, overrides: &[String]) -> Result<ExitCode> {
    let root = crate::recipe::project::find_root(&program.directory)?;
    let names = crate::recipe::project::names(&root);
    if names.is_empty() {
        return Err(Error::usage("`--all` runs each recipe below `recipes/`, and this project has none").hint("leave `--all` out"));
    }
    on_interrupt();
    let mut worst = ExitCode::SUCCESS;
    for name in names {
        let each = program.with_recipe(Some(name));
        let result = each.load(overrides).and_then(|recipe| one(&each, args, &recipe, until));
        let code = match result {
            Ok(outcome) => close(&each, args, &outcome),
            Err(error) => super::fail(&program.terminal, &error),
        };
        if code != ExitCode::SUCCESS {
            worst = code;
        }
    }
    Ok(worst)
}

fn one(program: &Program, args: &RunArgs, recipe: &Recipe, until: &str) -> Result<Outcome> {
    let force = match args.force.as_deref() {
        None => Force::Nothing,
        Some("") => Force::Everything,
        Some(step) => Force::Step(step.to_owned()),
    };
    let options = Options { force, no_wait: args.no_wait, message: args.message.clone(), ..Options::default() };
    let narrator = Narrator::new(&program.terminal);
    let observer = |event: &Event<'_>| {
        if args.json {
            out(&format!("{}\n", json_event(event))).ok();
        } else {
            narrator.hear(event);
        }
    };
    run_recipe(recipe, until, &options, &observer)
}

/// The last lines, and the exit code.
fn close(program: &Program, args: &RunArgs, outcome: &Outcome) -> ExitCode {
    use std::io::Write;
    let terminal = &program.terminal;
    let verdict = outcome.verdict.as_ref().map(|v| if v.validated { terminal.paint("VALIDATED", Style::Good) } else { terminal.paint("REJECTED", Style::Bad) });
    if args.json {
        let verdict = outcome.verdict.as_ref().map(|v| serde_json::json!({ "validated": v.validated, "reason": v.reason }));
        out(&format!(
            "{}\n",
            serde_json::json!({ "event": "finished", "run": outcome.run, "verdict": verdict, "cards": outcome.index.as_ref().map(|p| p.to_string_lossy()) })
        ))
        .ok();
    } else if !terminal.quiet {
        let cards = outcome.index.as_ref().map(|index| format!("cards: {}", shown(program, index)));
        let line = [verdict, cards].into_iter().flatten().collect::<Vec<_>>().join(" · ");
        writeln!(std::io::stderr().lock(), "{}{line}", if terminal.is_rich { "\n" } else { "" }).ok();
    }
    match outcome.stopped.as_ref().or(outcome.unsent.as_ref()) {
        Some(error) => {
            std::io::stderr().lock().write_all(diagnostic::draw(error, terminal).as_bytes()).ok();
            ExitCode::from(error.kind.exit_code())
        }
        None => ExitCode::SUCCESS,
    }
}

/// A path as short as the user's directory allows.
pub fn shown(program: &Program, path: &std::path::Path) -> String {
    let here = program.directory.canonicalize().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}

/// Ctrl-C and termination: what is stored stays right, so the program records the run and goes.
pub fn on_interrupt() {
    ctrlc::set_handler(|| {
        crate::run::record_killed();
        #[allow(clippy::exit, reason = "the store is right at any moment; waiting for a step would not make it more so")]
        std::process::exit(130)
    })
    .ok();
}
