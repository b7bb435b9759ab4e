//! What the strings of a column look like.

use serde::{Deserialize, Serialize};

use super::counter::first_characters;
use crate::data::canonical::{IN_VIEW, StringArray};
use crate::data::wide::wide;

/// Strings whose pattern is looked at, at most.
const LOOKED_AT: u64 = 20_000;

/// Lengths of strings, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lengths {
    pub shortest: u64,
    pub mean: f64,
    pub longest: u64,
}

/// All that is gathered of the strings of a column.
#[derive(Default)]
pub(super) struct Strings {
    count: u64,
    characters: u64,
    lengths: Option<(u64, u64)>,
    range: Option<(Box<str>, Box<str>)>,
    looked_at: u64,
    dates: u64,
    numbers: u64,
    leading_zeros: u64,
    padded: u64,
}

impl Strings {
    /// Every string, once a row.
    #[inline]
    pub(super) fn measure(&mut self, text: &str) {
        // Bytes that begin a character.
        let length = text.bytes().filter(|byte| (*byte as i8) >= -0x40).count() as u64;
        self.add_lengths(1, length, length, length);
    }

    /// The same of many at once, if all are of few characters, a byte each; else none is measured.
    pub(super) fn measure_plain(&mut self, texts: &StringArray) -> bool {
        let views = texts.views().as_slice();
        let (sum, shortest, longest, bytes) = wide(
            #[inline(always)]
            || {
                views.iter().fold((0, u32::MAX, 0, 0), |(sum, shortest, longest, bytes), view| {
                    let length = view.length;
                    (sum + u64::from(length), length.min(shortest), length.max(longest), bytes | view.prefix | view.buffer_idx | view.offset)
                })
            },
        );
        // A text of more bytes lies elsewhere.
        let is_plain = longest <= IN_VIEW && bytes & 0x8080_8080 == 0;
        if is_plain && !views.is_empty() {
            self.add_lengths(views.len() as u64, sum, u64::from(shortest), u64::from(longest));
        }
        is_plain
    }

    #[inline]
    fn add_lengths(&mut self, count: u64, characters: u64, least: u64, most: u64) {
        self.count += count;
        self.characters += characters;
        let (shortest, longest) = self.lengths.get_or_insert((least, most));
        (*shortest, *longest) = (least.min(*shortest), most.max(*longest));
    }

    /// Every string at least once.
    #[inline]
    pub(super) fn see(&mut self, text: &str) {
        match &mut self.range {
            None => self.range = Some((first_characters(text).into(), first_characters(text).into())),
            Some((least, most)) => {
                if text < &**least {
                    *least = first_characters(text).into();
                } else if text > &**most {
                    *most = first_characters(text).into();
                }
            }
        }
        if self.looked_at < LOOKED_AT {
            self.look(text);
        }
    }

    fn look(&mut self, text: &str) {
        let trimmed = text.trim();
        self.looked_at += 1;
        self.padded += u64::from(trimmed.len() < text.len());
        let is_digits = !trimmed.is_empty() && trimmed.bytes().all(|byte| byte.is_ascii_digit());
        self.leading_zeros += u64::from(is_digits && trimmed.len() > 1 && trimmed.starts_with('0'));
        self.numbers += u64::from(is_number(trimmed));
        self.dates += u64::from(is_date(trimmed));
    }

    pub(super) fn lengths(&self) -> Option<Lengths> {
        let (shortest, longest) = self.lengths?;
        Some(Lengths { shortest, mean: self.characters as f64 / self.count as f64, longest })
    }

    pub(super) fn range(&self) -> Option<(String, String)> {
        self.range.as_ref().map(|(least, most)| (least.to_string(), most.to_string()))
    }

    /// What the strings look like, in words.
    pub(super) fn alerts(&self) -> Vec<String> {
        let all = |count: u64| self.looked_at > 0 && count == self.looked_at;
        let mut alerts = Vec::new();
        if all(self.dates) {
            alerts.push("dates kept as text: `try_parse_dates` reads them".to_owned());
        } else if self.leading_zeros > 0 && all(self.numbers) {
            alerts.push("digits with leading zeros: codes, not numbers".to_owned());
        } else if all(self.numbers) {
            alerts.push("numbers kept as text".to_owned());
        }
        if self.padded > 0 {
            alerts.push(format!("spaces around {} of {} distinct values looked at", self.padded, self.looked_at));
        }
        alerts
    }
}

fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | ',')) && text.replacen(',', ".", 1).parse::<f64>().is_ok()
}

fn is_date(text: &str) -> bool {
    let starts_like_one = text.len() >= 8 && text.len() <= 40 && text.starts_with(|c: char| c.is_ascii_digit());
    let Some(day) = text.get(..text.len().min(10)).filter(|_| starts_like_one) else { return false };
    let ends_there = text.get(10..).is_none_or(|rest| rest.is_empty() || rest.starts_with([' ', 'T']));
    ends_there
        && ["%Y-%m-%d", "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y"].iter().any(|form| chrono::NaiveDate::parse_from_str(day.trim_end(), form).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alerts(texts: &[&str]) -> Vec<String> {
        let mut strings = Strings::default();
        for text in texts {
            strings.see(text);
        }
        strings.alerts()
    }

    #[test]
    fn dates_codes_and_numbers_are_recognised_and_words_are_not() {
        assert!(alerts(&["2016-02-29", "2016-03-01 12:00:00"])[0].starts_with("dates"));
        assert!(alerts(&["31/12/2016", "1/2/2016"])[0].starts_with("dates"));
        assert!(alerts(&["007", "123"])[0].starts_with("digits with leading zeros"));
        assert!(alerts(&["1,5", "-2"])[0].starts_with("numbers"));
        assert_eq!(alerts(&["2016-02-30", "x"]), Vec::<String>::new());
        assert_eq!(alerts(&["inf", "nan"]), Vec::<String>::new());
        assert_eq!(alerts(&[" a", "b"]), ["spaces around 1 of 2 distinct values looked at"]);
    }

    #[test]
    fn lengths_count_characters() {
        let mut strings = Strings::default();
        for text in ["", "é", "日本語"] {
            strings.measure(text);
        }
        assert_eq!(strings.lengths(), Some(Lengths { shortest: 0, mean: 4.0 / 3.0, longest: 3 }));
    }
}
