//! Whole-program tests: what a user types and what they get.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

mod applied;
mod automl;
mod bad_inputs;
mod cache;
mod commands;
mod config;
mod diff;
mod docs;
mod drift;
mod explain;
mod export;
mod faults;
mod floors;
mod gate;
mod golden;
mod lags;
mod leaks;
mod project;
mod reference;
mod schema;
mod sweep;
mod tuning;
mod wide;
mod wrappers;
