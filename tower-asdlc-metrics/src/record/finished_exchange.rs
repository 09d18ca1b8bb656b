use crate::labels::ending::Ending;
use std::time::Duration;

/// What is known of an exchange that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FinishedExchange {
    pub(crate) ending: Ending,
    pub(crate) duration: Duration,
    /// Bytes of the response's body.
    pub(crate) sent: u64,
}

impl FinishedExchange {
    /// As [`Duration::as_secs_f64`], in fewer instructions: x86-64 processors convert only signed integers with one instruction.
    #[inline(always)]
    pub(crate) fn seconds(&self) -> f64 {
        self.duration.as_secs() as i64 as f64 + f64::from(self.duration.subsec_nanos()) / 1e9
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::ending::Progress;
    use crate::labels::grpc_status::GrpcCall;
    use crate::labels::outcome::Outcome;
    use crate::labels::protocol::ProtocolVersion;

    // O-03
    #[test]
    fn the_seconds_are_those_of_the_standard_library() {
        let progress = Progress::new(ProtocolVersion::Unknown, GrpcCall::NOT_GRPC);
        let ending = progress.end(Outcome::Complete);
        for secs in [0, 1, 59, 86_400, 1 << 40] {
            for nanos in [0, 1, 999, 5_000_001, 123_456_789, 999_999_999] {
                let duration = Duration::new(secs, nanos);
                let finished = FinishedExchange { ending, duration, sent: 0 };
                assert_eq!(finished.seconds(), duration.as_secs_f64());
            }
        }
    }
}
