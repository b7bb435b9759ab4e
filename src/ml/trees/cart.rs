//! Trees that follow impurity, alone or in forests.
//!
//! Regression and classification are one search: a split is worth Σₖ Sₖ²/W on its left side plus the same on its
//! right, where Sₖ is Σ w y, or the weight of class k. That is the squared error, or the Gini impurity, up to what the
//! split does not change. A node of few rows is searched exactly: its rows in the order of the feature, and every
//! threshold between two values. A node of many rows is searched by bins, and then exactly within the two bins on both
//! sides of the best threshold; where no feature has more values than bins, that is the same.

use rayon::prelude::*;

use super::bins::{Binned, MOST_BINS, between};
use super::draw::Draw;
use super::objective::Targets;
use super::tree::{Rule, Tree, Trees};
use crate::ml::Deadline;

/// Nodes of at most so many rows are searched exactly.
const FEW_ROWS: usize = if cfg!(test) { 32 } else { 256 };
/// Below this many values to look at, threads cost more than they save.
const WORTH_THREADS: usize = if cfg!(test) { 1 << 8 } else { 1 << 15 };

/// Which thresholds are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thresholds {
    /// All.
    Best,
    /// One a feature, drawn evenly between its lowest and highest value.
    Drawn,
}

/// How trees are grown.
#[derive(Clone, Debug)]
pub struct Cart {
    pub trees: usize,
    /// Questions on a path.
    pub most_depth: usize,
    /// Rows that a node needs to be split, and that each side keeps.
    pub min_rows_split: usize,
    pub min_rows_leaf: usize,
    /// What a split takes from the impurity at least, weighed by the node's share of the weight.
    pub min_decrease: f64,
    /// Features that are not constant in a node and are tried there; drawn, if fewer than all.
    pub most_features: usize,
    /// Rows that are drawn for a tree, with putting back; 0: each row once.
    pub draws: usize,
    pub thresholds: Thresholds,
    pub seed: u64,
    /// No tree begins after it; what there is then is to be thrown away.
    pub deadline: Deadline,
}

/// Training rows: as bins (nothing for [`Thresholds::Drawn`]), as numbers, features × rows, and their targets; 0
/// classes for regression.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    pub binned: Option<&'a Binned>,
    pub columns: &'a [Vec<f64>],
    pub targets: Targets<'a>,
    pub classes: usize,
}

impl Cart {
    /// Trees of means or of classes' shares, and each feature's share of the decrease of impurity.
    pub fn fit(&self, on: Rows<'_>) -> (Trees, Vec<f64>) {
        let grown: Vec<(Tree, Vec<f64>)> =
            (0..self.trees).into_par_iter().filter(|t| *t == 0 || !self.deadline.has_passed()).map(|t| Grower::new(self, on, t as u64).grow()).collect();
        let mut trees = Trees::new(on.columns.len(), on.classes.max(1));
        let mut importances = vec![0.0; on.columns.len()];
        for (tree, decreases) in grown {
            trees.push(tree);
            importances.iter_mut().zip(shares(decreases)).for_each(|(sum, share)| *sum += share);
        }
        (trees, shares(importances))
    }
}

/// Parts of one; zeros stay.
pub fn shares(numbers: Vec<f64>) -> Vec<f64> {
    let sum: f64 = numbers.iter().sum();
    numbers.into_iter().map(|number| if sum > 0.0 { number / sum } else { 0.0 }).collect()
}

/// How many rows there are, their weight, and Σ w y or the weight of each class.
#[derive(Clone, Default)]
struct Sums {
    count: usize,
    weight: f64,
    values: Vec<f64>,
}

impl Sums {
    fn none(width: usize) -> Self {
        Self { count: 0, weight: 0.0, values: vec![0.0; width] }
    }

    fn clear(&mut self) {
        self.count = 0;
        self.weight = 0.0;
        self.values.fill(0.0);
    }

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.weight += other.weight;
        self.values.iter_mut().zip(&other.values).for_each(|(sum, more)| *sum += more);
    }

    /// All less a part.
    fn rest(&mut self, all: &Self, part: &Self) {
        self.count = all.count - part.count;
        self.weight = all.weight - part.weight;
        self.values.iter_mut().zip(&all.values).zip(&part.values).for_each(|((rest, all), part)| *rest = all - part);
    }

    /// Σₖ Sₖ² / W: the larger, the purer.
    fn purity(&self) -> f64 {
        self.values.iter().map(|value| value * value).sum::<f64>() / self.weight
    }
}

/// Is a purity above another by more than rounding? Else splits that are equally good would be told apart by the
/// order in which numbers were added.
fn better(purity: f64, than: f64) -> bool {
    purity > than * (1.0 + 1e-12)
}

/// Rows with the same value, or in the same bin.
struct Group {
    /// The value, or the number of the bin.
    key: f64,
    sums: Sums,
}

/// A feature's rows in ascending order, in groups that are used again and again.
#[derive(Default)]
struct Order {
    groups: Vec<Group>,
    used: usize,
    missing: Sums,
    pairs: Vec<(f64, u32)>,
}

impl Order {
    fn start(&mut self, width: usize) {
        self.used = 0;
        if self.missing.values.len() == width {
            self.missing.clear();
        } else {
            self.missing = Sums::none(width);
            self.groups.clear();
        }
    }

    /// An empty group behind the others.
    fn group(&mut self, key: f64) -> &mut Sums {
        let width = self.missing.values.len();
        if self.used == self.groups.len() {
            self.groups.push(Group { key, sums: Sums::none(width) });
        }
        let group = &mut self.groups[self.used];
        self.used += 1;
        group.key = key;
        group.sums.clear();
        &mut group.sums
    }
}

struct Split {
    feature: usize,
    threshold: f64,
    missing_left: bool,
    purity: f64,
    /// In a search by bins: the bins on both sides of the threshold, and what lies left of them.
    within: Option<(u8, u8, Sums)>,
}

/// A node that may still be split.
struct Open {
    node: usize,
    start: usize,
    end: usize,
    depth: usize,
}

struct Grower<'a> {
    cart: &'a Cart,
    on: Rows<'a>,
    draw: Draw,
    /// The rows of the tree, node by node, and how often each was drawn.
    rows: Vec<u32>,
    spare: Vec<u32>,
    times: Vec<u32>,
    weight: f64,
    order: Order,
    decreases: Vec<f64>,
}

impl<'a> Grower<'a> {
    fn new(cart: &'a Cart, on: Rows<'a>, tree: u64) -> Self {
        let mut draw = Draw::new(cart.seed, tree);
        let count = on.targets.y.len();
        let mut times = Vec::new();
        let mut rows: Vec<u32> = (0..count as u32).collect();
        if cart.draws > 0 {
            times = vec![0_u32; count];
            (0..cart.draws).for_each(|_| times[draw.below(count)] += 1);
            rows.retain(|row| times[*row as usize] > 0);
        }
        let spare = vec![0; rows.len()];
        Self { cart, on, draw, rows, spare, times, weight: 0.0, order: Order::default(), decreases: vec![0.0; on.columns.len()] }
    }

    fn grow(mut self) -> (Tree, Vec<f64>) {
        let mut tree = Tree::new(self.on.columns.len(), self.width());
        let mut open = vec![Open { node: 0, start: 0, end: self.rows.len(), depth: 0 }];
        while let Some(Open { node, start, end, depth }) = open.pop() {
            let rows = &self.rows[start..end];
            let mut sums = Sums::none(self.width());
            for row in rows {
                self.add(*row, &mut sums);
            }
            if node == 0 {
                self.weight = sums.weight;
            }
            let first = rows.first().map(|row| self.on.targets.y[*row as usize]);
            let pure = rows.iter().all(|row| Some(self.on.targets.y[*row as usize]) == first);
            let may_split = !pure && depth < self.cart.most_depth && rows.len() >= self.cart.min_rows_split;
            let split = if may_split { self.best_split(start, end, &sums) } else { None };
            let Some(split) = split else {
                let weight = sums.weight;
                let values: Vec<f64> = sums.values.iter().map(|value| value / weight).collect();
                tree.set(node, weight, &values);
                continue;
            };
            self.decreases[split.feature] += (split.purity - sums.purity()).max(0.0);
            let middle = start + self.part(start, end, &split);
            let Split { feature, threshold, missing_left, .. } = split;
            let left = tree.split(node, Rule::Number { feature, threshold, missing_left });
            tree.set(node, sums.weight, &vec![0.0; self.width()]);
            open.push(Open { node: left + 1, start: middle, end, depth: depth + 1 });
            open.push(Open { node: left, start, end: middle, depth: depth + 1 });
        }
        (tree, self.decreases)
    }

    fn width(&self) -> usize {
        self.on.classes.max(1)
    }

    fn add(&self, row: u32, sums: &mut Sums) {
        let row = row as usize;
        let w = self.on.targets.weight(row) * self.times.get(row).map_or(1.0, |times| f64::from(*times));
        sums.count += 1;
        sums.weight += w;
        if self.on.classes == 0 {
            sums.values[0] += w * self.on.targets.y[row];
        } else if let Some(value) = sums.values.get_mut(self.on.targets.y[row] as usize) {
            *value += w;
        }
    }

    fn best_split(&mut self, start: usize, end: usize, sums: &Sums) -> Option<Split> {
        let features = self.on.columns.len();
        let found = if self.cart.most_features < features || self.cart.thresholds == Thresholds::Drawn {
            self.best_of_drawn(start, end, sums)
        } else {
            let rows = &self.rows[start..end];
            let found: Vec<Option<Split>> = if rows.len() * features >= WORTH_THREADS {
                let search = |order: &mut Order, feature| self.best_of(feature, rows, sums, order);
                (0..features).into_par_iter().map_init(Order::default, search).collect()
            } else {
                let mut order = std::mem::take(&mut self.order);
                let found = (0..features).map(|feature| self.best_of(feature, &self.rows[start..end], sums, &mut order)).collect();
                self.order = order;
                found
            };
            found.into_iter().flatten().reduce(best)
        };
        let split = self.refined(found?, start, end, sums);
        let decrease = (split.purity - sums.purity()) / self.weight;
        // Rounding must not refuse a split that leaves impurity as it is, as the first of an exclusive-or does.
        (decrease + f64::EPSILON >= self.cart.min_decrease).then_some(split)
    }

    /// Features in a drawn order, until enough of them were not constant.
    fn best_of_drawn(&mut self, start: usize, end: usize, sums: &Sums) -> Option<Split> {
        let mut left: Vec<usize> = (0..self.on.columns.len()).collect();
        let mut order = std::mem::take(&mut self.order);
        let (mut found, mut tried) = (None, 0);
        while tried < self.cart.most_features && !left.is_empty() {
            let feature = left.swap_remove(self.draw.below(left.len()));
            let rows = &self.rows[start..end];
            let column = &self.on.columns[feature];
            let first = column[rows[0] as usize];
            if rows.iter().all(|row| same(column[*row as usize], first)) {
                continue;
            }
            tried += 1;
            let next = match self.cart.thresholds {
                Thresholds::Best => self.best_of(feature, rows, sums, &mut order),
                Thresholds::Drawn => {
                    let lot = self.draw.unit();
                    self.drawn(feature, &self.rows[start..end], sums, lot)
                }
            };
            found = match (found, next) {
                (Some(found), Some(next)) => Some(best(found, next)),
                (found, next) => found.or(next),
            };
        }
        self.order = order;
        found
    }

    fn best_of(&self, feature: usize, rows: &[u32], sums: &Sums, order: &mut Order) -> Option<Split> {
        let column = &self.on.columns[feature];
        if rows.len() > FEW_ROWS
            && let Some(binned) = self.on.binned
        {
            self.order_by_bin(&binned.columns[feature], binned.features[feature].bins, rows, order);
            // One bin may still hold several values, and have a threshold between them where there is none between bins.
            if order.used > 1
                && let Some((split, i)) = self.scan(feature, order, &Sums::none(self.width()), sums, &[false, true])
            {
                if i + 1 == order.used {
                    return Some(split);
                }
                let mut before = Sums::none(self.width());
                order.groups[..i].iter().for_each(|group| before.add(&group.sums));
                let within = Some((order.groups[i].key as u8, order.groups[i + 1].key as u8, before));
                return Some(Split { within, ..split });
            }
        }
        self.order_by_value(column, rows.iter().copied(), order);
        self.scan(feature, order, &Sums::none(self.width()), sums, &[false, true]).map(|(split, _)| split)
    }

    fn order_by_bin(&self, bins: &[u8], count: usize, rows: &[u32], order: &mut Order) {
        order.start(self.width());
        (0..count).for_each(|bin| {
            order.group(bin as f64);
        });
        let mut seen = [false; MOST_BINS];
        for row in rows {
            let bin = bins[*row as usize] as usize;
            seen[bin] = true;
            self.add(*row, if bin < count { &mut order.groups[bin].sums } else { &mut order.missing });
        }
        // Empty bins go behind.
        let mut used = 0;
        for (bin, seen) in seen.iter().enumerate().take(count) {
            if *seen {
                order.groups.swap(used, bin);
                used += 1;
            }
        }
        order.used = used;
    }

    fn order_by_value(&self, column: &[f64], rows: impl Iterator<Item = u32>, order: &mut Order) {
        order.start(self.width());
        let mut pairs = std::mem::take(&mut order.pairs);
        pairs.clear();
        for row in rows {
            let x = column[row as usize];
            if x.is_nan() { self.add(row, &mut order.missing) } else { pairs.push((x + 0.0, row)) }
        }
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut last = f64::NAN;
        for (x, row) in &pairs {
            if *x != last {
                order.group(*x);
                last = *x;
            }
            let used = order.used;
            self.add(*row, &mut order.groups[used - 1].sums);
        }
        order.pairs = pairs;
    }

    /// The best threshold between groups, and the group left of it. `before` lies left of all of them.
    fn scan(&self, feature: usize, order: &Order, before: &Sums, sums: &Sums, missing_left: &[bool]) -> Option<(Split, usize)> {
        let least = self.cart.min_rows_leaf;
        let any_missing = order.missing.count > 0;
        let groups = &order.groups[..order.used];
        let (mut left, mut right) = (Sums::none(self.width()), Sums::none(self.width()));
        let mut best: Option<(f64, usize, bool, usize)> = None;
        for missing_left in missing_left.iter().take(if any_missing { 2 } else { 1 }) {
            left.clear();
            left.add(before);
            if any_missing && *missing_left {
                left.add(&order.missing);
            }
            for (i, group) in groups.iter().enumerate() {
                left.add(&group.sums);
                // Behind the last group there is a threshold only if none but missing values are on the right.
                let is_end = i + 1 == groups.len() && sums.count - left.count != order.missing.count;
                if is_end || left.count < least || sums.count - left.count < least {
                    continue;
                }
                right.rest(sums, &left);
                if right.weight <= 0.0 {
                    continue;
                }
                let purity = left.purity() + right.purity();
                if best.is_none_or(|(best, ..)| better(purity, best)) {
                    best = Some((purity, i, *missing_left, left.count));
                }
            }
        }
        let (purity, i, missing_left, left) = best?;
        let threshold = groups.get(i + 1).map_or(f64::MAX, |next| between(groups[i].key, next.key));
        // Nothing was learned about missing values: they go with most rows.
        let missing_left = if any_missing { missing_left } else { 2 * left >= sums.count };
        Some((Split { feature, threshold, missing_left, purity, within: None }, i))
    }

    /// The exact threshold near one that was found between two bins.
    fn refined(&mut self, split: Split, start: usize, end: usize, sums: &Sums) -> Split {
        let (Some((low, high, before)), Some(binned)) = (&split.within, self.on.binned) else { return split };
        let bins = &binned.columns[split.feature];
        let mut order = std::mem::take(&mut self.order);
        let rows = self.rows[start..end].iter().copied();
        let column = &self.on.columns[split.feature];
        self.order_by_value(column, rows.clone().filter(|row| [*low, *high].contains(&bins[*row as usize])), &mut order);
        for row in rows.filter(|row| column[*row as usize].is_nan()) {
            self.add(row, &mut order.missing);
        }
        let found = self.scan(split.feature, &order, before, sums, if split.missing_left { &[true] } else { &[false] });
        self.order = order;
        found.map_or(Split { within: None, ..split }, |(found, _)| found)
    }

    /// A threshold at a drawn place between the lowest and the highest value.
    fn drawn(&self, feature: usize, rows: &[u32], sums: &Sums, lot: f64) -> Option<Split> {
        let column = &self.on.columns[feature];
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for row in rows {
            let x = column[*row as usize];
            low = low.min(x);
            high = high.max(x);
        }
        let threshold = low * (1.0 - lot) + high * lot;
        let threshold = if low == high {
            // Against missing values only.
            f64::MAX
        } else if threshold >= low && threshold < high {
            threshold
        } else {
            low
        };
        let (mut left, mut missing, mut right) = (Sums::none(self.width()), Sums::none(self.width()), Sums::none(self.width()));
        for row in rows {
            let x = column[*row as usize];
            if x.is_nan() {
                self.add(*row, &mut missing);
            } else if x <= threshold {
                self.add(*row, &mut left);
            }
        }
        let mut best: Option<(f64, bool)> = None;
        for missing_left in [false, true].into_iter().take(if missing.count > 0 { 2 } else { 1 }) {
            if missing_left {
                left.add(&missing);
            }
            let least = self.cart.min_rows_leaf;
            right.rest(sums, &left);
            if left.count < least || right.count < least || right.weight <= 0.0 {
                continue;
            }
            let purity = left.purity() + right.purity();
            if best.is_none_or(|(best, _)| better(purity, best)) {
                best = Some((purity, if missing.count > 0 { missing_left } else { 2 * left.count >= sums.count }));
            }
        }
        best.map(|(purity, missing_left)| Split { feature, threshold, missing_left, purity, within: None })
    }

    /// Moves the rows that go left to the front; gives how many.
    fn part(&mut self, start: usize, end: usize, split: &Split) -> usize {
        let column = &self.on.columns[split.feature];
        let rows = &mut self.rows[start..end];
        let (mut left, mut right) = (0, 0);
        for i in 0..rows.len() {
            let row = rows[i];
            let x = column[row as usize];
            let is_left = (x <= split.threshold) | (x.is_nan() & split.missing_left);
            rows[left] = row;
            self.spare[right] = row;
            left += usize::from(is_left);
            right += usize::from(!is_left);
        }
        rows[left..].copy_from_slice(&self.spare[..right]);
        left
    }
}

/// The purer of two splits, the first of equals.
fn best(one: Split, other: Split) -> Split {
    if better(other.purity, one.purity) { other } else { one }
}

/// Equal, or both missing.
fn same(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan())
}
