//! The estimators that recipe.yaml can name: one file each, one line each in [`ESTIMATORS`].

use super::EstimatorEntry;

/// Every estimator, in the order `recipe list estimators` shows them.
pub static ESTIMATORS: &[EstimatorEntry] = &[];

/// The estimator with a name or alias.
#[must_use]
pub fn find(name: &str) -> Option<&'static EstimatorEntry> {
    ESTIMATORS.iter().find(|entry| entry.name == name || entry.aliases.contains(&name))
}
