//! Who may come in, and what they may do.

use super::*;

fn access(requirepass: Option<&str>, lines: &[&str]) -> Result<Access, (String, RuleError)> {
    let lines: Vec<UserLine> = lines
        .iter()
        .map(|line| {
            let mut words = line.split(' ').map(str::to_owned);
            UserLine {
                name: words.next().unwrap(),
                rules: words.collect(),
            }
        })
        .collect();
    Access::new(requirepass, &lines, NewUserChannels::None)
}

fn user(rules: &str) -> User {
    let mut user = User::fresh(NewUserChannels::None);
    for rule in rules.split_whitespace() {
        user.apply(rule).unwrap();
    }
    user
}

#[test]
fn without_a_word_the_default_user_may_do_everything() {
    let access = access(None, &[]).unwrap();
    assert!(access.is_open());
    assert_eq!(access.lines(), ["user default on nopass ~* &* +@all"]);
}

#[test]
fn a_required_password_closes_the_default_user() {
    let access = access(Some("pw"), &[]).unwrap();
    assert!(!access.is_open());
    assert!(access.authenticate(b"default", b"wrong").is_none());
    assert!(access.authenticate(b"default", b"").is_none());
    assert_eq!(
        access.authenticate(b"default", b"pw").as_deref(),
        Some("default")
    );
}

#[test]
fn a_required_password_is_not_undone_by_a_rewritten_user_line() {
    let access = access(Some("pw"), &["default on nopass ~* &* +@all"]).unwrap();
    assert!(!access.is_open());
    assert!(access.authenticate(b"default", b"pw").is_some());
}

#[test]
fn plain_and_hashed_passwords_are_the_same() {
    let hashed = format!("u on #{}", hex(&hash(b"pw")));
    for line in ["u on >pw", &hashed] {
        let access = access(None, &[line]).unwrap();
        assert!(access.authenticate(b"u", b"pw").is_some(), "{line}");
        assert!(access.authenticate(b"u", b"other").is_none(), "{line}");
    }
}

#[test]
fn a_user_who_is_off_or_has_no_password_cannot_come_in() {
    let access = access(None, &["a off >pw", "b on"]).unwrap();
    assert!(access.authenticate(b"a", b"pw").is_none());
    assert!(access.authenticate(b"b", b"").is_none());
    assert!(access.authenticate(b"nobody", b"").is_none());
}

#[test]
fn the_last_rule_that_fits_decides() {
    let admin = &["@admin", "@slow", "@dangerous"][..];
    for (rules, command, categories, wanted) in [
        ("", "ping", &["@fast"][..], false),
        ("+@all", "ping", &["@fast"], true),
        ("+@all -@admin", "sentinel|masters", admin, false),
        (
            "+@all -@admin +sentinel|masters",
            "sentinel|masters",
            admin,
            true,
        ),
        (
            "+@all -@admin +sentinel|masters",
            "sentinel|reset",
            admin,
            false,
        ),
        ("+sentinel -sentinel|reset", "sentinel|masters", admin, true),
        ("+sentinel -sentinel|reset", "sentinel|reset", admin, false),
        ("-ping +@all", "ping", &["@fast"], true),
        ("+PING", "ping", &["@fast"], true),
        ("+get -@all", "ping", &["@fast"], false),
        ("+@all -sentinel|primary", "sentinel|master", admin, false),
    ] {
        assert_eq!(
            user(rules).permits(command, categories),
            wanted,
            "{rules} / {command}"
        );
    }
}

#[test]
fn channels_are_granted_by_pattern_and_patterns_word_by_word() {
    let access = access(None, &["u on nopass resetchannels &+s* +@all"]).unwrap();
    assert!(access.permits_channel("u", b"+s*"));
    assert!(!access.permits_channel("u", b"-sdown"));
    assert!(access.permits_pattern("u", b"+s*"));
    assert!(!access.permits_pattern("u", b"*"));
}

#[test]
fn a_rule_that_is_not_understood_is_refused() {
    for (rule, error) in [
        ("bogus", RuleError::Syntax),
        ("+@bogus", RuleError::UnknownCategory),
        ("#123", RuleError::BadHash),
        ("(+@all)", RuleError::Selector),
        ("<pw", RuleError::NoSuchPassword),
        ("+", RuleError::Syntax),
    ] {
        assert_eq!(
            User::fresh(NewUserChannels::None).apply(rule),
            Err(error),
            "{rule}"
        );
    }
}

#[test]
fn a_line_reads_back_as_the_same_user() {
    let text = "on >pw ~* resetchannels &__sentinel__:hello -@all +ping +client|setname";
    let again = user(&user(text).rules().join(" "));
    assert_eq!(again.rules(), user(text).rules());
}
