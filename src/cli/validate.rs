//! `recipe validate`: every configuration error at once, without running.

use std::process::ExitCode;

use clap::Args;

use super::{Program, out};
use crate::error::{Error, Result, counted};
use crate::recipe::project;

#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// Every recipe of the project.
    #[arg(long)]
    all: bool,
    /// KEY=VALUE overrides.
    #[arg(value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

pub fn validate(program: &Program, args: &ValidateArgs) -> Result<ExitCode> {
    let root = project::find_root(&program.directory)?;
    let names: Vec<Option<String>> = match (args.all, project::names(&root)) {
        (true, names) if !names.is_empty() => names.into_iter().map(Some).collect(),
        _ => vec![program.recipe.clone()],
    };
    let mut failed: Option<Error> = None;
    for name in names {
        let each = program.with_recipe(name);
        match each.load(&args.overrides).and_then(|recipe| Ok((recipe.check_columns()?, recipe))) {
            Ok((columns, recipe)) => {
                let profile = recipe.profile.as_ref().map_or_else(String::new, |p| format!(", profile {p}"));
                let columns =
                    columns.map_or("column names unchecked, for no data could be read".to_owned(), |n| format!("{} of the data", counted(n as u64, "column")));
                out(&format!("{}: valid ({}{profile}; {columns})\n", recipe.name, recipe.template))?;
                for warning in &recipe.warnings {
                    out(&format!("  warning: {warning}\n"))?;
                }
            }
            Err(error) => match &mut failed {
                Some(all) => all.problems.extend(error.problems),
                None => failed = Some(error),
            },
        }
    }
    failed.map_or(Ok(ExitCode::SUCCESS), Err)
}
