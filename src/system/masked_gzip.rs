//! Copies of gzip archives in which secrets are replaced by as many stars, so that lengths and headers of a tar archive stay true.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use memchr::memmem::Finder;

use crate::model::Secret;

/// Bytes that one step searches.
const PIECE: usize = 256 << 10;
/// The most unpacked bytes, so that a small archive cannot occupy a machine for days.
const MAX_UNPACKED: u64 = 64 << 30;

/// Copies an archive, until `has_time` returns false. Without secrets it stays as it is.
///
/// # Errors
/// The system error; [`io::ErrorKind::InvalidInput`] and [`io::ErrorKind::InvalidData`] for input that is not a gzip archive,
/// [`io::ErrorKind::TimedOut`] without time.
pub fn copy_gzip(mut source: impl Read, target: &mut dyn Write, secrets: &[Secret], has_time: &dyn Fn() -> bool) -> io::Result<()> {
    let forms: Vec<String> = secrets.iter().flat_map(Secret::forms).collect();
    if forms.is_empty() {
        return copy_in_time(&mut source, target, has_time);
    }
    let unpacked: Box<dyn Read + '_> = Box::new(MultiGzDecoder::new(source).take(MAX_UNPACKED));
    // One secret after another, because one may be part of another.
    let mut masked = forms
        .iter()
        .fold(unpacked, |source, form| Box::new(Masked::new(source, form.as_bytes())));
    let mut packed = GzEncoder::new(target, Compression::fast());
    copy_in_time(&mut masked, &mut packed, has_time)?;
    packed.finish().map(drop)
}

fn copy_in_time(source: &mut dyn Read, target: &mut dyn Write, has_time: &dyn Fn() -> bool) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        if !has_time() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "time limit exceeded"));
        }
        match source.read(&mut piece)? {
            0 => return Ok(()),
            count => target.write_all(piece.get(..count).unwrap_or_default())?,
        }
    }
}

/// A reader in which a secret is stars.
struct Masked<'a> {
    source: Box<dyn Read + 'a>,
    secret: &'a [u8],
    finder: Finder<'a>,
    /// Bytes that were read and not handed out.
    held: Vec<u8>,
    has_ended: bool,
}

impl<'a> Masked<'a> {
    fn new(source: Box<dyn Read + 'a>, secret: &'a [u8]) -> Self {
        Self {
            source,
            secret,
            finder: Finder::new(secret),
            held: Vec::new(),
            has_ended: false,
        }
    }

    /// Reads another piece, and masks what is whole in it.
    fn fill(&mut self) -> io::Result<()> {
        let before = self.held.len();
        self.held.resize(before + PIECE, 0);
        let count = self.source.read(self.held.get_mut(before..).unwrap_or_default());
        self.held.truncate(before + count.as_ref().copied().unwrap_or_default());
        self.has_ended = count? == 0;
        let mut from = 0;
        while let Some(at) = self.held.get(from..).and_then(|rest| self.finder.find(rest)) {
            let (start, end) = (from + at, from + at + self.secret.len());
            self.held.get_mut(start..end).unwrap_or_default().fill(b'*');
            from = end;
        }
        Ok(())
    }

    /// How many of the held bytes cannot be the beginning of the secret.
    fn ready(&self) -> usize {
        let may_begin = if self.has_ended { 0 } else { self.secret.len().saturating_sub(1) };
        self.held.len().saturating_sub(may_begin)
    }
}

impl Read for Masked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.ready() == 0 && !self.has_ended {
            self.fill()?;
        }
        let count = self.ready().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(self.held.drain(..count)) {
            *to = from;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that gives a few bytes at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = buffer.len().min(5);
            self.0.read(buffer.get_mut(..count).unwrap_or_default())
        }
    }

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(text).unwrap();
        packed.finish().unwrap()
    }

    fn unpacked(bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        MultiGzDecoder::new(bytes).read_to_end(&mut text).unwrap();
        text
    }

    fn secrets(list: &[&str]) -> Vec<Secret> {
        list.iter().map(|text| Secret::new((*text).to_owned())).collect()
    }

    #[test]
    fn secrets_are_stars_of_the_same_length_also_across_reads() {
        for (text, expected) in [
            ("token=hf_abcdef end", "token=********* end"),
            ("hf_abcdefhf_abcdef", "******************"),
            ("hf_abcdef-long", "**************"),
            ("hf_abcde", "hf_abcde"),
            ("", ""),
        ] {
            // The longer one first, as a job has its secrets.
            let secrets = secrets(&["hf_abcdef-long", "hf_abcdef"]);
            let archive = packed(text.as_bytes());
            let mut copy = Vec::new();
            copy_gzip(Slow(&archive), &mut copy, &secrets, &|| true).unwrap();
            assert_eq!(String::from_utf8(unpacked(&copy)).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn secret_between_two_pieces_is_found() {
        for before in PIECE - 12..PIECE + 3 {
            let mut text = vec![b'x'; before];
            text.extend(b"hf_abcdef");
            let mut copy = Vec::new();
            copy_gzip(&packed(&text)[..], &mut copy, &secrets(&["hf_abcdef"]), &|| true).unwrap();
            let copy = unpacked(&copy);
            assert!(copy.len() == text.len() && copy.ends_with(b"x*********"), "{before}");
        }
    }

    #[test]
    fn archive_without_secrets_stays_and_what_is_none_is_refused() {
        let archive = packed(b"text");
        let mut copy = Vec::new();
        copy_gzip(&archive[..], &mut copy, &[], &|| true).unwrap();
        assert_eq!(copy, archive);
        let refused = copy_gzip(&b"no archive"[..], &mut Vec::new(), &secrets(&["hf_abcdef"]), &|| true);
        assert!(refused.is_err());
        let late = copy_gzip(&archive[..], &mut Vec::new(), &[], &|| false).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
    }
}
