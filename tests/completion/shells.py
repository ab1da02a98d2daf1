"""Real shells on a pseudo-terminal: keys are typed, and the line that stands there then is read back."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PATIENCE = 60.0
BIN = Path(sys.executable).parent
_SHOW_LINE = "\x07"  # Ctrl-G, bound below to print the line as it stands

_SETUP = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        "PS1='READY> '; bind 'set bell-style none'; bind 'set completion-query-items 1000'; bind 'set page-completions off'; "
        """bind -x '"\\C-g": printf "\\nLINE<%s>\\n" "$READLINE_LINE"'""",
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        "unsetopt BEEP PROMPT_SP; setopt INTERACTIVE_COMMENTS; LISTMAX=1000; autoload -Uz compinit; compinit -u -d $HOME/.zcompdump; "
        "show() { print; print -r -- \"LINE<$BUFFER>\" }; zle -N show; bindkey '^G' show; PS1='READY> '",
    ),
    "fish": (
        ["fish", "-i"],
        "function fish_prompt; echo 'READY> '; end; function fish_greeting; end; set -g fish_color_command normal; "
        "set -g fish_autosuggestion_enabled 0; bind \\cg 'printf \"\\nLINE<%s>\\n\" (commandline | string collect)'",
    ),
}
_ESCAPES = re.compile(r"\x1b(\[[0-9;?<>=]*[A-Za-z]|\][^\x07\x1b]*(\x07|\x1b\\)|[()][A-Z0-9]|[=>78])")


class Shell:
    """One interactive shell."""

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        self._descriptor = descriptor
        self._seen = ""

    def send(self, keys: str) -> None:
        """Type."""
        os.write(self._descriptor, keys.encode())

    def expect(self, pattern: str) -> str:
        """Wait until a pattern was printed, and return all that was printed up to there."""
        deadline = time.monotonic() + PATIENCE
        while True:
            plain = _ESCAPES.sub("", self._seen)
            found = re.search(pattern, plain)
            if found:
                self._seen = plain[found.end() :]
                return plain[: found.end()]
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name} never printed {pattern!r}, but {plain!r}")
            if select.select([self._descriptor], [], [], 0.2)[0]:
                self._seen += os.read(self._descriptor, 65536).decode("utf-8", "replace")

    def run(self, command: str) -> str:
        """Run a command line and return what it printed."""
        self.send(f"{command}; echo 'DO''NE'\r")
        return self.expect(r"DONE\r?\n")

    def complete(self, typed: str, tabs: int = 1) -> str:
        """Type a line with TAB behind it, and return the line that comes of it; the line is thrown away."""
        self.send(typed)
        for _ in range(tabs):
            self.send("\t")
        line = self._line()
        self.send("\x05\x15")  # to its end, and away
        return line

    def listed(self, typed: str) -> str:
        """Return what the shell prints when TAB is pressed twice behind a line."""
        self.send(f"{typed}\t\t")
        self.send(_SHOW_LINE)
        shown = self.expect(r"LINE<[^>]*>")
        self.send("\x05\x15")
        return shown

    def _line(self) -> str:
        self.send(_SHOW_LINE)
        return re.sub(r"(?s).*LINE<", "", self.expect(r"LINE<[^\n]*>"))[:-1]


@contextmanager
def shell(name: str, *, path: str = "", cwd: Path | None = None) -> Iterator[Shell]:
    """Start a shell in which `mlx` is the one of `path`, or of this environment; end it afterwards."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    argv, setup = _SETUP[name]
    child, descriptor = pty.fork()
    if child == 0:
        os.chdir(cwd or ".")
        environment = {
            **os.environ, "PATH": f"{path or BIN}:{os.environ['PATH']}", "TERM": "xterm", "COLUMNS": "200", "LINES": "200", "INPUTRC": "/dev/null",
            "BASH_SILENCE_DEPRECATION_WARNING": "1",
        }  # fmt: skip
        os.execvpe(argv[0], argv, environment)
    made = Shell(name, descriptor)
    try:
        import fcntl
        import struct
        import termios

        fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 200, 200, 0, 0))
        made.run(setup)
        yield made
    finally:
        os.kill(child, signal.SIGKILL)
        os.close(descriptor)
        os.waitpid(child, 0)


Started = Callable[..., Shell]
