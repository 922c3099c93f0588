"""Asking an HTTP service for JSON: paced, tried again while a fault may pass, and never with the key in any text."""

from __future__ import annotations

import datetime as dt
import email.utils
import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlsplit

import tenacity

from core.clock import Clock, as_utc
from core.errors import SettingsError, SourceAnswerError
from core.redact import redact, remember_secret

Notify = Callable[[str], None]  # is told why the work waits, a sentence

ATTEMPTS = 7  # with the waits below a little more than a minute, which is the window of most rate limits
UNREACHED = 3  # attempts in a row without a connection, in a few seconds: a network that is down stays down
FIRST_WAIT = 1.0  # seconds; doubles with each attempt, and up to as much again is added at random
LONGEST_WAIT = 60.0
LONGEST_ASKED = 300.0  # a service that wants a longer pause has closed for the day
_SHOWN = 200  # characters of a service's own words in an error
_MINUTE = dt.timedelta(minutes=1)
_logger = logging.getLogger(__name__)
T = TypeVar("T")


class ClosedError(SourceAnswerError):
    """The service answers nobody, or not this key, so that asking it for anything else is in vain."""


class UnreachableError(ClosedError):
    """The service cannot be reached."""


class PassingFault(Exception):
    """An attempt that failed in a way that may pass by itself; ``lasting``: what it is when it does not."""

    lasting: ClassVar[type[SourceAnswerError]] = SourceAnswerError

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait  # seconds that the service asks for


class UnreachableFault(PassingFault):
    """No connection came about: the name is not found, nobody listens there."""

    lasting = UnreachableError


class TooManyFault(PassingFault):
    """The service wants fewer requests (429), of whatever they ask."""

    lasting = ClosedError

    def __init__(self, wait: float | None = None) -> None:
        super().__init__("too many requests (429)", wait)


class NotFoundError(SourceAnswerError):
    """The service answers, but has nothing under that address."""


def try_persistently(
    action: Callable[[], T], *, service: str, clock: Clock, notify: Notify | None = None, attempts: int = ATTEMPTS
) -> T:
    """Run ``action`` until it raises no PassingFault, with waits that double and are jittered.

    Raises SourceAnswerError after ``attempts``, or when the service asks for a pause of more than five minutes:
    ClosedError where it wants fewer requests, UnreachableError after three attempts in a row without a connection.
    """
    began, unreached = clock.now(), 0
    backoff = tenacity.wait_exponential_jitter(initial=FIRST_WAIT, max=LONGEST_WAIT, jitter=FIRST_WAIT)

    def wait(state: tenacity.RetryCallState) -> float:
        return max(backoff(state), _fault(state).wait or 0.0)

    def stop(state: tenacity.RetryCallState) -> bool:
        nonlocal unreached
        unreached = unreached + 1 if isinstance(_fault(state), UnreachableFault) else 0
        if unreached >= UNREACHED:
            return True
        return state.attempt_number >= attempts or (_fault(state).wait or 0.0) > LONGEST_ASKED

    def tell(state: tenacity.RetryCallState) -> None:
        pause = state.next_action.sleep if state.next_action is not None else 0.0
        text = f"{service}: {_fault(state)}; waiting {pause:.0f} s before attempt {state.attempt_number + 1}"
        _logger.debug("%s", text)
        if notify is not None:
            notify(text)

    def give_up(state: tenacity.RetryCallState) -> T:
        fault, tried = _fault(state), state.attempt_number
        lasted = (clock.now() - began).total_seconds()
        asked = f" It asks for a pause of {fault.wait:.0f} s." if (fault.wait or 0.0) > LONGEST_ASKED else ""
        raise fault.lasting(
            f"{service}: {fault}; gave up after {tried} {'attempt' if tried == 1 else 'attempts'} in {lasted:.0f} s."
            f"{asked} Nothing was stored of this request; check the connection and try again later"
        ) from fault

    retrying = tenacity.Retrying(
        sleep=clock.sleep,
        wait=wait,
        stop=stop,
        retry=tenacity.retry_if_exception_type(PassingFault),
        before_sleep=tell,
        retry_error_callback=give_up,
    )
    return retrying(action)


class Pace:
    """At most so many requests in any minute; None: as many as wanted."""

    def __init__(self, service: str, per_minute: int | None, clock: Clock, notify: Notify | None = None) -> None:
        if per_minute is not None and per_minute < 1:
            raise SettingsError(f"{service}: {per_minute} requests a minute; give 1 or more, or None for no limit")
        self._service, self._per_minute, self._clock, self._notify = service, per_minute, clock, notify
        self._sent: deque[dt.datetime] = deque(maxlen=per_minute)  # times of the last requests

    def __call__(self) -> None:
        """Wait until the next request may be sent, and count it."""
        if self._per_minute is None:
            return
        if len(self._sent) == self._per_minute:
            pause = (self._sent[0] + _MINUTE - self._clock.now()).total_seconds()
            if pause > 0:
                if self._notify is not None:
                    limit = f"{self._per_minute} {'request' if self._per_minute == 1 else 'requests'} a minute"
                    self._notify(f"{self._service}: waiting {pause:.0f} s for the limit of {limit}")
                self._clock.sleep(pause)
        self._sent.append(self._clock.now())


class JsonService:
    """One HTTP service that answers in JSON and wants a key in the Authorization header.

    The key goes to the host of ``base_url`` alone: redirects are refused, and so is any other address.
    """

    def __init__(
        self,
        service: str,
        base_url: str,
        key: str,
        *,
        key_name: str,
        clock: Clock,
        per_minute: int | None,
        notify: Notify | None = None,
        timeout: float = 30.0,
        attempts: int = ATTEMPTS,
    ) -> None:
        base = urlsplit(base_url)
        if base.scheme != "https" and base.hostname not in ("127.0.0.1", "::1", "localhost"):
            raise SettingsError(f"{service}: the key would travel unencrypted to {base_url}; give an https address")
        if not key.isascii() or not key.isprintable() or " " in key:
            raise SettingsError(f"{service}: the key holds characters that no key has (blanks, line ends); set it anew")
        remember_secret(key)
        self.service, self.base_url = service, base_url.rstrip("/")
        self._key, self._key_name, self._clock, self._notify = key, key_name, clock, notify
        self._timeout, self._attempts = timeout, attempts
        self._pace = Pace(service, per_minute, clock, notify)
        self._session: Any = None

    def __repr__(self) -> str:
        return f"JsonService({self.service!r}, {self.base_url!r})"

    def get(self, address: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON object at ``base_url`` + ``address`` (path, and query where there is one).

        Raises NotFoundError (404) and SourceAnswerError: wrong key, plan, garbage, or no answer in several attempts.
        """
        return try_persistently(
            lambda: self._attempt(address, params),
            service=self.service,
            clock=self._clock,
            notify=self._notify,
            attempts=self._attempts,
        )

    def _attempt(self, address: str, params: Mapping[str, str] | None) -> dict[str, Any]:
        import requests

        self._pace()
        try:
            response = self._opened().get(
                self.base_url + address, params=params, timeout=self._timeout, allow_redirects=False
            )
        except requests.exceptions.SSLError as error:
            raise SourceAnswerError(
                f"{self.service}: no trusted connection to {self.base_url} ({redact(str(error))[:_SHOWN]}); "
                "correct the machine's time and certificates"
            ) from error
        except requests.ConnectTimeout as error:
            raise UnreachableFault(f"{self.base_url} cannot be reached within {self._timeout:.0f} s") from error
        except requests.Timeout as error:
            raise PassingFault(f"no answer within {self._timeout:.0f} s") from error
        except requests.ConnectionError as error:
            why = error.args[0] if error.args else None
            if getattr(why, "reason", None) is None:  # urllib3 gives one where no connection came about
                raise PassingFault("the connection broke off") from error
            raise UnreachableFault(f"{self.base_url} cannot be reached") from error
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
            raise PassingFault("the answer broke off") from error
        except requests.RequestException as error:
            raise SourceAnswerError(
                f"{self.service}: cannot ask {self.base_url} ({redact(str(error))[:_SHOWN]}); correct the address"
            ) from error
        return self._judge(response)

    def _judge(self, response: Any) -> dict[str, Any]:
        status = int(response.status_code)
        if status == 429 or status == 408 or status >= 500:
            wait = asked_wait(response.headers.get("Retry-After"), self._clock.now())
            raise TooManyFault(wait) if status == 429 else PassingFault(f"the service fails ({status})", wait)
        text = str(response.text)
        if status in (401, 403):
            raise self._refused(status, self._words(response))
        if status == 404:
            raise NotFoundError(f"{self.service}: nothing there ({self._words(response)}); check the symbol")
        if status != 200:
            raise SourceAnswerError(
                f"{self.service}: the request was answered with {status} ({self._words(response)}); check the symbol, "
                "the dates and the bar size"
            )
        if text.lstrip()[:1] == "<":
            raise SourceAnswerError(
                f"{self.service}: a web page came instead of data ({redact(text)[:_SHOWN]!r}); check the address "
                f"{self.base_url}, and whether a proxy or a login page stands in between"
            )
        try:
            answer = response.json()
        except ValueError as error:
            # a body cut short without a length looks like this, and that passes
            raise PassingFault("the answer is not JSON") from error
        if not isinstance(answer, dict):
            raise SourceAnswerError(
                f"{self.service}: the answer is a {type(answer).__name__} and not an object; check {self.base_url}"
            )
        return answer

    def _refused(self, status: int, words: str) -> SourceAnswerError:
        lowered = words.lower()
        if "not_authorized" in lowered or "plan" in lowered or "entitled" in lowered:
            return SourceAnswerError(
                f"{self.service}: the plan of this key does not include these data ({words}); ask for later dates or a "
                "longer bar, or take a larger plan"
            )
        return ClosedError(
            f"{self.service}: the key was refused ({status}: {words}); set the right one in {self._key_name}"
        )

    def _words(self, response: Any) -> str:
        """What the service says, its status first, without the key, cut to a line."""
        try:
            body = response.json()
        except ValueError:
            body = None
        parts = [body.get(name) for name in ("status", "error", "message")] if isinstance(body, dict) else []
        said = ": ".join(str(part) for part in parts if part) or str(response.text) or str(response.reason)
        return " ".join(redact(said).split())[:_SHOWN]

    def _opened(self) -> Any:
        if self._session is None:
            import requests

            key = self._key

            class Bearer(requests.auth.AuthBase):
                """An auth object and not a header: requests would put a password of ~/.netrc over the header."""

                def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
                    prepared.headers["Authorization"] = f"Bearer {key}"
                    return prepared

            self._session = requests.Session()
            self._session.auth = Bearer()
        return self._session


def asked_wait(header: str | None, now: dt.datetime) -> float | None:
    """Seconds that a Retry-After header asks for (a number or a date); None where it says nothing that is understood.

    See RFC 9110, section 10.2.3.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        when = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max((as_utc(when) - now).total_seconds(), 0.0)


def _fault(state: tenacity.RetryCallState) -> PassingFault:
    error = state.outcome.exception() if state.outcome is not None else None
    return error if isinstance(error, PassingFault) else PassingFault(str(error))
