"""What a mesh is, by eye of a program: its class, by the nearest object of the recipe, and its main colour."""

import json
import random
import struct

import numpy as np

import data
from objects import CLASSES

SIDE, REACH = 16, 0.25  # points of a side of the grid that shapes are compared on, and how far distances count there
EACH = 80  # objects of each class that meshes are compared with
TYPES = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}


def read(file):
    """Positions as the recipe has them (-1..1), sRGB colours and triangles of a GLB file."""
    bytes_ = file.read_bytes()
    (size,) = struct.unpack_from("<I", bytes_, 12)
    head, body = json.loads(bytes_[20 : 20 + size]), bytes_[28 + size :]

    def values(index):
        accessor = head["accessors"][index]
        view = head["bufferViews"][accessor["bufferView"]]
        kind, width = np.dtype(TYPES[accessor["componentType"]]), {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor["type"]]
        start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
        shape, stride = (accessor["count"], width), view.get("byteStride", width * kind.itemsize)
        found = np.ndarray(shape, kind, body, start, (stride, kind.itemsize)).copy()
        return found / np.iinfo(kind).max if accessor.get("normalized") else found

    primitive = head["meshes"][0]["primitives"][0]
    linear = values(primitive["attributes"]["COLOR_0"])[:, :3].astype(np.float64)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clip(1e-9) ** (1 / 2.4) - 0.055)
    return 2 * values(primitive["attributes"]["POSITION"]), srgb, values(primitive["indices"]).reshape(-1, 3).astype(int)


def inside(corners, axis):
    """Which points of a grid lie in a closed mesh of triangles `[n, 3, 3]`: rays along x cross it an odd number of times before."""
    y, z = (part.ravel() for part in np.meshgrid(axis + 1.7e-4, axis + 2.3e-4, indexing="ij"))
    a, b, c = corners.transpose(1, 2, 0).astype(np.float64)
    area = (b[1] - a[1]) * (c[2] - a[2]) - (b[2] - a[2]) * (c[1] - a[1])
    found = np.zeros((len(axis), len(y)), int)
    for column, (py, pz) in enumerate(zip(y, z)):
        near = (corners[:, :, 1].min(1) <= py) & (corners[:, :, 1].max(1) >= py) & (area != 0)
        pick = lambda v: v[:, near]
        pa, pb, pc, size = pick(a), pick(b), pick(c), area[near]
        u = ((py - pa[1]) * (pc[2] - pa[2]) - (pz - pa[2]) * (pc[1] - pa[1])) / size
        v = ((pb[1] - pa[1]) * (pz - pa[2]) - (pb[2] - pa[2]) * (py - pa[1])) / size
        hit = (u >= 0) & (v >= 0) & (u + v <= 1)
        x = (pa[0] + u * (pb[0] - pa[0]) + v * (pc[0] - pa[0]))[hit]
        found[:, column] = (x[None] < axis[:, None]).sum(1)
    return (found % 2 == 1).ravel()


def shape(mesh, rng):
    """Signed distances of a mesh on the grid, as the recipe's objects have them there."""
    positions, _, triangles = mesh
    points, axis = data.points(SIDE, whole=True).T, np.linspace(-1, 1, SIDE)
    some = positions[rng.choice(len(positions), min(3000, len(positions)), replace=False)].astype(np.float32)
    square = (points**2).sum(1)[:, None] + (some**2).sum(1)[None] - 2 * points @ some.T
    away = np.sqrt(square.min(1).clip(0))
    return np.where(inside(positions[triangles], axis), -away, away).clip(-REACH, REACH)


class Shapes:
    """The recipe's shape space: objects of every class, in all styles and sizes."""

    def __init__(self, seed=5):
        rng, self.names, rows, where = random.Random(seed), [], [], data.points(SIDE, whole=True)
        for name in CLASSES:
            for _ in range(EACH):
                item = data.draw(rng, name)
                rows.append(data.values(item, where)[0].clip(-REACH, REACH))
                self.names.append(name)
        self.rows = np.stack(rows)

    def name(self, found):
        return self.names[int(((self.rows - found) ** 2).sum(1).argmin())]


def nearest(colours):
    palette = np.array(list(data.PALETTE.values()))
    return ((colours[:, None] - palette) ** 2).sum(2).argmin(1)


def shares(names, weights):
    total = np.bincount(names, weights, len(data.PALETTE))
    return dict(zip(data.PALETTE, total / max(total.sum(), 1e-9)))


def mesh_shares(mesh):
    """How much of the surface has each colour of the palette."""
    positions, colours, triangles = mesh
    a, b, c = (positions[triangles[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    return shares(nearest(colours[triangles].reshape(-1, 3)), np.repeat(area, 3))


def wanted_shares(item):
    """The same of an object of the recipe."""
    where = data.points(48, whole=True)
    distances, colours = data.values(item, where)
    return shares(nearest(colours[:, np.abs(distances) < 0.03].T), None)


def colour_right(item, found):
    """The asked colour covers at least half of what it should, and more than any colour that has no business there."""
    wanted, asked = wanted_shares(item), item["colour"]
    strange = max((share for name, share in found.items() if wanted[name] < 0.01), default=0)
    return found[asked] >= 0.5 * wanted[asked] and found[asked] > strange
