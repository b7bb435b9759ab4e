//! The transforms that recipe.yaml can name: one file each, one line each in [`TRANSFORMERS`].

use super::TransformerEntry;

/// Every transform, in the order `recipe list transforms` shows them.
pub static TRANSFORMERS: &[TransformerEntry] = &[];

/// The transform with a name or alias.
#[must_use]
pub fn find(name: &str) -> Option<&'static TransformerEntry> {
    TRANSFORMERS.iter().find(|entry| entry.name == name || entry.aliases.contains(&name))
}
