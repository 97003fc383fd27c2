"""One readable stream of what the processes of ``make up`` say: when, who, what.

supervisord loads ``print_events`` as a plugin (``rpcinterface_factory``), so the lines come out
of its own standard output, whatever that is: terminal, file or pipe. Only the standard library
and supervisor are needed here: the whole of Django would stay in supervisord's memory.
"""

import select
import sys
import time
from collections import defaultdict
from typing import Any

from supervisor import events

NAME_WIDTH = 10
# What a pipe takes at once if it takes anything at all (PIPE_BUF, pipe(7)).
MAX_LINE_BYTES = 4096
# Says its lines as they are: they are for people, who copy from them.
WITHOUT_NAME = {"welcome"}


def line(name: str, message: str) -> str:
    return f"{time.strftime('%H:%M:%S')} {name:<{NAME_WIDTH}} | {message}"


def is_worth_a_line(name: str, message: str) -> bool:
    """Not what clients do all day: before each push they ask for layers that aren't there yet,
    and Distribution calls the 404 an error."""
    return not (name == "registry" and "http.response.status=404" in message)


def say(message: str) -> None:
    print(line("gantry", message), flush=True)


def print_events(supervisord: Any, **_config: str) -> object:
    """Print what processes write and what happens to them, from now on."""
    console = Console()
    events.subscribe(events.ProcessLogEvent, console.print_output)
    events.subscribe(events.ProcessStateExitedEvent, console.print_exit)
    events.subscribe(events.ProcessStateBackoffEvent, console.print_exit)
    events.subscribe(events.SupervisorStoppingEvent, console.print_stop)
    return object()  # the remote interface of this plugin: none


class Console:
    def __init__(self) -> None:
        self._unfinished: defaultdict[str, bytes] = defaultdict(bytes)  # by process

    def print_output(self, event: Any) -> None:
        name = event.process.config.name
        data = event.data if isinstance(event.data, bytes) else event.data.encode()
        *lines, self._unfinished[name] = (self._unfinished[name] + data).split(b"\n")
        for text in lines:
            message = text.decode(errors="replace").rstrip()
            if not is_worth_a_line(name, message):
                continue
            self._print(message if name in WITHOUT_NAME else line(name, message))

    def print_exit(self, event: Any) -> None:
        if event.process.config.name not in WITHOUT_NAME:
            self._print(line(event.process.config.name, "has ended and is started again"))

    def print_stop(self, event: Any) -> None:
        self._print(line("gantry", "stopping"))

    def _print(self, text: str) -> None:
        """Write a line, unless nobody reads: the index must not wait for its console."""
        data = text.encode(errors="replace")[: MAX_LINE_BYTES - 1] + b"\n"
        try:
            if select.select([], [sys.stdout], [], 0)[1]:
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
        except OSError:
            pass  # whoever read it has gone; processes go on
