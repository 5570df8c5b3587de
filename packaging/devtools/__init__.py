"""From a fresh clone to a running program: environment, system libraries, checks. Standard library only."""
