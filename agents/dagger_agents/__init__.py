"""Ready-made agents, written against the public face of `dagger` alone.

Each is made by a function that takes its name and channels, so that a program can have
several of one kind: `Executor([file_walker(publish="sources"), collector("sources")])`.
"""

from dagger_agents.collector import Collection, collected, collector
from dagger_agents.walker import File, Folder, file_walker

__all__ = ["Collection", "File", "Folder", "collected", "collector", "file_walker"]
