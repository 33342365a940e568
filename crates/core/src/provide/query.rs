//! Commands that only read.

use std::sync::Arc;

use crate::ids::MasterName;

/// A question that changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// `SENTINEL MASTERS`
    Masters,
    /// `SENTINEL MASTER name`
    Master(MasterName),
    /// `SENTINEL REPLICAS name`
    Replicas(MasterName),
    /// `SENTINEL SENTINELS name`
    Sentinels(MasterName),
    /// `SENTINEL GET-MASTER-ADDR-BY-NAME name`
    MasterAddr(MasterName),
    /// `SENTINEL CKQUORUM name`
    CkQuorum(MasterName),
    /// `SENTINEL MYID`
    MyId,
    /// `ROLE`
    Role,
    /// The `# Sentinel` section of `INFO`, as a bulk string with CRLF lines.
    InfoSection,
    /// `SENTINEL CONFIG GET pattern …`
    ConfigGet(Vec<Arc<str>>),
    /// `SENTINEL DEBUG` without arguments
    DebugGet,
    /// `SENTINEL INFO-CACHE name …`
    InfoCache(Vec<MasterName>),
    /// `SENTINEL PENDING-SCRIPTS`
    PendingScripts,
}
