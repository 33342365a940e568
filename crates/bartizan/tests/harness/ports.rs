//! Free loopback ports that two tests, or two test runs, cannot both believe to be theirs.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// Below the range that the kernel takes for outgoing connections, so that no client socket sits
/// on a port between the moment it is chosen and the moment its server binds it.
const FIRST_BLOCK: u16 = 20_000;
/// Ports of one block: its guard and 31 to hand out.
const BLOCK: u16 = 32;
/// How many blocks there are: up to port 31,999.
const BLOCKS: u16 = 375;

/// A block of ports, ours for as long as this value lives.
///
/// The first port of a block is its lock: whoever has it bound owns the rest. The kernel gives
/// it back when the process dies, however it dies.
#[derive(Debug)]
pub struct Ports {
    _guard: TcpListener,
    next: u16,
    end: u16,
}

impl Ports {
    /// Takes a block that nobody has.
    ///
    /// # Errors
    /// When every block is taken.
    pub fn reserve() -> io::Result<Self> {
        let start = u16::try_from(std::process::id() % u32::from(BLOCKS)).unwrap_or(0);
        for step in 0..BLOCKS {
            let base = FIRST_BLOCK + (start + step) % BLOCKS * BLOCK;
            if let Ok(guard) = TcpListener::bind((Ipv4Addr::LOCALHOST, base)) {
                return Ok(Self {
                    _guard: guard,
                    next: base + 1,
                    end: base + BLOCK,
                });
            }
        }
        Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "every block of test ports is taken",
        ))
    }

    /// The next port of the block on which nobody listens.
    ///
    /// # Errors
    /// When the block is used up.
    pub fn take(&mut self) -> io::Result<u16> {
        while self.next < self.end {
            let port = self.next;
            self.next += 1;
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(port);
            }
        }
        Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "this block of test ports is used up",
        ))
    }
}
