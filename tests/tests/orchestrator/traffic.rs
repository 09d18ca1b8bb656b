//! Sends requests to the orchestrator, and keeps a ledger of what must be counted for them.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::AddAssign;

use asdlc_tests::client::Connection;
use asdlc_tests::example::Example;
use asdlc_tests::exposition::Exposition;
use asdlc_tests::servers::free_address;
use asdlc_tests::wait::{DEADLINE, eventually};
use bytes::Bytes;
use http::Response;

/// The number of requests that were sent, by method, endpoint and status.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ledger(BTreeMap<[String; 3], f64>);

impl Ledger {
    pub(crate) fn total(&self) -> f64 {
        self.0.values().sum()
    }

    /// The numbers without the status, as in the histogram.
    fn by_route(&self) -> BTreeMap<[String; 2], f64> {
        let mut routes = BTreeMap::new();
        for ([method, endpoint, _], times) in &self.0 {
            *routes.entry([method.clone(), endpoint.clone()]).or_insert(0.0) += times;
        }
        routes
    }

    /// Checks that a scrape has exactly these numbers, and returns it. The server may record a request a moment after
    /// its client has read the response.
    #[track_caller]
    pub(crate) fn assert_counted(&self, orchestrator: &Example) -> Exposition {
        let total = self.total();
        let arrived = eventually(DEADLINE, || {
            let scrape = orchestrator.scrape();
            scrape.sum(REQUESTS) >= total && scrape.sum(DURATION_COUNT) >= total
        });
        let scrape = orchestrator.scrape();
        assert_eq!(scrape.sum_by(REQUESTS, ["method", "endpoint", "status"]), self.0);
        assert_eq!(scrape.sum_by(DURATION_COUNT, ["method", "endpoint"]), self.by_route());
        assert!(arrived);
        scrape
    }

    /// The failed requests: 4xx and 5xx.
    pub(crate) fn failed(&self) -> Self {
        self.with_status(&['4', '5'])
    }

    /// The requests whose status starts with one of these digits.
    pub(crate) fn with_status(&self, digits: &[char]) -> Self {
        let part = self.0.iter().filter(|([_, _, status], _)| status.starts_with(digits));
        Self(part.map(|(labels, times)| (labels.clone(), *times)).collect())
    }

    pub(crate) fn by_labels(&self) -> &BTreeMap<[String; 3], f64> {
        &self.0
    }
}

impl AddAssign<&Self> for Ledger {
    fn add_assign(&mut self, other: &Self) {
        for (labels, times) in &other.0 {
            *self.0.entry(labels.clone()).or_default() += times;
        }
    }
}

/// Starts an orchestrator with these further variables. Nobody listens at the address of its artifact store, so that requests for
/// artifacts are server errors.
pub(crate) fn start_with(environment: &[(&str, &str)]) -> Example {
    let store = format!("http://{}", free_address());
    let store = [("ARTIFACT_STORE_URL", store.as_str())];
    Example::start_with("orchestrator", &[&store, environment].concat())
}

/// As [`start_with`], with default settings otherwise.
pub(crate) fn start() -> Example {
    start_with(&[])
}

/// A client with one keep-alive connection and a ledger.
#[derive(Debug)]
pub(crate) struct Client {
    connection: Connection,
    pub(crate) sent: Ledger,
}

impl Client {
    pub(crate) fn of(orchestrator: &Example) -> Self {
        Self { connection: orchestrator.connect(), sent: Ledger::default() }
    }

    /// Sends a request that must be counted under `endpoint` and `status`.
    #[track_caller]
    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        endpoint: &str,
        status: u16,
    ) -> Response<Bytes> {
        let response = self.connection.request(method, path);
        self.note(
            if METHODS.contains(&method) { method } else { "_OTHER" },
            endpoint,
            status,
            &response,
        );
        response
    }

    #[track_caller]
    pub(crate) fn get(&mut self, path: &str, endpoint: &str, status: u16) -> Response<Bytes> {
        self.send("GET", path, endpoint, status)
    }

    /// Posts JSON to the tasks.
    #[track_caller]
    pub(crate) fn post(&mut self, json: &str, status: u16) -> Response<Bytes> {
        let response = self.connection.post_json(TASKS, json);
        self.note("POST", TASKS, status, &response);
        response
    }

    /// Submits a task and returns its id.
    #[track_caller]
    pub(crate) fn submit(&mut self, kind: &str, input: &str) -> u64 {
        let response = self.post(&format!(r#"{{"kind":"{kind}","input":"{input}"}}"#), 202);
        let task: serde_json::Value =
            serde_json::from_slice(response.body()).expect("the API responds with JSON");
        task["id"].as_u64().expect("a task has an id")
    }

    /// Submits a task and waits until it has finished.
    #[track_caller]
    pub(crate) fn run_task(&mut self, kind: &str, input: &str) {
        let id = self.submit(kind, input);
        self.get(&format!("{TASKS}/{id}/wait"), WAIT, 200);
    }

    /// Sends one request of every kind: each route, several methods and statuses, query strings, unknown paths and methods. Submits
    /// one task. The program must be one of [`start`], whose artifact store is down.
    pub(crate) fn one_of_each(&mut self) {
        let id = self.submit("word_count", "to be or not to be");
        self.get(&format!("{TASKS}/{id}"), TASK, 200);
        self.get(&format!("{TASKS}/{id}?verbose=true&token=secret"), TASK, 200);
        self.get(&format!("{TASKS}/{id}/wait"), WAIT, 200);
        self.get(&format!("{TASKS}/{id}/artifact"), ARTIFACT, 503);
        self.get(&format!("{TASKS}?limit=3"), TASKS, 200);
        self.get("/health", "/health", 200);
        self.send("HEAD", "/health", "/health", 200);
        self.get(&format!("{TASKS}/18446744073709551615"), TASK, 404);
        self.get(&format!("{TASKS}/not-a-number"), TASK, 400);
        self.send("DELETE", TASKS, TASKS, 405);
        self.send("OPTIONS", "/health", "/health", 405);
        self.send("BREW", TASKS, TASKS, 405);
        self.post("{", 400);
        self.post(r#"{"kind":"no_such_kind","input":""}"#, 422);
        for path in [unguessable("/"), unguessable("/health/"), unguessable("/api/v1/tasks/1/")] {
            self.get(&path, "_UNMATCHED", 404);
        }
        self.send(&unguessable("X"), &unguessable("/"), "_UNMATCHED", 404);
        self.get(&unguessable("/?q="), "/", 200);
        self.get(&unguessable("/dashboard/"), "/dashboard/{*file}", 404);
        self.send("PUT", "/", "/", 405);
    }

    #[track_caller]
    fn note(&mut self, method: &str, endpoint: &str, status: u16, response: &Response<Bytes>) {
        assert_eq!(response.status(), status, "{method} {endpoint}: {:?}", response.body());
        *self
            .sent
            .0
            .entry([method, endpoint, &status.to_string()].map(str::to_owned))
            .or_default() += 1.0;
    }
}

/// `prefix`, a marker that can be searched for in labels, and a random suffix.
fn unguessable(prefix: &str) -> String {
    format!("{prefix}{UNGUESSABLE}{:x}", RandomState::new().hash_one(prefix))
}

pub(crate) const UNGUESSABLE: &str = "unguessable";
pub(crate) const REQUESTS: &str = "asdlc_http_requests_total";
pub(crate) const DURATION_COUNT: &str = "asdlc_http_request_duration_seconds_count";
pub(crate) const TASKS: &str = "/api/v1/tasks";
pub(crate) const WAIT: &str = "/api/v1/tasks/{id}/wait";
const TASK: &str = "/api/v1/tasks/{id}";
const ARTIFACT: &str = "/api/v1/tasks/{id}/artifact";
const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
