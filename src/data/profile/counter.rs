//! Distinct and most frequent values of a column: exact while few are distinct, then estimated in bounded memory.

use std::cmp::{Ordering, Reverse};

use super::sampler::{ByHash, Few, Sampled, Sampler};
use crate::data::canonical::{MISSING, Values, View, show_float, show_instant};

/// Distinct values held once a column has too many for exact counting.
pub(super) const SAMPLED: usize = 1 << 13;
/// Candidates for the most frequent values held then.
const CANDIDATES: usize = 1024;
/// Values remembered in case they come again: a power of two.
const REMEMBERED: usize = 1024;
/// Values whose next counts are gathered beside the map: a power of two.
const AT_HAND: usize = 128;
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

type Counts = ByHash<(u64, Seen)>;

pub(super) struct Counter {
    limit: usize,
    counts: Counts,
    /// While counting is exact: hashes in the map, each in a place of its own, with what is still to be added to their counts. A column of
    /// few different values is counted here, in half the time.
    at_hand: Vec<(u64, u64)>,
    /// Set once there were more than `limit` distinct values; `counts` then holds candidates.
    sampler: Option<Sampler>,
    /// Hashes that were seen once, each in the place of one before it: what comes again before it is gone becomes a candidate.
    /// Most values never do, and cost no more than that.
    seen_once: Vec<u64>,
}

impl Counter {
    /// Exact for at most `limit` distinct values.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, counts: Counts::default(), at_hand: vec![(MISSING, 0); AT_HAND], sampler: None, seen_once: Vec::new() }
    }

    /// Counts a batch, given a hash of each value; calls `fresh` with the first row of each new value while counting is exact. Once
    /// it is not, a `few` rows are looked at for the most frequent values. Returns the number of rows that were counted exactly.
    pub(super) fn add(&mut self, hashes: &[u64], few: &Few, view: &View, mut fresh: impl FnMut(usize)) -> usize {
        let mut exact = 0;
        if self.sampler.is_none() {
            exact = hashes.len();
            for (row, hash) in hashes.iter().enumerate() {
                if *hash == MISSING {
                    continue;
                }
                let (known, more) = &mut self.at_hand[*hash as usize % AT_HAND];
                if known == hash {
                    *more += 1;
                    continue;
                }
                if *more > 0
                    && let Some((count, _)) = self.counts.get_mut(known)
                {
                    *count += *more;
                }
                (*known, *more) = (*hash, 0);
                if let Some((count, _)) = self.counts.get_mut(hash) {
                    *count += 1;
                } else if self.counts.len() < self.limit {
                    self.counts.insert(*hash, (1, Seen::of(view, row)));
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
                if let Some((count, _)) = self.counts.get_mut(&hash) {
                    *count += few.one_in;
                } else if *remembered == hash {
                    self.counts.insert(hash, (2 * few.one_in, Seen::of(view, row)));
                    if self.counts.len() > 2 * CANDIDATES {
                        prune(&mut self.counts);
                    }
                } else {
                    *remembered = hash;
                }
            }
        }
        exact
    }

    /// Brings the map up to date.
    fn settle(&mut self) {
        for (hash, more) in self.at_hand.drain(..) {
            if let Some((count, _)) = self.counts.get_mut(&hash) {
                *count += more;
            }
        }
    }

    fn estimate(&mut self) {
        self.settle();
        let counted = self.counts.iter().map(|(hash, (count, _))| (*hash, u32::try_from(*count).unwrap_or(u32::MAX)));
        self.sampler = Some(Sampler::of(SAMPLED, counted));
        self.seen_once = vec![MISSING; REMEMBERED];
        let mut order: Vec<(Reverse<u64>, u64)> =
            self.counts.iter().filter(|(_, (count, _))| *count > 1).map(|(hash, (count, _))| (Reverse(*count), *hash)).collect();
        if order.len() > CANDIDATES {
            order.select_nth_unstable(CANDIDATES);
        }
        self.counts = order.iter().take(CANDIDATES).filter_map(|(_, hash)| self.counts.remove_entry(hash)).collect();
    }

    /// What was counted.
    pub(super) fn finish(&mut self) -> Counted {
        let sampled = self.sampler.take().map(Sampler::finish);
        self.settle();
        let mut values: Vec<(Seen, u64)> = std::mem::take(&mut self.counts).into_values().map(|(count, seen)| (seen, count)).collect();
        values.sort_by(|(a, many), (b, few)| few.cmp(many).then_with(|| a.compare(b)));
        let exact = || Sampled { distinct: values.len() as u64, repeated: values.iter().map(|(_, count)| count - 1).sum(), is_estimate: false };
        Counted { is_exact: sampled.is_none(), sampled: sampled.unwrap_or_else(exact), values }
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

/// Takes the count of the (`CANDIDATES` + 1)th from all, and those out that have none left (Misra and Gries 1982).
fn prune(counts: &mut Counts) {
    let mut order: Vec<u64> = counts.values().map(|(count, _)| *count).collect();
    let least = if order.len() > CANDIDATES { *order.select_nth_unstable_by_key(CANDIDATES, |count| Reverse(*count)).1 } else { 0 };
    counts.retain(|_, (count, _)| {
        *count = count.saturating_sub(least);
        *count > 0
    });
}
