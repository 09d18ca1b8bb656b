//! A real PostgreSQL.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use super::free_address;
use crate::process::Process;
use crate::wait::{DEADLINE, eventually};

/// A PostgreSQL server with an empty database on a free loopback port. Dropping it ends the server.
#[derive(Debug)]
pub struct Postgres {
    // Fields are dropped in this order: the process ends before its directory is removed.
    process: Process,
    directory: TempDir,
    address: SocketAddr,
}

impl Postgres {
    /// Creates a database cluster, starts the server and waits until it accepts connections.
    #[must_use]
    pub fn start() -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        // The server refuses to run as root, or in a directory of another user.
        if let Some((uid, gid)) = server_user() {
            chown(directory.path(), Some(uid), Some(gid)).expect("root may change the owner");
        }
        let mut initdb = command("initdb", directory.path());
        initdb.args(["--username", USER, "--auth", "trust", "--no-sync", "--no-locale"]);
        initdb.args(["--encoding", "UTF8", "--pgdata", "data"]);
        let finished = Process::start(initdb).finish();
        assert!(finished.status.success(), "{finished:?}");
        let address = free_address();
        let process = spawn(directory.path(), address);
        Self { process, directory, address }
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `postgres://…`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{USER}@{}/postgres", self.address)
    }

    /// The output of `psql` for one statement: one line for each row, columns separated by `|`.
    #[must_use]
    pub fn query(&self, sql: &str) -> Vec<String> {
        let mut psql = command("psql", self.directory.path());
        psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--dbname"]);
        psql.arg(self.url()).args(["--command", sql]);
        let finished = Process::start(psql).finish();
        assert!(finished.status.success(), "{sql}: {finished:?}");
        finished.stdout
    }

    /// Stops all its processes: they keep their connections and do not respond until [`thaw`](Self::thaw).
    pub fn freeze(&self) {
        signal_all(&self.only_children(), Signal::STOP);
    }

    /// Continues all its processes.
    pub fn thaw(&self) {
        signal_all(&self.children(), Signal::CONT);
        self.process.thaw();
    }

    /// Sends SIGKILL to all its processes, and waits until they have ended.
    pub fn kill(&mut self) {
        if !self.process.is_running() {
            return;
        }
        let children = self.only_children();
        signal_all(&children, Signal::KILL);
        self.process.kill();
        let ended = eventually(DEADLINE, || {
            !self.process.is_running() && !children.iter().any(|child| is_running(*child))
        });
        assert!(ended, "PostgreSQL does not end");
    }

    /// Restarts it on the same port with the same data.
    pub fn restart(&mut self) {
        self.kill();
        self.process = spawn(self.directory.path(), self.address);
    }

    /// Freezes the main process, so that it starts no further children, and returns its children.
    fn only_children(&self) -> Vec<Pid> {
        self.process.freeze();
        let frozen = eventually(DEADLINE, || is(pid(&self.process), STOPPED));
        assert!(frozen, "PostgreSQL does not stop");
        self.children()
    }

    /// The child processes. Each has its own process group, so there is no common group to signal.
    fn children(&self) -> Vec<Pid> {
        let parent = format!("PPid:\t{}", self.process.id());
        let is_child = |process: &Path| {
            let status = fs::read_to_string(process.join("status")).unwrap_or_default();
            status.lines().any(|line| line == parent)
        };
        fs::read_dir("/proc")
            .expect("/proc can be read")
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| is_child(path))
            .filter_map(|path| Pid::from_raw(path.file_name()?.to_str()?.parse().ok()?))
            .collect()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.process.is_running() {
            // An immediate shutdown also ends the children and removes the shared memory. SIGKILL would leave them behind.
            self.thaw();
            let _ = kill_process(pid(&self.process), Signal::QUIT);
            let _ = eventually(DEADLINE, || !self.process.is_running());
        }
    }
}

/// Starts the server and waits until it accepts connections.
fn spawn(directory: &Path, address: SocketAddr) -> Process {
    let mut command = command("postgres", directory);
    command.args(["-D", "data", "-h", "127.0.0.1", "-p", &address.port().to_string()]);
    // Without fsync a killed process loses no data that the kernel has. Only a power failure would.
    command.args(["-c", "unix_socket_directories=", "-c", "fsync=off"]);
    let process = Process::start(command);
    let ready =
        |line: &str| line.contains("database system is ready to accept connections").then_some(());
    let started = process.await_stderr(ready);
    started.unwrap_or_else(|error| panic!("PostgreSQL does not start: {error}"));
    process
}

/// A command of PostgreSQL, run as a user that it accepts.
fn command(program: &str, directory: &Path) -> Command {
    let mut command = Command::new(find(program));
    command.current_dir(directory).env("LC_ALL", "C");
    // F-35, a neighbour: the user may have set variables for another PostgreSQL server.
    for (name, _) in env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"PG") {
            command.env_remove(name);
        }
    }
    if let Some((uid, gid)) = server_user() {
        command.uid(uid).gid(gid);
    }
    command
}

/// Looks in the `PATH`, and in the directories of Debian.
fn find(program: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = env::split_paths(&path)
        .chain(versions.map(|version| version.path().join("bin")))
        .map(|directory| directory.join(program))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{program} is not installed"))
}

/// The user and group ids that root runs the server with.
fn server_user() -> Option<(u32, u32)> {
    if !geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("/etc/passwd can be read");
    let numbers = |name: &str| {
        let mut fields = users.lines().find_map(|line| line.strip_prefix(name))?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    Some(numbers("postgres:").or_else(|| numbers("nobody:")).expect("there is a user `nobody`"))
}

fn signal_all(processes: &[Pid], signal: Signal) {
    for process in processes {
        // The process may have ended meanwhile.
        let _ = kill_process(*process, signal);
    }
}

fn is_running(process: Pid) -> bool {
    state(process).is_some_and(|state| state != ZOMBIE)
}

fn is(process: Pid, expected: char) -> bool {
    state(process) == Some(expected)
}

fn state(process: Pid) -> Option<char> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero())).ok()?;
    status.lines().find_map(|line| line.strip_prefix("State:\t"))?.chars().next()
}

fn pid(process: &Process) -> Pid {
    let id = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
    id.expect("a process has an id")
}

const USER: &str = "api";
const STOPPED: char = 'T';
const ZOMBIE: char = 'Z';

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn a_killed_server_restarts_on_its_port_with_its_data() {
        let mut postgres = Postgres::start();
        assert_eq!(postgres.query("CREATE TABLE answers AS SELECT 42 AS answer"), [""; 0]);
        postgres.kill();
        assert!(TcpStream::connect(postgres.address()).is_err());
        postgres.restart();
        assert_eq!(postgres.query("SELECT answer, answer / 2 FROM answers"), ["42|21"]);
    }

    #[test]
    fn a_frozen_server_stops_all_its_processes_and_responds_after_thawing() {
        let postgres = Postgres::start();
        postgres.freeze();
        let children = postgres.children();
        assert!(eventually(DEADLINE, || children.iter().all(|child| is(*child, STOPPED))));
        assert!(is(pid(&postgres.process), STOPPED));
        postgres.thaw();
        assert_eq!(postgres.query("SELECT 'awake'"), ["awake"]);
    }

    #[test]
    fn dropping_the_server_ends_all_its_processes() {
        let postgres = Postgres::start();
        let children = postgres.children();
        assert!(!children.is_empty());
        drop(postgres);
        assert!(eventually(DEADLINE, || !children.iter().any(|child| is_running(*child))));
    }
}
