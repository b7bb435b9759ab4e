//! A climb from cheap parameters to better ones: each step tries two opposite directions and goes where it is better.
//!
//! Source: Wu, Wang and Huang (2021), Frugal Optimization for Cost-related Hyperparameters: who starts where fits are quick and takes
//! small steps meets dear parameters only where the way to good ones leads through them. Unlike there both directions are always tried,
//! so that what comes next does not wait for one of them. Many rows are not learned from at once: the first steps see a part of them, and
//! each time the best point so far is tried again on more.

use crate::ml::trees::draw::Draw;

/// How far a step goes in each coordinate, about.
const STEP: f64 = 0.1;
/// Steps that led nowhere before the next ones are shorter.
const PATIENCE: usize = 4;
/// How much shorter.
const SHORTER: f64 = 0.5;
/// Below this the climb begins anew around the best point, with long steps.
const SHORTEST: f64 = 0.02;
/// How long those are.
const LONG: f64 = 0.3;
/// The first steps see so many rows.
const FEWEST_ROWS: f64 = 10_000.0;
/// The next ones see so many times as many.
const FACTOR: f64 = 4.0;
/// Trials on a part of the rows: its first point and three steps.
const TRIALS: usize = 7;

/// The points to be tried next and the share of the rows that they learn from, given the points that were tried and their losses
/// (infinite for those that failed). `draw` gives the draws of a trial's number.
pub(super) fn next(start: &[f64], seen: &[(&[f64], f64)], rows: usize, draw: impl Fn(usize) -> Draw) -> (Vec<Vec<f64>>, f64) {
    let shares = shares(rows);
    let stage = (seen.len() / TRIALS).min(shares.len() - 1);
    let share = shares.get(stage).copied().unwrap_or(1.0);
    let mut at = start.to_vec();
    for earlier in seen.chunks(TRIALS).take(stage) {
        at = Climb::over(&at, earlier).at;
    }
    let Some(climb) = seen.get(stage * TRIALS..).filter(|seen| !seen.is_empty()).map(|seen| Climb::over(&at, seen)) else {
        return (vec![at], share);
    };
    let direction = direction(start.len(), &mut draw(seen.len()));
    let step = |sign: f64| climb.at.iter().zip(&direction).map(|(x, d)| (x + sign * climb.step * d).clamp(0.0, 1.0)).collect();
    (vec![step(1.0), step(-1.0)], share)
}

/// The share of the rows in each stage; the last has all, and no end.
fn shares(rows: usize) -> Vec<f64> {
    let mut shares = vec![1.0];
    while shares.last().is_some_and(|share| share / FACTOR * rows as f64 >= FEWEST_ROWS) {
        shares.push(shares.last().map_or(1.0, |share| share / FACTOR));
    }
    shares.reverse();
    shares
}

/// Where a climb stands.
struct Climb {
    at: Vec<f64>,
    loss: f64,
    step: f64,
    stale: usize,
}

impl Climb {
    /// Goes again the way of a stage: its first point, then pairs.
    fn over(start: &[f64], seen: &[(&[f64], f64)]) -> Self {
        let mut climb = Self { at: start.to_vec(), loss: f64::INFINITY, step: STEP, stale: 0 };
        let Some(((point, loss), pairs)) = seen.split_first() else { return climb };
        (climb.at, climb.loss) = (point.to_vec(), *loss);
        for pair in pairs.chunks(2) {
            match pair.iter().min_by(|a, b| a.1.total_cmp(&b.1)) {
                Some((point, loss)) if *loss < climb.loss => {
                    (climb.at, climb.loss, climb.stale) = (point.to_vec(), *loss, 0);
                }
                _ => climb.stale += 1,
            }
            if climb.stale == PATIENCE {
                climb.stale = 0;
                climb.step = if climb.step * SHORTER < SHORTEST { LONG } else { climb.step * SHORTER };
            }
        }
        climb
    }
}

/// A direction, each as likely, as long as the diagonal of the cube.
fn direction(width: usize, draw: &mut Draw) -> Vec<f64> {
    // Box and Muller (1958).
    let normal = |draw: &mut Draw| (-2.0 * (1.0 - draw.unit()).ln()).sqrt() * (std::f64::consts::TAU * draw.unit()).cos();
    let drawn: Vec<f64> = (0..width).map(|_| normal(draw)).collect();
    let length = drawn.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-12);
    drawn.into_iter().map(|x| x / length * (width as f64).sqrt()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goes `count` trials from a corner; gives the best loss, and the share of the rows in each trial.
    fn climbed(seed: u64, count: usize, rows: usize, loss: impl Fn(&[f64], f64) -> f64) -> (f64, Vec<f64>) {
        let (mut seen, mut shares): (Vec<(Vec<f64>, f64)>, Vec<f64>) = (Vec::new(), Vec::new());
        while seen.len() < count {
            let known: Vec<(&[f64], f64)> = seen.iter().map(|(point, loss)| (point.as_slice(), *loss)).collect();
            let (points, share) = next(&[0.1, 0.1, 0.5], &known, rows, |number| Draw::new(seed, number as u64));
            seen.extend(points.into_iter().map(|point| {
                let loss = loss(&point, share);
                shares.push(share);
                (point, loss)
            }));
        }
        (seen.iter().map(|(_, loss)| *loss).fold(f64::INFINITY, f64::min), shares)
    }

    #[test]
    fn it_gets_to_where_it_is_better() {
        let bowl = |point: &[f64], _: f64| point.iter().zip([0.7, 0.4, 0.9]).map(|(x, best)| (x - best) * (x - best)).sum::<f64>();
        let start = bowl(&[0.1, 0.1, 0.5], 1.0);
        for seed in 0..20 {
            let (best, shares) = climbed(seed, 61, 5_000, bowl);
            assert!(best < 0.05 * start, "{seed}: {best} of {start}");
            assert!(shares.iter().all(|share| *share == 1.0));
        }
    }

    #[test]
    fn many_rows_are_seen_in_stages_and_failures_are_no_progress() {
        let (_, shares) = climbed(3, 20, 200_000, |_, _| f64::INFINITY);
        let stages: Vec<f64> = [[1.0 / 16.0; 7], [0.25; 7]].concat().into_iter().chain([1.0; 7]).collect();
        assert_eq!(shares, stages);
    }
}
