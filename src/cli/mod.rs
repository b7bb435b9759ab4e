//! The command line: arguments, what is shown, exit codes. The only floor that prints or exits.

mod artifact;
mod cache;
mod clean;
mod complete;
mod config;
mod deps;
mod diagnostic;
mod diff;
mod evaluate;
mod events;
mod export;
mod inspect;
mod leaderboard;
mod list;
mod models;
mod new;
mod predict;
mod run;
mod runs;
mod schema;
mod serve;
mod show;
mod status;
mod sweep;
mod sync;
mod terminal;
mod test;
mod ui;
mod validate;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use chrono::Utc;
use clap::{Args, Parser, Subcommand};

use crate::card::format::day_and_time;
use crate::error::{Error, Kind, Result};
use crate::recipe::{Recipe, Selection, environment};
use crate::run::Session;
use terminal::Terminal;

/// Declarative machine learning on tables.
#[derive(Debug, Parser)]
#[command(
    name = "recipe",
    version,
    about = "Declarative machine learning on tables: a recipe.yaml, fixed steps, a content-hash cache, HTML cards.",
    max_term_width = 100
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Global {
    /// Run as if started in DIR.
    #[arg(short = 'C', value_name = "DIR", global = true)]
    directory: Option<PathBuf>,
    /// The recipe, where a project has several.
    #[arg(short = 'r', long, value_name = "NAME", global = true, add = complete::recipes())]
    recipe: Option<String>,
    /// A profile; several go over each other in order (default: `RECIPE_PROFILE`, else `local` if it exists).
    #[arg(short = 'p', long = "profile", value_name = "NAME", global = true, add = complete::profiles())]
    profiles: Vec<String>,
    /// Only results and errors.
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Also why each step ran.
    #[arg(short, long, global = true)]
    verbose: bool,
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    color: terminal::ColorChoice,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the training chain up to STEP, or the scoring chain.
    Run(run::RunArgs),
    /// What is fresh, what is stale and why, without running.
    Status(status::StatusArgs),
    /// The recipe's graph; with STEP, its card as text.
    Inspect(inspect::InspectArgs),
    /// Why a step would run, or why not.
    Why(status::WhyArgs),
    /// Print an artifact.
    Show(show::ShowArgs),
    /// Print the path of an artifact.
    Artifact(artifact::ArtifactArgs),
    /// Drop cached results of this recipe; never the registry.
    Clean(clean::CleanArgs),
    /// The catalogue: estimators, transforms, metrics, steps, recipes, profiles.
    List(list::ListArgs),
    /// Check recipe and profile without running; reports every error at once.
    Validate(validate::ValidateArgs),
    /// The configuration as it is used, who set it, and how profiles differ.
    Config(config::ConfigArgs),
    /// Which recipe uses which file.
    Deps(deps::DepsArgs),
    /// The JSON Schema of recipe.yaml or of profiles, for editors.
    Schema(schema::SchemaArgs),
    /// Make a project that runs as it is.
    New(new::NewArgs),
    /// The registry of models.
    Models(models::ModelsArgs),
    /// A recipe's golden test: run its chain on a few kept rows and compare.
    Test(test::TestArgs),
    /// Past runs, and all that is known of one.
    Runs(runs::RunsArgs),
    /// What two runs did differently, and what came of it.
    Diff(diff::DiffArgs),
    /// Score files with a model, without a recipe.
    Predict(predict::PredictArgs),
    /// Serve a model over HTTP, in MLflow's scoring protocol.
    Serve(serve::ServeArgs),
    /// Recipes, runs and models as pages in the browser; only for looking.
    Ui(ui::UiArgs),
    /// How good a model is on files whose target is known, or how good another program's predictions are.
    Evaluate(evaluate::EvaluateArgs),
    /// A model for other programs: as ONNX, as SQL.
    Export(export::ExportArgs),
    /// Run every combination of some overrides, and compare.
    Sweep(sweep::SweepArgs),
    /// The models of past runs, the best first.
    Leaderboard(leaderboard::LeaderboardArgs),
    /// Send the runs that an MLflow server did not get.
    Sync(sync::SyncArgs),
    /// Look after the store.
    Cache(cache::CacheArgs),
    /// A script that makes a shell complete steps, keys, runs and models of this project.
    Completions { shell: clap_complete::Shell },
}

/// What every command gets.
pub(crate) struct Program {
    pub terminal: Terminal,
    directory: PathBuf,
    recipe: Option<String>,
    profiles: Vec<String>,
}

impl Program {
    /// What the global options and some overrides ask for.
    fn selection(&self, overrides: &[String]) -> Selection {
        Selection {
            dir: self.directory.clone(),
            recipe: self.recipe.clone(),
            profiles: self.profiles.clone(),
            overrides: overrides.to_vec(),
            environment: environment(),
        }
    }

    /// Loads the recipe that the global options choose.
    fn load(&self, overrides: &[String]) -> Result<Recipe> {
        Recipe::select(&self.selection(overrides))
    }

    /// Notes that somebody asked for test scores.
    ///
    /// # Errors
    /// Where the database cannot be read.
    fn looked_at(&self, session: &Session<'_>) -> Result<()> {
        let tracker = &session.around.tracker;
        if tracker.identity()?.is_some()
            && let Err(error) = tracker.look(&session.recipe.name, Utc::now().timestamp_millis(), user().as_deref())
        {
            self.terminal.warn(&format!("that test scores were looked at is not recorded: {error}"));
        }
        Ok(())
    }

    /// The same for another recipe of the project.
    fn with_recipe(&self, recipe: Option<String>) -> Self {
        Self { terminal: Terminal { ..self.terminal }, directory: self.directory.clone(), recipe, profiles: self.profiles.clone() }
    }
}

/// A step given by position or, as in `MLflow` Recipes, with `-s`.
#[derive(Debug, Args)]
struct StepArg {
    /// A step: ingest, split, transform, train, evaluate, register, `ingest_scoring`, predict.
    #[arg(value_name = "STEP", add = complete::steps())]
    step: Option<String>,
    #[arg(short = 's', long = "step", value_name = "STEP", hide = true, conflicts_with = "step")]
    step_option: Option<String>,
}

impl StepArg {
    fn name(&self) -> Option<&str> {
        self.step.as_deref().or(self.step_option.as_deref())
    }
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if complete::answer(arguments.clone()) {
        return ExitCode::SUCCESS;
    }
    let terminal = Terminal::plain();
    if let Some(bad) = arguments.iter().find(|argument| argument.to_str().is_none()) {
        return fail(&terminal, &Error::usage(format!("an argument is not UTF-8: `{}`", bad.to_string_lossy())));
    }
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            error.print().ok();
            return ExitCode::from(code);
        }
    };
    let terminal = Terminal::new(cli.global.color, cli.global.quiet, cli.global.verbose);
    let command = cli.command;
    let directory = cli.global.directory.unwrap_or_else(|| PathBuf::from("."));
    let program = Program { terminal, directory, recipe: cli.global.recipe, profiles: cli.global.profiles };
    quiet_panics();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| dispatch(&program, &command)));
    match result {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => fail(&program.terminal, &error),
        Err(panic) => fail(&program.terminal, &Error::panic(panic.as_ref())),
    }
}

fn dispatch(program: &Program, command: &Command) -> Result<ExitCode> {
    if !program.directory.is_dir() {
        return Err(Error::usage(format!("no such directory: `{}`", program.directory.display())));
    }
    match command {
        Command::Run(args) => run::run(program, args),
        Command::Status(args) => status::status(program, args),
        Command::Why(args) => status::why(program, args),
        Command::Inspect(args) => inspect::inspect(program, args),
        Command::Show(args) => show::show(program, args),
        Command::Artifact(args) => artifact::artifact(program, args),
        Command::Clean(args) => clean::clean(program, args),
        Command::List(args) => list::list(program, args),
        Command::Validate(args) => validate::validate(program, args),
        Command::Config(args) => config::config(program, args),
        Command::Deps(args) => deps::deps(program, args),
        Command::Schema(args) => schema::schema(program, args),
        Command::New(args) => new::new(program, args),
        Command::Models(args) => models::models(program, args),
        Command::Test(args) => test::test(program, args),
        Command::Runs(args) => runs::runs(program, args),
        Command::Diff(args) => diff::diff(program, args),
        Command::Predict(args) => predict::predict(program, args),
        Command::Serve(args) => serve::serve(program, args),
        Command::Ui(args) => ui::ui(program, args),
        Command::Evaluate(args) => evaluate::evaluate(program, args),
        Command::Export(args) => export::export(program, args),
        Command::Sweep(args) => sweep::sweep(program, args),
        Command::Leaderboard(args) => leaderboard::leaderboard(program, args),
        Command::Sync(args) => sync::sync(program, args),
        Command::Cache(args) => cache::cache(program, args),
        Command::Completions { shell } => {
            out(&complete::script(*shell)?)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn fail(terminal: &Terminal, error: &Error) -> ExitCode {
    let text = diagnostic::draw(error, terminal);
    std::io::stderr().lock().write_all(text.as_bytes()).ok();
    ExitCode::from(error.kind.exit_code())
}

/// Writes a result to stdout; a reader that went away (`| head`) ends the program quietly.
///
/// # Errors
/// Where stdout cannot be written for another reason.
pub(crate) fn out(text: &str) -> Result<()> {
    out_from(&mut text.as_bytes())
}

/// The same with everything that a reader gives.
///
/// # Errors
/// As [`out`].
pub(crate) fn out_from(from: &mut impl std::io::Read) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match std::io::copy(from, &mut stdout).and_then(|_| stdout.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            // What was asked for was done as far as anyone looked.
            #[allow(clippy::exit, reason = "nobody reads on; there is nothing to unwind to")]
            std::process::exit(0)
        }
        Err(error) => Err(Error::new(Kind::Io, format!("cannot write to stdout: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Who uses the program, where the environment says so.
fn user() -> Option<String> {
    let environment = environment();
    ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| environment.get(*name)).cloned()
}

/// A panic is told once, by [`main`], unless a backtrace was asked for.
fn quiet_panics() {
    if std::env::var_os("RUST_BACKTRACE").is_none() {
        std::panic::set_hook(Box::new(|_| {}));
    }
}
