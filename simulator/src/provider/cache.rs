//! Simulates a prefix cache: how much of a prompt's beginning was seen before.

use std::sync::Mutex;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::options::{CacheRule, ProviderOptions};
use super::tokens;
use crate::person::LruMap;

/// The block size of DeepSeek's cache (its guide on context caching: 64 tokens are the storage unit).
const DEEPSEEK_BLOCK_TOKENS: u64 = 64;

/// A cache of the prefixes of answered prompts, in whole blocks.
#[derive(Debug)]
pub(crate) struct PrefixCache {
    block_tokens: u64,
    /// The number of earlier prompts that must contain a block before it counts as cached.
    min_prompts: u8,
    /// The number of prompts that contained each block; the key is the hash of all text up to the block's end.
    blocks: Mutex<LruMap<u64, u8>>,
}

/// The result of looking up a prompt; pass it to [`PrefixCache::insert`] when the prompt is answered.
#[derive(Debug)]
pub(crate) struct Lookup {
    /// The number of cached tokens.
    pub(crate) cached_tokens: u64,
    blocks: Vec<u64>,
}

impl PrefixCache {
    /// The cache that the options describe, if any.
    pub(crate) fn new(options: &ProviderOptions) -> Option<Self> {
        let (block_tokens, min_prompts) = match options.cache {
            CacheRule::None => return None,
            CacheRule::Vllm { block_tokens } => (u64::from(block_tokens), 1),
            CacheRule::DeepSeek => (DEEPSEEK_BLOCK_TOKENS, 2),
        };
        let capacity = usize::try_from(options.cache_tokens / block_tokens).unwrap_or(usize::MAX);
        Some(Self { block_tokens, min_prompts, blocks: Mutex::new(LruMap::new(capacity)) })
    }

    /// How much of the text is cached. The last token never is: a model must process at least one token to answer.
    pub(crate) fn look_up(&self, text: &str) -> Lookup {
        let blocks = self.hashes(text.as_bytes());
        let max_blocks = tokens::tokens(text.len()).saturating_sub(1) / self.block_tokens;
        let mut cache = self.blocks.lock().expect("nothing panics while it holds the cache");
        let mut is_cached = |block: &u64| cache.get(block).is_some_and(|&mut prompts| prompts >= self.min_prompts);
        let cached = blocks.iter().zip(0..max_blocks).take_while(|(block, _)| is_cached(block)).count();
        drop(cache);
        Lookup { cached_tokens: cached as u64 * self.block_tokens, blocks }
    }

    /// Adds an answered prompt to the cache.
    pub(crate) fn insert(&self, lookup: &Lookup) {
        let mut cache = self.blocks.lock().expect("nothing panics while it holds the cache");
        for &block in &lookup.blocks {
            match cache.get(&block) {
                Some(prompts) => *prompts = prompts.saturating_add(1),
                None => cache.insert(block, 1),
            }
        }
    }

    /// The hash of each whole block and all text before it.
    fn hashes(&self, text: &[u8]) -> Vec<u64> {
        let whole_blocks = (1..).map(|count| tokens::bytes(count * self.block_tokens));
        let mut hashes = Vec::new();
        let (mut start, mut before) = (0, 0);
        for end in whole_blocks.take_while(|&end| end <= text.len()) {
            before = xxh3_64_with_seed(&text[start..end], before);
            hashes.push(before);
            start = end;
        }
        hashes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks up and inserts prompts in order, each the concatenation of `(text, copies)`; compares the cached tokens.
    #[track_caller]
    fn check(cache: CacheRule, cache_tokens: u64, prompts: &[(&[(&str, usize)], u64)]) {
        let options = ProviderOptions { cache, cache_tokens, ..ProviderOptions::default() };
        let cache = PrefixCache::new(&options).unwrap();
        for (at, (pieces, expected)) in prompts.iter().enumerate() {
            let text: String = pieces.iter().map(|(text, copies)| text.repeat(*copies)).collect();
            let lookup = cache.look_up(&text);
            assert_eq!(lookup.cached_tokens, *expected, "prompt {at}");
            cache.insert(&lookup);
        }
    }

    // A block of 10 tokens has 46 bytes.
    const VLLM: CacheRule = CacheRule::Vllm { block_tokens: 10 };

    #[test]
    fn vllm_reuses_whole_blocks_seen_in_one_prompt() {
        check(
            VLLM,
            1_000_000,
            &[
                (&[("a", 46 * 3 + 20), ("x", 60)], 0),
                (&[("a", 46 * 3 + 20), ("y", 60)], 30),
                (&[("a", 46 * 3 + 20), ("x", 60)], 40),
                (&[("b", 1), ("a", 46 * 3)], 0),
            ],
        );
    }

    #[test]
    fn vllm_never_caches_the_last_token() {
        check(VLLM, 1_000_000, &[(&[("a", 92)], 0), (&[("a", 92)], 10), (&[("a", 93)], 20)]);
    }

    #[test]
    fn deepseek_reuses_blocks_seen_in_two_prompts() {
        // 1472 bytes are 320 tokens: five blocks.
        let prompt = |end: &'static str| [("a", 1472), (end, 400)];
        check(
            CacheRule::DeepSeek,
            1_000_000,
            &[(&prompt("x"), 0), (&prompt("y"), 0), (&prompt("z"), 320), (&prompt("x"), 320), (&prompt("x"), 384)],
        );
    }

    #[test]
    fn unused_blocks_are_evicted() {
        let others: Vec<String> = (0..40).map(|at| format!("{at:02}")).collect();
        let mut prompts: Vec<[(&str, usize); 1]> = vec![[("a", 93)]];
        prompts.extend(others.iter().map(|other| [(other.as_str(), 40)]));
        prompts.push([("a", 93)]);
        let prompts: Vec<(&[(&str, usize)], u64)> = prompts.iter().map(|prompt| (prompt.as_slice(), 0)).collect();
        check(VLLM, 100, &prompts);
    }
}
