//! How far a fit is, for whoever waits for it.
//!
//! What fits in rounds counts them here; who started it may look from another thread. Nothing depends on who looks, or when.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Rounds that are done, and the most there will be; copies share one count.
#[derive(Clone, Debug, Default)]
pub struct Rounds(Arc<(AtomicU64, AtomicU64)>);

impl Rounds {
    /// So many of so many are done.
    pub fn tell(&self, done: usize, of: usize) {
        self.0.0.store(done as u64, Ordering::Relaxed);
        self.0.1.store(of as u64, Ordering::Relaxed);
    }

    /// How many are done and the most there will be; `None` before the first one.
    #[must_use]
    pub fn told(&self) -> Option<(u64, u64)> {
        let (done, of) = (self.0.0.load(Ordering::Relaxed), self.0.1.load(Ordering::Relaxed));
        (done > 0).then_some((done, of))
    }
}
