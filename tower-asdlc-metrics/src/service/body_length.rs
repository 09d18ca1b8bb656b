//! How many bytes the body of a response is to have, and whether it had them. Pure.

use crate::labels::outcome::Ending;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Version};
use http_body::SizeHint;

/// The declared length of a response's body, in one word: it travels with each response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Length(u64);

impl Length {
    /// Nothing is declared yet.
    #[inline]
    pub(crate) fn unknown(version: Version) -> Self {
        Self(if version > Version::HTTP_11 { UNKNOWN | POLLED_TO_ITS_END } else { UNKNOWN })
    }

    /// The head of the response is there.
    ///
    /// A client reads the header; an HTTP/1 server writes what the body itself says, where it says anything.
    #[inline]
    pub(crate) fn declare(&mut self, headers: &HeaderMap, body: &SizeHint) {
        if let Some(length) = body.exact() {
            self.set(length);
        }
        // Of what is empty no look-up is needed.
        if !headers.is_empty() {
            self.declare_header(headers, body);
        }
    }

    #[inline(never)]
    fn declare_header(&mut self, headers: &HeaderMap, body: &SizeHint) {
        let header = headers.get(CONTENT_LENGTH).and_then(|header| parse(header.as_bytes()));
        let Some(header) = header else { return };
        if body.exact().is_none() {
            self.set(header);
        }
        if header < body.lower() || body.upper().is_some_and(|upper| upper < header) {
            self.0 |= CONTRADICTED;
        }
    }

    #[inline]
    fn set(&mut self, length: u64) {
        if length < UNKNOWN {
            self.0 = length | (self.0 & POLLED_TO_ITS_END);
        }
    }

    /// The end of the body is more than its last byte: trailers follow, or the server asks until there is nothing more.
    pub(crate) fn poll_to_its_end(&mut self) {
        self.0 |= POLLED_TO_ITS_END;
    }

    /// [`after`](Self::after) no byte yet.
    #[inline]
    pub(crate) fn at_head(self, is_end: bool) -> After {
        if self.0 == 0 || is_end { self.after_other(0, is_end) } else { After::More }
    }

    /// After so many bytes: whether the body has ended, and if so whether it had as many as declared.
    #[inline]
    pub(crate) fn after(self, sent: u64, is_end: bool) -> After {
        // Without flags, which are above all numbers: what most bodies come to.
        if sent == self.0 {
            return After::End;
        }
        let is_open = sent < self.0 && self.0 <= UNKNOWN && !is_end;
        if is_open { After::More } else { self.after_other(sent, is_end) }
    }

    #[inline(never)]
    fn after_other(self, sent: u64, is_end: bool) -> After {
        // HTTP/1 servers write no more than the declared length, and do not ask for more.
        let is_written = sent >= self.0 & !CONTRADICTED;
        if sent > self.number() {
            After::Mismatch
        } else if is_end || is_written {
            if self.allows_end_at(sent) { After::End } else { After::Mismatch }
        } else {
            After::More
        }
    }

    /// Whether just the declared number of bytes was sent.
    pub(crate) fn is_met(self, sent: u64) -> bool {
        self.allows_end_at(sent) && self.number() != UNKNOWN
    }

    /// Whether the header and the body declare different lengths.
    pub(crate) fn is_contradicted(self) -> bool {
        self.0 & CONTRADICTED != 0
    }

    fn allows_end_at(self, sent: u64) -> bool {
        !self.is_contradicted() && (self.number() == UNKNOWN || self.number() == sent)
    }

    fn number(self) -> u64 {
        self.0 & UNKNOWN
    }
}

/// What is known of a body from the number of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    More,
    End,
    Mismatch,
}

impl After {
    /// How that ends the response, if it does.
    #[inline]
    pub(crate) fn ending(self) -> Option<Ending> {
        match self {
            Self::More => None,
            Self::End => Some(Ending::Complete),
            Self::Mismatch => Some(Ending::LengthMismatch),
        }
    }
}

/// Only digits: `u64::from_str` takes a sign, which HTTP does not.
fn parse(header: &[u8]) -> Option<u64> {
    let digits = |digits: &&[u8]| digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(Some(header).filter(digits)?).ok()?.parse().ok()
}

const UNKNOWN: u64 = u64::MAX >> 2;
const POLLED_TO_ITS_END: u64 = 1 << 62;
const CONTRADICTED: u64 = 1 << 63;

#[cfg(test)]
mod tests {
    use super::*;
    use After::{End, Mismatch, More};

    const HTTP_1: Version = Version::HTTP_11;

    fn length(version: Version, header: Option<&str>, body: &SizeHint) -> Length {
        let header = header.map(|header| (CONTENT_LENGTH, header.parse().unwrap()));
        let mut length = Length::unknown(version);
        length.declare(&header.into_iter().collect(), body);
        length
    }

    // F-03
    #[test]
    fn where_no_length_is_declared_any_is_right() {
        for header in [None, Some("+5"), Some("-5"), Some(""), Some("5 "), Some("5, 5")] {
            let length = length(HTTP_1, header, &SizeHint::new());
            for sent in [0, 5, 1 << 50] {
                assert_eq!((length.after(sent, false), length.after(sent, true)), (More, End));
                assert!(!length.is_met(sent));
            }
        }
        for header in ["4611686018427387903", "18446744073709551615", "99999999999999999999999"] {
            assert_eq!(
                length(HTTP_1, Some(header), &SizeHint::new()).after(5, true),
                End,
                "{header}"
            );
        }
    }

    // F-03
    #[test]
    fn a_declared_length_is_the_end_over_http_1_and_a_promise_over_all() {
        for version in [Version::HTTP_10, HTTP_1, Version::HTTP_2, Version::HTTP_3] {
            for (header, body) in [
                (Some("5"), SizeHint::new()),
                (None, SizeHint::with_exact(5)),
                (Some("5"), SizeHint::with_exact(5)),
            ] {
                let length = length(version, header, &body);
                let after = |is_end| [4, 5, 6].map(|sent| length.after(sent, is_end));
                assert_eq!(after(true), [Mismatch, End, Mismatch], "{version:?} {header:?}");
                let at_length = if version <= HTTP_1 { End } else { More };
                assert_eq!(after(false), [More, at_length, Mismatch], "{version:?} {header:?}");
                assert_eq!([4, 5, 6].map(|sent| length.is_met(sent)), [false, true, false]);
            }
        }
        let mut of_grpc = length(HTTP_1, Some("5"), &SizeHint::new());
        of_grpc.poll_to_its_end();
        assert_eq!((of_grpc.after(5, false), of_grpc.after(5, true)), (More, End));
    }

    // F-03, a neighbour: the body says that the header is wrong.
    #[test]
    fn where_header_and_body_declare_different_lengths_none_is_right() {
        let (mut at_least, mut at_most) = (SizeHint::new(), SizeHint::new());
        at_least.set_lower(6);
        at_most.set_upper(4);
        for body in [SizeHint::with_exact(0), SizeHint::with_exact(10), at_least, at_most] {
            let length = length(HTTP_1, Some("5"), &body);
            assert!(length.is_contradicted());
            assert!((0..12).all(|sent| length.after(sent, true) == Mismatch));
            assert!((0..12).all(|sent| length.after(sent, false) != End && !length.is_met(sent)));
        }
    }
}
