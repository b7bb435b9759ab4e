//! `recipe schema`: what an editor wants to know of recipe.yaml and profiles.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Program, events, out};
use crate::card::twin;
use crate::error::{Error, Result, shorten};
use crate::recipe::compose::compose;
use crate::recipe::schema::{File, text};
use crate::value::{Value, suggest};

/// The form of the JSON twins of cards.
const CARD: &str = "card";
/// The lines of `recipe run --json`, which are no file.
const EVENTS: &str = "events";

#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// regression/v1, classification/v1, profile, card for the JSON twin of a card, or events for `recipe run --json`; without it the template of the recipe here.
    #[arg(value_name = "TEMPLATE | profile | card | events")]
    file: Option<String>,
    /// Write it to FILE.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn schema(program: &Program, args: &SchemaArgs) -> Result<ExitCode> {
    let names: Vec<&str> = File::ALL.map(File::name).into_iter().chain([CARD, EVENTS]).collect();
    if args.file.as_deref() == Some(EVENTS) {
        return write(program, args, &events::schema());
    }
    let file = if let Some(name) = &args.file {
        if name == CARD {
            return write(program, args, &format!("{:#}\n", twin::schema()));
        }
        File::of_name(name).ok_or_else(|| Error::usage(format!("no schema is called `{}`", shorten(name))).hint(suggest(name, &names)))?
    } else {
        let template = compose(&program.selection(&[])).ok().and_then(|composed| composed.document.value.get("recipe").and_then(Value::text));
        template.as_deref().and_then(File::of_name).filter(|file| *file != File::Profile).ok_or_else(|| {
            let said: Vec<String> = File::ALL.map(File::name).iter().map(|name| format!("`recipe schema {name}`")).collect();
            Error::usage("no recipe here says which template is meant").hint(format!("say it: {}", said.join(", ")))
        })?
    };
    write(program, args, &text(file))
}

fn write(program: &Program, args: &SchemaArgs, text: &str) -> Result<ExitCode> {
    match &args.output {
        None => out(text)?,
        Some(output) => {
            let path = program.directory.join(output);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(|error| Error::io("create", parent, &error))?;
            }
            fs::write(&path, text).map_err(|error| Error::io("write", &path, &error))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
