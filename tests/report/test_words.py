import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.report.words import (
    LONGEST_NAME,
    counted,
    listed,
    share,
    short,
    signed,
    some_of,
    spread,
    times,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (counted(1, "task"), "1 task"),
        (counted(0, "task"), "0 tasks"),
        (counted(1200, "pass", "passes"), "1,200 passes"),
        (listed([]), ""),
        (listed(["a"]), "a"),
        (listed(["a", "b"]), "a and b"),
        (listed(["a", "b", "c"]), "a, b and c"),
        (some_of(["a", "b", "c"], 2), "a, b and c"),  # "and 1 others" would be no shorter
        (some_of(["a", "b", "c", "d"], 2), "a, b and 2 others"),
        (share(0.43), "43 %"),
        (share(0.0249), "2.5 %"),
        (share(0.0003), "0.03 %"),
        (share(1e-9), "less than 0.01 %"),
        (share(0.0), "0.00 %"),
        (times(23.4), "23 times"),
        (times(1.26), "1.3 times"),
        (signed(0.0123), "+0.0123"),
        (signed(-0.4), "−0.4000"),
        (signed(-12.34), "−12.3"),
        (spread(0.00001), "below 0.0001"),
        (spread(0.0), "0.0000"),
        (short("two\nlines  here"), "two lines here"),
        (short(" "), "(no name)"),
    ],
)
def test_words(text, expected):
    assert text == expected


@given(st.lists(st.text(), min_size=1, max_size=40), st.integers(1, 20))
def test_every_name_is_told_or_counted(names, most):
    text = some_of(names, most)
    assert "\n" not in text
    if len(names) - most > 1:
        assert text.endswith(f" and {len(names) - most} others")
    assert len(text) <= (min(len(names), most + 1)) * (LONGEST_NAME + 5) + 20
