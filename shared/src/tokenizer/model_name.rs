//! Says by a model's name which published tokenizer it has.

use super::Tokenizer;

/// Families of models with their tokenizers (`tiktoken/model.py` of OpenAI's tiktoken 0.14). Longer names go before those with
/// which they begin.
const FAMILIES: [(&str, Tokenizer); 24] = [
    ("gpt-3.5-turbo", Tokenizer::Cl100k),
    // Azure's name of it.
    ("gpt-35-turbo", Tokenizer::Cl100k),
    ("gpt-4o", Tokenizer::O200k),
    ("chatgpt-4o", Tokenizer::O200k),
    ("gpt-4.1", Tokenizer::O200k),
    ("gpt-4.5", Tokenizer::O200k),
    ("gpt-4", Tokenizer::Cl100k),
    ("gpt-5.1", Tokenizer::O200k),
    ("gpt-5.2", Tokenizer::O200k),
    ("gpt-5.3", Tokenizer::O200k),
    ("gpt-5.4", Tokenizer::O200k),
    ("gpt-5.5", Tokenizer::O200k),
    ("gpt-5.6", Tokenizer::O200k),
    ("gpt-5", Tokenizer::O200k),
    ("gpt-oss-20b", Tokenizer::O200k),
    ("gpt-oss-120b", Tokenizer::O200k),
    ("o1", Tokenizer::O200k),
    ("o3", Tokenizer::O200k),
    ("o4-mini", Tokenizer::O200k),
    ("davinci-002", Tokenizer::Cl100k),
    ("babbage-002", Tokenizer::Cl100k),
    ("text-embedding-ada-002", Tokenizer::Cl100k),
    ("text-embedding-3-small", Tokenizer::Cl100k),
    ("text-embedding-3-large", Tokenizer::Cl100k),
];

/// Words with which OpenAI continues the name of a family, between hyphens. Numbers, of which dates consist, may follow too.
const CONTINUATIONS: [&str; 16] = [
    "16k", "32k", "chat", "codex", "instruct", "latest", "luna", "max", "mini", "nano", "preview", "pro", "search",
    "sol", "terra", "turbo",
];

/// Where routers put the vendor's name before a model's.
const VENDORS: [&str; 3] = ["openai/", "openrouter/openai/", "azure/"];

/// How OpenRouter marks a model that others serve at no cost.
const FREE: &str = ":free";

/// The tokenizer of a model of that name.
pub(super) fn tokenizer(name: &str) -> Option<Tokenizer> {
    let name = name.trim().to_ascii_lowercase();
    let of_vendor = VENDORS.iter().find_map(|vendor| name.strip_prefix(vendor)).unwrap_or(&name);
    let of_vendor = of_vendor.strip_suffix(FREE).unwrap_or(of_vendor);
    let model = match of_vendor.strip_prefix("ft:") {
        Some(tuned) => tuned.split(':').next()?,
        None => of_vendor,
    };
    let is_of = |family: &str| model.strip_prefix(family).is_some_and(is_continuation);
    FAMILIES.iter().find(|(family, _)| is_of(family)).map(|(_, tokenizer)| *tokenizer)
}

/// Whether this may follow the name of a family: nothing, or words that are known, each after a hyphen.
fn is_continuation(rest: &str) -> bool {
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    rest.is_empty()
        || rest
            .strip_prefix('-')
            .is_some_and(|words| words.split('-').all(|word| is_number(word) || CONTINUATIONS.contains(&word)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Tokenizer::{Cl100k, O200k};

    fn check(names: &[&str], expected: Option<Tokenizer>) {
        for name in names {
            assert_eq!(tokenizer(name), expected, "{name}");
        }
    }

    #[test]
    fn openais_models_are_known_with_dates_variants_and_routers() {
        let old =
            ["gpt-3.5-turbo", "gpt-3.5-turbo-0125", "gpt-3.5-turbo-16k-0613", "gpt-35-turbo", "gpt-4", "gpt-4-0613"];
        check(&old, Some(Cl100k));
        let turbo = ["gpt-4-32k", "gpt-4-turbo", "gpt-4-turbo-2024-04-09", "gpt-4-1106-preview", "openai/gpt-4-turbo"];
        check(&turbo, Some(Cl100k));
        let four =
            ["gpt-4o", "gpt-4o-2024-11-20", "gpt-4o-mini", "openai/gpt-4o-mini-2024-07-18", "GPT-4o", "gpt-4.1-nano"];
        check(&four, Some(O200k));
        let later = [
            "gpt-5",
            "gpt-5-mini-2025-08-07",
            "gpt-5-chat-latest",
            "gpt-5.4-mini",
            "gpt-5.6-luna",
            "chatgpt-4o-latest",
        ];
        check(&later, Some(O200k));
        let reasoning =
            ["o1", "o1-preview", "o1-mini", "o3", "o3-mini-2025-01-31", "o4-mini", "openrouter/openai/o3-pro"];
        check(&reasoning, Some(O200k));
        check(&["gpt-oss-20b", "openai/gpt-oss-120b", "openai/gpt-oss-20b:free"], Some(O200k));
        check(&["ft:gpt-4o-mini-2024-07-18:me::9abc", "azure/gpt-4o"], Some(O200k));
        check(&["text-embedding-3-small", "openai/text-embedding-ada-002"], Some(Cl100k));
    }

    #[test]
    fn other_models_are_unknown_however_their_names_look() {
        let others =
            ["deepseek-chat", "Qwen/Qwen2.5-7B-Instruct", "meta-llama/Llama-3.1-8B-Instruct", "claude-opus-4-8"];
        check(&others, None);
        let close =
            ["gpt-4-alpaca-13b", "gpt-4o-distilled", "gpt-4all", "gpt-5x", "gpt-6", "gpt-4.2", "o10", "o3de", "o4"];
        check(&close, None);
        let elsewhere =
            ["EleutherAI/gpt-4o", "mygpt-4", "gpt-4o-", "gpt-4--mini", "gpt-oss", "gpt-oss:20b", "", "-", "ft:", "m"];
        check(&elsewhere, None);
        check(&["openai/gpt-4o (simulated)", "gpt-4o\0", "gpt-4o mini"], None);
    }
}
