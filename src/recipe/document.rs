//! YAML with places: a [`Value`] and, for each path in it, the file, line and column that set it.
//!
//! The only file that names the YAML crate. It reads one document within fixed bounds, merges documents
//! over each other and draws faults on the source. It knows nothing of what the keys mean.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::{Spanned, Tagged};

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

/// How a value is laid over another one, where it is not as usual (`!append` and so on in YAML).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// The list goes behind the one that is there.
    Append,
    /// The list goes before the one that is there.
    Prepend,
    /// The value takes the place of what is there, maps included.
    Replace,
    /// The items leave the list that is there; without items, the key goes.
    Remove,
}

const TAGS: [(&str, Tag); 4] = [("!append", Tag::Append), ("!prepend", Tag::Prepend), ("!replace", Tag::Replace), ("!remove", Tag::Remove)];

/// A tree of configuration that knows where each part came from.
#[derive(Clone, Debug, Default)]
pub struct Document {
    pub value: Value,
    /// Path → where it was set.
    pub marks: BTreeMap<Path, Mark>,
    /// Path → how it is laid over what is below it.
    pub tags: BTreeMap<Path, Tag>,
    /// File → its lines, for drawing.
    sources: BTreeMap<String, Rc<Vec<String>>>,
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
        let lines: Rc<Vec<String>> = Rc::new(text.lines().map(|line| line.chars().take(400).collect()).collect());
        let mut document = Self { value: Value::empty(), sources: BTreeMap::from([(name.to_owned(), lines)]), ..Self::default() };
        if text.lines().all(|line| line.trim_start().starts_with('#') || line.trim().is_empty() || line.trim() == "---") {
            return Ok(document);
        }
        let tree: Item = SOURCE.with(|source| {
            source.replace(text.to_owned());
            let read = serde_yaml::from_str_with_options(text, options());
            source.take();
            read.map_err(|error| document.yaml_error(name, &error))
        })?;
        let mut problems = Vec::new();
        document.value = document.keep(name, tree, &mut Vec::new(), None, &mut problems);
        if let Some(error) = Error::all(Kind::Config, problems) {
            return Err(error);
        }
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

    fn keep(&mut self, name: &str, item: Item, path: &mut Path, key: Option<Place>, problems: &mut Vec<Problem>) -> Value {
        let place = Place::new(name, item.referenced.line() as usize, item.referenced.column() as usize);
        let Tagged(node, tag) = item.value;
        if let Some(text) = tag.filter(|tag| tag.starts_with('!')) {
            if let Some((_, tag)) = TAGS.iter().find(|(name, _)| *name == text) {
                self.tags.insert(path.clone(), *tag);
            } else {
                let mut problem = Problem::new(format!("unknown tag `{}`", crate::error::shorten(&text)))
                    .hint(crate::value::suggest(&text, &TAGS.map(|(name, _)| name)))
                    .at(place.clone());
                problem.source = self.source_line(&place);
                problems.push(problem);
            }
        }
        self.marks.insert(path.clone(), Mark { key: key.unwrap_or_else(|| place.clone()), value: place });
        match node {
            Node::Scalar(value) => value,
            Node::List(items) => Value::List(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(i, item)| {
                        path.push(i.to_string());
                        let value = self.keep(name, item, path, None, problems);
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
                        let value = self.keep(name, item, path, Some(key_place), problems);
                        path.pop();
                        (key.value.0, value)
                    })
                    .collect(),
            ),
        }
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
        let from = over.marks.get(&Path::new()).map_or_else(|| Place::file("command line"), |mark| mark.value.clone());
        for (file, lines) in over.sources {
            self.sources.entry(file).or_insert(lines);
        }
        let mut at = &mut self.value;
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
            self.marks.entry(path[..=depth].to_vec()).or_insert_with(|| Mark { key: from.clone(), value: from.clone() });
        }
        let mut merge = Merge { marks: &mut self.marks, over_marks: &over.marks, over_tags: &over.tags, faults: Vec::new() };
        let gone = merge.value(at, over.value, &mut path.to_vec(), &mut Vec::new());
        let faults = merge.faults;
        if gone {
            self.value.remove(path);
            drop_below(&mut self.marks, path);
            self.marks.remove(path);
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
        for at in below(&self.marks, path) {
            self.marks.remove(&at);
        }
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
                // A column that a key names, as below `roles` and `schema`.
                let is_key = problem.is_misfit && path.last().is_some_and(|key| problem.message.contains(&format!("`{key}`")));
                let place = if is_key { &mark.key } else { &mark.value };
                problem.source = self.source_line(place);
                problem.place = Some(place.clone());
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

/// Forgets the places of what is below a path.
fn drop_below(marks: &mut BTreeMap<Path, Mark>, path: &[String]) {
    for at in below(marks, path) {
        if at.len() > path.len() {
            marks.remove(&at);
        }
    }
}

/// The paths at `path` and below it, which stand side by side.
fn below<T>(marks: &BTreeMap<Path, T>, path: &[String]) -> Vec<Path> {
    marks.range(path.to_vec()..).map(|(at, _)| at).take_while(|at| at.starts_with(path)).cloned().collect()
}

/// One document going over another.
struct Merge<'a> {
    marks: &'a mut BTreeMap<Path, Mark>,
    over_marks: &'a BTreeMap<Path, Mark>,
    over_tags: &'a BTreeMap<Path, Tag>,
    faults: Vec<(Place, Fault)>,
}

impl Merge<'_> {
    /// Merges one value; `path` leads to it in the base and `from` in the document that goes over it. True if the base is to go.
    fn value(&mut self, base: &mut Value, over: Value, path: &mut Path, from: &mut Path) -> bool {
        match (self.over_tags.get(from.as_slice()).copied(), base, over) {
            (Some(Tag::Remove), base, over) => return self.remove(base, over, path, from),
            (Some(tag @ (Tag::Append | Tag::Prepend)), base, over) => self.extend(base, over, tag, path, from),
            (None, Value::Map(base), Value::Map(over)) => {
                if let Some(mark) = self.over_marks.get(from.as_slice()) {
                    self.marks.entry(path.clone()).or_insert_with(|| mark.clone());
                }
                for (key, value) in over {
                    path.push(key.clone());
                    from.push(key.clone());
                    if self.value(base.entry(key.clone()).or_default(), value, path, from) {
                        base.remove(&key);
                        drop_below(self.marks, path);
                        self.marks.remove(path.as_slice());
                    }
                    path.pop();
                    from.pop();
                }
            }
            // `key:` with nothing behind it over a map adds nothing.
            (None, Value::Map(_), Value::Null) => {}
            (_, base, over) => {
                *base = plain(over, from, self.over_tags);
                drop_below(self.marks, path);
                self.take_marks(from, path);
            }
        }
        false
    }

    /// Marks of the document on top become marks of the base.
    fn take_marks(&mut self, from: &[String], path: &[String]) {
        for at in below(self.over_marks, from) {
            if let Some(mark) = self.over_marks.get(&at) {
                self.marks.insert(path.iter().chain(&at[from.len()..]).cloned().collect(), mark.clone());
            }
        }
    }

    fn extend(&mut self, base: &mut Value, over: Value, tag: Tag, path: &Path, from: &Path) {
        let items = into_list(plain(over, from, self.over_tags));
        if *base == Value::Null {
            *base = Value::List(Vec::new());
        }
        let kind = base.kind();
        let Value::List(list) = base else {
            let doing = if tag == Tag::Append { "appended to" } else { "prepended to" };
            self.fault(path, from, format!("`{}` is {kind}: only a list can be {doing}", display_path(path)), None);
            return;
        };
        let (count, there) = (items.len(), list.len());
        if tag == Tag::Append {
            list.extend(items);
        } else {
            list.splice(0..0, items);
            for i in (0..there).rev() {
                self.move_marks(path, i, i + count);
            }
        }
        let start = if tag == Tag::Append { there } else { 0 };
        for i in 0..count {
            let at = |base: &Path, i: usize| -> Path { base.iter().cloned().chain([i.to_string()]).collect() };
            self.take_marks(&at(from, i), &at(path, start + i));
        }
        if let Some(mark) = self.over_marks.get(from) {
            self.marks.entry(path.clone()).or_insert_with(|| mark.clone());
        }
    }

    fn move_marks(&mut self, list: &Path, i: usize, to: usize) {
        let at = |i: usize| -> Path { list.iter().cloned().chain([i.to_string()]).collect() };
        let (old, new) = (at(i), at(to));
        drop_below(self.marks, &new);
        for path in below(self.marks, &old) {
            if let Some(mark) = self.marks.remove(&path) {
                self.marks.insert(new.iter().chain(&path[old.len()..]).cloned().collect(), mark);
            }
        }
    }

    fn remove(&mut self, base: &mut Value, over: Value, path: &Path, from: &Path) -> bool {
        let shown = display_path(path);
        if matches!(over, Value::Null) || over.text().is_some_and(|text| text.is_empty()) {
            if *base == Value::Null && !self.marks.contains_key(path) {
                self.fault(path, from, format!("nothing to remove: `{shown}` is not set"), None);
            }
            return true;
        }
        let kind = base.kind();
        let Value::List(list) = base else {
            self.fault(
                path,
                from,
                format!("`{shown}` is {kind}: items can only be removed from a list"),
                Some("`!remove` with nothing behind it removes the key"),
            );
            return false;
        };
        for item in into_list(over) {
            let Some(i) = list.iter().position(|there| *there == item || (item.text().is_some() && there.text() == item.text())) else {
                let item = item.text().unwrap_or_else(|| item.kind().to_owned());
                self.fault(path, from, format!("nothing to remove: `{}` is not in the list `{shown}`", crate::error::shorten(&item)), None);
                continue;
            };
            list.remove(i);
            drop_below(self.marks, &path.iter().cloned().chain([i.to_string()]).collect::<Path>());
            for later in i..list.len() {
                self.move_marks(path, later + 1, later);
            }
        }
        false
    }

    fn fault(&mut self, path: &Path, from: &Path, message: String, hint: Option<&str>) {
        let place = (0..=from.len()).rev().find_map(|n| self.over_marks.get(&from[..n])).map_or_else(|| Place::file("command line"), |mark| mark.value.clone());
        let fault = Fault::new(path, message);
        self.faults.push((
            place,
            match hint {
                Some(hint) => fault.hint(hint),
                None => fault,
            },
        ));
    }
}

fn into_list(value: Value) -> Vec<Value> {
    match value {
        Value::List(items) => items,
        Value::Null => Vec::new(),
        item => vec![item],
    }
}

/// A value that has nothing below it: what its tags remove is not there.
fn plain(value: Value, path: &[String], tags: &BTreeMap<Path, Tag>) -> Value {
    if below(tags, path).is_empty() {
        return value;
    }
    let child = |key: &str| -> Path { path.iter().cloned().chain([key.to_owned()]).collect() };
    match value {
        Value::Map(map) => Value::Map(
            map.into_iter()
                .filter(|(key, _)| tags.get(&child(key)) != Some(&Tag::Remove))
                .map(|(key, value)| {
                    let at = child(&key);
                    (key, plain(value, &at, tags))
                })
                .collect(),
        ),
        Value::List(items) => Value::List(items.into_iter().enumerate().map(|(i, item)| plain(item, &child(&i.to_string()), tags)).collect()),
        scalar => scalar,
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

thread_local! {
    // The text that is being read: plain numbers are taken from it as they were written.
    static SOURCE: RefCell<String> = const { RefCell::new(String::new()) };
}

enum Node {
    Scalar(Value),
    List(Vec<Item>),
    Map(Vec<(Spanned<Key>, Item)>),
}

type Item = Spanned<Tagged<Node>>;

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
        while let Some(item) = seq.next_element::<Item>()? {
            items.push(exact(item));
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<Key>>()? {
            entries.push((key, exact(map.next_value::<Item>()?)));
        }
        Ok(Node::Map(entries))
    }
}

/// Puts the text that was written in the place of a number that was read from it.
fn exact(mut node: Item) -> Item {
    if let Node::Scalar(Value::Number(text)) = &mut node.value.0 {
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
        doc.merge(Document::parse("local.yaml", "steps:\n  train:\n    estimator_params: {alpha: 2}\n  split: {split_ratios: [8, 1, 1]}\n").unwrap()).unwrap();
        assert_eq!(doc.value.at(&path("steps.train.using")).and_then(Value::text).as_deref(), Some("ridge"));
        assert_eq!(doc.mark(&path("steps.train.estimator_params.alpha")).unwrap().value.to_string(), "local.yaml:3:31");
        assert_eq!(doc.mark(&path("steps.split.split_ratios.0")).unwrap().value.to_string(), "local.yaml:4:26");
        assert_eq!(doc.mark(&path("steps.train.using")).unwrap().value.to_string(), "recipe.yaml:2:18");
    }
}
