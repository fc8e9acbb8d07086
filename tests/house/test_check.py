"""What `./check` finds in the checkout, step by step, so that `./test` runs it beside the tests."""

from __future__ import annotations

import pytest

from tools.check import Step, static_checks


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("step", static_checks(), ids=lambda step: step.name)
def test_the_checkout_passes(step: Step) -> None:
    """Format, lint, house rules, links, PowerShell's grammar, shell scripts, import contracts and types."""
    findings = step.run()
    assert not findings, f"\n{findings}"
