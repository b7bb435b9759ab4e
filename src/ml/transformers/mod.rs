//! The transforms that recipe.yaml can name: one file each, one line each in [`TRANSFORMERS`].

mod bin;
mod clip;
#[cfg(test)]
pub(crate) mod contract_tests;
mod drop_constant;
mod impute;
mod log;
mod max_abs_scale;
mod min_max_scale;
mod robust_scale;
mod scaling;
mod sqrt;
mod standard_scale;

pub use bin::Bin;
pub use clip::Clip;
pub use drop_constant::DropConstant;
pub use impute::Impute;
pub use log::{Log, Log1p};
pub use max_abs_scale::MaxAbsScale;
pub use min_max_scale::MinMaxScale;
pub use robust_scale::RobustScale;
pub use sqrt::Sqrt;
pub use standard_scale::StandardScale;

use super::TransformerEntry;

/// Every transform, in the order `recipe list transforms` shows them.
pub static TRANSFORMERS: &[TransformerEntry] = &[
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
    TransformerEntry::of::<DropConstant>(),
];

/// The transform with a name or alias.
#[must_use]
pub fn find(name: &str) -> Option<&'static TransformerEntry> {
    TRANSFORMERS.iter().find(|entry| entry.name == name || entry.aliases.contains(&name))
}
