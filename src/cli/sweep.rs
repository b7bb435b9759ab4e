//! `recipe sweep`: every combination of some overrides, and how they compare.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;

use super::leaderboard::{column_names, direction};
use super::run::{on_interrupt, overrides_and_step};
use super::terminal::{Narrator, Style, Terminal, line};
use super::{Program, diagnostic, out};
use crate::card::{Cell, Table, format, text};
use crate::error::{Error, Kind, Result, counted};
use crate::ml::metric::short_name;
use crate::recipe::overrides::quoted;
use crate::run::{Axis, Event, Grid, JobDone, JobStatus, OnFailure, Options, Pairing, Sweep, exit_code};
use crate::value::Path;

#[derive(Debug, Args)]
pub struct SweepArgs {
    /// Overrides with several values, `train.estimator_params.alpha=0.1,1,10 seed=range(0,3)`, and the STEP up to which each job
    /// runs: `evaluate` unless it is said, so that nothing is registered.
    #[arg(value_name = "STEP | KEY=VALUES", add = super::complete::steps_and_keys())]
    words: Vec<String>,
    #[arg(short = 's', long = "step", value_name = "STEP", hide = true)]
    step: Option<String>,
    /// Pair the lists up: the first values together, then the second ones.
    #[arg(long)]
    zip: bool,
    /// Stop at the first job that fails.
    #[arg(long)]
    fail_fast: bool,
    /// The result as JSON.
    #[arg(long)]
    json: bool,
    /// A job fails with exit code 8 instead of waiting for another run.
    #[arg(long)]
    no_wait: bool,
    /// A note that is kept with each run.
    #[arg(short = 'm', long, value_name = "TEXT")]
    message: Option<String>,
}

pub fn sweep(program: &Program, args: &SweepArgs) -> Result<ExitCode> {
    let (overrides, step) = overrides_and_step(&args.words, args.step.as_deref(), "`recipe sweep train KEY=VALUES` runs each job up to train")?;
    let until = step.as_deref().unwrap_or("evaluate");
    let grid = Grid::parse(&overrides, if args.zip { Pairing::Zip } else { Pairing::Product })?;
    let sweep = Sweep::prepare(&program.selection(&[]), grid, until)?;
    let terminal = &program.terminal;
    on_interrupt(terminal, false);
    let view = View::new(&sweep);
    if !terminal.quiet {
        let jobs = counted(sweep.jobs.len() as u64, "job");
        line(&format!("sweep {}: {jobs} of {} up to {}", sweep.id, terminal.paint(&sweep.recipe, Style::Bold), sweep.until));
    }
    let narrator = Narrator::new(terminal);
    let observer = |event: &Event<'_>| match event {
        // Its lines are those of the jobs, unless more is asked for.
        Event::Started { .. } | Event::StepDone { .. } | Event::StepFailed { .. } | Event::Warning { .. } if !terminal.verbose => {}
        event => narrator.hear(event),
    };
    let command = Some(["recipe", "run"].into_iter().chain(chosen(program)).map(quoted).collect::<Vec<_>>().join(" "));
    let options = Options { command, no_wait: args.no_wait, message: args.message.clone(), ..Options::default() };
    let on_failure = if args.fail_fast { OnFailure::Stop } else { OnFailure::GoOn };
    let mut done = sweep.run(&options, on_failure, &observer, &mut |job| {
        narrator.clear();
        if !terminal.quiet {
            line(&view.progress(terminal, job));
        }
    });
    sweep.rank(&mut done);
    if args.json {
        out(&format!("{:#}\n", view.json(&done)))?;
    } else {
        out(&text::table(&view.table(&done), Terminal::width()))?;
    }
    close(program, &view, &done);
    Ok(ExitCode::from(exit_code(&done)))
}

/// What went wrong, each thing once, and how to get at the best.
fn close(program: &Program, view: &View<'_>, done: &[JobDone]) {
    let tell = |error: &Error| std::io::stderr().lock().write_all(diagnostic::draw(error, &program.terminal).as_bytes()).ok();
    let mut told: Vec<&Error> = Vec::new();
    for error in done.iter().filter(|job| job.status == JobStatus::Failed).filter_map(|job| job.error.as_ref()) {
        if !told.contains(&error) {
            told.push(error);
            tell(error);
        }
    }
    let rejected = done.iter().filter(|job| job.status == JobStatus::Rejected).count();
    if rejected > 0 {
        let error = Error::new(Kind::Gate, format!("the gate rejected {rejected} of {}", counted(done.len() as u64, "model")));
        tell(&error.hint("`--json` gives each one's reason; `recipe inspect evaluate` shows the criteria"));
    }
    if !program.terminal.quiet
        && view.sweep.until != "register"
        && let Some(best) = done.iter().find(|job| job.validation.is_some() && job.status != JobStatus::Rejected)
        && let Some(job) = view.sweep.jobs.get(best.job)
    {
        let words: Vec<String> = chosen(program).chain(job.overrides.iter().map(String::as_str)).map(quoted).collect();
        line(&format!("best: job {}; to register it: recipe run {}", best.job + 1, words.join(" ")));
    }
}

/// The options that choose recipe and profiles.
fn chosen(program: &Program) -> impl Iterator<Item = &str> {
    let recipe = program.recipe.iter().flat_map(|name| ["-r", name]);
    recipe.chain(program.profiles.iter().flat_map(|name| ["-p", name]))
}

/// A sweep as it is shown.
struct View<'a> {
    sweep: &'a Sweep,
    /// The keys that differ: index among the axes, and what they are called.
    columns: Vec<(usize, String)>,
}

impl<'a> View<'a> {
    fn new(sweep: &'a Sweep) -> Self {
        let varying: Vec<usize> = sweep.grid.axes.iter().enumerate().filter(|(_, axis)| axis.varies()).map(|(i, _)| i).collect();
        let paths: Vec<Path> = varying.iter().filter_map(|i| sweep.grid.axes.get(*i)).map(Axis::path).collect();
        Self { sweep, columns: varying.into_iter().zip(column_names(&paths)).collect() }
    }

    /// The value that a job has for an axis.
    fn value(&self, job: usize, axis: usize) -> &'a str {
        let index = self.sweep.grid.jobs.get(job).and_then(|values| values.get(axis)).copied().unwrap_or_default();
        self.sweep.grid.axes.get(axis).and_then(|axis| axis.values.get(index)).map_or("", String::as_str)
    }

    fn progress(&self, terminal: &Terminal, job: &JobDone) -> String {
        let place = format!("{}/{}", job.job + 1, self.sweep.jobs.len());
        let values: Vec<String> = self.columns.iter().map(|(axis, name)| format!("{name}={}", format::visible(self.value(job.job, *axis)))).collect();
        let values = values.join(" ");
        let metric = short_name(&self.sweep.metric);
        let score = job.validation.map_or_else(String::new, |value| format!("val {metric} {}", format::number(value)));
        let time = format::seconds(job.seconds);
        let why =
            job.error.as_ref().filter(|_| job.status == JobStatus::Failed).and_then(|error| error.problems.first()).map(|problem| problem.message.as_str());
        let note = format::visible(why.unwrap_or(&score)).into_owned();
        if terminal.is_rich {
            let (mark, style) = match job.status {
                JobStatus::Done => ("✓", Style::Good),
                JobStatus::Cached | JobStatus::NotRun => ("=", Style::Dim),
                JobStatus::Rejected | JobStatus::Failed => ("✗", Style::Bad),
            };
            let time = if job.status == JobStatus::Cached { "cached".to_owned() } else { time };
            return format!("  {} {place:>7}  {values:<34} {time:>8}  {}", terminal.paint(mark, style), terminal.paint(&note, Style::Dim));
        }
        let said = match job.status {
            JobStatus::Cached => "cached".to_owned(),
            JobStatus::Failed => format!("failed after {time}"),
            status => format!("{} in {time}", status.name()),
        };
        [format!("job {place}: {said}"), values, note].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    }

    fn table(&self, done: &[JobDone]) -> Table {
        let metric = short_name(&self.sweep.metric);
        let has_failed = done.iter().any(|job| job.status == JobStatus::Failed);
        let has_test = done.iter().any(|job| job.test.is_some());
        let mut columns = vec!["job".to_owned()];
        columns.extend(self.columns.iter().map(|(_, name)| name.clone()));
        columns.extend(["status".to_owned(), format!("val {metric}")]);
        columns.extend(has_test.then(|| format!("test {metric}")));
        columns.push("time".to_owned());
        columns.extend(has_failed.then(|| "error".to_owned()));
        let row = |job: &JobDone| {
            let mut cells = vec![Cell::from(job.job + 1)];
            cells.extend(self.columns.iter().map(|(axis, _)| Cell::from(self.value(job.job, *axis))));
            let time = if job.status == JobStatus::NotRun { Cell::Missing } else { Cell::Seconds(job.seconds) };
            cells.extend([job.status.name().into(), job.validation.into()]);
            cells.extend(has_test.then(|| job.test.into()));
            cells.push(time);
            if has_failed {
                let message =
                    job.error.as_ref().filter(|_| job.status == JobStatus::Failed).and_then(|error| error.problems.first()).map(|p| p.message.clone());
                cells.push(message.unwrap_or_default().into());
            }
            cells
        };
        Table {
            caption: format!("sweep {}: {}, {}", self.sweep.id, self.sweep.metric, direction(self.sweep.greater_is_better)),
            columns,
            rows: done.iter().map(row).collect(),
        }
    }

    fn json(&self, done: &[JobDone]) -> serde_json::Value {
        let job = |job: &JobDone| {
            serde_json::json!({
                "job": job.job + 1,
                "overrides": self.sweep.jobs.get(job.job).map(|j| &j.overrides),
                "status": job.status.name(),
                "validation": job.validation,
                "test": job.test,
                "seconds": job.seconds,
                "fit_seconds": job.fit_seconds,
                "run": job.run,
                "error": job.error.as_ref().map(ToString::to_string),
                "exit_code": job.error.as_ref().map_or(0, |error| error.kind.exit_code()),
            })
        };
        serde_json::json!({
            "sweep": self.sweep.id,
            "recipe": self.sweep.recipe,
            "step": self.sweep.until,
            "metric": self.sweep.metric,
            "greater_is_better": self.sweep.greater_is_better,
            "jobs": done.iter().map(job).collect::<Vec<_>>(),
        })
    }
}
