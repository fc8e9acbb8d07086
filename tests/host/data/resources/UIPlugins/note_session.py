"""A UI plug-in for tests: notes the callbacks of the session, and adds to the menu of Render nodes."""

from __future__ import annotations

from Katana import Callbacks, UI4

NOTED: list[str] = []


def _note(name: str) -> None:
    def handler(objectHash: object = None, **kwargs: object) -> None:
        NOTED.append(name)

    Callbacks.addCallback(getattr(Callbacks.Type, name), handler)


for _name in ("onStartup", "onStartupComplete", "onNewScene", "onSceneLoad", "onSceneSave", "onShutdown"):
    _note(_name)


class _Action(UI4.FormMaster.NodeActionDelegate.BaseNodeActionDelegate.BaseNodeActionDelegate):
    def addToContextMenu(self, menu, node):  # type: ignore[no-untyped-def]  # as the stubs leave it
        menu.addAction(f"Note {node.getName()}")


UI4.FormMaster.NodeActionDelegate.RegisterActionDelegate("Render", _Action())
