//! Moments, histogram and quantiles of a numeric column, a batch at a time.
//!
//! Moments of a batch are taken in two passes over it and merged by Pébay's formulas (Sandia report SAND2008-6212), so large
//! offsets do no harm. The histogram has bins of a power-of-two width that doubles when the range outgrows it: every count
//! is a real count, and the result depends on the values alone.

use std::collections::BTreeSet;

use super::ROWS_AT_ONCE;
use crate::card::{Counts, Histogram};
use crate::data::canonical::{MOST_ROUNDED, TO_WHOLE};
use crate::data::wide::{in_parts, wide};

/// Bins of a histogram, at most: a power of two.
const BINS: usize = 32;
/// Numbers are told apart by so many parts of their range, at most, before they are compared.
const PARTS: usize = 4096;
/// Bins of a finer width than 2⁻¹⁰⁰⁰ are not told apart.
const FINEST: i32 = -1000;

/// Count, mean and central sums of powers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Moments {
    n: f64,
    mean: f64,
    second: f64,
    third: f64,
}

impl Moments {
    fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = sum(values) / n;
        let (second, third) = powers(values, mean);
        Self { n, mean, second, third }
    }

    fn merge(self, other: Self) -> Self {
        if self.n == 0.0 {
            return other;
        }
        let n = self.n + other.n;
        let delta = other.mean - self.mean;
        let both = self.n * other.n / n;
        Self {
            n,
            mean: self.mean + delta * (other.n / n),
            second: self.second + other.second + delta * delta * both,
            third: self.third
                + other.third
                + delta * delta * delta * both * ((self.n - other.n) / n)
                + 3.0 * delta * (self.n * other.second - other.n * self.second) / n,
        }
    }
}

/// Lanes that numbers are gathered in, whatever the processor: what they come to is the same everywhere, and at any thread count.
const LANES: usize = 16;

/// Folds numbers in lanes: `join` takes each in, the lanes' results and the numbers left over come out. One result a pass is quickest, for
/// its lanes stay in registers, and so many of them do not wait for each other.
#[inline(always)]
#[allow(clippy::inline_always, reason = "it is run in `wide`")]
fn lanes(values: &[f64], start: f64, join: impl Fn(f64, f64) -> f64) -> ([f64; LANES], &[f64]) {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [start; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] = join(lanes[lane], chunk[lane]);
        }
    }
    (lanes, rest)
}

/// The least and the most of finite numbers, of which `first` is one.
fn range(values: &[f64], first: f64) -> (f64, f64) {
    wide(
        #[inline(always)]
        || {
            let (least, rest) = lanes(values, first, |least, value| if value < least { value } else { least });
            let (most, _) = lanes(values, first, |most, value| if value > most { value } else { most });
            let both = || least.iter().chain(&most).chain(rest).copied();
            (both().fold(first, f64::min), both().fold(first, f64::max))
        },
    )
}

fn sum(values: &[f64]) -> f64 {
    wide(
        #[inline(always)]
        || {
            let (sums, rest) = lanes(values, 0.0, |sum, value| sum + value);
            sums.iter().chain(rest).sum()
        },
    )
}

/// The sums of the second and third powers of what values are off the mean.
fn powers(values: &[f64], mean: f64) -> (f64, f64) {
    wide(
        #[inline(always)]
        || {
            let (squares, rest) = lanes(values, 0.0, |sum, value| sum + (value - mean) * (value - mean));
            let (cubes, _) = lanes(values, 0.0, |sum, value| sum + (value - mean) * (value - mean) * (value - mean));
            let off = || rest.iter().map(|value| value - mean);
            (squares.into_iter().chain(off().map(|off| off * off)).sum(), cubes.into_iter().chain(off().map(|off| off * off * off)).sum())
        },
    )
}

fn count_zeros(values: &[f64]) -> u64 {
    wide(
        #[inline(always)]
        || values.iter().map(|value| u64::from(*value == 0.0)).sum(),
    )
}

fn all_whole(values: &[f64]) -> bool {
    wide(
        #[inline(always)]
        || values.iter().fold(true, |all, value| all & (value.trunc() == *value)),
    )
}

/// All that is gathered of the finite numbers of a column.
#[derive(Default)]
pub(super) struct Numbers {
    moments: Moments,
    range: Option<(f64, f64)>,
    is_integer: bool,
    not_whole: bool,
    zeros: u64,
    histogram: Dyadic,
    /// One entry for each row of the row sample; NaN where there is no finite number.
    sample: Vec<f64>,
}

impl Numbers {
    /// Of a column of integers, or of one that may hold others.
    pub(super) fn new(is_integer: bool) -> Self {
        Self { is_integer, ..Self::default() }
    }

    /// Finite numbers of a batch, in the order of rows.
    pub(super) fn add(&mut self, values: &[f64]) {
        let Some(first) = values.first() else { return };
        let (least, most) = range(values, *first);
        self.range = Some(self.range.map_or((least, most), |(a, b)| (a.min(least), b.max(most))));
        self.moments = self.moments.merge(Moments::of(values));
        if least <= 0.0 && most >= 0.0 {
            self.zeros += count_zeros(values);
        }
        self.not_whole = self.not_whole || !(self.is_integer || all_whole(values));
        self.histogram.add(values, least, most);
    }

    /// Follows the row sample: `joining` are the numbers of the rows that join it, NaN where there is none.
    pub(super) fn follow(&mut self, keep: Option<&[usize]>, joining: impl Iterator<Item = f64>) {
        if let Some(keep) = keep {
            for (to, from) in keep.iter().enumerate() {
                self.sample[to] = self.sample[*from];
            }
            self.sample.truncate(keep.len());
        }
        self.sample.extend(joining);
    }

    pub(super) fn zeros(&self) -> u64 {
        self.zeros
    }

    pub(super) fn mean(&self) -> Option<f64> {
        (self.moments.n > 0.0).then_some(self.moments.mean).filter(|mean| mean.is_finite())
    }

    /// Standard deviation with n − 1.
    pub(super) fn deviation(&self) -> Option<f64> {
        (self.moments.n > 1.0).then(|| (self.moments.second / (self.moments.n - 1.0)).sqrt()).filter(|value| value.is_finite())
    }

    /// m₃ / m₂^1.5 with moments divided by n (scipy's `skew`).
    pub(super) fn skewness(&self) -> Option<f64> {
        let Moments { n, second, third, .. } = self.moments;
        let is_constant = self.range.is_none_or(|(least, most)| least == most);
        (n > 2.0 && !is_constant).then(|| (third / n) / (second / n).powf(1.5)).filter(|value| value.is_finite())
    }

    /// 0 %, 1 %, … 100 %, interpolated linearly between neighbours (numpy's default); of the row sample, with the true ends.
    pub(super) fn percentiles(&mut self) -> Option<Vec<f64>> {
        let (least, most) = self.range?;
        let mut sample = std::mem::take(&mut self.sample);
        sample.retain(|value| !value.is_nan());
        let shares: Vec<f64> = (0..=100).map(|percent| f64::from(percent) / 100.0).collect();
        let places: BTreeSet<usize> = shares.iter().filter_map(|share| neighbours(sample.len(), *share)).flat_map(|(below, above)| [below, above]).collect();
        let values = ordered_at(&sample, &Vec::from_iter(places), least, most);
        let mut percentiles: Vec<f64> = shares.iter().map(|share| quantile(&values, *share).unwrap_or(least)).collect();
        if let [first, .., last] = percentiles.as_mut_slice() {
            (*first, *last) = (least, most);
        }
        Some(percentiles)
    }

    pub(super) fn histogram(&mut self, name: &str) -> Option<Histogram> {
        let (least, most) = self.range?;
        if least == most {
            let half = 0.5f64.max(least.abs() * 1e-3);
            let counts = vec![self.moments.n as u64];
            let edges = vec![(least - half).max(f64::MIN), (least + half).min(f64::MAX)];
            return Some(Histogram { caption: String::new(), x: name.to_owned(), edges, series: vec![Counts { name: name.to_owned(), counts }] });
        }
        Some(self.histogram.drawn(name, !self.not_whole))
    }
}

/// The places that a quantile of `len` sorted numbers lies between.
fn neighbours(len: usize, share: f64) -> Option<(usize, usize)> {
    let place = share * (len.checked_sub(1)? as f64);
    Some((place.floor() as usize, place.ceil() as usize))
}

/// The numbers, none of them below `least` or above `most`; those at `places`, which ascend, lie where sorting would put them.
fn ordered_at(values: &[f64], places: &[usize], least: f64, most: f64) -> Vec<f64> {
    // Rounding keeps their order, and what is no number becomes 0: where the range is too wide or too narrow for floats, most share a part.
    let parts = values.len().clamp(1, PARTS);
    let scale = parts as f64 / (most - least);
    let (mut ordered, begins) = in_parts(values, parts, |value| (((value - least) * scale) as usize).min(parts - 1));
    let (mut rest, mut places) = (ordered.as_mut_slice(), places);
    for begin in begins.into_iter().rev() {
        let (before, part) = rest.split_at_mut(begin);
        let (places_before, places_here) = places.split_at(places.partition_point(|place| *place < begin));
        order_at(part, places_here, begin);
        (rest, places) = (before, places_before);
    }
    ordered
}

/// Puts the numbers at `places` (counted from `first` on) where sorting would put them.
fn order_at(values: &mut [f64], places: &[usize], first: usize) {
    let Some(place) = places.get(places.len() / 2) else { return };
    let (before, _, after) = values.select_nth_unstable_by(place - first, f64::total_cmp);
    order_at(before, &places[..places.partition_point(|other| other < place)], first);
    order_at(after, &places[places.partition_point(|other| other <= place)..], place + 1);
}

/// The quantile, interpolated linearly, of numbers that lie where sorting would put them at its [`neighbours`].
fn quantile(ordered: &[f64], share: f64) -> Option<f64> {
    let (below, above) = neighbours(ordered.len(), share)?;
    let (below, above) = (ordered.get(below)?, ordered.get(above)?);
    // Not below + (above − below)·t: that difference may overflow.
    let t = (share * (ordered.len() - 1) as f64).fract();
    Some(if below == above { *below } else { below * (1.0 - t) + above * t })
}

/// Counts in bins `[k·2ᵉ, (k+1)·2ᵉ)` for k from `first`.
#[derive(Default)]
pub(super) struct Dyadic {
    exponent: i32,
    first: i64,
    counts: Vec<u64>,
}

impl Dyadic {
    /// Counts finite values that are not below `least` or above `most`.
    pub(super) fn add(&mut self, values: &[f64], least: f64, most: f64) {
        self.cover(least, most);
        let scale = 2f64.powi(-self.exponent);
        let first = self.first as f64;
        // Neighbours are counted apart, so that none waits for the one before it.
        let mut counts = [[0u64; BINS]; 4];
        let mut room = [0u8; ROWS_AT_ONCE];
        for values in values.chunks(ROWS_AT_ONCE) {
            let bins = &mut room[..values.len()];
            wide(
                #[inline(always)]
                || {
                    for (bin, value) in bins.iter_mut().zip(values) {
                        // All in floats: rounded, then lowered where that went up.
                        let place = value * scale;
                        let near = (place + TO_WHOLE) - TO_WHOLE;
                        let whole = if near > place { near - 1.0 } else { near };
                        *bin = (whole - first + TO_WHOLE).to_bits() as u8;
                    }
                },
            );
            let (neighbours, rest) = bins.as_chunks::<4>();
            for neighbours in neighbours {
                for (counts, bin) in counts.iter_mut().zip(neighbours) {
                    counts[usize::from(*bin) % BINS] += 1;
                }
            }
            for bin in rest {
                counts[0][usize::from(*bin) % BINS] += 1;
            }
        }
        for counts in counts {
            self.counts.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
        }
    }

    /// Widens range and bins until they hold the numbers from `least` to `most`.
    fn cover(&mut self, least: f64, most: f64) {
        if self.counts.is_empty() {
            let size = least.abs().max(most.abs());
            self.exponent = if size > 0.0 { (size.log2().floor() as i32 - 50).max(FINEST) } else { FINEST };
        }
        loop {
            let scale = 2f64.powi(-self.exponent);
            let mut low = (least * scale).floor();
            let mut high = (most * scale).floor();
            if !self.counts.is_empty() {
                low = low.min(self.first as f64);
                high = high.max((self.first + self.counts.len() as i64 - 1) as f64);
            }
            if high - low < BINS as f64 && low.abs().max(high.abs()) <= MOST_ROUNDED {
                let before = if self.counts.is_empty() { 0 } else { (self.first as f64 - low) as usize };
                self.counts.splice(0..0, std::iter::repeat_n(0, before));
                self.counts.resize((high - low) as usize + 1, 0);
                self.first = low as i64;
                return;
            }
            self.coarsen();
        }
    }

    /// Doubles the width of the bins.
    fn coarsen(&mut self) {
        self.exponent += 1;
        let first = self.first >> 1;
        let mut counts = Vec::with_capacity(self.counts.len() / 2 + 1);
        for (offset, count) in self.counts.iter().enumerate() {
            let bin = (((self.first + offset as i64) >> 1) - first) as usize;
            counts.resize(counts.len().max(bin + 1), 0);
            counts[bin] += count;
        }
        self.first = first;
        self.counts = counts;
    }

    /// As a card has it; bins of whole numbers are not narrower than one.
    pub(super) fn drawn(&mut self, name: &str, is_whole: bool) -> Histogram {
        while is_whole && self.exponent < 0 {
            self.coarsen();
        }
        let (edges, counts) = self.bins();
        Histogram { caption: String::new(), x: name.to_owned(), edges, series: vec![Counts { name: name.to_owned(), counts }] }
    }

    /// Edges and counts without empty bins at the ends.
    fn bins(&self) -> (Vec<f64>, Vec<u64>) {
        let start = self.counts.iter().position(|count| *count > 0).unwrap_or(0);
        let end = self.counts.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        let width = 2f64.powi(self.exponent);
        let edge = |bin: usize| ((self.first + bin as i64) as f64 * width).clamp(f64::MIN, f64::MAX);
        ((start..=end).map(edge).collect(), self.counts.get(start..end).unwrap_or_default().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_moments_are_those_of_all_even_on_a_large_offset() {
        let small: Vec<f64> = (0..1_000).map(|i| f64::from(i * i % 97)).collect();
        let mut whole = Numbers::default();
        whole.add(&small);
        let mut parts = Numbers::default();
        small.iter().map(|value| value + 1e9).collect::<Vec<_>>().chunks(77).for_each(|chunk| parts.add(chunk));
        let near = |one: Option<f64>, other: Option<f64>| assert!((one.unwrap() - other.unwrap()).abs() < 1e-6, "{one:?} {other:?}");
        near(parts.mean().map(|mean| mean - 1e9), whole.mean());
        near(parts.deviation(), whole.deviation());
        near(parts.skewness(), whole.skewness());
    }

    #[test]
    fn a_histogram_depends_on_the_values_alone_and_loses_none() {
        let values: Vec<f64> = (0..500).map(|i| f64::from(i * 37 % 500).powi(3) / 1e4 - 2_000.0).collect();
        let of = |chunk: usize| {
            let mut numbers = Numbers::default();
            values.chunks(chunk).for_each(|chunk| numbers.add(chunk));
            numbers.histogram("x").unwrap()
        };
        let histogram = of(500);
        assert_eq!(histogram, of(1));
        assert_eq!(histogram, of(64));
        assert_eq!(histogram.series[0].counts.iter().sum::<u64>(), 500);
        for (bin, pair) in histogram.edges.windows(2).enumerate() {
            let count = values.iter().filter(|value| **value >= pair[0] && **value < pair[1]).count() as u64;
            assert_eq!(histogram.series[0].counts[bin], count);
        }
    }

    #[test]
    fn percentiles_are_those_of_sorted_numbers() {
        let scattered = |n: u32| (0..n).map(|i| f64::from(i * 7919 % 613) - 100.0).collect::<Vec<f64>>();
        let one_far_off: Vec<f64> = scattered(5_003).into_iter().chain([1e300]).collect();
        let of_all_sizes: Vec<f64> = scattered(5_003).into_iter().map(|value| value.powi(99)).collect();
        let too_wide = vec![f64::MIN, f64::MAX, 0.0, -0.0, 5e-324, -5e-324, 1.0];
        let too_narrow = vec![5e-324, 0.0, -0.0, 0.0, 5e-324, -0.0];
        for values in [1, 2, 3, 50, 1_000, 5_003].map(scattered).into_iter().chain([one_far_off, of_all_sizes, too_wide, too_narrow]) {
            let mut numbers = Numbers::default();
            numbers.add(&values);
            numbers.follow(None, values.iter().copied());
            let mut sorted = values;
            sorted.sort_unstable_by(f64::total_cmp);
            let expected: Vec<f64> = (0..=100).map(|percent| quantile(&sorted, f64::from(percent) / 100.0).unwrap()).collect();
            assert_eq!(numbers.percentiles().unwrap(), expected, "{} from {:?}", sorted.len(), sorted.first());
        }
    }

    #[test]
    fn extreme_numbers_find_a_bin() {
        for values in [&[0.0, 1.0, -1e300, f64::MAX][..], &[f64::MIN, f64::MAX], &[5e-324, 1e-320], &[0.0, 5e-324], &[1e15, 1e15 + 1.0], &[0.0, 1.0]] {
            let mut numbers = Numbers::default();
            values.chunks(1).for_each(|chunk| numbers.add(chunk));
            let histogram = numbers.histogram("x").unwrap();
            assert_eq!(histogram.series[0].counts.iter().sum::<u64>(), values.len() as u64, "{values:?}");
            assert!(histogram.edges.is_sorted() && histogram.edges.iter().all(|edge| edge.is_finite()), "{values:?}");
        }
    }

    #[test]
    fn whole_numbers_get_bins_of_whole_width() {
        let mut numbers = Numbers::default();
        numbers.add(&[1.0, 2.0, 2.0, 4.0]);
        let histogram = numbers.histogram("x").unwrap();
        assert_eq!((histogram.edges, histogram.series[0].counts.clone()), (vec![1.0, 2.0, 3.0, 4.0, 5.0], vec![1, 2, 0, 1]));
        for size in [1.0, 3.0, 2f64.powi(50), 2f64.powi(51), 2f64.powi(52), 1e300] {
            assert!(all_whole(&[0.0, -0.0, size, -size]), "{size}");
        }
        for size in [0.5, -1e-300, 2f64.powi(51) + 0.5, 2f64.powi(50) - 0.25] {
            assert!(!all_whole(&[1.0, size]), "{size}");
        }
    }
}
