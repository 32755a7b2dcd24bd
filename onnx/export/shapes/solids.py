"""Signed distances of solids, negative inside, at points given as three arrays (x, y, z).

Distances are exact or a little short of it; what is made of them by `cut` and `join` is so near the surface."""

import numpy as np


def at(p, x=0.0, y=0.0, z=0.0):
    """The points as seen from a place."""
    return p[0] - x, p[1] - y, p[2] - z


def mirrored(p, x=False, z=False):
    """A part on one side is there on the other as well."""
    return (np.abs(p[0]) if x else p[0]), p[1], (np.abs(p[2]) if z else p[2])


def length(*parts):
    return np.sqrt(sum(part * part for part in parts))


def join(*solids):
    return np.minimum.reduce(solids)


def blend(a, b, k):
    """Both, with a fillet of about the radius k where they meet (the polynomial smooth minimum)."""
    h = np.clip(0.5 + 0.5 * (b - a) / k, 0, 1)
    return b + (a - b) * h - k * h * (1 - h)


def cut(solid, *others):
    return np.maximum.reduce([solid, *(-other for other in others)])


def sphere(p, r):
    return length(*p) - r


def ellipsoid(p, rx, ry, rz):
    """Exact at the surface, nearly so around it."""
    near = length(p[0] / rx, p[1] / ry, p[2] / rz)
    slope = length(p[0] / rx**2, p[1] / ry**2, p[2] / rz**2)
    return near * (near - 1) / np.maximum(slope, 1e-3)


def box(p, hx, hy, hz, r=0.03):
    """Half sizes, and the radius of its edges."""
    q = [np.abs(c) - (h - r) for c, h in zip(p, (hx, hy, hz))]
    return length(*(np.maximum(c, 0) for c in q)) + np.minimum(np.maximum.reduce(q), 0) - r


def flat(d, across, h, r=0.0):
    """A plane figure of the distance d, stretched by h to both sides of its plane."""
    q = d + r, np.abs(across) - (h - r)
    return length(np.maximum(q[0], 0), np.maximum(q[1], 0)) + np.minimum(np.maximum(*q), 0) - r


def cylinder(p, r, h, axis="y", edge=0.03):
    x, y, z = p
    along, others = {"x": (x, (y, z)), "y": (y, (x, z)), "z": (z, (x, y))}[axis]
    return flat(length(*others) - r, along, h, edge)


def torus(p, large, small, axis="y"):
    x, y, z = p
    along, others = {"x": (x, (y, z)), "y": (y, (x, z)), "z": (z, (x, y))}[axis]
    return length(length(*others) - large, along) - small


def capsule(p, a, b, r):
    way = [e - s for s, e in zip(a, b)]
    from_a = [c - s for c, s in zip(p, a)]
    share = np.clip(sum(c * w for c, w in zip(from_a, way)) / sum(w * w for w in way), 0, 1)
    return length(*(c - share * w for c, w in zip(from_a, way))) - r


def octahedron(p, r):
    return (np.abs(p[0]) + np.abs(p[1]) + np.abs(p[2]) - r) * 0.577


def outline(u, v, corners):
    """The distance to a chain of corners in a plane, negative where a ray towards larger u crosses it an odd number of times."""
    nearest, inside = None, np.zeros(u.shape, bool)
    for (ax, ay), (bx, by) in zip(corners, corners[1:]):
        ex, ey, wx, wy = bx - ax, by - ay, u - ax, v - ay
        share = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey), 0, 1)
        square = (wx - ex * share) ** 2 + (wy - ey * share) ** 2
        nearest = square if nearest is None else np.minimum(nearest, square)
        if ay != by:
            crosses = (v >= min(ay, by)) & (v < max(ay, by))
            inside ^= crosses & (u < ax + wy * (ex / ey))
    return np.sqrt(nearest) * np.where(inside, np.float32(-1), np.float32(1))


def polygon(u, v, corners):
    return outline(u, v, [*corners, corners[0]])


def lathe(p, profile, r=0.0):
    """A chain of (radius, height), from below to above, turned about the Y axis and closed by discs; rounded by r."""
    (_, low), (last, high) = profile[0], profile[-1]
    chain = [(0.0, low), *profile] + ([(0.0, high)] if last > 0 else [])
    return outline(length(p[0], p[2]), p[1], chain) - r
