"""From the twin's data to pictures: slices in numpy, the 3D scene in VTK; no Qt."""
