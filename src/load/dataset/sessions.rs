//! Multi-turn conversations made of random words or of recorded questions, with think times between turns.

use std::time::Duration;

use rand::RngExt as _;

use super::sharegpt::Exchange;
use crate::load::dialogue::{Turn, Words};
use crate::load::prompt::{Message, RandomPrompts, random_stream};
use crate::load::settings::Sessions;
use crate::load::tokens::{Tokenizer, TokenizerError};
use crate::model::saturating;

/// XORed with the seed, so that think times are independent of other random draws.
const PAUSE_SEED: u64 = 0x9a05;

/// The think time before a turn: exponentially distributed with mean `think_time`, as in models of closed systems; zero before the
/// first turn.
fn pause(sessions: &Sessions, seed: u64, session: u64, turn: u32) -> Duration {
    if turn == 0 || sessions.think_time.is_zero() {
        return Duration::ZERO;
    }
    // One random stream per turn: the session in the high bits, the turn in the low 20.
    let mut random = random_stream(seed ^ PAUSE_SEED, session << 20 | u64::from(turn));
    let uniform: f64 = 1.0 - random.random::<f64>();
    sessions.think_time.mul_f64(-uniform.ln())
}

/// Conversation number `session` of random words.
///
/// # Errors
/// [`TokenizerError`] if the tokenizer fails.
pub fn random(words: &RandomPrompts<'_>, sessions: &Sessions, session: u64) -> Result<Vec<Turn>, TokenizerError> {
    let turns = u64::from(sessions.turns.get());
    (0..sessions.turns.get())
        .map(|turn| {
            let prompt = words.make(session * turns + u64::from(turn))?;
            Ok(Turn {
                words: Words::Added(vec![Message::of_user(prompt.content.plain_text())]),
                tokens: prompt.tokens,
                output_tokens: prompt.output_tokens,
                pause: pause(sessions, words.seed(), session, turn),
            })
        })
        .collect()
}

/// Conversation number `session` with the questions of a recorded one; `output` replaces the lengths of the recorded answers,
/// tokens.
///
/// # Errors
/// [`TokenizerError`] if the tokenizer fails.
pub fn recorded(
    tokenizer: &Tokenizer,
    exchanges: &[Exchange],
    output: Option<u32>,
    sessions: &Sessions,
    seed: u64,
    session: u64,
) -> Result<Vec<Turn>, TokenizerError> {
    let count = |text: &str| tokenizer.count(text).map(saturating::to_u32);
    exchanges
        .iter()
        .zip(0..sessions.turns.get())
        .map(|(exchange, turn)| {
            Ok(Turn {
                words: Words::Added(vec![Message::of_user(exchange.question.as_str())]),
                tokens: count(&exchange.question)?,
                output_tokens: output.map_or_else(|| count(&exchange.answer), Ok)?.max(1),
                pause: pause(sessions, seed, session, turn),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;
    use crate::load::statistics::mean;
    use std::num::NonZeroU32;

    fn sessions(think_s: u64) -> Sessions {
        Sessions {
            number: NonZeroU32::MIN,
            turns: NonZeroU32::new(3).unwrap(),
            think_time: Duration::from_secs(think_s),
        }
    }

    #[test]
    fn users_think_for_the_mean_time_and_not_before_they_begin() {
        let pauses: Vec<f64> = (0..4000).map(|session| pause(&sessions(2), 1, session, 1).as_secs_f64()).collect();
        assert!((mean(&pauses) / 2.0 - 1.0).abs() < 0.06, "{}", mean(&pauses));
        assert_eq!(pause(&sessions(2), 1, 5, 0), Duration::ZERO);
        assert_eq!(pause(&sessions(0), 1, 5, 1), Duration::ZERO);
    }

    #[test]
    fn recorded_conversations_keep_their_lengths() {
        let tokenizer = Tokenizer::from_json(include_bytes!("../../../benchmarks/demo/tokenizer.json")).unwrap();
        let said = |question: &str, answer: &str| Exchange {
            question: question.to_owned(),
            answer: answer.to_owned(),
        };
        let exchanges = vec![said("what is a token", "a piece of text"); 5];
        let turns = recorded(&tokenizer, &exchanges, None, &sessions(0), 0, 0).unwrap();
        assert_eq!(turns.len(), 3);
        assert_eq!(turns[0].output_tokens as usize, tokenizer.count("a piece of text").unwrap());
        assert_eq!(
            recorded(&tokenizer, &exchanges, Some(9), &sessions(0), 0, 0).unwrap()[1].output_tokens,
            9
        );
    }
}
