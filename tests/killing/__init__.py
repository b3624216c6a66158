"""Commands that are killed before a chosen operation on files, and run folders compared.

A server imports torch and ganzoo once and forks a process for each command (`forks`). The process counts
what it does to files below its working folder (`operations`). Before a given operation it sends itself
SIGKILL; or it copies the folder before each operation, which is what a kill at that moment would leave.
`Server` is the client, `differences` compares what came of it.
"""

from killing.folders import contents, differences
from killing.server import Ended, Server, Servers

__all__ = ["Ended", "Server", "Servers", "contents", "differences"]
