"""What the programs for Python share: their arguments, and what they print (../README.md)."""

import sys


class Arguments:
    """The words of the command line."""

    def __init__(self):
        words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
        addresses = [address.rsplit(":", 1) for address in words["--sentinels"].split(",")]
        self.sentinels = [(host, int(port)) for host, port in addresses]
        self.master = words["--master"]
        self.protocol = int(words["--resp"])
        # What redis-py calls these things, for connections to servers and to Sentinels.
        # The time-out is an application's: without one it would wait for a frozen master for ever.
        self.server = {"protocol": self.protocol, "socket_timeout": 1.0}
        if "--ca" in words:
            self.server |= {
                "ssl": True,
                # Servers are known by addresses that their certificates do not name.
                "ssl_check_hostname": False,
                "ssl_ca_certs": words["--ca"],
                "ssl_certfile": words["--cert"],
                "ssl_keyfile": words["--key"],
            }
        self.sentinel = dict(self.server)
        if "--user" in words:
            self.sentinel |= {"username": words["--user"], "password": words["--password"]}


class Progress:
    """Decides what to print, from who took a write and who gave it back."""

    def __init__(self):
        self.first_master = None

    def round_done(self, master, replica):
        """One number was written to `master` and read from `replica`; true when all is done."""
        if self.first_master is None:
            self.first_master = master
            print(f"ready {master} {replica}", flush=True)
        elif master != self.first_master:
            print(f"followed {master} {replica}", flush=True)
            return True
        return False


def complain(error):
    """Tells what went wrong; the program goes on."""
    print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
