//! Reads the status of a gRPC-Web call, which is in the last frame of the response's body. Copies nothing but one line.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>

use crate::labels::grpc_status::GrpcStatus;
use crate::service::base64::Decoder;
use bytes::Buf;
use std::io::IoSlice;

/// Reads the trailer frame of a gRPC-Web response while its body passes.
///
/// Frames may be split anywhere. Memory is bounded, whatever the body contains.
#[derive(Debug)]
pub(crate) struct TrailerReader {
    /// For `application/grpc-web-text`.
    decoder: Option<Decoder>,
    position: Position,
    status: Option<GrpcStatus>,
}

/// Where in the body the next byte belongs.
#[derive(Debug)]
enum Position {
    /// In the first five bytes of a frame: flags, then the length of the rest.
    Prefix {
        read: usize,
        prefix: [u8; PREFIX_LEN],
    },
    Message {
        left: u32,
    },
    Trailers {
        left: u32,
        line: LineStart,
    },
    /// After the whole trailer frame. Further bytes are ignored.
    End,
    /// The body cannot be read.
    Unreadable,
}

impl TrailerReader {
    /// Creates a reader for a response with this content type; `None` if it is not gRPC-Web.
    pub(crate) fn of_content_type(content_type: &[u8]) -> Option<Self> {
        let starts = |prefix: &[u8]| {
            content_type.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        let decoder = starts(b"application/grpc-web-text").then(Decoder::default);
        let new = || Self { decoder, position: Position::NEXT_FRAME, status: None };
        starts(b"application/grpc-web").then(new)
    }

    /// Marks the body as unreadable, because it has a content encoding.
    pub(crate) fn unreadable(self) -> Self {
        Self { position: Position::Unreadable, ..self }
    }

    /// Whether the whole trailer frame was read.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.position, Position::End)
    }

    /// Returns the status; `None` until the whole trailer frame was read, and always if it cannot be read.
    pub(crate) fn status(&self) -> Option<GrpcStatus> {
        self.status.filter(|_| self.is_complete())
    }

    /// Reads `data` without consuming it.
    pub(crate) fn read(&mut self, data: &impl Buf) {
        if self.is_done() {
            return;
        }
        if data.chunk().len() == data.remaining() {
            return self.read_bytes(data.chunk());
        }
        let mut few = [IoSlice::new(&[]); FEW_CHUNKS];
        let mut chunks = self.read_chunks(data, &mut few);
        if chunks == Chunks::MoreThanSlices {
            chunks = self.read_chunks(data, &mut vec![IoSlice::new(&[]); MAX_CHUNKS]);
        }
        if chunks != Chunks::All {
            self.position = Position::Unreadable;
        }
    }

    /// Reads all chunks of `data`, or nothing.
    fn read_chunks<'a>(&mut self, data: &'a impl Buf, slices: &mut [IoSlice<'a>]) -> Chunks {
        let count = data.chunks_vectored(slices);
        let is_full = count == slices.len();
        let slices = &slices[..count];
        if slices.iter().map(|slice| slice.len()).sum::<usize>() == data.remaining() {
            slices.iter().for_each(|slice| self.read_bytes(slice));
            Chunks::All
        } else if is_full {
            Chunks::MoreThanSlices
        } else {
            Chunks::OnlyTheFirst
        }
    }

    fn read_bytes(&mut self, bytes: &[u8]) {
        if self.decoder.is_none() {
            return self.read_binary(bytes);
        }
        for symbol in bytes {
            let Some(decoder) = &mut self.decoder else { return };
            match decoder.push(*symbol) {
                Ok(None) => {}
                Ok(Some(decoded)) => self.read_binary(decoded.as_slice()),
                Err(_) => self.position = Position::Unreadable,
            }
            if self.is_done() {
                return;
            }
        }
    }

    fn read_binary(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_done() {
            match &mut self.position {
                Position::Prefix { read, prefix } => {
                    prefix[*read] = bytes[0];
                    *read += 1;
                    bytes = &bytes[1..];
                    if *read == PREFIX_LEN {
                        self.position = Position::after(*prefix);
                    }
                }
                Position::Message { left } => {
                    let (_, rest) = split(bytes, left);
                    bytes = rest;
                    if *left == 0 {
                        self.position = Position::NEXT_FRAME;
                    }
                }
                Position::Trailers { left, line } => {
                    let (block, rest) = split(bytes, left);
                    bytes = rest;
                    for byte in block {
                        self.status = self.status.or(line.push(*byte));
                    }
                    if *left == 0 {
                        // The last line may have no line break.
                        self.status = self.status.or(line.push(b'\n'));
                        self.position = Position::End;
                    }
                }
                Position::End | Position::Unreadable => return,
            }
        }
    }

    fn is_done(&self) -> bool {
        matches!(self.position, Position::End | Position::Unreadable)
    }
}

/// Which chunks of its content a buffer returns.
#[derive(PartialEq)]
enum Chunks {
    All,
    /// It filled all slices and may have more chunks.
    MoreThanSlices,
    /// It returns only its first chunks.
    OnlyTheFirst,
}

impl Position {
    const NEXT_FRAME: Self = Self::Prefix { read: 0, prefix: [0; PREFIX_LEN] };

    /// The position after this prefix of a frame.
    fn after([flags, length @ ..]: [u8; PREFIX_LEN]) -> Self {
        match (flags, u32::from_be_bytes(length)) {
            (0 | COMPRESSED, 0) => Self::NEXT_FRAME,
            (0 | COMPRESSED, left) => Self::Message { left },
            (TRAILERS, 0) => Self::End,
            (TRAILERS, left) => Self::Trailers { left, line: LineStart::default() },
            // Compressed trailers, or not gRPC.
            _ => Self::Unreadable,
        }
    }
}

/// Splits off up to `left` bytes, and subtracts their number from `left`.
fn split<'a>(bytes: &'a [u8], left: &mut u32) -> (&'a [u8], &'a [u8]) {
    let count = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
    // At most `left`, so that nothing is truncated.
    *left -= count as u32;
    bytes.split_at(count)
}

/// The start of a line, as long as a `grpc-status` line can be.
#[derive(Debug, Default)]
struct LineStart {
    bytes: [u8; 32],
    len: usize,
}

impl LineStart {
    /// Adds a byte. At the end of a line, returns the status if the line has one.
    fn push(&mut self, byte: u8) -> Option<GrpcStatus> {
        if byte == b'\n' {
            let len = std::mem::take(&mut self.len);
            // Longer lines are other trailers, such as `grpc-message`.
            return parse_status(self.bytes.get(..len)?);
        }
        if let Some(next) = self.bytes.get_mut(self.len) {
            *next = byte;
        }
        self.len = self.len.saturating_add(1);
        None
    }
}

/// Parses a line such as `grpc-status: 0`.
fn parse_status(line: &[u8]) -> Option<GrpcStatus> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
    name.eq_ignore_ascii_case(b"grpc-status").then(|| GrpcStatus::parse(value))
}

const PREFIX_LEN: usize = 5;
const FEW_CHUNKS: usize = 16;
/// Data in more chunks is not read, because the slices take 16 bytes for each chunk.
const MAX_CHUNKS: usize = 4_096;
const COMPRESSED: u8 = 0x01;
const TRAILERS: u8 = 0x80;

#[cfg(test)]
mod tests;
