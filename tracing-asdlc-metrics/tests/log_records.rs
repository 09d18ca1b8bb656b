//! Records of the `log` crate, through `tracing-log`. Its tracer is global, so there is one test.

mod support;

use support::{Metrics, series};
use tracing_asdlc_metrics::{Label, Rule};
use tracing_subscriber::layer::SubscriberExt;

// F-22
#[test]
fn a_log_record_is_matched_by_its_own_target_and_level() {
    tracing_log::LogTracer::init().unwrap();
    let metrics = Metrics::new();
    let rule = |target: &'static str, name: &'static str| {
        Rule::events().with_target(target).with_counter(name)
    };
    let rules = [
        rule("shop", "shop_total").with_label(
            Label::field("log.module_path").with_name("module").with_values(["a", "b"]),
        ),
        rule("shop::basket", "basket_total"),
        // F-22, a neighbour: no record has the target that `tracing-log` gives all of them.
        rule("log", "log_total"),
        // F-22, a neighbour: the SDK's own records are never measured, like its events.
        Rule::events().with_counter("all_total"),
    ];
    let layer = metrics.layer(rules);
    let coverage = layer.coverage();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        assert_eq!(coverage.unmatched().len(), 4);
        log::warn!(target: "shop", "one");
        log::error!(target: "shop::basket", "two");
        log::info!(target: "shopping", "three");
        log::debug!(target: "shop", "too verbose for the rule");
        log::warn!(target: "opentelemetry_sdk::metrics", "four");
        tracing::warn!(target: "shop", "an event, not a log record");
    });
    assert_eq!(metrics.count("shop"), 3);
    assert_eq!(metrics.values("basket"), series([("", 1)]));
    assert_eq!(metrics.count("log"), 0);
    assert_eq!(metrics.values("all"), series([("", 4)]));
    assert_eq!(coverage.unmatched(), ["rule 3, events of target \"log\""]);
}
