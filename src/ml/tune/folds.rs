//! Rows in folds, for cross-validation: which rows are learned from, and which are held out.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, counted};
use crate::ml::trees::draw::Draw;

/// What folds are dealt from, apart from all other draws of a seed.
const STREAM: u64 = 0x666f_6c64_0000_0000;
/// Strata of a number to predict.
const BINS: usize = 10;

/// How rows are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// By lot.
    #[serde(alias = "plain")]
    #[schemars(extend("x-aliases" = ["plain"]))]
    Kfold,
    /// By lot, each class (or each tenth of the numbers) shared out evenly.
    Stratified,
    /// Rows of a group stay together: those with the same values in the columns of role `group`.
    Group,
    /// Earlier rows are learned from, later ones held out, by the column of role `time`.
    Time,
}

/// What rows are told apart by, one entry a row.
pub enum Keys {
    Lot,
    /// A class, or a number.
    Strata {
        values: Vec<f64>,
        are_classes: bool,
    },
    Groups(Vec<u64>),
    /// Rows without a time are in no fold.
    Times(Vec<Option<i64>>),
}

/// Folds of some rows; several times over where they are repeated.
#[derive(Clone, Debug, PartialEq)]
pub struct Folds {
    /// For each repeat the part of each row; `None`: in none.
    parts: Vec<Vec<Option<u32>>>,
    /// How many there are in each.
    count: usize,
    is_time: bool,
}

/// What a fold does with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    Learned,
    Held,
    Neither,
}

impl Folds {
    /// Deals rows out.
    ///
    /// # Errors
    /// Fewer rows, groups or moments than folds need.
    pub fn deal(keys: &Keys, rows: usize, folds: usize, repeats: usize, seed: u64) -> Result<Self> {
        let parts = (0..repeats).map(|repeat| deal(keys, rows, folds, &Draw::new(seed, STREAM + repeat as u64))).collect::<Result<_>>()?;
        Ok(Self { parts, count: folds, is_time: matches!(keys, Keys::Times(_)) })
    }

    /// How many there are, repeats counted.
    #[must_use]
    pub fn count(&self) -> usize {
        self.parts.len() * self.count
    }

    /// What a fold does with a row.
    #[must_use]
    pub fn part(&self, fold: usize, row: usize) -> Use {
        let part = self.parts.get(fold / self.count).and_then(|parts| parts.get(row)).copied().flatten();
        let fold = (fold % self.count) as u32;
        match part {
            // Of time there is one part more: the first is never held out.
            Some(part) if self.is_time && part == fold + 1 => Use::Held,
            Some(part) if self.is_time && part <= fold => Use::Learned,
            Some(part) if !self.is_time && part == fold => Use::Held,
            Some(_) if !self.is_time => Use::Learned,
            _ => Use::Neither,
        }
    }
}

fn deal(keys: &Keys, rows: usize, folds: usize, draw: &Draw) -> Result<Vec<Option<u32>>> {
    let too_few = |what: String, needed: usize| {
        Err(Error::data(format!("{folds} folds need {needed} {what} of training at least")).hint("lower `folds`, or train on more rows"))
    };
    match keys {
        Keys::Lot => {
            if rows < 2 * folds {
                return too_few(format!("rows, and there are {}", counted(rows as u64, "row")), 2 * folds);
            }
            Ok(round_robin(&vec![0; rows], folds, draw))
        }
        Keys::Strata { values, are_classes } => {
            if rows < 2 * folds {
                return too_few(format!("rows, and there are {}", counted(rows as u64, "row")), 2 * folds);
            }
            let strata = if *are_classes { values.iter().map(|class| *class as usize).collect() } else { tenths(values) };
            Ok(round_robin(&strata, folds, draw))
        }
        Keys::Groups(groups) => {
            let mut sizes: BTreeMap<u64, usize> = BTreeMap::new();
            for group in groups {
                *sizes.entry(*group).or_default() += 1;
            }
            if sizes.len() < folds {
                return too_few(format!("groups, and there are {}", sizes.len()), folds);
            }
            // Large groups first, each to the fold that has fewest rows.
            let mut order: Vec<(u64, usize)> = sizes.into_iter().collect();
            order.sort_by(|(a, m), (b, n)| n.cmp(m).then(draw.of(*a).total_cmp(&draw.of(*b))).then(a.cmp(b)));
            let mut filled = vec![0_usize; folds];
            let mut part_of: BTreeMap<u64, u32> = BTreeMap::new();
            for (group, size) in order {
                let least = filled.iter().enumerate().min_by_key(|(_, rows)| **rows).map_or(0, |(fold, _)| fold);
                filled[least] += size;
                part_of.insert(group, least as u32);
            }
            Ok(groups.iter().map(|group| part_of.get(group).copied()).collect())
        }
        Keys::Times(times) => {
            let mut sorted: Vec<i64> = times.iter().flatten().copied().collect();
            sorted.sort_unstable();
            let mut cuts: Vec<i64> = (1..=folds).filter_map(|part| sorted.get(part * sorted.len() / (folds + 1)).copied()).collect();
            cuts.dedup();
            if cuts.len() < folds || sorted.first() == cuts.first() {
                return too_few("spread moments".to_owned(), folds + 1);
            }
            Ok(times.iter().map(|time| time.map(|time| cuts.partition_point(|cut| *cut <= time) as u32)).collect())
        }
    }
}

/// Rows in the order of draws, strata apart, dealt out in turn: each stratum's and all rows' shares differ by one at most.
fn round_robin(strata: &[usize], folds: usize, draw: &Draw) -> Vec<Option<u32>> {
    let mut order: Vec<usize> = (0..strata.len()).collect();
    order.sort_by(|a, b| strata[*a].cmp(&strata[*b]).then(draw.of(*a as u64).total_cmp(&draw.of(*b as u64))).then(a.cmp(b)));
    let mut parts = vec![None; strata.len()];
    order.into_iter().enumerate().for_each(|(place, row)| parts[row] = Some((place % folds) as u32));
    parts
}

/// The tenth of each number by rank; equal numbers share one.
fn tenths(values: &[f64]) -> Vec<usize> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let edges: Vec<f64> = (1..BINS).filter_map(|bin| sorted.get(bin * sorted.len() / BINS).copied()).collect();
    values.iter().map(|value| edges.partition_point(|edge| edge.total_cmp(value).is_le())).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// How often each row is held out, after a look at each fold.
    fn held(folds: &Folds, rows: usize, look: impl Fn(&[usize], &[usize])) -> Vec<usize> {
        let mut times = vec![0; rows];
        for fold in 0..folds.count() {
            let of = |wanted| (0..rows).filter(|row| folds.part(fold, *row) == wanted).collect::<Vec<_>>();
            let (learned, held) = (of(Use::Learned), of(Use::Held));
            assert!(!learned.is_empty() && !held.is_empty());
            for row in &held {
                times[*row] += 1;
            }
            look(&learned, &held);
        }
        times
    }

    proptest! {
        #[test]
        fn every_row_is_held_out_once_and_strata_are_shared_out(seed in any::<u64>(), rows in 20_usize..200, folds in 2_usize..8, classes in 1_usize..5) {
            let values: Vec<f64> = (0..rows).map(|row| ((row * 7) % classes) as f64).collect();
            let strata = Keys::Strata { values: values.clone(), are_classes: true };
            for keys in [Keys::Lot, strata] {
                let dealt = Folds::deal(&keys, rows, folds, 2, seed).unwrap();
                let times = held(&dealt, rows, |learned, held| {
                    assert_eq!(learned.len() + held.len(), rows);
                    assert!(held.len().abs_diff(rows / folds) <= 1);
                    for class in (0..classes).filter(|_| matches!(keys, Keys::Strata { .. })) {
                        let count = |rows: &[usize]| rows.iter().filter(|row| values[**row] == class as f64).count();
                        let share = (count(learned) + count(held)) as f64 / folds as f64;
                        assert!((count(held) as f64 - share).abs() < 2.0);
                    }
                });
                prop_assert_eq!(times, vec![2; rows]);
            }
        }

        #[test]
        fn groups_stay_whole(seed in any::<u64>(), groups in proptest::collection::vec(0_u64..12, 30..120), folds in 2_usize..5) {
            let distinct = groups.iter().collect::<std::collections::BTreeSet<_>>().len();
            prop_assume!(distinct >= folds);
            let dealt = Folds::deal(&Keys::Groups(groups.clone()), groups.len(), folds, 1, seed).unwrap();
            let times = held(&dealt, groups.len(), |learned, held| {
                assert!(held.iter().all(|row| learned.iter().all(|other| groups[*row] != groups[*other])));
            });
            prop_assert_eq!(times, vec![1; groups.len()]);
        }

        #[test]
        fn time_never_runs_backwards(times in proptest::collection::vec(proptest::option::weighted(0.9, 0_i64..500), 40..200), folds in 2_usize..6) {
            let Ok(dealt) = Folds::deal(&Keys::Times(times.clone()), times.len(), folds, 1, 1) else { return Ok(()) };
            let mut learned_before = 0;
            for fold in 0..folds {
                let of = |wanted| (0..times.len()).filter(|row| dealt.part(fold, *row) == wanted).map(|row| times[row]).collect::<Vec<_>>();
                let (learned, held) = (of(Use::Learned), of(Use::Held));
                prop_assert!(learned.iter().chain(&held).all(Option::is_some));
                prop_assert!(learned.iter().max() < held.iter().min() && learned.len() > learned_before);
                learned_before = learned.len();
            }
            let in_none = (0..times.len()).filter(|row| dealt.part(folds - 1, *row) == Use::Neither).count();
            prop_assert_eq!(in_none, times.iter().filter(|time| time.is_none()).count());
        }
    }

    #[test]
    fn numbers_are_shared_out_by_their_size_and_too_few_rows_are_refused() {
        let values: Vec<f64> = (0..100).map(|i| f64::from(i * 37 % 100)).collect();
        let dealt = Folds::deal(&Keys::Strata { values: values.clone(), are_classes: false }, 100, 5, 1, 3).unwrap();
        held(&dealt, 100, |_, held| {
            assert_eq!((0..10).map(|bin| held.iter().filter(|row| values[**row] as usize / 10 == bin).count()).collect::<Vec<_>>(), [2; 10]);
        });
        let refused = |keys: Keys, rows| Folds::deal(&keys, rows, 5, 1, 1).unwrap_err().to_string();
        assert!(refused(Keys::Lot, 9).contains("5 folds need 10 rows"));
        assert!(refused(Keys::Groups(vec![1, 1, 2, 3]), 4).contains("5 folds need 5 groups, and there are 3"));
        assert!(refused(Keys::Times(vec![Some(1); 50]), 50).contains("5 folds need 6 spread moments"));
    }
}
