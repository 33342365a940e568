//! What our user on a server has to be allowed: one table, from which `bartizan acl` prints its
//! line and by which a server's refusals are told.

use core::fmt;

macro_rules! permissions {
    ($($variant:ident $rule:literal $doc:literal,)*) => {
        /// One thing that is sent to servers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Permission {
            $(#[doc = $doc] $variant,)*
        }

        impl Permission {
            /// All of them, in the order in which they are told.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in an ACL rule, without the `+`.
            pub const fn rule(self) -> &'static str {
                match self { $(Self::$variant => $rule,)* }
            }
        }
    };
}

permissions! {
    Ping "ping" "Whether it lives.",
    Info "info" "What it says of itself.",
    Hello "hello" "RESP3. Redis allows it to everybody; not every server may.",
    Subscribe "subscribe" "Hearing hellos; with it the channel.",
    Publish "publish" "Saying them; with it the channel.",
    SetName "client|setname" "A name for people who look at its clients.",
    Kill "client|kill" "Its clients ask for the master again when it has changed places.",
    Multi "multi" "An order is a transaction.",
    Exec "exec" "Its end.",
    SlaveOf "slaveof" "Whom to follow.",
    Rewrite "config|rewrite" "It keeps to that when it starts again.",
    ScriptKill "script|kill" "A script that holds up a failover.",
    Pause "client|pause" "Switchovers without loss, and the fence of a former master.",
    Unpause "client|unpause" "Their end.",
    ConfigGet "config|get" "For `sentinel fencing` alone.",
    ConfigSet "config|set" "For `sentinel fencing` alone.",
    Psync "psync" "By a rescue, on a connection of its own.",
    Replconf "replconf" "By a rescue, in front of it.",
}

impl Permission {
    /// What an order to follow somebody else is made of.
    pub(crate) const ORDERS: &'static [Self] = &[
        Self::Multi,
        Self::SlaveOf,
        Self::Rewrite,
        Self::Kill,
        Self::Exec,
    ];
    /// What fencing is made of.
    pub(crate) const FENCING: &'static [Self] = &[
        Self::ConfigGet,
        Self::Multi,
        Self::ConfigSet,
        Self::Rewrite,
        Self::Exec,
    ];

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// Some of them. Shown as what an ACL rule would have to add: `+client|pause +psync`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions(u32);

impl Permissions {
    /// These.
    pub fn of(some: &[Permission]) -> Self {
        Self(some.iter().fold(0, |all, one| all | one.bit()))
    }

    /// One more.
    pub const fn insert(&mut self, one: Permission) {
        self.0 |= one.bit();
    }

    /// Whether this one is among them.
    pub const fn contains(self, one: Permission) -> bool {
        self.0 & one.bit() != 0
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that are here and there.
    #[must_use]
    pub const fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are here and not there.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let here = Permission::ALL.iter().filter(|one| self.contains(**one));
        for (place, one) in here.enumerate() {
            let gap = if place == 0 { "" } else { " " };
            write!(f, "{gap}+{}", one.rule())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_shown_as_the_rule_that_would_add_them_in_the_order_of_the_table() {
        let mut some = Permissions::of(&[Permission::Psync, Permission::Pause]);
        assert_eq!(some.to_string(), "+client|pause +psync");
        some = some.without(Permissions::of(&[Permission::Psync]));
        some.insert(Permission::Info);
        assert_eq!(some.to_string(), "+info +client|pause");
        assert_eq!(Permissions::of(Permission::ALL).both(some), some);
        assert!(some.without(some).is_empty());
    }
}
