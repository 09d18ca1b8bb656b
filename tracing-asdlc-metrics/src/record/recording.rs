//! The one place that records, and the guard that keeps a recording from starting another.

use crate::layer::capture::{Measurements, Numbers};
use crate::layer::span_state::{IN_FLIGHTS, SpanState};
use crate::plan::plan::{EventBatch, EventPlan, Plan, SpanPlan};
#[cfg(feature = "bound")]
use crate::record::bound::{CounterSeries, GaugeSeries, HistogramSeries, UpDownSeries};
use crate::record::instruments::{EventInstruments, SpanInstruments};
use crate::record::metrics::{
    ClosedSeries, EventMetrics, EventSeries, OutcomeField, SpanMetrics, SpanSeries,
};
use crate::record::series::Key;
#[cfg(not(feature = "bound"))]
use crate::record::unbound::{CounterSeries, GaugeSeries, HistogramSeries, UpDownSeries};
use crate::rule::outcome::Ending;
use crate::rule::span_duration::Clock;
use std::cell::Cell;
use std::sync::{Arc, OnceLock};

/// Records that a span was created; tells in which series it is now in flight: one more than their places, 0 for none.
pub(crate) fn opened(plan: &Plan, span: &SpanState) -> [u32; IN_FLIGHTS] {
    let mut places = [0; IN_FLIGHTS];
    let Some(_recording) = Recording::start() else {
        return places;
    };
    let mut gauges = places.iter_mut();
    for SpanPlan { metrics, places, .. } in &plan.spans {
        let SpanInstruments { opened, in_flight, .. } = &metrics.instruments;
        if opened.is_none() && in_flight.is_none() {
            continue;
        }
        let Some((place, key, series)) = metrics.series.series(Key::new(&span.ids, places)) else {
            continue;
        };
        let attributes = || metrics.series.attributes(key);
        let SpanSeries { opened: opened_series, in_flight: in_flight_series, closed: _ } = series;
        if let Some(counter) = opened {
            bound(opened_series, || CounterSeries::new(counter, &attributes())).add(1);
        }
        if let Some(gauge) = in_flight {
            bound(in_flight_series, || UpDownSeries::new(gauge, &attributes())).add(1);
            // There is room: that was checked when the layer was built.
            gauges.by_ref().take(1).for_each(|gauge| *gauge = place as u32 + 1);
        }
    }
    places
}

/// Records that a span closed, at the time `end`. When this thread is already recording, only that it is no longer in flight:
/// its series are there, and to subtract from them resolves nothing and logs nothing.
pub(crate) fn closed(plan: &Plan, span: &SpanState, end: u64, unwinding: bool) {
    let recording = Recording::start();
    landed(plan, span.in_flight);
    if recording.is_none() {
        return;
    }
    for SpanPlan { metrics, places, outcomes, rule: _ } in &plan.spans {
        if !metrics.records_close() {
            continue;
        }
        let Some((_, key, series)) = metrics.series.series(Key::new(&span.ids, places)) else {
            continue;
        };
        let ending = match metrics.outcome {
            Some(_) => ending(outcomes, span, unwinding),
            // Without an outcome there is one series.
            None => Ending::ALL[0],
        };
        let ClosedSeries { counter, duration } =
            bound(&series.closed[ending as usize], || metrics.closed_series(key, ending));
        if let Some(counter) = counter {
            counter.add(1);
        }
        if let Some(histogram) = duration {
            histogram.record(nanoseconds(metrics, span, end) as f64 / metrics.nanoseconds);
        }
    }
}

/// Records that a span which never closed is no longer in flight.
pub(crate) fn abandoned(plan: &Plan, in_flight: [u32; IN_FLIGHTS]) {
    if let Some(_recording) = Recording::start() {
        landed(plan, in_flight);
    }
}

/// Records the metrics of an event whose numbers were read; `target` is the event's own. Does nothing when this thread is already recording.
pub(crate) fn event(batch: &EventBatch, measurements: &Measurements<'_>, target: Option<&str>) {
    let Some(_recording) = Recording::start() else {
        return;
    };
    for event in &batch.plans {
        if !event.is_for(target) {
            continue;
        }
        if let Some(metrics) = event.source.metrics() {
            measured(metrics, event, measurements);
        }
    }
}

/// Whether this thread is recording. What it opens or emits there belongs to the SDK, or to a layer that reacts to the
/// SDK's own events, which it emits while it holds its locks: to measure it would deadlock, or never end.
pub(crate) fn in_progress() -> bool {
    RECORDING.get()
}

/// On its own: inlined, most of it is computed for every span, whether or not a rule asks for it.
#[inline(never)]
fn ending(outcomes: &[(OutcomeField, u8)], span: &SpanState, unwinding: bool) -> Ending {
    let told = |(field, place): &(OutcomeField, u8)| field.ending(&span.ids, usize::from(*place));
    outcomes.iter().find_map(told).unwrap_or_else(|| span.signs.ending(unwinding))
}

/// Each in the series in which it was counted, whatever has been recorded since.
#[inline]
fn landed(plan: &Plan, in_flight: [u32; IN_FLIGHTS]) {
    if in_flight != [0; IN_FLIGHTS] {
        subtract(plan, in_flight);
    }
}

fn subtract(plan: &Plan, in_flight: [u32; IN_FLIGHTS]) {
    let gauges = plan.spans.iter().filter(|span| span.metrics.instruments.in_flight.is_some());
    for (SpanPlan { metrics, .. }, place) in gauges.zip(in_flight) {
        let series = (place as usize).checked_sub(1).and_then(|place| metrics.series.get(place));
        if let Some(gauge) = series.and_then(|series| series.in_flight.get()) {
            gauge.add(-1);
        }
    }
}

fn nanoseconds(metrics: &SpanMetrics, span: &SpanState, end: u64) -> u64 {
    let open = end.saturating_sub(span.start);
    match metrics.clock {
        Clock::LastExit if span.last_exit > 0 => span.last_exit.saturating_sub(span.start),
        Clock::LastExit | Clock::Close => open,
        Clock::Busy => span.busy.min(open),
    }
}

#[inline(always)]
fn measured(metrics: &Arc<EventMetrics>, event: &EventPlan, measurements: &Measurements<'_>) {
    let Some(instruments) = metrics.instruments() else {
        return kept(metrics, event, measurements);
    };
    let numbers = numbers(event, measurements);
    if instruments.counter.is_none() && numbers.is_empty() {
        return;
    }
    let key = Key::new(&measurements.captures.ids, &event.places);
    if let Some((_, key, series)) = metrics.series.series(key) {
        recorded(metrics, instruments, key, series, numbers);
    }
}

/// No negative number reaches a counter.
#[inline(always)]
fn numbers(event: &EventPlan, measurements: &Measurements<'_>) -> Numbers<f64> {
    let numbers = measurements.numbers(&event.numbers);
    Numbers { sum: numbers.sum.filter(|number| *number >= 0.0), ..numbers }
}

/// Keeps the numbers until their instrument is there; records them if it has come meanwhile.
#[cold]
#[inline(never)]
fn kept(metrics: &Arc<EventMetrics>, event: &EventPlan, measurements: &Measurements<'_>) {
    let numbers = numbers(event, measurements);
    let key = Key::new(&measurements.captures.ids, &event.places);
    let series = if numbers.is_empty() { None } else { metrics.series.series(key) };
    let Some((place, key, _)) = series else {
        return;
    };
    if metrics.hold(place, key, numbers) {
        return;
    }
    if let Some(instruments) = metrics.instruments() {
        replayed(metrics, instruments, place, key, numbers);
    }
}

/// Records a number that was kept until its instrument was there.
pub(crate) fn replayed(
    metrics: &EventMetrics,
    instruments: &EventInstruments,
    place: usize,
    key: Key,
    numbers: Numbers<f64>,
) {
    if let Some(series) = metrics.series.get(place) {
        recorded(metrics, instruments, key, series, numbers);
    }
}

#[inline(always)]
fn recorded(
    metrics: &EventMetrics,
    instruments: &EventInstruments,
    key: Key,
    series: &EventSeries,
    numbers: Numbers<f64>,
) {
    let attributes = || metrics.series.attributes(key);
    let EventInstruments {
        counter: count,
        sum: sums,
        up_down: ups,
        histogram: values,
        gauge: last,
    } = instruments;
    let Numbers { sum, up_down, histogram, gauge } = numbers;
    if let Some(counter) = count {
        bound(&series.counter, || CounterSeries::new(counter, &attributes())).add(1);
    }
    if let (Some(counter), Some(number)) = (sums, sum) {
        bound(&series.sum, || CounterSeries::new(counter, &attributes())).add(number);
    }
    if let (Some(counter), Some(number)) = (ups, up_down) {
        bound(&series.up_down, || UpDownSeries::new(counter, &attributes())).add(number);
    }
    if let (Some(values), Some(number)) = (values, histogram) {
        bound(&series.histogram, || HistogramSeries::new(values, &attributes())).record(number);
    }
    if let (Some(last), Some(number)) = (last, gauge) {
        bound(&series.gauge, || GaugeSeries::new(last, &attributes())).record(number);
    }
}

/// The series, which is made if it is not there. The SDK makes it with none of our locks held: threads that meet a new series at
/// once each ask the SDK for it, and keep the same one.
#[inline(always)]
fn bound<S>(series: &OnceLock<S>, make: impl FnOnce() -> S) -> &S {
    match series.get() {
        Some(series) => series,
        None => publish(series, make()),
    }
}

#[cold]
fn publish<S>(series: &OnceLock<S>, made: S) -> &S {
    // If another thread was first, this one's is dropped when the lock is free again.
    series.get_or_init(move || made)
}

/// While it is there, this thread is recording.
#[derive(Debug)]
pub(crate) struct Recording;

impl Recording {
    pub(crate) fn start() -> Option<Self> {
        if RECORDING.replace(true) { None } else { Some(Self) }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        RECORDING.set(false);
    }
}

thread_local! {
    static RECORDING: Cell<bool> = const { Cell::new(false) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_lasts_until_it_ends_whatever_is_tried_within() {
        assert!(!in_progress());
        let recording = Recording::start();
        assert!(recording.is_some());
        assert!(Recording::start().is_none());
        assert!(in_progress(), "the refused one must not have ended it");
        drop(recording);
        assert!(!in_progress());
        assert!(Recording::start().is_some());
    }
}
