//! Fitting and applying: transforms, estimators, metrics and the model that joins them.
//!
//! Unfitted and fitted are different types: [`Transformer`] → [`Apply`], [`Estimator`] → [`Predict`], so
//! predicting before fitting does not compile. What recipe.yaml can name stands in two plain lists,
//! `transformers::TRANSFORMERS` and `estimators::ESTIMATORS`.

pub mod chain;
mod estimator;
pub mod estimators;
pub mod input;
mod matrix;
pub mod reduce;
pub mod selector;
mod training;
mod transform;
pub mod transformers;

pub use chain::{Chain, FittedChain};
pub use estimator::{Coefficient, Estimator, EstimatorEntry, FittedEstimator, Predict, Predictions, Task, UnfittedEstimator};
pub use matrix::Matrix;
pub use selector::Selector;
pub use training::{Chunk, TrainingSet};
pub use transform::{Apply, Fit, FittedTransform, Transformer, TransformerEntry, UnfittedTransform};
