//! Child processes: starts programs, waits for lines of their output, and kills them at the end of the test.

use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::{DEADLINE, eventually, eventually_some};

/// A running program. Its output is collected line by line. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdout: Output,
    stderr: Output,
}

impl Process {
    /// Starts `command` without standard input.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let stdout = Output::collect(child.stdout.take().expect("stdout is piped"));
        let stderr = Output::collect(child.stderr.take().expect("stderr is piped"));
        Self { child, stdout, stderr }
    }

    /// Waits until `pick` returns a value for a line of standard output. Fails as soon as the program has ended without one.
    ///
    /// # Errors
    /// Contains what the program printed instead.
    pub fn await_stdout<T>(&self, pick: impl Fn(&str) -> Option<T>) -> Result<T, NotReady> {
        self.stdout.find(pick).ok_or_else(|| self.not_ready(&self.stderr))
    }

    /// As [`await_stdout`](Self::await_stdout), on standard error.
    ///
    /// # Errors
    /// Contains what the program printed instead.
    pub fn await_stderr<T>(&self, pick: impl Fn(&str) -> Option<T>) -> Result<T, NotReady> {
        self.stderr.find(pick).ok_or_else(|| self.not_ready(&self.stdout))
    }

    /// The lines that it has printed on standard error so far.
    #[must_use]
    pub fn stderr(&self) -> Vec<String> {
        self.stderr.lines()
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGINT, as Ctrl-C does.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Sends SIGKILL.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Sends SIGSTOP and waits until all threads have stopped. The process keeps its connections and does not respond until
    /// [`thaw`](Self::thaw).
    ///
    /// # Panics
    /// If a thread does not stop. Each thread stops when it next enters the kernel, which is later than the signal.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
        let threads = format!("/proc/{}/task", self.child.id());
        let stopped = |thread: &Path| {
            let status = fs::read_to_string(thread.join("status")).unwrap_or_default();
            status.lines().any(|line| line.starts_with("State:\tT"))
        };
        let all = eventually(DEADLINE, || {
            let threads = fs::read_dir(&threads).expect("a child has threads");
            threads.flatten().all(|thread| stopped(&thread.path()))
        });
        assert!(all, "the process does not stop");
    }

    /// Sends SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the process can be signalled");
    }

    /// Waits until the process has ended, and returns everything it printed.
    #[must_use]
    pub fn finish(mut self) -> Finished {
        let status = eventually_some(DEADLINE, || {
            self.child.try_wait().expect("the process can be waited for")
        })
        .unwrap_or_else(|| {
            panic!("the program did not end within {DEADLINE:?}; {}", self.printed())
        });
        let ended = self.stdout.await_end() && self.stderr.await_end();
        assert!(ended, "the output of an ended program stays open");
        Finished { status, stdout: self.stdout.lines(), stderr: self.stderr.lines() }
    }

    /// Waits for the end of the other stream if this one has ended, because that stream usually has the reason.
    fn not_ready(&self, other: &Output) -> NotReady {
        if self.stdout.has_ended() || self.stderr.has_ended() {
            other.await_end();
        }
        self.printed()
    }

    fn printed(&self) -> NotReady {
        NotReady { stdout: self.stdout.lines(), stderr: self.stderr.lines() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that has ended.
#[derive(Debug)]
pub struct Finished {
    /// The exit status.
    pub status: ExitStatus,
    /// The lines of its standard output.
    pub stdout: Vec<String>,
    /// The lines of its standard error.
    pub stderr: Vec<String>,
}

impl Finished {
    /// The error line of a program that did not start. Checks that the exit code is not 0 and that it printed nothing else.
    #[must_use]
    #[track_caller]
    pub fn refusal(&self) -> &str {
        // A process that a signal ended has no code.
        assert!(self.status.code().is_some_and(|code| code != 0), "{self:?}");
        let [line] = &self.stderr[..] else { panic!("not one line: {self:?}") };
        assert!(self.stdout.is_empty() && !line.contains("panicked"), "{self:?}");
        line
    }
}

/// The expected line did not appear. Contains what the program printed.
pub struct NotReady {
    stdout: Vec<String>,
    stderr: Vec<String>,
}

impl fmt::Debug for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stdout, stderr } = self;
        write!(f, "it printed\n{}\nand on standard error\n{}", stdout.join("\n"), stderr.join("\n"))
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for NotReady {}

/// One output stream. A thread reads it to its end, so that the program never blocks on a full pipe.
#[derive(Debug)]
struct Output {
    shared: Arc<(Mutex<Lines>, Condvar)>,
}

impl Output {
    fn collect(stream: impl Read + Send + 'static) -> Self {
        let shared = Arc::<(Mutex<Lines>, Condvar)>::default();
        let writer = Arc::clone(&shared);
        thread::spawn(move || {
            let (lines, changed) = &*writer;
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while stream.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                lines.lock().expect("no holder panics").seen.push(text);
                changed.notify_all();
                line.clear();
            }
            lines.lock().expect("no holder panics").ended = true;
            changed.notify_all();
        });
        Self { shared }
    }

    fn find<T>(&self, pick: impl Fn(&str) -> Option<T>) -> Option<T> {
        let end = Instant::now() + DEADLINE;
        let changed = &self.shared.1;
        let mut lines = self.lock();
        let mut next = 0;
        loop {
            if let Some(found) = lines.seen[next..].iter().find_map(|line| pick(line)) {
                return Some(found);
            }
            next = lines.seen.len();
            let left = end.saturating_duration_since(Instant::now());
            if lines.ended || left == Duration::ZERO {
                return None;
            }
            lines = changed.wait_timeout(lines, left).expect("no holder panics").0;
        }
    }

    fn lines(&self) -> Vec<String> {
        self.lock().seen.clone()
    }

    fn has_ended(&self) -> bool {
        self.lock().ended
    }

    fn await_end(&self) -> bool {
        eventually(DEADLINE, || self.has_ended())
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.shared.0.lock().expect("no holder panics")
    }
}

#[derive(Debug, Default)]
struct Lines {
    seen: Vec<String>,
    ended: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::start(command)
    }

    #[test]
    fn a_line_is_found_while_the_program_still_runs() {
        let mut process = shell("echo one; echo port 7; exec sleep 600");
        let port = process.await_stdout(|line| line.strip_prefix("port ").map(str::to_owned));
        assert_eq!(port.unwrap(), "7");
        assert!(process.is_running());
    }

    #[test]
    fn a_program_that_ends_before_its_line_is_reported_with_its_output() {
        let process = shell("echo starting; echo no such file >&2; exit 3");
        let error = process.await_stdout(|line| line.strip_prefix("ready").map(drop)).unwrap_err();
        assert_eq!(
            (error.stdout, error.stderr),
            (vec!["starting".into()], vec!["no such file".into()])
        );
        assert_eq!(process.finish().status.code(), Some(3));
    }

    #[test]
    fn dropping_a_process_ends_the_program() {
        let process = shell("exec sleep 600");
        let id = process.id().to_string();
        drop(process);
        let mut probe = Command::new("sh");
        probe.args(["-c", &format!("kill -0 {id}")]);
        assert!(!Process::start(probe).finish().status.success());
    }

    #[test]
    fn a_program_can_handle_the_signal_of_terminate() {
        let process =
            shell("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done");
        process.await_stdout(|line| (line == "ready").then_some(())).unwrap();
        process.terminate();
        let finished = process.finish();
        assert_eq!(
            (finished.status.code(), finished.stdout),
            (Some(0), vec!["ready".into(), "bye".into()])
        );
    }
}
