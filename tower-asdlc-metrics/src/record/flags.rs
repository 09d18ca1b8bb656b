//! Flags of a recorder, which each request checks. They are in one word, so that a request reads all of them with one load.

use std::sync::atomic::{AtomicU16, Ordering};

#[derive(Debug)]
pub(crate) struct Flags(AtomicU16);

/// The flags at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlagSet(u16);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag(u16);

impl Flag {
    /// Some requests are not recorded.
    pub(crate) const HAS_EXCLUSIONS: Self = Self(1);
    /// The time to the response's head is recorded.
    pub(crate) const HAS_TIME_TO_HEADERS: Self = Self(16);
    /// No callback runs before collections. Nothing is buffered, and the in-flight gauge changes when a request starts and ends.
    pub(crate) const NO_FLUSH_CALLBACK: Self = Self(4);
    /// Set by the first collection; until then nothing is buffered.
    pub(crate) const IS_COLLECTED: Self = Self(8);
    /// Requests have labels besides the method: those of the application, a scheme, a host, or the version of HTTP.
    pub(crate) const HAS_MORE_LABELS: Self = Self(32);
    /// The sizes of bodies are recorded.
    pub(crate) const HAS_BODY_SIZES: Self = Self(64);
    /// Some labels come from the response.
    pub(crate) const HAS_RESPONSE_LABELS: Self = Self(128);
    /// The layer is around a client.
    pub(crate) const IS_CLIENT: Self = Self(256);
    /// The layer is around a client, and the version of HTTP is a label. The response has it.
    pub(crate) const READS_VERSION: Self = Self(512);
    /// The layer reads more of a response than its status and its body.
    pub(crate) const READS_RESPONSE: Self =
        Self(Self::HAS_TIME_TO_HEADERS.0 | Self::HAS_RESPONSE_LABELS.0 | Self::READS_VERSION.0);
}

impl Flags {
    pub(crate) fn new(flags: impl IntoIterator<Item = (Flag, bool)>) -> Self {
        let set = flags.into_iter().filter(|(_, is_set)| *is_set);
        Self(AtomicU16::new(set.fold(0, |bits, (flag, _)| bits | flag.0)))
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> FlagSet {
        FlagSet(self.0.load(Ordering::Relaxed))
    }

    pub(crate) fn set(&self, flag: Flag) {
        self.0.fetch_or(flag.0, Ordering::Relaxed);
    }
}

impl FlagSet {
    /// The flags of most layers, once the metrics were collected.
    pub(crate) const USUAL: Self = Self(Flag::IS_COLLECTED.0);

    #[inline(always)]
    pub(crate) fn are_usual(self) -> bool {
        self.0 == Self::USUAL.0
    }

    /// Whether this flag, or one of several, is set.
    #[inline(always)]
    pub(crate) fn contains(self, flag: Flag) -> bool {
        self.0 & flag.0 != 0
    }
}
