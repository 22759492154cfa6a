//! The tokenizer inside a GGUF file (<https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>): its vocabulary and merges are
//! converted to a `tokenizer.json`.

mod metadata;

use serde_json::{Map, Value, json};

pub use metadata::GgufError;
use metadata::Metadata;

use super::tokens::{Tokenizer, TokenizerError};

/// Bytes at the start of a file that must contain its metadata. The largest vocabularies take some ten megabytes.
pub const METADATA_LIMIT: u64 = 256 << 20;

/// Types of tokens in `tokenizer.ggml.token_type`.
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

/// The word boundary of SentencePiece.
const BLANK: &str = "\u{2581}";

/// Reads the tokenizer from the start of a file.
///
/// # Errors
/// [`TokenizerError::Gguf`] if the bytes are not such a file, or its tokenizer is of a kind that is not supported.
pub fn tokenizer(bytes: &[u8]) -> Result<Tokenizer, TokenizerError> {
    let metadata = Metadata::read(bytes)?;
    let document = document(&metadata)?;
    Tokenizer::from_json(document.to_string().as_bytes())
}

/// The chat template of the file and its start and end tokens, with the keys of a `tokenizer_config.json`.
///
/// # Errors
/// [`TokenizerError::Gguf`] if the bytes are not such a file.
pub fn chat_template_config(bytes: &[u8]) -> Result<Value, TokenizerError> {
    let metadata = Metadata::read(bytes)?;
    let tokens = metadata.texts("tokenizer.ggml.tokens").unwrap_or_default();
    Ok(json!({
        "chat_template": metadata.text("tokenizer.chat_template"),
        "bos_token": special_token(&metadata, &tokens, "tokenizer.ggml.bos_token_id"),
        "eos_token": special_token(&metadata, &tokens, "tokenizer.ggml.eos_token_id"),
    }))
}

/// The token whose id is under a key.
fn special_token<'a>(metadata: &Metadata<'_>, tokens: &[&'a str], key: &str) -> Option<&'a str> {
    let id = usize::try_from(metadata.integer(key)?).ok()?;
    tokens.get(id).copied()
}

fn document(metadata: &Metadata<'_>) -> Result<Value, GgufError> {
    let tokens = metadata
        .texts("tokenizer.ggml.tokens")
        .ok_or_else(|| GgufError("it has no `tokenizer.ggml.tokens`".to_owned()))?;
    let types = metadata.integers("tokenizer.ggml.token_type").unwrap_or_default();
    let parts = match metadata.text("tokenizer.ggml.model") {
        Some("gpt2") => byte_level(metadata, &tokens)?,
        Some("llama") => sentence_piece(metadata, &tokens, &types),
        other => {
            return Err(GgufError(format!(
                "its tokenizer is {:?}, expected gpt2 or llama; set --tokenizer to a tokenizer.json",
                other.unwrap_or("absent")
            )));
        }
    };
    Ok(json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added_tokens(&tokens, &types),
        "normalizer": parts.normalizer,
        "pre_tokenizer": parts.pre_tokenizer,
        "post_processor": null,
        "decoder": parts.decoder,
        "model": parts.model,
    }))
}

struct Parts {
    normalizer: Value,
    pre_tokenizer: Value,
    decoder: Value,
    model: Value,
}

/// Tokens that are matched in a text before it is split into words.
fn added_tokens(tokens: &[&str], types: &[i64]) -> Vec<Value> {
    let added = tokens
        .iter()
        .zip(types)
        .enumerate()
        .filter(|(_, (_, kind))| matches!(**kind, UNKNOWN | CONTROL | USER_DEFINED));
    added
        .map(|(id, (content, kind))| {
            json!({
                "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
                "special": *kind != USER_DEFINED,
            })
        })
        .collect()
}

fn vocabulary(tokens: &[&str]) -> Map<String, Value> {
    tokens
        .iter()
        .enumerate()
        .map(|(id, token)| ((*token).to_owned(), json!(id)))
        .collect()
}

/// The pre-tokenizer of GPT-2, which splits contractions, words, numbers and punctuation. It is built into the tokenizers library.
fn gpt2_words() -> Value {
    json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true })
}

/// A pre-tokenizer that splits by a regular expression of the model.
fn words_by(pattern: &str) -> Value {
    json!({ "type": "Sequence", "pretokenizers": [
        { "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false },
        { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false },
    ] })
}

/// A pre-tokenizer that splits numbers into digits, then as GPT-2.
fn single_digits() -> Value {
    json!({ "type": "Sequence", "pretokenizers": [{ "type": "Digits", "individual_digits": true }, gpt2_words()] })
}

/// Regular expression of Llama 3, from the `tokenizer.json` of the model. It splits numbers into groups of up to three digits.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Regular expression of Qwen 2: as that of Llama 3, but with single digits.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The pre-tokenizer for a name in `tokenizer.ggml.pre`.
fn pre_tokenizer(name: &str) -> Option<Value> {
    Some(match name {
        "default" | "gpt-2" | "gpt2" | "phi-2" | "olmo" | "mpt" => gpt2_words(),
        "llama-bpe" | "llama3" | "llama-v3" => words_by(LLAMA3),
        "qwen2" | "deepseek-r1-qwen" => words_by(QWEN2),
        "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" => single_digits(),
        _ => return None,
    })
}

fn byte_level(metadata: &Metadata<'_>, tokens: &[&str]) -> Result<Parts, GgufError> {
    let name = metadata.text("tokenizer.ggml.pre").unwrap_or("default");
    let pre_tokenizer = pre_tokenizer(name).ok_or_else(|| {
        GgufError(format!(
            "its words are cut as {name:?} has them, which is not supported; set --tokenizer to a tokenizer.json"
        ))
    })?;
    let merges = metadata
        .texts("tokenizer.ggml.merges")
        .ok_or_else(|| GgufError("it has no `tokenizer.ggml.merges`".to_owned()))?;
    Ok(Parts {
        normalizer: Value::Null,
        pre_tokenizer,
        decoder: json!({ "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true }),
        model: json!({
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "fuse_unk": false, "byte_fallback": false,
            // Llama 3 encodes a word that is in the vocabulary as one token, without merges.
            "ignore_merges": matches!(name, "llama-bpe" | "llama3" | "llama-v3"),
            "vocab": vocabulary(tokens), "merges": merges,
        }),
    })
}

/// A SentencePiece vocabulary as BPE: two pieces are merged if the result is a piece, the one with the best score first.
fn sentence_piece(metadata: &Metadata<'_>, tokens: &[&str], types: &[i64]) -> Parts {
    let scores = metadata.floats("tokenizer.ggml.scores").unwrap_or_default();
    let has_leading_blank = metadata.boolean("tokenizer.ggml.add_space_prefix").unwrap_or(true);
    let unknown = tokens
        .iter()
        .zip(types)
        .find(|(_, kind)| **kind == UNKNOWN)
        .map(|(token, _)| *token);
    let replace = json!({ "type": "Replace", "pattern": { "String": " " }, "content": BLANK });
    let mut normalizers = vec![replace];
    let mut decoders = vec![
        json!({ "type": "Replace", "pattern": { "String": BLANK }, "content": " " }),
        json!({ "type": "ByteFallback" }),
        json!({ "type": "Fuse" }),
    ];
    if has_leading_blank {
        normalizers.insert(0, json!({ "type": "Prepend", "prepend": BLANK }));
        decoders.push(json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }));
    }
    Parts {
        normalizer: json!({ "type": "Sequence", "normalizers": normalizers }),
        pre_tokenizer: Value::Null,
        decoder: json!({ "type": "Sequence", "decoders": decoders }),
        model: json!({
            "type": "BPE", "dropout": null, "unk_token": unknown, "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
            "vocab": vocabulary(tokens), "merges": merges_by_score(tokens, &scores),
        }),
    }
}

fn merges_by_score(tokens: &[&str], scores: &[f64]) -> Vec<[String; 2]> {
    let known: std::collections::HashSet<&str> = tokens.iter().copied().collect();
    let mut merges = Vec::new();
    for (token, score) in tokens.iter().zip(scores) {
        let cuts = token.char_indices().skip(1).map(|(at, _)| token.split_at(at));
        let pairs = cuts.filter(|(left, right)| known.contains(left) && known.contains(right));
        merges.extend(pairs.map(|(left, right)| (*score, [left.to_owned(), right.to_owned()])));
    }
    // The sort is stable: pairs of one piece, which have the same score, keep their order.
    merges.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    merges.into_iter().map(|(_, pair)| pair).collect()
}

#[cfg(test)]
mod tests;
