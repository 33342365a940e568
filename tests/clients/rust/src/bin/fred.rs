//! fred: a client that finds the master again by itself. It has no reads from replicas behind
//! Sentinels, so that an application asks a Sentinel for them, through fred's own client for it.

use bartizan_clients::{Arguments, Client, Failure, follow};
use fred::clients::SentinelClient;
use fred::interfaces::SentinelInterface;
use fred::prelude::*;
use fred::types::RespVersion;
use fred::types::config::{SentinelConfig, Server};
use std::collections::HashMap;
use std::time::Duration;

const KEY: &str = "client:fred";

struct Fred {
    arguments: Arguments,
    master: fred::clients::Client,
    replica: Option<fred::clients::Client>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::read()?;
    let hosts = arguments.sentinels.iter();
    let login = arguments.login.clone().unzip();
    let server = ServerConfig::Sentinel {
        hosts: hosts
            .map(|(host, port)| Server::new(host.as_str(), *port))
            .collect(),
        service_name: arguments.master.clone(),
        username: login.0,
        password: login.1,
    };
    let master = connect(server, &arguments).await?;
    follow(Fred {
        arguments,
        master,
        replica: None,
    })
    .await;
    Ok(())
}

async fn connect(
    server: ServerConfig,
    arguments: &Arguments,
) -> Result<fred::clients::Client, Error> {
    let version = if arguments.resp3 {
        RespVersion::RESP3
    } else {
        RespVersion::RESP2
    };
    let config = Config {
        server,
        version,
        ..Config::default()
    };
    let client = Builder::from_config(config)
        .set_policy(ReconnectPolicy::new_constant(0, 100))
        .with_connection_config(|it| {
            // An application's time-outs: without them it waits for a frozen master for ever.
            it.connection_timeout = Duration::from_secs(1);
            it.internal_command_timeout = Duration::from_secs(1);
            it.unresponsive.max_timeout = Some(Duration::from_secs(1));
            it.unresponsive.interval = Duration::from_millis(250);
        })
        .with_performance_config(|it| it.default_command_timeout = Duration::from_secs(3))
        .build()?;
    client.init().await?;
    Ok(client)
}

impl Fred {
    /// A replica that some Sentinel holds to be well.
    async fn find_replica(&self) -> Result<fred::clients::Client, Failure> {
        let mut last = Failure::from("no Sentinel names a replica that is well");
        for (host, port) in &self.arguments.sentinels {
            match self.replica_named_by(host, *port).await {
                Ok(client) => return Ok(client),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn replica_named_by(
        &self,
        host: &str,
        port: u16,
    ) -> Result<fred::clients::Client, Failure> {
        let (username, password) = self.arguments.login.clone().unzip();
        let config = SentinelConfig {
            host: host.into(),
            port,
            username,
            password,
        };
        let sentinel = SentinelClient::new(config, None, None, None);
        sentinel.init().await?;
        let rows: Vec<HashMap<String, String>> =
            sentinel.replicas(self.arguments.master.as_str()).await?;
        sentinel.quit().await?;
        let well = rows
            .iter()
            .find(|row| row.get("flags").is_some_and(|flags| flags == "slave"));
        let row = well.ok_or("no replica is well")?;
        let field = |name: &str| row.get(name).cloned().ok_or("a replica has no address");
        let address = (field("ip")?, field("port")?.parse::<u16>()?);
        let server = ServerConfig::new_centralized(address.0, address.1);
        Ok(connect(server, &self.arguments).await?)
    }
}

impl Client for Fred {
    async fn write(&mut self, number: u64) -> Result<String, Failure> {
        let () = self
            .master
            .set(KEY, number.to_string(), None, None, false)
            .await?;
        Ok(self.master.info(None).await?)
    }

    async fn read(&mut self) -> Result<(u64, String), Failure> {
        let client = match self.replica.take() {
            Some(client) => client,
            None => self.find_replica().await?,
        };
        let value: Option<u64> = client.get(KEY).await?;
        let info: String = client.info(None).await?;
        // Who was a replica may have been promoted: the next read asks a Sentinel again.
        if info.contains("role:slave") {
            self.replica = Some(client);
        }
        Ok((value.unwrap_or(0), info))
    }
}
