//! `recipe artifact`: where an artifact lies.

use std::process::ExitCode;

use clap::Args;

use super::{Program, out};
use crate::error::Result;
use crate::run::Session;
use crate::store::Access;

#[derive(Debug, Args)]
pub struct ArtifactArgs {
    /// `ingested_data`, `training_data`, `model`, …
    name: String,
}

pub fn artifact(program: &Program, args: &ArtifactArgs) -> Result<ExitCode> {
    let recipe = program.load(&[])?;
    let session = Session::open(&recipe, Access::Read)?;
    out(&format!("{}\n", session.artifact(&args.name)?.display()))?;
    Ok(ExitCode::SUCCESS)
}
