import pytest

from pages.parts.quantities import bytes_text, flops_text, plain, seconds_text, task_chips, times_text


@pytest.mark.parametrize(
    ("flops", "text"),
    [(0, "0 FLOP"), (999, "999 FLOP"), (1500, "1.5 kFLOP"), (3.2e12, "3.2 TFLOP"), (999.9e9, "1.0 TFLOP"),
     (123e15, "123 PFLOP"), (5e21, "5,000 EFLOP")],
)  # fmt: skip
def test_work(flops, text):
    assert flops_text(flops) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "unknown"), (0, "0.0 s"), (0.01, "below 0.1 s"), (0.44, "0.4 s"), (9.96, "10 s"), (59.4, "59 s"),
     (59.6, "1 min"), (200, "3 min 20 s"), (3599.7, "1 h"), (7500, "2 h 5 min"), (86400 * 4, "4 days")],
)  # fmt: skip
def test_time(seconds, text):
    assert seconds_text(seconds) == text


def test_ratios_and_memory():
    assert times_text(0.42) == "0.42 ×"
    assert times_text(31.8) == "32 ×"
    assert bytes_text(4_062_000) == "4.1 MB"


def test_a_task_name_cannot_break_out_of_its_chip():
    assert task_chips(["a b", "x`y"]) == "`a b` `x´y`"


def test_a_name_cannot_be_markup():
    assert plain("a *b* [c](d) :red[e] $f$") == r"a \*b\* \[c\](d) \:red\[e\] \$f\$"
