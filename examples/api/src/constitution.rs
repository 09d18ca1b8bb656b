//! Metrics of events about how the system is governed. They are for an audit and must never be on a metrics endpoint.

use crate::event::Event;
use asdlc_exporter::MetricPolicy;
use opentelemetry::metrics::{Counter, Gauge, Meter};

/// `/v1/metrics` serves operational metrics only. The policy hides these families, whatever code records them.
pub(crate) fn operational_metrics() -> MetricPolicy {
    ["*breach_count*", "halt_state", "dissent_*", "witness_coverage*", "override_frequency"]
        .into_iter()
        .fold(MetricPolicy::new(), MetricPolicy::deny)
}

#[derive(Clone)]
pub(crate) struct Constitution {
    breaches: Counter<u64>,
    halt_state: Gauge<u64>,
    dissents: Counter<u64>,
    witness_coverage: Gauge<f64>,
    overrides: Counter<u64>,
}

impl Constitution {
    pub(crate) fn new(meter: &Meter) -> Self {
        Self {
            breaches: meter.u64_counter("constitutional_breach_count").build(),
            halt_state: meter.u64_gauge("halt_state").build(),
            dissents: meter.u64_counter("dissent_votes").build(),
            witness_coverage: meter.f64_gauge("witness_coverage_ratio").build(),
            overrides: meter.u64_counter("override_frequency").build(),
        }
    }

    /// Records an event that has just been stored.
    pub(crate) fn record(&self, event: &Event) {
        match event.kind.as_str() {
            "constitution.breached" => self.breaches.add(1, &[]),
            "constitution.halted" => self.halt_state.record(1, &[]),
            "constitution.resumed" => self.halt_state.record(0, &[]),
            "constitution.dissented" => self.dissents.add(1, &[]),
            "constitution.overridden" => self.overrides.add(1, &[]),
            "constitution.witnessed" => {
                if let Some(coverage) = event.data["coverage"].as_f64() {
                    self.witness_coverage.record(coverage, &[]);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use asdlc_exporter::Exporter;
    use serde_json::json;

    /// The exposition after one event of each type.
    fn served_with(policy: MetricPolicy) -> String {
        let exporter =
            Exporter::builder("api").with_policy(policy).build().expect("the settings are valid");
        let constitution = Constitution::new(&exporter.meter());
        for kind in ["breached", "halted", "dissented", "overridden", "witnessed"] {
            constitution.record(&Event {
                id: kind.into(),
                source: "court".into(),
                kind: format!("constitution.{kind}"),
                data: json!({ "coverage": 0.75 }),
                received_ms: 0,
            });
        }
        exporter.render().expect("it renders")
    }

    // A-07
    #[test]
    fn only_the_policy_hides_the_recorded_families() {
        let all = served_with(MetricPolicy::new());
        for sample in [
            r#"constitutional_breach_count_total{service="api"} 1"#,
            r#"halt_state{service="api"} 1"#,
            r#"dissent_votes_total{service="api"} 1"#,
            r#"witness_coverage_ratio{service="api"} 0.75"#,
            r#"override_frequency_total{service="api"} 1"#,
        ] {
            assert!(all.contains(sample), "{sample} is missing in\n{all}");
        }
        let operational = served_with(operational_metrics());
        for word in ["breach", "halt", "dissent", "witness", "override"] {
            assert!(!operational.contains(word), "{word} is in\n{operational}");
        }
        assert!(operational.contains("uptime_seconds"), "{operational}");
    }
}
