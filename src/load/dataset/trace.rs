//! Traces of real traffic in the format of Mooncake (<https://github.com/kvcache-ai/Mooncake>): arrival time, input and output
//! length, and block ids of the prompt. Requests whose block ids share a prefix have prompts that share a prefix, so a prefix cache
//! has the same hits in a replay as in the original.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;

use super::{DatasetError, lines};
use crate::load::prompt::{Prompt, RandomPrompts, random_stream};
use crate::load::tokens::TokenizerError;
use crate::model::saturating;

/// Tokens of a block in Mooncake's own traces.
pub const MOONCAKE_BLOCK: u32 = 512;

/// One request of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// Arrival time since the first request.
    pub at: Duration,
    /// Prompt length, tokens.
    pub input: NonZeroU32,
    /// Output length, tokens.
    pub output: NonZeroU32,
    /// Block ids of the prompt. If they cover less than `input`, the rest is unique to the request.
    pub blocks: Vec<u64>,
}

#[derive(Deserialize)]
struct Line {
    /// Milliseconds.
    timestamp: f64,
    input_length: NonZeroU32,
    output_length: NonZeroU32,
    #[serde(default)]
    hash_ids: Vec<u64>,
}

/// The requests of a trace in the order of their arrival.
///
/// # Errors
/// [`DatasetError`] naming the line.
pub fn requests(text: &str) -> Result<Vec<Traced>, DatasetError> {
    let mut found: Vec<(usize, Line)> = lines(text)?;
    if let Some((line, _)) = found.iter().find(|(_, line)| !(0.0..1e14).contains(&line.timestamp)) {
        return Err(DatasetError::Line {
            line: *line,
            problem: "`timestamp` is not a number of milliseconds".to_owned(),
        });
    }
    found.sort_by(|(_, a), (_, b)| a.timestamp.total_cmp(&b.timestamp));
    let Some(start) = found.first().map(|(_, line)| line.timestamp) else {
        return Err(DatasetError::Empty("there is no request in it".to_owned()));
    };
    let traced = found.into_iter().map(|(_, line)| Traced {
        at: Duration::from_secs_f64((line.timestamp - start) / 1e3),
        input: line.input_length,
        output: line.output_length,
        blocks: line.hash_ids,
    });
    Ok(traced.collect())
}

/// XORed with the seed, so that the words of blocks are independent of those of prompts.
const BLOCK_SEED: u64 = 0xb10c;

/// The prompt of request number `index` of a trace.
///
/// # Errors
/// [`TokenizerError`] if the tokenizer fails.
pub fn prompt(words: &RandomPrompts<'_>, traced: &Traced, block: NonZeroU32, index: u64) -> Result<Prompt, TokenizerError> {
    let wanted = saturating::to_usize(traced.input.get());
    let mut ids = Vec::with_capacity(wanted);
    for id in &traced.blocks {
        ids.extend(words.words(block.get(), &mut random_stream(words.seed() ^ BLOCK_SEED, *id)));
        if ids.len() >= wanted {
            break;
        }
    }
    ids.truncate(wanted);
    let mut random = random_stream(words.seed(), index);
    let missing = saturating::to_u32(wanted - ids.len());
    ids.extend(words.words(missing, &mut random));
    words.shape(ids, traced.output.get(), &mut random)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;
    use crate::load::Tokenizer;
    use crate::load::prompt::Form;
    use crate::load::settings::RandomLengths;

    const TRACE: &str = "{\"timestamp\": 27000, \"input_length\": 100, \"output_length\": 5, \"hash_ids\": [1, 2, 3, 4]}\n\
                         {\"timestamp\": 26500, \"input_length\": 70, \"output_length\": 9, \"hash_ids\": [1, 2, 9]}\n\
                         {\"timestamp\": 28000, \"input_length\": 40, \"output_length\": 1}\n";

    #[test]
    fn arrivals_count_from_the_first() {
        let found = requests(TRACE).unwrap();
        let at: Vec<u128> = found.iter().map(|traced| traced.at.as_millis()).collect();
        assert_eq!(at, [0, 500, 1500]);
        assert_eq!((found[0].input.get(), found[0].output.get()), (70, 9));
        for (text, message) in [
            ("{\"timestamp\":-1,\"input_length\":1,\"output_length\":1}", "line 1: `timestamp`"),
            ("{\"timestamp\":1,\"input_length\":0,\"output_length\":1}", "line 1"),
            ("", "no request"),
        ] {
            let error = requests(text).unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn prompts_share_the_blocks_that_their_ids_share() {
        let tokenizer = Tokenizer::from_json(include_bytes!("../../../benchmarks/demo/tokenizer.json")).unwrap();
        let lengths = RandomLengths::exact(NonZeroU32::MIN, NonZeroU32::MIN);
        let words = RandomPrompts::new(&tokenizer, lengths, 5, Form::default()).unwrap();
        let block = NonZeroU32::new(25).unwrap();
        let made: Vec<Vec<u32>> = requests(TRACE)
            .unwrap()
            .iter()
            .zip(0..)
            .map(|(traced, index)| {
                let prompt = prompt(&words, traced, block, index).unwrap();
                assert_eq!(prompt.tokens, traced.input.get());
                tokenizer.encode(&prompt.content.plain_text()).unwrap()
            })
            .collect();
        assert_eq!(made[0][..50], made[1][..50]);
        assert_ne!(made[0][50..70], made[1][50..70]);
        assert_ne!(made[2][..40], made[0][..40]);
    }
}
