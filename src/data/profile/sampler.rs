//! Bounded samples that are the same on every run: of distinct values, and of rows.

use super::ROWS_AT_ONCE;
use crate::data::canonical::{MISSING, mix};
use crate::data::wide::{in_parts, wide};

/// Hashes that are compared at once: as many as a whole number has bits.
const AT_ONCE: usize = 64;
/// Hashes are told apart by so many bits before they are compared: counts of that many places stay in a processor's nearest cache.
const MOST_PLACES: u32 = 12;

/// Counts by hash: all of them while they fit, then only hashes that begin with enough zero bits. [`MISSING`] is left out.
///
/// With z zero bits asked for, the distinct are about 2ᶻ times those held (Wegman's adaptive sampling, Flajolet 1990); the
/// relative standard error is 1.2/√limit. What is held in the end depends on the values alone, not on their order.
pub(super) struct Sampler {
    limit: usize,
    zeros: u32,
    /// Ascending by hash.
    held: Vec<(u64, u64)>,
    /// Sorted and merged with those held once there are enough: far quicker than a table, which no cache holds.
    waiting: Vec<u64>,
    /// Room for both, which become those held.
    merged: Vec<(u64, u64)>,
}

impl Sampler {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, zeros: 0, held: Vec::new(), waiting: Vec::new(), merged: Vec::new() }
    }

    /// With different hashes that were counted before.
    pub(super) fn of(limit: usize, counted: impl Iterator<Item = (u64, u64)>) -> Self {
        let mut sampler = Self { held: counted.collect(), ..Self::new(limit) };
        sampler.held.sort_unstable();
        sampler.fit();
        sampler
    }

    /// Counts hashes.
    pub(super) fn add(&mut self, hashes: &[u64]) {
        for hashes in hashes.chunks(ROWS_AT_ONCE) {
            let waiting = &mut self.waiting;
            waiting.reserve(hashes.len());
            each_up_to(greatest(self.zeros), hashes, |_, hash| waiting.extend((hash != MISSING).then_some(hash)));
            if self.waiting.len() * 2 >= self.limit {
                self.settle();
            }
        }
    }

    fn settle(&mut self) {
        let arrived = sorted(&self.waiting, self.zeros);
        self.waiting.clear();
        self.merged.clear();
        self.merged.reserve(self.held.len() + arrived.len());
        let (mut i, mut j) = (0, 0);
        // Without a branch a hash, since which of two is less is a matter of chance.
        while let (Some((first, count)), Some(hash)) = (self.held.get(i), arrived.get(j)) {
            let (is_old, is_new) = (first <= hash, hash <= first);
            self.merged.push((if is_old { *first } else { *hash }, count * u64::from(is_old) + u64::from(is_new)));
            i += usize::from(is_old);
            j += usize::from(is_new);
        }
        self.merged.extend_from_slice(&self.held[i..]);
        self.merged.extend(arrived[j..].iter().map(|hash| (*hash, 1)));
        if !arrived.is_sorted_by(|a, b| a < b) {
            self.merged.dedup_by(|(hash, more), (before, count)| {
                let is_same = hash == before;
                *count += if is_same { *more } else { 0 };
                is_same
            });
        }
        std::mem::swap(&mut self.held, &mut self.merged);
        self.fit();
    }

    fn fit(&mut self) {
        while self.held.len() > self.limit {
            self.zeros += 1;
            let greatest = greatest(self.zeros);
            self.held.truncate(self.held.partition_point(|(hash, _)| *hash <= greatest));
        }
    }

    /// What was counted.
    pub(super) fn finish(mut self) -> Sampled {
        self.settle();
        // How many were added whose hash had been added before.
        let repeated = self.held.iter().map(|(_, count)| count - 1).sum::<u64>() << self.zeros;
        Sampled { distinct: (self.held.len() as u64) << self.zeros, repeated, is_estimate: self.zeros > 0 }
    }
}

/// How many distinct values there are, and how many repeat one before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sampled {
    pub(super) distinct: u64,
    pub(super) repeated: u64,
    pub(super) is_estimate: bool,
}

/// Rows held once there are too many to hold all: at least half as many, whose quantiles are good to about 0.3 % of the rows.
pub(super) const SAMPLED_ROWS: usize = 1 << 16;

/// A sample of rows, the same rows for every column: all while they fit, then those whose number hashes to enough zero bits.
pub(super) struct RowSample {
    limit: usize,
    zeros: u32,
    keys: Vec<u64>,
}

/// What a batch does to the sample.
pub(super) struct Turn {
    /// The places of the rows held so far that stay, ascending; `None`: all do.
    pub(super) keep: Option<Vec<usize>>,
    /// Which rows of the batch join.
    pub(super) rows: Vec<usize>,
    /// A hash of each row's number.
    pub(super) keys: Vec<u64>,
    /// Where not every row is looked at, some that are: of texts, and of anything else.
    pub(super) few: Few,
    pub(super) fewer: Few,
}

/// Some rows of a batch, one of each `one_in` that follow each other.
pub(super) struct Few {
    pub(super) one_in: u64,
    pub(super) rows: Vec<usize>,
}

impl RowSample {
    /// Of a table of exactly so many rows, where that is known: rows that would be dropped later are then never held.
    pub(super) fn new(limit: usize, rows: Option<u64>) -> Self {
        let mut sample = Self { limit, zeros: 0, keys: Vec::new() };
        if rows.is_some_and(|rows| rows > limit as u64) {
            sample.limit = limit.min(SAMPLED_ROWS);
            // Never more zeros than these rows would lead to: with one fewer they are clearly too many, whatever chance does.
            let clearly = sample.limit as u64 + sample.limit as u64 / 8;
            while rows.is_some_and(|rows| rows >> sample.zeros > clearly) {
                sample.zeros += 1;
            }
        }
        sample
    }

    pub(super) fn is_estimate(&self) -> bool {
        self.zeros > 0
    }

    pub(super) fn turn(&mut self, first_row: u64, rows: usize) -> Turn {
        let mut keys: Vec<u64> = (first_row..first_row + rows as u64).collect();
        mix_each(&mut keys);
        let before = self.zeros;
        let mut held = self.keys.len();
        while held + count_up_to(&keys, greatest(self.zeros)) > self.limit {
            self.limit = self.limit.min(SAMPLED_ROWS);
            self.zeros += 1;
            held = count_up_to(&self.keys, greatest(self.zeros));
        }
        let greatest = greatest(self.zeros);
        let keep = (self.zeros > before).then(|| {
            let mut keep = Vec::new();
            each_up_to(greatest, &self.keys, |place, _| keep.push(place));
            self.keys.retain(|key| *key <= greatest);
            keep
        });
        let mut joining = Vec::new();
        each_up_to(greatest, &keys, |row, key| {
            joining.push(row);
            self.keys.push(key);
        });
        Turn { keep, rows: joining, keys, few: Few::of(first_row, rows, 16), fewer: Few::of(first_row, rows, 64) }
    }
}

impl Few {
    fn of(first_row: u64, rows: usize, one_in: u64) -> Self {
        let batch = first_row..first_row + rows as u64;
        let drawn = (batch.start / one_in..batch.end.div_ceil(one_in)).map(|block| block * one_in + mix(block) % one_in);
        Self { one_in, rows: drawn.filter(|row| batch.contains(row)).map(|row| (row - first_row) as usize).collect() }
    }
}

/// Hashes that begin with so many zero bits, in ascending order. They are spread evenly, so that their next bits bring each near its place.
fn sorted(hashes: &[u64], zeros: u32) -> Vec<u64> {
    let bits = hashes.len().next_power_of_two().ilog2().min(MOST_PLACES);
    let place = |hash: u64| hash.checked_shr(64u32.saturating_sub(zeros + bits)).unwrap_or(0) as usize;
    let (mut sorted, begins) = in_parts(hashes, 1 << bits, place);
    let mut rest = sorted.as_mut_slice();
    for begin in begins.into_iter().rev() {
        let (before, part) = rest.split_at_mut(begin);
        part.sort_unstable();
        rest = before;
    }
    sorted
}

/// Calls `found` with each hash that is not greater, and its place. A bit for each of several hashes, set without a branch, tells which are to be
/// visited: whether the next one is, is a matter of chance.
fn each_up_to(greatest: u64, hashes: &[u64], mut found: impl FnMut(usize, u64)) {
    wide(
        #[inline(always)]
        || {
            let (chunks, rest) = hashes.as_chunks::<AT_ONCE>();
            for (at, chunk) in chunks.iter().enumerate() {
                let mut bits = (0..).zip(chunk).fold(0u64, |bits, (place, hash)| bits | (u64::from(*hash <= greatest) << place));
                while bits > 0 {
                    let place = bits.trailing_zeros() as usize;
                    found(at * AT_ONCE + place, chunk[place % AT_ONCE]);
                    bits &= bits - 1;
                }
            }
            let first = hashes.len() - rest.len();
            (first..).zip(rest).filter(|(_, hash)| **hash <= greatest).for_each(|(place, hash)| found(place, *hash));
        },
    );
}

/// The greatest hash that begins with so many zero bits.
fn greatest(zeros: u32) -> u64 {
    u64::MAX.checked_shr(zeros).unwrap_or(0)
}

/// Mixes each hash, many at once.
pub(super) fn mix_each(hashes: &mut [u64]) {
    wide(
        #[inline(always)]
        || hashes.iter_mut().for_each(|hash| *hash = mix(*hash)),
    );
}

fn count_up_to(keys: &[u64], greatest: u64) -> usize {
    wide(
        #[inline(always)]
        || keys.iter().map(|key| u64::from(*key <= greatest)).sum::<u64>() as usize,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_values_are_exact_below_the_limit_and_near_above() {
        let of = |values: &[u64]| {
            let mut sampler = Sampler::new(4096);
            sampler.add(&values.iter().copied().map(mix).collect::<Vec<_>>());
            sampler.finish()
        };
        let all: Vec<u64> = (0..4096).collect();
        assert_eq!(of(&all), Sampled { distinct: 4096, repeated: 0, is_estimate: false });
        assert_eq!(of(&[&all[..], &all[..100]].concat()), Sampled { distinct: 4096, repeated: 100, is_estimate: false });
        let more: Vec<u64> = (0..100_000).chain(0..50_000).collect();
        let sampled = of(&more);
        // Four standard errors.
        assert!(sampled.is_estimate && (sampled.distinct as f64 / 100_000.0 - 1.0).abs() < 4.0 * 1.2 / 64.0, "{sampled:?}");
        assert!((sampled.repeated as f64 / 50_000.0 - 1.0).abs() < 0.2, "{sampled:?}");
        // Neither the order nor what was counted before it changes a thing.
        let back: Vec<u64> = more.iter().rev().copied().collect();
        assert_eq!(of(&back), sampled);
        let mut later = Sampler::of(4096, (0..10_000).map(|value| (mix(value), 1)));
        later.add(&more[10_000..].iter().copied().map(mix).collect::<Vec<_>>());
        assert_eq!(later.finish(), sampled);
    }

    #[test]
    fn hashes_are_sorted_whatever_they_begin_with() {
        for (zeros, count) in [(0, 0u64), (0, 1), (3, 5), (0, 5_000), (17, 5_000), (52, 5_000), (60, 700)] {
            let mut hashes: Vec<u64> = (0..count).map(|i| mix(i % 3_000) >> zeros).collect();
            let found = sorted(&hashes, zeros);
            hashes.sort_unstable();
            assert_eq!(found, hashes, "{zeros} {count}");
        }
    }

    #[test]
    fn a_row_sample_stays_aligned_with_what_it_dropped() {
        let mut sample = RowSample::new(1000, None);
        let mut held: Vec<u64> = Vec::new();
        for batch in 0..20u64 {
            let turn = sample.turn(batch * 300, 300);
            if let Some(keep) = turn.keep {
                held = keep.iter().map(|place| held[*place]).collect();
            }
            held.extend(turn.rows.iter().map(|row| batch * 300 + *row as u64));
            assert_eq!(held.iter().map(|row| mix(*row)).collect::<Vec<_>>(), sample.keys);
            assert!(held.len() <= 1000);
        }
        assert!(held.len() > 400 && sample.is_estimate());
        // Knowing the number of rows changes nothing that is held in the end, and drops less on the way.
        let mut told = RowSample::new(1000, Some(6000));
        let dropped = (0..20u64).filter(|batch| told.turn(batch * 300, 300).keep.is_some()).count();
        assert_eq!((told.keys, told.zeros, dropped), (sample.keys, sample.zeros, 0));
    }

    #[test]
    fn one_row_of_each_few_is_looked_at_however_rows_are_cut() {
        let whole = Few::of(0, 1000, 16).rows;
        assert!((0..62).all(|block| whole.iter().filter(|row| **row / 16 == block).count() == 1));
        for size in [1, 7, 100] {
            let parts =
                (0..1000).step_by(size).flat_map(|first| Few::of(first as u64, size.min(1000 - first), 16).rows.into_iter().map(move |row| first + row));
            assert_eq!(parts.collect::<Vec<_>>(), whole);
        }
    }
}
