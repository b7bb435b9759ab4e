//! A moment after which a fit is of no use.
//!
//! What takes long asks between rounds, trees or passes over the rows, and ends. Whoever set the deadline throws away what
//! came of it, so nothing that is written depends on when that was.

use std::time::Instant;

use crate::error::{Error, Kind, Result};

/// A moment, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// There is all the time in the world.
    pub const NONE: Self = Self(None);

    #[must_use]
    pub fn at(moment: Option<Instant>) -> Self {
        Self(moment)
    }

    #[must_use]
    pub fn has_passed(self) -> bool {
        self.0.is_some_and(|moment| Instant::now() >= moment)
    }

    /// # Errors
    /// Where it has passed.
    pub fn check(self) -> Result<()> {
        if self.has_passed() { Err(Error::new(Kind::Interrupted, "the time for this fit is over")) } else { Ok(()) }
    }
}
