//! `recipe artifact`: where an artifact lies.

use std::process::ExitCode;

use clap::Args;

use super::{Program, out};
use crate::error::Result;
use crate::run::Session;
use crate::store::Access;

#[derive(Debug, Args)]
pub struct ArtifactArgs {
    /// `ingested_data`, `training_data`, `model`, …, or that of an earlier run: `7f3a:model`.
    #[arg(value_name = "ARTIFACT | RUN:ARTIFACT", add = super::complete::artifacts())]
    name: String,
}

pub fn artifact(program: &Program, args: &ArtifactArgs) -> Result<ExitCode> {
    let recipe = program.load(&[])?;
    let session = Session::open(&recipe, Access::Read)?;
    out(&format!("{}\n", session.artifact(&args.name)?.display()))?;
    Ok(ExitCode::SUCCESS)
}
