"""The tab: remembers a word."""

from __future__ import annotations

from Katana import QtWidgets, UI4


class SampleTab(UI4.Tabs.BaseTab):
    """Shows a line to write in, and keeps what is written."""

    def __init__(self, parent: QtWidgets.QWidget, flags: int = 0) -> None:
        super().__init__(parent)
        self.word = QtWidgets.QLineEdit(self)
        QtWidgets.QVBoxLayout(self).addWidget(self.word)

    def getSettings(self) -> dict:
        return {"word": self.word.text()}

    def applySettings(self, settings: dict) -> None:
        self.word.setText(settings.get("word", ""))
