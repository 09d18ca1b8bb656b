use crate::labels::outcome::Outcome;
use crate::service::open_exchange::OpenExchange;

/// Records a panic of the inner service or its body as the outcome of the exchange. It lives on the stack during the call.
///
/// The panic is recorded here because the exchange may be dropped only after the panic was caught. The panic then continues.
pub(crate) struct PanicGuard<'a>(&'a mut OpenExchange);

impl<'a> PanicGuard<'a> {
    #[inline]
    pub(crate) fn new(exchange: &'a mut OpenExchange) -> Self {
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
        self.0.finish(Outcome::Panic);
    }
}
