//! What is for nobody to see. References such as `${secret:NAME}` stay as they are written anyway; this is for values that should have been one.

use crate::value::{Path, Value};

const HIDDEN: &str = "••••••";

/// A value of a key as it may be shown.
pub fn told(path: &[String], value: &str) -> String {
    if is_secret(path) { HIDDEN.to_owned() } else { without_password(value) }
}

/// A configuration as it may be shown.
pub fn masked(value: &Value) -> Value {
    fn walk(value: &Value, path: &mut Path) -> Value {
        match value {
            Value::Map(map) => {
                let pair = |(key, value): (&String, &Value)| {
                    path.push(key.clone());
                    let shown = walk(value, path);
                    path.pop();
                    (key.clone(), shown)
                };
                Value::Map(map.iter().map(pair).collect())
            }
            Value::List(list) => Value::List(list.iter().map(|value| walk(value, path)).collect()),
            Value::Null => Value::Null,
            _ if is_secret(path) => Value::String(HIDDEN.to_owned()),
            Value::String(text) => Value::String(without_password(text)),
            other => other.clone(),
        }
    }
    walk(value, &mut Path::new())
}

/// Does a key's name say that its value is for nobody to see?
fn is_secret(path: &[String]) -> bool {
    const WORDS: [&str; 7] = ["password", "passwd", "secret", "token", "api_key", "apikey", "credential"];
    path.last().is_some_and(|key| WORDS.iter().any(|word| key.to_lowercase().contains(word)))
}

/// An address without what stands before its host: `https://user:key@host`.
fn without_password(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else { return value.to_owned() };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match host.rsplit_once('@') {
        Some((who, _)) => format!("{scheme}://{HIDDEN}{}", rest.get(who.len()..).unwrap_or_default()),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::document::Document;

    #[test]
    fn what_is_for_nobody_to_see_is_not_shown() {
        let text = "vars:\n  DB_Password: abc\n  list:\n    - access_token: 7\n      at: https://ada:pass@host/a@b\n  none: https://host/a@b\nseed: 3\n";
        let shown = masked(&Document::parse("x", text).unwrap().value);
        assert_eq!(shown, Document::parse("x", &text.replace("abc", HIDDEN).replace(" 7", &format!(" {HIDDEN}")).replace("ada:pass", HIDDEN)).unwrap().value);
        assert_eq!((told(&["api_key".to_owned()], "x"), told(&["seed".to_owned()], "a@b")), (HIDDEN.to_owned(), "a@b".to_owned()));
    }
}
