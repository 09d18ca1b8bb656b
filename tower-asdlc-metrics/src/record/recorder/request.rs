//! What the recorder reads of a request when it arrives: its labels, and where it is counted while it is in flight.

use super::Recorder;
use crate::labels::methods::MethodId;
use crate::labels::protocol::{ProtocolVersion, UrlScheme};
use crate::labels::request_head::RequestHead;
use crate::labels::request_labels::RequestLabels;
use crate::labels::user_label::{UserLabel, UserLabelValues};
use crate::record::flags::{Flag, FlagSet};
use crate::record::in_flight::InFlightSlot;
use crate::record::settings::Settings;
use http::Method;

/// How many [`InFlightSlot`]s there are for each label.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlotCounts {
    pub(super) methods: u16,
    /// 1 if the scheme is no label.
    pub(super) schemes: u16,
    pub(super) hosts: u16,
}

impl Recorder {
    #[inline(always)]
    pub(crate) fn method(&self, method: &Method) -> MethodId {
        self.routes.settings().methods.id(method)
    }

    /// Reads the labels of a request, and its version of HTTP. The version is unknown if it is not a label. It is also unknown on
    /// a client, which reads it from the response.
    #[inline(always)]
    pub(crate) fn start<'a>(
        &self,
        method: &Method,
        head: impl Fn() -> RequestHead<'a>,
        flags: FlagSet,
    ) -> (RequestLabels, ProtocolVersion) {
        let method = self.method(method);
        if flags.contains(Flag::HAS_MORE_LABELS) {
            self.read_more_labels(method, head())
        } else {
            (RequestLabels::new(method, UserLabelValues::OTHER), ProtocolVersion::Unknown)
        }
    }

    #[inline(never)]
    fn read_more_labels(
        &self,
        method: MethodId,
        head: RequestHead<'_>,
    ) -> (RequestLabels, ProtocolVersion) {
        let Settings { user_labels, url_scheme, .. } = self.routes.settings();
        let mut labels = RequestLabels::new(method, UserLabel::read_all(user_labels, head));
        let scheme = match url_scheme {
            Some(read) => read.of(head),
            None => UrlScheme::of(head.own_uri().scheme()),
        };
        if let Some(hosts) = self.routes.hosts() {
            labels = labels.with_host(hosts.id(head, scheme));
        }
        // On a server, and in OpenTelemetry's conventions.
        if self.slots.schemes > 1 {
            (labels.with_scheme(scheme), ProtocolVersion::of(head.version))
        } else {
            (labels, ProtocolVersion::Unknown)
        }
    }

    /// Where requests with these labels are counted while they are in flight.
    #[inline(always)]
    pub(crate) fn slot(&self, labels: RequestLabels, flags: FlagSet) -> InFlightSlot {
        let slot = InFlightSlot::of(labels.method());
        if !flags.contains(Flag::HAS_MORE_LABELS) {
            return slot;
        }
        let SlotCounts { methods, schemes, .. } = self.slots;
        let host = u16::from(labels.host().0);
        InFlightSlot((host * schemes + labels.scheme() as u16) * methods + slot.0)
    }
}

impl SlotCounts {
    pub(super) fn count(self) -> usize {
        let Self { methods, schemes, hosts } = self;
        [methods, schemes, hosts].into_iter().map(usize::from).product()
    }
}
