//! The labels of series, made from attributes.
//!
//! `rows` has the labels of each point as text, and keeps them until the next scrape. If the text needs too much memory, it keeps
//! `encoded_rows` instead: the numbers that the labels have in a `dictionary`. If these cannot be kept either, only the digest of
//! the labels is left, which `row_digest` computes. `row_memory` has the limits.
//!
//! `cache` makes the labels of a point from its `attributes`: `key_list` says which label has which attribute, `key` makes the
//! keys, `value_text` writes values that are not strings, `escape` escapes the values, and `truncate` applies the limits.
//! `layouts` stores each list of keys once, and `packed_lengths` encodes the lengths of values.
//!
//! Many series share some labels, which `text` writes: `constant` has those of every series, `scope_labels` makes those of a
//! scope, `scopes` stores each text of them once, and `resource` makes `target_info` and the labels of the resource.

pub(crate) mod attributes;
pub(crate) mod cache;
pub(crate) mod constant;
pub(crate) mod dictionary;
mod encoded_rows;
pub(crate) mod escape;
pub(crate) mod key;
pub(crate) mod key_list;
pub(crate) mod layouts;
pub(crate) mod packed_lengths;
pub(crate) mod resource;
pub(crate) mod row_digest;
pub(crate) mod row_memory;
pub(crate) mod rows;
pub(crate) mod scope_labels;
pub(crate) mod scopes;
pub(crate) mod text;
pub(crate) mod truncate;
pub(crate) mod value_text;
