//! The labels that are known from the head of a request, except for the endpoint, in one word.

use crate::labels::methods::MethodId;
use crate::labels::protocol::UrlScheme;
use crate::labels::user_label::UserLabelValues;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestLabels(u64);

/// A host, as its number in [`Hosts`](crate::record::hosts::Hosts).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostId(pub(crate) u16);

impl HostId {
    /// A host that has no label value of its own.
    pub(crate) const OTHER: Self = Self(0);
}

impl RequestLabels {
    #[inline(always)]
    pub(crate) fn new(method: MethodId, user_labels: UserLabelValues) -> Self {
        Self(u64::from(user_labels.0) | u64::from(method.0) << METHOD)
    }

    #[inline]
    pub(crate) fn with_scheme(self, scheme: UrlScheme) -> Self {
        Self(self.0 | (scheme as u64) << SCHEME)
    }

    #[inline]
    pub(crate) fn with_host(self, host: HostId) -> Self {
        Self(self.0 | u64::from(host.0) << HOST)
    }

    /// Only the labels that the series beyond the series limit keep.
    pub(crate) fn of_overflow(self) -> Self {
        Self::new(self.method(), UserLabelValues::OTHER).with_scheme(self.scheme())
    }

    /// How many different results [`of_overflow`](Self::of_overflow) has.
    pub(crate) fn overflows(methods: usize) -> usize {
        methods * UrlScheme::COUNT
    }

    #[inline(always)]
    pub(crate) fn number(self) -> u64 {
        self.0
    }

    #[inline]
    pub(crate) fn method(self) -> MethodId {
        MethodId((self.0 >> METHOD) as u8)
    }

    #[inline]
    pub(crate) fn scheme(self) -> UrlScheme {
        if self.0 >> SCHEME & 1 == 0 { UrlScheme::Http } else { UrlScheme::Https }
    }

    #[inline]
    pub(crate) fn host(self) -> HostId {
        HostId((self.0 >> HOST) as u16)
    }

    pub(crate) fn user_labels(self) -> UserLabelValues {
        UserLabelValues(self.0 as u32)
    }
}

const METHOD: u32 = 32;
const SCHEME: u32 = 40;
const HOST: u32 = 48;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_kept() {
        for scheme in [UrlScheme::Http, UrlScheme::Https] {
            let user_labels = UserLabelValues(0x0102_03ff);
            let labels = RequestLabels::new(MethodId(7), user_labels);
            let labels = labels.with_scheme(scheme).with_host(HostId(0x1234));
            assert_eq!(labels.method(), MethodId(7));
            assert_eq!(labels.scheme(), scheme);
            assert_eq!(labels.host(), HostId(0x1234));
            assert_eq!(labels.user_labels(), user_labels);
            let overflow = labels.of_overflow();
            assert_eq!(overflow.method(), MethodId(7));
            assert_eq!((overflow.scheme(), overflow.host()), (scheme, HostId::OTHER));
            assert_eq!(overflow.user_labels(), UserLabelValues::OTHER);
        }
    }
}
