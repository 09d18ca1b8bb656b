//! What Prometheus has stored of a series, and a native histogram as it stores it.

use std::collections::BTreeMap;

use serde_json::Value;

/// The samples of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSeries {
    /// Its labels, with its name.
    pub labels: BTreeMap<String, String>,
    /// The time of each sample in seconds since 1970, and its value. Of a native histogram, its count.
    pub samples: Vec<(f64, f64)>,
    /// Whether one of them is a native histogram.
    pub is_native: bool,
}

impl StoredSeries {
    pub(super) fn read(json: &Value) -> Self {
        let labels = serde_json::from_value(json["metric"].clone()).expect("labels");
        let array = |key: &str| json[key].as_array().into_iter().flatten();
        let time = |sample: &Value| sample[0].as_f64().expect("a time");
        let floats = array("values").map(|sample| (time(sample), number(&sample[1])));
        let counts = array("histograms").map(|sample| (time(sample), number(&sample[1]["count"])));
        let mut samples: Vec<_> = floats.chain(counts).collect();
        samples.sort_by(|a, b| a.0.total_cmp(&b.0));
        let is_native = array("histograms").next().is_some();
        Self { labels, samples, is_native }
    }
}

/// A native histogram in the result of a query.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the query API defines them")]
pub struct StoredHistogram {
    pub count: f64,
    pub sum: f64,
    /// Those that are not empty, in ascending order.
    pub buckets: Vec<StoredBucket>,
}

/// A bucket with the number of its observations, without those of other buckets.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "the query API defines them")]
pub struct StoredBucket {
    pub lower: f64,
    pub upper: f64,
    pub count: f64,
}

impl StoredHistogram {
    pub(super) fn read(json: &Value) -> Self {
        let bucket = |bucket: &Value| StoredBucket {
            lower: number(&bucket[1]),
            upper: number(&bucket[2]),
            count: number(&bucket[3]),
        };
        let buckets = json["buckets"].as_array().into_iter().flatten().map(bucket).collect();
        Self { count: number(&json["count"]), sum: number(&json["sum"]), buckets }
    }

    /// The observations in the buckets that end at `bound` or before.
    #[must_use]
    pub fn count_up_to(&self, bound: f64) -> f64 {
        self.buckets.iter().filter(|it| it.upper <= bound).map(|it| it.count).sum()
    }

    /// How much greater the end of each bucket is than its beginning: 2^(2^-scale). `None` without buckets of positive values.
    #[must_use]
    pub fn base(&self) -> Option<f64> {
        let positive = self.buckets.iter().find(|bucket| bucket.lower > 0.0)?;
        Some(positive.upper / positive.lower)
    }
}

fn number(json: &Value) -> f64 {
    json.as_str().and_then(|text| text.parse().ok()).expect("a number in a string")
}
