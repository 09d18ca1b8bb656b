//! Artifacts of tasks, and the metrics of the client of their HTTP store.

mod files;
mod over_http;
mod store;

use std::time::{Duration, Instant};

use asdlc_tests::client::Connection;
use asdlc_tests::example::Example;
use bytes::Bytes;
use http::{Request, Response, header};

use super::traffic::{Client, TASKS};
use store::Store;

/// An orchestrator with one task, and a connection to it.
struct Orchestrator {
    example: Example,
    connection: Connection,
    task: u64,
}

impl Orchestrator {
    fn start(environment: &[(&str, &str)]) -> Self {
        let example = Example::start_with("orchestrator", environment);
        let task = Client::of(&example).submit("word_count", "to be");
        Self { connection: example.connect(), example, task }
    }

    fn with_store(url: &str) -> Self {
        Self::start(&[("ARTIFACT_STORE_URL", url)])
    }

    fn path(&self) -> String {
        format!("{TASKS}/{}/artifact", self.task)
    }

    fn put(&mut self, artifact: impl Into<Bytes>) -> Response<Bytes> {
        let request = Request::put(self.path()).body(artifact).expect("a path is a URI");
        self.connection.send(request)
    }

    fn get(&mut self) -> Response<Bytes> {
        self.connection.get(&self.path())
    }

    #[track_caller]
    fn assert_stores_and_returns(&mut self, artifact: impl Into<Bytes>) {
        let artifact = artifact.into();
        assert_eq!(self.put(artifact.clone()).status(), 204);
        let returned = self.get();
        assert_eq!((returned.status().as_u16(), returned.body()), (200, &artifact));
        // A browser must not show it as a page of this server.
        assert_eq!(returned.headers()[header::CONTENT_TYPE], "application/octet-stream");
    }

    /// Checks that both requests fail with this status and this error, within a few seconds.
    #[track_caller]
    fn assert_fails(&mut self, status: u16, error: &str) {
        for send in [|this: &mut Self| this.put("new"), |this: &mut Self| this.get()] {
            let start = Instant::now();
            let response = send(self);
            assert!(start.elapsed() < SOON, "after {:?}", start.elapsed());
            assert_eq!(response.status(), status, "{:?}", response.body());
            let body: serde_json::Value =
                serde_json::from_slice(response.body()).expect("an error is JSON");
            assert_eq!(body["error"], error);
        }
    }
}

#[test]
fn an_artifact_is_returned_as_it_was_uploaded() {
    let store = Store::start();
    for mut orchestrator in [Orchestrator::start(&[]), Orchestrator::with_store(&store.url())] {
        assert_eq!(orchestrator.get().status(), 404);
        orchestrator.assert_stores_and_returns(&b"\x00\xff\r\n"[..]);
        orchestrator.assert_stores_and_returns("another one");
        orchestrator.assert_stores_and_returns("");
        orchestrator.assert_stores_and_returns(vec![b'x'; LARGEST]);
        assert_eq!(orchestrator.put(vec![b'x'; LARGEST + 1]).status(), 413);
        assert_eq!(orchestrator.get().body().len(), LARGEST);
        for (task, status) in [("99", 404), ("0", 404), ("..%2f1", 400), ("1%2f..%2f1", 400)] {
            orchestrator.task = 1;
            let path = orchestrator.path().replace("/1/", &format!("/{task}/"));
            assert_eq!(orchestrator.connection.get(&path).status(), status, "{task}");
            assert_eq!(orchestrator.connection.request("PUT", &path).status(), status, "{task}");
        }
    }
    // The store is asked only about tasks that exist, and once for each request.
    let seen = [(["GET", "200"], 5.0), (["GET", "404"], 1.0), (["PUT", "201"], 4.0)];
    assert_eq!(store.seen(), seen.map(|(key, count)| (key.map(str::to_owned), count)).into());
    let paths = store.paths();
    assert!(paths.len() == 1 && paths[0].starts_with("/kept/here/"), "{paths:?}");
}

#[test]
fn two_programs_with_one_store_do_not_overwrite_the_artifacts_of_each_other() {
    let store = Store::start();
    // A slash at the end of the URL changes nothing.
    let [mut one, mut other] =
        [String::new(), "/".to_owned()].map(|end| Orchestrator::with_store(&(store.url() + &end)));
    // Both count their tasks from 1.
    assert_eq!(one.task, other.task);
    one.assert_stores_and_returns("one");
    assert_eq!(other.get().status(), 404);
    other.assert_stores_and_returns("other");
    assert_eq!(one.get().body(), "one");
    let is_one_segment = |path: &String| path.matches('/').count() == 3 && !path.contains("..");
    assert!(store.paths().iter().all(is_one_segment), "{:?}", store.paths());
}

/// The limit of the program.
const LARGEST: usize = 1024 * 1024;

/// Longer than the timeouts of the program together, and shorter than any client waits.
const SOON: Duration = Duration::from_secs(10);
