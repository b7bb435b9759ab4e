//! The transforms that recipe.yaml can name: one file each, one line each in [`TRANSFORMERS`].

mod auto;
mod bin;
mod check_columns;
mod check_missing;
mod check_new_values;
mod check_range;
mod check_type;
mod checks;
mod clip;
#[cfg(test)]
pub(crate) mod contract_tests;
mod count_encode;
pub(in crate::ml) mod date_parts;
mod derive;
mod downsample;
mod drop;
mod drop_constant;
mod drop_correlated;
mod drop_missing;
mod drop_near_constant;
mod filter;
mod group_rare;
mod hash;
mod impute;
mod impute_knn;
mod indicate_missing;
mod interact;
mod lag;
pub(in crate::ml) mod levels;
mod log;
mod max_abs_scale;
mod min_max_scale;
mod omit_missing;
mod one_hot;
mod ordinal_encode;
mod past;
mod pca;
mod polynomial;
pub(in crate::ml) mod power;
mod products;
pub(in crate::ml) mod quantile;
mod rename;
mod robust_scale;
mod rolling;
pub(in crate::ml) mod rows;
mod sample;
mod scaling;
mod select;
mod spline;
mod sqrt;
mod standard_scale;
mod target_encode;
mod tfidf;
mod upsample;

pub use auto::Auto;
pub use bin::Bin;
pub use check_columns::CheckColumns;
pub use check_missing::CheckMissing;
pub use check_new_values::CheckNewValues;
pub use check_range::CheckRange;
pub use check_type::CheckType;
pub use clip::Clip;
pub use count_encode::CountEncode;
pub use date_parts::DateParts;
pub use derive::Derive;
pub use downsample::Downsample;
pub use drop::DropColumns;
pub use drop_constant::DropConstant;
pub use drop_correlated::DropCorrelated;
pub use drop_missing::DropMissing;
pub use drop_near_constant::DropNearConstant;
pub use filter::Filter;
pub use group_rare::GroupRare;
pub use hash::Hash;
pub use impute::Impute;
pub use impute_knn::ImputeKnn;
pub use indicate_missing::IndicateMissing;
pub use interact::Interact;
pub use lag::Lag;
pub use log::{Log, Log1p};
pub use max_abs_scale::MaxAbsScale;
pub use min_max_scale::MinMaxScale;
pub use omit_missing::OmitMissing;
pub use one_hot::OneHot;
pub use ordinal_encode::OrdinalEncode;
pub use pca::Pca;
pub use polynomial::Polynomial;
pub use power::Power;
pub use quantile::Quantile;
pub use rename::Rename;
pub use robust_scale::RobustScale;
pub use rolling::Rolling;
pub use sample::Sample;
pub use select::Select;
pub use spline::Spline;
pub use sqrt::Sqrt;
pub use standard_scale::StandardScale;
pub use target_encode::TargetEncode;
pub use tfidf::Tfidf;
pub use upsample::Upsample;

use super::TransformerEntry;

/// Every transform, in the order `recipe list transforms` shows them.
pub static TRANSFORMERS: &[TransformerEntry] = &[
    TransformerEntry::of::<Auto>(),
    TransformerEntry::of::<Impute>(),
    TransformerEntry::of::<ImputeKnn>(),
    TransformerEntry::of::<IndicateMissing>(),
    TransformerEntry::of::<StandardScale>(),
    TransformerEntry::of::<MinMaxScale>(),
    TransformerEntry::of::<RobustScale>(),
    TransformerEntry::of::<MaxAbsScale>(),
    TransformerEntry::of::<Clip>(),
    TransformerEntry::of::<Log>(),
    TransformerEntry::of::<Log1p>(),
    TransformerEntry::of::<Sqrt>(),
    TransformerEntry::of::<Power>(),
    TransformerEntry::of::<Quantile>(),
    TransformerEntry::of::<Bin>(),
    TransformerEntry::of::<OneHot>(),
    TransformerEntry::of::<OrdinalEncode>(),
    TransformerEntry::of::<CountEncode>(),
    TransformerEntry::of::<TargetEncode>(),
    TransformerEntry::of::<Hash>(),
    TransformerEntry::of::<Tfidf>(),
    TransformerEntry::of::<GroupRare>(),
    TransformerEntry::of::<DateParts>(),
    TransformerEntry::of::<Derive>(),
    TransformerEntry::of::<Lag>(),
    TransformerEntry::of::<Rolling>(),
    TransformerEntry::of::<Interact>(),
    TransformerEntry::of::<Polynomial>(),
    TransformerEntry::of::<Spline>(),
    TransformerEntry::of::<Pca>(),
    TransformerEntry::of::<Select>(),
    TransformerEntry::of::<DropColumns>(),
    TransformerEntry::of::<DropConstant>(),
    TransformerEntry::of::<DropNearConstant>(),
    TransformerEntry::of::<DropMissing>(),
    TransformerEntry::of::<DropCorrelated>(),
    TransformerEntry::of::<Rename>(),
    TransformerEntry::of::<Filter>(),
    TransformerEntry::of::<OmitMissing>(),
    TransformerEntry::of::<Sample>(),
    TransformerEntry::of::<Downsample>(),
    TransformerEntry::of::<Upsample>(),
    TransformerEntry::of::<CheckColumns>(),
    TransformerEntry::of::<CheckType>(),
    TransformerEntry::of::<CheckMissing>(),
    TransformerEntry::of::<CheckRange>(),
    TransformerEntry::of::<CheckNewValues>(),
];

/// The transform with a name or alias.
#[must_use]
pub fn find(name: &str) -> Option<&'static TransformerEntry> {
    TRANSFORMERS.iter().find(|entry| entry.name == name || entry.aliases.contains(&name))
}
