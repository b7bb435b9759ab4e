//! Where each part of a tree of configuration was set, and how it is laid over another one.
//!
//! A tree of its own in the shape of the values. What lies below a place is shared when it is copied, since a
//! configuration is kept several times: by layer, merged and resolved.

use std::sync::Arc;

use crate::error::Place;

/// A position in a file: line and column from 1; line 0 where only the file is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct At {
    pub line: u32,
    pub column: u32,
}

/// Where a key and its value stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    file: Arc<str>,
    pub(super) key: At,
    value: At,
}

impl Mark {
    pub(super) fn new(file: Arc<str>, at: At) -> Self {
        Self { file, key: at, value: at }
    }

    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    #[must_use]
    pub fn key(&self) -> Place {
        self.place(self.key)
    }

    #[must_use]
    pub fn value(&self) -> Place {
        self.place(self.value)
    }

    fn place(&self, at: At) -> Place {
        if at.line == 0 { Place::file(&*self.file) } else { Place::new(&*self.file, at.line as usize, at.column as usize) }
    }
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

/// The mark and the tag of a value, and those of what is below it by key or index.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    pub here: Option<Mark>,
    pub tag: Option<Tag>,
    /// Sorted by key.
    below: Option<Arc<Vec<(Box<str>, Marks)>>>,
}

impl Marks {
    pub fn new(here: Mark) -> Self {
        Self { here: Some(here), ..Self::default() }
    }

    pub fn with(mut self, mut below: Vec<(Box<str>, Marks)>) -> Self {
        below.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.below = (!below.is_empty()).then(|| Arc::new(below));
        self
    }

    pub fn child(&self, key: &str) -> Option<&Marks> {
        let below = self.below.as_ref()?;
        let i = below.binary_search_by(|(known, _)| (**known).cmp(key)).ok()?;
        below.get(i).map(|(_, marks)| marks)
    }

    /// Those of a key, made where they are not there.
    pub fn child_mut(&mut self, key: &str) -> &mut Marks {
        let below = Arc::make_mut(self.below.get_or_insert_default());
        let i = below.binary_search_by(|(known, _)| (**known).cmp(key)).unwrap_or_else(|i| {
            below.insert(i, (key.into(), Marks::default()));
            i
        });
        &mut below[i].1
    }

    pub fn remove_child(&mut self, key: &str) {
        if self.child(key).is_some()
            && let Some(below) = &mut self.below
        {
            Arc::make_mut(below).retain(|(known, _)| &**known != key);
        }
    }

    pub fn at(&self, path: &[String]) -> Option<&Marks> {
        path.iter().try_fold(self, |marks, part| marks.child(part))
    }

    /// Those at a path, made where they are not there.
    pub fn at_mut(&mut self, path: &[String]) -> &mut Marks {
        path.iter().fold(self, |marks, part| marks.child_mut(part))
    }

    /// Takes out what is below a path, and at it.
    pub fn remove(&mut self, path: &[String]) {
        if let Some((last, above)) = path.split_last()
            && self.at(path).is_some()
        {
            self.at_mut(above).remove_child(last);
        }
    }

    /// Those of a list's items, in order.
    pub fn items(&self, count: usize) -> Vec<Marks> {
        (0..count).map(|i| self.child(&i.to_string()).cloned().unwrap_or_default()).collect()
    }

    pub fn set_items(&mut self, items: Vec<Marks>) {
        let below = items.into_iter().enumerate().map(|(i, marks)| (i.to_string().into(), marks)).collect();
        *self = std::mem::take(self).with(below);
    }

    /// Is there a tag here or below?
    pub fn has_tags(&self) -> bool {
        self.tag.is_some() || self.below.iter().flat_map(|below| below.iter()).any(|(_, marks)| marks.has_tags())
    }

    /// The same marks without tags.
    pub fn untagged(mut self) -> Self {
        if self.has_tags() {
            self.each(&mut |marks| marks.tag = None);
        }
        self
    }

    /// Puts everything at one place.
    pub fn move_to(&mut self, place: &Mark) {
        self.each(&mut |marks| marks.here = Some(place.clone()));
    }

    /// Changes the marks here and all below.
    fn each(&mut self, change: &mut dyn FnMut(&mut Marks)) {
        change(self);
        if let Some(below) = &mut self.below {
            for (_, marks) in Arc::make_mut(below) {
                marks.each(change);
            }
        }
    }

    /// Gives keys below other names.
    pub fn rename(&mut self, name: &mut dyn FnMut(&str) -> Option<String>) {
        let Some(below) = self.below.take() else { return };
        let renamed = Arc::unwrap_or_clone(below).into_iter().map(|(key, mut marks)| {
            marks.rename(name);
            (name(&key).map_or(key, String::into_boxed_str), marks)
        });
        *self = std::mem::take(self).with(renamed.collect());
    }
}
