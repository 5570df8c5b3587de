"""Tools: what the left mouse button does in the views while one of them is chosen."""
