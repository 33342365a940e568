//! The same over TLS, to Sentinels and servers alike, with certificates on both sides.

use crate::harness::pki::Pki;
use crate::harness::ports::Ports;
use crate::harness::{Flavor, NAME, Sentinel, Server, eventually};
use crate::programs::{Cast, Files, Stage, Variant, with_tls};
use std::path::PathBuf;

#[test]
#[ignore = "needs the client libraries: cargo xtask clients"]
fn clients_follow_over_tls_with_certificates_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let pki = Pki::make(dir.path());
    let mut ports = Ports::reserve().unwrap();
    let home = |name: String| -> PathBuf {
        let home = dir.path().join(name);
        std::fs::create_dir(&home).unwrap();
        home
    };
    let mut servers: Vec<Server> = Vec::new();
    let mut master = None;
    for index in 0..3 {
        let (port, tls) = (ports.take().unwrap(), ports.take().unwrap());
        let home = home(format!("server-{index}"));
        servers.push(Server::start(port, home, master, &pki.lines(tls)));
        master = master.or(Some(tls));
    }
    let master = master.unwrap();
    eventually("the replicas are in sync", || {
        servers[1..].iter().all(|it| it.follows(master))
    });
    let mut sentinels = Vec::new();
    let mut tls_ports = Vec::new();
    for index in 0..3 {
        let (port, tls) = (ports.take().unwrap(), ports.take().unwrap());
        let lines = format!(
            "{}\nsentinel monitor {NAME} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {NAME} 1000\n\
             sentinel failover-timeout {NAME} 6000\n",
            pki.lines(tls).join("\n")
        );
        let home = home(format!("sentinel-{index}"));
        sentinels.push(Sentinel::start(Flavor::UnderTest, port, home, &lines));
        tls_ports.push(tls);
    }
    eventually("every sentinel knows everybody", || {
        sentinels.iter().all(|sentinel| {
            let row = sentinel.master();
            let is = |name: &str, value: &str| row.field(name).as_deref() == Some(value);
            is("flags", "master") && is("num-slaves", "2") && is("num-other-sentinels", "2")
        })
    });

    let stage = Stage {
        servers: &servers,
        sentinels: tls_ports,
        dir: dir.path(),
    };
    let files = Files {
        ca: pki.file("ca.crt"),
        cert: pki.file("own.crt"),
        key: pki.file("own.key"),
    };
    let variant = Variant {
        tls: Some(files),
        ..Variant::default()
    };
    let mut cast = Cast::start(stage, &with_tls(), &variant);
    servers[0].crash();
    cast.await_followed(&servers);
}
