//! Properties and hand-worked cases of the split.

use std::collections::BTreeMap;
use std::path::Path;

use polars::prelude::*;
use proptest::prelude::*;

use super::*;
use crate::data::{ROW_GROUP_ROWS, Role, profile};

struct Outcome {
    report: SplitReport,
    profiles: [Profile; 3],
    parts: [DataFrame; 3],
    bytes: [Vec<u8>; 3],
}

fn paths(dir: &Path) -> SplitPaths {
    SplitPaths { training: dir.join("training.parquet"), validation: dir.join("validation.parquet"), test: dir.join("test.parquet") }
}

fn run(frame: &DataFrame, config: &SplitConfig, filter: Option<Expr>, roles: &Roles) -> Result<Outcome> {
    let dir = tempfile::tempdir().unwrap();
    let out = paths(dir.path());
    let (report, profiles) = split(&Table::of(frame.clone()), config, filter, roles, 42, &out)?;
    let files = [&out.training, &out.validation, &out.test];
    Ok(Outcome {
        report,
        profiles,
        parts: files.map(|file| Table::read(file).unwrap().collect().unwrap()),
        bytes: files.map(|file| std::fs::read(file).unwrap()),
    })
}

fn using(method: Method) -> SplitConfig {
    SplitConfig { using: method, ..SplitConfig::default() }
}

fn by(method: Method, column: &str) -> SplitConfig {
    SplitConfig { columns: Some(vec![column.to_owned()]), ..using(method) }
}

fn integers(frame: &DataFrame, column: &str) -> Vec<i64> {
    frame.column(column).unwrap().i64().unwrap().iter().flatten().collect()
}

/// The part of each `id`.
fn places(outcome: &Outcome) -> BTreeMap<i64, usize> {
    outcome.parts.iter().enumerate().flat_map(|(part, frame)| integers(frame, "id").into_iter().map(move |id| (id, part))).collect()
}

/// `n` rows that differ.
fn sample(n: i64) -> DataFrame {
    let ids: Vec<i64> = (0..n).collect();
    let text: Vec<Option<String>> = ids.iter().map(|i| (i % 7 != 0).then(|| format!("name {}", i % 13))).collect();
    let number: Vec<f64> = ids.iter().map(|i| (*i as f64).sin()).collect();
    df!("id" => ids, "text" => text, "number" => number).unwrap()
}

#[test]
fn shares_are_within_four_standard_deviations_and_no_row_is_lost() {
    let n = 20_000;
    let outcome = run(&sample(n), &SplitConfig::default(), None, &Roles::default()).unwrap();
    assert_eq!(outcome.report.rows.iter().sum::<u64>(), n as u64);
    assert_eq!(places(&outcome).len() as i64, n);
    for (rows, share) in outcome.report.rows.iter().zip([0.75, 0.125, 0.125]) {
        let deviation = (n as f64 * share * (1.0 - share)).sqrt();
        assert!((*rows as f64 - n as f64 * share).abs() < 4.0 * deviation, "{rows}");
    }
    for frame in &outcome.parts {
        assert!(integers(frame, "id").is_sorted(), "the order of rows is kept");
    }
    assert_eq!(outcome.report.warnings, Vec::<String>::new());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn neither_order_nor_company_nor_width_moves_a_row(keep in proptest::collection::vec(any::<bool>(), 200), turn in 1usize..199) {
        let frame = sample(200);
        let whole = places(&run(&frame, &SplitConfig::default(), None, &Roles::default()).unwrap());
        // Some of the rows, turned round and with narrower columns.
        let (head, tail) = frame.split_at(turn as i64);
        let mut other = tail.vstack(&head).unwrap().filter(&keep.iter().map(|flag| Some(*flag)).collect()).unwrap();
        prop_assume!(other.height() > 60);
        let narrow = other.column("id").unwrap().cast(&DataType::Float64).unwrap();
        other.with_column(narrow).unwrap();
        let outcome = run(&other, &SplitConfig::default(), None, &Roles::default()).unwrap();
        for (part, frame) in outcome.parts.iter().enumerate() {
            for id in frame.column("id").unwrap().f64().unwrap().iter().flatten() {
                prop_assert_eq!(whole[&(id as i64)], part);
            }
        }
    }
}

#[test]
fn equal_rows_share_a_part_and_a_seed_changes_it() {
    let frame = df!("id" => (0..3_000).map(|i| i64::from(i % 100)).collect::<Vec<_>>()).unwrap();
    let outcome = run(&frame, &SplitConfig::default(), None, &Roles::default()).unwrap();
    let sizes: Vec<usize> = outcome.parts.iter().map(|part| integers(part, "id").len() / 30).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 100);
    assert_eq!(places(&outcome).len(), 100);
    assert_eq!(outcome.report.duplicates, Overlap::default());
    let dir = tempfile::tempdir().unwrap();
    let other = split(&Table::of(frame), &SplitConfig::default(), None, &Roles::default(), 43, &paths(dir.path())).unwrap();
    assert_ne!(other.0.rows, outcome.report.rows);
}

/// The formula itself, written out: a change here moves everybody's rows.
#[test]
fn the_bucket_is_blake3_of_seed_and_canonical_bytes() {
    let outcome = run(&sample(200).select(["id"]).unwrap(), &SplitConfig::default(), None, &Roles::default()).unwrap();
    for (id, part) in places(&outcome) {
        let mut bytes = 42u64.to_le_bytes().to_vec();
        bytes.push(2);
        bytes.extend(id.to_le_bytes());
        let digest = blake3::hash(&bytes);
        let bucket = u64::from_le_bytes(digest.as_bytes()[..8].try_into().unwrap()) as f64 / 2f64.powi(64);
        assert_eq!(part, usize::from(bucket >= 0.75) + usize::from(bucket >= 0.875));
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let frame = sample(12_000);
    let roles = Roles::default().with_target("text");
    for config in [SplitConfig::default(), using(Method::Random), using(Method::Stratified)] {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run(&frame, &config, None, &roles).unwrap())
        };
        let (one, four) = (on(1), on(4));
        assert_eq!(one.bytes, four.bytes);
        assert_eq!(one.report, four.report);
    }
}

#[test]
fn row_groups_have_the_fixed_size() {
    let frame = df!("id" => (0..ROW_GROUP_ROWS as i64 * 3 / 2).collect::<Vec<_>>()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let out = paths(dir.path());
    split(&Table::of(frame), &SplitConfig::default(), None, &Roles::default(), 1, &out).unwrap();
    let mut reader = ParquetReader::new(std::fs::File::open(&out.training).unwrap());
    let groups = reader.get_metadata().unwrap().row_groups.clone();
    assert_eq!((groups.len(), groups[0].num_rows()), (2, ROW_GROUP_ROWS));
}

#[test]
fn each_part_is_profiled_as_it_is_written() {
    let filter = col("id").lt(lit(4_500));
    let roles = Roles::default().with_target("number");
    let outcome = run(&sample(5_000), &SplitConfig::default(), Some(filter), &roles).unwrap();
    for (part, profiled) in outcome.parts.into_iter().zip(outcome.profiles) {
        assert_eq!(profiled, profile(&Table::of(part), &roles).unwrap());
    }
}

#[test]
fn lots_have_exact_sizes_and_equal_rows_that_cross_are_counted() {
    let outcome = run(&sample(1_001), &using(Method::Random), None, &Roles::default()).unwrap();
    assert_eq!(outcome.report.rows, [751, 125, 125]);
    assert_eq!(outcome.report.duplicates, Overlap::default());
    let twins = df!("id" => [7i64; 8]).unwrap();
    let report = run(&twins, &using(Method::Random), None, &Roles::default()).unwrap().report;
    assert_eq!((report.rows, report.duplicates), ([6, 1, 1], Overlap { shared: 1, leaked_rows: 2, estimated: false }));
    assert!(report.warnings[0].starts_with("2 rows of validation and test are in training too"));
}

#[test]
fn a_stratified_split_shares_out_every_class() {
    let classes: Vec<&str> = (0..80).map(|i| if i % 10 == 0 { "rare" } else { "common" }).collect();
    let frame = df!("id" => (0..80i64).collect::<Vec<_>>(), "y" => classes).unwrap();
    let roles = Roles::default().with_target("y");
    let report = run(&frame, &using(Method::Stratified), None, &roles).unwrap().report;
    assert_eq!(report.classes, [("common".to_owned(), [54, 9, 9]), ("rare".to_owned(), [6, 1, 1])]);
    let lonely = df!("y" => ["a", "a", "b", "a"]).unwrap();
    let error = run(&lonely, &using(Method::Stratified), None, &roles).err().unwrap();
    assert_eq!((error.kind.exit_code(), error.problems[0].message.as_str()), (4, "class `b` of `y` has one row: it cannot be shared out"));
}

#[test]
fn a_numeric_target_is_stratified_by_tenths() {
    let outcome = run(&sample(8_000), &by(Method::Stratified, "id"), None, &Roles::default()).unwrap();
    let test = integers(&outcome.parts[2], "id");
    for tenth in 0..10 {
        assert_eq!(test.iter().filter(|id| **id / 800 == tenth).count(), 100);
    }
}

#[test]
fn time_cuts_keep_equal_moments_together_and_a_gap_is_dropped() {
    // Eight rows; 0.75 of them end inside the three rows of day 5, whose near edge is before them.
    let frame = df!("id" => [0i64, 1, 2, 3, 4, 5, 6, 7], "day" => [5, 1, 2, 3, 4, 5, 5, 9]).unwrap();
    let mut dated = frame.clone();
    dated.with_column(frame.column("day").unwrap().cast(&DataType::Date).unwrap()).unwrap();
    let config = SplitConfig { split_ratios: Ratios::parse(&[5.0, 2.0, 1.0]).unwrap(), ..by(Method::Time, "day") };
    let outcome = run(&dated, &config, None, &Roles::default()).unwrap();
    assert_eq!(outcome.parts.each_ref().map(|part| integers(part, "id")), [vec![1, 2, 3, 4], vec![0, 5, 6], vec![7]]);
    assert_eq!(outcome.report.time.unwrap()[1], Some(("1970-01-06".to_owned(), "1970-01-06".to_owned())));
    let gap = SplitConfig { gap: Some("2d".to_owned()), ..config.clone() };
    let report = run(&dated, &gap, None, &Roles::default()).unwrap().report;
    assert_eq!((report.rows, report.dropped), ([2, 3, 1], BTreeMap::from([("within the gap before a cut".to_owned(), 2)])));
    let cuts = SplitConfig { cuts: Some(vec!["1970-01-04".to_owned(), "1970-01-06".to_owned()]), ..config.clone() };
    assert_eq!(run(&dated, &cuts, None, &Roles::default()).unwrap().report.rows, [2, 2, 4]);
    let text = df!("day" => ["a", "b"]).unwrap();
    assert_eq!(run(&text, &config, None, &Roles::default()).err().unwrap().kind.exit_code(), 4);
}

#[test]
fn rows_without_a_time_are_dropped_and_counted() {
    let frame = df!("t" => [Some(1i64), None, Some(2), Some(3), Some(4)]).unwrap();
    let roles = Roles::new(BTreeMap::from([("t".to_owned(), Role::Time)]));
    let config = SplitConfig { split_ratios: Ratios::parse(&[2.0, 1.0, 1.0]).unwrap(), ..using(Method::Time) };
    let report = run(&frame, &config, None, &roles).unwrap().report;
    assert_eq!((report.rows, report.dropped), ([2, 1, 1], BTreeMap::from([("`t` is missing".to_owned(), 1)])));
}

#[test]
fn groups_stay_together_and_elsewhere_their_overlap_is_counted() {
    let frame = df!("id" => (0..400i64).collect::<Vec<_>>(), "g" => (0..400).map(|i| format!("g{}", i % 40)).collect::<Vec<_>>()).unwrap();
    let roles = Roles::new(BTreeMap::from([("g".to_owned(), Role::Group)]));
    let outcome = run(&frame, &using(Method::Group), None, &roles).unwrap();
    assert_eq!(outcome.report.groups, Some(Overlap::default()));
    assert!(outcome.report.rows.iter().all(|rows| rows % 10 == 0));
    let torn = run(&frame, &using(Method::Random), None, &roles).unwrap().report;
    assert!(torn.groups.unwrap().shared > 30);
    assert!(torn.warnings.iter().any(|warning| warning.contains("`using: group`")));
}

#[test]
fn a_column_decides_and_another_value_is_an_error_with_its_row() {
    let frame = df!("id" => [1i64, 2, 3, 4], "part" => ["TRAINING", "val", "Test", "train"]).unwrap();
    let outcome = run(&frame, &by(Method::Column, "part"), None, &Roles::default()).unwrap();
    assert_eq!(places(&outcome), BTreeMap::from([(1, 0), (2, 1), (3, 2), (4, 0)]));
    let bad = df!("part" => [Some("train"), Some("tst"), None]).unwrap();
    let error = run(&bad, &by(Method::Column, "part"), None, &Roles::default()).err().unwrap();
    let messages: Vec<&str> = error.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(messages, ["row 2: column `part` names no part of the split: `tst`", "row 3: column `part` names no part of the split: nothing"]);
}

#[test]
fn the_filter_drops_by_reason_and_only_where_it_applies() {
    let frame = sample(1_000);
    let condition = (col("id") % lit(5)).neq(lit(0)).and(col("text").neq(lit("name 1")));
    let all = run(&frame, &SplitConfig::default(), Some(condition.clone()), &Roles::default()).unwrap().report;
    // 200 multiples of 5 are false; text is missing at 143 multiples of 7, 29 of which are multiples of 5 (false wins).
    assert_eq!(all.dropped["post_split_filter is missing"], 114);
    assert_eq!(all.rows.iter().sum::<u64>() + all.dropped.values().sum::<u64>(), 1_000);
    let bare = run(&frame, &SplitConfig::default(), None, &Roles::default()).unwrap().report;
    let only = SplitConfig { apply_to: vec![Part::Training], ..SplitConfig::default() };
    let training = run(&frame, &only, Some(condition), &Roles::default()).unwrap().report;
    assert_eq!(training.rows, [all.rows[0], bare.rows[1], bare.rows[2]]);
    let none = run(&frame, &SplitConfig::default(), Some(col("id").lt(lit(0))), &Roles::default()).err().unwrap();
    assert_eq!(none.problems[0].message, "cannot split: `training` and `validation` and `test` would be empty (1000 rows, 1000 dropped)");
    let number = run(&frame, &SplitConfig::default(), Some(col("id")), &Roles::default()).err().unwrap();
    assert_eq!((number.kind.exit_code(), number.problems[0].message.as_str()), (3, "the filter is not a condition: it gives i64"));
}

#[test]
fn too_few_rows_and_wrong_columns_are_refused() {
    for rows in [0, 1, 2] {
        let error = run(&sample(rows), &SplitConfig::default(), None, &Roles::default()).err().unwrap();
        assert_eq!(error.kind.exit_code(), 4, "{error}");
    }
    assert_eq!(run(&sample(1), &SplitConfig::default(), None, &Roles::default()).err().unwrap().to_string(), "cannot split: there is one row");
    let error = run(&sample(9), &SplitConfig { columns: Some(vec!["numer".to_owned(), "x".to_owned()]), ..SplitConfig::default() }, None, &Roles::default());
    let problems = error.err().unwrap().problems;
    assert_eq!((problems.len(), problems[0].hint.as_deref()), (2, Some("did you mean `number`?")));
    let gap = SplitConfig { gap: Some("1d".to_owned()), ..SplitConfig::default() };
    assert_eq!(run(&sample(9), &gap, None, &Roles::default()).err().unwrap().kind.exit_code(), 3);
}

#[test]
fn a_class_that_a_part_lacks_is_a_warning() {
    let frame = df!("id" => (0..100i64).collect::<Vec<_>>(), "y" => (0..100).map(|i| if i == 0 { "odd" } else { "even" }).collect::<Vec<_>>()).unwrap();
    let report = run(&frame, &SplitConfig::default(), None, &Roles::default().with_target("y")).unwrap().report;
    assert_eq!(report.warnings.len(), 2);
    assert!(report.warnings[0].starts_with("class `odd` of `y` is missing from"));
}

#[test]
fn every_type_and_hostile_names_pass_through() {
    let ids: Vec<i64> = (0..60).collect();
    let column = |name: &str, dtype: &DataType| Column::new(name.into(), ids.clone()).cast(dtype).unwrap();
    let frame = DataFrame::new_infer_height(vec![
        column("id", &DataType::Int64),
        column("*", &DataType::Date),
        column("^.*$", &DataType::Datetime(TimeUnit::Microseconds, None)),
        column("time", &DataType::Int64).cast(&DataType::Time).unwrap(),
        column("span", &DataType::Duration(TimeUnit::Milliseconds)),
        column("decimal", &DataType::Decimal(12, 2)),
        column("post_split_filter", &DataType::Boolean),
        column("<img src=x>", &DataType::UInt8),
        Column::new("long".into(), ids.iter().map(|id| (id % 3 > 0).then(|| "x".repeat(*id as usize))).collect::<Vec<_>>()),
        Column::full_null("empty".into(), 60, &DataType::Null),
        Column::full_null("nothing".into(), 60, &DataType::Float32),
    ])
    .unwrap();
    for config in [SplitConfig::default(), by(Method::Time, "*"), by(Method::Stratified, "^.*$"), by(Method::Stratified, "<img src=x>")] {
        let Ok(outcome) = run(&frame, &config, Some(col("id").gt_eq(lit(0))), &Roles::default()) else {
            assert_eq!(config.using, Method::Stratified, "each moment of its own is a class of one row");
            continue;
        };
        assert_eq!(outcome.report.rows_in, 60);
        assert_eq!(outcome.parts[0].schema(), frame.schema());
        let [first, rest @ ..] = &outcome.parts;
        let whole = rest.iter().fold(first.clone(), |whole, part| whole.vstack(part).unwrap()).sort(["id"], SortMultipleOptions::default()).unwrap();
        assert!(whole.equals_missing(&frame), "no value changes");
    }
}
