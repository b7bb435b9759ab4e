//! The pages below `docs/`: what they show is what the program does.
//!
//! A block that begins with `# path/of/file` is written to that file; in a `text` block the line after `$` is run in the project
//! and what it prints, errors included, must be the rest of the block. `RECIPE_BLESS=1` writes what it prints into the page.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::project::{Project, Ran, houses};

#[test]
fn the_page_on_configuration_shows_what_happens() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let project = Project::empty().with("data/dev/houses.csv", &houses(240)).with("data/prod/houses.csv", &houses(240));
    let mut seen = String::new();
    let mut lines = page.lines();
    let mut commands = 0;
    while let Some(line) = lines.next() {
        writeln!(seen, "{line}").unwrap();
        let Some(language) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let first = block.first().copied().unwrap_or_default();
        if let Some(file) = first.strip_prefix("# ") {
            project.write(file, format!("{}\n", block[1..].join("\n")));
            writeln!(seen, "{}\n```", block.join("\n")).unwrap();
        } else if let Some(command) = first.strip_prefix("$ ") {
            let printed = run(&project, command);
            writeln!(seen, "{first}\n{}\n```", printed.trim_end()).unwrap();
            commands += 1;
        } else {
            panic!("a `{language}` block that is neither a file nor a command: {first}");
        }
    }
    assert!(commands > 10, "{commands} commands");
    if std::env::var_os("RECIPE_BLESS").is_some() {
        std::fs::write(&path, &seen).unwrap();
    }
    assert_eq!(seen, page);
}

fn run(project: &Project, command: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_recipe")).parent().unwrap();
    let search = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(project.root()).env("PATH", search).env("COLUMNS", "100").env("NO_COLOR", "1").env_remove("RECIPE_PROFILE");
    let ran = Ran::of(&shell.output().unwrap());
    format!("{}{}", ran.stdout, ran.stderr)
}
