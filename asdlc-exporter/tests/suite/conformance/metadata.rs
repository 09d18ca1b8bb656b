//! "Metric Metadata": names, units, help texts and types.

use super::{Result, Served};

// C-05, C-06, C-07, C-08
#[test]
fn a_name_has_one_help_one_type_and_one_unit_and_loses_only_metrics_of_another_type() -> Result {
    let served = Served::new(|meter| {
        let histogram = |name| meter.f64_histogram(name).with_unit("s").with_boundaries(vec![1.0]);
        histogram("wait").with_description("Waited.").build().record(0.5, &[]);
        histogram("wait_seconds").with_description("Time.").build().record(0.5, &[]);
        meter.f64_histogram("wait_seconds").with_boundaries(vec![1.0]).build().record(0.5, &[]);
        meter.u64_gauge("wait_seconds").build().record(7, &[]);
    })?;
    for begin in ["# HELP wait_seconds ", "# TYPE wait_seconds ", "wait_seconds_count "] {
        assert_eq!(served.count(begin), 1, "{begin}: {}", served.text);
    }
    assert_eq!(served.open_metrics.matches("# UNIT wait_seconds seconds\n").count(), 1);
    assert!(served.has("# HELP wait_seconds Waited."), "{}", served.text);
    assert!(served.has("wait_seconds_count 3"), "no point of the other help text is lost");
    assert!(!served.samples.iter().any(|sample| sample.value == 7.0), "{}", served.text);
    Ok(())
}

// C-10, C-11, C-12
#[test]
fn names_keep_their_characters_or_get_single_underscores() -> Result {
    for (recorded, expected) in [
        ("orders", "orders"),
        ("Orders:taken_2", "Orders:taken_2"),
        ("orders.taken", "orders_taken"),
        ("orders..taken/by-shop", "orders_taken_by_shop"),
        ("orders__taken", "orders_taken"),
    ] {
        let served = Served::new(|meter| meter.u64_gauge(recorded).build().record(1, &[]))?;
        assert!(served.samples.iter().any(|sample| sample.name == expected), "{}", served.text);
    }
    Ok(())
}

// C-13, C-14, C-15, C-17, C-18
#[test]
fn units_become_words_at_the_end_of_the_name_and_before_total() -> Result {
    for (name, unit, expected) in [
        // The table of the specification.
        ("a", "d", "a_days_total"),
        ("a", "h", "a_hours_total"),
        ("a", "min", "a_minutes_total"),
        ("a", "s", "a_seconds_total"),
        ("a", "ms", "a_milliseconds_total"),
        ("a", "us", "a_microseconds_total"),
        ("a", "ns", "a_nanoseconds_total"),
        ("a", "By", "a_bytes_total"),
        ("a", "KiBy", "a_kibibytes_total"),
        ("a", "MiBy", "a_mebibytes_total"),
        ("a", "GiBy", "a_gibibytes_total"),
        ("a", "TiBy", "a_tebibytes_total"),
        ("a", "kBy", "a_kilobytes_total"),
        ("a", "MBy", "a_megabytes_total"),
        ("a", "GBy", "a_gigabytes_total"),
        ("a", "TBy", "a_terabytes_total"),
        ("a", "m", "a_meters_total"),
        ("a", "V", "a_volts_total"),
        ("a", "A", "a_amperes_total"),
        ("a", "J", "a_joules_total"),
        ("a", "W", "a_watts_total"),
        ("a", "g", "a_grams_total"),
        ("a", "Cel", "a_celsius_total"),
        ("a", "Hz", "a_hertz_total"),
        ("a", "%", "a_percent_total"),
        // In brackets.
        ("a", "{packet}", "a_total"),
        ("a", "By{transferred}", "a_bytes_total"),
        ("a", "{packet}/s", "a_per_second_total"),
        // Rates.
        ("a", "m/s", "a_meters_per_second_total"),
        ("a", "By/h", "a_bytes_per_hour_total"),
        // The name has the unit.
        ("a_seconds", "s", "a_seconds_total"),
        ("a_seconds_total", "s", "a_seconds_total"),
        ("a_milliseconds", "s", "a_milliseconds_seconds_total"),
    ] {
        let served = Served::new(|meter| {
            meter.f64_counter(name).with_unit(unit).build().add(1.0, &[]);
        })?;
        let type_line = format!("# TYPE {expected} counter");
        assert!(served.has(&type_line), "{name} in {unit}: {}", served.text);
    }
    Ok(())
}

// C-16
#[test]
fn openmetrics_has_the_unit() -> Result {
    let served = Served::new(|meter| {
        meter.f64_counter("cpu").with_unit("s").build().add(1.0, &[]);
        meter.u64_gauge("disk").with_unit("By/s").build().record(1, &[]);
        meter.u64_gauge("plain").build().record(1, &[]);
    })?;
    assert!(served.has_open("# UNIT cpu_seconds seconds"), "{}", served.open_metrics);
    assert!(served.has_open("# UNIT disk_bytes_per_second bytes_per_second"));
    assert!(!served.open_metrics.contains("# UNIT plain"), "{}", served.open_metrics);
    assert_eq!(served.count("# UNIT"), 0, "the text format has no units: {}", served.text);
    Ok(())
}

// C-19, C-20, C-61
#[test]
fn the_description_is_the_help_text_and_the_kind_is_the_type() -> Result {
    let served = Served::new(|meter| {
        meter.u64_counter("orders").with_description("Orders taken.").build().add(1, &[]);
        meter.u64_gauge("level").with_description("A \\ and\na line.").build().record(1, &[]);
        meter.i64_up_down_counter("open").build().add(1, &[]);
        meter.f64_histogram("wait").with_boundaries(vec![1.0]).build().record(1.0, &[]);
    })?;
    for line in [
        "# HELP orders_total Orders taken.",
        "# TYPE orders_total counter",
        "# HELP level A \\\\ and\\na line.",
        "# TYPE level gauge",
        "# TYPE open gauge",
        "# TYPE wait histogram",
    ] {
        assert!(served.has(line), "{line}: {}", served.text);
    }
    Ok(())
}
