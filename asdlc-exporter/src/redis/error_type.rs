//! The label `error_type`: why a command or an attempt to connect failed.

use redis::{ErrorKind, RedisError, ServerErrorKind, Value};

/// A value of the label `error_type`. The [module](super) documents them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorType {
    Authentication,
    Cancelled,
    Client,
    Cluster,
    Connection,
    Loading,
    NoScript,
    OutOfMemory,
    Permission,
    Protocol,
    ReadOnly,
    Refused,
    Server,
    Timeout,
    Transaction,
    WrongType,
}

impl ErrorType {
    /// All values, in the order of their labels.
    pub(super) const ALL: [Self; 16] = [
        Self::Authentication,
        Self::Cancelled,
        Self::Client,
        Self::Cluster,
        Self::Connection,
        Self::Loading,
        Self::NoScript,
        Self::OutOfMemory,
        Self::Permission,
        Self::Protocol,
        Self::ReadOnly,
        Self::Refused,
        Self::Server,
        Self::Timeout,
        Self::Transaction,
        Self::WrongType,
    ];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Authentication => "authentication",
            Self::Cancelled => "cancelled",
            Self::Client => "client",
            Self::Cluster => "cluster",
            Self::Connection => "connection",
            Self::Loading => "loading",
            Self::NoScript => "no_script",
            Self::OutOfMemory => "out_of_memory",
            Self::Permission => "permission",
            Self::Protocol => "protocol",
            Self::ReadOnly => "read_only",
            Self::Refused => "refused",
            Self::Server => "server",
            Self::Timeout => "timeout",
            Self::Transaction => "transaction",
            Self::WrongType => "wrong_type",
        }
    }

    pub(super) fn of(error: &RedisError) -> Self {
        match error.kind() {
            ErrorKind::Io if error.is_timeout() => Self::Timeout,
            ErrorKind::Io if error.is_connection_refusal() => Self::Refused,
            ErrorKind::Io
            | ErrorKind::MasterNameNotFoundBySentinel
            | ErrorKind::NoValidReplicasFoundBySentinel
            | ErrorKind::ClusterConnectionNotFound => Self::Connection,
            ErrorKind::AuthenticationFailed => Self::Authentication,
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType | ErrorKind::RESP3NotSupported => {
                Self::Protocol
            }
            ErrorKind::Server(kind) => Self::of_server(Some(kind), ""),
            ErrorKind::Extension => Self::of_server(None, error.code().unwrap_or_default()),
            // Errors of the crate `redis` before it sends anything, and kinds that it may add later.
            _ => Self::Client,
        }
    }

    /// The first error in a response, at any depth: the response to a pipeline or a transaction is
    /// `Ok` even if it contains errors.
    #[inline]
    pub(super) fn within(response: &Value) -> Option<Self> {
        match response {
            // Most responses are one of these.
            Value::Nil
            | Value::Int(_)
            | Value::BulkString(_)
            | Value::SimpleString(_)
            | Value::Okay => None,
            other => Self::deep_within(other),
        }
    }

    fn deep_within(response: &Value) -> Option<Self> {
        match response {
            Value::ServerError(error) => Some(Self::of_server(error.kind(), error.code())),
            Value::Array(values) | Value::Set(values) | Value::Push { data: values, .. } => {
                Self::within_any(values)
            }
            Value::Map(entries) => Self::within_entries(entries),
            Value::Attribute { data, attributes } => {
                Self::within(data).or_else(|| Self::within_entries(attributes))
            }
            _ => None,
        }
    }

    pub(super) fn within_any(responses: &[Value]) -> Option<Self> {
        responses.iter().find_map(Self::within)
    }

    fn within_entries(entries: &[(Value, Value)]) -> Option<Self> {
        entries.iter().find_map(|(key, value)| Self::within(key).or_else(|| Self::within(value)))
    }

    /// `code` is the first word of the error message. It is used if the crate `redis` has no kind for
    /// this error.
    fn of_server(kind: Option<ServerErrorKind>, code: &str) -> Self {
        match kind {
            Some(ServerErrorKind::ExecAbort) => Self::Transaction,
            Some(ServerErrorKind::BusyLoading) => Self::Loading,
            Some(ServerErrorKind::NoScript) => Self::NoScript,
            Some(
                ServerErrorKind::Moved
                | ServerErrorKind::Ask
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::CrossSlot
                | ServerErrorKind::MasterDown,
            ) => Self::Cluster,
            Some(ServerErrorKind::ReadOnly) => Self::ReadOnly,
            Some(ServerErrorKind::NoPerm) => Self::Permission,
            Some(_) => Self::Server,
            None => match code {
                "NOAUTH" | "WRONGPASS" => Self::Authentication,
                "OOM" => Self::OutOfMemory,
                "WRONGTYPE" => Self::WrongType,
                _ => Self::Server,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    fn response(text: &str) -> Value {
        redis::parse_redis_value(text.as_bytes()).expect("valid RESP")
    }

    #[test]
    fn all_values_are_in_order_and_distinct() {
        for (at, this) in ErrorType::ALL.into_iter().enumerate() {
            assert_eq!(this as usize, at);
            assert!(ErrorType::ALL[..at].iter().all(|other| other.label() < this.label()));
        }
    }

    #[test]
    fn an_error_is_found_at_any_depth() {
        for (text, expected) in [
            ("+OK\r\n", None),
            ("$-1\r\n", None),
            ("*2\r\n$1\r\na\r\n:1\r\n", None),
            ("-ERR unknown command\r\n", Some("server")),
            ("-NOAUTH Authentication required.\r\n", Some("authentication")),
            ("-WRONGPASS invalid username-password pair\r\n", Some("authentication")),
            ("-NOPERM this user has no permissions\r\n", Some("permission")),
            ("-LOADING Redis is loading the dataset in memory\r\n", Some("loading")),
            ("-WRONGTYPE Operation against a key\r\n", Some("wrong_type")),
            ("-OOM command not allowed\r\n", Some("out_of_memory")),
            ("-READONLY You can't write\r\n", Some("read_only")),
            ("-NOSCRIPT No matching script\r\n", Some("no_script")),
            ("-EXECABORT Transaction discarded\r\n", Some("transaction")),
            ("-MOVED 3999 127.0.0.1:6381\r\n", Some("cluster")),
            ("-secret-key is not an error type\r\n", Some("server")),
            ("*2\r\n+OK\r\n-OOM no\r\n", Some("out_of_memory")),
            ("*2\r\n*1\r\n*1\r\n-OOM no\r\n-READONLY no\r\n", Some("out_of_memory")),
            ("%1\r\n+key\r\n-OOM no\r\n", Some("out_of_memory")),
            ("~1\r\n-OOM no\r\n", Some("out_of_memory")),
            ("|1\r\n+ttl\r\n:1\r\n-OOM no\r\n", Some("out_of_memory")),
        ] {
            assert_eq!(
                ErrorType::within(&response(text)).map(ErrorType::label),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn connection_errors_are_classified() {
        for (kind, expected) in [
            (io::ErrorKind::TimedOut, "timeout"),
            (io::ErrorKind::ConnectionRefused, "refused"),
            (io::ErrorKind::ConnectionReset, "connection"),
            (io::ErrorKind::UnexpectedEof, "connection"),
        ] {
            assert_eq!(ErrorType::of(&io::Error::from(kind).into()).label(), expected);
        }
        for (kind, expected) in [
            (ErrorKind::AuthenticationFailed, "authentication"),
            (ErrorKind::Parse, "protocol"),
            (ErrorKind::InvalidClientConfig, "client"),
        ] {
            assert_eq!(ErrorType::of(&(kind, "text").into()).label(), expected);
        }
    }
}
