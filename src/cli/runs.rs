//! `recipe runs`: past runs, the newest first.

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::Args;

use super::{Program, out};
use crate::card::format;
use crate::error::Result;
use crate::run::Session;
use crate::store::Access;

#[derive(Debug, Args)]
pub struct RunsArgs {
    /// How many.
    #[arg(short = 'n', value_name = "COUNT", default_value_t = 20)]
    count: usize,
}

pub fn runs(program: &Program, args: &RunsArgs) -> Result<ExitCode> {
    let recipe = program.load(&[])?;
    let session = Session::open(&recipe, Access::Read)?;
    let metric = format!("test_{}", recipe.primary_metric);
    let mut text = String::new();
    for run in session.around.tracker.runs(Some(&recipe.name), args.count)? {
        let time = DateTime::<Utc>::from_timestamp_millis(run.started_ms).map_or_else(String::new, |t| t.format("%Y-%m-%d %H:%M:%S").to_string());
        let seconds = run.finished_ms.map_or_else(String::new, |end| format::seconds((end - run.started_ms) as f64 / 1000.0));
        let value = session.around.tracker.metrics(&run.id)?.get(&metric).map_or_else(String::new, |v| format!("{metric} {}", format::number(*v)));
        let message = run.message.map_or_else(String::new, |m| format!("  {m}"));
        text.push_str(&format!("{}  {time}  {:<9} {:<10} {seconds:>8}  {value}{message}\n", run.id, run.status, run.profile.unwrap_or_default()));
    }
    if text.is_empty() {
        text.push_str("no run yet; `recipe run` makes one\n");
    }
    out(&text)?;
    Ok(ExitCode::SUCCESS)
}
