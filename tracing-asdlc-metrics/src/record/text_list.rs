//! A short list of texts, which is searched without hashing.

use std::array;

/// A list of up to [`MAX_TEXTS`] texts. Comparing with each of them takes less time than hashing. A short text is compared as two
/// words, because calling `memcmp` takes longer than that.
#[derive(Debug)]
pub(crate) struct TextList {
    /// Not on the heap, so that an entry is found without following a pointer, and the number of entries need not be read.
    words: [Words; MAX_TEXTS],
    texts: Box<[Box<str>]>,
}

/// The words of a text, and its number in the list.
#[derive(Debug)]
struct Words {
    first: u64,
    last: u64,
    /// [`NO_LEN`] if there is no text.
    len: u32,
    number: u16,
}

impl TextList {
    /// A list of texts, which are numbered from `first_number` on. `None` if there are too many.
    pub(crate) fn new<'a>(
        texts: impl IntoIterator<Item = &'a str>,
        first_number: u16,
    ) -> Option<Self> {
        let texts: Box<[Box<str>]> = texts.into_iter().map(Box::from).collect();
        let mut numbered = texts.iter().zip(first_number..);
        let words = array::from_fn(|_| match numbered.next() {
            Some((text, number)) => {
                let (first, last) = words(text.as_bytes());
                let len = u32::try_from(text.len()).unwrap_or(NO_LEN);
                Words { first, last, len, number }
            }
            None => Words { first: 0, last: 0, len: NO_LEN, number: 0 },
        });
        (texts.len() <= MAX_TEXTS).then_some(Self { words, texts })
    }

    pub(crate) fn get(&self, index: usize) -> Option<&str> {
        self.texts.get(index).map(|text| &**text)
    }

    /// The number of this text.
    pub(crate) fn number(&self, text: &str) -> Option<u16> {
        if Self::is_short(text) {
            return self.number_of_short(text);
        }
        let index = self.texts.iter().position(|known| **known == *text)?;
        self.words.get(index).map(|words| words.number)
    }

    /// Whether [`number_of_short`](Self::number_of_short) finds such a text.
    #[inline]
    pub(crate) fn is_short(text: &str) -> bool {
        text.len() <= SHORT
    }

    /// The number of a text that [is short](Self::is_short). Calls no other function, and never panics.
    #[inline(always)]
    pub(crate) fn number_of_short(&self, text: &str) -> Option<u16> {
        let (first, last) = words(text.as_bytes());
        // The cast does not change the length, because the text is short.
        let len = text.len() as u32;
        let is = |known: &&Words| known.first == first && known.last == last && known.len == len;
        Some(self.words.iter().find(is)?.number)
    }
}

/// The first and last bytes of a text. These are all bytes of a text of up to [`SHORT`] bytes: different texts of the same length
/// have different words.
#[inline]
fn words(text: &[u8]) -> (u64, u64) {
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return (u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into());
    }
    match text {
        [] => (0, 0),
        [first, ..] => {
            let (middle, last) = (text[text.len() / 2], text[text.len() - 1]);
            (u16::from_le_bytes([*first, middle]).into(), last.into())
        }
    }
}

/// The longest list.
const MAX_TEXTS: usize = 8;
/// How many bytes are in two words.
const SHORT: usize = 16;
/// No short text has this length.
const NO_LEN: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_any_length_is_found_and_one_that_differs_in_any_byte_is_not() {
        for len in 0..=40 {
            let text = "0123456789abcdefghijklmnopqrstuvwxyz....".split_at(len).0;
            let shorter = text.split_at(len.saturating_sub(1)).0;
            let list = TextList::new([text], 7).unwrap();
            assert_eq!(list.number(text), Some(7), "{text:?}");
            assert_eq!(list.get(0), Some(text));
            assert_eq!(list.number(&format!("{text}.")), None, "{text:?} and one byte more");
            if len > 0 {
                assert_eq!(list.number(shorter), None, "{text:?} and one byte less");
            }
            for index in 0..len {
                let mut other = text.to_owned();
                other.replace_range(index..=index, "\0");
                assert_eq!(list.number(&other), None, "{text:?} and {other:?}");
            }
        }
    }

    #[test]
    fn the_first_of_several_texts_that_is_equal_is_found() {
        let all = [
            "get",
            "put",
            "",
            "get it",
            "a value of more than sixteen bytes",
            "a value of more than 16 bytes",
            "p",
            "pu",
        ];
        let list = TextList::new(all, 2).unwrap();
        for (number, text) in (2..).zip(all) {
            assert_eq!(list.number(text), Some(number), "{text:?}");
        }
        assert_eq!(list.number("a value of more than sixteen byteS"), None);
        assert_eq!(list.get(all.len()), None);
    }
}
