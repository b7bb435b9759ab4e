//! The transforms that recipe.yaml can name: one file each, one line each in [`TRANSFORMERS`].

mod date_parts;
mod drop;
mod group_rare;
mod levels;
mod one_hot;
mod ordinal_encode;
mod rename;
mod select;

use super::TransformerEntry;

/// Every transform, in the order `recipe list transforms` shows them.
pub static TRANSFORMERS: &[TransformerEntry] = &[
    TransformerEntry::of::<one_hot::OneHot>(),
    TransformerEntry::of::<ordinal_encode::OrdinalEncode>(),
    TransformerEntry::of::<group_rare::GroupRare>(),
    TransformerEntry::of::<date_parts::DateParts>(),
    TransformerEntry::of::<select::Select>(),
    TransformerEntry::of::<drop::Drop>(),
    TransformerEntry::of::<rename::Rename>(),
];

/// The transform with a name or alias.
#[must_use]
pub fn find(name: &str) -> Option<&'static TransformerEntry> {
    TRANSFORMERS.iter().find(|entry| entry.name == name || entry.aliases.contains(&name))
}
