//! Bounded samples that are the same on every run: of distinct values, and of rows.

use super::ROWS_AT_ONCE;
use crate::data::canonical::mix;
use crate::data::wide::{gather, wide};

/// Hashes that are passed over at once.
const PASSED_OVER: usize = 64;

/// Counts by hash: all of them while they fit, then only hashes that begin with enough zero bits.
///
/// With z zero bits asked for, the distinct are about 2ᶻ times those held (Wegman's adaptive sampling, Flajolet 1990); the
/// relative standard error is 1.2/√limit. What is held in the end depends on the values alone, not on their order.
pub(super) struct Sampler {
    limit: usize,
    zeros: u32,
    /// Ascending by hash.
    held: Vec<(u64, u32)>,
    /// Sorted and merged with those held once there are enough: far quicker than a table, which no cache holds.
    waiting: Vec<u64>,
    /// Room for both, which become those held.
    merged: Vec<(u64, u32)>,
}

impl Sampler {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, zeros: 0, held: Vec::new(), waiting: Vec::new(), merged: Vec::new() }
    }

    /// With different hashes that were counted before.
    pub(super) fn of(limit: usize, counted: impl Iterator<Item = (u64, u32)>) -> Self {
        let mut sampler = Self { held: counted.collect(), ..Self::new(limit) };
        sampler.held.sort_unstable();
        sampler.fit();
        sampler
    }

    /// Counts all hashes but `left_out`.
    pub(super) fn add(&mut self, hashes: &[u64], left_out: Option<u64>) {
        for hashes in hashes.chunks(ROWS_AT_ONCE) {
            let greatest = greatest(self.zeros);
            let waiting = &mut self.waiting;
            waiting.reserve(hashes.len());
            wide(
                #[inline(always)]
                || {
                    let mut keep = |hashes: &[u64]| waiting.extend(hashes.iter().filter(|hash| **hash <= greatest && Some(**hash) != left_out));
                    // Most hashes of a large table are too great: many are passed over at once.
                    let (chunks, rest) = hashes.as_chunks::<PASSED_OVER>();
                    for chunk in chunks.iter().filter(|chunk| holds(chunk, greatest)) {
                        let (parts, _) = chunk.as_chunks::<8>();
                        parts.iter().filter(|part| holds(part, greatest)).for_each(|part| keep(part));
                    }
                    keep(rest);
                },
            );
            if self.waiting.len() * 2 >= self.limit {
                self.settle();
            }
        }
    }

    fn settle(&mut self) {
        self.waiting.sort_unstable();
        self.merged.clear();
        self.merged.reserve(self.held.len() + self.waiting.len());
        let mut rest = self.held.as_slice();
        for hash in self.waiting.drain(..) {
            while let Some((first, after)) = rest.split_first()
                && first.0 <= hash
            {
                self.merged.push(*first);
                rest = after;
            }
            match self.merged.last_mut() {
                Some((last, count)) if *last == hash => *count = count.saturating_add(1),
                _ => self.merged.push((hash, 1)),
            }
        }
        self.merged.extend_from_slice(rest);
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
        let repeated = self.held.iter().map(|(_, count)| u64::from(*count) - 1).sum::<u64>() << self.zeros;
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
    /// Where not every row is looked at, one in so many of them, chosen by that hash: of texts, and of anything else.
    pub(super) few: Few,
    pub(super) fewer: Few,
}

/// Some rows of a batch, one in `one_in`.
pub(super) struct Few {
    pub(super) one_in: u64,
    pub(super) rows: Vec<usize>,
}

impl RowSample {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, zeros: 0, keys: Vec::new() }
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
            let keep = places(&self.keys, |key| key <= greatest);
            self.keys.retain(|key| *key <= greatest);
            keep
        });
        let rows = places(&keys, |key| key <= greatest);
        self.keys.extend(rows.iter().filter_map(|row| keys.get(*row)));
        let few = Few { one_in: 16, rows: places(&keys, |key| key.is_multiple_of(16)) };
        let fewer = Few { one_in: 64, rows: few.rows.iter().copied().filter(|row| keys[*row].is_multiple_of(64)).collect() };
        Turn { keep, rows, keys, few, fewer }
    }
}

/// Is a hash among them that is not greater?
#[inline(always)]
#[allow(clippy::inline_always, reason = "it is run in `wide`")]
fn holds<const N: usize>(hashes: &[u64; N], greatest: u64) -> bool {
    hashes.iter().fold(0, |any, hash| any | u64::from(*hash <= greatest)) > 0
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

/// Where the keys are that are wanted.
fn places(keys: &[u64], is_wanted: impl Fn(u64) -> bool) -> Vec<usize> {
    let mut places = Vec::new();
    gather(keys, &mut places, |_, key| is_wanted(key), |place, _| place);
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_values_are_exact_below_the_limit_and_near_above() {
        let of = |values: &[u64]| {
            let mut sampler = Sampler::new(4096);
            sampler.add(&values.iter().copied().map(mix).collect::<Vec<_>>(), None);
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
        later.add(&more[10_000..].iter().copied().map(mix).collect::<Vec<_>>(), None);
        assert_eq!(later.finish(), sampled);
    }

    #[test]
    fn a_row_sample_stays_aligned_with_what_it_dropped() {
        let mut sample = RowSample::new(1000);
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
    }
}
