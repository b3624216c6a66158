"""The command line, a file per command. Nothing here imports torch before a command needs it."""
