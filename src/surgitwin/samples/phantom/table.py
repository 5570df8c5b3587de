"""The phantom's label maps: which value is what, and the names that people and the terminology know."""

LIVER, GALLBLADDER, CAVA, AORTA, SPLEEN, LEFT_KIDNEY, RIGHT_KIDNEY, STOMACH = 1, 2, 3, 4, 5, 6, 7, 8
PANCREAS, DUODENUM, SMALL_BOWEL, COLON, HEART, LEFT_LUNG, RIGHT_LUNG, SPLENIC_VEIN, MESENTERIC_VEIN = range(9, 18)

VERTEBRA_LEVELS = {"T8": 160.0, "T9": 126.0, "T10": 92.0, "T11": 58.0, "T12": 24.0} | {
    f"L{n}": 24.0 - 34.0 * n for n in range(1, 6)
}
"""Height of each vertebral body's centre, mm above the origin."""
VERTEBRAE = {name: 20 + n for n, name in enumerate(VERTEBRA_LEVELS)}
LEFT_RIBS = {number: 30 + number for number in range(6, 13)}
RIGHT_RIBS = {number: 50 + number for number in range(6, 13)}

ORGANS: dict[int, str] = {
    LIVER: "Liver",
    GALLBLADDER: "Gallbladder",
    CAVA: "Inferior vena cava",
    AORTA: "Aorta",
    SPLEEN: "Spleen",
    LEFT_KIDNEY: "Left kidney",
    RIGHT_KIDNEY: "Right kidney",
    STOMACH: "Stomach",
    PANCREAS: "Pancreas",
    DUODENUM: "Duodenum",
    SMALL_BOWEL: "Small bowel",
    COLON: "Colon",
    HEART: "Heart",
    LEFT_LUNG: "Left lung",
    RIGHT_LUNG: "Right lung",
    SPLENIC_VEIN: "Splenic vein",
    MESENTERIC_VEIN: "Superior mesenteric vein",
    **{value: f"Vertebra {name}" for name, value in VERTEBRAE.items()},
    **{value: f"Left rib {number}" for number, value in LEFT_RIBS.items()},
    **{value: f"Right rib {number}" for number, value in RIGHT_RIBS.items()},
}
"""Organs and bones, one value for each voxel. The liver is the whole organ, its vessels and tumours included."""

PORTAL_VEIN, HEPATIC_VEINS, TUMOR_1, TUMOR_2 = 1, 2, 3, 4
INNER: dict[int, str] = {
    PORTAL_VEIN: "Portal vein",
    HEPATIC_VEINS: "Hepatic veins",
    TUMOR_1: "Tumor 1",
    TUMOR_2: "Tumor 2",
}
"""What lies in the liver (the portal trunk also before it); a second map, because it overlaps the organ."""
