//! Loops over numbers that are compiled for several generations of processors, of which the newest that is there runs.
//!
//! A program for every x86-64 looks at two numbers at once; most machines could look at four or eight. Which of the loops runs changes no bit of
//! what comes out: the compiler keeps the order of float operations and fuses none.

use std::sync::LazyLock;

use pulp::Arch;

/// Runs a loop, all of whose functions are `#[inline(always)]` (what is not inlined is not compiled anew). Worth it from some hundred numbers on.
#[inline]
pub(crate) fn wide<R>(work: impl FnOnce() -> R) -> R {
    static ARCH: LazyLock<Arch> = LazyLock::new(Arch::new);
    ARCH.dispatch(work)
}
