//! Distinct and most frequent values of a column: exact while few are distinct, then estimated in bounded memory.

use std::cmp::{Ordering, Reverse};

use super::sampler::{Few, Sampled, Sampler};
use super::slots::Slots;
use crate::data::canonical::{MISSING, Values, View, show_float, show_instant};
use crate::data::wide::wide;

/// Distinct values held once a column has too many for exact counting.
pub(super) const SAMPLED: usize = 1 << 12;
/// Candidates for the most frequent values held then.
const CANDIDATES: usize = 1024;
/// Values remembered in case they come again: a power of two.
const REMEMBERED: usize = 1024;
/// Whole numbers of no wider a range are counted by their place in it.
const NARROW: usize = 4096;
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

/// Values by hash, with their counts.
#[derive(Default)]
struct Tally {
    counts: Slots,
    /// In the order in which they came.
    seen: Vec<(u64, Seen)>,
}

impl Tally {
    /// Takes in a hash that is not there.
    fn insert(&mut self, hash: u64, count: u64, seen: Seen) {
        self.counts.insert(hash, count);
        self.seen.push((hash, seen));
    }

    fn into_entries(self) -> impl Iterator<Item = (u64, u64, Seen)> {
        let Self { counts, seen } = self;
        seen.into_iter().map(move |(hash, seen)| (hash, counts.count(hash), seen))
    }

    /// Keeps the most frequent, at most so many, of those that were seen at least so often.
    fn keep_most_frequent(&mut self, limit: usize, least: u64) {
        let mut order: Vec<(Reverse<u64>, u64)> = self.counts.iter().filter(|(_, count)| *count >= least).map(|(hash, count)| (Reverse(count), hash)).collect();
        let last = if order.len() > limit { Some(*order.select_nth_unstable(limit - 1).1) } else { None };
        for (hash, count, seen) in std::mem::take(self).into_entries() {
            if count >= least && last.is_none_or(|last| (Reverse(count), hash) <= last) {
                self.insert(hash, count, seen);
            }
        }
    }

    /// Takes the count of the (`limit` + 1)th from all, and those out that have none left (Misra and Gries 1982).
    fn prune(&mut self, limit: usize) {
        let mut order: Vec<u64> = self.counts.iter().map(|(_, count)| count).collect();
        let least = if order.len() > limit { *order.select_nth_unstable_by_key(limit, |count| Reverse(*count)).1 } else { 0 };
        for (hash, count, seen) in std::mem::take(self).into_entries() {
            if count > least {
                self.insert(hash, count - least, seen);
            }
        }
    }
}

/// Whole numbers of a narrow range, dates and booleans too, by their place in it: nothing is looked for, and no place is far.
#[derive(Default)]
struct Narrow {
    least: i64,
    counts: Vec<u64>,
    /// Of each number that was seen.
    hashes: Vec<u64>,
}

impl Narrow {
    /// Counts a batch; calls `fresh` with the hash and first row of each new value. False, and nothing is counted, where the values are of another
    /// kind or the range gets wider than `limit`.
    fn add(&mut self, hashes: &[u64], view: &View, limit: usize, fresh: impl FnMut(u64, usize)) -> bool {
        match view.values {
            Values::Boolean(values) => self.count(values, i64::from, hashes, view, limit, fresh),
            Values::Integer(values) | Values::Date(values) | Values::Instant(values, _) | Values::Time(values) | Values::Span(values, _) => {
                self.count(values, |value| value, hashes, view, limit, fresh)
            }
            _ => false,
        }
    }

    fn count<T: Copy>(
        &mut self,
        values: &[T],
        number: impl Fn(T) -> i64,
        hashes: &[u64],
        view: &View,
        limit: usize,
        mut fresh: impl FnMut(u64, usize),
    ) -> bool {
        let (least, most) = present_range(values, &number, view.valid);
        if least > most {
            return true;
        }
        if !self.cover(least, most, limit) {
            return false;
        }
        for (row, value) in values.iter().enumerate() {
            let is_there = view.valid.is_none_or(|valid| valid[row]);
            // The number under a missing value may be any.
            let place = number(*value).wrapping_sub(self.least) as usize;
            if let Some(count) = self.counts.get_mut(place) {
                if *count == 0 && is_there {
                    self.hashes[place] = hashes[row];
                    fresh(hashes[row], row);
                }
                *count += u64::from(is_there);
            }
        }
        true
    }

    /// Widens the range until it holds the numbers from `least` to `most`.
    fn cover(&mut self, least: i64, most: i64, limit: usize) -> bool {
        let is_empty = self.counts.is_empty();
        let first = if is_empty { least } else { least.min(self.least) };
        let last = if is_empty { most } else { most.max(self.least + (self.counts.len() as i64 - 1)) };
        let Some(width) = last.checked_sub(first).and_then(|width| usize::try_from(width).ok()).filter(|width| *width < limit) else { return false };
        let before = if is_empty { 0 } else { (self.least - first) as usize };
        for cells in [&mut self.counts, &mut self.hashes] {
            cells.splice(0..0, std::iter::repeat_n(0, before));
            cells.resize(width + 1, 0);
        }
        self.least = first;
        true
    }
}

/// The least and the most number that is there; turned round where there is none.
fn present_range<T: Copy>(values: &[T], number: impl Fn(T) -> i64, valid: Option<&[bool]>) -> (i64, i64) {
    let none = (i64::MAX, i64::MIN);
    wide(
        #[inline(always)]
        || match valid {
            None => values.iter().fold(none, |(least, most), value| (least.min(number(*value)), most.max(number(*value)))),
            Some(valid) => values.iter().zip(valid).fold(none, |(least, most), (value, is_there)| {
                let (low, high) = if *is_there { (number(*value), number(*value)) } else { none };
                (least.min(low), most.max(high))
            }),
        },
    )
}

#[derive(Default)]
pub(super) struct Counter {
    limit: usize,
    keeps_single: bool,
    /// Counts of those in the tally, one of each left out; `None` once they are in the tally.
    narrow: Option<Narrow>,
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
        Self { limit, keeps_single, narrow: Some(Narrow::default()), ..Self::default() }
    }

    /// Counts a batch, given a hash of each value; calls `fresh` with the first row of each new value while counting is exact. Once
    /// it is not, a `few` rows are looked at for the most frequent values. Returns the number of rows that were counted exactly.
    pub(super) fn add(&mut self, hashes: &[u64], few: &Few, view: &View, mut fresh: impl FnMut(usize)) -> usize {
        let Self { narrow, tally, .. } = self;
        if let Some(narrow) = narrow {
            let is_counted = narrow.add(hashes, view, self.limit.min(NARROW), |hash, row| {
                tally.insert(hash, 1, Seen::of(view, row));
                fresh(row);
            });
            if is_counted {
                return hashes.len();
            }
            self.merge_narrow();
        }
        let mut exact = 0;
        if self.sampler.is_none() {
            exact = hashes.len();
            for (row, hash) in hashes.iter().enumerate() {
                if *hash == MISSING || self.tally.counts.add(*hash, 1) {
                    continue;
                }
                if self.tally.counts.len() < self.limit {
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
            sampler.add(&hashes[exact..]);
            for row in few.rows.iter().copied().filter(|row| *row >= exact && hashes[*row] != MISSING) {
                let hash = hashes[row];
                let remembered = &mut self.seen_once[hash as usize % REMEMBERED];
                if self.tally.counts.add(hash, few.one_in) {
                    continue;
                }
                if *remembered == hash {
                    self.tally.insert(hash, 2 * few.one_in, Seen::of(view, row));
                    if self.tally.counts.len() > 2 * CANDIDATES {
                        self.tally.prune(CANDIDATES);
                    }
                } else {
                    *remembered = hash;
                }
            }
        }
        exact
    }

    /// Brings the counts of a narrow range to the tally, which alone counts from here on.
    fn merge_narrow(&mut self) {
        let Narrow { counts, hashes, .. } = self.narrow.take().unwrap_or_default();
        for (hash, count) in hashes.into_iter().zip(counts).filter(|(_, count)| *count > 1) {
            self.tally.counts.add(hash, count - 1);
        }
    }

    fn estimate(&mut self) {
        self.sampler = Some(Sampler::of(SAMPLED, self.tally.counts.iter()));
        self.seen_once = vec![MISSING; REMEMBERED];
        self.tally.keep_most_frequent(CANDIDATES, if self.keeps_single { 1 } else { 2 });
    }

    /// What was counted.
    pub(super) fn finish(mut self) -> Counted {
        self.merge_narrow();
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
    fn the_most_frequent_stay() {
        let of = |shrink: fn(&mut Tally)| {
            let mut tally = Tally::default();
            for (hash, count) in [(10, 9), (20, 5), (30, 5), (40, 2), (50, 1)] {
                tally.insert(hash, count, Seen::Integer(0));
            }
            shrink(&mut tally);
            assert_eq!(tally.seen.len(), tally.counts.len());
            tally.counts.iter().collect::<BTreeMap<_, _>>()
        };
        assert_eq!(of(|tally| tally.keep_most_frequent(2, 1)), BTreeMap::from([(10, 9), (20, 5)]));
        assert_eq!(of(|tally| tally.keep_most_frequent(10, 2)), BTreeMap::from([(10, 9), (20, 5), (30, 5), (40, 2)]));
        assert_eq!(of(|tally| tally.prune(3)), BTreeMap::from([(10, 7), (20, 3), (30, 3)]));
        assert_eq!(of(|tally| tally.prune(5)).len(), 5);
    }
}
