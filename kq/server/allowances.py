"""What each key of another machine may ask for: Agents, messages, registrations. Pure decisions: no I/O.

What goes beyond is dropped and counted. The log names a key's first refusal, then how many followed.
"""

from __future__ import annotations

from collections.abc import Callable

from ..rate_limit import Pace

__all__ = ["Allowances"]

_MESSAGES_A_SECOND, _MESSAGES_OF_AGENT = 1000, 500
"""Of a key, and more for each of its Agents: one that fetches many small files sends some hundreds."""
_REPORTS_A_SECOND, _REPORTS_AT_ONCE = 50, 200
"""Of an Agent: heartbeats, progress and endings, each of which clients hear of. Ours send some 10."""
_REGISTRATION_INTERVAL_S, _REGISTRATIONS_AT_ONCE = 1.0, 5
"""Of a key, and as many more at once for each of its Agents: when a cut ends, all of them register."""
_SUMMARY_INTERVAL_S = 60.0
_MAX_AGENTS_KNOWN = 10_000


class _Key:
    def __init__(self, agents: int) -> None:
        self.agents = agents
        rate = _MESSAGES_A_SECOND + _MESSAGES_OF_AGENT * agents
        self.messages = Pace(1.0 / rate, 2 * rate)
        self.registrations = Pace(_REGISTRATION_INTERVAL_S, _REGISTRATIONS_AT_ONCE * (1 + agents))


class _Refused:
    def __init__(self, until: float) -> None:
        self.until = until
        self.count = 0
        self.last = ""


class Allowances:
    """By the role of a key. The local Agents' key and clients' are not limited: they are the user's own.

    To be used from the server's thread.
    """

    def __init__(self, clock: Callable[[], float], log: Callable[[str], None]) -> None:
        """
        Args:
            clock: what time it is, in seconds.
            log: takes a line for the server's log.
        """
        self._clock = clock
        self._log = log
        self._keys: dict[str, _Key] = {}
        self._reports: dict[str, Pace] = {}
        """By Agent."""
        self._refused: dict[str, _Refused] = {}
        """By role: refusals since the log named one."""

    def admit(self, role: str, agents: int) -> None:
        """Let a key have so many Agents at a time, or more if it was admitted for more before."""
        known = self._keys.get(role)
        if known is None or known.agents < agents:
            self._keys[role] = _Key(agents)

    def forget(self, role: str) -> None:
        """The key is not admitted any more, or its host is admitted anew."""
        self._keys.pop(role, None)

    def forget_agent(self, agent_id: str) -> None:
        """The Agent no longer exists."""
        self._reports.pop(agent_id, None)

    def max_agents(self, role: str) -> int | None:
        """How many Agents the key may have at a time; None: it is not limited."""
        key = self._keys.get(role)
        return None if key is None else key.agents

    def may_send(self, role: str) -> bool:
        """Whether one more message of this key is looked at. It is counted."""
        key = self._keys.get(role)
        return key is None or self._may(role, key.messages, "messages that come too fast")

    def may_report(self, role: str, agent_id: str) -> bool:
        """Whether one more report of this Agent is heard. It is counted."""
        if role not in self._keys:
            return True
        pace = self._reports.get(agent_id)
        if pace is None:
            if len(self._reports) >= _MAX_AGENTS_KNOWN:
                self._reports.clear()  # names of Agents that never were
            pace = self._reports[agent_id] = Pace(1.0 / _REPORTS_A_SECOND, _REPORTS_AT_ONCE)
        return self._may(role, pace, "reports that come too fast")

    def may_register(self, role: str) -> bool:
        """Whether one more registration with this key is answered. It is counted."""
        key = self._keys.get(role)
        return key is None or self._may(role, key.registrations, "registrations that come too fast")

    def _may(self, role: str, pace: Pace, what: str) -> bool:
        now = self._clock()
        if pace.wait_s(now) > 0.0:
            self.refuse(role, what)
            return False
        pace.used(now)
        return True

    def refuse(self, role: str, what: str) -> None:
        """Count something that was refused, for the reason `what`."""
        now = self._clock()
        refused = self._refused.get(role)
        if refused is None:
            self._refused[role] = _Refused(now + _SUMMARY_INTERVAL_S)
            self._log(f"refused of {role}: {what}")
            return
        refused.count += 1
        refused.last = what

    def tick(self) -> None:
        """Log how much more was refused, once a minute for each key."""
        now = self._clock()
        for role, refused in list(self._refused.items()):
            if now < refused.until:
                continue
            if not refused.count:
                del self._refused[role]
                continue
            self._log(f"refused of {role}: {refused.count:,} more, the last: {refused.last}")
            self._refused[role] = _Refused(now + _SUMMARY_INTERVAL_S)
