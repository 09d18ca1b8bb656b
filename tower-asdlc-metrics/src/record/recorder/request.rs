//! What the recorder reads of a request when it arrives: its labels, and where it is counted while it is in flight.

use super::Recorder;
use crate::labels::protocol::{ProtocolVersion, UrlScheme};
use crate::labels::request_head::RequestHead;
use crate::labels::request_labels::RequestLabels;
use crate::labels::user_label::{UserLabel, UserLabelValues};
use crate::record::flags::{Flag, FlagSet};
use crate::record::in_flight::InFlightSlot;
use crate::record::settings::Settings;

/// How many [`InFlightSlot`]s there are for each label.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlotCounts {
    pub(super) methods: u16,
    /// 1 if the scheme is no label.
    pub(super) schemes: u16,
    pub(super) hosts: u16,
}

impl Recorder {
    /// Reads the labels of a request, and its version of HTTP. The version is unknown if it is not a label. It is also unknown on
    /// a client, which reads it from the response.
    #[inline(always)]
    pub(crate) fn start(
        &self,
        head: RequestHead<'_>,
        flags: FlagSet,
    ) -> (RequestLabels, ProtocolVersion) {
        let Settings { methods, user_labels, .. } = self.routes.settings();
        let user_labels = if user_labels.is_empty() {
            UserLabelValues::OTHER
        } else {
            UserLabel::read_all(user_labels, head)
        };
        let labels = RequestLabels::new(methods.id(head.method), user_labels);
        if flags.contains(Flag::HAS_MORE_LABELS) {
            self.read_more_labels(labels, head)
        } else {
            (labels, ProtocolVersion::Unknown)
        }
    }

    #[inline(never)]
    fn read_more_labels(
        &self,
        mut labels: RequestLabels,
        head: RequestHead<'_>,
    ) -> (RequestLabels, ProtocolVersion) {
        let scheme = match &self.routes.settings().url_scheme {
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
    #[inline]
    pub(crate) fn slot(&self, labels: RequestLabels, flags: FlagSet) -> InFlightSlot {
        let method = u16::from(labels.method().0);
        if !flags.contains(Flag::HAS_MORE_LABELS) {
            return InFlightSlot(method);
        }
        let SlotCounts { methods, schemes, .. } = self.slots;
        let host = u16::from(labels.host().0);
        InFlightSlot((host * schemes + labels.scheme() as u16) * methods + method)
    }
}

impl SlotCounts {
    pub(super) fn count(self) -> usize {
        let Self { methods, schemes, hosts } = self;
        [methods, schemes, hosts].into_iter().map(usize::from).product()
    }
}
