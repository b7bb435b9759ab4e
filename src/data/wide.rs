//! Loops over rows that do not wait for one another, most of them compiled for several generations of processors, of which the newest that is there runs.
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

/// Of each row that is wanted what `convert` makes of it. Without a branch a row, since which are wanted is a matter of chance: others are converted
/// too, and written over.
pub(crate) fn gather<T: Copy, U: Copy + Default>(rows: &[T], gathered: &mut Vec<U>, is_wanted: impl Fn(usize, T) -> bool, convert: impl Fn(usize, T) -> U) {
    gathered.resize(rows.len(), U::default());
    let mut found = 0;
    for (row, value) in rows.iter().enumerate() {
        gathered[found] = convert(row, *value);
        found += usize::from(is_wanted(row, *value));
    }
    gathered.truncate(found);
}

/// The values part by part, and where each part begins.
pub(crate) fn in_parts<T: Copy + Default>(values: &[T], parts: usize, part: impl Fn(T) -> usize) -> (Vec<T>, Vec<usize>) {
    let mut places = vec![0; parts];
    for value in values {
        places[part(*value)] += 1;
    }
    let mut end = 0;
    for count in &mut places {
        end += *count;
        *count = end;
    }
    let mut parted = vec![T::default(); values.len()];
    for value in values {
        // The end of a part moves to its beginning.
        let place = &mut places[part(*value)];
        *place -= 1;
        parted[*place] = *value;
    }
    (parted, places)
}
