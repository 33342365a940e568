"""redis-py, the asyncio kind."""

import asyncio

from redis.asyncio.sentinel import Sentinel
from redis.exceptions import RedisError

from contract import Arguments, Progress, complain

KEY = "client:redis_py_asyncio"


async def main():
    arguments = Arguments()
    sentinel = Sentinel(
        arguments.sentinels, sentinel_kwargs=arguments.sentinel, **arguments.server
    )
    master = sentinel.master_for(arguments.master)
    replica = sentinel.slave_for(arguments.master)
    progress = Progress()
    number = 0
    while True:
        number += 1
        try:
            await master.set(KEY, number)
            taken_by = (await master.info("server"))["tcp_port"]
            given_by = await read_back(replica, number)
            if given_by and progress.round_done(taken_by, given_by):
                return
        except RedisError as error:
            complain(error)
        await asyncio.sleep(0.05)


async def read_back(replica, number):
    """The port of the replica that has the number, if it comes within a second."""
    for _ in range(50):
        value = int(await replica.get(KEY) or 0)
        if (await replica.info("replication"))["role"] != "slave":
            # It has been promoted since the connection was made: ask the Sentinels again.
            await replica.connection_pool.disconnect()
        elif value >= number:
            return (await replica.info("server"))["tcp_port"]
        await asyncio.sleep(0.02)
    return None


asyncio.run(main())
