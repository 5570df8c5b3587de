"""Portal pressure after a hepatectomy: a closed loop of the circulation with the liver's territories in parallel."""
