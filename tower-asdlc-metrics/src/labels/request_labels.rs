//! The labels that are known from the head of a request, except for the endpoint, in one word.

use crate::labels::methods::{MAX_METHODS, MethodId};
use crate::labels::protocol::UrlScheme;
use crate::labels::user_label::UserLabelValues;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestLabels(u64);

/// A host, as its number in [`Hosts`](crate::record::hosts::Hosts).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostId(pub(crate) u8);

impl HostId {
    /// A host that has no label value of its own.
    pub(crate) const OTHER: Self = Self(0);
}

/// A method, a scheme, and a mark. An exchange carries the parts of its labels in as few bytes as possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MethodAndScheme(u8);

impl MethodAndScheme {
    #[inline]
    pub(crate) fn method(self) -> MethodId {
        MethodId(self.0 & !HTTPS & !MARK)
    }

    /// The same with the mark, which is no label. `Exchange` says what it means.
    #[inline(always)]
    pub(crate) fn marked(self) -> Self {
        Self(self.0 | MARK)
    }

    #[inline(always)]
    pub(crate) fn is_marked(self) -> bool {
        self.0 & MARK != 0
    }
}

impl RequestLabels {
    #[inline(always)]
    pub(crate) fn new(method: MethodId, user_labels: UserLabelValues) -> Self {
        Self::of_parts(user_labels, MethodAndScheme(method.0), HostId::OTHER)
    }

    #[inline(always)]
    pub(crate) fn of_parts(
        user_labels: UserLabelValues,
        method: MethodAndScheme,
        host: HostId,
    ) -> Self {
        let method = method.0 & !MARK;
        Self(u64::from(user_labels.0) | u64::from(method) << METHOD | u64::from(host.0) << HOST)
    }

    #[inline]
    pub(crate) fn with_scheme(self, scheme: UrlScheme) -> Self {
        match scheme {
            UrlScheme::Http => self,
            UrlScheme::Https => Self(self.0 | u64::from(HTTPS) << METHOD),
        }
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

    #[inline(always)]
    pub(crate) fn method_and_scheme(self) -> MethodAndScheme {
        MethodAndScheme((self.0 >> METHOD) as u8)
    }

    #[inline]
    pub(crate) fn method(self) -> MethodId {
        self.method_and_scheme().method()
    }

    #[inline]
    pub(crate) fn scheme(self) -> UrlScheme {
        if self.method_and_scheme().0 & HTTPS == 0 { UrlScheme::Http } else { UrlScheme::Https }
    }

    #[inline(always)]
    pub(crate) fn host(self) -> HostId {
        HostId((self.0 >> HOST) as u8)
    }

    #[inline(always)]
    pub(crate) fn user_labels(self) -> UserLabelValues {
        UserLabelValues(self.0 as u32)
    }
}

const METHOD: u32 = 32;
const HOST: u32 = 40;
/// The bit for the scheme.
const HTTPS: u8 = 128;
/// The bit for the mark.
const MARK: u8 = 64;
const _: () = assert!(MAX_METHODS <= MARK as usize, "a method has the lower bits");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_kept() {
        for scheme in [UrlScheme::Http, UrlScheme::Https] {
            let user_labels = UserLabelValues(0x0102_03ff);
            let labels = RequestLabels::new(MethodId(7), user_labels);
            let labels = labels.with_scheme(scheme).with_host(HostId(0x12));
            assert_eq!(labels.method(), MethodId(7));
            assert_eq!(labels.scheme(), scheme);
            assert_eq!(labels.host(), HostId(0x12));
            assert_eq!(labels.user_labels(), user_labels);
            let (method, host) = (labels.method_and_scheme(), labels.host());
            assert_eq!(RequestLabels::of_parts(user_labels, method, host), labels);
            assert!(!method.is_marked() && method.marked().is_marked());
            assert_eq!(method.marked().method(), MethodId(7));
            assert_eq!(RequestLabels::of_parts(user_labels, method.marked(), host), labels);
            let overflow = labels.of_overflow();
            assert_eq!(overflow.method(), MethodId(7));
            assert_eq!((overflow.scheme(), overflow.host()), (scheme, HostId::OTHER));
            assert_eq!(overflow.user_labels(), UserLabelValues::OTHER);
        }
    }
}
