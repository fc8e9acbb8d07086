"""The Katana Queue tab: creates the list, log, picture and Agents panels, and connects them to the queue."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from Katana import UI4  # type: ignore[attr-defined]  # UI4 is there in UI mode; the stubs leave it out
from PySide6.QtCore import QEvent, QPoint, Qt, QTimer
from PySide6.QtGui import QAction, QCloseEvent, QFocusEvent, QHideEvent, QKeySequence, QShowEvent
from PySide6.QtWidgets import QMenu, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from ....kq.api import (
    ConnectionStatus,
    Farm,
    JobRecord,
    JobState,
    QueueChange,
    QueueClient,
    QueueRecord,
    Severity,
    TaskState,
    current_session,
    why_jobs_wait,
)
from ... import catalog, queue_session, site_farms
from ...ui.shortcut_override import accept_own_keys
from .actions import JobActions
from .bridge import QueueBridge, with_jobs
from .catalog_bridge import CatalogActions, CatalogPictures, with_catalog_progress
from .follow_newest import NewestJob
from .frame_bar import FrameBars
from .interrupted_jobs import InterruptedJobs
from .job_menu import job_menu
from .job_sources import JobSources
from .models import tab_settings
from .models.agents import AgentsModel
from .models.columns import Column
from .models.frame_states import FrameStates
from .models.jobs import JobsModel
from .models.pictures import PictureLoader
from .notifier import Notifier
from .selection_details import SelectedJob
from .send_to import SendTo
from .views.agents_panel import AgentsPanel
from .views.banner import Banner, EmptyPage, Notice
from .views.bars import DetailsPanel, TopBar
from .views.filter_bar import FilterBar
from .views.job_rows import RowPainter
from .views.jobs_view import JobsView
from .views.log_panel import LogPanel
from .views.picture_panel import PicturePanel

__all__ = ["KatanaQueueTab"]

SESSION_POLL_MS = 250
TASKS_INTERVAL_MS = 400
COUNTS_INTERVAL_MS = 100
"""Minimum time between two updates of the counts: faster changes cannot be read."""


class KatanaQueueTab(UI4.Tabs.BaseTab):
    """The list of jobs, and below it pages with the selected job's log and picture, and the Agents."""

    farm_name = "Katana Queue"
    """The farm plug-in's name in menus; set when the tab is registered."""

    def __init__(self, parent: QWidget | None, flags: int = 0) -> None:
        super().__init__(parent)  # without `flags`: Katana may pass an int, which Qt does not accept
        self._client: QueueClient | None = None
        self._farms: dict[str, Farm] = {}
        self._status = ConnectionStatus.STARTING
        self._message = ""
        self._queue = QueueRecord()
        self._was_closed = False  # until the list is as it is now
        self.sources = JobSources()
        self.bridge = QueueBridge(self)
        self.model = JobsModel(self)
        self.agents = AgentsModel(self._job_name, self)
        self.pictures = PictureLoader(self)
        self.notifier = Notifier(self)
        self._make_widgets()
        self._lay_out()
        self._connect()
        self._look_for_session()
        accept_own_keys(self)

    # --- Building ---

    def _make_widgets(self) -> None:
        self.frames = FrameStates()
        self.rows = RowPainter(self.model, self.pictures, self.frames)
        self.view = JobsView(self.model, self.rows, self)
        self.actions_of_jobs = JobActions(self.view, self.model, self.bridge, self.sources, self)
        self.send_to = SendTo(self.actions_of_jobs.selected, self.sources, self.bridge, self)
        self.catalog_actions = CatalogActions(self.view, self)
        self.filter_bar = FilterBar(self)
        self.banner = Banner(self)
        self.interrupted = InterruptedJobs(self.model, self.banner, self.actions_of_jobs)
        self.empty = EmptyPage(self.farm_name, self)
        self.notice = Notice(self)
        self.log = LogPanel(self)
        self.picture = PicturePanel(self.pictures, self)
        self.newest = NewestJob(self.view, self.model)
        self.selected = SelectedJob(
            self.view, self.model, self.bridge, self.sources, self.log, self.picture, self.pictures
        )
        self.catalog_pictures = CatalogPictures(self.model, self.pictures)
        self.frame_bars = FrameBars(self.view, self.model, self.bridge, self.sources, self.frames)
        self.agents_panel = AgentsPanel(self.agents, self.bridge, self)
        self.notify_action = QAction("Notify When Long Jobs End", self, checkable=True)
        self.notify_action.setChecked(True)
        self.find_action = QAction("Filter Jobs", self)
        self.find_action.setShortcut(QKeySequence("Ctrl+L"))
        self.find_action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        self.addAction(self.find_action)
        self._clock = QTimer(self)
        self._clock.setInterval(1000)
        self._session_timer = QTimer(self)
        self._session_timer.setInterval(SESSION_POLL_MS)
        self._counts_timer = QTimer(self)
        self._counts_timer.setSingleShot(True)
        self._counts_timer.setInterval(COUNTS_INTERVAL_MS)
        self._tasks_timer = QTimer(self)
        self._tasks_timer.setSingleShot(True)
        self._tasks_timer.setInterval(TASKS_INTERVAL_MS)

    def _lay_out(self) -> None:
        self._list = QStackedWidget(self)
        self._list.addWidget(self.view)
        self._list.addWidget(self.empty)
        self.details = DetailsPanel(self)
        log, picture, agents = self.log, self.picture, self.agents_panel
        self.details.add("Log", log, log.tools, [*log.tools.controls, log.view])
        self.details.add("Picture", picture, picture.tools, picture.controls)
        self.details.add("Agents", agents, agents.tools, [*agents.tools.controls, agents.table])
        self.splitter = QSplitter(Qt.Orientation.Vertical, self)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.addWidget(self._list)
        self.splitter.addWidget(self.details)
        self.splitter.setStretchFactor(0, 1)
        self.splitter.setStretchFactor(1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        top = self.top = TopBar(self.actions_of_jobs.groups, self.filter_bar, self._view_menu(), self)
        layout.addWidget(top)
        layout.addWidget(self.banner)
        layout.addWidget(self.splitter, 1)
        layout.addWidget(self.notice)
        # Tab order from left to right and top to bottom; Qt's default is the order of creation.
        for one, next_one in pairwise(
            [*top.controls, *self.banner.buttons, self.view, *self.details.controls]
        ):
            self.setTabOrder(one, next_one)

    def _connect(self) -> None:
        self.bridge.changed.connect(self._on_change)
        self.view.chosen.changed.connect(self.actions_of_jobs.update_enabled)
        self.view.current_changed.connect(self.actions_of_jobs.update_enabled)
        self.view.chosen.changed.connect(self.catalog_actions.update_enabled)
        self.view.current_changed.connect(self.catalog_actions.update_enabled)
        self.view.picture_activated.connect(self.actions_of_jobs.open_picture.trigger)
        self.view.customContextMenuRequested.connect(self._show_menu)
        self.model.counts_changed.connect(self._on_counts_changed)
        self.model.jobs_changed.connect(self._on_jobs_changed)
        self.model.tasks_wanted.connect(self._fetch_tasks)
        for changed in (self.pictures.thumbnail_loaded, self.pictures.unsaved_changed):
            changed.connect(lambda _which: self.view.viewport().update())
        self.picture.opened.connect(self.actions_of_jobs.open_picture.trigger)
        self.filter_bar.filter_changed.connect(self.model.set_filter)
        self.filter_bar.left.connect(self.view.setFocus)
        self.banner.resume_wanted.connect(self.actions_of_jobs.pause.trigger)
        self.empty.clear_filter_wanted.connect(self.filter_bar.clear)
        self.find_action.triggered.connect(self.filter_bar.focus)
        for source in (self.actions_of_jobs, self.send_to, self.log, self.notifier):
            source.noticed.connect(self.notice.show_message)
        for asking in (self.actions_of_jobs, self.send_to, self.catalog_actions, self.agents_panel):
            asking.refused.connect(self.notice.refuse)
        self.view.row_chosen.connect(lambda: self.notice.refuse(""))
        self.notify_action.toggled.connect(lambda on: setattr(self.notifier, "is_on", on))
        self.log.sight_wanted.connect(lambda: self.details.show_page("Log"))
        self.addActions(self.log.search_actions)  # so that their shortcuts work in the whole tab
        self.frame_bars.frame_chosen.connect(self._on_frame_chosen)
        self.details.page_changed.connect(self._follow_visibility)
        self._clock.timeout.connect(self._tick)
        self._session_timer.timeout.connect(self._look_for_session)
        self._counts_timer.timeout.connect(self._show_counts)
        self._tasks_timer.timeout.connect(lambda: self.model.request_tasks(*self.view.visible_rows()))

    # --- The queue ---

    def attach(self, client: QueueClient, farms: Mapping[str, Farm] | None = None) -> None:
        """Show the jobs of `client`'s queue and of `farms` (by their names in KQ_FARMS). Qt's thread."""
        self._client = self.sources.client = client
        self._farms = dict(farms or {})
        self.sources.set_farms(self._farms)
        self.send_to.set_farms(self._farms)
        self.view.columns.offer_farm(bool(self._farms))
        self.filter_bar.set_farms([farm.title for farm in self._farms.values()])
        self.frame_bars.forget()
        self.model.now_s = self.agents.now_s = client.now_s
        self._session_timer.stop()
        self.bridge.attach(client, self._farms.values())

    def _look_for_session(self) -> None:
        """Attach to the session; check again later if it, or its farms, are not there yet.

        Katana may restore the tab before kq is started.
        """
        session = current_session()
        if session is not None and not session.is_closing:
            site = site_farms.open_farms()
            if self._client is not session.client or site.farms:
                self.attach(session.client, site.farms)
            if not site.is_complete:
                self._session_timer.start()
            return
        problem = queue_session.problem()
        if problem:
            self.banner.show_text(f"Katana Queue could not start: {problem}", Severity.ERROR)
        else:
            self.banner.show_text("Katana Queue starts when the desktop has started.", JobState.WAITING)
        self._show_counts()
        self._session_timer.start()

    def _on_change(self, change: QueueChange) -> None:
        if change.queue is not None:
            self._queue = change.queue
            self.actions_of_jobs.set_paused(change.queue.paused)
            self.agents_panel.set_queue(change.queue)
        jobs = with_catalog_progress(change.jobs)
        self.model.apply(change if jobs is change.jobs else with_jobs(change, jobs))
        if any(job.note for job in change.jobs):
            self.view.columns.reveal(Column.NOTE)
        self._was_closed = self._was_closed and not change.reset
        self.agents.apply(change)
        self.model.set_why_waiting(why_jobs_wait(self._queue, self.agents.agents()))
        if change.status != self._status or change.message != self._message or change.reset:
            self._set_status(change.status, change.message)
        if self.interrupted.apply(change) or change.queue is not None:
            self._show_banner()

    def _on_jobs_changed(self, pairs: list[tuple[JobRecord, JobRecord | None]]) -> None:
        if not self._was_closed:  # else the list itself shows what has ended meanwhile
            self.notifier.observe(pairs)
        for job, _before in pairs:
            if job.picture:
                self.pictures.refresh(job.picture)
            self.selected.job_changed(job)
            self.frame_bars.job_changed(job)
        if (
            self.model.expanded_jobs()
            and any(self.model.is_expanded(job.id) for job, _before in pairs)
            and not self._tasks_timer.isActive()
            and self.isVisible()
        ):
            self._tasks_timer.start()

    def _set_status(self, status: ConnectionStatus, message: str) -> None:
        self._status, self._message = status, message
        live = status == ConnectionStatus.CONNECTED
        if live:
            self.notice.refuse("")  # clears an error about the lost connection
        self.sources.is_live = live
        self.actions_of_jobs.update_enabled()
        self.agents_panel.set_client(self._client if live else None)
        if live or not self.model.total:
            self.rows.stale_since_s = None
        elif self.rows.stale_since_s is None:
            self.rows.stale_since_s = self.model.now_s()
        self.agents_panel.table.setEnabled(live)
        self.view.viewport().update()
        self._show_banner()
        self._show_counts()

    def _show_banner(self) -> None:
        self.banner.show_queue(self._status, self._message, self._queue)
        if self._status == ConnectionStatus.CONNECTED and not self.banner.text:
            self.banner.show_text(queue_session.warning() or site_farms.unknown_farms(), Severity.WARNING)
            self.interrupted.show()

    def _fetch_tasks(self, job_id: str, first: int, count: int) -> None:
        source = self.sources.of(self.model.job(job_id))
        if source is not None and self.isVisible():
            self.bridge.watch(
                source.tasks(job_id, first, count), lambda tasks: self.model.set_tasks(job_id, tasks)
            )

    def _on_frame_chosen(self, state: TaskState) -> None:
        """Show the page with the log of a failed frame, or the picture of any other."""
        self.details.show_page("Log" if state == TaskState.FAILED else "Picture")

    def _job_name(self, job_id: str) -> str:
        job = self.model.job(job_id)
        return job_id if job is None else job.name

    # --- Texts and menus ---

    def _on_counts_changed(self) -> None:
        if not self.isVisible():
            return  # `showEvent` updates the counts
        fills_or_empties = bool(self.model.shown) != (self._list.currentWidget() is self.view)
        if fills_or_empties or not self._counts_timer.isActive():
            self._show_counts()
            self._counts_timer.start()

    def _show_counts(self) -> None:
        counts = {state: self.model.count(state) for state in JobState}
        self.filter_bar.set_counts(counts)
        total, shown = self.model.total, self.model.shown
        if not shown:
            if total:
                self.empty.show_no_match(total)
            elif self._status == ConnectionStatus.ENDED:
                self.empty.show_no_queue()
            else:
                self.empty.show_how_to_start()
            self._list.setCurrentWidget(self.empty)
        else:
            self._list.setCurrentWidget(self.view)
        self.filter_bar.set_shown(shown, total)
        self.actions_of_jobs.update_enabled()

    def _show_menu(self, at: QPoint) -> None:
        menu = job_menu(self.actions_of_jobs, self.catalog_actions, self.send_to, self)
        menu.popup(self.view.viewport().mapToGlobal(at))

    def _view_menu(self) -> QMenu:
        menu = QMenu(self)
        menu.addMenu(self.view.columns.menu())
        menu.addSeparator()
        menu.addAction(self.find_action)
        menu.addAction(self.log.find_action)
        menu.addSeparator()
        menu.addAction(self.notify_action)
        return menu

    def _tick(self) -> None:
        """Update times, and whatever is polled, once per second."""
        if self.model.count(JobState.RUNNING):
            self.view.viewport().update()
            self._show_catalog_progress()
        self.catalog_pictures.update()
        if self.agents_panel.isVisible():
            self.agents.tick()
        if self._status == ConnectionStatus.CONNECTED and not self.banner.text and queue_session.warning():
            self._show_banner()

    def _show_catalog_progress(self) -> None:
        """Poll Katana for the progress of renders that print none, as the queue sends no changes for them."""
        if self._client is None or not catalog.knows_renders():
            return
        running = [self._client.job(agent.job) for agent in self.agents.agents() if agent.job]
        silent = [job for job in running if job is not None and job.progress is None]
        news = [
            job
            for job in with_catalog_progress(silent)
            if (shown := self.model.job(job.id)) is not None and shown.progress != job.progress
        ]
        if news:
            self.model.apply(QueueChange(status=self._status, message=self._message, jobs=tuple(news)))

    # --- Qt and Katana ---

    def getSettings(self) -> dict[str, Any]:
        """Return the settings that Katana saves with the layout."""
        settings = dict(super().getSettings() or {})
        settings[tab_settings.KEY] = {
            "version": tab_settings.VERSION,
            "columns": self.view.columns.settings(),
            "splitter": self.splitter.sizes(),
            "details": self.details.current_name(),
            "notify": self.notify_action.isChecked(),
            "wrap": self.log.wrap_action.isChecked(),
            "fold": self.log.fold_action.isChecked(),
        }
        return settings

    def applySettings(self, settings: dict[str, Any]) -> None:
        """Restore what `getSettings` returned in this version or an older one."""
        super().applySettings(settings)
        own = tab_settings.read(settings)
        if own is None:
            return
        if own.columns:
            self.view.columns.apply_settings(own.columns)
        if own.splitter:
            self.splitter.setSizes(own.splitter)
        if own.details:
            self.details.show_page(own.details)
        self.notify_action.setChecked(own.notify)
        self.log.wrap_action.setChecked(own.wrap)
        self.log.fold_action.setChecked(own.fold)

    def _follow_visibility(self) -> None:
        """Read files and update times only while they are visible."""
        visible = self.isVisible()
        self.log.set_active(visible and self.details.current_page() is self.log)
        self.pictures.set_active(visible)
        if visible:
            self._clock.start()
        else:
            for timer in (self._clock, self._counts_timer, self._tasks_timer):
                timer.stop()

    def showEvent(self, event: QShowEvent) -> None:
        """Resume what `hideEvent` and `closeEvent` stopped, and update what has changed since."""
        super().showEvent(event)
        self.log.reader.resume()
        self.pictures.resume()
        self.actions_of_jobs.missing.frames.resume()
        if self._client is not None and not self.bridge.is_attached:
            self.bridge.attach(self._client, self._farms.values())
        self._follow_visibility()
        self._show_counts()
        self.frame_bars.ask()
        if self.model.expanded_jobs():
            self._tasks_timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop reading files. Changes of jobs are still processed, to notify of their end."""
        super().hideEvent(event)
        self._follow_visibility()

    def closeEvent(self, event: QCloseEvent) -> None:
        """End the tab's threads. `showEvent` starts them again if the tab is reopened."""
        self.bridge.detach()
        self._was_closed = True
        self.log.reader.close()
        self.pictures.close()
        self.actions_of_jobs.missing.frames.close()
        super().closeEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Pass the focus to the list. Not by a focus proxy: the Tab key would return to this widget."""
        super().focusInEvent(event)
        self.view.setFocus(event.reason())

    def changeEvent(self, event: QEvent) -> None:
        """Draw the icons again when the palette changes."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_tasks_timer"):
            self.actions_of_jobs.follow_palette()
            self.top.follow_palette()
            self.filter_bar.follow_palette()
            self.log.follow_palette()
