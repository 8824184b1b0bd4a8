"""The pictures of the README, taken from what is stored: `python -m benchmarks.screenshots`; needs a chromium."""

from playwright.sync_api import Browser, expect

from benchmarks.browser import ROOT, chromium, served_app

FOLDER = ROOT / "docs"
PICTURES = {
    "affinity": ("/affinity?run=sample-debian", "light"),
    "groups": ("/groups?run=sample-debian", "dark"),
    "pareto": ("/pareto?study=sample-study-debian", "light"),
}


def picture(browser: Browser, address: str, theme: str, name: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 1180}, color_scheme=theme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(address)
    drawn = page.locator(".js-plotly-plot :is(.heatmaplayer image, .scatterlayer .point)")
    expect(drawn.first).to_be_attached(timeout=60_000)
    page.wait_for_timeout(3000)  # fonts and the last figures
    page.screenshot(path=FOLDER / f"{name}.png")
    context.close()


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with served_app() as url, chromium() as browser:
        for name, (path, theme) in PICTURES.items():
            picture(browser, url + path, theme, name)


if __name__ == "__main__":
    main()
