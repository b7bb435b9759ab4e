//! `recipe schema`: what an editor wants to know of recipe.yaml and profiles.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Program, out};
use crate::error::{Error, Result, shorten};
use crate::recipe::compose::compose;
use crate::recipe::schema::{File, text};
use crate::value::{Value, suggest};

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
    let file = if let Some(name) = &args.file {
        let unknown = || Error::usage(format!("no schema is called `{}`", shorten(name))).hint(suggest(name, &File::ALL.map(File::name)));
        File::of_name(name).ok_or_else(unknown)?
    } else {
        let template = compose(&program.selection(&[])).ok().and_then(|composed| composed.document.value.get("recipe").and_then(Value::text));
        template.as_deref().and_then(File::of_template).ok_or_else(|| {
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::card::twin;
    use crate::cli::events;
    use crate::recipe::schema::made;

    #[test]
    fn the_published_schemas_are_those_of_the_types() {
        for file in File::ALL {
            let made = match file {
                File::Card => twin::schema(),
                File::Events => events::schema(),
                _ => made::of(file),
            };
            let (made, place) = (format!("{made:#}\n"), Path::new(env!("CARGO_MANIFEST_DIR")).join(file.path()));
            if std::env::var_os("RECIPE_BLESS").is_some() {
                fs::write(&place, &made).unwrap();
            }
            assert!(fs::read_to_string(&place).unwrap_or_default() == made, "{} is out of date: RECIPE_BLESS=1 writes it anew", file.path());
        }
    }
}
