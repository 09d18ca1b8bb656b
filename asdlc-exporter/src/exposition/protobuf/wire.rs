//! The encoding of protobuf: varints, lengths, and tags.

/// The tag of a varint field: the number of the field and the wire type. Only for numbers up to 15.
pub(super) const fn varint_tag(number: u8) -> u8 {
    number << 3
}

/// As [`varint_tag`], for a `double`.
pub(super) const fn double_tag(number: u8) -> u8 {
    number << 3 | 1
}

/// As [`varint_tag`], for a length-delimited field: a message or a text.
pub(super) const fn length_tag(number: u8) -> u8 {
    number << 3 | 2
}

/// How many bytes a varint has.
#[inline]
pub(super) fn varint_len(value: u64) -> usize {
    (u64::BITS - (value | 1).leading_zeros()).div_ceil(7) as usize
}

#[inline]
pub(super) fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= MORE {
        out.push((value | MORE) as u8);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes a varint at the beginning of the slice, which has to be long enough. Returns the varint's length.
#[inline]
pub(super) fn put_varint(out: &mut [u8], mut value: u64) -> usize {
    let mut len = 1;
    for byte in out {
        if value < MORE {
            *byte = value as u8;
            break;
        }
        *byte = (value | MORE) as u8;
        value >>= 7;
        len += 1;
    }
    len
}

/// The varint of a `sint32` or `sint64`.
#[inline]
pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Appends a tag, and bytes with their length before them.
pub(super) fn push_bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    push_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a tag and a number.
#[inline]
pub(super) fn push_double(out: &mut Vec<u8>, tag: u8, value: f64) {
    let mut field = [tag; 9];
    field[1..].copy_from_slice(&double(value));
    out.extend_from_slice(&field);
}

/// The bytes of a number. Each NaN becomes the same NaN, as in text: for Prometheus, a special NaN means that
/// the series has ended.
#[inline]
pub(super) fn double(value: f64) -> [u8; 8] {
    let value = if value.is_nan() { f64::NAN } else { value };
    value.to_le_bytes()
}

/// Writes the length of the message that begins at `start` into the `reserved` bytes before it. If the length
/// needs more or fewer bytes, the message is moved. Returns how many bytes the length has.
#[inline]
pub(super) fn close(out: &mut Vec<u8>, start: usize, reserved: usize) -> usize {
    let length = (out.len() - start) as u64;
    let needed = varint_len(length);
    if needed != reserved {
        move_to(out, start, start - reserved + needed);
    }
    put_varint(&mut out[start - reserved..], length);
    needed
}

/// Moves the bytes from `from` on to `to`.
#[cold]
fn move_to(out: &mut Vec<u8>, from: usize, to: usize) {
    let end = out.len();
    if to > from {
        out.resize(end + to - from, 0);
        out.copy_within(from..end, to);
    } else {
        out.copy_within(from..end, to);
        out.truncate(end - (from - to));
    }
}

/// Added to each byte of a varint but the last one.
const MORE: u64 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;
    use prost::encoding;

    //
    #[test]
    fn varints_are_those_of_prost() {
        let edges = (0..64).flat_map(|bits| [(1_u64 << bits) - 1, 1 << bits, (1 << bits) + 1]);
        for value in edges.chain([u64::MAX]) {
            let (mut ours, mut theirs, mut array) = (Vec::new(), Vec::new(), [0; 10]);
            push_varint(&mut ours, value);
            encoding::encode_varint(value, &mut theirs);
            assert_eq!(ours, theirs, "{value}");
            assert_eq!(varint_len(value), theirs.len(), "{value}");
            let len = put_varint(&mut array, value);
            assert_eq!(array[..len], theirs, "{value}");
            for signed in [value as i64, (value as i64).wrapping_neg()] {
                let (mut ours, mut theirs) = (vec![varint_tag(5)], Vec::new());
                push_varint(&mut ours, zigzag(signed));
                encoding::sint64::encode(5, &signed, &mut theirs);
                assert_eq!(ours, theirs, "{signed}");
            }
        }
    }

    //
    #[test]
    fn a_length_takes_as_many_bytes_as_it_needs() {
        for len in [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
            for reserved in 0..5 {
                let bytes: Vec<_> = (0..len).map(|at| (at % 251) as u8).collect();
                let mut out = b"before".to_vec();
                out.resize(out.len() + reserved, 0);
                let start = out.len();
                out.extend_from_slice(&bytes);
                let mut expected = b"before".to_vec();
                encoding::encode_varint(len as u64, &mut expected);
                expected.extend_from_slice(&bytes);
                let needed = close(&mut out, start, reserved);
                assert_eq!(needed, encoding::encoded_len_varint(len as u64));
                assert!(out == expected, "{len} bytes, {reserved} reserved");
            }
        }
    }
}
