//! Many files become one tree: the template's defaults, recipe.yaml with its groups, profiles, the command line.
//!
//! Each contribution is a [`Layer`]; layers are laid over each other in order, so that what a value is and who
//! set it can both be told. References (`${…}`) are resolved after that, once. Nothing here knows what the keys mean.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::document::{Document, Mark, Tag};
use super::interpolate::{self, Environment, World};
use super::overrides::{Action, Override};
use super::project::{self, Located};
use super::sections::{ROOT_KEYS, STEPS};
use super::{Selection, variables};
use crate::error::{Error, Kind, Place, Problem, Result, nearest, shorten};
use crate::value::{Path as KeyPath, Value, display_path, path_of};

/// Files that one recipe may be made of.
const MAX_FILES: usize = 1_000;

/// Something that sets values.
pub struct Layer {
    /// As a person calls it: `recipe.yaml`, `profile prod`, `command line`.
    pub name: String,
    /// Where its document goes.
    pub mount: KeyPath,
    pub document: Document,
    /// It takes the place of what stands at its mount.
    pub replaces: bool,
    kind: LayerKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LayerKind {
    Template,
    Recipe,
    /// A profile or the command line: what merely repeats is worth a warning.
    Over,
}

/// The whole configuration of a recipe, before anything is known of its keys.
pub struct Composed {
    pub root: PathBuf,
    pub located: Located,
    /// The profiles that were asked for, in order.
    pub profiles: Vec<String>,
    pub environment: Environment,
    /// Merged, with references as they were written.
    pub merged: Document,
    /// Merged, with references resolved.
    pub document: Document,
    pub layers: Vec<Layer>,
    /// Every file that was read, relative to the root.
    pub files: BTreeSet<String>,
    pub warnings: Vec<String>,
}

/// Reads and merges everything that a selection asks for.
///
/// # Errors
/// Exit code 3 with every fault of every file; 2 where an override is badly written.
pub fn compose(selection: &Selection) -> Result<Composed> {
    let root = project::find_root(&selection.dir)?;
    let environment = environment(&root, selection)?;
    let asked: Vec<String> = if selection.profiles.is_empty() {
        let set = ["RECIPE_PROFILE", "MLFLOW_RECIPES_PROFILE"].iter().find_map(|name| environment.get(*name).cloned());
        set.map(|names| names.split(',').map(|name| name.trim().to_owned()).collect()).unwrap_or_default()
    } else {
        selection.profiles.clone()
    };
    let asked: Vec<String> = asked.into_iter().filter(|name| !name.is_empty()).collect();
    let wanted = selection.recipe.clone().or_else(|| environment.get("RECIPE_NAME").cloned());

    // A shared profile may choose the recipe; the recipe may then have a profile of its own.
    let default = profiles_of(&root, None, &asked).iter().rev().find_map(|name| {
        let file = project::find_profile(&root, None, name).ok()?;
        project::read_document(&root, &file).ok()?.value.get("default_recipe").and_then(Value::text)
    });
    for name in &asked {
        // A profile that no recipe has is wrong whichever recipe is meant.
        let is_known = std::iter::once(None)
            .chain(project::names(&root).into_iter().map(Some))
            .any(|recipe| project::profiles(&root, recipe.as_deref()).contains_key(name));
        if !is_known {
            project::find_profile(&root, None, name)?;
        }
    }
    let located = project::choose(&root, &selection.dir, wanted.as_deref(), default.as_deref())?;
    let profiles = profiles_of(&root, located.name.as_deref(), &asked);
    let mut reader = Reader {
        root: &root,
        recipe: located.name.as_deref(),
        variables: BTreeMap::new(),
        used: BTreeSet::new(),
        choices: Vec::new(),
        layers: Vec::new(),
        files: BTreeSet::new(),
        problems: Vec::new(),
    };

    let mut over = Vec::new();
    for name in &profiles {
        let file = project::find_profile(&root, located.name.as_deref(), name)?;
        reader.profile(&file, name, &mut Vec::new(), &mut over)?;
    }
    let mut keys = Vec::new();
    for text in &selection.overrides {
        match Override::parse(text, &|name| reader.is_group(name))? {
            Override::Variable { name, value } => {
                reader.variables.insert(name, value);
            }
            Override::Group { group, mount, option } => {
                reader.choose(Choice { group, mount, options: option.into_iter().collect(), place: None, from: From::CommandLine });
            }
            Override::Key(action) => keys.push(action),
        }
    }

    reader.file(&located.file, &located.file, &[], None, &mut Vec::new())?;
    if let Some(template) = reader.layers.iter().rev().find_map(|layer| layer.document.value.get("recipe").and_then(Value::text))
        && let Some(defaults) = super::template_defaults(&template)
    {
        let layer = Layer { name: format!("template {template}"), mount: Vec::new(), document: defaults, replaces: false, kind: LayerKind::Template };
        reader.layers.insert(0, layer);
    }
    for profile in over {
        reader.chosen(&From::Profile(profile.name.clone()))?;
        reader.layers.push(profile);
    }
    reader.chosen(&From::CommandLine)?;
    let unused: Vec<&str> = reader.variables.keys().filter(|name| !reader.used.contains(*name)).map(String::as_str).collect();
    let mut warnings = Vec::new();
    if !unused.is_empty() {
        warnings.push(format!("the profile sets variables that the recipe does not use: {}", unused.join(", ")));
    }
    let (mut layers, mut files, mut problems) = (reader.layers, reader.files, reader.problems);

    let mut merged = Document::empty();
    for layer in &layers {
        if layer.kind == LayerKind::Over {
            repeats(&merged, layer, &mut warnings);
        }
        if layer.replaces {
            merged.forget(&layer.mount);
        }
        if let Err(error) = merged.merge_at(&layer.mount, layer.document.clone()) {
            problems.extend(error.problems);
        }
    }
    if let Some(error) = Error::all(Kind::Config, problems) {
        return Err(error);
    }
    for action in keys {
        let layer = apply(&mut merged, action, &mut warnings)?;
        layers.push(layer);
    }
    let world = World::new(&root, &environment);
    let mut document = merged.clone();
    interpolate::interpolate(&mut document, &world)?;
    files.extend(world.files());
    Ok(Composed { root, located, profiles, environment, merged, document, layers, files, warnings })
}

/// The profiles in use: those asked for, else `local` where it exists.
fn profiles_of(root: &Path, recipe: Option<&str>, asked: &[String]) -> Vec<String> {
    if !asked.is_empty() {
        return asked.to_vec();
    }
    project::profiles(root, recipe).contains_key("local").then(|| "local".to_owned()).into_iter().collect()
}

/// The process environment over what the project's `.env` says.
fn environment(root: &Path, selection: &Selection) -> Result<Environment> {
    let off = selection.environment.get("RECIPE_DOTENV").is_some_and(|value| matches!(value.as_str(), "0" | "false" | "no" | "off"));
    let path = root.join(".env");
    let mut environment = Environment::new();
    if !off && path.is_file() {
        let text = project::read_text(root, ".env")?;
        for (i, item) in dotenvy::from_read_iter(text.as_bytes()).enumerate() {
            // What the line says may be a secret, so the message does not.
            let (name, value) = item.map_err(|_| {
                let hint = "lines are NAME=value; `RECIPE_DOTENV=0` leaves the file alone";
                Error::config(format!("entry {} is not NAME=value", i + 1)).at(&Place::file(".env")).hint(hint)
            })?;
            environment.insert(name, value);
        }
    }
    environment.extend(selection.environment.clone());
    Ok(environment)
}

/// Who chose an option.
#[derive(Clone, Debug, PartialEq, Eq)]
enum From {
    Profile(String),
    CommandLine,
}

/// An option chosen for a group from outside of recipe.yaml; none of them: the group is left out.
struct Choice {
    group: String,
    mount: Option<KeyPath>,
    options: Vec<String>,
    place: Option<Place>,
    from: From,
}

/// An entry of a `defaults` list.
enum Entry {
    Itself,
    File { name: String, mount: Option<KeyPath>, place: Place },
    Group { group: String, mount: Option<KeyPath>, options: Vec<String>, optional: bool, place: Place },
}

struct Reader<'a> {
    root: &'a Path,
    recipe: Option<&'a str>,
    variables: BTreeMap<String, Value>,
    used: BTreeSet<String>,
    choices: Vec<(Choice, bool)>,
    layers: Vec<Layer>,
    files: BTreeSet<String>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
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
    fn profile(&mut self, file: &str, name: &str, stack: &mut Vec<String>, over: &mut Vec<Layer>) -> Result<()> {
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
        let read = project::read_document(self.root, file);
        let Some(mut document) = self.keep(read)? else { return Ok(()) };
        if !matches!(document.value, Value::Map(_)) {
            self.fault("a profile is a map of keys", Some(&Place::file(file)), "write `KEY: VALUE` lines");
            return Ok(());
        }
        let place = document.marks.get(&vec!["extends".to_owned()]).map(|mark| mark.value.clone());
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
        for entry in self.entries(&mut document, None, &[]) {
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
    fn choose(&mut self, choice: Choice) {
        self.choices.retain(|(other, _)| other.group != choice.group || other.mount != choice.mount);
        self.choices.push((choice, false));
    }

    /// Layers for what was chosen from outside and is in no `defaults` list.
    fn chosen(&mut self, from: &From) -> Result<()> {
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
    fn file(&mut self, file: &str, name: &str, mount: &[String], group: Option<&str>, stack: &mut Vec<String>) -> Result<()> {
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
        let entries = self.entries(&mut document, group, mount);
        wrap_parameters(&mut document, "default");
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
        let text = project::read_text(self.root, file)?;
        let marked = variables::mark(file, &text)?;
        let mut document = Document::parse(file, &marked.text)?;
        if is_recipe && document.value == Value::empty() {
            return Err(Error::config("the recipe is empty")
                .at(&Place::file(file))
                .hint("`recipe: regression/v1`, `target_col: …` and `steps: {ingest: {location: …}}` make a whole recipe"));
        }
        self.used.extend(marked.names());
        variables::fill(&mut document, &marked, &self.variables)?;
        if is_recipe && !matches!(document.value, Value::Map(_)) {
            return Err(Error::config("a recipe is a map of keys").at(&Place::file(file)));
        }
        Ok(document)
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

    /// The options of a group: name → file; the recipe's own hide shared ones.
    fn options(&self, group: &str) -> BTreeMap<String, String> {
        options(self.root, self.recipe, group)
    }

    fn is_group(&self, name: &str) -> bool {
        is_tame(name) && !ROOT_KEYS.contains(&name) && (STEPS.contains(&name) || !self.options(name).is_empty())
    }

    /// Takes `defaults` out of a document and reads it.
    fn entries(&mut self, document: &mut Document, group: Option<&str>, mount: &[String]) -> Vec<Entry> {
        let at = vec!["defaults".to_owned()];
        let place = |marks: &BTreeMap<KeyPath, Mark>, i: usize| {
            let path: KeyPath = at.iter().cloned().chain([i.to_string()]).collect();
            marks.get(&path).or_else(|| marks.get(&at)).map_or_else(|| Place::file("defaults"), |mark| mark.value.clone())
        };
        let list = match document.take("defaults") {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::List(list)) => list,
            Some(other) => {
                let whole = place(&document.marks, usize::MAX);
                self.fault(format!("`defaults` is a list, got {}", other.kind()), Some(&whole), "write `defaults: [train: ridge, _self_]`");
                return Vec::new();
            }
        };
        let mut entries = Vec::new();
        for (i, item) in list.into_iter().enumerate() {
            let place = place(&document.marks, i);
            let split = |text: &str| -> (String, Option<KeyPath>) {
                match text.split_once('@') {
                    Some((name, at)) => (name.trim().to_owned(), Some(path_of(at.trim()))),
                    None => (text.trim().to_owned(), None),
                }
            };
            match item {
                Value::String(name) if name == "_self_" => {
                    if entries.iter().any(|entry| matches!(entry, Entry::Itself)) {
                        self.fault("`_self_` is there twice", Some(&place), "keep one");
                    } else {
                        entries.push(Entry::Itself);
                    }
                }
                Value::String(text) => {
                    let (name, at) = split(&text);
                    entries.push(Entry::File { name, mount: at, place });
                }
                Value::Map(map) if map.len() == 1 => {
                    let Some((key, value)) = map.into_iter().next() else { continue };
                    let (key, optional) = match key.strip_prefix("optional ") {
                        Some(rest) => (rest.trim().to_owned(), true),
                        None => (key, false),
                    };
                    let (name, at) = split(&key);
                    // Below a group, a name is that of a group inside it, unless it begins with `/`.
                    let (name, at) = match (name.strip_prefix('/'), group) {
                        (Some(absolute), _) => (absolute.to_owned(), at),
                        (None, None) => (name, at),
                        (None, Some(group)) => {
                            let inside = mount.iter().cloned().chain(name.split('/').map(str::to_owned)).collect();
                            (format!("{group}/{name}"), Some(at.unwrap_or(inside)))
                        }
                    };
                    let options = match &value {
                        Value::Null => Vec::new(),
                        Value::List(items) => items.iter().filter_map(Value::text).collect(),
                        other => other.text().into_iter().collect(),
                    };
                    if matches!(value, Value::Map(_)) {
                        self.fault(format!("an option of `{name}` is a name, got a map"), Some(&place), "write `group: option`");
                    } else {
                        entries.push(Entry::Group { group: name, mount: at, options, optional, place });
                    }
                }
                other => {
                    self.fault(format!("an entry of `defaults` is a name or `group: option`, got {}", other.kind()), Some(&place), "write `- train: ridge`");
                }
            }
        }
        entries
    }
}

/// The options of a group: name → file relative to the root; the recipe's own hide shared ones.
#[must_use]
pub fn options(root: &Path, recipe: Option<&str>, group: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let own = recipe.map(|recipe| format!("recipes/{recipe}/"));
    for base in [String::new()].into_iter().chain(own) {
        for folder in [format!("{base}{group}"), format!("{base}steps/{group}")] {
            let Ok(entries) = std::fs::read_dir(root.join(&folder)) else { continue };
            for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
                if let Some(stem) = name.strip_suffix(".yaml") {
                    found.insert(stem.to_owned(), format!("{folder}/{name}"));
                }
            }
        }
    }
    found
}

/// Where a group's options go that say nothing else: a step's below `steps`, a known key's to that key, others below `vars`.
fn default_mount(group: &str) -> KeyPath {
    let parts = group.split('/').map(str::to_owned);
    let first = group.split('/').next().unwrap_or_default();
    let above = if STEPS.contains(&first) {
        Some("steps")
    } else if ROOT_KEYS.contains(&first) {
        None
    } else {
        Some("vars")
    };
    above.map(str::to_owned).into_iter().chain(parts).collect()
}

/// A name that stays where it is looked for.
fn is_tame(name: &str) -> bool {
    !name.is_empty() && name.split('/').all(|part| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', '\0']))
}

/// Is it a variable's name: `UPPER_CASE`?
pub(super) fn is_variable(key: &str) -> bool {
    key.chars().any(|c| c.is_ascii_uppercase()) && key.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
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
    let Value::Map(map) = &mut document.value else { return };
    let Some(Value::Map(parameters)) = map.get_mut("params") else { return };
    for (name, value) in parameters {
        if !matches!(value, Value::Map(_)) {
            let inner = std::mem::take(value);
            *value = Value::Map(BTreeMap::from([(key.to_owned(), inner)]));
            let at: KeyPath = vec!["params".to_owned(), name.clone()];
            if let Some(mark) = document.marks.get(&at).cloned() {
                document.marks.insert(at.into_iter().chain([key.to_owned()]).collect(), mark);
            }
        }
    }
}

/// Warns of what a layer sets to the value that it has already.
fn repeats(base: &Document, layer: &Layer, warnings: &mut Vec<String>) {
    fn walk(base: &Document, over: &Document, value: &Value, path: &mut KeyPath, found: &mut Vec<(KeyPath, Place)>) {
        if over.tags.contains_key(path.as_slice()) {
            return;
        }
        if let Value::Map(map) = value {
            for (key, value) in map {
                path.push(key.clone());
                walk(base, over, value, path, found);
                path.pop();
            }
        } else if *value != Value::Null
            && base.value.at(path) == Some(value)
            && let Some(mark) = base.mark(path).filter(|mark| !super::is_template(&mark.value.file))
        {
            found.push((path.clone(), mark.value.clone()));
        }
    }
    let mut found = Vec::new();
    walk(base, &layer.document, &layer.document.value, &mut Vec::new(), &mut found);
    for (path, place) in found {
        warnings.push(format!("{} sets `{}` to what it is already ({place})", layer.name, display_path(&path)));
    }
}

/// Does what the command line asks for; the layer is for telling who set what.
fn apply(merged: &mut Document, action: Action, warnings: &mut Vec<String>) -> Result<Layer> {
    let shown = display_path(&action.path);
    let there = merged.value.at(&action.path).cloned();
    if action.is_new && there.is_some_and(|value| value != Value::Null) {
        return Err(Error::usage(format!("`{shown}` is there already")).hint(format!("leave the `+` out: `{shown}=…`")));
    }
    let mut path = action.path.clone();
    let mut document = action.document;
    // A parameter's value is what is meant, not its declaration.
    if let [first, _] = path.as_slice()
        && first == "params"
        && !matches!(document.value, Value::Map(_))
        && document.tags.is_empty()
    {
        path.push("value".to_owned());
    }
    let place = Place::file("command line");
    document.marks.values_mut().for_each(|mark| *mark = Mark { key: place.clone(), value: place.clone() });
    let layer = Layer { name: "command line".to_owned(), mount: path, document, replaces: false, kind: LayerKind::Over };
    if !matches!(layer.document.value, Value::Map(_) | Value::Null)
        && layer.document.tags.is_empty()
        && merged.value.at(&layer.mount) == Some(&layer.document.value)
    {
        let place = merged.mark(&layer.mount).map_or_else(String::new, |mark| format!(" ({})", mark.value));
        warnings.push(format!("command line sets `{shown}` to what it is already{place}"));
    }
    let mut over = layer.document.clone();
    if over.tags.get(&KeyPath::new()) == Some(&Tag::Remove) && over.value == Value::Null {
        // Where it is not there, this is the place to say so: nothing of the file is at fault.
        if merged.value.at(&layer.mount).is_none() {
            return Err(Error::usage(format!("nothing to remove: `{shown}` is not set")).hint("`recipe config` shows what is"));
        }
        over.value = Value::Null;
    }
    merged.merge_at(&layer.mount, over).map_err(|error| Error { kind: Kind::Usage, ..error })?;
    Ok(layer)
}
