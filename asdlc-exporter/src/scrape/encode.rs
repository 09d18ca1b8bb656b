//! Compressed bodies.

use crate::scrape::negotiate::Encoding;
use bytes::Bytes;
use http::HeaderValue;

/// The text in this encoding; as it is, should that fail.
///
/// Level 1: exposition repeats itself so much that more effort saves little.
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

/// What the header `Content-Encoding` says.
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
