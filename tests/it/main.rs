//! Whole-program tests: what a user types and what they get.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

mod applied;
mod automl;
mod bad_inputs;
mod cache;
mod cards;
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
mod look;
mod mlflow_server;
mod project;
mod reference;
mod schema;
mod serve;
mod sql;
mod sql_server;
mod sweep;
mod tracking;
mod tuning;
mod ui;
mod wide;
mod wrappers;
