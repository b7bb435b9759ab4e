//! `recipe models`: the registry.

use std::process::ExitCode;

use chrono::Utc;
use clap::{Args, Subcommand};

use super::{Program, complete, day_and_time, out, user};
use crate::error::{Error, Result};
use crate::run::Session;
use crate::store::Access;
use crate::tracking::{Account, Event, HistoryRow, Tracker, VersionRow};

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
    Show {
        #[arg(add = complete::model_names())]
        name: String,
    },
    /// Point an alias at a version.
    Alias {
        #[arg(add = complete::model_names())]
        name: String,
        #[arg(add = complete::aliases())]
        alias: String,
        version: u64,
        #[command(flatten)]
        why: Why,
    },
    /// Point an alias back at the version that it pointed to before.
    Rollback {
        #[arg(add = complete::model_names())]
        name: String,
        #[arg(default_value = "champion", add = complete::aliases())]
        alias: String,
        #[command(flatten)]
        why: Why,
    },
    /// Who registered, moved and deleted what, when and why.
    History {
        #[arg(add = complete::model_names())]
        name: Option<String>,
        /// As JSON, for a program.
        #[arg(long)]
        json: bool,
    },
    /// Delete a version that no alias points to, with its bundle.
    Delete {
        #[arg(add = complete::model_names())]
        name: String,
        version: u64,
        #[command(flatten)]
        why: Why,
    },
}

#[derive(Debug, Args)]
struct Why {
    /// Why, for the history.
    #[arg(short = 'm', long = "message", value_name = "MESSAGE")]
    message: Option<String>,
}

pub fn models(program: &Program, args: &ModelsArgs) -> Result<ExitCode> {
    let recipe = program.load(&[])?;
    let session = Session::open(&recipe, Access::Read)?;
    let tracker = &session.around.tracker;
    let user = user();
    let who = user.as_deref();
    match args.command.as_ref().unwrap_or(&ModelsCommand::List) {
        ModelsCommand::List => {
            let versions = tracker.versions(None)?;
            if versions.is_empty() {
                out("no model is registered yet; `recipe run` trains and registers one\n")?;
            }
            out(&versions.iter().map(line).collect::<String>())?;
        }
        ModelsCommand::Show { name } => show(tracker, name, &session.around.root)?,
        ModelsCommand::Alias { name, alias, version, why } => {
            tracker.set_alias(name, alias, *version, why.account(who))?;
            out(&format!("{name}: alias {alias} → v{version}\n"))?;
        }
        ModelsCommand::Rollback { name, alias, why } => {
            let (from, to) = tracker.roll_back(name, alias, why.account(who))?;
            out(&format!("{name}: alias {alias} v{from} → v{to}\n"))?;
        }
        ModelsCommand::History { name, json } => {
            let rows = tracker.history(name.as_deref())?;
            if *json {
                out(&format!("{:#}\n", serde_json::json!(rows)))?;
            } else {
                out(&rows.iter().map(event).collect::<String>())?;
            }
        }
        ModelsCommand::Delete { name, version, why } => {
            tracker.delete(name, *version, why.account(who))?;
            out(&format!("{name} v{version} is deleted\n"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Why {
    fn account<'a>(&'a self, who: Option<&'a str>) -> Account<'a> {
        Account { now_ms: Utc::now().timestamp_millis(), run: None, who, why: self.message.as_deref() }
    }
}

/// A line of the history.
fn event(row: &HistoryRow) -> String {
    let version = |version: Option<u64>| version.map_or_else(|| "nothing".to_owned(), |version| format!("v{version}"));
    let moved = || format!("alias {} {} → {}", row.alias.as_deref().unwrap_or_default(), version(row.from_version), version(row.to_version));
    let what = match row.event {
        Event::Registered => format!("registered {}", version(row.to_version)),
        Event::Alias => moved(),
        Event::Rollback => format!("{}, rolled back", moved()),
        Event::Deleted => format!("deleted {}", version(row.from_version)),
    };
    let by = match (&row.run, &row.who) {
        (Some(run), _) => format!("run {run}"),
        (None, who) => who.clone().unwrap_or_default(),
    };
    let why = row.why.as_ref().map_or_else(String::new, |why| format!("  {why}"));
    format!("{}  {:<28} {what:<44} {by}{why}", day_and_time(row.at_ms), row.name).trim_end().to_owned() + "\n"
}

fn line(row: &VersionRow) -> String {
    let time = day_and_time(row.created_ms);
    let verdict = if row.validated { "VALIDATED" } else { "REJECTED" };
    let aliases = if row.aliases.is_empty() { String::new() } else { format!("  @{}", row.aliases.join(" @")) };
    format!("{:<28} v{:<5} {verdict:<10} {time}  run {}{aliases}\n", row.name, row.version, row.run)
}

fn show(tracker: &Tracker, name: &str, root: &std::path::Path) -> Result<()> {
    let versions = tracker.versions(Some(name))?;
    let Some(last) = versions.last() else {
        // The same words as for a model that is asked for by URI.
        return tracker.resolve_here(&format!("models:/{name}/latest"), root).map(|_| ()).and(Err(Error::bug("a model without versions")));
    };
    let mut text: String = versions.iter().map(line).collect();
    for row in &versions {
        let resolved = tracker.resolve_here(&format!("models:/{}/{}", row.name, row.version), root)?;
        text.push_str(&format!("v{}: {}  digest {}\n", row.version, resolved.path.display(), row.digest));
    }
    text.push_str(&format!("use it as models:/{name}/{} or models:/{name}@ALIAS\n", last.version));
    out(&text)
}
