//! One tree grown from gradients: leaf by leaf, the one that gains most first, or level by level.

use std::ops::Range;

use super::bins::{Binned, Meaning};
use super::boost::Growth;
use super::draw::Draw;
use super::histogram::{Histogram, Histograms, Quantised, Sums, subtract};
use super::partition::Partition;
use super::split::{Cut, Rules, Search, Split};
use super::tree::{Rule, Tree, bit_set};

/// Histograms of all leaves take at most as many bytes; where they would take more, none is kept.
const HISTOGRAM_BYTES: usize = 1 << 30;

/// How far a tree may grow.
#[derive(Clone, Debug)]
pub struct Shape {
    pub growth: Growth,
    pub most_leaves: usize,
    /// Questions on a path.
    pub most_depth: usize,
    /// The share of the tree's features that each node looks at.
    pub node_fraction: f64,
    /// Sets of features that may follow each other on a path; none: all may.
    pub together: Vec<Vec<usize>>,
}

/// A leaf of a grown tree.
pub struct Leaf {
    pub node: usize,
    /// Its rows among those that the tree was grown from, and among the others.
    pub rows: Range<usize>,
    pub others: Range<usize>,
    /// Bounds of its value.
    pub bounds: (f64, f64),
}

/// A tree whose leaves have no values yet.
pub struct Grown {
    pub tree: Tree,
    pub leaves: Vec<Leaf>,
    /// What splits by each feature gained.
    pub gains: Vec<f64>,
}

/// A leaf that may become a question.
struct Open {
    leaf: Leaf,
    depth: usize,
    sums: Sums,
    /// The sets that hold all features on its path.
    together: Vec<usize>,
    histogram: Option<Histogram>,
    split: Option<Split>,
}

/// Grows one tree after the other in the same memory.
pub struct Grower<'a> {
    binned: &'a Binned,
    rules: &'a Rules,
    shape: &'a Shape,
    histograms: Histograms<'a>,
    room: Vec<Histogram>,
    /// Rows that the next tree is grown from, and those it leaves out.
    pub rows: Partition,
    pub others: Partition,
}

impl<'a> Grower<'a> {
    pub fn new(binned: &'a Binned, by_row: &'a [u8], rules: &'a Rules, shape: &'a Shape) -> Self {
        let histograms = Histograms::new(binned, by_row);
        Self { binned, rules, shape, histograms, room: Vec::new(), rows: Partition::default(), others: Partition::default() }
    }

    /// A tree of the `used` features.
    pub fn grow(&mut self, quantised: &Quantised, used: &[usize], draw: &mut Draw) -> Grown {
        let mut tree = Tree::new(self.binned.width(), 1);
        let mut gains = vec![0.0; self.binned.width()];
        let bounds = (f64::NEG_INFINITY, f64::INFINITY);
        let leaf = Leaf { node: 0, rows: 0..self.rows.rows.len(), others: 0..self.others.rows.len(), bounds };
        let together = (0..self.shape.together.len()).collect();
        let mut root = Open { leaf, depth: 0, sums: Sums::default(), together, histogram: None, split: None };
        if let Some(first) = used.first()
            && self.shape.most_leaves > 1
        {
            let histogram = self.filled(&root, quantised, used);
            root.sums = histogram[self.histograms.range(*first)].iter().fold(Sums::default(), |sum, more| sum + *more);
            let features = self.features(&root, used, draw);
            root.split = self.search(&root, &histogram, quantised, &features);
            root.histogram = Some(histogram);
        }
        let keep = self.histograms.len() * size_of::<Sums>() * self.shape.most_leaves <= HISTOGRAM_BYTES;
        let mut open = vec![root];
        while open.len() < self.shape.most_leaves
            && let Some(next) = self.next(&open)
        {
            let is_last = open.len() + 1 == self.shape.most_leaves;
            let parent = &mut open[next];
            let Some(split) = parent.split.take() else { break };
            gains[split.feature] += split.gain;
            let histogram = parent.histogram.take();
            let (mut left, mut right) = self.part(parent, &split, &mut tree);
            if is_last {
                self.room.extend(histogram);
            } else {
                let wanted = [&left, &right].map(|child| self.may_split(child));
                self.children(histogram, [&mut left, &mut right], wanted, quantised, used, draw);
                if !keep {
                    self.room.extend([&mut left, &mut right].into_iter().filter_map(|child| child.histogram.take()));
                }
            }
            open[next] = left;
            open.push(right);
        }
        self.room.extend(open.iter_mut().filter_map(|open| open.histogram.take()));
        Grown { tree, leaves: open.into_iter().map(|open| open.leaf).collect(), gains }
    }

    /// The leaf that is split next.
    fn next(&self, open: &[Open]) -> Option<usize> {
        let mut best: Option<(usize, f64, usize)> = None;
        for (i, open) in open.iter().enumerate() {
            let Some(split) = &open.split else { continue };
            let is_better = best.is_none_or(|(_, gain, depth)| match self.shape.growth {
                Growth::LeafWise => split.gain > gain,
                Growth::DepthWise => open.depth < depth || (open.depth == depth && split.gain > gain),
            });
            if is_better {
                best = Some((i, split.gain, open.depth));
            }
        }
        best.map(|(i, ..)| i)
    }

    fn may_split(&self, open: &Open) -> bool {
        open.depth < self.shape.most_depth && open.leaf.rows.len() as u64 >= 2 * self.rules.min_rows.max(1)
    }

    /// Asks the question: two leaves where there was one.
    fn part(&mut self, parent: &Open, split: &Split, tree: &mut Tree) -> (Open, Open) {
        let feature = &self.binned.features[split.feature];
        let rule = match (&split.cut, &feature.meaning) {
            (Cut::Categories(bins), Meaning::Category { codes }) => {
                let left: Vec<u32> = bins.iter().filter_map(|bin| codes.get(*bin).copied()).collect();
                Rule::Category { feature: split.feature, left: bit_set(&left).unwrap_or_default() }
            }
            (Cut::Number { bin, missing_left }, _) => Rule::Number { feature: split.feature, threshold: feature.threshold(*bin), missing_left: *missing_left },
            (Cut::Categories(_), Meaning::Number { .. }) => Rule::Category { feature: split.feature, left: Vec::new() },
        };
        let node = tree.split(parent.leaf.node, rule);
        let (goes_left, column) = (split.goes_left(feature), &self.binned.columns[split.feature]);
        let (rows, others) = (parent.leaf.rows.clone(), parent.leaf.others.clone());
        let middle = self.rows.part(rows.clone(), column, &goes_left);
        let others_middle = self.others.part(others.clone(), column, &goes_left);
        // A monotone feature keeps both sides' later values apart.
        let (mut left_bounds, mut right_bounds) = (parent.leaf.bounds, parent.leaf.bounds);
        let between = split.values.0 / 2.0 + split.values.1 / 2.0;
        match self.rules.monotone.get(split.feature) {
            Some(1) => (left_bounds.1, right_bounds.0) = (between, between),
            Some(-1) => (left_bounds.0, right_bounds.1) = (between, between),
            _ => {}
        }
        let together: Vec<usize> = parent.together.iter().copied().filter(|set| self.shape.together[*set].contains(&split.feature)).collect();
        let child = |node, rows, others, bounds, sums| Open {
            leaf: Leaf { node, rows, others, bounds },
            depth: parent.depth + 1,
            sums,
            together: together.clone(),
            histogram: None,
            split: None,
        };
        (
            child(node, rows.start..middle, others.start..others_middle, left_bounds, split.left),
            child(node + 1, middle..rows.end, others_middle..others.end, right_bounds, parent.sums - split.left),
        )
    }

    /// Gives two children their histograms and best splits, as far as they are wanted.
    fn children(&mut self, parent: Option<Histogram>, children: [&mut Open; 2], wanted: [bool; 2], quantised: &Quantised, used: &[usize], draw: &mut Draw) {
        let [left, right] = children;
        let left_is_smaller = left.leaf.rows.len() <= right.leaf.rows.len();
        let (smaller, larger) = if left_is_smaller { (&mut *left, &mut *right) } else { (&mut *right, &mut *left) };
        let [wants_smaller, wants_larger] = if left_is_smaller { wanted } else { [wanted[1], wanted[0]] };
        if wants_smaller || (wants_larger && parent.is_some()) {
            smaller.histogram = Some(self.filled(smaller, quantised, used));
        }
        match (parent, &smaller.histogram) {
            (Some(mut parent), Some(sums)) if wants_larger => {
                for feature in used {
                    let range = self.histograms.range(*feature);
                    subtract(&mut parent[range.clone()], &sums[range]);
                }
                larger.histogram = Some(parent);
            }
            (parent, _) => {
                self.room.extend(parent);
                if wants_larger {
                    larger.histogram = Some(self.filled(larger, quantised, used));
                }
            }
        }
        let of_left = if wanted[0] { self.features(left, used, draw) } else { Vec::new() };
        let of_right = if wanted[1] { self.features(right, used, draw) } else { Vec::new() };
        let search = |open: &Open, features: &[usize]| open.histogram.as_ref().and_then(|histogram| self.search(open, histogram, quantised, features));
        (left.split, right.split) = rayon::join(|| search(left, &of_left), || search(right, &of_right));
    }

    fn filled(&mut self, open: &Open, quantised: &Quantised, used: &[usize]) -> Histogram {
        let mut histogram = self.room.pop().unwrap_or_else(|| vec![Sums::default(); self.histograms.len()]);
        self.histograms.fill(&mut histogram, &self.rows.rows[open.leaf.rows.clone()], quantised, used);
        histogram
    }

    /// The features that a node may ask about.
    fn features(&self, open: &Open, used: &[usize], draw: &mut Draw) -> Vec<usize> {
        let may = |feature: &usize| self.shape.together.is_empty() || open.together.iter().any(|set| self.shape.together[*set].contains(feature));
        let features: Vec<usize> = used.iter().copied().filter(may).collect();
        if self.shape.node_fraction < 1.0 {
            let count = (features.len() as f64 * self.shape.node_fraction).ceil() as usize;
            return draw.some(&features, count.max(1));
        }
        features
    }

    fn search(&self, open: &Open, histogram: &[Sums], quantised: &Quantised, features: &[usize]) -> Option<Split> {
        let search = Search { binned: self.binned, rules: self.rules, quantised, sums: open.sums, bounds: open.leaf.bounds };
        search.best(&self.histograms, histogram, features)
    }
}
