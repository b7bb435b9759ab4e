//! The estimators that recipe.yaml can name: one file each, one line each in [`ESTIMATORS`].

mod bernoulli_nb;
mod complement_nb;
mod counts;
mod decision_tree;
mod design;
mod dummy;
mod elastic_net;
mod ensemble;
mod extra_trees;
mod forest;
mod gamma;
mod gradient_boosting;
mod huber;
mod knn;
mod lasso;
mod linear;
mod linear_model;
mod linear_svm;
mod logistic;
mod minimise;
mod multinomial_nb;
mod naive_bayes;
mod penalised;
mod poisson;
mod quantile_regression;
mod random_forest;
mod residuals;
mod ridge;
mod ridge_classifier;
mod shared;
mod stacking;
mod svm;
mod tweedie;
mod voting;

#[cfg(test)]
pub(in crate::ml) mod contract_tests;
#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod peer_tests;
#[cfg(test)]
mod sparse_tests;

use super::{EstimatorEntry, Task};
use crate::error::{nearest, shorten};
use crate::value::Fault;

/// Every estimator, in the order `recipe list estimators` shows them.
pub static ESTIMATORS: &[EstimatorEntry] = &[
    EstimatorEntry::of::<dummy::Dummy>(),
    EstimatorEntry::of::<linear::Linear>(),
    EstimatorEntry::of::<ridge::Ridge>(),
    EstimatorEntry::of::<lasso::Lasso>(),
    EstimatorEntry::of::<elastic_net::ElasticNet>(),
    EstimatorEntry::of::<huber::Huber>(),
    EstimatorEntry::of::<quantile_regression::QuantileRegression>(),
    EstimatorEntry::of::<poisson::Poisson>(),
    EstimatorEntry::of::<gamma::Gamma>(),
    EstimatorEntry::of::<tweedie::Tweedie>(),
    EstimatorEntry::of::<logistic::Logistic>(),
    EstimatorEntry::of::<ridge_classifier::RidgeClassifier>(),
    EstimatorEntry::of::<linear_svm::LinearSvm>(),
    EstimatorEntry::of::<naive_bayes::NaiveBayes>(),
    EstimatorEntry::of::<multinomial_nb::MultinomialNb>(),
    EstimatorEntry::of::<complement_nb::ComplementNb>(),
    EstimatorEntry::of::<bernoulli_nb::BernoulliNb>(),
    EstimatorEntry::of::<svm::Svm>(),
    EstimatorEntry::of::<knn::Knn>(),
    EstimatorEntry::of::<decision_tree::DecisionTree>(),
    EstimatorEntry::of::<random_forest::RandomForest>(),
    EstimatorEntry::of::<extra_trees::ExtraTrees>(),
    EstimatorEntry::of::<gradient_boosting::GradientBoosting>(),
    EstimatorEntry::of::<voting::Voting>(),
    EstimatorEntry::of::<stacking::Stacking>(),
];

/// The estimator with a name or alias.
#[must_use]
pub fn find(name: &str) -> Option<&'static EstimatorEntry> {
    ESTIMATORS.iter().find(|entry| entry.name == name || entry.aliases.contains(&name))
}

/// The estimator with a name or alias.
///
/// # Errors
/// An unknown one, with the nearest that is known; the path is empty.
pub fn named(name: &str) -> Result<&'static EstimatorEntry, Fault> {
    find(name).ok_or_else(|| {
        let names = ESTIMATORS.iter().flat_map(|entry| std::iter::once(entry.name).chain(entry.aliases.iter().copied()));
        let hint = match nearest(name, names) {
            Some(near) => format!("did you mean `{near}`? `recipe list estimators` shows all"),
            None => format!("`recipe list estimators` shows all: {}", ESTIMATORS.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ")),
        };
        Fault::new(&[], format!("unknown estimator `{}`", shorten(name))).hint(hint)
    })
}

/// Those that can do a task, as a hint.
#[must_use]
pub fn able(task: &Task) -> String {
    let names: Vec<&str> = ESTIMATORS.iter().filter(|entry| (entry.supports)(task)).map(|entry| entry.name).collect();
    format!("these can: {}", names.join(", "))
}

/// Estimators from the simplest to the least simple: a constant, one number a feature, tables of counts, one tree, rows that are
/// remembered, many trees, several estimators.
const SIMPLEST_FIRST: [&str; 25] = [
    "dummy",
    "linear",
    "ridge",
    "lasso",
    "elastic_net",
    "huber",
    "quantile_regression",
    "poisson",
    "gamma",
    "tweedie",
    "logistic",
    "ridge_classifier",
    "linear_svm",
    "naive_bayes",
    "multinomial_nb",
    "complement_nb",
    "bernoulli_nb",
    "decision_tree",
    "knn",
    "svm",
    "extra_trees",
    "random_forest",
    "gradient_boosting",
    "voting",
    "stacking",
];

/// An estimator's place among all, the simplest first.
#[must_use]
pub fn complexity(name: &str) -> usize {
    SIMPLEST_FIRST.iter().position(|other| *other == name).unwrap_or(SIMPLEST_FIRST.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_estimator_is_somewhere_between_simple_and_not() {
        assert!(ESTIMATORS.iter().all(|entry| complexity(entry.name) < SIMPLEST_FIRST.len()));
        assert_eq!(ESTIMATORS.len(), SIMPLEST_FIRST.len());
    }
}
