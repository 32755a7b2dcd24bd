"""What there is: for each class, how its parts are made.

A class is a function of points (x, y, z: Y up, the front looks along +Z, about -0.85..0.85) and of `j`, which draws a
proportion around 1. It gives parts: (distances, what colours them): "main", "accent", or a colour that is always the same.
Everything is its own mirror image left and right: only points of the right half are ever asked for."""

import numpy as np
from solids import at, blend, box, capsule, cut, cylinder, ellipsoid, flat, join, lathe, length, mirrored, octahedron, polygon, sphere, torus


def chair(p, j, kind):
    tall, deep, leg = 0.42 * j(), 0.46 * j(), 0.105 * j()
    seat = box(at(p, y=-0.06), 0.48, 0.1, deep)
    back = box(at(p, y=tall - 0.02, z=0.09 - deep), 0.48, tall, 0.1)
    legs = box(at(mirrored(p, True, True), 0.48 - leg, -0.48, deep - leg), leg, 0.37, leg)
    return [(join(seat, back), "main"), (legs, "accent")]


def table(p, j, kind):
    high, leg = 0.36 * j(), 0.1 * j()
    if kind == "round table":
        top = cylinder(at(p, y=high), 0.74 * j(), 0.09)
        foot = join(cylinder(at(p, y=-0.15), 0.13, 0.48), cylinder(at(p, y=-0.62), 0.4, 0.08))
        return [(top, "main"), (foot, "accent")]
    wide, deep = 0.78 * j(), 0.52 * j()
    top = box(at(p, y=high), wide, 0.09, deep)
    legs = box(at(mirrored(p, True, True), wide - 0.04 - leg, -0.18, deep - 0.04 - leg), leg, 0.52, leg)
    return [(top, "main"), (legs, "accent")]


def lamp(p, j, kind):
    shade = lathe(p, [(0.58 * j(), 0.0), (0.34 * j(), 0.76)], 0.03)
    stand = join(cylinder(at(p, y=-0.4), 0.09, 0.42), cylinder(at(p, y=-0.75), 0.36 * j(), 0.08))
    return [(shade, "main"), (stand, "accent")]


def mug(p, j, kind):
    wide, high = 0.5 * j(), 0.6 * j()
    inner = cylinder(at(p, y=0.2, z=-0.15), wide - 0.12, high + 0.06)
    handle = torus(at(p, z=wide - 0.13), 0.31, 0.1, "x")
    return [(cut(cylinder(at(p, z=-0.15), wide, high), inner), "main"), (cut(handle, inner), "accent")]


def bottle(p, j, kind):
    wide, neck, shoulder = 0.36 * j(), 0.14 * j(), 0.15 * j()
    body = lathe(p, [(wide, -0.82), (wide, shoulder), (neck, 0.45), (neck, 0.66)], 0.02)
    return [(body, "main"), (cylinder(at(p, y=0.74), neck + 0.05, 0.1), "accent")]


def car(p, j, kind):
    long, wide, wheel = 0.82 * j(), 0.42 * j(), 0.22 * j()
    body = box(at(p, y=-0.14), wide, 0.2, long, 0.1)
    roof = box(at(p, y=0.2, z=-0.1), wide - 0.06, 0.21, 0.42, 0.1)
    glass = box(at(p, y=0.16, z=-0.1), wide - 0.04, 0.1, 0.44, 0.06)
    wheels = cylinder(at(mirrored(p, True, True), wide - 0.02, -0.34, long - 0.34), wheel, 0.11, "x")
    return [(join(body, roof), "main"), (glass, "cyan"), (wheels, "accent")]


def rocket(p, j, kind):
    wide = 0.29 * j()
    body = lathe(p, [(wide * 0.8, -0.62), (wide, -0.2), (wide, 0.25), (wide * 0.6, 0.6), (0.0, 0.85)], 0.01)
    fin = [(0.15, -0.15), (0.58, -0.55), (0.6, -0.85), (0.2, -0.6)]
    x, y, z = mirrored(p, True, True)
    fins = join(flat(polygon(x, y, fin), z, 0.07), flat(polygon(z, y, fin), x, 0.07))
    return [(body, "main"), (fins, "accent"), (sphere(at(p, y=0.2, z=wide - 0.03), 0.13), "cyan")]


def house(p, j, kind):
    wide, deep, high = 0.58 * j(), 0.5 * j(), 0.72 * j()
    body = box(at(p, y=-0.4), wide, 0.42, deep)
    gable = [(wide + 0.18, 0.0), (0.0, high), (-wide - 0.18, 0.0)]
    roof = flat(polygon(p[0], p[1], gable), p[2], deep + 0.1)
    door = box(at(p, y=-0.56, z=deep), 0.13, 0.26, 0.05, 0.01)
    panes = box(at(mirrored(p, True, True), wide - 0.19, -0.3, deep), 0.11, 0.12, 0.05, 0.01)
    return [(body, "main"), (roof, "accent"), (door, "brown"), (panes, "cyan")]


def tree(p, j, kind):
    trunk = cylinder(at(p, y=-0.5), 0.13 * j(), 0.36)
    if kind == "pine tree":
        cones = [lathe(p, [(wide * j(), low), (0.0, low + high)], 0.02) for wide, low, high in ((0.54, -0.45, 0.55), (0.44, -0.08, 0.5), (0.32, 0.27, 0.56))]
        return [(join(*cones), "main"), (trunk, "accent")]
    crown = sphere(at(p, y=0.32), 0.46 * j())
    for x, y, z in ((0.34, 0.15, 0.0), (0.0, 0.12, 0.32), (0.0, 0.15, -0.32)):
        crown = blend(crown, sphere(at(mirrored(p, True), x, y, z), 0.29 * j()), 0.08)
    return [(crown, "main"), (trunk, "accent")]


def mushroom(p, j, kind):
    wide, high = 0.7 * j(), 0.58 * j()
    cap = np.maximum(ellipsoid(at(p, y=0.05), wide, high, wide), 0.02 - p[1])
    stem = lathe(p, [(0.3 * j(), -0.75), (0.2 * j(), 0.1)], 0.04)
    return [(cap, "main"), (stem, "accent")]


def snowman(p, j, kind):
    balls = join(sphere(at(p, y=-0.45), 0.4 * j()), sphere(at(p, y=0.08), 0.3 * j()), sphere(at(p, y=0.42), 0.22))
    hat = join(cylinder(at(p, y=0.72), 0.17, 0.14), cylinder(at(p, y=0.6), 0.29, 0.055))
    nose = capsule(p, (0, 0.42, 0.2), (0, 0.42, 0.36), 0.065)
    return [(balls, "main"), (hat, "accent"), (nose, "orange")]


def sword(p, j, kind):
    wide = 0.14 * j()
    blade = flat(polygon(p[0], p[1], [(wide, -0.35), (wide, 0.6), (0.0, 0.85), (-wide, 0.6), (-wide, -0.35)]), p[2], 0.075)
    hilt = join(box(at(p, y=-0.35), 0.36 * j(), 0.08, 0.11), cylinder(at(p, y=-0.58), 0.09, 0.22), sphere(at(p, y=-0.76), 0.12))
    return [(blade, "main"), (hilt, "accent")]


def ring(p, j, kind):
    large = 0.52 * j()
    return [(torus(at(p, y=-0.25), large, 0.12 * j(), "z"), "main"), (octahedron(at(p, y=large - 0.05), 0.3 * j()), "accent")]


def gear(p, j, kind):
    teeth, root = (8, 10)[int(j() > 1)], 0.58 * j()
    angle = np.arctan2(p[1], p[0])
    step = np.float32(2 * np.pi / teeth)
    folded = angle - step * np.round(angle / step)
    out = length(p[0], p[1])
    tooth = np.maximum(np.abs(out * np.cos(folded) - root) - 0.22, np.abs(out * np.sin(folded)) - 0.13)
    disc = flat(np.minimum(out - root, tooth), p[2], 0.16, 0.02)
    hub = flat(np.abs(out - 0.25) - 0.09, p[2], 0.24, 0.03)
    return [(cut(disc, out - 0.2), "main"), (hub, "accent")]


def vase(p, j, kind):
    belly, neck = 0.5 * j(), 0.2 * j()
    profile = [(0.28, -0.8), (belly * 0.9, -0.45), (belly, -0.2), (belly * 0.85, 0.1), (neck, 0.42), (neck + 0.03, 0.6)]
    solid = lathe(p, profile, 0.03)
    lip = torus(at(p, y=0.66), neck + 0.09, 0.11)
    hollow = cylinder(at(p, y=0.6), neck - 0.06, 0.5)
    return [(cut(solid, hollow), "main"), (cut(lip, hollow), "accent")]


def duck(p, j, kind):
    body = ellipsoid(at(p, y=-0.35, z=-0.08), 0.4 * j(), 0.34 * j(), 0.6)
    body = blend(body, capsule(p, (0, -0.2, -0.55), (0, 0.08, -0.75), 0.1), 0.12)
    head = sphere(at(p, y=0.3, z=0.26), 0.3 * j())
    bird = blend(body, head, 0.16)
    beak = ellipsoid(at(p, y=0.24, z=0.6), 0.18, 0.09, 0.22 * j())
    eyes = sphere(at(mirrored(p, True), 0.18, 0.42, 0.46), 0.08)
    return [(bird, "main"), (beak, "accent"), (eyes, "black")]


def boat(p, j, kind):
    wide, high = 0.38 * j(), 0.72 * j()
    hull = np.maximum(ellipsoid(at(p, y=-0.2), wide, 0.55, 0.84), p[1] + 0.22)
    mast = cylinder(at(p, y=0.2), 0.075, 0.6)
    sail = flat(polygon(p[2], p[1], [(0.08, -0.05), (0.08, high), (0.66 * j(), -0.05)]), p[0], 0.06)
    return [(hull, "main"), (sail, "accent"), (mast, "brown")]


def plane(p, j, kind):
    span, sweep = 0.84 * j(), 0.22 * j()
    body = ellipsoid(p, 0.19 * j(), 0.19, 0.85)
    wings = flat(polygon(np.abs(p[0]), p[2], [(0.0, 0.28), (0.0, -0.12), (span, -0.12 - sweep), (span, 0.08 - sweep)]), p[1], 0.065)
    tail = flat(polygon(np.abs(p[0]), p[2], [(0.0, -0.5), (0.0, -0.78), (0.34, -0.84), (0.34, -0.68)]), p[1], 0.065)
    fin = flat(polygon(p[1], p[2], [(0.0, -0.48), (0.0, -0.8), (0.4 * j(), -0.84), (0.4, -0.7)]), p[0], 0.065)
    return [(body, "main"), (join(wings, tail, fin), "accent")]


def heart(p, j, kind):
    t = np.linspace(0, 2 * np.pi, 29)[:-1]
    x, y = 16 * np.sin(t) ** 3, 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    size = 0.042 * j()
    figure = polygon(p[0], p[1], [(float(a) * size, float(b) * size + 0.08) for a, b in zip(x, y)])
    return [(flat(figure, p[2], 0.24 * j(), 0.14), "main")]


def star(p, j, kind):
    turn, inner = np.linspace(0, 2 * np.pi, 11)[:-1], 0.36 * j()
    corners = [((0.8, inner)[i % 2] * np.sin(t), (0.8, inner)[i % 2] * np.cos(t) - 0.04) for i, t in enumerate(turn)]
    return [(flat(polygon(p[0], p[1], [(float(a), float(b)) for a, b in corners]), p[2], 0.19 * j(), 0.04), "main")]


# For each: the colour it has unless another is asked for, what its accent is called and what colour that has.
CLASSES = {
    "chair": (chair, "brown", "legs", "black"), "table": (table, "brown", "legs", "brown"), "lamp": (lamp, "yellow", "stand", "grey"),
    "mug": (mug, "white", "handle", "grey"), "bottle": (bottle, "green", "cap", "red"), "car": (car, "red", "wheels", "black"),
    "rocket": (rocket, "white", "fins", "red"), "house": (house, "white", "roof", "red"), "tree": (tree, "green", "trunk", "brown"),
    "mushroom": (mushroom, "red", "stem", "white"), "snowman": (snowman, "white", "hat", "black"), "sword": (sword, "grey", "hilt", "brown"),
    "ring": (ring, "yellow", "gem", "cyan"), "gear": (gear, "grey", "hub", "black"), "vase": (vase, "blue", "rim", "white"),
    "duck": (duck, "yellow", "beak", "orange"), "boat": (boat, "brown", "sail", "white"), "plane": (plane, "white", "wings", "blue"),
    "heart": (heart, "red", None, None), "star": (star, "yellow", None, None),
}
# Other kinds of a class, by their own words.
KINDS = {"table": ["table", "round table"], "tree": ["tree", "pine tree"]}
