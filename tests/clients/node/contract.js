// What the programs for Node share: their arguments, and what they print (../README.md).

import { readFileSync } from "node:fs";

/** The words of the command line. */
export function readArguments() {
  const words = new Map();
  for (let at = 2; at + 1 < process.argv.length; at += 2) {
    words.set(process.argv[at], process.argv[at + 1]);
  }
  const file = (name) => readFileSync(words.get(name));
  const tls = words.has("--ca") && {
    ca: file("--ca"),
    cert: file("--cert"),
    key: file("--key"),
    // Servers are known by addresses that their certificates do not name.
    checkServerIdentity: () => undefined,
  };
  return {
    sentinels: words.get("--sentinels").split(",").map((address) => {
      const colon = address.lastIndexOf(":");
      return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
    }),
    master: words.get("--master"),
    protocol: Number(words.get("--resp")),
    user: words.get("--user"),
    password: words.get("--password"),
    tls: tls || undefined,
  };
}

/**
 * Writes and reads back until another master than the first has taken a write. The client gives
 * `write(number)`, `master()` (the INFO of who takes writes), `read()` and `replica()` (the INFO
 * of who is read from), all of them promises that may fail, and `turn()` for when who is read from
 * has been promoted: the client should ask the Sentinels again.
 */
export async function follow(client) {
  let first;
  for (let number = 1; ; number += 1) {
    try {
      await client.write(number);
      const takenBy = port(await client.master());
      const givenBy = await readBack(client, number);
      if (givenBy && first === undefined) {
        first = takenBy;
        console.log(`ready ${takenBy} ${givenBy}`);
      } else if (givenBy && takenBy !== first) {
        console.log(`followed ${takenBy} ${givenBy}`);
        process.exit(0);
      }
    } catch (error) {
      complain(error);
    }
    await pause(50);
  }
}

/** Tells what went wrong; the program goes on. */
export function complain(error) {
  console.error(String(error));
}

/** The port of the replica that has the number, if it comes within a second. */
async function readBack(client, number) {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const value = Number(await client.read());
    const info = String(await client.replica());
    if (!info.includes("role:slave")) {
      client.turn();
    } else if (value >= number) {
      return port(info);
    }
    await pause(20);
  }
  return undefined;
}

function port(info) {
  return Number(/tcp_port:(\d+)/.exec(String(info))[1]);
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
