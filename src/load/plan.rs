//! The plan of a run: the requests as bytes, and the instants at which they are sent. It is made before the measurement
//! starts, so that the load driver only sends.

use std::num::NonZeroU32;
use std::time::Duration;

use super::arrival::Schedule;
use super::dialogue::Dialogues;
use super::shard::Shard;
use crate::model::saturating;

/// A request ready to be written to a socket.
#[derive(Clone)]
pub struct PreparedRequest {
    /// HTTP head, after the lines that its server has of its own, and body; may contain an API key.
    pub bytes: Box<[u8]>,
    /// Prompt length, tokens; 0 if no tokenizer counted it.
    pub prompt_tokens: u32,
    /// Requested output length, tokens.
    pub output_tokens: u32,
}

/// Shows only the number of bytes: they are long and may contain an API key.
impl std::fmt::Debug for PreparedRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PreparedRequest")
            .field("bytes", &self.bytes.len())
            .field("prompt_tokens", &self.prompt_tokens)
            .field("output_tokens", &self.output_tokens)
            .finish()
    }
}

/// The plan that the load driver executes.
#[derive(Debug)]
pub struct Plan {
    /// The requests in the order in which they are sent; for conversations, only their first turns.
    pub requests: Vec<PreparedRequest>,
    /// When requests are sent.
    pub schedule: Schedule,
    /// The part of the load that this plan covers. Request numbers are those of the whole load.
    pub shard: Shard,
    /// Limit of concurrent requests; a conversation holds a slot from its first to its last turn.
    pub max_concurrency: NonZeroU32,
    /// Keep the text of chunks without a token count (`usage`), so that a tokenizer can count them.
    pub keep_texts: bool,
    /// All turns of the conversations; `None` for single requests.
    pub dialogues: Option<Dialogues>,
    /// Time after which no request is started. If the requests run out before that, they are sent again from the first
    /// one on.
    pub duration: Option<Duration>,
}

impl Plan {
    /// Limit of the number of requests, or of conversations, that are started.
    #[must_use]
    pub fn starts(&self) -> usize {
        match (&self.schedule, self.duration) {
            (Schedule::Open(offsets), _) => offsets.len(),
            (Schedule::Closed, Some(_)) => usize::MAX,
            (Schedule::Closed, None) => self.requests.len(),
        }
    }

    /// Difference between the request numbers of the first turns of consecutive conversations; `None` for single requests.
    #[must_use]
    pub fn stride(&self) -> Option<NonZeroU32> {
        self.dialogues.as_ref().map(Dialogues::stride)
    }

    /// The number of the request with which this shard's request or conversation number `start` begins. Turns of a conversation
    /// have consecutive numbers.
    #[must_use]
    pub fn first_index(&self, start: u32) -> u32 {
        self.shard.item(start).saturating_mul(self.stride().map_or(1, NonZeroU32::get))
    }

    /// The request with number `index`, if it was prepared before the run.
    #[must_use]
    pub fn prepared(&self, index: u32) -> Option<&PreparedRequest> {
        match &self.dialogues {
            // Start again from the first request if they run out before the duration ends.
            None => self
                .requests
                .get(usize::try_from(self.shard.own(index)).ok()? % self.requests.len().max(1)),
            // A repeated recorded session starts with another mark, so its requests are made when they are due.
            Some(dialogues) => self
                .requests
                .get(usize::try_from(self.shard.own(dialogues.start_of_first(index)?)).ok()?),
        }
    }

    /// The first request of a repeated conversation, if `index` is the number of one.
    #[must_use]
    pub fn opening_again(&self, index: u32) -> Option<PreparedRequest> {
        let dialogues = self.dialogues.as_ref().filter(|_| self.prepared(index).is_none())?;
        dialogues.opening(index)
    }

    /// Requests that the run is expected to send; with a duration, those of one pass.
    #[must_use]
    pub fn expected(&self) -> u32 {
        let starts = if self.starts() == usize::MAX {
            self.requests.len()
        } else {
            self.starts()
        };
        let requests = self.dialogues.as_ref().map_or(starts, Dialogues::turns);
        saturating::to_u32(requests)
    }
}
