//! The prefix cache: blocks of prompts whose KV cache is still in memory, so that a prompt with a known prefix is not read again.
//! A block is identified by a hash over everything up to its end, as in real engines; eviction is least recently used.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash as _, Hasher as _};

use serde_json::Value;

use crate::model::saturating;

/// Tokens in a block, as in vLLM.
pub const BLOCK: u32 = 16;

/// The hashes of a prompt's complete blocks. Token ids and words count as tokens; texts of a conversation are concatenated.
#[must_use]
pub fn blocks(prompts: &[Value]) -> Vec<u64> {
    let mut hasher = DefaultHasher::new();
    let mut tokens = 0_u32;
    let mut found = Vec::new();
    let mut end_token = |hasher: &mut DefaultHasher| {
        tokens += 1;
        if tokens.is_multiple_of(BLOCK) {
            found.push(hasher.finish());
        }
    };
    for prompt in prompts {
        hash(prompt, &mut hasher, &mut end_token);
    }
    found
}

fn hash(prompt: &Value, hasher: &mut DefaultHasher, take: &mut impl FnMut(&mut DefaultHasher)) {
    match prompt {
        Value::String(text) => {
            for word in text.split_whitespace() {
                word.hash(hasher);
                take(hasher);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| hash(item, hasher, take)),
        Value::Number(id) => {
            id.hash(hasher);
            take(hasher);
        }
        Value::Object(part) => {
            if let Some(text) = part.get("text") {
                hash(text, hasher, take);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

#[derive(Debug, Default)]
pub struct PrefixCache {
    used: HashMap<u64, u64>,
    by_use: BTreeMap<u64, u64>,
    clock: u64,
    /// Prompt tokens that did not have to be read.
    pub hits: u64,
}

impl PrefixCache {
    /// The number of cached tokens at the start of a prompt of `prompt` tokens. The last token is always read, because its result
    /// is the first token of the response.
    pub fn find(&mut self, blocks: &[u64], prompt: u32) -> u32 {
        let present = blocks.iter().take_while(|block| self.used.contains_key(block)).count();
        let tokens = saturating::to_u32(present).saturating_mul(BLOCK);
        let tokens = tokens.min(prompt.saturating_sub(1));
        self.hits += u64::from(tokens);
        tokens
    }

    /// Marks blocks as just used.
    pub fn touch(&mut self, blocks: &[u64]) {
        for block in blocks {
            self.clock += 1;
            if let Some(before) = self.used.insert(*block, self.clock) {
                self.by_use.remove(&before);
            }
            self.by_use.insert(self.clock, *block);
        }
    }

    /// Evicts blocks until they take at most that many tokens of memory.
    pub fn shrink_to(&mut self, tokens: u64) {
        let most = saturating::to_usize(tokens / u64::from(BLOCK));
        while self.used.len() > most {
            let Some((_, block)) = self.by_use.pop_first() else { return };
            self.used.remove(&block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn words(first: &str, count: usize) -> Vec<Value> {
        vec![json!(format!("{first} {}", vec!["w"; count - 1].join(" ")))]
    }

    #[test]
    fn blocks_hash_everything_up_to_their_end() {
        let (a, b) = (blocks(&words("a", 40)), blocks(&words("a", 70)));
        assert_eq!((a.len(), b.len()), (2, 4));
        assert_eq!(a[..], b[..2]);
        assert_ne!(blocks(&words("b", 40)), a);
        let ids: Vec<u32> = (0..32).collect();
        assert_eq!(blocks(&[json!(ids)]).len(), 2);
    }

    #[test]
    fn known_prefix_is_found_and_the_last_token_is_read() {
        let mut cache = PrefixCache::default();
        let known = blocks(&words("a", 64));
        assert_eq!(cache.find(&known, 64), 0);
        cache.touch(&known);
        assert_eq!(cache.find(&known, 64), 63);
        assert_eq!(cache.find(&blocks(&words("a", 40)), 40), 32);
        assert_eq!(cache.hits, 95);
    }

    #[test]
    fn least_recently_used_block_is_evicted_first() {
        let mut cache = PrefixCache::default();
        let (old, new) = (blocks(&words("old", 32)), blocks(&words("new", 32)));
        cache.touch(&old);
        cache.touch(&new);
        cache.touch(&old);
        cache.shrink_to(u64::from(2 * BLOCK));
        assert_eq!((cache.find(&old, 32), cache.find(&new, 32)), (31, 0));
    }
}
