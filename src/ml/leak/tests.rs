//! Planted leaks are found in each of twenty seeded tables, and nothing is in twenty clean ones.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::*;

const SEEDS: u64 = 20;
const N: usize = 600;

/// Uniform, normal (Box and Muller) and whole numbers by seed.
struct Draw(SmallRng);

impl Draw {
    fn unit(&mut self) -> f64 {
        self.0.random::<f64>()
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound)
    }
}

/// An honest table: three features of different kinds, of which the target is a noisy function.
struct Honest {
    draw: Draw,
    x: Vec<f64>,
    town: Vec<String>,
    count: Vec<i64>,
    y: Vec<f64>,
}

impl Honest {
    fn new(seed: u64) -> Self {
        let mut draw = Draw(SmallRng::seed_from_u64(seed));
        let x: Vec<f64> = (0..N).map(|_| draw.normal()).collect();
        let town: Vec<String> = (0..N).map(|_| ["ulm", "bonn", "jena", "trier"][draw.below(4)].to_owned()).collect();
        let count: Vec<i64> = (0..N).map(|_| draw.below(9) as i64).collect();
        let effect = |town: &str| if town == "ulm" { 1.0 } else { 0.0 };
        let y = (0..N).map(|i| 2.0 * x[i] + effect(&town[i]) + 0.2 * count[i] as f64 + draw.normal()).collect();
        Self { draw, x, town, count, y }
    }

    /// The target as two classes, or as it is.
    fn target(&self, is_classification: bool) -> Column {
        if is_classification {
            Column::new("y".into(), self.y.iter().map(|y| if *y > 0.5 { "yes" } else { "no" }).collect::<Vec<_>>())
        } else {
            Column::new("y".into(), self.y.clone())
        }
    }

    fn table(&self, is_classification: bool, more: Vec<Column>) -> Table {
        let mut columns = vec![
            Column::new("x".into(), &self.x),
            Column::new("town".into(), &self.town),
            Column::new("count".into(), &self.count),
            self.target(is_classification),
        ];
        columns.extend(more);
        Table::of(DataFrame::new(N, columns).unwrap())
    }

    fn is_yes(&self, row: usize) -> bool {
        self.y[row] > 0.5
    }
}

fn features(table: &Table) -> BTreeSet<String> {
    table.names().filter(|name| *name != "y").map(str::to_owned).collect()
}

/// The finding about `leak`, and that there is no other.
fn found(table: &Table, is_classification: bool, what: &str) -> Certainty {
    let findings = columns(table, &features(table), "y", is_classification).unwrap();
    let about: Vec<&Finding> = findings.found.iter().collect();
    assert_eq!(about.iter().map(|finding| finding.column.as_deref()).collect::<Vec<_>>(), [Some("leak")], "{what}: {about:?}");
    about[0].certainty
}

/// Order of the rows by target.
fn order(honest: &Honest) -> Vec<usize> {
    let mut order: Vec<usize> = (0..N).collect();
    order.sort_by(|a, b| honest.y[*a].total_cmp(&honest.y[*b]));
    order
}

type Plant = fn(&mut Honest, bool) -> Column;

/// Kind of leak, how to plant it, and whether it must be certain.
const PLANTS: [(&str, Plant, bool); 9] = [
    ("exact copy", |honest, is_classification| honest.target(is_classification).with_name("leak".into()), true),
    (
        "recoded copy",
        |honest, is_classification| {
            if is_classification {
                Column::new("leak".into(), (0..N).map(|i| if honest.is_yes(i) { 7_i64 } else { 3 }).collect::<Vec<_>>())
            } else {
                Column::new("leak".into(), honest.y.iter().map(|y| format!("EUR {:.6}", y + 100.0)).collect::<Vec<_>>())
            }
        },
        true,
    ),
    (
        "recoded, with missing as one class",
        |honest, _| Column::new("leak".into(), (0..N).map(|i| honest.is_yes(i).then_some("paid")).collect::<Vec<_>>()),
        false,
    ),
    (
        "monotone map",
        |honest, is_classification| {
            let map = |y: f64| if is_classification { (y > 0.5).into() } else { (-y).exp() };
            Column::new("leak".into(), honest.y.iter().map(|y| map(*y)).collect::<Vec<f64>>())
        },
        true,
    ),
    (
        "copy with 1 % of the rows wrong",
        |honest, is_classification| {
            let flip: Vec<bool> = (0..N).map(|i| i % 100 == 17).collect();
            if is_classification {
                Column::new("leak".into(), (0..N).map(|i| honest.is_yes(i) != flip[i]).collect::<Vec<_>>())
            } else {
                let other: Vec<f64> = (0..N).map(|_| 2.5 * honest.draw.normal()).collect();
                Column::new("leak".into(), (0..N).map(|i| if flip[i] { other[i] } else { honest.y[i] }).collect::<Vec<_>>())
            }
        },
        false,
    ),
    (
        "copy with noise of 1 %",
        |honest, is_classification| {
            let noise: Vec<f64> = (0..N).map(|_| 0.01 * honest.draw.normal()).collect();
            let value = |i: usize| if is_classification { honest.is_yes(i).into() } else { honest.y[i] / 2.5 };
            Column::new("leak".into(), (0..N).map(|i| value(i) + noise[i]).collect::<Vec<f64>>())
        },
        false,
    ),
    (
        "identifier with the target in it",
        |honest, is_classification| {
            let number: Vec<usize> = (0..N).map(|i| 10_000 + i * 7).collect();
            let text = |i: usize| {
                if is_classification {
                    format!("{}-{}", if honest.is_yes(i) { "Q" } else { "R" }, number[i])
                } else {
                    format!("c{}/{:.7}", number[i], honest.y[i] + 50.0)
                }
            };
            Column::new("leak".into(), (0..N).map(text).collect::<Vec<_>>())
        },
        true,
    ),
    (
        "identifier given in the order of the target",
        |honest, _| {
            let mut ids = vec![0_i64; N];
            order(honest).iter().enumerate().for_each(|(i, row)| ids[*row] = 1_000_000 + 3 * i as i64);
            Column::new("leak".into(), ids)
        },
        false,
    ),
    (
        "identifier whose parity is the target",
        |honest, is_classification| {
            let id = |i: usize| if is_classification { 2 * (i as i64 * 37 + 5) + i64::from(honest.is_yes(i)) } else { ((honest.y[i] + 50.0) * 1e6) as i64 };
            Column::new("leak".into(), (0..N).map(id).collect::<Vec<_>>())
        },
        false,
    ),
];

#[test]
fn planted_leaks_are_found_in_each_of_twenty_tables() {
    for (what, plant, must_be_certain) in PLANTS {
        for is_classification in [false, true] {
            if what.contains("as one class") && !is_classification {
                continue;
            }
            for seed in 0..SEEDS {
                let mut honest = Honest::new(seed);
                let leak = plant(&mut honest, is_classification);
                let table = honest.table(is_classification, vec![leak]);
                let certainty = found(&table, is_classification, &format!("{what}, seed {seed}, classification {is_classification}"));
                assert!(certainty == Certainty::Certain || !must_be_certain, "{what}, seed {seed}, classification {is_classification}");
            }
        }
    }
}

#[test]
fn clean_tables_raise_nothing() {
    for seed in 0..SEEDS {
        for is_classification in [false, true] {
            let mut honest = Honest::new(seed);
            // An honest feature with an area of 0.97 under the ROC curve, one that explains much, a rare flag, and texts of people.
            let noise = 0.85;
            let strong: Vec<f64> = (0..N).map(|i| honest.y[i] + noise * honest.draw.normal()).collect();
            let two: Vec<f64> = (0..N).map(|i| 2.66 * f64::from(u8::from(honest.is_yes(i))) + honest.draw.normal()).collect();
            let rare: Vec<bool> = (0..N).map(|_| honest.draw.unit() < 0.01).collect();
            let note: Vec<String> = (0..N).map(|i| format!("trip {} of {}", honest.draw.below(90), ["mon", "tue", "wed"][i % 3])).collect();
            let more = vec![
                Column::new("strong".into(), if is_classification { two } else { strong }),
                Column::new("rare".into(), rare),
                Column::new("note".into(), note),
            ];
            let table = honest.table(is_classification, more);
            let findings = columns(&table, &features(&table), "y", is_classification).unwrap();
            assert_eq!(findings.found, [], "seed {seed}");
            assert_eq!(findings.alone[0].column, "strong", "{:?}", findings.alone);
            if is_classification {
                assert!((findings.alone[0].value - 0.97).abs() < 0.02, "{:?}", findings.alone[0]);
            }
            let (left, right) = halves(&table);
            assert_eq!(across(&left, &right, &features(&table), "y", is_classification).unwrap(), [], "seed {seed}");
        }
    }
}

/// Even rows and odd rows.
fn halves(table: &Table) -> (Table, Table) {
    let frame = table.collect().unwrap();
    let some = |first: u32| Table::of(frame.take(&IdxCa::from_vec("".into(), (first..frame.height() as u32).step_by(2).collect())).unwrap());
    (some(0), some(1))
}

#[test]
fn twins_and_cut_groups_are_found_in_each_of_twenty_tables() {
    for seed in 0..SEEDS {
        for is_classification in [false, true] {
            let honest = Honest::new(seed);
            let table = honest.table(is_classification, Vec::new());
            let (left, right) = halves(&table);
            let twins = left.collect().unwrap().slice(20, 8).vstack(&right.collect().unwrap()).unwrap();
            let found = across(&left, &Table::of(twins), &features(&table), "y", is_classification).unwrap();
            assert_eq!(found.len(), 1);
            assert!(found[0].seen.ends_with("of the validation rows have a twin among the training rows"), "{found:?}");

            // Rows of a customer share most of what the target is made of.
            let mut honest = Honest::new(seed);
            let of: Vec<usize> = (0..N).map(|_| honest.draw.below(N / 6)).collect();
            let level: Vec<f64> = (0..N / 6).map(|_| 3.0 * honest.draw.normal()).collect();
            (0..N).for_each(|i| honest.y[i] = level[of[i]] + 0.5 * honest.x[i]);
            let customer = Column::new("customer".into(), of.iter().map(|of| format!("C{of:04}")).collect::<Vec<_>>());
            let table = honest.table(is_classification, vec![customer]);
            let (left, right) = halves(&table);
            let found = across(&left, &right, &["x".to_owned()].into(), "y", is_classification).unwrap();
            assert_eq!(found.iter().map(|finding| finding.column.as_deref()).collect::<Vec<_>>(), [Some("customer")], "{found:?}");
        }
    }
}

#[test]
fn odd_tables_are_looked_at_without_harm() {
    let names: BTreeSet<String> = ["a", "b"].map(str::to_owned).into();
    let cases = [
        df!("a" => Vec::<f64>::new(), "b" => Vec::<&str>::new(), "y" => Vec::<f64>::new()),
        df!("a" => vec![None::<f64>; 80], "b" => vec![None::<&str>; 80], "y" => vec![1.0; 80]),
        df!("a" => vec![f64::INFINITY; 80], "b" => vec![""; 80], "y" => (0..80).map(f64::from).collect::<Vec<_>>()),
        df!("a" => (0..80).map(|i| f64::NAN * f64::from(i)).collect::<Vec<_>>(), "b" => vec!["ä€"; 80], "y" => vec![f64::MAX; 80]),
    ];
    for frame in cases {
        let table = Table::of(frame.unwrap());
        for is_classification in [false, true] {
            assert_eq!(columns(&table, &names, "y", is_classification).unwrap().found, []);
            assert_eq!(across(&table, &table, &names, "y", is_classification).unwrap(), []);
        }
    }
}
