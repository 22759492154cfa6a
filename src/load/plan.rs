//! The plan of a run: every request as bytes, and the instants at which they are to be sent. Made before the clock
//! starts; the driver only carries it out.

use std::num::NonZeroU32;
use std::time::Duration;

use super::arrival::Schedule;
use super::dialogue::Dialogues;
use super::shard::Shard;

/// A request ready to be written to a socket.
#[derive(Clone)]
pub struct PreparedRequest {
    /// Head and body; may hold an API key.
    pub bytes: Box<[u8]>,
    /// Prompt length, tokens; 0 if no tokenizer counted it.
    pub prompt_tokens: u32,
    /// Output length asked for, tokens.
    pub output_tokens: u32,
}

/// The bytes may hold a key and are long, so they are not shown.
impl std::fmt::Debug for PreparedRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PreparedRequest")
            .field("bytes", &self.bytes.len())
            .field("prompt_tokens", &self.prompt_tokens)
            .field("output_tokens", &self.output_tokens)
            .finish()
    }
}

/// What the driver carries out.
#[derive(Debug)]
pub struct Plan {
    /// The requests in the order of their sending; of conversations, the first turns.
    pub requests: Vec<PreparedRequest>,
    /// When they are sent.
    pub schedule: Schedule,
    /// Which part of a load this is. Requests have the numbers that they have in the whole.
    pub shard: Shard,
    /// Most concurrent requests; a conversation counts from its first to its last turn.
    pub max_concurrency: NonZeroU32,
    /// Keep the texts of chunks that come without usage.
    pub keep_texts: bool,
    /// The further turns of conversations.
    pub dialogues: Option<Dialogues>,
    /// From this time on no request is begun. Until then the requests are sent again from the first on where they do not
    /// suffice.
    pub duration: Option<Duration>,
}

impl Plan {
    /// How many requests, or conversations, may be begun.
    #[must_use]
    pub fn starts(&self) -> usize {
        match (&self.schedule, self.duration) {
            (Schedule::Open(offsets), _) => offsets.len(),
            (Schedule::Closed, Some(_)) => usize::MAX,
            (Schedule::Closed, None) => self.requests.len(),
        }
    }

    /// How far apart the numbers of two conversations' first turns are; `None` for single requests.
    #[must_use]
    pub fn stride(&self) -> Option<NonZeroU32> {
        self.dialogues.as_ref().map(Dialogues::stride)
    }

    /// The number of the request that begins start `start` of this shard. Turns of a conversation have consecutive numbers.
    #[must_use]
    pub fn first_index(&self, start: u32) -> u32 {
        self.shard.item(start).saturating_mul(self.stride().map_or(1, NonZeroU32::get))
    }

    /// The request of a number, where it was made before the run.
    #[must_use]
    pub fn prepared(&self, index: u32) -> Option<&PreparedRequest> {
        let at = |start: u32| usize::try_from(start).ok();
        match &self.dialogues {
            // Repeated where the time is longer than the requests suffice.
            None => self.requests.get(at(self.shard.own(index))? % self.requests.len().max(1)),
            // Where they are played again they have another mark, and are made when their turn comes.
            Some(dialogues) => self.requests.get(at(self.shard.own(dialogues.start_of_first(index)?))?),
        }
    }

    /// The request of a number that begins a conversation again.
    #[must_use]
    pub fn opening_again(&self, index: u32) -> Option<PreparedRequest> {
        let dialogues = self.dialogues.as_ref().filter(|_| self.prepared(index).is_none())?;
        dialogues.opening(index)
    }

    /// Requests that will be sent, as far as that is known before.
    #[must_use]
    pub fn expected(&self) -> u32 {
        let starts = if self.starts() == usize::MAX {
            self.requests.len()
        } else {
            self.starts()
        };
        let requests = self.dialogues.as_ref().map_or(starts, Dialogues::turns);
        u32::try_from(requests).unwrap_or(u32::MAX)
    }
}
