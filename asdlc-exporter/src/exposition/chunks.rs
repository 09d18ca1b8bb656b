//! The buffer that an exposition is written into, and the sink that takes its chunks.

/// Takes an exposition in chunks, while it is written.
pub(crate) trait Sink {
    /// Takes the bytes that were written since the last call, and replaces them by an empty buffer.
    ///
    /// Returns the minimum size of the next chunk in bytes. `None` if nobody reads the exposition any more.
    /// Then the rest is not written.
    fn take(&mut self, bytes: &mut Vec<u8>) -> Option<usize>;

    /// Whether a large exposition is written twice, and has to have the same length both times.
    fn needs_same_length(&self) -> bool {
        false
    }
}

/// The buffer that writers write into.
pub(crate) struct ChunkBuffer<'s> {
    /// What was written since the last chunk.
    pub(crate) bytes: Vec<u8>,
    /// The sink, and the minimum size of a chunk in bytes.
    sink: Option<(&'s mut dyn Sink, usize)>,
    taken: usize,
    is_stopped: bool,
}

impl<'s> ChunkBuffer<'s> {
    /// Without a sink, all bytes stay in the buffer.
    pub(crate) fn new(bytes: Vec<u8>, sink: Option<(&'s mut dyn Sink, usize)>) -> Self {
        Self { bytes, sink, taken: 0, is_stopped: false }
    }

    /// Passes a chunk to the sink if there are enough bytes. Call it where a chunk may end: before and after
    /// a series.
    #[inline]
    pub(crate) fn give(&mut self) {
        if self.is_full() {
            self.give_now();
        }
    }

    /// Whether there are enough bytes for a chunk.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.sink.as_ref().is_some_and(|(_, size)| self.bytes.len() >= *size)
    }

    #[cold]
    fn give_now(&mut self) {
        let Some((sink, size)) = &mut self.sink else { return };
        self.taken += self.bytes.len();
        match sink.take(&mut self.bytes) {
            Some(next) => *size = next,
            None => self.is_stopped = true,
        }
        self.bytes.clear();
    }

    /// Whether nobody reads the exposition any more.
    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// How many bytes were written.
    pub(crate) fn written(&self) -> usize {
        self.taken + self.bytes.len()
    }
}
