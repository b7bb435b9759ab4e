//! `{{…}}` in any text ends in bounded time, and no mark of it stays behind.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use recipe::recipe::document::Document;
use recipe::recipe::variables::{fill, mark};
use recipe::value::Value;

fuzz_target!(|text: &str| {
    let variables = BTreeMap::from([
        ("a".to_owned(), Value::String("b: c\nd: e".to_owned())),
        ("A".to_owned(), Value::String("{f: [g, '{{a}}']}".to_owned())),
        ("n".to_owned(), Value::Number("7".to_owned())),
    ]);
    let Ok(marked) = mark("r.yaml", text) else { return };
    let _ = marked.names();
    let Ok(mut document) = Document::parse_as("r.yaml", &marked.text, text) else { return };
    // A mark is of characters for private use; a text may have them by itself.
    if fill(&mut document, &marked, &variables).is_ok() && !text.contains('\u{E000}') && !text.contains("\\") {
        assert!(!format!("{:?}", document.value).contains("\\u{e000}"), "{:?}", document.value);
    }
});
