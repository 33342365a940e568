//! Requests that concern the connection, clients and users, in the words that a redis-sentinel
//! 7.0.15 uses (spec §3.4).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use bartizan_wire::request::{
    AclCall, ClientCall, ClientFilter, ClientType, Local, PauseMode, ReplyMode, Request, Toggle,
};
use bartizan_wire::resp::Protocol;

use support::parse;

fn refused(line: &str, error: &str) {
    assert_eq!(parse(line), Err(format!("-{error}\r\n")), "{line}");
}

fn bytes(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
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
