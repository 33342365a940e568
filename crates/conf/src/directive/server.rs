//! Directives about the process itself: one row each (spec §1.3).

use crate::directive::number;
use crate::line::Fault;
use crate::server::{Choice, ServerOptions as S, UserLine};
use crate::title::TitleTemplate;

/// One directive.
pub(crate) struct Row {
    /// The canonical name, in lower case.
    pub(crate) name: &'static str,
    /// What it takes and where it goes.
    pub(crate) value: Value,
    /// One line for people.
    pub(crate) doc: &'static str,
    /// A line that is right.
    pub(crate) example: &'static str,
}

/// What a directive takes, and the field it sets. The same accessor loads and renders.
pub(crate) enum Value {
    /// `yes` or `no`.
    YesNo(fn(&mut S) -> &mut bool),
    /// A TCP port.
    Port(fn(&mut S) -> &mut u16),
    /// A whole number between two bounds.
    Number(u32, u32, fn(&mut S) -> &mut u32),
    /// Any text.
    Text(fn(&mut S) -> &mut String),
    /// Any text; empty is unset.
    Optional(fn(&mut S) -> &mut Option<String>),
    /// One of a few words.
    Word(fn(&mut S) -> &mut dyn Choice),
    /// Something of its own: how to load the arguments of a line, and the arguments of the
    /// lines that say the same.
    Own(
        fn(&mut S, &[&str]) -> Result<(), Fault>,
        fn(&S) -> Vec<Vec<String>>,
    ),
}

/// The row of `name`, which is in lower case.
pub(crate) fn find(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}

impl Row {
    /// Takes the arguments of one line.
    pub(crate) fn load(&self, server: &mut S, args: &[&str]) -> Result<(), Fault> {
        let help = || format!("{}; for example `{}`", self.doc, self.example);
        if let Value::Own(load, _) = &self.value {
            return load(server, args).map_err(|mut fault| {
                if fault.help.is_empty() {
                    fault.help = help();
                }
                fault
            });
        }
        let &[arg] = args else {
            return Err(Fault::line("wrong number of arguments", help()));
        };
        self.set(server, arg)
            .map_err(|message| Fault::at(0, message, help()))
    }

    /// The arguments of the lines that say what `server` says.
    pub(crate) fn lines(&self, server: &S) -> Vec<Vec<String>> {
        // The accessors are written once, for changing; reading goes through a copy.
        let mut copy = server.clone();
        let one = |word: String| vec![vec![word]];
        match &self.value {
            Value::YesNo(field) => one(yes_no(*field(&mut copy)).to_owned()),
            Value::Port(field) => one(field(&mut copy).to_string()),
            Value::Number(_, _, field) => one(field(&mut copy).to_string()),
            Value::Text(field) => one(field(&mut copy).clone()),
            Value::Optional(field) => one(field(&mut copy).clone().unwrap_or_default()),
            Value::Word(field) => one(field(&mut copy).current().to_owned()),
            Value::Own(_, lines) => lines(server),
        }
    }

    /// Takes the value of a directive that has one. The error is Redis's message.
    fn set(&self, server: &mut S, arg: &str) -> Result<(), String> {
        match &self.value {
            Value::YesNo(field) => *field(server) = read_yes_no(arg)?,
            Value::Port(field) => *field(server) = port(arg)?,
            Value::Number(min, max, field) => {
                *field(server) = u32::try_from(between(arg, *min, *max)?).unwrap_or(*max);
            }
            Value::Text(field) => arg.clone_into(field(server)),
            Value::Optional(field) => {
                *field(server) = (!arg.is_empty()).then(|| arg.to_owned());
            }
            Value::Word(field) => {
                let field = field(server);
                if !field.choose(arg) {
                    let words = field.all().join(", ");
                    return Err(format!("argument(s) must be one of the following: {words}"));
                }
            }
            Value::Own(..) => {}
        }
        Ok(())
    }
}

/// `yes` or `no`.
pub(crate) const fn yes_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

fn read_yes_no(arg: &str) -> Result<bool, String> {
    match arg.to_ascii_lowercase().as_str() {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("argument must be 'yes' or 'no'".to_owned()),
    }
}

fn between(arg: &str, min: u32, max: u32) -> Result<i128, String> {
    let number = number::strict(arg)
        .ok_or_else(|| "argument couldn't be parsed into an integer".to_owned())?;
    if (i128::from(min)..=i128::from(max)).contains(&number) {
        Ok(number)
    } else {
        Err(format!(
            "argument must be between {min} and {max} inclusive"
        ))
    }
}

fn port(arg: &str) -> Result<u16, String> {
    Ok(u16::try_from(between(arg, 0, u32::from(u16::MAX))?).unwrap_or_default())
}

fn bind(server: &mut S, args: &[&str]) -> Result<(), Fault> {
    const MOST: usize = 16;
    if args.len() > MOST {
        return Err(Fault::at(MOST, "Too many bind addresses specified.", ""));
    }
    server.bind = args
        .iter()
        .filter(|arg| !arg.is_empty())
        .map(|arg| (*arg).to_owned())
        .collect();
    Ok(())
}

fn bind_lines(server: &S) -> Vec<Vec<String>> {
    if server.bind.is_empty() {
        vec![vec![String::new()]]
    } else {
        vec![server.bind.clone()]
    }
}

fn socket_mode(server: &mut S, args: &[&str]) -> Result<(), Fault> {
    let &[arg] = args else {
        return Err(Fault::line("wrong number of arguments", ""));
    };
    match u32::from_str_radix(arg, 8) {
        Ok(mode) if mode <= 0o777 && !arg.starts_with('+') => server.unixsocket_mode = mode,
        Ok(_) => {
            return Err(Fault::at(
                0,
                "argument must be between 0 and 777 inclusive",
                "",
            ));
        }
        Err(_) => {
            return Err(Fault::at(
                0,
                "argument couldn't be parsed as an octal number",
                "",
            ));
        }
    }
    Ok(())
}

fn socket_mode_lines(server: &S) -> Vec<Vec<String>> {
    vec![vec![format!("{:o}", server.unixsocket_mode)]]
}

fn user(server: &mut S, args: &[&str]) -> Result<(), Fault> {
    let Some((name, rules)) = args.split_first() else {
        return Err(Fault::line(
            "Bad directive or wrong number of arguments",
            "",
        ));
    };
    if server.users.iter().any(|user| user.name == *name) {
        let message = format!(
            "Error in user declaration '{name}': Duplicate user found. A user can only be \
             defined once in config files"
        );
        return Err(Fault::at(0, message, "put all rules of a user on one line"));
    }
    let rules = rules.iter().map(|rule| (*rule).to_owned()).collect();
    server.users.push(UserLine {
        name: (*name).to_owned(),
        rules,
    });
    Ok(())
}

fn user_lines(server: &S) -> Vec<Vec<String>> {
    let line = |user: &UserLine| {
        core::iter::once(&user.name)
            .chain(&user.rules)
            .cloned()
            .collect::<Vec<_>>()
    };
    server.users.iter().map(line).collect()
}

/// The commands of a Sentinel, which `rename-command` may name.
const COMMANDS: &[&str] = &[
    "ACL",
    "AUTH",
    "CLIENT",
    "COMMAND",
    "HELLO",
    "INFO",
    "PING",
    "PSUBSCRIBE",
    "PUBLISH",
    "PUNSUBSCRIBE",
    "QUIT",
    "RESET",
    "ROLE",
    "SENTINEL",
    "SHUTDOWN",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
];

fn rename(server: &mut S, args: &[&str]) -> Result<(), Fault> {
    let &[old, new] = args else {
        return Err(Fault::line(
            "Bad directive or wrong number of arguments",
            "",
        ));
    };
    let old = old.to_ascii_uppercase();
    let taken = server.renamed_commands.get(&old);
    if !COMMANDS.contains(&old.as_str()) || taken.is_some_and(|to| to != new) {
        let help = format!(
            "a command of a Sentinel, named once: {}",
            COMMANDS.join(" ")
        );
        return Err(Fault::at(0, "No such command in rename-command", help));
    }
    server.renamed_commands.insert(old, new.to_owned());
    Ok(())
}

fn rename_lines(server: &S) -> Vec<Vec<String>> {
    server
        .renamed_commands
        .iter()
        .map(|(old, new)| vec![old.clone(), new.clone()])
        .collect()
}

fn title(server: &mut S, args: &[&str]) -> Result<(), Fault> {
    let &[text] = args else {
        return Err(Fault::line("wrong number of arguments", ""));
    };
    let invalid = "template format is invalid or contains unknown variables";
    server.proc_title_template =
        TitleTemplate::parse(text).ok_or_else(|| Fault::at(0, invalid, ""))?;
    Ok(())
}

fn title_lines(server: &S) -> Vec<Vec<String>> {
    vec![vec![server.proc_title_template.text().to_owned()]]
}

macro_rules! rows {
    ($($name:literal $value:expr, $doc:literal, $example:literal;)*) => {
        &[$(Row { name: $name, value: $value, doc: $doc, example: $example },)*]
    };
}

const INT_MAX: u32 = i32::MAX.unsigned_abs();

/// Every directive that means something here.
pub(crate) const ROWS: &[Row] = rows! {
    "port" Value::Port(|s| &mut s.port), "the TCP port to listen on, 0 for none", "port 26379";
    "bind" Value::Own(bind, bind_lines), "addresses to listen on", "bind 127.0.0.1 -::1";
    "bind-source-addr" Value::Optional(|s| &mut s.bind_source_addr),
        "the local address of outgoing links", "bind-source-addr 10.0.0.1";
    "unixsocket" Value::Optional(|s| &mut s.unixsocket),
        "a socket to listen on as well", "unixsocket /run/bartizan.sock";
    "unixsocketperm" Value::Own(socket_mode, socket_mode_lines),
        "the mode of the socket, in octal", "unixsocketperm 700";
    "protected-mode" Value::YesNo(|s| &mut s.protected_mode),
        "refuse strangers while no password is set", "protected-mode no";
    "tcp-backlog" Value::Number(0, INT_MAX, |s| &mut s.tcp_backlog),
        "connections that may wait", "tcp-backlog 511";
    "tcp-keepalive" Value::Number(0, INT_MAX, |s| &mut s.tcp_keepalive_secs),
        "seconds between probes, 0 for none", "tcp-keepalive 300";
    "timeout" Value::Number(0, INT_MAX, |s| &mut s.timeout_secs),
        "seconds until an idle client is closed, 0 for never", "timeout 0";
    "maxclients" Value::Number(1, u32::MAX, |s| &mut s.maxclients),
        "clients at a time", "maxclients 10000";
    "requirepass" Value::Optional(|s| &mut s.requirepass),
        "the password of the default user; one with spaces in double quotes",
        "requirepass \"my password\"";
    "user" Value::Own(user, user_lines),
        "a user and its rules", "user app on >password ~* &* +@all";
    "aclfile" Value::Optional(|s| &mut s.aclfile),
        "a file of users", "aclfile /etc/bartizan/users.acl";
    "acllog-max-len" Value::Number(0, u32::MAX, |s| &mut s.acllog_max_len),
        "entries of ACL LOG", "acllog-max-len 128";
    "acl-pubsub-default" Value::Word(|s| &mut s.acl_pubsub_default),
        "the channels a new user starts with", "acl-pubsub-default resetchannels";
    "loglevel" Value::Word(|s| &mut s.loglevel),
        "the least important line that is written", "loglevel notice";
    "logfile" Value::Text(|s| &mut s.logfile),
        "where the log goes; \"\" is standard output", "logfile /var/log/bartizan.log";
    "syslog-enabled" Value::YesNo(|s| &mut s.syslog_enabled),
        "log to syslog as well", "syslog-enabled no";
    "syslog-ident" Value::Text(|s| &mut s.syslog_ident),
        "our name in syslog", "syslog-ident sentinel";
    "syslog-facility" Value::Word(|s| &mut s.syslog_facility),
        "the facility in syslog", "syslog-facility local0";
    "log-format" Value::Word(|s| &mut s.log_format),
        "the form of a log line", "log-format logfmt";
    "log-timestamp-format" Value::Word(|s| &mut s.log_timestamps),
        "the form of the time in a log line", "log-timestamp-format iso8601";
    "daemonize" Value::YesNo(|s| &mut s.daemonize),
        "go to the background", "daemonize no";
    "pidfile" Value::Optional(|s| &mut s.pidfile),
        "a file for the process id", "pidfile /run/bartizan.pid";
    "supervised" Value::Word(|s| &mut s.supervised),
        "who hears that we are ready", "supervised systemd";
    "set-proc-title" Value::YesNo(|s| &mut s.set_proc_title),
        "change the title of the process", "set-proc-title yes";
    "proc-title-template" Value::Own(title, title_lines),
        "the title of the process", "proc-title-template \"{title} {listen-addr} {server-mode}\"";
    "dir" Value::Optional(|s| &mut s.dir),
        "the directory to work in; it has to exist", "dir /var/lib/bartizan";
    "rename-command" Value::Own(rename, rename_lines),
        "a new name for one of our commands, \"\" to take it away", "rename-command SHUTDOWN \"\"";
    "tls-port" Value::Port(|s| &mut s.tls.port), "the TLS port to listen on", "tls-port 26380";
    "tls-cert-file" Value::Optional(|s| &mut s.tls.own.cert_file), "our certificate", "tls-cert-file /etc/tls/sentinel.crt";
    "tls-key-file" Value::Optional(|s| &mut s.tls.own.key_file), "the key of our certificate", "tls-key-file /etc/tls/sentinel.key";
    "tls-key-file-pass" Value::Optional(|s| &mut s.tls.own.key_pass), "the password of the key", "tls-key-file-pass secret";
    "tls-client-cert-file" Value::Optional(|s| &mut s.tls.client.cert_file),
        "our certificate on outgoing links", "tls-client-cert-file /etc/tls/client.crt";
    "tls-client-key-file" Value::Optional(|s| &mut s.tls.client.key_file), "its key", "tls-client-key-file /etc/tls/client.key";
    "tls-client-key-file-pass" Value::Optional(|s| &mut s.tls.client.key_pass),
        "the password of that key", "tls-client-key-file-pass secret";
    "tls-dh-params-file" Value::Optional(|s| &mut s.tls.dh_params_file), "DH parameters, unused", "tls-dh-params-file /etc/tls/dh.pem";
    "tls-ca-cert-file" Value::Optional(|s| &mut s.tls.ca_file), "whom to trust", "tls-ca-cert-file /etc/tls/ca.crt";
    "tls-ca-cert-dir" Value::Optional(|s| &mut s.tls.ca_dir), "whom to trust, a directory", "tls-ca-cert-dir /etc/ssl/certs";
    "tls-auth-clients" Value::Word(|s| &mut s.tls.auth_clients),
        "whether clients show a certificate: yes, no or optional", "tls-auth-clients optional";
    "tls-auth-clients-user" Value::Word(|s| &mut s.tls.auth_clients_user),
        "where a client's certificate names its user: CN, URI or off", "tls-auth-clients-user CN";
    "tls-replication" Value::YesNo(|s| &mut s.tls.replication), "TLS on every outgoing link", "tls-replication yes";
    "tls-cluster" Value::YesNo(|s| &mut s.tls.cluster), "unused here", "tls-cluster no";
    "tls-protocols" Value::Optional(|s| &mut s.tls.protocols), "versions of TLS", "tls-protocols \"TLSv1.2 TLSv1.3\"";
    "tls-ciphers" Value::Optional(|s| &mut s.tls.ciphers), "cipher suites up to TLS 1.2", "tls-ciphers DEFAULT:!MEDIUM";
    "tls-ciphersuites" Value::Optional(|s| &mut s.tls.ciphersuites),
        "cipher suites of TLS 1.3", "tls-ciphersuites TLS_AES_128_GCM_SHA256";
    "tls-prefer-server-ciphers" Value::YesNo(|s| &mut s.tls.prefer_server_ciphers),
        "our order of ciphers counts", "tls-prefer-server-ciphers yes";
    "tls-session-caching" Value::YesNo(|s| &mut s.tls.session_caching), "resume sessions", "tls-session-caching yes";
    "tls-session-cache-size" Value::Number(0, INT_MAX, |s| &mut s.tls.session_cache_size), "sessions kept", "tls-session-cache-size 5000";
    "tls-session-cache-timeout" Value::Number(0, INT_MAX, |s| &mut s.tls.session_cache_timeout_secs),
        "seconds a session is kept", "tls-session-cache-timeout 60";
};
