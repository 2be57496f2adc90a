"""The script behind every page: which pages there are, the project, the side bar."""

import streamlit as st

from pages import shell

st.set_page_config(page_title="Labelloom", page_icon="🧵", layout="wide", initial_sidebar_state="expanded")

home = st.Page("data.py", title="Data", icon="🗂️", default=True, url_path="home")


def to_home() -> None:
    """Streamlit gives its first page the address ``/`` alone; ``/data`` is what people would type."""
    st.switch_page(home, query_params=st.query_params.to_dict())


page = st.navigation(
    [
        home,
        st.Page(to_home, title="Data", url_path="data", visibility="hidden"),
        st.Page("label.py", title="Label", icon="🏷️"),
        st.Page("review.py", title="Review", icon="🔎"),
        st.Page("quality.py", title="Quality", icon="🩺"),
        st.Page("map.py", title="Map", icon="🗺️"),
        st.Page("train.py", title="Train", icon="🏋️"),
        st.Page("compare.py", title="Compare", icon="⚖️"),
        st.Page("export.py", title="Export", icon="📦"),
    ]
)
shell.style()
shell.sidebar()
page.run()
