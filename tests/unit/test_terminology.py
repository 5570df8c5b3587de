"""Names, colours and codes of structures."""

import itertools
import re

import pytest

from surgitwin.segmentation.palette import color_distance, next_color
from surgitwin.segmentation.terminology import KINDS, load_terminology, match_term, normalise

RIBS = [f"rib_{side}_{n}" for side in ("left", "right") for n in range(1, 13)]
VERTEBRAE = [f"vertebrae_{region}{n}" for region, count in (("C", 7), ("T", 12), ("L", 5)) for n in range(1, count + 1)]
PAIRED = [
    "adrenal_gland",
    "autochthon",
    "clavicula",
    "femur",
    "gluteus_maximus",
    "gluteus_medius",
    "gluteus_minimus",
    "hip",
    "humerus",
    "iliac_artery",
    "iliac_vena",
    "iliopsoas",
    "kidney",
    "lung_lower_lobe",
    "lung_upper_lobe",
    "scapula",
]
TOTALSEGMENTATOR = [
    *RIBS,
    *VERTEBRAE,
    *(f"{name}_{side}" for name in PAIRED for side in ("left", "right")),
    *[
        "aorta",
        "brain",
        "colon",
        "duodenum",
        "esophagus",
        "face",
        "gallbladder",
        "heart_atrium_left",
        "heart_atrium_right",
        "heart_myocardium",
    ],
    *[
        "heart_ventricle_left",
        "heart_ventricle_right",
        "inferior_vena_cava",
        "liver",
        "lung_middle_lobe_right",
        "pancreas",
    ],
    *[
        "portal_vein_and_splenic_vein",
        "pulmonary_artery",
        "sacrum",
        "small_bowel",
        "spleen",
        "stomach",
        "trachea",
        "urinary_bladder",
    ],
]
LATER_CLASSES = [
    "thyroid_gland",
    "prostate",
    "kidney_cyst_left",
    "kidney_cyst_right",
    "vertebrae_S1",
    "heart",
    "pulmonary_vein",
    "brachiocephalic_trunk",
    "subclavian_artery_left",
    "common_carotid_artery_right",
    "brachiocephalic_vein_left",
    "atrial_appendage_left",
    "superior_vena_cava",
    "spinal_cord",
    "skull",
    "sternum",
    "costal_cartilages",
    "liver_vessels",
    "liver_tumor",
]
PHANTOM = [
    "Liver",
    "Portal vein",
    "Hepatic veins",
    "Inferior vena cava",
    "Gallbladder",
    "Spleen",
    "Tumor 1",
    "Tumor 2",
    "Vertebrae",
    "Ribs",
    "Body",
] + [f"Couinaud {n}" for n in range(1, 9)]


def verhoeff_holds(number: str) -> bool:
    """SNOMED CT identifiers end in a Verhoeff check digit; computed in the dihedral group of order ten."""

    def product(a: int, b: int) -> int:
        if a < 5:
            return (a + b) % 5 if b < 5 else 5 + (a + b - 5) % 5
        return 5 + (a - 5 - b) % 5 if b < 5 else (a - b) % 5

    permutation = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
    check = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit)
        for _ in range(place % 8):
            value = permutation[value]
        check = product(check, value)
    return check == 0


def test_there_are_104_class_names_in_the_list_to_be_covered() -> None:
    assert len(set(TOTALSEGMENTATOR)) == 104


@pytest.mark.parametrize("name", [*TOTALSEGMENTATOR, *LATER_CLASSES, *PHANTOM])
def test_every_known_class_name_has_a_term_with_a_code(name: str) -> None:
    term = match_term(name)
    assert term is not None and term.type is not None, name
    assert term.kind in KINDS


@pytest.mark.parametrize("name", TOTALSEGMENTATOR)
def test_left_and_right_survive_the_match(name: str) -> None:
    term = match_term(name)
    assert term is not None
    expected = next((side for side in ("left", "right") if side in name.split("_")), "")
    assert term.side == expected
    if expected and term.modifier is not None:
        assert term.modifier.value == {"left": "7771000", "right": "24028007"}[expected]


@pytest.mark.parametrize(
    ("name", "title", "kind"),
    [
        ("LIVER", "Liver", "organ"),
        ("tumour_2", "Tumor", "lesion"),
        ("Tumor1", "Tumor", "lesion"),
        ("Lesion #3", "Lesion", "lesion"),
        ("kidney_left_2", "Left kidney", "organ"),
        ("Rib 4 right", "Right rib 4", "bone"),
        ("rib_left_14", "Left rib", "bone"),
        ("Segment IV", "Couinaud 4", "other"),
        ("hepatic metastasis 3", "Liver metastasis", "lesion"),
        ("Right renal tumour", "Right kidney tumor", "lesion"),
        ("Hepatic veins", "Hepatic vein", "vessel"),
        ("Bone", "Bone", "bone"),
        ("Body", "Body", "body"),
    ],
)
def test_names_match_without_case_underscores_spelling_or_a_number_at_their_end(
    name: str, title: str, kind: str
) -> None:
    term = match_term(name)
    assert term is not None
    assert (term.name, term.kind) == (title, kind)


@pytest.mark.parametrize(
    "name", ["", "7", "Label 7", "Segment_1", "T1", "L1", "tumor bed", "liver without tumor", "Müller"]
)
def test_a_name_that_only_resembles_a_term_is_not_matched(name: str) -> None:
    assert match_term(name) is None


def test_numbers_that_are_part_of_a_name_are_not_dropped() -> None:
    fourth, fifth = match_term("rib_left_4"), match_term("rib_left_5")
    assert fourth is not None and fifth is not None and fourth.type != fifth.type
    codes = {term.type.value for n in range(1, 9) if (term := match_term(f"Couinaud {n}")) and term.type}
    assert len(codes) == 8


def test_the_lesion_of_an_organ_keeps_the_organ_as_its_region() -> None:
    term = match_term("kidney_cyst_left")
    assert term is not None and term.region is not None and term.type is not None
    assert (term.kind, term.side) == ("lesion", "left")
    assert (term.type.value, term.region.value) == ("367643001", "64033007")


def test_every_code_is_a_valid_snomed_identifier_and_means_what_dicom_says() -> None:
    from pydicom.sr._concepts_dict import concepts

    meanings: dict[str, list[str]] = {}
    for entry in concepts["SCT"].values():
        for value, (meaning, _) in entry.items():
            meanings.setdefault(value, []).append(meaning.lower())
    known = 0
    for term in load_terminology().terms:
        for code in (term.category, term.type):
            if code is None:
                continue
            assert code.scheme == "SCT" and re.fullmatch(r"\d{6,18}", code.value)
            assert verhoeff_holds(code.value), f"{term.name}: {code.value}"
        if term.type is not None and term.type.value in meanings:
            known += 1
            words = set(normalise(term.type.meaning).split())
            assert any(words & set(normalise(text).split()) for text in meanings[term.type.value]), term.name
    assert known > 120


def test_the_surgical_colours_hold() -> None:
    def color(name: str) -> tuple[int, int, int]:
        term = match_term(name)
        assert term is not None
        return term.color

    portal, hepatic, artery, bile, lesion = map(
        color, ("Portal vein", "Hepatic veins", "Hepatic artery", "Bile duct", "Tumor 1")
    )
    assert portal[0] > portal[1] < portal[2] and portal[0] > 100 and portal[2] > 100  # purple
    assert hepatic[2] > hepatic[1] > hepatic[0]  # blue
    assert artery[0] > 2 * max(artery[1], artery[2])  # red
    assert bile[1] > max(bile[0], bile[2])  # green
    assert lesion[0] > 200 and lesion[1] > 180 and lesion[2] < 80  # yellow
    assert color("liver") == (221, 130, 101)
    for first, second in itertools.combinations((portal, hepatic, artery, bile, lesion), 2):
        assert color_distance(first, second) > 0.06


def test_new_colours_differ_from_all_used_ones_for_every_eye() -> None:
    used: list[tuple[int, int, int]] = []
    for _ in range(20):
        used.append(next_color(used))
    assert all(0 <= channel <= 255 for rgb in used for channel in rgb)
    assert min(color_distance(a, b) for a, b in itertools.combinations(used[:10], 2)) >= 0.08
    assert min(color_distance(a, b) for a, b in itertools.combinations(used, 2)) > 0.04


def test_a_new_colour_avoids_the_colours_of_the_anatomy_in_use() -> None:
    anatomy = [term.color for term in load_terminology().terms if term.kind in ("lesion", "vessel")]
    assert min(color_distance(next_color(anatomy), color) for color in anatomy) > 0.05
