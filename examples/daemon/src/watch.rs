//! A state machine, in its own task, that keeps a program running unless it is paused.

use crate::config::{Backoff, Config, Program};
use serde::{Deserialize, Serialize};
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

/// The state of the daemon. The numbers are the values of the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// The program is running and has settled.
    Monitoring = 1,
    /// The program is not restarted if it ends.
    Paused = 2,
    /// The program has ended and will be restarted after a wait.
    Waiting = 3,
    /// The program has been restarted and has not settled yet.
    Resuming = 4,
}

impl From<State> for u64 {
    fn from(state: State) -> Self {
        state as Self
    }
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Status {
    pub(crate) state: State,
    /// The process id while the program is running.
    pid: Option<u32>,
    /// How often the program was started.
    starts: u64,
    /// How the program ended the last time.
    last_end: Option<String>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Pause,
    Resume,
}

/// A handle to the task that watches the program.
#[derive(Clone)]
pub(crate) struct Watch {
    status: watch::Receiver<Status>,
    orders: mpsc::Sender<(Order, oneshot::Sender<()>)>,
}

impl Watch {
    /// Starts the program and watches it while the returned future runs. Calls `changed` with each state.
    pub(crate) fn new(config: Config, changed: impl Fn(State)) -> (Self, impl Future<Output = ()>) {
        let Config { program, backoff, .. } = config;
        let start = Status { state: State::Resuming, pid: None, starts: 0, last_end: None };
        let (status, seen) = watch::channel(start);
        let (orders, received) = mpsc::channel(8);
        let pause = backoff.first;
        let watcher = Watcher { program, backoff, pause, status, orders: received };
        (Self { status: seen, orders }, watcher.run(changed))
    }

    pub(crate) fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Waits for this state and returns the status. `None` if the daemon is stopping.
    pub(crate) async fn reached(&self, state: State) -> Option<Status> {
        let mut status = self.status.clone();
        let reached = status.wait_for(|status| status.state == state).await.ok()?;
        Some(reached.clone())
    }

    /// Waits until the order has been carried out and returns the status. `None` if the daemon is stopping.
    pub(crate) async fn order(&self, order: Order) -> Option<Status> {
        let (done, carried_out) = oneshot::channel();
        self.orders.send((order, done)).await.ok()?;
        carried_out.await.ok()?;
        Some(self.status())
    }
}

struct Watcher {
    program: Program,
    backoff: Backoff,
    /// How long the next wait will be.
    pause: Duration,
    status: watch::Sender<Status>,
    orders: mpsc::Receiver<(Order, oneshot::Sender<()>)>,
}

/// A state with its data.
enum Phase {
    Monitoring(Child),
    Paused(Option<Child>),
    Waiting(Instant),
    Resuming(Child, Instant),
}

impl Watcher {
    async fn run(mut self, changed: impl Fn(State)) {
        tracing::info!("keeping {:?} running", self.program.command);
        // The first start is not a restart, so the state is not `Resuming`.
        let mut phase = match self.start() {
            Ok(child) => Phase::Monitoring(child),
            Err(error) => self.failed(&error),
        };
        let mut carried_out: Option<oneshot::Sender<()>> = None;
        loop {
            self.publish(&phase, &changed);
            // The caller reads the status after this, so it sees the new state.
            if let Some(done) = carried_out.take() {
                let _ = done.send(());
            }
            let orders = &mut self.orders;
            let event = tokio::select! {
                Some((order, done)) = orders.recv() => {
                    carried_out = Some(done);
                    Event::Ordered(order)
                }
                event = phase.event() => event,
            };
            phase = self.next(phase, event);
        }
    }

    fn next(&mut self, phase: Phase, event: Event) -> Phase {
        match (phase, event) {
            (
                Phase::Monitoring(child) | Phase::Resuming(child, _),
                Event::Ordered(Order::Pause),
            ) => Phase::Paused(Some(child)),
            (Phase::Waiting(_), Event::Ordered(Order::Pause)) => Phase::Paused(None),
            (Phase::Paused(Some(child)), Event::Ordered(Order::Resume)) => self.resuming(child),
            (Phase::Paused(None), Event::Ordered(Order::Resume)) | (Phase::Waiting(_), _) => {
                self.started_again()
            }
            (phase, Event::Ordered(_)) => phase,
            (Phase::Paused(_), Event::Ended(end)) => {
                self.ended(&end);
                Phase::Paused(None)
            }
            (Phase::Monitoring(_) | Phase::Resuming(..), Event::Ended(end)) => {
                self.ended(&end);
                self.waiting()
            }
            (Phase::Resuming(child, _), Event::TimeIsUp) => {
                self.pause = self.backoff.first;
                Phase::Monitoring(child)
            }
            (phase, Event::TimeIsUp) => phase,
        }
    }

    fn started_again(&mut self) -> Phase {
        match self.start() {
            Ok(child) => self.resuming(child),
            Err(error) => self.failed(&error),
        }
    }

    fn start(&mut self) -> io::Result<Child> {
        let (program, arguments) =
            self.program.command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        self.status.send_modify(|status| status.starts += 1);
        Ok(child)
    }

    fn resuming(&self, child: Child) -> Phase {
        Phase::Resuming(child, Instant::now() + self.program.settled_after)
    }

    fn waiting(&mut self) -> Phase {
        let pause = self.pause;
        self.pause = (pause * 2).min(self.backoff.longest);
        tracing::info!("waiting {pause:?} before the next start");
        Phase::Waiting(Instant::now() + pause)
    }

    fn failed(&mut self, error: &io::Error) -> Phase {
        tracing::warn!("cannot start {:?}: {error}", self.program.command);
        self.status.send_modify(|status| status.last_end = Some(error.to_string()));
        self.waiting()
    }

    fn ended(&self, end: &io::Result<ExitStatus>) {
        let end = end.as_ref().map_or_else(ToString::to_string, ToString::to_string);
        tracing::warn!("the program has ended: {end}");
        self.status.send_modify(|status| status.last_end = Some(end));
    }

    fn publish(&self, phase: &Phase, changed: &impl Fn(State)) {
        let state = phase.state();
        changed(state);
        let before = self.status.borrow().state;
        self.status.send_modify(|status| {
            status.state = state;
            status.pid = phase.child().and_then(Child::id);
        });
        if state != before {
            tracing::info!("now {state:?}");
        }
    }
}

enum Event {
    Ordered(Order),
    Ended(io::Result<ExitStatus>),
    TimeIsUp,
}

impl Phase {
    async fn event(&mut self) -> Event {
        match self {
            Self::Monitoring(child) | Self::Paused(Some(child)) => Event::Ended(child.wait().await),
            Self::Paused(None) => std::future::pending().await,
            Self::Waiting(end) => {
                sleep_until(*end).await;
                Event::TimeIsUp
            }
            Self::Resuming(child, settled) => tokio::select! {
                end = child.wait() => Event::Ended(end),
                () = sleep_until(*settled) => Event::TimeIsUp,
            },
        }
    }

    fn state(&self) -> State {
        match self {
            Self::Monitoring(_) => State::Monitoring,
            Self::Paused(_) => State::Paused,
            Self::Waiting(_) => State::Waiting,
            Self::Resuming(..) => State::Resuming,
        }
    }

    fn child(&self) -> Option<&Child> {
        match self {
            Self::Monitoring(child) | Self::Resuming(child, _) => Some(child),
            Self::Paused(child) => child.as_ref(),
            Self::Waiting(_) => None,
        }
    }
}
