//! A file that holds one number. A crash does not damage it, and a wrong path does not overwrite another
//! file.
//!
//! The crate `tempfile` is not used: it would be a dependency of every user, for one rename.

use std::{
    error::Error,
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read as _, Write as _},
    path::{Path, PathBuf},
    process,
};

/// Holds the number of starts.
pub(super) struct StateFile<'a> {
    path: &'a Path,
}

impl<'a> StateFile<'a> {
    pub(super) fn new(path: &'a Path) -> Self {
        Self { path }
    }

    /// The number in the file. 0 if there is no file.
    pub(super) fn read(&self) -> Result<u64, StateFileError> {
        match self.content() {
            Ok(Some(content)) => parse(&content).map_err(|kind| self.error(kind)),
            Ok(None) => Ok(0),
            Err(error) => Err(self.error(StateFileErrorKind::Read(error))),
        }
    }

    /// The first [`MAX_LEN`] bytes of the file. Every state file is shorter. `None` if there is no
    /// file.
    fn content(&self) -> io::Result<Option<Vec<u8>>> {
        let kind = match fs::metadata(self.path) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // Opening a pipe would wait for a writer.
        if !kind.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file"));
        }
        let mut content = Vec::new();
        File::open(self.path)?.take(MAX_LEN).read_to_end(&mut content)?;
        Ok(Some(content))
    }

    /// Replaces the file by one with this number, atomically.
    pub(super) fn write(&self, number: u64) -> Result<(), StateFileError> {
        self.replace(format!("{HEADER}{number}\n").as_bytes())
            .map_err(|error| self.error(StateFileErrorKind::Write(error)))
    }

    fn replace(&self, content: &[u8]) -> io::Result<()> {
        let name = self.path.file_name().ok_or(ErrorKind::InvalidInput)?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.tmp", process::id()));
        let new = self.path.with_file_name(hidden);
        let written = create(&new).and_then(|mut file| {
            file.write_all(content)?;
            // Without this, the new name may be on the disk before the content.
            file.sync_all()?;
            fs::rename(&new, self.path)
        });
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        written?;
        // Writes the new name to the disk. Some platforms cannot open a directory: they write it later.
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let _ = File::open(directory.unwrap_or(Path::new("."))).and_then(|dir| dir.sync_all());
        Ok(())
    }

    fn error(&self, kind: StateFileErrorKind) -> StateFileError {
        StateFileError { path: self.path.to_owned(), kind }
    }
}

/// Creates a new file. Removes a file that a crash left under this name, and does not follow a link.
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

fn parse(content: &[u8]) -> Result<u64, StateFileErrorKind> {
    let header = HEADER.as_bytes();
    if let Some(rest) = content.strip_prefix(header) {
        // If the line feed is there, no digit is missing.
        let digits = rest.strip_suffix(b"\n").filter(|rest| rest.iter().all(u8::is_ascii_digit));
        let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        return number.ok_or(StateFileErrorKind::Damaged);
    }
    // Disk blocks that were never written. A longer file, such as a disk image, was never a state file.
    let is_blank = (content.len() as u64) < MAX_LEN && content.iter().all(|byte| *byte == 0);
    // A part of a state file.
    if header.starts_with(content) || is_blank {
        return Err(StateFileErrorKind::Damaged);
    }
    Err(StateFileErrorKind::Foreign)
}

/// A state file cannot be used.
///
/// The message has the file, what is wrong, and what it means for the count.
pub struct StateFileError {
    path: PathBuf,
    kind: StateFileErrorKind,
}

#[derive(Debug)]
enum StateFileErrorKind {
    Damaged,
    Foreign,
    Read(io::Error),
    Write(io::Error),
}

impl StateFileError {
    /// Whether the file was damaged. It is replaced.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        matches!(self.kind, StateFileErrorKind::Damaged)
    }

    /// Whether something else wrote the file. It is not changed.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        matches!(self.kind, StateFileErrorKind::Foreign)
    }

    /// Whether the file could not be written. This start is counted, but not stored.
    #[must_use]
    pub fn is_write(&self) -> bool {
        matches!(self.kind, StateFileErrorKind::Write(_))
    }
}

impl fmt::Display for StateFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, kind } = self;
        match kind {
            StateFileErrorKind::Damaged => write!(
                f,
                "invalid state file {path:?}: it is damaged, and starts are counted from 1 again"
            ),
            StateFileErrorKind::Foreign => write!(
                f,
                "invalid state file {path:?}: something else wrote it, so that it is not changed and starts are not stored"
            ),
            StateFileErrorKind::Read(error) => {
                write!(f, "cannot read state file {path:?} ({error}): starts are not stored")
            }
            StateFileErrorKind::Write(error) => {
                write!(f, "cannot write state file {path:?} ({error}): this start is not stored")
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
            StateFileErrorKind::Read(error) | StateFileErrorKind::Write(error) => Some(error),
            StateFileErrorKind::Damaged | StateFileErrorKind::Foreign => None,
        }
    }
}

const HEADER: &str = "asdlc-exporter starts 1\n";

/// Longer than any state file.
const MAX_LEN: u64 = 128;
