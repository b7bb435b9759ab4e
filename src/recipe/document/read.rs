//! YAML text as values with their places, in one pass over the parser's events.
//!
//! The only file that names the YAML parser. Aliases are expanded as they come and counted in full, so that a
//! file cannot grow beyond its bounds; what an alias brings stands where the alias stands.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::marks::{At, Mark, Marks, Tag};
use super::scalar::{is_null, plain, tagged};
use crate::error::shorten;
use crate::value::{Map, Value, suggest};

const MAX_NODES: usize = 10_000;
const MAX_DEPTH: usize = 32;

const TAGS: [(&str, Tag); 4] = [("!append", Tag::Append), ("!prepend", Tag::Prepend), ("!replace", Tag::Replace), ("!remove", Tag::Remove)];

/// What is wrong with a text.
pub(super) struct Fault {
    pub message: String,
    pub at: At,
    pub hint: Option<String>,
}

impl Fault {
    pub fn new(message: impl Into<String>, at: At) -> Self {
        Self { message: message.into(), at, hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Reads one document of YAML.
///
/// # Errors
/// The first fault of syntax or bounds; else every tag that is not known.
pub(super) fn read(file: &Arc<str>, text: &str) -> Result<(Value, Marks), Vec<Fault>> {
    let parser = Parser::new_from_str_with_options(text, granit_parser::options! { emit_comments: false });
    let mut reader = Reader { parser, file: Arc::clone(file), nodes: 0, anchors: BTreeMap::new(), faults: Vec::new() };
    let read = reader.document().map_err(|fault| vec![fault])?;
    if reader.faults.is_empty() { Ok(read) } else { Err(reader.faults) }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    file: Arc<str>,
    nodes: usize,
    anchors: BTreeMap<usize, Anchor>,
    faults: Vec<Fault>,
}

/// What an alias stands for.
struct Anchor {
    value: Value,
    marks: Marks,
    nodes: usize,
    depth: usize,
}

/// A key: its text, or the key under which other maps are merged.
enum Key {
    Name(String),
    Merge,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Fault> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(in_plain_words(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn document(&mut self) -> Result<(Value, Marks), Fault> {
        let mut root = None;
        let (mut documents, mut is_ended) = (0, false);
        loop {
            let (event, span) = match self.next() {
                Ok(next) => next,
                // What follows `...` is not read.
                Err(_) if is_ended => break,
                Err(fault) => return Err(fault),
            };
            match event {
                Event::StreamStart => {}
                Event::StreamEnd => break,
                Event::DocumentStart(..) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(Fault::new("a configuration file is one document: a second one begins here", at(&span)));
                    }
                }
                Event::DocumentEnd => is_ended = !span.is_empty(),
                event => root = Some(self.node(event, at(&span), 0)?),
            }
        }
        Ok(root.unwrap_or_default())
    }

    fn node(&mut self, event: Event<'a>, at: At, depth: usize) -> Result<(Value, Marks), Fault> {
        let before = self.nodes;
        let mut marks = Marks::new(Mark::new(Arc::clone(&self.file), at));
        let (value, anchor) = match event {
            Event::Alias(id) => return self.alias(id, at, depth),
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1, at)?;
                let core = self.tag(tag.as_deref(), &mut marks, at);
                let text = text.into_owned();
                let value = match core {
                    Some(core) => tagged(text, &core, at)?,
                    None if style == ScalarStyle::Plain => plain(text, at)?,
                    None => Value::String(text),
                };
                (value, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.enter("seq", tag.as_deref(), &mut marks, at, depth)?;
                let (mut items, mut below) = (Vec::new(), Vec::new());
                loop {
                    let (event, span) = self.next()?;
                    if event == Event::SequenceEnd {
                        break;
                    }
                    let (item, marks) = self.node(event, self::at(&span), depth + 1)?;
                    below.push((items.len().to_string().into(), marks));
                    items.push(item);
                }
                marks = marks.with(below);
                (Value::List(items), anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.enter("map", tag.as_deref(), &mut marks, at, depth)?;
                let (map, below) = self.map(depth)?;
                marks = marks.with(below);
                (map.into(), anchor)
            }
            _ => return Err(Fault::new("not valid YAML", at)),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, Anchor { value: value.clone(), marks: marks.clone(), nodes: self.nodes - before, depth: levels(&value) });
        }
        Ok((value, marks))
    }

    /// A map's entries and their marks, up to its end.
    fn map(&mut self, depth: usize) -> Result<(BTreeMap<String, Value>, Vec<(Box<str>, Marks)>), Fault> {
        let (mut map, mut below) = (BTreeMap::new(), Vec::<(Box<str>, Marks)>::new());
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let key_at = at(&span);
            let key = self.key(event, key_at)?;
            if let Key::Name(key) = &key
                && map.contains_key(key)
            {
                let first = below
                    .iter()
                    .find(|(known, _)| **known == **key)
                    .and_then(|(_, marks)| marks.here.as_ref())
                    .map(|mark| format!("it is first set at {}", mark.key()));
                let fault = Fault::new(format!("the key `{}` is there twice", shorten(key)), key_at);
                return Err(Fault { hint: first, ..fault });
            }
            let (event, span) = self.next()?;
            let value_at = at(&span);
            let (value, mut marks) = self.node(event, value_at, depth + 1)?;
            match key {
                Key::Name(key) => {
                    if let Some(here) = &mut marks.here {
                        here.key = key_at;
                    }
                    below.push((key.as_str().into(), marks));
                    map.insert(key, value);
                }
                Key::Merge => merged.extend(sources(value, &marks, value_at)?),
            }
        }
        // A map's own keys count, then those that come first.
        for (source, marks) in merged {
            for (key, value) in source {
                if let Entry::Vacant(entry) = map.entry(key) {
                    below.push((entry.key().as_str().into(), marks.child(entry.key()).cloned().unwrap_or_default()));
                    entry.insert(value);
                }
            }
        }
        Ok((map, below))
    }

    fn key(&mut self, event: Event<'a>, at: At) -> Result<Key, Fault> {
        let value = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1, at)?;
                let core = tag.as_deref().and_then(core);
                if text == "<<" && (core.as_deref() == Some("merge") || tag.is_none() && style == ScalarStyle::Plain) {
                    return Ok(Key::Merge);
                }
                if let Some(tag) = &tag
                    && core.as_deref() != Some("str")
                {
                    self.faults.push(Fault::new(format!("`{}` stands before a key: a tag says something of a value", shorten(&tag.original())), at));
                }
                let value = if tag.is_none() && style == ScalarStyle::Plain && is_null(&text) { Value::Null } else { Value::String(text.into_owned()) };
                if anchor != 0 {
                    let marks = Marks::new(Mark::new(Arc::clone(&self.file), at));
                    self.anchors.insert(anchor, Anchor { value: value.clone(), marks, nodes: 1, depth: 0 });
                }
                value
            }
            Event::Alias(id) => self.alias(id, at, 0)?.0,
            Event::SequenceStart(..) => Value::List(Vec::new()),
            _ => Value::empty(),
        };
        value.text().map(Key::Name).ok_or_else(|| Fault::new(format!("a key is a name, got {}", value.kind()), at))
    }

    fn alias(&mut self, id: usize, at: At, depth: usize) -> Result<(Value, Marks), Fault> {
        let Some(anchor) = self.anchors.get(&id) else {
            return Err(Fault::new("an alias stands inside what it stands for", at));
        };
        let (nodes, levels) = (anchor.nodes, anchor.depth);
        self.count(nodes, at)?;
        if depth + levels > MAX_DEPTH {
            return Err(too_deep(at));
        }
        let Some(Anchor { value, marks, .. }) = self.anchors.get(&id) else { return Err(Fault::new("not valid YAML", at)) };
        let mut marks = marks.clone();
        marks.move_to(&Mark::new(Arc::clone(&self.file), at));
        Ok((value.clone(), marks))
    }

    fn count(&mut self, nodes: usize, at: At) -> Result<(), Fault> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            return Err(Fault::new(format!("the file says too much: more than {MAX_NODES} values, aliases counted in full"), at));
        }
        Ok(())
    }

    /// The start of a list or a map that stands `depth` levels down.
    fn enter(&mut self, kind: &str, tag: Option<&granit_parser::Tag>, marks: &mut Marks, at: At, depth: usize) -> Result<(), Fault> {
        self.count(1, at)?;
        if depth >= MAX_DEPTH {
            return Err(too_deep(at));
        }
        match self.tag(tag, marks, at) {
            Some(core) if core != kind => Err(Fault::new(format!("`!!{core}` stands before a {}", if kind == "seq" { "list" } else { "map" }), at)),
            _ => Ok(()),
        }
    }

    /// Keeps a tag of ours in the marks and gives the name of one of YAML's own.
    fn tag(&mut self, tag: Option<&granit_parser::Tag>, marks: &mut Marks, at: At) -> Option<String> {
        let tag = tag?;
        let text = tag.to_string();
        if let Some((_, tag)) = TAGS.iter().find(|(name, _)| *name == text) {
            marks.tag = Some(*tag);
            return None;
        }
        let core = core(tag).filter(|name| CORE.contains(&name.as_str()));
        if core.is_none() {
            let text = tag.original();
            self.faults.push(Fault::new(format!("unknown tag `{}`", shorten(&text)), at).hint(suggest(&text, &TAGS.map(|(name, _)| name))));
        }
        core
    }
}

/// The names of YAML's own tags that mean something here.
const CORE: [&str; 7] = ["str", "int", "float", "bool", "null", "seq", "map"];

/// The name of a tag in YAML's own namespace: `str` of `!!str`.
fn core(tag: &granit_parser::Tag) -> Option<String> {
    tag.suffix_in_namespace("tag:yaml.org,2002:").map(std::borrow::Cow::into_owned)
}

fn at(span: &Span) -> At {
    place(&span.start)
}

fn place(marker: &Marker) -> At {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    At { line: number(marker.line()), column: number(marker.col() + 1) }
}

/// The maps that `<<` brings.
fn sources(value: Value, marks: &Marks, at: At) -> Result<Vec<(Map, Marks)>, Fault> {
    let wrong = || Fault::new("`<<` takes a map or a list of maps", at);
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Map(map) => Ok(vec![(map, marks.clone())]),
        Value::List(items) => {
            let marks = marks.items(items.len());
            let maps = items.into_iter().zip(marks).filter(|(item, _)| *item != Value::Null);
            maps.map(|(item, marks)| if let Value::Map(map) = item { Ok((map, marks)) } else { Err(wrong()) }).collect()
        }
        _ => Err(wrong()),
    }
}

/// How many lists and maps lie within each other.
fn levels(value: &Value) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(levels).max().unwrap_or(0),
        Value::Map(map) => 1 + map.values().map(levels).max().unwrap_or(0),
        _ => 0,
    }
}

fn too_deep(at: At) -> Fault {
    Fault::new(format!("the file is nested too deeply: more than {MAX_DEPTH} levels"), at)
}

/// What the parser says of a text, for a reader who does not know that parser.
fn in_plain_words(error: &ScanError) -> Fault {
    let at = place(error.marker());
    match error.kind() {
        ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation => {
            Fault::new("a tab in the indentation", at).hint("YAML is indented with spaces")
        }
        ErrorKind::RecursionLimitExceeded => too_deep(at),
        ErrorKind::UnknownAnchor => Fault::new("an alias stands for nothing: there is no such anchor above it", at),
        kind => {
            let text = kind.to_string();
            // Messages begin in lower case.
            let mut letters = text.lines().next().unwrap_or_default().chars().take(200);
            match letters.next() {
                Some(first) => Fault::new(first.to_lowercase().chain(letters).collect::<String>(), at),
                None => Fault::new("not valid YAML", at),
            }
        }
    }
}
