//! Many files become one tree: the template's defaults, recipe.yaml with its groups, profiles, the command line.
//!
//! Each contribution is a [`Layer`]; layers are laid over each other in order, so that what a value is and who
//! set it can both be told. References (`${…}`) are resolved after that, once. Nothing here knows what the keys mean.

mod defaults;
mod over;
mod reader;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Selection;
use super::document::Document;
use super::interpolate::{self, Environment, World};
use super::overrides::Override;
use super::project::{self, Located};
use crate::error::{Error, Kind, Place, Result};
use crate::value::{Path as KeyPath, Value};
pub use defaults::options;
use reader::{Choice, From, Reader};

/// Something that sets values.
pub struct Layer {
    /// As a person calls it: `recipe.yaml`, `profile prod`, `command line`.
    pub name: String,
    /// Where its document goes.
    pub mount: KeyPath,
    pub document: Document,
    /// It takes the place of what stands at its mount.
    pub replaces: bool,
    kind: LayerKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LayerKind {
    Template,
    Recipe,
    /// A profile or the command line: what merely repeats is worth a warning.
    Over,
}

/// The whole configuration of a recipe, before anything is known of its keys.
pub struct Composed {
    pub root: PathBuf,
    pub located: Located,
    /// The profiles that were asked for, in order.
    pub profiles: Vec<String>,
    pub environment: Environment,
    /// Merged, with references as they were written.
    pub merged: Document,
    /// Merged, with references resolved.
    pub document: Document,
    pub layers: Vec<Layer>,
    /// Every file that was read, relative to the root.
    pub files: BTreeSet<String>,
    pub warnings: Vec<String>,
}

/// Reads and merges everything that a selection asks for.
///
/// # Errors
/// Exit code 3 with every fault of every file; 2 where an override is badly written.
pub fn compose(selection: &Selection) -> Result<Composed> {
    let root = project::find_root(&selection.dir)?;
    let environment = environment(&root, selection)?;
    let asked: Vec<String> = if selection.profiles.is_empty() {
        let set = ["RECIPE_PROFILE", "MLFLOW_RECIPES_PROFILE"].iter().find_map(|name| environment.get(*name).cloned());
        set.map(|names| names.split(',').map(|name| name.trim().to_owned()).collect()).unwrap_or_default()
    } else {
        selection.profiles.clone()
    };
    let asked: Vec<String> = asked.into_iter().filter(|name| !name.is_empty()).collect();
    let wanted = selection.recipe.clone().or_else(|| environment.get("RECIPE_NAME").cloned());

    // A shared profile may choose the recipe; the recipe may then have a profile of its own.
    let mut known = BTreeMap::new();
    let default = profiles_of(&root, None, &asked).iter().rev().find_map(|name| {
        let file = project::find_profile(&root, None, name).ok()?;
        let document = project::read_document(&root, &file).ok()?;
        let default = document.value.get("default_recipe").and_then(Value::text);
        known.insert(file, document);
        default
    });
    for name in &asked {
        // A profile that no recipe has is wrong whichever recipe is meant.
        let is_known = std::iter::once(None)
            .chain(project::names(&root).into_iter().map(Some))
            .any(|recipe| project::profiles(&root, recipe.as_deref()).contains_key(name));
        if !is_known {
            project::find_profile(&root, None, name)?;
        }
    }
    let located = project::choose(&root, &selection.dir, wanted.as_deref(), default.as_deref())?;
    let profiles = profiles_of(&root, located.name.as_deref(), &asked);
    let mut reader = Reader::new(&root, located.name.as_deref(), known);

    let mut over = Vec::new();
    for name in &profiles {
        let file = project::find_profile(&root, located.name.as_deref(), name)?;
        reader.profile(&file, name, &mut Vec::new(), &mut over)?;
    }
    let mut keys = Vec::new();
    for text in &selection.overrides {
        match Override::parse(text, &|name| reader.is_group(name))? {
            Override::Variable { name, value } => {
                reader.variables.insert(name, value);
            }
            Override::Group { group, mount, option } => {
                reader.choose(Choice { group, mount, options: option.into_iter().collect(), place: None, from: From::CommandLine });
            }
            Override::Key(action) => keys.push(action),
        }
    }

    reader.file(&located.file, &located.file, &[], None, &mut Vec::new())?;
    if let Some(template) = reader.layers.iter().rev().find_map(|layer| layer.document.value.get("recipe").and_then(Value::text))
        && let Some(defaults) = super::template_defaults(&template)
    {
        let layer = Layer { name: format!("template {template}"), mount: Vec::new(), document: defaults, replaces: false, kind: LayerKind::Template };
        reader.layers.insert(0, layer);
    }
    for profile in over {
        reader.chosen(&From::Profile(profile.name.clone()))?;
        reader.layers.push(profile);
    }
    reader.chosen(&From::CommandLine)?;
    let unused: Vec<&str> = reader.variables.keys().filter(|name| !reader.used.contains(*name)).map(String::as_str).collect();
    let mut warnings = Vec::new();
    if !unused.is_empty() {
        warnings.push(format!("the profile sets variables that the recipe does not use: {}", unused.join(", ")));
    }
    let (mut layers, mut files, mut problems) = (reader.layers, reader.files, reader.problems);

    let mut merged = Document::empty();
    for layer in &layers {
        if layer.kind == LayerKind::Over {
            over::repeats(&merged, layer, &mut warnings);
        }
        if layer.replaces {
            merged.forget(&layer.mount);
        }
        if let Err(error) = merged.merge_at(&layer.mount, layer.document.clone()) {
            problems.extend(error.problems);
        }
    }
    if let Some(error) = Error::all(Kind::Config, problems) {
        return Err(error);
    }
    for action in keys {
        let layer = over::apply(&mut merged, action, &mut warnings)?;
        layers.push(layer);
    }
    let world = World::new(&root, &environment);
    let document = interpolate::interpolate(&merged, &world)?;
    files.extend(world.files());
    Ok(Composed { root, located, profiles, environment, merged, document, layers, files, warnings })
}

/// The profiles in use: those asked for, else `local` where it exists.
fn profiles_of(root: &Path, recipe: Option<&str>, asked: &[String]) -> Vec<String> {
    if !asked.is_empty() {
        return asked.to_vec();
    }
    project::profiles(root, recipe).contains_key("local").then(|| "local".to_owned()).into_iter().collect()
}

/// The process environment over what the project's `.env` says.
fn environment(root: &Path, selection: &Selection) -> Result<Environment> {
    let off = selection.environment.get("RECIPE_DOTENV").is_some_and(|value| matches!(value.as_str(), "0" | "false" | "no" | "off"));
    let path = root.join(".env");
    let mut environment = Environment::new();
    if !off && path.is_file() {
        let text = project::read_text(root, ".env")?;
        for (i, item) in dotenvy::from_read_iter(text.as_bytes()).enumerate() {
            // What the line says may be a secret, so the message does not.
            let (name, value) = item.map_err(|_| {
                let hint = "lines are NAME=value; `RECIPE_DOTENV=0` leaves the file alone";
                Error::config(format!("entry {} is not NAME=value", i + 1)).at(&Place::file(".env")).hint(hint)
            })?;
            environment.insert(name, value);
        }
    }
    environment.extend(selection.environment.clone());
    Ok(environment)
}

/// Is it a variable's name: `UPPER_CASE`?
pub(super) fn is_variable(key: &str) -> bool {
    key.chars().any(|c| c.is_ascii_uppercase()) && key.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}
