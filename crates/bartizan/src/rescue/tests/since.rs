//! What a replay finds out about changes that the new master has seen since the fork.

use super::*;

/// What the program prints.
fn replay(split: &Split, file: &Path, more: &[&str]) -> String {
    let to = format!("127.0.0.1:{}", split.new.port);
    let file = file.display().to_string();
    let words = [&["replay", &file, "--to", &to], more].concat();
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    command::said(&words).unwrap()
}

fn split() -> (Split, PathBuf) {
    let common = [
        "SET touched 1",
        "SET removed 1",
        "SET same 1",
        "SET apart 1",
        "SELECT 0",
    ];
    let split = Split::begin(&[], &common);
    for line in [
        "SET touched 2",
        "SET removed 2",
        "SET same 2",
        "SET made 2",
        "SET fresh 2",
        "MSET same 3 apart 3",
    ] {
        split.old.ask(line);
    }
    let file = whole(&split.rescue(&split.order(RescueMode::Stream), None)).0;
    (split, file)
}

#[test]
fn keys_that_changed_on_the_new_master_since_the_fork_are_told_and_left_alone_removed_ones_too() {
    let (split, file) = split();
    for line in ["SET touched mine", "DEL removed", "SET made mine"] {
        split.new.ask(line);
    }
    // A key of the same name in another database is another key.
    split.new.ask_words(&[
        "EVAL",
        "redis.call('select', 5) redis.call('set', 'fresh', 1)",
        "0",
    ]);
    let said = replay(&split, &file, &["--dry-run"]);
    let told = "5 keys are left alone; 3 of them changed on the server since the fork:\n\
        \x20 0:made has been changed on the server since the fork\n\
        \x20 0:removed has been changed on the server since the fork\n\
        \x20 0:touched has been changed on the server since the fork\n\
        \x20 0:apart is on the server, unchanged since the fork\n\
        \x20 0:same is on the server, unchanged since the fork\n\
        1 of 6 keys would be changed; nothing was done";
    assert_eq!(said, told);

    let said = replay(&split, &file, &[]);
    assert!(
        said.ends_with("1 commands played, 5 left out, 0 failed"),
        "{said}"
    );
    assert_eq!(split.new.ask("GET fresh"), Frame::bulk("2"));
    assert_eq!(split.new.ask("EXISTS removed"), Frame::Integer(0));

    let said = replay(&split, &file, &["--force"]);
    assert!(
        said.starts_with("6 keys that are on the server, or were, are overwritten"),
        "{said}"
    );
    assert_eq!(split.new.ask("GET removed"), Frame::bulk("2"));
}

#[test]
fn what_was_removed_with_the_whole_database_does_not_come_back() {
    let (split, file) = split();
    split.new.ask("FLUSHDB");
    let said = replay(&split, &file, &[]);
    assert!(
        said.starts_with("6 keys are left alone; 6 of them changed"),
        "{said}"
    );
    assert_eq!(split.new.ask("DBSIZE"), Frame::Integer(0));
}

#[test]
fn where_the_new_master_cannot_say_what_changed_the_report_says_so_and_why() {
    // It has lost its history.
    let (split, file) = split();
    split.new.ask("CONFIG SET repl-backlog-size 16384");
    for n in 0..600 {
        split
            .new
            .ask_words(&["SET", &format!("k{n}"), &"x".repeat(50)]);
    }
    let said = replay(&split, &file, &["--dry-run"]);
    assert!(said.contains("since the fork is not known: "), "{said}");
    assert!(said.contains("repl-backlog-size is too small"), "{said}");
    assert!(
        said.contains("0:same is on the server; it may have been changed since"),
        "{said}"
    );

    // A command of which nobody knows what it changed.
    let (split, file) = self::split();
    split.new.ask("SWAPDB 3 4");
    let said = replay(&split, &file, &["--dry-run"]);
    assert!(
        said.contains("SWAPDB was carried out there since, on any keys"),
        "{said}"
    );

    // Nobody knows where the fork was.
    std::fs::remove_file(file.with_extension("json")).unwrap();
    let said = replay(&split, &file, &["--dry-run"]);
    assert!(said.contains(".json"), "{said}");
    assert!(said.contains("not known"), "{said}");
}
