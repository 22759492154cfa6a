//! Recorded sessions whose prompts are given by block ids and lengths only, without text. This is the format of kv-cache-tester's
//! traces (<https://github.com/callanjfox/kv-cache-tester>), which the AgentX scenario uses. A block id stands for the same random
//! words wherever it occurs in its session, so a prefix cache has the same hits as in the original.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::ChaCha8Rng;
use serde::Deserialize;

use super::recorded::LONGEST_PAUSE;
use crate::load::dialogue::{Turn, WholePrompt, Words};
use crate::load::prompt::{RandomPrompts, random_stream};
use crate::load::tokens::TokenizerError;
use crate::model::saturating;

/// A session of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockSession {
    block: NonZeroU32,
    scope: Scope,
    requests: Vec<BlockRequest>,
}

impl BlockSession {
    /// Number of requests.
    #[must_use]
    pub fn turns(&self) -> usize {
        self.requests.len()
    }
}

/// Where a block id stands for the same words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Within its session.
    #[default]
    Local,
    /// In all sessions.
    Global,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct BlockRequest {
    input: NonZeroU32,
    output: u32,
    blocks: Vec<u64>,
    pause: Duration,
}

/// An element of `requests`: a request, or a sub-agent with requests of its own.
#[derive(Deserialize)]
pub struct Entry {
    /// Start of the request, seconds since the start of the session or sub-agent.
    t: f64,
    #[serde(rename = "in")]
    input: Option<u32>,
    #[serde(rename = "out")]
    output: Option<u32>,
    #[serde(default)]
    hash_ids: Vec<u64>,
    /// Time from the request to the end of its answer, seconds.
    api_time: Option<f64>,
    requests: Option<Vec<Entry>>,
}

/// The requests of a session in order. The requests of a sub-agent are inserted at its position, one after the other.
///
/// # Errors
/// A message with the position of the invalid entry.
pub fn session(entries: Vec<Entry>, block: Option<NonZeroU32>, scope: Scope) -> Result<BlockSession, String> {
    let block = block.ok_or("`block_size` is missing: how many tokens does an id of `hash_ids` stand for?")?;
    let mut requests = Vec::new();
    take(entries, "requests", &mut requests)?;
    if requests.is_empty() {
        return Err("`requests` has no request".to_owned());
    }
    Ok(BlockSession { block, scope, requests })
}

fn take(entries: Vec<Entry>, place: &str, into: &mut Vec<BlockRequest>) -> Result<(), String> {
    // End of the previous answer on the clock of this list, seconds; unknown for the first entry and after a sub-agent.
    let mut ended: Option<f64> = None;
    for (entry, number) in entries.into_iter().zip(1_usize..) {
        let place = format!("{place}[{number}]");
        let times = 0.0..1e10;
        if !times.contains(&entry.t) || !entry.api_time.is_none_or(|seconds| times.contains(&seconds)) {
            return Err(format!("{place}: `t` or `api_time` is not a number of seconds"));
        }
        if let Some(inner) = entry.requests {
            take(inner, &format!("{place}.requests"), into)?;
            ended = None;
            continue;
        }
        let input = entry.input.and_then(NonZeroU32::new);
        let (Some(input), Some(output)) = (input, entry.output) else {
            return Err(format!("{place}: `in` (from 1) or `out` is missing"));
        };
        let pause = ended.map_or(0.0, |ended| (entry.t - ended).max(0.0));
        into.push(BlockRequest {
            input,
            output: output.max(1),
            blocks: entry.hash_ids,
            pause: Duration::from_secs_f64(pause).min(LONGEST_PAUSE),
        });
        ended = Some(entry.t + entry.api_time.unwrap_or(0.0));
    }
    Ok(())
}

/// XORed with the seed, so that the words of blocks, and of text outside blocks, are independent of other random draws.
const BLOCK_SEED: u64 = 0xb10c_5e55;
const REST_SEED: u64 = 0x4e57_5e55;
/// 2^64 divided by the golden ratio, made odd (Fibonacci hashing): multiplication by it spreads session numbers over all 64 bits.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The texts of a session's blocks, each made when its id occurs for the first time.
struct Texts<'a> {
    words: &'a RandomPrompts<'a>,
    block: NonZeroU32,
    seed: u64,
    places: HashMap<u64, u32>,
    made: Vec<String>,
}

impl Texts<'_> {
    /// The random generator for the words of an id. A block is its first words, so a shorter text from the same generator is a
    /// prefix of the block.
    fn stream(&self, id: u64) -> ChaCha8Rng {
        random_stream(self.seed, id)
    }

    fn place(&mut self, id: u64) -> Result<u32, TokenizerError> {
        if let Some(place) = self.places.get(&id) {
            return Ok(*place);
        }
        let place = saturating::to_u32(self.made.len());
        let text = self.words.text(self.block.get(), &mut self.stream(id))?;
        self.made.push(text);
        self.places.insert(id, place);
        Ok(place)
    }
}

/// The turns of session number `number`, each a whole prompt; `mark_tokens` is the length of the session mark that is put before
/// each prompt.
///
/// # Errors
/// [`TokenizerError`] if the tokenizer fails.
pub fn turns(words: &RandomPrompts<'_>, session: &BlockSession, number: u64, mark_tokens: u32) -> Result<Vec<Turn>, TokenizerError> {
    let of_session = (number + 1).wrapping_mul(SPREAD);
    let mut texts = Texts {
        words,
        block: session.block,
        seed: words.seed() ^ BLOCK_SEED ^ if session.scope == Scope::Local { of_session } else { 0 },
        places: HashMap::new(),
        made: Vec::new(),
    };
    let mut prompts = Vec::with_capacity(session.requests.len());
    for (request, index) in session.requests.iter().zip(0_u64..) {
        let whole = saturating::to_usize(request.input.get() / session.block);
        let ids = request.blocks.iter().take(whole);
        let order: Vec<u32> = ids.map(|id| texts.place(*id)).collect::<Result<_, _>>()?;
        let in_blocks = saturating::to_u32(order.len()).saturating_mul(session.block.get());
        // The rest is the beginning of the next block, or words unique to this request if no block is left.
        let mut stream = match request.blocks.get(order.len()) {
            Some(id) => texts.stream(*id),
            None => random_stream(words.seed() ^ REST_SEED ^ of_session, index),
        };
        let rest = words.text(request.input.get().saturating_sub(in_blocks), &mut stream)?;
        prompts.push((order, rest));
    }
    let blocks: Arc<[String]> = texts.made.into();
    let turns = session.requests.iter().zip(prompts).map(|(request, (order, rest))| Turn {
        words: Words::Whole(WholePrompt {
            blocks: Arc::clone(&blocks),
            order,
            rest,
        }),
        tokens: request.input.get().saturating_add(mark_tokens),
        output_tokens: request.output,
        pause: request.pause,
    });
    Ok(turns.collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;
    use crate::load::Tokenizer;
    use crate::load::dataset::recorded::{Session, sessions};
    use crate::load::prompt::Form;
    use crate::load::settings::RandomLengths;

    fn read(line: &str) -> BlockSession {
        match sessions(line).unwrap().remove(0) {
            Session::Blocks(session) => session,
            Session::Said(turns) => panic!("{turns:?}"),
        }
    }

    fn prompt_of(turn: &Turn) -> String {
        match &turn.words {
            Words::Whole(prompt) => prompt.text(),
            Words::Added(said) => panic!("{said:?}"),
        }
    }

    #[test]
    fn pauses_are_from_the_end_of_an_answer_and_sub_agents_stand_in_their_place() {
        let session = read(
            r#"{"id":"s","block_size":64,"hash_id_scope":"local","models":["m"],"requests":[
                {"t":0,"type":"s","model":"m","in":64,"out":8,"hash_ids":[1],"api_time":1.5,"ttft":0.2},
                {"t":2.0,"type":"n","model":"m","in":130,"out":0,"hash_ids":[1,2,3],"api_time":1},
                {"t":4,"type":"subagent","agent_id":"a","requests":[{"t":500.5,"type":"s","in":10,"out":4},{"t":501,"type":"s","in":20,"out":4}]},
                {"t":90,"type":"s","in":200,"out":5,"hash_ids":[1,2,3]},{"t":900,"type":"s","in":1,"out":5}]}"#
                .replace('\n', " ")
                .as_str(),
        );
        let pauses: Vec<u128> = session.requests.iter().map(|request| request.pause.as_millis()).collect();
        assert_eq!(pauses, [0, 500, 0, 500, 0, LONGEST_PAUSE.as_millis()]);
        let outputs: Vec<u32> = session.requests.iter().map(|request| request.output).collect();
        assert_eq!(outputs, [8, 1, 4, 4, 5, 5]);
    }

    #[test]
    fn prompts_begin_alike_as_far_as_their_blocks_are_the_same() {
        let tokenizer = Tokenizer::from_json(include_bytes!("../../../benchmarks/demo/tokenizer.json")).unwrap();
        let lengths = RandomLengths::exact(NonZeroU32::MIN, NonZeroU32::MIN);
        let words = RandomPrompts::new(&tokenizer, lengths, 5, Form::default()).unwrap();
        let text = r#"{"block_size":20,"requests":[{"t":0,"in":50,"out":4,"hash_ids":[7,8,9]},{"t":0,"in":75,"out":4,"hash_ids":[7,8,9]},
            {"t":0,"in":60,"out":4,"hash_ids":[7,4,9]}]}"#;
        let session = read(&text.replace('\n', ""));
        let prompts = |number| -> Vec<Vec<u32>> {
            let made = turns(&words, &session, number, 3).unwrap();
            assert_eq!(made.iter().map(|turn| turn.tokens).collect::<Vec<_>>(), [53, 78, 63]);
            made.iter().map(|turn| tokenizer.encode(&prompt_of(turn)).unwrap()).collect()
        };
        let made = prompts(0);
        assert_eq!(made.iter().map(Vec::len).collect::<Vec<_>>(), [50, 75, 60]);
        assert_eq!(made[0][..], made[1][..50]);
        assert_eq!((&made[2][..20], &made[2][40..]), (&made[1][..20], &made[1][40..60]));
        assert_ne!(made[2][20..40], made[1][20..40]);
        // The same ids in another session stand for other words, unless their scope is global.
        assert_ne!(prompts(1)[0], made[0]);
        let everywhere = read(
            &text
                .replace('\n', "")
                .replace("\"block_size\"", "\"hash_id_scope\":\"global\",\"block_size\""),
        );
        let first = |number| prompt_of(&turns(&words, &everywhere, number, 0).unwrap()[0]);
        assert_eq!(first(0), first(1));
    }

    #[test]
    fn says_what_is_wrong() {
        for (line, message) in [
            (r#"{"requests":[]}"#, "line 1: `block_size` is missing"),
            (r#"{"block_size":64,"requests":[]}"#, "line 1: `requests` has no request"),
            (
                r#"{"block_size":64,"requests":[{"t":0,"in":0,"out":1}]}"#,
                "line 1: requests[1]: `in`",
            ),
            (
                r#"{"block_size":64,"requests":[{"t":-1,"in":1,"out":1}]}"#,
                "line 1: requests[1]: `t`",
            ),
            (
                r#"{"block_size":64,"requests":[{"t":1,"requests":[{"t":1}]}]}"#,
                "line 1: requests[1].requests[1]: `in`",
            ),
            (
                r#"{"block_size":64,"hash_id_scope":"x","requests":[]}"#,
                "line 1: unknown variant `x`",
            ),
        ] {
            let error = sessions(line).unwrap_err().to_string();
            assert!(error.starts_with(message), "{line}: {error}");
        }
    }
}
