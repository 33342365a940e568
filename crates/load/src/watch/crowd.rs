//! A crowd of clients that ask one Sentinel as fast as it answers.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bartizan_wire::resp::{Limits, ReplyDecoder, command};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::{Watcher, spawn};
use crate::client::Stop;
use crate::stage::scene::Scene;

/// What a crowd was answered.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// How long each answer took.
    pub took: Vec<Duration>,
    /// For how long they asked.
    pub lasted: Duration,
}

struct Member {
    stream: TcpStream,
    decoder: ReplyDecoder,
    asked: Instant,
}

/// `clients` connections, each with one question at a time, until it is time to stop.
///
/// # Errors
/// When no thread can be started.
pub fn start(port: u16, clients: usize, masters: usize, stop: Stop) -> Result<Watcher<Answers>> {
    spawn("crowd", move || {
        let mut poll = Poll::new()?;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut members = Vec::new();
        // Asking must cost as little as can be: it takes the same cores.
        let questions: Vec<Vec<u8>> = (0..masters).map(question).collect();
        let mut questions = questions.iter().cycle();
        for index in 0..clients {
            let connected = std::net::TcpStream::connect(addr)?;
            connected.set_nodelay(true)?;
            connected.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(connected);
            poll.registry()
                .register(&mut stream, Token(index), Interest::READABLE)?;
            let decoder = ReplyDecoder::new(Limits::LINK);
            let mut member = Member {
                stream,
                decoder,
                asked: Instant::now(),
            };
            member.ask(&mut questions)?;
            members.push(member);
        }
        let mut answers = Answers::default();
        let mut events = Events::with_capacity(clients.max(1));
        let began = Instant::now();
        while !stop.is_set() {
            match poll.poll(&mut events, Some(Duration::from_millis(100))) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &events {
                if let Some(member) = members.get_mut(event.token().0)
                    && let Some(took) = member.hear()?
                {
                    answers.took.push(took);
                    member.ask(&mut questions)?;
                }
            }
        }
        answers.lasted = began.elapsed();
        Ok(answers)
    })
}

fn question(master: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let words = ["SENTINEL", "get-master-addr-by-name", &Scene::name(master)];
    command(&words, &mut bytes);
    bytes
}

impl Member {
    fn ask<'a>(&mut self, questions: &mut impl Iterator<Item = &'a Vec<u8>>) -> Result<()> {
        let bytes = questions.next().context("nobody to ask for")?;
        self.asked = Instant::now();
        // A question is small and there is only one under way: it always fits.
        let written = self.stream.write(bytes).context("asking")?;
        if written != bytes.len() {
            bail!("a question did not fit into a socket");
        }
        Ok(())
    }

    fn hear(&mut self) -> Result<Option<Duration>> {
        let mut scratch = [0; 1024];
        let read = match self.stream.read(&mut scratch) {
            Ok(0) => bail!("the Sentinel hung up on a client"),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error).context("hearing an answer"),
        };
        let bytes = scratch.get(..read).unwrap_or_default();
        let (_, frame) = self.decoder.decode(bytes)?;
        Ok(frame.map(|_| self.asked.elapsed()))
    }
}
