//! The records of separated values: where one ends, what its fields are, what is wrong with it.
//!
//! RFC 4180 read strictly: a quote opens a field only as its first character, a doubled quote is a
//! quote, and after the closing quote comes a separator or a line end. Types are not known here.

use crate::error::shorten;

/// The longest record, in bytes: a longer "line" means that the file is something else. (Less in tests, to be quick.)
pub const LONGEST: usize = if cfg!(test) { 1 << 20 } else { 16 << 20 };

/// How records are written.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    pub separator: u8,
    pub quote: Option<u8>,
    /// Fields in a record.
    pub columns: usize,
}

/// A field: its bytes between the separators, or between the quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    pub bytes: &'a [u8],
    pub quoted: bool,
}

impl Field<'_> {
    /// The text, with doubled quotes undone.
    pub fn text(&self, quote: Option<u8>) -> String {
        let text = String::from_utf8_lossy(self.bytes);
        match quote {
            Some(quote) if self.quoted => {
                let quote = char::from(quote).to_string();
                text.replace(&quote.repeat(2), &quote)
            }
            _ => text.into_owned(),
        }
    }
}

/// What stands at a place in the file.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// A record; bytes to the next one, line ends within.
    Record { used: usize, lines: u64 },
    /// A record that is not well formed.
    Malformed { used: usize, lines: u64, reason: String },
    /// A quoted field that never ends, opened so many lines below the record's first.
    Unclosed { below: u64 },
    /// The record goes on behind the bytes at hand; within quotes that were opened so many lines below, or not.
    Incomplete { quoted: Option<u64> },
}

/// Reads the record at the start of `bytes` (not empty) into `fields`. `last`: nothing follows `bytes`.
pub fn record<'a>(bytes: &'a [u8], last: bool, dialect: Dialect, fields: &mut Vec<Field<'a>>) -> Step {
    fields.clear();
    let mut at = 0;
    let mut inside = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        if dialect.quote.is_some() && rest.first().copied() == dialect.quote {
            let quote = rest.first().copied().unwrap_or_default();
            let Some(close) = closing(rest, quote, last) else {
                return if last { Step::Unclosed { below: inside } } else { Step::Incomplete { quoted: Some(inside) } };
            };
            let inner = rest.get(1..close).unwrap_or_default();
            let breaks = count(inner, b'\n');
            let opened = inside;
            inside += breaks;
            fields.push(Field { bytes: inner, quoted: true });
            let behind = rest.get(close + 1..).unwrap_or_default();
            match behind {
                [] | [b'\r'] if last => return Step::Record { used: bytes.len(), lines: inside },
                [] | [b'\r'] => return Step::Incomplete { quoted: None },
                [b'\n', ..] => return Step::Record { used: at + close + 2, lines: inside + 1 },
                [b'\r', b'\n', ..] => return Step::Record { used: at + close + 3, lines: inside + 1 },
                [byte, ..] if *byte == dialect.separator => at += close + 2,
                _ if breaks > 0 => return Step::Unclosed { below: opened },
                _ => {
                    let reason = format!("text behind the closing quote of field {}", fields.len());
                    return match behind.iter().position(|byte| *byte == b'\n') {
                        Some(end) => Step::Malformed { used: at + close + 2 + end, lines: inside + 1, reason },
                        None if last => Step::Malformed { used: bytes.len(), lines: inside, reason },
                        None => Step::Incomplete { quoted: None },
                    };
                }
            }
        } else {
            match rest.iter().position(|byte| *byte == dialect.separator || *byte == b'\n') {
                Some(end) => {
                    let field = rest.get(..end).unwrap_or_default();
                    if rest.get(end) == Some(&b'\n') {
                        fields.push(Field { bytes: field.strip_suffix(b"\r").unwrap_or(field), quoted: false });
                        return Step::Record { used: at + end + 1, lines: inside + 1 };
                    }
                    fields.push(Field { bytes: field, quoted: false });
                    at += end + 1;
                }
                None if last => {
                    fields.push(Field { bytes: rest.strip_suffix(b"\r").unwrap_or(rest), quoted: false });
                    return Step::Record { used: bytes.len(), lines: inside };
                }
                None => return Step::Incomplete { quoted: None },
            }
        }
    }
}

/// Where the quote that opens `rest` is closed. A quote at the very end closes only if nothing follows: it may be half of a doubled one.
fn closing(rest: &[u8], quote: u8, last: bool) -> Option<usize> {
    let mut at = 1;
    loop {
        let found = at + rest.get(at..)?.iter().position(|byte| *byte == quote)?;
        match rest.get(found + 1) {
            Some(next) if *next == quote => at = found + 2,
            None if !last => return None,
            _ => return Some(found),
        }
    }
}

pub fn count(bytes: &[u8], wanted: u8) -> u64 {
    // Sums of bytes in short runs: the compiler makes vector instructions of it.
    bytes.chunks(255).map(|run| u64::from(run.iter().fold(0_u8, |sum, byte| sum + u8::from(*byte == wanted)))).sum()
}

/// Takes rows one after the other.
pub trait Rows {
    /// A row with the right number of fields, in `line`.
    ///
    /// # Errors
    /// Why the row cannot be taken: it becomes a reject.
    fn row(&mut self, fields: &[Field<'_>], line: u64) -> Result<(), String>;
}

/// A row that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub line: u64,
    pub reason: String,
    pub text: String,
}

/// Why scanning cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    Unclosed {
        line: u64,
    },
    TooLong {
        line: u64,
    },
    /// A quote inside an unquoted field: quotes cannot be counted to find where records end.
    Odd,
}

/// What a piece of a file held.
#[derive(Debug, Default)]
pub struct Scanned {
    /// Bytes and lines that whole records took.
    pub used: usize,
    pub lines: u64,
    pub rows: u64,
    /// The first of them; see `refused_count`.
    pub refused: Vec<Refused>,
    pub refused_count: u64,
    /// Lines without anything on them, which are no rows.
    pub blank: u64,
    /// Some unquoted field has a quote inside.
    pub stray: bool,
    pub stop: Option<Stop>,
}

/// Cuts `bytes` into records and hands the rows over. `line` is that of the first byte; `keep` is how many refused rows are kept with their text.
pub fn scan(bytes: &[u8], line: u64, last: bool, dialect: Dialect, careful: bool, keep: usize, rows: &mut impl Rows) -> Scanned {
    let mut scanned = Scanned::default();
    let clean = !bytes.contains(&0) && simdutf8::basic::from_utf8(bytes).is_ok();
    let quote = dialect.quote.filter(|quote| bytes.contains(quote));
    let dialect = Dialect { quote, ..dialect };
    let mut fields = Vec::with_capacity(dialect.columns);
    while let Some(rest) = bytes.get(scanned.used..).filter(|rest| !rest.is_empty()) {
        let here = line + scanned.lines;
        let (used, lines, mut reason) = match record(rest, last, dialect, &mut fields) {
            Step::Record { used, lines } => (used, lines, None),
            Step::Malformed { used, lines, reason } => (used, lines, Some(reason)),
            Step::Unclosed { below } => {
                scanned.stop = Some(if careful { Stop::Unclosed { line: here + below } } else { Stop::Odd });
                break;
            }
            Step::Incomplete { quoted } => {
                if !careful {
                    scanned.stop = Some(Stop::Odd);
                } else if rest.len() >= LONGEST {
                    scanned.stop = Some(match quoted {
                        Some(below) => Stop::Unclosed { line: here + below },
                        None => Stop::TooLong { line: here },
                    });
                }
                break;
            }
        };
        if used > LONGEST {
            scanned.stop = Some(Stop::TooLong { line: here });
            break;
        }
        if !careful && (reason.is_some() || has_stray(&fields, quote)) {
            scanned.stop = Some(Stop::Odd);
            break;
        }
        scanned.used += used;
        scanned.lines += lines;
        if reason.is_none() && dialect.columns > 1 && matches!(fields.as_slice(), [Field { bytes: [], quoted: false }]) {
            scanned.blank += 1;
            continue;
        }
        let raw = rest.get(..used).unwrap_or_default();
        if reason.is_none() && !clean {
            reason = unclean(raw, &fields);
        }
        if reason.is_none() && fields.len() != dialect.columns {
            reason = Some(format!("expected {} fields, found {}", dialect.columns, fields.len()));
        }
        match reason.map_or_else(|| rows.row(&fields, here), Err) {
            Ok(()) => {
                scanned.rows += 1;
                scanned.stray |= careful && has_stray(&fields, quote);
            }
            Err(reason) => {
                scanned.refused_count += 1;
                if scanned.refused.len() < keep {
                    scanned.refused.push(Refused { line: here, reason, text: excerpt(raw) });
                }
            }
        }
    }
    scanned
}

fn has_stray(fields: &[Field<'_>], quote: Option<u8>) -> bool {
    quote.is_some_and(|quote| fields.iter().any(|field| !field.quoted && field.bytes.contains(&quote)))
}

/// What is wrong with a record's bytes.
fn unclean(raw: &[u8], fields: &[Field<'_>]) -> Option<String> {
    if raw.contains(&0) {
        return Some("a NUL byte".to_owned());
    }
    let error = std::str::from_utf8(raw).err()?;
    let field = fields.iter().position(|field| std::str::from_utf8(field.bytes).is_err()).map_or(1, |at| at + 1);
    let byte = raw.get(error.valid_up_to()).copied().unwrap_or_default();
    Some(format!("byte 0x{byte:02X} in field {field} is not valid UTF-8"))
}

/// A refused row's text, without its line end, of bounded length.
fn excerpt(raw: &[u8]) -> String {
    let line = raw.strip_suffix(b"\n").unwrap_or(raw);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    String::from_utf8_lossy(line.get(..4096).unwrap_or(line)).into_owned()
}

/// A field as messages show it.
pub fn show(field: &[u8]) -> String {
    shorten(&String::from_utf8_lossy(field.get(..400).unwrap_or(field)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIALECT: Dialect = Dialect { separator: b',', quote: Some(b'"'), columns: 3 };

    fn read(text: &str, last: bool) -> (Step, Vec<String>) {
        let mut fields = Vec::new();
        let step = record(text.as_bytes(), last, DIALECT, &mut fields);
        let texts = fields.iter().map(|field| field.text(Some(b'"'))).collect();
        (step, texts)
    }

    #[test]
    fn records_end_where_they_should() {
        assert_eq!(read("a,b,c\r\nd", false), (Step::Record { used: 7, lines: 1 }, vec!["a".into(), "b".into(), "c".into()]));
        assert_eq!(read("\"a\n\"\"x\"\"\",,\"\"\n", false), (Step::Record { used: 14, lines: 2 }, vec!["a\n\"x\"".into(), String::new(), String::new()]));
        assert_eq!(read("a,", true), (Step::Record { used: 2, lines: 0 }, vec!["a".into(), String::new()]));
        assert_eq!(read("a,b", false).0, Step::Incomplete { quoted: None });
        assert_eq!(read("a,\"b\"", false).0, Step::Incomplete { quoted: Some(0) });
        assert_eq!(read("a,\"b\"", true).0, Step::Record { used: 5, lines: 0 });
    }

    #[test]
    fn broken_quotes_are_told_apart() {
        assert_eq!(read("a,\"b", true).0, Step::Unclosed { below: 0 });
        assert_eq!(read("\"x\ny\",\"b\nc\"d\n", true).0, Step::Unclosed { below: 1 });
        assert_eq!(read("\"a\"b,c\nd", true).0, Step::Malformed { used: 7, lines: 1, reason: "text behind the closing quote of field 1".into() });
    }

    #[test]
    fn bytes_are_counted_over_long_runs() {
        assert_eq!(count(&vec![b'\n'; 1000], b'\n'), 1000);
    }
}
