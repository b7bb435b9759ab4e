//! Draws that depend on a seed alone: `SplitMix64` of Steele, Lea and Flood (2014).

/// A stream of draws.
#[derive(Clone, Debug)]
pub struct Draw(u64);

const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Scatters the bits of a number.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The upper bits of a number as one in 0..1.
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

impl Draw {
    /// One stream of many that a seed has.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self(mix(seed ^ mix(stream.wrapping_add(STEP))))
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// In 0..1, without 1.
    pub fn unit(&mut self) -> f64 {
        unit(self.bits())
    }

    /// One of `0..count`, each as likely (to within 2⁻³²).
    pub fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.bits()) * count as u128) >> 64) as usize
    }

    /// The draw in 0..1 of an item, whatever was drawn before.
    pub fn of(&self, item: u64) -> f64 {
        unit(mix(self.0 ^ mix(item.wrapping_mul(STEP))))
    }

    /// `count` of the items, in their order.
    pub fn some<T: Copy + Ord>(&mut self, items: &[T], count: usize) -> Vec<T> {
        let mut items = items.to_vec();
        for i in 0..count.min(items.len()) {
            let other = i + self.below(items.len() - i);
            items.swap(i, other);
        }
        items.truncate(count);
        items.sort_unstable();
        items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_even_and_repeat() {
        let mut draw = Draw::new(1, 2);
        let mut counts = [0_u32; 5];
        (0..10_000).for_each(|_| counts[draw.below(5)] += 1);
        assert!(counts.iter().all(|count| (1850..2150).contains(count)), "{counts:?}");
        let mean = (0..10_000).map(|i| draw.of(i)).sum::<f64>() / 1e4;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        assert_eq!(Draw::new(1, 2).some(&[1, 2, 3, 4, 5], 3), Draw::new(1, 2).some(&[1, 2, 3, 4, 5], 3));
        assert_eq!(draw.some(&[1, 2], 5), [1, 2]);
    }
}
