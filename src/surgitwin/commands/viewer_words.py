"""The words of the HTML viewer."""

from __future__ import annotations

from surgitwin.core.text import tr

GROUPS = {
    "organ": tr("Organs"),
    "lesion": tr("Lesions"),
    "vessel": tr("Vessels"),
    "bone": tr("Bones"),
    "territory": tr("Territories"),
    "body": tr("Body"),
    "other": tr("Other structures"),
    "implant": tr("Implants"),
    "plan": tr("Plans"),
}
WORDS = {
    "tree": tr("The twin"),
    "drafts": tr("Structures without a mark are drafts: no person has reviewed them."),
    "show_group": tr("Show all of {name}"),
    "show_item": tr("Show {name}"),
    "opacity_of": tr("Opacity of {name}"),
    "plans": tr("Plan shown in 3D"),
    "no_plan": tr("Show no plan"),
    "lesions": tr("Lesions"),
    "lesion_titles": (tr("Lesion"), tr("Volume"), tr("Margin"), tr("Left behind")),
    "limits": tr("Published limits"),
    "cuts": tr("What is cut"),
    "measurements": tr("Measurements"),
    "no_measurements": tr("The case holds no measurements."),
    "warnings": tr("Warnings ({count})"),
    "about": tr("About this file"),
    "cut_plane": tr("Cut plane"),
    "cut_on": tr("Cut the picture open"),
    "cut_axis": tr("Direction of the cut plane"),
    "cut_place": tr("Place of the cut plane in mm"),
    "cut_flip": tr("Show the other side"),
    "cut_x": tr("Right – left"),
    "cut_y": tr("Front – back"),
    "cut_z": tr("Feet – head"),
    "ruler": tr("Ruler"),
    "ruler_first": tr("Click two places on what you see."),
    "ruler_second": tr("Click the second place."),
    "ruler_missed": tr("There is nothing under the pointer. Click on a surface."),
    "ruler_note": tr("measured on this page on lighter surfaces, not saved"),
    "fit": tr("Fit"),
    "fit_long": tr("Fit everything into the picture"),
    "from_A": tr("From the front"),
    "from_P": tr("From behind"),
    "from_L": tr("From the patient's left"),
    "from_R": tr("From the patient's right"),
    "from_S": tr("From the head"),
    "from_I": tr("From the feet"),
    "canvas": tr(
        "The twin in 3D. Arrow keys turn it, Shift and arrows move it, + and - zoom, A P L R S I choose a side."
    ),
    "no_webgl": tr(
        "This browser cannot draw in 3D: WebGL is missing or switched off. All numbers are beside; open the file in "
        "another browser to see the twin."
    ),
    "no_surfaces": tr("This case has no surfaces to show."),
}
