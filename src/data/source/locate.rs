//! Which files a `location` means: files, globs and directories, sorted by name.
//!
//! Nothing is read here beyond a file's kind and whether it may be opened, so that a pipe or a device
//! cannot hold the program up. Directories are not entered deeper than one level.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Kind as Failure, Place, Problem, Result, nearest};

use super::config::{Format, SourceConfig};
use super::sniff;

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceFile {
    /// As the user would write it: with `/`, relative to the project root where it lies inside it.
    pub name: String,
    pub path: PathBuf,
}

/// The files of a source, sorted by name.
///
/// # Errors
/// Everything that is wrong with the locations: nothing there (with near names), a glob or directory
/// without data, a pipe or device, a format that nothing tells ([`Failure::Data`]); a file that may not
/// be opened ([`Failure::Io`]); a remote location ([`Failure::Config`]).
pub fn locate(root: &Path, config: &SourceConfig) -> Result<Vec<SourceFile>> {
    let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut failure: Option<Error> = None;
    for location in &config.location.0 {
        let files = expand(root, location, config.using).and_then(|files| {
            for file in &files {
                openable(file)?;
            }
            Ok(files)
        });
        match files {
            Ok(files) => {
                for file in files {
                    if found.insert(file.name.clone(), file.path).is_some() {
                        add(&mut failure, Error::data(format!("`{}` is located twice", file.name)).hint("its rows would count double: name it once"));
                    }
                }
            }
            Err(error) => add(&mut failure, error),
        }
    }
    match failure {
        Some(failure) => Err(failure),
        None if found.is_empty() => Err(Error::data("no location is given")),
        None => Ok(found.into_iter().map(|(name, path)| SourceFile { name, path }).collect()),
    }
}

/// Gathers problems; the first failure's kind stands for all.
fn add(failure: &mut Option<Error>, error: Error) {
    match failure {
        Some(failure) => failure.problems.extend(error.problems),
        None => *failure = Some(error),
    }
}

fn expand(root: &Path, location: &str, using: Option<Format>) -> Result<Vec<SourceFile>> {
    if let Some((scheme, _)) = location.split_once("://")
        && !scheme.is_empty()
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte))
    {
        let hint = if scheme == "file" { "write the path alone" } else { "copy the data here first; remote locations come in a later version" };
        return Err(Error::config(format!("`{scheme}` locations cannot be read yet: `{location}`")).hint(hint));
    }
    let path = root.join(location);
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => directory(root, location, &path, using),
        Ok(metadata) if metadata.is_file() => Ok(vec![SourceFile { name: name(root, &path), path }]),
        Ok(_) => Err(special(&name(root, &path))),
        Err(error) if is_absent(&error) && location.contains(['*', '?', '[']) => glob(root, location),
        Err(error) if is_absent(&error) => Err(absent(root, location, &path)),
        Err(error) => Err(Error::io("read", &path, &error)),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename)
}

fn special(name: &str) -> Error {
    Error::data(format!("`{name}` is no regular file")).hint("a pipe, socket or device cannot be read twice: write its data to a file first")
}

fn glob(root: &Path, location: &str) -> Result<Vec<SourceFile>> {
    let pattern = if Path::new(location).is_absolute() {
        location.to_owned()
    } else {
        let root = root.to_str().ok_or_else(|| Error::usage(format!("path is not UTF-8: `{}`", root.display())))?;
        format!("{}/{location}", glob::Pattern::escape(root))
    };
    let options = glob::MatchOptions { require_literal_leading_dot: true, require_literal_separator: true, ..Default::default() };
    let paths = glob::glob_with(&pattern, options).map_err(|error| Error::data(format!("`{location}` is no glob: {}", error.msg)))?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|error| Error::io("read", error.path(), error.error()))?;
        let metadata = fs::metadata(&path).map_err(|error| Error::io("read", &path, &error))?;
        if metadata.is_file() {
            files.push(SourceFile { name: name(root, &path), path });
        } else if !metadata.is_dir() {
            return Err(special(&name(root, &path)));
        }
    }
    if files.is_empty() {
        return Err(Error::data(format!("no file matches `{location}`")).hint("`*` stays within one directory, `**/` crosses them; hidden files are left out"));
    }
    Ok(files)
}

fn directory(root: &Path, location: &str, path: &Path, using: Option<Format>) -> Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    let mut deeper = false;
    for entry in entries(path).map_err(|error| Error::io("read", path, &error))? {
        let Some(file) = entry.file_name().and_then(|name| name.to_str()) else { continue };
        if file.starts_with(['.', '_']) {
            continue;
        }
        let metadata = fs::metadata(&entry).map_err(|error| Error::io("read", &entry, &error))?;
        deeper |= metadata.is_dir();
        let wanted = Format::of_name(file).is_some_and(|format| using.is_none_or(|using| using == format));
        if wanted && metadata.is_file() {
            files.push(SourceFile { name: name(root, &entry), path: entry });
        } else if wanted && !metadata.is_dir() {
            return Err(special(&name(root, &entry)));
        }
    }
    if files.is_empty() {
        let what = using.map_or("data", Format::name);
        let hint = if deeper {
            format!(
                "directories are not searched below the first level: use a glob such as `{}/**/*.{}`",
                location.trim_end_matches('/'),
                using.map_or("parquet", Format::name)
            )
        } else {
            "known extensions: parquet, csv, tsv, json, jsonl, ndjson, arrow, feather, each also with .gz or .zst".to_owned()
        };
        return Err(Error::data(format!("directory `{location}` holds no {what} file")).hint(hint));
    }
    Ok(files)
}

fn entries(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries = fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    Ok(entries)
}

/// A file that is not there, with what is.
fn absent(root: &Path, location: &str, path: &Path) -> Error {
    let error = Error::data(format!("there is no file `{location}`"));
    let Some(folder) = path.parent() else { return error };
    let Ok(beside) = entries(folder) else {
        return error.hint(format!("there is no directory `{}` either", name(root, folder)));
    };
    let names: Vec<String> = beside.iter().filter_map(|entry| entry.file_name()?.to_str().map(str::to_owned)).filter(|name| !name.starts_with('.')).collect();
    let wanted = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match nearest(wanted, names.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean `{}`?", name(root, &folder.join(near)))),
        None if names.is_empty() => error.hint("its directory is empty"),
        None => {
            let shown: Vec<String> = names.iter().take(5).map(|name| format!("`{name}`")).collect();
            error.hint(format!("beside it: {}{}", shown.join(", "), if names.len() > 5 { ", …" } else { "" }))
        }
    }
}

fn openable(file: &SourceFile) -> Result<()> {
    File::open(&file.path).map(|_| ()).map_err(|error| Error::io("read", Path::new(&file.name), &error))
}

/// A path as the user would write it.
fn name(root: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(root).ok().filter(|inside| inside.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)));
    let parts: Vec<String> = inside
        .unwrap_or(path)
        .components()
        .filter(|part| !matches!(part, Component::CurDir))
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    parts.join("/").replace("//", "/")
}

/// The format of a file: what the configuration says, else its extension.
///
/// # Errors
/// Where neither tells; with what the content looks like.
pub fn format_of(file: &SourceFile, using: Option<Format>) -> Result<Format> {
    if let Some(format) = using.or_else(|| Format::of_name(&file.name)) {
        return Ok(format);
    }
    let problem = Problem::new(format!("the extension of `{}` tells no format", file.name)).at(Place::file(&file.name));
    let problem = match sniff::looks_like(&file.path) {
        Some(format) => problem.hint(format!("it looks like {0}: set `using: {0}`", format.name())),
        None => problem.hint("set `using: parquet`, `csv`, `json` or `arrow`"),
    };
    Err(Error { kind: Failure::Data, problems: vec![problem] })
}

#[cfg(test)]
mod tests {
    use super::super::config::{OneOrMore, ReadOptions};
    use super::*;

    fn config(locations: &[&str]) -> SourceConfig {
        SourceConfig { using: None, location: OneOrMore(locations.iter().map(|l| (*l).to_owned()).collect()), options: ReadOptions::default(), sample: None }
    }

    fn project(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "a\n1\n").unwrap();
        }
        dir
    }

    fn names(dir: &tempfile::TempDir, locations: &[&str]) -> Vec<String> {
        locate(dir.path(), &config(locations)).unwrap().into_iter().map(|file| file.name).collect()
    }

    fn failure(dir: &tempfile::TempDir, locations: &[&str]) -> (Failure, String, String) {
        let error = locate(dir.path(), &config(locations)).unwrap_err();
        (error.kind, error.to_string(), error.problems[0].hint.clone().unwrap_or_default())
    }

    #[test]
    fn files_globs_and_directories_are_found_and_sorted() {
        let dir = project(&["data/b.csv", "data/a.csv.gz", "data/.hidden.csv", "data/readme.md", "data/deep/c.parquet", "odd [1].csv"]);
        assert_eq!(names(&dir, &["data"]), ["data/a.csv.gz", "data/b.csv"]);
        assert_eq!(names(&dir, &["data/*.csv", "./data/a.csv.gz"]), ["data/a.csv.gz", "data/b.csv"]);
        assert_eq!(names(&dir, &["data/**/*.parquet"]), ["data/deep/c.parquet"]);
        assert_eq!(names(&dir, &["odd [1].csv"]), ["odd [1].csv"]);
    }

    #[test]
    fn what_is_missing_is_named_with_what_is_near() {
        let dir = project(&["data/taxi.csv"]);
        assert_eq!(failure(&dir, &["data/taxy.csv"]), (Failure::Data, "there is no file `data/taxy.csv`".into(), "did you mean `data/taxi.csv`?".into()));
        assert_eq!(failure(&dir, &["dta/taxi.csv"]).2, "there is no directory `dta` either");
        assert_eq!(failure(&dir, &["data/*.parquet"]).1, "no file matches `data/*.parquet`");
        assert_eq!(failure(&dir, &["."]).1, "directory `.` holds no data file");
        assert_eq!(failure(&dir, &["data/taxi.csv", "data"]).1, "`data/taxi.csv` is located twice");
        assert_eq!(failure(&dir, &["s3://bucket/x.csv"]).0, Failure::Config);
    }

    #[test]
    fn pipes_and_devices_are_refused_without_being_opened() {
        let dir = project(&[]);
        rustix::fs::mkfifoat(rustix::fs::CWD, dir.path().join("pipe.csv"), rustix::fs::Mode::RUSR).unwrap();
        for location in ["pipe.csv", "*.csv", ".", "/dev/zero"] {
            let (kind, message, _) = failure(&dir, &[location]);
            assert_eq!(kind, Failure::Data);
            assert!(message.ends_with("is no regular file"), "{message}");
        }
    }

    #[test]
    fn a_file_that_may_not_be_read_is_a_failure_of_input_and_output() {
        let error = Error::io("read", Path::new("a.csv"), &io::Error::from(io::ErrorKind::PermissionDenied));
        assert_eq!((error.kind, error.to_string()), (Failure::Io, "cannot read `a.csv`: permission denied".into()));
    }

    #[test]
    fn an_unknown_extension_is_answered_with_what_the_content_looks_like() {
        let dir = project(&["table.dat"]);
        let file = SourceFile { name: "table.dat".into(), path: dir.path().join("table.dat") };
        let error = format_of(&file, None).unwrap_err();
        assert_eq!(error.problems[0].hint.as_deref(), Some("it looks like csv: set `using: csv`"));
        assert_eq!(format_of(&file, Some(Format::Csv)).unwrap(), Format::Csv);
    }
}
