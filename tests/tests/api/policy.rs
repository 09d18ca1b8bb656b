//! Metrics that the endpoint must never serve.

use http::{Request, header};

use super::harness::Api;

// A-07
#[test]
fn constitutional_metrics_are_recorded_and_never_served() {
    let api = Api::start();
    // A unit test of the example shows that these are recorded, and would be served without the policy.
    for kind in ["breached", "halted", "dissented", "overridden", "witnessed"] {
        let event = format!(
            r#"{{"source":"court","type":"constitution.{kind}","data":{{"coverage":0.5}}}}"#
        );
        assert_eq!(api.post(&event).0, 201, "{kind}");
    }
    api.metrics_when(|scrape| scrape.sum("http_requests_total") >= 5.0);
    let mut connection = api.connect();
    let names = FORBIDDEN.map(|name| format!("name[]={name}")).join("&");
    for query in ["", &*format!("?{names}"), "?name[]=http_requests_total"] {
        for accept in ["*/*", "application/openmetrics-text;version=1.0.0", "text/html"] {
            let request = Request::get(format!("/v1/metrics{query}"))
                .header(header::ACCEPT, accept)
                .body("")
                .expect("it is valid");
            let response = connection.send(request);
            assert_eq!(response.status(), 200);
            let text = String::from_utf8_lossy(response.body()).into_owned();
            for word in ["breach", "halt", "dissent", "witness", "override", "court"] {
                assert!(!text.contains(word), "{word} is in\n{text}");
            }
            // The operational metrics are served, unless the filter selects only hidden ones.
            assert_eq!(text.contains("http_requests_total"), !query.contains("halt"), "{text}");
        }
    }
}

const FORBIDDEN: [&str; 6] = [
    "constitutional_breach_count",
    "constitutional_breach_count_total",
    "halt_state",
    "dissent_votes_total",
    "witness_coverage_ratio",
    "override_frequency_total",
];
