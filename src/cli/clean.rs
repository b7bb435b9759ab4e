//! `recipe clean`: drop cached results. The registry is never touched.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::{Program, StepArg, out};
use crate::card::format;
use crate::data::Age;
use crate::error::{Error, Result};
use crate::run::chain;
use crate::store::{Access, Freed, Owner, Store, Wait};

#[derive(Debug, Args)]
pub struct CleanArgs {
    #[command(flatten)]
    step: StepArg,
    /// The whole cache, of every recipe.
    #[arg(long)]
    all: bool,
    /// Only what was not used for so long, such as 30d.
    #[arg(long, value_name = "AGE", conflicts_with = "step")]
    older_than: Option<String>,
}

pub fn clean(program: &Program, args: &CleanArgs) -> Result<ExitCode> {
    let recipe = program.load(&[])?;
    if let Some(step) = args.step.name() {
        chain(&recipe, step)?;
    }
    let mut store = Store::open(&recipe.root.join(".recipe"), recipe.cache_dir.as_deref(), Access::Write)?;
    let mut wait = |_: Duration| Ok(());
    let wait = Wait::Block(&mut wait);
    let freed: Freed = match (&args.older_than, args.all) {
        (Some(age), _) => store.gc(Some(parse_age(age)?), wait)?,
        (None, true) => store.clear(wait)?,
        (None, false) => store.forget(&Owner::new(&recipe.name, recipe.profile.as_deref()), args.step.name(), wait)?,
    };
    out(&format!("dropped {} results, {} freed; registered models are untouched\n", freed.results, format::bytes(freed.bytes)))?;
    Ok(ExitCode::SUCCESS)
}

/// `30d`, `12h`, `90m`.
pub fn parse_age(text: &str) -> Result<Duration> {
    let age = Age::parse(text)
        .ok_or_else(|| Error::usage(format!("not an age: `{}`", crate::error::shorten(text))).hint("write for example `30d`, `12h` or `90m`"))?;
    Ok(Duration::from_secs(u64::try_from(age.seconds()).unwrap_or(0)))
}
