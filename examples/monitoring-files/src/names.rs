//! The names that a user chooses: namespaces and scrape jobs.

/// The namespaces of the example programs.
pub(crate) const OF_THE_EXAMPLES: [&str; 2] = ["asdlc", "palingenesis"];

/// The scrape jobs of the example programs.
pub(crate) const JOBS_OF_THE_EXAMPLES: [&str; 6] =
    ["orchestrator", "workers", "api", "agent", "daemon", "grpc"];

/// The namespaces of the services that are monitored.
#[derive(Debug)]
pub(crate) struct Namespaces {
    /// Each with one `_` at its end, as an exporter makes a prefix of it.
    prefixes: Vec<String>,
}

impl Namespaces {
    pub(crate) fn new(namespaces: &[String]) -> Self {
        let prefix = |name: &String| format!("{}_", name.strip_suffix('_').unwrap_or(name));
        Self { prefixes: namespaces.iter().map(prefix).collect() }
    }

    /// Says which metrics `select` finds, with this one as the example.
    pub(crate) fn described(&self, example: &str) -> String {
        let names = self.prefixes.iter().map(|prefix| format!("`{prefix}{example}`, "));
        let names: String = names.collect();
        match names.trim_end_matches(", ") {
            "" => format!("metrics without a namespace, such as `{example}`"),
            names => {
                format!("metrics with and without a namespace, such as {names} and `{example}`")
            }
        }
    }

    /// A selector of the series `name` of all namespaces and of none. `name` may be a regular expression. `matchers` are the other
    /// matchers, or `""`.
    pub(crate) fn select(&self, name: &str, matchers: &str) -> String {
        let prefix = match &self.prefixes[..] {
            [] => String::new(),
            prefixes => format!("({})?", prefixes.join("|")),
        };
        let comma = if matchers.is_empty() { "" } else { ", " };
        if !prefix.is_empty() || name.contains('(') {
            format!(r#"{{__name__=~"{prefix}{name}"{comma}{matchers}}}"#)
        } else if matchers.is_empty() {
            name.to_owned()
        } else {
            format!("{name}{{{matchers}}}")
        }
    }
}

/// Checks a namespace, by the rules of the exporter.
pub(crate) fn namespace(name: &str) -> Result<String, &'static str> {
    let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_word || !name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
        return Err("must match [a-zA-Z_][a-zA-Z0-9_]*");
    }
    if name.starts_with("__") {
        return Err("must not start with __");
    }
    Ok(name.to_owned())
}

/// Checks the name of a scrape job. It becomes part of a regular expression.
pub(crate) fn job(name: &str) -> Result<String, &'static str> {
    let is_literal =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'/' | b':');
    if !name.is_empty() && name.bytes().all(is_literal) {
        return Ok(name.to_owned());
    }
    Err("must match [a-zA-Z0-9_:/-]+")
}
