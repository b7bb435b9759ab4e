//! What an identifier is made of: a beginning, an end, numbers.

use std::sync::LazyLock;

use regex::Regex;

use super::{Certainty, dense};

/// A part of each text.
pub(super) struct Part {
    /// `the first 2 signs`.
    pub what: String,
    /// A remainder may fit by the way numbers were made.
    pub at_most: Certainty,
    pub values: Values,
}

pub(super) enum Values {
    /// Levels and how many there are.
    Codes(Vec<u32>, usize),
    /// NaN where a text has none.
    Numbers(Vec<f64>),
}

/// The texts as numbers, where nearly all hold one and little else: `$ 12.50`, `1 234 USD`.
pub(super) fn whole_number(texts: &[String]) -> Option<Vec<f64>> {
    static AROUND: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\D{0,4}?(-?\d[\d ,']*(?:\.\d+)?)\D{0,4}$").ok());
    let number = |text: &String| {
        let found = AROUND.as_ref()?.captures(text.trim())?;
        found[1].replace([' ', ',', '\''], "").parse::<f64>().ok()
    };
    let numbers: Vec<f64> = texts.iter().map(|text| number(text).unwrap_or(f64::NAN)).collect();
    (numbers.iter().filter(|value| value.is_finite()).count() * 10 >= texts.len() * 9).then_some(numbers)
}

/// Is each a single word, as identifiers are?
pub(super) fn are_words(texts: &[String]) -> bool {
    texts.iter().all(|text| !text.contains(char::is_whitespace))
}

/// Do whole numbers fill their range, as counted ones do?
pub(super) fn are_dense(numbers: &[f64]) -> bool {
    let (low, high) = numbers.iter().filter(|v| v.is_finite()).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)));
    high - low < 2.0 * numbers.len() as f64
}

/// Beginnings, ends, the length, and the numbers in a text with their remainders.
pub(super) fn of(texts: &[String]) -> Vec<Part> {
    static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\d{1,15}(?:\.\d+)?").ok());
    let codes = |what: String, of: &dyn Fn(&str) -> String| {
        let (levels, count) = dense(texts.iter().map(|text| of(text)));
        Part { what, at_most: Certainty::Certain, values: Values::Codes(levels, count) }
    };
    let signs = |count: usize| if count == 1 { "sign".to_owned() } else { format!("{count} signs") };
    let mut parts: Vec<Part> = (1..=6).map(|count| codes(format!("the first {}", signs(count)), &|text| text.chars().take(count).collect())).collect();
    parts.extend((1..=4).map(|count| codes(format!("the last {}", signs(count)), &|text| text.chars().rev().take(count).collect())));
    parts.push(codes("the length".to_owned(), &|text| text.chars().count().to_string()));
    let Some(number) = NUMBER.as_ref() else { return parts };
    let found: Vec<Vec<f64>> = texts.iter().map(|text| number.find_iter(text).take(4).filter_map(|found| found.as_str().parse().ok()).collect()).collect();
    for (i, name) in ["first", "second", "third", "fourth"].into_iter().enumerate() {
        let numbers: Vec<f64> = found.iter().map(|numbers| numbers.get(i).copied().unwrap_or(f64::NAN)).collect();
        if numbers.iter().all(|number| number.is_nan()) {
            break;
        }
        for divisor in [2, 3, 4, 5, 7, 10] {
            let (levels, count) = dense(numbers.iter().map(|number| (number % f64::from(divisor)).to_bits()));
            parts.push(Part { what: format!("the {name} number modulo {divisor}"), at_most: Certainty::Likely, values: Values::Codes(levels, count) });
        }
        parts.push(Part { what: format!("the {name} number"), at_most: Certainty::Certain, values: Values::Numbers(numbers) });
    }
    parts
}
