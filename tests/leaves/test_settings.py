"""Settings: what the environment gives, the limits of each, and which variable an error names."""

from __future__ import annotations

from pathlib import Path

import pytest

from kq.errors import BadSetting
from kq.settings import Settings


def test_numbers_as_people_write_them() -> None:
    """Blanks, capitals and a point without a digit before it are accepted; a host of digits stays text."""
    settings = Settings.from_environment(
        {"KQ_NUM_AGENTS": " 3 ", "KQ_GRACE_S": ".5", "KQ_LOG": "Debug", "KQ_HOST": "10", "KQ_LEASE_S": "20"}
    )
    assert (settings.num_agents, settings.grace_s, settings.log_level) == (3, 0.5, "debug")
    assert (settings.host, settings.lease_s, settings.nice) == ("10", 20.0, 5)


@pytest.mark.parametrize(
    ("variable", "value", "accepted"),
    [
        ("KQ_NUM_AGENTS", "many", "from 0 to 1000"),
        ("KQ_NUM_AGENTS", "1001", "from 0 to 1000"),
        ("KQ_OPEN_NUM_AGENTS", "-1", "from 0 to 1000"),
        ("KQ_NUM_AGENTS", "9" * 5000, "from 0 to 1000"),
        ("KQ_NUM_AGENTS", "\uff11", "from 0 to 1000"),
        ("KQ_REQUEST_PORT", "65536", "from 0 to 65535"),
        ("KQ_NICE", "1.5", "from 0 to 19"),
        ("KQ_HEARTBEAT_S", "0", "at least 0.05"),
        ("KQ_GRACE_S", "nan", "at least 0"),
        ("KQ_GRACE_S", "inf", "at least 0"),
        ("KQ_LEASE_S", "soon", "at least 0.5"),
        ("KQ_LOG", "loud", "debug, error, info, warning"),
    ],
)
def test_a_value_beyond_the_limits(variable: str, value: str, accepted: str) -> None:
    """The error names the variable that was read, its value and what is accepted."""
    with pytest.raises(BadSetting) as caught:
        Settings.from_environment({variable: value})
    assert str(caught.value).startswith(f"{variable} is ")
    assert value[:20] in str(caught.value)
    assert accepted in str(caught.value)


def test_a_data_root_that_is_not_utf8(tmp_path: Path) -> None:
    """No message can carry the path of a log in it, whether it is a variable or an option."""
    with pytest.raises(BadSetting, match="KQ_DATA_ROOT"):
        Settings.from_environment({"KQ_DATA_ROOT": "/data/caf\udce9"})
    with pytest.raises(BadSetting, match="not UTF-8"):
        Settings.from_environment({}, data_root=tmp_path / "caf\udce9")


def test_overrides_win_unless_they_are_none(tmp_path: Path) -> None:
    """Options of a command line come before variables, and have the same limits."""
    environment = {"KQ_NUM_AGENTS": "7", "KQ_DATA_ROOT": "/elsewhere"}
    settings = Settings.from_environment(environment, num_agents=None, data_root=tmp_path)
    assert (settings.num_agents, settings.data_root) == (7, tmp_path)
    with pytest.raises(BadSetting, match="KQ_NUM_AGENTS"):
        Settings.from_environment({}, num_agents=-1)


def test_settings_survive_the_environment(tmp_path: Path) -> None:
    """A guardian makes from its environment the settings that its session had."""
    settings = Settings(data_root=tmp_path, num_agents=0, heartbeat_s=0.2, log_level="warning")
    assert Settings.from_environment(settings.as_environment()) == settings
