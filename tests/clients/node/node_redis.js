// node-redis: one client that sends what only reads to replicas.

import { createSentinel } from "redis";
import { complain, follow, readArguments } from "./contract.js";

const KEY = "client:node_redis";
const { sentinels, master, protocol, user, password, tls } = readArguments();

// The time-out is an application's: without one it may wait for a frozen master for ever.
const socket = { socketTimeout: 2000, ...(tls && { tls: true, ...tls }) };
const sentinel = createSentinel({
  name: master,
  sentinelRootNodes: sentinels,
  RESP: protocol,
  nodeClientOptions: { socket },
  sentinelClientOptions: { username: user, password, socket },
  replicaPoolSize: 1,
  passthroughClientErrorEvents: true,
});
sentinel.on("error", complain);
await sentinel.connect();

await follow({
  write: (number) => sentinel.set(KEY, String(number)),
  master: () => sentinel.sendCommand(false, ["INFO"]),
  read: () => sentinel.get(KEY),
  replica: () => sentinel.sendCommand(true, ["INFO"]),
  turn: () => {}, // It hears of switches by itself.
});
