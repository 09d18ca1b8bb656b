//! The length of a family, which is written before it.

use crate::exposition::{
    chunks::ChunkBuffer,
    protobuf::wire::{close, push_varint},
};

/// Writes the length of each family before it, without more memory than a chunk.
///
/// A family that fits into a chunk is written into the memory, and then its length is put before it. If it does
/// not fit, only its length is found out. Then it is written a second time, with its length first.
#[derive(Debug)]
pub(super) struct FamilyLength(Pass);

#[derive(Debug)]
enum Pass {
    /// There is no family. If the last one was measured, this is its length.
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

    /// Begins a family. It is the last one again if that was only measured.
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

    /// To be called where the family may be cut.
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

/// How many bytes there are for the length before it is known: as many as a family from 16 KiB to 2 MiB needs.
/// Moving a smaller family takes next to no time, and a larger one takes long to write anyway.
const RESERVED: usize = 3;
