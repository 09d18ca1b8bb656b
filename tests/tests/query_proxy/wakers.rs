//! Code of others that panics or comes back: a waker, an instrument. It costs its own request only.

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

use crate::upstream::{EMPTY, Gate, Upstream, await_close, json};

const QUERY: &str = "/query?query=up&time=1700000000";

fn call(proxy: &QueryProxy, path: &str) -> QueryProxyFuture {
    let request = Request::get(path).body(Empty::<bytes::Bytes>::new()).unwrap();
    proxy.clone().call(request)
}

struct Panics(AtomicBool);

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
        panic!("a waker of somebody else");
    }
}

// F-30, F-18: several of those who wait have wakers that panic.
#[test]
fn a_waker_that_panics_delays_nobody_else() {
    let gate = Gate::default();
    let held = gate.clone();
    let upstream = Upstream::start(move |stream| {
        held.wait();
        let _ = stream.write_all(json(EMPTY).as_bytes());
    });
    let exporter = Exporter::builder("proxy").build().unwrap();
    let proxy = QueryProxy::builder(upstream.url().as_str()).build(&exporter.meter()).unwrap();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let start = Instant::now();
    // Everybody waits before the answer comes.
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
        "it came with the deadline: {:?}",
        start.elapsed()
    );
    let woken = || {
        let mut woken = hostile.iter().filter_map(|(panics, _)| panics.as_ref());
        woken.all(|panics| panics.0.load(Ordering::SeqCst))
    };
    assert!(eventually(DEADLINE, woken), "somebody was not woken");
    // The proxy goes on.
    let answer = runtime.block_on(async { call(&proxy, QUERY).await.unwrap() });
    assert_eq!(answer.status(), 200);
}

// F-30: a future that is kept and not polled keeps no place.
#[test]
fn a_future_that_nobody_polls_gives_its_place_back_when_its_time_is_up() {
    let upstream = Upstream::reading(|stream, request| match request.contains("query=up") {
        true => await_close(stream),
        false => stream.write_all(json(EMPTY).as_bytes()).unwrap(),
    });
    let exporter = Exporter::builder("proxy").build().unwrap();
    let builder = QueryProxy::builder(upstream.url().leak() as &str).with_max_in_flight(1);
    let builder = builder.with_timeout(Duration::from_secs(1));
    let proxy = builder.build(&exporter.meter()).unwrap();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _entered = runtime.enter();
    let mut kept = Box::pin(call(&proxy, QUERY));
    assert!(kept.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    upstream.await_seen(1);
    let other = || {
        let answer = runtime.block_on(call(&proxy, "/query?query=x&time=1"));
        answer.unwrap().status() == 200
    };
    assert!(eventually(DEADLINE, other), "its place is taken");
    drop(kept);
}

/// A meter of somebody else, whose instrument for refused requests does this.
struct Others(Arc<dyn SyncInstrument<u64> + Send + Sync>);

impl InstrumentProvider for Others {
    fn u64_counter(&self, builder: InstrumentBuilder<'_, Counter<u64>>) -> Counter<u64> {
        match &*builder.name {
            "query_proxy_rejected_total" => Counter::new(Arc::clone(&self.0)),
            _ => Counter::new(Arc::new(Nothing)),
        }
    }
}

struct Nothing;

impl SyncInstrument<u64> for Nothing {
    fn measure(&self, _: u64, _: &[KeyValue]) {}
}

/// Asks the proxy from within a measurement, as an SDK that writes its own state to `VictoriaMetrics` might.
struct ComesBack {
    proxy: OnceLock<QueryProxy>,
    came: Mutex<mpsc::Sender<()>>,
}

impl SyncInstrument<u64> for ComesBack {
    fn measure(&self, value: u64, _: &[KeyValue]) {
        let Some(proxy) = self.proxy.get().filter(|_| value > 0) else { return };
        let mut future = pin!(call(proxy, QUERY));
        let _: Poll<_> = Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop()));
        self.came.lock().unwrap().send(()).unwrap();
    }
}

// F-30: no code of others runs under the lock of the calls.
#[test]
fn an_instrument_may_come_back() {
    let gate = Gate::default();
    let held = gate.clone();
    let upstream = Upstream::start(move |stream| {
        held.wait();
        let _ = stream.write_all(json(EMPTY).as_bytes());
    });
    let (came, comes) = mpsc::channel();
    let back = Arc::new(ComesBack { proxy: OnceLock::new(), came: Mutex::new(came) });
    let meter = Meter::new(Arc::new(Others(back.clone())));
    let builder = QueryProxy::builder(upstream.url().leak() as &str).with_max_in_flight(1);
    let proxy = builder.build(&meter).unwrap();
    assert!(back.proxy.set(proxy.clone()).is_ok());
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    let asks = proxy.clone();
    let first = runtime.spawn(async move { call(&asks, QUERY).await });
    upstream.await_seen(1);
    // It is one too many, and refused: that is measured.
    thread::spawn(move || handle.block_on(async { call(&proxy, "/query?query=x&time=1").await }));
    if comes.recv_timeout(DEADLINE).is_err() {
        // It would wait for the thread that hangs.
        std::mem::forget(runtime);
        panic!("it hangs");
    }
    gate.open();
    assert_eq!(runtime.block_on(first).unwrap().unwrap().status(), 200);
}
