//! Compresses the text of a scrape.

use bytes::Bytes;
use http::HeaderValue;

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
fn gzip(text: &[u8]) -> std::io::Result<Vec<u8>> {
    use std::io::Write as _;
    let out = Vec::with_capacity(text.len() / 8);
    let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
    encoder.write_all(text)?;
    encoder.finish()
}
