//! One document laid over another.

use super::marks::{Mark, Marks, Tag};
use crate::error::{Place, shorten};
use crate::value::{Fault, Path, Value, display_path};

/// Lays a value with its marks over another one; `path` leads to it and is for messages. True if what is there is to go.
pub(super) fn lay(base: &mut Value, marks: &mut Marks, over: Value, over_marks: Marks, path: &mut Path, faults: &mut Vec<(Place, Fault)>) -> bool {
    match (over_marks.tag, base, over) {
        (Some(Tag::Remove), base, over) => return remove(base, marks, over, &over_marks, path, faults),
        (Some(tag @ (Tag::Append | Tag::Prepend)), base, over) => extend(base, marks, over, &over_marks, tag, path, faults),
        (None, Value::Map(base), Value::Map(over)) => {
            if marks.here.is_none() {
                marks.here.clone_from(&over_marks.here);
            }
            for (key, value) in over {
                let over_marks = over_marks.child(&key).cloned().unwrap_or_default();
                let below = marks.child_mut(&key);
                path.push(key.clone());
                if lay(base.entry(key.clone()).or_default(), below, value, over_marks, path, faults) {
                    base.remove(&key);
                    marks.remove_child(&key);
                }
                path.pop();
            }
        }
        // `key:` with nothing behind it over a map adds nothing.
        (None, Value::Map(_), Value::Null) => {}
        (_, base, over) => {
            *base = plain(over, &over_marks);
            let here = marks.here.take();
            *marks = over_marks.untagged();
            if marks.here.is_none() {
                marks.here = here;
            }
        }
    }
    false
}

fn extend(base: &mut Value, marks: &mut Marks, over: Value, over_marks: &Marks, tag: Tag, path: &Path, faults: &mut Vec<(Place, Fault)>) {
    let is_list = matches!(over, Value::List(_));
    let items = into_list(plain(over, over_marks));
    if *base == Value::Null {
        *base = Value::List(Vec::new());
    }
    let kind = base.kind();
    let Value::List(list) = base else {
        let doing = if tag == Tag::Append { "appended to" } else { "prepended to" };
        faults.push(fault(over_marks, path, format!("`{}` is {kind}: only a list can be {doing}", display_path(path)), None));
        return;
    };
    let mut there = marks.items(list.len());
    let new = over_marks.clone().untagged();
    let new = if is_list { new.items(items.len()) } else { vec![new; items.len()] };
    let start = if tag == Tag::Append { list.len() } else { 0 };
    list.splice(start..start, items);
    there.splice(start..start, new);
    marks.set_items(there);
    if marks.here.is_none() {
        marks.here.clone_from(&over_marks.here);
    }
}

fn remove(base: &mut Value, marks: &mut Marks, over: Value, over_marks: &Marks, path: &Path, faults: &mut Vec<(Place, Fault)>) -> bool {
    let shown = display_path(path);
    if matches!(over, Value::Null) || over.text().is_some_and(|text| text.is_empty()) {
        if *base == Value::Null && marks.here.is_none() {
            faults.push(fault(over_marks, path, format!("nothing to remove: `{shown}` is not set"), None));
        }
        return true;
    }
    let kind = base.kind();
    let Value::List(list) = base else {
        let message = format!("`{shown}` is {kind}: items can only be removed from a list");
        faults.push(fault(over_marks, path, message, Some("`!remove` with nothing behind it removes the key")));
        return false;
    };
    let mut there = marks.items(list.len());
    for item in into_list(over) {
        let Some(i) = list.iter().position(|there| *there == item || (item.text().is_some() && there.text() == item.text())) else {
            let item = item.text().unwrap_or_else(|| item.kind().to_owned());
            faults.push(fault(over_marks, path, format!("nothing to remove: `{}` is not in the list `{shown}`", shorten(&item)), None));
            continue;
        };
        list.remove(i);
        there.remove(i);
    }
    marks.set_items(there);
    false
}

fn fault(over_marks: &Marks, path: &Path, message: String, hint: Option<&str>) -> (Place, Fault) {
    let place = over_marks.here.as_ref().map_or_else(|| Place::file("command line"), Mark::value);
    let fault = Fault::new(path, message);
    match hint {
        Some(hint) => (place, fault.hint(hint)),
        None => (place, fault),
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
fn plain(value: Value, marks: &Marks) -> Value {
    fn strip(value: Value, marks: Option<&Marks>) -> Value {
        let Some(marks) = marks else { return value };
        match value {
            Value::Map(map) => Value::Map(
                map.into_iter()
                    .filter(|(key, _)| marks.child(key).and_then(|marks| marks.tag) != Some(Tag::Remove))
                    .map(|(key, value)| {
                        let value = strip(value, marks.child(&key));
                        (key, value)
                    })
                    .collect(),
            ),
            Value::List(items) => Value::List(items.into_iter().enumerate().map(|(i, item)| strip(item, marks.child(&i.to_string()))).collect()),
            scalar => scalar,
        }
    }
    if marks.has_tags() { strip(value, Some(marks)) } else { value }
}
