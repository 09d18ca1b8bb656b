//! Removes arguments of commands, and secrets in sentences.

use super::{MASK, names_a_secret, values::is_name};

/// Removes the arguments of commands and authentication schemes, and the word after a word such as
/// `password`.
pub(super) fn remove_arguments(text: &str) -> String {
    let ends = [ARGUMENTS, PRIVATE_KEY].iter();
    let text = match ends.filter_map(|begin| Some(text.find(begin)? + begin.len())).min() {
        Some(end) => &format!("{} {MASK}", &text[..end]),
        None => text,
    };
    let mut out = String::with_capacity(text.len());
    let mut masked = 0_u8;
    let mut follows_secret_word = false;
    let mut is_setuser = false;
    for part in text.split_inclusive(char::is_whitespace) {
        let token = part.trim_end();
        if token.is_empty() {
            out.push_str(part);
            continue;
        }
        let name = token.trim_start_matches('-');
        let is_secret_word = BARE_SECRET_WORDS.iter().any(|word| name.eq_ignore_ascii_case(word))
            || name.contains(['_', '-']) && name.chars().all(is_name) && names_a_secret(name);
        // `password is …`
        let is_link = ["is", "was"].contains(&token);
        let follows = follows_secret_word;
        follows_secret_word = is_secret_word || is_link && follows;
        is_setuser |= token.eq_ignore_ascii_case("setuser");
        // `ACL SETUSER` rules of Redis that add or remove a password or its hash.
        let is_rule = is_setuser && token.len() > 1 && token.starts_with(['>', '<', '#', '!']);
        if masked > 0 || is_rule || follows && !is_secret_word && !is_plain(token) {
            masked = masked.saturating_sub(1);
            // Adjacent masked words become one mask.
            if !out.ends_with("*** ") {
                out.push_str("*** ");
            }
            continue;
        }
        out.push_str(part);
        let word = token.trim_matches(|c: char| !c.is_alphanumeric());
        masked = match word {
            // `AUTH password` and `AUTH user password` of Redis and others.
            "AUTH" => 2,
            _ if word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic") => 1,
            _ => masked,
        };
    }
    out
}

/// Whether the word after `password` or `token` is part of the sentence and not the secret.
fn is_plain(token: &str) -> bool {
    let word = token.trim_matches(|c: char| c.is_ascii_punctuation());
    word.is_empty() || PLAIN_WORDS.split_whitespace().any(|plain| word.eq_ignore_ascii_case(plain))
}

/// A secret may follow these words without a separator, as in `wrong password hunter2`.
const BARE_SECRET_WORDS: [&str; 15] = [
    "password",
    "passwd",
    "passphrase",
    "pass",
    "pwd",
    "secret",
    "token",
    "apikey",
    "api_key",
    "credential",
    "credentials",
    "creds",
    "auth",
    "requirepass",
    "masterauth",
];

/// Words that follow a secret word in messages of servers and libraries. Any other word is removed.
const PLAIN_WORDS: &str = "a an and are as at authentication authorization be been but by can cannot check could denied did \
    does do empty error exchange expired expires failed failure field file for format from given had has have header if in \
    incorrect invalid is it length may method mismatch missing must name needed no not of on or pair password path provided \
    refused rejected required server service set should than that the to token too type unknown unset user username value \
    was were when which while will with without wrong";

/// After this text, Redis repeats the arguments of an unknown command.
const ARGUMENTS: &str = "with args beginning with:";

/// In PEM, the end of the line before a private key.
const PRIVATE_KEY: &str = "PRIVATE KEY-----";
