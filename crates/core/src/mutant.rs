//! Deliberate bugs, compiled in only with the feature `mutants`, by which the simulator earns
//! its trust: it has to find every one of them.

macro_rules! mutants {
    ($($variant:ident $name:literal $doc:literal,)*) => {
        /// One deliberate bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mutant {
            $(#[doc = $doc] $variant,)*
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name by which it is chosen on a command line.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it breaks.
            pub const fn what(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }
        }
    };
}

mutants! {
    VoteTwice "vote-twice" "Grants two votes in one epoch.",
    VoteBeforeDisk "vote-before-disk" "Answers a vote request before the vote is on disk.",
    StandBeforeDisk "stand-before-disk" "Asks for votes before its own vote is on disk.",
    ForgetVote "forget-vote" "Leaves the vote out of what is written.",
    CountAnyEpoch "count-any-epoch" "Counts votes of other epochs.",
    NoMajority "no-majority" "Is content with the quorum, without a majority.",
    NoQuorum "no-quorum" "Takes its own word for ODOWN, whatever the quorum.",
    PromotePriorityZero "promote-priority-zero" "Promotes a replica of priority 0.",
    PromoteWorstOffset "promote-worst-offset" "Prefers the replica that is furthest behind.",
    BelieveOlderConfiguration "believe-older-configuration" "Adopts a configuration of an older epoch.",
    SplitConfiguration "split-configuration" "Takes the epoch of a configuration without its address.",
    ForgetOldMaster "forget-old-master" "Never demotes the returned master.",
    IgnoreParallelSyncs "ignore-parallel-syncs" "Re-points all replicas at once.",
    ActInTilt "act-in-tilt" "Fails over while in TILT.",
    StaleOpinions "stale-opinions" "Lets opinions about the old address count for the new one.",
    EpochDown "epoch-down" "Adopts any epoch it hears, also a lower one.",
    ConfigurationBeforeDisk "configuration-before-disk" "Announces a configuration before it is on disk.",
    NoRetry "no-retry" "Never stands again after a lost round.",
    NoHello "no-hello" "Does not announce a new configuration.",
    SwitchTwice "switch-twice" "Emits +switch-master with the wrong old address.",
    NeverRepoint "never-repoint" "Does not re-point the other replicas.",
    PromoteWithoutElection "promote-without-election" "Fails over at ODOWN without asking anyone.",
    BelieveAnyEpoch "believe-any-epoch" "Believes every epoch, however large.",
    DemoteBeforeRescue "demote-before-rescue" "Demotes a returned master before what it alone has is saved.",
    RescueFromNextByte "rescue-from-next-byte" "Begins to save one byte behind the fork.",
    NeverUnpause "never-unpause" "Leaves writes held back when a switchover is over.",
    HoldForEver "hold-for-ever" "Goes on holding back the writes of a master that is cut off with it.",
    ImpatientHeal "impatient-heal" "Re-points replicas while the leader waits for another one.",
    TrustAddress "trust-address" "Believes any server at a known address to be of the group.",
}
