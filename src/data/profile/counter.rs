//! Distinct and most frequent values of a column: exact while few are distinct, then estimated in bounded memory.

use std::cmp::{Ordering, Reverse};

use super::sampler::{Few, Sampled, Sampler};
use crate::data::canonical::{MISSING, Values, View, show_float, show_instant};

/// Distinct values held once a column has too many for exact counting.
pub(super) const SAMPLED: usize = 1 << 13;
/// Candidates for the most frequent values held then.
const CANDIDATES: usize = 1024;
/// Values remembered in case they come again: a power of two.
const REMEMBERED: usize = 1024;
/// Characters kept of a value.
const KEPT: usize = 200;

/// A value that was seen.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Seen {
    Integer(i64),
    Float(f64),
    /// Units since 1970, and how many make a second.
    Instant(i64, i64),
    Text(Box<str>),
}

impl Seen {
    fn of(view: &View, row: usize) -> Self {
        match view.values {
            Values::Integer(values) => Self::Integer(values[row]),
            Values::Float(values) => Self::Float(values[row]),
            Values::Instant(values, per_second) => Self::Instant(values[row], per_second),
            Values::Text(values) => Self::Text(first_characters(values.value(row)).into()),
            _ => Self::Text(view.text(row).unwrap_or_default().into()),
        }
    }

    pub(super) fn show(&self) -> String {
        match self {
            Self::Integer(value) => value.to_string(),
            Self::Float(value) => show_float(*value),
            Self::Instant(value, per_second) => show_instant(*value, *per_second),
            Self::Text(text) => text.to_string(),
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) | (Self::Instant(a, _), Self::Instant(b, _)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => Ordering::Equal,
        }
    }
}

/// The beginning of a text, at most 200 characters.
pub(crate) fn first_characters(text: &str) -> &str {
    match text.char_indices().nth(KEPT) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

/// Counts by hash, in a table of open addressing: what is looked up takes 16 bytes, so that some thousand values stay in a processor's cache.
#[derive(Default)]
struct Tally {
    /// Hash and count; [`MISSING`], which is never counted, and none of an empty slot. Their number is a power of two, at most a quarter of them
    /// are full: most hashes lie where they are looked for first.
    slots: Vec<(u64, u64)>,
    /// The values, in the order in which they came.
    seen: Vec<(u64, Seen)>,
}

impl Tally {
    fn len(&self) -> usize {
        self.seen.len()
    }

    /// The slot of a hash, or the empty one that it belongs in.
    #[inline]
    fn slot(&self, hash: u64) -> usize {
        let last = self.slots.len().wrapping_sub(1);
        let mut slot = hash as usize & last;
        while let Some((other, count)) = self.slots.get(slot)
            && *other != hash
            && *count > 0
        {
            slot = (slot + 1) & last;
        }
        slot
    }

    /// Adds to the count of a hash, if it is there.
    #[inline]
    fn add(&mut self, hash: u64, more: u64) -> bool {
        let slot = self.slot(hash);
        let found = self.slots.get_mut(slot).filter(|(other, _)| *other == hash);
        found.map(|(_, count)| *count += more).is_some()
    }

    /// Takes in a hash that is not there.
    fn insert(&mut self, hash: u64, count: u64, seen: Seen) {
        if 4 * self.len() >= self.slots.len() {
            let slots = (2 * self.slots.len()).max(32);
            for (hash, count) in std::mem::replace(&mut self.slots, vec![(MISSING, 0); slots]) {
                if count > 0 {
                    self.set(hash, count);
                }
            }
        }
        self.set(hash, count);
        self.seen.push((hash, seen));
    }

    fn set(&mut self, hash: u64, count: u64) {
        let slot = self.slot(hash);
        self.slots[slot] = (hash, count);
    }

    fn counts(&self) -> impl Iterator<Item = (u64, u64)> {
        self.slots.iter().copied().filter(|(_, count)| *count > 0)
    }

    fn into_entries(mut self) -> impl Iterator<Item = (u64, u64, Seen)> {
        let seen = std::mem::take(&mut self.seen);
        seen.into_iter().map(move |(hash, seen)| (hash, self.slots[self.slot(hash)].1, seen))
    }

    /// Keeps the most frequent, at most so many, of those that were seen at least so often.
    fn keep_most_frequent(&mut self, limit: usize, least: u64) {
        let mut order: Vec<(Reverse<u64>, u64)> = self.counts().filter(|(_, count)| *count >= least).map(|(hash, count)| (Reverse(count), hash)).collect();
        let last = if order.len() > limit { Some(*order.select_nth_unstable(limit - 1).1) } else { None };
        for (hash, count, seen) in std::mem::take(self).into_entries() {
            if count >= least && last.is_none_or(|last| (Reverse(count), hash) <= last) {
                self.insert(hash, count, seen);
            }
        }
    }

    /// Takes the count of the (`limit` + 1)th from all, and those out that have none left (Misra and Gries 1982).
    fn prune(&mut self, limit: usize) {
        let mut order: Vec<u64> = self.counts().map(|(_, count)| count).collect();
        let least = if order.len() > limit { *order.select_nth_unstable_by_key(limit, |count| Reverse(*count)).1 } else { 0 };
        for (hash, count, seen) in std::mem::take(self).into_entries() {
            if count > least {
                self.insert(hash, count - least, seen);
            }
        }
    }
}

#[derive(Default)]
pub(super) struct Counter {
    limit: usize,
    keeps_single: bool,
    tally: Tally,
    /// Set once there were more than `limit` distinct values; the tally then holds candidates.
    sampler: Option<Sampler>,
    /// Hashes that were seen once, each in the place of one before it: what comes again before it is gone becomes a candidate.
    /// Most values never do, and cost no more than that.
    seen_once: Vec<u64>,
}

impl Counter {
    /// Exact for at most `limit` distinct values. Beyond that, values that were seen once only are among the candidates if `keeps_single`.
    pub(super) fn new(limit: usize, keeps_single: bool) -> Self {
        Self { limit, keeps_single, ..Self::default() }
    }

    /// Counts a batch, given a hash of each value; calls `fresh` with the first row of each new value while counting is exact. Once
    /// it is not, a `few` rows are looked at for the most frequent values. Returns the number of rows that were counted exactly.
    pub(super) fn add(&mut self, hashes: &[u64], few: &Few, view: &View, mut fresh: impl FnMut(usize)) -> usize {
        let mut exact = 0;
        if self.sampler.is_none() {
            exact = hashes.len();
            for (row, hash) in hashes.iter().enumerate() {
                if *hash == MISSING || self.tally.add(*hash, 1) {
                    continue;
                }
                if self.tally.len() < self.limit {
                    self.tally.insert(*hash, 1, Seen::of(view, row));
                    fresh(row);
                } else {
                    self.estimate();
                    exact = row;
                    break;
                }
            }
        }
        if let Some(sampler) = &mut self.sampler {
            sampler.add(&hashes[exact..], Some(MISSING));
            for row in few.rows.iter().copied().filter(|row| *row >= exact && hashes[*row] != MISSING) {
                let hash = hashes[row];
                let remembered = &mut self.seen_once[hash as usize % REMEMBERED];
                if self.tally.add(hash, few.one_in) {
                    continue;
                }
                if *remembered == hash {
                    self.tally.insert(hash, 2 * few.one_in, Seen::of(view, row));
                    if self.tally.len() > 2 * CANDIDATES {
                        self.tally.prune(CANDIDATES);
                    }
                } else {
                    *remembered = hash;
                }
            }
        }
        exact
    }

    fn estimate(&mut self) {
        self.sampler = Some(Sampler::of(SAMPLED, self.tally.counts().map(|(hash, count)| (hash, u32::try_from(count).unwrap_or(u32::MAX)))));
        self.seen_once = vec![MISSING; REMEMBERED];
        self.tally.keep_most_frequent(CANDIDATES, if self.keeps_single { 1 } else { 2 });
    }

    /// What was counted.
    pub(super) fn finish(self) -> Counted {
        let mut values: Vec<(Seen, u64)> = self.tally.into_entries().map(|(_, count, seen)| (seen, count)).collect();
        values.sort_by(|(a, many), (b, few)| few.cmp(many).then_with(|| a.compare(b)));
        let is_exact = self.sampler.is_none();
        let exact = || Sampled { distinct: values.len() as u64, repeated: values.iter().map(|(_, count)| count - 1).sum(), is_estimate: false };
        let sampled = self.sampler.map_or_else(exact, Sampler::finish);
        Counted { is_exact, sampled, values }
    }
}

/// The values of a column.
pub(super) struct Counted {
    /// Every value is among `values`, with its true count.
    pub(super) is_exact: bool,
    pub(super) sampled: Sampled,
    /// The most frequent first, then by value; candidates with estimated counts where not every one is held.
    pub(super) values: Vec<(Seen, u64)>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_tally_counts_as_a_map_does_even_where_hashes_collide() {
        let mut tally = Tally::default();
        let mut map = BTreeMap::new();
        // Many share their last bits, and so the slot where they are looked for first.
        for hash in (0..40_000u64).map(|i| (i * i % 1009) << (i % 3 * 20)) {
            if !tally.add(hash, 1) {
                tally.insert(hash, 1, Seen::Integer(hash as i64));
            }
            *map.entry(hash).or_insert(0u64) += 1;
        }
        assert_eq!((tally.len(), tally.counts().collect::<BTreeMap<_, _>>()), (map.len(), map.clone()));
        assert!(!tally.add(u64::MAX, 1));
        assert!(tally.into_entries().all(|(hash, count, seen)| map.remove(&hash) == Some(count) && seen == Seen::Integer(hash as i64)));
        assert!(map.is_empty());
    }

    #[test]
    fn the_most_frequent_stay() {
        let of = |shrink: fn(&mut Tally)| {
            let mut tally = Tally::default();
            for (hash, count) in [(10, 9), (20, 5), (30, 5), (40, 2), (50, 1)] {
                tally.insert(hash, count, Seen::Integer(0));
            }
            shrink(&mut tally);
            assert_eq!(tally.len(), tally.counts().count());
            tally.counts().collect::<BTreeMap<_, _>>()
        };
        assert_eq!(of(|tally| tally.keep_most_frequent(2, 1)), BTreeMap::from([(10, 9), (20, 5)]));
        assert_eq!(of(|tally| tally.keep_most_frequent(10, 2)), BTreeMap::from([(10, 9), (20, 5), (30, 5), (40, 2)]));
        assert_eq!(of(|tally| tally.prune(3)), BTreeMap::from([(10, 7), (20, 3), (30, 3)]));
        assert_eq!(of(|tally| tally.prune(5)).len(), 5);
    }
}
