//! JSON files that know their own hash: `{"body":…,"seal":"<BLAKE3 of the body's bytes>"}`.
//!
//! The store believes nothing it reads from disk before the seal fits. A file that was torn, flipped
//! or edited reads as [`Read::Damaged`], which is never an error: what it said is computed again.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Digest;
use super::disk::{SMALL_FILE, read_small};
use crate::{Error, Result};

const HEAD: &[u8] = b"{\"body\":";
const MIDDLE: &[u8] = b",\"seal\":\"";
const TAIL: &[u8] = b"\"}\n";
const DIGITS: usize = 64;

/// What a sealed file turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Read<T> {
    Good(T),
    Absent,
    Damaged,
}

impl<T> Read<T> {
    /// Goes on only with a value that fits where it was found.
    pub fn only_if(self, fits: impl FnOnce(&T) -> bool) -> Self {
        match self {
            Self::Good(value) if !fits(&value) => Self::Damaged,
            other => other,
        }
    }

    pub fn good(self) -> Option<T> {
        match self {
            Self::Good(value) => Some(value),
            Self::Absent | Self::Damaged => None,
        }
    }
}

/// The bytes of a sealed file.
pub(super) fn seal<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let body = serde_json::to_vec(value).map_err(|error| Error::bug(format!("a record cannot be written: {error}")))?;
    let digest = Digest::of(&body).to_string();
    let bytes = [HEAD, &body, MIDDLE, digest.as_bytes(), TAIL].concat();
    if bytes.len() as u64 > SMALL_FILE {
        return Err(Error::bug(format!("a record of {} bytes is too large to store", bytes.len())));
    }
    Ok(bytes)
}

/// The body, if the seal fits.
pub(super) fn unseal(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(HEAD)?.strip_suffix(TAIL)?;
    let (rest, digits) = rest.split_at_checked(rest.len().checked_sub(DIGITS)?)?;
    let body = rest.strip_suffix(MIDDLE)?;
    let sealed: Digest = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (Digest::of(body) == sealed).then_some(body)
}

/// Reads a sealed file.
///
/// Fails only where the disk does.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Read<T>> {
    let Some(bytes) = read_small(path)? else { return Ok(Read::Absent) };
    Ok(match unseal(&bytes).map(serde_json::from_slice) {
        Some(Ok(value)) => Read::Good(value),
        _ => Read::Damaged,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn any_flipped_bit_and_any_cut_break_the_seal() {
        let bytes = seal(&json!({"a": [1, 2.5, "x"]})).unwrap();
        assert!(serde_json::from_slice::<Value>(&bytes).is_ok(), "a sealed file is JSON itself");
        assert_eq!(unseal(&bytes), Some(&b"{\"a\":[1,2.5,\"x\"]}"[..]));
        for i in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[i] ^= 1 << bit;
                assert_eq!(unseal(&damaged), None, "bit {bit} of byte {i}");
            }
            assert_eq!(unseal(&bytes[..i]), None);
        }
    }
}
