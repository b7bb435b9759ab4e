//! Any text is a document or an error with a place; what is written of a document reads back as it was written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use recipe::recipe::document::Document;

fuzz_target!(|text: &str| {
    match Document::parse("r.yaml", text) {
        Ok(document) => {
            let written = document.to_yaml();
            let again = Document::parse("r.yaml", &written).unwrap_or_else(|error| panic!("{error}\n{written}"));
            assert_eq!(again.to_yaml(), written);
            let mut merged = document.clone();
            let _ = merged.merge(document);
        }
        Err(error) => assert!(error.problems.iter().all(|problem| problem.place.is_some()), "{error}"),
    }
});
