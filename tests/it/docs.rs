//! The pages below `docs/`: what they show is what the program does.
//!
//! A block that begins with `# path/of/file` is written to that file. Each line of a `sh` block is run and must succeed, or give
//! the exit code that a comment behind it names. In a `text` block the line after `$` is run and what it prints, errors included
//! where it fails, must be the rest of the block. `RECIPE_BLESS=1` writes what it prints into the page.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use regex::Regex;

use crate::project::{Project, Ran, houses};
use crate::sql::with_houses;

#[test]
fn the_page_on_configuration_shows_what_happens() {
    let project = Project::empty().with("data/dev/houses.csv", &houses(240)).with("data/prod/houses.csv", &houses(240));
    assert!(replay("docs/configuration.md", &project, str::to_owned) > 10);
}

#[test]
fn the_page_on_sweeps_shows_what_happens() {
    assert_eq!(replay("docs/sweeps.md", &Project::empty(), steady), 9);
}

#[test]
fn the_page_on_models_shows_what_happens() {
    assert_eq!(replay("docs/models.md", &Project::empty(), steady), 16);
}

#[test]
fn the_page_on_export_shows_what_happens() {
    assert_eq!(replay("docs/export.md", &Project::empty(), steady), 5);
}

#[test]
fn the_page_on_testing_shows_what_happens() {
    assert_eq!(replay("docs/testing.md", &Project::empty(), steady), 6);
}

#[test]
fn the_page_on_diff_shows_what_happens() {
    assert_eq!(replay("docs/diff.md", &Project::empty(), steady), 6);
}

#[test]
fn the_page_on_looking_back_shows_what_happens() {
    assert_eq!(replay("docs/looking-back.md", &Project::empty(), steady), 17);
}

#[test]
fn the_page_on_databases_shows_what_happens() {
    assert_eq!(replay("docs/sql-sources.md", &with_houses(Project::empty(), 240), steady), 4);
}

/// Does what a page shows, from an empty project on; gives the number of commands. Of what they print, `steady` keeps what must stay.
fn replay(page: &str, project: &Project, steady: fn(&str) -> String) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let page = std::fs::read_to_string(&path).unwrap();
    let mut shell = Shell { root: project.root().to_path_buf(), ids: Vec::new() };
    let (mut seen, mut commands) = (String::new(), 0);
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        writeln!(seen, "{line}").unwrap();
        let Some(language) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let mut body = block.join("\n");
        let first = block.first().copied().unwrap_or_default();
        if let Some(file) = first.strip_prefix("# ") {
            std::fs::create_dir_all(shell.root.join(file).parent().unwrap()).unwrap();
            std::fs::write(shell.root.join(file), format!("{}\n", block[1..].join("\n"))).unwrap();
        } else if let Some(command) = first.strip_prefix("$ ") {
            let ran = shell.run(command);
            let printed = if ran.code == 0 { ran.stdout } else { ran.stdout + &ran.stderr };
            let shown = block[1..].join("\n");
            shell.learn(&shown, &printed);
            if steady(printed.trim_end()) != steady(&shown) {
                body = format!("{first}\n{}", printed.trim_end());
            }
            commands += 1;
        } else if language == "sh" {
            for line in block {
                let code = line.split_once("# exit code ").map_or(0, |(_, code)| code.trim().parse().unwrap());
                let ran = shell.run(line);
                assert_eq!(ran.code, code, "{line}\n{}{}", ran.stdout, ran.stderr);
                commands += 1;
            }
        } else {
            panic!("a `{language}` block that is neither a file nor a command: {first}");
        }
        writeln!(seen, "{body}\n```").unwrap();
    }
    if std::env::var_os("RECIPE_BLESS").is_some() {
        std::fs::write(&path, &seen).unwrap();
    }
    assert_eq!(seen, page);
    commands
}

/// Where the commands of a page run.
struct Shell {
    root: PathBuf,
    /// The ids that the page shows, and those that they are here.
    ids: Vec<(String, String)>,
}

impl Shell {
    fn run(&mut self, command: &str) -> Ran {
        let program = Path::new(env!("CARGO_BIN_EXE_recipe")).parent().unwrap();
        let search = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
        let known = |word: &str| word.len() >= 4 && self.ids.iter().any(|(shown, _)| shown.starts_with(word));
        let here = |word: &str| self.ids.iter().find(|(shown, _)| shown.starts_with(word)).map_or_else(|| word.to_owned(), |(_, here)| here.clone());
        let line: Vec<String> = command.split(' ').map(|word| if known(word) { here(word) } else { word.to_owned() }).collect();
        let mut shell = Command::new("sh");
        shell.args(["-c", &line.join(" ")]).current_dir(&self.root).env("PATH", search).env("COLUMNS", "100").env("NO_COLOR", "1");
        let ran = Ran::of(&shell.env_remove("RECIPE_PROFILE").stdin(Stdio::null()).output().unwrap());
        if let Some(project) = command.strip_prefix("recipe new ").and_then(|rest| rest.split(' ').next()) {
            self.root.push(project);
        }
        ran
    }

    fn learn(&mut self, shown: &str, printed: &str) {
        let id = Regex::new(r"\b[0-9a-f]{12}\b").unwrap();
        let pairs = id.find_iter(shown).zip(id.find_iter(printed));
        self.ids.extend(pairs.map(|(shown, here)| (shown.as_str().to_owned(), here.as_str().to_owned())));
    }
}

/// Without times, ids and the width of columns, which differ from one day to the next.
fn steady(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, to) in [(r"\b[0-9a-f]{12}\b", "ID"), (r"\b\d+(\.\d+)? (ms|s)\b", "TIME"), ("─+", "─"), (r" +", " ")] {
        text = Regex::new(pattern).unwrap().replace_all(&text, to).into_owned();
    }
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
