//! Texts that many threads read while others write what happens to be next to them on the heap.

use std::fmt;

/// A text that is where its owner is, unless it is long.
///
/// A request's endpoint is compared with that of its route. Were that a small allocation, something in the same cache line may be
/// written by a thread for each of its requests, and every other thread would wait for the line.
pub(crate) enum IsolatedStr {
    Short { len: usize, bytes: [u8; MOST] },
    Long(Box<[u8]>),
}

impl IsolatedStr {
    #[inline(always)]
    pub(crate) fn is(&self, text: &str) -> bool {
        self.bytes() == text.as_bytes()
    }

    pub(crate) fn as_str(&self) -> &str {
        // It was made of a text.
        std::str::from_utf8(self.bytes()).unwrap_or_default()
    }

    #[inline(always)]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => bytes.get(..*len).unwrap_or_default(),
            Self::Long(bytes) => bytes,
        }
    }
}

impl From<&str> for IsolatedStr {
    fn from(text: &str) -> Self {
        let mut bytes = [0; MOST];
        match bytes.get_mut(..text.len()) {
            Some(short) => {
                short.copy_from_slice(text.as_bytes());
                Self::Short { len: text.len(), bytes }
            }
            None => Self::Long(text.as_bytes().into()),
        }
    }
}

impl fmt::Debug for IsolatedStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Most route templates are shorter.
const MOST: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_what_it_was_made_of() {
        for text in ["", "/items/{id}", "/ä", &"x".repeat(MOST), &"x".repeat(MOST + 1)] {
            let isolated = IsolatedStr::from(text);
            assert_eq!(isolated.as_str(), text);
            assert!(isolated.is(text) && !isolated.is("/other"));
        }
    }
}
