//! Decides from the error of a client what ended its request.

#[cfg(feature = "hyper-util")]
mod hyper_util;
#[cfg(test)]
#[cfg(feature = "tonic")]
mod real_errors;
#[cfg(feature = "tonic")]
mod tonic;

use crate::labels::catch_panic::catch_panic;
use crate::labels::outcome::Outcome;
use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::iter;

/// What ended a request that got no complete response: the `error_type` of an error that the client returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientErrorType {
    /// No connection could be opened, or opening it took too long: `connect_error`.
    Connect,
    /// The request took too long: `timeout`.
    Timeout,
    /// The connection was closed, or the stream was reset, before the response was complete: `reset`.
    Reset,
}

impl From<ClientErrorType> for Outcome {
    fn from(error_type: ClientErrorType) -> Self {
        match error_type {
            ClientErrorType::Connect => Self::ConnectError,
            ClientErrorType::Timeout => Self::Timeout,
            ClientErrorType::Reset => Self::Reset,
        }
    }
}

/// The types of errors that a client layer knows, of its inner service and of response bodies.
///
/// The error type of a service need not implement [`Error`]: it may be a `Box<dyn Error + Send + Sync>`.
pub(crate) struct KnownErrors {
    rules: Vec<Rule>,
}

impl KnownErrors {
    /// Knows [`io::Error`].
    pub(crate) fn new() -> Self {
        Self { rules: Vec::new() }.with(of_io_error)
    }

    /// Adds a type of errors, and the function that decides about one. Functions that are added later are called first. A panic
    /// of the function counts as [`Verdict::Unknown`].
    pub(crate) fn with<E: Error + 'static, V: Into<Verdict>>(
        mut self,
        function: impl Fn(&E) -> V + Send + Sync + 'static,
    ) -> Self {
        let verdict = move |error: &(dyn Error + 'static)| {
            let error = error.downcast_ref::<E>()?;
            catch_panic(|| function(error)).map(Into::into)
        };
        self.rules.push(Rule {
            as_error: |error| Some(error.downcast_ref::<E>()?),
            verdict: Box::new(move |error| verdict(error).unwrap_or(Verdict::Unknown)),
        });
        self
    }

    /// Decides about this error, or about the first of its sources that is known. `None` for another error, and if `E` is neither
    /// a boxed error nor a type that was added.
    pub(crate) fn find<E: 'static>(&self, error: &E) -> Option<ClientErrorType> {
        let error = self.as_error(error)?;
        let mut errors = iter::successors(Some(error), |error| source(*error)).take(MAX_SOURCES);
        errors.find_map(|error| self.decide(error)).flatten()
    }

    /// `None` if no rule knows the error.
    fn decide(&self, error: &(dyn Error + 'static)) -> Option<Option<ClientErrorType>> {
        self.rules.iter().rev().find_map(|rule| match (rule.verdict)(error) {
            Verdict::Is(error_type) => Some(Some(error_type)),
            #[cfg(any(test, feature = "hyper-util"))]
            Verdict::Other => Some(None),
            Verdict::Unknown => None,
        })
    }

    fn as_error<'a>(&self, error: &'a dyn Any) -> Option<&'a (dyn Error + 'static)> {
        if let Some(error) = error.downcast_ref::<Box<dyn Error + Send + Sync>>() {
            return Some(&**error);
        }
        if let Some(error) = error.downcast_ref::<Box<dyn Error>>() {
            return Some(&**error);
        }
        self.rules.iter().find_map(|rule| (rule.as_error)(error))
    }
}

impl Default for KnownErrors {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for KnownErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KnownErrors")
    }
}

/// What a function says about an error.
pub(crate) enum Verdict {
    Is(ClientErrorType),
    /// It is none of these types, whatever its sources are.
    #[cfg(any(test, feature = "hyper-util"))]
    Other,
    /// The other rules decide, and then the source of the error.
    Unknown,
}

impl From<Option<ClientErrorType>> for Verdict {
    fn from(error_type: Option<ClientErrorType>) -> Self {
        error_type.map_or(Self::Unknown, Self::Is)
    }
}

struct Rule {
    /// The error, if it is of this rule's type.
    as_error: fn(&dyn Any) -> Option<&(dyn Error + 'static)>,
    /// [`Verdict::Unknown`] for an error of another type.
    verdict: Box<VerdictOf>,
}

type VerdictOf = dyn Fn(&(dyn Error + 'static)) -> Verdict + Send + Sync;

fn source<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>() {
        // `source` would skip the error from which the `io::Error` was made.
        Some(error) => error.get_ref().map(|inner| inner as _),
        None => error.source(),
    }
}

pub(crate) fn of_io_error(error: &io::Error) -> Option<ClientErrorType> {
    match error.kind() {
        ErrorKind::AddrNotAvailable
        | ErrorKind::ConnectionRefused
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::NetworkUnreachable => Some(ClientErrorType::Connect),
        ErrorKind::TimedOut => Some(ClientErrorType::Timeout),
        ErrorKind::BrokenPipe
        | ErrorKind::ConnectionAborted
        | ErrorKind::ConnectionReset
        | ErrorKind::NotConnected
        | ErrorKind::UnexpectedEof => Some(ClientErrorType::Reset),
        _ => None,
    }
}

/// An error may return itself as its source.
const MAX_SOURCES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::prometheus_labels::ErrorType;
    use ClientErrorType::{Connect, Reset, Timeout};
    use std::convert::Infallible;

    type BoxError = Box<dyn Error + Send + Sync>;

    #[derive(Debug)]
    struct Custom {
        source: Option<BoxError>,
    }

    impl fmt::Display for Custom {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("custom")
        }
    }

    impl Error for Custom {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.source.as_deref().map(|source| source as _)
        }
    }

    fn custom(source: impl Into<BoxError>) -> Custom {
        Custom { source: Some(source.into()) }
    }

    //
    #[test]
    fn each_type_has_its_label() {
        let labels = [Connect, Timeout, Reset]
            .map(|error_type| ErrorType::of_outcome(error_type.into(), false).unwrap().as_str());
        assert_eq!(labels, ["connect_error", "timeout", "reset"]);
    }

    //
    #[test]
    fn an_io_error_is_found_as_the_error_in_a_box_and_as_a_source() {
        let types = KnownErrors::new();
        for (kind, expected) in [
            (ErrorKind::ConnectionRefused, Some(Connect)),
            (ErrorKind::NetworkUnreachable, Some(Connect)),
            (ErrorKind::TimedOut, Some(Timeout)),
            (ErrorKind::ConnectionReset, Some(Reset)),
            (ErrorKind::UnexpectedEof, Some(Reset)),
            (ErrorKind::InvalidData, None),
            (ErrorKind::NotFound, None),
        ] {
            let boxed = || BoxError::from(io::Error::from(kind));
            assert_eq!(types.find(&io::Error::from(kind)), expected, "{kind:?}");
            assert_eq!(types.find(&boxed()), expected, "{kind:?}");
            let not_send: Box<dyn Error> = boxed();
            assert_eq!(types.find(&not_send), expected, "{kind:?}");
            assert_eq!(types.find(&BoxError::from(custom(boxed()))), expected, "{kind:?}");
            // Its `source` is the source of the inner error, which has none.
            assert_eq!(types.find(&io::Error::other(boxed())), expected, "{kind:?}");
        }
    }

    //
    #[test]
    fn an_error_of_an_unknown_type_has_no_error_type() {
        let types = KnownErrors::new();
        // It is a source of `Custom`, whose type is unknown.
        assert_eq!(types.find(&custom(io::Error::from(ErrorKind::TimedOut))), None);
        assert_eq!(types.find(&"text"), None);
        assert_eq!(types.find(&BoxError::from("text")), None);
        assert_eq!(types.find(&None::<Infallible>), None);
    }

    //
    #[test]
    fn a_type_that_is_added_decides_before_its_sources() {
        let io = |kind| custom(io::Error::from(kind));
        let types =
            KnownErrors::new().with(|error: &Custom| error.source.is_none().then_some(Timeout));
        assert_eq!(types.find(&Custom { source: None }), Some(Timeout));
        assert_eq!(types.find(&BoxError::from(custom(Custom { source: None }))), Some(Timeout));
        assert_eq!(types.find(&io(ErrorKind::ConnectionRefused)), Some(Connect));

        let types = types.with(|_: &Custom| Verdict::Other);
        assert_eq!(types.find(&io(ErrorKind::ConnectionRefused)), None);

        // The last one is asked first.
        let types = types.with(|_: &Custom| Some(Reset)).with(|_: &io::Error| Some(Timeout));
        assert_eq!(types.find(&io(ErrorKind::ConnectionRefused)), Some(Reset));
        assert_eq!(types.find(&io::Error::from(ErrorKind::ConnectionRefused)), Some(Timeout));
    }

    // X-05 X-11
    #[test]
    fn after_a_panic_of_the_function_the_sources_decide() {
        let panicking = |_: &Custom| -> Option<ClientErrorType> { panic!("by the test") };
        let types = KnownErrors::new().with(panicking);
        assert_eq!(types.find(&custom(io::Error::from(ErrorKind::TimedOut))), Some(Timeout));
    }

    //
    #[test]
    fn an_error_that_is_its_own_source_ends_the_search() {
        #[derive(Debug)]
        struct Circular;
        impl fmt::Display for Circular {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("circular")
            }
        }
        impl Error for Circular {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(self)
            }
        }
        assert_eq!(KnownErrors::new().find(&BoxError::from(Circular)), None);
    }
}
