//! Many requests on two threads, a part of which is sampled. Each starts on one of them and ends on either.

use crate::meter::{Exemplars, Of};
use crate::requests::{SOMEBODY_ELSES, in_span, of, request, span};
use bytes::Buf;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::Empty;
use opentelemetry::trace::SpanContext;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::{Pin, pin};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Waker};
use std::thread;
use tower::{Layer, Service, service_fn};
use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer, ResponseBody};

const REQUESTS: u64 = 60_000;

/// A body that claims to have as many bytes as the number of its request.
struct Numbered(Option<u64>);

struct Bytes(usize);

impl Buf for Bytes {
    fn remaining(&self) -> usize {
        self.0
    }

    fn chunk(&self) -> &[u8] {
        &[]
    }

    fn advance(&mut self, bytes: usize) {
        self.0 -= bytes;
    }
}

impl Body for Numbered {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|number| Ok(Frame::data(Bytes(number as usize)))))
    }
}

/// Starts every second of the numbers, and ends what arrives at `ended`.
fn run(
    layer: &HttpMetricsLayer,
    first: u64,
    others: &Sender<ResponseBody<Numbered>>,
    own: &Receiver<ResponseBody<Numbered>>,
) {
    let mut random = Random(first + 1);
    let respond = |request: Request<Empty<&'static [u8]>>| {
        let number = request.extensions().get::<u64>().copied();
        ready(Ok::<_, Infallible>(Response::new(Numbered(number))))
    };
    let mut service = layer.layer(service_fn(respond));
    let mut open = Vec::new();
    let end_one = |open: &mut Vec<ResponseBody<Numbered>>, random: &mut Random| {
        let at = random.below(open.len() as u64) as usize;
        let mut body = pin!(open.swap_remove(at));
        let context = &mut Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(_)) = body.as_mut().poll_frame(context) {}
    };
    in_span(span(SOMEBODY_ELSES, true), || {
        for number in (1..=REQUESTS).filter(|number| number % 2 == first) {
            let mut request = request();
            request.extensions_mut().insert(number);
            let context = context(number);
            let future = in_span(context, || service.call(request));
            let Poll::Ready(Ok(response)) =
                pin!(future).poll(&mut Context::from_waker(Waker::noop()))
            else {
                unreachable!("it responds at once")
            };
            match random.below(3) {
                0 => others.send(response.into_body()).unwrap(),
                _ => open.push(response.into_body()),
            }
            open.extend(own.try_iter());
            while open.len() as u64 > random.below(20) {
                end_one(&mut open, &mut random);
            }
        }
    });
    open.into_iter().for_each(drop);
}

/// The span in which the request with this number arrives: a part of them is sampled.
fn context(number: u64) -> SpanContext {
    match Random(number).below(4) {
        0 => span(number, true),
        1 => span(number, false),
        _ => SpanContext::NONE,
    }
}

fn expected(number: u64) -> Of {
    if context(number).is_sampled() { of(number) } else { Of::None }
}

//
#[test]
fn of_many_requests_on_two_threads_each_has_its_own_span() {
    let exemplars = Exemplars::of_sampled();
    let layer = HttpMetricsLayer::builder(FixedEndpoint("/x")).with_body_sizes();
    let layer = layer.build(&exemplars).unwrap();
    exemplars.collect();
    let ((to_even, even), (to_odd, odd)) = (channel(), channel());
    thread::scope(|scope| {
        let layer = &layer;
        let even = scope.spawn(move || {
            run(layer, 0, &to_odd, &even);
            even
        });
        let odd = scope.spawn(move || {
            run(layer, 1, &to_even, &odd);
            odd
        });
        // What the other thread had not taken is aborted.
        drop([even.join().unwrap(), odd.join().unwrap()]);
    });
    let mut spans: BTreeMap<String, BTreeMap<Of, f64>> = BTreeMap::new();
    for made in exemplars.take() {
        let mut count = 1.0;
        if made.instrument == "http_response_body_size" {
            let number = made.value as u64;
            // An aborted request has no size.
            assert!(number == 0 || made.of == expected(number), "{made:?}");
        } else if made.instrument == "http_requests" {
            count = made.value;
        }
        *spans.entry(made.instrument).or_default().entry(made.of).or_default() += count;
    }
    let mut all = BTreeMap::new();
    (1..=REQUESTS).for_each(|number| *all.entry(expected(number)).or_default() += 1.0);
    for instrument in ["http_requests", "http_request_duration", "http_response_body_size"] {
        assert!(spans[instrument] == all, "{instrument}");
    }
}

/// A small generator of numbers (`SplitMix64`).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % end.max(1)
    }
}
