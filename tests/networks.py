"""Small ONNX networks whose answers are known, and a package that behaves like TotalSegmentator, for tests."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


def save(path: Path, nodes: list[Any], constants: dict[str, NDArray[Any]], shape: list[Any], kind: int) -> Path:
    """Write a network from ``image`` to ``scores``."""
    given = helper.make_tensor_value_info("image", kind, shape)
    answer = helper.make_tensor_value_info("scores", kind, ["n", "c", "x", "y", "z"])
    graph = helper.make_graph(
        nodes,
        "small",
        [given],
        [answer],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def lines(
    path: Path, slopes: list[float], offsets: list[float], shape: list[Any] | None = None, kind: int = TensorProto.FLOAT
) -> Path:
    """A network whose channel c answers ``slopes[c] * value + offsets[c]`` at each voxel."""
    number = {TensorProto.FLOAT: np.float32, TensorProto.FLOAT16: np.float16, TensorProto.DOUBLE: np.float64}[kind]
    constants = {"weights": np.array(slopes, number).reshape(-1, 1, 1, 1, 1), "bias": np.array(offsets, number)}
    if kind != TensorProto.FLOAT:  # onnxruntime convolves in single precision only
        constants = {name: value.reshape(1, -1, 1, 1, 1) for name, value in constants.items()}
        products = helper.make_node("Mul", ["image", "weights"], ["products"])
        nodes = [products, helper.make_node("Add", ["products", "bias"], ["scores"])]
        return save(path, nodes, constants, shape or [1, 1, "d", "h", "w"], kind)
    nodes = [helper.make_node("Conv", ["image", "weights", "bias"], ["scores"], kernel_shape=[1, 1, 1])]
    return save(path, nodes, constants, shape or [1, 1, "d", "h", "w"], kind)


def steps(path: Path, thresholds: list[float], shape: list[Any] | None = None, **more: Any) -> Path:
    """A network that tells ranges of values apart: class n from the n-th threshold on.

    Scores are the upper envelope of lines: neighbouring ones cross at the thresholds.
    """
    offsets = [0.0]
    for threshold in thresholds:
        offsets.append(offsets[-1] - threshold)
    return lines(path, [float(n) for n in range(len(offsets))], offsets, shape, **more)


def rise(path: Path, tensor_axis: int) -> Path:
    """Two classes: 1 where values rise along an axis of the tensor (2, 3 or 4), 0 where they fall."""
    kernel = np.zeros((2, 1, 3, 3, 3), np.float32)
    low, high = [1, 1, 1], [1, 1, 1]
    low[tensor_axis - 2], high[tensor_axis - 2] = 0, 2
    kernel[(1, 0, *high)], kernel[(1, 0, *low)] = 1.0, -1.0
    nodes = [helper.make_node("Conv", ["image", "kernel"], ["scores"], kernel_shape=[3, 3, 3], pads=[1] * 6)]
    return save(path, nodes, {"kernel": kernel}, [1, 1, "d", "h", "w"], TensorProto.FLOAT)


def manifest(model: Path, **entries: Any) -> Path:
    """Write a manifest beside a model; ``entries`` replace its usual ones, None takes one away."""
    document: dict[str, Any] = {
        "name": "Small network",
        "version": "1.2",
        "file": model.name,
        "modality": "CT",
        "licence": "CC0-1.0",
        "input": {"spacing_mm": None, "orientation": "LPS", "patch_size": [16, 12, 10], "overlap": 0.5},
        "labels": {"1": "Liver"},
    }
    document.update(entries)
    path = model.with_suffix(".json")
    path.write_text(json.dumps({key: value for key, value in document.items() if value is not None}), encoding="utf-8")
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


FAKE = {
    "__init__.py": "",
    "config.py": """
import os
from pathlib import Path
import socket

def get_weights_dir():
    return Path(os.environ["TOTALSEG_WEIGHTS_PATH"])

def send_usage_stats(config, params):
    Path(os.environ["FAKE_CALLS"]).joinpath("reported").write_text("yes")
""",
    "libs.py": """
import os
import socket
from pathlib import Path
from totalsegmentator.config import get_weights_dir

def download_pretrained_weights(task_id):
    folder = get_weights_dir() / f"Dataset{task_id:03d}_made_up"
    if not folder.exists():
        Path(os.environ["FAKE_CALLS"]).joinpath("downloaded").write_text(str(task_id))
        folder.mkdir(parents=True)
        folder.joinpath("checkpoint_final.pth").write_bytes(b"weights %d" % task_id)
""",
    "map_to_binary.py": """
class_map = {"total": {1: "spleen", 2: "kidney_right", 5: "liver", 6: "autochthon_left"}, "body": {1: "body_trunc"}}
""",
    "python_api.py": """
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import nibabel
import numpy as np

from totalsegmentator.config import send_usage_stats
from totalsegmentator.libs import download_pretrained_weights

def totalsegmentator(input, output=None, ml=False, nr_thr_resamp=1, nr_thr_saving=6, fast=False, nora_tag="None",
                     preview=False, task="total", roi_subset=None, statistics=False, radiomics=False, crop_path=None,
                     body_seg=False, force_split=False, output_type="nifti", quiet=False, verbose=False, test=0,
                     skip_saving=False, device="gpu", license_number=None):
    calls = Path(os.environ["FAKE_CALLS"])
    calls.joinpath("call.json").write_text(json.dumps({
        "ml": ml, "task": task, "fast": fast, "device": device, "affine": input.affine.tolist(), "pid": os.getpid(),
        "type": type(input).__name__, "temporary": os.environ["TMPDIR"] if "TMPDIR" in os.environ else ""}))
    for number in [297] if fast else [291, 292]:
        download_pretrained_weights(number)
    print("noise on standard output")
    what = os.environ.get("FAKE_DOES", "")
    if what == "connect":
        socket.create_connection(("192.0.2.1", 80), timeout=5)
    if what == "licence":
        sys.exit(1)
    if what == "crash":
        os._exit(7)
    if what == "fail":
        raise RuntimeError("CUDA is upset.")
    if what == "hang":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        calls.joinpath("child.part").write_text(str(child.pid))
        calls.joinpath("child.part").rename(calls.joinpath("child"))
        time.sleep(600)
    data = np.asanyarray(input.dataobj)
    labels = np.zeros(data.shape, np.uint8)
    labels[data > 100] = 5
    labels[data > 170] = 1
    if what == "grid":
        labels = labels[1:]
    send_usage_stats({"send_usage_stats": True}, {})
    return nibabel.Nifti1Image(labels, input.affine)
""",
}


def fake_total(folder: Path, weights: tuple[int, ...] = ()) -> dict[str, str]:
    """Write a package ``totalsegmentator`` with the same Python interface; its answer is made by thresholds.

    Returns
    -------
    dict
        The environment it needs; ``FAKE_CALLS`` is a folder in which it notes what it was asked.
    """
    package = folder / "site" / "totalsegmentator"
    package.mkdir(parents=True)
    for name, text in FAKE.items():
        package.joinpath(name).write_text(text, encoding="utf-8")
    for number in weights:
        place = folder / "weights" / f"Dataset{number:03d}_made_up"
        place.mkdir(parents=True)
        place.joinpath("checkpoint_final.pth").write_bytes(b"weights %d" % number)
    (folder / "calls").mkdir()
    return {"TOTALSEG_WEIGHTS_PATH": str(folder / "weights"), "FAKE_CALLS": str(folder / "calls")}
