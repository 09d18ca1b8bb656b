use super::*;
use crate::labels::grpc_status::Call;
use crate::labels::outcome::Ending;
use crate::{Fixed, HttpMetricsLayer};
use http::{Request, StatusCode};
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::{ManualReader, SdkMeterProvider};
use std::collections::BTreeMap;
use tower_layer::Layer;

#[test]
fn once_there_was_a_collection_requests_are_kept_by_outcome_until_the_next() {
    // Not every thread has batches, while other tests have theirs; no other thread has this recorder.
    threads::set_number(0);
    let provider = SdkMeterProvider::builder().with_reader(ManualReader::default()).build();
    let layer = HttpMetricsLayer::builder(Fixed("/x")).build(&provider.meter("test")).unwrap();
    let service = layer.layer(());
    let lanes = service.handle();
    let recorder = lanes.recorder();
    let request = Request::new(());
    let head = RequestHead::of(&request);
    let method = recorder.methods().id(head.method);
    let mut endpoint = None;
    let (labels, none) = recorder.route(method, head, |new| endpoint = Some(new));
    assert_eq!(none, Slot::NONE);
    let route = recorder.make_route(method, labels, &endpoint.unwrap()).unwrap();
    let end = |status, millis| {
        let end = End { ending: Ending::Complete, status: Some(status), call: Call::None };
        recorder.ended(route, end, Duration::from_millis(millis), 0);
    };
    let kept = || {
        let counters = recorder.routes.iter().flat_map(|route| route.counters.iter());
        let mut kept = BTreeMap::new();
        for counters in counters {
            for batch in counters.batches.iter().filter_map(OnceLock::get) {
                let status = counters.outcome.status.as_str();
                batch.tell(|values| _ = kept.insert(status, values.to_vec()));
            }
        }
        kept
    };
    end(StatusCode::OK, 1);
    assert!(kept().is_empty());
    lanes.tell();
    end(StatusCode::OK, 2);
    end(StatusCode::OK, 4);
    end(StatusCode::NOT_FOUND, 8);
    let expected = [("200", vec![0.002, 0.004]), ("404", vec![0.008])];
    assert_eq!(kept(), BTreeMap::from(expected));
    end(StatusCode::OK, 16);
    lanes.tell();
    assert!(kept().is_empty());
}
