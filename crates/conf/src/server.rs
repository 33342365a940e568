//! The directives that are not about masters: listeners, log, process, access (spec §1.2, §1.3).

use std::collections::BTreeMap;

use bartizan_core::notify::event::{Level, Threshold};

use crate::title::TitleTemplate;

/// What the file says about the process itself. `Default` is what holds without a line (spec §1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerOptions {
    /// `port`: where clients and peers connect; 0 does not listen on TCP.
    pub port: u16,
    /// `bind`: addresses to listen on, each as written; a leading `-` means that it may be
    /// missing. Empty: `bind ""`, listen on no TCP address.
    pub bind: Vec<String>,
    /// `unixsocket`: path of a socket to listen on as well.
    pub unixsocket: Option<String>,
    /// `unixsocketperm`: its mode, 0 for what the umask gives.
    pub unixsocket_mode: u32,
    /// `bind-source-addr`: the local address of outgoing links.
    pub bind_source_addr: Option<String>,
    /// `protected-mode`.
    pub protected_mode: bool,
    /// `tcp-backlog`: waiting connections, as for listen(2).
    pub tcp_backlog: u32,
    /// `tcp-keepalive`: seconds between probes, 0 for none.
    pub tcp_keepalive_secs: u32,
    /// `timeout`: seconds after which an idle client is closed, 0 for never.
    pub timeout_secs: u32,
    /// `maxclients`.
    pub maxclients: u32,
    /// `requirepass`: the password of the default user.
    pub requirepass: Option<String>,
    /// `user` lines, in order, one a name.
    pub users: Vec<UserLine>,
    /// `aclfile`.
    pub aclfile: Option<String>,
    /// `acllog-max-len`.
    pub acllog_max_len: u32,
    /// `acl-pubsub-default`: which channels a new user starts with.
    pub acl_pubsub_default: AclPubsub,
    /// `loglevel`.
    pub loglevel: LogLevel,
    /// `logfile`: empty is standard output.
    pub logfile: String,
    /// `syslog-enabled`.
    pub syslog_enabled: bool,
    /// `syslog-ident`.
    pub syslog_ident: String,
    /// `syslog-facility`.
    pub syslog_facility: SyslogFacility,
    /// `log-format` (Valkey).
    pub log_format: LogFormat,
    /// `log-timestamp-format` (Valkey).
    pub log_timestamps: LogTimestamps,
    /// `daemonize`.
    pub daemonize: bool,
    /// `pidfile`.
    pub pidfile: Option<String>,
    /// `supervised`.
    pub supervised: Supervised,
    /// `set-proc-title`.
    pub set_proc_title: bool,
    /// `proc-title-template`.
    pub proc_title_template: TitleTemplate,
    /// `dir`: already entered through the [`World`](crate::World) when `load` returns.
    pub dir: Option<String>,
    /// `tls-*`
    pub tls: TlsOptions,
    /// `rename-command OLD NEW`: our own commands, upper-case OLD → NEW; an empty NEW disables.
    pub renamed_commands: BTreeMap<String, String>,
    /// Everything else that a data server knows and a Sentinel does not use, by lower-case
    /// canonical name: the words of each line. `client-output-buffer-limit` and the like.
    pub inert: BTreeMap<String, Vec<Vec<String>>>,
    /// What the included files say, as lines: `render` does not repeat it in the main file.
    pub included: Vec<Vec<String>>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            port: 26379,
            bind: vec!["*".to_owned(), "-::*".to_owned()],
            unixsocket: None,
            unixsocket_mode: 0,
            bind_source_addr: None,
            protected_mode: false,
            tcp_backlog: 511,
            tcp_keepalive_secs: 300,
            timeout_secs: 0,
            maxclients: 10_000,
            requirepass: None,
            users: Vec::new(),
            aclfile: None,
            acllog_max_len: 128,
            acl_pubsub_default: AclPubsub::ResetChannels,
            loglevel: LogLevel::Notice,
            logfile: String::new(),
            syslog_enabled: false,
            syslog_ident: "redis".to_owned(),
            syslog_facility: SyslogFacility::Local0,
            log_format: LogFormat::Legacy,
            log_timestamps: LogTimestamps::Legacy,
            daemonize: false,
            pidfile: None,
            supervised: Supervised::No,
            set_proc_title: true,
            proc_title_template: TitleTemplate::default(),
            dir: None,
            tls: TlsOptions::default(),
            renamed_commands: BTreeMap::new(),
            inert: BTreeMap::new(),
            included: Vec::new(),
        }
    }
}

/// The `tls-*` directives (spec §14). `Default` is what holds without a line.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsOptions {
    /// `tls-port`: where clients and peers connect over TLS; 0 does not listen for it.
    pub port: u16,
    /// `tls-replication`: TLS on every outgoing link.
    pub replication: bool,
    /// `tls-cert-file`, `tls-key-file`, `tls-key-file-pass`: who we are.
    pub own: TlsPair,
    /// `tls-client-cert-file`, `-key-file`, `-key-file-pass`: who we are on outgoing links.
    pub client: TlsPair,
    /// `tls-ca-cert-file`: whom to trust.
    pub ca_file: Option<String>,
    /// `tls-ca-cert-dir`: the same, a directory as `openssl rehash` makes it.
    pub ca_dir: Option<String>,
    /// `tls-auth-clients`: whether clients show a certificate.
    pub auth_clients: TlsAuthClients,
    /// `tls-auth-clients-user`: where a client's certificate names its user.
    pub auth_clients_user: TlsUserField,
    /// `tls-protocols`: versions, by spaces.
    pub protocols: Option<String>,
    /// `tls-ciphers`: suites of TLS 1.2, a list as OpenSSL reads it.
    pub ciphers: Option<String>,
    /// `tls-ciphersuites`: suites of TLS 1.3, by colons.
    pub ciphersuites: Option<String>,
    /// `tls-prefer-server-ciphers`: our order counts, not the client's.
    pub prefer_server_ciphers: bool,
    /// `tls-session-caching`: clients may resume sessions.
    pub session_caching: bool,
    /// `tls-session-cache-size`: sessions kept at most.
    pub session_cache_size: u32,
    /// `tls-session-cache-timeout`: seconds a session is kept.
    pub session_cache_timeout_secs: u32,
    /// `tls-dh-params-file`: of no use any more.
    pub dh_params_file: Option<String>,
    /// `tls-cluster`: of no use in a Sentinel.
    pub cluster: bool,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self {
            port: 0,
            replication: false,
            own: TlsPair::default(),
            client: TlsPair::default(),
            ca_file: None,
            ca_dir: None,
            auth_clients: TlsAuthClients::Yes,
            auth_clients_user: TlsUserField::Off,
            protocols: None,
            ciphers: None,
            ciphersuites: None,
            prefer_server_ciphers: false,
            session_caching: true,
            session_cache_size: 20 * 1024,
            session_cache_timeout_secs: 300,
            dh_params_file: None,
            cluster: false,
        }
    }
}

impl TlsOptions {
    /// Whether anything is to be spoken over TLS.
    pub const fn is_wanted(&self) -> bool {
        self.port != 0 || self.replication
    }
}

impl core::fmt::Debug for TlsOptions {
    /// Short, and without the passwords of keys.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "tls-port {} …", self.port)
    }
}

/// A certificate and its key.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TlsPair {
    /// The file with the certificate, and those between it and the CA.
    pub cert_file: Option<String>,
    /// The file with its key.
    pub key_file: Option<String>,
    /// The password of the key.
    pub key_pass: Option<String>,
}

impl core::fmt::Debug for TlsPair {
    /// Without the password.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?} {:?}", self.cert_file, self.key_file)
    }
}

/// One `user` line (spec §13). Its rules are words for whoever keeps the access list.
#[derive(Clone, PartialEq, Eq)]
pub struct UserLine {
    /// The user's name.
    pub name: String,
    /// The rules, such as `on`, `>password`, `~*`, `+@all`.
    pub rules: Vec<String>,
}

impl core::fmt::Debug for UserLine {
    /// Without the rules: there are passwords among them.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "user {} …", self.name)
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every value with its word, in the order in which Redis lists them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word in the file.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The value of that word, in any case.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.word().eq_ignore_ascii_case(word))
            }
        }

        impl Choice for $name {
            fn all(&self) -> Vec<&'static str> {
                Self::ALL.iter().map(|value| value.word()).collect()
            }

            fn current(&self) -> &'static str {
                self.word()
            }

            fn choose(&mut self, word: &str) -> bool {
                let value = Self::from_word(word);
                *self = value.unwrap_or(*self);
                value.is_some()
            }
        }
    };
}

/// A value that is one of a few words, for the table of directives.
pub(crate) trait Choice {
    /// The words, in the order in which Redis lists them.
    fn all(&self) -> Vec<&'static str>;
    /// The word in force.
    fn current(&self) -> &'static str;
    /// Takes `word`, in any case; false, and no change, for a word that is none of them.
    fn choose(&mut self, word: &str) -> bool;
}

words! {
    /// `loglevel`: the least important line that is still written.
    LogLevel {
        /// Everything.
        Debug "debug",
        /// Much.
        Verbose "verbose",
        /// What an operator wants to know.
        Notice "notice",
        /// What an operator has to know.
        Warning "warning",
        /// No line at all (7.2 and Valkey).
        Nothing "nothing",
    }
}
impl LogLevel {
    /// As the core has it.
    pub const fn threshold(self) -> Threshold {
        match self {
            Self::Debug => Threshold::From(Level::Debug),
            Self::Verbose => Threshold::From(Level::Verbose),
            Self::Notice => Threshold::From(Level::Notice),
            Self::Warning => Threshold::From(Level::Warning),
            Self::Nothing => Threshold::Nothing,
        }
    }

    /// As the file has it.
    pub const fn of(threshold: Threshold) -> Self {
        match threshold {
            Threshold::From(Level::Debug) => Self::Debug,
            Threshold::From(Level::Verbose) => Self::Verbose,
            Threshold::From(Level::Notice) => Self::Notice,
            Threshold::From(Level::Warning) => Self::Warning,
            Threshold::Nothing => Self::Nothing,
        }
    }
}

words! {
    /// `log-format` (Valkey).
    LogFormat {
        /// Redis's own line (spec §1.7).
        Legacy "legacy",
        /// `key=value` pairs.
        Logfmt "logfmt",
    }
}
words! {
    /// `log-timestamp-format` (Valkey).
    LogTimestamps {
        /// `DD Mon YYYY HH:MM:SS.mmm`.
        Legacy "legacy",
        /// `2026-01-02T03:04:05.678+01:00`.
        Iso8601 "iso8601",
        /// Milliseconds since 1970.
        Milliseconds "milliseconds",
    }
}
words! {
    /// `supervised`: who started us and wants to hear that we are ready.
    Supervised {
        /// upstart.
        Upstart "upstart",
        /// systemd.
        Systemd "systemd",
        /// systemd, upstart, or nobody, as the environment tells.
        Auto "auto",
        /// Nobody.
        No "no",
    }
}
words! {
    /// `tls-auth-clients`: whether a client has to show a certificate that we trust.
    TlsAuthClients {
        /// It is not asked for one.
        No "no",
        /// It has to.
        Yes "yes",
        /// It may do without; one that it shows has to be good.
        Optional "optional",
    }
}
words! {
    /// `tls-auth-clients-user` (Valkey 9): where a client's certificate names its user.
    TlsUserField {
        /// Nowhere: clients say who they are.
        Off "off",
        /// In the common name of its subject.
        CommonName "CN",
        /// In the URIs among its alternative names.
        Uri "URI",
    }
}
words! {
    /// `acl-pubsub-default`.
    AclPubsub {
        /// All channels, as before Redis 7.
        AllChannels "allchannels",
        /// None.
        ResetChannels "resetchannels",
    }
}
words! {
    /// `syslog-facility`.
    SyslogFacility {
        /// `LOG_USER`.
        User "user",
        /// `LOG_LOCAL0`.
        Local0 "local0",
        /// `LOG_LOCAL1`.
        Local1 "local1",
        /// `LOG_LOCAL2`.
        Local2 "local2",
        /// `LOG_LOCAL3`.
        Local3 "local3",
        /// `LOG_LOCAL4`.
        Local4 "local4",
        /// `LOG_LOCAL5`.
        Local5 "local5",
        /// `LOG_LOCAL6`.
        Local6 "local6",
        /// `LOG_LOCAL7`.
        Local7 "local7",
    }
}
