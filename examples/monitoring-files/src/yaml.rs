//! Rule files as text.

use std::borrow::Cow;

use crate::promql::indented;

/// A group of rules.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: Cow<'static, str>,
    /// Stands before the group. Each line is a paragraph; `""` is none.
    pub(crate) comment: String,
    pub(crate) rules: Vec<Rule>,
}

#[derive(Debug)]
pub(crate) enum Rule {
    Record { name: String, expression: String },
    Alert(Alert),
}

#[derive(Debug)]
pub(crate) struct Alert {
    /// Stands before the alert, or `""`.
    pub(crate) comment: &'static str,
    pub(crate) name: String,
    pub(crate) expression: String,
    /// How long the expression has to be true, or `""`.
    pub(crate) wait: &'static str,
    pub(crate) severity: Severity,
    pub(crate) summary: String,
    pub(crate) description: String,
}

/// The label `severity` of an alert.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Severity {
    Critical,
    Warning,
}

/// A rule file that begins with this comment.
pub(crate) fn file(comment: &str, groups: &[Group]) -> String {
    let groups: Vec<_> = groups.iter().map(Group::text).collect();
    format!("{}groups:\n{}", commented(comment, 0), groups.join("\n"))
}

impl Group {
    fn text(&self) -> String {
        let Self { name, comment, rules } = self;
        let rules: String = rules.iter().map(Rule::text).collect();
        format!("{}  - name: {name}\n    rules:\n{rules}", commented(comment, 2))
    }
}

impl Rule {
    fn text(&self) -> String {
        match self {
            Self::Record { name, expression } => {
                format!("      - record: {name}\n        expr: |\n{}\n", indented(expression, 10))
            }
            Self::Alert(alert) => alert.text(),
        }
    }
}

impl Alert {
    fn text(&self) -> String {
        let Self { comment, name, expression, wait, severity, summary, description } = self;
        // A plain scalar must not start with a brace.
        let expression = if expression.contains('\n') || expression.starts_with('{') {
            format!("|\n{}", indented(expression, 10))
        } else {
            expression.clone()
        };
        let wait = if wait.is_empty() { String::new() } else { format!("        for: {wait}\n") };
        let severity = match severity {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
        };
        format!(
            "{}      - alert: {name}\n        expr: {expression}\n{wait}        labels: {{ severity: {severity} }}\n        \
             annotations:\n          summary: \"{summary}\"\n          description: \"{description}\"\n",
            commented(comment, 6)
        )
    }
}

/// Each line of the text is a paragraph.
fn commented(text: &str, spaces: usize) -> String {
    let lines = text.lines().flat_map(|paragraph| wrapped(paragraph, WIDTH - spaces - "# ".len()));
    lines.map(|line| format!("{:spaces$}{}\n", "", format!("# {line}").trim_end())).collect()
}

/// The paragraph in lines of at most `width` characters.
fn wrapped(paragraph: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in paragraph.split(' ') {
        let line =
            lines.last_mut().filter(|it| it.is_empty() || it.len() + 1 + word.len() <= width);
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Of a line with a comment.
const WIDTH: usize = 130;
