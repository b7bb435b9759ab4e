//! Tables: reading, checking, profiling, splitting and writing them. polars is named here and in `ml/`.

mod both;
pub(crate) mod canonical;
mod checks;
mod contract;
mod data_test;
mod expression;
mod fingerprint;
mod origin;
mod parquet_sink;
mod profile;
mod role;
pub mod rows;
mod scalar;
pub mod sink;
pub mod source;
mod split;
pub mod sql;
mod table;
pub mod tiny;
mod wide;

pub use both::both;
pub use checks::{CheckReport, Outcome, Sample, absent, check};
pub use contract::{ColumnContract, ColumnType, Contract, Length, Severity, kind_name};
pub use data_test::{Age, DataTest};
pub use expression::{AggregateExpression, RowExpression, Wanted, column, evaluate};
pub use origin::{Origin, SOURCES};
pub use parquet_sink::ParquetSink;
pub(crate) use profile::first_characters;
pub use profile::{ColumnDrift, Duplicates, Lengths, NumberProfile, Profile, ProfiledColumn, Profiler, drift, preview, profile, stability_index};
pub use role::{Role, Roles};
pub use scalar::Scalar;
pub use split::{Method as SplitMethod, Overlap, Part, Ratios, SplitConfig, SplitPaths, SplitReport, split};
pub use table::{BATCH_ROWS, Batches, ROW_GROUP_ROWS, Table};
