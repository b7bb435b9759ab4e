//! The minimum of a convex function of coefficients whose value is a pass over the rows.
//!
//! Newton's method with step halving. An L1 penalty keeps the pass and solves each step's quadratic model by
//! coordinate descent (proximal Newton: Lee, Sun and Saunders 2014). With sparse columns the Hessian is not made: the step
//! comes from conjugate gradients, which ask for its product with a direction, a pass each, first roughly and then ever more
//! exactly (Nocedal and Wright, Numerical Optimization, algorithm 7.1). Where the Hessian of dense columns would be too wide, L-BFGS
//! (algorithm 7.4 there) takes gradients only.

use crate::error::Result;
use crate::ml::linalg::{Quadratic, Solver, Symmetric, descend, dot};

/// With more coefficients than this, gradients take the place of Hessians, unless there is an L1 penalty.
const WIDEST_HESSIAN: usize = 1000;
/// Step halvings before a step is given up.
const HALVINGS: usize = 40;
/// A fall that is promised to be less than this share of the value is rounding.
const FLAT: f64 = 1e-9;
/// Steps that L-BFGS remembers.
const MEMORY: usize = 10;
/// Conjugate gradients that are taken for one step at most.
const MOST_GRADIENTS: usize = 500;
/// What one step leaves of the gradient: no more than the first and, in the end, no more than the second share.
const SHARES_LEFT: [f64; 2] = [0.1, 1e-8];
/// L-BFGS steps are cheap: this many of them for each one of `max_iter`.
const STEPS_A_NEWTON_STEP: usize = 20;

/// A function to be minimised: a smooth convex part and Σ l1ⱼ|xⱼ|.
pub trait Objective {
    /// The smooth part, infinite where it is not defined; its Hessian only if it is wanted.
    ///
    /// # Errors
    /// Where reading rows fails.
    fn evaluate(&self, at: &[f64], with_hessian: bool) -> Result<Evaluation>;

    /// The factors of |xⱼ|, all of them or none.
    fn l1(&self) -> &[f64] {
        &[]
    }

    /// Is there [`Objective::product`] in place of the Hessian?
    fn has_products(&self) -> bool {
        false
    }

    /// The Hessian at a point times a direction.
    ///
    /// # Errors
    /// As [`Objective::evaluate`].
    fn product(&self, at: &[f64], direction: &[f64]) -> Result<Vec<f64>>;

    /// About the Hessian's diagonal.
    fn curvatures(&self) -> Vec<f64>;
}

/// The smooth part at a point, with its derivatives.
pub struct Evaluation {
    pub value: f64,
    pub gradient: Vec<f64>,
    /// Empty where it was not wanted.
    pub hessian: Symmetric,
}

/// When to stop.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Newton steps.
    pub max_iter: usize,
    /// No unknown moves by more, where it is below one; else by more than this share of the largest.
    pub tol: f64,
}

/// Where the search ended.
pub struct Found {
    pub at: Vec<f64>,
    /// Of the smooth part.
    pub value: f64,
    pub settled: bool,
}

/// Searches from a starting point where the function is defined.
///
/// # Errors
/// As [`Objective::evaluate`].
pub fn minimise(objective: &impl Objective, start: Vec<f64>, limits: Limits) -> Result<Found> {
    let is_narrow = start.len() <= WIDEST_HESSIAN || !is_smooth(objective);
    if is_narrow || objective.has_products() { newton(objective, start, limits) } else { lbfgs(objective, start, limits) }
}

/// Is there no L1 penalty?
pub fn is_smooth(objective: &impl Objective) -> bool {
    objective.l1().iter().all(|l1| *l1 == 0.0)
}

fn newton(objective: &impl Objective, start: Vec<f64>, limits: Limits) -> Result<Found> {
    let mut at = start;
    let with_hessian = !objective.has_products();
    let mut here = objective.evaluate(&at, with_hessian)?;
    let (inverse, first) = (inverses(objective), here.gradient.clone());
    let ones = vec![1.0; at.len()];
    let smooth = is_smooth(objective);
    for _ in 0..limits.max_iter {
        let step: Vec<f64> = if !with_hessian {
            let share = (size(&here.gradient, &inverse) / size(&first, &inverse)).clamp(SHARES_LEFT[1], SHARES_LEFT[0]);
            conjugate_gradients(objective, &at, &here.gradient, &inverse, share)?
        } else if smooth {
            Solver::new(&here.hessian, &ones).solve(&here.gradient).iter().map(|x| -x).collect()
        } else {
            let linear: Vec<f64> = here.hessian.times(&at).iter().zip(&here.gradient).map(|(hx, g)| hx - g).collect();
            let none = vec![0.0; at.len()];
            let mut target = at.clone();
            let function = Quadratic { matrix: &here.hessian, linear: &linear, l1: objective.l1(), l2: &none };
            descend(&function, &mut target, 0.01 * limits.tol, 10_000);
            target.iter().zip(&at).map(|(target, x)| target - x).collect()
        };
        let moved = match search(objective, &at, &here, &step, with_hessian)? {
            Search::Lower { next, there, share } => {
                (at, here) = (next, there);
                share * largest(&step)
            }
            // No step lowers the value any more: this is the optimum up to rounding.
            Search::Flat => return Ok(Found { at, value: here.value, settled: true }),
            Search::Stuck => return Ok(Found { at, value: here.value, settled: false }),
        };
        if moved <= limits.tol * largest(&at).max(1.0) {
            return Ok(Found { at, value: here.value, settled: true });
        }
    }
    Ok(Found { at, value: here.value, settled: false })
}

/// About the inverse Hessian's diagonal.
fn inverses(objective: &impl Objective) -> Vec<f64> {
    objective.curvatures().iter().map(|d| if *d > 0.0 { 1.0 / d } else { 0.0 }).collect()
}

/// A gradient's length where every curvature is one.
fn size(gradient: &[f64], inverse: &[f64]) -> f64 {
    gradient.iter().zip(inverse).map(|(g, d)| g * g * d).sum::<f64>().sqrt()
}

/// −H⁻¹·gradient, up to a share of the gradient that is left.
fn conjugate_gradients(objective: &impl Objective, at: &[f64], gradient: &[f64], inverse: &[f64], share: f64) -> Result<Vec<f64>> {
    let mut step = vec![0.0; at.len()];
    let mut left: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let scaled = |left: &[f64]| -> Vec<f64> { left.iter().zip(inverse).map(|(r, d)| r * d).collect() };
    let mut direction = scaled(&left);
    let mut square = dot(&left, &direction);
    let enough = share * share * square;
    for _ in 0..MOST_GRADIENTS.min(2 * at.len()) {
        let product = objective.product(at, &direction)?;
        let curvature = dot(&direction, &product);
        // Nothing is left, or nothing curves that way.
        if !(square > 0.0 && curvature > 0.0) {
            break;
        }
        let length = square / curvature;
        step.iter_mut().zip(&direction).for_each(|(s, d)| *s += length * d);
        left.iter_mut().zip(&product).for_each(|(r, p)| *r -= length * p);
        let next = scaled(&left);
        let before = std::mem::replace(&mut square, dot(&left, &next));
        if square <= enough {
            break;
        }
        direction.iter_mut().zip(next).for_each(|(d, z)| *d = z + square / before * *d);
    }
    Ok(step)
}

enum Search {
    Lower {
        next: Vec<f64>,
        there: Evaluation,
        /// Of the step that was taken.
        share: f64,
    },
    /// The step promised nothing but rounding.
    Flat,
    /// The step promised a fall that no share of it gave.
    Stuck,
}

/// Halves a step until the value falls enough (Armijo).
fn search(objective: &impl Objective, at: &[f64], here: &Evaluation, step: &[f64], with_hessian: bool) -> Result<Search> {
    let lengths = |x: &[f64]| x.iter().zip(objective.l1()).map(|(x, l1)| l1 * x.abs()).sum::<f64>();
    let start = here.value + lengths(at);
    let whole: Vec<f64> = at.iter().zip(step).map(|(x, s)| x + s).collect();
    let slope = dot(&here.gradient, step) + lengths(&whole) - lengths(at);
    let mut share = 1.0;
    for _ in 0..HALVINGS {
        let next: Vec<f64> = at.iter().zip(step).map(|(x, s)| x + share * s).collect();
        let there = objective.evaluate(&next, with_hessian)?;
        let value = there.value + lengths(&next);
        if value.is_finite() && value <= start + 1e-4 * share * slope.min(0.0) + 8.0 * f64::EPSILON * start.abs() {
            return Ok(Search::Lower { next, there, share });
        }
        share /= 2.0;
    }
    Ok(if slope.abs() <= FLAT * start.abs() { Search::Flat } else { Search::Stuck })
}

fn lbfgs(objective: &impl Objective, start: Vec<f64>, limits: Limits) -> Result<Found> {
    let mut at = start;
    let mut here = objective.evaluate(&at, false)?;
    let inverse = inverses(objective);
    let mut memory: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
    for _ in 0..limits.max_iter.saturating_mul(STEPS_A_NEWTON_STEP) {
        let step = two_loops(&here.gradient, &memory, &inverse);
        let (next, there) = match search(objective, &at, &here, &step, false)? {
            Search::Lower { next, there, .. } => (next, there),
            Search::Flat | Search::Stuck if !memory.is_empty() => {
                memory.clear();
                continue;
            }
            end => return Ok(Found { at, value: here.value, settled: matches!(end, Search::Flat) }),
        };
        let moves: Vec<f64> = next.iter().zip(&at).map(|(a, b)| a - b).collect();
        let turns: Vec<f64> = there.gradient.iter().zip(&here.gradient).map(|(a, b)| a - b).collect();
        (at, here) = (next, there);
        let newton_like = here.gradient.iter().zip(&inverse).fold(0.0_f64, |most, (g, d)| most.max((g * d).abs()));
        if newton_like <= limits.tol * largest(&at).max(1.0) {
            return Ok(Found { at, value: here.value, settled: true });
        }
        if dot(&moves, &turns) > 0.0 {
            if memory.len() == MEMORY {
                memory.remove(0);
            }
            memory.push((moves, turns));
        }
    }
    Ok(Found { at, value: here.value, settled: false })
}

/// −H·gradient, where H is the inverse Hessian as the remembered steps and the diagonal tell it.
fn two_loops(gradient: &[f64], memory: &[(Vec<f64>, Vec<f64>)], inverse: &[f64]) -> Vec<f64> {
    let mut q = gradient.to_vec();
    let mut shares = Vec::with_capacity(memory.len());
    for (moves, turns) in memory.iter().rev() {
        let share = dot(moves, &q) / dot(moves, turns);
        q.iter_mut().zip(turns).for_each(|(q, y)| *q -= share * y);
        shares.push(share);
    }
    q.iter_mut().zip(inverse).for_each(|(q, d)| *q *= d);
    for ((moves, turns), share) in memory.iter().zip(shares.iter().rev()) {
        let back = dot(turns, &q) / dot(moves, turns);
        q.iter_mut().zip(moves).for_each(|(q, s)| *q += (share - back) * s);
    }
    for q in &mut q {
        *q = -*q;
    }
    q
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, value| most.max(value.abs()))
}
