//! Rescues where nobody knows which database the first commands are for.

use super::*;

/// Writes into a database other than the first, of about eighty bytes each.
fn write_into(server: &Server, database: u32, keys: std::ops::Range<usize>) {
    for n in keys {
        let script =
            format!("redis.call('select', {database}) redis.call('set', KEYS[1], ARGV[1])");
        server.ask_words(&["EVAL", &script, "1", &format!("k{n}"), &"x".repeat(50)]);
    }
}

/// A master with two databases in use whose small backlog has no SELECT before the fork.
fn split() -> Split {
    let (old, new) = (
        Server::start(&["--repl-backlog-size 16kb"]),
        Server::start(&[]),
    );
    old.ask("SET a 1");
    new.follow(&old);
    // Redis keeps whole blocks of its backlog, and so more than it is told to.
    write_into(&old, 3, 0..1500);
    eventually(|| new.history().offset == old.history().offset);
    new.ask("REPLICAOF NO ONE");
    let fork = new.history().before.unwrap();
    assert!(old.history().kept_from.unwrap() > 20_000);
    Split {
        old,
        new,
        fork,
        dir: tempfile::tempdir().unwrap(),
    }
}

fn unplaced(split: &Split) -> PathBuf {
    let files = split.files();
    let name = files.iter().find(|name| name.ends_with(".unplaced.resp"));
    split.dir.path().join("rescue").join(name.unwrap())
}

fn said(words: &[&str]) -> anyhow::Result<crate::exit::Exit> {
    command::run(
        &words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>(),
    )
}

#[test]
fn commands_whose_database_is_not_known_are_in_a_file_of_their_own_without_a_select() {
    let split = split();
    write_into(&split.old, 3, 2000..2020);
    split.old.ask("SET b 1");
    write_into(&split.old, 3, 3000..3001);
    let (file, why) = partly(split.rescue(&split.order(RescueMode::Stream), None));
    let file = file.expect("what can be placed is in a file");
    let apart = unplaced(&split);
    let name = apart.file_name().unwrap().to_str().unwrap();
    assert_eq!(
        why,
        format!("the database of the first 20 commands is not known; they are in {name}")
    );
    let text = std::fs::read_to_string(&apart).unwrap();
    assert!(!text.contains("SELECT"));
    assert_eq!(text.matches("\r\nset\r\n").count(), 20);
    let sheet = sheet(&file);
    assert_eq!(sheet.unplaced.as_deref(), Some(name));
    assert!(!sheet.complete);
    assert_eq!((sheet.tally.commands, sheet.end), (2, sheet.server_end));

    // Both files know what they belong to.
    let of_one = command::show(&file).unwrap();
    assert!(of_one.contains(name), "{of_one}");
    assert_eq!(command::show(&apart).unwrap(), of_one);
    let listed = command::list(&split.dir.path().join("rescue")).unwrap();
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert!(
        listed.contains("INCOMPLETE") && listed.contains(name),
        "{listed}"
    );

    // It is not played into a database that nobody chose.
    let to = format!("127.0.0.1:{}", split.new.port);
    let before = split.new.digest();
    let path = apart.display().to_string();
    let refused = said(&["replay", &path, "--to", &to])
        .unwrap_err()
        .to_string();
    assert!(refused.contains("put a SELECT in front"), "{refused}");
    assert_eq!(split.new.digest(), before);
    let chosen = split.dir.path().join("chosen.resp");
    std::fs::write(&chosen, format!("*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n{text}")).unwrap();
    for file in [&chosen, &file] {
        call(&["replay", &file.display().to_string(), "--to", &to]);
    }
    assert_eq!(split.new.digest(), split.old.digest());
}

#[test]
fn where_no_command_can_be_placed_the_file_without_a_select_is_the_one_that_is_told() {
    let split = split();
    write_into(&split.old, 3, 2000..2020);
    let (file, why) = partly(split.rescue(&split.order(RescueMode::Stream), None));
    let apart = unplaced(&split);
    assert_eq!(file.as_ref(), Some(&apart));
    assert!(why.contains("the first 20 commands"), "{why}");
    let listed = command::list(&split.dir.path().join("rescue")).unwrap();
    let name = apart.file_name().unwrap().to_str().unwrap();
    assert!(
        listed.contains(name) && !listed.contains("no file"),
        "{listed}"
    );
    assert!(command::show(&apart).unwrap().contains(name));
}
