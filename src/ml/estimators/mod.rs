//! The estimators that recipe.yaml can name: one file each, one line each in [`ESTIMATORS`].

mod decision_tree;
mod dummy;
mod elastic_net;
mod ensemble;
mod extra_trees;
mod forest;
mod gradient_boosting;
mod knn;
mod lasso;
mod likelihood;
mod linear;
mod linear_model;
mod logistic;
mod naive_bayes;
mod random_forest;
mod ridge;
mod ridge_classifier;
mod shared;
mod stacking;
mod voting;

#[cfg(test)]
mod contract_tests;
#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod peer_tests;

use super::EstimatorEntry;

/// Every estimator, in the order `recipe list estimators` shows them.
pub static ESTIMATORS: &[EstimatorEntry] = &[
    EstimatorEntry::of::<dummy::Dummy>(),
    EstimatorEntry::of::<linear::Linear>(),
    EstimatorEntry::of::<ridge::Ridge>(),
    EstimatorEntry::of::<lasso::Lasso>(),
    EstimatorEntry::of::<elastic_net::ElasticNet>(),
    EstimatorEntry::of::<logistic::Logistic>(),
    EstimatorEntry::of::<ridge_classifier::RidgeClassifier>(),
    EstimatorEntry::of::<naive_bayes::NaiveBayes>(),
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
