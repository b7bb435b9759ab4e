//! YAML with places: a [`Value`] and, for each path in it, the file, line and column that set it.
//!
//! Documents are read within fixed bounds, laid over each other, and faults are drawn on their source. Nothing
//! here knows what the keys mean.

mod marks;
mod merge;
mod read;
mod scalar;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Error, Kind, Place, Problem, Result};
use crate::value::{About, Fault, Path, Value, display_path, path_of};
use marks::{At, Marks};
pub use marks::{Mark, Tag};

/// A configuration file may be this large.
pub const MAX_BYTES: u64 = 1 << 20;

/// A tree of configuration that knows where each part came from.
#[derive(Clone, Debug, Default)]
pub struct Document {
    pub value: Value,
    marks: Marks,
    /// File → its text, for drawing.
    sources: BTreeMap<Arc<str>, Arc<str>>,
}

impl Document {
    /// A value that came from nowhere.
    #[must_use]
    pub fn of(value: Value) -> Self {
        Self { value, ..Self::default() }
    }

    /// An empty map that came from nowhere.
    #[must_use]
    pub fn empty() -> Self {
        Self { value: Value::empty(), ..Self::default() }
    }

    /// Reads YAML text; an empty file is an empty map. `name` is how messages call the file.
    ///
    /// # Errors
    /// Exit code 3, with the place, where the text is not one YAML document or exceeds the bounds.
    pub fn parse(name: &str, text: &str) -> Result<Self> {
        Self::parse_as(name, text, text)
    }

    /// Reads YAML text that stands for another one: messages show the lines of `written`.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse_as(name: &str, text: &str, written: &str) -> Result<Self> {
        let name: Arc<str> = name.into();
        let mut document = Self { value: Value::empty(), marks: Marks::default(), sources: BTreeMap::from([(Arc::clone(&name), written.into())]) };
        if text.lines().all(|line| line.trim_start().starts_with('#') || line.trim().is_empty() || line.trim() == "---") {
            return Ok(document);
        }
        match read::read(&name, text) {
            Ok((value, marks)) => {
                if value != Value::Null {
                    document.value = value;
                }
                document.marks = marks;
                Ok(document)
            }
            Err(faults) => {
                let problem = |fault: read::Fault| {
                    let place = Mark::new(Arc::clone(&name), fault.at).value();
                    let mut problem = Problem::new(fault.message);
                    problem.hint = fault.hint;
                    problem.source = document.source_line(&place);
                    problem.at(place)
                };
                let problems = faults.into_iter().map(problem).collect();
                Err(Error::all(Kind::Config, problems).unwrap_or_else(|| Error::config("not valid YAML")))
            }
        }
    }

    /// The same places and another value.
    #[must_use]
    pub fn with(&self, value: Value) -> Self {
        Self { value, marks: self.marks.clone(), sources: self.sources.clone() }
    }

    /// Lays `over` on top: maps merge at every depth, everything else is replaced, unless a [`Tag`] says otherwise.
    ///
    /// # Errors
    /// As [`Document::merge_at`].
    pub fn merge(&mut self, over: Document) -> Result<()> {
        self.merge_at(&[], over)
    }

    /// Lays `over` on what stands at `path` (keys, or indices of lists that are there), making the maps above it.
    ///
    /// # Errors
    /// Exit code 3 where something above `path` is neither, or a tag asks for what cannot be: to append to a
    /// map, to remove what is not there. What could be merged was.
    pub fn merge_at(&mut self, path: &[String], over: Document) -> Result<()> {
        let from = over.marks.here.clone().unwrap_or_else(|| Mark::new("command line".into(), At::default()));
        for (file, text) in over.sources {
            self.sources.entry(file).or_insert(text);
        }
        let (mut at, mut marks) = (&mut self.value, &mut self.marks);
        for (depth, part) in path.iter().enumerate() {
            if *at == Value::Null {
                *at = Value::empty();
            }
            at = match at {
                Value::Map(map) => map.entry(part.clone()).or_default(),
                Value::List(list) => match part.parse::<usize>().ok().and_then(|i| list.get_mut(i)) {
                    Some(item) => item,
                    None => return Err(Error::config(format!("no such item in the list `{}`: {part}", display_path(&path[..depth])))),
                },
                other => return Err(Error::config(format!("`{}` is {}, so `{part}` cannot be set below it", display_path(&path[..depth]), other.kind()))),
            };
            marks = marks.child_mut(part);
            marks.here.get_or_insert_with(|| from.clone());
        }
        let mut faults = Vec::new();
        if merge::lay(at, marks, over.value, over.marks, &mut path.to_vec(), &mut faults) {
            self.forget(path);
        }
        let problems = faults
            .into_iter()
            .map(|(place, fault)| {
                let mut problem = Problem::new(fault.message).path(display_path(&fault.path));
                problem.hint = fault.hint;
                problem.source = self.source_line(&place);
                problem.at(place)
            })
            .collect();
        Error::all(Kind::Config, problems).map_or(Ok(()), Err)
    }

    /// Takes the value at a top-level key out, leaving its marks.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        self.value.take(key)
    }

    /// Takes out what stands at a path, places and all.
    pub fn forget(&mut self, path: &[String]) {
        self.value.remove(path);
        self.marks.remove(path);
    }

    /// Where a path was set, or the nearest thing above it.
    #[must_use]
    pub fn mark(&self, path: &[String]) -> Option<&Mark> {
        let (mut marks, mut nearest) = (&self.marks, self.marks.here.as_ref());
        for part in path {
            let Some(below) = marks.child(part) else { break };
            (marks, nearest) = (below, below.here.as_ref().or(nearest));
        }
        nearest
    }

    /// Where exactly a path was set.
    #[must_use]
    pub fn mark_at(&self, path: &[String]) -> Option<&Mark> {
        self.marks.at(path)?.here.as_ref()
    }

    /// How a path is laid over what is below it, where that is not as usual.
    #[must_use]
    pub fn tag(&self, path: &[String]) -> Option<Tag> {
        self.marks.at(path)?.tag
    }

    /// Is anything laid over what is below in another way than usual?
    #[must_use]
    pub fn has_tags(&self) -> bool {
        self.marks.has_tags()
    }

    /// Says how the whole document is laid over what is below it.
    pub fn set_tag(&mut self, tag: Tag) {
        self.marks.tag = Some(tag);
    }

    /// Says that everything was set in a file, nowhere in particular.
    pub fn move_to(&mut self, file: &str) {
        self.marks.move_to(&Mark::new(file.into(), At::default()));
    }

    /// Puts what stands at a path one level down, below a key.
    pub fn nest(&mut self, path: &[String], key: &str) {
        let Some(value) = self.value.at_mut(path) else { return };
        *value = Value::Map([(key.to_owned(), std::mem::take(value))].into());
        let marks = self.marks.at_mut(path);
        let (here, tag) = (marks.here.clone(), marks.tag.take());
        let below = std::mem::take(marks);
        (marks.here, marks.tag) = (here, tag);
        *marks.child_mut(key) = below;
    }

    /// Gives the places of keys other names, where `name` has one.
    pub fn rename(&mut self, name: &mut dyn FnMut(&str) -> Option<String>) {
        self.marks.rename(name);
    }

    /// A fault below `base` as a problem with its place and source line.
    #[must_use]
    pub fn problem(&self, base: &[String], fault: Fault) -> Problem {
        let full: Path = base.iter().cloned().chain(fault.path).collect();
        let mut problem = Problem::new(fault.message).path(display_path(&full));
        let is_key = ["unknown key", "unknown transform"].iter().any(|start| problem.message.starts_with(start));
        let is_missing = fault.about == About::MissingKey;
        if let Some(mark) = self.mark(if is_missing { &full[..full.len().saturating_sub(1)] } else { &full }) {
            let place = if is_key || is_missing { mark.key() } else { mark.value() };
            problem.source = self.source_line(&place);
            problem = problem.at(place);
        }
        problem.hint = fault.hint;
        problem
    }

    /// Gives every problem that names a configuration path, and no place, the place where that was set.
    #[must_use]
    pub fn locate(&self, mut error: Error) -> Error {
        for problem in &mut error.problems {
            let Some(path) = problem.path.as_deref().filter(|_| problem.place.is_none()).map(path_of) else { continue };
            if let Some(mark) = (1..=path.len()).rev().find_map(|n| self.mark_at(&path[..n])) {
                // A column that a key names, as below `roles` and `schema`.
                let is_key = problem.is_misfit && path.last().is_some_and(|key| problem.message.contains(&format!("`{key}`")));
                let place = if is_key { mark.key() } else { mark.value() };
                problem.source = self.source_line(&place);
                problem.place = Some(place);
            }
        }
        error
    }

    /// Faults below `base` as one failure.
    #[must_use]
    pub fn problems(&self, base: &[&str], faults: Vec<Fault>) -> Vec<Problem> {
        let base: Path = base.iter().map(|part| (*part).to_owned()).collect();
        faults.into_iter().map(|fault| self.problem(&base, fault)).collect()
    }

    /// The values as YAML text.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        serde_yaml::to_string(&self.value).unwrap_or_default()
    }

    fn source_line(&self, place: &Place) -> Option<String> {
        let line = place.line?.checked_sub(1)?;
        Some(self.sources.get(place.file.as_str())?.lines().nth(line)?.chars().take(400).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        text.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn scalars_keep_their_text_and_every_path_its_place() {
        let doc = Document::parse("r.yaml", "a: 1e3\nb:\n  - no\n  - 007\n  - x: 0.10\nc: \"5\"\nd:\n").unwrap();
        assert_eq!(doc.value.at(&path("a")), Some(&Value::Number("1e3".into())));
        assert_eq!(doc.value.at(&path("b.0")), Some(&Value::String("no".into())));
        assert_eq!(doc.value.at(&path("b.1")).and_then(Value::text).as_deref(), Some("007"));
        assert_eq!(doc.value.at(&path("b.2.x")), Some(&Value::Number("0.10".into())));
        assert_eq!(doc.value.at(&path("c")), Some(&Value::String("5".into())));
        assert_eq!(doc.value.at(&path("d")), Some(&Value::Null));
        assert_eq!(doc.mark(&path("b.2.x")).map(|m| (m.key().to_string(), m.value().to_string())), Some(("r.yaml:5:5".into(), "r.yaml:5:8".into())));
    }

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        let number = |text: &str| Value::Number(text.to_owned());
        let cases = [
            ("0x1F", number("31")),
            ("-0o17", number("-15")),
            ("0b11", number("3")),
            ("1_000", number("1000")),
            ("1__0", Value::String("1__0".to_owned())),
            ("+5", number("+5")),
            ("1e-3", number("1e-3")),
            ("18446744073709551616", number("18446744073709551616")),
            ("0xFFFFFFFFFFFFFFFFF", Value::String("0xFFFFFFFFFFFFFFFFF".to_owned())),
            ("inf", Value::String("inf".to_owned())),
            ("yes", Value::String("yes".to_owned())),
            ("TRUE", Value::Bool(true)),
            ("NULL", Value::Null),
            ("!!str 5", Value::String("5".to_owned())),
            ("!!float 1", number("1")),
        ];
        for (text, wanted) in cases {
            assert_eq!(Document::parse("r.yaml", &format!("v: {text}\n")).unwrap().value.get("v"), Some(&wanted), "{text}");
        }
    }

    #[test]
    fn what_an_alias_or_a_merge_key_brings_stands_where_it_is_used() {
        let doc = Document::parse("r.yaml", "x: &x 5\ny: &y {p: 1, q: !append [*x]}\nz: {<<: *y, p: 2}\nw: *y\n").unwrap();
        assert_eq!(
            doc.value.at(&path("z")),
            doc.value
                .at(&path("w"))
                .map(|w| {
                    let Value::Map(mut map) = w.clone() else { panic!("a map") };
                    map.insert("p".to_owned(), Value::Number("2".to_owned()));
                    Value::Map(map)
                })
                .as_ref()
        );
        let place = |at: &str| doc.mark_at(&path(at)).map(|mark| mark.value().to_string()).unwrap();
        assert_eq!([place("y.q.0"), place("z.q.0"), place("z.p"), place("w.q.0")], ["r.yaml:2:26", "r.yaml:3:9", "r.yaml:3:16", "r.yaml:4:4"]);
        assert_eq!(doc.tag(&path("w.q")), Some(Tag::Append));
    }

    #[test]
    fn bad_yaml_is_an_error_with_its_place() {
        let twice = Document::parse("r.yaml", "a: 1\na: 2\n").unwrap_err();
        assert_eq!(twice.problems[0].hint.as_deref(), Some("it is first set at r.yaml:1:1"));
        for (text, says) in [
            ("a: 1\na: 2\n", "the key `a` is there twice"),
            ("[1]: 2\n", "a key is a name, got a list"),
            ("a: !!binary eA==\n", "unknown tag `!!binary`"),
            ("a:\n\t- 1\n", "tab"),
            ("a: [1\n", ""),
            ("a: &x [*x]\n", ""),
        ] {
            let error = Document::parse("r.yaml", text).unwrap_err();
            assert_eq!(error.kind, Kind::Config, "{text}");
            assert!(error.to_string().contains(says), "{text}: {error}");
            assert!(error.problems[0].place.as_ref().is_some_and(|p| p.line.is_some()), "{text}: {error}");
        }
    }

    #[test]
    fn bombs_are_refused() {
        let aliases = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
        assert!(Document::parse("r.yaml", aliases).is_err());
        assert!(Document::parse("r.yaml", &format!("a: {}{}\n", "[".repeat(100_000), "]".repeat(100_000))).is_err());
    }

    #[test]
    fn a_profile_merges_over_the_recipe_at_every_depth() {
        let mut doc =
            Document::parse("recipe.yaml", "steps:\n  train: {using: ridge, estimator_params: {alpha: 1}}\n  split: {split_ratios: [1, 1, 1]}\n").unwrap();
        doc.merge(Document::parse("local.yaml", "steps:\n  train:\n    estimator_params: {alpha: 2}\n  split: {split_ratios: [8, 1, 1]}\n").unwrap()).unwrap();
        assert_eq!(doc.value.at(&path("steps.train.using")).and_then(Value::text).as_deref(), Some("ridge"));
        assert_eq!(doc.mark(&path("steps.train.estimator_params.alpha")).unwrap().value().to_string(), "local.yaml:3:31");
        assert_eq!(doc.mark(&path("steps.split.split_ratios.0")).unwrap().value().to_string(), "local.yaml:4:26");
        assert_eq!(doc.mark(&path("steps.train.using")).unwrap().value().to_string(), "recipe.yaml:2:18");
    }
}
