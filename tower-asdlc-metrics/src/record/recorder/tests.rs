use super::*;
use crate::record::thread_index;
use crate::{FixedEndpoint, HttpMetricsLayer};
use http::Request;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::{ManualReader, SdkMeterProvider};
use std::collections::BTreeMap;
use tower_layer::Layer;

#[test]
fn after_the_first_collection_requests_are_buffered_by_outcome_until_the_next() {
    // Other tests may have taken the indices of all shards. No other thread uses this recorder.
    thread_index::set_current(0);
    let provider = SdkMeterProvider::builder().with_reader(ManualReader::default()).build();
    let layer =
        HttpMetricsLayer::builder(FixedEndpoint("/x")).build(&provider.meter("test")).unwrap();
    let service = layer.layer(());
    let recorder = service.shard().recorder();
    let request = Request::new(());
    let head = RequestHead::of(&request);
    let method = recorder.methods().id(head.method);
    let (user_labels, new) = recorder.find_route(method, head);
    let endpoint = new.unwrap_err();
    let key = RouteKey { method, user_labels, endpoint: &endpoint };
    let route = recorder.find_or_create_route(key).unwrap();
    let finish = |status, millis| {
        let finished = FinishedExchange {
            outcome: Outcome::Complete,
            status: Some(status),
            grpc: GrpcCall::NotGrpc,
            duration: Duration::from_millis(millis),
            sent: 0,
        };
        recorder.record_exchange(route, finished, recorder.flags());
    };
    let buffered = || {
        let counters = recorder.routes.iter().flat_map(|route| route.counters.iter());
        let mut buffered = BTreeMap::new();
        for counters in counters {
            for batch in counters.batches.iter().filter_map(OnceLock::get) {
                let status = counters.labels.status.as_str();
                batch.flush(|values| _ = buffered.insert(status, values.to_vec()));
            }
        }
        buffered
    };
    let collect = || recorder.flush(|_| 0);
    finish(StatusCode::OK, 1);
    assert!(buffered().is_empty());
    collect();
    finish(StatusCode::OK, 2);
    finish(StatusCode::OK, 4);
    finish(StatusCode::NOT_FOUND, 8);
    let expected = [("200", vec![0.002, 0.004]), ("404", vec![0.008])];
    assert_eq!(buffered(), BTreeMap::from(expected));
    finish(StatusCode::OK, 16);
    collect();
    assert!(buffered().is_empty());
}
