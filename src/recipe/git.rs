//! The git commit and branch of a project, read from `.git` without starting a program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What HEAD points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub commit: Option<String>,
    pub branch: Option<String>,
}

/// HEAD of the repository that holds `root`; `None` outside of one.
#[must_use]
pub fn head(root: &Path) -> Option<Head> {
    let dir = root.ancestors().map(|dir| dir.join(".git")).find(|git| git.exists())?;
    let dir = if dir.is_file() { worktree(&dir)? } else { dir };
    let head = fs::read_to_string(dir.join("HEAD")).ok()?;
    let head = head.trim();
    let Some(reference) = head.strip_prefix("ref: ") else {
        return Some(Head { commit: Some(head.to_owned()), branch: None });
    };
    // A worktree keeps shared references in the common folder.
    let common = fs::read_to_string(dir.join("commondir")).map_or_else(|_| dir.clone(), |text| dir.join(text.trim()));
    let commit = [&dir, &common]
        .iter()
        .find_map(|d| fs::read_to_string(d.join(reference)).ok())
        .map(|text| text.trim().to_owned())
        .or_else(|| packed(&common, reference));
    Some(Head { commit, branch: Some(reference.trim_start_matches("refs/heads/").to_owned()) })
}

/// The address of the remote called `origin`, without a user or a password.
#[must_use]
pub fn origin(root: &Path) -> Option<String> {
    let dir = root.ancestors().map(|dir| dir.join(".git")).find(|git| git.exists())?;
    let dir = if dir.is_file() { worktree(&dir)? } else { dir };
    let common = fs::read_to_string(dir.join("commondir")).map_or_else(|_| dir.clone(), |text| dir.join(text.trim()));
    let config = fs::read_to_string(common.join("config")).ok()?;
    let section = config.lines().map(str::trim).skip_while(|line| *line != "[remote \"origin\"]").skip(1).take_while(|line| !line.starts_with('['));
    let url = section.filter_map(|line| line.split_once('=')).find(|(key, _)| key.trim() == "url").map(|(_, url)| url.trim().to_owned())?;
    Some(match url.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            format!("{scheme}://{}/{path}", host.rsplit('@').next().unwrap_or(host))
        }
        None => url,
    })
}

fn worktree(file: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(file).ok()?;
    Some(file.parent()?.join(text.strip_prefix("gitdir: ")?.trim()))
}

fn packed(dir: &Path, reference: &str) -> Option<String> {
    let text = fs::read_to_string(dir.join("packed-refs")).ok()?;
    text.lines().find_map(|line| line.strip_suffix(reference).and_then(|rest| rest.strip_suffix(' ')).map(str::to_owned))
}

/// Does the work tree differ from HEAD? `None` where git cannot be asked.
#[must_use]
pub fn is_dirty(root: &Path) -> Option<bool> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["status", "--porcelain", "--untracked-files=no"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then_some(!output.stdout.is_empty())
}
