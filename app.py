"""Entry point: ``streamlit run app.py``. Pages stand in ``pages/``, HTTP routes in ``pages/routes``."""

import streamlit as st

from pages.routes import routes

app = st.App("pages/navigation.py", routes=routes)

if __name__ == "__main__":
    app.run()
