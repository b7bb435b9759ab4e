//! Features as bytes: each value becomes the number of the bin it lies in.
//!
//! Bins of numbers hold about equally many rows; where a feature has no more values than bins, each value has its own.
//! A feature with missing values has one more bin behind the others. Categories have a bin each, the most frequent
//! first; the bin behind theirs holds missing and rare ones.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::draw::Draw;

/// As many as a byte can tell apart.
pub const MOST_BINS: usize = 256;
/// Categories are whole numbers below this.
pub const MOST_CATEGORIES: usize = 1 << 16;
/// Rows whose values decide where bins end; of more rows as many are drawn.
const SAMPLE: usize = 200_000;
/// Rows that are turned at a time.
const TURNED: usize = 1 << 14;

/// What the bins of a feature mean.
#[derive(Clone, Debug, PartialEq)]
pub enum Meaning {
    /// Bin `b` holds values up to `edges[b]`, the last one all above.
    Number { edges: Vec<f64> },
    /// Bin `b` holds the category `codes[b]`.
    Category { codes: Vec<u32> },
}

/// The bins of one feature.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    pub meaning: Meaning,
    /// Bins that hold values; at least 1.
    pub bins: usize,
    /// Is there a bin of missing values behind them?
    pub missing: bool,
}

impl Feature {
    /// All bins.
    pub fn width(&self) -> usize {
        self.bins + usize::from(self.missing)
    }

    pub fn is_category(&self) -> bool {
        matches!(self.meaning, Meaning::Category { .. })
    }

    /// The largest value that goes left where bins up to `bin` do.
    pub fn threshold(&self, bin: usize) -> f64 {
        match &self.meaning {
            // Every number goes left.
            Meaning::Number { edges } => edges.get(bin).copied().unwrap_or(f64::MAX),
            Meaning::Category { .. } => 0.0,
        }
    }
}

/// Training rows in bins.
pub struct Binned {
    pub rows: usize,
    pub features: Vec<Feature>,
    /// For each feature the bin of each row.
    pub columns: Vec<Vec<u8>>,
}

impl Binned {
    /// Puts features × rows of finite numbers and NaN into at most `most` bins each, the one for missing values not
    /// counted (2..=255). Of `categorical` features values are whole numbers in 0..65,536.
    pub fn new(columns: &[Vec<f64>], categorical: &[bool], most: usize, seed: u64) -> Self {
        let rows = columns.first().map_or(0, Vec::len);
        let sample = sample(rows, seed);
        let both: Vec<(Feature, Vec<u8>)> = columns
            .par_iter()
            .zip(categorical)
            .map(|(column, is_category)| if *is_category { categories(column, most) } else { numbers(column, sample.as_deref(), most) })
            .collect();
        let (features, columns) = both.into_iter().unzip();
        Self { rows, features, columns }
    }

    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// The same bytes, row by row.
    pub fn by_row(&self) -> Vec<u8> {
        let width = self.width();
        let mut turned = vec![0; self.rows * width];
        if width > 0 {
            turned.par_chunks_mut(TURNED * width).enumerate().for_each(|(b, block)| {
                for (j, column) in self.columns.iter().enumerate() {
                    for (row, bin) in block.chunks_exact_mut(width).zip(&column[b * TURNED..]) {
                        row[j] = *bin;
                    }
                }
            });
        }
        turned
    }
}

/// The rows that bins are learned from; `None` means all.
fn sample(rows: usize, seed: u64) -> Option<Vec<u32>> {
    let draw = Draw::new(seed, 0);
    let share = SAMPLE as f64 / rows as f64;
    (rows > SAMPLE).then(|| (0..rows as u32).filter(|row| draw.of(u64::from(*row)) < share).collect())
}

fn numbers(column: &[f64], sample: Option<&[u32]>, most: usize) -> (Feature, Vec<u8>) {
    let mut values: Vec<f64> = match sample {
        None => column.iter().copied().filter(|x| !x.is_nan()).collect(),
        Some(rows) => rows.iter().map(|row| column[*row as usize]).filter(|x| !x.is_nan()).collect(),
    };
    // −0 is 0.
    for x in &mut values {
        *x += 0.0;
    }
    values.sort_unstable_by(f64::total_cmp);
    let edges = edges(&values, most);
    let missing = column.iter().any(|x| x.is_nan());
    let bins = edges.len() + 1;
    let bin = |x: &f64| if x.is_nan() { bins as u8 } else { edges.partition_point(|edge| edge < x) as u8 };
    let codes = column.iter().map(bin).collect();
    (Feature { meaning: Meaning::Number { edges }, bins, missing }, codes)
}

/// Where bins end: half way between neighbouring values. A value that fills a bin alone has one; the others share what
/// is left evenly.
fn edges(sorted: &[f64], most: usize) -> Vec<f64> {
    let mut distinct: Vec<(f64, usize)> = Vec::new();
    for x in sorted {
        match distinct.last_mut() {
            Some((last, count)) if last == x => *count += 1,
            _ => distinct.push((*x, 1)),
        }
    }
    let ends: Vec<usize> = if distinct.len() <= most { (1..distinct.len()).collect() } else { even(&distinct, most) };
    ends.into_iter().map(|end| between(distinct[end - 1].0, distinct[end].0)).collect()
}

/// The first value of every bin but the first one.
fn even(distinct: &[(f64, usize)], most: usize) -> Vec<usize> {
    let share = |rows: usize, bins: usize| rows as f64 / bins.max(1) as f64;
    let rows: usize = distinct.iter().map(|(_, count)| count).sum();
    // Rows and bins that are left for values that share.
    let heavy: Vec<bool> = distinct.iter().map(|(_, count)| *count as f64 >= share(rows, most)).collect();
    let alone = heavy.iter().filter(|heavy| **heavy).count();
    let mut bins_left = most - alone.min(most - 1);
    let mut rows_left: usize = distinct.iter().zip(&heavy).filter(|(_, heavy)| !**heavy).map(|((_, count), _)| count).sum();
    let (mut ends, mut filled) = (Vec::new(), 0);
    for (i, (_, count)) in distinct.iter().enumerate() {
        if i > 0 && ends.len() + 1 < most {
            // A bin ends where it is full, and on both sides of a value that has its own.
            let is_full = filled > 0 && filled as f64 + 0.5 * (if heavy[i] { 0 } else { *count }) as f64 >= share(rows_left, bins_left);
            if heavy[i] || heavy[i - 1] || is_full {
                ends.push(i);
                if filled > 0 {
                    rows_left -= filled;
                    bins_left = bins_left.saturating_sub(1);
                    filled = 0;
                }
            }
        }
        if !heavy[i] {
            filled += count;
        }
    }
    ends
}

/// A number from the lower one on and below the upper one, half way if there is room.
pub fn between(low: f64, high: f64) -> f64 {
    let middle = low / 2.0 + high / 2.0;
    if middle >= low && middle < high { middle } else { low }
}

fn categories(column: &[f64], most: usize) -> (Feature, Vec<u8>) {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for x in column.iter().filter(|x| !x.is_nan()) {
        *counts.entry(*x as u32).or_default() += 1;
    }
    let mut codes: Vec<u32> = counts.keys().copied().collect();
    codes.sort_by_key(|code| (std::cmp::Reverse(counts[code]), *code));
    codes.truncate(most);
    let bins = codes.len().max(1);
    let mut of_code = vec![bins as u8; MOST_CATEGORIES];
    for (bin, code) in codes.iter().enumerate() {
        of_code[*code as usize] = bin as u8;
    }
    let binned = column.iter().map(|x| if x.is_nan() { bins as u8 } else { of_code.get(*x as usize).copied().unwrap_or(bins as u8) }).collect();
    (Feature { meaning: Meaning::Category { codes }, bins, missing: true }, binned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(column: &[f64], category: bool, most: usize) -> (Feature, Vec<u8>) {
        let mut binned = Binned::new(&[column.to_vec()], &[category], most, 1);
        (binned.features.remove(0), binned.columns.remove(0))
    }

    #[test]
    fn few_values_have_a_bin_each_and_missing_ones_the_last() {
        let (feature, bins) = of(&[3.0, -0.0, f64::NAN, 0.0, 1.0, 3.0], false, 255);
        assert_eq!(feature, Feature { meaning: Meaning::Number { edges: vec![0.5, 2.0] }, bins: 3, missing: true });
        assert_eq!(bins, [2, 0, 3, 0, 1, 2]);
        assert_eq!(of(&[7.0, 7.0], false, 255).0, Feature { meaning: Meaning::Number { edges: vec![] }, bins: 1, missing: false });
        assert_eq!(of(&[f64::NAN], false, 255), (Feature { meaning: Meaning::Number { edges: vec![] }, bins: 1, missing: true }, vec![1]));
    }

    #[test]
    fn many_values_fill_bins_evenly_and_a_frequent_one_has_its_own() {
        let mut column: Vec<f64> = (0..9_000).map(f64::from).collect();
        column.extend(std::iter::repeat_n(4_000.0, 3_000));
        let (feature, bins) = of(&column, false, 100);
        assert!((90..=100).contains(&feature.bins), "{}", feature.bins);
        let mut counts = vec![0; feature.bins];
        for bin in bins {
            counts[bin as usize] += 1;
        }
        counts.sort_unstable();
        assert_eq!(counts.pop(), Some(3_001));
        assert!(counts[1] >= 40 && counts.last().is_some_and(|most| *most <= 100), "{counts:?}");
    }

    #[test]
    fn a_sample_of_many_rows_gives_nearly_even_bins() {
        let column: Vec<f64> = (0..400_000_u64).map(|i| (i * 7919 % 400_000) as f64).collect();
        let (feature, bins) = of(&column, false, 255);
        assert_eq!(feature.bins, 255);
        let mut counts = vec![0; 255];
        for bin in bins {
            counts[bin as usize] += 1;
        }
        assert!(counts.iter().all(|count| (1_000..2_300).contains(count)), "{counts:?}");
    }

    #[test]
    fn categories_have_bins_by_frequency_and_rare_ones_share_with_missing() {
        let (feature, bins) = of(&[5.0, 9.0, 9.0, f64::NAN, 2.0, 5.0, 9.0, 70.0], true, 2);
        assert_eq!(feature.meaning, Meaning::Category { codes: vec![9, 5] });
        assert_eq!(bins, [1, 0, 0, 2, 2, 1, 0, 2]);
    }

    #[test]
    fn rows_are_turned() {
        let binned = Binned::new(&[vec![1.0, 2.0, 3.0], vec![6.0, 5.0, 4.0]], &[false; 2], 255, 1);
        assert_eq!(binned.by_row(), [0, 2, 1, 1, 2, 0]);
    }
}
