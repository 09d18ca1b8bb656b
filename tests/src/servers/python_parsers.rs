//! The parsers of Python's `prometheus_client`, one for each format.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// A running Python process that parses one exposition after the other.
#[derive(Debug)]
pub struct PythonParsers {
    child: Child,
    // Taken only to end the process.
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

/// A sample as the parser returns it.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The name with its suffix.
    pub name: String,
    /// The labels, unescaped.
    pub labels: BTreeMap<String, String>,
    /// The value as Python's `float`.
    pub value: f64,
    /// Its exemplar. Always `None` in text format 0.0.4.
    pub exemplar: Option<ParsedExemplar>,
}

/// An exemplar as the parser returns it.
#[derive(Clone, Debug)]
pub struct ParsedExemplar {
    /// Its own labels.
    pub labels: BTreeMap<String, String>,
    /// What was measured.
    pub value: f64,
    /// In seconds since 1970.
    pub timestamp: f64,
}

impl PythonParsers {
    /// Starts the process.
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

    /// Parses text format 0.0.4.
    ///
    /// # Errors
    /// The error of the parser.
    pub fn text(&mut self, body: &str) -> Result<Vec<Parsed>, String> {
        self.parse("text", body)
    }

    /// Parses `OpenMetrics` 1.0.
    ///
    /// # Errors
    /// The error of the parser.
    pub fn open_metrics(&mut self, body: &str) -> Result<Vec<Parsed>, String> {
        self.parse("open", body)
    }

    /// Formats numbers as the Python library does in `OpenMetrics`.
    pub fn floats(&mut self, values: &[f64]) -> Vec<String> {
        let body: Vec<_> = values.iter().map(|value| format!("{value:e}")).collect();
        let response = self.send(&json!({ "format": "floats", "body": body }));
        let floats = response["floats"].as_array().expect("floats").iter();
        floats.map(|float| float.as_str().expect("a string").to_owned()).collect()
    }

    fn send(&mut self, request: &Value) -> Value {
        let mut line = request.to_string();
        line.push('\n');
        let stdin = self.stdin.as_mut().expect("the process is running");
        stdin.write_all(line.as_bytes()).expect("Python reads (is prometheus_client installed?)");
        line.clear();
        self.stdout.read_line(&mut line).expect("Python responds");
        serde_json::from_str(&line).expect("the response is JSON")
    }

    fn parse(&mut self, format: &str, body: &str) -> Result<Vec<Parsed>, String> {
        let response = self.send(&json!({ "format": format, "body": body }));
        if let Some(error) = response["error"].as_str() {
            return Err(error.to_owned());
        }
        Ok(response["samples"].as_array().expect("samples").iter().map(parsed).collect())
    }
}

impl Drop for PythonParsers {
    fn drop(&mut self) {
        // The program ends when its input ends.
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

fn parsed(sample: &Value) -> Parsed {
    let exemplar = &sample[3];
    Parsed {
        name: text(&sample[0]),
        labels: labels(&sample[1]),
        value: float(&sample[2]),
        exemplar: (!exemplar.is_null()).then(|| ParsedExemplar {
            labels: labels(&exemplar[0]),
            value: float(&exemplar[1]),
            timestamp: float(&exemplar[2]),
        }),
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

fn labels(value: &Value) -> BTreeMap<String, String> {
    let labels = value.as_object().expect("labels");
    labels.iter().map(|(key, value)| (key.clone(), text(value))).collect()
}

fn float(value: &Value) -> f64 {
    text(value).parse().expect("Rust parses the floats that Python writes")
}

/// The Python that `tests/run` has installed; without it, the one in the PATH.
fn python() -> PathBuf {
    let this = env::current_exe().expect("a test is a program");
    let installed = this.ancestors().nth(3).map(|target| target.join("python/bin/python3"));
    installed.filter(|python| python.exists()).unwrap_or_else(|| "python3".into())
}
