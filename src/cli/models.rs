//! `recipe models`: the registry.

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};

use super::{Program, out};
use crate::error::{Error, Result};
use crate::run::Session;
use crate::store::Access;
use crate::tracking::{Tracker, VersionRow};

#[derive(Debug, Args)]
pub struct ModelsArgs {
    #[command(subcommand)]
    command: Option<ModelsCommand>,
}

#[derive(Debug, Subcommand)]
enum ModelsCommand {
    /// Every version of every model (the default).
    List,
    /// A model's versions, and where their bundles lie.
    Show { name: String },
    /// Point an alias at a version.
    Alias { name: String, alias: String, version: u64 },
}

pub fn models(program: &Program, args: &ModelsArgs) -> Result<ExitCode> {
    let recipe = program.load(&[])?;
    let session = Session::open(&recipe, Access::Read)?;
    let tracker = &session.around.tracker;
    match args.command.as_ref().unwrap_or(&ModelsCommand::List) {
        ModelsCommand::List => {
            let versions = tracker.versions(None)?;
            if versions.is_empty() {
                out("no model is registered yet; `recipe run` trains and registers one\n")?;
            }
            out(&versions.iter().map(line).collect::<String>())?;
        }
        ModelsCommand::Show { name } => show(tracker, name, &session.around.root)?,
        ModelsCommand::Alias { name, alias, version } => {
            tracker.set_alias(name, alias, *version, Utc::now().timestamp_millis())?;
            out(&format!("{name}: alias {alias} → v{version}\n"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(row: &VersionRow) -> String {
    let time = DateTime::<Utc>::from_timestamp_millis(row.created_ms).map_or_else(String::new, |t| t.format("%Y-%m-%d %H:%M").to_string());
    let verdict = if row.validated { "VALIDATED" } else { "REJECTED" };
    let aliases = if row.aliases.is_empty() { String::new() } else { format!("  @{}", row.aliases.join(" @")) };
    format!("{:<28} v{:<5} {verdict:<10} {time}  run {}{aliases}\n", row.name, row.version, row.run)
}

fn show(tracker: &Tracker, name: &str, root: &std::path::Path) -> Result<()> {
    let versions = tracker.versions(Some(name))?;
    let Some(last) = versions.last() else {
        // The same words as for a model that is asked for by URI.
        return tracker.resolve(&format!("models:/{name}/latest"), root).map(|_| ()).and(Err(Error::bug("a model without versions")));
    };
    let mut text: String = versions.iter().map(line).collect();
    for row in &versions {
        let resolved = tracker.resolve(&format!("models:/{}/{}", row.name, row.version), root)?;
        text.push_str(&format!("v{}: {}  digest {}\n", row.version, resolved.path.display(), row.digest));
    }
    text.push_str(&format!("use it as models:/{name}/{} or models:/{name}@ALIAS\n", last.version));
    out(&text)
}
