//! Decodes Base64 (RFC 4648) symbol by symbol. Accepts several padded texts in a row, because gRPC-Web encodes each frame on its
//! own. The `base64` crate refuses symbols after the first padding.

/// Stores up to three symbols until the fourth is added.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    bits: u32,
    symbols: u8,
    padding: u8,
}

/// The one to three bytes that four symbols encode.
#[derive(Debug)]
pub(crate) struct Decoded {
    bytes: [u8; 3],
    len: usize,
}

/// The symbol is not allowed here.
#[derive(Debug)]
pub(crate) struct Malformed;

impl Decoder {
    /// Adds a symbol. At every fourth symbol, returns the bytes that the last four symbols encode.
    pub(crate) fn push(&mut self, symbol: u8) -> Result<Option<Decoded>, Malformed> {
        let value = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' if self.symbols >= 2 => {
                self.padding += 1;
                0
            }
            _ => return Err(Malformed),
        };
        if self.padding > 0 && symbol != b'=' {
            return Err(Malformed);
        }
        self.bits = self.bits << 6 | u32::from(value);
        self.symbols += 1;
        if self.symbols < 4 {
            return Ok(None);
        }
        let Self { bits, symbols: _, padding } = std::mem::take(self);
        let [_, bytes @ ..] = bits.to_be_bytes();
        Ok(Some(Decoded { bytes, len: 3 - usize::from(padding) }))
    }
}

impl Decoded {
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Result<Vec<u8>, Malformed> {
        let mut decoder = Decoder::default();
        let mut bytes = Vec::new();
        for symbol in text.bytes() {
            bytes.extend(decoder.push(symbol)?.iter().flat_map(Decoded::as_slice));
        }
        Ok(bytes)
    }

    // F-01
    #[test]
    fn texts_are_decoded_including_several_padded_ones_in_a_row() {
        // RFC 4648, section 10.
        for (text, bytes) in [
            ("", &b""[..]),
            ("Zg==", b"f"),
            ("Zm8=", b"fo"),
            ("Zm9v", b"foo"),
            ("Zm9vYg==", b"foob"),
            ("Zm9vYmE=", b"fooba"),
            ("Zm9vYmFy", b"foobar"),
            ("gA+/", b"\x80\x0f\xbf"),
            ("Zg==Zm8=Zm9vZg==", b"ffofoof"),
            // An incomplete text.
            ("Zm9vYm", b"foo"),
        ] {
            assert_eq!(decode(text).expect(text), bytes, "{text}");
        }
        for malformed in ["Zm9v\n", "Zg-_", "=", "Z===", "Zg=A", "Zm 9v", "Zg==="] {
            assert!(decode(malformed).is_err(), "{malformed}");
        }
    }
}
