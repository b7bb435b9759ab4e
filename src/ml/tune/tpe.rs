//! Tree-structured Parzen estimator: where good trials lie more densely than others, a better one is likely.
//!
//! Source: Bergstra, Bardenet, Bengio and Kégl (2011), Algorithms for Hyper-Parameter Optimization, §4; all parameters together, as in
//! Falkner, Klein and Hutter (2018), BOHB, §3.2: a kernel stands around a whole point, so that parameters that hang together are drawn
//! together. Coordinates lie in 0..1, where what is drawn at random is even. Kernels are logistic, cut off at 0 and 1, which need no
//! approximation; their width follows Scott's rule. One even component stands for the prior.

use super::space::{Space, level};
use crate::ml::trees::draw::Draw;

/// Draws of which the most promising one is taken.
const CANDIDATES: usize = 24;
/// At most so many trials count as good.
const MOST_GOOD: usize = 25;
/// The deviation of a kernel, but for the factor of Scott's rule.
const WIDTH: f64 = 0.15;
/// How much of a kernel lies on other levels than its own.
const ELSEWHERE: f64 = 0.3;

/// A point that promises a low loss, given points and their losses (infinite for those that failed) in the order of trials.
pub(super) fn propose(space: &Space, trials: &[(&[f64], f64)], draw: &mut Draw) -> Vec<f64> {
    let mut order: Vec<usize> = (0..trials.len()).collect();
    order.sort_by(|a, b| trials[*a].1.total_cmp(&trials[*b].1).then(a.cmp(b)));
    let good = ((0.5 * (trials.len() as f64).sqrt()).ceil() as usize).clamp(1, MOST_GOOD).min(trials.len());
    let (good, others) = order.split_at(good);
    let levels: Vec<Option<usize>> = space.0.iter().map(|dimension| dimension.distribution.levels()).collect();
    let density = |rows: &[usize]| Density::of(rows.iter().map(|row| trials[*row].0), &levels);
    let (good, others) = (density(good), density(others));
    let mut best = (f64::NEG_INFINITY, vec![0.5; levels.len()]);
    for _ in 0..CANDIDATES {
        let point = good.draw(draw);
        let gain = good.at(&point).ln() - others.at(&point).ln();
        if gain > best.0 {
            best = (gain, point);
        }
    }
    best.1
}

/// How densely points lie in the cube.
struct Density {
    levels: Vec<Option<usize>>,
    /// One entry a point, one kernel a coordinate.
    kernels: Vec<Vec<Kernel>>,
}

enum Kernel {
    /// One of so many levels.
    Level { own: usize, count: usize },
    /// A logistic distribution, and what of it lies below 0 and between 0 and 1.
    Line { centre: f64, scale: f64, below: f64, inside: f64 },
}

impl Density {
    fn of<'a>(points: impl ExactSizeIterator<Item = &'a [f64]>, levels: &[Option<usize>]) -> Self {
        let width = WIDTH * (points.len().max(1) as f64).powf(-1.0 / (levels.len() + 4) as f64);
        let kernel = |(coordinate, levels): (&f64, &Option<usize>)| match levels {
            Some(count) => Kernel::Level { own: level(*coordinate, *count), count: *count },
            None => Kernel::line(*coordinate, width),
        };
        Self { levels: levels.to_vec(), kernels: points.map(|point| point.iter().zip(levels).map(kernel).collect()).collect() }
    }

    fn draw(&self, draw: &mut Draw) -> Vec<f64> {
        match self.kernels.get(draw.below(self.kernels.len() + 1)) {
            Some(kernels) => kernels.iter().map(|kernel| kernel.draw(draw)).collect(),
            None => self.levels.iter().map(|_| draw.unit()).collect(),
        }
    }

    fn at(&self, point: &[f64]) -> f64 {
        let product = |kernels: &Vec<Kernel>| kernels.iter().zip(point).map(|(kernel, x)| kernel.at(*x)).product::<f64>();
        (1.0 + self.kernels.iter().map(product).sum::<f64>()) / (self.kernels.len() + 1) as f64
    }
}

impl Kernel {
    /// `width` is the standard deviation before it is cut off.
    fn line(centre: f64, width: f64) -> Self {
        let scale = width * 3.0_f64.sqrt() / std::f64::consts::PI;
        let cumulative = |x: f64| 1.0 / (1.0 + (-(x - centre) / scale).exp());
        Self::Line { centre, scale, below: cumulative(0.0), inside: cumulative(1.0) - cumulative(0.0) }
    }

    fn draw(&self, draw: &mut Draw) -> f64 {
        match self {
            Self::Level { own, count } => {
                let drawn = if draw.unit() < ELSEWHERE { draw.below(*count) } else { *own };
                (drawn as f64 + 0.5) / *count as f64
            }
            Self::Line { centre, scale, below, inside } => {
                let share = (below + draw.unit() * inside).clamp(1e-12, 1.0 - 1e-12);
                (centre + scale * (share / (1.0 - share)).ln()).clamp(0.0, 1.0)
            }
        }
    }

    fn at(&self, x: f64) -> f64 {
        match self {
            Self::Level { own, count } if level(x, *count) == *own => *count as f64 * (1.0 - ELSEWHERE) + ELSEWHERE,
            Self::Level { .. } => ELSEWHERE,
            Self::Line { centre, scale, inside, .. } => {
                let e = (-((x - centre) / scale).abs()).exp();
                e / (scale * (1.0 + e).powi(2) * inside)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_density_sums_to_one_and_draws_follow_it() {
        let points: [&[f64]; 3] = [&[0.1, 0.1], &[0.12, 0.6], &[0.9, 0.9]];
        let density = Density::of(points.into_iter(), &[None, Some(4)]);
        let mass = |columns: std::ops::Range<u32>| -> f64 {
            columns
                .flat_map(|i| (0..4).map(move |level| [(f64::from(i) + 0.5) / 1e3, (f64::from(level) + 0.5) / 4.0]))
                .map(|point| density.at(&point))
                .sum::<f64>()
                / 4e3
        };
        let total = mass(0..1000);
        assert!((total - 1.0).abs() < 1e-4, "{total}");
        let mut draw = Draw::new(1, 1);
        let low = (0..20_000).filter(|_| density.draw(&mut draw)[0] < 0.25).count() as f64 / 2e4;
        assert!((low - mass(0..250)).abs() < 0.01, "{low} {}", mass(0..250));
    }
}
