use super::*;
use crate::labels::ending::Progress;
use crate::labels::grpc_status::GrpcCall;
use crate::labels::outcome::Outcome;
use crate::labels::protocol::ProtocolVersion;
use crate::record::thread_index;
use crate::{FixedEndpoint, HttpMetricsLayer};
use http::{Request, StatusCode};
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
    let flags = recorder.flags();
    let (labels, _) = recorder.start(head.method, || head, flags);
    let new = recorder.find_route(labels, recorder.slot(labels, flags), head);
    let endpoint = new.unwrap_err();
    let key = RouteKey { labels, endpoint: &endpoint };
    let route = recorder.find_or_create_route(key).unwrap();
    let finish = |status, millis| {
        let mut progress = Progress::new(ProtocolVersion::Unknown, GrpcCall::NOT_GRPC);
        progress.set_status(status);
        let ending = progress.end(Outcome::Complete);
        let finished =
            FinishedExchange { ending, duration: Duration::from_millis(millis), sent: 0 };
        recorder.record_exchange(recorder.flags(), route, finished);
    };
    let buffered = || {
        let endings = recorder.routes.iter().flat_map(|route| route.endings.iter());
        let mut buffered = BTreeMap::new();
        for series in endings {
            for batch in series.batches.iter().filter_map(OnceLock::get) {
                let status = series.ending.sent().unwrap();
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
    let expected = [(StatusCode::OK, vec![0.002, 0.004]), (StatusCode::NOT_FOUND, vec![0.008])];
    assert_eq!(buffered(), BTreeMap::from(expected));
    finish(StatusCode::OK, 16);
    collect();
    assert!(buffered().is_empty());
}
