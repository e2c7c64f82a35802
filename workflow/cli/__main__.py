"""`python -m workflow.cli` is `alasin` without installation."""

from workflow.cli.main import main

main()
