//! A warning for gRPC methods that the server has and the list of methods has not.

use crate::labels::grpc_status::{GrpcCall, GrpcStatus};
use foldhash::fast::FixedState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Finds gRPC methods that are served and not listed, and logs each of the first few once.
///
/// Clients choose the paths, so a path is logged only after a call to it has succeeded. Until the call ends, its path is
/// [kept](Self::keep_path). No more than [`MAX_KEPT`] paths are kept in the life of a layer: after that, calls to unknown methods
/// do not allocate any more.
#[derive(Debug, Default)]
pub(crate) struct UnlistedMethods {
    /// How many paths have been kept so far.
    kept: AtomicU32,
    /// The hashes of the paths in the log; 0 is a free place.
    logged: [AtomicU64; MAX_LOGGED],
}

impl UnlistedMethods {
    /// Returns the path of a gRPC call that has the endpoint [`OTHER`](crate::OTHER), to be kept until the call ends. `None` once
    /// enough paths were kept or logged.
    #[cold]
    pub(crate) fn keep_path(&self, path: &str) -> Option<Box<str>> {
        let is_full = || self.logged.iter().all(|place| place.load(Ordering::Relaxed) != 0);
        let one_more = |kept| (kept < MAX_KEPT).then_some(kept + 1);
        if is_full()
            || self.kept.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_err()
        {
            return None;
        }
        Some(path.chars().take(MAX_CHARS).collect())
    }

    /// The call whose path was kept has ended. Logs the path if the call has succeeded and the path was not logged before.
    ///
    /// Other statuses prove nothing: layers between this one and the services, for authentication or limits, respond to any path.
    #[cold]
    pub(crate) fn end_call(&self, path: &str, call: GrpcCall) {
        // While the thread unwinds, a panic in a subscriber would abort the process.
        if call == GrpcCall::with_status(GrpcStatus::Ok)
            && !std::thread::panicking()
            && self.add(path)
        {
            tracing::warn!(
                "the gRPC method {path:?} is served, but not listed: its calls are counted under the method `_OTHER`. Add it \
                 to GrpcMethods, or add the file descriptor set of its service. This is logged for the first {MAX_LOGGED} such \
                 methods"
            );
        }
    }

    /// Adds the path to those in the log; `false` if it is one of them, or if there is no place left.
    fn add(&self, path: &str) -> bool {
        // Two paths with the same hash, which is unlikely, share one warning.
        let hash = FixedState::default().hash_one(path).max(1);
        for place in &self.logged {
            match place.compare_exchange(0, hash, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) if other == hash => return false,
                Err(_) => {}
            }
        }
        false
    }
}

const MAX_LOGGED: usize = 5;
const MAX_KEPT: u32 = 1000;
const MAX_CHARS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;
    use std::sync::{Arc, Mutex};
    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    const OK: GrpcCall = GrpcCall(GrpcStatus::Ok as u8);

    /// Keeps the messages of all events.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<String>>>);

    impl Subscriber for Log {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            let mut message = Message(String::new());
            event.record(&mut message);
            self.0.lock().unwrap().push(message.0);
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    struct Message(String);

    impl Visit for Message {
        fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
            write!(self.0, "{value:?}").unwrap();
        }
    }

    /// The paths in the log after these calls.
    fn logged(calls: impl IntoIterator<Item = (String, GrpcCall)>) -> Vec<String> {
        let log = Log::default();
        tracing::subscriber::with_default(log.clone(), || {
            let methods = UnlistedMethods::default();
            for (path, call) in calls {
                if let Some(path) = methods.keep_path(&path) {
                    methods.end_call(&path, call);
                }
            }
        });
        let log = log.0.lock().unwrap();
        let path = |message: &String| {
            let message = message.strip_prefix("the gRPC method ").expect("the warning");
            message.split_once(" is served").expect("the warning").0.to_owned()
        };
        log.iter().map(path).collect()
    }

    // X-10
    #[test]
    fn a_method_that_is_served_and_not_listed_is_logged_once() {
        let calls = ["/a.B/First", "/a.B/Second", "/a.B/First", "/a.B/Second"];
        let calls = calls.map(|path| (path.to_owned(), OK));
        assert_eq!(logged(calls), [r#""/a.B/First""#, r#""/a.B/Second""#]);
    }

    // X-03 X-10
    #[test]
    fn a_path_that_no_service_has_is_not_logged_whatever_a_layer_responds() {
        let statuses = [
            GrpcStatus::Unimplemented,
            GrpcStatus::Unauthenticated,
            GrpcStatus::PermissionDenied,
            GrpcStatus::ResourceExhausted,
            GrpcStatus::Unavailable,
        ];
        let calls = statuses.map(GrpcCall::with_status).into_iter().chain([GrpcCall::NO_STATUS]);
        assert_eq!(logged(calls.map(|call| ("/a.B/None".to_owned(), call))), [""; 0]);
    }

    // X-03
    #[test]
    fn a_long_or_strange_path_is_cut_and_quoted() {
        let path = format!("/{}", "é\n".repeat(5000));
        let expected = format!("{:?}", path.chars().take(MAX_CHARS).collect::<String>());
        assert_eq!(logged([(path, OK)]), [expected]);
    }

    // X-03: a server that responds to any path.
    #[test]
    fn only_the_first_few_paths_are_logged() {
        let calls = (0..10_000).map(|number| (format!("/a.B/{number}"), OK));
        let expected: Vec<_> = (0..MAX_LOGGED).map(|number| format!("\"/a.B/{number}\"")).collect();
        assert_eq!(logged(calls), expected);
    }

    // X-02
    #[test]
    fn after_the_last_warning_no_path_is_kept() {
        let methods = UnlistedMethods::default();
        for number in 0..MAX_LOGGED {
            methods.end_call(&number.to_string(), OK);
        }
        assert_eq!(methods.keep_path("/a.B/Other"), None);
    }

    // X-02 X-03: a scanner.
    #[test]
    fn after_many_failed_calls_no_path_is_kept() {
        let methods = UnlistedMethods::default();
        let keep = || methods.keep_path("/a.B/None");
        assert_eq!((0..10_000).filter_map(|_| keep()).count(), MAX_KEPT as usize);
    }
}
