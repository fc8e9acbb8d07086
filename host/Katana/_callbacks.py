"""Callbacks: the registry of handlers for events of the session, such as onStartupComplete.

`Katana.Callbacks` is the one CallbacksManager below, as in Katana.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, ClassVar

__all__ = [
    "Callbacks",
    "CallbacksManager",
    "DeclareCallbackType",
    "ExecuteCallbacksForType",
]

_log = logging.getLogger("Katana.Callbacks")
_Handler = Callable[..., object]


class _TypeEnum:
    """One type of callback."""

    def __init__(self, name: str) -> None:
        self._name = name

    def get(self) -> str:
        return self._name

    def name(self) -> str:
        return self._name

    def __repr__(self) -> str:
        return f"Callbacks.Type.{self._name}"


class CallbacksManager:
    """Keeps the handlers of each callback type, in order of registration."""

    class Type:
        """The callback types that this desktop executes."""

        onNewScene: ClassVar[_TypeEnum] = _TypeEnum("onNewScene")
        onNodeCreate: ClassVar[_TypeEnum] = _TypeEnum("onNodeCreate")
        onNodeDelete: ClassVar[_TypeEnum] = _TypeEnum("onNodeDelete")
        onRenderSetup: ClassVar[_TypeEnum] = _TypeEnum("onRenderSetup")
        onSceneAboutToLoad: ClassVar[_TypeEnum] = _TypeEnum("onSceneAboutToLoad")
        onSceneLoad: ClassVar[_TypeEnum] = _TypeEnum("onSceneLoad")
        onSceneSave: ClassVar[_TypeEnum] = _TypeEnum("onSceneSave")
        onShutdown: ClassVar[_TypeEnum] = _TypeEnum("onShutdown")
        onStartup: ClassVar[_TypeEnum] = _TypeEnum("onStartup")
        onStartupComplete: ClassVar[_TypeEnum] = _TypeEnum("onStartupComplete")
        onTabCreated: ClassVar[_TypeEnum] = _TypeEnum("onTabCreated")

    def __init__(self) -> None:
        self._handlers: dict[_TypeEnum, list[tuple[_Handler, object]]] = {}

    def addCallback(
        self, callbackType: _TypeEnum, callbackFcn: _Handler, callbackObjectHash: object = None
    ) -> None:
        """Call `callbackFcn(objectHash=..., **kwargs)` for each `callbackType`, of one object if given."""
        self._handlers.setdefault(callbackType, []).append((callbackFcn, callbackObjectHash))

    def delCallback(
        self, callbackType: _TypeEnum, callbackFcn: _Handler, callbackObjectHash: object = None
    ) -> None:
        """Stop calling `callbackFcn`; ignored where it is not registered."""
        entry = (callbackFcn, callbackObjectHash)
        handlers = self._handlers.get(callbackType, [])
        if entry in handlers:
            handlers.remove(entry)

    def _execute(
        self, callbackType: _TypeEnum, callbackObjectHash: object, arguments: dict[str, Any]
    ) -> None:
        for handler, wanted in tuple(self._handlers.get(callbackType, [])):
            if wanted is not None and wanted != callbackObjectHash:
                continue
            try:
                handler(objectHash=callbackObjectHash, **arguments)
            except (Exception, SystemExit) as error:  # noqa: BLE001  one plug-in's handler must not keep the next from its turn
                _log.error(
                    "The handler %s of %s failed: %s: %s",
                    getattr(handler, "__qualname__", handler),
                    callbackType.name(),
                    type(error).__name__,
                    error,
                    exc_info=True,
                )


Callbacks = CallbacksManager()


def DeclareCallbackType(callbackName: str) -> None:
    """Add a callback type called `callbackName`; one that exists keeps its handlers."""
    if not hasattr(CallbacksManager.Type, callbackName):
        setattr(CallbacksManager.Type, callbackName, _TypeEnum(callbackName))


def ExecuteCallbacksForType(
    callbackType: _TypeEnum, callbackObjectHash: object = None, **kwargs: Any
) -> None:
    """Call the handlers of `callbackType` on the calling thread; a handler's exception is logged."""
    Callbacks._execute(callbackType, callbackObjectHash, kwargs)
