//! How values are written for people: numbers, counts, sizes, times, and text that may hold anything.
//!
//! One place, so that the page and the terminal show the same figure. Four significant digits are what a
//! reader compares; the full value stands beside them (`title`). Nothing here knows HTML, and nothing
//! depends on the locale.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use super::Cell;

/// A value as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub text: String,
    /// The full value, where `text` leaves something out.
    pub full: Option<String>,
    pub style: Style,
}

/// What a written value is, for alignment and colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    #[default]
    Text,
    Number,
    Good,
    Bad,
    Missing,
}

/// A measured number: four significant digits, all digits before the decimal point, no trailing zeros,
/// separators from 10,000; scientific below 0.0001 and from 10¹².
#[must_use]
pub fn number(value: f64) -> String {
    if let Some(word) = odd(value) {
        return word;
    }
    if is_scientific(value) {
        let text = format!("{value:.3e}");
        return match text.split_once('e') {
            Some((mantissa, exponent)) => format!("{}e{exponent}", trim_zeros(mantissa)),
            None => text,
        };
    }
    let text = format!("{value:.0$}", decimals(value));
    separate(trim_zeros(&text), 5)
}

/// A number with all its digits, as a program would read it back.
#[must_use]
pub fn full(value: f64) -> String {
    match odd(value) {
        Some(word) => word,
        None if (1e-5..1e16).contains(&value.abs()) => format!("{value}"),
        None => format!("{value:e}"),
    }
}

/// The numbers of one column: the same number of decimals where their sizes are near each other, so that
/// the decimal points stand below each other.
#[must_use]
pub fn column(values: &[f64]) -> Vec<String> {
    let sizes = || values.iter().filter(|value| value.is_finite() && **value != 0.0).map(|value| value.abs());
    let (least, most) = sizes().fold((f64::INFINITY, 0.0_f64), |(least, most), size| (least.min(size), most.max(size)));
    if most == 0.0 || sizes().any(is_scientific) || magnitude(most) - magnitude(least) > 1 {
        return values.iter().map(|value| number(*value)).collect();
    }
    let needed = sizes().map(trimmed_decimals).max().unwrap_or(0);
    let allowed = usize::try_from((4 - magnitude(most)).max(0)).unwrap_or(0);
    let places = needed.min(allowed);
    values.iter().map(|value| odd(*value).filter(|word| word != "0").unwrap_or_else(|| separate(&format!("{:.places$}", value + 0.0), 5))).collect()
}

/// A count, with separators from 1,000.
#[must_use]
pub fn count(value: u64) -> String {
    separate(&value.to_string(), 4)
}

/// A share of one in per cent; never `0 %` or `100 %` for what is not.
#[must_use]
pub fn share(value: f64) -> String {
    if !value.is_finite() {
        return odd(value).unwrap_or_default();
    }
    let percent = value * 100.0;
    let size = percent.abs();
    if size > 0.0 && size < 0.001 {
        return format!("{}0.001 %", if percent < 0.0 { "> -" } else { "< " });
    }
    if size < 100.0 && size > 99.999 {
        return format!("{}99.999 %", if percent < 0.0 { "< -" } else { "> " });
    }
    let from_whole = (100.0 - size).abs();
    let places = match size.min(if size < 100.0 { from_whole } else { size }) {
        0.0 => 0,
        small if small < 0.01 => 3,
        small if small < 0.1 => 2,
        _ => 1,
    };
    format!("{} %", separate(trim_zeros(&format!("{percent:.places$}")), 5))
}

/// A size in bytes, in powers of 1,000.
#[must_use]
pub fn bytes(value: u64) -> String {
    if value < 1000 {
        return format!("{value} B");
    }
    let mut size = value as f64;
    for unit in ["kB", "MB", "GB", "TB", "PB", "EB"] {
        size /= 1000.0;
        if size < 999.5 || unit == "EB" {
            let places = usize::from(size < 9.95);
            return format!("{} {unit}", trim_zeros(&format!("{size:.places$}")));
        }
    }
    format!("{value} B")
}

/// A duration.
#[must_use]
pub fn seconds(value: f64) -> String {
    if !value.is_finite() || value < 0.0 {
        return number(value);
    }
    let whole = value.round();
    match value {
        _ if value == 0.0 => "0 s".to_owned(),
        _ if value < 0.000_000_5 => format!("{} s", number(value)),
        _ if value < 0.000_999_5 => format!("{:.0} µs", value * 1e6),
        _ if value < 0.099_95 => format!("{} ms", trim_zeros(&format!("{:.1}", value * 1e3))),
        _ if value < 9.995 => format!("{value:.2} s"),
        _ if value < 59.95 => format!("{value:.1} s"),
        _ if whole < 3600.0 => format!("{} min {:02} s", (whole / 60.0).floor(), whole % 60.0),
        _ => format!("{} h {:02} min", separate(&(whole / 3600.0).floor().to_string(), 5), (whole % 3600.0 / 60.0).floor()),
    }
}

/// A moment as lists show it, in UTC.
#[must_use]
pub fn day_and_time(at_ms: i64) -> String {
    DateTime::<Utc>::from_timestamp_millis(at_ms).map_or_else(String::new, |time| time.format("%Y-%m-%d %H:%M").to_string())
}

/// `rows × columns`, as far as they are known.
#[must_use]
pub fn shape(rows: Option<u64>, columns: Option<u64>) -> String {
    match (rows, columns) {
        (Some(rows), Some(columns)) => format!("{} × {}", count(rows), count(columns)),
        (Some(rows), None) => format!("{} rows", count(rows)),
        (None, Some(columns)) => format!("{} columns", count(columns)),
        (None, None) => String::new(),
    }
}

/// One cell on its own.
#[must_use]
pub fn cell(cell: &Cell) -> Written {
    match cell {
        Cell::Text(text) => Written { text: visible(text).into_owned(), full: None, style: Style::Text },
        Cell::Count(value) => Written { text: count(*value), full: None, style: Style::Number },
        Cell::Integer(value) => Written { text: value.to_string(), full: None, style: Style::Number },
        Cell::Number(value) => figure(number(*value), full(*value)),
        Cell::Share(value) => figure(share(*value), full(*value)),
        Cell::Bytes(value) => figure(bytes(*value), format!("{} bytes", count(*value))),
        Cell::Seconds(value) => figure(seconds(*value), format!("{} s", full(*value))),
        Cell::Good(word) => Written { text: visible(word).into_owned(), full: None, style: Style::Good },
        Cell::Bad(word) => Written { text: visible(word).into_owned(), full: None, style: Style::Bad },
        Cell::Missing => Written { text: "–".to_owned(), full: None, style: Style::Missing },
    }
}

/// The cells of one table column, its numbers with common decimals.
#[must_use]
pub fn cells(cells: &[&Cell]) -> Vec<Written> {
    let numbers: Vec<f64> = cells.iter().filter_map(|cell| if let Cell::Number(value) = cell { Some(*value) } else { None }).collect();
    let mut texts = column(&numbers).into_iter();
    cells
        .iter()
        .map(|cell| match cell {
            Cell::Number(value) => figure(texts.next().unwrap_or_else(|| number(*value)), full(*value)),
            other => self::cell(other),
        })
        .collect()
}

fn figure(text: String, full: String) -> Written {
    Written { full: (full != text).then_some(full), text, style: Style::Number }
}

/// Text with everything that a terminal or browser would obey instead of show written as an escape:
/// control characters, and those that turn the direction of writing.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    escape(text, obeyed)
}

/// As [`visible`], but line ends and tabs stay: for preformatted text.
#[must_use]
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    escape(text, |c| obeyed(c) && c != '\n' && c != '\t')
}

/// Whether [`visible_lines`] would change the text.
#[must_use]
pub fn has_invisible(text: &str) -> bool {
    text.chars().any(|c| obeyed(c) && c != '\n' && c != '\t')
}

/// How many columns of a terminal the text takes: two for wide East Asian characters and emoji, none for
/// combining marks. An estimate from blocks of Unicode, good enough for alignment.
#[must_use]
pub fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// The text cut to `limit` columns: the middle goes, because names differ at both ends.
#[must_use]
pub fn shorten(text: &str, limit: usize) -> Cow<'_, str> {
    if width(text) <= limit {
        return Cow::Borrowed(text);
    }
    let room = limit.saturating_sub(1);
    let head = take_width(text.chars(), room - room / 3);
    let tail: String = take_width(text.chars().rev(), room / 3).chars().rev().collect();
    Cow::Owned(format!("{}…{tail}", head.trim_end()))
}

/// Round positions between `low` and `high`, at most `most` of them, in steps of 1, 2 or 5 × 10ⁿ; and the step.
#[must_use]
pub fn ticks(low: f64, high: f64, most: usize) -> (Vec<f64>, f64) {
    let span = high - low;
    if !span.is_finite() || span <= 0.0 || most == 0 {
        return (Vec::new(), 0.0);
    }
    let rough = span / most as f64;
    let power = 10f64.powi(magnitude(rough));
    let step = [1.0, 2.0, 5.0, 10.0].iter().map(|factor| factor * power).find(|step| *step >= rough * (1.0 - 1e-9)).unwrap_or(10.0 * power);
    let first = (low / step - 1e-9).ceil();
    let last = (high / step + 1e-9).floor();
    if !(first.is_finite() && last.is_finite() && step > 0.0) || last - first > 1000.0 {
        return (Vec::new(), step);
    }
    let positions = (0..=(last - first).max(-1.0) as i64).map(|i| (first + i as f64) * step);
    (if last < first { Vec::new() } else { positions.collect() }, step)
}

/// The label of a tick: as many decimals as its step needs.
#[must_use]
pub fn tick(value: f64, step: f64) -> String {
    let size = value.abs().max(step);
    if size >= 1e9 || step < 1e-4 {
        return number(if value.abs() < step * 1e-6 { 0.0 } else { value });
    }
    let places = usize::try_from((-magnitude(step * (1.0 + 1e-9))).max(0)).unwrap_or(0);
    let text = format!("{:.places$}", value + 0.0);
    separate(if text.trim_start_matches(['-', '0', '.']).is_empty() { text.trim_start_matches('-') } else { &text }, 5)
}

fn odd(value: f64) -> Option<String> {
    match value {
        _ if value.is_nan() => Some("NaN".to_owned()),
        _ if value == f64::INFINITY => Some("∞".to_owned()),
        _ if value == f64::NEG_INFINITY => Some("-∞".to_owned()),
        _ if value == 0.0 => Some("0".to_owned()),
        _ => None,
    }
}

fn is_scientific(value: f64) -> bool {
    !(1e-4..1e12).contains(&value.abs())
}

/// The power of ten of the first digit.
fn magnitude(value: f64) -> i32 {
    value.abs().log10().floor() as i32
}

/// Decimals that give four significant digits.
fn decimals(value: f64) -> usize {
    usize::try_from((3 - magnitude(value)).clamp(0, 12)).unwrap_or(0)
}

/// Decimals of [`number`]'s form.
fn trimmed_decimals(value: f64) -> usize {
    let text = format!("{value:.0$}", decimals(value));
    trim_zeros(&text).split_once('.').map_or(0, |(_, places)| places.len())
}

fn trim_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// Commas between thousands, where the whole part has at least `from` digits.
fn separate(text: &str, from: usize) -> String {
    let (sign, unsigned) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, rest) = unsigned.find('.').map_or((unsigned, ""), |dot| unsigned.split_at(dot));
    if whole.len() < from || !whole.bytes().all(|b| b.is_ascii_digit()) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + whole.len() / 3);
    out.push_str(sign);
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

fn obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn escape(text: &str, hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if hidden(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

fn char_width(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036f | 0x200b..=0x200d | 0x20d0..=0x20ff | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

fn take_width(chars: impl Iterator<Item = char>, limit: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += char_width(*c);
            used <= limit
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_with_four_digits_and_no_noise() {
        let cases = [
            (990.0, "990"),
            (0.0, "0"),
            (-0.0, "0"),
            (1.0 / 3.0, "0.3333"),
            (10.4871, "10.49"),
            (2.0701, "2.07"),
            (999.96, "1000"),
            (1234.56, "1235"),
            (9999.0, "9999"),
            (10_000.0, "10,000"),
            (-1_234_567.8, "-1,234,568"),
            (0.000_123_56, "0.0001236"),
            (0.000_012_346, "1.235e-5"),
            (1e-300, "1e-300"),
            (1.5e12, "1.5e12"),
            (f64::MAX, "1.798e308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-∞"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text, "{value:?}");
        }
        assert_eq!(full(2.070_123_4), "2.0701234");
        assert_eq!(full(990.0), "990");
        assert_eq!(full(1e300), "1e300");
    }

    #[test]
    fn counts_shares_sizes_and_times_read_well() {
        assert_eq!([0, 999, 1024, 7_936, 10_000_000].map(count), ["0", "999", "1,024", "7,936", "10,000,000"]);
        let shares = [0.0, 1.0, 0.1234, 0.0512, 0.5, 0.999_96, 0.999_999_9, 0.000_05, 1e-9, -0.25, 1.5, 0.996, 25.0];
        assert_eq!(
            shares.map(share),
            ["0 %", "100 %", "12.3 %", "5.1 %", "50 %", "99.996 %", "> 99.999 %", "0.005 %", "< 0.001 %", "-25 %", "150 %", "99.6 %", "2500 %"]
        );
        assert_eq!([0, 999, 1000, 12_345, 999_999, 4_560_000_000].map(bytes), ["0 B", "999 B", "1 kB", "12 kB", "1 MB", "4.6 GB"]);
        assert_eq!(
            [0.0, 2e-5, 0.0004, 0.0123, 0.2, 1.1, 12.34, 65.2, 3600.0, 7384.0].map(seconds),
            ["0 s", "20 µs", "400 µs", "12.3 ms", "0.20 s", "1.10 s", "12.3 s", "1 min 05 s", "1 h 00 min", "2 h 03 min"]
        );
        assert_eq!(shape(Some(10_000), Some(6)), "10,000 × 6");
    }

    #[test]
    fn a_column_of_like_sizes_shares_its_decimals() {
        assert_eq!(column(&[2.07, 2.071, 10.49, 0.0]), ["2.070", "2.071", "10.490", "0.000"]);
        assert_eq!(column(&[1.0, 25.0, 300.0]), ["1", "25", "300"]);
        assert_eq!(column(&[0.9602, 2.0123, 43.2]), ["0.9602", "2.012", "43.2"]);
        assert_eq!(column(&[f64::NAN, 1.5]), ["NaN", "1.5"]);
        let mixed = [Cell::Text("a".into()), Cell::Number(1.5), Cell::Missing, Cell::Number(0.25)];
        let texts: Vec<String> = cells(&mixed.iter().collect::<Vec<_>>()).into_iter().map(|cell| cell.text).collect();
        assert_eq!(texts, ["a", "1.50", "–", "0.25"]);
    }

    #[test]
    fn control_characters_and_turned_writing_become_text() {
        assert_eq!(visible("a\u{1b}[31m\nb\u{202e}c"), "a\\u{1b}[31m\\nb\\u{202e}c");
        assert_eq!(visible_lines("a\n\tb\r"), "a\n\tb\\r");
        assert!(matches!(visible("plain é 漢"), Cow::Borrowed(_)));
    }

    #[test]
    fn long_names_keep_both_ends_and_fit() {
        assert_eq!(shorten("pickup_zip_code_10011", 12), "pickup_z…011");
        assert_eq!(shorten("short", 12), "short");
        assert!(width(&shorten("漢字漢字漢字漢字", 7)) <= 7);
        assert_eq!(shorten("abc", 0), "…");
    }

    #[test]
    fn ticks_stand_at_round_numbers_inside_the_range() {
        assert_eq!(ticks(0.0, 52.5, 6), (vec![0.0, 10.0, 20.0, 30.0, 40.0, 50.0], 10.0));
        assert_eq!(ticks(-0.3, 0.3, 4).0.len(), 3);
        assert_eq!(ticks(1.0, 1.0, 5).0, Vec::<f64>::new());
        assert_eq!(ticks(f64::NEG_INFINITY, 1.0, 5).0, Vec::<f64>::new());
        let labels: Vec<String> = ticks(0.0, 1.0, 5).0.iter().map(|value| tick(*value, 0.2)).collect();
        assert_eq!(labels, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(tick(20_000.0, 5000.0), "20,000");
        assert_eq!(tick(-1e-17, 0.1), "0.0");
    }
}
