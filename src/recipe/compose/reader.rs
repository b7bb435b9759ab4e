//! Reading a recipe's files, profiles and groups into layers, in the order in which they count.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;

use rayon::prelude::*;

use super::defaults::{Entry, default_mount, entries, is_tame, options};
use super::{Layer, LayerKind, is_variable};
use crate::error::{Error, Kind, Place, Problem, Result, nearest, shorten};
use crate::recipe::document::{Document, Mark};
use crate::recipe::sections::{ROOT_KEYS, STEPS};
use crate::recipe::{project, variables};
use crate::value::{Path as KeyPath, Value};

/// Files that one recipe may be made of.
const MAX_FILES: usize = 1_000;

/// Who chose an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum From {
    Profile(String),
    CommandLine,
}

/// An option chosen for a group from outside of recipe.yaml; none of them: the group is left out.
pub(super) struct Choice {
    pub group: String,
    pub mount: Option<KeyPath>,
    pub options: Vec<String>,
    pub place: Option<Place>,
    pub from: From,
}

pub(super) struct Reader<'a> {
    root: &'a Path,
    recipe: Option<&'a str>,
    pub variables: BTreeMap<String, Value>,
    pub used: BTreeSet<String>,
    choices: Vec<(Choice, bool)>,
    pub layers: Vec<Layer>,
    pub files: BTreeSet<String>,
    pub problems: Vec<Problem>,
    /// Profiles that were read already.
    known: BTreeMap<String, Document>,
    /// Options of groups, by group.
    groups: RefCell<BTreeMap<String, Rc<Options>>>,
    /// Files that were read before their turn.
    ahead: BTreeMap<String, Result<Filled>>,
}

/// Name → file.
type Options = BTreeMap<String, String>;

/// A file with its variables filled in, and the variables that it names.
struct Filled {
    document: Document,
    names: Vec<String>,
}

impl<'a> Reader<'a> {
    /// `known` are profiles that were read already, by file.
    pub fn new(root: &'a Path, recipe: Option<&'a str>, known: BTreeMap<String, Document>) -> Self {
        Self {
            root,
            recipe,
            variables: BTreeMap::new(),
            used: BTreeSet::new(),
            choices: Vec::new(),
            layers: Vec::new(),
            files: BTreeSet::new(),
            problems: Vec::new(),
            known,
            groups: RefCell::default(),
            ahead: BTreeMap::new(),
        }
    }

    /// Configuration faults are gathered; others end the reading.
    fn keep<T>(&mut self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind == Kind::Config => {
                self.problems.extend(error.problems);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn fault(&mut self, message: impl Into<String>, place: Option<&Place>, hint: impl Into<String>) {
        let problem = Problem::new(message).hint(hint);
        self.problems.push(match place {
            Some(place) => problem.at(place.clone()),
            None => problem,
        });
    }

    /// A profile and, before it, those it extends.
    pub fn profile(&mut self, file: &str, name: &str, stack: &mut Vec<String>, over: &mut Vec<Layer>) -> Result<()> {
        if stack.iter().any(|seen| seen == name) {
            let start = stack.iter().position(|seen| seen == name).unwrap_or(0);
            let circle: Vec<&str> = stack[start..].iter().map(String::as_str).chain([name]).collect();
            self.fault(format!("profiles extend each other in a circle: {}", circle.join(" → ")), Some(&Place::file(file)), "take one `extends` out");
            return Ok(());
        }
        // Two profiles that extend the same one share it; one that is asked for by name goes where it is asked for.
        if let Some(there) = over.iter().position(|layer| layer.name == format!("profile {name}")) {
            if stack.is_empty() {
                let again = over.remove(there);
                over.push(again);
            }
            return Ok(());
        }
        self.files.insert(file.to_owned());
        let read = self.known.remove(file).map_or_else(|| project::read_document(self.root, file), Ok);
        let Some(mut document) = self.keep(read)? else { return Ok(()) };
        if !matches!(document.value, Value::Map(_)) {
            self.fault("a profile is a map of keys", Some(&Place::file(file)), "write `KEY: VALUE` lines");
            return Ok(());
        }
        let place = document.mark_at(&["extends".to_owned()]).map(Mark::value);
        let extends = match document.take("extends") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::List(names)) => names.iter().filter_map(Value::text).collect(),
            Some(name) => name.text().into_iter().collect::<Vec<_>>(),
        };
        stack.push(name.to_owned());
        for base in extends {
            let found = project::find_profile(self.root, self.recipe, &base).map_err(|error| match &place {
                Some(place) => error.at(place),
                None => error,
            });
            if let Some(found) = self.keep(found)? {
                self.profile(&found, &base, stack, over)?;
            }
        }
        stack.pop();
        document.take("default_recipe");
        for entry in entries(&mut document, None, &[], &mut self.problems) {
            match entry {
                Entry::Itself => {}
                Entry::Group { group, mount, options, place, .. } => {
                    self.choose(Choice { group, mount, options, place: Some(place), from: From::Profile(format!("profile {name}")) });
                }
                Entry::File { name, place, .. } => self.fault(
                    format!("a profile's `defaults` chooses options, and `{}` is none", shorten(&name)),
                    Some(&place),
                    "write `group: option`, or `extends: profile`",
                ),
            }
        }
        take_variables(&mut document, &mut self.variables);
        wrap_parameters(&mut document, "value");
        over.push(Layer { name: format!("profile {name}"), mount: Vec::new(), document, replaces: false, kind: LayerKind::Over });
        Ok(())
    }

    /// The last choice for a group counts.
    pub fn choose(&mut self, choice: Choice) {
        self.choices.retain(|(other, _)| other.group != choice.group || other.mount != choice.mount);
        self.choices.push((choice, false));
    }

    /// Layers for what was chosen from outside and is in no `defaults` list.
    pub fn chosen(&mut self, from: &From) -> Result<()> {
        let mut waiting = Vec::new();
        for (choice, used) in &mut self.choices {
            if choice.from == *from && !*used {
                *used = true;
                waiting.push((choice.group.clone(), choice.mount.clone(), choice.options.clone(), choice.place.clone()));
            }
        }
        for (group, mount, options, place) in waiting {
            let mount = mount.unwrap_or_else(|| default_mount(&group));
            let start = self.layers.len();
            for option in options {
                self.option(&group, &option, &mount, false, place.as_ref(), &mut Vec::new())?;
            }
            if let Some(first) = self.layers.get_mut(start) {
                first.replaces = true;
            }
        }
        Ok(())
    }

    /// A file of the recipe and what its `defaults` list names, in that order.
    pub fn file(&mut self, file: &str, name: &str, mount: &[String], group: Option<&str>, stack: &mut Vec<String>) -> Result<()> {
        if stack.iter().any(|seen| seen == file) {
            let circle: Vec<&str> = stack.iter().map(String::as_str).chain([file]).collect();
            self.fault(format!("files name each other in a circle: {}", circle.join(" → ")), Some(&Place::file(file)), "take one entry out of its `defaults`");
            return Ok(());
        }
        if self.files.len() >= MAX_FILES {
            return Err(Error::config(format!("the recipe is made of more than {MAX_FILES} files")).at(&Place::file(file)));
        }
        self.files.insert(file.to_owned());
        let read = self.read(file, group.is_none() && stack.is_empty());
        let Some(mut document) = self.keep(read)? else { return Ok(()) };
        let entries = entries(&mut document, group, mount, &mut self.problems);
        wrap_parameters(&mut document, "default");
        self.read_ahead(&entries);
        let mut itself = Some(Layer { name: name.to_owned(), mount: mount.to_vec(), document, replaces: false, kind: LayerKind::Recipe });
        stack.push(file.to_owned());
        for entry in entries {
            match entry {
                Entry::Itself => self.layers.extend(itself.take()),
                Entry::File { name, mount: at, place } => {
                    let at = at.unwrap_or_else(|| mount.to_vec());
                    match group {
                        Some(group) => self.option(group, &name, &at, false, Some(&place), stack)?,
                        None => self.named(&name, &at, &place, stack)?,
                    }
                }
                Entry::Group { group, mount, options, optional, place } => {
                    let options = self.instead(&group, mount.as_ref()).unwrap_or(options);
                    let mount = mount.unwrap_or_else(|| default_mount(&group));
                    for option in options {
                        self.option(&group, &option, &mount, optional, Some(&place), stack)?;
                    }
                }
            }
        }
        self.layers.extend(itself);
        stack.pop();
        Ok(())
    }

    /// What was chosen from outside in the place of an entry's options.
    fn instead(&mut self, group: &str, mount: Option<&KeyPath>) -> Option<Vec<String>> {
        let fits = |choice: &Choice| choice.group == group && (choice.mount.is_none() || choice.mount.as_ref() == mount);
        let (choice, used) = self.choices.iter_mut().rev().find(|(choice, _)| fits(choice))?;
        *used = true;
        Some(choice.options.clone())
    }

    fn read(&mut self, file: &str, is_recipe: bool) -> Result<Document> {
        let Filled { document, names } = self.ahead.remove(file).unwrap_or_else(|| filled(self.root, file, &self.variables))?;
        self.used.extend(names);
        if is_recipe && document.value == Value::empty() {
            return Err(Error::config("the recipe is empty")
                .at(&Place::file(file))
                .hint("`recipe: regression/v1`, `target_col: …` and `steps: {ingest: {location: …}}` make a whole recipe"));
        }
        if is_recipe && !matches!(document.value, Value::Map(_)) {
            return Err(Error::config("a recipe is a map of keys").at(&Place::file(file)));
        }
        Ok(document)
    }

    /// Reads the files of many options at once, on all cores. What is wrong with one is told when it has its turn.
    fn read_ahead(&mut self, entries: &[Entry]) {
        const MANY: usize = 16;
        let group = |entry: &Entry| if let Entry::Group { group, .. } = entry { Some(group.clone()).filter(|group| is_tame(group)) } else { None };
        let groups: BTreeSet<String> = entries.iter().filter_map(group).filter(|group| !self.groups.borrow().contains_key(group)).collect();
        if groups.len() >= MANY {
            let (root, recipe) = (self.root, self.recipe);
            let looked_up: Vec<_> = groups.into_par_iter().map(|group| (options(root, recipe, &group), group)).collect();
            self.groups.borrow_mut().extend(looked_up.into_iter().map(|(options, group)| (group, Rc::new(options))));
        }
        let mut files = BTreeSet::new();
        for entry in entries {
            if let Entry::Group { group, options, .. } = entry
                && is_tame(group)
            {
                let known = self.options(group);
                files.extend(options.iter().filter_map(|option| known.get(option).cloned()));
            }
        }
        if (MANY..=MAX_FILES).contains(&files.len()) {
            let (root, variables) = (self.root, &self.variables);
            let read: Vec<(String, Result<Filled>)> = files.into_par_iter().map(|file| (file.clone(), filled(root, &file, variables))).collect();
            self.ahead.extend(read);
        }
    }

    /// A file beside recipe.yaml, or at the project's root.
    fn named(&mut self, name: &str, mount: &[String], place: &Place, stack: &mut Vec<String>) -> Result<()> {
        if !is_tame(name) {
            self.fault(format!("not a file's name: `{}`", shorten(name)), Some(place), "names in `defaults` stay inside the project and have no `.yaml`");
            return Ok(());
        }
        let own = self.recipe.map(|recipe| format!("recipes/{recipe}/{name}.yaml"));
        let candidates: Vec<String> = own.into_iter().chain([format!("{name}.yaml")]).collect();
        let Some(found) = candidates.iter().find(|file| self.root.join(file).is_file()).cloned() else {
            self.fault(
                format!("no such file: {}", candidates.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(" or ")),
                Some(place),
                "an option of a group is written `group: option`",
            );
            return Ok(());
        };
        self.file(&found, &found, mount, None, stack)
    }

    fn option(&mut self, group: &str, option: &str, mount: &[String], optional: bool, place: Option<&Place>, stack: &mut Vec<String>) -> Result<()> {
        if !is_tame(group) || !is_tame(option) {
            self.fault(
                format!("not an option's name: `{}`", shorten(&format!("{group}: {option}"))),
                place,
                "names of groups and options stay inside the project and have no `.yaml`",
            );
            return Ok(());
        }
        let options = self.options(group);
        match options.get(option) {
            Some(file) => {
                let (file, name) = (file.clone(), format!("{group}: {option}"));
                self.file(&file, &name, mount, Some(group), stack)
            }
            None if optional => Ok(()),
            None => {
                let names: Vec<&str> = options.keys().map(String::as_str).collect();
                let hint = match (nearest(option, names.iter().copied()), names.is_empty()) {
                    (_, true) => format!("looked for `steps/{group}/{option}.yaml` and `{group}/{option}.yaml`"),
                    (Some(near), _) => format!("did you mean `{near}`? there are: {}", names.join(", ")),
                    (None, _) => format!("there are: {}", names.join(", ")),
                };
                self.fault(format!("the group `{group}` has no option `{}`", shorten(option)), place, hint);
                Ok(())
            }
        }
    }

    /// The options of a group; the recipe's own hide shared ones.
    fn options(&self, group: &str) -> Rc<Options> {
        let mut groups = self.groups.borrow_mut();
        Rc::clone(groups.entry(group.to_owned()).or_insert_with(|| Rc::new(options(self.root, self.recipe, group))))
    }

    pub fn is_group(&self, name: &str) -> bool {
        is_tame(name) && !ROOT_KEYS.contains(&name) && (STEPS.contains(&name) || !self.options(name).is_empty())
    }
}

fn filled(root: &Path, file: &str, variables: &BTreeMap<String, Value>) -> Result<Filled> {
    let text = project::read_text(root, file)?;
    let marked = variables::mark(file, &text)?;
    let mut document = Document::parse_as(file, &marked.text, &text)?;
    variables::fill(&mut document, &marked, variables)?;
    Ok(Filled { document, names: marked.names() })
}

/// A profile's `UPPER_CASE` top-level keys are variables; maps of two profiles merge.
fn take_variables(profile: &mut Document, variables: &mut BTreeMap<String, Value>) {
    let Value::Map(map) = &mut profile.value else { return };
    let names: Vec<String> = map.keys().filter(|key| is_variable(key)).cloned().collect();
    for name in names {
        if let Some(value) = map.remove(&name) {
            let over = Document::of(value);
            let mut base = Document::of(variables.remove(&name).unwrap_or_default());
            // Without tags there is nothing to refuse.
            base.merge(over).ok();
            variables.insert(name, base.value);
        }
    }
}

/// `params: {month: 2016-03}` means `{month: {KEY: 2016-03}}`: a recipe gives a default, whatever goes over it a value.
fn wrap_parameters(document: &mut Document, key: &str) {
    let Some(Value::Map(parameters)) = document.value.get("params") else { return };
    let plain = parameters.iter().filter(|(_, value)| !matches!(value, Value::Map(_)));
    let names: Vec<String> = plain.map(|(name, _)| name.clone()).collect();
    for name in names {
        document.nest(&["params".to_owned(), name], key);
    }
}
