"""A tiny process under the conductor: `fake_member.py ADDRESS NAME BEHAVIOUR FILE`.

quiet: answers everything. silent: reports 7 pending and never is quiet. dying: says why and ends with status 4.
stubborn: quiet, but neither Stop nor SIGTERM ends it. hanging: its first incarnation answers nothing, later ones do.
parent: quiet, and keeps a child process whose id it writes to FILE. Every line heard is appended to FILE.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from edge.contract.control import Advance, Answer, Ask, Hello, Progress, Quiet, Stop, decode_from_conductor, encode_line


def main() -> None:
    address, name, behaviour, file = sys.argv[1:]
    heard = Path(file)
    is_first = not heard.exists()
    if behaviour == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    host, port = address.split(":")
    channel = socket.create_connection((host, int(port)))
    channel.sendall(encode_line(Hello("edge", name, os.getpid())))
    if behaviour == "parent":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        channel.sendall(encode_line(Progress(0, 0, {"child": child.pid})))
    for line in channel.makefile("rb"):
        with heard.open("ab") as log:
            log.write(line)
        match decode_from_conductor(line):
            case Advance(utc_s):
                if behaviour == "dying":
                    sys.stderr.write("there is no space left\n")
                    sys.exit(4)
                channel.sendall(encode_line(Progress(utc_s, 7)))
                if behaviour != "silent" and not (behaviour == "hanging" and is_first):
                    channel.sendall(encode_line(Quiet(utc_s, {"heard": utc_s}, {"work": 0.5})))
            case Ask(what):
                channel.sendall(encode_line(Answer(what, msgspec.Raw(b'{"is":1}'))))
            case Stop():
                break
    if behaviour == "stubborn":
        time.sleep(600)


if __name__ == "__main__":
    main()
