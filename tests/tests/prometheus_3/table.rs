//! The table of `docs/scrape-config.md` that says what each server reads. Each cell is compared with what the server does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::thread::{self, ScopedJoinHandle};

use asdlc_tests::servers::Generation;

use super::observed::{Observed, Server};

// X-12 X-13 X-14
#[test]
fn each_server_reads_what_the_document_says() {
    let table = Table::read();
    let cells: Vec<_> = thread::scope(|scope| {
        let started: Vec<_> = SERVERS
            .iter()
            .zip(&table.columns)
            .map(|((_, server), column)| scope.spawn(move || assert_column(*server, column)))
            .collect();
        started.into_iter().map(ScopedJoinHandle::join).collect()
    });
    // Only now, so that the failures of all columns are seen.
    for cells in cells {
        assert!(cells.expect("its cells are right") >= Observed::CAPABILITIES.len());
    }
}

/// In the order of the columns.
const SERVERS: [(&str, Server); 4] = [
    ("Prometheus 2.42", Server::Prometheus(Generation::Stable)),
    ("Prometheus 3.5", Server::Prometheus(Generation::New)),
    ("VictoriaMetrics 1.79", Server::VictoriaMetrics(Generation::Stable)),
    ("VictoriaMetrics 1.145", Server::VictoriaMetrics(Generation::New)),
];

/// Starts the server with each set of options of its column, and without options. Returns how many cells it has compared.
fn assert_column(server: Server, column: &BTreeMap<String, Cell>) -> usize {
    let mut options: BTreeSet<Vec<String>> = column.values().map(Cell::options).collect();
    options.insert(Vec::new());
    let observed: BTreeMap<_, _> = thread::scope(|scope| {
        let started: Vec<_> = options
            .iter()
            .map(|options| (options, scope.spawn(move || Observed::of(server, options))))
            .collect();
        let observed = started.into_iter().map(|(options, it)| (options, it.join()));
        observed.map(|(options, it)| (options.clone(), it.expect("it is observed"))).collect()
    });
    let default = &observed[&Vec::new()];
    for (row, cell) in column {
        let what = format!("{server:?}: {row}");
        match cell {
            Cell::AsksFor(format) => assert_eq!(default.asks_for, *format, "{what}"),
            Cell::Yes => assert!(default.has(row), "{what}: {default:#?}"),
            Cell::No => {
                let with: Vec<_> = observed.iter().filter(|(_, it)| it.has(row)).collect();
                assert!(with.is_empty(), "{what}, but {with:#?}");
            }
            Cell::With(options) => {
                assert!(!default.has(row), "{what} without options: {default:#?}");
                let observed = &observed[options];
                assert!(observed.has(row), "{what} with {options:?}: {observed:#?}");
            }
        }
    }
    column.len()
}

/// The table of the document.
struct Table {
    /// By the text of the first cell of the row, in the order of [`SERVERS`].
    columns: Vec<BTreeMap<String, Cell>>,
}

#[derive(Debug)]
enum Cell {
    Yes,
    No,
    /// With these options.
    With(Vec<String>),
    /// The format of the answer to its request.
    AsksFor(String),
}

impl Table {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/scrape-config.md");
        let text = fs::read_to_string(path).expect("the document exists");
        let (_, section) = text.split_once("\n## What servers read\n").expect("it has the section");
        let lines = section.lines().skip_while(|line| !line.starts_with('|'));
        let mut rows = lines.take_while(|line| line.starts_with('|')).map(|line| {
            line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
        });
        let head = rows.next().expect("it has a head");
        assert_eq!(head[1..], SERVERS.map(|(name, _)| name.to_owned()));
        let mut columns: Vec<_> = SERVERS.iter().map(|_| BTreeMap::new()).collect();
        for row in rows.skip(1) {
            for (column, cell) in columns.iter_mut().zip(&row[1..]) {
                column.insert(row[0].clone(), Cell::parse(&row[0], cell));
            }
        }
        let known: BTreeSet<_> = Observed::CAPABILITIES.iter().map(|it| (*it).to_owned()).collect();
        let rows: BTreeSet<_> = columns[0].keys().filter(|it| *it != ASKS_FOR).cloned().collect();
        assert_eq!(rows, known);
        Self { columns }
    }
}

impl Cell {
    fn parse(row: &str, cell: &str) -> Self {
        match cell {
            format if row == ASKS_FOR => Self::AsksFor(format.to_owned()),
            "yes" => Self::Yes,
            "no" => Self::No,
            with => {
                let options = with.split('`').skip(1).step_by(2).map(str::to_owned);
                let options: Vec<_> = options.collect();
                assert!(with.starts_with("with `") && !options.is_empty(), "{row}: {with}");
                Self::With(options)
            }
        }
    }

    fn options(&self) -> Vec<String> {
        match self {
            Self::With(options) => options.clone(),
            Self::Yes | Self::No | Self::AsksFor(_) => Vec::new(),
        }
    }
}

const ASKS_FOR: &str = "asks for";
