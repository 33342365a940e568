//! Users in files: `user` lines, `requirepass`, `aclfile`.

use super::acl::{Lone, check, is_closed, say};
use crate::harness::resp::Client;
use crate::harness::{Flavor, eventually};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

const HASH_OF_PW: &str = "30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4";
const COMPLAINT: &str =
    "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";

#[test]
fn users_are_saved_as_hashes_and_come_back() {
    let mut lone = Lone::start("user first on >pw +ping\n");
    let mut client = lone.sentinel.client();
    check(
        &mut client,
        &[
            (
                "ACL SETUSER second on >pw &__sentinel__:hello +publish (+ping ~x)",
                "+OK",
            ),
            ("ACL SETUSER default >pw", "+OK"),
            ("SENTINEL FLUSHCONFIG", "+OK"),
        ],
    );
    let text = lone.sentinel.conf_text();
    for line in [
        format!("user first on #{HASH_OF_PW} resetchannels -@all +ping"),
        format!(
            "user second on #{HASH_OF_PW} resetchannels &__sentinel__:hello -@all +publish \
             (~x resetchannels -@all +ping)"
        ),
        format!("user default on #{HASH_OF_PW} ~* &* +@all"),
    ] {
        assert!(text.lines().any(|known| known == line), "{line}\n{text}");
    }
    assert!(!text.contains(">pw"), "{text}");
    let before = say(&mut client, "ACL LIST");
    lone.sentinel.terminate();
    let program = lone.sentinel.flavor.program();
    let conf = lone.sentinel.conf.display().to_string();
    lone.sentinel.spawn(&[&program, &conf]);
    eventually("it answers again", || {
        Client::connect(lone.sentinel.port).is_ok()
    });
    let mut client = lone.sentinel.client();
    say(&mut client, "AUTH pw");
    // A default user that a file describes begins with `reset`.
    let after = say(&mut client, "ACL LIST").replace("default on sanitize-payload", "default on");
    assert_eq!(after, before);
}

#[test]
fn a_required_password_is_written_as_a_hashed_default_user_too() {
    let lone = Lone::prepare("requirepass pw\n");
    let mut sentinel = lone.sentinel;
    let argv = [
        sentinel.flavor.program(),
        sentinel.conf.display().to_string(),
    ];
    sentinel.spawn(&[&argv[0], &argv[1]]);
    let line = format!("user default on #{HASH_OF_PW} ~* &* +@all");
    eventually("the file is written", || {
        sentinel.conf_text().lines().any(|known| known == line)
    });
    assert!(sentinel.conf_text().contains("requirepass"));
}

#[test]
fn acl_file_is_loaded_whole_or_not_at_all_and_saved() {
    let mut lone = Lone::prepare("aclfile DIR/users.acl\n");
    let path = lone.dir.path().join("users.acl");
    let shown = path.display().to_string();
    fs::write(&path, "user a on >pw +@all\n\nuser b off\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    lone.sentinel.restart();
    let mut client = lone.sentinel.client();
    let list = format!(
        "[user a on #{HASH_OF_PW} resetchannels +@all, user b off resetchannels -@all, \
         user default on nopass ~* &* +@all]"
    );
    check(
        &mut client,
        &[
            ("ACL LIST", &list),
            ("ACL LOAD", "+OK"),
            ("ACL LIST", &list),
        ],
    );

    fs::write(
        &path,
        "user a off\nfoo\nuser x +get\nuser y foo\nuser a on\n",
    )
    .unwrap();
    let complaints = format!(
        "-ERR {shown}:2 should start with user keyword followed by the username. \
         {shown}:3: Error in applying operation '+get': Unknown command or category name in ACL. \
         {shown}:4: Syntax error. WARNING: Duplicate user 'a' found on line 5. {COMPLAINT}"
    );
    check(
        &mut client,
        &[("ACL LOAD", &complaints), ("ACL LIST", &list)],
    );

    check(
        &mut client,
        &[("ACL SETUSER b on", "+OK"), ("ACL SAVE", "+OK")],
    );
    let saved = fs::read_to_string(&path).unwrap();
    let lines = format!(
        "user a on #{HASH_OF_PW} resetchannels +@all\nuser b on resetchannels -@all\n\
         user default on nopass ~* &* +@all\n"
    );
    assert_eq!(saved, lines);
    say(&mut client, "SENTINEL FLUSHCONFIG");
    let text = lone.sentinel.conf_text();
    assert!(
        !text.lines().any(|line| line.starts_with("user ")),
        "{text}"
    );

    fs::remove_file(&path).unwrap();
    let gone =
        format!("-ERR Error loading ACLs, opening file '{shown}': No such file or directory");
    check(&mut client, &[("ACL LOAD", &gone)]);
    fs::create_dir(&path).unwrap();
    check(
        &mut client,
        &[(
            "ACL SAVE",
            "-ERR There was an error trying to save the ACLs. Please check the server logs for \
             more information",
        )],
    );
}

#[test]
fn loading_closes_those_whose_user_is_gone() {
    let mut lone = Lone::prepare("aclfile DIR/users.acl\n");
    let path = lone.dir.path().join("users.acl");
    fs::write(
        &path,
        "user a on >pw +@all\nuser b on >pw +@all\nuser c on >pw +@all\n",
    )
    .unwrap();
    lone.sentinel.restart();
    let login = |user: &str| {
        let mut client = lone.sentinel.client();
        assert_eq!(say(&mut client, &format!("AUTH {user} pw")), "+OK");
        client
    };
    let (mut a, mut b, mut c) = (login("a"), login("b"), login("c"));
    fs::write(&path, "user a on >pw +@all\nuser b on >pw +ping\n").unwrap();
    let mut admin = lone.sentinel.client();
    check(&mut admin, &[("ACL LOAD", "+OK")]);
    is_closed(&mut b);
    is_closed(&mut c);
    if Flavor::UnderTest.is_upstream() {
        is_closed(&mut a);
    } else {
        assert_eq!(say(&mut a, "PING"), "+PONG", "nothing changed for this one");
    }
}

#[test]
fn wrong_users_end_the_start_and_what_is_wrong_is_told() {
    for (lines, users, said) in [
        (
            "user x on >hunter2 +get\n",
            "",
            "Error loading ACL rule '+get' for the user named 'x': Unknown command or category",
        ),
        (
            "user x >hunter2 foo\n",
            "",
            "Error in user declaration 'x': Syntax error",
        ),
        (
            "user x on\nuser x on >hunter2\n",
            "",
            "Duplicate user found. A user can only be defined once in config files",
        ),
        ("requirepass hunter2 x\n", "", "wrong number of arguments"),
        (
            "user \"a b\" on\n",
            "",
            "Spaces not allowed in ACL usernames",
        ),
        ("aclfile DIR/none\n", "", "/none"),
        (
            "aclfile DIR/users.acl\n",
            "user a >hunter2 +get\n",
            "Error in applying operation '+get': Unknown command or category name in ACL",
        ),
    ] {
        let mut lone = Lone::prepare(lines);
        fs::write(lone.dir.path().join("users.acl"), users).unwrap();
        let program = lone.sentinel.flavor.program();
        let conf = lone.sentinel.conf.display().to_string();
        lone.sentinel.spawn(&[&program, &conf]);
        let status = lone
            .sentinel
            .wait(Duration::from_secs(20))
            .expect("it ends");
        assert_eq!(status.code(), Some(1), "{lines}");
        let text = lone.sentinel.stderr() + &lone.sentinel.log();
        assert!(text.contains(said), "{lines}: {text}");
        let repeats_lines = Flavor::UnderTest.is_upstream();
        assert!(repeats_lines || !text.contains("hunter2"), "{text}");
    }
}
