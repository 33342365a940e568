//! Requests that concern the server and its clients, not the core.

use crate::resp::Protocol;

/// A request to the server around the core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Local {
    /// `PING [message]`
    Ping(Option<Vec<u8>>),
    /// `INFO [section …]`, in lower case; empty means all.
    Info(Vec<String>),
    /// `HELLO [protocol [AUTH user password] [SETNAME name]]`
    Hello {
        /// The dialect from here on; `None` leaves it.
        protocol: Option<Protocol>,
        /// User and password.
        auth: Option<(Vec<u8>, Vec<u8>)>,
        /// The connection's name, checked.
        name: Option<Vec<u8>>,
    },
    /// `AUTH [user] password`
    Auth {
        /// `None` for the default user.
        user: Option<Vec<u8>>,
        /// The password.
        password: Vec<u8>,
    },
    /// `CLIENT …`
    Client(ClientCall),
    /// `ACL …`
    Acl(AclCall),
    /// `SUBSCRIBE channel …`
    Subscribe(Vec<Vec<u8>>),
    /// `PSUBSCRIBE pattern …`
    PSubscribe(Vec<Vec<u8>>),
    /// `UNSUBSCRIBE [channel …]`; empty means all.
    Unsubscribe(Vec<Vec<u8>>),
    /// `PUNSUBSCRIBE [pattern …]`; empty means all.
    PUnsubscribe(Vec<Vec<u8>>),
    /// `QUIT`: `+OK`, then the connection is closed.
    Quit,
    /// `RESET`: everything that was said on this connection is taken back.
    Reset,
    /// `SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE]`: exit with 0, no reply.
    Shutdown,
}

/// A `CLIENT` subcommand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCall {
    /// `SETNAME name`, checked; empty takes the name away.
    SetName(Vec<u8>),
    /// `GETNAME`
    GetName,
    /// `SETINFO LIB-NAME|LIB-VER value`, checked.
    SetInfo {
        /// `lib-name` or `lib-ver`.
        attribute: &'static str,
        /// Its value.
        value: Vec<u8>,
    },
    /// `ID`
    Id,
    /// `INFO`
    Info,
    /// `LIST [TYPE type] [ID id …]`
    List(ClientFilter),
    /// `KILL …`
    Kill(ClientFilter),
    /// `NO-EVICT ON|OFF`
    NoEvict(Toggle),
    /// `TRACKING ON|OFF …`
    Tracking(TrackingCall),
    /// `TRACKINGINFO`
    TrackingInfo,
    /// `CACHING YES|NO`; `None` for any other word.
    Caching(Option<Toggle>),
    /// `GETREDIR`
    GetRedir,
    /// `REPLY ON|OFF|SKIP`
    Reply(ReplyMode),
    /// `PAUSE timeout [WRITE|ALL]`
    Pause {
        /// For how long.
        ms: u64,
        /// What is held back.
        mode: PauseMode,
    },
    /// `UNPAUSE`
    Unpause,
}

/// `CLIENT TRACKING`: words that fit together, whether or not they make sense together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackingCall {
    /// On or off.
    pub toggle: Toggle,
    /// `REDIRECT id`, each of them.
    pub redirects: Vec<i64>,
    /// `PREFIX prefix`, each of them.
    pub prefixes: Vec<Vec<u8>>,
    /// `BCAST`, `OPTIN`, `OPTOUT` and `NOLOOP`.
    pub options: Vec<TrackingOption>,
}

/// An option of `CLIENT TRACKING` without a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackingOption {
    /// `BCAST`
    Broadcast,
    /// `OPTIN`
    OptIn,
    /// `OPTOUT`
    OptOut,
    /// `NOLOOP`
    NoLoop,
}

/// What `CLIENT PAUSE` holds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseMode {
    /// Everything.
    All,
    /// What writes keys, which nothing does here.
    Write,
}

/// `ON` or `OFF`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toggle {
    /// `ON`
    On,
    /// `OFF`
    Off,
}

/// `CLIENT REPLY`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyMode {
    /// Answered with `+OK`.
    On,
    /// No replies from here on, none to this one either.
    Off,
    /// None to this one and the next.
    Skip,
}

/// A kind of client, as `TYPE` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientType {
    /// `normal`
    Normal,
    /// `master`: none at a Sentinel.
    Master,
    /// `replica`: none at a Sentinel.
    Replica,
    /// `pubsub`
    PubSub,
}

/// Which clients; all that is given has to fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFilter {
    /// Their ids; empty means any.
    pub ids: Vec<u64>,
    /// Their kind.
    pub kind: Option<ClientType>,
    /// Their address and port.
    pub addr: Option<Vec<u8>>,
    /// Our address and port on that connection.
    pub laddr: Option<Vec<u8>>,
    /// Their user.
    pub user: Option<Vec<u8>>,
    /// Spare the one who asks.
    pub skip_me: bool,
    /// The old form `CLIENT KILL addr:port`, answered with `+OK` or an error, not a number.
    pub single: bool,
}

/// An `ACL` subcommand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AclCall {
    /// `WHOAMI`
    WhoAmI,
    /// `USERS`
    Users,
    /// `LIST`
    List,
    /// `GETUSER name`
    GetUser(Vec<u8>),
    /// `SETUSER name rule …`
    SetUser {
        /// Who.
        name: Vec<u8>,
        /// What is changed.
        rules: Vec<Vec<u8>>,
    },
    /// `DELUSER name …`
    DelUser(Vec<Vec<u8>>),
    /// `GENPASS [bits]`, 1 to 4096.
    GenPass(u16),
    /// `LOG [count]`
    Log(Option<usize>),
    /// `LOG RESET`
    LogReset,
    /// `LOAD`
    Load,
    /// `SAVE`
    Save,
    /// `DRYRUN name command [word …]`
    DryRun {
        /// Who.
        name: Vec<u8>,
        /// What would be asked.
        argv: Vec<Vec<u8>>,
    },
}
