"""Words of a script's line: plain words, field=value pairs, quoted text, the colon after a trigger, semicolons."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import FaultScriptError

ESCAPES = {"n": "\n", "r": "\r", '"': '"', "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Word:
    """A word. ``sign`` is "=" or "!=" in ``key=text``, ":" or ";" where it is that mark, else empty."""

    text: str
    key: str = ""
    sign: str = ""

    @property
    def is_pair(self) -> bool:
        return self.sign in ("=", "!=")

    def __str__(self) -> str:
        return f"{self.key}{self.sign}{self.text}" if self.is_pair else self.text or self.sign


def words_of(line: str) -> list[Word]:
    """Split a line; a # outside quotes begins a comment.

    Raises:
        FaultScriptError: A quote is not closed, or a backslash in quotes stands before what it does not escape.
    """
    if "\0" in line or not line.isprintable() and line.encode(errors="ignore").decode() != line:
        raise FaultScriptError("a NUL or a broken character; a script is UTF-8 text")
    words: list[Word] = []
    at = 0
    while at < len(line):
        char = line[at]
        if char.isspace():
            at += 1
        elif char == "#":
            break
        elif char == ";":
            words.append(Word("", sign=";"))
            at += 1
        else:
            word, at = _word(line, at)
            words += word
    return words


def _word(line: str, at: int) -> tuple[list[Word], int]:
    key, sign, text, plain = "", "", "", True
    while at < len(line) and not line[at].isspace() and line[at] not in ";#":
        char = line[at]
        if char == '"':
            part, at = _quoted(line, at)
            text += part
            plain = False
            continue
        if char == "=" and not sign and plain:
            negated = text.endswith("!")
            key, sign, text = text.removesuffix("!"), "!=" if negated else "=", ""
        elif char == ":" and (at + 1 == len(line) or line[at + 1].isspace()):
            word = [Word(text, key, sign)] if text or sign or not plain else []
            return [*word, Word("", sign=":")], at + 1
        else:
            text += char
        at += 1
    return [Word(text, key, sign)], at


def _quoted(line: str, at: int) -> tuple[str, int]:
    """The text in the quotes that open at ``at``, and where it goes on after them."""
    start, text, at = at, "", at + 1
    while at < len(line):
        char = line[at]
        if char == '"':
            return text, at + 1
        if char == "\\":
            at += 1
            if line[at : at + 1] not in ESCAPES or at >= len(line):
                raise FaultScriptError('a \\ in quotes stands before \\, ", n or r only; write \\\\ for a backslash')
            char = ESCAPES[line[at]]
        text += char
        at += 1
    raise FaultScriptError(f'the quote at column {start + 1} is not closed; end it with "')
