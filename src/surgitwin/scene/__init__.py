"""The digital twin in memory: nodes, the edits that change them, and the history that undoes them."""
