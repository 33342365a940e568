//! The command table: one row a command, which drives look-up, arity, ACL categories, COMMAND.

use super::{Parser, Spec, acl, client, describe, help, sentinel, server};

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
const SENTINEL: Class = Class {
    flags: &["admin"],
    categories: &["@admin", "@slow", "@dangerous"],
};

const fn row(
    name: &'static str,
    arity: i8,
    class: &Class,
    parse: Parser,
    since: &'static str,
    summary: &'static str,
) -> Spec {
    Spec {
        name,
        arity,
        while_subscribed: false,
        no_auth: false,
        flags: class.flags,
        categories: class.categories,
        aliases: &[],
        since,
        summary,
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

    const fn also(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }
}

/// Every command; each container is followed by its subcommands.
#[rustfmt::skip]
pub(super) static TABLE: &[Spec] = &[
    row("acl", -2, &CONTAINER, server::container, "6.0.0", "Users and what they may do."),
    row("acl|cat", -2, &ACL_OPEN, acl::cat, "6.0.0", "Lists the categories, or the commands of one."),
    row("acl|deluser", -3, &ACL, acl::del_user, "6.0.0", "Deletes users and closes their connections."),
    row("acl|dryrun", -4, &ACL, acl::dry_run, "7.0.0", "Tells whether a user may give a command."),
    row("acl|genpass", -2, &ACL_OPEN, acl::gen_pass, "6.0.0", "Makes a random password."),
    row("acl|getuser", 3, &ACL, acl::get_user, "6.0.0", "Shows the rules of a user."),
    row("acl|help", 2, &HELP, help::acl, "6.0.0", "Explains the subcommands."),
    row("acl|list", 2, &ACL, acl::list, "6.0.0", "Shows all users as lines of a file."),
    row("acl|load", 2, &ACL, acl::load, "6.0.0", "Reads the ACL file again."),
    row("acl|log", -2, &ACL, acl::log, "6.0.0", "Shows what was refused, or forgets it."),
    row("acl|save", 2, &ACL, acl::save, "6.0.0", "Writes the ACL file."),
    row("acl|setuser", -3, &ACL, acl::set_user, "6.0.0", "Makes or changes a user."),
    row("acl|users", 2, &ACL, acl::users, "6.0.0", "Lists the names of all users."),
    row("acl|whoami", 2, &ACL_OPEN, acl::who_am_i, "6.0.0", "Tells who the connection is."),
    row("auth", -2, &LOGIN, server::auth, "1.0.0", "Authenticates the connection.").no_auth(),
    row("client", -2, &CONTAINER, server::container, "2.4.0", "Client connections."),
    row("client|caching", 3, &CLIENT, client::caching, "6.0.0", "Tracking of the next command."),
    row("client|getname", 2, &CLIENT, client::get_name, "2.6.9", "Tells the connection's name."),
    row("client|getredir", 2, &CLIENT, client::get_redir, "6.0.0", "Tells where invalidations go."),
    row("client|help", 2, &COMMAND, help::client, "5.0.0", "Explains the subcommands."),
    row("client|id", 2, &CLIENT, client::id, "5.0.0", "Tells the connection's number."),
    row("client|info", 2, &CLIENT, client::info, "6.2.0", "Describes the connection."),
    row("client|kill", -3, &CLIENT_ADMIN, client::kill, "2.4.0", "Closes connections."),
    row("client|list", -2, &CLIENT_ADMIN, client::list, "2.4.0", "Lists connections."),
    row("client|no-evict", 3, &CLIENT_ADMIN, client::no_evict, "7.0.0", "Spares the connection from eviction."),
    row("client|pause", -3, &CLIENT_ADMIN, client::pause, "3.0.0", "Holds commands back for a while."),
    row("client|reply", 3, &CLIENT, client::reply, "3.2.0", "Turns replies on or off."),
    row("client|setinfo", 4, &CLIENT, client::set_info, "7.2.0", "Tells which library the client uses."),
    row("client|setname", 3, &CLIENT, client::set_name, "2.6.9", "Names the connection."),
    row("client|tracking", -3, &CLIENT, client::tracking, "6.0.0", "Turns tracking of keys on or off."),
    row("client|trackinginfo", 2, &CLIENT, client::tracking_info, "6.2.0", "Shows the state of tracking."),
    row("client|unblock", -3, &CLIENT_ADMIN, client::unblock, "5.0.0", "Wakes a blocked client."),
    row("client|unpause", 2, &CLIENT_ADMIN, client::unpause, "6.2.0", "Ends a pause."),
    row("command", -1, &COMMAND, describe::info, "2.8.13", "Describes all commands."),
    row("command|count", 2, &COMMAND, describe::count, "2.8.13", "Counts the commands."),
    row("command|docs", -2, &COMMAND, describe::docs, "7.0.0", "Documents commands."),
    row("command|getkeys", -4, &COMMAND, describe::get_keys, "2.8.13", "Finds the keys in a command."),
    row("command|getkeysandflags", -4, &COMMAND, describe::get_keys, "7.0.0", "Finds the keys and how they are used."),
    row("command|help", 2, &COMMAND, help::command, "5.0.0", "Explains the subcommands."),
    row("command|info", -2, &COMMAND, describe::info, "2.8.13", "Describes commands."),
    row("command|list", -2, &COMMAND, describe::list, "7.0.0", "Lists the names of commands."),
    row("hello", -1, &LOGIN, server::hello, "6.0.0", "Chooses the protocol and introduces both sides.").no_auth(),
    row("info", -1, &INFO, server::info, "1.0.0", "Tells facts and figures of this process."),
    row("ping", -1, &PING, server::ping, "1.0.0", "Answers PONG, or the message given.").while_subscribed(),
    row("psubscribe", -2, &PUBSUB, server::psubscribe, "2.0.0", "Listens to all events that match patterns.").while_subscribed(),
    row("publish", 3, &PUBLISH, server::publish, "2.0.0", "Takes the hello of another Sentinel."),
    row("punsubscribe", -1, &PUBSUB, server::punsubscribe, "2.0.0", "Stops listening to patterns.").while_subscribed(),
    row("role", 1, &ROLE, sentinel::role, "2.8.12", "Says that this is a Sentinel, and for which masters."),
    row("sentinel", -2, &SENTINEL, server::container, "2.8.4", "Everything about monitored masters."),
    row("sentinel|ckquorum", 3, &SENTINEL, sentinel::ckquorum, "2.8.4", "Checks that a failover could be agreed on now."),
    row("sentinel|config", -4, &SENTINEL, sentinel::config, "6.2.0", "Reads or changes process-wide options."),
    row("sentinel|debug", -2, &SENTINEL, sentinel::debug, "7.0.0", "Reads or changes periods and timeouts."),
    row("sentinel|failover", 3, &SENTINEL, sentinel::failover, "2.8.4", "Fails a master over without asking others."),
    row("sentinel|flushconfig", 2, &SENTINEL, sentinel::flush_config, "2.8.4", "Writes the configuration file."),
    row("sentinel|get-master-addr-by-name", 3, &SENTINEL, sentinel::master_addr, "2.8.4", "Tells where a master is.")
        .also(&["get-primary-addr-by-name"]),
    row("sentinel|help", 2, &HELP, help::sentinel, "6.2.0", "Explains the subcommands."),
    row("sentinel|info-cache", -3, &SENTINEL, sentinel::info_cache, "3.2.0", "Shows the last INFO of masters and replicas."),
    row("sentinel|is-master-down-by-addr", 6, &SENTINEL, sentinel::is_master_down, "2.8.4", "Tells whether a master seems down, and votes.")
        .also(&["is-primary-down-by-addr"]),
    row("sentinel|master", 3, &SENTINEL, sentinel::master, "2.8.4", "Shows the state of a master.").also(&["primary"]),
    row("sentinel|masters", 2, &SENTINEL, sentinel::masters, "2.8.4", "Shows the state of all masters.").also(&["primaries"]),
    row("sentinel|monitor", 6, &SENTINEL, sentinel::monitor, "2.8.4", "Watches another master."),
    row("sentinel|myid", 2, &SENTINEL, sentinel::my_id, "6.2.0", "Tells the id of this Sentinel."),
    row("sentinel|pending-scripts", 2, &SENTINEL, sentinel::pending_scripts, "2.8.4", "Shows the scripts that wait or run."),
    row("sentinel|remove", 3, &SENTINEL, sentinel::remove, "2.8.4", "Stops watching a master."),
    row("sentinel|replicas", 3, &SENTINEL, sentinel::replicas, "5.0.0", "Shows the replicas of a master."),
    row("sentinel|reset", 3, &SENTINEL, sentinel::reset, "2.8.4", "Forgets what was learnt of masters."),
    row("sentinel|sentinels", 3, &SENTINEL, sentinel::sentinels, "2.8.4", "Shows the other Sentinels of a master."),
    row("sentinel|set", -5, &SENTINEL, sentinel::set, "2.8.4", "Changes options of a master."),
    row("sentinel|simulate-failure", -3, &SENTINEL, sentinel::simulate_failure, "3.2.0", "Crashes at a chosen moment, for tests."),
    row("sentinel|slaves", 3, &SENTINEL, sentinel::replicas, "2.8.0", "Shows the replicas of a master."),
    row("shutdown", -1, &SHUTDOWN, server::shutdown, "1.0.0", "Ends this process."),
    row("subscribe", -2, &PUBSUB, server::subscribe, "2.0.0", "Listens to events.").while_subscribed(),
    row("unsubscribe", -1, &PUBSUB, server::unsubscribe, "2.0.0", "Stops listening to events.").while_subscribed(),
];
