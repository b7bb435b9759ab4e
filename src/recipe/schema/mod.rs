//! The JSON Schema of recipe.yaml and of profiles, for editors: completion, descriptions, wrong keys while typing; and those of what
//! programs read, cards and events.
//!
//! They are published in `schemas/`, and the program carries those files. A test makes each anew from the types that are read
//! and written (`made`), so they cannot know other keys than the program does.

#[cfg(test)]
pub mod made;

use std::io::Read;

use flate2::read::ZlibDecoder;
use serde_json::Value as Json;

use super::TEMPLATES;

/// What a schema describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// A recipe.yaml of `regression/v1`.
    Regression,
    /// A recipe.yaml of `classification/v1`.
    Classification,
    /// A profile, over recipes of any template.
    Profile,
    /// The JSON twin of a card.
    Card,
    /// A line of `recipe run --json`.
    Events,
}

/// A file of `schemas/`, as build.rs packed it.
macro_rules! packed {
    ($name:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".json.z"))
    };
}

impl File {
    /// Every kind there is.
    pub const ALL: [Self; 5] = [Self::Regression, Self::Classification, Self::Profile, Self::Card, Self::Events];

    /// The kind of a name: `card`, `regression/v1`, also without its `/v1`.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|file| file.name() == name || file.name().strip_suffix("/v1") == Some(name))
    }

    /// That of the recipes of a template.
    #[must_use]
    pub fn of_template(name: &str) -> Option<Self> {
        [Self::Regression, Self::Classification].into_iter().find(|file| file.name() == name)
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Regression => TEMPLATES[0],
            Self::Classification => TEMPLATES[1],
            Self::Profile => "profile",
            Self::Card => "card",
            Self::Events => "events",
        }
    }

    /// Where it is published, and where a project keeps it for its editors: `schemas/regression-v1.json`.
    #[must_use]
    pub fn path(self) -> String {
        format!("schemas/{}.json", self.name().replace('/', "-"))
    }

    fn packed(self) -> &'static [u8] {
        match self {
            Self::Regression => packed!("regression-v1"),
            Self::Classification => packed!("classification-v1"),
            Self::Profile => packed!("profile"),
            Self::Card => packed!("card"),
            Self::Events => packed!("events"),
        }
    }
}

/// The schema (draft 2020-12) of a kind of file, as text.
#[must_use]
pub fn text(file: File) -> String {
    let mut text = String::new();
    ZlibDecoder::new(file.packed()).read_to_string(&mut text).expect("build.rs packed a text");
    text
}

/// The schema (draft 2020-12) of a kind of file.
#[must_use]
pub fn schema(file: File) -> Json {
    serde_json::from_str(&text(file)).expect("a schema is JSON")
}

/// Every key that a kind of file may set to a value, with what it means, in the schema's order. What lists hold has none.
#[must_use]
pub fn keys(file: File) -> Vec<(String, String)> {
    /// `above`: definitions that the place lies in, so that one which holds itself ends.
    fn walk<'a>(root: &'a Json, part: &'a Json, path: &str, help: &'a str, above: &mut Vec<&'a str>, found: &mut Vec<(String, String)>) {
        const DEFINITIONS: &str = "#/$defs/";
        let name = |part: &'a Json| part["$ref"].as_str().and_then(|reference| reference.strip_prefix(DEFINITIONS));
        let has_keys = |part: &Json| part["properties"].as_object().is_some_and(|properties| !properties.is_empty());
        let help = part["description"].as_str().unwrap_or(help);
        if let Some(name) = name(part) {
            if !above.contains(&name) {
                above.push(name);
                walk(root, &root["$defs"][name], path, help, above, found);
                above.pop();
            }
            return;
        }
        let mut variants = ["anyOf", "oneOf"].iter().filter_map(|word| part[*word].as_array()).flatten();
        if has_keys(part) {
            for (key, value) in part["properties"].as_object().into_iter().flatten() {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(root, value, &path, "", above, found);
            }
        } else if let Some(map) = variants.find(|variant| has_keys(name(variant).map_or(variant, |name| &root["$defs"][name]))) {
            walk(root, map, path, help, above, found);
        } else {
            found.push((path.to_owned(), help.to_owned()));
        }
    }
    let (root, mut found) = (schema(file), Vec::new());
    walk(&root, &root, "", "", &mut Vec::new(), &mut found);
    found
}
