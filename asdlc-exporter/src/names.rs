//! The rule for names that users choose and that become label values or fields of a response.

/// Whether a name follows [`NAME_RULE`]. Such a name needs no escaping anywhere.
pub(crate) fn is_valid_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.:".contains(c);
    (1..=64).contains(&name.len()) && name.chars().all(allowed)
}

/// The end of the message about an invalid name.
pub(crate) const NAME_RULE: &str = "must be 1 to 64 ASCII letters, digits, '_', '-', '.' and ':'";

#[cfg(test)]
mod tests {
    use super::is_valid_name;

    #[test]
    fn names_are_short_and_of_a_few_characters() {
        let longest = "x".repeat(64);
        for name in ["a", "orders-2", "10.0.0.1:5432", "A_b", &longest] {
            assert!(is_valid_name(name), "{name}");
        }
        let too_long = "x".repeat(65);
        for name in ["", " ", "a b", "a\n", "é", "a\"", "a/b", "a\0", &too_long] {
            assert!(!is_valid_name(name), "{name:?}");
        }
    }
}
