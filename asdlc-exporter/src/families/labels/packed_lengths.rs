//! Encodes lengths as ASCII, six bits a byte, so that they fit into the same `String` as the values.

pub(crate) fn push(out: &mut String, mut value: usize) {
    while value >= MORE {
        out.push(char::from((value % MORE + MORE) as u8));
        value /= MORE;
    }
    out.push(char::from(value as u8));
}

/// Removes and returns the first length.
#[inline]
pub(crate) fn take(packed: &mut &[u8]) -> usize {
    match **packed {
        // Most lengths have one byte.
        [byte, ref rest @ ..] if usize::from(byte) < MORE => {
            *packed = rest;
            usize::from(byte)
        }
        _ => take_long(packed),
    }
}

#[cold]
fn take_long(packed: &mut &[u8]) -> usize {
    let (mut value, mut shift) = (0, 0);
    while let Some((&byte, rest)) = packed.split_first() {
        *packed = rest;
        let byte = usize::from(byte);
        value |= (byte % MORE) << shift;
        if byte < MORE {
            break;
        }
        shift += 6;
    }
    value
}

/// Added to each byte of a length except the last one: more bytes of this length follow.
const MORE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_decoded_as_they_were_encoded() {
        let lengths = [0, 1, 63, 64, 4095, 4096, usize::MAX / 2, usize::MAX];
        let mut text = String::new();
        lengths.into_iter().for_each(|length| push(&mut text, length));
        assert!(text.is_ascii());
        let mut packed = text.as_bytes();
        assert_eq!(lengths.map(|_| take(&mut packed)), lengths);
        assert!(packed.is_empty());
    }
}
