//! A `defaults` list: which options of which groups make up a recipe, and where they go.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Place, Problem};
use crate::recipe::document::{Document, Mark};
use crate::recipe::sections::{ROOT_KEYS, STEPS};
use crate::value::{Path as KeyPath, Value, path_of};

/// An entry of a `defaults` list.
pub(super) enum Entry {
    Itself,
    File { name: String, mount: Option<KeyPath>, place: Place },
    Group { group: String, mount: Option<KeyPath>, options: Vec<String>, optional: bool, place: Place },
}

/// Takes `defaults` out of a document and reads it.
pub(super) fn entries(document: &mut Document, group: Option<&str>, mount: &[String], problems: &mut Vec<Problem>) -> Vec<Entry> {
    let at = ["defaults".to_owned()];
    let mut fault = |message: String, place: &Place, hint: &str| problems.push(Problem::new(message).hint(hint).at(place.clone()));
    let list = match document.take("defaults") {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::List(list)) => list,
        Some(other) => {
            let whole = document.mark(&at).map_or_else(|| Place::file("defaults"), Mark::value);
            fault(format!("`defaults` is a list, got {}", other.kind()), &whole, "write `defaults: [train: ridge, _self_]`");
            return Vec::new();
        }
    };
    let mut entries = Vec::new();
    for (i, item) in list.into_iter().enumerate() {
        let place = document.mark(&[at[0].clone(), i.to_string()]).map_or_else(|| Place::file("defaults"), Mark::value);
        let split = |text: &str| -> (String, Option<KeyPath>) {
            match text.split_once('@') {
                Some((name, at)) => (name.trim().to_owned(), Some(path_of(at.trim()))),
                None => (text.trim().to_owned(), None),
            }
        };
        match item {
            Value::String(name) if name == "_self_" => {
                if entries.iter().any(|entry| matches!(entry, Entry::Itself)) {
                    fault("`_self_` is there twice".to_owned(), &place, "keep one");
                } else {
                    entries.push(Entry::Itself);
                }
            }
            Value::String(text) => {
                let (name, at) = split(&text);
                entries.push(Entry::File { name, mount: at, place });
            }
            Value::Map(map) if map.len() == 1 => {
                let Some((key, value)) = map.into_iter().next() else { continue };
                let (key, optional) = match key.strip_prefix("optional ") {
                    Some(rest) => (rest.trim().to_owned(), true),
                    None => (key, false),
                };
                let (name, at) = split(&key);
                // Below a group, a name is that of a group inside it, unless it begins with `/`.
                let (name, at) = match (name.strip_prefix('/'), group) {
                    (Some(absolute), _) => (absolute.to_owned(), at),
                    (None, None) => (name, at),
                    (None, Some(group)) => {
                        let inside = mount.iter().cloned().chain(name.split('/').map(str::to_owned)).collect();
                        (format!("{group}/{name}"), Some(at.unwrap_or(inside)))
                    }
                };
                let options = match &value {
                    Value::Null => Vec::new(),
                    Value::List(items) => items.iter().filter_map(Value::text).collect(),
                    other => other.text().into_iter().collect(),
                };
                if matches!(value, Value::Map(_)) {
                    fault(format!("an option of `{name}` is a name, got a map"), &place, "write `group: option`");
                } else {
                    entries.push(Entry::Group { group: name, mount: at, options, optional, place });
                }
            }
            other => {
                fault(format!("an entry of `defaults` is a name or `group: option`, got {}", other.kind()), &place, "write `- train: ridge`");
            }
        }
    }
    entries
}

/// The options of a group: name → file relative to the root; the recipe's own hide shared ones.
#[must_use]
pub fn options(root: &Path, recipe: Option<&str>, group: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let own = recipe.map(|recipe| format!("recipes/{recipe}/"));
    for base in [String::new()].into_iter().chain(own) {
        for folder in [format!("{base}{group}"), format!("{base}steps/{group}")] {
            let Ok(entries) = std::fs::read_dir(root.join(&folder)) else { continue };
            for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
                if let Some(stem) = name.strip_suffix(".yaml") {
                    found.insert(stem.to_owned(), format!("{folder}/{name}"));
                }
            }
        }
    }
    found
}

/// Where a group's options go that say nothing else: a step's below `steps`, a known key's to that key, others below `vars`.
pub(super) fn default_mount(group: &str) -> KeyPath {
    let parts = group.split('/').map(str::to_owned);
    let first = group.split('/').next().unwrap_or_default();
    let above = if STEPS.contains(&first) {
        Some("steps")
    } else if ROOT_KEYS.contains(&first) {
        None
    } else {
        Some("vars")
    };
    above.map(str::to_owned).into_iter().chain(parts).collect()
}

/// A name that stays where it is looked for.
pub(super) fn is_tame(name: &str) -> bool {
    !name.is_empty() && name.split('/').all(|part| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', '\0']))
}
