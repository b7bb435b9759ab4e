//! Fitting and applying: transforms, estimators, metrics and the model that joins them.
//!
//! Unfitted and fitted are different types: [`Transformer`] → [`Apply`], [`Estimator`] → [`Predict`], so
//! predicting before fitting does not compile. What recipe.yaml can name stands in two plain lists,
//! `transformers::TRANSFORMERS` and `estimators::ESTIMATORS`.
//!
//! Everything works on frames in memory, without any file:
//!
//! ```
//! use polars::prelude::*;
//! use recipe::data::{Roles, Table};
//! use recipe::ml::adjust::Adjustments;
//! use recipe::ml::model::{LabelType, Model, OutputNames};
//! use recipe::ml::{Chain, Predictions, Task, TrainingSet, estimators};
//! use recipe::value::Value;
//!
//! let frame = df!("x" => [1.0, 2.0, 3.0, 4.0], "town" => ["a", "b", "a", "b"], "y" => [2.0, 5.0, 6.0, 9.0])?;
//! let roles = Roles::default().with_target("y");
//! let training = Table::of(frame.clone());
//!
//! // Fit a chain of transforms and apply it.
//! let chain = Chain::parse(&Value::List(vec![Value::String("one_hot".into())])).map_err(|faults| faults[0].clone())?;
//! let fitted = chain.fit(&training, &roles, 42)?;
//! let transformed = Table::from_query(fitted.apply(training.lazy())?)?;
//! assert_eq!(fitted.features(), ["x", "town_a", "town_b"]);
//!
//! // Fit an estimator on the transformed rows.
//! let set = TrainingSet::new(Task::Regression, &transformed, fitted.features().to_vec(), "y", None, Vec::new(), 42)?;
//! let entry = estimators::find("ridge").ok_or("no such estimator")?;
//! let estimator = (entry.parse)(&Value::Null).map_err(|faults| faults[0].clone())?.fit(&set)?;
//!
//! // Join both and predict raw rows; the target is not needed.
//! let features = fitted.features().to_vec();
//! let output = OutputNames::default();
//! let adjustments = Adjustments::default();
//! let model = Model { task: Task::Regression, target: "y".into(), labels: LabelType::Float, output, chain: fitted, features, estimator, adjustments };
//! let Predictions::Values(values) = model.predict(&df!("x" => [2.5], "town" => ["a"])?)? else { panic!("a regression gives values") };
//! assert!((values[0] - 5.0).abs() < 1.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod adjust;
pub mod calibration;
pub mod chain;
pub mod conformal;
mod deadline;
pub mod drift;
mod estimator;
pub mod estimators;
pub mod explain;
pub mod export;
pub mod input;
pub mod leak;
pub mod learning_curve;
pub mod linalg;
pub mod matrix;
pub mod metric;
pub mod model;
pub mod probe;
pub mod reduce;
mod rounds;
pub mod selector;
pub mod slices;
pub mod sparse;
pub mod target;
pub mod threshold;
mod training;
mod transform;
pub mod transformers;
pub mod trees;
pub mod tune;
pub mod uncertainty;

pub use chain::{Chain, FittedChain};
pub use deadline::Deadline;
pub use estimator::{Coefficient, Estimator, EstimatorEntry, FittedEstimator, Predict, Predictions, Task, UnfittedEstimator};
pub use matrix::Matrix;
pub use rounds::Rounds;
pub use selector::Selector;
pub use training::{Chunk, TrainingSet, refuse_missing, target_numbers};
pub use transform::{AcrossRows, Apply, Fit, FittedTransform, TargetKind, Transformer, TransformerEntry, UnfittedTransform};
