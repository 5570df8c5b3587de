"""Images in: DICOM, NIfTI, NRRD and MetaImage become volumes with a geometry that is right, or are refused."""

from surgitwin.imaging.consistency import check_same_patient
from surgitwin.imaging.decode_pool import DecodePool
from surgitwin.imaging.series import list_series, load_series, open_series
from surgitwin.imaging.volume import LoadedVolume, SeriesInfo, SeriesReader

__all__ = [
    "DecodePool",
    "LoadedVolume",
    "SeriesInfo",
    "SeriesReader",
    "check_same_patient",
    "list_series",
    "load_series",
    "open_series",
]
