//! Code of others that panics or calls the proxy again: a waker, an instrument. Only its own request is affected.

use std::future::Future;
use std::io::Write;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use asdlc_exporter::Exporter;
use asdlc_exporter::victoria_metrics::{QueryProxy, QueryProxyFuture};
use asdlc_tests::wait::{DEADLINE, eventually};
use http::Request;
use http_body_util::Empty;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{
    Counter, InstrumentBuilder, InstrumentProvider, Meter, SyncInstrument,
};
use tokio::runtime::Builder;
use tower::Service;

use crate::proxy::QUERY;
use crate::upstream::{EMPTY, Upstream, await_close, json};

fn call(proxy: &QueryProxy, path: &str) -> QueryProxyFuture {
    let request = Request::get(path).body(Empty::<bytes::Bytes>::new()).unwrap();
    proxy.clone().call(request)
}

struct Panics(AtomicBool);

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
        panic!("a waker that panics");
    }
}

// F-30, F-18: several clients have wakers that panic.
#[test]
fn a_waker_that_panics_does_not_delay_other_clients() {
    let (gate, upstream) = Upstream::gated();
    let exporter = Exporter::builder("proxy").build().unwrap();
    let proxy = upstream.proxy().build(&exporter.meter()).unwrap();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let start = Instant::now();
    // All clients wait before the response arrives.
    let waiting: Vec<_> = (0..40)
        .map(|at| {
            let _entered = runtime.enter();
            let mut future = Box::pin(call(&proxy, QUERY));
            if at % 2 == 0 {
                let panics = Arc::new(Panics(AtomicBool::new(false)));
                let waker = Waker::from(Arc::clone(&panics));
                assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
                (Some(panics), future)
            } else {
                let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                assert!(polled.is_pending());
                (None, future)
            }
        })
        .collect();
    let (hostile, others): (Vec<_>, Vec<_>) =
        waiting.into_iter().partition(|(panics, _)| panics.is_some());
    let others: Vec<_> = others.into_iter().map(|(_, future)| runtime.spawn(future)).collect();
    upstream.await_seen(1);
    gate.open();
    for other in others {
        assert_eq!(runtime.block_on(other).unwrap().unwrap().status(), 200);
    }
    assert!(
        start.elapsed() < Duration::from_secs(25),
        "the response came at the deadline: {:?}",
        start.elapsed()
    );
    let woken = || {
        let mut woken = hostile.iter().filter_map(|(panics, _)| panics.as_ref());
        woken.all(|panics| panics.0.load(Ordering::SeqCst))
    };
    assert!(eventually(DEADLINE, woken), "a client was not woken");
    // The proxy still works.
    let response = runtime.block_on(async { call(&proxy, QUERY).await.unwrap() });
    assert_eq!(response.status(), 200);
}

// F-30: a future that is kept and not polled does not keep its permit.
#[test]
fn a_future_that_is_not_polled_releases_its_permit_at_its_deadline() {
    let upstream = Upstream::reading(|stream, request| match request.contains("query=up") {
        true => await_close(stream),
        false => stream.write_all(json(EMPTY).as_bytes()).unwrap(),
    });
    let exporter = Exporter::builder("proxy").build().unwrap();
    let builder = upstream.proxy().with_max_in_flight(1);
    let builder = builder.with_timeout(Duration::from_secs(1));
    let proxy = builder.build(&exporter.meter()).unwrap();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _entered = runtime.enter();
    let mut kept = Box::pin(call(&proxy, QUERY));
    assert!(kept.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    upstream.await_seen(1);
    let other = || {
        let response = runtime.block_on(call(&proxy, "/query?query=x&time=1"));
        response.unwrap().status() == 200
    };
    assert!(eventually(DEADLINE, other), "its permit was not released");
    drop(kept);
}

/// A meter whose instrument for refused requests is this one.
struct ForeignMeter(Arc<dyn SyncInstrument<u64> + Send + Sync>);

impl InstrumentProvider for ForeignMeter {
    fn u64_counter(&self, builder: InstrumentBuilder<'_, Counter<u64>>) -> Counter<u64> {
        match &*builder.name {
            "query_proxy_rejected" => Counter::new(Arc::clone(&self.0)),
            _ => Counter::new(Arc::new(NoOp)),
        }
    }
}

struct NoOp;

impl SyncInstrument<u64> for NoOp {
    fn measure(&self, _: u64, _: &[KeyValue]) {}
}

/// Calls the proxy from within a measurement, as an SDK that writes its own state to `VictoriaMetrics` might.
struct Reentrant {
    proxy: OnceLock<QueryProxy>,
    called: Mutex<mpsc::Sender<()>>,
}

impl SyncInstrument<u64> for Reentrant {
    fn measure(&self, value: u64, _: &[KeyValue]) {
        let Some(proxy) = self.proxy.get().filter(|_| value > 0) else { return };
        let mut future = pin!(call(proxy, QUERY));
        let _: Poll<_> = Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop()));
        self.called.lock().unwrap().send(()).unwrap();
    }
}

// F-30: no other code runs under the lock of the running calls.
#[test]
fn an_instrument_may_call_the_proxy() {
    let (gate, upstream) = Upstream::gated();
    let (called, calls) = mpsc::channel();
    let back = Arc::new(Reentrant { proxy: OnceLock::new(), called: Mutex::new(called) });
    let meter = Meter::new(Arc::new(ForeignMeter(back.clone())));
    let builder = upstream.proxy().with_max_in_flight(1);
    let proxy = builder.build(&meter).unwrap();
    assert!(back.proxy.set(proxy.clone()).is_ok());
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    let first_proxy = proxy.clone();
    let first = runtime.spawn(async move { call(&first_proxy, QUERY).await });
    upstream.await_seen(1);
    // It exceeds the limit and is refused, which is measured.
    thread::spawn(move || handle.block_on(async { call(&proxy, "/query?query=x&time=1").await }));
    if calls.recv_timeout(DEADLINE).is_err() {
        // Dropping the runtime would wait for the thread that hangs.
        std::mem::forget(runtime);
        panic!("it hangs");
    }
    gate.open();
    assert_eq!(runtime.block_on(first).unwrap().unwrap().status(), 200);
}
