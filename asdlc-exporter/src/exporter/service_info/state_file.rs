//! A number in a file, that a crash cannot damage and a mistake cannot cost someone else's file.

use std::{
    error::Error,
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read as _, Write as _},
    path::{Path, PathBuf},
    process,
};

/// Where the number of starts is kept between them.
pub(super) struct StateFile<'a> {
    path: &'a Path,
}

impl<'a> StateFile<'a> {
    pub(super) fn new(path: &'a Path) -> Self {
        Self { path }
    }

    /// The number in the file, 0 if there is no file.
    pub(super) fn read(&self) -> Result<u64, StateFileError> {
        match self.content() {
            Ok(Some(content)) => parse(&content).map_err(|kind| self.error(kind)),
            Ok(None) => Ok(0),
            Err(error) => Err(self.error(Kind::Read(error))),
        }
    }

    /// Its beginning: what is longer is not ours.
    fn content(&self) -> io::Result<Option<Vec<u8>>> {
        let kind = match fs::metadata(self.path) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // To open a pipe would wait for a writer.
        if !kind.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file"));
        }
        let mut content = Vec::new();
        File::open(self.path)?.take(MAX_LEN).read_to_end(&mut content)?;
        Ok(Some(content))
    }

    /// Replaces the file by one with this number.
    pub(super) fn write(&self, number: u64) -> Result<(), StateFileError> {
        self.replace(format!("{HEADER}{number}\n").as_bytes())
            .map_err(|error| self.error(Kind::Write(error)))
    }

    fn replace(&self, content: &[u8]) -> io::Result<()> {
        let name = self.path.file_name().ok_or(ErrorKind::InvalidInput)?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.tmp", process::id()));
        let new = self.path.with_file_name(hidden);
        let written = create(&new).and_then(|mut file| {
            file.write_all(content)?;
            // Or the name may be on the disk before the content.
            file.sync_all()?;
            fs::rename(&new, self.path)
        });
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        written?;
        // The name, too. Not every platform opens a directory; then it is there a little later.
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let _ = File::open(directory.unwrap_or(Path::new("."))).and_then(|dir| dir.sync_all());
        Ok(())
    }

    fn error(&self, kind: Kind) -> StateFileError {
        StateFileError { path: self.path.to_owned(), kind }
    }
}

/// A file that was not there: what a crash left under this name goes, a link is not followed.
fn create(path: &Path) -> io::Result<File> {
    let create = || OpenOptions::new().write(true).create_new(true).open(path);
    match create() {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            create()
        }
        created => created,
    }
}

fn parse(content: &[u8]) -> Result<u64, Kind> {
    let header = HEADER.as_bytes();
    if let Some(rest) = content.strip_prefix(header) {
        // The line feed at the end shows that no digit is missing.
        let digits = rest.strip_suffix(b"\n").filter(|rest| rest.iter().all(u8::is_ascii_digit));
        let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        return number.ok_or(Kind::Torn);
    }
    // The beginning of ours, or blocks that were never filled.
    if header.starts_with(content) || content.iter().all(|byte| *byte == 0) {
        return Err(Kind::Torn);
    }
    Err(Kind::Foreign)
}

/// A state file that does not serve its purpose.
///
/// The message names the file, what is wrong, and what that means for the count.
pub struct StateFileError {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Torn,
    Foreign,
    Read(io::Error),
    Write(io::Error),
}

impl StateFileError {
    /// Whether the file was damaged; it is replaced.
    #[must_use]
    pub fn is_torn(&self) -> bool {
        matches!(self.kind, Kind::Torn)
    }

    /// Whether something else wrote the file; it is left as it is.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        matches!(self.kind, Kind::Foreign)
    }

    /// Whether the file cannot be written: this start is counted, but not kept.
    #[must_use]
    pub fn is_write(&self) -> bool {
        matches!(self.kind, Kind::Write(_))
    }
}

impl fmt::Display for StateFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, kind } = self;
        write!(f, "state file {path:?}: ")?;
        match kind {
            Kind::Torn => f.write_str("it is damaged; starts are counted from 1 again"),
            Kind::Foreign => {
                f.write_str("something else wrote it; it is left as it is, and starts are not kept")
            }
            Kind::Read(error) => write!(f, "it cannot be read ({error}); starts are not kept"),
            Kind::Write(error) => {
                write!(f, "it cannot be written ({error}); this start is not kept")
            }
        }
    }
}

impl fmt::Debug for StateFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::error::debug(f, "StateFileError", self)
    }
}

impl Error for StateFileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::Read(error) | Kind::Write(error) => Some(error),
            Kind::Torn | Kind::Foreign => None,
        }
    }
}

const HEADER: &str = "asdlc-exporter starts 1\n";

/// More than any file of ours has.
const MAX_LEN: u64 = 128;
