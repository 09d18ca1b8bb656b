//! A strict parser of Prometheus text 0.0.4 and 1.0.0, independent of the code under test.
//!
//! Real scrapers accept duplicate series, split families and impossible histograms. This parser rejects them. Where the format
//! leaves a choice, it accepts one form only: single spaces, no timestamps, no trailing commas, no blank lines, quotes only around
//! names that need them, and counters that end in `_total`.

mod check;
mod line;

use std::collections::BTreeMap;
use std::fmt;

use check::Checker;

/// A valid exposition.
#[derive(Debug)]
pub struct Exposition {
    families: Vec<Family>,
    samples: Vec<Sample>,
}

impl Exposition {
    /// Parses `body`.
    ///
    /// # Errors
    /// All violations of the format and of its rules, in line order.
    pub fn parse(body: &[u8]) -> Result<Self, Vec<Violation>> {
        Checker::default().read(body)
    }

    /// As [`parse`](Self::parse), but without the naming conventions: a gauge may be called `x_total` or have the label `le`, a
    /// counter may be negative. What a scraper cannot read is a violation here too.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_unconventional(body: &[u8]) -> Result<Self, Vec<Violation>> {
        Checker::lenient().read(body)
    }

    /// All families with a HELP or TYPE line or a sample, in order.
    #[must_use]
    pub fn families(&self) -> &[Family] {
        &self.families
    }

    /// The family called `name`.
    #[must_use]
    pub fn family(&self, name: &str) -> Option<&Family> {
        self.families.iter().find(|family| family.name == name)
    }

    /// All samples, in order.
    #[must_use]
    pub fn all_samples(&self) -> &[Sample] {
        &self.samples
    }

    /// The samples with exactly this name: `x_bucket`, not `x`, for the buckets of a histogram.
    pub fn samples<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| sample.name == name)
    }

    /// Fails the test unless there are samples and each has all of `labels`.
    #[track_caller]
    pub fn assert_all_have(&self, labels: &[(&str, &str)]) {
        assert!(!self.samples.is_empty(), "there are no samples");
        for sample in &self.samples {
            assert!(sample.has(labels), "{sample:?} has not all of {labels:?}");
        }
    }

    /// The value of the sample called `name` that has all of `labels`. `None` unless exactly one sample matches.
    #[must_use]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut found = self.samples(name).filter(|sample| sample.has(labels));
        let only = found.next()?;
        found.next().is_none().then_some(only.value)
    }

    /// The sum of all samples called `name`.
    #[must_use]
    pub fn sum(&self, name: &str) -> f64 {
        self.samples(name).map(|sample| sample.value).sum()
    }

    /// The sums of the samples called `name`, by the values of `labels`. A missing label counts as `""`.
    #[must_use]
    pub fn sum_by<const N: usize>(
        &self,
        name: &str,
        labels: [&str; N],
    ) -> BTreeMap<[String; N], f64> {
        let mut sums = BTreeMap::new();
        for sample in self.samples(name) {
            *sums
                .entry(labels.map(|label| sample.label(label).unwrap_or_default().to_owned()))
                .or_insert(0.0) += sample.value;
        }
        sums
    }
}

/// One metric family.
#[derive(Debug)]
pub struct Family {
    /// Its name. For a histogram, without the suffixes of its samples.
    pub name: String,
    /// Its type, if there is a TYPE line.
    pub kind: Option<Kind>,
    /// Its help text, unescaped, if there is a HELP line.
    pub help: Option<String>,
}

/// The types of text 0.0.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the format defines them")]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
    Untyped,
}

/// A line with a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its line number, from 1.
    pub line: usize,
    /// Its name, including a suffix such as `_bucket`.
    pub name: String,
    /// Its labels in the order of the text, unescaped.
    pub labels: Vec<(String, String)>,
    /// Its value.
    pub value: f64,
}

impl Sample {
    /// The value of one label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }

    /// Whether it has all of `labels`.
    #[must_use]
    pub fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|&(name, value)| self.label(name) == Some(value))
    }
}

/// One broken rule.
#[derive(Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its line number, from 1.
    pub line: usize,
    /// The rule and what breaks it.
    pub message: String,
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}
