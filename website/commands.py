"""The page of all commands, from click: what ``--help`` says, as Markdown."""

import inspect
import re
from collections.abc import Iterator

import click

VERBATIM = "\b"  # in front of a paragraph that click takes as it is
# Options, paths and file names in a text
CODE = re.compile(r"(?<![\w`/-])(--?[a-z][\w-]*|[\w.*]+/[\w./*]+|\w+\.(?:png|jsonl?|ya?ml|tar))(?![\w`])")


def commands_page(group: click.Group, program: str) -> str:
    """Returns the page in Markdown, with the commands of a group in alphabetical order."""
    lines = ["# Commands", "", f"`{program} COMMAND --help` prints the same."]
    for names, command in _commands(group):
        context = click.Context(command, info_name=" ".join((program, *names)))
        lines += ["", f"## {context.info_name}", "", *_description(command)]
        usage = " ".join(command.collect_usage_pieces(context))
        lines += ["", "```text", f"{context.info_name} {usage}", "```", *_options(command, context)]
    return "\n".join(lines) + "\n"


def _commands(
    group: click.Group, names: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from _commands(command, (*names, name))
        else:
            yield (*names, name), command


def _description(command: click.Command) -> Iterator[str]:
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if not paragraph.startswith(VERBATIM):
            yield from (_markdown(" ".join(paragraph.split())), "")
            continue
        head, *examples = paragraph.removeprefix(VERBATIM).strip("\n").splitlines()
        yield from (head, "", "```console", *(f"$ {line.strip()}" for line in examples), "```", "")


def _options(command: click.Command, context: click.Context) -> list[str]:
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    if not options:
        return []
    rows = ["", "| option | meaning |", "|---|---|"]
    for option in options:
        record = option.get_help_record(context)
        assert record is not None  # only hidden options have none
        names, meaning = (" ".join(part.split()).replace("|", "\\|") for part in record)
        rows.append(f"| `{names}` | {_markdown(meaning)} |")
    return rows


def _markdown(text: str) -> str:
    """Text of a terminal with its file names, placeholders and options as code."""
    return CODE.sub(r"`\1`", text.replace("<", "&lt;"))
