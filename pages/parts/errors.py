"""Errors meant for the user, shown as one sentence; any other exception is a bug and goes on."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from gradtag_core.errors import GradTagError


@contextmanager
def shown_errors() -> Iterator[None]:
    try:
        yield
    except GradTagError as error:
        st.error(str(error), icon=":material/error:")
