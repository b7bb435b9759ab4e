//! Symmetric matrices, and how rows are added to one: `XᵀX` in blocks that stay in the fastest cache.

use std::array::from_fn;

/// Rows in a [`Block`].
pub const ROWS: usize = 128;
/// Columns by columns of dot products that are taken at once: as many sums as fit in registers.
const TALL: usize = 4;
const WIDE: usize = 2;
/// Sums that are kept side by side in one dot product.
const LANES: usize = 4;

/// [`ROWS`] rows of some columns, column by column; the rows that a shorter piece lacks are zero.
pub struct Block {
    pub columns: Vec<[f64; ROWS]>,
}

impl Block {
    #[must_use]
    pub fn zeros(columns: usize) -> Self {
        Self { columns: vec![[0.0; ROWS]; columns] }
    }
}

/// A symmetric matrix: the lower triangle by rows, row `i` with `i + 1` entries.
#[derive(Clone, Debug, PartialEq)]
pub struct Symmetric {
    size: usize,
    packed: Vec<f64>,
}

impl Symmetric {
    #[must_use]
    pub fn zeros(size: usize) -> Self {
        Self { size, packed: vec![0.0; size * (size + 1) / 2] }
    }

    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// The entry at row `i` and column `j`, in either order.
    #[must_use]
    pub fn get(&self, i: usize, j: usize) -> f64 {
        self.packed[place(i, j)]
    }

    pub fn set(&mut self, i: usize, j: usize, value: f64) {
        self.packed[place(i, j)] = value;
    }

    /// The entrywise sum of two matrices of one size.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        self.packed.iter_mut().zip(&other.packed).for_each(|(a, b)| *a += b);
        self
    }

    /// Adds `XᵀX` for a block of rows with as many columns as this matrix.
    pub fn add_products(&mut self, block: &Block) {
        let Some(last) = self.size.checked_sub(1) else { return };
        let column = |i: usize| &block.columns[i.min(last)];
        for i in (0..self.size).step_by(TALL) {
            for j in (0..=(i + TALL - 1).min(last)).step_by(WIDE) {
                let sums = tile::<TALL, WIDE>(from_fn(|k| column(i + k)), from_fn(|k| column(j + k)));
                for (row, sums) in (i..self.size).zip(sums) {
                    for (column, sum) in (j..=row).zip(sums) {
                        self.packed[row * (row + 1) / 2 + column] += sum;
                    }
                }
            }
        }
    }

    /// The product with a vector.
    #[must_use]
    pub fn times(&self, vector: &[f64]) -> Vec<f64> {
        let mut product = vec![0.0; self.size];
        for i in 0..self.size {
            let row = &self.packed[place(i, 0)..place(i, i)];
            product[i] += dot(row, vector) + self.get(i, i) * vector[i];
            product.iter_mut().zip(row).for_each(|(p, a)| *p += a * vector[i]);
        }
        product
    }
}

fn place(i: usize, j: usize) -> usize {
    let (row, column) = if i < j { (j, i) } else { (i, j) };
    row * (row + 1) / 2 + column
}

/// The dot products of some columns with some others: each value that is loaded is used several times.
#[inline]
fn tile<const A: usize, const B: usize>(a: [&[f64; ROWS]; A], b: [&[f64; ROWS]; B]) -> [[f64; B]; A] {
    let mut sums = [[[0.0; 2]; B]; A];
    let a = a.map(|column| column.as_chunks::<2>().0);
    let b = b.map(|column| column.as_chunks::<2>().0);
    for r in 0..ROWS / 2 {
        let a: [[f64; 2]; A] = from_fn(|i| a[i][r]);
        let b: [[f64; 2]; B] = from_fn(|j| b[j][r]);
        for i in 0..A {
            for j in 0..B {
                sums[i][j][0] += a[i][0] * b[j][0];
                sums[i][j][1] += a[i][1] * b[j][1];
            }
        }
    }
    sums.map(|row| row.map(|pair| pair[0] + pair[1]))
}

fn total(lanes: [f64; LANES]) -> f64 {
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3])
}

/// The dot product of the first entries of two slices, as many as the shorter one has.
#[must_use]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let length = a.len().min(b.len());
    let (a, a_rest) = a[..length].as_chunks::<LANES>();
    let (b, b_rest) = b[..length].as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    total(sums) + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_adds_every_pair_of_columns_once() {
        for size in 1..6 {
            let mut block = Block::zeros(size);
            for (j, column) in block.columns.iter_mut().enumerate() {
                column.iter_mut().enumerate().for_each(|(r, value)| *value = ((r * (j + 2)) % 7) as f64);
            }
            let mut gram = Symmetric::zeros(size);
            gram.add_products(&block);
            gram.add_products(&block);
            for i in 0..size {
                for j in 0..size {
                    let expected: f64 = (0..ROWS).map(|r| 2.0 * block.columns[i][r] * block.columns[j][r]).sum();
                    assert_eq!(gram.get(i, j), expected, "{size}: {i} {j}");
                }
            }
            let ones = gram.times(&vec![1.0; size]);
            assert_eq!(ones[0], (0..size).map(|j| gram.get(0, j)).sum::<f64>());
        }
    }
}
