// ioredis: one connection that follows the master, one that follows a replica.

import Redis from "ioredis";
import { complain, follow, readArguments } from "./contract.js";

const KEY = "client:ioredis";
const { sentinels, master, protocol, user, password, tls } = readArguments();

function connect(role) {
  const client = new Redis({
    sentinels,
    name: master,
    role,
    protocol,
    sentinelUsername: user,
    sentinelPassword: password,
    tls,
    sentinelTLS: tls,
    enableTLSForSentinelMode: tls !== undefined,
    // What tells a frozen master. ioredis's `failoverDetector` is left off, as it is by default:
    // a switch that it hears of while a connection is being made ends the client for good.
    socketTimeout: 2000,
  });
  client.on("error", complain);
  return client;
}

const writer = connect("master");
const reader = connect("slave");

await follow({
  write: (number) => writer.set(KEY, number),
  master: () => writer.info(),
  read: () => reader.get(KEY),
  replica: () => reader.info(),
  turn: () => reader.status === "ready" && reader.disconnect(true),
});
