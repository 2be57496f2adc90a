"""Shared widgets: what a native widget of Streamlit cannot do fast enough."""
