//! Python's `random.Random`: a Mersenne Twister seeded from an integer, and `sample`, which chooses the few-shot examples of a prompt.
//! The algorithm is that of CPython's Lib/random.py, unchanged since 3.2.

use std::collections::HashSet;

use rand_mt::Mt;

/// A generator.
#[derive(Debug, Clone)]
pub struct Random(Mt);

impl Random {
    /// `random.Random(seed)` for a seed of at most 32 bits.
    #[must_use]
    pub fn new(seed: u32) -> Self {
        Self(Mt::new_with_key([seed]))
    }

    /// `_randbelow(n)`: as many bits as `n` has, drawn until they are below it. `n` from 1 up to 2^32 - 1.
    fn below(&mut self, n: u32) -> u32 {
        let bits = u32::BITS - n.leading_zeros();
        loop {
            let drawn = self.0.next_u32() >> (u32::BITS - bits);
            if drawn < n {
                return drawn;
            }
        }
    }

    /// The indices that `sample(population, k)` chooses from a population of `n`, in its order. `None` if `n` is less than `k`.
    pub fn sample(&mut self, n: usize, k: usize) -> Option<Vec<usize>> {
        let size = u32::try_from(n).ok()?;
        let count = u32::try_from(k).ok().filter(|count| *count <= size)?;
        if size <= set_size(count) {
            let mut pool: Vec<usize> = (0..n).collect();
            let mut result = Vec::with_capacity(k);
            for taken in 0..count {
                let left = size - taken;
                let at = usize::try_from(self.below(left)).ok()?;
                result.push(*pool.get(at)?);
                let last = *pool.get(usize::try_from(left - 1).ok()?)?;
                *pool.get_mut(at)? = last;
            }
            return Some(result);
        }
        let mut selected = HashSet::new();
        let mut result = Vec::with_capacity(k);
        while result.len() < k {
            let at = self.below(size);
            if selected.insert(at) {
                result.push(usize::try_from(at).ok()?);
            }
        }
        Some(result)
    }
}

/// Up to this population a list is cheaper than a set: `21 + 4 ** ceil(log(k * 3, 4))`.
fn set_size(k: u32) -> u32 {
    if k <= 5 {
        return 21;
    }
    let mut power: u32 = 1;
    while power < k.saturating_mul(3) {
        power = power.saturating_mul(4);
    }
    power.saturating_add(21)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values: CPython 3.11, `r = random.Random(seed); r.sample(range(n), k)`, each generator used twice.
    #[test]
    fn samples_are_those_of_python() {
        for (seed, n, k, first, second) in CASES {
            let mut random = Random::new(seed);
            assert_eq!(random.sample(n, k).unwrap(), first, "{seed} {n} {k}");
            assert_eq!(random.sample(n, k).unwrap(), second, "{seed} {n} {k}");
        }
        assert_eq!(Random::new(1).sample(3, 4), None);
    }

    /// Seed, population, size of the sample, first sample, second sample.
    type Case = (u32, usize, usize, &'static [usize], &'static [usize]);

    const CASES: [Case; 4] = [
        (1234, 7473, 5, &[6374, 3610, 957, 61, 742], &[7462, 6610, 4769, 286, 5501]),
        (1234, 10, 5, &[7, 1, 0, 9, 4], &[0, 1, 8, 6, 2]),
        (42, 100, 8, &[81, 14, 3, 94, 35, 31, 28, 17], &[94, 13, 86, 69, 11, 75, 54, 4]),
        (
            0,
            60,
            12,
            &[54, 24, 48, 56, 26, 2, 16, 32, 31, 25, 19, 30],
            &[22, 37, 57, 13, 32, 8, 18, 54, 48, 6, 39, 16],
        ),
    ];
}
