//! Compresses the text of a scrape.

use bytes::Bytes;
use http::HeaderValue;
use std::io;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Encoding {
    Identity,
    #[cfg(feature = "gzip")]
    Gzip,
    #[cfg(feature = "zstd")]
    Zstd,
}

/// Compresses the text. Returns it uncompressed if that fails.
///
/// Uses level 1: expositions are so repetitive that higher levels make them only a little smaller.
pub(crate) fn encode(text: &Bytes, encoding: Encoding) -> (Bytes, Encoding) {
    let encoded = match encoding {
        Encoding::Identity => None,
        #[cfg(feature = "gzip")]
        Encoding::Gzip => gzip(text).ok(),
        #[cfg(feature = "zstd")]
        Encoding::Zstd => zstd::bulk::compress(text, 1).ok(),
    };
    let encoded: Option<Vec<u8>> = encoded;
    encoded.map_or_else(|| (text.clone(), Encoding::Identity), |body| (body.into(), encoding))
}

/// Compresses a text that is written in chunks. Level 1, as [`encode`].
pub(super) enum ChunkEncoder {
    /// Nothing is compressed, so the chunks need not be copied.
    Identity,
    #[cfg(feature = "gzip")]
    Gzip(Box<flate2::write::GzEncoder<Vec<u8>>>),
    #[cfg(feature = "zstd")]
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl ChunkEncoder {
    /// Returns `Identity` if there is no memory for the encoder of this encoding.
    pub(super) fn new(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Identity => Self::Identity,
            #[cfg(feature = "gzip")]
            Encoding::Gzip => {
                let level = flate2::Compression::fast();
                Self::Gzip(Box::new(flate2::write::GzEncoder::new(empty(), level)))
            }
            #[cfg(feature = "zstd")]
            Encoding::Zstd => {
                zstd::stream::write::Encoder::new(empty(), 1).map_or(Self::Identity, Self::Zstd)
            }
        }
    }

    pub(super) fn encoding(&self) -> Encoding {
        match self {
            Self::Identity => Encoding::Identity,
            #[cfg(feature = "gzip")]
            Self::Gzip(_) => Encoding::Gzip,
            #[cfg(feature = "zstd")]
            Self::Zstd(_) => Encoding::Zstd,
        }
    }

    /// Compresses a chunk. Returns the compressed bytes, if there are enough to send.
    pub(super) fn encode(&mut self, text: &[u8]) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::Identity => Ok(Some(text.to_vec())),
            #[cfg(feature = "gzip")]
            Self::Gzip(encoder) => {
                io::Write::write_all(encoder, text)?;
                Ok(take_enough(encoder.get_mut()))
            }
            #[cfg(feature = "zstd")]
            Self::Zstd(encoder) => {
                io::Write::write_all(encoder, text)?;
                Ok(take_enough(encoder.get_mut()))
            }
        }
    }

    /// Returns the remaining compressed bytes and the end of the encoding.
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Identity => Ok(Vec::new()),
            #[cfg(feature = "gzip")]
            Self::Gzip(encoder) => encoder.finish(),
            #[cfg(feature = "zstd")]
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

/// Takes the compressed bytes if they are enough to send.
#[cfg(any(feature = "gzip", feature = "zstd"))]
fn take_enough(out: &mut Vec<u8>) -> Option<Vec<u8>> {
    (out.len() >= ENOUGH).then(|| std::mem::replace(out, empty()))
}

/// Memory for a chunk that is compressed.
#[cfg(any(feature = "gzip", feature = "zstd"))]
fn empty() -> Vec<u8> {
    Vec::with_capacity(ENOUGH + ENOUGH / 2)
}

/// The minimum size of a compressed chunk in bytes. Each chunk occupies memory until the client has read it.
#[cfg(any(feature = "gzip", feature = "zstd"))]
const ENOUGH: usize = 64 << 10;

/// The value of the header `Content-Encoding`.
pub(crate) fn content_encoding(encoding: Encoding) -> Option<HeaderValue> {
    match encoding {
        Encoding::Identity => None,
        #[cfg(feature = "gzip")]
        Encoding::Gzip => Some(HeaderValue::from_static("gzip")),
        #[cfg(feature = "zstd")]
        Encoding::Zstd => Some(HeaderValue::from_static("zstd")),
    }
}

#[cfg(feature = "gzip")]
fn gzip(text: &[u8]) -> io::Result<Vec<u8>> {
    use io::Write as _;
    let out = Vec::with_capacity(text.len() / 8);
    let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
    encoder.write_all(text)?;
    encoder.finish()
}
