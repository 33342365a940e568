//! Rescues where something is in the way: a login, a link that drops, a full disk.

use std::net::SocketAddr;
use std::thread;

use bartizan_core::provide::options::{Credentials, Secret};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::*;

/// Writes of about a hundred bytes each.
fn write_on(server: &Server, count: usize) {
    for n in 0..count {
        server.ask_words(&["SET", &format!("k{n}"), &"x".repeat(60)]);
    }
}

/// A way to a server that breaks down when the server has sent so many bytes in all.
fn breaking_after(bytes: usize, port: u16) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let at = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut left = bytes;
        for client in listener.incoming() {
            let Ok(mut client) = client else { return };
            let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let mut server = TcpStream::connect(server).unwrap();
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut from, &mut to));
            let mut chunk = [0; 1000];
            while left > 0 {
                let most = left.min(chunk.len());
                let Ok(count @ 1..) = server.read(&mut chunk[..most]) else {
                    break;
                };
                left -= count;
                let _ = client.write_all(&chunk[..count]);
            }
            let _ = client.shutdown(std::net::Shutdown::Both);
            let _ = server.shutdown(std::net::Shutdown::Both);
        }
    });
    at
}

#[test]
fn a_server_that_asks_for_a_user_and_a_password_is_rescued_with_them_and_not_without() {
    let split = Split::begin(&[], &["SET a 1"]);
    write_on(&split.old, 10);
    let user = "ACL SETUSER saver on >secret -@all +info +psync +replconf +ping";
    split.old.ask(user);
    split.old.ask("ACL SETUSER default -psync");
    let mut order = split.order(RescueMode::Stream);
    let (_, why) = partly(split.rescue(&order, None));
    assert!(why.contains("NOPERM"), "{why}");
    let login = |password: &str| {
        Some(Credentials {
            user: Some(Arc::from("saver")),
            password: Secret::new(password),
        })
    };
    order.auth = login("wrong");
    let (_, why) = partly(split.rescue(&order, None));
    assert!(
        why.contains("WRONGPASS") && !why.contains("wrong "),
        "{why}"
    );
    order.auth = login("secret");
    let (file, commands) = whole(&split.rescue(&order, None));
    assert_eq!(commands, 10);
    pipe(&file, &split.new);
    assert_eq!(split.new.digest(), split.old.digest());
}

#[test]
fn what_came_before_the_link_dropped_is_saved_and_the_rest_is_told_to_be_missing() {
    let split = Split::begin(&[], &["SET a 1"]);
    write_on(&split.old, 600);
    let mut order = split.order(RescueMode::Stream);
    order.addr.port = breaking_after(30_000, split.old.port);
    let (file, why) = partly(split.rescue(&order, None));
    assert!(why.contains("closed"), "{why}");
    let file = file.expect("a part was saved");
    let sheet = sheet(&file);
    assert!(!sheet.complete && sheet.end < sheet.server_end, "{sheet:?}");
    assert!((1..600).contains(&sheet.tally.commands), "{sheet:?}");
    // It ends with a whole command.
    pipe(&file, &split.new);
    let keys = split.new.ask("DBSIZE");
    let all = i64::try_from(sheet.tally.commands).unwrap() + 1;
    assert_eq!(keys, Frame::Integer(all));
}

#[test]
fn a_full_disk_ends_a_file_where_it_is_whole_and_that_is_told() {
    let split = Split::begin(&[], &["SET a 1"]);
    write_on(&split.old, 2000);
    let order = split.order(RescueMode::Stream);
    let dir = split.dir.path().join("rescue");
    std::fs::create_dir(&dir).unwrap();
    // A small disk of its own, which only this thread sees.
    let small = || -> nix::Result<()> {
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_FS)?;
        let none = None::<&str>;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(none, "/", none, private, none)?;
        mount(
            none,
            &dir,
            Some("tmpfs"),
            MsFlags::empty(),
            Some("size=64k"),
        )
    };
    thread::scope(|scope| {
        let work = scope.spawn(|| {
            if let Err(errno) = small() {
                return eprintln!("skipped: no small disk can be made here: {errno}");
            }
            let (file, why) = partly(split.rescue(&order, None));
            assert!(why.to_lowercase().contains("space"), "{why}");
            if let Some(file) = file {
                let keys = std::fs::metadata(&file).unwrap().len();
                assert!(keys > 0 && keys <= 64 << 10, "{keys}");
                pipe(&file, &split.new);
            }
        });
        work.join().unwrap();
    });
}

/// A Sentinel that has yet to hear of the switch takes everybody in its master's list of replicas
/// for one of the group, for ever: it would know a replica with port 0.
#[test]
fn a_server_lists_whoever_rescues_as_the_master_that_the_group_has_now() {
    let split = Split::begin(&[], &["SET a 1"]);
    split.old.ask("SET b 1");
    let order = split.order(RescueMode::Stream);
    let way = split.surroundings().way().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (conn, info) = runtime.block_on(carry_out::look(&order, &way)).unwrap();
    let range = range::Range::of(&order, info.history.as_ref()).unwrap();
    let mut conn = conn;
    let asked = carry_out::ask(&mut conn, Some(&order.heir), &range);
    runtime.block_on(asked).unwrap();
    let Frame::Bulk(text) = split.old.ask("INFO replication") else {
        panic!("no INFO");
    };
    let listed = bartizan_wire::info::parse(&text).replicas;
    assert_eq!(listed, [order.heir], "{}", String::from_utf8_lossy(&text));
}
