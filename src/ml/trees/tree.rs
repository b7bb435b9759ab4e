//! Grown trees: what they are made of, how they predict and how they are kept.
//!
//! A node is 16 bytes: a question with the number of its left child (the right one is next to it), or a leaf, which is
//! a question that always leads back to itself. So several rows go down a tree in step and without branches. Every
//! node keeps its cover, the weight of the training rows that came by, which is what exact SHAP values need.

use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Rows that are turned into rows of numbers at a time.
const BLOCK: usize = 256;
/// Rows that go down a tree in step.
const IN_STEP: usize = 8;

/// A missing value goes left.
const MISSING_LEFT: u32 = 1 << 31;
/// The question is about a set of categories.
const CATEGORY: u32 = 1 << 30;
const FEATURE: u32 = CATEGORY - 1;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Node {
    /// Values up to here go left; of a set of categories its index; of a leaf infinity.
    threshold: f64,
    /// The feature, with flags.
    feature: u32,
    left: u32,
}

impl Node {
    fn leaf(at: usize) -> Self {
        Self { threshold: f64::INFINITY, feature: MISSING_LEFT, left: at as u32 }
    }

    fn is_leaf(self, at: usize) -> bool {
        self.left as usize == at
    }
}

/// What a node asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule {
    /// Values ≤ `threshold` go left, and missing ones where `missing_left` says so.
    Number { feature: usize, threshold: f64, missing_left: bool },
    /// The categories whose bits are set go left; others and missing ones go right.
    Category { feature: usize, left: Vec<u64> },
}

/// A rule with the number of its left child; the right one is the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub rule: Rule,
    pub left: usize,
}

/// One tree that grows.
#[derive(Clone, Debug)]
pub struct Tree(Trees);

impl Tree {
    /// A tree that is one leaf so far, with `width` values a leaf.
    pub fn new(features: usize, width: usize) -> Self {
        let mut trees = Trees::new(features, width);
        trees.roots.push(0);
        trees.leaf();
        Self(trees)
    }

    /// Turns a leaf into a question with two new leaves; gives the number of the left one.
    pub fn split(&mut self, node: usize, rule: Rule) -> usize {
        let trees = &mut self.0;
        let left = trees.nodes.len();
        trees.nodes[node] = match rule {
            Rule::Number { feature, threshold, missing_left } => {
                Node { threshold, feature: feature as u32 | if missing_left { MISSING_LEFT } else { 0 }, left: left as u32 }
            }
            Rule::Category { feature, left: set } => {
                trees.sets.push(set);
                Node { threshold: (trees.sets.len() - 1) as f64, feature: feature as u32 | CATEGORY, left: left as u32 }
            }
        };
        trees.leaf();
        trees.leaf();
        left
    }

    /// What a node gives (0 at questions) and the weight of the rows that came to it.
    pub fn set(&mut self, node: usize, cover: f64, values: &[f64]) {
        let width = self.0.width;
        self.0.cover[node] = cover;
        self.0.values[node * width..(node + 1) * width].copy_from_slice(values);
    }

    /// Gives every question the cover of its children, once the leaves have theirs.
    pub fn sum_covers(&mut self) {
        for node in (0..self.0.nodes.len()).rev() {
            if !self.0.nodes[node].is_leaf(node) {
                let left = self.0.nodes[node].left as usize;
                self.0.cover[node] = self.0.cover[left] + self.0.cover[left + 1];
            }
        }
    }

    pub fn value(&self, node: usize) -> f64 {
        self.0.values[node * self.0.width]
    }

    /// As a model of one tree.
    pub fn trees(&self) -> &Trees {
        &self.0
    }
}

/// Trees one behind the other, whose values add up.
///
/// With one value a leaf and several outputs, tree `t` belongs to output `t % outputs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct Trees {
    features: usize,
    /// Values a leaf gives.
    width: usize,
    /// Each tree's first node.
    roots: Vec<u32>,
    nodes: Vec<Node>,
    cover: Vec<f64>,
    /// nodes × width; 0 at questions.
    values: Vec<f64>,
    sets: Vec<Vec<u64>>,
}

impl Trees {
    pub fn new(features: usize, width: usize) -> Self {
        Self { features, width, roots: Vec::new(), nodes: Vec::new(), cover: Vec::new(), values: Vec::new(), sets: Vec::new() }
    }

    fn leaf(&mut self) {
        self.nodes.push(Node::leaf(self.nodes.len()));
        self.cover.push(0.0);
        self.values.resize(self.nodes.len() * self.width, 0.0);
    }

    /// Adds a tree.
    pub fn push(&mut self, tree: Tree) {
        let (offset, sets) = (self.nodes.len() as u32, self.sets.len());
        let Tree(tree) = tree;
        self.roots.push(offset);
        self.nodes.extend(tree.nodes.into_iter().map(|mut node| {
            node.left += offset;
            if node.feature & CATEGORY != 0 {
                node.threshold += sets as f64;
            }
            node
        }));
        self.cover.extend(tree.cover);
        self.values.extend(tree.values);
        self.sets.extend(tree.sets);
    }

    /// Keeps the first trees only.
    pub fn truncate(&mut self, trees: usize) {
        let Some(end) = self.roots.get(trees).map(|root| *root as usize) else { return };
        let sets = self.nodes[..end].iter().filter(|node| node.feature & CATEGORY != 0).count();
        self.roots.truncate(trees);
        self.nodes.truncate(end);
        self.cover.truncate(end);
        self.values.truncate(end * self.width);
        self.sets.truncate(sets);
    }

    /// The features that rows have.
    pub fn features(&self) -> usize {
        self.features
    }

    /// Values that a leaf gives.
    pub fn width(&self) -> usize {
        self.width
    }

    pub fn len(&self) -> usize {
        self.roots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// How many nodes all trees have.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The first node of each tree.
    pub fn roots(&self) -> impl Iterator<Item = usize> {
        self.roots.iter().map(|root| *root as usize)
    }

    /// What a node asks; nothing where it is a leaf.
    pub fn question(&self, at: usize) -> Option<Question> {
        let node = self.nodes[at];
        if node.is_leaf(at) {
            return None;
        }
        let feature = (node.feature & FEATURE) as usize;
        let rule = if node.feature & CATEGORY == 0 {
            Rule::Number { feature, threshold: node.threshold, missing_left: node.feature & MISSING_LEFT != 0 }
        } else {
            Rule::Category { feature, left: self.sets[node.threshold as usize].clone() }
        };
        Some(Question { rule, left: node.left as usize })
    }

    /// The feature that a node asks about and its left child; nothing where it is a leaf.
    pub(super) fn asks(&self, at: usize) -> Option<(usize, usize)> {
        let node = self.nodes[at];
        (!node.is_leaf(at)).then_some(((node.feature & FEATURE) as usize, node.left as usize))
    }

    /// The child that a row goes to.
    pub(super) fn answer(&self, at: usize, row: &[f64]) -> usize {
        self.step::<true>(at as u32, row) as usize
    }

    /// The values of a leaf.
    pub fn values(&self, at: usize) -> &[f64] {
        &self.values[at * self.width..(at + 1) * self.width]
    }

    /// The weight of the training rows that came to a node.
    pub fn cover(&self, at: usize) -> f64 {
        self.cover[at]
    }

    /// For each feature how many questions are about it, and the cover of those who are asked.
    pub fn questions(&self) -> Vec<(u64, f64)> {
        let mut questions = vec![(0, 0.0); self.features];
        for (at, node) in self.nodes.iter().enumerate().filter(|(at, node)| !node.is_leaf(*at)) {
            let (count, cover) = &mut questions[(node.feature & FEATURE) as usize];
            *count += 1;
            *cover += self.cover[at];
        }
        questions
    }

    pub fn leaves(&self) -> usize {
        self.nodes.iter().enumerate().filter(|(at, node)| node.is_leaf(*at)).count()
    }

    /// The most questions on a path.
    pub fn depth(&self) -> usize {
        let mut depths = vec![0_u32; self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate() {
            if !node.is_leaf(at) {
                let left = node.left as usize;
                depths[left] = depths[at] + 1;
                depths[left + 1] = depths[at] + 1;
            }
        }
        depths.into_iter().max().unwrap_or(0) as usize
    }

    /// Turns every value of a leaf into another.
    pub fn map_values(&mut self, map: impl Fn(f64) -> f64) {
        for at in 0..self.nodes.len() {
            if self.nodes[at].is_leaf(at) {
                self.values[at * self.width..(at + 1) * self.width].iter_mut().for_each(|value| *value = map(*value));
            }
        }
    }

    /// For each output the sum of the trees' values in each row; `columns` are features × rows.
    pub fn sums(&self, columns: &[Vec<f64>], rows: usize, outputs: usize) -> Vec<Vec<f64>> {
        self.sums_of(0..self.len(), columns, rows, outputs)
    }

    /// As [`Trees::sums`], over some of the trees only.
    pub fn sums_of(&self, trees: Range<usize>, columns: &[Vec<f64>], rows: usize, outputs: usize) -> Vec<Vec<f64>> {
        let stride = self.features.max(1);
        let blocks: Vec<Vec<f64>> = (0..rows.div_ceil(BLOCK))
            .into_par_iter()
            .map_init(
                || (vec![0.0; BLOCK * stride], [0_u32; BLOCK]),
                |(block, at), b| {
                    let start = b * BLOCK;
                    let count = BLOCK.min(rows - start);
                    for (j, column) in columns.iter().enumerate() {
                        for (row, x) in block.chunks_exact_mut(stride).zip(&column[start..start + count]) {
                            row[j] = *x;
                        }
                    }
                    let mut sums = vec![0.0; count * outputs];
                    for (t, root) in self.roots.iter().enumerate().take(trees.end).skip(trees.start) {
                        let at = &mut at[..count];
                        at.fill(*root);
                        if self.sets.is_empty() {
                            self.descend::<false>(block, stride, at);
                        } else {
                            self.descend::<true>(block, stride, at);
                        }
                        let first = t * self.width % outputs;
                        if self.width == 1 {
                            for (sums, at) in sums.chunks_exact_mut(outputs).zip(&*at) {
                                sums[first] += self.values[*at as usize];
                            }
                        } else {
                            for (sums, at) in sums.chunks_exact_mut(outputs).zip(&*at) {
                                sums.iter_mut().zip(self.values(*at as usize)).for_each(|(sum, value)| *sum += value);
                            }
                        }
                    }
                    sums
                },
            )
            .collect();
        let mut sums = vec![Vec::with_capacity(rows); outputs];
        for block in blocks {
            for (k, sums) in sums.iter_mut().enumerate() {
                sums.extend(block.iter().skip(k).step_by(outputs));
            }
        }
        sums
    }

    /// Moves rows from where they are to their leaves.
    fn descend<const SETS: bool>(&self, block: &[f64], stride: usize, at: &mut [u32]) {
        for (rows, at) in block.chunks(IN_STEP * stride).zip(at.chunks_mut(IN_STEP)) {
            loop {
                let mut moved = 0;
                for (row, at) in rows.chunks_exact(stride).zip(at.iter_mut()) {
                    let next = self.step::<SETS>(*at, row);
                    moved |= next ^ *at;
                    *at = next;
                }
                if moved == 0 {
                    break;
                }
            }
        }
    }

    #[expect(clippy::needless_bitwise_bool, reason = "a branch would be guessed wrong half of the time")]
    fn step<const SETS: bool>(&self, at: u32, row: &[f64]) -> u32 {
        let node = self.nodes[at as usize];
        let x = row[(node.feature & FEATURE) as usize];
        let right = if SETS && node.feature & CATEGORY != 0 {
            !contains(&self.sets[node.threshold as usize], x)
        } else {
            (x > node.threshold) | (x.is_nan() & (node.feature & MISSING_LEFT == 0))
        };
        node.left + u32::from(right)
    }
}

/// Is the bit of a category set? Only whole numbers are categories.
fn contains(set: &[u64], x: f64) -> bool {
    x >= 0.0 && x.fract() == 0.0 && set.get((x / 64.0) as usize).is_some_and(|word| word >> (x as u64 % 64) & 1 == 1)
}

/// Trees as they are written: lists of nodes, of questions and of leaves.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    features: usize,
    width: usize,
    roots: Vec<u32>,
    cover: Vec<f64>,
    /// A node's left child, counted from the tree's first node; 0 where it is a leaf.
    left: Vec<u32>,
    feature: Vec<u32>,
    /// A number's threshold, or the index in `sets`.
    threshold: Vec<f64>,
    /// Questions that missing values answer with left.
    missing_left: Vec<u32>,
    /// Questions about categories, with the categories that go left.
    sets: Vec<(u32, Vec<u32>)>,
    /// leaves × width.
    values: Vec<f64>,
}

impl From<Trees> for Saved {
    fn from(trees: Trees) -> Self {
        let Trees { features, width, roots, nodes, cover, values, sets } = trees;
        let mut saved = Self {
            features,
            width,
            cover,
            left: Vec::with_capacity(nodes.len()),
            feature: Vec::new(),
            threshold: Vec::new(),
            missing_left: Vec::new(),
            sets: Vec::new(),
            values: Vec::new(),
            roots: Vec::new(),
        };
        let mut tree = 0;
        for (at, node) in nodes.iter().enumerate() {
            if roots.get(tree + 1).is_some_and(|root| *root as usize <= at) {
                tree += 1;
            }
            if node.is_leaf(at) {
                saved.left.push(0);
                saved.values.extend(&values[at * width..(at + 1) * width]);
                continue;
            }
            let question = saved.feature.len() as u32;
            saved.left.push(node.left - roots[tree]);
            saved.feature.push(node.feature & FEATURE);
            if node.feature & CATEGORY != 0 {
                let bits =
                    |(word, bits): (usize, &u64)| (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| word as u32 * 64 + bit).collect::<Vec<_>>();
                saved.threshold.push(0.0);
                saved.sets.push((question, sets[node.threshold as usize].iter().enumerate().flat_map(bits).collect()));
                continue;
            }
            saved.threshold.push(node.threshold);
            if node.feature & MISSING_LEFT != 0 {
                saved.missing_left.push(question);
            }
        }
        saved.roots = roots;
        saved
    }
}

impl TryFrom<Saved> for Trees {
    type Error = String;

    fn try_from(saved: Saved) -> Result<Self, String> {
        read(saved).ok_or_else(|| "its nodes are no trees".to_owned())
    }
}

/// Trees as they were written, if that is what they are: children behind their parents and in the same tree, each the
/// child of one.
fn read(saved: Saved) -> Option<Trees> {
    let Saved { features, width, roots, cover, left, feature, threshold, missing_left, sets, values } = saved;
    let mut flags: Vec<u32> =
        feature.iter().map(|feature| ((*feature as usize) < features && *feature < FEATURE).then_some(*feature)).collect::<Option<_>>()?;
    for question in missing_left {
        *flags.get_mut(question as usize)? |= MISSING_LEFT;
    }
    let mut thresholds = threshold;
    let mut words = Vec::with_capacity(sets.len());
    for (question, categories) in sets {
        let flag = flags.get_mut(question as usize)?;
        let again = *flag & (CATEGORY | MISSING_LEFT) != 0;
        *flag |= CATEGORY;
        *thresholds.get_mut(question as usize)? = words.len() as f64;
        words.push(bit_set(&categories)?);
        if again {
            return None;
        }
    }
    // Before anything is made as large as the numbers say.
    let leaves = left.iter().filter(|left| **left == 0).count();
    let is_sized = leaves.checked_mul(width) == Some(values.len()) && left.len() <= 2 * leaves;
    let whole = is_sized
        && thresholds.len() == flags.len()
        && cover.len() == left.len()
        && thresholds.iter().chain(&cover).chain(&values).all(|value| value.is_finite());
    if !whole || width == 0 || roots.first().is_some_and(|root| *root != 0) || (roots.is_empty() && !left.is_empty()) {
        return None;
    }
    let mut trees = Trees { features, width, roots, nodes: Vec::with_capacity(left.len()), cover, values: vec![0.0; left.len() * width], sets: words };
    let mut questions = flags.into_iter().zip(thresholds);
    let mut leaves = values.chunks_exact(width);
    let mut claimed = vec![false; left.len()];
    for (t, root) in trees.roots.iter().enumerate() {
        let end = trees.roots.get(t + 1).map_or(left.len(), |next| *next as usize);
        if end <= *root as usize || end > left.len() || std::mem::replace(&mut claimed[*root as usize], true) {
            return None;
        }
        for (at, left) in left.iter().enumerate().take(end).skip(*root as usize) {
            if *left == 0 {
                trees.nodes.push(Node::leaf(at));
                trees.values[at * width..(at + 1) * width].copy_from_slice(leaves.next()?);
                continue;
            }
            let child = *root as usize + *left as usize;
            let (feature, threshold) = questions.next()?;
            if child <= at || child + 1 >= end || std::mem::replace(&mut claimed[child], true) || std::mem::replace(&mut claimed[child + 1], true) {
                return None;
            }
            trees.nodes.push(Node { threshold, feature, left: child as u32 });
        }
    }
    (questions.next().is_none() && leaves.next().is_none() && claimed.into_iter().all(|is| is)).then_some(trees)
}

/// Categories as bits; they stay below 65,536.
pub fn bit_set(categories: &[u32]) -> Option<Vec<u64>> {
    let mut words = Vec::new();
    for category in categories {
        let word = *category as usize / 64;
        if word >= 1024 {
            return None;
        }
        if words.len() <= word {
            words.resize(word + 1, 0);
        }
        words[word] |= 1_u64 << (category % 64);
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x0 ≤ 1 (missing left) → 10, else x1 in {2, 70} → 20, else 30; and a tree that is one leaf.
    fn two() -> Trees {
        let mut tree = Tree::new(2, 1);
        let left = tree.split(0, Rule::Number { feature: 0, threshold: 1.0, missing_left: true });
        let next = tree.split(left + 1, Rule::Category { feature: 1, left: bit_set(&[2, 70]).unwrap() });
        for (node, cover, value) in [(left, 1.0, 10.0), (next, 2.0, 20.0), (next + 1, 3.0, 30.0)] {
            tree.set(node, cover, &[value]);
        }
        tree.sum_covers();
        let mut one = Tree::new(2, 1);
        one.set(0, 6.0, &[0.5]);
        let mut trees = Trees::new(2, 1);
        trees.push(one);
        trees.push(tree);
        trees
    }

    #[test]
    fn rows_find_their_leaves() {
        let columns = [vec![1.0, f64::NAN, 2.0, 2.0, 2.0, 2.0, 2.0], vec![0.0, 2.0, 2.0, 70.0, f64::NAN, 2.5, 6.0]];
        assert_eq!(two().sums(&columns, 7, 1), [[10.5, 10.5, 20.5, 20.5, 30.5, 30.5, 30.5]]);
        assert_eq!(two().cover(1), 6.0);
        assert_eq!((two().leaves(), two().depth(), two().len()), (4, 2, 2));
        assert_eq!(two().questions(), [(1, 6.0), (1, 5.0)]);
        let mut first = two();
        first.truncate(1);
        assert_eq!(first.sums(&columns, 7, 1), [[0.5; 7]]);
    }

    #[test]
    fn what_is_written_is_read_back_and_what_is_no_tree_is_refused() {
        let written = serde_json::to_value(two()).unwrap();
        assert_eq!(serde_json::from_value::<Trees>(written.clone()).unwrap(), two());
        let damage = [
            ("left", serde_json::json!([0, 1, 0, 1, 0, 0])),
            ("left", serde_json::json!([0, 1, 0, 9, 0, 0])),
            ("left", serde_json::json!([0, 1, 0, 0, 0, 0])),
            ("roots", serde_json::json!([0, 0])),
            ("roots", serde_json::json!([0, 7])),
            ("roots", serde_json::json!([])),
            ("feature", serde_json::json!([0, 2])),
            ("sets", serde_json::json!([[1, [70_000]]])),
            ("sets", serde_json::json!([[0, [1]]])),
            ("values", serde_json::json!([1.0])),
            ("width", serde_json::json!(0)),
            ("width", serde_json::json!(1_u64 << 63)),
        ];
        for (key, value) in damage {
            let mut bad = written.clone();
            bad[key] = value.clone();
            assert!(serde_json::from_value::<Trees>(bad).is_err(), "{key}: {value}");
        }
    }
}
