//! Whole-program tests: what a user types and what they get.

mod bad_inputs;
mod cache;
mod commands;
mod faults;
mod floors;
mod project;
mod reference;
