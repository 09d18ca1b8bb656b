//! What is measured.

use crate::{Written, exposed::Exposed, sdk_alone::SdkAlone};
use asdlc_exporter::Format;
use std::cell::OnceCell;

pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// A function that scrapes.
    pub(crate) new: fn(&Subjects) -> Scrape<'_>,
    /// The SDK's collect alone, which the subjects after it are compared with.
    pub(crate) is_base: bool,
    /// Works on another thread, where neither allocations nor instructions are counted.
    pub(crate) is_elsewhere: bool,
}

pub(crate) type Scrape<'a> = Box<dyn FnMut() -> Written + 'a>;

/// What the subjects of a table scrape, built when the first of them asks for it.
pub(crate) struct Subjects {
    series: usize,
    exposed: OnceCell<Exposed>,
    with_created_lines: OnceCell<Exposed>,
    with_scopes: OnceCell<Exposed>,
    native: OnceCell<Exposed>,
    growing: OnceCell<Exposed>,
    // The service has its own exporter: otherwise one thread would free what another has allocated.
    served: OnceCell<Exposed>,
}

impl Subjects {
    pub(crate) fn new(series: usize) -> Self {
        Self {
            series,
            exposed: OnceCell::new(),
            with_created_lines: OnceCell::new(),
            with_scopes: OnceCell::new(),
            native: OnceCell::new(),
            growing: OnceCell::new(),
            served: OnceCell::new(),
        }
    }

    fn exposed(&self) -> &Exposed {
        self.exposed.get_or_init(|| Exposed::new(self.series))
    }

    fn with_created_lines(&self) -> &Exposed {
        self.with_created_lines.get_or_init(|| Exposed::with_created_lines(self.series))
    }

    fn with_scopes(&self) -> &Exposed {
        self.with_scopes.get_or_init(|| Exposed::with_scopes(self.series))
    }

    fn native(&self) -> &Exposed {
        self.native.get_or_init(|| Exposed::native(self.series))
    }

    fn growing(&self) -> &Exposed {
        self.growing.get_or_init(|| Exposed::growing(self.series))
    }

    fn served(&self) -> &Exposed {
        self.served.get_or_init(|| Exposed::new(self.series))
    }
}

pub(crate) const SUBJECTS: &[Subject] = &[
    base("the SDK's collect", |of| collecting(SdkAlone::new(of.series, false))),
    here("text 0.0.4", |of| Box::new(of.exposed().same_text(Format::Text))),
    here("OpenMetrics 1.0.0", |of| Box::new(of.exposed().same_text(Format::OpenMetrics))),
    here("OpenMetrics 1.0.0 with _created lines", |of| {
        Box::new(of.with_created_lines().same_text(Format::OpenMetrics))
    }),
    here("protobuf", |of| Box::new(|| of.exposed().protobuf())),
    here("text 0.0.4 in a new string", |of| Box::new(|| of.exposed().text())),
    here("text 0.0.4 with a new series each time", |of| {
        Box::new(of.growing().growing_text(of.series))
    }),
    elsewhere("text 0.0.4 from the service", |of| Box::new(of.served().service("identity"))),
    elsewhere("text 0.0.4 from the service, gzip", |of| Box::new(of.served().service("gzip"))),
    elsewhere("text 0.0.4 from the service, zstd if built in", |of| {
        Box::new(of.served().service("zstd"))
    }),
    base("the SDK's collect of a native histogram", |of| {
        collecting(SdkAlone::new(of.series, true))
    }),
    here("the same in protobuf", |of| Box::new(|| of.native().protobuf())),
    here("the same in text 0.0.4", |of| Box::new(of.native().same_text(Format::Text))),
];

/// Of which every series has the labels of its scope.
pub(crate) const SCOPES: &[Subject] = &[
    base("the SDK's collect", |of| collecting(SdkAlone::new(of.series, false))),
    here("text 0.0.4 with scope labels", |of| Box::new(of.with_scopes().same_text(Format::Text))),
    here("OpenMetrics 1.0.0 with scope labels", |of| {
        Box::new(of.with_scopes().same_text(Format::OpenMetrics))
    }),
    here("text 0.0.4 with scope labels in a new string", |of| Box::new(|| of.with_scopes().text())),
];

fn collecting(mut sdk: SdkAlone) -> Scrape<'static> {
    Box::new(move || {
        sdk.collect();
        Written::default()
    })
}

const fn base(name: &'static str, new: fn(&Subjects) -> Scrape<'_>) -> Subject {
    Subject { name, new, is_base: true, is_elsewhere: false }
}

const fn here(name: &'static str, new: fn(&Subjects) -> Scrape<'_>) -> Subject {
    Subject { name, new, is_base: false, is_elsewhere: false }
}

const fn elsewhere(name: &'static str, new: fn(&Subjects) -> Scrape<'_>) -> Subject {
    Subject { name, new, is_base: false, is_elsewhere: true }
}
