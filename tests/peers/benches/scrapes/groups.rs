//! Who is compared with whom.

use crate::{
    Subject, fastmetrics, measured, metrics_exporter_prometheus, opentelemetry_prometheus, own,
    prometheus, prometheus_client, text_exporter,
};

/// Those that write the same in the same format.
pub struct Group {
    pub name: &'static str,
    pub title: &'static str,
    /// With so many histogram and so many counter series. First the SDK's collect alone, then ours: the others are compared
    /// with both.
    pub subjects: &'static [fn(usize) -> Subject],
}

pub const GROUPS: [Group; 3] = [TEXT, PROTOBUF, NATIVE];

const TEXT: Group = Group {
    name: "text",
    title: "Text",
    subjects: &[
        own::collect,
        own::text,
        own::open_metrics,
        own::text_of_others,
        own::open_metrics_of_others,
        fastmetrics::text,
        fastmetrics::open_metrics,
        measured::text,
        prometheus_client::text,
        prometheus_client::open_metrics,
        prometheus::text,
        text_exporter::text,
        opentelemetry_prometheus::text,
        metrics_exporter_prometheus::text,
    ],
};

const PROTOBUF: Group = Group {
    name: "protobuf",
    title: "Protobuf",
    subjects: &[
        own::collect,
        own::protobuf,
        fastmetrics::prost,
        fastmetrics::protobuf,
        prometheus_client::protobuf,
        prometheus::protobuf,
        opentelemetry_prometheus::protobuf,
        metrics_exporter_prometheus::protobuf,
    ],
};

const NATIVE: Group = Group {
    name: "native",
    title: "Native histograms, in protobuf",
    subjects: &[
        own::collect_native,
        own::native,
        prometheus_client::native,
        prometheus_client::native_and_classic,
        metrics_exporter_prometheus::native,
    ],
};
