//! `${…}`: values that refer to other values and to what is around the project, resolved after merging.
//!
//! `${a.b}` looks at the root and then below `vars`; `${.a}` beside the value, `${..a}` one map further up;
//! `${params.month}` is a parameter's value. `${NAME:…}` asks a resolver, see [`World`]. A string that is one
//! reference takes the value's type. Cycles show the loop. `${secret:NAME}` stays as it is written: who needs the
//! secret asks for it where it is used, so that it is in no card, key or record. So does `${env:NAME}` in the connection to a database.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path as FilePath;

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, Utc};

use super::document::Document;
use super::git;
use crate::error::{Error, Kind, Result, nearest, shorten};
use crate::value::{Fault, Path, Value, display_path, path_of};

const MAX_DEPTH: usize = 32;
const CIRCLE: &str = "references go in a circle";
const MAX_TEXT: usize = 100_000;
/// References that one configuration may resolve, with the values they bring: trees of references to trees grow fast.
const MAX_REFERENCES: usize = 100_000;

/// The names that `${NAME:…}` knows.
pub const RESOLVERS: [&str; 10] = ["env", "oc.env", "git", "now", "toml", "pyproject", "rc.pyproject_value", "cargo_pkg", "file", "secret"];

/// Variables of the process and of `.env`.
pub type Environment = BTreeMap<String, String>;

/// What is around a configuration.
pub struct World<'a> {
    root: &'a FilePath,
    environment: &'a Environment,
    now: DateTime<Utc>,
    /// `toml` files that were read.
    toml: RefCell<BTreeMap<String, toml::Table>>,
    /// Every file that a reference read, relative to the root.
    files: RefCell<BTreeSet<String>>,
    head: OnceCell<Option<git::Head>>,
}

impl<'a> World<'a> {
    #[must_use]
    pub fn new(root: &'a FilePath, environment: &'a Environment) -> Self {
        Self { root, environment, now: Utc::now(), toml: RefCell::default(), files: RefCell::default(), head: OnceCell::new() }
    }

    /// The files that references read.
    #[must_use]
    pub fn files(self) -> BTreeSet<String> {
        self.files.into_inner()
    }
}

/// The document with every reference resolved.
///
/// # Errors
/// Exit code 3 for every reference that is unknown, cyclic or badly written, with its place.
pub fn interpolate(document: &Document, world: &World<'_>) -> Result<Document> {
    let resolver = Resolver { root: &document.value, world, count: Cell::new(0), known: RefCell::default() };
    let (mut problems, mut consequences) = (Vec::new(), Vec::new());
    let mut value = document.value.clone();
    resolver.walk(&mut value, &mut Vec::new(), &mut Vec::new(), &mut |path, mut fault| {
        // What is wrong where a reference leads is told there, once.
        let list = if std::mem::take(&mut fault.path).is_empty() { &mut problems } else { &mut consequences };
        list.push(document.problem(path, fault));
    });
    match Error::all(Kind::Config, if problems.is_empty() { consequences } else { problems }) {
        Some(error) => Err(error),
        None => Ok(document.with(value)),
    }
}

/// Where connections to databases stand.
pub const CONNECTIONS: [&[&str]; 3] =
    [&["steps", "ingest", "connection"], &["steps", "ingest_scoring", "connection"], &["steps", "predict", "output", "connection"]];

/// Does a connection to a database stand here?
#[must_use]
pub fn is_connection(path: &[String]) -> bool {
    CONNECTIONS.iter().any(|known| path.iter().map(String::as_str).eq(known.iter().copied()))
}

/// Does a text hold a reference to a secret?
#[must_use]
pub fn names_secret(text: &str) -> bool {
    text.contains("${secret:")
}

struct Resolver<'a> {
    root: &'a Value,
    world: &'a World<'a>,
    count: Cell<usize>,
    /// Values without references that names stand for which mean the same everywhere.
    known: RefCell<BTreeMap<String, Value>>,
}

/// References that are being resolved, the first one first.
type Stack = Vec<String>;

impl Resolver<'_> {
    /// Resolves every reference in a tree that stands at `path`. Maps without references stay shared with whoever has them too.
    fn walk(&self, value: &mut Value, path: &mut Path, stack: &mut Stack, fail: &mut dyn FnMut(&[String], Fault)) {
        match value {
            Value::String(text) if text.contains("${") => {
                let depth = stack.len();
                match self.resolve(text, path, stack) {
                    Ok(resolved) => *value = resolved,
                    Err(fault) => fail(path, fault),
                }
                stack.truncate(depth);
            }
            Value::List(items) => {
                for (i, item) in items.iter_mut().enumerate() {
                    path.push(i.to_string());
                    self.walk(item, path, stack, fail);
                    path.pop();
                }
            }
            Value::Map(map) if map.values().any(refers) => {
                for (key, item) in map.iter_mut() {
                    path.push(key.clone());
                    self.walk(item, path, stack, fail);
                    path.pop();
                }
            }
            _ => {}
        }
    }

    /// A string with its references replaced; a string that is one reference becomes that value. `at` is where it stands.
    fn resolve(&self, text: &str, at: &[String], stack: &mut Stack) -> Result<Value, Fault> {
        if let Some(inside) = text.strip_prefix("${").and_then(|rest| closing(rest).filter(|end| end + 1 == rest.len()).map(|end| &rest[..end])) {
            return self.reference(inside, at, stack);
        }
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            // `\${` stands for itself.
            if let Some(before) = rest[..start].strip_suffix('\\') {
                out.push_str(before);
                out.push_str("${");
                rest = &rest[start + 2..];
                continue;
            }
            out.push_str(&rest[..start]);
            let after = &rest[start + 2..];
            let end = closing(after).ok_or_else(|| Fault::new(&[], format!("`${{` without `}}`: {}", shorten(text))))?;
            let value = self.reference(&after[..end], at, stack)?;
            match &value {
                Value::Null => {}
                Value::List(_) | Value::Map(_) => {
                    return Err(Fault::new(&[], format!("`${{{}}}` is {}, which cannot stand inside a text", &after[..end], value.kind())));
                }
                scalar => out.push_str(&scalar.text().unwrap_or_default()),
            }
            if out.len() > MAX_TEXT {
                return Err(Fault::new(&[], "the text grows too long"));
            }
            rest = &after[end + 1..];
        }
        out.push_str(rest);
        Ok(Value::String(out))
    }

    /// A text whose references must come out as text: a name inside another reference.
    fn name(&self, text: &str, at: &[String], stack: &mut Stack) -> Result<String, Fault> {
        if !text.contains("${") {
            return Ok(text.trim().to_owned());
        }
        let value = self.resolve(text.trim(), at, stack)?;
        value.text().ok_or_else(|| Fault::new(&[], format!("`{}` is {}, which cannot stand inside a reference", shorten(text), value.kind())))
    }

    fn reference(&self, inside: &str, at: &[String], stack: &mut Stack) -> Result<Value, Fault> {
        self.count(1)?;
        if let Some(known) = self.known.borrow().get(inside).filter(|_| stack.len() < MAX_DEPTH) {
            self.count(size(known))?;
            return Ok(known.clone());
        }
        let mut arguments = split(inside, ':').into_iter();
        let first = arguments.next().unwrap_or_default();
        if first.len() < inside.len() {
            let resolver = self.name(first, at, stack)?;
            return self.ask(&resolver, &inside[first.len() + 1..], at, stack);
        }
        let name = self.name(inside, at, stack)?;
        let (wanted, found) = self.find(&name, at)?;
        self.count(size(&found))?;
        let shown = display_path(&wanted);
        if stack.contains(&shown) || stack.len() >= MAX_DEPTH {
            stack.push(shown.clone());
            let start = stack.iter().position(|seen| *seen == shown).unwrap_or(0);
            return Err(Fault::new(&[], format!("{CIRCLE}: {}", stack[start..].join(" → "))));
        }
        stack.push(shown);
        let is_plain = !refers(&found);
        let mut value = found;
        let mut first = None;
        self.walk(&mut value, &mut wanted.clone(), stack, &mut |_, fault| first = first.take().or(Some(fault)));
        stack.pop();
        match first {
            None => {
                if is_plain && name == inside && !name.starts_with('.') {
                    self.known.borrow_mut().insert(name, value.clone());
                }
                Ok(value)
            }
            Some(fault) if fault.message.starts_with(CIRCLE) => Err(fault),
            Some(mut fault) => {
                fault.path = wanted;
                Err(fault)
            }
        }
    }

    fn count(&self, values: usize) -> Result<(), Fault> {
        self.count.set(self.count.get() + values);
        if self.count.get() > MAX_REFERENCES {
            return Err(Fault::new(&[], format!("references stand for more than {MAX_REFERENCES} values")));
        }
        Ok(())
    }

    /// What a reference's name means, as the path from the root and the value there.
    fn find(&self, name: &str, at: &[String]) -> Result<(Path, Value), Fault> {
        let dots = name.len() - name.trim_start_matches('.').len();
        let nothing = |path: &Path, what: String| {
            let mut known: Vec<String> = Vec::new();
            let mut add = |value: Option<&Value>| {
                if let Some(Value::Map(map)) = value {
                    known.extend(map.keys().cloned());
                }
            };
            let above = &path[..path.len().saturating_sub(1)];
            add(self.root.at(above));
            if dots == 0 {
                add(self.root.get("vars").and_then(|vars| vars.at(above)));
            }
            let fault = Fault::new(&[], what);
            let last = path.last().map_or("", String::as_str);
            match nearest(last, known.iter().map(String::as_str)) {
                Some(near) => {
                    let kept = name.len() - last.len().min(name.len());
                    fault.hint(format!("did you mean `${{{}{near}}}`?", &name[..kept]))
                }
                None => fault,
            }
        };
        if dots > 0 {
            // `.a` is beside the value, each further dot goes one up.
            let Some(above) = at.len().checked_sub(dots) else {
                return Err(Fault::new(&[], format!("`${{{}}}` goes up beyond the root", shorten(name))));
            };
            let path: Path = at[..above].iter().cloned().chain(path_of(&name[dots..])).collect();
            return match self.root.at(&path) {
                Some(found) => Ok((path, found.clone())),
                None => Err(nothing(&path, format!("`${{{}}}` refers to nothing: `{}` is not set", shorten(name), display_path(&path)))),
            };
        }
        let path = path_of(name);
        if let [first, parameter] = path.as_slice()
            && first == "params"
        {
            let declared = self.root.at(&path).ok_or_else(|| nothing(&path, format!("no parameter `{}`", shorten(parameter))))?;
            let value = ["value", "default"].iter().find_map(|key| declared.get(key).filter(|value| **value != Value::Null));
            // One that is missing is told as such, where parameters are checked.
            return Ok((path, value.cloned().unwrap_or_default()));
        }
        let below: Path = ["vars".to_owned()].into_iter().chain(path.iter().cloned()).collect();
        for path in [&path, &below] {
            if let Some(found) = self.root.at(path) {
                return Ok((path.clone(), found.clone()));
            }
        }
        Err(nothing(&path, format!("`${{{}}}` refers to nothing: no `{}` at the root or under `vars`", shorten(name), display_path(&path))))
    }

    /// `${RESOLVER:ARGUMENTS}`.
    fn ask(&self, resolver: &str, arguments: &str, at: &[String], stack: &mut Stack) -> Result<Value, Fault> {
        let shown = format!("${{{resolver}:{}}}", shorten(arguments));
        // A time's format has commas of its own.
        let parts = if resolver == "now" { vec![arguments] } else { split(arguments, ',') };
        let (wanted, default) = match resolver {
            "toml" => (2, true),
            "env" | "oc.env" | "pyproject" | "rc.pyproject_value" => (1, true),
            _ => (1, false),
        };
        if parts.len() < wanted || parts.len() > wanted + usize::from(default) {
            let forms = ["${env:NAME,default}", "${toml:FILE,key,default}", "${pyproject:key,default}"].join("`, `");
            return Err(Fault::new(&[], format!("`{shown}` has {} arguments", parts.len())).hint(format!("forms are `{forms}`")));
        }
        let argument = self.name(parts[0], at, stack)?;
        let found = match resolver {
            "env" | "oc.env" => match self.world.environment.get(&argument) {
                // Who connects asks for it, so that it is in no card, key or record either.
                Some(_) if is_connection(at) => Ok(Value::String(format!("${{env:{argument}}}"))),
                Some(value) => Ok(Value::plain_scalar(value)),
                None => Err(Fault::new(&[], format!("environment variable `{}` is not set", shorten(&argument)))
                    .hint(format!("set it, or give a default: `${{env:{argument},…}}`"))),
            },
            "secret" => match self.world.environment.get(&argument) {
                Some(_) => Ok(Value::String(format!("${{secret:{argument}}}"))),
                None => Err(Fault::new(&[], format!("secret `{}` is not set", shorten(&argument)))
                    .hint(format!("set the environment variable `{argument}`, or say it in `.env`"))),
            },
            "now" => self.now(&argument),
            "git" => self.git(&argument),
            "file" => self.text_of(&argument).map(|text| Value::String(text.trim_end_matches(['\n', '\r']).to_owned())),
            "toml" => self.name(parts[1], at, stack).and_then(|key| self.toml(&argument, &key)),
            "pyproject" | "rc.pyproject_value" => self.toml("pyproject.toml", &argument),
            "cargo_pkg" => self.toml("Cargo.toml", &format!("package.{argument}")),
            other => Err(Fault::new(&[], format!("unknown resolver `{}`", shorten(other))).hint(crate::value::suggest(other, &RESOLVERS))),
        };
        match (found, parts.get(wanted)) {
            (Err(_), Some(default)) if RESOLVERS.contains(&resolver) => match default.trim() {
                text if text.contains("${") => self.resolve(text, at, stack),
                text => Ok(Value::plain_scalar(text.trim_matches(['"', '\'']))),
            },
            (found, _) => found,
        }
    }

    fn now(&self, format: &str) -> Result<Value, Fault> {
        let items: Vec<Item<'_>> = StrftimeItems::new(format).collect();
        if items.iter().any(|item| matches!(item, Item::Error)) {
            return Err(Fault::new(&[], format!("not a time format: `{}`", shorten(format))).hint("such as `%Y-%m-%d` or `%H:%M`"));
        }
        Ok(Value::String(self.world.now.format_with_items(items.into_iter()).to_string()))
    }

    fn git(&self, what: &str) -> Result<Value, Fault> {
        let head = self.world.head.get_or_init(|| git::head(self.world.root)).as_ref();
        let missing = || {
            Fault::new(&[], format!("`${{git:{}}}` is not known here", shorten(what))).hint("the project is in no git repository, or there is no commit yet")
        };
        match what {
            "sha" => head.and_then(|head| head.commit.clone()).map(Value::String).ok_or_else(missing),
            "branch" => head.and_then(|head| head.branch.clone()).map(Value::String).ok_or_else(missing),
            "dirty" => head.and_then(|_| git::is_dirty(self.world.root)).map(Value::Bool).ok_or_else(missing),
            other => Err(Fault::new(&[], format!("unknown value `{}`", shorten(other))).hint(crate::value::suggest(other, &["sha", "branch", "dirty"]))),
        }
    }

    fn text_of(&self, file: &str) -> Result<String, Fault> {
        self.world.files.borrow_mut().insert(file.to_owned());
        super::project::read_text(self.world.root, file).map_err(|error| {
            let problem = error.problems.into_iter().next();
            Fault::new(&[], problem.map_or_else(|| format!("cannot read `{}`", shorten(file)), |problem| problem.message))
        })
    }

    fn toml(&self, file: &str, key: &str) -> Result<Value, Fault> {
        let is_read = self.world.toml.borrow().contains_key(file);
        if !is_read {
            let table: toml::Table = self.text_of(file)?.parse().map_err(|error: toml::de::Error| {
                let line = error.span().and_then(|span| Some(self.text_of(file).ok()?.get(..span.start)?.matches('\n').count() + 1));
                let place = line.map_or_else(String::new, |line| format!(" (line {line})"));
                Fault::new(&[], format!("`{}` is not TOML: {}{place}", shorten(file), error.message()))
            })?;
            self.world.toml.borrow_mut().insert(file.to_owned(), table);
        }
        let files = self.world.toml.borrow();
        let table = files.get(file).cloned().unwrap_or_default();
        let found = path_of(key).iter().try_fold(toml::Value::Table(table), |value, part| match value {
            toml::Value::Table(mut table) => table.remove(part),
            toml::Value::Array(items) => items.into_iter().nth(part.parse().ok()?),
            _ => None,
        });
        found.map(from_toml).ok_or_else(|| Fault::new(&[], format!("`{}` has no key `{}`", shorten(file), shorten(key))))
    }
}

/// Does a tree hold references?
fn refers(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("${"),
        Value::List(items) => items.iter().any(refers),
        Value::Map(map) => map.values().any(refers),
        _ => false,
    }
}

/// Values in a tree.
fn size(value: &Value) -> usize {
    match value {
        Value::List(items) => items.iter().map(size).sum::<usize>() + 1,
        Value::Map(map) => map.values().map(size).sum::<usize>() + 1,
        _ => 1,
    }
}

fn from_toml(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::Number(number.to_string()),
        toml::Value::Float(number) => Value::Number(number.to_string()),
        toml::Value::Boolean(flag) => Value::Bool(flag),
        toml::Value::Datetime(moment) => Value::String(moment.to_string()),
        toml::Value::Array(items) => Value::List(items.into_iter().map(from_toml).collect()),
        toml::Value::Table(table) => Value::Map(table.into_iter().map(|(key, value)| (key, from_toml(value))).collect()),
    }
}

/// The parts between separators that are in no reference inside.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (i, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            c if c == separator && depth == 0 => {
                parts.push(&text[start..i]);
                start = i + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// The index of the `}` that closes a reference whose `${` was taken off.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut chars = text.char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        match c {
            '$' if chars.peek().is_some_and(|(_, next)| *next == '{') => {
                depth += 1;
                chars.next();
            }
            '}' if depth == 0 => return Some(i),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> Result<Value> {
        let document = Document::parse("recipe.yaml", text)?;
        let environment = Environment::from([("USER".to_owned(), "ada".to_owned())]);
        Ok(interpolate(&document, &World::new(FilePath::new("."), &environment))?.value)
    }

    #[test]
    fn references_reach_the_root_the_vars_and_the_environment() {
        let value =
            resolved("seed: 7\nvars: {env: dev, gcp: {project: \"x-${env}\"}}\na: ${seed}\nb: ${gcp}\nc: ${env:USER}-${oc.env:NONE,${env}}\nd: '\\${seed}'\n")
                .unwrap();
        assert_eq!(value.get("a"), Some(&Value::Number("7".into())));
        assert_eq!(value.get("b").and_then(|b| b.get("project")), Some(&Value::String("x-dev".into())));
        assert_eq!(value.get("c"), Some(&Value::String("ada-dev".into())));
        assert_eq!(value.get("d"), Some(&Value::String("${seed}".into())));
    }

    #[test]
    fn cycles_and_unknown_references_are_errors_with_places() {
        let error = resolved("vars:\n  a: ${b}\n  b: ${a}\nc: ${nothing}\nd: ${env:NOT_THERE}\n").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("go in a circle: vars.b → vars.a → vars.b (recipe.yaml:2:6 at vars.a)"), "{text}");
        assert!(text.contains("recipe.yaml:4:4 at c"), "{text}");
        assert!(text.contains("`NOT_THERE` is not set"), "{text}");
    }
}
