//! redis-rs: asks the Sentinels for each connection that it opens, and does not watch them.

use bartizan_clients::{Arguments, Client, Failure, follow};
use redis::aio::MultiplexedConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{AsyncCommands, ConnectionAddr, ProtocolVersion, RedisResult};

const KEY: &str = "client:redis_rs";

/// The connections that an application keeps until one fails.
struct RedisRs {
    master: Kept,
    replica: Kept,
}

struct Kept {
    client: SentinelClient,
    connection: Option<MultiplexedConnection>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::read()?;
    let master = Kept::new(&arguments, SentinelServerType::Master)?;
    let replica = Kept::new(&arguments, SentinelServerType::Replica)?;
    follow(RedisRs { master, replica }).await;
    Ok(())
}

impl Kept {
    fn new(arguments: &Arguments, kind: SentinelServerType) -> RedisResult<Self> {
        let addresses = arguments.sentinels.iter().cloned();
        let addresses = addresses.map(|(host, port)| ConnectionAddr::Tcp(host, port));
        let version = if arguments.resp3 {
            ProtocolVersion::RESP3
        } else {
            ProtocolVersion::RESP2
        };
        let mut builder = SentinelClientBuilder::new(addresses, arguments.master.clone(), kind)?
            .set_client_to_redis_protocol(version)
            .set_client_to_sentinel_protocol(version);
        if let Some((user, password)) = &arguments.login {
            builder = builder
                .set_client_to_sentinel_username(user)
                .set_client_to_sentinel_password(password);
        }
        let client = builder.build()?;
        Ok(Self {
            client,
            connection: None,
        })
    }

    async fn connection(&mut self) -> RedisResult<MultiplexedConnection> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        let connection = self.client.get_async_connection().await?;
        self.connection = Some(connection.clone());
        Ok(connection)
    }
}

impl Client for RedisRs {
    async fn write(&mut self, number: u64) -> Result<String, Failure> {
        let mut connection = self.master.connection().await?;
        let done = async {
            let () = connection.set(KEY, number).await?;
            redis::cmd("INFO").query_async(&mut connection).await
        };
        done.await.map_err(|error: redis::RedisError| {
            self.master.connection = None;
            error.into()
        })
    }

    async fn read(&mut self) -> Result<(u64, String), Failure> {
        let mut connection = self.replica.connection().await?;
        let done = async {
            let value: Option<u64> = connection.get(KEY).await?;
            let info: String = redis::cmd("INFO").query_async(&mut connection).await?;
            Ok((value.unwrap_or(0), info))
        };
        let done: RedisResult<(u64, String)> = done.await;
        // Who asked for a replica and is led to a promoted one asks again.
        if !matches!(&done, Ok((_, info)) if info.contains("role:slave")) {
            self.replica.connection = None;
        }
        Ok(done?)
    }
}
