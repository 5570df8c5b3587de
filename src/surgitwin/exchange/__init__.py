"""Exchange with other programs: surfaces, label maps and volumes in and out, each with its unit and frame declared."""
