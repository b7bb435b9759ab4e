//! The linear algebra that estimators and transforms share: Gram matrices, least squares on them, descent with an L1
//! penalty, eigenvectors.
//!
//! Everything here works on sums over rows, so that no estimator holds a table in memory. It is plain
//! safe Rust that the compiler vectorises (fixed-size blocks, several accumulators), and it adds in a
//! fixed order: the same bytes at any thread count. Not here: sparse ([`super::sparse`]) or complex matrices.

mod descent;
mod eigen;
mod gram;
mod solve;

pub use descent::{Quadratic, Slopes, descend, descend_along};
pub use eigen::eigen;
pub use gram::{Block, ROWS, Symmetric, dot};
pub use solve::{CUT_OFF, Solver};
