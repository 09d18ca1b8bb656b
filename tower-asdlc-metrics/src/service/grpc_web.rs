//! The status of a gRPC-Web call, which is in the last frame of the response's body. Pure: nothing is copied but one line.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>

use crate::labels::grpc_status::GrpcStatus;
use crate::service::base64::Decoder;
use bytes::Buf;
use std::io::IoSlice;

/// Reads the body of a gRPC-Web response as it passes, and of it only the trailer frame.
///
/// Frames may be split anywhere. What it keeps is bounded, whatever the body has.
#[derive(Debug)]
pub(crate) struct TrailerReader {
    /// Of `application/grpc-web-text`.
    decoder: Option<Decoder>,
    state: State,
    status: Option<GrpcStatus>,
}

#[derive(Debug)]
enum State {
    /// The first five bytes of a frame: flags, then the length of the rest.
    Prefix {
        read: usize,
        prefix: [u8; PREFIX],
    },
    Message {
        left: u32,
    },
    Trailers {
        left: u32,
        line: Line,
    },
    /// All of the trailer frame was read. What follows is of no meaning.
    Ended,
    Unreadable,
}

impl TrailerReader {
    /// A reader for a response of this content type; `None` if that is not one of gRPC-Web.
    pub(crate) fn of_content_type(content_type: &[u8]) -> Option<Self> {
        let starts = |prefix: &[u8]| {
            content_type.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        let decoder = starts(b"application/grpc-web-text").then(Decoder::default);
        let new = || Self { decoder, state: State::NEXT, status: None };
        starts(b"application/grpc-web").then(new)
    }

    /// A reader that knows from the start that it cannot read the body: somebody has compressed it.
    pub(crate) fn unreadable(self) -> Self {
        Self { state: State::Unreadable, ..self }
    }

    /// The trailer frame was there, to its last byte.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// The status; `None` as long as there is no whole trailer frame, and for ever if that cannot be read.
    pub(crate) fn status(&self) -> Option<GrpcStatus> {
        self.status.filter(|_| self.has_ended())
    }

    /// Reads what `data` has without taking it.
    pub(crate) fn read(&mut self, data: &impl Buf) {
        if self.is_done() {
            return;
        }
        if data.chunk().len() == data.remaining() {
            return self.bytes(data.chunk());
        }
        let mut few = [IoSlice::new(&[]); FEW_PIECES];
        let mut pieces = self.slices(data, &mut few);
        if pieces == Pieces::More {
            pieces = self.slices(data, &mut vec![IoSlice::new(&[]); MAX_PIECES]);
        }
        if pieces != Pieces::All {
            self.state = State::Unreadable;
        }
    }

    /// Reads all pieces of `data`, or nothing of it.
    fn slices<'a>(&mut self, data: &'a impl Buf, slices: &mut [IoSlice<'a>]) -> Pieces {
        let count = data.chunks_vectored(slices);
        let is_full = count == slices.len();
        let slices = &slices[..count];
        if slices.iter().map(|slice| slice.len()).sum::<usize>() == data.remaining() {
            slices.iter().for_each(|slice| self.bytes(slice));
            Pieces::All
        } else if is_full {
            Pieces::More
        } else {
            Pieces::Hidden
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if self.decoder.is_none() {
            return self.binary(bytes);
        }
        for symbol in bytes {
            let Some(decoder) = &mut self.decoder else { return };
            match decoder.push(*symbol) {
                Ok(None) => {}
                Ok(Some(decoded)) => self.binary(decoded.as_slice()),
                Err(_) => self.state = State::Unreadable,
            }
            if self.is_done() {
                return;
            }
        }
    }

    fn binary(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_done() {
            match &mut self.state {
                State::Prefix { read, prefix } => {
                    prefix[*read] = bytes[0];
                    *read += 1;
                    bytes = &bytes[1..];
                    if *read == PREFIX {
                        self.state = State::after(*prefix);
                    }
                }
                State::Message { left } => {
                    let (_, rest) = split(bytes, left);
                    bytes = rest;
                    if *left == 0 {
                        self.state = State::NEXT;
                    }
                }
                State::Trailers { left, line } => {
                    let (block, rest) = split(bytes, left);
                    bytes = rest;
                    for byte in block {
                        self.status = self.status.or(line.push(*byte));
                    }
                    if *left == 0 {
                        // The last line may have no end of its own.
                        self.status = self.status.or(line.push(b'\n'));
                        self.state = State::Ended;
                    }
                }
                State::Ended | State::Unreadable => return,
            }
        }
    }

    fn is_done(&self) -> bool {
        matches!(self.state, State::Ended | State::Unreadable)
    }
}

/// What a buffer shows of itself.
#[derive(PartialEq)]
enum Pieces {
    All,
    /// There may be more than were asked for.
    More,
    /// It shows its first pieces only.
    Hidden,
}

impl State {
    const NEXT: Self = Self::Prefix { read: 0, prefix: [0; PREFIX] };

    fn after([flags, length @ ..]: [u8; PREFIX]) -> Self {
        match (flags, u32::from_be_bytes(length)) {
            (0 | COMPRESSED, 0) => Self::NEXT,
            (0 | COMPRESSED, left) => Self::Message { left },
            (TRAILERS, 0) => Self::Ended,
            (TRAILERS, left) => Self::Trailers { left, line: Line::default() },
            // Compressed trailers, or no gRPC at all.
            _ => Self::Unreadable,
        }
    }
}

/// As many of the bytes as are `left`, which it counts down, and the others.
fn split<'a>(bytes: &'a [u8], left: &mut u32) -> (&'a [u8], &'a [u8]) {
    let count = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
    // Truncates nothing: it is not more than what is left.
    *left -= count as u32;
    bytes.split_at(count)
}

/// The beginning of a line: long enough for the one that is looked for.
#[derive(Debug, Default)]
struct Line {
    bytes: [u8; 32],
    len: usize,
}

impl Line {
    /// At the end of a line, the status if it has one.
    fn push(&mut self, byte: u8) -> Option<GrpcStatus> {
        if byte == b'\n' {
            let len = std::mem::take(&mut self.len);
            // A longer line is another one, such as a message.
            return status(self.bytes.get(..len)?);
        }
        if let Some(next) = self.bytes.get_mut(self.len) {
            *next = byte;
        }
        self.len = self.len.saturating_add(1);
        None
    }
}

/// Of `grpc-status: 0`.
fn status(line: &[u8]) -> Option<GrpcStatus> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
    name.eq_ignore_ascii_case(b"grpc-status").then(|| GrpcStatus::parse(value))
}

const PREFIX: usize = 5;
const FEW_PIECES: usize = 16;
/// A frame in more pieces is not read: looking at them takes 16 bytes for each.
const MAX_PIECES: usize = 4_096;
const COMPRESSED: u8 = 0x01;
const TRAILERS: u8 = 0x80;

#[cfg(test)]
mod tests;
