use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The work of a task, which a worker carries out.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Work {
    /// What to do.
    pub kind: Kind,
    /// The input of the work.
    pub input: String,
}

/// The kinds of work.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Counts the words of the input.
    WordCount,
    /// Adler-32 of the input.
    Checksum,
    /// Sleeps as many milliseconds as the input says.
    Wait,
    /// Fails with the input as the reason, so that error ratios have data.
    Fail,
}

impl Work {
    /// Checks the input.
    ///
    /// # Errors
    /// The error says what is allowed.
    pub fn check(&self) -> Result<(), String> {
        match self.kind {
            Kind::Wait => milliseconds(&self.input).map(drop),
            Kind::WordCount | Kind::Checksum | Kind::Fail => Ok(()),
        }
    }

    /// Carries it out.
    ///
    /// # Errors
    /// The reason why the work failed.
    pub async fn run(&self) -> Result<String, String> {
        let Self { kind, input } = self;
        match kind {
            Kind::WordCount => Ok(input.split_whitespace().count().to_string()),
            Kind::Checksum => Ok(format!("{:08x}", adler32(input.as_bytes()))),
            Kind::Wait => {
                let time = milliseconds(input)?;
                tokio::time::sleep(time).await;
                Ok(format!("waited {time:?}"))
            }
            Kind::Fail => Err(input.clone()),
        }
    }
}

impl Kind {
    /// The names of all kinds, which are the values of a label.
    pub const NAMES: [&str; 4] = ["word_count", "checksum", "wait", "fail"];

    /// The kind with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let kinds = [Self::WordCount, Self::Checksum, Self::Wait, Self::Fail];
        kinds.into_iter().find(|kind| kind.name() == name)
    }

    /// The name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WordCount => "word_count",
            Self::Checksum => "checksum",
            Self::Wait => "wait",
            Self::Fail => "fail",
        }
    }
}

fn milliseconds(input: &str) -> Result<Duration, String> {
    let milliseconds = input.parse().ok().filter(|milliseconds| *milliseconds <= LONGEST_WAIT);
    milliseconds.map(Duration::from_millis).ok_or_else(|| {
        format!("invalid input: must be milliseconds up to {LONGEST_WAIT}, as a string")
    })
}

fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    b << 16 | a
}

const LONGEST_WAIT: u64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adler32_is_as_in_rfc_1950() {
        assert_eq!(adler32(b"Wikipedia"), 0x11E6_0398);
    }

    #[test]
    fn a_kind_has_one_name_everywhere() {
        for name in Kind::NAMES {
            let kind = Kind::from_name(name).expect(name);
            assert_eq!(serde_json::to_value(kind).expect(name), name);
        }
    }
}
