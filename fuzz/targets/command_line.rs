//! Any word of the command line is an override or an error, and goes over a recipe or is refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use recipe::recipe::document::Document;
use recipe::recipe::overrides::Override;

const RECIPE: &str = "a: {b: [1, {c: 2}], d: null}\nsteps: {train: {using: ridge}}\n";

fuzz_target!(|text: &str| {
    if let Ok(Override::Key(action)) = Override::parse(text, &|group| group == "train") {
        let mut document = Document::parse("r.yaml", RECIPE).unwrap_or_default();
        let _ = document.merge_at(&action.path, action.document);
    }
});
