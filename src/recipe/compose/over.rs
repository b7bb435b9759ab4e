//! What profiles and the command line lay over the recipe.

use super::{Layer, LayerKind};
use crate::error::{Error, Kind, Place, Result};
use crate::recipe::document::{Document, Tag};
use crate::recipe::overrides::{Action, COMMAND_LINE};
use crate::value::{Path as KeyPath, Value, display_path};

/// Warns of what a layer sets to the value that it has already.
pub(super) fn repeats(base: &Document, layer: &Layer, warnings: &mut Vec<String>) {
    fn walk(base: &Document, over: &Document, value: &Value, path: &mut KeyPath, found: &mut Vec<(KeyPath, Place)>) {
        if over.tag(path).is_some() {
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
            && let Some(mark) = base.mark(path).filter(|mark| !crate::recipe::is_template(mark.file()))
        {
            found.push((path.clone(), mark.value()));
        }
    }
    let mut found = Vec::new();
    walk(base, &layer.document, &layer.document.value, &mut Vec::new(), &mut found);
    for (path, place) in found {
        warnings.push(format!("{} sets `{}` to what it is already ({place})", layer.name, display_path(&path)));
    }
}

/// Does what the command line asks for; the layer is for telling who set what.
pub(super) fn apply(merged: &mut Document, action: Action, warnings: &mut Vec<String>) -> Result<Layer> {
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
        && !document.has_tags()
    {
        path.push("value".to_owned());
    }
    document.move_to(COMMAND_LINE);
    let layer = Layer { name: "command line".to_owned(), mount: path, document, replaces: false, kind: LayerKind::Over };
    if !matches!(layer.document.value, Value::Map(_) | Value::Null)
        && !layer.document.has_tags()
        && merged.value.at(&layer.mount) == Some(&layer.document.value)
    {
        let place = merged.mark(&layer.mount).map_or_else(String::new, |mark| format!(" ({})", mark.value()));
        warnings.push(format!("command line sets `{shown}` to what it is already{place}"));
    }
    let mut over = layer.document.clone();
    if over.tag(&[]) == Some(Tag::Remove) && over.value == Value::Null {
        // Where it is not there, this is the place to say so: nothing of the file is at fault.
        if merged.value.at(&layer.mount).is_none() {
            return Err(Error::usage(format!("nothing to remove: `{shown}` is not set")).hint("`recipe config` shows what is"));
        }
        over.value = Value::Null;
    }
    merged.merge_at(&layer.mount, over).map_err(|error| Error { kind: Kind::Usage, ..error })?;
    Ok(layer)
}
