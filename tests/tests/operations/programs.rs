//! The example programs, and how each is made to show everything it has.

use asdlc_tests::client::Connection;
use asdlc_tests::example::{Example, command};
use asdlc_tests::exposition::Exposition;
use asdlc_tests::servers::Redis;
use tempfile::TempDir;

/// An example program.
pub(crate) struct Program {
    /// Its package, and the job that scrapes it.
    pub(crate) package: &'static str,
    /// Where its metrics are.
    pub(crate) path: &'static str,
    /// The prefix of its metrics, `""` for none.
    pub(crate) namespace: &'static str,
    /// Makes each of its families appear.
    drive: fn(&Example),
}

/// One line for each program; the others are in `configuration.rs` until they are here.
pub(crate) const PROGRAMS: &[Program] = &[Program {
    package: "orchestrator",
    path: "/metrics",
    namespace: "asdlc",
    drive: drive_orchestrator,
}];

/// A program that runs, and was driven.
pub(crate) struct Running {
    // Dropped in this order: the process goes before its directory.
    pub(crate) example: Example,
    _directory: TempDir,
    pub(crate) program: &'static Program,
}

impl Program {
    /// Starts it with nothing configured but a free port, this Redis, and a directory of its own to work in.
    pub(crate) fn start(&'static self, redis: &Redis) -> Running {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let mut command = command(self.package);
        command.current_dir(&directory);
        command.env("LISTEN_ADDR", "127.0.0.1:0").env("REDIS_URL", redis.url());
        let running =
            Running { example: Example::spawn(command), _directory: directory, program: self };
        running.drive();
        running
    }
}

impl Running {
    /// Makes each of its families appear, and grow.
    pub(crate) fn drive(&self) {
        (self.program.drive)(&self.example);
    }

    pub(crate) fn scrape(&self) -> Exposition {
        self.example.scrape_at(self.program.path)
    }
}

/// All of them.
pub(crate) fn start_all(redis: &Redis) -> Vec<Running> {
    PROGRAMS.iter().map(|program| program.start(redis)).collect()
}

/// Tasks that succeed, requests that fail on either side.
fn drive_orchestrator(example: &Example) {
    let mut connection = example.connect();
    let tasks = "/api/v1/tasks";
    let task = connection.post_json(tasks, r#"{"kind":"word_count","input":"to be"}"#);
    let task: serde_json::Value =
        serde_json::from_slice(task.body()).expect("the API answers in JSON");
    get(&mut connection, &format!("{tasks}/{}/wait", task["id"]), 200);
    get(&mut connection, &format!("{tasks}/{}/artifact", task["id"]), 503);
    get(&mut connection, &format!("{tasks}/18446744073709551615"), 404);
}

fn get(connection: &mut Connection, path: &str, status: u16) {
    let response = connection.get(path);
    assert_eq!(response.status(), status, "{path}: {:?}", response.body());
}
