//! `recipe sync`: sends the runs that an MLflow server did not get.

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::Args;

use super::{Program, out};
use crate::error::{Error, Kind, Result, counted, shorten};
use crate::run::{Session, sync as sync_runs};
use crate::store::Access;
use crate::tracking::Waiting;

#[derive(Debug, Args)]
pub struct SyncArgs {
    /// The runs to send, by the beginning of their ids (default: all that wait).
    #[arg(value_name = "RUN")]
    runs: Vec<String>,
    /// Only list what waits, and why.
    #[arg(long)]
    dry_run: bool,
    /// Send these runs never; they stay recorded here.
    #[arg(long, requires = "runs", conflicts_with = "dry_run")]
    forget: bool,
}

pub fn sync(program: &Program, args: &SyncArgs) -> Result<ExitCode> {
    let recipe = program.load(&[])?;
    let session = Session::open(&recipe, if args.dry_run { Access::Read } else { Access::Write })?;
    let waiting = session.around.tracker.waiting()?;
    if let Some(unknown) = args.runs.iter().find(|run| run.len() < 4 || !waiting.iter().any(|waiting| waiting.run.starts_with(run.as_str()))) {
        return Err(
            Error::usage(format!("no run that begins with `{}` waits to be sent", shorten(unknown))).hint("`recipe sync --dry-run` lists those that do")
        );
    }
    let is_meant = |waiting: &Waiting| args.runs.is_empty() || args.runs.iter().any(|run| waiting.run.starts_with(run.as_str()));
    if !waiting.iter().any(is_meant) {
        out("nothing waits to be sent\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.dry_run {
        out(&waiting.iter().filter(|waiting| is_meant(waiting)).map(line).collect::<String>())?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.forget {
        for waiting in waiting.iter().filter(|waiting| is_meant(waiting)) {
            session.around.tracker.forget_parcel(&waiting.run)?;
            out(&format!("{}  will not be sent\n", waiting.run))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let (mut sent, mut failed) = (0, 0);
    sync_runs(&session, &is_meant, &mut |waiting, result| match result {
        Ok(done) => {
            sent += 1;
            let version = done.version.as_ref().map_or_else(String::new, |(name, version)| format!("  {name} v{version}"));
            out(&format!("{}  {}{version}\n", waiting.run, done.url)).ok();
            done.notes.iter().for_each(|note| program.terminal.warn(note));
        }
        Err(error) => {
            failed += 1;
            program.terminal.warn(&format!("run {} was not sent: {error}", waiting.run));
        }
    })?;
    if failed == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    let message = format!("{} of {} not sent", failed, counted(sent + failed, "run"));
    Err(Error::new(Kind::Remote, message).hint("`recipe sync` goes on where it broke off; `--forget RUN` gives a run up"))
}

/// A run that waits.
fn line(waiting: &Waiting) -> String {
    let time = DateTime::<Utc>::from_timestamp_millis(waiting.started_ms).map_or_else(String::new, |time| time.format("%Y-%m-%d %H:%M:%S").to_string());
    let why = waiting.error.as_ref().map_or_else(String::new, |why| format!("  {why}"));
    format!("{}  {time}  {}  {}{why}\n", waiting.run, waiting.recipe, waiting.uri)
}
