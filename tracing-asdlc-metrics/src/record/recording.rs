//! The one file that records into instruments: counters, gauges and histograms.
//!
//! The caller holds a [`RecordingGuard`](crate::record::recording_guard::RecordingGuard).

use crate::record::instruments::{EventInstruments, SpanInstruments};
use crate::record::metrics::{
    ClosedSeries, CounterSeries, EventSeries, GaugeSeries, HistogramSeries, SpanMetrics,
    SpanSeries, UpDownSeries,
};
use crate::record::per_instrument::PerInstrument;
use crate::record::series::{SeriesKey, SeriesTable};
use crate::rule::outcome::SpanOutcome;
use std::sync::OnceLock;

/// Records the creation of a span. Returns the index of the series in which it is in flight, if its rule has such a gauge.
#[inline(always)]
pub(crate) fn span_created(metrics: &SpanMetrics, key: SeriesKey) -> Option<usize> {
    let SpanInstruments { opened, in_flight, .. } = &metrics.instruments;
    let (index, key, series) = metrics.series.series(key)?;
    let attributes = || metrics.series.attributes(key);
    let SpanSeries { opened: opened_series, in_flight: in_flight_series, closed: _ } = series;
    if let Some(counter) = opened {
        get_or_create(opened_series, || CounterSeries::new(counter, &attributes())).add(1);
    }
    let gauge = in_flight.as_ref()?;
    get_or_create(in_flight_series, || UpDownSeries::new(gauge, &attributes())).add(1);
    Some(index)
}

/// Records the close of a span: the counter, and the duration in nanoseconds. A rule without an outcome has one series, that of
/// [`NO_OUTCOME`].
#[inline(always)]
pub(crate) fn span_closed(
    metrics: &SpanMetrics,
    key: SeriesKey,
    outcome: SpanOutcome,
    nanoseconds: impl FnOnce() -> u64,
) {
    let Some((_, key, series)) = metrics.series.series(key) else {
        return;
    };
    let ClosedSeries { counter, duration } =
        get_or_create(&series.closed[outcome as usize], || metrics.closed_series(key, outcome));
    if let Some(counter) = counter {
        counter.add(1);
    }
    if let Some(histogram) = duration {
        histogram.record(in_unit(nanoseconds(), metrics.nanoseconds_per_unit));
    }
}

/// A duration in the unit of a rule.
///
/// One division, which is rounded once: up to 2⁵³ ns (104 days) this is the `f64` nearest to the duration.
/// [`Duration::as_secs_f64`](std::time::Duration::as_secs_f64) is rounded twice. A multiplication with 1e-9, which is no `f64`, would
/// be rounded twice too.
#[inline]
fn in_unit(nanoseconds: u64, nanoseconds_per_unit: f64) -> f64 {
    // It is less than 2⁶³, which are 292 years. An `i64` becomes an `f64` in one instruction, a `u64` in six.
    nanoseconds as i64 as f64 / nanoseconds_per_unit
}

/// The outcome of a span whose rule has none.
pub(crate) const NO_OUTCOME: SpanOutcome = SpanOutcome::ALL[0];

/// Records that a span is no longer in flight, in the series that [`span_created`] returned. The series exists, so this creates
/// nothing and logs nothing.
pub(crate) fn in_flight_ended(metrics: &SpanMetrics, index: usize) {
    let series = metrics.series.get(index);
    if let Some(gauge) = series.and_then(|series| series.in_flight.get()) {
        gauge.add(-1);
    }
}

/// Records an event: 1 in the counter, and the numbers of its fields.
#[inline(always)]
pub(crate) fn event(
    instruments: &EventInstruments,
    series: &SeriesTable<EventSeries>,
    key: SeriesKey,
    numbers: PerInstrument<f64>,
) {
    if instruments.counter.is_none() && numbers.is_empty() {
        return;
    }
    if let Some((_, key, event_series)) = series.series(key) {
        event_in(instruments, event_series, || series.attributes(key), numbers);
    }
}

/// As [`event`], in a known series.
#[inline(always)]
pub(crate) fn event_in(
    instruments: &EventInstruments,
    series: &EventSeries,
    attributes: impl Fn() -> Vec<opentelemetry::KeyValue>,
    numbers: PerInstrument<f64>,
) {
    let EventInstruments { counter, sum, up_down, histogram, gauge } = instruments;
    if let Some(counter) = counter {
        get_or_create(&series.counter, || CounterSeries::new(counter, &attributes())).add(1);
    }
    if let (Some(counter), Some(number)) = (sum, numbers.sum) {
        get_or_create(&series.sum, || CounterSeries::new(counter, &attributes())).add(number);
    }
    if let (Some(counter), Some(number)) = (up_down, numbers.up_down) {
        get_or_create(&series.up_down, || UpDownSeries::new(counter, &attributes())).add(number);
    }
    if let (Some(histogram), Some(number)) = (histogram, numbers.histogram) {
        get_or_create(&series.histogram, || HistogramSeries::new(histogram, &attributes()))
            .record(number);
    }
    if let (Some(gauge), Some(number)) = (gauge, numbers.gauge) {
        get_or_create(&series.gauge, || GaugeSeries::new(gauge, &attributes())).record(number);
    }
}

/// Returns a series, and creates it for its first measurement.
///
/// No lock of this crate is held while the SDK creates it. If several threads need a new series at the same time, each asks the SDK
/// for it, and all of them use the first one.
#[inline(always)]
fn get_or_create<S>(series: &OnceLock<S>, create: impl FnOnce() -> S) -> &S {
    match series.get() {
        Some(series) => series,
        None => publish(series, create()),
    }
}

#[cold]
fn publish<S>(series: &OnceLock<S>, created: S) -> &S {
    // If another thread was faster, this thread's series is dropped after `get_or_init` has returned.
    series.get_or_init(move || created)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_duration_in_seconds_is_that_of_std_or_the_next_number() {
        let powers = (0..63).map(|bits| 1_u64 << bits);
        // The last ones are 292 years.
        let all = powers.flat_map(|power| (0..50).map(move |step| power + power / 53 * step));
        for nanoseconds in all.take_while(|nanoseconds| *nanoseconds < 1 << 63) {
            let seconds = in_unit(nanoseconds, 1e9);
            let expected = Duration::from_nanos(nanoseconds).as_secs_f64();
            let difference = seconds.to_bits().abs_diff(expected.to_bits());
            assert!(difference <= 1, "{nanoseconds} ns: {seconds:e} and {expected:e}");
        }
        assert_eq!(in_unit(0, 1e9), 0.0);
        assert_eq!(in_unit(1_500_000, 1e6), 1.5);
    }

    /// What is written in the code is the nearest number.
    #[test]
    fn a_duration_of_a_decimal_fraction_of_a_second_is_the_number_that_is_written_so() {
        for (nanoseconds, seconds) in [
            (1, 0.000000001),
            (5_000_000, 0.005),
            (25_000_000, 0.025),
            (299_792_458, 0.299792458),
            (10_000_000_000, 10.0),
            (1_234_567_890_123, 1_234.567890123),
        ] {
            assert_eq!(in_unit(nanoseconds, 1e9), seconds);
        }
    }
}
