//! The project's layers and their peers, each set up as its documentation says, and what each has recorded.
//!
//! `README.md` says how to run the programs of this package.

#[cfg(feature = "requests")]
pub mod peers;
pub mod recorded;
pub mod table;
