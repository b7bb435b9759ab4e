//! `${…}` in any document resolves in bounded time or is an error.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use recipe::recipe::document::Document;
use recipe::recipe::interpolate::{Environment, World, interpolate};

fuzz_target!(|text: &str| {
    let Ok(document) = Document::parse("r.yaml", text) else { return };
    let environment = Environment::from([("A".to_owned(), "${a}".to_owned()), ("N".to_owned(), "1e3".to_owned())]);
    // No file is there to be read.
    let _ = interpolate(&document, &World::new(Path::new("/nonexistent"), &environment));
});
