"""The panels of the workflow's steps; each starts commands and shows what comes of them."""
