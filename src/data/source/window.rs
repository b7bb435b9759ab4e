//! A text file in stretches: a window that moves on, and its cuts into runs of whole lines.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::Path;

use crate::error::{Error, Result};

use super::records::{LONGEST, count};
use super::unpack::read_full;

// Small in tests, so that files of a few rows cross every border.
const BLOCK: usize = if cfg!(test) { 128 << 10 } else { 8 << 20 };
const PIECE: usize = if cfg!(test) { 16 << 10 } else { 1 << 20 };

/// Whole records.
pub struct Piece {
    pub start: usize,
    pub end: usize,
    /// Lines above it, in the data at hand.
    pub above: u64,
}

/// Cuts data that begins with a record into runs of whole records, as far as quotes can be counted.
pub fn pieces(data: &[u8], quote: Option<u8>, ended: bool) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let (mut start, mut above) = (0, 0);
    while start < data.len() {
        let near = (start + PIECE).min(data.len());
        let begun = data.get(start..near).unwrap_or_default();
        let mut open = quote.is_some_and(|quote| count(begun, quote) % 2 == 1);
        let mut ends_line = |byte: &u8| {
            open ^= Some(*byte) == quote;
            *byte == b'\n' && !open
        };
        let end = match data.get(near..).unwrap_or_default().iter().position(&mut ends_line) {
            Some(at) => near + at + 1,
            None if ended => data.len(),
            // The last piece ends with the last whole line in it.
            None => {
                let mut open = false;
                let mut last = 0;
                for (at, byte) in begun.iter().enumerate() {
                    open ^= Some(*byte) == quote;
                    if *byte == b'\n' && !open {
                        last = at + 1;
                    }
                }
                start + last
            }
        };
        if end == start {
            break;
        }
        pieces.push(Piece { start, end, above });
        above += count(data.get(start..end).unwrap_or_default(), b'\n');
        start = end;
    }
    pieces
}

/// A stretch of a file that moves on, never larger than a record and a block.
pub struct Window<'a> {
    file: File,
    name: &'a str,
    buffer: Vec<u8>,
    at: usize,
    /// Where `buffer` begins in the file.
    offset: u64,
    /// The line of the first byte of `data`, from 1.
    pub line: u64,
    /// Nothing follows `data`.
    pub ended: bool,
}

impl<'a> Window<'a> {
    pub fn new(file: File, name: &'a str) -> Self {
        Self { file, name, buffer: Vec::new(), at: 0, offset: 0, line: 1, ended: false }
    }

    pub fn data(&self) -> &[u8] {
        self.buffer.get(self.at..).unwrap_or_default()
    }

    pub fn used(&mut self, bytes: usize, lines: u64) {
        self.at += bytes;
        self.line += lines;
    }

    /// Drops what was used and reads another block.
    pub fn fill(&mut self) -> Result<()> {
        if self.ended {
            return Ok(());
        }
        self.buffer.drain(..self.at);
        self.offset += self.at as u64;
        self.at = 0;
        let kept = self.buffer.len();
        // Of a small file only what it needs, and a byte to see that it ends there.
        let left = self.file.metadata().ok().filter(std::fs::Metadata::is_file).map(|file| file.len().saturating_sub(self.offset + kept as u64) + 1);
        let block = left.map_or(BLOCK, |left| left.min(BLOCK as u64) as usize);
        self.buffer.resize(kept + block, 0);
        let room = self.buffer.get_mut(kept..).unwrap_or_default();
        let filled = read_full(&mut self.file, room).map_err(|error| Error::io("read", Path::new(self.name), &error))?;
        self.buffer.truncate(kept + filled);
        self.ended = filled < block;
        Ok(())
    }

    /// Moves behind the line; false where it is too long for one.
    pub fn skip_line(&mut self) -> Result<bool> {
        loop {
            match self.data().iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    self.used(end + 1, 1);
                    return Ok(true);
                }
                None if self.ended => {
                    self.used(self.data().len(), 0);
                    return Ok(true);
                }
                None if self.data().len() >= LONGEST => return Ok(false),
                None => self.fill()?,
            }
        }
    }

    pub fn position(&self) -> (u64, u64) {
        (self.offset + self.at as u64, self.line)
    }

    pub fn seek(&mut self, (offset, line): (u64, u64)) -> Result<()> {
        self.file.seek(SeekFrom::Start(offset)).map_err(|error| Error::io("read", Path::new(self.name), &error))?;
        self.buffer.clear();
        (self.at, self.offset, self.line, self.ended) = (0, offset, line, false);
        Ok(())
    }
}
