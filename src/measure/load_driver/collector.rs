//! Collects the records of requests that have ended. The chunks of a long run would not fit in memory. From a million chunks on, each
//! record is folded: only data whose size does not depend on the number of chunks is kept.

use super::chunk_file::ChunkFile;
use super::shared::Shared;
use crate::load::distribution::EXACT_VALUES;
use crate::load::{Folded, Record, Tokenizer};

/// The records of a run so far.
pub struct Collector<'a> {
    shared: &'a Shared,
    tokenizer: Option<&'a Tokenizer>,
    /// Whether the chunks of folded requests are wanted.
    keep_chunks: bool,
    records: Vec<Record>,
    kept_chunks: usize,
    folded: Option<Box<Folded>>,
    chunk_file: Option<ChunkFile>,
}

/// What a collector has at the end of a run.
pub struct Collected {
    /// One record for each request.
    pub records: Vec<Record>,
    /// The chunks, if they are folded.
    pub folded: Option<Box<Folded>>,
    /// The chunks one by one, if they are folded and wanted.
    pub chunk_file: Option<ChunkFile>,
}

impl<'a> Collector<'a> {
    /// A collector for `expected` requests. The tokenizer counts the tokens of chunks for which the server gives no usage.
    #[must_use]
    pub fn new(shared: &'a Shared, expected: u32, tokenizer: Option<&'a Tokenizer>, keep_chunks: bool) -> Self {
        Self {
            shared,
            tokenizer,
            keep_chunks,
            // Allocated at full size: growing a vector needs the old and the new buffer at once. Pages that are never written take no
            // memory.
            records: Vec::with_capacity(usize::try_from(expected).unwrap_or(0)),
            kept_chunks: 0,
            folded: None,
            chunk_file: None,
        }
    }

    /// Takes records, in any order.
    pub fn take(&mut self, records: impl Iterator<Item = Record>) {
        for mut record in records {
            self.kept_chunks += record.chunks();
            if self.folded.is_none() && self.kept_chunks > EXACT_VALUES {
                self.fold_kept();
            }
            self.fold(&mut record);
            self.records.push(record);
        }
    }

    /// Ends the collection.
    #[must_use]
    pub fn finish(self) -> Collected {
        Collected {
            records: self.records,
            folded: self.folded,
            chunk_file: self.chunk_file,
        }
    }

    fn fold_kept(&mut self) {
        self.folded = Some(Box::new(Folded::new(self.shared.start().real)));
        self.chunk_file = self.keep_chunks.then(ChunkFile::create);
        let mut records = std::mem::take(&mut self.records);
        for record in &mut records {
            self.fold(record);
        }
        self.records = records;
    }

    fn fold(&mut self, record: &mut Record) {
        let Some(folded) = &mut self.folded else { return };
        let chunks = folded.fold(record, self.tokenizer);
        if let Some(file) = &mut self.chunk_file {
            file.push(record.index, &chunks);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use std::time::Duration;

    use super::*;
    use crate::load::detailed::ChunkStore as _;
    use crate::load::record::ChunkMark;

    fn record(index: u32, chunks: u32) -> Record {
        let marks = (1..chunks).map(|n| ChunkMark::new(Duration::from_micros(u64::from(index + n)), Some(1)));
        Record {
            index,
            first_token: Some(Shared::default().start().real),
            first_tokens: Some(1),
            marks: marks.collect(),
            reported_output_tokens: Some(chunks),
            streamed: true,
            ..Record::default()
        }
    }

    #[test]
    fn records_are_folded_from_a_million_chunks_on() {
        let shared = Shared::default();
        let mut collector = Collector::new(&shared, 0, None, true);
        let all = [record(2, 600_000), record(0, 400_000), record(1, 3)];
        collector.take(all[..2].iter().cloned());
        assert!(collector.folded.is_none());
        collector.take(all[2..].iter().cloned());
        let Collected {
            records,
            folded,
            chunk_file,
        } = collector.finish();
        assert_eq!((folded.unwrap().chunk_ms.len(), records.len()), (1_000_000, 3));
        let file = chunk_file.unwrap();
        for (folded, kept) in records.iter().zip(&all) {
            assert_eq!((folded.marks.len(), folded.chunks()), (0, kept.chunks()));
            assert_eq!(file.chunks(folded.index).unwrap(), kept.marks);
        }
        assert_eq!(file.chunks(9).unwrap(), []);
    }
}
