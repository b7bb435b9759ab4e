//! Making a store operation fail on purpose, so that tests can pull the plug at any of them.
//!
//! Every call with which the store or the registry changes the disk passes [`point`]. In a debug build the environment variable
//! `RECIPE_FAULT=<n>:<how>` arms the n-th of them, counted from 1 over the process:
//! - `abort` kills the process there (SIGKILL: no clean-up runs);
//! - `enospc` makes it and all later ones but removals fail with "no space left on device".
//!
//! In a release build the variable means nothing and `point` is empty.

use std::io;

/// What is about to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// Making a file or folder, writing bytes, setting permissions.
    Write,
    Rename,
    Sync,
    Remove,
}

#[cfg(not(any(test, debug_assertions)))]
#[allow(clippy::unnecessary_wraps, reason = "the debug build's can fail")]
pub(crate) fn point(_: Op) -> io::Result<()> {
    Ok(())
}

#[cfg(any(test, debug_assertions))]
pub(crate) use armed::point;

#[cfg(any(test, debug_assertions))]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{Op, io};

    static SEEN: AtomicU64 = AtomicU64::new(0);
    static PLAN: OnceLock<Option<(u64, bool)>> = OnceLock::new();

    pub fn point(op: Op) -> io::Result<()> {
        #[cfg(test)]
        super::testing::point(op)?;
        let plan = PLAN.get_or_init(|| if cfg!(debug_assertions) { read(&std::env::var("RECIPE_FAULT").ok()?) } else { None });
        let Some((at, kills)) = *plan else { return Ok(()) };
        let now = SEEN.fetch_add(1, Ordering::Relaxed) + 1;
        if kills && now == at {
            // A kill that fails to be delivered still ends the process here.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            std::process::abort();
        }
        if !kills && now >= at && op != Op::Remove {
            return Err(rustix::io::Errno::NOSPC.into());
        }
        Ok(())
    }

    /// `7:abort` as `(7, true)`, `7:enospc` as `(7, false)`.
    fn read(text: &str) -> Option<(u64, bool)> {
        let (at, how) = text.split_once(':')?;
        let kills = match how {
            "abort" => true,
            "enospc" => false,
            _ => return None,
        };
        Some((at.parse().ok()?, kills))
    }

    #[cfg(test)]
    mod tests {
        #[test]
        fn a_fault_is_a_number_and_a_way_to_fail() {
            assert_eq!(super::read("7:abort"), Some((7, true)));
            assert_eq!(super::read("1:enospc"), Some((1, false)));
            assert_eq!(super::read("7:other").or(super::read("x:abort")).or(super::read("")), None);
        }
    }
}

/// Faults for the calling thread, in unit tests.
#[cfg(test)]
pub(super) mod testing {
    use std::cell::Cell;

    use super::{Op, io};

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Mode {
        /// The n-th operation fails, those after it work.
        Once,
        /// The disk is full from the n-th operation on.
        Full,
        /// The process is dead from the n-th operation on: nothing changes the disk any more.
        Kill,
        /// The disk is read-only from the n-th operation on.
        ReadOnly,
    }

    thread_local! {
        static PLAN: Cell<Option<(u64, Mode)>> = const { Cell::new(None) };
        static SEEN: Cell<u64> = const { Cell::new(0) };
    }

    /// Does some work with a fault at operation `at`, counted from 1; also says how many operations there were.
    pub fn during<T>(at: u64, mode: Mode, work: impl FnOnce() -> T) -> (T, u64) {
        PLAN.set(Some((at, mode)));
        SEEN.set(0);
        let result = work();
        PLAN.set(None);
        (result, SEEN.get())
    }

    pub fn point(op: Op) -> io::Result<()> {
        let Some((at, mode)) = PLAN.get() else { return Ok(()) };
        let now = SEEN.get() + 1;
        SEEN.set(now);
        let fails = match mode {
            Mode::Once => now == at,
            Mode::Full => now >= at && op != Op::Remove,
            Mode::Kill | Mode::ReadOnly => now >= at,
        };
        match (fails, mode) {
            (false, _) => Ok(()),
            (true, Mode::ReadOnly) => Err(rustix::io::Errno::ROFS.into()),
            (true, Mode::Full) => Err(rustix::io::Errno::NOSPC.into()),
            (true, _) => Err(rustix::io::Errno::IO.into()),
        }
    }
}
