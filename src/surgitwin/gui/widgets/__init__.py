"""Small widgets that panels are put together from; they know nothing of the twin."""
