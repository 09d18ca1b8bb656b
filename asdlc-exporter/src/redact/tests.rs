//! Which parts of a text are removed, and which stay.

use super::*;

// F-26
#[test]
fn secrets_are_removed_from_a_text() {
    for (secret, expected) in [
        ("AUTH app:hunter2@db", "AUTH ***"),
        ("cannot log in as app:hunter2@db", "cannot log in as ***@db"),
        ("redis://:hunter2@h:6379/0", "redis://***@h:6379/0"),
        ("redis://app:hunter2@[::1]:6379", "redis://***@[::1]:6379"),
        ("redis://:hun@ter2/@hunter2@h: refused", "redis://***@h: refused"),
        ("redis://:my hunter2@h: refused", "redis://*** ***@h: refused"),
        ("no URL: http://app:hunter2", "no URL: http://***"),
        ("postgres://u:p@h/db?password=hunter2", "postgres://***@h/db?***"),
        ("GET /q?token=hunter2 failed", "GET /q?*** failed"),
        ("GET http://h/a#hunter2", "GET http://h/a?***"),
        (
            "host=db user=app password='hun ter2 hunter2' port=1",
            "host=db user=app password=*** port=1",
        ),
        ("password = 83619275", "password = ***"),
        ("db.passwd: hunter2", "db.passwd: ***"),
        (r#"{"user":"app","password":"hunt\"hunter2"}"#, r#"{"user":"app","password":***}"#),
        (r#"{"api_keys": ["a", "hunter2"]}"#, r#"{"api_keys": ***"#),
        ("wrong password 'hunter2'", "wrong password ***"),
        ("wrong password hunter2", "wrong password ***"),
        ("auth app:hunter2 refused", "auth *** refused"),
        ("Token hunter2 expired", "Token *** expired"),
        ("the secret password hunter2", "the secret password ***"),
        ("X-Api-Key: hunter2", "X-Api-Key: ***"),
        ("Authorization: Basic hunter2", "Authorization: ***"),
        ("sent Bearer hunter2 to h", "sent Bearer *** to h"),
        ("Cookie: a=b; sid=hunter2", "Cookie: ***"),
        ("HELLO 3 AUTH app hunter2 SETNAME x", "HELLO 3 AUTH *** SETNAME x"),
        (
            "ERR unknown command 'SSET', with args beginning with: 'k' 'hunter2'",
            "ERR unknown command 'SSET', with args beginning with: ***",
        ),
        ("Config { password: Some(Secret(\"hun hunter2\")), port: 1 }", "Config { password: ***"),
        ("exec psql --password hunter2 -p 1: exit 1", "exec psql --password *** -p 1: exit 1"),
        ("CONFIG SET requirepass hunter2", "CONFIG SET requirepass ***"),
        ("CONFIG SET masterauth hunter2", "CONFIG SET masterauth ***"),
        ("ACL SETUSER app on >hunter2 ~*", "ACL SETUSER app on *** ~*"),
        ("<password>hunter2</password>", "<password>***"),
        ("password -> hunter2", "password -> ***"),
        ("the password is hunter2", "the password is ***"),
        ("aws_secret_access_key hunter2 is old", "aws_secret_access_key *** is old"),
        ("x-amz-security-token hunter2", "x-amz-security-token ***"),
        ("sig=hunter2 pin: hunter2", "sig=*** pin: ***"),
        ("creds hunter2", "creds ***"),
        (
            "it has -----BEGIN RSA PRIVATE KEY-----\nhunter2",
            "it has -----BEGIN RSA PRIVATE KEY----- ***",
        ),
        ("redis%3A%2F%2F%3Ahunter2%40h", "redis://***@h"),
        ("password%3Dhunter2", "password=***"),
        ("password%253Dhunter2", "password=***"),
        ("redirect=%2Fa%3Fpassword%3Da%2520hunter2 failed", "redirect=/a?*** failed"),
        ("first\nredis://:hunter2@h\r\nlast", "first redis://***@h  last"),
    ] {
        let safe = text(secret);
        assert_eq!(safe, expected);
        assert!(!safe.contains("hunter2") && !safe.contains("83619275"), "{safe}");
    }
}

// F-26
#[test]
fn text_without_secrets_is_not_changed() {
    for same in [
        "",
        "connection refused (os error 111)",
        "http://host/path: status 503",
        "cannot reach 10.0.0.1:6379, nor [::1]:6379",
        r#"password authentication failed for user "app""#,
        "the token is expired, and the password was not set",
        "WRONGPASS invalid username-password pair or user is disabled.",
        "must be http[s]://[USER:PASSWORD@]HOST[:PORT][/PREFIX]",
        "must be redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]",
        "invalid port 0: must be 1 to 65535",
        r#"invalid label key "a:b": must match [a-zA-Z_][a-zA-Z0-9_]*"#,
        "must be http[s]://HOST[:PORT] in lower case, or *",
        "must start with / and have only visible ASCII characters except ?, # and *",
        "100 % of 10%zz",
        "unix:///run/redis.sock",
        "://",
    ] {
        assert_eq!(text(same), same);
    }
}

// F-26
#[test]
fn a_long_text_is_cut_after_redaction_and_control_characters_become_blanks() {
    let long = format!("{} redis://:hunter2@h", "é".repeat(MAX_CHARS - 12));
    let safe = text(&long);
    assert!(safe.ends_with(" redis://***…"), "{safe}");
    assert_eq!(safe.chars().count(), MAX_CHARS + 1);
    assert_eq!(text("a\u{1b}[31m\u{7f}b"), "a [31m b");
}

#[cfg(feature = "health")]
#[test]
fn an_error_has_each_of_its_sources_once() {
    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);
    impl std::fmt::Display for Layer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }
    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_ref().map(|source| &**source as _)
        }
    }
    let layer = |text, source| Some(Box::new(Layer(text, source)));
    let inner = layer("password: hunter2", layer("refused", None));
    let outer = Layer("cannot log in: refused", layer("redis://:hunter2@h", inner));
    assert_eq!(error(&outer), "cannot log in: refused: redis://***@h: password: ***");
}

#[cfg(all(feature = "config", feature = "victoria-metrics"))]
#[test]
fn a_url_keeps_scheme_host_and_path() {
    for (whole, expected) in [
        ("http://vm:8428/select/0/", "http://vm:8428/select/0"),
        ("https://ann:hunter2@vm", "https://***@vm"),
        ("http://vm?password=hunter2", "http://vm?***"),
        ("http://ann:hunter2", "***"),
        ("ann:hunter2@vm", "***"),
        ("http://ann:hun ter2@vm", "***"),
        ("hunter2", "***"),
    ] {
        assert_eq!(url(whole), expected, "{whole}");
    }
}
