"""Automatic segmentation by networks: engines that run a model in a process of their own; see docs/user/networks.md."""
