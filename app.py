"""The app: `streamlit run app.py`."""

from pages.parts.navigation import navigate
from pages.parts.solver import warm_up


def main() -> None:
    """Show the page that the address names."""
    navigate().run()
    warm_up()


if __name__ == "__main__":
    main()
