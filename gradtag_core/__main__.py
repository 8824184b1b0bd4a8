"""`python -m gradtag_core`."""

from gradtag_core.cli import main

main()
