//! Writes the length of a family before the family.

use crate::exposition::{
    chunks::ChunkBuffer,
    protobuf::wire::{close, push_varint},
};

/// Writes the length of each family before the family, in the memory of one chunk.
///
/// A family that fits into a chunk is written into the buffer, and then its length is inserted before it. A
/// larger family is written twice: first only to measure it, then with its length first.
#[derive(Debug)]
pub(super) struct FamilyLength(Pass);

#[derive(Debug)]
enum Pass {
    /// No family has begun. If the last one was only measured, this is its length.
    Idle(Option<usize>),
    /// The family is in the memory from `start` on. The bytes for its length are before it.
    InMemory { start: usize },
    /// The family is too large. What is in the memory from `start` on is counted and removed.
    Measuring { start: usize, len: usize },
    /// The length is written.
    Known,
}

impl FamilyLength {
    pub(super) fn new() -> Self {
        Self(Pass::Idle(None))
    }

    /// Begins a family. If the last family was only measured, it has to be the same one again.
    pub(super) fn begin(&mut self, out: &mut ChunkBuffer<'_>) {
        let Self(pass) = self;
        *pass = if let Pass::Idle(Some(len)) = *pass {
            push_varint(&mut out.bytes, len as u64);
            Pass::Known
        } else {
            out.bytes.extend_from_slice(&[0; RESERVED]);
            Pass::InMemory { start: out.bytes.len() }
        };
    }

    /// Call it where a chunk may end: after the head of a family, and after a series.
    #[inline]
    pub(super) fn cut(&mut self, out: &mut ChunkBuffer<'_>) {
        let Self(pass) = self;
        match pass {
            Pass::InMemory { start } if out.is_full() => {
                let start = *start;
                *pass = Pass::Measuring { start, len: out.bytes.len() - start };
                out.bytes.truncate(start);
            }
            Pass::Measuring { start, len } => {
                *len += out.bytes.len() - *start;
                out.bytes.truncate(*start);
            }
            Pass::Known => out.give(),
            Pass::Idle(_) | Pass::InMemory { .. } => {}
        }
    }

    /// Ends the family. Returns whether it is written.
    pub(super) fn end(&mut self, out: &mut ChunkBuffer<'_>) -> bool {
        let Self(pass) = self;
        match *pass {
            Pass::InMemory { start } => _ = close(&mut out.bytes, start, RESERVED),
            Pass::Measuring { start, len } => {
                *pass = Pass::Idle(Some(len + out.bytes.len() - start));
                out.bytes.truncate(start - RESERVED);
                return false;
            }
            Pass::Idle(_) | Pass::Known => {}
        }
        *pass = Pass::Idle(None);
        out.give();
        true
    }
}

/// How many bytes are reserved for a length that is not known yet. The length of a family of 16 KiB to 2 MiB
/// has 3 bytes. Other families are moved: a smaller one takes little time to move, and a larger one takes much
/// longer to write.
const RESERVED: usize = 3;
