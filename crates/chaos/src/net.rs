//! A network of hosts that are namespaces, and cuts between them in one direction or both.
//!
//! Every host is joined to one bridge, in a namespace of its own called the hub. A cut from one
//! host to another is a wrong hardware address in the first one's table of neighbours: what it
//! sends is carried and received by nobody, without an error and without a sign. This needs no
//! packet filter and no traffic control, which small kernels do not have.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use nix::sched::{CloneFlags, setns};

/// What names of ours begin with; our process id and the host follow.
const PREFIX: &str = "btz";
/// Nobody has it.
const NOBODY: &str = "02:62:7a:de:ad:00";
/// The hub's last byte of an address.
const HUB: u8 = 254;

/// A host, by its place in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Host(pub(crate) u8);

impl Host {
    /// Its address, the same in every network: networks do not see each other.
    pub(crate) const fn ip(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 44, 0, self.0 + 1)
    }

    fn hardware(self) -> String {
        format!("02:62:7a:00:00:{:02x}", self.0 + 1)
    }
}

/// A network. Its namespaces go with it.
#[derive(Debug)]
pub(crate) struct Net {
    hosts: u8,
    cuts: BTreeSet<(Host, Host)>,
    slow: BTreeSet<Host>,
}

impl Net {
    /// Builds a network of this many hosts, and moves the calling thread, with all threads that
    /// it starts from here on, to the hub, from which every host is reached whatever is cut.
    ///
    /// # Errors
    /// When the system does not let us, with what it said.
    pub(crate) fn build(hosts: u8) -> Result<Self> {
        sweep();
        let net = Self {
            hosts,
            cuts: BTreeSet::new(),
            slow: BTreeSet::new(),
        };
        let all = || (0..hosts).map(Host);
        let mut names = format!("netns add {}\n", hub());
        for host in all() {
            let _ = writeln!(names, "netns add {}", net.namespace(host));
        }
        ip(None, &names)?;
        let mut bridge = format!(
            "link add name br0 type bridge\nlink set dev br0 up\n\
             addr add 10.44.0.{HUB}/24 dev br0\nlink set dev lo up\n"
        );
        for host in all() {
            let (port, namespace) = (format!("p{}", host.0), net.namespace(host));
            let _ = writeln!(
                bridge,
                "link add name {port} type veth peer name eth0 netns {namespace}\n\
                 link set dev {port} master br0 up"
            );
        }
        ip(Some(&hub()), &bridge)?;
        for host in all() {
            let mut words = format!(
                "link set dev lo up\nlink set dev eth0 address {}\naddr add {}/24 dev eth0\n\
                 link set dev eth0 up\n",
                host.hardware(),
                host.ip()
            );
            for other in all().filter(|other| *other != host) {
                words.push_str(&neighbour(other, &other.hardware()));
            }
            ip(Some(&net.namespace(host)), &words)?;
        }
        enter(&hub())?;
        Ok(net)
    }

    /// The name of a host's namespace.
    pub(crate) fn namespace(&self, host: Host) -> String {
        debug_assert!(host.0 < self.hosts, "a host of this network");
        format!("{PREFIX}-{}-h{}", std::process::id(), host.0)
    }

    /// Nothing that `from` sends arrives at `to` any more.
    pub(crate) fn cut(&mut self, from: &[Host], to: &[Host]) -> Result<()> {
        for &source in from {
            let mut words = String::new();
            for &target in to.iter().filter(|target| **target != source) {
                if self.cuts.insert((source, target)) {
                    words.push_str(&neighbour(target, NOBODY));
                }
            }
            ip(Some(&self.namespace(source)), &words)?;
        }
        Ok(())
    }

    /// Neither side hears the other any more.
    pub(crate) fn part(&mut self, these: &[Host], those: &[Host]) -> Result<()> {
        self.cut(these, those)?;
        self.cut(those, these)
    }

    /// Everything arrives again.
    pub(crate) fn heal(&mut self) -> Result<()> {
        for (source, target) in std::mem::take(&mut self.cuts) {
            let words = neighbour(target, &target.hardware());
            ip(Some(&self.namespace(source)), &words)?;
        }
        for host in std::mem::take(&mut self.slow) {
            for (namespace, device) in self.both_ends(host) {
                shape(&namespace, &["del", "dev", &device, "root"])?;
            }
        }
        Ok(())
    }

    /// What a host sends and is sent trickles, behind a queue that is half a second long. False
    /// where the system has no traffic control.
    pub(crate) fn slow(&mut self, host: Host) -> Result<bool> {
        let bucket = ["rate", "256kbit", "burst", "4kb", "limit", "16kb"];
        for (namespace, device) in self.both_ends(host) {
            let words = ["replace", "dev", &device, "root", "tbf"];
            if !shape(&namespace, &[words.as_slice(), &bucket].concat())? {
                return Ok(false);
            }
            self.slow.insert(host);
        }
        Ok(true)
    }

    /// Resets all connections of a host. False where the system cannot.
    pub(crate) fn reset(&self, host: Host) -> Result<bool> {
        let namespace = self.namespace(host);
        let words = [
            "netns",
            "exec",
            &namespace,
            "ss",
            "--no-header",
            "--kill",
            "--tcp",
        ];
        let output = Command::new("ip").args(words).output();
        let output = output.context("`ip` of iproute2 cannot be started")?;
        // It lists those that it reset.
        Ok(output.status.success() && !output.stdout.is_empty())
    }

    /// Where what a host sends, and what it is sent, passes.
    fn both_ends(&self, host: Host) -> [(String, String); 2] {
        let sent = (self.namespace(host), "eth0".to_owned());
        [sent, (hub(), format!("p{}", host.0))]
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        remove(std::process::id());
    }
}

/// Moves the calling thread, with all threads that it starts from here on, to a namespace.
pub(crate) fn enter(namespace: &str) -> Result<()> {
    let path = Path::new("/run/netns").join(namespace);
    let file = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
    setns(file, CloneFlags::CLONE_NEWNET).with_context(|| format!("entering {namespace}"))
}

fn hub() -> String {
    format!("{PREFIX}-{}-hub", std::process::id())
}

fn neighbour(host: Host, hardware: &str) -> String {
    let address = host.ip();
    format!("neigh replace {address} lladdr {hardware} dev eth0 nud permanent\n")
}

/// Removes what was left by processes of ours that ended without a chance to do so.
fn sweep() {
    let Ok(entries) = fs::read_dir("/run/netns") else {
        return;
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let owners: BTreeSet<u32> = names
        .filter_map(|name| {
            let mut parts = name.split('-');
            (parts.next()? == PREFIX).then(|| parts.next()?.parse().ok())?
        })
        .collect();
    for owner in owners {
        if !Path::new(&format!("/proc/{owner}")).exists() {
            remove(owner);
        }
    }
}

/// Removes the namespaces of a process; the links between them go with them.
fn remove(owner: u32) {
    let Ok(entries) = fs::read_dir("/run/netns") else {
        return;
    };
    let start = format!("{PREFIX}-{owner}-");
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(&start) {
            // One that cannot be removed now is swept by the next run.
            let _ = ip(None, &format!("netns del {name}\n"));
        }
    }
}

/// Runs `tc qdisc`; false when it is not there or does not do it.
fn shape(namespace: &str, words: &[&str]) -> Result<bool> {
    let mut command = Command::new("tc");
    command.args(["-n", namespace, "qdisc"]).args(words);
    match command.stderr(Stdio::null()).status() {
        Ok(status) => Ok(status.success()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).context("starting `tc`"),
    }
}

/// Runs lines of `ip`, in a namespace or outside of any.
fn ip(namespace: Option<&str>, lines: &str) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let mut command = Command::new("ip");
    if let Some(namespace) = namespace {
        command.args(["-n", namespace]);
    }
    let mut child = command
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("`ip` of iproute2 cannot be started")?;
    let Some(mut input) = child.stdin.take() else {
        bail!("`ip` takes no input");
    };
    // If it ends early, its status says why.
    let _ = input.write_all(lines.as_bytes());
    drop(input);
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().next().unwrap_or_default();
    ensure!(output.status.success(), "`ip` failed: {first}");
    Ok(())
}
