//! A fast scanner for the ordinary chunks of OpenAI-style streams. It skips the beginning and the ending that the chunks of a
//! stream have in common, and takes a quarter of the time of [`super::read`]. It returns the exact result or `None`. Documents that
//! it has no rule for (`\u` escapes, tool calls, errors, unusual finish reasons, duplicate fields, one text in two fields, other
//! formats, incomplete documents) are left to [`super::read`]; property tests check that both agree.

use super::cursor::Cursor;
use super::ending::{Count, Counts, Ending};
use super::{Chunk, saturated};

/// Maximum nesting of skipped values, such as log probabilities. Deeper documents are left to [`super::read`].
const DEEPEST_SKIP: u32 = 16;
/// Finish reasons that the scanner accepts. Others may mean that the server did not complete the answer.
const COMPLETE: [&[u8]; 2] = [b"length", b"stop"];
/// Maximum length, bytes. Longer beginnings are not stored, so that a hostile server cannot use up memory in each stream.
const LONGEST_BEGINNING: usize = 1024;

/// Scans a chunk; `None` if the scanner has no rule for it.
///
/// The chunks of a stream have the same bytes up to their text. If the document starts with `beginning`, the scan resumes after it
/// with the state that is stored there. After the text, chunks differ only in numbers: see [`Ending`].
pub(super) fn scan(document: &[u8], beginning: &mut Beginning) -> Option<Chunk> {
    match document.strip_prefix(beginning.bytes.as_slice()) {
        Some(rest) if !beginning.bytes.is_empty() => scan_behind(rest, beginning),
        Some(_) | None => scan_whole(document, beginning),
    }
}

fn scan_whole(document: &[u8], beginning: &mut Beginning) -> Option<Chunk> {
    beginning.bytes.clear();
    beginning.ending.clear();
    let mut chunk = Chunk::default();
    let mut cursor = Cursor::new(document);
    let mut root = Root::default();
    let mut recorder = Recorder { document, beginning };
    cursor.object(|cursor, key| root.member(cursor, key, &mut chunk, &mut recorder))?;
    cursor.skip_space();
    (cursor.rest.is_empty() && root.seen.has(Field::Choices)).then_some(chunk)
}

/// Scans what follows a known beginning: the first text and the ending.
fn scan_behind(rest: &[u8], beginning: &mut Beginning) -> Option<Chunk> {
    let mut cursor = Cursor::new(rest);
    let first_text = cursor.text()?;
    let text_bytes = saturated(first_text);
    let ending = cursor.rest;
    if let Some(chunk) = beginning.ending.read(ending) {
        return Some(Chunk {
            has_text: first_text > 0,
            text_bytes,
            ..chunk
        });
    }
    let mut chunk = Chunk::default();
    let mut root = Root { seen: beginning.root };
    root.resume(&mut cursor, first_text, beginning, &mut chunk)?;
    cursor.skip_space();
    cursor.rest.is_empty().then_some(())?;
    beginning.ending.remember(ending, &cursor.numbers, &chunk, text_bytes);
    Some(chunk)
}

/// The bytes of a document before the quote of its first text, and which fields they contain. They contain no text, count or finish
/// reason.
#[derive(Debug, Default)]
pub(super) struct Beginning {
    bytes: Vec<u8>,
    root: Seen,
    choice: Seen,
    delta: Option<Seen>,
    /// The ending of the last document with this beginning.
    ending: Ending,
}

/// Stores the beginning of a document during its scan.
struct Recorder<'a> {
    document: &'a [u8],
    beginning: &'a mut Beginning,
}

impl Recorder<'_> {
    /// To be called before the text of the first choice. Stores the bytes up to it, unless a beginning is stored already or the
    /// chunk already has text, counts or a finish reason.
    fn at_text(&mut self, cursor: &mut Cursor<'_>, chunk: &Chunk, root: Seen, choice: Seen, delta: Option<Seen>) {
        cursor.skip_space();
        let length = self.document.len() - cursor.rest.len();
        if self.beginning.bytes.is_empty() && length <= LONGEST_BEGINNING && *chunk == Chunk::default() {
            self.beginning.bytes.extend_from_slice(&self.document[..length]);
            self.beginning.root = root;
            self.beginning.choice = choice;
            self.beginning.delta = delta;
        }
    }
}

/// The outermost object.
#[derive(Default)]
struct Root {
    seen: Seen,
}

impl Root {
    fn member(&mut self, cursor: &mut Cursor<'_>, key: &[u8], chunk: &mut Chunk, recorder: &mut Recorder<'_>) -> Option<()> {
        match key {
            b"choices" => {
                self.seen.once(Field::Choices)?;
                cursor.expect(b'[')?;
                if cursor.take(b']') {
                    return Some(());
                }
                let mut is_first = true;
                cursor.elements(|cursor| {
                    let recorder = std::mem::take(&mut is_first).then_some(&mut *recorder);
                    Choice::scan(cursor, self.seen, chunk, recorder)
                })
            }
            b"usage" => {
                self.seen.once(Field::Usage)?;
                if cursor.null() { Some(()) } else { scan_usage(cursor, chunk) }
            }
            b"error" => self.seen.once_null(Field::Error, cursor),
            b"message" => self.seen.once_null(Field::Message, cursor),
            b"detail" => self.seen.once_null(Field::Detail, cursor),
            b"text" => self.seen.once_null(Field::Text, cursor),
            b"meta_info" => self.seen.once_null(Field::MetaInfo, cursor),
            b"text_output" => self.seen.once_null(Field::TextOutput, cursor),
            _ => cursor.skip(DEEPEST_SKIP),
        }
    }

    /// Scans what follows the first text: the rest of its delta, its choice, the choices and the document.
    fn resume(&mut self, cursor: &mut Cursor<'_>, first_text: usize, beginning: &mut Beginning, chunk: &mut Chunk) -> Option<()> {
        let mut choice = Choice {
            seen: beginning.choice,
            bytes: 0,
        };
        match beginning.delta {
            None => choice.bytes = first_text,
            Some(seen) => {
                let mut delta = Delta {
                    seen,
                    other: first_text,
                    reasoning_content: 0,
                    reasoning: 0,
                };
                cursor.further_members(|cursor, key| delta.member(cursor, key))?;
                choice.bytes = delta.finish(chunk);
            }
        }
        let mut no_recorder = None;
        cursor.further_members(|cursor, key| choice.member(cursor, key, self.seen, chunk, &mut no_recorder))?;
        choice.finish(chunk);
        if !cursor.take(b']') {
            cursor.expect(b',')?;
            cursor.elements(|cursor| Choice::scan(cursor, self.seen, chunk, None))?;
        }
        // `beginning` is not empty, so this recorder stores nothing.
        let mut recorder = Recorder { document: &[], beginning };
        cursor.further_members(|cursor, key| self.member(cursor, key, chunk, &mut recorder))
    }
}

/// An element of `choices`.
#[derive(Default)]
struct Choice {
    seen: Seen,
    bytes: usize,
}

impl Choice {
    fn scan(cursor: &mut Cursor<'_>, root: Seen, chunk: &mut Chunk, mut recorder: Option<&mut Recorder<'_>>) -> Option<()> {
        let mut choice = Self::default();
        cursor.object(|cursor, key| choice.member(cursor, key, root, chunk, &mut recorder))?;
        choice.finish(chunk);
        Some(())
    }

    fn member(
        &mut self,
        cursor: &mut Cursor<'_>,
        key: &[u8],
        root: Seen,
        chunk: &mut Chunk,
        recorder: &mut Option<&mut Recorder<'_>>,
    ) -> Option<()> {
        match key {
            b"text" => {
                self.seen.once(Field::Text)?;
                if let Some(recorder) = recorder
                    && self.bytes == 0
                {
                    recorder.at_text(cursor, chunk, root, self.seen, None);
                }
                let bytes = cursor.text()?;
                self.add(bytes)
            }
            b"delta" => {
                self.seen.once(Field::Delta)?;
                if cursor.null() {
                    return Some(());
                }
                let mut delta = Delta::default();
                cursor.object(|cursor, key| {
                    if key == b"content"
                        && let Some(recorder) = recorder
                        && self.bytes + delta.other + delta.reasoning + delta.reasoning_content == 0
                    {
                        recorder.at_text(cursor, chunk, root, self.seen, Some(delta.seen.with(Field::Content)));
                    }
                    delta.member(cursor, key)
                })?;
                let bytes = delta.finish(chunk);
                self.add(bytes)
            }
            b"message" => self.seen.once_null(Field::Message, cursor),
            b"finish_reason" => {
                self.seen.once(Field::FinishReason)?;
                if !cursor.null() {
                    let is_complete = COMPLETE.contains(&cursor.string()?.raw);
                    is_complete.then_some(())?;
                    chunk.is_finished = true;
                }
                Some(())
            }
            _ => cursor.skip(DEEPEST_SKIP),
        }
    }

    /// Adds the bytes of `text` or `delta`; `None` if both have text, which is the same text twice.
    fn add(&mut self, bytes: usize) -> Option<()> {
        (self.bytes == 0 || bytes == 0).then_some(())?;
        self.bytes += bytes;
        Some(())
    }

    fn finish(self, chunk: &mut Chunk) {
        chunk.has_text |= self.bytes > 0;
        chunk.text_bytes = chunk.text_bytes.saturating_add(saturated(self.bytes));
    }
}

/// The `delta` of a choice; lengths are in bytes.
#[derive(Default)]
struct Delta {
    seen: Seen,
    reasoning_content: usize,
    reasoning: usize,
    other: usize,
}

impl Delta {
    fn member(&mut self, cursor: &mut Cursor<'_>, key: &[u8]) -> Option<()> {
        match key {
            b"content" => {
                self.seen.once(Field::Content)?;
                self.other += cursor.text()?;
            }
            b"reasoning_content" => {
                self.seen.once(Field::ReasoningContent)?;
                self.reasoning_content += cursor.text()?;
            }
            b"reasoning" => {
                self.seen.once(Field::Reasoning)?;
                self.reasoning += cursor.text()?;
            }
            b"refusal" => {
                self.seen.once(Field::Refusal)?;
                self.other += cursor.text()?;
            }
            b"tool_calls" => self.seen.once_null(Field::ToolCalls, cursor)?,
            b"function_call" => self.seen.once_null(Field::FunctionCall, cursor)?,
            _ => cursor.skip(DEEPEST_SKIP)?,
        }
        Some(())
    }

    /// Returns the bytes of text; sets `has_reasoning` of the chunk.
    fn finish(self, chunk: &mut Chunk) -> usize {
        // Servers that send both names send one text twice.
        let reasoning = if self.reasoning > 0 {
            self.reasoning
        } else {
            self.reasoning_content
        };
        chunk.has_reasoning |= reasoning > 0;
        reasoning + self.other
    }
}

fn scan_usage(cursor: &mut Cursor<'_>, chunk: &mut Chunk) -> Option<()> {
    let mut seen = Seen::default();
    let mut counts = Counts::default();
    cursor.object(|cursor, key| match key {
        b"completion_tokens" => {
            seen.once(Field::CompletionTokens)?;
            cursor.count(Count::Completion, &mut counts)
        }
        b"prompt_tokens" => {
            seen.once(Field::PromptTokens)?;
            cursor.count(Count::Prompt, &mut counts)
        }
        b"cached_tokens" => {
            seen.once(Field::CachedTokens)?;
            cursor.count(Count::Cached, &mut counts)
        }
        b"prompt_tokens_details" => {
            seen.once(Field::PromptTokensDetails)?;
            scan_details(cursor, b"cached_tokens", Count::CachedInDetails, &mut counts)
        }
        b"completion_tokens_details" => {
            seen.once(Field::CompletionTokensDetails)?;
            scan_details(cursor, b"reasoning_tokens", Count::Reasoning, &mut counts)
        }
        b"finish_reason" => seen.once_null(Field::FinishReason, cursor),
        _ => cursor.skip(DEEPEST_SKIP),
    })?;
    counts.put_into(chunk);
    Some(())
}

/// Reads the count `wanted` of an object that may be null.
fn scan_details(cursor: &mut Cursor<'_>, wanted: &[u8], count: Count, counts: &mut Counts) -> Option<()> {
    if cursor.null() {
        return Some(());
    }
    let mut seen = Seen::default();
    cursor.object(|cursor, key| {
        if key != wanted {
            return cursor.skip(DEEPEST_SKIP);
        }
        seen.once(Field::Wanted)?;
        cursor.count(count, counts)
    })
}

/// Fields whose duplicates [`super::read`] refuses; the scanner must not accept them either.
#[derive(Debug, Clone, Copy)]
enum Field {
    CachedTokens,
    Choices,
    CompletionTokens,
    CompletionTokensDetails,
    Content,
    Delta,
    Detail,
    Error,
    FinishReason,
    FunctionCall,
    Message,
    MetaInfo,
    PromptTokens,
    PromptTokensDetails,
    Reasoning,
    ReasoningContent,
    Refusal,
    Text,
    TextOutput,
    ToolCalls,
    Usage,
    Wanted,
}

/// The fields of an object that have occurred.
#[derive(Debug, Default, Clone, Copy)]
struct Seen(u32);

impl Seen {
    fn once(&mut self, field: Field) -> Option<()> {
        let is_new = !self.has(field);
        *self = self.with(field);
        is_new.then_some(())
    }

    /// For a field that the scanner accepts only as null.
    fn once_null(&mut self, field: Field, cursor: &mut Cursor<'_>) -> Option<()> {
        self.once(field)?;
        cursor.null().then_some(())
    }

    fn with(self, field: Field) -> Self {
        Self(self.0 | 1 << field as u32)
    }

    fn has(self, field: Field) -> bool {
        self.0 & (1 << field as u32) != 0
    }
}
