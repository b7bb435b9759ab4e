//! Every failure a user can see: what went wrong, where, and one thing to try.
//!
//! An [`Error`] has one [`Kind`], which fixes the exit code, and one or more [`Problem`]s, because a
//! reader wants all bad keys or columns at once. Nothing here prints: `cli/` draws it.

use std::fmt;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure it is; the exit code follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A fault in this program.
    Bug,
    /// The command line is wrong.
    Usage,
    /// A recipe, profile or hook file is wrong.
    Config,
    /// Data is missing, malformed or breaks its contract.
    Data,
    /// The store or the registry is damaged or newer than this program.
    Store,
    /// Disk full, permission, other input and output.
    Io,
    /// A model or bundle is missing, damaged or cannot be used.
    Model,
    /// Another run holds the lock.
    Busy,
    /// A user's hook failed.
    Hook,
    /// A gate said no.
    Gate,
    /// A tracking server, engine or object store failed.
    Remote,
    /// Ctrl-C or a termination signal.
    Interrupted,
}

impl Kind {
    /// The process exit code.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Bug => 1,
            Self::Usage => 2,
            Self::Config => 3,
            Self::Data => 4,
            Self::Store => 5,
            Self::Io => 6,
            Self::Model => 7,
            Self::Busy => 8,
            Self::Hook => 9,
            Self::Gate => 10,
            Self::Remote => 11,
            Self::Interrupted => 130,
        }
    }
}

/// A position in a text file; line and column count from 1, in characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Path as the user would write it, relative to the project root where that is possible.
    pub file: String,
    pub line: Option<usize>,
    pub column: Option<usize>,
}

impl Place {
    #[must_use]
    pub fn file(file: impl Into<String>) -> Self {
        Self { file: file.into(), line: None, column: None }
    }

    #[must_use]
    pub fn line(file: impl Into<String>, line: usize) -> Self {
        Self { file: file.into(), line: Some(line), column: None }
    }

    #[must_use]
    pub fn new(file: impl Into<String>, line: usize, column: usize) -> Self {
        Self { file: file.into(), line: Some(line), column: Some(column) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        Ok(())
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Lower case, names in back-ticks, value after a colon, no final period.
    pub message: String,
    pub place: Option<Place>,
    /// The configuration path, such as `steps.train.using`.
    pub path: Option<String>,
    /// The source line at `place`, for drawing a caret under it.
    pub source: Option<String>,
    /// One thing to try.
    pub hint: Option<String>,
    /// Does the configuration name a column that the data does not have?
    pub is_misfit: bool,
}

impl Problem {
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None, path: None, source: None, hint: None, is_misfit: false }
    }

    /// The configuration names a column that the data does not have.
    #[must_use]
    pub fn misfit(message: impl Into<String>) -> Self {
        Self { is_misfit: true, ..Self::new(message) }
    }

    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place.get_or_insert(place);
        self
    }

    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path.get_or_insert_with(|| path.into());
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }
}

/// A failure: a kind and everything that is wrong (never empty).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub kind: Kind,
    pub problems: Vec<Problem>,
}

impl Error {
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, problems: vec![Problem::new(message)] }
    }

    /// Several problems as one failure; `None` where there are none.
    #[must_use]
    pub fn all(kind: Kind, problems: Vec<Problem>) -> Option<Self> {
        (!problems.is_empty()).then_some(Self { kind, problems })
    }

    #[must_use]
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(Kind::Config, message)
    }

    #[must_use]
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(Kind::Data, message)
    }

    #[must_use]
    pub fn store(message: impl Into<String>) -> Self {
        Self::new(Kind::Store, message)
    }

    #[must_use]
    pub fn model(message: impl Into<String>) -> Self {
        Self::new(Kind::Model, message)
    }

    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    #[must_use]
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(Kind::Bug, message)
    }

    /// An input or output failure on a path of this program's own choosing.
    #[must_use]
    pub fn io(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        let hint = match error.kind() {
            std::io::ErrorKind::StorageFull => Some("free some space and run again; nothing was lost"),
            std::io::ErrorKind::PermissionDenied => Some("check the permissions of that path"),
            _ => None,
        };
        let failure = Self::new(Kind::Io, format!("cannot {doing} `{}`: {error}", path.display()));
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }

    /// A panic that was caught, as the bug that it is.
    #[must_use]
    pub fn panic(payload: &(dyn std::any::Any + Send)) -> Self {
        let text = payload.downcast_ref::<String>().cloned().or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default();
        Self::bug(format!("recipe failed in a way it should not: {}", shorten(&text)))
            .hint("this is a bug in recipe: please report it with the command and RUST_BACKTRACE=1")
    }

    /// Adds a place to every problem that has none.
    #[must_use]
    pub fn at(mut self, place: &Place) -> Self {
        self.problems = self.problems.into_iter().map(|problem| problem.at(place.clone())).collect();
        self
    }

    /// Adds a configuration path to every problem that has none.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        self.problems = self.problems.into_iter().map(|problem| problem.path(path)).collect();
        self
    }

    /// Adds one thing to try to every problem that has no hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        self.problems = self.problems.into_iter().map(|problem| problem.hint(hint.clone())).collect();
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{}", problem.message)?;
            match (&problem.place, &problem.path) {
                (Some(place), Some(path)) => write!(f, " ({place} at {path})")?,
                (Some(place), None) => write!(f, " ({place})")?,
                (None, Some(path)) => write!(f, " (at {path})")?,
                (None, None) => {}
            }
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// The known name nearest to `name`, if any is near enough to be what was meant.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1.max(candidate.chars().count().max(wanted.chars().count()) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `1 row`, `2,000 rows`.
#[must_use]
pub fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", thousands(count), if count == 1 { "" } else { "s" })
}

/// A count with a comma at each thousand.
#[must_use]
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The longest of a user's values that a message shows whole, in characters.
const LIMIT: usize = 60;

/// A user's value, cut to a length that fits in a message, with control characters escaped.
#[must_use]
pub fn shorten(value: &str) -> String {
    let mut text: String = value.chars().take(LIMIT).flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect();
    if value.chars().nth(LIMIT).is_some() {
        text.push('…');
    }
    text
}

/// Two values that differ, each as [`shorten`] cuts it, or from shortly before the first difference where it would lie beyond that.
#[must_use]
pub fn shorten_both(one: &str, other: &str) -> (String, String) {
    /// Of what both have, so much stays in front.
    const BEFORE: usize = 20;
    let same = one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    if same + BEFORE < LIMIT {
        return (shorten(one), shorten(other));
    }
    let end = |value: &str| format!("…{}", shorten(&value.chars().skip(same - BEFORE).collect::<String>()));
    (end(one), end(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        assert_eq!(nearest("random_forst", ["ridge", "random_forest"]), Some("random_forest"));
        assert_eq!(nearest("target_coll", ["target_col", "recipe"]), Some("target_col"));
        assert_eq!(nearest("zebra", ["ridge", "lasso"]), None);
    }

    #[test]
    fn a_long_value_is_cut_and_its_control_characters_escaped() {
        assert_eq!(shorten("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(shorten(&"x".repeat(100)).chars().count(), 61);
    }

    #[test]
    fn two_long_values_are_cut_where_they_differ() {
        let long = |end: &str| "x > 0 AND ".repeat(9) + end;
        assert_eq!(shorten_both(&long("a = 1"), &long("a = 2")), ("…0 AND x > 0 AND a = 1".to_owned(), "…0 AND x > 0 AND a = 2".to_owned()));
        assert_eq!(shorten_both("a", "b"), ("a".to_owned(), "b".to_owned()));
        let (one, other) = shorten_both(&long(""), &long("AND more"));
        assert!(one.ends_with("AND ") && other.ends_with("AND AND more") && one.starts_with('…'), "{one} {other}");
    }
}
