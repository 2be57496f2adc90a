"""Map: how does it hang together?"""

import streamlit as st

from pages import shell
from pages.components.embedding_map import embedding_map
from pages.components.words import plain
from sslcore.errors import LabelloomError
from sslcore.store import LIVE
from sslcore.workbench.map import MapSource

workbench = shell.bench()
task = shell.task(workbench)
token = shell.token()


def minutes(seconds: float | None) -> str:
    """A time left, as people say it."""
    if seconds is None:
        return ""
    return (
        f", ready in {max(1, round(seconds))} s" if seconds < 90 else f", ready in {round(seconds / 60)} min"
    )


def progress(source: MapSource) -> None:
    """How far the features and the map of one encoder are."""
    name = source.encoder
    if source.kind == "map":
        return
    if source.error or source.map_error:
        st.error(f"{plain(name)}: {plain(source.error or source.map_error)}")
    elif source.status == "running":
        share = source.done / max(source.total, 1)
        st.progress(
            share,
            text=f"{plain(name)}: features of {source.done:,} of {source.total:,} items{minutes(source.eta)}",
        )
    elif source.status in ("queued", "waiting") and source.map_status in LIVE:
        st.caption(f"{plain(name)}: waiting for its turn")
    elif source.map_status in LIVE:
        st.caption(f"{plain(name)}: its map is being drawn")


def wanting(found: list[MapSource]) -> bool:
    """Whether a map is missing that nobody is at work on."""
    return any(
        source.kind != "map" and source.status not in LIVE and source.map_status not in LIVE
        for source in found
    )


st.html(
    "<style>[data-testid=stMainBlockContainer] { padding: 3.9rem 2rem 0.5rem; }"
    "[data-testid=stMainBlockContainer] [data-testid=stVerticalBlock] { gap: 0.5rem; }</style>"
)
items = workbench.store.count()
if items == 0:
    st.info("The project has no items yet. Load some on the Data page.")
    st.stop()

unfinished = any(source.kind != "map" for source in workbench.map.sources())


@st.fragment(run_every=2.0 if unfinished else None)
def show() -> None:
    """The map, and how far it is; asked again every two seconds until it is complete."""
    found = workbench.map.sources()
    drawn = [source for source in found if source.kind is not None]
    for source in found:
        progress(source)
    if wanting(found):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption("Some maps are not drawn yet.", width="content")
            if st.button("Draw the maps"):
                try:
                    workbench.prepare()
                except LabelloomError as error:
                    st.error(plain(error))
                else:
                    st.rerun()
    if not drawn:
        st.info(
            "There is no map yet: it is drawn from the features of the items, which are computed first. "
            "It appears here by itself."
        )
        return
    best = workbench.map.best_source()
    embedding_map(
        project=workbench.project,
        task=task,
        token=token,
        sources=drawn,
        first=best.encoder if best else None,
    )
    if unfinished and all(source.kind == "map" for source in found):
        st.rerun()


show()
