use std::fmt;

/// A string that is stored in its owner, unless it is long.
///
/// A look-up compares the endpoint of a request with that of a route. A small heap allocation for the endpoint could share a
/// cache line with data that another thread writes for each of its requests. Every look-up would then wait for the line.
///
/// The crates for small strings (`smol_str`, `compact_str`) store at most 24 bytes inline; route templates are often longer.
pub(crate) enum InlineStr {
    Inline { len: usize, bytes: [u8; INLINE_LEN] },
    Heap(Box<[u8]>),
}

impl InlineStr {
    #[inline(always)]
    pub(crate) fn equals(&self, text: &str) -> bool {
        self.as_bytes() == text.as_bytes()
    }

    pub(crate) fn as_str(&self) -> &str {
        // Always valid, because it was made from a `str`.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    #[inline(always)]
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Inline { len, bytes } => bytes.get(..*len).unwrap_or_default(),
            Self::Heap(bytes) => bytes,
        }
    }
}

impl From<&str> for InlineStr {
    fn from(text: &str) -> Self {
        let mut bytes = [0; INLINE_LEN];
        match bytes.get_mut(..text.len()) {
            Some(inline) => {
                inline.copy_from_slice(text.as_bytes());
                Self::Inline { len: text.len(), bytes }
            }
            None => Self::Heap(text.as_bytes().into()),
        }
    }
}

impl fmt::Debug for InlineStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Longer than most route templates.
const INLINE_LEN: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_the_one_that_it_was_made_from() {
        for text in ["", "/items/{id}", "/ä", &"x".repeat(INLINE_LEN), &"x".repeat(INLINE_LEN + 1)]
        {
            let string = InlineStr::from(text);
            assert_eq!(string.as_str(), text);
            assert!(string.equals(text) && !string.equals("/other"));
        }
    }
}
