"""Verbs on connections, log-ins, errors and the state of the gateway."""

from __future__ import annotations

import datetime as dt

from core.errors import FaultScriptError
from gateway.faults.effects import (
    ChangePort,
    Close,
    Error,
    HalfOpen,
    Limit,
    LoseStreams,
    Moment,
    RefuseLogins,
    RollBackIds,
    SkewClock,
    StopReading,
)
from gateway.faults.scene import Scene
from gateway.faults.texts import SYSTEM, TEXTS
from gateway.faults.values import AbsentError, get
from gateway.faults.verbs import ANSWER, MESSAGES, Param, verb

CLIENT = Param("client", "client", "own")


def check_close(place: str, waited: bool, given: dict[str, str]) -> None:
    """Nothing to be in the middle of, where there is no message."""
    when = given.get("when", "before")
    if when != "before" and (waited or place not in MESSAGES):
        raise FaultScriptError(f"`close {when}` needs a message under way; write `close`")
    if when == "middle" and place != ANSWER:
        raise FaultScriptError("a request has arrived whole; write `close before` or `close after`, or cut an answer")


def check_text(place: str, waited: bool, given: dict[str, str]) -> None:
    """Who leaves the text away must name a code whose text is known."""
    code = given["code"]
    if "text" not in given and code.isdigit() and int(code) not in TEXTS:
        raise FaultScriptError(f'the text of code {code} is not known; write `error {code} "its text"`')


def text_of(scene: Scene, code: int, text: str) -> str:
    """The text that is given, or IBKR's."""
    return text or str(scene.render(TEXTS.get(code, "")))


@verb(
    "close", Param("when", "choice:before|middle|after", "before"), CLIENT,
    says="drop the connection before the message, after half of its bytes, or after it", check=check_close,
)  # fmt: skip
def close(scene: Scene, when: Moment, client: str | int) -> None:
    scene.effects.append(Close(scene.target(client), when))


@verb("half_open", CLIENT, says="the connection stays open, but nothing is read or written any more")
def half_open(scene: Scene, client: str | int) -> None:
    scene.effects.append(HalfOpen(scene.target(client)))


@verb(
    "stop_reading",
    Param("seconds", "duration", ""),
    CLIENT,
    says="nothing is read from the client, for so long or ever",
)
def stop_reading(scene: Scene, seconds: float | None, client: str | int) -> None:
    until = None if seconds is None else scene.now + dt.timedelta(seconds=seconds)
    scene.effects.append(StopReading(scene.target(client), until))


@verb("refuse_logins", Param("seconds", "duration"), says="nobody can connect for so long")
def refuse_logins(scene: Scene, seconds: float) -> None:
    scene.effects.append(RefuseLogins(scene.now + dt.timedelta(seconds=seconds)))


@verb(
    "change_port",
    Param("port", "port", "0"),
    says="everyone is told error 1300 with the new port and dropped",
)
def change_port(scene: Scene, port: int) -> None:
    scene.effects.append(ChangePort(port))


@verb("roll_back_ids", Param("by", "count"), says="the next valid id is lower by so many")
def roll_back_ids(scene: Scene, by: int) -> None:
    scene.effects.append(RollBackIds(by))


@verb("lose_streams", Param("client", "client", "all"), says="subscriptions to market data end without a word")
def lose_streams(scene: Scene, client: str | int) -> None:
    scene.effects.append(LoseStreams(scene.target(client)))


@verb("skew_clock", Param("seconds", "offset"), says="the gateway's times are off by so much; 0 puts them right")
def skew_clock(scene: Scene, seconds: float) -> None:
    scene.effects.append(SkewClock(seconds))


@verb(
    "limit", Param("kind", "choice:messages|historical"), Param("count", "count"), Param("seconds", "span"),
    says="pacing is tightened: so many messages, or historical requests, in so long",
)  # fmt: skip
def limit(scene: Scene, kind: str, count: int, seconds: float) -> None:
    scene.effects.append(Limit("messages" if kind == "messages" else "historical", count, seconds))


@verb(
    "error", Param("code", "count"), Param("text", "text", ""), Param("reject", "text", ""), Param("id", "whole", ""),
    Param("client", "client", ""),
    says="IBKR's error; id and client are the message's, for codes of connectivity -1 and all", check=check_text,
)  # fmt: skip
def error(scene: Scene, code: int, text: str, reject: str, id: int | None, client: str | int | None) -> None:
    whose = scene.target(client if client is not None else "all" if code in SYSTEM else "own")
    number = id if id is not None else -1 if code in SYSTEM else id_of(scene)
    scene.effects.append(Error(whose, number, code, text_of(scene, code, text), reject))


def id_of(scene: Scene) -> int:
    """The id that an error about the message carries: its order's, else its request's, else -1."""
    for name in ("orderId", "reqId"):
        try:
            return int(get(scene.values, name))
        except AbsentError:
            continue
    return -1
