//! The memory that an exposition is written into, and where its chunks go.

/// Takes an exposition in chunks, while it is written.
pub(crate) trait Sink {
    /// Takes the bytes that were written since the last call. Leaves empty memory for the next ones in their
    /// place.
    ///
    /// Returns how many bytes the next chunk should have at least. `None` if nobody reads the exposition any
    /// more: then it is not written further.
    fn take(&mut self, bytes: &mut Vec<u8>) -> Option<usize>;
}

/// Where writers write to.
pub(crate) struct ChunkBuffer<'s> {
    /// What was written since the last chunk.
    pub(crate) bytes: Vec<u8>,
    /// The sink, and how many bytes a chunk has at least.
    sink: Option<(&'s mut dyn Sink, usize)>,
    taken: usize,
    is_stopped: bool,
}

impl<'s> ChunkBuffer<'s> {
    /// Without a sink, all bytes stay in the memory.
    pub(crate) fn new(bytes: Vec<u8>, sink: Option<(&'s mut dyn Sink, usize)>) -> Self {
        Self { bytes, sink, taken: 0, is_stopped: false }
    }

    /// Gives a chunk to the sink if there are enough bytes. To be called where an exposition may be cut:
    /// before and after a series.
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
