//! The order of the floors in ARCHITECTURE.md, and the other rules that can be read off the source.

use std::fs;
use std::path::{Path, PathBuf};

const FLOORS: [(&str, u8); 13] = [
    ("cli", 10),
    ("ui", 9),
    ("run", 8),
    ("serve", 8),
    ("recipe", 7),
    ("steps", 6),
    ("tracking", 5),
    ("ml", 4),
    ("data", 3),
    ("store", 2),
    ("card", 2),
    ("value", 1),
    ("error", 0),
];

fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") && !path.to_string_lossy().ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// Every source file: its module on the floor list, its name and its lines before the tests.
fn files() -> Vec<(String, String, Vec<String>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    found.sort();
    let module = |path: &Path| path.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
    found
        .iter()
        .map(|path| {
            let relative = path.strip_prefix(&root).unwrap();
            let text = fs::read_to_string(path).unwrap();
            let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).map(str::to_owned).collect();
            (module(relative), relative.to_string_lossy().into_owned(), lines)
        })
        .collect()
}

#[test]
fn no_module_uses_a_floor_above_its_own() {
    let mut bad = Vec::new();
    for (module, name, lines) in files() {
        let Some(own) = floor(&module) else { continue };
        for line in lines.iter().filter(|line| !line.trim_start().starts_with("//")) {
            for used in line.split("crate::").skip(1) {
                let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if used != module && floor(&used).is_some_and(|other| other >= own) {
                    bad.push(format!("{name}: {line}"));
                }
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn only_the_command_line_prints_or_exits_and_only_one_file_each_reads_yaml_writes_it_and_speaks_http() {
    let mut bad = Vec::new();
    for (module, name, lines) in files() {
        for line in lines.iter().filter(|line| !line.trim_start().starts_with("//")) {
            let prints = ["println!", "print!(", "eprintln!", "process::exit", "io::stdout", "io::stderr"].iter().any(|word| line.contains(word));
            if prints && module != "cli" {
                bad.push(format!("{name}: {line}"));
            }
            if (line.contains("serde_yaml") && name != "recipe/document/mod.rs") || (line.contains("granit_parser") && name != "recipe/document/read.rs") {
                bad.push(format!("{name}: {line}"));
            }
            let speaks = line.contains("reqwest") || line.contains("hyper::") || line.contains("hyper_util") || line.contains("tokio");
            // One place speaks to a database server, in its own protocol.
            let to_database = name.starts_with("data/sql/postgres/") && !line.contains("reqwest") && !line.contains("hyper");
            if speaks && !to_database && name != "tracking/mlflow/http.rs" && (module != "serve" || line.contains("reqwest")) {
                bad.push(format!("{name}: {line}"));
            }
            if line.contains("polars::") && !["data", "ml", "steps", "serve"].contains(&module.as_str()) {
                bad.push(format!("{name}: {line}"));
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
