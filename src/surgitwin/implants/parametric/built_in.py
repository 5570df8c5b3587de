"""The families that there are."""

from collections.abc import Mapping

from surgitwin.implants.parametric.family import Family
from surgitwin.implants.parametric.joints import AcetabularCup, FemoralStem
from surgitwin.implants.parametric.plain import Cylinder, Sphere
from surgitwin.implants.parametric.plates import CurvedPlate, StraightPlate
from surgitwin.implants.parametric.screws import BoneScrew, PedicleScrew

FAMILIES: Mapping[str, type[Family]] = {
    kind.family: kind
    for kind in (BoneScrew, PedicleScrew, StraightPlate, CurvedPlate, AcetabularCup, FemoralStem, Sphere, Cylinder)
}
