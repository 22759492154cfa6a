//! Tests with GGUF files that they write themselves.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use super::*;

const DEMO: &[u8] = include_bytes!("../../../benchmarks/demo/tokenizer.json");

/// Writes the metadata of a GGUF file.
#[derive(Default)]
struct Writer {
    pairs: u64,
    bytes: Vec<u8>,
}

impl Writer {
    fn text(&mut self, text: &str) {
        self.bytes.extend((text.len() as u64).to_le_bytes());
        self.bytes.extend(text.as_bytes());
    }

    fn key(mut self, key: &str, kind: u32) -> Self {
        self.pairs += 1;
        self.text(key);
        self.bytes.extend(kind.to_le_bytes());
        self
    }

    fn with_text(self, key: &str, value: &str) -> Self {
        let mut writer = self.key(key, 8);
        writer.text(value);
        writer
    }

    fn with_number(self, key: &str, value: u32) -> Self {
        let mut writer = self.key(key, 4);
        writer.bytes.extend(value.to_le_bytes());
        writer
    }

    fn array(self, key: &str, kind: u32, length: usize) -> Self {
        let mut writer = self.key(key, 9);
        writer.bytes.extend(kind.to_le_bytes());
        writer.bytes.extend((length as u64).to_le_bytes());
        writer
    }

    fn with_texts(self, key: &str, values: &[String]) -> Self {
        let mut writer = self.array(key, 8, values.len());
        for value in values {
            writer.text(value);
        }
        writer
    }

    fn with_types(self, key: &str, values: &[i32]) -> Self {
        let mut writer = self.array(key, 5, values.len());
        writer.bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        writer
    }

    fn with_scores(self, key: &str, values: &[f32]) -> Self {
        let mut writer = self.array(key, 6, values.len());
        writer.bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        writer
    }

    fn file(self) -> Vec<u8> {
        let mut file = b"GGUF\x03\0\0\0".to_vec();
        file.extend(0_u64.to_le_bytes());
        file.extend(self.pairs.to_le_bytes());
        file.extend(self.bytes);
        file.extend(b"tensors");
        file
    }
}

/// The demo's tokenizer as a converter would write it.
fn demo() -> Writer {
    let document: Value = serde_json::from_slice(DEMO).unwrap();
    let mut tokens = vec![String::new(); 3072];
    for (token, id) in document["model"]["vocab"].as_object().unwrap() {
        tokens[usize::try_from(id.as_u64().unwrap()).unwrap()] = token.clone();
    }
    let mut types = vec![1; tokens.len()];
    for added in document["added_tokens"].as_array().unwrap() {
        let id = usize::try_from(added["id"].as_u64().unwrap()).unwrap();
        tokens[id] = added["content"].as_str().unwrap().to_owned();
        types[id] = 3;
    }
    let merges: Vec<String> = document["model"]["merges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|merge| match merge.as_array() {
            Some(pair) => format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()),
            None => merge.as_str().unwrap().to_owned(),
        })
        .collect();
    Writer::default()
        .with_text("general.architecture", "llama")
        .with_number("llama.block_count", 2)
        .with_text("tokenizer.ggml.model", "gpt2")
        .with_text("tokenizer.ggml.pre", "gpt-2")
        .with_texts("tokenizer.ggml.tokens", &tokens)
        .with_types("tokenizer.ggml.token_type", &types)
        .with_texts("tokenizer.ggml.merges", &merges)
        .with_number("tokenizer.ggml.eos_token_id", 0)
        .with_text("tokenizer.chat_template", "{{ messages[0].content }}")
}

#[test]
fn a_byte_level_tokenizer_encodes_as_its_tokenizer_json() {
    let expected = Tokenizer::from_json(DEMO).unwrap();
    let file = demo().file();
    let found = tokenizer(&file).unwrap();
    for text in ["how many words are there, 1234?", " it's\n\n  twice  ", "<|user|>Übung 漢字", ""] {
        assert_eq!(found.encode(text).unwrap(), expected.encode(text).unwrap(), "{text:?}");
    }
    assert_eq!(found.word_ids().unwrap(), expected.word_ids().unwrap());
    let config = chat_template_config(&file).unwrap();
    assert_eq!(
        (&config["chat_template"], &config["eos_token"], &config["bos_token"]),
        (&json!("{{ messages[0].content }}"), &json!("<|endoftext|>"), &Value::Null)
    );
}

#[test]
fn pieces_are_merged_by_their_scores() {
    let pieces = [
        ("<unk>", 0.0, 2),
        ("\u{2581}", -9.0, 1),
        ("a", -8.0, 1),
        ("b", -7.0, 1),
        ("c", -6.0, 1),
        ("bc", -1.0, 1),
        ("ab", -2.0, 1),
        ("\u{2581}a", -3.0, 1),
        ("<0xC3>", -20.0, 6),
        ("<0xA9>", -20.0, 6),
    ];
    let file = Writer::default()
        .with_text("tokenizer.ggml.model", "llama")
        .with_texts("tokenizer.ggml.tokens", &pieces.map(|(piece, _, _)| piece.to_owned()))
        .with_scores("tokenizer.ggml.scores", &pieces.map(|(_, score, _)| score))
        .with_types("tokenizer.ggml.token_type", &pieces.map(|(_, _, kind)| kind))
        .file();
    let tokenizer = tokenizer(&file).unwrap();
    // `bc` has a better score than `ab`, so ` abc` is `▁a`, `bc`. Characters outside the vocabulary become byte tokens.
    assert_eq!(tokenizer.encode("abc").unwrap(), [7, 5]);
    assert_eq!(tokenizer.encode("ab\u{e9}").unwrap(), [1, 6, 8, 9]);
    assert_eq!(tokenizer.decode(&[7, 5]).unwrap(), "abc");
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let file = demo().file();
    for (bytes, message) in [
        (b"{}".to_vec(), "its metadata ends too early"),
        (b"{\"version\":1}".to_vec(), "does not start with `GGUF`"),
        ([b"GGUF\x01\0\0\0".as_slice(), &file[8..]].concat(), "version 1, expected 2 or 3"),
        (file[..file.len() / 2].to_vec(), "its metadata ends too early"),
        (
            Writer::default().with_text("tokenizer.ggml.model", "bert").file(),
            "it has no `tokenizer.ggml.tokens`",
        ),
        (
            Writer::default()
                .with_text("tokenizer.ggml.model", "bert")
                .with_texts("tokenizer.ggml.tokens", &["a".to_owned()])
                .file(),
            "its tokenizer is \"bert\", expected gpt2 or llama",
        ),
        (
            Writer::default()
                .with_text("tokenizer.ggml.model", "gpt2")
                .with_text("tokenizer.ggml.pre", "tekken")
                .with_texts("tokenizer.ggml.tokens", &["a".to_owned()])
                .file(),
            "its words are cut as \"tekken\"",
        ),
    ] {
        let error = tokenizer(&bytes).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn lengths_that_lie_cost_nothing() {
    let mut file = Writer::default().array("x", 8, usize::MAX >> 1).file();
    assert!(tokenizer(&file).is_err());
    // Nested arrays, each with a false length.
    file = Writer::default().array("x", 9, 1 << 40).file();
    for _ in 0..10 {
        file.extend(9_u32.to_le_bytes());
        file.extend((1_u64 << 40).to_le_bytes());
    }
    assert!(tokenizer(&file).is_err());
}
