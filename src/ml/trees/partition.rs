//! Rows in the order of their nodes: each node's rows lie together and in row order.

use std::ops::Range;

use rayon::prelude::*;

use super::bins::MOST_BINS;

/// Rows that one thread parts at a time.
const BLOCK: usize = 1 << 16;

/// Rows, with room to part them.
#[derive(Default)]
pub struct Partition {
    pub rows: Vec<u32>,
    spare: Vec<u32>,
}

impl Partition {
    /// Starts again with all of these rows in one node.
    pub fn start(&mut self, rows: impl Iterator<Item = u32>) {
        self.rows.clear();
        self.rows.extend(rows);
        self.spare.resize(self.rows.len(), 0);
    }

    /// Moves the rows whose bin goes left to the front of a node's range; gives where the others begin.
    pub fn part(&mut self, range: Range<usize>, column: &[u8], goes_left: &[bool; MOST_BINS]) -> usize {
        let rows = &mut self.rows[range.clone()];
        let spare = &mut self.spare[range.clone()];
        if rows.len() <= BLOCK {
            return range.start + part(rows, spare, column, goes_left);
        }
        let lefts: Vec<usize> = rows.par_chunks_mut(BLOCK).zip(spare.par_chunks_mut(BLOCK)).map(|(rows, spare)| part(rows, spare, column, goes_left)).collect();
        let left: usize = lefts.iter().sum();
        let (mut to_left, mut to_right) = spare.split_at_mut(left);
        for (rows, left) in rows.chunks(BLOCK).zip(lefts) {
            let (front, back) = rows.split_at(left);
            let (here, rest) = to_left.split_at_mut(front.len());
            here.copy_from_slice(front);
            to_left = rest;
            let (here, rest) = to_right.split_at_mut(back.len());
            here.copy_from_slice(back);
            to_right = rest;
        }
        rows.copy_from_slice(spare);
        range.start + left
    }
}

/// Parts rows in place, in order, without branches; gives how many go left.
fn part(rows: &mut [u32], spare: &mut [u32], column: &[u8], goes_left: &[bool; MOST_BINS]) -> usize {
    let (mut left, mut right) = (0, 0);
    for i in 0..rows.len() {
        let row = rows[i];
        let is_left = goes_left[column[row as usize] as usize];
        rows[left] = row;
        spare[right] = row;
        left += usize::from(is_left);
        right += usize::from(!is_left);
    }
    rows[left..].copy_from_slice(&spare[..right]);
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_order_on_both_sides() {
        for rows in [0, 1, 7, 3 * BLOCK + 5] {
            let column: Vec<u8> = (0..rows + 9).map(|i| (i * 31 % 7) as u8).collect();
            let goes_left = std::array::from_fn(|bin| bin % 2 == 0);
            let mut partition = Partition::default();
            partition.start(0..rows as u32 + 9);
            let middle = partition.part(4..4 + rows, &column, &goes_left);
            let (left, right): (Vec<u32>, Vec<u32>) = (4..4 + rows as u32).partition(|row| column[*row as usize].is_multiple_of(2));
            assert_eq!(middle, 4 + left.len());
            assert_eq!(partition.rows[4..4 + rows], [left, right].concat());
        }
    }
}
