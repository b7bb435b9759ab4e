//! What is learned and what it scores, against scikit-learn on the same splits (benches/peer/parity.py).
//!
//! Needs the environment that `benches/peer/setup.sh` makes; where it is not there, the tests say so and pass.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::project::{Project, Ran};

/// The environment's interpreter, at the place that setup.sh uses.
fn peer() -> Option<PathBuf> {
    let place =
        std::env::var_os("RECIPE_PEER_VENV").map(PathBuf::from).or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/recipe/peer")))?;
    Some(place.join("bin/python")).filter(|python| python.is_file())
}

/// Trains the project in both and compares; `compared` is how the first line of the comparison begins.
#[track_caller]
fn agrees(project: &Project, compared: &str) {
    let Some(python) = peer() else {
        #[expect(clippy::print_stderr, reason = "a test that did not run must say so")]
        {
            eprintln!("skipped: no scikit-learn to compare with; `sh benches/peer/setup.sh` makes the environment");
        }
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peer/parity.py");
    let mut command = Command::new(python);
    command.arg(script).arg(env!("CARGO_BIN_EXE_recipe")).arg(project.root()).env_remove("RECIPE_PROFILE").env_remove("RECIPE_CACHE_DIR");
    let ran = Ran::of(&command.output().unwrap());
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.starts_with(compared) && ran.stdout.matches("same  ").count() == 2, "{}", ran.stdout);
}

const CHAIN: &str = "
  transform:
    - impute: {columns: [COLUMNS], strategy: median}
    - one_hot: {columns: [LEVELS]}
    - standard_scale: {columns: [COLUMNS]}
  train:
    using: logistic
    estimator_params: {C: 0.7}
";

fn chain(columns: &str, levels: &str) -> String {
    CHAIN.replace("COLUMNS", columns).replace("LEVELS", levels)
}

#[test]
fn ridge_learns_and_scores_what_scikit_learn_does() {
    agrees(&Project::regression(), "ridge on ");
}

#[test]
fn binary_logistic_learns_and_scores_what_scikit_learn_does() {
    let project = Project::classification();
    let recipe = project.read("recipe.yaml");
    let recipe = recipe.replace("  train: {using: logistic}\n", "");
    project.write("recipe.yaml", recipe.trim_end().to_owned() + &chain("income, debt", "job"));
    agrees(&project, "logistic on ");
}

#[test]
fn multinomial_logistic_learns_and_scores_what_scikit_learn_does() {
    // Three sorts that overlap; lengths and soils are missing here and there.
    let mut rows = String::from("length,width,soil,sort\n");
    for i in 0..400_usize {
        let sort = i % 3;
        let length = if i % 13 == 0 { String::new() } else { (20 + 9 * sort + (i * 7919) % 31).to_string() };
        let width = 5.0 + [0.0, 2.0, 1.0][sort] + ((i * 104_729) % 47) as f64 / 10.0;
        let soil = ["clay", "sand", "", "loam"][(i * 31 + sort) / 3 % 4];
        writeln!(rows, "{length},{width:.1},{soil},{}", ["a", "b", "c"][sort]).unwrap();
    }
    let recipe = "recipe: classification/v1\ntarget_col: sort\nsteps:\n  ingest: {location: plants.csv}".to_owned() + &chain("length, width", "soil");
    agrees(&Project::empty().with("recipe.yaml", &recipe).with("plants.csv", &rows), "logistic on ");
}
