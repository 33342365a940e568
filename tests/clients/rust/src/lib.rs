//! What the programs for Rust share: their arguments, and what they print (`../README.md`).

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

/// Whatever a library calls an error.
pub type Failure = Box<dyn Error + Send + Sync>;

/// The words of the command line.
#[derive(Debug)]
pub struct Arguments {
    /// Host and port of every Sentinel.
    pub sentinels: Vec<(String, u16)>,
    /// The name of the master to ask for.
    pub master: String,
    /// Whether to speak RESP3, where that can be chosen.
    pub resp3: bool,
    /// User and password, for the Sentinels only.
    pub login: Option<(String, String)>,
}

impl Arguments {
    /// Reads them.
    ///
    /// # Errors
    /// When one is missing or no address.
    pub fn read() -> Result<Self, Failure> {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let pairs = words.chunks_exact(2);
        let mut words: BTreeMap<&str, String> = pairs
            .map(|pair| (pair[0].as_str(), pair[1].clone()))
            .collect();
        let mut take = |name: &str| words.remove(name);
        let list = take("--sentinels").ok_or("--sentinels is missing")?;
        let address = |text: &str| -> Result<(String, u16), Failure> {
            let (host, port) = text.rsplit_once(':').ok_or("HOST:PORT, please")?;
            Ok((host.to_owned(), port.parse()?))
        };
        Ok(Self {
            sentinels: list.split(',').map(address).collect::<Result<_, _>>()?,
            master: take("--master").ok_or("--master is missing")?,
            resp3: take("--resp").as_deref() == Some("3"),
            login: take("--user").zip(take("--password")),
        })
    }
}

/// What an application does with its client.
#[allow(async_fn_in_trait, reason = "used by these programs only")]
pub trait Client {
    /// Writes the number to the master; returns the master's INFO.
    async fn write(&mut self, number: u64) -> Result<String, Failure>;
    /// Reads the number from a replica, with the replica's INFO.
    async fn read(&mut self) -> Result<(u64, String), Failure>;
}

/// Writes and reads back until another master than the first has taken a write.
pub async fn follow(mut client: impl Client) {
    let mut first = None;
    for number in 1.. {
        match round(&mut client, number).await {
            Ok(Some((master, replica))) if first.is_none() => {
                first = Some(master);
                println!("ready {master} {replica}");
            }
            Ok(Some((master, replica))) if first != Some(master) => {
                println!("followed {master} {replica}");
                return;
            }
            Ok(_) => {}
            Err(error) => eprintln!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// One number written and read back: the ports of who took it and of the replica that had it
/// within a second.
async fn round(client: &mut impl Client, number: u64) -> Result<Option<(u16, u16)>, Failure> {
    let taken_by = port(&client.write(number).await?)?;
    for _ in 0..50 {
        let (value, info) = client.read().await?;
        if value >= number && info.contains("role:slave") {
            return Ok(Some((taken_by, port(&info)?)));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(None)
}

fn port(info: &str) -> Result<u16, Failure> {
    let line = info.lines().find_map(|line| line.strip_prefix("tcp_port:"));
    Ok(line.ok_or("INFO has no tcp_port")?.trim().parse()?)
}
