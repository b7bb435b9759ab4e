//! `recipe cache`: look after the store.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{Program, clean, out};
use crate::card::format;
use crate::error::{Kind, Result};
use crate::store::{Access, Store, Wait};

#[derive(Debug, Args)]
pub struct CacheArgs {
    #[command(subcommand)]
    command: CacheCommand,
}

#[derive(Debug, Subcommand)]
enum CacheCommand {
    /// Hash everything and name what is damaged.
    Verify,
    /// Drop what no recipe uses any more.
    Gc {
        /// And what was not used for so long, such as 30d.
        #[arg(long, value_name = "AGE")]
        older_than: Option<String>,
    },
    /// How much there is.
    Du,
}

pub fn cache(program: &Program, args: &CacheArgs) -> Result<ExitCode> {
    let recipe = program.load(&[])?;
    let access = if matches!(args.command, CacheCommand::Gc { .. }) { Access::Write } else { Access::Read };
    let mut store = Store::open(&recipe.root.join(".recipe"), recipe.cache_dir.as_deref(), access)?;
    match &args.command {
        CacheCommand::Verify => {
            let findings = store.verify()?;
            let text: String = findings.iter().map(|finding| format!("{}: {}\n", finding.file, finding.problem)).collect();
            out(&text)?;
            if findings.is_empty() {
                out("everything in the store is as it was written\n")?;
            } else {
                out("the next run computes what is damaged again\n")?;
                return Ok(ExitCode::from(Kind::Store.exit_code()));
            }
        }
        CacheCommand::Gc { older_than } => {
            let age = older_than.as_deref().map(clean::parse_age).transpose()?;
            let mut wait = |_: Duration| Ok(());
            let freed = store.gc(age, Wait::Block(&mut wait))?;
            out(&format!("dropped {} results and {} objects, {} freed\n", freed.results, freed.objects, format::bytes(freed.bytes)))?;
        }
        CacheCommand::Du => {
            let usage = store.usage()?;
            let mut text = String::new();
            for (step, (results, bytes)) in &usage.steps {
                text.push_str(&format!("{step:<16} {results:>6} results {:>12}\n", format::bytes(*bytes)));
            }
            text.push_str(&format!("{:<16} {:>6} objects {:>12}\n", "on disk", usage.objects.0, format::bytes(usage.objects.1)));
            out(&text)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
