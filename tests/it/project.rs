//! A project in a temporary directory, and the program run in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A project that lives as long as this value.
pub struct Project {
    /// Removed when dropped.
    _dir: TempDir,
    root: PathBuf,
    environment: BTreeMap<String, String>,
}

/// What a run of the program gave.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Project {
    /// An empty directory.
    pub fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("houses");
        fs::create_dir(&root).unwrap();
        Self { _dir: dir, root, environment: BTreeMap::new() }
    }

    /// A small regression on `data/houses.csv` (240 rows) with every step configured.
    pub fn regression() -> Self {
        Self::empty().with("recipe.yaml", REGRESSION).with("data/houses.csv", &houses(240))
    }

    /// A small binary classification on `data/loans.csv` (300 rows).
    pub fn classification() -> Self {
        Self::empty().with("recipe.yaml", CLASSIFICATION).with("data/loans.csv", &loans(300))
    }

    /// The same project with a file.
    #[must_use]
    pub fn with(self, file: &str, text: &str) -> Self {
        self.write(file, text);
        self
    }

    /// `validate` takes every recipe that a page of the docs shows, `least` or more.
    pub fn reads_the_recipes_of(&self, page: &str, least: usize) {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        let recipes: Vec<&str> = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
        assert!(recipes.len() >= least, "{page} shows {} recipes", recipes.len());
        for recipe in recipes {
            self.write("recipe.yaml", recipe);
            self.ok(&["validate"]);
        }
    }

    /// The same project with an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.root.join(file)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Writes a file, making its directory.
    pub fn write(&self, file: &str, text: impl AsRef<[u8]>) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    /// Replaces text in a file; it must be there.
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let text = self.read(file);
        assert!(text.contains(from), "`{from}` is not in {file}");
        self.write(file, text.replacen(from, to, 1));
    }

    /// The program with arguments, ready to be changed or started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recipe"));
        command.args(arguments).current_dir(self.root()).env_remove("RECIPE_PROFILE").env_remove("RECIPE_CACHE_DIR").env("NO_COLOR", "1").env("COLUMNS", "100");
        command.envs(&self.environment).stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn recipe(&self, arguments: &[&str]) -> Ran {
        Ran::of(&self.command(arguments).output().unwrap())
    }

    /// Runs the program; it must succeed.
    pub fn ok(&self, arguments: &[&str]) -> Ran {
        let ran = self.recipe(arguments);
        assert_eq!(ran.code, 0, "recipe {arguments:?}\n{}{}", ran.stdout, ran.stderr);
        ran
    }

    /// The steps that a run executes (not those it takes from the cache), such as `ingest split`.
    pub fn executed(&self, arguments: &[&str]) -> String {
        let ran = self.recipe(arguments);
        assert!(matches!(ran.code, 0 | 10), "recipe {arguments:?}\n{}{}", ran.stdout, ran.stderr);
        ran.executed()
    }

    /// Every artifact's digest, from the names of the stored files.
    pub fn artifact(&self, name: &str) -> Vec<u8> {
        fs::read(self.ok(&["artifact", name]).stdout.trim()).unwrap()
    }
}

impl Ran {
    pub fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The steps that were executed, from the plain lines on stderr.
    pub fn executed(&self) -> String {
        self.stderr.lines().filter_map(|line| line.split_once(": executed in ").map(|(step, _)| step)).collect::<Vec<_>>().join(" ")
    }
}

const REGRESSION: &str = r#"recipe: regression/v1
target_col: price
steps:
  ingest:
    location: data/houses.csv
    schema:
      price: {type: float, min: 0}
  split:
    split_ratios: [0.6, 0.2, 0.2]
    post_split_filter: "area > 0"
  transform:
    - impute: {columns: [rooms], strategy: median}
    - one_hot: {columns: [town]}
    - standard_scale: {columns: [area]}
  train:
    using: ridge
    estimator_params: {alpha: 0.5}
  evaluate:
    validation_criteria:
      - {metric: r2_score, threshold: 0.5}
"#;

const CLASSIFICATION: &str = r#"recipe: classification/v1
target_col: repaid
positive_class: "yes"
steps:
  ingest: {location: data/loans.csv}
  train: {using: logistic}
"#;

/// Copies a directory with all that is below it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// `rows` houses; every eleventh has no room count.
pub fn houses(rows: usize) -> String {
    let mut text = String::from("id,area,rooms,town,price\n");
    for i in 0..rows {
        let area = 40 + (i * 37) % 120;
        let town = ["North", "South", "Lake"][i % 3];
        let rooms = if i % 11 == 0 { String::new() } else { (1 + area / 30).to_string() };
        let price = 1000.0 * area as f64 + [0.0, 9000.0, 25_000.0][i % 3] + ((i * 7919) % 5000) as f64;
        writeln!(text, "{i},{area},{rooms},{town},{price:.1}").unwrap();
    }
    text
}

/// `rows` loans, with a label that income and debt mostly decide.
pub fn loans(rows: usize) -> String {
    let mut text = String::from("income,debt,job,repaid\n");
    for i in 0..rows {
        let income = 1000 + (i * 7919) % 4000;
        let debt = (i * 104_729) % 3000;
        let job = ["clerk", "smith", "nurse", "cook"][(i * 31) % 4];
        let noise = (i * 15_485_863) % 1000;
        let repaid = if income + noise > debt + 1700 { "yes" } else { "no" };
        writeln!(text, "{income},{debt},{job},{repaid}").unwrap();
    }
    text
}
