//! Wakers are foreign code: they may panic, and their `Drop` may do anything.

use crate::{
    desk::{block_on, finish},
    gate::Gate,
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
        // Nobody has to know.
        let _ = self.0.send(());
        // A payload whose drop panics, too.
        std::panic::panic_any(PanicsInDrop);
    }
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        assert!(thread::panicking(), "somebody else's drop");
    }
}

impl Wake for PanicsInDrop {
    fn wake(self: Arc<Self>) {}
}

/// It panics when it is called, and says so before.
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
fn after_a_waker_panics_the_others_and_the_next_scrape_are_answered() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let gate = Gate::in_callback(&exporter.meter());
    let first = polled(&exporter, "500", Waker::noop())?;
    gate.wait_until_entered(1);
    // They wait for the same collection.
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

// F-18, a neighbour: the answer is an error.
#[test]
fn after_a_waker_panics_at_an_error_the_next_scrape_is_answered() -> Result {
    let exporter = Exporter::builder("shop").build()?;
    let gate = Gate::default();
    let inside = gate.clone();
    // The exporter does not guard the SDK's own meters: there is nothing to collect after this.
    let meter = exporter.sdk_meter_provider().meter("bare");
    let callback = move |_: &dyn AsyncInstrument<u64>| {
        inside.pass();
        panic!("somebody else's callback");
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

// F-18, a neighbour: the thread that answers those whose time is up.
#[test]
fn after_a_waker_panics_at_its_deadline_the_next_deadline_holds() -> Result {
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
            let _answer = scrape(&self.0, "10").map(block_on);
        }
    }
    for how in ["given up", "polled by another task"] {
        let exporter = Exporter::builder("shop").build()?;
        let (done, is_done) = mpsc::channel();
        thread::spawn(move || {
            let gate = Gate::in_callback(&exporter.meter());
            let first = polled(&exporter, "500", Waker::noop()).expect("a scrape");
            gate.wait_until_entered(1);
            let waker = Waker::from(Arc::new(Scrapes(exporter.clone())));
            let mut second = polled(&exporter, "500", &waker).expect("a scrape");
            // The scrape has the last one.
            drop(waker);
            let opened = thread::spawn(move || gate.open());
            match how {
                "given up" => drop(second),
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

// F-18, a neighbour: its drop panics.
#[test]
fn a_waker_that_panics_when_it_is_dropped_costs_nothing() -> Result {
    let exporter =
        Exporter::builder("shop").with_max_scrapes_in_flight(1).with_self_metrics().build()?;
    let gate = Gate::in_callback(&exporter.meter());
    let waker = Waker::from(Arc::new(PanicsInDrop));
    let first = polled(&exporter, "500", &waker)?;
    gate.wait_until_entered(1);
    drop(waker);
    let _panic = catch_unwind(AssertUnwindSafe(|| drop(first)));
    gate.open();
    // It is no longer in flight: one is allowed.
    assert_eq!(finish(scrape(&exporter, "500")?).0, StatusCode::OK);
    Ok(())
}

// F-18, a neighbour: its clone panics, in the task that polls.
#[test]
fn a_waker_that_panics_when_it_is_cloned_costs_no_answer() -> Result {
    const VTABLE: RawWakerVTable =
        RawWakerVTable::new(|_| panic!("somebody else's clone"), |_| (), |_| (), |_| ());
    #[expect(unsafe_code, reason = "no safe waker panics in clone")]
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
    // It is polled again, by a task that is well.
    assert_eq!(finish(future).0, StatusCode::OK);
    assert_eq!(finish(scrape(&exporter, "500")?).0, StatusCode::OK);
    Ok(())
}
