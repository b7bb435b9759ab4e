//! Every bad input of the table in the design: what the program answers, and that it stores nothing wrong.
//!
//! A group of cases shares a project with a good run in its cache. Each case spoils the project, runs the
//! program, and puts the files back; after that the run must find everything in the cache again. So a
//! case also shows that a failure leaves no wrong result behind.
//!
//! Rows of the table that are not here, and why:
//! - 18: no input; it is in `cache.rs`
//! - 83: there is no server yet
//! - 84, HTTP: likewise; the registry's side is here

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::project::{Project, Ran, copy, houses, loans};

/// One bad input.
struct Case {
    /// Its number in the table and what it is.
    name: &'static str,
    spoil: fn(&Project),
    arguments: &'static [&'static str],
    code: i32,
    /// What stderr must say, in any order.
    says: &'static [&'static str],
}

const fn bad(name: &'static str, spoil: fn(&Project), code: i32, says: &'static [&'static str]) -> Case {
    Case { name, spoil, arguments: &["run"], code, says }
}

impl Case {
    const fn run(mut self, arguments: &'static [&'static str]) -> Self {
        self.arguments = arguments;
        self
    }
}

/// Runs the cases on one project, and says all that went wrong. Every message is printed, to be read and
/// judged: `cargo nextest run bad_inputs --success-output immediate`.
#[allow(clippy::print_stdout, reason = "the messages are what these tests are about")]
fn check(project: &Project, cases: &[Case]) {
    const PATIENCE: Duration = Duration::from_mins(1);
    project.ok(&["run"]);
    let good = files(project);
    let mut wrong = String::new();
    for case in cases {
        (case.spoil)(project);
        let start = Instant::now();
        let ran = project.recipe(case.arguments);
        println!("== {} → {}\n{}", case.name, ran.code, ran.stderr);
        for what in faults(case, &ran) {
            writeln!(wrong, "{}: {what}\n{}", case.name, ran.stderr).unwrap();
        }
        if start.elapsed() > PATIENCE {
            writeln!(wrong, "{}: took {:?}", case.name, start.elapsed()).unwrap();
        }
        put_back(project, &good);
        let again = project.recipe(&["run"]);
        if again.code != 0 || !again.executed().is_empty() {
            writeln!(wrong, "{}: the good run after it gave {} and ran {}\n{}", case.name, again.code, again.executed(), again.stderr).unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

fn faults(case: &Case, ran: &Ran) -> Vec<String> {
    let mut faults = Vec::new();
    if ran.code != case.code {
        faults.push(format!("exit code {}, not {}", ran.code, case.code));
    }
    faults.extend(case.says.iter().filter(|text| !ran.stderr.contains(**text)).map(|text| format!("does not say `{text}`")));
    faults.extend(["panicked", "this is a bug", "RUST_BACKTRACE"].iter().filter(|text| ran.stderr.contains(**text)).map(|text| format!("says `{text}`")));
    if ran.code == case.code && !matches!(ran.code, 0 | 10) && !ran.stderr.contains("error: ") {
        faults.push("fails without a word".to_owned());
    }
    faults
}

/// Every file of a project but the store's, by path.
fn files(project: &Project) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(dir: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(project.root()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with(".recipe") {
            walk(&path, &mut found);
        } else if path.is_file() {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

fn put_back(project: &Project, good: &BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(project.root()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            if !path.ends_with(".recipe") {
                fs::remove_dir_all(&path).unwrap();
            }
        } else {
            fs::remove_file(&path).unwrap();
        }
    }
    for (path, bytes) in good {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// Changes recipe.yaml.
fn edit(project: &Project, from: &str, to: &str) {
    project.edit("recipe.yaml", from, to);
}

/// A line below the others of recipe.yaml.
fn append(project: &Project, text: &str) {
    project.write("recipe.yaml", project.read("recipe.yaml") + text);
}

/// Other data in place of the houses.
fn data(project: &Project, bytes: impl AsRef<[u8]>) {
    project.write("data/houses.csv", bytes);
}

/// Other data of another name in place of the houses.
fn data_in(project: &Project, file: &str, bytes: impl AsRef<[u8]>) {
    project.write(file, bytes);
    edit(project, "data/houses.csv", file);
}

/// A file that is long and takes no room.
fn sparse(project: &Project, file: &str, start: &str, bytes: u64) {
    project.write(file, start);
    fs::OpenOptions::new().write(true).open(project.path(file)).unwrap().set_len(bytes).unwrap();
}

/// The houses with a part of the text replaced.
fn houses_with(from: &str, to: &str) -> String {
    let text = houses(240);
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

/// The houses with other values in the last column.
fn with_last(name: &str, value: impl Fn(usize, &str) -> String) -> String {
    let cut = |line: &str| line.rsplit_once(',').map(|(rest, last)| (rest.to_owned(), last.to_owned())).unwrap();
    houses(240).lines().enumerate().fold(String::new(), |mut text, (i, line)| {
        let (rest, last) = cut(line);
        writeln!(text, "{rest},{}", if i == 0 { name.to_owned() } else { value(i, &last) }).unwrap();
        text
    })
}

/// The houses with one more column, made from the fields of a row.
fn houses_and(name: &str, value: impl Fn(usize, &[&str]) -> String) -> String {
    let mut lines = houses(240).lines().map(str::to_owned).collect::<Vec<_>>().into_iter();
    let mut text = format!("{},{name}\n", lines.next().unwrap());
    for (i, line) in lines.enumerate() {
        writeln!(text, "{line},{}", value(i, &line.split(',').collect::<Vec<_>>())).unwrap();
    }
    text
}

#[test]
fn a_recipe_that_cannot_be_read_is_refused_with_its_place() {
    check(
        &Project::regression(),
        &[
            bad("1 no recipe.yaml", |p| fs::remove_file(p.path("recipe.yaml")).unwrap(), 3, &["no recipe.yaml in", "recipe new NAME"]),
            bad("2 empty", |p| p.write("recipe.yaml", ""), 3, &["the recipe is empty", "--> recipe.yaml", "target_col: …"]),
            bad("3 only comments", |p| p.write("recipe.yaml", "# one\n\n  # two\n---\n"), 3, &["the recipe is empty"]),
            bad("4 invalid UTF-8", |p| p.write("recipe.yaml", b"recipe: regression/v1\nname: caf\xe9\n"), 3, &["not UTF-8", "recipe.yaml:2"]),
            bad("5 tab", |p| edit(p, "  ingest:", "\tingest:"), 3, &["a tab in the indentation", "recipe.yaml:4:2", "indented with spaces"]),
            bad("6 duplicate key", |p| append(p, "target_col: area\n"), 3, &["the key `target_col` is there twice", "recipe.yaml:21:1"]),
            bad(
                "7 unknown key",
                |p| edit(p, "target_col:", "target_coll:"),
                3,
                &["unknown key `target_coll`", "recipe.yaml:2:1", "did you mean `target_col`?"],
            ),
            bad(
                "7 unknown key below a step",
                |p| edit(p, "split_ratios:", "split_ratio:"),
                3,
                &["unknown key `split_ratio`", "recipe.yaml:9:5", "`split_ratios`?"],
            ),
            bad(
                "8 unknown template",
                |p| edit(p, "regression/v1", "regresion/v1"),
                3,
                &["unknown template `regresion/v1`", "recipe.yaml:1:9", "`regression/v1`?"],
            ),
            bad("8 unknown version", |p| edit(p, "regression/v1", "regression/v7"), 3, &["`regression/v7`", "regression/v1"]),
            bad("9 missing profile", |p| p.write("profiles/prod.yaml", "{}"), 3, &["no profile `prd`", "prod"]).run(&["run", "-p", "prd"]),
            bad("10 profile is a directory", |p| p.write("profiles/odd.yaml/x", ""), 3, &["profiles/odd.yaml", "directory"]).run(&["run", "-p", "odd"]),
            bad("11 undefined variable", |p| edit(p, "data/houses.csv", "\"{{DATA}}\""), 3, &["undefined variable `DATA`", "recipe.yaml:5:16", "-p PROFILE"]),
            bad("12 unused profile value", |p| p.write("profiles/local.yaml", "UNUSED: 1\n"), 0, &["warning", "UNUSED"]),
            bad("13 template loop bomb", |p| append(p, "name: \"{% for i in range(10**9) %}x{% endfor %}\"\n"), 3, &["recipe.yaml:21"]),
            bad("13 template range bomb", |p| append(p, "name: \"{{ range(100000000) | list }}\"\n"), 3, &["recipe.yaml:21"]),
            bad("13 template string bomb", |p| append(p, "name: \"{{ 'a' * 100000000 }}\"\n"), 3, &["recipe.yaml:21"]),
            bad("14 include", |p| append(p, "name: \"{% include '/etc/passwd' %}\"\n"), 3, &["recipe.yaml:21"]),
            bad("14 import", |p| append(p, "name: \"{{ import('os') }}\"\n"), 3, &["recipe.yaml:21"]),
            bad("15 alias bomb", alias_bomb, 3, &["more than 10000 values", "recipe.yaml:26"]),
            bad("16 depth", |p| append(p, &format!("vars: {}{}\n", "[".repeat(100_000), "]".repeat(100_000))), 3, &["nested too deeply", "recipe.yaml:21"]),
            bad(
                "17 recipe of 100 MB",
                |p| sparse(p, "recipe.yaml", "recipe: regression/v1\n", 100 << 20),
                3,
                &["recipe.yaml", "too large for a configuration"],
            ),
            bad(
                "32 a step's file that is missing",
                |p| append(p, "defaults: [{train: ridge}, _self_]\n"),
                3,
                &["group `train` has no option `ridge`", "recipe.yaml:21:12", "steps/train/ridge.yaml"],
            ),
            bad("33 profiles in a circle", |p| p.write("profiles/local.yaml", "extends: local\n"), 3, &["circle: local → local", "profiles/local.yaml"]),
            bad("a recipe that is a list", |p| p.write("recipe.yaml", "- a\n"), 3, &["a recipe is a map of keys", "recipe.yaml"]),
            bad("two documents", |p| append(p, "---\nrecipe: regression/v1\n"), 3, &["one document", "recipe.yaml:21:1"]),
            bad(
                "all errors at once",
                |p| {
                    edit(p, "target_col:", "target_coll:");
                    edit(p, "ridge", "rigde");
                    edit(p, "one_hot", "onehot");
                },
                3,
                &["`target_coll`", "`rigde`", "`onehot`", "problems found"],
            ),
            bad("a profile that is a list", |p| p.write("profiles/local.yaml", "- a\n"), 3, &["a profile is a map of keys", "profiles/local.yaml"]),
        ],
    );
}

fn alias_bomb(project: &Project) {
    let mut text = String::from("vars:\n  a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        writeln!(text, "  a{i}: &a{i} [{}]", vec![format!("*a{}", i - 1); 9].join(", ")).unwrap();
    }
    append(project, &text);
}

#[test]
fn a_value_that_cannot_be_meant_is_refused_with_its_place() {
    check(
        &Project::regression(),
        &[
            bad("19 negative ratio", |p| edit(p, "[0.6, 0.2, 0.2]", "[0.6, -0.2, 0.2]"), 3, &["-0.2", "recipe.yaml:9:", "steps.split.split_ratios"]),
            bad("20 ratio that is no number", |p| edit(p, "[0.6, 0.2, 0.2]", "[0.6, .nan, 0.2]"), 3, &["`.nan` is no finite number", "recipe.yaml:9:25"]),
            bad("21 two ratios", |p| edit(p, "[0.6, 0.2, 0.2]", "[0.8, 0.2]"), 3, &["three", "recipe.yaml:9:", "steps.split.split_ratios"]),
            bad("22 seed -1", |p| append(p, "seed: -1\n"), 3, &["expected a whole number from 0, got `-1`", "recipe.yaml:21:7 at seed"]),
            bad("22 seed 2^64", |p| append(p, "seed: 18446744073709551616\n"), 3, &["got `18446744073709551616`", "recipe.yaml:21:7 at seed"]),
            bad(
                "23 unknown estimator",
                |p| edit(p, "ridge", "rigde"),
                3,
                &["unknown estimator `rigde`", "recipe.yaml:16:12", "did you mean `ridge`?", "recipe list estimators"],
            ),
            bad(
                "23 an estimator for another task",
                |p| edit(p, "ridge\n    estimator_params: {alpha: 0.5}", "logistic"),
                3,
                &["`logistic` cannot do regression", "recipe.yaml:16:12 at steps.train.using", "these can: ", "ridge"],
            )
            .run(&["validate"]),
            bad(
                "24 parameter of the wrong type",
                |p| edit(p, "alpha: 0.5", "alpha: strong"),
                3,
                &["expected a number, got `strong`", "recipe.yaml:17:31", "steps.train.estimator_params.alpha"],
            ),
            bad("24 parameters as a list", |p| edit(p, "{alpha: 0.5}", "[0.5]"), 3, &["expected a map of keys, got a list", "recipe.yaml:17:23"]),
            bad("24 unknown parameter", |p| edit(p, "alpha: 0.5", "alfa: 0.5"), 3, &["unknown key `alfa`", "recipe.yaml:17:24", "known here: `alpha`"]),
            bad(
                "25 depth 0",
                |p| edit(p, "using: ridge\n    estimator_params: {alpha: 0.5}", "using: decision_tree\n    estimator_params: {max_depth: 0}"),
                3,
                &["max_depth", "recipe.yaml:17:35"],
            ),
            bad(
                "25 depth 10^6",
                |p| edit(p, "using: ridge\n    estimator_params: {alpha: 0.5}", "using: decision_tree\n    estimator_params: {max_depth: 1000000}"),
                3,
                &["max_depth", "recipe.yaml:17:35"],
            ),
            bad(
                "26 unknown primary metric",
                |p| append(p, "primary_metric: r2_scor\n"),
                3,
                &["unknown metric `r2_scor`", "recipe.yaml:21:17", "did you mean `r2_score`?"],
            ),
            bad(
                "27 metric of another task",
                |p| append(p, "primary_metric: f1_score\n"),
                3,
                &["`f1_score` is not a metric for regression", "recipe.yaml:21:17", "r2_score"],
            ),
            bad(
                "28 criterion on a metric not computed",
                |p| edit(p, "metric: r2_score", "metric: accuracy"),
                3,
                &["`accuracy`", "recipe.yaml:20:18", "validation_criteria"],
            ),
            bad(
                "31 model name that leaves the registry",
                |p| append(p, "  register: {model_name: ../x}\n"),
                3,
                &["`../x`", "recipe.yaml:21:", "steps.register.model_name"],
            ),
            bad(
                "34 two target columns",
                |p| edit(p, "target_col: price", "target_col: [price, area]"),
                3,
                &["one target column is wanted", "price, area", "recipe.yaml:2:13"],
            ),
            bad("34 two target columns by role", |p| append(p, "roles: {area: target}\n"), 3, &["two target columns: `price` and `area`", "recipe.yaml:21:"]),
            bad("35 the target is ignored", |p| append(p, "roles: {price: ignore}\n"), 3, &["the target `price`", "ignore", "recipe.yaml:21:"]),
            bad("a role that does not exist", |p| append(p, "roles: {area: predicter}\n"), 3, &["predicter", "recipe.yaml:21:", "predictor"]),
            bad("a filter that is no expression", |p| edit(p, "area > 0", "area >"), 3, &["recipe.yaml:10:", "post_split_filter"]),
            bad("a filter with an aggregate", |p| edit(p, "area > 0", "area > AVG(area)"), 3, &["AVG", "recipe.yaml:10:", "post_split_filter"]),
            bad("a positive class in a regression", |p| append(p, "positive_class: 1\n"), 3, &["positive_class", "classification/v1", "recipe.yaml:21:17"]),
            bad(
                "what a later version does",
                |p| edit(p, "alpha: 0.5}", "alpha: 0.5}\n    rebalance_training_data: true"),
                3,
                &["`rebalance_training_data` is not in this version yet (resampling)", "recipe.yaml:18:"],
            ),
            bad("71 unknown step", |_| {}, 2, &["unknown step `trian`", "did you mean `train`?", "ingest, split, transform, train, evaluate, register"])
                .run(&["run", "trian"]),
            bad("72 unknown flag", |_| {}, 2, &["--forced", "--force"]).run(&["run", "--forced"]),
            bad("73 a directory that is not there", |_| {}, 2, &["no such directory: `nowhere`"]).run(&["-C", "nowhere", "run"]),
            bad("an override without a value", |_| {}, 2, &["`steps..x=1`", "KEY=VALUE"]).run(&["run", "steps..x=1"]),
            bad("an override of what is not there", |_| {}, 3, &["unknown key `usin`", "command line", "`using`?"]).run(&["run", "steps.train.usin=lasso"]),
        ],
    );
}

#[test]
fn yaml_1_1_booleans_and_numbers_are_strings_where_a_name_is_meant() {
    let text = houses(240).replace("area,rooms", "no,1e3").replace("id,", "yes,");
    let project = Project::regression().with("data/houses.csv", &text);
    project.edit("recipe.yaml", "area > 0", "\\\"no\\\" > 0");
    project.edit("recipe.yaml", "[rooms]", "[1e3]");
    project.edit("recipe.yaml", "[area]", "[no]");
    project.edit("recipe.yaml", "target_col: price", "target_col: price\nroles: {yes: id}");
    project.ok(&["run"]);
    let model = project.ok(&["show", "model"]).stdout;
    assert!(model.contains("\"1e3\"") && model.contains("\"no\""), "{model}");
}

#[test]
fn data_that_is_not_there_or_not_a_table_is_refused() {
    check(
        &Project::regression(),
        &[
            bad("36 file missing", |p| edit(p, "houses.csv", "house.csv"), 4, &["there is no file `data/house.csv`", "did you mean `data/houses.csv`?"]),
            bad("37 glob matches nothing", |p| edit(p, "data/houses.csv", "data/*.parquet"), 4, &["no file matches `data/*.parquet`"]),
            bad("38 0 bytes", |p| data(p, ""), 4, &["data/houses.csv", "empty"]),
            bad("39 header only", |p| data(p, "id,area,rooms,town,price\n"), 4, &["`data/houses.csv` holds no rows"]),
            bad("40 one row", |p| data(p, houses(1)), 4, &["cannot split: there is one row", "three rows"]),
            bad("40 two rows", |p| data(p, houses(2)), 4, &["cannot split: `test` would be empty", "three rows"]),
            bad(
                "41 target missing",
                |p| edit(p, "target_col: price", "target_col: prise"),
                4,
                &["`prise` is not in `data/houses.csv`", "recipe.yaml:2:13 at target_col", "did you mean `price`?"],
            ),
            bad("42 duplicate header", |p| data(p, houses_with("rooms", "area")), 4, &["`area`", "data/houses.csv:1"]),
            bad("43 empty header cell", |p| data(p, houses_with("rooms", "")), 4, &["column 3", "data/houses.csv:1"]),
            bad("44 ragged row", |p| data(p, houses_with("\n4,", "\n4,5,")), 4, &["data/houses.csv:6", "6", "max_rejected: 1"]),
            bad("45 unclosed quote", |p| data(p, houses_with("\n4,", "\n4,\"")), 4, &["data/houses.csv:6", "quote"]),
            bad(
                "46 UTF-16",
                |p| data(p, houses(240).encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()),
                4,
                &["data/houses.csv", "encoding: utf16"],
            ),
            bad(
                "46 UTF-16 with a mark",
                |p| data(p, [0xfeff].into_iter().chain(houses(240).encode_utf16()).flat_map(u16::to_le_bytes).collect::<Vec<u8>>()),
                4,
                &["encoding: utf16"],
            ),
            bad(
                "46 Latin-1",
                |p| data(p, houses(240).replace("Lake", "S~e").bytes().map(|b| if b == b'~' { 0xe9 } else { b }).collect::<Vec<u8>>()),
                4,
                &["data/houses.csv:4", "encoding: latin1"],
            ),
            bad("47 NUL bytes", |p| data(p, houses_with("North", "No\0th")), 4, &["data/houses.csv:2", "NUL"]),
        ],
    );
}

#[test]
fn files_that_are_not_what_they_seem_are_refused() {
    check(
        &Project::regression(),
        &[
            bad("48 gzip named .csv", |p| data(p, gzip(houses(240).as_bytes())), 0, &["csv (gzip)"]),
            bad("49 csv named .parquet", |p| data_in(p, "data/houses.parquet", houses(240)), 4, &["`data/houses.parquet`", "csv"]),
            bad(
                "50 truncated Parquet",
                |p| {
                    data_in(p, "data/h.parquet", {
                        let good = ingested(p);
                        let half = good.len() / 2;
                        good[..half].to_vec()
                    });
                },
                4,
                &["data/h.parquet", "damaged"],
            ),
            bad(
                "51 forged footer",
                |p| {
                    data_in(p, "data/h.parquet", {
                        let mut bytes = ingested(p);
                        let at = bytes.len() - 8;
                        bytes[at..at + 4].fill(0xff);
                        bytes
                    });
                },
                4,
                &["data/h.parquet", "damaged"],
            ),
            bad("52 nested Parquet column", |p| data_in(p, "data/h.parquet", nested()), 4, &["`tags`", "data/h.parquet"]),
            bad("53 broken JSON line", |p| data_in(p, "data/h.jsonl", json_lines().replacen("{\"id\":6", "{\"id\":6,,", 1)), 4, &["data/h.jsonl:7"]),
            bad(
                "54 JSON array",
                |p| data_in(p, "data/h.json", format!("[{}]", json_lines().trim().replace('\n', ","))),
                4,
                &["data/h.json", "array", "a line"],
            ),
            bad("55 a line of 1 GB, all NUL", |p| sparse(p, "data/houses.csv", "id,area,rooms,town,price\n1,2,3,\"", 1 << 30), 4, &["data/houses.csv"]),
            bad(
                "61 integer overflow",
                |p| data(p, houses_with("\n4,", "\n18446744073709551616,")),
                4,
                &["column `id` holds an integer beyond 64 bits: `18446744073709551616`", "data/houses.csv:6", "float"],
            ),
            bad(
                "61 integer overflow against the contract",
                |p| {
                    data(p, houses_with("\n4,", "\n18446744073709551616,"));
                    edit(p, "      price:", "      id: {type: integer}\n      price:");
                },
                4,
                &["data/houses.csv:6", "18446744073709551616"],
            ),
            bad(
                "62 decimal comma",
                |p| data(p, houses(240).replace(',', ";").replace('.', ",")),
                4,
                &["data/houses.csv:2", "`40000,0` in column `price` is not a float", "decimal_comma: true"],
            ),
            bad(
                "62 decimal comma in one row",
                |p| data(p, houses_and("rate", |i, _| if i == 9 { "\"1,5\"".into() } else { format!("1.{i}") })),
                4,
                &["warning", "`1,5` in line 11 has a decimal comma", "column `rate` is not numeric: string"],
            ),
            bad(
                "62 decimal comma against the contract",
                |p| {
                    data(p, houses_and("rate", |i, _| if i == 9 { "\"1,5\"".into() } else { format!("1.{i}") }));
                    edit(p, "      price:", "      rate: {type: float}\n      price:");
                },
                4,
                &["data/houses.csv:11", "`1,5` in column `rate` is not a float", "decimal_comma: true"],
            ),
            bad(
                "63 other columns in another file",
                |p| {
                    p.write("data/more.csv", houses(9).replace("rooms", "floors"));
                    edit(p, "data/houses.csv", "data/*.csv");
                },
                4,
                &["data/houses.csv", "data/more.csv", "floors", "rooms"],
            ),
            bad("68 a device", |p| edit(p, "data/houses.csv", "/dev/zero"), 4, &["`/dev/zero` is no regular file"]),
            bad(
                "68 a pipe",
                |p| {
                    fs::remove_file(p.path("data/houses.csv")).unwrap();
                    assert!(std::process::Command::new("mkfifo").arg(p.path("data/houses.csv")).status().unwrap().success());
                },
                4,
                &["`data/houses.csv` is no regular file"],
            ),
            bad(
                "a link in a circle",
                |p| {
                    fs::remove_file(p.path("data/houses.csv")).unwrap();
                    std::os::unix::fs::symlink("houses.csv", p.path("data/houses.csv")).unwrap();
                },
                6,
                &["data/houses.csv"],
            ),
        ],
    );
}

#[test]
fn data_that_cannot_be_learned_from_is_refused() {
    check(
        &Project::regression(),
        &[
            bad("56 column all null", |p| data(p, houses_and("notes", |_, _| String::new())), 0, &["warning", "columns without any value were dropped: notes"]),
            bad(
                "57 target all null",
                |p| {
                    data(
                        p,
                        houses(240)
                            .lines()
                            .enumerate()
                            .map(|(i, l)| if i == 0 { format!("{l}\n") } else { format!("{},\n", l.rsplit_once(',').unwrap().0) })
                            .collect::<String>(),
                    );
                },
                4,
                &["target `price`", "every row"],
            ),
            bad(
                "60 infinite target",
                |p| {
                    data(
                        p,
                        houses(240)
                            .lines()
                            .enumerate()
                            .map(|(i, l)| if i == 5 { format!("{},inf\n", l.rsplit_once(',').unwrap().0) } else { format!("{l}\n") })
                            .collect::<String>(),
                    );
                },
                4,
                &["target `price` is infinite in 1 row\n"],
            ),
            bad(
                "70 the target copied as a feature",
                |p| data(p, houses_and("cost", |_, row| row[4].to_owned())),
                4,
                &["`cost`", "target `price`", "roles: {cost: ignore}"],
            ),
            bad(
                "the target is text",
                |p| edit(p, "target_col: price", "target_col: town"),
                4,
                &["target `town` is no number: its column is of type string", "recipe.yaml:2:13 at target_col", "classification/v1"],
            ),
            bad(
                "a role of a column that is not there",
                |p| append(p, "roles: {Area: ignore, zzz: id}\n"),
                4,
                &["column `Area`, which is not in `data/houses.csv`", "`zzz`", "did you mean `area`?", "recipe.yaml:21:9 at roles.Area"],
            ),
            bad(
                "a target that never varies",
                |p| data(p, with_last("price", |_, _| "70000".into())),
                4,
                &["target `price` is 70000 in every row", "recipe.yaml:2:13"],
            ),
            bad(
                "a column that is NaN in every row",
                |p| data(p, houses_and("notes", |_, _| "nan".into())),
                0,
                &["columns without any value were dropped: notes"],
            ),
            bad(
                "weights that are negative",
                |p| {
                    data(p, houses_and("w", |i, _| (3 - i as i64).to_string()));
                    append(p, "roles: {w: weight}\n");
                },
                4,
                &["weight column `w` holds a value that is no weight: -", "recipe.yaml:21:", "numbers ≥ 0"],
            ),
            bad(
                "weights that are missing",
                |p| {
                    data(p, houses_and("w", |i, _| if i % 3 == 0 { String::new() } else { "1".into() }));
                    append(p, "roles: {w: weight}\n");
                },
                4,
                &["weight column `w` has a missing value"],
            ),
            bad(
                "weights that are text",
                |p| {
                    data(p, houses_and("w", |_, _| "heavy".into()));
                    append(p, "roles: {w: weight}\n");
                },
                4,
                &["weight column `w` is not numeric: string"],
            ),
            bad(
                "weights that are all 0",
                |p| {
                    data(p, houses_and("w", |_, _| "0".into()));
                    append(p, "roles: {w: weight}\n");
                },
                4,
                &["no row with a weight above 0"],
            ),
            bad("a column named like a pattern", |p| data(p, houses_and("^.*$", |i, _| (i % 7).to_string())), 0, &[]),
            bad("a column named *", |p| data(p, houses_and("*", |i, _| (i % 7).to_string())), 0, &[]),
            bad("a column named like an SQL word", |p| data(p, houses_and("select", |i, _| (i % 7).to_string())), 0, &[]),
            bad("a column named like markup", |p| data(p, houses_and("\"<img src=x>{{7*7}}\n'\"\"\"", |i, _| (i % 7).to_string())), 0, &[]),
            bad(
                "a column named like the prediction",
                |p| data(p, houses_and("prediction", |i, _| (i % 7).to_string())),
                4,
                &["already has a column `prediction`", "rename it in the data"],
            ),
            bad(
                "numbers too large to add up",
                |p| data(p, houses_and("big", |i, _| if i % 2 == 0 { "1e308".into() } else { "1.5e308".into() })),
                4,
                &["too large", "`big`"],
            ),
            bad(
                "infinite features",
                |p| data(p, houses_and("odd", |i, _| if i == 4 { "inf".into() } else { format!("{i}.5") })),
                4,
                &["`ridge` cannot take missing or infinite values", "`odd`"],
            ),
            bad(
                "duplicate rows only",
                |p| data(p, houses(2).lines().take(1).chain(std::iter::repeat_n("1,50,2,Lake,7.5", 50)).map(|l| format!("{l}\n")).collect::<String>()),
                4,
                &["target `price` is 7.5 in every row"],
            ),
            bad("the contract", |p| edit(p, "min: 0}", "min: 50000}"), 4, &["price", "data/houses.csv"]),
            bad(
                "a filter on a column that is not there",
                |p| edit(p, "area > 0", "aera > 0"),
                4,
                &["no column `aera`", "recipe.yaml:10:24 at steps.split.post_split_filter", "`area`"],
            ),
            bad(
                "a filter that is no condition",
                |p| edit(p, "area > 0", "area + 1"),
                3,
                &["gives integer", "recipe.yaml:10:24 at steps.split.post_split_filter"],
            ),
            bad("a filter that drops everything", |p| edit(p, "area > 0", "area > 100000"), 4, &["would be empty", "post_split_filter is false: 240 rows"]),
            bad(
                "a transform of a column that is not there",
                |p| edit(p, "[town]", "[twon]"),
                4,
                &["no column `twon`", "recipe.yaml:13:", "did you mean `town`?"],
            ),
            bad("a scaler on text", |p| edit(p, "standard_scale: {columns: [area]}", "standard_scale: {columns: [area, town_North]}"), 0, &[]),
            bad(
                "text left for the estimator",
                |p| edit(p, "    - one_hot: {columns: [town]}\n", ""),
                4,
                &["column `town` is not numeric: string", "one_hot", "transform: auto"],
            ),
            bad(
                "missing values left for the estimator",
                |p| edit(p, "    - impute: {columns: [rooms], strategy: median}\n", ""),
                4,
                &["`ridge` cannot take missing or infinite values: `rooms` (12 rows)", "impute"],
            ),
            bad(
                "no feature is left",
                |p| {
                    append(p, "roles: {id: ignore, area: ignore, rooms: ignore, town: ignore}\n");
                    p.write(
                        "recipe.yaml",
                        p.read("recipe.yaml")
                            .replace("transform:", "transform: auto")
                            .lines()
                            .filter(|l| !l.starts_with("    - "))
                            .collect::<Vec<_>>()
                            .join("\n"),
                    );
                },
                4,
                &["`auto` finds nothing to learn from", "recipe.yaml:11:14"],
            ),
        ],
    );
}

#[test]
fn classes_that_cannot_be_learned_are_refused() {
    fn labels(project: &Project, label: fn(usize, &str) -> String) {
        let text: String = loans(300)
            .lines()
            .enumerate()
            .map(|(i, line)| {
                let (rest, last) = line.rsplit_once(',').unwrap();
                format!("{rest},{}\n", if i == 0 { last.to_owned() } else { label(i, last) })
            })
            .collect();
        project.write("data/loans.csv", text);
    }
    check(
        &Project::classification(),
        &[
            bad("57 target all null", |p| labels(p, |_, _| String::new()), 4, &["target `repaid`", "every row"]),
            bad("58 target with one class", |p| labels(p, |_, _| "yes".into()), 4, &["target `repaid` has one class only: yes"]),
            bad(
                "59 a class of one row, stratified",
                |p| {
                    labels(p, |i, _| if i == 7 { "yes".into() } else { "no".into() });
                    edit(p, "data/loans.csv}", "data/loans.csv}\n  split: {using: stratified}");
                },
                4,
                &["class `yes` of `repaid` has one row", "leave `using` out"],
            ),
            bad(
                "three classes and a positive one",
                |p| labels(p, |i, l| if i % 5 == 0 { "late".into() } else { l.to_owned() }),
                3,
                &["`positive_class` is for two classes", "late, no, yes", "recipe.yaml:3:17 at positive_class"],
            ),
            bad(
                "two classes and no positive one",
                |p| edit(p, "positive_class: \"yes\"\n", ""),
                3,
                &["must say which one is positive: no, yes", "add `positive_class: yes`"],
            ),
            bad(
                "a positive class that does not occur",
                |p| edit(p, "\"yes\"", "\"Yes\""),
                4,
                &["does not occur in target `repaid`: Yes", "recipe.yaml:3:17", "the classes are no, yes"],
            ),
            bad("a positive class that YAML 1.1 reads as true", |p| edit(p, "\"yes\"", "yes"), 0, &[]),
            bad(
                "a target with a class a row",
                |p| edit(p, "target_col: repaid\npositive_class: \"yes\"", "target_col: income"),
                4,
                &["target `income` has 300", "classes in 300 rows", "regression/v1", "recipe.yaml:2:13"],
            ),
            bad("27 metric of another task", |p| append(p, "primary_metric: r2_score\n"), 3, &["`r2_score` is not a metric for this classification"]),
            bad(
                "labels that are floats",
                |p| {
                    labels(p, |_, l| if l == "yes" { "1.0".into() } else { "0.0".into() });
                    edit(p, "\"yes\"", "1");
                },
                0,
                &[],
            ),
            bad(
                "labels that are booleans",
                |p| {
                    labels(p, |_, l| if l == "yes" { "true".into() } else { "false".into() });
                    edit(p, "\"yes\"", "true");
                },
                0,
                &[],
            ),
            bad(
                "labels that are dates",
                |p| {
                    labels(p, |i, _| format!("2020-01-0{}", 1 + i % 3));
                    edit(p, "positive_class: \"yes\"\n", "");
                    append(p, "  evaluate: {validation_criteria: [{metric: accuracy_score, threshold: 0}]}\n");
                },
                0,
                &[],
            ),
            bad(
                "labels with quotes and line breaks",
                |p| {
                    labels(p, |i, _| ["\"it's \"\"x\"\"\"", "\"a\nb\"", "<b>"][i % 3].into());
                    edit(p, "positive_class: \"yes\"\n", "");
                    append(p, "  evaluate: {validation_criteria: [{metric: accuracy_score, threshold: 0}]}\n");
                },
                0,
                &[],
            ),
            bad(
                "a class that no training row has",
                |p| {
                    p.write(
                        "data/loans.csv",
                        loans(300)
                            .lines()
                            .enumerate()
                            .map(|(i, l)| match i % 3 {
                                _ if i == 0 => format!("{l},part\n"),
                                0 => format!("{l},train\n"),
                                1 => format!("{}late,val\n", l.trim_end_matches("yes").trim_end_matches("no")),
                                _ => format!("{l},test\n"),
                            })
                            .collect::<String>(),
                    );
                    edit(p, "positive_class: \"yes\"\n", "");
                    append(p, "  split: {using: column, columns: [part]}\n");
                },
                4,
                &["classes that no training row has: late", "stratified"],
            ),
            bad(
                "a class weight for no class",
                |p| edit(p, "{using: logistic}", "{using: logistic, class_weight: {yess: 2}}"),
                3,
                &["class that does not occur: yess", "did you mean `yes`?", "steps.train.class_weight"],
            ),
            bad(
                "70 the target copied as a feature",
                |p| {
                    p.write(
                        "data/loans.csv",
                        loans(300).lines().map(|l| format!("{l},{}\n", l.rsplit_once(',').unwrap().1.replace("repaid", "paid_back"))).collect::<String>(),
                    );
                },
                4,
                &["`paid_back`", "roles: {paid_back: ignore}"],
            ),
        ],
    );
}

/// A project with a bundle beside it that scores `data/new.csv`.
fn scoring() -> Project {
    let project = Project::regression().with("data/new.csv", &houses(12));
    append(&project, "  ingest_scoring: {location: data/new.csv}\n  predict: {model_uri: bundle, output: {location: out/scored.csv}}\n");
    project.ok(&["run"]);
    let models = project.ok(&["models", "show", "houses"]).stdout;
    let from = PathBuf::from(models.lines().find_map(|line| line.strip_prefix("v1: ")).unwrap().split("  digest").next().unwrap());
    copy(&from, &project.path("bundle"));
    project.ok(&["run", "predict"]);
    project
}

/// Changes a bundle's model and the digests with it, as a forger would.
fn forge(project: &Project, from: &str, to: &str) {
    let text = project.read("bundle/model.json");
    assert!(text.contains(from), "{text}");
    let forged = text.replacen(from, to, 1);
    let digest = |text: &str| blake3::hash(text.as_bytes()).to_hex().to_string();
    project.write("bundle/LINEAGE.json", project.read("bundle/LINEAGE.json").replace(&digest(&text), &digest(&forged)));
    project.write("bundle/model.json", forged);
}

#[test]
fn scoring_data_that_the_model_cannot_take_is_refused() {
    check(
        &scoring(),
        &[
            bad(
                "65 unseen category",
                |p| p.write("data/new.csv", houses(12).replace("North", "West")),
                0,
                &["`town` has 1 value that training did not have: West"],
            )
            .run(&["run", "predict"]),
            bad(
                "66 missing column",
                |p| p.write("data/new.csv", houses(12).replace("area", "aera")),
                4,
                &["column `area` (integer) is missing", "did `aera` replace it?"],
            )
            .run(&["run", "predict"]),
            bad(
                "67 wrong type",
                |p| p.write("data/new.csv", houses(12).replacen("\n4,188,", "\n4,big,", 1).replacen("\n4,68,", "\n4,big,", 1)),
                4,
                &["column `area` has values that are no integer: `big` in row 5"],
            )
            .run(&["run", "predict"]),
            bad("no rows", |p| p.write("data/new.csv", houses(0)), 4, &["data/new.csv"]).run(&["run", "predict"]),
            bad(
                "82 a signature that the data cannot satisfy",
                |p| p.write("data/new.csv", "x\n1\n"),
                4,
                &["column `area` (integer) is missing", "`town`", "4 problems found", "`id`, `area`, `rooms`, `town`"],
            )
            .run(&["run", "predict"]),
            bad(
                "predictions that are there already",
                |p| p.write("data/new.csv", houses(12).replace("price", "prediction")),
                4,
                &["already has a column `prediction`", "rename it in the data"],
            )
            .run(&["run", "predict"]),
            bad(
                "an output of no known format",
                |p| edit(p, "out/scored.csv", "out/scored.xyz"),
                3,
                &["cannot tell the format of `out/scored.xyz`", "recipe.yaml:22:", "using: parquet"],
            )
            .run(&["run", "predict"]),
            bad(
                "an output that is a directory",
                |p| {
                    fs::remove_file(p.path("out/scored.csv")).unwrap();
                    fs::create_dir(p.path("out/scored.csv")).unwrap();
                },
                6,
                &["out/scored.csv"],
            )
            .run(&["run", "predict"]),
            bad("an output column that is not there", |p| edit(p, "scored.csv}", "scored.csv, columns: [predicton]}"), 4, &["predicton", "prediction"])
                .run(&["run", "predict"]),
        ],
    );
}

#[test]
fn a_bundle_that_is_damaged_newer_or_forged_is_refused() {
    check(
        &scoring(),
        &[
            bad(
                "81 truncated",
                |p| {
                    let text = p.read("bundle/model.json");
                    p.write("bundle/model.json", &text[..text.len() / 2]);
                },
                7,
                &["bundle", "damaged", "model.json"],
            )
            .run(&["run", "predict"]),
            bad(
                "81 one bit",
                |p| {
                    let mut bytes = p.read("bundle/model.json").into_bytes();
                    let at = bytes.len() / 2;
                    bytes[at] ^= 1;
                    p.write("bundle/model.json", bytes);
                },
                7,
                &["damaged", "model.json"],
            )
            .run(&["run", "predict"]),
            bad(
                "81 one bit of the lineage",
                |p| {
                    let mut bytes = p.read("bundle/LINEAGE.json").into_bytes();
                    bytes[0] ^= 1;
                    p.write("bundle/LINEAGE.json", bytes);
                },
                7,
                &["damaged"],
            )
            .run(&["run", "predict"]),
            bad("81 newer bundle", |p| p.edit("bundle/LINEAGE.json", "\"bundle_version\": 2", "\"bundle_version\": 9"), 7, &["newer", "update recipe"])
                .run(&["run", "predict"]),
            bad("81 newer model", |p| forge(p, "\"format\":1", "\"format\":9"), 7, &["newer", "update recipe"]).run(&["run", "predict"]),
            bad("81 absurd version", |p| forge(p, "\"format\":1", "\"format\":-1"), 7, &["damaged"]).run(&["run", "predict"]),
            bad("81 unknown estimator", |p| forge(p, "\"estimator\":\"ridge\"", "\"estimator\":\"exec\""), 7, &["exec"]).run(&["run", "predict"]),
            bad("81 a feature too many", |p| forge(p, "\"features\":[", "\"features\":[\"ghost\","), 7, &["damaged"]).run(&["run", "predict"]),
            bad("81 no chain", |p| forge(p, "\"chain\":", "\"chain\":null,\"was\":"), 7, &["damaged"]).run(&["run", "predict"]),
            bad("81 a file outside of the bundle", |p| p.edit("bundle/LINEAGE.json", "\"model.json\":", "\"../recipe.yaml\":"), 7, &["damaged"])
                .run(&["run", "predict"]),
            bad("81 a deep file", |p| p.write("bundle/LINEAGE.json", "[".repeat(1 << 20)), 7, &["damaged"]).run(&["run", "predict"]),
            bad("81 a huge file", |p| sparse(p, "bundle/model.json", "{", 64 << 30), 7, &["model.json"]).run(&["run", "predict"]),
            bad("81 no bundle", |p| fs::remove_dir_all(p.path("bundle")).unwrap(), 7, &["no bundle at `bundle`", "models:/NAME"]).run(&["run", "predict"]),
            bad("81 an empty directory", |p| edit(p, "model_uri: bundle", "model_uri: data"), 7, &["LINEAGE.json"]).run(&["run", "predict"]),
            bad("84 model name absent", |p| edit(p, "model_uri: bundle", "model_uri: models:/house/1"), 7, &["no model `house`", "did you mean `houses`?"])
                .run(&["run", "predict"]),
            bad("84 version absent", |p| edit(p, "model_uri: bundle", "model_uri: models:/houses/99"), 7, &["99", "houses"]).run(&["run", "predict"]),
            bad("84 alias absent", |p| edit(p, "model_uri: bundle", "model_uri: models:/houses@blue"), 7, &["no alias `blue`"]).run(&["run", "predict"]),
            bad("84 run absent", |p| edit(p, "model_uri: bundle", "model_uri: runs:/abcd"), 7, &["run `abcd`"]).run(&["run", "predict"]),
            bad("84 no URI at all", |p| edit(p, "model_uri: bundle", "model_uri: nothing"), 7, &["no bundle at `nothing`", "models:/NAME/VERSION"])
                .run(&["run", "predict"]),
        ],
    );
}

#[test]
fn no_byte_of_a_parquet_footer_brings_the_program_down() {
    let project = Project::regression();
    project.ok(&["run", "ingest"]);
    let good = ingested(&project);
    edit(&project, "data/houses.csv", "data/h.parquet");
    let footer = u32::from_le_bytes(good[good.len() - 8..good.len() - 4].try_into().unwrap()) as usize;
    let start = good.len() - 8 - footer;
    for (i, at) in (start..good.len()).step_by(footer / 24).enumerate() {
        let mut bytes = good.clone();
        bytes[at] = [0xff, 0x7f, 0x00, bytes[at] ^ 0x10][i % 4];
        project.write("data/h.parquet", bytes);
        let ran = project.recipe(&["run", "ingest"]);
        // A change that says nothing wrong (a statistic, the writer's name) may be read.
        assert!(matches!(ran.code, 0 | 4), "byte {at} of {}: {}\n{}", good.len(), ran.code, ran.stderr);
        assert!(ran.code == 0 || ran.stderr.contains("data/h.parquet"), "{}", ran.stderr);
    }
}

#[test]
fn a_file_that_changes_while_it_is_read_is_refused() {
    let project = Project::regression();
    let text = houses(60_000);
    project.write("data/houses.csv", &text);
    let mut child = project.command(&["run", "ingest"]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut writer = fs::OpenOptions::new().append(true).open(project.path("data/houses.csv")).unwrap();
    while child.try_wait().unwrap().is_none() {
        std::io::Write::write_all(&mut writer, b"9,100,3,Lake,120000.0\n").unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    let ran = Ran::of(&child.wait_with_output().unwrap());
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(ran.stderr.contains("data/houses.csv") && ran.stderr.contains("changed while"), "{}", ran.stderr);
    project.write("data/houses.csv", houses(240));
    project.ok(&["run"]);
}

#[test]
fn a_file_that_may_not_be_read_is_a_failure_of_input_and_output() {
    use std::os::unix::fs::PermissionsExt;
    let project = Project::regression();
    let path = project.path("data/houses.csv");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&path).is_ok() {
        // The superuser may read anything.
        return;
    }
    let ran = project.recipe(&["run"]);
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    assert!(ran.stderr.contains("cannot read `data/houses.csv`") && ran.stderr.contains("hint: check the permissions"), "{}", ran.stderr);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    project.ok(&["run"]);
}

#[test]
fn a_store_that_is_none_newer_or_busy_is_refused() {
    let project = Project::regression().with(".recipe", "a file");
    let ran = project.recipe(&["run"]);
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stderr.contains(".recipe") && ran.stderr.contains("hint"), "{}", ran.stderr);
    fs::remove_file(project.path(".recipe")).unwrap();
    project.ok(&["run"]);

    let version = fs::read(project.path(".recipe/version")).unwrap();
    project.write(".recipe/version", "99\n");
    for arguments in [&["run"][..], &["status"], &["models"], &["runs"], &["show", "model"]] {
        let ran = project.recipe(arguments);
        assert_eq!(ran.code, 5, "{arguments:?} {}", ran.stderr);
        assert!(ran.stderr.contains("newer"), "{}", ran.stderr);
    }
    project.write(".recipe/version", version);
    assert_eq!(project.executed(&["run"]), "");

    // Every lock that a key could want is held.
    let locks: Vec<fs::File> = fs::read_dir(project.path(".recipe/v1/locks")).unwrap().map(|entry| fs::File::open(entry.unwrap().path()).unwrap()).collect();
    for lock in &locks {
        lock.lock().unwrap();
    }
    let ran = project.recipe(&["run", "--no-wait", "--force"]);
    assert_eq!(ran.code, 8, "{}", ran.stderr);
    drop(locks);
    project.ok(&["run", "--force"]);
}

#[test]
fn odd_surroundings_are_no_hindrance() {
    use std::os::unix::ffi::OsStrExt;
    let project = Project::regression();
    let ran = Ran::of(&project.command(&["run", "evaluate"]).env_remove("HOME").env("TERM", "dumb").output().unwrap());
    assert_eq!(ran.code, 0, "76 and 80: {}", ran.stderr);
    assert_eq!(ran.executed(), "ingest split transform train evaluate");
    let ran = Ran::of(&project.command(&["run"]).arg(std::ffi::OsStr::from_bytes(b"tr\xffin")).output().unwrap());
    assert_eq!(ran.code, 2, "75: {}", ran.stderr);
    assert!(ran.stderr.contains("not UTF-8"), "{}", ran.stderr);
    let ran = project.recipe(&["run", "train\u{1b}[31m"]);
    assert_eq!(ran.code, 2);
    assert!(!ran.stderr.contains('\u{1b}'), "{}", ran.stderr);
    // Nobody reads on.
    let mut child = project
        .command(&["show", "ingested_data", "-n", "240", "--format", "csv"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ran = Ran::of(&child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "74");
}

/// The ingested houses as Parquet.
fn ingested(project: &Project) -> Vec<u8> {
    project.artifact("ingested_data")
}

/// A Parquet file whose column `tags` holds lists.
fn nested() -> Vec<u8> {
    use polars::prelude::*;
    let tags = Series::new("tags".into(), [Series::new("".into(), ["a", "b"]), Series::new("".into(), ["c"])]);
    let mut frame = df!("area" => [40.0, 50.0], "price" => [1.0, 2.0]).unwrap();
    frame.with_column(tags.into_column()).unwrap();
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame).unwrap();
    bytes
}

fn json_lines() -> String {
    houses(240).lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>()).fold(String::new(), |mut text, row| {
        let rooms = if row[2].is_empty() { "null" } else { row[2] };
        writeln!(text, "{{\"id\":{},\"area\":{},\"rooms\":{rooms},\"town\":\"{}\",\"price\":{}}}", row[0], row[1], row[3], row[4]).unwrap();
        text
    })
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}
