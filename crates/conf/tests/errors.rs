//! What cannot be used is refused in Redis's words, with the place and what would be right.

mod common;

use common::{Files, read, read_in};

const MONITOR: &str = "sentinel monitor m 127.0.0.1 6379 1\n";

#[test]
#[allow(clippy::too_many_lines, reason = "it is a table")]
fn each_mistake_has_the_message_of_redis_and_points_at_the_word() {
    let id = "0123456789abcdef0123456789abcdef01234567";
    let twice = format!("sentinel known-sentinel m 1.1.1.1 9 {id}");
    let table: &[(&str, &str, &str)] = &[
        (
            "sentinel monitor m 1.1.1.1 1 1",
            "m",
            "Duplicate master name.",
        ),
        (
            "sentinel monitor n 1.1.1.1 1 0",
            "0",
            "Quorum must be 1 or greater.",
        ),
        (
            "sentinel monitor n 1.1.1.1 1 x",
            "x",
            "Quorum must be 1 or greater.",
        ),
        (
            "sentinel monitor n 1.1.1.1 65536 1",
            "65536",
            "Invalid port number.",
        ),
        (
            "sentinel monitor n 1.1.1.1 -1 1",
            "-1",
            "Invalid port number.",
        ),
        (
            "sentinel monitor n redis.invalid 1 1",
            "redis.invalid",
            "Can't resolve instance hostname.",
        ),
        (
            "sentinel monitor n",
            "*",
            "Unrecognized sentinel configuration statement.",
        ),
        (
            "sentinel frobnicate m",
            "*",
            "Unrecognized sentinel configuration statement.",
        ),
        (
            "sentinel auth-pass x y",
            "x",
            "No such master with specified name.",
        ),
        (
            "sentinel down-after-milliseconds m 0",
            "0",
            "negative or zero time parameter.",
        ),
        (
            "sentinel failover-timeout m abc",
            "abc",
            "negative or zero time parameter.",
        ),
        (
            "sentinel master-reboot-down-after-period m -1",
            "-1",
            "negative time parameter.",
        ),
        (
            "sentinel primary-reboot-down-after-period m -1",
            "-1",
            "negative time parameter.",
        ),
        (
            "sentinel notification-script m /no",
            "/no",
            "Notification script seems non existing or non executable.",
        ),
        (
            "sentinel client-reconfig-script m \"\"",
            "\"\"",
            "Client reconfiguration script seems non existing or non executable.",
        ),
        (
            "sentinel rename-command m ping a\nsentinel rename-command m PING b",
            "PING",
            "Same command renamed multiple times with rename-command.",
        ),
        (
            "sentinel known-replica m foo 1",
            "foo",
            "Can't resolve instance hostname.",
        ),
        (
            "sentinel known-replica m 1.1.1.1 99999",
            "99999",
            "Invalid port number.",
        ),
        (
            "sentinel myid abc",
            "abc",
            "Malformed Sentinel id in myid option.",
        ),
        (
            "sentinel resolve-hostnames maybe",
            "maybe",
            "Please specify yes or no for the resolve-hostnames option.",
        ),
        (
            "sentinel announce-hostnames 1",
            "1",
            "Please specify yes or no for the announce-hostnames option.",
        ),
        (
            "sentinel deny-scripts-reconfig 1",
            "1",
            "Please specify yes or no for the deny-scripts-reconfig options.",
        ),
        (
            "sentinel current-epoch 9223372036854775808",
            "9223372036854775808",
            "Epoch is out of range.",
        ),
        ("sentinel config-epoch m -1", "-1", "Epoch is out of range."),
        ("bogus 1", "*", "Bad directive or wrong number of arguments"),
        ("port", "*", "wrong number of arguments"),
        ("port 1 2", "*", "wrong number of arguments"),
        ("port a", "a", "argument couldn't be parsed into an integer"),
        (
            "maxclients 10kb",
            "10kb",
            "argument couldn't be parsed into an integer",
        ),
        (
            "port 65536",
            "65536",
            "argument must be between 0 and 65535 inclusive",
        ),
        (
            "timeout -1",
            "-1",
            "argument must be between 0 and 2147483647 inclusive",
        ),
        (
            "protected-mode maybe",
            "maybe",
            "argument must be 'yes' or 'no'",
        ),
        (
            "loglevel loud",
            "loud",
            "argument(s) must be one of the following: debug, verbose, notice, warning, nothing",
        ),
        (
            "supervised x",
            "x",
            "argument(s) must be one of the following: upstart, systemd, auto, no",
        ),
        (
            "unixsocketperm 999",
            "999",
            "argument couldn't be parsed as an octal number",
        ),
        (
            "tls-port abc",
            "abc",
            "argument couldn't be parsed into an integer",
        ),
        (
            "requirepass \"a\"b",
            "****",
            "Unbalanced quotes in configuration line",
        ),
        ("requirepass a b", "*", "wrong number of arguments"),
        ("user", "*", "Bad directive or wrong number of arguments"),
        (
            "user a on\nuser a off",
            "a",
            "Error in user declaration 'a': Duplicate user found. \
          A user can only be defined once in config files",
        ),
        (
            "rename-command FOO bar",
            "FOO",
            "No such command in rename-command",
        ),
        ("dir /missing", "/missing", "No such file or directory"),
        (
            "include /missing",
            "/missing",
            "Fatal error, can't open config file '/missing': No such file or directory",
        ),
        ("slaveof 1.1.1.1", "*", "wrong number of arguments"),
    ];
    let duplicate = format!("{twice}\n{twice}");
    let more = [(duplicate.as_str(), id, "Duplicate runid for sentinel.")];
    for (lines, word, message) in table.iter().chain(&more) {
        let text = format!("# a comment\n{MONITOR}{lines}\n");
        let error = read_in(&text, "", &mut Files::default()).expect_err(lines);
        assert_eq!(error.message, *message, "{lines}");
        let marked = &error.text[error.span.clone()];
        let wanted = if *word == "*" {
            error.text.as_str()
        } else {
            word
        };
        assert_eq!(marked, wanted, "{lines}");
        assert_eq!(error.line, 2 + lines.lines().count(), "{lines}");
        assert!(!error.help.is_empty(), "{lines}");
    }
}

#[test]
fn the_first_lines_are_those_of_redis() {
    let error = read("port 1\n  foo  bar \n").unwrap_err();
    assert_eq!(
        error.redis_lines("Bartizan 0.1.0"),
        "\n*** FATAL CONFIG FILE ERROR (Bartizan 0.1.0) ***\n\
         Reading the configuration file, at line 2\n>>> 'foo  bar'\n\
         Bad directive or wrong number of arguments\n"
    );
}

#[test]
fn lines_of_the_command_line_are_counted_on_from_the_file() {
    let error = read_in(
        "port 1\nport 2\n",
        "port 3\nbogus \"1\"",
        &mut Files::default(),
    );
    let error = error.unwrap_err();
    assert_eq!(
        (&*error.file, error.line, error.redis_line),
        ("command line", 2, 5)
    );
}

#[test]
fn a_mistake_in_an_included_file_is_shown_there() {
    let mut world = Files {
        files: vec![("more.conf", "\nport x\n")],
        ..Files::default()
    };
    let error = read_in("include more.conf\n", "", &mut world).unwrap_err();
    assert_eq!((&*error.file, error.line), ("more.conf", 2));
}

#[test]
fn a_file_that_includes_itself_is_refused() {
    let mut world = Files {
        files: vec![("a.conf", "include a.conf\n")],
        ..Files::default()
    };
    let error = read_in("include a.conf\n", "", &mut world).unwrap_err();
    assert!(
        error.message.contains("too many files"),
        "{}",
        error.message
    );
}

#[test]
fn a_slip_of_the_keyboard_gets_a_suggestion() {
    let table = [
        ("prot 26379", "did you mean `port`?"),
        (
            "sentinel moniter m 127.0.0.1 6379 2",
            "did you mean `sentinel monitor`?",
        ),
        (
            "down-after-milliseconds m 5",
            "this belongs behind `sentinel`",
        ),
    ];
    for (line, help) in table {
        let error = read(line).unwrap_err();
        assert!(error.help.contains(help), "{line}: {}", error.help);
    }
}

#[test]
fn server_directives_are_looked_at_before_masters() {
    let error = read("sentinel monitor m x 1 1\nport y\n").unwrap_err();
    assert_eq!(error.line, 2);
}
