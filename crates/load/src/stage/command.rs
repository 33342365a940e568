//! What a played server answers. Replies are appended to bytes; what goes beyond the connection
//! is an [`Effect`].

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Instant;

use bartizan_wire::resp::{Argv, Frame, Protocol, encode_frame};

use super::world::World;

/// What a connection remembers between commands.
#[derive(Debug)]
pub(crate) struct Session {
    /// What it is answered in.
    pub(crate) protocol: Protocol,
    /// Channels it listens to.
    pub(crate) channels: Vec<Vec<u8>>,
    /// Commands since MULTI.
    queued: Option<Vec<Argv>>,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            protocol: Protocol::Resp2,
            channels: Vec::new(),
            queued: None,
        }
    }
}

/// What a command does beyond its own connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// A message for the subscribers of a channel, of this server and of its replicas.
    Publish { channel: Vec<u8>, message: Vec<u8> },
    /// Connections of a kind are closed, but for the one that asked.
    Kill(ClientKind),
    /// A replica became a master.
    Promoted,
}

/// Which connections `CLIENT KILL TYPE` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientKind {
    Normal,
    PubSub,
}

/// The server that is asked, at a moment.
pub(crate) struct Stand<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) server: usize,
    pub(crate) now: Instant,
    /// How many connections listen to a channel of this server.
    pub(crate) listeners: &'a dyn Fn(&[u8]) -> usize,
}

/// Answers one command.
pub(crate) fn answer(
    stand: &mut Stand<'_>,
    session: &mut Session,
    argv: Argv,
    out: &mut Vec<u8>,
    effects: &mut Vec<Effect>,
) {
    let word = argv
        .first()
        .map(|word| word.to_ascii_uppercase())
        .unwrap_or_default();
    let reply = match (word.as_slice(), session.queued.take()) {
        (b"MULTI", None) => {
            session.queued = Some(Vec::new());
            ok()
        }
        (b"EXEC", Some(queued)) => {
            let results = queued
                .iter()
                .map(|argv| stand.perform(session, argv, effects));
            Frame::Array(results.flatten().collect())
        }
        (b"DISCARD", Some(_)) => ok(),
        (_, Some(mut queued)) => {
            queued.push(argv);
            session.queued = Some(queued);
            Frame::simple("QUEUED")
        }
        (_, None) => {
            for reply in stand.perform(session, &argv, effects) {
                encode_frame(&reply, session.protocol, out);
            }
            return;
        }
    };
    encode_frame(&reply, session.protocol, out);
}

impl Stand<'_> {
    /// Does one command; gives its reply, or several for a subscription to several channels.
    fn perform(
        &mut self,
        session: &mut Session,
        argv: &Argv,
        effects: &mut Vec<Effect>,
    ) -> Vec<Frame> {
        let upper: Vec<Vec<u8>> = argv.iter().map(|word| word.to_ascii_uppercase()).collect();
        let words: Vec<&[u8]> = upper.iter().map(Vec::as_slice).collect();
        let reply = match words.as_slice() {
            [b"PING"] if session.channels.is_empty() || session.protocol == Protocol::Resp3 => {
                Frame::simple("PONG")
            }
            [b"HELLO", b"3"] => {
                session.protocol = Protocol::Resp3;
                Frame::Map(vec![
                    (Frame::bulk("server"), Frame::bulk("redis")),
                    (Frame::bulk("proto"), Frame::Integer(3)),
                ])
            }
            [b"PING"] => Frame::Array(vec![Frame::bulk("pong"), Frame::bulk("")]),
            [b"INFO", ..] => Frame::bulk(&self.world.info(self.server, self.now)),
            [b"PUBLISH", ..] => match argv.as_slice() {
                [_, channel, message] => {
                    let heard = (self.listeners)(channel);
                    effects.push(Effect::Publish {
                        channel: channel.clone(),
                        message: message.clone(),
                    });
                    Frame::Integer(i64::try_from(heard).unwrap_or(i64::MAX))
                }
                _ => wrong_arguments("publish"),
            },
            [b"SUBSCRIBE", _, ..] => return subscribe(session, argv.get(1..).unwrap_or_default()),
            [b"ROLE"] => self.role(),
            [b"SLAVEOF" | b"REPLICAOF", b"NO", b"ONE"] => {
                if self.world.promote(self.server) {
                    effects.push(Effect::Promoted);
                }
                ok()
            }
            [b"SLAVEOF" | b"REPLICAOF", host, port] => match place(host, port) {
                Some(of) => {
                    self.world.follow(self.server, of, self.now);
                    ok()
                }
                None => Frame::Error(b"ERR Invalid master port or host".to_vec()),
            },
            [b"CLIENT", b"KILL", b"TYPE", kind] => match *kind {
                b"NORMAL" => kill(ClientKind::Normal, effects),
                b"PUBSUB" => kill(ClientKind::PubSub, effects),
                _ => Frame::Integer(0),
            },
            [b"AUTH", ..] => Frame::Error(
                b"ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?".to_vec(),
            ),
            [b"CLIENT", b"SETNAME" | b"SETINFO", ..] | [b"CONFIG", b"REWRITE"] => ok(),
            [b"SCRIPT", b"KILL"] => {
                Frame::Error(b"NOTBUSY No scripts in execution right now.".to_vec())
            }
            _ => Frame::Error(b"ERR unknown command".to_vec()),
        };
        vec![reply]
    }

    fn role(&self) -> Frame {
        use super::server::{Link, Role};
        let Some(server) = self.world.servers.get(self.server) else {
            return Frame::Null;
        };
        let offset = i64::try_from(server.offset(self.now)).unwrap_or(i64::MAX);
        match server.role {
            Role::Master => {
                let followers = self.world.followers(self.server);
                let followers = followers.filter_map(|other| self.world.servers.get(other));
                let rows = followers.map(|follower| {
                    Frame::Array(vec![
                        Frame::bulk(&follower.addr.ip().to_string()),
                        Frame::bulk(&follower.addr.port().to_string()),
                        Frame::bulk(&offset.to_string()),
                    ])
                });
                let rows = Frame::Array(rows.collect());
                Frame::Array(vec![Frame::bulk("master"), Frame::Integer(offset), rows])
            }
            Role::Replica { of, link } => Frame::Array(vec![
                Frame::bulk("slave"),
                Frame::bulk(&of.ip().to_string()),
                Frame::Integer(of.port().into()),
                Frame::bulk(if link == Link::Up {
                    "connected"
                } else {
                    "connect"
                }),
                Frame::Integer(offset),
            ]),
        }
    }
}

fn subscribe(session: &mut Session, channels: &[Vec<u8>]) -> Vec<Frame> {
    let mut replies = Vec::new();
    for channel in channels {
        if !session.channels.contains(channel) {
            session.channels.push(channel.clone());
        }
        let count = i64::try_from(session.channels.len()).unwrap_or(i64::MAX);
        replies.push(Frame::Push(vec![
            Frame::bulk("subscribe"),
            Frame::Bulk(channel.clone()),
            Frame::Integer(count),
        ]));
    }
    replies
}

fn kill(kind: ClientKind, effects: &mut Vec<Effect>) -> Frame {
    effects.push(Effect::Kill(kind));
    Frame::Integer(1)
}

fn place(host: &[u8], port: &[u8]) -> Option<SocketAddrV4> {
    let host: Ipv4Addr = std::str::from_utf8(host).ok()?.parse().ok()?;
    let port: u16 = std::str::from_utf8(port).ok()?.parse().ok()?;
    Some(SocketAddrV4::new(host, port))
}

fn ok() -> Frame {
    Frame::simple("OK")
}

fn wrong_arguments(command: &str) -> Frame {
    let text = format!("ERR wrong number of arguments for '{command}' command");
    Frame::Error(text.into_bytes())
}

/// The bytes of a message to subscribers who speak that protocol.
pub(crate) fn message(channel: &[u8], text: &[u8], protocol: Protocol) -> Vec<u8> {
    let frame = Frame::Push(vec![
        Frame::bulk("message"),
        Frame::Bulk(channel.to_vec()),
        Frame::Bulk(text.to_vec()),
    ]);
    let mut out = Vec::new();
    encode_frame(&frame, protocol, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::super::scene::Scene;
    use super::*;

    fn ask(world: &mut World, server: usize, lines: &[&str]) -> (String, Vec<Effect>) {
        let (mut session, mut out, mut effects) = (Session::default(), Vec::new(), Vec::new());
        for line in lines {
            let argv = line
                .split(' ')
                .map(|word| word.as_bytes().to_vec())
                .collect();
            let mut stand = Stand {
                world,
                server,
                now: Instant::now(),
                listeners: &|_| 3,
            };
            answer(&mut stand, &mut session, argv, &mut out, &mut effects);
        }
        (String::from_utf8(out).unwrap(), effects)
    }

    #[test]
    fn a_transaction_promotes_and_kills_the_other_clients() {
        let (scene, _ground) = Scene::new(1, 2).unwrap();
        let mut world = World::new(&scene, 0..1);
        let lines = [
            "MULTI",
            "SLAVEOF NO ONE",
            "CONFIG REWRITE",
            "CLIENT KILL TYPE normal",
            "EXEC",
        ];
        let (said, effects) = ask(&mut world, 1, &lines);
        assert!(said.ends_with("*3\r\n+OK\r\n+OK\r\n:1\r\n"), "{said}");
        assert_eq!(
            effects,
            [Effect::Promoted, Effect::Kill(ClientKind::Normal)]
        );
        assert!(ask(&mut world, 1, &["ROLE"]).0.contains("master"));
    }

    #[test]
    fn a_hello_on_the_master_travels_to_the_replicas_that_follow() {
        let (scene, _ground) = Scene::new(1, 2).unwrap();
        let mut world = World::new(&scene, 0..1);
        let (said, effects) = ask(&mut world, 0, &["PUBLISH __sentinel__:hello text"]);
        assert_eq!(said, ":3\r\n");
        assert!(matches!(effects.as_slice(), [Effect::Publish { .. }]));
        assert_eq!(world.followers(0).collect::<Vec<_>>(), [1, 2]);
        world.kill(0, Instant::now());
        assert_eq!(world.followers(0).count(), 0);
    }
}
