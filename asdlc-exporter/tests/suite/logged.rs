//! What this thread logs.

use std::{
    fmt,
    sync::{Arc, Mutex},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
};

/// The messages of the warnings that `run` logs on this thread.
pub(crate) fn logged(run: impl FnOnce()) -> Vec<String> {
    let warnings = Warnings::default();
    let subscriber = tracing_subscriber::registry().with(warnings.clone());
    tracing::subscriber::with_default(subscriber, run);
    let mut messages = warnings.0.lock().expect("no panic while it is locked");
    std::mem::take(&mut messages)
}

#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Message<'a>(&'a mut Vec<String>);
        impl tracing::field::Visit for Message<'_> {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
                if field.name() == "message" {
                    self.0.push(format!("{value:?}"));
                }
            }
        }
        if *event.metadata().level() == tracing::Level::WARN {
            event.record(&mut Message(&mut self.0.lock().expect("no panic while it is locked")));
        }
    }
}
