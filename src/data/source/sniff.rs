//! What a file is by its content, whatever it is called.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Place};

use super::config::Format;

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packed {
    Gzip,
    Zstd,
}

impl Packed {
    /// What a file's name asks for when it is written.
    #[must_use]
    pub fn of_name(file: &str) -> Option<Self> {
        match Path::new(file).extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "gz" => Some(Self::Gzip),
            "zst" => Some(Self::Zstd),
            _ => None,
        }
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// By the first bytes of a file.
    #[must_use]
    pub fn of(start: &[u8]) -> Option<Self> {
        if start.starts_with(&[0x1f, 0x8b]) {
            Some(Self::Gzip)
        } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Some(Self::Zstd)
        } else {
            None
        }
    }
}

/// The format that a file's content looks like, seen through gzip and zstd; `None` where it looks like none.
#[must_use]
pub fn looks_like(path: &Path) -> Option<Format> {
    content(&start(path, 16 * 1024)?)
}

/// The first bytes of a regular file, unpacked; as many as can be had.
pub fn start(path: &Path, size: u64) -> Option<Vec<u8>> {
    let head = |reader: &mut dyn Read| {
        let mut start = Vec::new();
        let _ = reader.take(size).read_to_end(&mut start);
        start
    };
    if !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let start = head(&mut File::open(path).ok()?);
    Some(match Packed::of(&start) {
        Some(Packed::Gzip) => head(&mut flate2::read::MultiGzDecoder::new(File::open(path).ok()?)),
        Some(Packed::Zstd) => head(&mut zstd::stream::read::Decoder::new(File::open(path).ok()?).ok()?),
        None => start,
    })
}

/// The format that the first bytes of an unpacked file look like.
pub fn content(start: &[u8]) -> Option<Format> {
    if start.starts_with(b"PAR1") {
        return Some(Format::Parquet);
    }
    if start.starts_with(b"ARROW1") {
        return Some(Format::Arrow);
    }
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let binary = text.iter().any(|byte| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r'));
    match text.first() {
        None | Some(b'<') => None,
        _ if binary => None,
        Some(b'{') => Some(Format::Json),
        Some(b'[') if matches!(text.get(1..).map(<[u8]>::trim_ascii_start).and_then(<[u8]>::first), Some(b'{' | b'[')) => Some(Format::Json),
        Some(_) => (text.contains(&b'\n') || text.contains(&b',')).then_some(Format::Csv),
    }
}

/// A file that is not of the format it should have.
pub fn mistaken(name: &str, wanted: Format, seen: Option<Format>) -> Error {
    let error = |what: String| Error::data(format!("`{name}` is not {}{what}", wanted.name())).at(&Place::file(name));
    match seen.filter(|seen| *seen != wanted) {
        Some(seen) => error(format!(": it looks like {}", seen.name())).hint(format!("set `using: {}`, or name the file after its content", seen.name())),
        None => error(String::new()).hint("is it whole?"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn content_tells_the_format() {
        assert_eq!(content(b"PAR1...."), Some(Format::Parquet));
        assert_eq!(content(b"ARROW1\0\0"), Some(Format::Arrow));
        assert_eq!(content(b" {\"a\": 1}\n"), Some(Format::Json));
        assert_eq!(content(b"[{\"a\": 1}]"), Some(Format::Json));
        assert_eq!(content(b"\xef\xbb\xbfa;b\n1;2\n"), Some(Format::Csv));
        assert_eq!(content(b"\x89PNG\r\n\x1a\n\0\0"), None);
        assert_eq!(content(b"<html>\n"), None);
    }

    #[test]
    fn content_is_seen_through_gzip() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let mut file = flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::fast());
        file.write_all(b"a,b\n1,2\n").unwrap();
        file.finish().unwrap();
        assert_eq!(looks_like(&path), Some(Format::Csv));
        assert_eq!(looks_like(dir.path()), None);
    }
}
