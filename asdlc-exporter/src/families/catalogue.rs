//! Sorts collected metrics into families. Each name has one type and one help text.

use crate::families::{
    family::{Families, FamilyDescription, Member},
    foreign::{ForeignFamily, NotServed},
    labels::{
        key::{KeyRules, KeyStyle},
        key_list::OVERFLOW,
        resource::ResourceWarning,
        scopes::{ScopeId, Scopes},
        truncate::{excerpt, truncated_help},
    },
    limits::{MAX_HELP_LEN, MAX_NAME_LEN},
    model::FamilyKind,
    names::{
        base_name::{base_names, conflict},
        escaped_families::EscapedFamilies,
        escaping::Escaping,
        name::push_final_name,
        policy::NamePolicy,
    },
    series::{
        idle_timeout::IdleTimeout, native::ClassicBounds, native_histograms::NativeHistograms,
        points,
    },
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::metrics::data::{Metric, ResourceMetrics, ScopeMetrics};
use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet},
    fmt, mem,
};

/// The families of all scrapes so far. The first metric of a name keeps the name in all later scrapes.
#[derive(Debug)]
pub(crate) struct Catalogue {
    policy: NamePolicy,
    idle: Option<IdleTimeout>,
    native: Option<NativeHistograms>,
    families: Vec<FamilyDescription>,
    /// The first metric of each family, with the same index.
    firsts: Vec<First>,
    ids: HashMap<String, usize>,
    /// For each escaping that changes names and was requested.
    escaped: [Option<EscapedFamilies>; Escaping::COUNT],
    dropped: HashSet<(String, Option<FamilyKind>)>,
    warnings: Vec<FamilyWarning>,
    /// The family name of the metric that is being sorted. A field, to reuse its memory.
    name: String,
}

/// What `FamilyDescription` does not have about the first metric of a family.
#[derive(Debug)]
struct First {
    /// As it was recorded.
    unit: String,
    /// Whether a warning was logged that a later metric of the family has another help text or unit.
    is_conflict_logged: bool,
}

/// The unit of a metric.
#[derive(Clone, Copy)]
enum Unit<'a> {
    /// As it was recorded, for example `s`.
    Recorded(&'a str),
    /// In Prometheus' words, for example `seconds`.
    Words(&'a str),
}

/// Why a metric is not served, or not as it was recorded.
#[derive(Debug)]
pub(crate) enum FamilyWarning {
    /// Not served: its name belongs to an earlier metric of another type.
    Conflict { dropped: (String, FamilyKind), earlier: (String, FamilyKind) },
    /// Served, but with the help text and the unit of an earlier metric of the same name.
    Metadata(String),
    /// Not served: a metric of a registry without a type.
    Untyped(String),
    /// Not served: this line in the text of its registry cannot be read.
    Unreadable { name: String, line: String },
    /// Not served: its name is too long for scrapers. This is the beginning of the name.
    LongName(String),
    /// Served, but its help text is truncated.
    LongHelp(String),
    /// Served as a classic histogram, although it is to be a native one.
    NotNative(String),
    /// Served, but some of its labels are truncated or left out.
    TruncatedLabels(String),
    /// Exemplars are to be recorded, but the meters do not record them.
    NoExemplars,
    /// Not all attributes of the resource that were requested are labels of every series.
    Resource(ResourceWarning),
    /// Served, but label sets beyond a series limit are counted together.
    Overflow(String),
}

impl Catalogue {
    pub(crate) fn new(
        policy: NamePolicy,
        idle: Option<IdleTimeout>,
        native: Option<NativeHistograms>,
    ) -> Self {
        Self {
            policy,
            idle,
            native,
            families: Vec::new(),
            firsts: Vec::new(),
            ids: HashMap::new(),
            escaped: Default::default(),
            dropped: HashSet::new(),
            warnings: Vec::new(),
            name: String::new(),
        }
    }

    /// Sorts the metrics of a scrape. `target_info` is the number of its labels, or `None` if it is not
    /// served. The families get names with this escaping.
    pub(crate) fn sort<'a>(
        &'a mut self,
        recorded: &'a ResourceMetrics,
        own: Option<&'a ResourceMetrics>,
        foreign: &'a [ForeignFamily<'a>],
        target_info: Option<ScopeId>,
        scope_ids: &mut Scopes,
        escaping: Escaping,
    ) -> Families<'a> {
        let known = self.families.len();
        // The SDK returns scopes in random order, which must not decide which of two conflicting metrics is
        // the first. The metrics of this crate come before those of the application.
        let all = own.into_iter().chain([recorded]);
        let mut scopes: Vec<&ScopeMetrics> = all.flat_map(ResourceMetrics::scope_metrics).collect();
        scopes.sort_by(|a, b| {
            let is_foreign = |s: &ScopeMetrics| s.scope().name() != env!("CARGO_PKG_NAME");
            is_foreign(a).cmp(&is_foreign(b)).then_with(|| compare(a.scope(), b.scope()))
        });
        let rules = KeyRules { style: self.policy.key_style(), ..KeyRules::default() };
        let mut members = Vec::new();
        if let Some(labels) = target_info {
            TARGET_INFO.clone_into(&mut self.name);
            let about = (TARGET_INFO, "Target metadata.", Unit::Words(""));
            if let Some(id) = self.family_id(FamilyKind::TargetInfo, about) {
                members.push((id, Member::TargetInfo(labels)));
            }
        }
        for metrics in scopes {
            let scope = metrics.scope();
            let scope_id = scope_ids.find(Some(scope), rules, &[]);
            for metric in metrics.metrics() {
                let kind = points::kind(metric.data());
                self.name.clear();
                self.policy.push_name(&mut self.name, metric.name(), metric.unit(), kind);
                let unit = Unit::Recorded(metric.unit());
                let about = (metric.name(), metric.description(), unit);
                let known = self.families.len();
                if let Some(id) = self.family_id(kind, about) {
                    if id == known {
                        self.compare_buckets(metric);
                    }
                    members.push((id, Member::Recorded(metric, scope, scope_id)));
                }
            }
        }
        for family in foreign {
            self.name.clear();
            // Names in registries already contain the unit.
            push_final_name(&mut self.name, family.name());
            self.name.push_str(family.suffix());
            let kind = match family.kind() {
                Ok(kind) => kind,
                Err(reason) => {
                    self.not_served(reason);
                    continue;
                }
            };
            let about = (family.name(), family.help(), Unit::Words(family.unit()));
            if let Some(id) = self.family_id(kind, about) {
                members.push((id, Member::Foreign(family)));
            }
        }
        if self.families.len() > known {
            let names: Vec<_> =
                self.families.iter().map(|family| (family.name.as_str(), family.kind)).collect();
            let have_base_names = base_names(&names);
            for (family, has_base_name) in self.families.iter_mut().zip(have_base_names) {
                family.has_base_name = has_base_name;
            }
        }
        let are_utf8 = self.policy.key_style() == KeyStyle::Utf8;
        let escaped = escaping.changes_names(are_utf8).then(|| {
            let escaped = &mut self.escaped[escaping as usize];
            let escaped = escaped.get_or_insert_with(|| EscapedFamilies::new(escaping));
            escaped.add(&self.families);
            escaped.all()
        });
        let descriptions = self.families.as_slice();
        members.sort_by(|(a, _), (b, _)| descriptions[*a].name.cmp(&descriptions[*b].name));
        Families { descriptions, escaped, members }
    }

    /// The warnings since the last call. Each is returned once in the life of the catalogue.
    pub(crate) fn take_warnings(&mut self) -> Vec<FamilyWarning> {
        mem::take(&mut self.warnings)
    }

    /// How many metrics are not served because of their names or kinds.
    pub(crate) fn dropped(&self) -> usize {
        self.dropped.len()
    }

    /// The index of the family `self.name`, which is added if it is new. `None` if it is not served.
    fn family_id(
        &mut self,
        kind: FamilyKind,
        (recorded, help, unit): (&str, &str, Unit<'_>),
    ) -> Option<usize> {
        let known = self.ids.get(&self.name).copied();
        if let Some(id) = known.filter(|id| self.families[*id].kind == kind) {
            self.compare_metadata(id, help, unit);
            return Some(id);
        }
        // Checked first: a denied metric must not take a name from a metric that is served.
        if !self.policy.serves(recorded, &self.name, kind) {
            return None;
        }
        if self.name.len() > MAX_NAME_LEN {
            if self.dropped.insert((self.name.clone(), Some(kind))) {
                self.warnings.push(FamilyWarning::LongName(excerpt(&self.name)));
            }
            return None;
        }
        if let Some(earlier) = self.taken_by(kind) {
            let earlier = (earlier.name.clone(), earlier.kind);
            let dropped = (self.name.clone(), kind);
            if self.dropped.insert((self.name.clone(), Some(kind))) {
                self.warnings.push(FamilyWarning::Conflict { dropped, earlier });
            }
            return None;
        }
        let id = self.families.len();
        let whole = help.len();
        let help = truncated_help(help);
        if help.len() < whole {
            self.warnings.push(FamilyWarning::LongHelp(self.name.clone()));
        }
        let can_be_idle = self
            .idle
            .as_ref()
            .is_some_and(|idle| self.policy.can_be_idle(idle, recorded, &self.name, kind));
        let unit_words = unit.words(&self.policy, kind);
        self.families.push(FamilyDescription {
            name: self.name.clone(),
            help,
            kind,
            classic_bounds: ClassicBounds::of_unit(&unit_words),
            unit: unit_words,
            has_base_name: false,
            can_be_idle,
            has_start: kind.accumulates() && self.policy.counts_from_zero(&self.name),
        });
        self.firsts.push(First { unit: unit.text().to_owned(), is_conflict_logged: false });
        self.ids.insert(self.name.clone(), id);
        Some(id)
    }

    /// Warns if a metric of the family has a help text or a unit that is not served, because the family has
    /// another one.
    fn compare_metadata(&mut self, id: usize, help: &str, unit: Unit<'_>) {
        let (family, first) = (&self.families[id], &mut self.firsts[id]);
        if first.is_conflict_logged || (help == family.help && unit.text() == first.unit) {
            return;
        }
        let is_other_help = !help.is_empty() && truncated_help(help) != family.help;
        let words = unit.words(&self.policy, family.kind);
        if is_other_help || (!words.is_empty() && words != family.unit) {
            first.is_conflict_logged = true;
            self.warnings.push(FamilyWarning::Metadata(family.name.clone()));
        }
    }

    /// Warns if a new histogram is to be a native one, but was recorded in other buckets.
    fn compare_buckets(&mut self, metric: &Metric) {
        let Some(native) = &self.native else { return };
        if points::has_boundaries(metric.data())
            && self.policy.is_native(native, metric.name(), metric.unit())
        {
            self.warnings.push(FamilyWarning::NotNative(self.name.clone()));
        }
    }

    /// Remembers that the metric `self.name` of a registry is not served.
    fn not_served(&mut self, reason: NotServed<'_>) {
        if self.dropped.insert((self.name.clone(), None)) {
            let name = self.name.clone();
            self.warnings.push(match reason {
                None => FamilyWarning::Untyped(name),
                Some(line) => FamilyWarning::Unreadable { name, line: excerpt(line) },
            });
        }
    }

    /// An earlier family that has a sample name in common with a family `self.name` of this kind.
    fn taken_by(&self, kind: FamilyKind) -> Option<&FamilyDescription> {
        conflict(&self.name, kind, |name| {
            let family = &self.families[*self.ids.get(name)?];
            Some((family, family.kind))
        })
    }
}

impl Unit<'_> {
    fn text(&self) -> &str {
        let (Self::Recorded(text) | Self::Words(text)) = self;
        text
    }

    fn words(&self, policy: &NamePolicy, kind: FamilyKind) -> String {
        match self {
            Self::Recorded(unit) => policy.unit_words(unit, kind),
            Self::Words(words) => (*words).to_owned(),
        }
    }
}

/// Compares scopes by all that distinguishes them.
fn compare(a: &InstrumentationScope, b: &InstrumentationScope) -> Ordering {
    let attributes = |scope: &InstrumentationScope| {
        let text = |attribute: &KeyValue| format!("{}={:?}", attribute.key, attribute.value);
        let mut attributes: Vec<_> = scope.attributes().map(text).collect();
        attributes.sort();
        attributes
    };
    let (name, version) = (a.name().cmp(b.name()), a.version().cmp(&b.version()));
    name.then(version)
        .then_with(|| a.schema_url().cmp(&b.schema_url()))
        .then_with(|| attributes(a).cmp(&attributes(b)))
}

impl fmt::Display for FamilyWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { dropped: (dropped, dropped_kind), earlier: (earlier, kind) } => {
                let (dropped_kind, kind) = (dropped_kind.as_str(), kind.as_str());
                write!(
                    f,
                    "the {dropped_kind} `{dropped}` is not served, because its name conflicts with the {kind} \
                     `{earlier}`, which was collected first: rename one of them"
                )
            }
            Self::Metadata(name) => {
                write!(
                    f,
                    "`{name}` was recorded with several help texts or units: the first are served"
                )
            }
            Self::Untyped(name) => write!(
                f,
                "`{name}` of a registry is not served, because it has no type: register a counter, gauge, \
                 histogram or summary"
            ),
            Self::Unreadable { name, line } => write!(
                f,
                "`{name}` of a registry is not served, because this line of the registry's text cannot be read: \
                 {line:?}. Does its name or a label key have a space, a quote or a line feed?"
            ),
            Self::LongName(begin) => write!(
                f,
                "`{begin}` is not served, because its name has more than {MAX_NAME_LEN} bytes: give it a \
                 shorter name"
            ),
            Self::LongHelp(name) => write!(
                f,
                "the help text of `{name}` is truncated to {MAX_HELP_LEN} bytes: give it a shorter description"
            ),
            Self::NotNative(name) => write!(
                f,
                "`{name}` is not a native histogram, because its meter provider records it in other buckets: \
                 add the view of PrometheusReader::native_histogram_view to your provider, or use \
                 Base2ExponentialHistogram in your own view of this instrument"
            ),
            Self::TruncatedLabels(name) => write!(
                f,
                "labels of `{name}` are truncated or left out, because they are too long or too many: see \
                 ExporterBuilder::with_max_label_value_len for the limits"
            ),
            Self::Overflow(name) => write!(
                f,
                "`{name}` has reached its series limit: label sets beyond it are counted together, in the \
                 series with the label {OVERFLOW}, until a restart. Find the label with too many values, \
                 and remove it or map it to fewer values. If all values are needed, raise the limit that \
                 was reached: with_max_series of HttpMetricsLayerBuilder, of Rule (tracing-asdlc-metrics) \
                 or of ExporterBuilder"
            ),
            Self::NoExemplars => f.write_str(
                "no exemplars are recorded, because no meter of PrometheusReader::guard has created a counter or a \
                 histogram: create the instruments with the meters that `guard` returns",
            ),
            Self::Resource(warning) => warning.fmt(f),
        }
    }
}

/// The family with the attributes of the resource.
const TARGET_INFO: &str = "target_info";
