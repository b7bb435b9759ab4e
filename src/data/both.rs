//! Two pieces of work side by side.

use std::panic::resume_unwind;
use std::thread::{Builder, scope};

/// Queries over many expressions want more than the two megabytes that a thread has by default: as much as a program's first one.
const STACK: usize = 8 << 20;

/// Does both, the second on a thread of its own, where the system has one to give.
pub fn both<A, B: Send>(first: impl FnOnce() -> A, second: impl Fn() -> B + Sync) -> (A, B) {
    scope(|scope| {
        let aside = Builder::new().stack_size(STACK).spawn_scoped(scope, &second);
        let first = first();
        let second = aside.map_or_else(|_| second(), |aside| aside.join().unwrap_or_else(|panic| resume_unwind(panic)));
        (first, second)
    })
}
