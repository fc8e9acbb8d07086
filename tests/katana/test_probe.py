"""The probe that is run in Katana's Python tab: what its report holds, what it must not, what it leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROBE = ROOT / "resources" / "scripts" / "katana_probe.py"

PROGRAM = """
import json, os, sys
from host import katana_alias
katana_alias.install()
from PySide6.QtWidgets import QApplication
application = QApplication([])
import Katana
from Katana import Callbacks, Configuration, FarmAPI, Utils
from Katana.UI4.App import Tabs
from host.Katana._callbacks import ExecuteCallbacksForType
Configuration.set("KATANA_UI_MODE", "1")
Tabs.LoadTabPlugins(Tabs.GetTabPluginSearchPaths())
manager = FarmAPI.FarmPluginManager
manager.Initialize()
ExecuteCallbacksForType(Callbacks.Type.onStartupComplete)
from katana_queue.kq.api import current_session
session = current_session()
assert session.wait_ready(60), session.failure
for number, method in enumerate(("previewRender", "liveRender", "diskRender"), 41):
    command = f"/show/secret_shot/renderboot -renderer dl -renderMethodType {method} -host 10.1.2.3:4455 " \\
        "-geolib3OpTree \\"/show/secret_shot/hidden folder/tree.opt\\" -renderMethodName hidden_node_preview"
    values = ("hidden_node", f"render_{number}", [7], [command], {"A_TOKEN": "hidden value"}, "/hidden dir")
    manager._plugin("Katana Queue").submitJob(manager.JobRequest(*values))
before = (dict(os.environ), list(sys.path), sorted(sys.modules), sorted(os.listdir()))
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"), {"__name__": "__main__"})
after = (dict(os.environ), list(sys.path), sorted(sys.modules), sorted(os.listdir()))
for one, other in zip(before[:2], after[:2]):
    assert one == other
print("new modules:", sorted(set(after[2]) - set(before[2]) - set(sys.stdlib_module_names)))
ExecuteCallbacksForType(Callbacks.Type.onShutdown)
assert session.wait(60)
"""


def test_report(tmp_path: Path, data_root: Path) -> None:
    """It tells how Katana registers and calls a farm plug-in, and nothing of the site's."""
    home = tmp_path / "home of an artist"
    home.mkdir()
    python = tmp_path / "Katana" / "bin" / "python.sh"
    python.parent.mkdir(parents=True)
    python.touch()
    resources = tmp_path / "tools of a hidden site"
    resources.symlink_to(ROOT / "plugins")
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, PROBE],
        cwd=tmp_path,
        env={
            **os.environ,
            "HOME": str(home),
            "QT_QPA_PLATFORM": "offscreen",
            "PYTHONPATH": str(ROOT),
            "KATANA_RESOURCES": str(resources),
            "KATANA_ROOT": str(tmp_path / "Katana"),
            "KQ_DATA_ROOT": str(data_root),
            "STUDIO_PASSWORD": "hidden value",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "new modules: []" in done.stdout
    text = (home / "katana_queue_probe.json").read_text()
    report = json.loads(text)
    assert not [found for found in report.values() if isinstance(found, dict) and "raised" in found]
    assert report["interpreters"] == ["python.sh"]
    assert report["versions"]["executable"] and report["versions"]["PySide6"]
    [farm] = [each for each in report["registries"] if each["is_farm_plugin"]]
    assert farm["tuple"] == ["FarmPlugin", "1", "Katana Queue"]
    assert report["farms"]["names"] == ["Katana Queue"]
    assert report["packages"]["zmq"]["curve"] is True
    for number, method in enumerate(("previewRender", "liveRender", "diskRender"), 41):
        request = report["requests"][method]
        assert f"-renderMethodType {method} -host <host:port>" in request["commands"][0]
        assert request["environment"] == ["A_TOKEN"]
        assert request["renderContextName"]["value"] == f"render_{number}"
        assert request["frames"] == {"type": "list", "value": "[7]"}
    assert "JobRequest" in report["farms"]["manager"]
    assert report["base_tab"]["BaseTab(None)"] == "made"
    assert "TypeError" in report["base_tab"]["QFrame(None, 0)"]["raised"]
    assert "STUDIO_PASSWORD" in report["environment"]
    for private in ("hidden", "secret_shot", str(home), str(ROOT), "10.1.2.3"):
        assert private not in text, private
