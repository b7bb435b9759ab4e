//! A bundle's files as they lie on a server: `MLmodel` says where, and `LINEAGE.json` knows of that.

use std::fs;
use std::path::{Component, Path};

use serde_json::Value;

use crate::error::{Error, Result, shorten};

pub const LINEAGE: &str = "LINEAGE.json";
pub const MLMODEL: &str = "MLmodel";

/// The two files that differ from those of the bundle.
pub struct Amended {
    pub mlmodel: Vec<u8>,
    pub lineage: Vec<u8>,
    /// The digest of the second, which names the digests of all others.
    pub digest: String,
}

/// The files of a bundle, by path with `/`; the list of digests comes last.
///
/// # Errors
/// Where the directory cannot be read.
pub fn list(dir: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut read = || -> std::io::Result<()> {
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if kind.is_file() {
                    found.push(entry.path());
                }
            }
            Ok(())
        };
        read().map_err(|error| Error::io("read", &folder, &error))?;
    }
    let name = |path: &Path| path.strip_prefix(dir).unwrap_or(path).components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
    let mut names: Vec<String> = found.iter().map(|path| name(path)).collect();
    names.sort_by_key(|name| (name == LINEAGE, name.clone()));
    Ok(names)
}

/// `MLmodel` with what only the server knows, and the list of digests with its new one.
///
/// # Errors
/// Exit code 7 where the bundle is damaged.
pub fn amend(dir: &Path, said: &[(&str, &str)]) -> Result<Amended> {
    let read = |name: &str| -> Result<String> {
        let path = dir.join(name);
        fs::read_to_string(&path).map_err(|error| Error::io("read", &path, &error))
    };
    let damaged = || Error::model(format!("the bundle `{}` is damaged: `{LINEAGE}`", dir.display()));
    let mlmodel = fill(&read(MLMODEL)?, said).into_bytes();
    let mut lineage: Value = serde_json::from_str(&read(LINEAGE)?).map_err(|_| damaged())?;
    let entry = lineage.pointer_mut("/files/MLmodel").ok_or_else(damaged)?;
    *entry = blake3::hash(&mlmodel).to_hex().to_string().into();
    let lineage = serde_json::to_vec_pretty(&lineage).map_err(|error| Error::bug(error.to_string()))?;
    let digest = blake3::hash(&lineage).to_hex().to_string();
    Ok(Amended { mlmodel, lineage, digest })
}

/// Sets top-level keys of a map in JSON or YAML; every other line stays as it is.
fn fill(text: &str, said: &[(&str, &str)]) -> String {
    if let Ok(Value::Object(mut map)) = serde_json::from_str(text) {
        map.extend(said.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))));
        return serde_json::to_string_pretty(&map).unwrap_or_else(|_| text.to_owned());
    }
    let is_kept = |line: &&str| !said.iter().any(|(key, _)| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')));
    let kept = text.lines().filter(is_kept).map(|line| format!("{line}\n"));
    // A text in double quotes is the same in JSON and in YAML.
    kept.chain(said.iter().map(|(key, value)| format!("{key}: {}\n", Value::from(*value)))).collect()
}

/// The files that a list of digests names, with their digests, itself left out.
///
/// # Errors
/// Exit code 7 for a list that is none, or names a file outside of its folder.
pub fn digests(lineage: &[u8]) -> Result<Vec<(String, String)>> {
    let damaged = |what: String| Error::model(format!("the model on the server is damaged: {what}"));
    let lineage: Value = serde_json::from_slice(lineage).map_err(|error| damaged(format!("`{LINEAGE}`: {error}")))?;
    let files = lineage.get("files").and_then(Value::as_object).ok_or_else(|| damaged(format!("`{LINEAGE}` names no files")))?;
    let file = |(name, digest): (&String, &Value)| {
        let is_inside = !name.is_empty() && !name.contains('\\') && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        match digest.as_str() {
            Some(digest) if is_inside && name != LINEAGE => Ok((name.clone(), digest.to_owned())),
            _ => Err(damaged(format!("it names a file that it cannot have: `{}`", shorten(name)))),
        }
    };
    files.iter().map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mlmodel_is_filled_in_as_json_and_as_yaml() {
        let said = [("run_id", "r1"), ("model_id", "m-2")];
        assert_eq!(
            fill("run_id: old\nsignature:\n  inputs: '[]'\nrun_id_x: 1\n", &said),
            "signature:\n  inputs: '[]'\nrun_id_x: 1\nrun_id: \"r1\"\nmodel_id: \"m-2\"\n"
        );
        let json: Value = serde_json::from_str(&fill(r#"{"flavors": {"recipe": {}}, "run_id": "old"}"#, &said)).unwrap();
        assert_eq!(json, serde_json::json!({ "flavors": { "recipe": {} }, "run_id": "r1", "model_id": "m-2" }));
    }

    #[test]
    fn a_list_that_leaves_its_folder_is_refused() {
        let list = |name: &str| digests(serde_json::json!({ "files": { name: "d" } }).to_string().as_bytes());
        assert_eq!(list("code/a.py").unwrap(), [("code/a.py".to_owned(), "d".to_owned())]);
        for name in ["../x", "/etc/x", "a/../../x", "", "LINEAGE.json", "a\\b"] {
            assert!(list(name).is_err(), "{name}");
        }
    }
}
