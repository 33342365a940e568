//! The command table: what requests mean, and the errors they get, in the words that a
//! redis-sentinel 7.0.15 uses (spec §3).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use bartizan_core::addr::{Addr, Host};
use bartizan_core::ids::{Epoch, MasterName, RunId};
use bartizan_core::provide::command::{Ask, Command};
use bartizan_core::provide::query::Query;
use bartizan_wire::request::{
    AclCall, CATEGORIES, ClientCall, ClientFilter, ClientType, Local, PauseMode, ReplyMode,
    Request, Toggle, by_name, find, table,
};
use bartizan_wire::resp::{Frame, Protocol};

use support::{argv, parse, parse_words};

fn refused(line: &str, error: &str) {
    assert_eq!(parse(line), Err(format!("-{error}\r\n")), "{line}");
}

fn words(words: &[&str]) -> Vec<std::sync::Arc<str>> {
    words.iter().map(|word| (*word).into()).collect()
}

fn bytes(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

#[test]
fn unknown_commands_are_repeated_back() {
    refused(
        "GET x",
        "ERR unknown command 'GET', with args beginning with: 'x' ",
    );
    refused(
        "get x y",
        "ERR unknown command 'get', with args beginning with: 'x' 'y' ",
    );
    refused(
        "quit",
        "ERR unknown command 'quit', with args beginning with: ",
    );
    for line in [
        "RESET",
        "CONFIG GET x",
        "MULTI",
        "SELECT 0",
        "MONITOR",
        "sentinel|masters",
    ] {
        assert!(
            parse(line).unwrap_err().starts_with("-ERR unknown command"),
            "{line}"
        );
    }
    let x = "x".repeat(300);
    let cut = "x".repeat(128);
    refused(
        &format!("GET {x} {x}"),
        &format!("ERR unknown command 'GET', with args beginning with: '{cut}' "),
    );
    refused(
        &x,
        &format!("ERR unknown command '{cut}', with args beginning with: "),
    );
    let odd = vec![b"GET".to_vec(), b"x'y\r\ny\x00z".to_vec(), b"b".to_vec()];
    let error = "-ERR unknown command 'GET', with args beginning with: 'x'y  y' 'b' \r\n";
    assert_eq!(parse_words(&odd), Err(error.to_owned()));
}

#[test]
fn unknown_subcommands_point_to_help() {
    refused(
        "sentinel nope",
        "ERR unknown subcommand 'nope'. Try SENTINEL HELP.",
    );
    refused(
        "client no-touch on",
        "ERR unknown subcommand 'no-touch'. Try CLIENT HELP.",
    );
    refused("acl nope", "ERR unknown subcommand 'nope'. Try ACL HELP.");
    refused(
        "command nope",
        "ERR unknown subcommand 'nope'. Try COMMAND HELP.",
    );
    let x = "x".repeat(300);
    let cut = "x".repeat(128);
    refused(
        &format!("sentinel {x}"),
        &format!("ERR unknown subcommand '{cut}'. Try SENTINEL HELP."),
    );
}

#[test]
fn the_number_of_words_is_checked() {
    for (line, name) in [
        ("ping a b", "ping"),
        ("sentinel", "sentinel"),
        ("client", "client"),
        ("SENTINEL masters x", "sentinel|masters"),
        ("sentinel MASTER", "sentinel|master"),
        ("sentinel set a b", "sentinel|set"),
        ("sentinel config get", "sentinel|config"),
        ("client setname", "client|setname"),
        ("client no-evict", "client|no-evict"),
        ("command count x", "command|count"),
        ("command getkeys ping", "command|getkeys"),
        ("role x", "role"),
        ("auth", "auth"),
        ("psubscribe", "psubscribe"),
        ("acl setuser", "acl|setuser"),
    ] {
        refused(
            line,
            &format!("ERR wrong number of arguments for '{name}' command"),
        );
    }
}

#[test]
fn a_ping_of_too_many_words_is_found_first_so_that_noauth_can_come_before_it() {
    assert!(find(&argv("ping a b")).is_ok());
}

fn query(line: &str, query: Query) {
    assert_eq!(parse(line), Ok(Request::Query(query)), "{line}");
}

fn command(line: &str, command: Command) {
    assert_eq!(parse(line), Ok(Request::Command(command)), "{line}");
}

#[test]
fn questions_reach_the_core_under_each_of_their_names() {
    let name = || MasterName::new("m1");
    query("sentinel masters", Query::Masters);
    query("SENTINEL PRIMARIES", Query::Masters);
    query("sentinel master m1", Query::Master(name()));
    query("sentinel primary m1", Query::Master(name()));
    query("sentinel replicas m1", Query::Replicas(name()));
    query("sentinel slaves m1", Query::Replicas(name()));
    query("sentinel sentinels m1", Query::Sentinels(name()));
    query(
        "sentinel get-master-addr-by-name m1",
        Query::MasterAddr(name()),
    );
    query(
        "sentinel get-primary-addr-by-name m1",
        Query::MasterAddr(name()),
    );
    query("sentinel ckquorum m1", Query::CkQuorum(name()));
    query("sentinel myid", Query::MyId);
    query("role", Query::Role);
    query(
        "sentinel config get a* b",
        Query::ConfigGet(words(&["a*", "b"])),
    );
    query("sentinel debug", Query::DebugGet);
    query(
        "sentinel info-cache m1 m2",
        Query::InfoCache(vec![name(), MasterName::new("m2")]),
    );
    query("sentinel pending-scripts", Query::PendingScripts);
}

#[test]
fn commands_reach_the_core() {
    let name = || MasterName::new("m1");
    command("sentinel failover m1", Command::Failover { name: name() });
    command("sentinel remove m1", Command::Remove { name: name() });
    command(
        "sentinel reset m*",
        Command::Reset {
            pattern: "m*".into(),
        },
    );
    command("sentinel flushconfig", Command::FlushConfig);
    command(
        "sentinel set m1 quorum 2 x",
        Command::Set {
            name: name(),
            words: words(&["quorum", "2", "x"]),
        },
    );
    command(
        "sentinel config set announce-port 1",
        Command::ConfigSet {
            words: words(&["announce-port", "1"]),
        },
    );
    command(
        "sentinel config set announce-port",
        Command::ConfigSet {
            words: words(&["announce-port"]),
        },
    );
    command(
        "sentinel debug ping-period 5",
        Command::Debug {
            words: words(&["ping-period", "5"]),
        },
    );
    command(
        "sentinel simulate-failure help",
        Command::SimulateFailure {
            words: words(&["help"]),
        },
    );
    let lossy = vec![b"sentinel".to_vec(), b"reset".to_vec(), b"a\xff".to_vec()];
    let reset = Command::Reset {
        pattern: "a\u{fffd}".into(),
    };
    assert_eq!(parse_words(&lossy), Ok(Request::Command(reset)));
    refused(
        "sentinel config foo bar",
        "ERR Only SENTINEL CONFIG GET <param> [<param> <param> ...] \
        / SET <param> <value> [<param> <value> ...] are supported.",
    );
}

#[test]
fn monitor_checks_the_quorum_before_the_port() {
    for line in ["m h c d", "m h 1 d", "m h 1 1.5"] {
        refused(&format!("sentinel monitor {line}"), "ERR Invalid quorum");
    }
    for line in ["m h c 1", "m h 99999999999999999999 1", "m h +1 1"] {
        refused(&format!("sentinel monitor {line}"), "ERR Invalid port");
    }
    let monitor = |host, port, quorum| Command::Monitor {
        name: MasterName::new("m"),
        host,
        port,
        quorum,
    };
    command(
        "sentinel monitor m db 6379 2",
        monitor(Host::parse("db"), 6379, 2),
    );
    command("sentinel monitor m a,b -5 0", monitor(None, -5, 0));
}

#[test]
fn questions_about_a_master_being_down_are_read_strictly() {
    for line in [
        "a b c *",
        "a 1 c *",
        "a 1 +1 *",
        "a 1 99999999999999999999 *",
        "a 1 1.0 *",
    ] {
        refused(
            &format!("sentinel is-master-down-by-addr {line}"),
            "ERR value is not an integer or out of range",
        );
    }
    let id = "27bc0000000000000000000000000000000000ff";
    let ask = |addr: Option<(&str, u16)>, epoch: Option<u64>, candidate: &str| {
        Command::Ask(Ask {
            addr: addr.map(|(host, port)| Addr::new(Host::parse(host).unwrap(), port)),
            epoch: epoch.map(Epoch::new),
            candidate: RunId::parse(candidate.as_bytes()),
        })
    };
    let down = "sentinel is-master-down-by-addr";
    command(
        &format!("{down} a 1 2 {id}"),
        ask(Some(("a", 1)), Some(2), id),
    );
    command(
        "sentinel is-primary-down-by-addr ::1 1 0 *",
        ask(Some(("::1", 1)), Some(0), ""),
    );
    command(&format!("{down} a 99999 1 x"), ask(None, Some(1), ""));
    command(&format!("{down} a -5 1 *"), ask(None, Some(1), ""));
    command(&format!("{down} , 1 1 *"), ask(None, Some(1), ""));
    command(
        &format!("{down} a 1 -1 {id}"),
        ask(Some(("a", 1)), None, id),
    );
}

#[test]
fn only_hellos_can_be_published() {
    refused(
        "publish x y",
        "ERR Only HELLO messages are accepted by Sentinel instances.",
    );
    command(
        "publish __sentinel__:hello y",
        Command::Publish { hello: None },
    );
    let text = "127.0.0.1,20011,27bc0000000000000000000000000000000000ff,0,m,127.0.0.1,20000,0";
    let hello = bartizan_wire::hello::parse(text.as_bytes());
    assert!(hello.is_some());
    command(
        &format!("publish __sentinel__:hello {text}"),
        Command::Publish { hello },
    );
}

fn local(line: &str, local: Local) {
    assert_eq!(parse(line), Ok(Request::Local(local)), "{line}");
}

#[test]
fn connection_commands_reach_the_server() {
    local("PING", Local::Ping(None));
    local("ping x", Local::Ping(Some(b"x".to_vec())));
    local("info", Local::Info(vec![]));
    local(
        "info ALL Server",
        Local::Info(vec!["all".into(), "server".into()]),
    );
    local(
        "auth pw",
        Local::Auth {
            user: None,
            password: b"pw".to_vec(),
        },
    );
    local(
        "auth u pw",
        Local::Auth {
            user: Some(b"u".to_vec()),
            password: b"pw".to_vec(),
        },
    );
    refused("auth a b c", "ERR syntax error");
    local("subscribe a b", Local::Subscribe(bytes(&["a", "b"])));
    local("psubscribe a*", Local::PSubscribe(bytes(&["a*"])));
    local("unsubscribe", Local::Unsubscribe(vec![]));
    local("punsubscribe a", Local::PUnsubscribe(bytes(&["a"])));
}

#[test]
fn hello_reads_its_options() {
    let hello = |protocol, auth: Option<(&str, &str)>, name: Option<&str>| Local::Hello {
        protocol,
        auth: auth.map(|(user, password)| (user.into(), password.into())),
        name: name.map(Into::into),
    };
    local("hello", hello(None, None, None));
    local("HELLO 3", hello(Some(Protocol::Resp3), None, None));
    local(
        "hello 2 SETNAME n AUTH u p",
        hello(Some(Protocol::Resp2), Some(("u", "p")), Some("n")),
    );
    refused(
        "hello x",
        "ERR Protocol version is not an integer or out of range",
    );
    refused("hello 1", "NOPROTO unsupported protocol version");
    refused("hello 4 foo", "NOPROTO unsupported protocol version");
    refused("hello 2 foo", "ERR Syntax error in HELLO option 'foo'");
    refused("hello 2 auth a", "ERR Syntax error in HELLO option 'auth'");
    refused(
        "hello 2 setname",
        "ERR Syntax error in HELLO option 'setname'",
    );
    refused(
        "hello 2 setname a b",
        "ERR Syntax error in HELLO option 'b'",
    );
    refused(
        "hello 2 setname a\tb",
        "ERR Client names cannot contain spaces, newlines or special characters.",
    );
}

#[test]
fn shutdown_checks_its_words() {
    for line in ["shutdown", "shutdown nosave", "SHUTDOWN SAVE now FORCE"] {
        local(line, Local::Shutdown);
    }
    for line in [
        "shutdown foo",
        "shutdown nosave save",
        "shutdown abort now",
        "shutdown abort x",
    ] {
        refused(line, "ERR syntax error");
    }
    refused("shutdown abort", "ERR No shutdown in progress.");
    refused("shutdown abort abort", "ERR No shutdown in progress.");
}

fn client(line: &str, call: ClientCall) {
    local(&format!("client {line}"), Local::Client(call));
}

#[test]
fn client_subcommands_are_read() {
    client("setname n", ClientCall::SetName(b"n".to_vec()));
    client("getname", ClientCall::GetName);
    client("id", ClientCall::Id);
    client("info", ClientCall::Info);
    let info = |attribute| ClientCall::SetInfo {
        attribute,
        value: b"x".to_vec(),
    };
    client("SETINFO LIB-NAME x", info("lib-name"));
    client("setinfo lib-ver x", info("lib-ver"));
    client("no-evict ON", ClientCall::NoEvict(Toggle::On));
    client("no-evict off", ClientCall::NoEvict(Toggle::Off));
    client("reply on", ClientCall::Reply(ReplyMode::On));
    client("reply off", ClientCall::Reply(ReplyMode::Off));
    client("reply skip", ClientCall::Reply(ReplyMode::Skip));
    client(
        "pause 5",
        ClientCall::Pause {
            ms: 5,
            mode: PauseMode::All,
        },
    );
    client(
        "pause 5 write",
        ClientCall::Pause {
            ms: 5,
            mode: PauseMode::Write,
        },
    );
    client("unpause", ClientCall::Unpause);
    for line in [
        "no-evict x",
        "reply x",
        "tracking x",
        "tracking on foo",
        "list foo",
        "list foo bar",
    ] {
        refused(&format!("client {line}"), "ERR syntax error");
    }
    refused(
        "client setname \u{ff}",
        "ERR Client names cannot contain spaces, newlines or special characters.",
    );
    refused("client setinfo foo x", "ERR Unrecognized option 'foo'");
    refused(
        "client pause x",
        "ERR timeout is not an integer or out of range",
    );
    refused(
        "client pause 1 x",
        "ERR CLIENT PAUSE mode must be WRITE or ALL",
    );
    refused(
        "client unblock x",
        "ERR value is not an integer or out of range",
    );
    refused(
        "client unblock 1 x",
        "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR",
    );
}

#[test]
fn client_list_and_kill_read_their_filters() {
    let default = ClientFilter::default;
    client("list", ClientCall::List(default()));
    let pubsub = ClientFilter {
        kind: Some(ClientType::PubSub),
        ..default()
    };
    client("list TYPE pubsub", ClientCall::List(pubsub));
    client(
        "list id 1 2",
        ClientCall::List(ClientFilter {
            ids: vec![1, 2],
            ..default()
        }),
    );
    refused("client list type x", "ERR Unknown client type 'x'");
    refused("client list id x", "ERR Invalid client ID");
    refused("client list id", "ERR syntax error");

    let old = ClientFilter {
        addr: Some(b"1.2.3.4:5".to_vec()),
        single: true,
        ..default()
    };
    client("kill 1.2.3.4:5", ClientCall::Kill(old));
    let all = ClientFilter {
        ids: vec![5],
        kind: Some(ClientType::Normal),
        addr: Some(b"a:1".to_vec()),
        laddr: Some(b"b:2".to_vec()),
        user: Some(b"u".to_vec()),
        skip_me: false,
        single: false,
    };
    client(
        "kill id 5 type NORMAL addr a:1 laddr b:2 user u skipme no",
        ClientCall::Kill(all),
    );
    let kind = ClientFilter {
        kind: Some(ClientType::Replica),
        skip_me: true,
        ..default()
    };
    client("kill type slave", ClientCall::Kill(kind));
    refused("client kill type x", "ERR Unknown client type 'x'");
    for line in ["id x", "id 0", "id -1"] {
        refused(
            &format!("client kill {line}"),
            "ERR client-id should be greater than 0",
        );
    }
    for line in [
        "id 5 foo",
        "user default skipme maybe",
        "foo bar",
        "maxage 5",
    ] {
        refused(&format!("client kill {line}"), "ERR syntax error");
    }
}

#[test]
fn acl_subcommands_are_read() {
    let acl = |line: &str, call| local(&format!("acl {line}"), Local::Acl(call));
    acl("whoami", AclCall::WhoAmI);
    acl("users", AclCall::Users);
    acl("list", AclCall::List);
    acl("load", AclCall::Load);
    acl("save", AclCall::Save);
    acl("getuser u", AclCall::GetUser(b"u".to_vec()));
    acl(
        "setuser u on +@all",
        AclCall::SetUser {
            name: b"u".to_vec(),
            rules: bytes(&["on", "+@all"]),
        },
    );
    acl("deluser a b", AclCall::DelUser(bytes(&["a", "b"])));
    acl("genpass", AclCall::GenPass(256));
    acl("genpass 5", AclCall::GenPass(5));
    acl("log", AclCall::Log(None));
    acl("log 3", AclCall::Log(Some(3)));
    acl("log -5", AclCall::Log(Some(0)));
    acl("log RESET", AclCall::LogReset);
    acl(
        "dryrun u ping x",
        AclCall::DryRun {
            name: b"u".to_vec(),
            argv: bytes(&["ping", "x"]),
        },
    );
    refused("acl cat nope", "ERR Unknown category 'nope'");
    for sub in ["cat", "genpass", "log"] {
        refused(
            &format!("acl {sub} 1 2"),
            &format!(
                "ERR unknown subcommand or wrong number of arguments for '{sub}'. Try ACL HELP."
            ),
        );
    }
    for bits in ["0", "5000", "-1"] {
        refused(
            &format!("acl genpass {bits}"),
            "ERR ACL GENPASS argument must be the number of \
            bits for the output password, a positive number up to 4096",
        );
    }
    refused(
        "acl genpass x",
        "ERR value is not an integer or out of range",
    );
    refused("acl log x", "ERR value is not an integer or out of range");
}

fn answered(line: &str) -> Frame {
    match parse(line) {
        Ok(Request::Answered(frame)) => frame,
        other => panic!("{line}: {other:?}"),
    }
}

fn strings(frame: Frame) -> Vec<String> {
    let Frame::Array(items) = frame else {
        panic!("{frame:?}")
    };
    items
        .into_iter()
        .map(|item| match item {
            Frame::Bulk(text) | Frame::Simple(text) => String::from_utf8(text).unwrap(),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn the_table_has_the_commands_of_a_sentinel() {
    assert_eq!(answered("command count"), Frame::Integer(15));
    let names = strings(answered("command list"));
    assert_eq!(names.len(), 73, "72 of 7.0 and client|setinfo");
    for (at, spec) in table().enumerate() {
        let twin = by_name(spec.name.to_uppercase().as_bytes()).unwrap();
        assert!(core::ptr::eq(spec, twin), "{} is there twice", spec.name);
        if let Some((container, _)) = spec.subcommand() {
            assert!(table().position(|spec| spec.name == container).unwrap() < at);
        }
        for category in spec.categories {
            assert!(CATEGORIES.contains(&category.strip_prefix('@').unwrap()));
        }
        assert!(spec.categories.contains(&"@fast") != spec.categories.contains(&"@slow"));
    }
}

#[test]
fn what_is_open_to_strangers_and_subscribers_is_known() {
    let of = |fits: fn(&bartizan_wire::request::Spec) -> bool| -> Vec<&str> {
        table()
            .filter(|spec| fits(spec))
            .map(|spec| spec.name)
            .collect()
    };
    assert_eq!(of(|spec| spec.no_auth), ["auth", "hello"]);
    assert_eq!(
        of(|spec| spec.while_subscribed),
        [
            "ping",
            "psubscribe",
            "punsubscribe",
            "subscribe",
            "unsubscribe"
        ]
    );
}

#[test]
fn command_list_can_be_filtered() {
    let count = |line: &str| strings(answered(line)).len();
    assert_eq!(count("command list filterby module x"), 0);
    assert_eq!(count("command list filterby ACLCAT admin"), 38);
    assert_eq!(count("command list filterby aclcat nope"), 0);
    assert_eq!(count("command list filterby pattern s*"), 24);
    refused("command list filterby x", "ERR syntax error");
    refused("command list filterby x y", "ERR syntax error");
    refused("command list a b c", "ERR syntax error");
}

#[test]
fn command_info_describes_and_says_null_for_the_unknown() {
    let Frame::Array(entries) = answered("command info nope ping sentinel") else {
        panic!()
    };
    assert_eq!(entries[0], Frame::Null);
    let Frame::Array(ping) = &entries[1] else {
        panic!()
    };
    assert_eq!(ping.len(), 10);
    assert_eq!(
        ping[..3],
        [
            Frame::bulk("ping"),
            Frame::Integer(-1),
            Frame::Set(vec![Frame::simple("fast")]),
        ]
    );
    let Frame::Array(sentinel) = &entries[2] else {
        panic!()
    };
    assert_eq!(sentinel[1], Frame::Integer(-2));
    assert_eq!(
        sentinel[6],
        Frame::Set(
            ["@admin", "@slow", "@dangerous"]
                .map(Frame::simple)
                .to_vec()
        )
    );
    let Frame::Array(subcommands) = &sentinel[9] else {
        panic!()
    };
    assert_eq!(subcommands.len(), 21);
    let Frame::Array(all) = answered("command") else {
        panic!()
    };
    assert_eq!(all.len(), 15);
}

#[test]
fn command_docs_leaves_the_unknown_out() {
    let Frame::Map(docs) = answered("command docs ping nope") else {
        panic!()
    };
    assert_eq!(docs.len(), 1);
    assert_eq!(docs[0].0, Frame::bulk("ping"));
    let Frame::Map(docs) = answered("command docs") else {
        panic!()
    };
    assert_eq!(docs.len(), 15);
}

#[test]
fn keys_are_found_in_no_command() {
    refused("command getkeys get x", "ERR Invalid command specified");
    refused(
        "command getkeys ping x",
        "ERR The command has no key arguments",
    );
}

#[test]
fn acl_cat_lists_the_categories_and_their_commands() {
    assert_eq!(strings(answered("acl cat")), CATEGORIES);
    let connection = strings(answered("acl cat CONNECTION"));
    assert_eq!(connection.len(), 28, "27 of 7.0 and client|setinfo");
    assert_eq!(strings(answered("acl cat keyspace")), [""; 0]);
}

#[test]
fn help_names_every_subcommand() {
    for container in ["sentinel", "client", "acl", "command"] {
        let lines = strings(answered(&format!("{container} help")));
        let upper = container.to_uppercase();
        assert_eq!(
            lines[0],
            format!("{upper} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
        );
        assert_eq!(lines[lines.len() - 2], "HELP");
        assert!(lines[lines.len() - 1].starts_with("    "));
        for spec in table().filter(|spec| spec.subcommand().is_some_and(|(of, _)| of == container))
        {
            let sub = spec.subcommand().unwrap().1.to_uppercase();
            let named = lines
                .iter()
                .any(|line| line.split(' ').next() == Some(&sub));
            assert!(named || sub == "SLAVES", "{container} {sub}");
        }
    }
    assert_eq!(strings(answered("sentinel help")).len(), 49);
}

#[test]
fn tracking_is_accepted_without_effect() {
    assert_eq!(
        answered("client tracking on bcast prefix a noloop"),
        Frame::simple("OK")
    );
    assert_eq!(answered("client getredir"), Frame::Integer(-1));
    assert_eq!(answered("client unblock 1 error"), Frame::Integer(0));
    assert!(matches!(answered("client trackinginfo"), Frame::Map(_)));
    refused(
        "client caching yes",
        "ERR CLIENT CACHING can be called only when the client is in \
        tracking mode with OPTIN or OPTOUT mode enabled",
    );
}
