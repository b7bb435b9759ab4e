//! Exact Shapley values of what trees give: how much each feature of a row adds to the sum of its leaves.
//!
//! The game is that of path-dependent `TreeSHAP` (Lundberg et al. 2020): where a set of features is known, a row goes down a
//! tree, and at a question about any other feature it goes both ways, in shares of the children's covers. A leaf of value
//! v then counts v Πⱼ (oⱼ if j is known, else zⱼ) over the features on its path, where oⱼ is 1 if the row answers all their
//! questions with this path, and zⱼ is the product of their covers' shares.
//!
//! The value of feature i is an integral (Owen 1972): ∫₀¹ Σ v (oᵢ − zᵢ) Πⱼ≠ᵢ (t oⱼ + (1 − t) zⱼ) dt. What is integrated is a
//! polynomial, so the rule of Gauss and Legendre with half as many points as features on a path is exact. At each point
//! products are carried down the tree and sums up, as Yu et al. (2022) do with polynomials: a row costs nodes × points.
//! All factors are positive, so that deep trees lose no digits.

use std::f64::consts::PI;
use std::ops::Range;

use rayon::prelude::*;

use super::tree::Trees;

/// Rows that go through all trees together.
const BLOCK: usize = 64;
/// Points are worked on so many at a time.
const LANES: usize = 8;

/// What features add: `base` plus a row's `values` is what the trees give it.
pub struct Shapley {
    /// Each output where no feature is known.
    pub base: Vec<f64>,
    /// outputs × features × rows.
    pub values: Vec<Vec<Vec<f64>>>,
}

impl Trees {
    /// Shapley values of the trees' sums for each output; `columns` are features × rows.
    pub fn shapley(&self, columns: &[Vec<f64>], rows: usize, outputs: usize) -> Shapley {
        let features = self.features();
        let mut base = vec![0.0; outputs];
        for (t, nodes) in self.spans().enumerate() {
            for (k, mean) in self.expected(nodes.start).into_iter().enumerate() {
                base[(t * self.width() + k) % outputs] += mean;
            }
        }
        let block = |b: usize| self.shapley_of(columns, b * BLOCK..rows.min((b + 1) * BLOCK), outputs);
        let blocks: Vec<Vec<f64>> = (0..rows.div_ceil(BLOCK)).into_par_iter().map(block).collect();
        let mut values = vec![vec![Vec::with_capacity(rows); features]; outputs];
        for block in blocks {
            for (cell, column) in values.iter_mut().flatten().enumerate() {
                column.extend(block.iter().skip(cell).step_by(outputs * features));
            }
        }
        Shapley { base, values }
    }

    /// About how many multiplications a row's Shapley values take.
    pub fn shapley_work(&self) -> u64 {
        let points = self.depth().min(self.features()).div_ceil(2).next_multiple_of(LANES);
        (self.nodes() * points * (1 + self.width())) as u64
    }

    /// rows × outputs × features.
    fn shapley_of(&self, columns: &[Vec<f64>], rows: Range<usize>, outputs: usize) -> Vec<f64> {
        let features = self.features();
        let block: Vec<f64> = rows.clone().flat_map(|row| columns.iter().map(move |column| column[row])).collect();
        let mut values = vec![0.0; rows.len() * outputs * features];
        let mut room = Room::default();
        for (t, nodes) in self.spans().enumerate().filter(|(_, nodes)| nodes.len() > 1) {
            let tree = Prepared::of(self, nodes);
            for (row, values) in block.chunks_exact(features).zip(values.chunks_exact_mut(outputs * features)) {
                tree.down(self, row, &mut room);
                for k in 0..self.width() {
                    let output = (t * self.width() + k) % outputs;
                    tree.up(self, k, &mut room, &mut values[output * features..(output + 1) * features]);
                }
            }
        }
        values
    }

    /// The nodes of each tree.
    fn spans(&self) -> impl Iterator<Item = Range<usize>> {
        self.roots().zip(self.roots().skip(1).chain([self.nodes()])).map(|(root, end)| root..end)
    }

    /// The mean of a tree's leaves, weighed by the covers' shares on the way to them.
    fn expected(&self, root: usize) -> Vec<f64> {
        let mut means = vec![0.0; self.width()];
        let mut open = vec![(root, 1.0)];
        while let Some((at, share)) = open.pop() {
            match self.asks(at) {
                None => means.iter_mut().zip(self.values(at)).for_each(|(mean, value)| *mean += share * value),
                Some((_, left)) => open.extend([left + 1, left].map(|child| (child, share * self.share(left, child)))),
            }
        }
        means
    }

    /// A child's share of what comes to it and its sibling.
    fn share(&self, left: usize, child: usize) -> f64 {
        let both = self.cover(left) + self.cover(left + 1);
        if both > 0.0 { self.cover(child) / both } else { 0.5 }
    }
}

/// How a row came to a node. The feature that the parent asks about is hot while the row answers all questions about it with
/// this path, and cold for ever after.
#[derive(Clone, Default)]
struct Edge {
    parent: usize,
    /// The node's left child; 0 where it is a leaf.
    left: usize,
    is_left: bool,
    feature: usize,
    /// The nearest node above whose parent asks about the same feature, or the root.
    previous: usize,
    /// The cover's share of the siblings'.
    share: f64,
    /// The product of the shares of all edges of the path that are about this feature.
    shares: f64,
    /// How many features the path has asked about.
    features: usize,
}

/// Numbers at as many points.
type Lanes = [f64; LANES];

/// A tree with what does not depend on rows. Nodes count from its root; tables are nodes × points.
struct Prepared {
    root: usize,
    /// Lanes that hold all points.
    lanes: usize,
    weights: Vec<Lanes>,
    /// One a node; nothing of the root's counts.
    edges: Vec<Edge>,
    /// By what the product changes where the feature stays hot, and where it turns cold.
    stays: Vec<Lanes>,
    turns: Vec<Lanes>,
    /// What the sum below then adds to the feature's value.
    stays_adds: Vec<Lanes>,
    turns_adds: Vec<Lanes>,
}

/// Numbers of a row, used again and again: nodes × points, and what is hot.
#[derive(Default)]
struct Room {
    products: Vec<Lanes>,
    sums: Vec<Lanes>,
    hot: Vec<bool>,
}

impl Prepared {
    fn of(trees: &Trees, nodes: Range<usize>) -> Self {
        let (root, count) = (nodes.start, nodes.len());
        let mut edges = vec![Edge { shares: 1.0, ..Edge::default() }; count];
        for at in nodes {
            let Some((feature, left)) = trees.asks(at) else { continue };
            let parent = at - root;
            edges[parent].left = left - root;
            let mut previous = parent;
            while previous > 0 && edges[previous].feature != feature {
                previous = edges[previous].parent;
            }
            for child in [left, left + 1] {
                let share = trees.share(left, child);
                let features = edges[parent].features + usize::from(previous == 0);
                let shares = share * edges[previous].shares;
                edges[child - root] = Edge { parent, left: 0, is_left: child == left, feature, previous, share, shares, features };
            }
        }
        let features = edges.iter().map(|edge| edge.features).max().unwrap_or(0);
        let rule = gauss_legendre(features.div_ceil(2).next_multiple_of(LANES));
        let (points, _) = rule.as_chunks::<LANES>();
        let table = |of: &dyn Fn(&Edge, f64) -> f64| -> Vec<Lanes> {
            edges.iter().flat_map(|edge| points.iter().map(move |points| points.map(|(t, _)| of(edge, t)))).collect()
        };
        // t o + (1 − t) z of a feature that is hot; before it was asked about, z is 1 too.
        let hot = |z: f64, t: f64| t + (1.0 - t) * z;
        let before = |edge: &Edge, t: f64| hot(edges[edge.previous].shares, t);
        let added_before = |edge: &Edge, t: f64| (1.0 - edges[edge.previous].shares) / before(edge, t);
        Self {
            root,
            lanes: points.len(),
            weights: points.iter().map(|points| points.map(|(_, weight)| weight)).collect(),
            stays: table(&|edge, t| hot(edge.shares, t) / before(edge, t)),
            turns: table(&|edge, t| (1.0 - t) * edge.shares / before(edge, t)),
            stays_adds: table(&|edge, t| (1.0 - edge.shares) / hot(edge.shares, t) - added_before(edge, t)),
            turns_adds: table(&|edge, t| -1.0 / (1.0 - t) - added_before(edge, t)),
            edges,
        }
    }

    /// Carries a row's products from the root to every leaf.
    fn down(&self, trees: &Trees, row: &[f64], room: &mut Room) {
        let lanes = self.lanes;
        let Room { products, sums, hot } = room;
        products.resize(self.edges.len() * lanes, [0.0; LANES]);
        sums.resize(self.edges.len() * lanes, [0.0; LANES]);
        hot.resize(self.edges.len(), true);
        products[..lanes].copy_from_slice(&self.weights);
        hot[0] = true;
        for at in 0..self.edges.len() {
            let left = self.edges[at].left;
            if left == 0 {
                continue;
            }
            let answer = trees.answer(self.root + at, row) - self.root;
            for child in [left, left + 1] {
                let edge = &self.edges[child];
                let was_hot = hot[edge.previous];
                hot[child] = was_hot && answer == child;
                let factors = if answer == child { &self.stays } else { &self.turns };
                for lane in 0..lanes {
                    let (from, to) = (at * lanes + lane, child * lanes + lane);
                    let factor = if was_hot { factors[to] } else { [edge.share; LANES] };
                    products[to] = multiplied(products[from], factor);
                }
            }
        }
    }

    /// Carries the sums of the leaves' k-th values up, and adds to each feature what it is worth.
    fn up(&self, trees: &Trees, k: usize, room: &mut Room, values: &mut [f64]) {
        let lanes = self.lanes;
        let Room { products, sums, hot } = room;
        for at in (1..self.edges.len()).rev() {
            let edge = &self.edges[at];
            let is_leaf = edge.left == 0;
            let value = if is_leaf { trees.values(self.root + at)[k] } else { 0.0 };
            let is_live = hot[edge.previous];
            let adds = if hot[at] { &self.stays_adds } else { &self.turns_adds };
            let mut total = [0.0; LANES];
            for lane in 0..lanes {
                let (here, above) = (at * lanes + lane, edge.parent * lanes + lane);
                let sum = if is_leaf { multiplied(products[here], [value; LANES]) } else { sums[here] };
                if is_live {
                    total = added(total, multiplied(sum, adds[here]));
                }
                // The right child comes first.
                sums[above] = if edge.is_left { added(sums[above], sum) } else { sum };
            }
            values[edge.feature] += ((total[0] + total[4]) + (total[1] + total[5])) + ((total[2] + total[6]) + (total[3] + total[7]));
        }
    }
}

// Written out, since builds that are not optimised are in use, too.
fn multiplied(a: Lanes, b: Lanes) -> Lanes {
    [a[0] * b[0], a[1] * b[1], a[2] * b[2], a[3] * b[3], a[4] * b[4], a[5] * b[5], a[6] * b[6], a[7] * b[7]]
}

fn added(a: Lanes, b: Lanes) -> Lanes {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3], a[4] + b[4], a[5] + b[5], a[6] + b[6], a[7] + b[7]]
}

/// Points in 0..1 and their weights; polynomials of a degree below twice their number are integrated exactly. The points are
/// the roots of a Legendre polynomial, found by Newton's method.
fn gauss_legendre(points: usize) -> Vec<(f64, f64)> {
    let count = points as f64;
    let polynomial = |x: f64| {
        let (mut last, mut value) = (0.0, 1.0);
        for j in 0..points {
            let j = j as f64;
            (last, value) = (value, ((2.0 * j + 1.0) * x * value - j * last) / (j + 1.0));
        }
        (value, count * (x * value - last) / (x * x - 1.0))
    };
    let point = |i: usize| {
        let mut x = (PI * (i as f64 + 0.75) / (count + 0.5)).cos();
        for _ in 0..8 {
            let (value, slope) = polynomial(x);
            x -= value / slope;
        }
        let (_, slope) = polynomial(x);
        (f64::midpoint(1.0, x), 1.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..points).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::super::draw::Draw;
    use super::super::tree::{Rule, Tree, bit_set};
    use super::*;

    /// What a tree gives a row of which only some features are known, straight from the definition.
    fn game(trees: &Trees, at: usize, row: &[f64], known: usize) -> Vec<f64> {
        let Some((feature, left)) = trees.asks(at) else { return trees.values(at).to_vec() };
        if known >> feature & 1 == 1 {
            return game(trees, trees.answer(at, row), row, known);
        }
        let both = [left, left + 1].map(|child| (trees.cover(child) / (trees.cover(left) + trees.cover(left + 1)), game(trees, child, row, known)));
        both[0].1.iter().zip(&both[1].1).map(|(a, b)| both[0].0 * a + both[1].0 * b).collect()
    }

    /// Shapley's sum over all sets, features × outputs.
    fn by_enumeration(trees: &Trees, row: &[f64], outputs: usize) -> Vec<Vec<f64>> {
        let features = row.len();
        let worth: Vec<Vec<f64>> = (0..1_usize << features)
            .map(|known| {
                let mut sums = vec![0.0; outputs];
                for (t, root) in trees.roots().enumerate() {
                    for (k, value) in game(trees, root, row, known).into_iter().enumerate() {
                        sums[(t * trees.width() + k) % outputs] += value;
                    }
                }
                sums
            })
            .collect();
        let factorial = |n: usize| (1..=n).map(|i| i as f64).product::<f64>();
        let weight = |size: usize| factorial(size) * factorial(features - size - 1) / factorial(features);
        let value = |feature: usize, output: usize| -> f64 {
            let sets = (0..1_usize << features).filter(|known| known >> feature & 1 == 0);
            sets.map(|known| weight(known.count_ones() as usize) * (worth[known | 1 << feature][output] - worth[known][output])).sum()
        };
        (0..features).map(|feature| (0..outputs).map(|output| value(feature, output)).collect()).collect()
    }

    /// A tree of drawn questions; the last feature has categories.
    fn drawn(features: usize, width: usize, leaves: usize, draw: &mut Draw) -> Tree {
        let mut tree = Tree::new(features, width);
        let mut open = vec![0];
        while open.len() < leaves {
            let node = open.swap_remove(draw.below(open.len()));
            let feature = draw.below(features);
            let rule = if feature + 1 == features {
                let categories: Vec<u32> = (0..6).filter(|_| draw.unit() < 0.5).collect();
                Rule::Category { feature, left: bit_set(&categories).unwrap() }
            } else {
                Rule::Number { feature, threshold: draw.unit() * 4.0, missing_left: draw.unit() < 0.5 }
            };
            let left = tree.split(node, rule);
            open.extend([left, left + 1]);
        }
        for node in open {
            let values: Vec<f64> = (0..width).map(|_| draw.unit() * 10.0 - 5.0).collect();
            tree.set(node, (1.0 + draw.unit() * 20.0).floor(), &values);
        }
        tree.sum_covers();
        tree
    }

    fn cell(draw: &mut Draw) -> f64 {
        if draw.unit() < 0.2 { f64::NAN } else { (draw.unit() * 5.0).floor() }
    }

    #[test]
    fn values_are_those_of_enumerating_all_sets() {
        for (case, (features, width, outputs)) in [(1, 1, 1), (3, 1, 1), (8, 1, 1), (5, 3, 3), (6, 1, 2)].into_iter().enumerate() {
            let mut draw = Draw::new(7, case as u64);
            let mut trees = Trees::new(features, width);
            for leaves in [1, 2, 9, 40] {
                trees.push(drawn(features, width, leaves, &mut draw));
            }
            let rows = 6;
            let columns: Vec<Vec<f64>> = (0..features).map(|_| (0..rows).map(|_| cell(&mut draw)).collect()).collect();
            let found = trees.shapley(&columns, rows, outputs);
            let sums = trees.sums(&columns, rows, outputs);
            for i in 0..rows {
                let row: Vec<f64> = columns.iter().map(|column| column[i]).collect();
                let expected = by_enumeration(&trees, &row, outputs);
                for output in 0..outputs {
                    let mut total = found.base[output];
                    for (values, expected) in found.values[output].iter().zip(&expected) {
                        let (value, expected) = (values[i], expected[output]);
                        assert!((value - expected).abs() < 1e-11, "{case}: {value} {expected}");
                        total += value;
                    }
                    assert!((total - sums[output][i]).abs() < 1e-11);
                }
            }
        }
    }

    /// `shap.TreeExplainer` 0.51 on the same tree: `python tests/golden/shapley.py`.
    #[test]
    fn values_are_those_of_the_shap_package() {
        let mut tree = Tree::new(3, 1);
        let number = |feature, threshold| Rule::Number { feature, threshold, missing_left: true };
        tree.split(0, number(0, 1.5));
        tree.split(1, number(1, 0.5));
        tree.split(2, number(2, 2.5));
        tree.split(5, number(0, 3.5));
        for (node, cover, value) in [(3, 10.0, 1.0), (4, 20.0, -2.0), (6, 5.0, 8.0), (7, 40.0, 3.0), (8, 25.0, 5.5)] {
            tree.set(node, cover, &[value]);
        }
        tree.sum_covers();
        let columns = [vec![1.0, 3.0, 4.0], vec![0.0, 1.0, 0.0], vec![2.0, 2.0, 3.0]];
        let found = tree.trees().shapley(&columns, 3, 1);
        let expected = [[-2.874_038_462, 1.3, -0.100_961_538], [0.754_532_967, -0.15, -0.279_532_967], [2.551_785_714, 0.3, 2.473_214_286]];
        assert!((found.base[0] - 2.675).abs() < 1e-12);
        for (feature, values) in found.values[0].iter().enumerate() {
            for (value, expected) in values.iter().zip(expected) {
                assert!((value - expected[feature]).abs() < 1e-9, "{value} {}", expected[feature]);
            }
        }
    }

    #[test]
    fn deep_trees_lose_no_digits_and_threads_change_no_bit() {
        let features = 120;
        let mut draw = Draw::new(3, 0);
        let mut tree = Tree::new(features, 1);
        let mut node = 0;
        for feature in 0..features - 1 {
            let left = tree.split(node, Rule::Number { feature, threshold: 1.0, missing_left: false });
            tree.set(left, 1.0 + draw.unit() * 3.0, &[draw.unit() * 1e3]);
            node = left + 1;
        }
        tree.set(node, 7.0, &[-3e3]);
        tree.sum_covers();
        let mut trees = Trees::new(features, 1);
        trees.push(tree);
        trees.push(drawn(features, 1, 300, &mut draw));
        let rows = 150;
        let columns: Vec<Vec<f64>> = (0..features).map(|_| (0..rows).map(|_| cell(&mut draw)).collect()).collect();
        let found = trees.shapley(&columns, rows, 1);
        let sums = trees.sums(&columns, rows, 1);
        for row in 0..rows {
            let total: f64 = found.base[0] + found.values[0].iter().map(|values| values[row]).sum::<f64>();
            assert!((total - sums[0][row]).abs() < 1e-9, "{total} {}", sums[0][row]);
        }
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(one.install(|| trees.shapley(&columns, rows, 1)).values, found.values);
    }
}
