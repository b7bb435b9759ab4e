//! Plain UTF-8 bytes from packed or otherwise encoded files, as copies in the scratch folder.
//!
//! Everything streams: memory does not grow with the file, and the disk that a small file may unfold
//! to is capped.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Place, Result};

use super::config::{Encoding, Format};
use super::sniff::{self, Packed};

/// The largest size a packed file may unfold to.
const LARGEST: u64 = 64 << 30;
const BUFFER: usize = 1 << 20;

/// How `path` is packed, by its content.
pub fn packed(path: &Path, name: &str) -> Result<Option<Packed>> {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(4).read_to_end(&mut start));
    read.map_err(|error| Error::io("read", Path::new(name), &error))?;
    Ok(Packed::of(&start))
}

/// Unpacks `from` into `to`.
///
/// # Errors
/// A damaged or truncated file, one that unfolds beyond all measure, and what the disk refuses.
pub fn unpack(from: &Path, name: &str, packed: Packed, to: &Path) -> Result<()> {
    unpack_within(from, name, packed, to, LARGEST)
}

fn unpack_within(from: &Path, name: &str, packed: Packed, to: &Path, largest: u64) -> Result<()> {
    let mut reader = reader(from, name, Some(packed))?;
    let mut writer = create(to)?;
    let mut buffer = vec![0; BUFFER];
    let mut size = 0_u64;
    loop {
        let count = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(damaged(name, packed, &error)),
        };
        size += count as u64;
        if size > largest {
            return Err(Error::data(format!("`{name}` unpacks to more than {} GiB", largest >> 30)).hint("unpack it yourself if that is meant"));
        }
        writer.write_all(buffer.get(..count).unwrap_or_default()).map_err(|error| Error::io("write", to, &error))?;
    }
    writer.flush().map_err(|error| Error::io("write", to, &error))
}

/// Copies the whole lines among the first bytes of a text file, unpacked; all of it where it is no longer than that.
///
/// # Errors
/// A damaged file, and what the disk refuses.
pub fn head(from: &Path, name: &str, bytes: u64, encoding: Encoding, to: &Path) -> Result<()> {
    let mut start = Vec::new();
    let packed = packed(from, name)?;
    let failed = |error: io::Error| packed.map_or_else(|| Error::io("read", Path::new(name), &error), |packed| damaged(name, packed, &error));
    reader(from, name, packed)?.take(bytes).read_to_end(&mut start).map_err(failed)?;
    if start.len() as u64 == bytes {
        let is_big_endian = start.starts_with(&[0xfe, 0xff]);
        let feed: &[u8] = match encoding {
            Encoding::Utf8 | Encoding::Latin1 => b"\n",
            Encoding::Utf16 if is_big_endian => b"\0\n",
            Encoding::Utf16 => b"\n\0",
        };
        let end = start.chunks_exact(feed.len()).rposition(|unit| unit == feed).map_or(start.len() / feed.len(), |end| end + 1);
        start.truncate(end * feed.len());
    }
    std::fs::write(to, start).map_err(|error| Error::io("write", to, &error))
}

fn reader(from: &Path, name: &str, packed: Option<Packed>) -> Result<Box<dyn Read>> {
    let file = BufReader::with_capacity(BUFFER, open(from, name)?);
    Ok(match packed {
        None => Box::new(file),
        Some(Packed::Gzip) => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        Some(packed) => Box::new(zstd::stream::read::Decoder::with_buffer(file).map_err(|error| damaged(name, packed, &error))?),
    })
}

fn damaged(name: &str, packed: Packed, error: &io::Error) -> Error {
    let what = if error.kind() == io::ErrorKind::UnexpectedEof { "it ends too early".to_owned() } else { error.to_string() };
    Error::data(format!("`{name}` is a damaged {} file: {what}", packed.name())).hint("fetch or pack it again")
}

/// Rewrites a text file in UTF-8.
///
/// # Errors
/// Bytes that are not of the encoding; failures to read and write.
fn transcode(from: &Path, name: &str, encoding: Encoding, to: &Path) -> Result<()> {
    let mut reader = BufReader::with_capacity(BUFFER, open(from, name)?);
    let mut writer = create(to)?;
    let mut buffer = vec![0; BUFFER];
    let mut utf16 = Utf16::default();
    loop {
        let count = read_full(&mut reader, &mut buffer).map_err(|error| Error::io("read", Path::new(name), &error))?;
        let chunk = buffer.get(..count).unwrap_or_default();
        if chunk.is_empty() {
            break;
        }
        let text: String = match encoding {
            Encoding::Utf8 => String::from_utf8_lossy(chunk).into_owned(),
            Encoding::Latin1 => chunk.iter().map(|byte| latin1(*byte)).collect(),
            Encoding::Utf16 => utf16.decode(chunk).ok_or_else(|| not_utf16(name))?,
        };
        writer.write_all(text.as_bytes()).map_err(|error| Error::io("write", to, &error))?;
    }
    if encoding == Encoding::Utf16 && !utf16.is_done() {
        return Err(not_utf16(name));
    }
    writer.flush().map_err(|error| Error::io("write", to, &error))
}

fn not_utf16(name: &str) -> Error {
    Error::data(format!("`{name}` is not UTF-16")).hint("leave `options.encoding` out, or name the right one")
}

/// The file, or a copy of it, in UTF-8 with line feeds.
pub fn in_utf8(path: &Path, name: &str, format: Format, encoding: Encoding, scratch: &Path, index: usize) -> Result<PathBuf> {
    let mut start = vec![0; 64 << 10];
    let filled = read_full(&mut open(path, name)?, &mut start).map_err(|error| Error::io("read", Path::new(name), &error))?;
    start.truncate(filled);
    if start.is_empty() {
        return Err(Error::data(format!("`{name}` is empty: 0 bytes")).at(&Place::file(name)));
    }
    let mut path = path.to_owned();
    if encoding != Encoding::Utf8 {
        let to = scratch.join(format!("source-{index}-utf8"));
        transcode(&path, name, encoding, &to)?;
        path = to;
    } else if is_utf16(&start) {
        return Err(Error::data(format!("`{name}` is UTF-16 text")).at(&Place::file(name)).hint("say so: `options: {encoding: utf16}`"));
    } else if let Some(seen) = sniff::content(&start).filter(|seen| *seen != format && (*seen != Format::Csv || format != Format::Json)) {
        return Err(sniff::mistaken(name, format, Some(seen)));
    }
    if start.contains(&b'\r') && !start.contains(&b'\n') && !start.contains(&0) {
        let to = scratch.join(format!("source-{index}-lines"));
        line_feeds(&path, name, &to)?;
        path = to;
    }
    Ok(path)
}

/// A byte order mark, or a zero in every other byte.
fn is_utf16(start: &[u8]) -> bool {
    let zeros = |skip: usize| start.iter().skip(skip).step_by(2).take(100).filter(|byte| **byte == 0).count();
    start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) || (start.len() >= 8 && zeros(0).max(zeros(1)) * 5 > start.len().min(200) / 2 * 4)
}

/// Copies a text file with every lone carriage return (the line end of old Macs) as a line feed.
fn line_feeds(from: &Path, name: &str, to: &Path) -> Result<()> {
    let mut reader = open(from, name)?;
    let mut writer = create(to)?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = read_full(&mut reader, &mut buffer).map_err(|error| Error::io("read", Path::new(name), &error))?;
        let Some(chunk) = buffer.get_mut(..count).filter(|chunk| !chunk.is_empty()) else { break };
        for byte in chunk.iter_mut().filter(|byte| **byte == b'\r') {
            *byte = b'\n';
        }
        writer.write_all(chunk).map_err(|error| Error::io("write", to, &error))?;
    }
    writer.flush().map_err(|error| Error::io("write", to, &error))
}

/// Fills the buffer as far as the file goes.
pub fn read_full(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

pub fn open(path: &Path, name: &str) -> Result<File> {
    File::open(path).map_err(|error| Error::io("read", Path::new(name), &error))
}

pub fn create(path: &Path) -> Result<BufWriter<File>> {
    File::create(path).map(|file| BufWriter::with_capacity(BUFFER, file)).map_err(|error| Error::io("write", path, &error))
}

/// Windows-1252, as the WHATWG encoding standard maps the label `latin1`.
fn latin1(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™',
        'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    byte.checked_sub(0x80).and_then(|at| HIGH.get(usize::from(at)).copied()).unwrap_or(char::from(byte))
}

/// UTF-16 that arrives in pieces.
#[derive(Default)]
struct Utf16 {
    big: bool,
    begun: bool,
    /// The first byte of a unit, and the first unit of a pair.
    byte: Option<u8>,
    high: Option<u16>,
}

impl Utf16 {
    fn decode(&mut self, chunk: &[u8]) -> Option<String> {
        let mut units = Vec::with_capacity(chunk.len() / 2 + 2);
        units.extend(self.high.take());
        for byte in chunk {
            let Some(first) = self.byte.take() else {
                self.byte = Some(*byte);
                continue;
            };
            let unit = if self.big { u16::from_be_bytes([first, *byte]) } else { u16::from_le_bytes([first, *byte]) };
            if !std::mem::replace(&mut self.begun, true) && matches!(unit, 0xfeff | 0xfffe) {
                self.big = unit == 0xfffe;
                continue;
            }
            units.push(unit);
        }
        if units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit)) {
            self.high = units.pop();
        }
        String::from_utf16(&units).ok()
    }

    fn is_done(&self) -> bool {
        self.byte.is_none() && self.high.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf16_is_decoded_across_piece_borders_in_either_order() {
        let text = "é😀\n";
        let little: Vec<u8> = [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect();
        for bytes in [little, big] {
            let mut decoder = Utf16::default();
            let decoded: String = bytes.iter().map(|byte| decoder.decode(&[*byte]).unwrap()).collect();
            assert_eq!(decoded, text);
            assert!(decoder.is_done());
        }
    }

    #[test]
    fn the_head_of_a_file_is_whole_lines_in_every_encoding() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("text"), dir.path().join("head"));
        let text = "a,b\n1,ਗ\n".repeat(100);
        let utf16 = |bytes: fn(u16) -> [u8; 2], mark: bool| mark.then_some(0xfeff).into_iter().chain(text.encode_utf16()).flat_map(bytes).collect::<Vec<u8>>();
        let cases = [
            (Encoding::Utf8, text.clone().into_bytes(), 100),
            (Encoding::Utf16, utf16(u16::to_le_bytes, false), 96),
            (Encoding::Utf16, utf16(u16::to_be_bytes, true), 98),
        ];
        for (encoding, bytes, length) in cases {
            std::fs::write(&from, &bytes).unwrap();
            head(&from, "text", 101, encoding, &to).unwrap();
            assert_eq!(std::fs::read(&to).unwrap(), bytes[..length], "{encoding:?}");
        }
    }

    #[test]
    fn latin1_reads_the_bytes_that_windows_added() {
        assert_eq!([0x41, 0xe9, 0x80, 0xff].map(latin1), ['A', 'é', '€', 'ÿ']);
    }

    #[test]
    fn a_packed_file_that_unfolds_too_far_is_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("bomb"), dir.path().join("out"));
        std::fs::write(&from, zstd::encode_all(&vec![b'a'; 3 << 20][..], 1).unwrap()).unwrap();
        let error = unpack_within(&from, "bomb", Packed::Zstd, &to, 1 << 20).unwrap_err();
        assert!(error.to_string().starts_with("`bomb` unpacks to more than"));
        unpack_within(&from, "bomb", Packed::Zstd, &to, 4 << 20).unwrap();
        assert_eq!(to.metadata().unwrap().len(), 3 << 20);
    }
}
