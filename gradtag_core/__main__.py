"""`python -m gradtag_core`."""

from gradtag_core.cli.main import main

main()
