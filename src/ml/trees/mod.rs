//! One engine for all trees: binned features, growth by histograms or by exact search, flat models, fast prediction.
//!
//! Two ways to grow share what lies under them. Boosted trees ([`boost`]) follow gradients: every tree looks at all
//! features through histograms of whole numbers, of which the larger child's is the parent's less the smaller's. Whole
//! numbers add up to the same in any order, so threads may share the rows as they like and the model has the same
//! bytes. Forests and single trees ([`cart`]) follow impurity: trees grow side by side, each alone on its thread, with
//! histograms while a node is large and exact search once it is small.
//!
//! Nothing here knows tables, configuration or messages: features are slices of numbers, missing is NaN, and what the
//! caller passes has been checked.
//!
//! Sources: Breiman et al. (1984) for the impurity; Friedman (2001) and Chen and Guestrin (2016) for gradients and
//! gain; Ke et al. (2017) for leaf-wise growth on histograms; Fisher (1958) for the order of categories; Lundberg et al.
//! (2020) for Shapley values ([`shapley`]).

pub mod bins;
pub mod boost;
pub mod cart;
pub mod draw;
mod grow;
mod histogram;
pub mod objective;
mod partition;
mod shapley;
mod split;
pub mod tree;

pub use bins::Binned;
pub use boost::{Boosted, Boosting, Growth};
pub use cart::{Cart, Thresholds};
pub use grow::Shape;
pub use histogram::MOST_ROWS;
pub use objective::{Link, Objective, Targets};
pub use shapley::Shapley;
pub use split::Rules;
pub use tree::{Question, Rule, Tree, Trees};

#[cfg(test)]
mod engine_tests;
