//! What grown trees must hold, whatever they learn from.

use super::bins::Binned;
use super::boost::{Boosting, Growth, Validation};
use super::cart::{Cart, Rows, Thresholds};
use super::draw::Draw;
use super::grow::Shape;
use super::objective::{Objective, Targets};
use super::split::Rules;
use super::tree::{Rule, Trees};
use crate::ml::{Deadline, Rounds};

fn boosting(objective: Objective) -> Boosting {
    Boosting {
        objective,
        rounds: 20,
        learning_rate: 0.3,
        shape: Shape { growth: Growth::LeafWise, most_leaves: 15, most_depth: usize::MAX, node_fraction: 1.0, together: Vec::new() },
        rules: Rules {
            l1: 0.0,
            l2: 0.0,
            min_rows: 5,
            min_hessian: 1e-3,
            min_gain: 0.0,
            cat_smooth: 10.0,
            cat_l2: 10.0,
            min_rows_per_group: 5,
            most_categories: 32,
            monotone: Vec::new(),
        },
        row_fraction: 1.0,
        row_every: 1,
        feature_fraction: 1.0,
        patience: 0,
        seed: 1,
        deadline: Deadline::NONE,
        told: Rounds::default(),
    }
}

/// Columns of draws in 0..1.
fn columns(rows: usize, width: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut draw = Draw::new(seed, 9);
    (0..width).map(|_| (0..rows).map(|_| draw.unit()).collect()).collect()
}

fn of(y: &[f64]) -> Targets<'_> {
    Targets { y, w: None }
}

fn fit(boosting: &Boosting, columns: &[Vec<f64>], categorical: &[usize], y: &[f64]) -> super::Boosted {
    let is: Vec<bool> = (0..columns.len()).map(|j| categorical.contains(&j)).collect();
    boosting.fit(&Binned::new(columns, &is, 255, 1), of(y), None).boosted
}

/// The features on the way to each leaf.
fn paths(trees: &Trees, at: usize, above: &[usize], found: &mut Vec<Vec<usize>>) {
    match trees.question(at) {
        None => found.push(above.to_vec()),
        Some(question) => {
            let (Rule::Number { feature, .. } | Rule::Category { feature, .. }) = question.rule;
            let path = [above, &[feature]].concat();
            paths(trees, question.left, &path, found);
            paths(trees, question.left + 1, &path, found);
        }
    }
}

fn all_paths(trees: &Trees) -> Vec<Vec<usize>> {
    let mut found = Vec::new();
    trees.roots().for_each(|root| paths(trees, root, &[], &mut found));
    found
}

#[test]
fn a_monotone_feature_never_turns() {
    let x = columns(400, 3, 1);
    let y: Vec<f64> = (0..400).map(|i| (9.0 * x[0][i]).sin() + 2.0 * x[0][i] * x[1][i] + x[2][i]).collect();
    for (objective, direction) in [(Objective::Squared, 1), (Objective::Squared, -1), (Objective::Absolute, 1), (Objective::Huber { delta: 0.3 }, -1)] {
        let free = fit(&boosting(objective), &x, &[], &y);
        let mut bound = boosting(objective);
        bound.rules.monotone = vec![direction, 0, 0];
        let bound = fit(&bound, &x, &[], &y);
        let steps = |boosted: &super::Boosted| {
            let mut worst = 0.0_f64;
            for other in 0..20 {
                let grid = vec![(0..100).map(|i| f64::from(i) / 99.0).collect(), vec![f64::from(other) / 19.0; 100], vec![0.5; 100]];
                let scores = boosted.scores(&grid, 100);
                scores[0].windows(2).for_each(|pair| worst = worst.min((pair[1] - pair[0]) * f64::from(direction)));
            }
            worst
        };
        assert!(steps(&free) < -0.01 && steps(&bound) >= 0.0, "{objective:?} {direction}: {} {}", steps(&free), steps(&bound));
    }
}

#[test]
fn missing_values_go_where_they_belong() {
    for missing_is_high in [true, false] {
        let mut x = columns(300, 2, 2);
        let high: Vec<bool> = (0..300).map(|i| if i % 4 == 0 { missing_is_high } else { x[0][i] > 0.6 }).collect();
        x[0].iter_mut().step_by(4).for_each(|x| *x = f64::NAN);
        let y: Vec<f64> = high.iter().map(|high| if *high { 10.0 } else { 0.0 }).collect();
        let mut one = boosting(Objective::Squared);
        (one.rounds, one.learning_rate, one.shape.most_leaves) = (1, 1.0, 2);
        let cart = Cart { most_depth: 1, ..cart() };
        let boosted = fit(&one, &x, &[], &y);
        let (tree, _) = cart.fit(Rows { binned: None, columns: &x, targets: of(&y), classes: 0 });
        let seen = [vec![f64::NAN, 0.1, 0.9], vec![0.5; 3]];
        let expected = [if missing_is_high { 10.0 } else { 0.0 }, 0.0, 10.0];
        for found in [boosted.scores(&seen, 3), tree.sums(&seen, 3, 1)] {
            assert!(found[0].iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}");
        }
        // Only whether a value is missing says something.
        let y: Vec<f64> = (0..300).map(|i| f64::from(u8::from(i % 4 == 0))).collect();
        let found = fit(&one, &x, &[], &y).scores(&seen, 3);
        assert!(found[0].iter().zip([1.0, 0.0, 0.0]).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}");
        let (tree, _) = cart.fit(Rows { binned: Some(&Binned::new(&x, &[false; 2], 255, 1)), columns: &x, targets: of(&y), classes: 2 });
        assert_eq!(tree.sums(&seen, 3, 2)[1], [1.0, 0.0, 0.0]);
    }
}

#[test]
fn where_training_had_no_missing_value_it_goes_with_most_rows() {
    let x = columns(200, 1, 3);
    let y: Vec<f64> = x[0].iter().map(|x| if *x > 0.3 { 1.0 } else { 0.0 }).collect();
    let mut one = boosting(Objective::Squared);
    (one.rounds, one.learning_rate, one.shape.most_leaves) = (1, 1.0, 2);
    let found = fit(&one, &x, &[], &y).scores(&[vec![f64::NAN]], 1)[0][0];
    assert!((found - 1.0).abs() < 1e-9, "{found}");
    let (tree, _) = cart().fit(Rows { binned: None, columns: &x, targets: of(&y), classes: 0 });
    assert_eq!(tree.sums(&[vec![f64::NAN]], 1, 1), [[1.0]]);
}

#[test]
fn one_split_parts_categories_in_two_sets() {
    let codes: Vec<f64> = (0..600).map(|i| f64::from(i % 12 * 100)).collect();
    let high = |code: f64| code as u32 / 100 % 3 == 1;
    let y: Vec<f64> = codes.iter().map(|code| if high(*code) { 5.0 } else { -1.0 }).collect();
    let mut one = boosting(Objective::Squared);
    (one.rounds, one.learning_rate, one.shape.most_leaves) = (1, 1.0, 2);
    let boosted = fit(&one, std::slice::from_ref(&codes), &[0], &y);
    let seen = vec![(0..12).map(|c| f64::from(c * 100)).chain([f64::NAN, 7.0, 65_000.0]).collect::<Vec<f64>>()];
    let found = boosted.scores(&seen, 15);
    for (code, found) in seen[0].iter().zip(&found[0]) {
        assert!((found - if high(*code) { 5.0 } else { -1.0 }).abs() < 1e-9, "{code}: {found}");
    }
}

#[test]
fn features_that_may_not_meet_do_not() {
    let x = columns(500, 4, 4);
    let y: Vec<f64> = (0..500).map(|i| x[0][i] * x[1][i] + x[2][i] * x[3][i] + x[0][i] * x[3][i]).collect();
    let mut apart = boosting(Objective::Squared);
    apart.shape.together = vec![vec![0, 1], vec![2, 3]];
    let found = all_paths(&fit(&apart, &x, &[], &y).trees);
    assert!(found.iter().all(|path| path.iter().all(|j| *j < 2) || path.iter().all(|j| *j >= 2)), "{found:?}");
    assert!(all_paths(&fit(&boosting(Objective::Squared), &x, &[], &y).trees).iter().any(|path| path.contains(&0) && path.contains(&3)));
}

#[test]
fn trees_stop_where_they_are_told() {
    let x = columns(500, 3, 5);
    let y: Vec<f64> = (0..500).map(|i| (20.0 * x[0][i]).sin() + x[1][i]).collect();
    for growth in [Growth::LeafWise, Growth::DepthWise] {
        let mut limited = boosting(Objective::Squared);
        (limited.shape.growth, limited.shape.most_leaves, limited.shape.most_depth, limited.rules.min_rows) = (growth, 7, 3, 30);
        let trees = fit(&limited, &x, &[], &y).trees;
        assert!(trees.leaves() <= 7 * trees.len() && trees.depth() <= 3 && trees.len() == 20);
        let leaves = (0..trees.nodes()).filter(|at| trees.question(*at).is_none());
        assert!(leaves.map(|at| trees.cover(at)).all(|cover| cover >= 30.0));
        assert!(trees.roots().all(|root| trees.cover(root) == 500.0));
    }
    let depth = |growth| {
        let mut limited = boosting(Objective::Squared);
        (limited.shape.growth, limited.shape.most_leaves) = (growth, 8);
        fit(&limited, &x, &[], &y).trees.depth()
    };
    assert!(depth(Growth::DepthWise) <= depth(Growth::LeafWise) && depth(Growth::DepthWise) <= 4);
}

#[test]
fn boosting_lowers_every_loss_and_threads_change_nothing() {
    let x = columns(240, 4, 6);
    let number: Vec<f64> = (0..240).map(|i| 1.0 + (6.0 * x[0][i]).sin() + x[1][i] + 0.3 * x[3][i]).collect();
    let class = |k: f64| number.iter().map(|y| (y * k / 3.0).floor().clamp(0.0, k - 1.0)).collect::<Vec<f64>>();
    for objective in [
        Objective::Squared,
        Objective::Absolute,
        Objective::Huber { delta: 0.2 },
        Objective::Quantile { level: 0.8 },
        Objective::Poisson,
        Objective::Gamma,
        Objective::Tweedie { power: 1.5 },
        Objective::Logistic,
        Objective::Softmax { classes: 3 },
    ] {
        let y = match objective {
            Objective::Logistic => class(2.0),
            Objective::Softmax { .. } => class(3.0),
            Objective::Gamma => number.iter().map(|y| y.max(0.1)).collect(),
            _ => number.iter().map(|y| y.max(0.0)).collect(),
        };
        let whole = Boosting { rounds: 8, ..boosting(objective) };
        let mut drawn = Boosting { rounds: 3, ..boosting(objective) };
        (drawn.row_fraction, drawn.feature_fraction, drawn.shape.node_fraction) = (0.7, 0.8, 0.8);
        let fitted = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| (fit(&whole, &x, &[], &y), fit(&drawn, &x, &[], &y)))
        };
        let (boosted, with_draws) = fitted(1);
        let start: Vec<Vec<f64>> = boosted.start.iter().map(|start| vec![*start; 240]).collect();
        let (first, last) = (objective.loss(of(&y), &start), objective.loss(of(&y), &boosted.scores(&x, 240)));
        let improved =
            if matches!(objective, Objective::Poisson | Objective::Gamma | Objective::Tweedie { .. }) { first - last > 0.01 } else { last < 0.5 * first };
        assert!(improved, "{objective:?}: {first} {last}");
        let text = serde_json::to_string(&boosted).unwrap();
        for threads in [2, 8] {
            let (again, drawn_again) = fitted(threads);
            assert_eq!(serde_json::to_string(&again).unwrap(), text, "{objective:?}");
            assert_eq!(drawn_again, with_draws, "{objective:?}");
        }
    }
}

#[test]
fn boosting_stops_where_validation_rows_are_predicted_best() {
    let (x, unseen) = (columns(200, 3, 7), columns(200, 3, 8));
    let mut noise = Draw::new(1, 1);
    let mut target = |x: &[Vec<f64>]| -> Vec<f64> { x[0].iter().map(|x| 3.0 * x + 4.0 * noise.unit()).collect() };
    let (y, known) = (target(&x), target(&unseen));
    let mut stopped = boosting(Objective::Squared);
    (stopped.rounds, stopped.patience) = (100, 10);
    let binned = Binned::new(&x, &[false; 3], 255, 1);
    let boosted = stopped.fit(&binned, of(&y), Some(&Validation { columns: &unseen, targets: of(&known) })).boosted;
    let rounds = boosted.trees.len();
    assert!((1..90).contains(&rounds), "{rounds}");
    let loss = |rounds: usize| {
        let boosted = Boosting { rounds, patience: 0, ..stopped.clone() }.fit(&binned, of(&y), None).boosted;
        Objective::Squared.loss(of(&known), &boosted.scores(&unseen, 200))
    };
    let losses: Vec<f64> = (1..=rounds + 10).map(loss).collect();
    assert!(losses.iter().enumerate().all(|(i, loss)| i + 1 == rounds || *loss > losses[rounds - 1]));
    // The same trees as without looking.
    assert_eq!(boosted, Boosting { rounds, patience: 0, ..stopped.clone() }.fit(&binned, of(&y), None).boosted);
}

fn cart() -> Cart {
    Cart {
        trees: 1,
        most_depth: usize::MAX,
        min_rows_split: 2,
        min_rows_leaf: 1,
        min_decrease: 0.0,
        most_features: usize::MAX,
        draws: 0,
        thresholds: Thresholds::Best,
        seed: 1,
        deadline: Deadline::NONE,
    }
}

#[test]
fn searching_by_bins_is_exact_where_values_are_few_and_near_it_where_they_are_many() {
    let mut x = columns(900, 4, 9);
    let y: Vec<f64> = (0..900).map(|i| (5.0 * x[0][i]).sin() + x[1][i] * x[2][i]).collect();
    let classes: Vec<f64> = y.iter().map(|y| f64::from(u8::from(*y > 0.5) + u8::from(*y > 0.9))).collect();
    x[3].iter_mut().step_by(5).for_each(|x| *x = f64::NAN);
    let few: Vec<Vec<f64>> = x.iter().map(|x| x.iter().map(|x| (x * 100.0).floor()).collect()).collect();
    for (y, classes) in [(&y, 0), (&classes, 3)] {
        let grown = |columns: &[Vec<f64>], most: Option<usize>, cart: &Cart| {
            let binned = most.map(|most| Binned::new(columns, &[false; 4], most, 1));
            cart.fit(Rows { binned: binned.as_ref(), columns, targets: of(y), classes })
        };
        assert!(grown(&few, Some(255), &cart()) == grown(&few, None, &cart()));
        let shallow = Cart { most_depth: 4, min_rows_leaf: 10, ..cart() };
        let off = |(trees, _): &(Trees, Vec<f64>)| {
            let sums = trees.sums(&x, 900, classes.max(1));
            (0..900).map(|i| if classes == 0 { (sums[0][i] - y[i]).powi(2) } else { 1.0 - sums[y[i] as usize][i] }).sum::<f64>()
        };
        let (binned, exact) = (off(&grown(&x, Some(40), &shallow)), off(&grown(&x, None, &shallow)));
        assert!((binned / exact - 1.0).abs() < 0.05, "{binned} {exact}");
        // To the end, every row has its own value.
        let (trees, importances) = grown(&x, Some(40), &cart());
        assert!(off(&(trees, importances.clone())) < 1e-20);
        assert!((importances.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}

#[test]
fn forests_draw_rows_features_and_thresholds() {
    let x = columns(300, 5, 10);
    let y: Vec<f64> = (0..300).map(|i| x[0][i] + x[1][i]).collect();
    let binned = Binned::new(&x, &[false; 5], 255, 1);
    for cart in [Cart { trees: 8, draws: 300, most_features: 2, ..cart() }, Cart { trees: 8, thresholds: Thresholds::Drawn, min_rows_leaf: 3, ..cart() }] {
        let fitted = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| cart.fit(Rows { binned: Some(&binned), columns: &x, targets: of(&y), classes: 0 }))
        };
        let (trees, importances) = fitted(1);
        assert!(fitted(2) == (trees.clone(), importances.clone()) && fitted(8).0 == trees);
        assert_eq!(trees.len(), 8);
        assert!(importances[0] + importances[1] > 0.6, "{importances:?}");
        let mut first = trees.clone();
        first.truncate(1);
        let roots: Vec<_> = trees.roots().map(|root| trees.question(root).map(|question| question.rule)).collect();
        assert!(roots.windows(2).any(|pair| pair[0] != pair[1]), "{roots:?}");
        let sums = trees.sums(&x, 300, 1);
        let off = sums[0].iter().zip(&y).map(|(sum, y)| (sum / 8.0 - y).abs()).sum::<f64>() / 300.0;
        assert!(off < 0.12, "{off}");
    }
}
