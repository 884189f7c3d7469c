"""Ready-made agents, written against the public face of `dagger` alone.

Each is made by a function that takes its name and channels, so that a program can have
several of one kind: `Executor([file_walker(publish="sources"), collector("sources")])`.

`dagger_agents.code_review` has the parts of a code review; it needs the extra `review`, and is
imported by its own name.
"""

from dagger_agents.collector import Collection, collected, collector
from dagger_agents.walker import File, Folder, file_walker

__all__ = ["Collection", "File", "Folder", "collected", "collector", "file_walker"]
