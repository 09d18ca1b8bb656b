//! Load: many clients, many scrapers, random paths, and one very slow request.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use asdlc_tests::exposition::Exposition;
use asdlc_tests::wait::{DEADLINE, eventually};

use super::harness::{Api, EVENT, event_head};

// A-03 A-04 A-08
#[test]
fn under_load_scrapes_succeed_and_each_request_is_counted_once() {
    let api = Api::start();
    let mut slow = SlowRequest::begin(&api);
    let done = AtomicBool::new(false);
    let scrapes = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| client(&api))).collect();
        let scrapers: Vec<_> =
            (0..SCRAPERS).map(|_| scope.spawn(|| scraper(&api, &done))).collect();
        for client in clients {
            client.join().expect("no client fails");
        }
        done.store(true, Ordering::Relaxed);
        scrapers.into_iter().map(|scraper| scraper.join().expect("no scraper fails")).sum::<usize>()
    });
    assert!(scrapes >= SCRAPERS, "{scrapes}");

    // The slow request takes longer than the last boundary, according to the clock of the service.
    let uptime = |scrape: &Exposition| scrape.value("uptime_seconds", &[]).expect("it exists");
    let begun = uptime(&api.metrics());
    assert!(eventually(DEADLINE, || uptime(&api.metrics()) > begun + 10.0), "time stands still");
    slow.end();

    let (clients, rounds) = (CLIENTS as f64, ROUNDS as f64);
    let total = clients * rounds * 4.0 + 1.0;
    let scrape = api.metrics_when(|scrape| scrape.sum(REQUESTS) >= total);
    let counted = |labels: [(&str, &str); 3]| scrape.value(REQUESTS, &labels).unwrap_or_default();
    let row = |method, endpoint, status| {
        counted([("method", method), ("endpoint", endpoint), ("status", status)])
    };
    assert_eq!(row("POST", "/v1/events", "201"), clients * rounds + 1.0);
    assert_eq!(row("GET", "/v1/events/{id}", "200"), clients * rounds);
    assert_eq!(row("GET", "_UNMATCHED", "404"), clients * rounds);
    assert_eq!(row("_OTHER", "/v1/events", "405"), clients * rounds);
    assert_eq!(scrape.sum(REQUESTS), total);
    assert_eq!(scrape.sum("http_requests_failed_total"), clients * rounds * 2.0);
    assert_eq!(
        scrape.samples("http_requests_in_flight").map(|sample| sample.value).sum::<f64>(),
        0.0
    );
    // The number of series does not depend on the number of paths and methods.
    assert_eq!(scrape.samples(REQUESTS).count(), 4);

    let up_to = |le| scrape.value(BUCKET, &[("method", "POST"), ("le", le)]);
    assert_eq!(up_to("10"), Some(clients * rounds));
    assert_eq!(up_to("+Inf"), Some(clients * rounds + 1.0));
}

fn client(api: &Api) {
    let mut connection = api.connect();
    for round in 0..ROUNDS {
        let response = connection.post_json("/v1/events", EVENT);
        assert_eq!(response.status(), 201, "{:?}", response.body());
        let event: serde_json::Value =
            serde_json::from_slice(response.body()).expect("the body is JSON");
        let id = event["id"].as_str().expect("it has an id");
        assert_eq!(connection.get(&format!("/v1/events/{id}")).status(), 200);
        assert_eq!(connection.get(&format!("/v1/{id}/{round}")).status(), 404);
        assert_eq!(connection.request(&format!("X{round}"), "/v1/events").status(), 405);
    }
}

/// Scrapes until the clients are done. Each response is valid, and the counter never falls.
fn scraper(api: &Api, done: &AtomicBool) -> usize {
    let mut connection = api.connect();
    let (mut scrapes, mut last) = (0, 0.0);
    while !done.load(Ordering::Relaxed) {
        let response = connection.get("/v1/metrics");
        assert_eq!(response.status(), 200);
        let scrape = Exposition::parse(response.body()).expect("it is valid");
        let now = scrape.sum(REQUESTS);
        assert!(now >= last, "{now} after {last}");
        last = now;
        scrapes += 1;
    }
    scrapes
}

/// A request whose client sends the body late.
struct SlowRequest {
    stream: TcpStream,
}

impl SlowRequest {
    fn begin(api: &Api) -> Self {
        let mut stream = TcpStream::connect(api.address()).expect("the server listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a read timeout can be set");
        let head = event_head("Connection: close\r\n");
        stream.write_all(head.as_bytes()).expect("the server reads");
        let in_flight =
            |scrape: &Exposition| scrape.value("http_requests_in_flight", &[("method", "POST")]);
        api.metrics_when(|scrape| in_flight(scrape) == Some(1.0));
        Self { stream }
    }

    fn end(&mut self) {
        self.stream.write_all(EVENT.as_bytes()).expect("the server reads");
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).expect("the server responds and closes");
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
}

const CLIENTS: usize = 8;
const ROUNDS: usize = 50;
const SCRAPERS: usize = 3;
const REQUESTS: &str = "http_requests_total";
const BUCKET: &str = "http_request_duration_seconds_bucket";
