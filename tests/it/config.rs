//! Configuration from many files: order, groups, profiles, overrides, references, and what the program says of them.

use crate::project::{Project, houses};

const RECIPE: &str = "\
recipe: regression/v1
target_col: price
defaults:
  - train: ridge
  - optional split: none_such
  - _self_
steps:
  ingest: {location: data/houses.csv}
  transform:
    - impute: {columns: [rooms]}
    - one_hot: {columns: [town]}
    - standard_scale: {columns: [area]}
  train: {estimator_params: {fit_intercept: true}}
vars: {env: dev, place: {name: \"x-${env}\", list: [1, 2]}}
";

fn project() -> Project {
    Project::empty()
        .with("data/houses.csv", &houses(240))
        .with("recipe.yaml", RECIPE)
        .with("steps/train/ridge.yaml", "using: ridge\nestimator_params: {alpha: 0.5}\n")
        .with("steps/train/lasso.yaml", "defaults: [base]\nusing: lasso\n")
        .with("steps/train/base.yaml", "estimator_params: {alpha: 0.1}\n")
        .with("profiles/base.yaml", "vars: {env: base, list: [1]}\n")
        .with("profiles/prod.yaml", "extends: base\nvars: {env: prod, place: {list: !append [3]}}\n")
        .with("profiles/lasso.yaml", "defaults: [train: lasso]\n")
}

/// The pipeline that people build with Hydra and invoke: one base, environments, groups mounted by hand.
#[test]
fn environments_and_mounted_groups_of_the_well_known_article() {
    let project = Project::empty()
        .with(
            "recipe.yaml",
            "recipe: regression/v1
target_col: y
defaults:
  - pipelines@vars.pipelines.pipeline_1: pipeline_1
  - pipelines@vars.pipelines.pipeline_2: pipeline_2
  - _self_
steps: {ingest: {location: data.csv}}
vars:
  version: \"${rc.pyproject_value:tool.poetry.version}\"
  env: dev
  user: \"${oc.env:USER, runner}\"
  gcp: {project: \"xxx-${env}\"}
  train:
    mlflow: {use: true, tracking_uri: \"https://mlflow.${env}.xxx.com\"}
    output_dir: trained_models
",
        )
        .with("pipelines/pipeline_1.yaml", "param1: xxx\n")
        .with("pipelines/pipeline_2.yaml", "")
        .with("profiles/prod.yaml", "vars: {env: prod}\n")
        .with("profiles/sandbox.yaml", "vars: {gcp: {project: \"xxx-sandbox-${user}\"}, train: {mlflow: {use: false}}}\n")
        .with("pyproject.toml", "[tool.poetry]\nname = \"x\"\nversion = \"0.1.0\"\n")
        .env("USER", "fujimura");
    let vars = |env: &str, gcp: &str, used: &str| {
        format!(
            "env: {env}
gcp:
  project: {gcp}
pipelines:
  pipeline_1:
    param1: xxx
  pipeline_2: {{}}
train:
  mlflow:
    tracking_uri: https://mlflow.{env}.xxx.com
    use: {used}
  output_dir: trained_models
user: fujimura
version: \"0.1.0\"
"
        )
    };
    assert_eq!(project.ok(&["config", "vars"]).stdout, vars("dev", "xxx-dev", "true"));
    assert_eq!(project.ok(&["config", "vars", "-p", "prod"]).stdout, vars("prod", "xxx-prod", "true"));
    assert_eq!(project.ok(&["config", "vars", "-p", "sandbox"]).stdout, vars("dev", "xxx-sandbox-fujimura", "false"));
}

#[test]
fn later_layers_win_and_options_take_the_place_of_options() {
    let project = project();
    let show = |key: &str, arguments: &[&str]| project.ok(&[&["config", key, "-o", "json"], arguments].concat()).stdout.split_whitespace().collect::<String>();
    assert_eq!(show("steps.train", &[]), r#"{"estimator_params":{"alpha":0.5,"fit_intercept":true},"using":"ridge"}"#);
    assert_eq!(show("steps.train", &["-p", "lasso"]), r#"{"estimator_params":{"alpha":0.1,"fit_intercept":true},"using":"lasso"}"#);
    assert_eq!(
        show("steps.train", &["train=lasso", "steps.train.estimator_params.alpha=7"]),
        r#"{"estimator_params":{"alpha":7,"fit_intercept":true},"using":"lasso"}"#
    );
    assert_eq!(show("vars", &["-p", "prod"]), r#"{"env":"prod","list":[1],"place":{"list":[1,2,3],"name":"x-prod"}}"#);
    // Several profiles go over each other from left to right.
    assert_eq!(show("vars.env", &["-p", "prod", "-p", "base"]), r#""base""#);
    assert_eq!(show("vars.place", &["vars.place.list=append(9)", "~vars.place.name"]), r#"{"list":[1,2,9]}"#);
    assert_eq!(show("vars.place.list", &["vars.place.list=prepend(a, b)"]), r#"["a","b",1,2]"#);
    assert_eq!(show("vars.place.list", &["vars.place.list=remove(1)"]), "[2]");
    assert_eq!(show("vars.place", &["vars.place=!replace {x: 1}"]), r#"{"x":1}"#);
    assert_eq!(show("steps.transform", &["steps.transform=append({drop: {columns: [rooms]}})"]).matches("columns").count(), 4);
    assert_eq!(
        show("steps.transform", &["steps.transform.2.standard_scale.columns=[rooms]"]),
        r#"[{"impute":{"columns":["rooms"]}},{"one_hot":{"columns":["town"]}},{"standard_scale":{"columns":["rooms"]}}]"#
    );
    assert_eq!(show("vars.new", &["+vars.new=1"]), "1");

    // What is composed runs: another option is another model, and only train and what follows it runs.
    project.ok(&["run", "train"]);
    assert_eq!(project.executed(&["run", "train", "train=lasso"]), "train");
    assert_eq!(project.executed(&["run", "train", "-p", "lasso"]), "");
}

#[test]
fn mistakes_name_their_place_and_what_is_near() {
    let cases: &[(&[&str], i32, &[&str])] = &[
        (&["config", "train=rige"], 3, &["the group `train` has no option `rige`", "did you mean `ridge`? there are: base, lasso, ridge"]),
        (&["config", "-p", "prdo"], 3, &["no profile `prdo`", "did you mean `prod`? there are: base, lasso, prod"]),
        (&["config", "+vars.env=x"], 2, &["`vars.env` is there already"]),
        (&["config", "~vars.nothing"], 2, &["nothing to remove: `vars.nothing` is not set"]),
        (&["config", "vars.env=append(x)"], 2, &["`vars.env` is a string: only a list can be appended to"]),
        (&["config", "steps.trian.using"], 2, &["nothing sets `steps.trian.using`", "did you mean `train`?"]),
        (&["validate", "steps.trian.using=ridge"], 3, &["unknown key `trian`", "did you mean `train`?"]),
        (&["validate", "seed=${vars.envv}"], 3, &["refers to nothing", "did you mean `${vars.env}`?"]),
        (&["validate", "seed=${gti:sha}"], 3, &["unknown resolver `gti`", "did you mean `git`?"]),
    ];
    let project = project();
    for (arguments, code, says) in cases {
        let ran = project.recipe(arguments);
        assert_eq!(ran.code, *code, "{arguments:?}\n{}", ran.stderr);
        for text in *says {
            assert!(ran.stderr.contains(text), "{arguments:?} does not say `{text}`\n{}", ran.stderr);
        }
    }
    // Every fault of every file at once.
    project.write("steps/train/ridge.yaml", "using: [\n");
    project.write("profiles/prod.yaml", "extends: bsae\nvars: {x: !apend [1]}\n");
    let ran = project.recipe(&["validate", "-p", "prod"]);
    assert_eq!(ran.code, 3);
    for text in ["steps/train/ridge.yaml:", "profiles/prod.yaml:2:18", "unknown tag `!apend`", "did you mean `!append`?", "2 problems found"] {
        assert!(ran.stderr.contains(text), "does not say `{text}`\n{}", ran.stderr);
    }
    project.write("profiles/prod.yaml", "extends: other\n");
    project.write("profiles/other.yaml", "extends: prod\n");
    let ran = project.recipe(&["validate", "-p", "prod"]);
    assert!(ran.stderr.contains("profiles extend each other in a circle: prod → other → prod"), "{}", ran.stderr);
    project.write("steps/train/ridge.yaml", "defaults: [lasso]\n");
    project.write("steps/train/lasso.yaml", "defaults: [ridge]\n");
    let ran = project.recipe(&["validate"]);
    assert!(
        ran.stderr.contains("files name each other in a circle: recipe.yaml → steps/train/ridge.yaml → steps/train/lasso.yaml → steps/train/ridge.yaml"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_value_is_explained_and_profiles_are_compared() {
    let project = project();
    let explained = project.ok(&["config", "--explain", "steps.train.estimator_params.alpha", "-p", "lasso", "steps.train.estimator_params.alpha=3"]).stdout;
    assert_eq!(
        explained,
        "steps.train.estimator_params.alpha = 3
  steps/train/base.yaml:1:27  0.1  (train: base)
  command line                3  <- wins
a change reaches: train, evaluate, register
"
    );
    let explained = project.ok(&["config", "--explain", "vars.env", "-p", "prod"]).stdout;
    assert!(
        explained.contains("recipe.yaml:14:13        dev\n") && explained.contains("profiles/prod.yaml:2:13  prod  (profile prod)  <- wins\n"),
        "{explained}"
    );
    assert!(explained.contains("a change reaches: no step"), "{explained}");
    // A value that is used through a reference reaches where it is used.
    project.edit("recipe.yaml", "location: data/houses.csv", "location: \"data/${file_name}\"");
    project.edit("recipe.yaml", "env: dev", "env: dev, file_name: houses.csv");
    assert!(project.ok(&["config", "--explain", "vars.file_name"]).stdout.contains("a change reaches: ingest, split, transform, train, evaluate, register\n"));
    assert_eq!(
        project.ok(&["config", "--diff", "prod"]).stdout,
        "no profile → prod\n~ vars.env: dev → prod\n+ vars.list: [1]\n~ vars.place.list: [1, 2] → [1, 2, 3]\n~ vars.place.name: x-dev → x-prod\n"
    );
    let toml = project.ok(&["config", "vars", "-o", "toml"]).stdout;
    assert_eq!(toml, "env = \"dev\"\nfile_name = \"houses.csv\"\n\n[place]\nlist = [\n    1,\n    2,\n]\nname = \"x-dev\"\n");
}

#[test]
fn what_repeats_and_what_is_unused_is_a_warning() {
    let project = project().with("profiles/same.yaml", "vars: {env: dev}\nseed: 42\nUNUSED: 1\n");
    let ran = project.ok(&["validate", "-p", "same", "vars.place.name=x-${env}"]);
    for text in [
        "profile same sets `vars.env` to what it is already (recipe.yaml:14:13)",
        "does not use: UNUSED",
        "command line sets `vars.place.name` to what it is already",
    ] {
        assert!(ran.stdout.contains(text), "{}", ran.stdout);
    }
    assert!(!ran.stdout.contains("seed"), "{}", ran.stdout);
}

#[test]
fn references_of_every_kind() {
    let project = project()
        .with("note.txt", "from a file\n")
        .with("x.toml", "[a]\nb = [1, {c = \"deep\"}]\n")
        .with("Cargo.toml", "[package]\nname = \"x\"\nversion = \"1.2.3\"\n")
        .with(".env", "# comment\nFROM_FILE=\"two words\"\nBOTH=file\n")
        .with(".git/HEAD", "ref: refs/heads/main\n")
        .with(".git/refs/heads/main", "0123456789abcdef\n")
        .env("BOTH", "process");
    project.write(
        "recipe.yaml",
        format!(
            "{RECIPE}params: {{month: {{type: string, default: \"2016-02\"}}}}\n{}",
            ""
        )
        .replace(
            "vars: {env: dev, ",
            "vars: {a: {b: 1, c: \"${.b}\", d: {e: \"${..b}\"}}, file: \"${file:note.txt}\", toml: \"${toml:x.toml,a.b.1.c}\", none: \"${toml:x.toml,a.z,7}\",
  cargo: \"${cargo_pkg:version}\", dot: \"${env:FROM_FILE}\", both: \"${env:BOTH}\", sha: \"${git:sha}\", branch: \"${git:branch}\",
  month: \"m-${params.month}\", nested: \"${env:${which}}\", which: BOTH, fallback: \"${env:NOT_SET,${env}}\", year: \"${now:%Y}\", escaped: '\\${env}', env: dev, ",
        ),
    );
    let value = |key: &str| {
        let text = project.ok(&["config", key, "-o", "json"]).stdout;
        text.trim().trim_matches('"').to_owned()
    };
    for (key, expected) in [
        ("a.c", "1"),
        ("a.d.e", "1"),
        ("file", "from a file"),
        ("toml", "deep"),
        ("none", "7"),
        ("cargo", "1.2.3"),
        ("dot", "two words"),
        ("both", "process"),
        ("sha", "0123456789abcdef"),
        ("branch", "main"),
        ("month", "m-2016-02"),
        ("nested", "process"),
        ("fallback", "dev"),
        ("escaped", "${env}"),
    ] {
        assert_eq!(value(&format!("vars.{key}")), expected, "{key}");
    }
    assert!(value("vars.year").starts_with("20"));
    assert_eq!(project.ok(&["config", "vars.month", "params.month=2017-01"]).stdout, "m-2017-01\n");
}

#[test]
fn a_secret_is_nowhere() {
    let project = project().env("TOKEN", "hunter2-secret").with(".env", "OTHER=hunter2-secret-too\n");
    project.edit("recipe.yaml", "vars: {", "vars: {token: \"${secret:TOKEN}\", other: \"${secret:OTHER}\", both: \"x ${token}\", ");
    let ran = project.ok(&["run"]);
    let config = project.ok(&["config"]);
    assert!(config.stdout.contains("${secret:TOKEN}"), "{}", config.stdout);
    let mut places = vec![ran.stdout, ran.stderr, config.stdout, project.ok(&["config", "--explain", "vars"]).stdout];
    for arguments in
        [&["validate", "seed=${secret:TOKEN}"][..], &["validate", "steps.ingest.location=data/${secret:TOKEN}.csv"], &["validate", "vars.x=${secret:NONE}"]]
    {
        let ran = project.recipe(arguments);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        places.push(ran.stderr);
    }
    for text in places {
        assert!(!text.contains("hunter2"), "{text}");
    }
    let mut folders = vec![project.path(".recipe")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files += 1;
                let bytes = std::fs::read(&path).unwrap();
                assert!(!bytes.windows(7).any(|window| window == b"hunter2"), "{}", path.display());
            }
        }
    }
    assert!(files > 20);
}

#[test]
fn parameters_are_typed_and_missing_ones_named_together() {
    let project = project();
    project.edit(
        "recipe.yaml",
        "vars: {",
        "params:
  month: {type: string, required: true, pattern: '\\d{4}-\\d{2}'}
  city: {required: true, in: [nyc, sf]}
  rows: {type: integer, default: 240, min: 1}
vars: {file: \"data/${params.city}-${params.month}.csv\", ",
    );
    let cases: &[(&[&str], &str)] = &[
        (&[], "parameters without a value, which are required: `city`, `month`"),
        (&["params.city=nyc"], "parameter without a value, which is required: `month`"),
        (&["params.city=la", "params.month=2016-03"], "parameter `city` is `la`, not one of `nyc`, `sf`"),
        (&["params.city=sf", "params.month=march"], "parameter `month` is `march`, which does not match `\\d{4}-\\d{2}`"),
        (&["params.city=sf", "params.month=2016-03", "params.rows=many"], "parameter `rows` is `many`, not a whole number"),
        (&["params.city=sf", "params.month=2016-03", "params.rows=0"], "parameter `rows` is `0`, less than 1"),
        (&["params.city=sf", "params.month=2016-03", "params.mont=1"], "no parameter `mont`"),
    ];
    for (arguments, says) in cases {
        let ran = project.recipe(&[&["validate"], *arguments].concat());
        assert!(ran.code == 3 && ran.stderr.contains(says), "{arguments:?} {}\n{}", ran.code, ran.stderr);
    }
    project.write("profiles/sf.yaml", "params: {city: sf}\n");
    assert_eq!(project.ok(&["config", "vars.file", "-p", "sf", "params.month=2016-03"]).stdout, "data/sf-2016-03.csv\n");
    project.ok(&["validate", "-p", "sf", "params.month=2016-03"]);
}

#[test]
fn every_column_name_is_held_against_the_data_when_it_is_there() {
    let project = Project::empty().with("data/houses.csv", &houses(240)).with(
        "recipe.yaml",
        "\
recipe: regression/v1
target_col: price
roles: {idd: id}
custom_metrics:
  - {name: m, expression: \"AVG(prediction - targett)\", greater_is_better: false}
steps:
  ingest:
    location: data/houses.csv
    schema: {aera: {type: float}}
    tests: [{null_share: {column: rom, max: 0.1}}]
  split: {post_split_filter: prize > 0}
  transform:
    - derive: {size: area / rooms}
    - rename: {rooms: room_count}
    - clip: {columns: [size, room_count], lower: 0}
    - one_hot: {columns: [twon]}
  ingest_scoring: {location: data/new.csv}
",
    );
    let ran = project.recipe(&["validate"]);
    assert_eq!(ran.code, 4, "{}{}", ran.stdout, ran.stderr);
    for text in [
        "a role for column `idd`",
        "--> recipe.yaml:3:9",
        "no column `aera`; did you mean `area`?",
        "--> recipe.yaml:9:14",
        "no column `rom`",
        "--> recipe.yaml:10:13",
        "no column `prize` for the expression `prize > 0`",
        "--> recipe.yaml:11:30",
        "there is no column `twon`",
        "--> recipe.yaml:16:16",
        "did you mean `town`?",
        "no column `targett` for the metric `m`",
        "--> recipe.yaml:5:27",
        "6 problems found",
    ] {
        assert!(ran.stderr.contains(text), "does not say `{text}`\n{}", ran.stderr);
    }
    for (from, to) in [("idd", "id"), ("aera", "area"), ("rom,", "rooms,"), ("prize", "price"), ("twon", "town"), ("targett", "target")] {
        project.edit("recipe.yaml", from, to);
    }
    assert!(project.ok(&["validate"]).stdout.contains("columns of the data"));
    // Renamed away, a column is gone; scoring data must have what features are computed from.
    project.edit("recipe.yaml", "[size, room_count]", "[size, rooms]");
    assert!(project.recipe(&["validate"]).stderr.contains("there is no column `rooms`"));
    project.edit("recipe.yaml", "[size, rooms]", "[size, room_count]");
    project.write("data/new.csv", houses(20).replace("town", "place"));
    let ran = project.recipe(&["validate"]);
    assert_eq!(ran.code, 4);
    assert!(ran.stderr.contains("column `town` (string) is missing; the model was trained with it"), "{}", ran.stderr);
    // Without data the names cannot be known.
    std::fs::remove_file(project.path("data/houses.csv")).unwrap();
    project.edit("recipe.yaml", "[town]", "[twon]");
    assert!(project.ok(&["validate"]).stdout.contains("column names unchecked"));
}

#[test]
fn recipes_share_files_and_an_edit_reruns_those_that_use_it() {
    let recipe = |target: &str, train: &str| {
        format!(
            "recipe: regression/v1\ntarget_col: {target}\nroles: {{id: id}}\ndefaults: [ingest: houses, train: {train}, _self_]\nsteps: {{split: {{split_ratios: [6, 2, 2]}}}}\n"
        )
    };
    let project = Project::empty()
        .with("data/houses.csv", &houses(240))
        .with("steps/ingest/houses.yaml", "location: \"${vars.data}\"\n")
        .with("steps/train/ridge.yaml", "using: ridge\nestimator_params: {alpha: 1}\n")
        .with("steps/train/lasso.yaml", "using: lasso\nestimator_params: {alpha: 0.1}\n")
        .with("profiles/local.yaml", "vars: {data: data/houses.csv}\n")
        .with("profiles/prod.yaml", "vars: {data: data/prod.csv}\n")
        .with("recipes/areas/recipe.yaml", &recipe("area", "ridge"))
        .with("recipes/prices/recipe.yaml", &recipe("price", "ridge"))
        .with("recipes/rents/recipe.yaml", &recipe("price", "lasso"));
    let all = "ingest split transform train evaluate register";
    // What `rents` has in common with `prices` is computed once.
    let planned = project.ok(&["run", "--all", "--dry-run"]);
    assert!(planned.executed().is_empty() && planned.stdout.matches(":\ningest ").count() == 3, "{}", planned.stdout);
    assert!(!project.path(".recipe/runs.db").exists());
    let planned = project.ok(&["run", "--all", "--dry-run", "--json"]).stdout;
    assert_eq!(planned.matches("\"recipe\":").count(), 18, "{planned}");
    assert_eq!(project.executed(&["run", "--all"]), format!("{all} {all} train evaluate register"));
    assert_eq!(project.executed(&["run", "--all"]), "");
    project.edit("steps/train/ridge.yaml", "alpha: 1", "alpha: 2");
    assert_eq!(project.executed(&["run", "--all"]), "train evaluate register train evaluate register");
    assert_eq!(project.executed(&["run", "-r", "rents"]), "");
    project.write("recipes/rents/steps/train/lasso.yaml", "using: lasso\nestimator_params: {alpha: 0.2}\n");
    assert_eq!(project.executed(&["run", "--all"]), "train evaluate register");
    project.edit("recipes/areas/recipe.yaml", "target_col: area", "target_col: rooms");
    assert_eq!(project.executed(&["run", "--all"]), all);

    let deps = project.ok(&["deps"]).stdout;
    let expected = "\
used by several recipes
  data/houses.csv                      areas, prices, rents
  profiles/local.yaml                  areas, prices, rents
  profiles/prod.yaml                   areas, prices, rents
  steps/ingest/houses.yaml             areas, prices, rents
  steps/train/ridge.yaml               areas, prices
used by one recipe
  recipes/areas/recipe.yaml            areas
  recipes/prices/recipe.yaml           prices
  recipes/rents/recipe.yaml            rents
  recipes/rents/steps/train/lasso.yaml  rents
";
    assert_eq!(deps.replace(' ', ""), expected.replace(' ', ""));
    assert_eq!(project.ok(&["deps", "steps/train/ridge.yaml", "--json"]).stdout, "{\"steps/train/ridge.yaml\":[\"areas\",\"prices\"]}\n");
    assert!(project.recipe(&["deps", "steps/train/rigde.yaml"]).stderr.contains("did you mean `steps/train/ridge.yaml`?"));
}
