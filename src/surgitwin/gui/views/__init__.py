"""The four views: three slices drawn by numpy and QPainter, and the 3D scene."""
