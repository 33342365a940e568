"""redis-py, the blocking kind."""

import time

from redis.exceptions import RedisError
from redis.sentinel import Sentinel

from contract import Arguments, Progress, complain

KEY = "client:redis_py"


def main():
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
            master.set(KEY, number)
            taken_by = master.info("server")["tcp_port"]
            given_by = read_back(replica, number)
            if given_by and progress.round_done(taken_by, given_by):
                return
        except RedisError as error:
            complain(error)
        time.sleep(0.05)


def read_back(replica, number):
    """The port of the replica that has the number, if it comes within a second."""
    for _ in range(50):
        value = int(replica.get(KEY) or 0)
        if replica.info("replication")["role"] != "slave":
            # It has been promoted since the connection was made: ask the Sentinels again.
            replica.connection_pool.disconnect()
        elif value >= number:
            return replica.info("server")["tcp_port"]
        time.sleep(0.02)
    return None


main()
