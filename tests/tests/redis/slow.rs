//! A server, or a network, that responds late but in time.

use std::time::Duration;

use asdlc_exporter::health::Check;
use asdlc_tests::servers::Redis;

use crate::relay::Relay;

// F-31, a neighbour: the kept connection is not silent, and a new one would need more than the rest of the timeout.
#[tokio::test(flavor = "multi_thread")]
async fn a_response_after_a_third_of_the_timeout_counts() {
    let redis = Redis::start();
    let relay = Relay::start(redis.address()).await;
    let probe = relay.probe();
    let probe = probe.with_timeout(Duration::from_millis(4_500)).expect("in range");
    probe.check().await.expect("Redis responds");
    relay.set_delay(1_800);
    for _ in 0..2 {
        probe.check().await.expect("Redis responds in time");
    }
}
