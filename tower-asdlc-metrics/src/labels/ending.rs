//! How an exchange ended, as a key in one word.

use crate::labels::grpc_status::{GrpcCall, GrpcStatus};
use crate::labels::outcome::Outcome;
use crate::labels::prometheus_labels::ErrorType;
use crate::labels::protocol::ProtocolVersion;
use crate::labels::response_label::ResponseLabelValues;
use http::StatusCode;
use std::fmt;

/// What distinguishes the series of one route: the outcome, the status, the gRPC status, the version of HTTP, and the labels of the
/// response. The labels of each convention are derived from it when the series are created.
///
/// It is one word, because each request compares endings to find its series.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ending(u64);

/// What is known of the end of an exchange before it ends.
///
/// `repr(C)`: the fields have the order of the parts of an [`Ending`], so that the compiler loads them together.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Progress {
    /// 0 until there is a response.
    status: u16,
    pub(crate) grpc: GrpcCall,
    /// Unknown if it is not a label. The request of a client has the version of its response.
    pub(crate) version: ProtocolVersion,
    pub(crate) response_labels: ResponseLabelValues,
}

impl Progress {
    #[inline(always)]
    pub(crate) fn new(version: ProtocolVersion, grpc: GrpcCall) -> Self {
        Self { status: 0, grpc, version, response_labels: ResponseLabelValues::OTHER }
    }

    #[inline(always)]
    pub(crate) fn set_status(&mut self, status: StatusCode) {
        self.status = status.as_u16();
    }

    /// Whether there is a response.
    #[inline(always)]
    pub(crate) fn has_status(self) -> bool {
        self.status != 0
    }

    #[inline(always)]
    pub(crate) fn end(self, outcome: Outcome) -> Ending {
        let Self { status, grpc, version, response_labels } = self;
        Ending(
            u64::from(status) << STATUS
                | u64::from(grpc.0) << GRPC
                | (version as u64) << VERSION
                | u64::from(u16::from_le_bytes(response_labels.0)) << RESPONSE_LABELS
                | (outcome as u64) << OUTCOME,
        )
    }
}

impl Ending {
    pub(crate) fn status(self) -> Status {
        match self.0 as u16 {
            0 => Status::None,
            number => match StatusCode::from_u16(number) {
                Ok(status) => Status::Sent(status),
                Err(_) => Status::Other(ReducedError::from_number(number - 1)),
            },
        }
    }

    /// The status of the response, if there was one.
    pub(crate) fn sent(self) -> Option<StatusCode> {
        if let Status::Sent(status) = self.status() { Some(status) } else { None }
    }

    pub(crate) fn outcome(self) -> Outcome {
        Outcome::ALL
            .get(usize::from((self.0 >> OUTCOME) as u8))
            .copied()
            .unwrap_or(Outcome::Complete)
    }

    pub(crate) fn grpc(self) -> GrpcCall {
        GrpcCall((self.0 >> GRPC) as u8)
    }

    pub(crate) fn version(self) -> ProtocolVersion {
        let number = usize::from((self.0 >> VERSION) as u8);
        ProtocolVersion::ALL.get(number).copied().unwrap_or(ProtocolVersion::Unknown)
    }

    pub(crate) fn response_labels(self) -> ResponseLabelValues {
        ResponseLabelValues(((self.0 >> RESPONSE_LABELS) as u16).to_le_bytes())
    }

    /// Returns an ending that keeps only this error, and whether it was a gRPC call. There are [few](Self::REDUCED) such endings,
    /// so that there is always space for the requests beyond the series limit.
    pub(crate) fn reduced(self, error: ReducedError) -> Self {
        let grpc = if self.grpc().is_grpc() {
            GrpcCall::with_status(GrpcStatus::Unknown)
        } else {
            GrpcCall::NOT_GRPC
        };
        // `StatusCode` refuses numbers below 100.
        let status = error.number() + 1;
        let reduced = Progress::new(ProtocolVersion::Unknown, grpc);
        Progress { status, ..reduced }.end(Outcome::Complete)
    }

    /// How many reduced endings there are: each error, for gRPC calls and for other requests.
    pub(crate) const REDUCED: usize = ReducedError::TYPES * 2 * 2;
}

/// What is kept of an ending beyond the series limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReducedError {
    /// In Prometheus' convention.
    pub(crate) error_type: Option<ErrorType>,
    /// Whether it is an error in OpenTelemetry's conventions: a server's 4xx is not.
    pub(crate) is_semantic_error: bool,
}

impl ReducedError {
    /// The error types, and no error.
    const TYPES: usize = ErrorType::ALL.len() + 1;

    fn number(self) -> u16 {
        let error_type = self.error_type.map_or(0, |error_type| error_type as u16 + 1);
        error_type + if self.is_semantic_error { Self::TYPES as u16 } else { 0 }
    }

    fn from_number(number: u16) -> Self {
        let number = usize::from(number);
        let index = (number % Self::TYPES).checked_sub(1);
        Self {
            error_type: index.and_then(|index| ErrorType::ALL.get(index).copied()),
            is_semantic_error: number >= Self::TYPES,
        }
    }
}

impl fmt::Debug for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ending")
            .field("outcome", &self.outcome())
            .field("status", &self.status())
            .field("grpc", &self.grpc())
            .field("version", &self.version())
            .field("response_labels", &self.response_labels())
            .finish()
    }
}

/// The status of a response. In an [`Ending`] it is a number: 0 if there was no response, the status code, or a number below 100 if
/// only the error is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// There was no response.
    None,
    Sent(StatusCode),
    /// Beyond the series limit, the status is not kept.
    Other(ReducedError),
}

const STATUS: u32 = 0;
const GRPC: u32 = 16;
const VERSION: u32 = 24;
const RESPONSE_LABELS: u32 = 32;
const OUTCOME: u32 = 48;

#[cfg(test)]
mod tests {
    use super::*;

    type Parts = (Outcome, Option<StatusCode>, GrpcCall, ProtocolVersion, ResponseLabelValues);

    fn all_parts() -> Vec<Parts> {
        let versions = [ProtocolVersion::Unknown, ProtocolVersion::Http11, ProtocolVersion::Http3];
        let labels = [ResponseLabelValues::OTHER, ResponseLabelValues([0, 7])];
        let statuses = [None, Some(StatusCode::OK), Some(StatusCode::NOT_FOUND)];
        let mut parts = Vec::new();
        for grpc in (0..GrpcStatus::COUNT + 3).map(GrpcCall) {
            for outcome in Outcome::ALL {
                for status in statuses {
                    for version in versions {
                        parts.extend(labels.map(|labels| (outcome, status, grpc, version, labels)));
                    }
                }
            }
        }
        parts
    }

    fn ending((outcome, status, grpc, version, labels): Parts) -> Ending {
        let mut progress = Progress::new(version, grpc);
        assert!(!progress.has_status());
        status.into_iter().for_each(|status| progress.set_status(status));
        assert_eq!(progress.has_status(), status.is_some());
        progress.response_labels = labels;
        progress.end(outcome)
    }

    #[test]
    fn each_part_of_an_ending_is_kept() {
        let mut endings = Vec::new();
        for parts in all_parts() {
            let ending = ending(parts);
            let (outcome, status, grpc, version, labels) = parts;
            assert_eq!((ending.outcome(), ending.sent(), ending.grpc()), (outcome, status, grpc));
            assert_eq!((ending.version(), ending.response_labels()), (version, labels));
            endings.push(ending.0);
        }
        let len = endings.len();
        endings.sort_unstable();
        endings.dedup();
        assert_eq!(endings.len(), len);
        for code in 100..1000 {
            let status = StatusCode::from_u16(code).unwrap();
            let ending = ending((
                Outcome::Panic,
                Some(status),
                GrpcCall(3),
                ProtocolVersion::Http2,
                ResponseLabelValues::OTHER,
            ));
            assert_eq!(ending.status(), Status::Sent(status));
        }
    }

    #[test]
    fn each_variant_is_at_its_number() {
        assert!(Outcome::ALL.map(|outcome| outcome as usize).into_iter().eq(0..Outcome::ALL.len()));
        let versions = ProtocolVersion::ALL.map(|version| version as usize);
        assert!(versions.into_iter().eq(0..ProtocolVersion::ALL.len()));
    }

    //
    #[test]
    fn there_are_few_reduced_endings_and_each_keeps_its_error_type() {
        let error_types = || ErrorType::ALL.into_iter().map(Some).chain([None]);
        let mut all = Vec::new();
        for ending in all_parts().into_iter().map(ending) {
            for error_type in error_types() {
                for is_semantic_error in [true, false] {
                    let error = ReducedError { error_type, is_semantic_error };
                    let reduced = ending.reduced(error);
                    assert_eq!(reduced.status(), Status::Other(error));
                    assert_eq!(reduced.grpc().is_grpc(), ending.grpc().is_grpc());
                    all.push(reduced.0);
                }
            }
        }
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), Ending::REDUCED);
    }
}
