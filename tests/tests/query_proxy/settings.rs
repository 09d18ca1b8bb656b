//! Settings out of range are refused when the proxy is built.

use std::time::Duration;

use asdlc_exporter::Exporter;
use asdlc_exporter::victoria_metrics::QueryProxy;

#[test]
fn a_setting_out_of_range_is_refused_with_the_allowed_range() {
    let exporter = Exporter::builder("proxy").build().unwrap();
    let builder = || QueryProxy::builder("http://127.0.0.1:1");
    let millis = Duration::from_millis;
    for (builder, expected) in [
        (
            builder().with_timeout(Duration::ZERO),
            "invalid query proxy timeout 0ns: must be 100ms to 1h",
        ),
        (
            builder().with_timeout(millis(3_600_001)),
            "invalid query proxy timeout 3600.001s: must be 100ms to 1h",
        ),
        (
            builder().with_max_points(0),
            "invalid query proxy limit of 0 points per series: must be 2 to 30000",
        ),
        (
            builder().with_max_points(30_001),
            "invalid query proxy limit of 30001 points per series: must be 2 to 30000",
        ),
        (
            builder().with_max_in_flight(0),
            "invalid query proxy limit of 0 queries in flight: must be 1 to 1024",
        ),
        (
            builder().with_max_in_flight(1025),
            "invalid query proxy limit of 1025 queries in flight: must be 1 to 1024",
        ),
        (
            builder().with_max_response_bytes(0),
            "invalid query proxy limit of 0 bytes per response: must be at least 1024",
        ),
        (
            builder().with_services_window(Duration::ZERO),
            "invalid query proxy services window 0ns: must be 1min to 1 year",
        ),
        (
            QueryProxy::builder(None)
                .with_basic_auth("ann", "hunter2")
                .with_bearer_token("hunter2"),
            "multiple credentials for VictoriaMetrics: must be only one of the user in the URL, user and password, and bearer token",
        ),
    ] {
        let error = builder.build(&exporter.meter()).unwrap_err();
        assert_eq!(error.to_string(), expected);
        // F-17b, a neighbour: for those who unwrap.
        assert!(format!("{error:?}").contains(expected), "{error:?}");
    }
    for timeout in [millis(100), millis(3_600_000)] {
        let within = builder().with_timeout(timeout).with_max_points(2).with_max_in_flight(1);
        assert!(within.with_max_response_bytes(1024).build(&exporter.meter()).is_ok());
    }
}
