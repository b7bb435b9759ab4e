//! What holds for every configuration, tried on drawn ones: merging, writing and reading back, and no input that hangs
//! or brings the program down. With `RECIPE_LONG_TESTS` set, a hundred times as many.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;

use super::document::Document;
use super::interpolate::{Environment, World, interpolate};
use super::overrides::Override;
use super::variables::{fill, mark};
use crate::value::Value;

fn cases(few: u32) -> ProptestConfig {
    ProptestConfig {
        cases: if std::env::var_os("RECIPE_LONG_TESTS").is_some() { few * 100 } else { few },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn scalar() -> impl Strategy<Value = Value> {
    let traps = [
        "no",
        "Yes",
        "null",
        "~",
        "1e3",
        "007",
        "0x1F",
        "1_000",
        ".5",
        "-",
        "- a",
        "a: b",
        "#",
        "",
        " x ",
        "'",
        "\"",
        "\\",
        "\t",
        "a\nb",
        "{{X}}",
        "${x}",
        "!t",
        "&a",
        "*a",
        "2024-01-01",
        "<<",
    ];
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|number| Value::Number(number.to_string())),
        "(0|[1-9][0-9]{0,2})\\.[0-9]{0,2}[1-9]".prop_map(Value::Number),
        any::<String>().prop_map(Value::String),
        prop::sample::select(traps.to_vec()).prop_map(|text| Value::String(text.to_owned())),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 40, 5, |inner| {
        let key = prop_oneof!["[a-z]{1,4}", "[ -~]{1,6}"];
        prop_oneof![prop::collection::vec(inner.clone(), 0..5).prop_map(Value::List), prop::collection::btree_map(key, inner, 0..5).prop_map(Value::from),]
    })
}

/// Maps to a fixed depth and scalars or lists below: no key is a map in one layer and something else in another.
fn layer() -> impl Strategy<Value = Value> {
    let leaf =
        prop_oneof![scalar().prop_filter("null changes nothing", |value| *value != Value::Null), prop::collection::vec(scalar(), 0..3).prop_map(Value::List)];
    let inner = prop::collection::btree_map("[a-d]", leaf, 0..4).prop_map(Value::from);
    prop::collection::btree_map("[a-d]", inner, 0..4).prop_map(Value::from)
}

fn merged(layers: &[&Value]) -> Value {
    let mut document = Document::empty();
    for layer in layers {
        document.merge(Document::of((*layer).clone())).unwrap();
    }
    document.value
}

/// What somebody may type, with the characters that mean something more often than chance would have them.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "${",
            "}",
            "{{",
            "}}",
            "{%",
            "%}",
            ":",
            ": ",
            "\n",
            "\n  ",
            "- ",
            "[",
            "]",
            "{",
            "}",
            ",",
            "\"",
            "'",
            "#",
            "&a ",
            "*a",
            "!append ",
            "!remove",
            "|",
            "default(",
            ")",
            "env:",
            "a",
            "b.c",
            "..",
            "vars",
            "git:sha",
            "now:%",
            "file:",
            "toml:",
            "range(",
            "\\",
            "\u{feff}",
            "\u{10ffff}",
            "\0",
            "\t",
            "=",
            "~",
            "+",
            "@",
            "10**9",
            "'x'*9",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn merging_is_associative_and_nothing_is_neutral(a in layer(), b in layer(), c in layer()) {
        let (left, right) = (merged(&[&a, &b]), merged(&[&b, &c]));
        prop_assert_eq!(merged(&[&left, &c]), merged(&[&a, &right]));
        prop_assert_eq!(merged(&[&a, &Value::empty()]), a.clone());
        prop_assert_eq!(merged(&[&a, &a]), a);
    }

    #[test]
    fn what_is_written_reads_back_as_it_was(value in value()) {
        // A document of nothing is an empty map.
        let value = Value::Map([("v".to_owned(), value)].into());
        let text = Document::of(value.clone()).to_yaml();
        let back = Document::parse("r.yaml", &text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(back.value, value, "{}", text);
    }

    #[test]
    fn the_order_of_keys_means_nothing(keys in prop::collection::btree_map("[a-z]{1,5}", 0..100_u32, 1..8), seed in any::<u64>()) {
        let mut lines: Vec<String> = keys.iter().map(|(key, number)| format!("{key}: ${{env:N{number}, {number}}}\n")).collect();
        let sorted = lines.concat();
        let shift = (seed % lines.len() as u64) as usize;
        lines.rotate_left(shift);
        lines.reverse();
        let resolved = |text: &str| {
            let document = Document::parse("r.yaml", text).unwrap();
            interpolate(&document, &World::new(Path::new("."), &Environment::new())).unwrap().value
        };
        prop_assert_eq!(resolved(&lines.concat()), resolved(&sorted));
    }

    #[test]
    fn no_text_hangs_or_brings_the_program_down(text in text()) {
        let environment = Environment::new();
        let world = World::new(Path::new("/nonexistent"), &environment);
        if let Ok(marked) = mark("r.yaml", &text) && let Ok(mut document) = Document::parse("r.yaml", &marked.text) {
            let variables = BTreeMap::from([("a".to_owned(), Value::String("${b}".to_owned()))]);
            if fill(&mut document, &marked, &variables).is_ok() {
                let other = document.clone();
                let _ = document.merge(other);
                let _ = interpolate(&document, &world);
            }
        }
        let _ = Override::parse(&text, &|group| group == "a");
    }
}
