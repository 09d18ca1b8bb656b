//! Python's `prometheus_client`, which has a parser for each format.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// A running Python that reads one exposition after the other.
#[derive(Debug)]
pub struct PythonParsers {
    child: Child,
    // Taken only to end it.
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

/// A sample as a parser sees it.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// With its suffix.
    pub name: String,
    /// Unescaped.
    pub labels: BTreeMap<String, String>,
    /// As Python's `float` has it.
    pub value: f64,
}

impl PythonParsers {
    /// Starts it.
    #[must_use]
    pub fn start() -> Self {
        let mut child = Command::new(python())
            .args(["-c", include_str!("python_parsers.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python is installed");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Self { child, stdin, stdout }
    }

    /// Reads text format 0.0.4.
    ///
    /// # Errors
    /// What the parser does not like.
    pub fn text(&mut self, body: &str) -> Result<Vec<Parsed>, String> {
        self.parse("text", body)
    }

    /// Reads `OpenMetrics` 1.0.
    ///
    /// # Errors
    /// What the parser does not like.
    pub fn open_metrics(&mut self, body: &str) -> Result<Vec<Parsed>, String> {
        self.parse("open", body)
    }

    /// Writes numbers as its own `OpenMetrics` has them.
    pub fn floats(&mut self, values: &[f64]) -> Vec<String> {
        let body: Vec<_> = values.iter().map(|value| format!("{value:e}")).collect();
        let answer = self.ask(&json!({ "format": "floats", "body": body }));
        let floats = answer["floats"].as_array().expect("floats").iter();
        floats.map(|float| float.as_str().expect("a string").to_owned()).collect()
    }

    fn ask(&mut self, request: &Value) -> Value {
        let mut line = request.to_string();
        line.push('\n');
        let stdin = self.stdin.as_mut().expect("it runs");
        stdin.write_all(line.as_bytes()).expect("Python reads: has it prometheus_client?");
        line.clear();
        self.stdout.read_line(&mut line).expect("Python answers");
        serde_json::from_str(&line).expect("an answer in JSON")
    }

    fn parse(&mut self, format: &str, body: &str) -> Result<Vec<Parsed>, String> {
        let answer = self.ask(&json!({ "format": format, "body": body }));
        if let Some(error) = answer["error"].as_str() {
            return Err(error.to_owned());
        }
        Ok(answer["samples"].as_array().expect("samples").iter().map(parsed).collect())
    }
}

impl Drop for PythonParsers {
    fn drop(&mut self) {
        // The end of its input is the end of the program.
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

fn parsed(sample: &Value) -> Parsed {
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let labels = sample[1].as_object().expect("labels");
    Parsed {
        name: text(&sample[0]),
        labels: labels.iter().map(|(key, value)| (key.clone(), text(value))).collect(),
        value: text(&sample[2]).parse().expect("Rust reads the floats that Python writes"),
    }
}

/// Where `tests/run` has put Python's tools; without it, what is in the PATH.
fn python() -> PathBuf {
    let this = env::current_exe().expect("a test is a program");
    let installed = this.ancestors().nth(3).map(|target| target.join("python/bin/python3"));
    installed.filter(|python| python.exists()).unwrap_or_else(|| "python3".into())
}
