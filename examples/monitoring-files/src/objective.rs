//! A service level objective, and the ratio of errors that it allows.

use std::fmt;
use std::str::FromStr;

/// How many percent of the requests have to succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Objective {
    /// In units of 0.00001 %, so that the numbers in the files are exact.
    units: u32,
}

impl Objective {
    pub(crate) const DEFAULT: &str = "99.9";

    /// The allowed ratio of errors: 0.001 for 99.9 %.
    pub(crate) fn allowed(self) -> Allowed {
        Allowed { units: ALL - self.units }
    }
}

impl FromStr for Objective {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |part: &str| {
            (1..=DECIMALS).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        let units = (is_number(whole) && is_number(fraction))
            .then(|| format!("{whole}{fraction:0<DECIMALS$}").parse().ok())
            .flatten();
        match units {
            Some(units) if (LEAST..ALL).contains(&units) => Ok(Self { units }),
            _ => Err(
                "must be a percentage from 93.1 to 99.99999. Below 93.1, 14.4 times the allowed errors are more than \
                 all requests, and the alert for this burn rate could not fire"
                    .to_owned(),
            ),
        }
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(f, self.units, DECIMALS)
    }
}

/// The ratio of errors that an objective allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed {
    /// In units of 0.0000001.
    units: u32,
}

impl Allowed {
    /// This ratio, multiplied by `tenths` / 10.
    pub(crate) fn times_tenths(self, tenths: u32) -> f64 {
        f64::from(self.units * tenths) / 1e8
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(f, self.units, DECIMALS + 2)
    }
}

/// Writes `units` with this number of decimals, without zeros at the end.
fn write_decimal(f: &mut fmt::Formatter<'_>, units: u32, decimals: usize) -> fmt::Result {
    let digits = format!("{units:0>width$}", width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    match fraction.trim_end_matches('0') {
        "" => write!(f, "{whole}"),
        fraction => write!(f, "{whole}.{fraction}"),
    }
}

/// Decimals of a percentage.
const DECIMALS: usize = 5;
/// 100 %.
const ALL: u32 = 10_000_000;
/// 93.1 %: 14.4 × 6.9 % is just below 100 %.
const LEAST: u32 = 9_310_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objective_allows_the_rest_as_an_exact_decimal() {
        for (objective, allowed, burned) in [
            ("99.9", "0.001", 0.0144),
            ("99", "0.01", 0.144),
            ("99.50", "0.005", 0.072),
            ("99.95", "0.0005", 0.0072),
            ("99.99999", "0.0000001", 0.000_001_44),
            ("93.1", "0.069", 0.9936),
        ] {
            let parsed: Objective = objective.parse().unwrap();
            assert_eq!(parsed.allowed().to_string(), allowed);
            assert_eq!(parsed.allowed().times_tenths(144), burned);
            assert_eq!(parsed.to_string(), objective.trim_end_matches('0'));
        }
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        for text in [
            "100",
            "93.09999",
            "99.999999",
            "",
            "99.",
            ".9",
            "-99.9",
            "+99",
            "9e1",
            "NaN",
            "99,9",
            "000000",
        ] {
            assert!(text.parse::<Objective>().is_err(), "{text}");
        }
    }
}
