//! YAML with places: a [`Value`] and, for each path in it, the file, line and column that set it.
//!
//! The only file that names the YAML crate. It reads one document within fixed bounds, merges documents
//! over each other and draws faults on the source. It knows nothing of what the keys mean.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::Spanned;

use crate::error::{Error, Kind, Place, Problem, Result};
use crate::value::{Fault, Path, Value, display_path, path_of};

/// A configuration file may be this large.
pub const MAX_BYTES: u64 = 1 << 20;
const MAX_NODES: usize = 10_000;
const MAX_DEPTH: usize = 32;

/// Where a key and its value stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub key: Place,
    pub value: Place,
}

/// A tree of configuration that knows where each part came from.
#[derive(Clone, Debug, Default)]
pub struct Document {
    pub value: Value,
    /// Path → where it was set.
    pub marks: BTreeMap<Path, Mark>,
    /// File → its lines, for drawing.
    sources: BTreeMap<String, Rc<Vec<String>>>,
}

impl Document {
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
        let lines: Rc<Vec<String>> = Rc::new(text.lines().map(|line| line.chars().take(400).collect()).collect());
        let mut document = Self { value: Value::empty(), marks: BTreeMap::new(), sources: BTreeMap::from([(name.to_owned(), lines)]) };
        if text.lines().all(|line| line.trim_start().starts_with('#') || line.trim().is_empty() || line.trim() == "---") {
            return Ok(document);
        }
        let tree: Spanned<Node> = SOURCE.with(|source| {
            source.replace(text.to_owned());
            let read = serde_yaml::from_str_with_options(text, options());
            source.take();
            read.map_err(|error| document.yaml_error(name, &error))
        })?;
        document.value = document.keep(name, tree, &mut Vec::new(), None);
        if document.value == Value::Null {
            document.value = Value::empty();
        }
        Ok(document)
    }

    fn yaml_error(&self, name: &str, error: &serde_yaml::Error) -> Error {
        let bare = error.without_snippet();
        let message = bare.to_string();
        let first = message.lines().next().unwrap_or_default();
        // The place is shown by itself.
        let text = plain_words(first.split(" at line ").next().unwrap_or(first).trim_end_matches([',', ':', ' ']));
        let place = bare.location().map_or_else(|| Place::file(name), |l| Place::new(name, l.line() as usize, l.column() as usize));
        let is_tab = text.starts_with("a tab");
        let mut failure = Error::config(shorten_message(&text));
        for problem in &mut failure.problems {
            problem.source = self.source_line(&place);
        }
        let failure = failure.at(&place);
        if is_tab { failure.hint("YAML is indented with spaces") } else { failure }
    }

    fn keep(&mut self, name: &str, node: Spanned<Node>, path: &mut Path, key: Option<Place>) -> Value {
        let place = Place::new(name, node.referenced.line() as usize, node.referenced.column() as usize);
        self.marks.insert(path.clone(), Mark { key: key.unwrap_or_else(|| place.clone()), value: place });
        match node.value {
            Node::Scalar(value) => value,
            Node::List(items) => Value::List(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(i, item)| {
                        path.push(i.to_string());
                        let value = self.keep(name, item, path, None);
                        path.pop();
                        value
                    })
                    .collect(),
            ),
            Node::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, item)| {
                        let key_place = Place::new(name, key.referenced.line() as usize, key.referenced.column() as usize);
                        path.push(key.value.0.clone());
                        let value = self.keep(name, item, path, Some(key_place));
                        path.pop();
                        (key.value.0, value)
                    })
                    .collect(),
            ),
        }
    }

    /// Lays `over` on top: maps merge at every depth, everything else is replaced.
    pub fn merge(&mut self, over: Document) {
        self.sources.extend(over.sources);
        let mut path = Vec::new();
        merge_value(&mut self.value, over.value, &mut self.marks, &over.marks, &mut path);
    }

    /// Sets one value, making the maps above it; `from` says who did.
    ///
    /// # Errors
    /// Where something above it is neither a map nor a list that has that index.
    pub fn set(&mut self, path: &[String], value: Value, from: &Place) -> Result<()> {
        let mut at = &mut self.value;
        for (depth, part) in path.iter().enumerate() {
            if *at == Value::Null {
                *at = Value::empty();
            }
            at = match at {
                Value::Map(map) => map.entry(part.clone()).or_insert(Value::Null),
                Value::List(list) => match part.parse::<usize>().ok().and_then(|i| list.get_mut(i)) {
                    Some(item) => item,
                    None => return Err(Error::config(format!("no such item in the list `{}`: {part}", display_path(&path[..depth])))),
                },
                other => return Err(Error::config(format!("`{}` is {}, so `{part}` cannot be set below it", display_path(&path[..depth]), other.kind()))),
            };
            self.marks.entry(path[..=depth].to_vec()).or_insert_with(|| Mark { key: from.clone(), value: from.clone() });
        }
        *at = value;
        drop_below(&mut self.marks, path);
        self.marks.insert(path.to_vec(), Mark { key: from.clone(), value: from.clone() });
        Ok(())
    }

    /// Takes the value at a top-level key out, leaving its marks.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        self.value.take(key)
    }

    /// Where a path was set, or the nearest thing above it.
    #[must_use]
    pub fn mark(&self, path: &[String]) -> Option<&Mark> {
        (0..=path.len()).rev().find_map(|n| self.marks.get(&path[..n]))
    }

    /// A fault below `base` as a problem with its place and source line.
    #[must_use]
    pub fn problem(&self, base: &[String], fault: Fault) -> Problem {
        let full: Path = base.iter().cloned().chain(fault.path).collect();
        let mut problem = Problem::new(fault.message).path(display_path(&full));
        let is_key = ["unknown key", "unknown transform"].iter().any(|start| problem.message.starts_with(start));
        if let Some(mark) = self.mark(if fault.missing { &full[..full.len().saturating_sub(1)] } else { &full }) {
            let place = if is_key || fault.missing { &mark.key } else { &mark.value };
            problem.source = self.source_line(place);
            problem = problem.at(place.clone());
        }
        problem.hint = fault.hint;
        problem
    }

    /// Gives every problem that names a configuration path, and no place, the place where that was set.
    #[must_use]
    pub fn locate(&self, mut error: Error) -> Error {
        for problem in &mut error.problems {
            let Some(path) = problem.path.as_deref().filter(|_| problem.place.is_none()).map(path_of) else { continue };
            if let Some(mark) = (1..=path.len()).rev().find_map(|n| self.marks.get(&path[..n])) {
                problem.source = self.source_line(&mark.value);
                problem.place = Some(mark.value.clone());
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
        self.sources.get(&place.file)?.get(line).cloned()
    }
}

fn drop_below(marks: &mut BTreeMap<Path, Mark>, path: &[String]) {
    marks.retain(|at, _| !(at.len() > path.len() && at.starts_with(path)));
}

fn merge_value(base: &mut Value, over: Value, marks: &mut BTreeMap<Path, Mark>, over_marks: &BTreeMap<Path, Mark>, path: &mut Path) {
    match (base, over) {
        (Value::Map(base), Value::Map(over)) => {
            for (key, value) in over {
                path.push(key.clone());
                merge_value(base.entry(key).or_default(), value, marks, over_marks, path);
                path.pop();
            }
        }
        // `key:` with nothing behind it over a map adds nothing.
        (Value::Map(_), Value::Null) => {}
        (base, over) => {
            *base = over;
            drop_below(marks, path);
            for (at, mark) in over_marks.range(path.clone()..).take_while(|(at, _)| at.starts_with(path)) {
                marks.insert(at.clone(), mark.clone());
            }
        }
    }
}

/// What the YAML crate says of a file, for a reader who does not know that crate.
fn plain_words(text: &str) -> String {
    if let Some(key) = text.strip_prefix("duplicate mapping key: ") {
        return format!("the key `{}` is there twice", key.split(", set ").next().unwrap_or(key));
    }
    if let Some(number) = text.strip_prefix("non-finite float ").and_then(|rest| rest.split(" rejected").next()) {
        return format!("{number} is no finite number");
    }
    if text.starts_with("tabs disallowed") {
        return "a tab in the indentation".to_owned();
    }
    if text.contains("recursion limit") || text.contains("Depth {") {
        return format!("the file is nested too deeply: more than {MAX_DEPTH} levels");
    }
    if text.contains("Documents {") {
        return "a configuration file is one document: a second one begins here".to_owned();
    }
    if text.contains("Nodes {") {
        return format!("the file says too much: more than {MAX_NODES} values, aliases counted in full");
    }
    if text.starts_with("budget breached") {
        return "the file is too complex for a configuration".to_owned();
    }
    text.to_owned()
}

fn shorten_message(text: &str) -> String {
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(200).collect();
    // Messages begin in lower case.
    let mut letters = start.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => "not valid YAML".to_owned(),
    }
}

fn options() -> serde_yaml::Options {
    serde_yaml::options! {
        strict_booleans: true,
        with_snippet: false,
        duplicate_keys: serde_yaml::options::DuplicateKeyPolicy::Error,
        budget: serde_yaml::budget! { max_nodes: MAX_NODES, max_depth: MAX_DEPTH, max_documents: 1 },
    }
}

/// A value as one line of YAML text, such as an override gives it: `0.5`, `[a, b]`, `{x: 1}`.
///
/// # Errors
/// Exit code 2 where it is not YAML.
pub fn parse_inline(text: &str) -> Result<Value> {
    let name = "command line";
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    // A bare scalar document is fine for YAML as well.
    let document = Document::parse(name, text).map_err(|error| Error { kind: Kind::Usage, ..error })?;
    Ok(document.value)
}

thread_local! {
    // The text that is being read: plain numbers are taken from it as they were written.
    static SOURCE: RefCell<String> = const { RefCell::new(String::new()) };
}

enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Map(Vec<(Spanned<Key>, Spanned<Node>)>),
}

struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Key)
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Number(value.to_string())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Number(value.to_string())))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Number(value.to_string())))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Number(value.to_string())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Number(value.to_string())))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(Value::String(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Scalar(Value::String(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<Node>>()? {
            items.push(exact(item));
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<Key>>()? {
            entries.push((key, exact(map.next_value::<Spanned<Node>>()?)));
        }
        Ok(Node::Map(entries))
    }
}

/// Puts the text that was written in the place of a number that was read from it.
fn exact(mut node: Spanned<Node>) -> Spanned<Node> {
    if let Node::Scalar(Value::Number(text)) = &mut node.value {
        let span = node.defined.span();
        let written = SOURCE.with_borrow(|source| {
            let start = usize::try_from(span.byte_offset()?).ok()?;
            let end = start.checked_add(usize::try_from(span.byte_len()?).ok()?)?;
            source.get(start..end).map(|s| s.trim().to_owned())
        });
        if let Some(written) = written.filter(|w| matches!(Value::plain_scalar(w), Value::Number(_))) {
            *text = written;
        }
    }
    node
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
        assert_eq!(doc.mark(&path("b.2.x")).map(|m| (m.key.to_string(), m.value.to_string())), Some(("r.yaml:5:5".into(), "r.yaml:5:8".into())));
    }

    #[test]
    fn bad_yaml_is_an_error_with_its_place() {
        for (text, says) in [("a: 1\na: 2\n", "the key `a` is there twice"), ("a:\n\t- 1\n", "tab"), ("a: [1\n", ""), ("a: &x [*x]\n", "")] {
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
        doc.merge(Document::parse("local.yaml", "steps:\n  train:\n    estimator_params: {alpha: 2}\n  split: {split_ratios: [8, 1, 1]}\n").unwrap());
        assert_eq!(doc.value.at(&path("steps.train.using")).and_then(Value::text).as_deref(), Some("ridge"));
        assert_eq!(doc.mark(&path("steps.train.estimator_params.alpha")).unwrap().value.to_string(), "local.yaml:3:31");
        assert_eq!(doc.mark(&path("steps.split.split_ratios.0")).unwrap().value.to_string(), "local.yaml:4:26");
        assert_eq!(doc.mark(&path("steps.train.using")).unwrap().value.to_string(), "recipe.yaml:2:18");
    }
}
