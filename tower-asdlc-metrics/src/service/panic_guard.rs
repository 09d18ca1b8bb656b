use crate::labels::outcome::Outcome;
use crate::service::exchange::Exchange;

/// Records a panic of the inner service or its body as the outcome of the exchange. It lives on the stack during the call.
///
/// The panic is recorded here because the exchange may be dropped only after the panic was caught. The panic then continues.
pub(crate) struct PanicGuard<'a>(&'a mut Option<Exchange>);

impl<'a> PanicGuard<'a> {
    #[inline]
    pub(crate) fn new(exchange: &'a mut Option<Exchange>) -> Self {
        Self(exchange)
    }

    /// The call has returned without a panic.
    #[inline]
    pub(crate) fn disarm(self) {
        std::mem::forget(self);
    }
}

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        Exchange::finish_if_open(self.0, Outcome::Panic);
    }
}
