//! The chunks of ended requests in a temporary file without a name, for results with the arrays of each request. It is in the folder for
//! temporary files (`TMPDIR`) and takes eight bytes a chunk.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;

use crate::load::detailed::ChunkStore;
use crate::load::record::ChunkMark;

/// A file of chunks, and the position of each request's chunks in it.
#[derive(Debug)]
pub struct ChunkFile {
    /// The file, or why writing failed: a full disk costs the arrays of a long measurement, not the measurement.
    file: Result<File, String>,
    places: HashMap<u32, Place>,
    end: u64,
    buffer: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    chunks: usize,
}

impl ChunkFile {
    /// An empty file.
    #[must_use]
    pub fn create() -> Self {
        Self {
            file: tempfile::tempfile().map_err(|error| problem(&error)),
            places: HashMap::new(),
            end: 0,
            buffer: Vec::new(),
        }
    }

    /// Writes the chunks of a request.
    pub fn push(&mut self, index: u32, chunks: &[ChunkMark]) {
        let Ok(file) = &mut self.file else { return };
        self.buffer.clear();
        self.buffer.extend(chunks.iter().flat_map(|chunk| chunk.to_bytes()));
        if let Err(error) = file.write_all(&self.buffer) {
            self.file = Err(problem(&error));
            return;
        }
        let place = Place {
            offset: self.end,
            chunks: chunks.len(),
        };
        self.places.insert(index, place);
        self.end += u64::try_from(self.buffer.len()).unwrap_or(0);
    }
}

impl ChunkStore for ChunkFile {
    fn chunks(&self, index: u32) -> io::Result<Vec<ChunkMark>> {
        let file = self.file.as_ref().map_err(|problem| io::Error::other(problem.clone()))?;
        let Some(place) = self.places.get(&index) else {
            return Ok(Vec::new());
        };
        let mut bytes = vec![0; place.chunks * ChunkMark::BYTES];
        file.read_exact_at(&mut bytes, place.offset)?;
        let (chunks, _) = bytes.as_chunks();
        Ok(chunks.iter().map(|bytes| ChunkMark::from_bytes(*bytes)).collect())
    }
}

fn problem(error: &io::Error) -> String {
    format!(
        "cannot keep the chunks of each request in {}: {error}; set TMPDIR to a folder with eight bytes for each token",
        std::env::temp_dir().display()
    )
}
