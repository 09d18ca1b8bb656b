//! The rules between lines: families, uniqueness, counters, histograms.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::line::{self, Line};
use super::{Exposition, Family, Kind, Sample, Violation};

#[derive(Default)]
pub(super) struct Checker {
    /// Whether naming conventions are ignored.
    is_lenient: bool,
    families: Vec<Family>,
    /// Positions in `families`.
    by_name: HashMap<String, usize>,
    /// The family of the previous line.
    open: Option<usize>,
    samples: Vec<(usize, Sample)>,
    series: HashSet<(String, Labels)>,
    violations: Vec<Violation>,
}

type Labels = BTreeMap<String, String>;

impl Checker {
    pub(super) fn lenient() -> Self {
        Self { is_lenient: true, ..Self::default() }
    }

    pub(super) fn read(mut self, body: &[u8]) -> Result<Exposition, Vec<Violation>> {
        let last = body.iter().filter(|&&byte| byte == b'\n').count();
        match body.strip_suffix(b"\n") {
            Some(body) => self.lines(body),
            None => {
                self.violation(last + 1, "no line feed at the end");
                self.lines(body);
            }
        }
        if self.samples.is_empty() {
            self.violation(last.max(1), "no samples at all");
        }
        for family in 0..self.families.len() {
            self.family(family);
        }
        if self.violations.is_empty() {
            let samples = self.samples.into_iter().map(|(_, sample)| sample).collect();
            return Ok(Exposition { families: self.families, samples });
        }
        self.violations.sort_by_key(|violation| violation.line);
        Err(self.violations)
    }

    fn lines(&mut self, body: &[u8]) {
        for (index, bytes) in body.split(|&byte| byte == b'\n').enumerate() {
            let number = index + 1;
            let read = str::from_utf8(bytes)
                .map_err(|error| format!("not UTF-8: {error}"))
                .and_then(|text| line::read(number, text));
            match read {
                Ok(Line::Help { family, text }) => self.help(number, family, text),
                Ok(Line::Type { family, kind }) => self.kind(number, family, kind),
                Ok(Line::Sample(sample)) => self.sample(sample),
                Ok(Line::Comment) => {}
                Err(message) => self.violation(number, message),
            }
        }
    }

    fn help(&mut self, line: usize, name: String, text: String) {
        let index = self.metadata(line, "HELP", name);
        if self.families[index].help.replace(text).is_some() {
            self.violation(line, format!("a second HELP for {}", self.families[index].name));
        }
    }

    fn kind(&mut self, line: usize, name: String, kind: Kind) {
        let index = self.metadata(line, "TYPE", name);
        if self.families[index].kind.replace(kind).is_some() {
            self.violation(line, format!("a second TYPE for {}", self.families[index].name));
        }
    }

    fn metadata(&mut self, line: usize, what: &str, name: String) -> usize {
        let index = self.enter(line, name);
        if self.samples.iter().any(|&(family, _)| family == index) {
            self.violation(line, format!("{what} after samples of {}", self.families[index].name));
        }
        index
    }

    fn sample(&mut self, sample: Sample) {
        let index = self.enter(sample.line, self.family_name(&sample.name));
        // Every consumer treats an empty label as a missing one.
        let labels = sample.labels.iter().filter(|(_, value)| !value.is_empty()).cloned().collect();
        if !self.series.insert((sample.name.clone(), labels)) {
            self.violation(sample.line, format!("this series of {} twice", sample.name));
        }
        self.samples.push((index, sample));
    }

    /// `h_count` belongs to `h` if `h` is declared a histogram or a summary.
    fn family_name(&self, sample: &str) -> String {
        let declared = |base: &&str| {
            let kind = self.by_name.get(*base).and_then(|&index| self.families[index].kind);
            matches!(kind, Some(Kind::Histogram | Kind::Summary))
        };
        let bases = SUFFIXES.iter().filter_map(|suffix| sample.strip_suffix(suffix));
        bases.into_iter().find(declared).unwrap_or(sample).to_owned()
    }

    /// Makes `name` the open family. The family is split if it was open before and another one was open since.
    fn enter(&mut self, line: usize, name: String) -> usize {
        let index = if let Some(&index) = self.by_name.get(&name) {
            if self.open != Some(index) {
                self.violation(line, format!("family {name} is split"));
            }
            index
        } else {
            self.families.push(Family { name: name.clone(), kind: None, help: None });
            self.by_name.insert(name, self.families.len() - 1);
            self.families.len() - 1
        };
        self.open = Some(index);
        index
    }

    fn family(&mut self, index: usize) {
        let samples: Vec<Sample> = self
            .samples
            .iter()
            .filter(|&&(family, _)| family == index)
            .map(|(_, sample)| sample.clone())
            .collect();
        let Family { name, kind, help: _ } = &self.families[index];
        let mut found = Vec::new();
        for sample in &samples {
            let rule = sample_rule(name, *kind, sample);
            let convention =
                || if self.is_lenient { Ok(()) } else { convention(name, *kind, sample) };
            if let Err(message) = rule.and_then(|()| convention()) {
                found.push(Violation { line: sample.line, message });
            }
        }
        if *kind == Some(Kind::Histogram) {
            histogram_rules(name, &samples, &mut found);
        }
        self.violations.extend(found);
    }

    fn violation(&mut self, line: usize, message: impl Into<String>) {
        self.violations.push(Violation { line, message: message.into() });
    }
}

/// The rules for one sample of a family.
fn sample_rule(family: &str, kind: Option<Kind>, sample: &Sample) -> Result<(), String> {
    let Sample { line: _, name, labels: _, value } = sample;
    let suffix = name.strip_prefix(family).unwrap_or_default();
    let has = |label| sample.label(label).is_some();
    if kind == Some(Kind::Histogram) && has("le") != (suffix == "_bucket") {
        return Err(format!(
            "{name}: le belongs on the buckets of a histogram, on all of them and nowhere else"
        ));
    }
    if kind == Some(Kind::Summary) && has("quantile") != suffix.is_empty() {
        return Err(format!(
            "{name}: quantile belongs on the quantiles of a summary, on all of them and nowhere else"
        ));
    }
    match kind {
        Some(Kind::Histogram) if suffix.is_empty() => {
            Err(format!("{name}: a histogram has only _bucket, _sum and _count"))
        }
        Some(Kind::Histogram) if suffix != "_sum" && !is_count(*value) => {
            Err(format!("{name} is {value}: not a count"))
        }
        _ => Ok(()),
    }
}

/// The naming conventions for one sample of a family.
fn convention(family: &str, kind: Option<Kind>, sample: &Sample) -> Result<(), String> {
    let Sample { line: _, name, labels: _, value } = sample;
    let has = |label| sample.label(label).is_some();
    if has("le") && kind != Some(Kind::Histogram) {
        return Err(format!("{name}: le belongs on the buckets of a histogram"));
    }
    if has("quantile") && kind != Some(Kind::Summary) {
        return Err(format!("{name}: quantile belongs on the quantiles of a summary"));
    }
    match kind {
        Some(Kind::Counter) if !name.ends_with("_total") => {
            Err(format!("counter {name} does not end in _total"))
        }
        Some(Kind::Counter) if value.is_nan() || *value < 0.0 => {
            Err(format!("counter {name} is {value}"))
        }
        Some(Kind::Counter | Kind::Histogram | Kind::Summary) => Ok(()),
        _ if family.ends_with("_total") => {
            Err(format!("{family} ends in _total but is no counter"))
        }
        _ if SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) => {
            Err(format!("{name} is neither histogram nor summary but is called like a part of one"))
        }
        _ => Ok(()),
    }
}

fn histogram_rules(family: &str, samples: &[Sample], found: &mut Vec<Violation>) {
    let mut sets = BTreeMap::<Labels, Vec<&Sample>>::new();
    for sample in samples {
        let labels =
            sample.labels.iter().filter(|(label, value)| label != "le" && !value.is_empty());
        sets.entry(labels.cloned().collect()).or_default().push(sample);
    }
    for set in sets.values() {
        if let Err((line, message)) = histogram_rule(family, set) {
            found.push(Violation { line, message: format!("histogram {family}: {message}") });
        }
    }
}

/// The rules for one histogram, given all its samples in order.
fn histogram_rule(family: &str, set: &[&Sample]) -> Result<(), (usize, String)> {
    let part = |suffix: &str| {
        let name = format!("{family}{suffix}");
        set.iter()
            .find(|sample| sample.name == name)
            .ok_or_else(|| (set[0].line, format!("no {suffix}")))
    };
    let (sum, count) = (part("_sum")?, part("_count")?);
    let mut before = (f64::NEG_INFINITY, 0.0);
    let mut buckets = 0;
    for sample in set.iter().filter(|sample| sample.name == format!("{family}_bucket")) {
        let bound = sample
            .label("le")
            .map_or(Err("no le".into()), line::value)
            .map_err(|error| (sample.line, error))?;
        // This rejects NaN as well.
        if bound.partial_cmp(&before.0) != Some(std::cmp::Ordering::Greater) {
            return Err((sample.line, format!("bounds do not ascend: {bound} after {}", before.0)));
        }
        if sample.value < before.1 {
            return Err((
                sample.line,
                format!("buckets are not cumulative: {} after {}", sample.value, before.1),
            ));
        }
        before = (bound, sample.value);
        buckets += 1;
    }
    if buckets == 0 || before.0 != f64::INFINITY {
        return Err((set[0].line, "its buckets do not end in +Inf".into()));
    }
    if before.1 != count.value {
        return Err((
            count.line,
            format!("_count {} differs from the +Inf bucket {}", count.value, before.1),
        ));
    }
    if count.value == 0.0 && sum.value != 0.0 {
        return Err((sum.line, format!("nothing counted, but a sum of {}", sum.value)));
    }
    Ok(())
}

fn is_count(value: f64) -> bool {
    value >= 0.0 && value.fract() == 0.0
}

const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];
