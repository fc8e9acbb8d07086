"""Limits the Agents, messages and registrations of each remote key. Pure: no I/O.

What exceeds a limit is dropped and counted. The log has a key's first refusal, then how many followed.
"""

from __future__ import annotations

from collections.abc import Callable

from ..rate_limit import RateLimit

__all__ = ["KeyLimits"]

_MESSAGES_A_SECOND, _MESSAGES_OF_AGENT = 1000, 500
"""Per key, plus per Agent of the key: an Agent that fetches many small files sends some hundreds."""
_REPORTS_A_SECOND, _REPORTS_AT_ONCE = 50, 200
"""Per Agent: heartbeats, progress and endings, each of which is published to clients. Usual are about 10."""
_REGISTRATION_INTERVAL_S, _REGISTRATIONS_AT_ONCE = 1.0, 5
"""Per key; the burst also per Agent: after a network failure all of them register at once."""
_CONNECTIONS = 8
"""To each port, per key, plus two per Agent: tests of a connection before a launch come on top of Agents."""
_SUMMARY_INTERVAL_S = 60.0
_MAX_AGENTS_KNOWN = 10_000


class _Key:
    def __init__(self, agents: int) -> None:
        self.agents = agents
        rate = _MESSAGES_A_SECOND + _MESSAGES_OF_AGENT * agents
        self.messages = RateLimit(1.0 / rate, 2 * rate)
        self.registrations = RateLimit(_REGISTRATION_INTERVAL_S, _REGISTRATIONS_AT_ONCE * (1 + agents))


class _RefusalCount:
    def __init__(self, until: float) -> None:
        self.until = until
        self.count = 0
        self.last = ""


class KeyLimits:
    """Limits per role of a key. The keys of local Agents and of clients are the user's own, and not limited.

    Server thread only.
    """

    def __init__(self, clock: Callable[[], float], log: Callable[[str], None]) -> None:
        """
        Args:
            clock: returns monotonic seconds.
            log: writes a line to the server's log.
        """
        self._clock = clock
        self._log = log
        self._keys: dict[str, _Key] = {}
        self._reports: dict[str, RateLimit] = {}
        """By Agent id."""
        self._refused: dict[str, _RefusalCount] = {}
        """By role: refusals since the last log line about them."""

    def admit(self, role: str, agents: int) -> None:
        """Allow a key this many Agents at a time, or more if it was admitted for more before."""
        known = self._keys.get(role)
        if known is None or known.agents < agents:
            self._keys[role] = _Key(agents)

    def forget(self, role: str) -> None:
        """Remove the limits of a revoked key."""
        self._keys.pop(role, None)

    def forget_agent(self, agent_id: str) -> None:
        """Remove the limits of an Agent that no longer exists."""
        self._reports.pop(agent_id, None)

    def max_agents(self, role: str) -> int | None:
        """The most Agents that the key may have at a time; None if not limited."""
        key = self._keys.get(role)
        return None if key is None else key.agents

    def max_connections(self, role: str) -> int | None:
        """The most connections to each port that the key may have; None if not limited.

        Twice as many as it needs: after a network failure the old ones are open for a while.
        """
        if not role:
            return 0  # a key that was revoked
        key = self._keys.get(role)
        return None if key is None else _CONNECTIONS + 2 * key.agents

    def allow_message(self, role: str) -> bool:
        """Count one message with this key. Returns whether it may be handled."""
        key = self._keys.get(role)
        return key is None or self._is_within(role, key.messages, "messages that come too fast")

    def allow_report(self, role: str, agent_id: str) -> bool:
        """Count one report of this Agent. Returns whether it may be handled."""
        if role not in self._keys:
            return True
        pace = self._reports.get(agent_id)
        if pace is None:
            if len(self._reports) >= _MAX_AGENTS_KNOWN:
                self._reports.clear()  # ids of Agents that never existed
            pace = self._reports[agent_id] = RateLimit(1.0 / _REPORTS_A_SECOND, _REPORTS_AT_ONCE)
        return self._is_within(role, pace, "reports that come too fast")

    def allow_registration(self, role: str) -> bool:
        """Count one registration with this key. Returns whether it may be handled."""
        key = self._keys.get(role)
        return key is None or self._is_within(role, key.registrations, "registrations that come too fast")

    def _is_within(self, role: str, pace: RateLimit, what: str) -> bool:
        now = self._clock()
        if pace.wait_s(now) > 0.0:
            self.refuse(role, what)
            return False
        pace.record_use(now)
        return True

    def refuse(self, role: str, what: str) -> None:
        """Count a refusal, and log the first. `what`: what was refused, for the log."""
        now = self._clock()
        refused = self._refused.get(role)
        if refused is None:
            self._refused[role] = _RefusalCount(now + _SUMMARY_INTERVAL_S)
            self._log(f"refused of {role}: {what}")
            return
        refused.count += 1
        refused.last = what

    def tick(self) -> None:
        """Log how much more was refused, at most once a minute per key. To be called every second or so."""
        now = self._clock()
        for role, refused in list(self._refused.items()):
            if now < refused.until:
                continue
            if not refused.count:
                del self._refused[role]
                continue
            self._log(f"refused of {role}: {refused.count:,} more, the last: {refused.last}")
            self._refused[role] = _RefusalCount(now + _SUMMARY_INTERVAL_S)
