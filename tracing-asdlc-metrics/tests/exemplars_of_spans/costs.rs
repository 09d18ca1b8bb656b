//! Finding the span costs no allocation.

use crate::exemplar_support::ExemplarMeters;
use crate::setup::{job, unsampled};
use allocation_counter::measure;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing::dispatcher::with_default;
use tracing::{Dispatch, info};
use tracing_asdlc_metrics::{Metered, Rule};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;

//
#[test]
fn exemplars_allocate_nothing() {
    for sampler in [Sampler::AlwaysOn, Sampler::AlwaysOff] {
        for metrics_first in [false, true] {
            let without = allocations(None, sampler.clone(), metrics_first);
            let with = allocations(Some(false), sampler.clone(), metrics_first);
            assert!(without > 0, "tracing-opentelemetry allocates");
            assert_eq!(with, without, "{sampler:?}, {metrics_first}");
        }
    }
}

/// The allocations of some spans and events, after the first ones.
fn allocations(answer: Option<bool>, sampler: Sampler, metrics_first: bool) -> u64 {
    let provider = SdkTracerProvider::builder().with_sampler(sampler).build();
    let tracer = provider.tracer("test");
    let meters = ExemplarMeters::new(answer).silent();
    let rule = Rule::span("job").with_counter("closed").with_duration("seconds");
    let metrics = meters.layer([rule, Rule::events().with_counter("events")]);
    let subscriber = if metrics_first {
        let traces = tracing_opentelemetry::layer().with_tracer(tracer);
        Dispatch::new(registry().with(metrics).with(traces))
    } else {
        let traces = tracing_opentelemetry::layer().with_tracer(tracer);
        Dispatch::new(registry().with(traces).with(metrics))
    };
    let spans = || {
        for n in 0..100 {
            let _outer = job(n).entered();
            unsampled(n).in_scope(|| info!("an event"));
            let mut future = std::pin::pin!(std::future::ready(()).metered(job(n)));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(future.as_mut().poll(&mut context).is_ready());
        }
    };
    with_default(&subscriber, || {
        spans();
        measure(spans).count_total
    })
}
