//! The command table: one row a command, which drives look-up, arity, ACL categories, COMMAND.

use super::{Parser, Spec, acl, client, describe, docs, help, sentinel, server, switchover};

/// What many commands have in common.
struct Class {
    flags: &'static [&'static str],
    categories: &'static [&'static str],
}

const PING: Class = Class {
    flags: &["fast"],
    categories: &["@fast", "@connection"],
};
const LOGIN: Class = Class {
    flags: &[
        "noscript",
        "loading",
        "stale",
        "fast",
        "no_auth",
        "allow_busy",
    ],
    categories: &["@fast", "@connection"],
};
const PUBSUB: Class = Class {
    flags: &["pubsub", "noscript", "loading", "stale"],
    categories: &["@pubsub", "@slow"],
};
const PUBLISH: Class = Class {
    flags: &["pubsub", "loading", "stale", "fast"],
    categories: &["@pubsub", "@fast"],
};
const ROLE: Class = Class {
    flags: &["noscript", "loading", "stale", "fast"],
    categories: &["@admin", "@fast", "@dangerous"],
};
const INFO: Class = Class {
    flags: &["loading", "stale"],
    categories: &["@slow", "@dangerous"],
};
const SHUTDOWN: Class = Class {
    flags: &[
        "admin",
        "noscript",
        "loading",
        "stale",
        "no_multi",
        "allow_busy",
    ],
    categories: &["@admin", "@slow", "@dangerous"],
};
const COMMAND: Class = Class {
    flags: &["loading", "stale"],
    categories: &["@slow", "@connection"],
};
const HELP: Class = Class {
    flags: &["loading", "stale"],
    categories: &["@slow"],
};
const CONTAINER: Class = Class {
    flags: &[],
    categories: &["@slow"],
};
const ACL: Class = Class {
    flags: &["admin", "noscript", "loading", "stale"],
    categories: &["@admin", "@slow", "@dangerous"],
};
const ACL_OPEN: Class = Class {
    flags: &["noscript", "loading", "stale"],
    categories: &["@slow"],
};
const CLIENT: Class = Class {
    flags: &["noscript", "loading", "stale"],
    categories: &["@slow", "@connection"],
};
const CLIENT_ADMIN: Class = Class {
    flags: &["admin", "noscript", "loading", "stale"],
    categories: &["@admin", "@slow", "@dangerous", "@connection"],
};
const ANY_ORDER: &[&str] = &["nondeterministic_output_order"];
const SENTINEL: Class = Class {
    flags: &["admin"],
    categories: &["@admin", "@slow", "@dangerous"],
};

const fn row(name: &'static str, arity: i8, class: &Class, parse: Parser) -> Spec {
    Spec {
        name,
        arity,
        while_subscribed: false,
        no_auth: false,
        flags: class.flags,
        categories: class.categories,
        aliases: &[],
        tips: &[],
        listed: true,
        extended: false,
        parse,
    }
}

impl Spec {
    const fn while_subscribed(self) -> Self {
        Self {
            while_subscribed: true,
            ..self
        }
    }

    const fn no_auth(self) -> Self {
        Self {
            no_auth: true,
            ..self
        }
    }

    /// Answered, and told to nobody: redis-sentinel 7.0 does not have it, and what COMMAND lists
    /// is the same.
    const fn unlisted(self) -> Self {
        Self {
            listed: false,
            ..self
        }
    }

    const fn extended(self) -> Self {
        Self {
            extended: true,
            ..self
        }
    }

    const fn tips(self, tips: &'static [&'static str]) -> Self {
        Self { tips, ..self }
    }

    const fn also(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }
}

/// Every command; each container is followed by its subcommands.
#[rustfmt::skip]
pub(super) static TABLE: &[Spec] = &[
    row("acl", -2, &CONTAINER, server::container),
    row("acl|cat", -2, &ACL_OPEN, acl::cat),
    row("acl|deluser", -3, &ACL, acl::del_user),
    row("acl|dryrun", -4, &ACL, acl::dry_run),
    row("acl|genpass", -2, &ACL_OPEN, acl::gen_pass),
    row("acl|getuser", 3, &ACL, acl::get_user),
    row("acl|help", 2, &HELP, help::acl),
    row("acl|list", 2, &ACL, acl::list),
    row("acl|load", 2, &ACL, acl::load),
    row("acl|log", -2, &ACL, acl::log),
    row("acl|save", 2, &ACL, acl::save),
    row("acl|setuser", -3, &ACL, acl::set_user),
    row("acl|users", 2, &ACL, acl::users),
    row("acl|whoami", 2, &ACL_OPEN, acl::who_am_i),
    row("auth", -2, &LOGIN, server::auth).no_auth(),
    row("client", -2, &CONTAINER, server::container),
    row("client|caching", 3, &CLIENT, client::caching),
    row("client|getname", 2, &CLIENT, client::get_name),
    row("client|getredir", 2, &CLIENT, client::get_redir),
    row("client|help", 2, &COMMAND, help::client),
    row("client|id", 2, &CLIENT, client::id),
    row("client|info", 2, &CLIENT, client::info).tips(&["nondeterministic_output"]),
    row("client|kill", -3, &CLIENT_ADMIN, client::kill),
    row("client|list", -2, &CLIENT_ADMIN, client::list).tips(&["nondeterministic_output"]),
    row("client|no-evict", 3, &CLIENT_ADMIN, client::no_evict),
    row("client|pause", -3, &CLIENT_ADMIN, client::pause),
    row("client|reply", 3, &CLIENT, client::reply),
    row("client|setinfo", 4, &CLIENT, client::set_info).unlisted(),
    row("client|setname", 3, &CLIENT, client::set_name),
    row("client|tracking", -3, &CLIENT, client::tracking),
    row("client|trackinginfo", 2, &CLIENT, client::tracking_info),
    row("client|unblock", -3, &CLIENT_ADMIN, client::unblock),
    row("client|unpause", 2, &CLIENT_ADMIN, client::unpause),
    row("command", -1, &COMMAND, describe::info).tips(ANY_ORDER),
    row("command|count", 2, &COMMAND, describe::count),
    row("command|docs", -2, &COMMAND, docs::docs).tips(ANY_ORDER),
    row("command|getkeys", -4, &COMMAND, describe::get_keys),
    row("command|getkeysandflags", -4, &COMMAND, describe::get_keys),
    row("command|help", 2, &COMMAND, help::command),
    row("command|info", -2, &COMMAND, describe::info).tips(ANY_ORDER),
    row("command|list", -2, &COMMAND, describe::list).tips(ANY_ORDER),
    row("hello", -1, &LOGIN, server::hello).no_auth(),
    row("info", -1, &INFO, server::info)
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"]),
    row("ping", -1, &PING, server::ping).while_subscribed()
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    row("psubscribe", -2, &PUBSUB, server::psubscribe).while_subscribed(),
    row("publish", 3, &PUBLISH, server::publish),
    row("punsubscribe", -1, &PUBSUB, server::punsubscribe).while_subscribed(),
    row("quit", -1, &LOGIN, server::quit).no_auth().while_subscribed().unlisted(),
    row("reset", 1, &LOGIN, server::reset).no_auth().while_subscribed().unlisted(),
    row("role", 1, &ROLE, sentinel::role),
    row("sentinel", -2, &SENTINEL, server::container),
    row("sentinel|ckquorum", 3, &SENTINEL, sentinel::ckquorum),
    row("sentinel|config", -3, &SENTINEL, sentinel::config),
    row("sentinel|debug", -2, &SENTINEL, sentinel::debug),
    row("sentinel|drain", -3, &SENTINEL, switchover::drain).unlisted(),
    row("sentinel|failover", 3, &SENTINEL, switchover::failover).extended(),
    row("sentinel|flushconfig", 2, &SENTINEL, sentinel::flush_config),
    row("sentinel|get-master-addr-by-name", 3, &SENTINEL, sentinel::master_addr)
        .also(&["get-primary-addr-by-name"]),
    row("sentinel|help", 2, &HELP, help::sentinel),
    row("sentinel|info-cache", -3, &SENTINEL, sentinel::info_cache),
    row("sentinel|is-master-down-by-addr", 6, &SENTINEL, sentinel::is_master_down)
        .also(&["is-primary-down-by-addr"]),
    row("sentinel|master", 3, &SENTINEL, sentinel::master).also(&["primary"]),
    row("sentinel|masters", 2, &SENTINEL, sentinel::masters).also(&["primaries"]),
    row("sentinel|monitor", 6, &SENTINEL, sentinel::monitor),
    row("sentinel|myid", 2, &SENTINEL, sentinel::my_id),
    row("sentinel|pending-scripts", 2, &SENTINEL, sentinel::pending_scripts),
    row("sentinel|remove", 3, &SENTINEL, sentinel::remove),
    row("sentinel|replicas", 3, &SENTINEL, sentinel::replicas),
    row("sentinel|reset", 3, &SENTINEL, sentinel::reset),
    row("sentinel|sentinels", 3, &SENTINEL, sentinel::sentinels),
    row("sentinel|set", -5, &SENTINEL, sentinel::set),
    row("sentinel|simulate-failure", -3, &SENTINEL, sentinel::simulate_failure),
    row("sentinel|slaves", 3, &SENTINEL, sentinel::replicas),
    row("shutdown", -1, &SHUTDOWN, server::shutdown),
    row("subscribe", -2, &PUBSUB, server::subscribe).while_subscribed(),
    row("unsubscribe", -1, &PUBSUB, server::unsubscribe).while_subscribed(),
];
