"""Completion in bash and fish where click's own falls short: words with a colon, an equals sign or a comma.

Bash ends a word at these, and shows click the pieces; here the line that was typed is read. Fish's script
would cut a value at its first comma.
"""

from __future__ import annotations

import os
import re

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    add_completion_class,
    split_arg_string,
)

BREAKS = ":="

BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' line
    COMPREPLY=()
    for line in $(env COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" COMP_BREAKS="$COMP_WORDBREAKS" \
%(complete_var)s=bash_complete "$1"); do
        case "$line" in
            dir,*) compopt -o dirnames ;;
            file,*) compopt -o default ;;
            plain,*[:=/]) compopt -o nospace; COMPREPLY+=("${line#*,}") ;;
            plain,*) COMPREPLY+=("${line#*,}") ;;
        esac
    done
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class Bash(BashComplete):
    """Of the line as it was typed, up to the cursor."""

    name = "bash"
    source_template = BASH
    _done = 0  # characters of the value that bash takes for words of their own

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.fsencode(os.environ["COMP_LINE"])[: int(os.environ["COMP_POINT"])]
        words = split_arg_string(os.fsdecode(line))
        begun = words.pop() if words[1:] and not line[-1:].isspace() else ""
        value = begun.partition("=")[2] if begun.startswith("--") and "=" in begun else begun
        breaks = os.environ.get("COMP_BREAKS", BREAKS)
        self._done = 1 + max((value.rfind(c) for c in BREAKS if c in breaks), default=-1)
        return words[1:], begun

    def format_completion(self, item: CompletionItem) -> str:
        value = str(item.value)[self._done :]
        escaped = re.sub(r"([^-\w.,:=/+@%~])", r"\\\1", value)
        return f"{item.type},{escaped}"


class Fish(FishComplete):
    name = "fish"
    source_template = FishComplete.source_template.replace('string split ","', 'string split -m 1 ","')


def register() -> None:
    add_completion_class(Bash)
    add_completion_class(Fish)
