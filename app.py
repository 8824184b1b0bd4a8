"""The app: `streamlit run app.py`."""

from streamlit import App

from pages.parts.document import document_routes
from pages.parts.navigation import navigate
from pages.parts.solver import warm_up


def main() -> None:
    """Show the page that the address names."""
    navigate().run()
    warm_up()


if __name__ == "__main__":  # the script of a page
    main()
else:  # the server, which is given it by `streamlit run`
    app = App(__file__, routes=document_routes())
