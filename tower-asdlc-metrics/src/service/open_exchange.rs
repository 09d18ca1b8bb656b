//! The exchange of a request until it is recorded.

use crate::labels::outcome::Outcome;
use crate::record::flags::FlagSet;
use crate::record::shard::Shard;
use crate::service::exchange::Exchange;
use bytes::Buf;
use http::{Request, Response};
use http_body::{Body, Frame};
use std::mem::{self, ManuallyDrop};
use std::sync::Arc;

/// The exchange of a request. `None` if the request is excluded, once [`take`](Self::take) has moved the exchange, and once it is
/// recorded: so it is recorded only once.
///
/// The exchange is recorded when it ends, or when it is dropped before that.
#[derive(Debug, Default)]
pub(crate) struct OpenExchange(
    // `ManuallyDrop`, because `OpenExchange::drop` records the exchange. After that nothing is left to drop.
    ManuallyDrop<Option<Exchange>>,
);

impl OpenExchange {
    /// Starts the exchange, unless the layer is off (`shard` is `None`) or the request is excluded.
    #[inline(always)]
    pub(crate) fn start<B>(&mut self, shard: Option<&Arc<Shard>>, request: &mut Request<B>) {
        if let Some(shard) = shard {
            Exchange::start(&mut self.0, shard, request);
        }
    }

    /// Moves the exchange out: from the future to the response's body.
    #[inline(always)]
    pub(crate) fn take(&mut self) -> Self {
        Self(ManuallyDrop::new(self.0.take()))
    }

    /// See [`Exchange::expect_end_of_body`].
    #[inline(always)]
    pub(crate) fn expect_end_of_body(&mut self) {
        if let Some(exchange) = &mut *self.0 {
            exchange.expect_end_of_body();
        }
    }

    /// The inner service has responded.
    #[inline(always)]
    pub(crate) fn on_response<B: Body>(&mut self, response: &Response<B>) {
        if let Some(exchange) = &mut *self.0 {
            if let Some(outcome) = exchange.on_response(response) {
                let has_parts = exchange.has_parts();
                self.finish_some(has_parts, outcome);
            }
        }
    }

    /// A frame of the response's body passes. `is_last`: nothing follows it.
    #[inline(always)]
    pub(crate) fn on_frame<D: Buf>(&mut self, frame: &Frame<D>, is_last: impl FnOnce() -> bool) {
        if let Some(exchange) = &mut *self.0 {
            if let Some(outcome) = exchange.on_frame(frame, is_last) {
                let has_parts = exchange.has_parts();
                self.finish_some(has_parts, outcome);
            }
        }
    }

    /// The response's body has no more frames.
    #[inline]
    pub(crate) fn on_body_end(&mut self) {
        if let Some(exchange) = &*self.0 {
            if let Some(outcome) = exchange.outcome_at_body_end() {
                self.finish_some(exchange.has_parts(), outcome);
            }
        }
    }

    /// The body of a client's response is dropped, and was never polled.
    #[cold]
    pub(crate) fn on_unread(&mut self) {
        if let Some(outcome) = self.0.as_ref().and_then(Exchange::outcome_if_unread) {
            self.finish(outcome);
        }
    }

    /// Finishes the exchange of a client whose service or response body has returned an error. `otherwise` is the outcome if
    /// nothing is known of the error.
    #[cold]
    pub(crate) fn finish_with_error<E: 'static>(&mut self, error: &E, otherwise: Outcome) {
        if let Some(exchange) = &*self.0 {
            let error_type = exchange.error_type(error);
            self.finish(error_type.map_or(otherwise, Outcome::from));
        }
    }

    /// Records the exchange, unless it is recorded already.
    #[inline]
    pub(crate) fn finish(&mut self, outcome: Outcome) {
        if let Some(exchange) = &*self.0 {
            self.finish_some(exchange.has_parts(), outcome);
        }
    }

    /// Records the exchange, which is `Some`. `has_parts`: it has optional parts.
    ///
    /// The code that records is compiled three times: for the usual flags without optional parts, for the usual flags with them,
    /// and for all other flags. The usual flags are constants, so their code does not check flags, and keeps none in memory. This
    /// saves 12 instructions.
    ///
    /// This check is inlined into the caller. A function that chooses between the others would save all registers for the call.
    #[inline(always)]
    fn finish_some(&mut self, has_parts: bool, outcome: Outcome) {
        if has_parts {
            self.finish_with_parts(outcome);
        } else {
            self.finish_without_parts(outcome);
        }
    }

    #[inline(never)]
    fn finish_without_parts(&mut self, outcome: Outcome) {
        let Some(exchange) = &*self.0 else { return };
        let flags = exchange.flags();
        if flags.are_usual() {
            self.finish_with(FlagSet::USUAL, false, outcome);
        } else {
            self.finish_unusual(flags, outcome);
        }
    }

    #[cold]
    #[inline(never)]
    fn finish_with_parts(&mut self, outcome: Outcome) {
        let Some(exchange) = &*self.0 else { return };
        let flags = exchange.flags();
        if flags.are_usual() {
            self.finish_with(FlagSet::USUAL, true, outcome);
        } else {
            self.finish_unusual(flags, outcome);
        }
    }

    #[inline(never)]
    fn finish_unusual(&mut self, flags: FlagSet, outcome: Outcome) {
        self.finish_with(flags, true, outcome);
    }

    #[inline(always)]
    fn finish_with(&mut self, flags: FlagSet, may_have_parts: bool, outcome: Outcome) {
        let guard = EndOnPanic(self);
        if let Some(exchange) = &mut *guard.0.0 {
            exchange.record(flags, may_have_parts, outcome);
        }
        mem::forget(guard);
        self.end(flags);
    }

    /// Ends the request: it is not in flight any more, and is not recorded again.
    #[inline(always)]
    fn end(&mut self, flags: FlagSet) {
        if let Some(exchange) = self.0.take() {
            exchange.leave(flags);
        }
    }

    /// Finishes an exchange that is dropped. A function of its own, so that dropping a future or a body saves fewer registers.
    #[cold]
    #[inline(never)]
    fn finish_dropped(&mut self) {
        if let Some(exchange) = &*self.0 {
            self.finish(exchange.outcome_when_dropped());
        }
    }

    #[cold]
    fn end_on_panic(&mut self) {
        if let Some(flags) = self.0.as_ref().map(Exchange::flags) {
            self.end(flags);
        }
    }
}

/// Ends a request if recording it panics.
struct EndOnPanic<'a>(&'a mut OpenExchange);

impl Drop for EndOnPanic<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.end_on_panic();
    }
}

impl Drop for OpenExchange {
    #[inline(always)]
    fn drop(&mut self) {
        if self.0.is_some() {
            self.finish_dropped();
        }
    }
}
