"""Copies of the server without walls can be made of today's source, and only of it."""

import ast
from pathlib import Path

import pytest

from support.walls_off import LAYERS, SOURCE, copy_without


def changed(copy: Path) -> set[str]:
    return {
        str(path.relative_to(copy))
        for path in copy.rglob("*.py")
        if path.read_bytes() != (SOURCE / path.relative_to(copy)).read_bytes()
    }


@pytest.mark.parametrize("layer", LAYERS)
def test_one_layer_can_be_taken_out(tmp_path: Path, layer: str) -> None:
    copy = copy_without({layer}, tmp_path)
    names = changed(copy)
    assert names - {"capibara6_sandbox/host/parents.py"}
    for name in names:
        ast.parse((copy / name).read_text())


def test_all_layers_can_be_taken_out(tmp_path: Path) -> None:
    copy = copy_without(set(LAYERS), tmp_path)
    for name in changed(copy):
        ast.parse((copy / name).read_text())


def test_with_all_layers_only_warm_kernels_are_missing(tmp_path: Path) -> None:
    assert changed(copy_without((), tmp_path)) == {"capibara6_sandbox/host/parents.py"}


def test_an_unknown_layer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no such layer.*moat"):
        copy_without({"moat"}, tmp_path)
