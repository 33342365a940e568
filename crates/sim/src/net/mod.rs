//! Connections, not datagrams: in each direction messages arrive in order or the connection
//! breaks. A cut stalls what is under way; healing delivers it late, in a burst; TCP loses
//! patience after a while and resets.

mod conn;

pub use self::conn::{Attempt, Conn, ConnId, Kind, Side};

use self::conn::{Lane, State};
use crate::codec::Ends;
use crate::msg::Msg;
use crate::rand::{Purpose, Stream};
use crate::sched::{At, Ev, Sched};

/// How far behind a trickling connection gets at most.
const LONGEST_TRICKLE_US: u64 = 3_000_000;

/// A process that can be reached: Sentinels first, then servers, then clients.
pub type Node = usize;

/// Whether a process can be reached at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It answers.
    Listening,
    /// The machine answers, the process is not there.
    Refusing,
    /// Nothing answers.
    Dark,
}

/// A cut in the network: nothing gets from the first group to the second.
#[derive(Clone, Debug)]
struct Cut {
    id: usize,
    from: Vec<Node>,
    to: Vec<Node>,
}

/// How the network behaves.
#[derive(Clone, Debug)]
pub struct Weather {
    /// Shortest delay, in microseconds.
    pub delay_low_us: u64,
    /// Longest ordinary delay.
    pub delay_high_us: u64,
    /// One message in this many is five times as slow; 0 for none.
    pub outlier_of: u64,
    /// How long TCP waits for an acknowledgement before it resets.
    pub patience_us: u64,
}

/// All connections.
#[derive(Debug)]
pub struct Net {
    weather: Weather,
    delays: Stream,
    slots: Vec<(u32, Option<Conn>)>,
    free: Vec<usize>,
    cuts: Vec<Cut>,
    slow_us: Vec<u64>,
    /// The pause between two pieces of a message; 0 when messages come whole.
    trickle_us: Vec<u64>,
    reach: Vec<Reach>,
    messages: u64,
}

impl Net {
    /// A network of this many processes, all listening.
    pub fn new(seed: u64, weather: Weather, nodes: usize) -> Self {
        Self {
            weather,
            delays: Stream::new(seed, Purpose::Delay),
            slots: Vec::new(),
            free: Vec::new(),
            cuts: Vec::new(),
            slow_us: vec![0; nodes],
            trickle_us: vec![0; nodes],
            reach: vec![Reach::Listening; nodes],
            messages: 0,
        }
    }

    /// How many messages were sent.
    pub const fn messages(&self) -> u64 {
        self.messages
    }

    /// The connection, unless it is gone.
    pub fn get(&self, id: ConnId) -> Option<&Conn> {
        let (generation, conn) = self.slots.get(id.slot)?;
        conn.as_ref().filter(|_| *generation == id.generation)
    }

    fn get_mut(&mut self, id: ConnId) -> Option<&mut Conn> {
        let (generation, conn) = self.slots.get_mut(id.slot)?;
        conn.as_mut().filter(|_| *generation == id.generation)
    }

    /// What the ends of a connection keep, unless it is gone.
    pub(crate) fn ends(&mut self, id: ConnId) -> Option<&mut Ends> {
        self.get_mut(id).map(|conn| &mut conn.ends)
    }

    /// The connections of a process, in the order of their slots.
    pub fn of_node(&self, node: Node) -> Vec<(ConnId, Side)> {
        let mut found = Vec::new();
        for (slot, (generation, conn)) in self.slots.iter().enumerate() {
            let Some(conn) = conn else { continue };
            let id = ConnId {
                slot,
                generation: *generation,
            };
            if conn.from == node {
                found.push((id, Side::Near));
            } else if conn.to == node {
                found.push((id, Side::Far));
            }
        }
        found
    }

    /// Starts to connect; `Ev::Opened` follows.
    pub fn open(
        &mut self,
        sched: &mut Sched,
        from: Node,
        to: Node,
        kind: Kind,
        tag: u64,
    ) -> ConnId {
        let conn = Conn {
            from,
            to,
            kind,
            tag,
            state: State::Opening,
            lanes: [Lane::default(), Lane::default()],
            ends: Ends::default(),
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() - 1
        });
        let Some(entry) = self.slots.get_mut(slot) else {
            return ConnId {
                slot,
                generation: 0,
            };
        };
        entry.0 = entry.0.wrapping_add(1);
        entry.1 = Some(conn);
        let id = ConnId {
            slot,
            generation: entry.0,
        };
        let trip = self.delay(sched.now(), from, to) + self.delay(sched.now(), to, from);
        sched.after_us(trip, Ev::Opened(id));
        id
    }

    /// An attempt comes to its end, or goes on (`None`) because nothing answers yet.
    pub fn opened(&mut self, sched: &mut Sched, id: ConnId) -> Option<Attempt> {
        const SYN_AGAIN_US: u64 = 1_000_000;
        let conn = self.get(id)?;
        let (from, to) = (conn.from, conn.to);
        let dark = self.blocked(from, to) || self.blocked(to, from);
        let reach = if dark {
            Reach::Dark
        } else {
            self.reach.get(to).copied().unwrap_or(Reach::Dark)
        };
        let patience = self.weather.patience_us;
        let now = sched.now();
        match reach {
            Reach::Listening => {
                let conn = self.get_mut(id)?;
                conn.state = State::Open;
                Some(Attempt::Up)
            }
            Reach::Refusing => {
                self.forget(id);
                Some(Attempt::Refused)
            }
            Reach::Dark => {
                let lane = self.get_mut(id)?.lane(Side::Far);
                if lane.stalled_since == At::default() {
                    lane.stalled_since = now;
                } else if now.since(lane.stalled_since) > patience {
                    self.forget(id);
                    return Some(Attempt::TimedOut);
                }
                sched.after_us(SYN_AGAIN_US, Ev::Opened(id));
                None
            }
        }
    }

    /// Sends towards a side. A connection that does not stand yet carries nothing.
    pub fn send(&mut self, sched: &mut Sched, id: ConnId, towards: Side, msg: Msg) {
        let Some(conn) = self.get(id) else { return };
        let (from, to) = (conn.node(towards.other()), conn.node(towards));
        if conn.state == State::Opening {
            return;
        }
        self.messages += 1;
        let reach = self.reach.get(to).copied().unwrap_or(Reach::Dark);
        let blocked = reach == Reach::Dark || self.blocked(from, to);
        let delay = self.delay(sched.now(), from, to);
        let back = self.delay(sched.now(), to, from);
        let pause = self.trickle(from).max(self.trickle(to));
        let patience = self.weather.patience_us;
        let now = sched.now();
        let Some(conn) = self.get_mut(id) else { return };
        let lane = conn.lane(towards);
        if blocked || !lane.stalled.is_empty() {
            if lane.stalled.is_empty() {
                lane.stalled_since = now;
                sched.after_us(patience, Ev::GiveUp(id, towards));
            }
            lane.stalled.push_back(msg);
        } else if lane.gone {
            // The machine knows nothing of this connection and says so.
            let reply = conn.lane(towards.other());
            reply.moving.push_back(Msg::Fin);
            reply.last = reply.last.max(now.plus(delay + back));
            sched.at(reply.last, Ev::Arrive(id, towards.other()));
        } else if pause == 0 {
            lane.last = lane.last.max(now.plus(delay));
            lane.moving.push_back(msg);
            sched.at(lane.last, Ev::Arrive(id, towards));
        } else {
            lane.last = lane.last.max(now.plus(delay));
            for piece in msg.in_pieces() {
                // A sender's buffer is not without end: who is too late sends no more slowly.
                if lane.last.since(now) < LONGEST_TRICKLE_US {
                    lane.last = lane.last.plus(pause);
                }
                lane.moving.push_back(piece);
                sched.at(lane.last, Ev::Arrive(id, towards));
            }
        }
    }

    /// Takes the message that arrives. `Fin` ends the connection for good.
    pub fn arrive(&mut self, id: ConnId, at: Side) -> Option<Msg> {
        let conn = self.get_mut(id)?;
        let lane = conn.lane(at);
        let msg = lane.moving.pop_front()?;
        if lane.gone {
            return None;
        }
        if matches!(msg, Msg::Fin) {
            self.forget(id);
        }
        Some(msg)
    }

    /// This end closes: it hears nothing more, and the other end hears of it after all else.
    pub fn close(&mut self, sched: &mut Sched, id: ConnId, by: Side) {
        let Some(conn) = self.get_mut(id) else { return };
        if conn.state == State::Opening || conn.lane(by.other()).gone {
            self.forget(id);
            return;
        }
        self.send(sched, id, by.other(), Msg::Fin);
        if let Some(conn) = self.get_mut(id) {
            let lane = conn.lane(by);
            lane.gone = true;
            lane.moving.clear();
            lane.stalled.clear();
        }
    }

    /// This end vanishes without a word: the other end learns nothing until it sends.
    pub fn vanish(&mut self, id: ConnId, side: Side) {
        let Some(conn) = self.get_mut(id) else { return };
        if conn.state == State::Opening || conn.lane(side.other()).gone {
            self.forget(id);
            return;
        }
        let lane = conn.lane(side);
        lane.gone = true;
        lane.moving.clear();
    }

    /// TCP loses patience: `true` when data towards that side has been stalled too long, and the
    /// connection is reset for its sender.
    pub fn gave_up(&mut self, now: At, id: ConnId, towards: Side) -> bool {
        let patience = self.weather.patience_us;
        let Some(conn) = self.get_mut(id) else {
            return false;
        };
        let lane = conn.lane(towards);
        let lost = !lane.stalled.is_empty() && now.since(lane.stalled_since) >= patience;
        if lost {
            lane.stalled.clear();
        }
        let sender_cares = !conn.lane(towards.other()).gone;
        if lost {
            self.vanish(id, towards.other());
        }
        lost && sender_cares
    }

    /// Nothing gets from one group to the other until [`Self::mend`].
    pub fn cut(&mut self, id: usize, from: Vec<Node>, to: Vec<Node>) {
        self.cuts.push(Cut { id, from, to });
    }

    /// Ends the cuts of this id; what was stalled moves again.
    pub fn mend(&mut self, sched: &mut Sched, id: usize) {
        self.cuts.retain(|cut| cut.id != id);
        self.release(sched);
    }

    /// Whether messages from one process to the other are held back.
    pub fn blocked(&self, from: Node, to: Node) -> bool {
        self.cuts
            .iter()
            .any(|cut| cut.from.contains(&from) && cut.to.contains(&to))
    }

    /// Sets how a process can be reached.
    pub fn set_reach(&mut self, sched: &mut Sched, node: Node, reach: Reach) {
        if let Some(slot) = self.reach.get_mut(node) {
            *slot = reach;
        }
        self.release(sched);
    }

    /// How a process can be reached.
    pub fn reach(&self, node: Node) -> Reach {
        self.reach.get(node).copied().unwrap_or(Reach::Dark)
    }

    /// Adds this much to every delay from and to a process.
    pub fn slow(&mut self, node: Node, us: u64) {
        if let Some(slot) = self.slow_us.get_mut(node) {
            *slot = us;
        }
    }

    /// From here on messages from and to a process come in pieces, this long apart.
    pub fn set_trickle(&mut self, node: Node, us: u64) {
        if let Some(slot) = self.trickle_us.get_mut(node) {
            *slot = us;
        }
    }

    fn trickle(&self, node: Node) -> u64 {
        self.trickle_us.get(node).copied().unwrap_or(0)
    }

    /// Retransmissions get through again: stalled lanes whose way is free move on, in a burst.
    fn release(&mut self, sched: &mut Sched) {
        let now = sched.now();
        for slot in 0..self.slots.len() {
            for towards in [Side::Near, Side::Far] {
                let Some((generation, Some(conn))) = self.slots.get(slot) else {
                    continue;
                };
                let id = ConnId {
                    slot,
                    generation: *generation,
                };
                let (from, to) = (conn.node(towards.other()), conn.node(towards));
                if self.reach(to) == Reach::Dark || self.blocked(from, to) {
                    continue;
                }
                // The pause between two retransmissions grows with the length of the silence.
                let wait = self.delays.of(slot as u64).draw(now.0);
                let delay = self.delay(now, from, to);
                let Some(conn) = self.get_mut(id) else {
                    continue;
                };
                let lane = conn.lane(towards);
                if lane.stalled.is_empty() {
                    continue;
                }
                let silence = now.since(lane.stalled_since).min(10_000_000);
                lane.last = lane.last.max(now.plus(delay + wait % (silence / 2 + 1)));
                let (burst, last) = (std::mem::take(&mut lane.stalled), lane.last);
                if lane.gone {
                    conn.lane(towards.other()).moving.push_back(Msg::Fin);
                    sched.at(last.plus(delay), Ev::Arrive(id, towards.other()));
                    continue;
                }
                for msg in burst {
                    lane.moving.push_back(msg);
                    sched.at(last, Ev::Arrive(id, towards));
                }
            }
        }
    }

    fn forget(&mut self, id: ConnId) {
        if let Some((generation, conn)) = self.slots.get_mut(id.slot)
            && *generation == id.generation
            && conn.take().is_some()
        {
            self.free.push(id.slot);
        }
    }

    /// The delay of a message sent now: a function of the pair and the moment, so that no other
    /// message's absence can change it.
    fn delay(&self, now: At, from: Node, to: Node) -> u64 {
        let draw = self
            .delays
            .of(((from as u64) << 32) | to as u64)
            .draw(now.0);
        let weather = &self.weather;
        let width = weather
            .delay_high_us
            .saturating_sub(weather.delay_low_us)
            .max(1);
        let mut delay = weather.delay_low_us + draw % width;
        if weather.outlier_of > 0 && (draw >> 40).is_multiple_of(weather.outlier_of) {
            delay *= 5;
        }
        let slow = |node: Node| self.slow_us.get(node).copied().unwrap_or(0);
        delay + slow(from) + slow(to)
    }
}

#[cfg(test)]
mod tests;
