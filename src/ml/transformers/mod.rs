//! The transforms that recipe.yaml can name: one file each, one line each in [`TRANSFORMERS`].

mod auto;
mod bin;
mod clip;
#[cfg(test)]
pub(crate) mod contract_tests;
mod count_encode;
mod date_parts;
mod derive;
mod drop;
mod drop_constant;
mod group_rare;
mod impute;
mod levels;
mod log;
mod max_abs_scale;
mod min_max_scale;
mod one_hot;
mod ordinal_encode;
mod rename;
mod robust_scale;
mod scaling;
mod select;
mod sqrt;
mod standard_scale;

pub use auto::Auto;
pub use bin::Bin;
pub use clip::Clip;
pub use count_encode::CountEncode;
pub use date_parts::DateParts;
pub use derive::Derive;
pub use drop::DropColumns;
pub use drop_constant::DropConstant;
pub use group_rare::GroupRare;
pub use impute::Impute;
pub use log::{Log, Log1p};
pub use max_abs_scale::MaxAbsScale;
pub use min_max_scale::MinMaxScale;
pub use one_hot::OneHot;
pub use ordinal_encode::OrdinalEncode;
pub use rename::Rename;
pub use robust_scale::RobustScale;
pub use select::Select;
pub use sqrt::Sqrt;
pub use standard_scale::StandardScale;

use super::TransformerEntry;

/// Every transform, in the order `recipe list transforms` shows them.
pub static TRANSFORMERS: &[TransformerEntry] = &[
    TransformerEntry::of::<Auto>(),
    TransformerEntry::of::<Impute>(),
    TransformerEntry::of::<StandardScale>(),
    TransformerEntry::of::<MinMaxScale>(),
    TransformerEntry::of::<RobustScale>(),
    TransformerEntry::of::<MaxAbsScale>(),
    TransformerEntry::of::<Clip>(),
    TransformerEntry::of::<Log>(),
    TransformerEntry::of::<Log1p>(),
    TransformerEntry::of::<Sqrt>(),
    TransformerEntry::of::<Bin>(),
    TransformerEntry::of::<OneHot>(),
    TransformerEntry::of::<OrdinalEncode>(),
    TransformerEntry::of::<CountEncode>(),
    TransformerEntry::of::<GroupRare>(),
    TransformerEntry::of::<DateParts>(),
    TransformerEntry::of::<Derive>(),
    TransformerEntry::of::<Select>(),
    TransformerEntry::of::<DropColumns>(),
    TransformerEntry::of::<DropConstant>(),
    TransformerEntry::of::<Rename>(),
];

/// The transform with a name or alias.
#[must_use]
pub fn find(name: &str) -> Option<&'static TransformerEntry> {
    TRANSFORMERS.iter().find(|entry| entry.name == name || entry.aliases.contains(&name))
}
