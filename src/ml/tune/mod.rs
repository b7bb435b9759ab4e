//! Tuning: which parameters to try next, on which rows, and when to stop.
//!
//! A [`Space`] says what may be chosen, a [`Search`] proposes from it, a [`Contest`] shares trials among several searches, [`run`] tries proposals out side by side, and [`folds`] parts rows
//! for cross-validation. What a trial does is the caller's business: nothing here knows a step, a table or the store.
//!
//! A point of a space is a number in 0..1 for each parameter, so that all algorithms work on the same cube. What is proposed depends on
//! the seed, the trial's number and the trials before it, never on threads or time: a search that was cut off goes on where it was.

mod climb;
mod contest;
pub mod folds;
mod run;
mod search;
mod space;
mod tpe;
mod trial;

pub use contest::{Contest, Cost, ENSEMBLES, Entrant, Pace, Strategy};
pub use run::{Runner, Try, run};
pub use search::{Algorithm, Search};
pub use space::{Dimension, Distribution, Space};
pub use trial::{Outcome, Proposal, Trial};

/// Raised whenever the same seed proposes or scores otherwise.
pub const VERSION: u32 = 2;
