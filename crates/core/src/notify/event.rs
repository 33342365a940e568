//! Events: what operators and clients are told, in the exact words of spec §4.

use crate::ids::MasterName;

/// Log levels, least important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `.`
    Debug,
    /// `-`
    Verbose,
    /// `*`
    Notice,
    /// `#`
    Warning,
}

/// Which lines the log holds (`loglevel`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// Those of this level and above.
    From(Level),
    /// None (7.2 and Valkey).
    Nothing,
}

impl Default for Threshold {
    fn default() -> Self {
        Self::From(Level::Notice)
    }
}

impl Threshold {
    /// Every value with its word, in the order in which Redis lists them.
    const WORDS: [(Self, &str); 5] = [
        (Self::From(Level::Debug), "debug"),
        (Self::From(Level::Verbose), "verbose"),
        (Self::From(Level::Notice), "notice"),
        (Self::From(Level::Warning), "warning"),
        (Self::Nothing, "nothing"),
    ];

    /// The word in the file and in `SENTINEL CONFIG`.
    pub fn word(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(value, _)| *value == self);
        found.map_or("notice", |(_, word)| word)
    }

    /// The value of that word, in any case.
    pub fn from_word(word: &str) -> Option<Self> {
        let found = Self::WORDS
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(word));
        found.map(|(value, _)| *value)
    }
}

/// Something that happened, ready to be logged and published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which, with its channel name and level.
    pub kind: EventKind,
    /// The text after the name, at most [`crate::limits::EVENT_PAYLOAD`] bytes.
    pub payload: String,
    /// The master it concerns, if it is tied to an instance.
    pub master: Option<MasterName>,
}

macro_rules! events {
    ($($variant:ident $name:literal $level:ident $doc:literal,)*) => {
        /// Every event that a Sentinel emits.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum EventKind {
            $(#[doc = $doc] $variant,)*
        }

        impl EventKind {
            /// Every kind, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The channel, which is also the first word of the log line.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The level it is logged at. Debug events are logged only, not published.
            pub const fn level(self) -> Level {
                match self { $(Self::$variant => Level::$level,)* }
            }
        }
    };
}

events! {
    Monitor "+monitor" Warning "A master is watched from here on.",
    Unmonitor "-monitor" Warning "A master is no longer watched.",
    Set "+set" Warning "SENTINEL SET changed an option.",
    ResetMaster "+reset-master" Warning "SENTINEL RESET forgot what was learnt of a master.",
    Slave "+slave" Notice "A replica was found.",
    Sentinel "+sentinel" Notice "A peer was found.",
    SentinelAddressSwitch "+sentinel-address-switch" Notice "A known peer has a new address.",
    SentinelAddressUpdate "+sentinel-address-update" Notice "The new address was taken over for other masters.",
    SentinelInvalidAddr "+sentinel-invalid-addr" Notice "Another id claims a peer's address.",
    Sdown "+sdown" Warning "This Sentinel holds an instance to be down.",
    SdownEnd "-sdown" Warning "It no longer does.",
    Odown "+odown" Warning "A quorum holds a master to be down.",
    OdownEnd "-odown" Warning "It no longer does.",
    NewEpoch "+new-epoch" Warning "The current epoch was raised.",
    VoteForLeader "+vote-for-leader" Warning "This Sentinel cast a vote.",
    TryFailover "+try-failover" Warning "This Sentinel stands for election.",
    ElectedLeader "+elected-leader" Warning "It won, or was forced.",
    SelectSlave "+failover-state-select-slave" Warning "It looks for a replica to promote.",
    AbortNotElected "-failover-abort-not-elected" Warning "It was not elected in time.",
    AbortNoGoodSlave "-failover-abort-no-good-slave" Warning "No replica can be promoted.",
    SelectedSlave "+selected-slave" Warning "This replica will be promoted.",
    WritesPaused "+writes-paused" Warning "The master holds writes back for a switchover without loss.",
    WritesReleased "-writes-paused" Warning "It was told to let them go on.",
    Fenced "+fenced" Warning "A master that came back, or is cut off, holds writes back.",
    RescuedWrites "+rescued-writes" Warning "What a former master alone had is in a file.",
    RescueIncomplete "-rescue-incomplete" Warning "Something that it alone had, or may have had, is not.",
    MinReplicas "+min-replicas" Warning "Fencing keeps the master from taking writes that no replica gets.",
    MinReplicasEnd "-min-replicas" Warning "A server has its own values again: too few replicas keep up, or fencing ended.",
    MinReplicasRefused "-min-replicas-refused" Warning "A server does not let us see or set its values: no fencing there.",
    AbortNotInSync "-failover-abort-not-in-sync" Warning "The switchover was given up: it would have lost writes.",
    SendSlaveofNoone "+failover-state-send-slaveof-noone" Notice "It is about to be told.",
    WaitPromotion "+failover-state-wait-promotion" Notice "It was told; waiting for it to say master.",
    AbortSlaveTimeout "-failover-abort-slave-timeout" Warning "It did not become a master in time.",
    RoleChangeBad "-role-change" Verbose "An instance reports a role other than the configured one.",
    RoleChangeGood "+role-change" Verbose "An instance reports the configured role again.",
    PromotedSlave "+promoted-slave" Warning "The chosen replica says that it is a master.",
    ReconfSlaves "+failover-state-reconf-slaves" Warning "The other replicas are re-pointed.",
    SlaveReconfSent "+slave-reconf-sent" Notice "A replica was told to follow the new master.",
    SlaveReconfInprog "+slave-reconf-inprog" Notice "It follows, but its link is not up yet.",
    SlaveReconfDone "+slave-reconf-done" Notice "Its link is up.",
    SlaveReconfSentTimeout "-slave-reconf-sent-timeout" Notice "It did not follow in time.",
    SlaveReconfSentBe "+slave-reconf-sent-be" Notice "Told once more, best effort, at the end.",
    FailoverEndForTimeout "+failover-end-for-timeout" Warning "The failover ends with replicas left over.",
    FailoverEnd "+failover-end" Warning "The failover is complete.",
    SwitchMaster "+switch-master" Warning "The master's address is another one from here on.",
    ConfigUpdateFrom "+config-update-from" Warning "A peer knew a newer configuration.",
    ConfigDoubted "+config-doubted" Warning "Somebody published a newer configuration whose master nobody knows, and it is not believed; an extension.",
    ServerState "+server-state" Notice "A server answers otherwise than before: ok, paused, busy, loading, misconf, masterdown, refusing; an extension.",
    Stranger "+stranger" Warning "Another cluster's server answers at an address of the group; an extension.",
    StrangerEnd "-stranger" Warning "Whoever answers there is not held to be another cluster's any more; an extension.",
    MissingPermissions "+missing-permissions" Warning "Our user at a server is not allowed these; what needs them does not work there; an extension.",
    MissingPermissionsEnd "-missing-permissions" Warning "It is allowed all that it needs; an extension.",
    Reboot "+reboot" Notice "An instance restarted.",
    ConvertToSlave "+convert-to-slave" Notice "A stray master was told to follow.",
    FixSlaveConfig "+fix-slave-config" Notice "A replica of the wrong master was re-pointed.",
    Tilt "+tilt" Warning "Time cannot be trusted: watch, but do not act.",
    TiltEnd "-tilt" Warning "It can be trusted again.",
    ScriptError "-script-error" Warning "A script failed for good.",
    ScriptTimeout "-script-timeout" Warning "A script ran too long.",
    ScriptChild "+script-child" Debug "A script was started.",
    CommandLinkFailed "-cmd-link-reconnection" Debug "A command link failed in an odd way.",
    PubSubLinkFailed "-pubsub-link-reconnection" Debug "A Pub/Sub link failed in an odd way.",
    ScriptChildEnd "-script-child" Debug "A script ended.",
}
