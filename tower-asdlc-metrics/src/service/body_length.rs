//! Whether a response's body has as many bytes as it declares. Pure functions.

use crate::labels::outcome::Outcome;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Version};
use http_body::SizeHint;

/// The declared length of a response's body and two flags, in one word: every exchange carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BodyLength(u64);

impl BodyLength {
    /// No length is declared yet.
    #[inline]
    pub(crate) fn undeclared(version: Version) -> Self {
        let is_http_1 = version <= Version::HTTP_11;
        Self(if is_http_1 { UNDECLARED } else { UNDECLARED | ENDS_AFTER_LAST_BYTE })
    }

    /// Reads the length that the head of the response declares.
    ///
    /// The exact size of the body takes precedence, because an HTTP/1 server writes as many bytes. Otherwise the header is
    /// used.
    #[inline]
    pub(crate) fn declare(&mut self, headers: &HeaderMap, body: &SizeHint) {
        if let Some(length) = body.exact() {
            self.set(length);
        }
        // A map without headers needs no look-up.
        if !headers.is_empty() && may_have_content_length(headers) {
            self.declare_by_header(headers, body.lower(), body.upper());
        }
    }

    // `lower` and `upper` and not a `SizeHint`, which would be in memory for each response.
    #[inline(never)]
    fn declare_by_header(&mut self, headers: &HeaderMap, lower: u64, upper: Option<u64>) {
        let header = content_length(headers).and_then(|header| parse(header.as_bytes()));
        let Some(header) = header else { return };
        if upper != Some(lower) {
            self.set(header);
        }
        if header < lower || upper.is_some_and(|upper| upper < header) {
            self.0 |= CONTRADICTED;
        }
    }

    #[inline]
    fn set(&mut self, length: u64) {
        if length < UNDECLARED {
            self.0 = length | (self.0 & ENDS_AFTER_LAST_BYTE);
        }
    }

    /// The last byte is not the end of the body: trailers follow, or the server polls until there are no more frames.
    #[inline]
    pub(crate) fn expect_end_after_last_byte(&mut self) {
        self.0 |= ENDS_AFTER_LAST_BYTE;
    }

    /// As [`after`](Self::after) 0 bytes. One case differs: if the header contradicts a body of size 0, the body is open until
    /// it says that it has ended.
    #[inline]
    pub(crate) fn at_head(self, is_end: bool) -> BodyProgress {
        if self.0 == 0 || is_end { self.compare(0, is_end) } else { BodyProgress::Open }
    }

    /// Whether the body is complete after so many bytes, whether it says that it has ended or not.
    #[inline]
    pub(crate) fn is_end(self, sent: u64) -> bool {
        // No flag is set: flags are higher than all lengths.
        sent == self.0
    }

    /// Whether the body is complete after so many bytes. `is_end`: the body says that it has ended.
    #[inline]
    pub(crate) fn after(self, sent: u64, is_end: bool) -> BodyProgress {
        // The most frequent cases, in which no flag is set: flags are higher than all lengths.
        if sent == self.0 {
            return BodyProgress::Complete;
        }
        let is_open = sent < self.0 && self.0 <= UNDECLARED && !is_end;
        if is_open { BodyProgress::Open } else { self.compare(sent, is_end) }
    }

    #[inline(never)]
    fn compare(self, sent: u64, is_end: bool) -> BodyProgress {
        // HTTP/1 servers write no more than the declared length, and do not poll again.
        let is_written = sent >= self.0 & !CONTRADICTED;
        if sent > self.length() {
            BodyProgress::Mismatch
        } else if is_end || is_written {
            if self.may_end_at(sent) { BodyProgress::Complete } else { BodyProgress::Mismatch }
        } else {
            BodyProgress::Open
        }
    }

    /// Whether a length is declared, and `sent` is that length.
    pub(crate) fn is_exactly(self, sent: u64) -> bool {
        self.may_end_at(sent) && self.length() != UNDECLARED
    }

    /// Whether the header and the body declare different lengths.
    pub(crate) fn is_contradicted(self) -> bool {
        self.0 & CONTRADICTED != 0
    }

    fn may_end_at(self, sent: u64) -> bool {
        !self.is_contradicted() && (self.length() == UNDECLARED || self.length() == sent)
    }

    fn length(self) -> u64 {
        self.0 & UNDECLARED
    }
}

/// The state of a body after a number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyProgress {
    Open,
    Complete,
    /// It has ended with fewer bytes than declared, or has more.
    Mismatch,
}

impl BodyProgress {
    /// `None` while the body is open.
    #[inline]
    pub(crate) fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Open => None,
            Self::Complete => Some(Outcome::Complete),
            Self::Mismatch => Some(Outcome::LengthMismatch),
        }
    }
}

/// Whether the header has to be looked up. Most responses do not have it yet: servers and axum add it later.
#[inline(never)]
fn may_have_content_length(headers: &HeaderMap) -> bool {
    headers.keys_len() > FEW_HEADERS || headers.keys().any(|name| *name == CONTENT_LENGTH)
}

/// The first header of this name.
fn content_length(headers: &HeaderMap) -> Option<&HeaderValue> {
    // The names of a few headers are compared: it takes longer to hash this one.
    if headers.keys_len() > FEW_HEADERS {
        return headers.get(CONTENT_LENGTH);
    }
    headers.iter().find(|(name, _)| **name == CONTENT_LENGTH).map(|(_, value)| value)
}

/// Accepts only digits: `u64::from_str` accepts a sign, which HTTP does not allow.
fn parse(header: &[u8]) -> Option<u64> {
    let digits = |digits: &&[u8]| digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(Some(header).filter(digits)?).ok()?.parse().ok()
}

const FEW_HEADERS: usize = 4;

/// The value for no declared length, and the mask of the bits that store the length.
const UNDECLARED: u64 = u64::MAX >> 2;
const ENDS_AFTER_LAST_BYTE: u64 = 1 << 62;
const CONTRADICTED: u64 = 1 << 63;

#[cfg(test)]
mod tests {
    use super::*;
    use BodyProgress::{Complete, Mismatch, Open};
    use http::HeaderName;

    const HTTP_1: Version = Version::HTTP_11;

    fn length(version: Version, header: Option<&str>, body: &SizeHint) -> BodyLength {
        let header = header.map(|header| (CONTENT_LENGTH, header.parse().unwrap()));
        let mut length = BodyLength::undeclared(version);
        length.declare(&header.into_iter().collect(), body);
        length
    }

    // F-03
    #[test]
    fn without_a_declared_length_any_length_is_complete() {
        for header in [None, Some("+5"), Some("-5"), Some(""), Some("5 "), Some("5, 5")] {
            let length = length(HTTP_1, header, &SizeHint::new());
            for sent in [0, 5, 1 << 50] {
                assert_eq!((length.after(sent, false), length.after(sent, true)), (Open, Complete));
                assert!(!length.is_exactly(sent));
            }
        }
        for header in ["4611686018427387903", "18446744073709551615", "99999999999999999999999"] {
            assert_eq!(
                length(HTTP_1, Some(header), &SizeHint::new()).after(5, true),
                Complete,
                "{header}"
            );
        }
    }

    // F-03
    #[test]
    fn a_declared_length_ends_a_body_over_http_1_and_is_checked_over_all_versions() {
        for version in [Version::HTTP_10, HTTP_1, Version::HTTP_2, Version::HTTP_3] {
            for (header, body) in [
                (Some("5"), SizeHint::new()),
                (None, SizeHint::with_exact(5)),
                (Some("5"), SizeHint::with_exact(5)),
            ] {
                let length = length(version, header, &body);
                let after = |is_end| [4, 5, 6].map(|sent| length.after(sent, is_end));
                assert_eq!(after(true), [Mismatch, Complete, Mismatch], "{version:?} {header:?}");
                let at_length = if version <= HTTP_1 { Complete } else { Open };
                assert_eq!(after(false), [Open, at_length, Mismatch], "{version:?} {header:?}");
                assert_eq!([4, 5, 6].map(|sent| length.is_exactly(sent)), [false, true, false]);
            }
        }
        let mut grpc = length(HTTP_1, Some("5"), &SizeHint::new());
        grpc.expect_end_after_last_byte();
        assert_eq!((grpc.after(5, false), grpc.after(5, true)), (Open, Complete));
    }

    // F-03
    #[test]
    fn the_first_declared_length_is_found_among_few_headers_and_among_many() {
        for others in [0, FEW_HEADERS - 1, FEW_HEADERS, 3 * FEW_HEADERS] {
            let mut headers = HeaderMap::new();
            for number in 0..others {
                let name = HeaderName::from_bytes(format!("x-{number}").as_bytes()).unwrap();
                headers.append(name, HeaderValue::from_static("7"));
            }
            assert_eq!(content_length(&headers), None);
            for length in ["5", "6"] {
                headers.append(CONTENT_LENGTH, HeaderValue::from_static(length));
            }
            assert_eq!(content_length(&headers).unwrap(), "5", "{others} others");
        }
    }

    // F-03, a neighbour: the size of the body contradicts the header.
    #[test]
    fn if_header_and_body_declare_different_lengths_every_length_is_a_mismatch() {
        let (mut at_least, mut at_most) = (SizeHint::new(), SizeHint::new());
        at_least.set_lower(6);
        at_most.set_upper(4);
        for body in [SizeHint::with_exact(0), SizeHint::with_exact(10), at_least, at_most] {
            let length = length(HTTP_1, Some("5"), &body);
            assert!(length.is_contradicted());
            assert!((0..12).all(|sent| length.after(sent, true) == Mismatch));
            assert!(
                (0..12)
                    .all(|sent| length.after(sent, false) != Complete && !length.is_exactly(sent))
            );
        }
    }
}
