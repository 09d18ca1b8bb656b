//! `wrk`, which sends more requests than all other clients.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use asdlc_tests::process::Process;
use tempfile::NamedTempFile;

use crate::ledger::{Ledger, Route};

/// A running `wrk`.
#[derive(Debug)]
pub(crate) struct Wrk {
    process: Process,
    // Kept until the end, because `wrk` does not report when it has read the file.
    _script: NamedTempFile,
    route: Route,
    connections: u64,
}

impl Wrk {
    /// Sends GET requests over `connections` connections, with `pause` after each response, so that the machine can serve others.
    pub(crate) fn start(
        address: SocketAddr,
        (path, route): (&str, Route),
        connections: u64,
        pause: Duration,
        duration: Duration,
    ) -> Self {
        let script = NamedTempFile::new().expect("a temporary file can be made");
        let delay = format!("function delay() return {} end\n", pause.as_millis());
        std::fs::write(script.path(), delay).expect("the file is writable");
        let mut command = Command::new("wrk");
        command.args(["--threads", "1", "--timeout", "20s"]);
        command.args(["--connections", &connections.to_string()]);
        command.args(["--duration", &format!("{}s", duration.as_secs())]);
        command.arg("--script").arg(script.path()).arg(format!("http://{address}{path}"));
        Self { process: Process::start(command), _script: script, route, connections }
    }

    /// Waits until `wrk` has ended. Returns an error for any socket error.
    pub(crate) fn finish(self) -> Result<Ledger, String> {
        let report = self.process.finish();
        let mut lines = report.stdout.iter().map(|line| line.trim());
        let errors = lines.clone().find(|line| line.starts_with("Socket errors:"));
        if let Some(errors) = errors {
            return Err(format!("wrk, {}: {errors}", self.route[1]));
        }
        let completed = lines.find_map(|line| line.split_once(" requests in ")?.0.parse().ok());
        let completed = completed.ok_or_else(|| format!("wrk reports no requests: {report:?}"))?;
        let mut sent = Ledger::default();
        sent.by_wrk(self.route, completed, self.connections);
        Ok(sent)
    }
}
