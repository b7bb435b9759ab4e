//! Where a project is: its root, its recipes and its profiles.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::document::{Document, MAX_BYTES};
use crate::error::{Error, Place, Result, nearest};

/// A project's root and the recipe chosen in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    pub root: PathBuf,
    /// Path of recipe.yaml, relative to the root.
    pub file: String,
    /// The recipe's directory name below `recipes/`, or `None` for a lone recipe.yaml at the root.
    pub name: Option<String>,
}

/// The nearest ancestor of `dir` that holds `recipes/`, else `recipe.yaml`.
///
/// # Errors
/// Exit code 3 where there is none.
pub fn find_root(dir: &Path) -> Result<PathBuf> {
    let dir = dir.canonicalize().map_err(|error| Error::usage(format!("no such directory: `{}`", dir.display())).hint(error.to_string()))?;
    let holds_recipes = |d: &&Path| d.join("recipes").is_dir() && !names(d).is_empty();
    let found = dir.ancestors().find(holds_recipes).or_else(|| dir.ancestors().find(|d| d.join("recipe.yaml").is_file()));
    found.map(Path::to_path_buf).ok_or_else(|| {
        Error::config(format!("no recipe.yaml in `{}` or above it", dir.display())).hint("`recipe new NAME -t regression` makes a project that runs as it is")
    })
}

/// The recipes below `recipes/`, sorted.
#[must_use]
pub fn names(root: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(root.join("recipes")) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.flatten().filter(|entry| entry.path().join("recipe.yaml").is_file()).filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// Chooses a recipe: by name, else the one that `dir` stands in, else the default, else the only one.
///
/// # Errors
/// Exit code 3 with the list where none or several fit.
pub fn choose(root: &Path, dir: &Path, wanted: Option<&str>, default: Option<&str>) -> Result<Located> {
    let known = names(root);
    if known.is_empty() {
        if let Some(wanted) = wanted
            && root.join("recipe.yaml").is_file()
        {
            return Err(Error::config(format!("no recipe `{wanted}`: this project has one recipe.yaml and no `recipes/`")).hint("leave `-r` out"));
        }
        return Ok(Located { root: root.to_path_buf(), file: "recipe.yaml".to_owned(), name: None });
    }
    let standing = dir.canonicalize().ok().and_then(|dir| {
        let below = dir.strip_prefix(root.join("recipes")).ok()?.components().next()?.as_os_str().to_str()?.to_owned();
        known.contains(&below).then_some(below)
    });
    let list = known.join(", ");
    let name = match (wanted, standing, default, known.as_slice()) {
        (Some(wanted), ..) => wanted.to_owned(),
        (None, Some(standing), ..) => standing,
        (None, None, Some(default), _) => default.to_owned(),
        (None, None, None, [only]) => only.clone(),
        _ => return Err(Error::config(format!("several recipes: {list}")).hint("choose one with `-r NAME`, or set `default_recipe` in the profile")),
    };
    if !known.contains(&name) {
        let error = Error::config(format!("no recipe `{name}` in `recipes/`"));
        return Err(match nearest(&name, known.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean `{near}`? there are: {list}")),
            None => error.hint(format!("there are: {list}")),
        });
    }
    Ok(Located { root: root.to_path_buf(), file: format!("recipes/{name}/recipe.yaml"), name: Some(name) })
}

/// The profiles a recipe may use: name → path relative to the root; the recipe's own hide shared ones.
#[must_use]
pub fn profiles(root: &Path, recipe: Option<&str>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let own = recipe.map(|name| format!("recipes/{name}/profiles"));
    for folder in ["profiles".to_owned()].into_iter().chain(own) {
        let Ok(entries) = std::fs::read_dir(root.join(&folder)) else { continue };
        for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
            if let Some(stem) = name.strip_suffix(".yaml") {
                found.insert(stem.to_owned(), format!("{folder}/{name}"));
            }
        }
    }
    found
}

/// The path of a profile.
///
/// # Errors
/// Exit code 3 with the list of those that exist.
pub fn find_profile(root: &Path, recipe: Option<&str>, wanted: &str) -> Result<String> {
    let known = profiles(root, recipe);
    if let Some(path) = known.get(wanted) {
        if root.join(path).is_dir() {
            return Err(Error::config(format!("profile `{wanted}` is a directory")).at(&Place::file(path)));
        }
        return Ok(path.clone());
    }
    let error = Error::config(format!("no profile `{}`", crate::error::shorten(wanted)));
    Err(match (nearest(wanted, known.keys().map(String::as_str)), known.is_empty()) {
        (_, true) => error.hint("this project has no `profiles/`"),
        (Some(near), _) => error.hint(format!("did you mean `{near}`? there are: {}", known.keys().cloned().collect::<Vec<_>>().join(", "))),
        (None, _) => error.hint(format!("there are: {}", known.keys().cloned().collect::<Vec<_>>().join(", "))),
    })
}

/// Reads a configuration file as text, within bounds.
///
/// # Errors
/// Exit code 3 where it is missing, too large or not UTF-8; 6 where it may not be read.
pub fn read_text(root: &Path, file: &str) -> Result<String> {
    let path = root.join(file);
    let place = Place::file(file);
    let metadata = std::fs::metadata(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::config(format!("no such file: `{file}`")),
        _ => Error::io("read", &path, &error),
    })?;
    if !metadata.is_file() {
        return Err(Error::config(format!("not a file: `{file}`")));
    }
    if metadata.len() > MAX_BYTES {
        return Err(Error::config(format!("the file is too large for a configuration: {} bytes, at most {MAX_BYTES}", metadata.len())).at(&place));
    }
    let bytes = std::fs::read(&path).map_err(|error| Error::io("read", &path, &error))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let line = error.as_bytes().iter().take(good).filter(|b| **b == b'\n').count() + 1;
            Err(Error::config("the file is not UTF-8").at(&Place::line(file, line)).hint("save it as UTF-8"))
        }
    }
}

/// Reads a YAML file that holds no variables.
///
/// # Errors
/// As [`read_text`] and [`Document::parse`].
pub fn read_document(root: &Path, file: &str) -> Result<Document> {
    Document::parse(file, &read_text(root, file)?)
}
