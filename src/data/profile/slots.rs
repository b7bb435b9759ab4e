//! Counts by hash, looked up some hundred million times in a large table.

use crate::data::canonical::MISSING;

/// Slots for each hash, at least: most hashes lie where they are looked for first.
const SPARE: usize = 4;

/// A table of open addressing, which [`MISSING`] must not be given to: it marks empty slots.
#[derive(Default)]
pub(super) struct Slots {
    /// Hash and count, [`MISSING`] and none of an empty slot: 16 bytes each, so that some thousand stay in a processor's cache. A power of two of them.
    slots: Vec<(u64, u64)>,
    len: usize,
}

impl Slots {
    /// How many hashes are counted.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The slot of a hash, or the empty one that it belongs in.
    #[inline]
    fn slot(&self, hash: u64) -> usize {
        let last = self.slots.len().wrapping_sub(1);
        let mut slot = hash as usize & last;
        while let Some((other, count)) = self.slots.get(slot)
            && *other != hash
            && *count > 0
        {
            slot = (slot + 1) & last;
        }
        slot
    }

    /// The count of a hash; zero where it is not there.
    pub(super) fn count(&self, hash: u64) -> u64 {
        self.slots.get(self.slot(hash)).map_or(0, |(_, count)| *count)
    }

    /// Adds to the count of a hash, if it is there.
    #[inline]
    pub(super) fn add(&mut self, hash: u64, more: u64) -> bool {
        let slot = self.slot(hash);
        let found = self.slots.get_mut(slot).filter(|(other, _)| *other == hash);
        found.map(|(_, count)| *count += more).is_some()
    }

    /// Takes in a hash that is not there, with a count above zero.
    pub(super) fn insert(&mut self, hash: u64, count: u64) {
        if SPARE * (self.len + 1) > self.slots.len() {
            let slots = (2 * self.slots.len()).max(8 * SPARE);
            let before = std::mem::replace(self, Self { slots: vec![(MISSING, 0); slots], len: 0 });
            before.iter().for_each(|(hash, count)| self.set(hash, count));
        }
        self.set(hash, count);
    }

    /// The hashes with their counts, in no order that means anything.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.slots.iter().copied().filter(|(_, count)| *count > 0)
    }

    fn set(&mut self, hash: u64, count: u64) {
        let slot = self.slot(hash);
        self.slots[slot] = (hash, count);
        self.len += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn slots_count_as_a_map_does_even_where_hashes_collide() {
        let mut slots = Slots::default();
        let mut map = BTreeMap::new();
        // Many share their last bits, and so the slot where they are looked for first.
        for hash in (0..40_000u64).map(|i| (i * i % 1009) << (i % 3 * 20)) {
            if !slots.add(hash, 1) {
                slots.insert(hash, 1);
            }
            *map.entry(hash).or_insert(0u64) += 1;
        }
        assert_eq!((slots.len(), slots.iter().collect::<BTreeMap<_, _>>()), (map.len(), map.clone()));
        assert!(!slots.add(u64::MAX, 1) && slots.count(u64::MAX) == 0);
        assert!(map.iter().all(|(hash, count)| slots.count(*hash) == *count));
    }
}
