//! `recipe run`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::events::Line;
use super::terminal::{Narrator, Style, Terminal};
use super::{Program, complete, diagnostic, out, status};
use crate::card::format::width;
use crate::error::{Error, Kind, Result, shorten};
use crate::recipe::Recipe;
use crate::recipe::emit::plain;
use crate::recipe::overrides::{is_override, quoted};
use crate::run::{Event, Force, Options, Outcome, Session, run as run_recipe};
use crate::steps::{Artifact, Json, RUN};
use crate::store::Access;

#[derive(Debug, Args)]
pub struct RunArgs {
    /// STEP and KEY=VALUE overrides: `recipe run train steps.train.using=ridge`.
    #[arg(value_name = "STEP | KEY=VALUE", add = complete::steps_and_keys())]
    words: Vec<String>,
    #[arg(short = 's', long = "step", value_name = "STEP", hide = true)]
    step: Option<String>,
    /// Take a step's result from an earlier run instead: `--use train=run:7f3a`.
    #[arg(long = "use", value_name = "STEP=run:ID", add = complete::uses())]
    uses: Vec<String>,
    /// Run although nothing changed: everything, or one step.
    #[arg(long, value_name = "STEP", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    force: Option<String>,
    /// Say what would run, and why; with `--json` as `recipe status --json` does.
    #[arg(long)]
    dry_run: bool,
    /// Run every recipe of the project.
    #[arg(long)]
    all: bool,
    /// Events as JSON, a line each, on stdout; `recipe schema events` says of what form.
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
    let recipe = program.load(&overrides).inspect_err(|error| failed(args, error))?;
    if args.dry_run {
        return status::print(program, &recipe, until, args.json).map(|_| ExitCode::SUCCESS);
    }
    let emit = args.emit.as_ref().map(|file| free(program, file, until)).transpose()?;
    on_interrupt(&program.terminal, args.json);
    let outcome = one(program, args, &recipe, until).inspect_err(|error| failed(args, error))?;
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
    on_interrupt(&program.terminal, args.json);
    let mut worst = ExitCode::SUCCESS;
    for name in names {
        let each = program.with_recipe(Some(name));
        let result = each.load(overrides).and_then(|recipe| {
            if !args.dry_run {
                return Ok(close(&each, args, &one(&each, args, &recipe, until)?));
            }
            if !args.json {
                out(&format!("{}:\n", recipe.name))?;
            }
            status::print(&each, &recipe, until, args.json).map(|_| ExitCode::SUCCESS)
        });
        let code = result.inspect_err(|error| failed(args, error)).unwrap_or_else(|error| super::fail(&program.terminal, &error));
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
    let uses = args.uses.iter().map(|word| used(word)).collect::<Result<_>>()?;
    let command = Some(typed(program, args, recipe));
    let options = Options { force, uses, command, no_wait: args.no_wait, message: args.message.clone(), ..Options::default() };
    let narrator = Narrator::new(&program.terminal);
    let observer = |event: &Event<'_>| {
        if args.json {
            out(&Line::of(event).text()).ok();
        } else {
            narrator.hear(event);
        }
    };
    run_recipe(recipe, until, &options, &observer)
}

/// A step and the run that its result comes from.
fn used(word: &str) -> Result<(String, String)> {
    match word.split_once("=run:") {
        Some((step, run)) if !step.is_empty() && !run.is_empty() => Ok((step.to_owned(), run.to_owned())),
        _ => Err(Error::usage(format!("not a step of an earlier run: `{}`", shorten(word))).hint("write STEP=run:ID, for example `--use train=run:7f3a`")),
    }
}

/// What would do the same again.
fn typed(program: &Program, args: &RunArgs, recipe: &Recipe) -> String {
    let pairs = |option: &str, values: Vec<String>| values.into_iter().flat_map(|value| [option.to_owned(), value]).collect::<Vec<_>>();
    let profiles = recipe.profile.iter().flat_map(|names| names.split('+')).map(str::to_owned).collect();
    let mut words = vec!["recipe".to_owned(), "run".to_owned()];
    words.extend(args.words.iter().chain(&args.step).cloned());
    words.extend(pairs("-r", program.recipe.iter().cloned().collect()));
    words.extend(pairs("-p", profiles));
    words.extend(pairs("--use", args.uses.clone()));
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// With `--json`, the last line of a run that failed.
fn failed(args: &RunArgs, error: &Error) {
    if args.json {
        out(&Line::failed(error).text()).ok();
    }
}

/// The last lines, and the exit code.
fn close(program: &Program, args: &RunArgs, outcome: &Outcome) -> ExitCode {
    let terminal = &program.terminal;
    let verdict = outcome.verdict.as_ref().map(|v| if v.validated { terminal.paint("VALIDATED", Style::Good) } else { terminal.paint("REJECTED", Style::Bad) });
    if args.json {
        out(&Line::finished(outcome).text()).ok();
    } else if !terminal.quiet {
        let cards = outcome.index.as_ref().map(|index| format!("cards: {}", shown(program, index)));
        let said: Vec<String> = [verdict, cards].into_iter().flatten().collect();
        let width: usize = said.iter().map(|part| width(&console::strip_ansi_codes(part)) + 3).sum();
        let line = said.join(if terminal.is_rich && width > Terminal::width_beside() + 3 { "\n" } else { " · " });
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

/// Ctrl-C and termination: what is stored stays right, so the program records the run, says so and goes.
pub fn on_interrupt(terminal: &Terminal, as_json: bool) {
    let terminal = terminal.clone();
    ctrlc::set_handler(move || {
        crate::run::record_killed();
        let error = Error::new(Kind::Interrupted, "interrupted").hint("what is finished is kept; `recipe run` goes on from there");
        let said = format!("{}{}", if terminal.is_rich { "\n" } else { "" }, diagnostic::draw(&error, &terminal));
        let (told, is_told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            // Nothing is written after this: the locks are kept to the end.
            let mut stderr = std::io::stderr().lock();
            stderr.write_all(said.as_bytes()).ok();
            let mut stdout = std::io::stdout().lock();
            if as_json {
                stdout.write_all(Line::failed(&error).text().as_bytes()).and_then(|()| stdout.flush()).ok();
            }
            told.send(()).ok();
            std::thread::park();
        });
        // Who does not read what is written cannot hold it up.
        is_told.recv_timeout(Duration::from_secs(1)).ok();
        #[allow(clippy::exit, reason = "the store is right at any moment; waiting for a step would not make it more so")]
        std::process::exit(130)
    })
    .ok();
}
