//! Tables: reading, checking, profiling, splitting and writing them. polars is named here and in `ml/`.

mod canonical;
mod profile;
mod role;
mod split;
mod table;

pub use profile::{ColumnDrift, Duplicates, Lengths, NumberProfile, Profile, ProfiledColumn, drift, preview, profile};
pub use role::{Role, Roles};
pub use split::{Method as SplitMethod, Overlap, Part, Ratios, SplitConfig, SplitPaths, SplitReport, split};
pub use table::{BATCH_ROWS, Batches, ROW_GROUP_ROWS, Table};
