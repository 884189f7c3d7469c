"""Floor 6: the command line, a door to the executor. It translates, and decides nothing.

One file a command. Whatever a command needs beyond click is imported inside it, so that
`dagger --help` stays as quick as the shell.
"""

from dagger.cli.commands import main

__all__ = ["main"]
