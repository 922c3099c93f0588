"""Faults on demand: a script language, named scenarios, and the injector that the gateway asks what goes wrong."""

from core.errors import FaultScriptError
from gateway.faults.effects import Actor, Effect, perform
from gateway.faults.injector import Injector
from gateway.faults.loading import load, make_injector
from gateway.faults.parser import parse
from gateway.faults.script import Script

__all__ = ["Actor", "Effect", "Injector", "Script", "FaultScriptError", "load", "make_injector", "parse", "perform"]
