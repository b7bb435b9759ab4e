//! `recipe`: declarative machine learning on tables.
//!
//! Floors, lowest last; a module uses floors below its own and never one above (ARCHITECTURE.md):
//! `cli`, `ui`, `run` and `serve`, `recipe`, `steps`, `tracking`, `ml`, `data`, then `store` and `card`, then `error` and `value`.

pub mod card;
pub mod cli;
pub mod data;
pub mod error;
pub mod ml;
pub mod recipe;
pub mod run;
pub mod serve;
pub mod steps;
pub mod store;
pub mod tracking;
pub mod ui;
pub mod value;

pub use error::{Error, Result};
