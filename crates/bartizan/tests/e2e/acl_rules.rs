//! Rules: which are refused and how, and what they permit. All of it holds for redis-sentinel 7.0.

use super::acl::{Lone, check, say};
use crate::harness::Flavor;

const UNKNOWN: &str = "Unknown command or category name in ACL";
const SYNTAX: &str = "Syntax error";
const HASH: &str = "The password hash must be exactly 64 characters and contain only lowercase \
                    hexadecimal characters";

/// Rules that are none, and what is said of them.
const WRONG: &[(&str, &str)] = &[
    ("foo", SYNTAX),
    ("+get", UNKNOWN),
    ("+@nope", UNKNOWN),
    ("+@", UNKNOWN),
    ("+", UNKNOWN),
    ("-", UNKNOWN),
    ("+sentinel|nope", UNKNOWN),
    ("+nope|x", UNKNOWN),
    ("-ping|x", UNKNOWN),
    ("+ping|x|y", UNKNOWN),
    ("+ping|", SYNTAX),
    ("+sentinel|", SYNTAX),
    (
        "+sentinel|masters|x",
        "Allowing first-arg of a subcommand is not supported",
    ),
    ("%", SYNTAX),
    ("%~x", SYNTAX),
    ("%X~x", SYNTAX),
    ("%RR~x", SYNTAX),
    (")", SYNTAX),
    ("(on)", SYNTAX),
    ("(>x)", SYNTAX),
    ("(reset)", SYNTAX),
    ("((+ping))", SYNTAX),
    ("(+nope)", UNKNOWN),
];

/// Makes two users.
const TWO_USERS: &[(&str, &str)] = &[
    (
        "ACL SETUSER a on >pw +@all -sentinel|masters -role &x &p* (+role)",
        "+OK",
    ),
    (
        "ACL SETUSER b on nopass +ping|hi +publish &__sentinel__:hello",
        "+OK",
    ),
];

fn modifier(rule: &str, error: &str) -> String {
    format!("-ERR Error in ACL SETUSER modifier '{rule}': {error}")
}

#[test]
fn every_wrong_rule_is_refused_in_redis_own_words() {
    let lone = Lone::start("");
    let mut client = lone.sentinel.client();
    for (rule, error) in WRONG {
        let reply = say(&mut client, &format!("ACL SETUSER u {rule}"));
        assert_eq!(reply, modifier(rule, error), "{rule}");
    }
}

#[test]
fn a_rule_that_may_be_a_password_is_refused_without_repeating_it() {
    let lone = Lone::start("");
    let mut client = lone.sentinel.client();
    for (rule, error) in [
        ("#abc", HASH),
        ("!abc", HASH),
        (
            "<abc",
            "The password you are trying to remove from the user does not exist",
        ),
    ] {
        let reply = say(&mut client, &format!("ACL SETUSER u {rule}"));
        assert!(reply.ends_with(&format!("': {error}")), "{rule}: {reply}");
        // Bartizan does not repeat what may be a password.
        assert_eq!(
            reply.contains("abc"),
            Flavor::UnderTest.is_upstream(),
            "{reply}"
        );
    }
}

#[test]
fn other_mistakes_are_told_in_redis_own_words_too() {
    let lone = Lone::start("");
    let mut client = lone.sentinel.client();
    let after = "is not valid and does not have any effect. Try";
    check(
        &mut client,
        &[
            (
                "ACL SETUSER u (+ping ~x",
                "-ERR Unmatched parenthesis in acl selector starting at '(+ping'.",
            ),
            (
                "ACL SETUSER a␣b on",
                "-ERR Usernames can't contain spaces or null characters",
            ),
            (
                "ACL SETUSER u allkeys ~x",
                &modifier(
                    "~x",
                    &format!(
                        "Adding a pattern after the * pattern (or the 'allkeys' flag) {after} 'resetkeys' to start with an empty list of patterns"
                    ),
                ),
            ),
            (
                "ACL SETUSER u allchannels &x",
                &modifier(
                    "&x",
                    &format!(
                        "Adding a pattern after the * pattern (or the 'allchannels' flag) {after} 'resetchannels' to start with an empty list of channels"
                    ),
                ),
            ),
            ("ACL GETUSER u", "nil"),
            ("ACL USERS", "[default]"),
            (
                "ACL DELUSER u default",
                "-ERR The 'default' user cannot be removed",
            ),
            ("ACL DELUSER u", ":0"),
            ("ACL CAT nope", "-ERR Unknown category 'nope'"),
            (
                "ACL GENPASS 0",
                "-ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096",
            ),
            ("ACL LOG x", "-ERR value is not an integer or out of range"),
            ("ACL DRYRUN u ping", "-ERR User 'u' not found"),
            ("ACL DRYRUN default get x", "-ERR Command 'get' not found"),
            (
                "ACL DRYRUN default sentinel nope",
                "-ERR Command 'sentinel' not found",
            ),
            (
                "ACL DRYRUN default acl setuser",
                "-ERR wrong number of arguments for 'acl|setuser' command",
            ),
        ],
    );
}

#[test]
fn commands_arguments_and_channels_are_enforced() {
    let lone = Lone::start("");
    let mut admin = lone.sentinel.client();
    check(&mut admin, TWO_USERS);
    let denied =
        |what: &str| format!("-NOPERM this user has no permissions to run the '{what}' command");
    let channel =
        "-NOPERM this user has no permissions to access one of the channels used as arguments";
    let mut client = lone.sentinel.client();
    check(
        &mut client,
        &[
            (
                "AUTH a wrong",
                "-WRONGPASS invalid username-password pair or user is disabled.",
            ),
            ("ACL WHOAMI", "default"),
            ("AUTH a pw", "+OK"),
            ("ACL WHOAMI", "a"),
            ("SENTINEL MASTERS", &denied("sentinel|masters")),
            ("ROLE", "[sentinel, [mymaster]]"),
            ("PUBLISH y z", channel),
            ("PSUBSCRIBE pq", channel),
            ("SUBSCRIBE x y", channel),
            ("SUBSCRIBE pq", "[subscribe, pq, :1]"),
            ("UNSUBSCRIBE y", "[unsubscribe, y, :1]"),
        ],
    );
    let mut client = lone.sentinel.client();
    assert!(say(&mut client, "HELLO 2 AUTH b any").starts_with("[server, redis"));
    check(
        &mut client,
        &[
            ("PING HI", "HI"),
            ("PING ho", &denied("ping")),
            ("ACL WHOAMI", &denied("acl|whoami")),
            ("PUBLISH other x", channel),
        ],
    );
}

#[test]
fn dry_runs_say_what_would_be_refused() {
    let lone = Lone::start("");
    let mut admin = lone.sentinel.client();
    check(&mut admin, TWO_USERS);
    let dry = |what: &str| format!("This user has no permissions to run the '{what}' command");
    check(
        &mut admin,
        &[
            ("ACL DRYRUN a sentinel masters", &dry("sentinel|masters")),
            ("ACL DRYRUN a role", "+OK"),
            ("ACL DRYRUN a subscribe x pq", "+OK"),
            (
                "ACL DRYRUN a subscribe x y",
                "This user has no permissions to access the 'y' channel",
            ),
            ("ACL DRYRUN a psubscribe p*", "+OK"),
            (
                "ACL DRYRUN a psubscribe pq",
                "This user has no permissions to access the 'pq' channel",
            ),
            ("ACL DRYRUN b ping hi", "+OK"),
            ("ACL DRYRUN b ping", &dry("ping")),
            ("ACL DRYRUN b publish __sentinel__:hello x", "+OK"),
            ("ACL DRYRUN b auth x", "+OK"),
        ],
    );
}
