//! Sums of gradients by bin, in whole numbers.
//!
//! A row's gradient becomes a whole number of 31 bits, and its hessian one of as many bits as leave room beside a count
//! of rows: both are added in one 64-bit number, the count in its lower bits. Sums of whole numbers are exact, so they
//! do not depend on the order of rows or on the number of threads, and a node's sums less one child's are the other's.

use std::ops::Range;

use rayon::prelude::*;

use super::bins::{Binned, MOST_BINS};

/// More rows than this leave fewer than eight bits for a hessian.
pub const MOST_ROWS: usize = (1 << 27) - 1;
/// Rows below which a second thread costs more than it saves.
const WORTH_THREADS: usize = if cfg!(test) { 1 << 6 } else { 1 << 13 };
/// Rows that are fetched from memory before they are added up.
const AHEAD: usize = 64;
/// Bits of a gradient, its sign left out.
const GRADIENT_BITS: i32 = 30;

/// The sum of some rows' gradients, and of their hessians with the count of rows below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub gradient: i64,
    pub hessian: i64,
}

impl Sums {
    fn gain(&mut self, other: Self) {
        self.gradient += other.gradient;
        self.hessian += other.hessian;
    }
}

impl std::ops::Add for Sums {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { gradient: self.gradient + other.gradient, hessian: self.hessian + other.hessian }
    }
}

impl std::ops::Sub for Sums {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { gradient: self.gradient - other.gradient, hessian: self.hessian - other.hessian }
    }
}

/// Gradients and hessians of rows as whole numbers.
pub struct Quantised {
    pairs: Vec<[i32; 2]>,
    gradient_unit: f64,
    hessian_unit: f64,
    count_bits: u32,
}

impl Quantised {
    /// Finite gradients and hessians ≥ 0 of rows.
    pub fn of(pairs: &[[f64; 2]], room: Vec<[i32; 2]>) -> Self {
        let (largest, most) = pairs
            .par_chunks(1 << 14)
            .map(|pairs| pairs.iter().fold((0.0_f64, 0.0_f64), |(g, h), pair| (g.max(pair[0].abs()), h.max(pair[1]))))
            .reduce(|| (0.0, 0.0), |a, b| (a.0.max(b.0), a.1.max(b.1)));
        let count_bits = usize::BITS - pairs.len().leading_zeros();
        let gradient_unit = unit(largest, GRADIENT_BITS);
        let hessian_unit = unit(most, GRADIENT_BITS.min(62 - 2 * count_bits as i32));
        let mut whole = room;
        whole.resize(pairs.len(), [0; 2]);
        let (g, h) = (1.0 / gradient_unit, 1.0 / hessian_unit);
        whole.par_chunks_mut(1 << 14).zip(pairs.par_chunks(1 << 14)).for_each(|(whole, pairs)| {
            for (whole, pair) in whole.iter_mut().zip(pairs) {
                *whole = [round(pair[0] * g), round(pair[1] * h)];
            }
        });
        Self { pairs: whole, gradient_unit, hessian_unit, count_bits }
    }

    /// The memory, to be used again.
    pub fn into_room(self) -> Vec<[i32; 2]> {
        self.pairs
    }

    /// Gradient, hessian and number of rows.
    pub fn read(&self, sums: Sums) -> (f64, f64, u64) {
        let count = sums.hessian & ((1 << self.count_bits) - 1);
        (sums.gradient as f64 * self.gradient_unit, (sums.hessian >> self.count_bits) as f64 * self.hessian_unit, count as u64)
    }

    fn row(&self, row: usize) -> Sums {
        let [gradient, hessian] = self.pairs[row];
        Sums { gradient: i64::from(gradient), hessian: i64::from(hessian) << self.count_bits | 1 }
    }
}

/// Half to even, without a call.
fn round(x: f64) -> i32 {
    const SHIFT: f64 = (1_u64 << 52) as f64 * 1.5;
    ((x + SHIFT) - SHIFT) as i32
}

/// The power of two that makes `largest` a whole number of at most so many bits.
fn unit(largest: f64, bits: i32) -> f64 {
    if largest == 0.0 {
        return 1.0;
    }
    // 2^(e+1) > largest, so largest / unit < 2^bits.
    let exponent = ((largest.to_bits() >> 52) & 0x7ff) as i32 - 1023;
    2_f64.powi((exponent + 1 - bits).max(-1022))
}

/// The sums of a node: one a bin, feature by feature.
pub type Histogram = Vec<Sums>;

/// Room for one thread's sums: 256 a feature, so that no byte can point outside.
type Scratch = Vec<[Sums; MOST_BINS]>;

/// What histograms are made from.
pub struct Histograms<'a> {
    binned: &'a Binned,
    by_row: &'a [u8],
    /// Where each feature's sums begin; the last number is how many there are.
    pub offsets: Vec<usize>,
    scratches: Vec<Scratch>,
}

impl<'a> Histograms<'a> {
    /// `by_row` is what [`Binned::by_row`] gives.
    pub fn new(binned: &'a Binned, by_row: &'a [u8]) -> Self {
        let mut offsets = vec![0];
        for feature in &binned.features {
            offsets.push(offsets.last().map_or(0, |last| last + feature.width()));
        }
        let scratch = vec![[Sums::default(); MOST_BINS]; binned.width()];
        Self { binned, by_row, offsets, scratches: vec![scratch; rayon::current_num_threads()] }
    }

    /// How many sums a histogram has.
    pub fn len(&self) -> usize {
        self.offsets.last().copied().unwrap_or(0)
    }

    /// The range of a feature's sums.
    pub fn range(&self, feature: usize) -> Range<usize> {
        self.offsets[feature]..self.offsets[feature + 1]
    }

    /// Fills a histogram with the sums over rows (each at most once), of the `used` features only.
    pub fn fill(&mut self, histogram: &mut [Sums], rows: &[u32], quantised: &Quantised, used: &[usize]) {
        let threads = self.scratches.len().min(rows.len().div_ceil(WORTH_THREADS)).max(1);
        let (width, by_row) = (self.binned.width(), self.by_row);
        let piece = rows.len().div_ceil(threads).max(1);
        let add = |(rows, scratch): (&[u32], &mut Scratch)| add(scratch, rows, quantised, by_row, width, used);
        if threads == 1 {
            self.scratches.iter_mut().take(1).for_each(|scratch| add((rows, scratch)));
        } else {
            rows.par_chunks(piece).zip(self.scratches.par_iter_mut()).for_each(add);
        }
        for feature in used {
            let sums = &mut histogram[self.offsets[*feature]..self.offsets[*feature + 1]];
            sums.fill(Sums::default());
            for scratch in self.scratches.iter_mut().take(threads) {
                for (sum, more) in sums.iter_mut().zip(&mut scratch[*feature]) {
                    *sum = *sum + std::mem::take(more);
                }
            }
        }
    }
}

fn add(scratch: &mut Scratch, rows: &[u32], quantised: &Quantised, by_row: &[u8], width: usize, used: &[usize]) {
    let mut sums = [Sums::default(); AHEAD];
    for rows in rows.chunks(AHEAD) {
        // Rows lie anywhere in memory: looked at together, they are waited for together.
        let mut seen = 0;
        for (sums, row) in sums.iter_mut().zip(rows) {
            let start = *row as usize * width;
            *sums = quantised.row(*row as usize);
            seen |= by_row[start] | by_row[start + width - 1];
        }
        std::hint::black_box(seen);
        for (sums, row) in sums.iter().zip(rows) {
            let bins = &by_row[*row as usize * width..(*row as usize + 1) * width];
            if used.len() == width {
                scratch.iter_mut().zip(bins).for_each(|(scratch, bin)| scratch[*bin as usize].gain(*sums));
            } else {
                for feature in used {
                    scratch[*feature][bins[*feature] as usize].gain(*sums);
                }
            }
        }
    }
}

/// Leaves of a parent's histogram what is not one child's.
pub fn subtract(parent: &mut [Sums], child: &[Sums]) {
    parent.iter_mut().zip(child).for_each(|(sum, less)| *sum = *sum - *less);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(quantised: &Quantised, rows: &[u32]) -> (f64, f64, u64) {
        quantised.read(rows.iter().fold(Sums::default(), |sum, row| sum + quantised.row(*row as usize)))
    }

    #[test]
    fn subtraction_equals_direct_and_threads_change_nothing() {
        let columns: Vec<Vec<f64>> = (0..3).map(|j| (0..500).map(|i| f64::from((i * (j + 3) * 37) % 101)).collect()).collect();
        let binned = Binned::new(&columns, &[false, false, true], 255, 1);
        let by_row = binned.by_row();
        let pairs: Vec<[f64; 2]> = (0..500).map(|i| [(f64::from(i) * 0.7).sin() * 1e3, 1.0 + f64::from(i % 3)]).collect();
        let quantised = Quantised::of(&pairs, Vec::new());
        let filled = |threads: usize, rows: &[u32], used: &[usize]| {
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
                let mut histograms = Histograms::new(&binned, &by_row);
                let mut sums = vec![Sums::default(); histograms.len()];
                histograms.fill(&mut sums, rows, &quantised, used);
                sums
            })
        };
        let all: Vec<u32> = (0..500).collect();
        let (some, others): (Vec<u32>, Vec<u32>) = all.iter().partition(|row| **row % 7 < 3);
        let mut parent = filled(1, &all, &[0, 1, 2]);
        assert_eq!(parent, filled(2, &all, &[0, 1, 2]));
        assert_eq!(parent, filled(8, &all, &[0, 1, 2]));
        subtract(&mut parent, &filled(1, &some, &[0, 1, 2]));
        assert_eq!(parent, filled(3, &others, &[0, 1, 2]));
        // What is read is what was put in, to 2⁻³⁰ of the largest.
        let (gradient, hessian, count) = total(&quantised, &others);
        let exact = others.iter().fold((0.0, 0.0), |sum, row| (sum.0 + pairs[*row as usize][0], sum.1 + pairs[*row as usize][1]));
        assert!((gradient - exact.0).abs() < 1e-4 && (hessian - exact.1).abs() < 1e-4, "{gradient} {hessian} {exact:?}");
        assert_eq!(count, others.len() as u64);
    }

    #[test]
    fn gradients_of_any_size_are_kept() {
        for size in [1e-300, 1e-9, 1.0, 1e300] {
            let quantised = Quantised::of(&[[size, size], [-size, 0.0]], Vec::new());
            let (gradient, hessian, count) = total(&quantised, &[0]);
            assert!((gradient / size - 1.0).abs() < 1e-6 && (hessian / size - 1.0).abs() < 1e-6 && count == 1, "{size}: {gradient} {hessian}");
            assert_eq!(total(&quantised, &[0, 1]).0, 0.0);
        }
    }
}
