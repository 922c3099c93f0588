"""Verbs on orders and fills: of the message's order, else of the latest that was placed."""

from __future__ import annotations

from core.errors import FaultScriptError
from gateway.faults.doing_sockets import check_text, text_of
from gateway.faults.effects import Bust, Correct, EndSilently, Execute, HoldOrder, Refuse, ReleaseOrder, Twin
from gateway.faults.scene import Scene
from gateway.faults.values import AbsentError
from gateway.faults.verbs import REQUEST, Param, verb


@verb("hold", says="the order is acknowledged and not matched, until `release`")
def hold(scene: Scene) -> None:
    scene.effects.append(HoldOrder(*scene.order()))


@verb("release", says="a held order is matched again")
def release(scene: Scene) -> None:
    scene.effects.append(ReleaseOrder(*scene.order()))


def _check_fill(place: str, waited: bool, given: dict[str, str]) -> None:
    if "shares" in given and "fraction" in given:
        raise FaultScriptError("`execute` takes shares or fraction, not both")


@verb(
    "execute", Param("shares", "positive", ""), Param("price", "positive", ""), Param("fraction", "positive", ""),
    says="fill the order whatever its status: what remains, so many shares, or that part of it; at its limit or the "
    "last price, unless one is given", check=_check_fill,
)  # fmt: skip
def execute(scene: Scene, shares: float | None, price: float | None, fraction: float | None) -> None:
    if fraction is not None:
        shares = scene.part(fraction)
    scene.effects.append(Execute(*scene.order(), shares, price))


@verb(
    "refuse", Param("code", "count"), Param("text", "text", ""), Param("reject", "text", ""),
    says="a working order ends as Inactive, with IBKR's error", check=check_text,
)  # fmt: skip
def refuse(scene: Scene, code: int, text: str, reject: str) -> None:
    scene.effects.append(Refuse(*scene.order(), code, text_of(scene, code, text), reject))


@verb("end_silently", says="a working order is gone, and nobody is told")
def end_silently(scene: Scene) -> None:
    scene.effects.append(EndSilently(*scene.order()))


@verb(
    "twin", says="a modification becomes a second live order with a new permId",
    places=frozenset({REQUEST}), under_way=True,
)  # fmt: skip
def twin(scene: Scene) -> None:
    scene.effects.append(Twin(*scene.order()))


def _check_correction(place: str, waited: bool, given: dict[str, str]) -> None:
    if not given:
        raise FaultScriptError("`correct` changes nothing; write `correct price_by=0.05` or `correct shares=50`")
    if "price" in given and "price_by" in given:
        raise FaultScriptError("`correct` takes price or price_by, not both")


@verb(
    "correct", Param("shares", "positive", ""), Param("price", "positive", ""), Param("price_by", "number", ""),
    says="correct the message's execution, else the latest: other shares, another price, or one higher by so much",
    check=_check_correction,
)  # fmt: skip
def correct(scene: Scene, shares: float | None, price: float | None, price_by: float | None) -> None:
    execution = scene.execution()
    if price_by is not None:
        price = round(float(execution["price"]) + price_by, 4)
        if price <= 0.0:
            raise AbsentError(f"{execution['price']} and {price_by:g} make {price:g}, which is no price")
    scene.effects.append(Correct(str(execution["execId"]), shares, price))


@verb("bust", says="take the message's execution back, else the latest")
def bust(scene: Scene) -> None:
    scene.effects.append(Bust(str(scene.execution()["execId"])))
