//! Cards for the tests of the renderers: one with every kind of block, and one with hostile names.

use super::{
    Bars, Block, Card, Cell, ColumnProfile, Counts, Fact, Groups, Heat, Histogram, IntervalRow, Intervals, Line, Lines, Points, Swarm, SwarmRow, Tab, Table,
};

pub const HOSTILE: [&str; 4] = ["<img src=x onerror=alert(1)>", "</script></style>\"'", "{{7*7}}", "bell\u{7} escape\u{1b}[31m turn\u{202e}"];

/// A wave that stands in for noise: deterministic, between -1 and 1.
fn wave(i: usize) -> f64 {
    (i as f64 * 12.9898).sin() * (i as f64 * 0.78233).cos()
}

fn bell(middle: f64, width: f64, size: f64) -> Vec<u64> {
    (0..30).map(|i| (size * (-((f64::from(i) - middle) / width).powi(2)).exp()).round() as u64).collect()
}

fn edges(low: f64, high: f64, bins: u32) -> Vec<f64> {
    (0..=bins).map(|i| low + (high - low) * f64::from(i) / f64::from(bins)).collect()
}

/// A profile with numbers, text, dates, a constant.
pub fn profile() -> Vec<ColumnProfile> {
    let number = |name: &str, kind: &str, role: &str, middle: f64, top: f64, missing: u64, alerts: &[&str]| ColumnProfile {
        name: name.into(),
        kind: kind.into(),
        role: role.into(),
        rows: 10_000,
        missing,
        distinct: Some(1_204),
        zeros: Some(0),
        mean: Some(top * 0.31 + 0.123_456),
        deviation: Some(top * 0.17),
        quantiles: Some([0.0, 0.05, 0.22, 0.31, 0.48, 0.81, 1.0].map(|share| share * top)),
        skewness: Some(2.345_6),
        histogram: Some(Histogram {
            x: name.into(),
            edges: edges(0.0, top, 30),
            series: vec![Counts { name: String::new(), counts: bell(middle, 6.0, 900.0) }],
            ..Histogram::default()
        }),
        alerts: alerts.iter().map(|alert| (*alert).to_owned()).collect(),
        ..ColumnProfile::default()
    };
    vec![
        number("fare_amount", "float", "target", 6.0, 52.5, 0, &[]),
        number("trip_distance", "float", "predictor", 4.0, 18.37, 12, &["skewed"]),
        ColumnProfile {
            name: "tpep_pickup_datetime".into(),
            kind: "datetime".into(),
            role: "time".into(),
            rows: 10_000,
            distinct: Some(9_876),
            range: Some(("2016-02-01 00:00:14".into(), "2016-02-29 23:58:51".into())),
            histogram: Some(Histogram {
                edges: edges(1.4542e9, 1.4568e9, 30),
                series: vec![Counts { name: String::new(), counts: bell(15.0, 20.0, 400.0) }],
                ..Histogram::default()
            }),
            ..ColumnProfile::default()
        },
        ColumnProfile {
            name: "pickup_borough_of_the_passenger_with_a_long_name".into(),
            kind: "string".into(),
            role: "predictor".into(),
            rows: 10_000,
            missing: 431,
            distinct: Some(23_456),
            distinct_estimated: true,
            top: [("Manhattan", 7011), ("Queens", 1200), ("Brooklyn", 800), ("Bronx", 300), ("Staten Island", 41)]
                .map(|(value, rows)| (value.to_owned(), rows))
                .to_vec(),
            alerts: vec!["high cardinality".into(), "4.3 % missing".into()],
            ..ColumnProfile::default()
        },
        ColumnProfile {
            name: "store_and_fwd".into(),
            kind: "boolean".into(),
            role: "predictor".into(),
            rows: 10_000,
            distinct: Some(1),
            top: vec![("false".into(), 10_000)],
            alerts: vec!["constant".into()],
            ..ColumnProfile::default()
        },
        number("passenger_count", "integer", "predictor", 2.0, 6.0, 0, &[]),
    ]
}

/// A card with every kind of block.
pub fn rich() -> Card {
    let name = ["training", "validation", "test"];
    let overlaid = name.iter().zip([900.0, 120.0, 115.0]).enumerate();
    let metrics = [
        ("root_mean_squared_error", 1.8312, 2.0123, 2.0701, 10.49),
        ("mean_absolute_error", 0.912, 1.0333, 1.05, 6.61),
        ("r2_score", 0.9721, 0.9602, 0.9588, 0.0),
    ];
    Card {
        summary: "The model beats the dummy baseline on test: `root_mean_squared_error` 2.07 against 10.49, and meets 3 of 3 criteria".into(),
        headline: vec![
            Fact::new("test rmse", 2.0701),
            Fact::new("95 % interval", "1.83 – 2.31"),
            Fact::new("criteria met", "3 of 3"),
            Fact::new("rows", 10_000_u64),
            Fact::new("status", Cell::Good("VALIDATED".into())),
        ],
        warnings: vec![
            "the column `pickup_borough` has 23,456 distinct values: it may be an identifier".into(),
            "39 rows were dropped: `fare_amount` is null".into(),
        ],
        tabs: vec![
            Tab::new(
                "metrics",
                "Metrics",
                vec![
                    Block::Table(Table {
                        caption: "Metrics by split".into(),
                        columns: ["metric", "training", "validation", "test", "dummy", "share", "passed"].map(str::to_owned).to_vec(),
                        rows: metrics
                            .iter()
                            .map(|(name, a, b, c, d)| {
                                vec![(*name).into(), (*a).into(), (*b).into(), (*c).into(), (*d).into(), Cell::Share(c / 11.0), Cell::Good("pass".into())]
                            })
                            .chain([vec!["max_error".into(), Cell::Missing, 43.2.into(), 990.0.into(), Cell::Missing, Cell::Missing, Cell::Bad("fail".into())]])
                            .collect(),
                    }),
                    Block::Lines(Lines {
                        caption: "Learning curve".into(),
                        x: "boosting round".into(),
                        y: "rmse".into(),
                        series: name[..2]
                            .iter()
                            .enumerate()
                            .map(|(s, name)| Line {
                                name: (*name).into(),
                                points: (1_usize..=212).map(|i| (i as f64, 1.8 + s as f64 * 0.2 + 8.0 / (1.0 + i as f64 * 0.2) + 0.02 * wave(i + s))).collect(),
                            })
                            .collect(),
                        diagonal: false,
                    }),
                    Block::Bars(Bars {
                        caption: "Permutation importance".into(),
                        x: "rise in rmse".into(),
                        bars: [
                            ("trip_distance", 6.12),
                            ("pickup_zip", 1.4),
                            ("dropoff_zip", 0.93),
                            ("hour", 0.21),
                            ("one_hot__pickup_borough_of_the_passenger_10011", 0.04),
                            ("weekday", -0.0123),
                        ]
                        .map(|(name, value)| (name.to_owned(), value))
                        .to_vec(),
                    }),
                    Block::Swarm(Swarm {
                        caption: "Contributions of single rows".into(),
                        x: "fare_amount".into(),
                        shade: "the row's value".into(),
                        rows: (0..3)
                            .map(|k| SwarmRow {
                                name: ["trip_distance", "hour", "a_column_whose_name_goes_on_and_on"][k].into(),
                                points: (0..200).map(|i| (wave(i + k) * (3 - k) as f64, (k < 2).then(|| f64::midpoint(1.0, wave(i + k))))).collect(),
                            })
                            .collect(),
                    }),
                    Block::Intervals(Intervals {
                        caption: "Where the error lies".into(),
                        x: "rmse".into(),
                        rows: [("test", 2.07, Some((1.83, 2.31))), ("validation", 2.01, None), ("champion v3", 2.2, Some((1.9, 2.5)))]
                            .map(|(name, value, range)| IntervalRow { name: name.into(), value, range })
                            .to_vec(),
                        reference: Some(("dummy".into(), 10.49)),
                    }),
                    Block::Groups(Groups {
                        caption: "payment_type".into(),
                        x: "share of the rows".into(),
                        series: ["training", "scored"].map(str::to_owned).to_vec(),
                        rows: [("card", [5300, 140]), ("cash", [2500, 90]), ("all others", [136, 12])]
                            .map(|(name, counts)| (name.to_owned(), counts.to_vec()))
                            .to_vec(),
                    }),
                    Block::Heading("Where it is wrong".into()),
                    Block::Text("Errors grow with distance; the worst five per cent of trips hold 41 % of the squared error.".into()),
                    Block::Points(Points {
                        caption: "Predicted against actual".into(),
                        x: "actual fare_amount".into(),
                        y: "predicted".into(),
                        points: (0..2000).map(|i| (20.0 + 18.0 * wave(i), 20.0 + 17.0 * wave(i) + 2.5 * wave(i * 7 + 3))).collect(),
                        diagonal: true,
                    }),
                    Block::Histogram(Histogram {
                        caption: "Residuals".into(),
                        x: "actual − predicted".into(),
                        edges: edges(-7.5, 7.5, 30),
                        series: vec![Counts { name: "test".into(), counts: bell(15.0, 4.0, 214.0) }],
                    }),
                    Block::Histogram(Histogram {
                        caption: "Target by split".into(),
                        x: "fare_amount".into(),
                        edges: edges(0.0, 52.5, 30),
                        series: overlaid.map(|(i, (name, size))| Counts { name: (*name).into(), counts: bell(6.0 + 0.5 * i as f64, 5.0, size) }).collect(),
                    }),
                    Block::Heat(Heat {
                        caption: "Confusion matrix, test".into(),
                        x: "predicted".into(),
                        y: "actual".into(),
                        labels: ["setosa", "versicolor", "virginica-of-the-far-north"].map(str::to_owned).to_vec(),
                        counts: vec![vec![1203, 12, 0], vec![31, 980, 77], vec![2, 101, 1119]],
                    }),
                    Block::Lines(Lines {
                        caption: "ROC".into(),
                        x: "false positive rate".into(),
                        y: "true positive rate".into(),
                        series: vec![Line { name: "test".into(), points: (0..=60_u32).map(|i| f64::from(i) / 60.0).map(|x| (x, x.powf(0.25))).collect() }],
                        diagonal: true,
                    }),
                    Block::Facts(vec![
                        Fact::new("estimator", "gradient_boosting"),
                        Fact::new("rounds", 212_u64),
                        Fact::new("learning rate", 0.1),
                        Fact::new("model size", Cell::Bytes(345_678)),
                        Fact::new("trained in", Cell::Seconds(1.1)),
                    ]),
                ],
            ),
            Tab::new("profile", "Profile", vec![Block::Profile(profile())]),
            Tab::new("sql", "SQL", vec![Block::Code("SELECT *\nFROM ingested\nWHERE fare_amount > 0 AND trip_distance < 1000\n".into())]),
            Tab::new("empty", "Nothing here", vec![Block::Heading("Nothing".into()), Block::Table(Table::default()), Block::Text(String::new())]),
        ],
    }
}

/// Every text of every block is one of [`HOSTILE`].
pub fn hostile() -> Card {
    let all = || HOSTILE.iter().map(|text| (*text).to_owned());
    let name = HOSTILE.join(" ");
    let edges = vec![0.0, 1.0, 2.0];
    let series: Vec<Counts> = all().map(|name| Counts { name, counts: vec![1, 2] }).collect();
    let histogram = Histogram { caption: name.clone(), x: name.clone(), edges, series };
    let points = vec![(0.0, 1.0), (1.0, 2.0)];
    Card {
        summary: name.clone(),
        headline: all().map(|text| Fact::new(text.clone(), text)).collect(),
        warnings: all().collect(),
        tabs: vec![Tab::new(
            &name,
            &name,
            vec![
                Block::Heading(name.clone()),
                Block::Text(name.clone()),
                Block::Facts(all().map(|text| Fact::new(text.clone(), Cell::Bad(text))).collect()),
                Block::Table(Table { caption: name.clone(), columns: all().collect(), rows: vec![all().map(Cell::Text).collect()] }),
                Block::Histogram(histogram.clone()),
                Block::Bars(Bars { caption: name.clone(), x: name.clone(), bars: all().map(|text| (text, 1.0)).collect() }),
                Block::Lines(Lines {
                    caption: name.clone(),
                    x: name.clone(),
                    y: name.clone(),
                    series: all().map(|name| Line { name, points: points.clone() }).collect(),
                    diagonal: true,
                }),
                Block::Points(Points { caption: name.clone(), x: name.clone(), y: name.clone(), points: points.clone(), diagonal: true }),
                Block::Swarm(Swarm {
                    caption: name.clone(),
                    x: name.clone(),
                    shade: name.clone(),
                    rows: all().map(|name| SwarmRow { name, points: vec![(0.0, None), (1.0, Some(1.0))] }).collect(),
                }),
                Block::Intervals(Intervals {
                    caption: name.clone(),
                    x: name.clone(),
                    rows: all().map(|name| IntervalRow { name, value: 1.0, range: Some((0.0, 2.0)) }).collect(),
                    reference: Some((name.clone(), 0.5)),
                }),
                Block::Groups(Groups {
                    caption: name.clone(),
                    x: name.clone(),
                    series: all().collect(),
                    rows: all().map(|name| (name, vec![1, 2, 3, 4])).collect(),
                }),
                Block::Heat(Heat { caption: name.clone(), x: name.clone(), y: name.clone(), labels: all().collect(), counts: vec![vec![1; 4]; 4] }),
                Block::Profile(vec![ColumnProfile {
                    name: name.clone(),
                    kind: name.clone(),
                    role: name.clone(),
                    rows: 3,
                    range: Some((name.clone(), name.clone())),
                    histogram: Some(histogram),
                    top: all().map(|text| (text, 1)).collect(),
                    alerts: all().collect(),
                    ..ColumnProfile::default()
                }]),
                Block::Code(name.clone()),
            ],
        )],
    }
}
