//! `recipe deps`: which recipe uses which file, over all profiles.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use clap::Args;

use super::terminal::{Style, line};
use super::{Program, out};
use crate::card::format::visible;
use crate::error::{Error, Result, nearest, shorten};
use crate::recipe::compose::compose;
use crate::recipe::{Recipe, Selection, project};
use crate::run::Session;
use crate::store::Access;

#[derive(Debug, Args)]
pub struct DepsArgs {
    /// Only this file (from the project's root).
    file: Option<String>,
    /// As JSON: file → recipes.
    #[arg(long)]
    json: bool,
}

pub fn deps(program: &Program, args: &DepsArgs) -> Result<ExitCode> {
    let root = project::find_root(&program.directory)?;
    let mut names: Vec<Option<String>> = project::names(&root).into_iter().map(Some).collect();
    if names.is_empty() || program.recipe.is_some() {
        names = vec![program.recipe.clone()];
    }
    let mut users: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for name in names {
        let selection = program.with_recipe(name.clone()).selection(&[]);
        let own = files(&selection)?;
        let profiles = if program.profiles.is_empty() { project::profiles(&root, name.as_deref()) } else { BTreeMap::new() };
        let mut all = own.1;
        for profile in profiles.into_keys() {
            match files(&Selection { profiles: vec![profile], ..selection.clone() }) {
                Ok((_, files)) => all.extend(files),
                // What one profile lacks is no reason to be silent about the others.
                Err(error) => line(&format!("{}: {}", program.terminal.paint("warning", Style::Warn), visible(&error.to_string()))),
            }
        }
        for file in all {
            users.entry(file).or_default().insert(own.0.clone());
        }
    }
    if let Some(wanted) = &args.file {
        let wanted = wanted.trim_start_matches("./");
        if !users.contains_key(wanted) {
            let error = Error::usage(format!("no recipe uses `{}`", shorten(wanted)));
            return Err(match nearest(wanted, users.keys().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint("`recipe deps` lists every file that is used"),
            });
        }
        users.retain(|file, _| file == wanted);
    }
    let text = if args.json { format!("{}\n", serde_json::json!(users)) } else { table(&users) };
    out(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// The recipe's name, and the files of its configuration and its data.
fn files(selection: &Selection) -> Result<(String, BTreeSet<String>)> {
    let composed = compose(selection)?;
    let mut files = composed.files.clone();
    let name = composed.located.name.clone().unwrap_or_else(|| "recipe.yaml".to_owned());
    // Its data is known once it is valid: a parameter may be missing here that a run would be given.
    let Ok(recipe) = Recipe::of(composed) else { return Ok((name, files)) };
    let session = Session::open(&recipe, Access::Read)?;
    for step in recipe.training.iter().chain(&recipe.scoring) {
        // Data that is not there yet is not a file yet.
        if let Ok(needs) = step.needs(&session.around) {
            files.extend(needs.files.into_iter().map(|file| file.name));
        }
    }
    Ok((name, files))
}

/// Shared files first.
fn table(users: &BTreeMap<String, BTreeSet<String>>) -> String {
    let width = users.keys().map(|file| file.chars().count()).max().unwrap_or(0);
    let lines = |shared: bool| -> String {
        let line = |(file, recipes): (&String, &BTreeSet<String>)| {
            let recipes = recipes.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            format!("  {file:<width$}  {recipes}\n")
        };
        users.iter().filter(|(_, recipes)| (recipes.len() > 1) == shared).map(line).collect()
    };
    let (shared, own) = (lines(true), lines(false));
    let part = |title: &str, lines: String| if lines.is_empty() { String::new() } else { format!("{title}\n{lines}") };
    format!("{}{}", part("used by several recipes", shared), part("used by one recipe", own))
}
