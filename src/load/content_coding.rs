//! Decodes compressed bodies (RFC 9110, section 8.4.1) while they arrive. The client does not request compression, but some proxies
//! compress event streams anyway. A compressed stream arrives in the blocks of the compressor, not token by token.

use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// Maximum size that the bytes of one read may decompress to, bytes: a defence against decompression bombs. A read has at most 64
/// KiB, and real streams compress by less than a factor of ten.
const LIMIT: usize = 32 << 20;
/// Window for the output of brotli, bytes.
const BROTLI_BUFFER: usize = 4096;

/// How the bytes of a body are coded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ContentCoding {
    /// Not compressed.
    #[default]
    Identity,
    /// RFC 1952.
    Gzip,
    /// Zlib (RFC 1950), or raw deflate (RFC 1951), which some servers send against the standard.
    Deflate,
    /// RFC 7932.
    Brotli,
    /// An unsupported coding, or several codings: the value of the header.
    Other(String),
}

impl ContentCoding {
    /// Parses a header value, which must be in lower case.
    #[must_use]
    pub fn of_header(value: &str) -> Self {
        let mut codings = value.split(',').map(str::trim).filter(|coding| !matches!(*coding, "" | "identity"));
        match (codings.next(), codings.next()) {
            (None, _) => Self::Identity,
            (Some("gzip" | "x-gzip"), None) => Self::Gzip,
            (Some("deflate"), None) => Self::Deflate,
            (Some("br"), None) => Self::Brotli,
            (Some(_), _) => Self::Other(value.to_owned()),
        }
    }

    /// Its name in the header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Other(value) => value,
        }
    }

    /// A decoder for a body; `None` if it is not compressed or the coding is not supported.
    #[must_use]
    pub fn decoder(&self) -> Option<Decoder> {
        let sink = Sink::default();
        Some(Decoder(match self {
            Self::Identity | Self::Other(_) => return None,
            Self::Gzip => Inner::Gzip(Box::new(MultiGzDecoder::new(sink))),
            Self::Deflate => Inner::Deflate(Vec::new()),
            Self::Brotli => Inner::Brotli(Box::new(DecompressorWriter::new(sink, BROTLI_BUFFER))),
        }))
    }
}

/// The state of a body that is being decoded.
pub struct Decoder(Inner);

enum Inner {
    Gzip(Box<MultiGzDecoder<Sink>>),
    /// Fewer than two bytes have arrived, so it is not known yet whether this is zlib or raw deflate.
    Deflate(Vec<u8>),
    Zlib(Box<ZlibDecoder<Sink>>),
    Raw(Box<DeflateDecoder<Sink>>),
    Brotli(Box<DecompressorWriter<Sink>>),
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decoder")
    }
}

impl Decoder {
    /// Decodes the next bytes and returns all output that is available so far.
    ///
    /// # Errors
    /// The bytes are not of the coding, or expand to more than 32 MiB.
    pub fn decode(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        if let Inner::Deflate(start) = &mut self.0 {
            start.extend_from_slice(bytes);
            let &[method, flags, ..] = start.as_slice() else {
                return Ok(Vec::new());
            };
            let start = std::mem::take(start);
            self.0 = deflate(method, flags);
            return self.0.decode(&start);
        }
        self.0.decode(bytes)
    }
}

/// Chooses zlib or raw deflate by the first two bytes. A zlib header has method 8 in the low half of the first byte, and both bytes
/// as a big-endian number are a multiple of 31 (RFC 1950, section 2.2).
fn deflate(method: u8, flags: u8) -> Inner {
    let is_zlib = method & 0x0f == 8 && (u16::from(method) << 8 | u16::from(flags)).is_multiple_of(31);
    if is_zlib {
        Inner::Zlib(Box::new(ZlibDecoder::new(Sink::default())))
    } else {
        Inner::Raw(Box::new(DeflateDecoder::new(Sink::default())))
    }
}

impl Inner {
    fn decode(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(decoder) => decode(decoder.as_mut(), bytes, |decoder| decoder.get_mut()),
            Self::Zlib(decoder) => decode(decoder.as_mut(), bytes, |decoder| decoder.get_mut()),
            Self::Raw(decoder) => decode(decoder.as_mut(), bytes, |decoder| decoder.get_mut()),
            Self::Brotli(decoder) => decode(decoder.as_mut(), bytes, |decoder| decoder.get_mut()),
            Self::Deflate(_) => Ok(Vec::new()),
        }
    }
}

fn decode<D: Write>(decoder: &mut D, bytes: &[u8], sink: impl FnOnce(&mut D) -> &mut Sink) -> io::Result<Vec<u8>> {
    decoder.write_all(bytes)?;
    decoder.flush()?;
    Ok(std::mem::take(&mut sink(decoder).0))
}

/// Collects decoded bytes, at most [`LIMIT`] per read.
#[derive(Default)]
struct Sink(Vec<u8>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LIMIT {
            return Err(io::Error::other(format!("one read expands to more than {LIMIT} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const WORDS: &str = "data: {\"choices\":[{\"text\":\"a\"}]}\n\n";

    /// `WORDS` three times, flushed after each, as by a proxy that does not buffer the whole body.
    fn flushed<E: Write>(mut encoder: E, finish: impl FnOnce(E) -> Vec<u8>) -> Vec<u8> {
        for _ in 0..3 {
            encoder.write_all(WORDS.as_bytes()).unwrap();
            encoder.flush().unwrap();
        }
        finish(encoder)
    }

    fn samples() -> [(ContentCoding, Vec<u8>); 4] {
        let level = Compression::default();
        [
            (
                ContentCoding::Gzip,
                flushed(GzEncoder::new(Vec::new(), level), |encoder| encoder.finish().unwrap()),
            ),
            (
                ContentCoding::Deflate,
                flushed(ZlibEncoder::new(Vec::new(), level), |encoder| encoder.finish().unwrap()),
            ),
            (
                ContentCoding::Deflate,
                flushed(DeflateEncoder::new(Vec::new(), level), |encoder| encoder.finish().unwrap()),
            ),
            // `WORDS` three times by Google's brotli 1.2.1, quality 5, flushed after each.
            (ContentCoding::Brotli, hex::decode(BROTLI).unwrap()),
        ]
    }

    const BROTLI: &str =
        "8b1000000454399fd053c1913e870b2feb414a614517f99d29218b9e202fbc61c570f3f42a190801004002208a098b65000801004002208a088003";

    #[test]
    fn bodies_decode_however_they_are_cut() {
        for (coding, bytes) in samples() {
            for step in [1, 2, 7, 1000] {
                let mut decoder = coding.decoder().unwrap();
                let mut text = Vec::new();
                for piece in bytes.chunks(step) {
                    text.extend(decoder.decode(piece).unwrap());
                }
                assert_eq!(String::from_utf8(text).unwrap(), WORDS.repeat(3), "{coding:?} by {step}");
            }
        }
    }

    #[test]
    fn what_was_flushed_is_there_at_once() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(WORDS.as_bytes()).unwrap();
        encoder.flush().unwrap();
        let mut decoder = ContentCoding::Gzip.decoder().unwrap();
        assert_eq!(decoder.decode(encoder.get_ref()).unwrap(), WORDS.as_bytes());
    }

    #[test]
    fn other_bytes_and_bombs_are_errors() {
        for coding in [ContentCoding::Gzip, ContentCoding::Deflate, ContentCoding::Brotli] {
            assert!(coding.decoder().unwrap().decode(WORDS.as_bytes()).is_err(), "{coding:?}");
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&vec![0; LIMIT + 1]).unwrap();
        let bomb = encoder.finish().unwrap();
        let error = ContentCoding::Gzip.decoder().unwrap().decode(&bomb).unwrap_err();
        assert!(error.to_string().contains("expands to more than"), "{error}");
    }

    #[test]
    fn header_values() {
        for (value, coding) in [
            ("", ContentCoding::Identity),
            ("identity", ContentCoding::Identity),
            ("x-gzip", ContentCoding::Gzip),
            ("zstd", ContentCoding::Other("zstd".to_owned())),
            ("gzip, br", ContentCoding::Other("gzip, br".to_owned())),
        ] {
            assert_eq!(ContentCoding::of_header(value), coding);
        }
    }
}
