//! Profiles against numpy and hand-worked cases.

use polars::prelude::*;

use super::*;
use crate::card::{Block, Cell};
use crate::data::BATCH_ROWS;

fn of(frame: DataFrame) -> Profile {
    profile(&Table::of(frame), &Roles::default()).unwrap()
}

fn single(column: Column) -> ProfiledColumn {
    of(DataFrame::new_infer_height(vec![column]).unwrap()).columns.remove(0)
}

fn alerts(column: Column) -> Vec<String> {
    single(column).summary.alerts
}

#[test]
fn counts_and_lengths_are_those_of_a_direct_count() {
    // Characters of one, two and four bytes, texts that fit a view and such that do not; then those alone that are measured many at once.
    let word = |i: usize| {
        let kind = (i * i / 7) % 701;
        (kind % 11 != 3).then(|| ["", "x", "ü", "𝄞"][kind % 4].repeat(kind % 9) + &kind.to_string())
    };
    let all: Vec<Option<String>> = (0..9_000).map(word).collect();
    let plain = all.iter().filter(|text| text.as_ref().is_some_and(|text| text.is_ascii())).cloned().collect();
    for texts in [all, plain] {
        let present: Vec<&String> = texts.iter().flatten().collect();
        let mut counts = std::collections::BTreeMap::new();
        for text in &present {
            *counts.entry(text.as_str()).or_insert(0u64) += 1;
        }
        let mut top: Vec<(String, u64)> = counts.iter().map(|(text, count)| ((*text).to_owned(), *count)).collect();
        top.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let column = single(Column::new("s".into(), &texts));
        assert_eq!(column.summary.missing, (texts.len() - present.len()) as u64);
        assert_eq!((column.summary.distinct, column.summary.distinct_estimated), (Some(counts.len() as u64), false));
        assert_eq!(column.categories, top[..CATEGORIES.min(top.len())]);
        let lengths: Vec<usize> = present.iter().map(|text| text.chars().count()).collect();
        let mean = lengths.iter().sum::<usize>() as f64 / lengths.len() as f64;
        let (shortest, longest) = (*lengths.iter().min().unwrap() as u64, *lengths.iter().max().unwrap() as u64);
        assert_eq!(column.lengths, Some(Lengths { shortest, mean, longest }));
    }
}

#[test]
fn whole_numbers_dates_and_booleans_are_counted_as_their_range_widens() {
    let near = |i: usize| (i * i % 151) as i64 - 70;
    // Wider than any range that is counted by place: the one from the first row on, the other from the last thousand on.
    let far = |from: usize| move |i: usize| if i < from { near(i) } else { near(i) * 1_000_000_007 };
    let cells = |number: &dyn Fn(usize) -> i64| (0..9_000).map(|i| (i % 7 != 2).then(|| number(i))).collect::<Vec<Option<i64>>>();
    let texts = |values: &[Option<i64>], show: &dyn Fn(i64) -> String| values.iter().map(|value| value.map(show)).collect::<Vec<_>>();
    let day = |value: i64| crate::data::canonical::show_date(value);
    let (slow, late, wide) = (cells(&|i| near(i) * (1 + i as i64 / 2_000)), cells(&far(8_000)), cells(&far(0)));
    let (near, flags) = (cells(&near), cells(&|i| near(i) % 2));
    let dates = Column::new("x".into(), &near).cast(&DataType::Int32).unwrap().cast(&DataType::Date).unwrap();
    let booleans = Column::new("x".into(), flags.iter().map(|flag| flag.map(|flag| flag != 0)).collect::<Vec<_>>());
    let cases = [
        (Column::new("x".into(), &near), texts(&near, &|value| value.to_string())),
        (Column::new("x".into(), &slow), texts(&slow, &|value| value.to_string())),
        (Column::new("x".into(), &late), texts(&late, &|value| value.to_string())),
        (Column::new("x".into(), &wide), texts(&wide, &|value| value.to_string())),
        (dates, texts(&near, &day)),
        (booleans, texts(&flags, &|value| (value != 0).to_string())),
    ];
    for (column, texts) in cases {
        // From the middle of a byte on.
        for first in [0, 3] {
            let texts = &texts[first..];
            let found = single(column.slice(first as i64, texts.len()));
            let mut counts = std::collections::BTreeMap::new();
            texts.iter().flatten().for_each(|text| *counts.entry(text.clone()).or_insert(0u64) += 1);
            assert_eq!(found.summary.missing, texts.iter().filter(|text| text.is_none()).count() as u64);
            assert_eq!((found.summary.distinct, found.summary.distinct_estimated), (Some(counts.len() as u64), false));
            assert_eq!(found.categories_complete, counts.len() <= CATEGORIES);
            if found.categories_complete {
                assert_eq!(found.categories.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(), counts);
            }
        }
    }
}

#[test]
fn the_least_and_the_greatest_whole_number_are_counted() {
    for extremes in [&[i64::MAX][..], &[i64::MIN], &[i64::MIN, i64::MAX], &[i64::MAX - 1, i64::MAX], &[i64::MAX, 0], &[-1, i64::MIN]] {
        let values: Vec<i64> = extremes.iter().copied().cycle().take(3 * ROWS_AT_ONCE).collect();
        let found = single(Column::new("x".into(), &values));
        let share = values.len() as u64 / extremes.len() as u64;
        let mut expected: Vec<(String, u64)> = extremes.iter().map(|value| (value.to_string(), share)).collect();
        expected.sort_by_key(|(value, _)| value.parse::<i64>().unwrap());
        assert_eq!((found.summary.distinct, found.summary.top), (Some(extremes.len() as u64), expected));
    }
}

#[test]
fn who_knows_the_number_of_rows_gets_the_same_profile() {
    // So many numeric columns that quantiles are exact up to 10,000 rows only.
    for rows in [10_000usize, 10_001, 11_500, 20_000] {
        let columns = (0..210).map(|c| Column::new(format!("c{c}").into(), (0..rows).map(|i| ((i * (c + 3)) % 601) as i64).collect::<Vec<_>>()));
        let frame = DataFrame::new_infer_height(columns.collect()).unwrap();
        let of = |known: Option<u64>| {
            let mut profiler = Profiler::new(frame.schema(), &Roles::default(), known).unwrap();
            profiler.add(&frame).unwrap();
            profiler.finish()
        };
        let (told, untold) = (of(Some(rows as u64)), of(None));
        assert_eq!(told, untold, "{rows}");
        assert_eq!(told.is_exact(), rows <= 10_000);
    }
}

#[test]
fn numbers_agree_with_numpy() {
    let values: Vec<Option<f64>> = (0..1000i64)
        .map(|i| {
            let k = ((i * 7919) % 1009) as f64;
            (i % 10 != 0).then_some(k * k / 1000.0)
        })
        .collect();
    let column = single(Column::new("x".into(), values));
    let summary = &column.summary;
    let near = |ours: f64, theirs: f64| assert!((ours / theirs - 1.0).abs() < 1e-12, "{ours} {theirs}");
    near(summary.mean.unwrap(), 338.162_447_777_777_74);
    near(summary.deviation.unwrap(), 302.569_519_297_974_7);
    near(summary.skewness.unwrap(), 0.638_672_906_423_076);
    for (ours, theirs) in summary.quantiles.unwrap().into_iter().zip([0.001, 2.495_05, 63.378_25, 255.530_5, 568.893_25, 915.944_75, 1016.064]) {
        near(ours, theirs);
    }
    assert_eq!((summary.rows, summary.missing, summary.distinct, summary.distinct_estimated, summary.zeros), (1000, 100, Some(900), false, Some(0)));
    assert_eq!(summary.histogram.as_ref().unwrap().series[0].counts.iter().sum::<u64>(), 900);
    assert!(!column.numbers.unwrap().estimated);
}

#[test]
fn a_small_column_by_hand() {
    let column = single(Column::new("x".into(), [Some(0.0), Some(f64::INFINITY), None, Some(f64::NAN), Some(3.0)]));
    let summary = &column.summary;
    assert_eq!((summary.missing, column.infinite, summary.distinct, summary.zeros), (2, 1, Some(3), Some(1)));
    assert_eq!((summary.mean, summary.deviation, summary.skewness), (Some(1.5), Some(4.5f64.sqrt()), None));
    assert_eq!(summary.quantiles.unwrap().map(|value| (value * 1e9).round() / 1e9), [0.0, 0.15, 0.75, 1.5, 2.25, 2.85, 3.0]);
    assert_eq!(summary.top.len(), 3);
    assert_eq!(summary.alerts, ["infinite: 1 values"]);
}

#[test]
fn strings_dates_and_booleans_have_range_lengths_and_top_values() {
    let text = single(Column::new("s".into(), [Some("b"), Some("a"), Some("b"), None, Some("")]));
    assert_eq!(text.summary.range, Some((String::new(), "b".to_owned())));
    assert_eq!(text.summary.top, [("b".to_owned(), 2), (String::new(), 1), ("a".to_owned(), 1)]);
    assert_eq!((text.lengths, text.categories_complete), (Some(Lengths { shortest: 0, mean: 0.75, longest: 1 }), true));
    let date = single(Column::new("d".into(), [Some(0i32), None, Some(31)]).cast(&DataType::Date).unwrap());
    let histogram = date.summary.histogram.as_ref().unwrap();
    assert_eq!((histogram.edges.len(), histogram.edges[0], histogram.edges[32]), (33, 0.0, 32.0));
    assert_eq!(histogram.series[0].counts.iter().sum::<u64>(), 2);
    assert_eq!((date.summary.kind.as_str(), date.summary.range), ("date", Some(("1970-01-01".to_owned(), "1970-02-01".to_owned()))));
    let flag = single(Column::new("b".into(), [true, false, true]));
    assert_eq!(flag.summary.top, [("true".to_owned(), 2), ("false".to_owned(), 1)]);
}

#[test]
fn alerts_say_what_is_odd_and_nothing_else() {
    let n = 200i64;
    assert_eq!(alerts(Column::new("x".into(), vec![7i64; 200])), ["constant"]);
    assert_eq!(alerts(Column::new("x".into(), (0..n).map(|i| i64::from(i == 5)).collect::<Vec<_>>())), ["almost constant: one value fills 99.5 %"]);
    assert_eq!(alerts(Column::new("x".into(), (0..n).collect::<Vec<_>>())), ["every value is different: an id? Give it the role `id`"]);
    assert_eq!(alerts(Column::full_null("x".into(), 200, &DataType::Float64)), ["all missing"]);
    assert_eq!(alerts(Column::new("x".into(), (0..n).map(|i| (i < 80).then_some(i % 7)).collect::<Vec<_>>())), ["mostly missing: 60.0 %"]);
    assert_eq!(alerts(Column::new("x".into(), (0..n).map(|i| (i % 3) / 2 * (i % 5)).collect::<Vec<_>>())), ["mostly zero: 73.5 %"]);
    assert_eq!(alerts(Column::new("x".into(), (0..n).map(|i| (i as f64 / 10.0).exp()).collect::<Vec<_>>())), ["skewed: 3.9"]);
    assert_eq!(alerts(Column::new("x".into(), (0..n).map(|i| format!("v{}", i % 150)).collect::<Vec<_>>())), ["high cardinality: 150 distinct values"]);
    assert_eq!(alerts(Column::new("x".into(), (0..n).map(|i| (i % 17) as f64).collect::<Vec<_>>())), Vec::<String>::new());
}

#[test]
fn equal_columns_and_equal_rows_are_found() {
    let base: Vec<i64> = (0..100).map(|i| i % 40).collect();
    let frame =
        df!("a" => base.clone(), "b" => base.iter().map(|v| *v as f64).collect::<Vec<_>>(), "c" => base.iter().rev().copied().collect::<Vec<_>>()).unwrap();
    let profile = of(frame.select(["a", "b"]).unwrap());
    assert_eq!(profile.duplicates, Duplicates { rows: 60, estimated: false });
    let profile = of(frame);
    assert_eq!(profile.columns.iter().map(|column| column.same_as.as_deref()).collect::<Vec<_>>(), [None, Some("a"), None]);
}

#[test]
fn above_the_bounds_counts_are_near_and_flagged() {
    let rows = 140_000i64;
    let ids = Column::new("id".into(), (0..rows).collect::<Vec<_>>());
    let heavy = Column::new("h".into(), (0..rows).map(|i| if i % 4 == 0 { "often".to_owned() } else { format!("once {i}") }).collect::<Vec<_>>());
    let profile = of(DataFrame::new_infer_height(vec![ids, heavy]).unwrap());
    let [id, heavy] = profile.columns.as_slice() else { panic!() };
    assert!(id.summary.distinct_estimated && heavy.categories_estimated && !heavy.categories_complete);
    for (column, truth) in [(id, 140_000.0), (heavy, 105_001.0)] {
        assert!((column.summary.distinct.unwrap() as f64 / truth - 1.0).abs() < 4.0 * 1.2 / 128.0);
    }
    let notes = profile.notes().join(" ");
    assert!(notes.contains("marked ≈ are estimates, off by less than 3.8 %") && notes.contains("In columns of more than 50,000 distinct values"), "{notes}");
    let [(value, count)] = heavy.summary.top.as_slice() else { panic!("{:?}", heavy.summary.top) };
    assert_eq!(value, "often");
    assert!((*count as f64 / 35_000.0 - 1.0).abs() < 0.08, "{count}");
    assert_eq!(id.summary.top, []);
    assert_eq!(id.summary.alerts, ["every value is different: an id? Give it the role `id`"]);
    assert_eq!(heavy.lengths.unwrap().longest, 11);
}

#[test]
fn any_number_of_threads_gives_the_same_profile_and_json_brings_it_back() {
    let rows = BATCH_ROWS as i64 + 1000;
    let mut frame =
        df!("x" => (0..rows).map(|i| (i as f64).sin()).collect::<Vec<_>>(), "s" => (0..rows).map(|i| format!("{}", i % 300)).collect::<Vec<_>>()).unwrap();
    // More columns than have their hashes turned apart, and in as many tasks as there are threads.
    for column in 0..68i64 {
        frame.with_column(Column::new(format!("c{column}").into(), (0..rows).map(|i| (i * (column + 3) % 1_013) as f64).collect::<Vec<_>>())).unwrap();
    }
    let on = |threads: usize| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| of(frame.clone()));
    let profile = on(1);
    assert_eq!(profile, on(4));
    let json = serde_json::to_string(&profile).unwrap();
    assert_eq!(serde_json::from_str::<Profile>(&json).unwrap(), profile);
}

#[test]
fn extreme_columns_survive_and_stay_json() {
    let frame = df!("huge" => [f64::MAX, f64::MIN, 1.0], "none" => [f64::NAN, f64::NAN, f64::INFINITY], "long" => ["<script>".repeat(1000), "\u{1b}".to_owned(), String::new()])
        .unwrap();
    let profile = of(frame.clone());
    let json = serde_json::to_string(&profile).unwrap();
    assert_eq!(serde_json::from_str::<Profile>(&json).unwrap(), profile);
    assert!(json.len() < 20_000);
    assert_eq!(of(frame.clear()).rows, 0);
    assert_eq!(of(DataFrame::empty()).columns, []);
}

#[test]
fn a_wide_table_is_cut_for_the_card_but_keeps_its_target() {
    let columns: Vec<Column> = (0..300).map(|i| Column::new(format!("c{i}").into(), (0..40).map(|row| (row * i) % 7).collect::<Vec<i32>>())).collect();
    let profile = profile(&Table::of(DataFrame::new_infer_height(columns).unwrap()), &Roles::default().with_target("c299")).unwrap();
    let blocks = profile.into_blocks();
    let Some(Block::Profile(shown)) = blocks.last() else { panic!() };
    assert_eq!(shown.len(), 200);
    assert_eq!(shown.last().unwrap().name, "c299");
    assert!(matches!(&blocks[1], Block::Text(text) if text.starts_with("200 of 300 columns are shown")));
    assert!(serde_json::to_string(&blocks).unwrap().len() < 400_000);
}

#[test]
fn a_preview_keeps_hostile_text_as_text() {
    let frame = df!("<b>" => ["<img src=x onerror=alert(1)>", "\u{1b}[31m"], "n" => [Some(1i64), None], "f" => [0.5, f64::INFINITY]).unwrap();
    let table = preview(&Table::of(frame), 10).unwrap();
    assert_eq!(table.columns, ["<b>", "n", "f"]);
    assert_eq!(table.rows[0], [Cell::Text("<img src=x onerror=alert(1)>".into()), Cell::Integer(1), Cell::Number(0.5)]);
    assert_eq!(table.rows[1], [Cell::Text("\\u{1b}[31m".into()), Cell::Missing, Cell::Text("inf".into())]);
}

#[test]
fn drift_is_the_stability_index_by_hand() {
    let of_counts = |a: usize, b: usize| {
        let values: Vec<&str> = std::iter::repeat_n("a", a).chain(std::iter::repeat_n("b", b)).collect();
        of(df!("c" => values).unwrap())
    };
    let drifts = drift(&of_counts(50, 50), &of_counts(80, 20));
    assert!((drifts[0].psi.unwrap() - 0.402_303_617_141_222_04).abs() < 1e-12, "{:?}", drifts[0].psi);
    assert_eq!(drift(&of_counts(50, 50), &of_counts(50, 50))[0].psi, Some(0.0));
}

#[test]
fn drift_sees_missing_values_where_every_text_is_another() {
    let texts = |from: i64, missing: i64| {
        let columns = (0..40).map(|column| {
            let text = |i: i64| (i % 10 >= missing).then(|| format!("{column}/{}", from + i));
            Column::new(format!("s{column}").into(), (0..4_000).map(text).collect::<Vec<_>>())
        });
        of(DataFrame::new_infer_height(columns.collect()).unwrap())
    };
    let reference = texts(0, 0);
    assert!(reference.columns.iter().all(|column| column.categories_estimated && !column.categories.is_empty()));
    assert!(drift(&reference, &texts(0, 4)).iter().all(|column| column.psi.is_some_and(|psi| psi > 0.2)));
}

#[test]
fn drift_sees_shifted_numbers_new_categories_and_missing_values() {
    let numbers = |shift: f64| (0..1000).map(move |i| f64::from(i * 37 % 1000) / 100.0 + shift).collect::<Vec<_>>();
    let text = |name: &'static str| (0..1000).map(move |i| (i % 4 != 0).then_some(if i % 2 == 0 { "a" } else { name })).collect::<Vec<_>>();
    let reference = of(df!("x" => numbers(0.0), "s" => text("b"), "gone" => numbers(0.0)).unwrap());
    let same = of(df!("x" => numbers(0.0), "s" => text("b")).unwrap());
    let shifted = of(df!("x" => numbers(3.0), "s" => text("new")).unwrap());
    assert!(drift(&reference, &same).iter().all(|column| column.psi == Some(0.0) && column.new_categories.is_empty()));
    let drifts = drift(&reference, &shifted);
    assert_eq!(drifts.iter().map(|column| column.column.as_str()).collect::<Vec<_>>(), ["x", "s"]);
    assert!(drifts[0].psi.unwrap() > 0.5);
    assert_eq!(drifts[1].new_categories, ["new"]);
    let holes = of(df!("s" => vec![None::<&str>; 1000]).unwrap());
    assert_eq!(drift(&reference, &holes)[0].missing_change, 0.75);
    // A fair sample of 200 rows is no drift.
    let few = of(df!("x" => (0..200).map(|i| f64::from(i * 61 % 1000) / 100.0).collect::<Vec<_>>()).unwrap());
    assert!(drift(&reference, &few)[0].psi.unwrap() < 0.1);
}
