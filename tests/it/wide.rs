//! Sparse columns, from the recipe to scored rows.

use crate::project::{Project, houses, loans};

/// Rows of 1,100 towns, of which training has 1,085, whose price is their number and the area.
fn towns(rows: usize) -> String {
    let row = |i: usize| {
        let (town, area) = (i * 7 % 1_100, 40 + (i * 37) % 120);
        format!("{area},t{town:04},{}\n", town + 2 * area)
    };
    std::iter::once("area,town,price\n".to_owned()).chain((0..rows).map(row)).collect()
}

const RECIPE: &str = "\
recipe: regression/v1
target_col: price
steps:
  ingest: {location: data/houses.csv}
  ingest_scoring: {location: data/new.csv}
  split: {split_ratios: [0.6, 0.2, 0.2]}
  transform:
    - one_hot: {columns: town}
  train: {using: ridge, estimator_params: {alpha: 0.1}}
  predict: {reasons: 1, output: {location: out/scored.csv}}
";

#[test]
fn thousands_of_levels_are_one_column_all_the_way_and_threads_change_no_byte() {
    let project = |threads: &str| {
        let project = Project::empty().with("recipe.yaml", RECIPE).with("data/houses.csv", &towns(5_500)).with("data/new.csv", &towns(30));
        project.env("POLARS_MAX_THREADS", threads).env("RAYON_NUM_THREADS", threads)
    };
    let (project, others) = (project("2"), [project("1"), project("8")]);
    let ran = project.ok(&["run"]);
    assert!(ran.stderr.contains("2 → 1,086 features") && ran.stderr.contains("ridge, 1086 coefficients"), "{}", ran.stderr);
    let transform = project.ok(&["inspect", "transform"]).stdout;
    for shown in ["Sparse columns hold what is not 0", "town_one_hot   one_hot", "town_t0007: 1"] {
        assert!(transform.contains(shown), "{shown}\n{transform}");
    }
    let shown = project.ok(&["show", "transformed_training_data", "-n", "1", "--format", "csv"]).stdout;
    assert_eq!(shown.lines().next(), Some("area,price,town_one_hot"));
    assert!(project.ok(&["show", "transformer"]).stdout.contains("1085 levels became the sparse column `town_one_hot`"));
    let train = project.ok(&["inspect", "train"]).stdout;
    assert!(train.lines().count() < 250 && train.contains("Coefficients, and 1,046 more"), "{train}");
    project.ok(&["run", "predict"]);
    let scored = project.read("out/scored.csv");
    assert!(scored.lines().next().unwrap().ends_with("prediction,reason_1,reason_1_contribution") && scored.lines().count() == 31, "{scored}");
    for other in others {
        other.ok(&["run"]);
        for name in ["transformed_training_data", "transformed_validation_data", "transformer", "model"] {
            assert!(other.artifact(name) == project.artifact(name), "{name}");
        }
    }
}

#[test]
fn who_cannot_take_them_is_refused_when_the_recipe_says_so_or_when_it_fits() {
    let project = Project::empty().with("recipe.yaml", RECIPE).with("data/houses.csv", &towns(5_500)).with("data/new.csv", &towns(30));
    let refused = project.recipe(&["run", "~train.estimator_params", "train.using=random_forest"]);
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    let message = "`random_forest` cannot take sparse columns: `town_one_hot` (1,085 columns of `one_hot`)";
    assert!(refused.stderr.contains(message) && refused.stderr.contains("hint: give it the categories in one column"), "{}", refused.stderr);
    project.edit("recipe.yaml", "{columns: town}", "{columns: town, sparse: true}");
    let refused = project.recipe(&["validate", "~train.estimator_params", "train.using=random_forest"]);
    assert_eq!(refused.code, 3);
    assert!(refused.stderr.contains("`random_forest` cannot take the sparse columns that `one_hot` makes with `sparse: true`"), "{}", refused.stderr);
    project.edit("recipe.yaml", "sparse: true", "sparse: some");
    let refused = project.recipe(&["validate"]);
    assert_eq!(refused.code, 3);
    assert!(refused.stderr.contains("steps.transform[0].one_hot.sparse"), "{}", refused.stderr);
}

#[test]
fn the_recipe_on_the_page_is_read() {
    Project::empty().with("data/houses.csv", &houses(60)).with("data/loans.csv", &loans(60)).reads_the_recipes_of("docs/wide-tables.md", 1);
}
