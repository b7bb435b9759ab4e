//! Tables: reading, checking, profiling, splitting and writing them. polars is named here and in `ml/`.

mod role;
pub mod sink;
pub mod source;
mod table;

pub use role::{Role, Roles};
pub use table::{BATCH_ROWS, Batches, ROW_GROUP_ROWS, Table};
