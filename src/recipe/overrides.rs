//! What the command line changes: `key=VALUE`, `+key=VALUE`, `~key`, `list=append(x)`, `group=option`, `VARIABLE=value`.

use super::compose::is_variable;
use super::document::{Document, Tag};
use super::sections::STEPS;
use crate::error::{Error, Kind, Result, shorten};
use crate::value::{Path, Value, path_of};

/// The place that messages give for what was said on the command line.
pub const COMMAND_LINE: &str = "command line";

/// One word of the command line.
pub enum Override {
    /// A value for `{{NAME}}`.
    Variable {
        name: String,
        value: Value,
    },
    /// An option of a group; `None` leaves the group out.
    Group {
        group: String,
        mount: Option<Path>,
        option: Option<String>,
    },
    Key(Action),
}

/// A change of one key.
pub struct Action {
    pub path: Path,
    /// The value, with a tag at its root where it does not simply go over.
    pub document: Document,
    /// The key must not be set yet.
    pub is_new: bool,
}

/// A word as a shell reads it back.
#[must_use]
pub fn quoted(word: &str) -> String {
    let is_plain = word.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '=' | '+' | '/' | ':' | ',' | '@'));
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// Is a word of the command line meant as an override?
#[must_use]
pub fn is_override(word: &str) -> bool {
    word.contains('=') || word.starts_with('~')
}

impl Override {
    /// Reads a word; `is_group` knows the project's groups.
    ///
    /// # Errors
    /// Exit code 2 where it is not an override.
    pub fn parse(text: &str, is_group: &dyn Fn(&str) -> bool) -> Result<Self> {
        let bad = || Error::usage(format!("not an override: `{}`", shorten(text))).hint("write KEY=VALUE, for example `steps.train.using=ridge`");
        let (word, delete) = text.strip_prefix('~').map_or((text, false), |rest| (rest, true));
        let (word, is_new) = word.strip_prefix('+').map_or((word, false), |rest| (rest, true));
        let (key, value) = match word.split_once('=') {
            Some((key, value)) => (key.trim(), Some(value)),
            None if delete => (word.trim(), None),
            None => return Err(bad()),
        };
        let (group, mount) = match key.split_once('@') {
            Some((group, mount)) => (group, Some(path_of(mount))),
            None => (key, None),
        };
        if !group.contains('.') && is_group(group) {
            let option = value.map(str::trim).filter(|option| !delete && !matches!(*option, "" | "null" | "~")).map(str::to_owned);
            return Ok(Self::Group { group: group.to_owned(), mount, option });
        }
        if key.is_empty() || key.split('.').any(str::is_empty) || (delete && is_new) {
            return Err(bad());
        }
        if is_variable(key) && !delete {
            return Ok(Self::Variable { name: key.to_owned(), value: inline(value.unwrap_or_default())?.value });
        }
        let mut document = match value {
            Some(value) => changed(value)?,
            None => Document::of(Value::Null),
        };
        if delete {
            document.set_tag(Tag::Remove);
        }
        Ok(Self::Key(Action { path: key_path(key), document, is_new }))
    }
}

/// The path of a key; `train.using` is short for `steps.train.using`, for no step's name is a key at the root.
#[must_use]
pub fn key_path(key: &str) -> Path {
    let path = path_of(key);
    let is_short = path.len() > 1 && path.first().is_some_and(|first| STEPS.contains(&first.as_str()));
    if is_short { std::iter::once("steps".to_owned()).chain(path).collect() } else { path }
}

/// A value, or `append(…)` and its like around items.
fn changed(text: &str) -> Result<Document> {
    for (name, tag) in [("append", Tag::Append), ("prepend", Tag::Prepend), ("remove", Tag::Remove), ("replace", Tag::Replace)] {
        let Some(inside) = text.trim().strip_prefix(name).and_then(|rest| rest.strip_prefix('(')).and_then(|rest| rest.strip_suffix(')')) else { continue };
        let mut document = if tag == Tag::Replace { inline(inside)? } else { inline(&format!("[{inside}]"))? };
        document.set_tag(tag);
        return Ok(document);
    }
    inline(text)
}

/// A value as one line of YAML: `0.5`, `[a, b]`, `{x: 1}`.
///
/// # Errors
/// Exit code 2 where it is not YAML.
pub fn inline(text: &str) -> Result<Document> {
    if Value::plain_scalar(text.trim()) == Value::Null {
        return Ok(Document::of(Value::Null));
    }
    // A scalar alone is a document for YAML as well.
    Document::parse(COMMAND_LINE, text).map_err(|error| Error { kind: Kind::Usage, ..error })
}
