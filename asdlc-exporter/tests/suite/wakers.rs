//! Wakers are user code: they may panic, and their `Drop` may do anything.

use crate::{
    gate::Gate,
    queue::{block_on, finish},
};
use asdlc_exporter::{Exporter, ScrapeFuture};
use http::{Request, StatusCode};
use opentelemetry::metrics::{AsyncInstrument, MeterProvider as _};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, mpsc},
    task::{Context, RawWaker, RawWakerVTable, Wake, Waker},
    thread,
    time::Duration,
};
use tower::Service as _;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

struct PanicsInWake(mpsc::Sender<()>);

impl Wake for PanicsInWake {
    fn wake(self: Arc<Self>) {
        // The test may have ended.
        let _ = self.0.send(());
        // The drop of the payload panics too.
        std::panic::panic_any(PanicsInDrop);
    }
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        assert!(thread::panicking(), "a drop of user code");
    }
}

impl Wake for PanicsInDrop {
    fn wake(self: Arc<Self>) {}
}

/// A waker that sends a message and panics when it is called.
fn panicking_waker() -> (Waker, mpsc::Receiver<()>) {
    let (called, is_called) = mpsc::channel();
    (Arc::new(PanicsInWake(called)).into(), is_called)
}

fn scrape(exporter: &Exporter, timeout: &str) -> Result<ScrapeFuture> {
    let request = Request::builder().header("x-prometheus-scrape-timeout-seconds", timeout);
    Ok(exporter.scrape_service().call(request.body(())?))
}

fn polled(exporter: &Exporter, timeout: &str, waker: &Waker) -> Result<ScrapeFuture> {
    let mut future = scrape(exporter, timeout)?;
    assert!(Pin::new(&mut future).poll(&mut Context::from_waker(waker)).is_pending());
    Ok(future)
}

// F-18
#[test]
fn after_a_waker_panics_the_other_scrapes_and_the_next_one_succeed() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let gate = Gate::in_callback(&exporter.meter());
    let first = polled(&exporter, "500", Waker::noop())?;
    gate.wait_until_entered(1);
    // Both wait for the same collection.
    let (waker, is_called) = panicking_waker();
    let panics = polled(&exporter, "500", &waker)?;
    let beside = polled(&exporter, "500", Waker::noop())?;
    gate.open();
    is_called.recv_timeout(Duration::from_secs(20))?;
    for future in [first, beside, panics, scrape(&exporter, "500")?] {
        let (status, text) = finish(future);
        assert_eq!(status, StatusCode::OK, "{text}");
    }
    Ok(())
}

// F-18, a neighbour: the result is an error.
#[test]
fn after_a_waker_panics_at_an_error_the_next_scrape_gets_its_response() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let gate = Gate::default();
    let inside = gate.clone();
    // The SDK's own meters are not guarded: nothing can be collected after this panic.
    let meter = exporter.sdk_meter_provider().meter("bare");
    let callback = move |_: &dyn AsyncInstrument<u64>| {
        inside.pass();
        panic!("a callback of user code");
    };
    meter.u64_observable_gauge("broken").with_callback(callback).build();
    let first = polled(&exporter, "500", Waker::noop())?;
    gate.wait_until_entered(1);
    let (waker, is_called) = panicking_waker();
    let panics = polled(&exporter, "500", &waker)?;
    gate.open();
    is_called.recv_timeout(Duration::from_secs(20))?;
    for future in [first, panics, scrape(&exporter, "500")?] {
        let (_, text) = finish(future);
        assert_eq!(
            text,
            "a metric callback panicked: no metrics can be collected until a restart\n"
        );
    }
    Ok(())
}

// F-18, a neighbour: the thread that fails late scrapes.
#[test]
fn after_a_waker_panics_at_its_deadline_the_next_deadline_works() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let gate = Gate::in_callback(&exporter.meter());
    let (waker, is_called) = panicking_waker();
    let panics = polled(&exporter, "0.1", &waker)?;
    gate.wait_until_entered(1);
    is_called.recv_timeout(Duration::from_secs(20))?;
    for future in [panics, scrape(&exporter, "0.2")?] {
        let (status, text) = finish(future);
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(text, "the metrics were not collected in time\n");
    }
    gate.open();
    Ok(())
}

// F-18
#[test]
fn dropping_a_waker_may_wait_for_another_scrape() -> Result {
    struct Scrapes(Exporter);
    impl Wake for Scrapes {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Scrapes {
        fn drop(&mut self) {
            let _response = scrape(&self.0, "10").map(block_on);
        }
    }
    for how in ["dropped", "polled by another task"] {
        let exporter = Exporter::builder("shop").build()?;
        let (done, is_done) = mpsc::channel();
        thread::spawn(move || {
            let gate = Gate::in_callback(&exporter.meter());
            let first = polled(&exporter, "500", Waker::noop()).expect("a scrape");
            gate.wait_until_entered(1);
            let waker = Waker::from(Arc::new(Scrapes(exporter.clone())));
            let mut second = polled(&exporter, "500", &waker).expect("a scrape");
            // The scrape holds the last clone.
            drop(waker);
            let opened = thread::spawn(move || gate.open());
            match how {
                "dropped" => drop(second),
                _ => {
                    let mut cx = Context::from_waker(Waker::noop());
                    let _ready = Pin::new(&mut second).poll(&mut cx);
                }
            }
            opened.join().expect("no panic");
            done.send(finish(first).0).expect("the test waits");
        });
        assert_eq!(is_done.recv_timeout(Duration::from_secs(25)), Ok(StatusCode::OK), "{how}");
    }
    Ok(())
}

// F-18, a neighbour: the drop of the waker panics.
#[test]
fn a_waker_that_panics_when_it_is_dropped_has_no_effect() -> Result {
    let exporter =
        Exporter::builder("shop").with_max_scrapes_in_flight(1).with_self_metrics().build()?;
    let gate = Gate::in_callback(&exporter.meter());
    let waker = Waker::from(Arc::new(PanicsInDrop));
    let first = polled(&exporter, "500", &waker)?;
    gate.wait_until_entered(1);
    drop(waker);
    let _panic = catch_unwind(AssertUnwindSafe(|| drop(first)));
    gate.open();
    // The first scrape is no longer in flight, so this one is allowed.
    assert_eq!(finish(scrape(&exporter, "500")?).0, StatusCode::OK);
    Ok(())
}

// F-18, a neighbour: the clone of the waker panics, in the task that polls.
#[test]
fn a_waker_that_panics_when_it_is_cloned_loses_no_response() -> Result {
    const VTABLE: RawWakerVTable =
        RawWakerVTable::new(|_| panic!("a clone of user code"), |_| (), |_| (), |_| ());
    #[expect(unsafe_code, reason = "a safe waker cannot panic in clone")]
    // SAFETY: the functions do not use the pointer.
    let waker = unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &VTABLE)) };
    let exporter = Exporter::builder("shop").build()?;
    let gate = Gate::in_callback(&exporter.meter());
    let mut future = scrape(&exporter, "500")?;
    let poll = AssertUnwindSafe(|| {
        Pin::new(&mut future).poll(&mut Context::from_waker(&waker)).is_pending()
    });
    assert!(catch_unwind(poll).is_err());
    gate.open();
    // Another task polls it again.
    assert_eq!(finish(future).0, StatusCode::OK);
    assert_eq!(finish(scrape(&exporter, "500")?).0, StatusCode::OK);
    Ok(())
}
