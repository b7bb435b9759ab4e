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
mod contract_tests;
#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod peer_tests;
#[cfg(test)]
mod sparse_tests;

use super::EstimatorEntry;

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
