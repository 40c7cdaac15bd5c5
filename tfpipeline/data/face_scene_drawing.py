"""Draws the scenes of `procedural_faces`: a room, things that are no face, people."""

import dataclasses
import math

import numpy as np

from tfpipeline.data import face_drawing, raster

SCENE_SIZE = 320
# Chances of 0, 1, 2, 3 and 4 faces. A third has none, so that windows without any face
# are as many as windows with one.
_FACE_COUNT_CHANCES = (0.3, 0.3, 0.2, 0.12, 0.08)
# Half the height of a head in pixels: heads of 40 to 160 pixels, most of them small.
_HALF_HEIGHT_RANGE = (20.0, 80.0)
_PLACING_ATTEMPTS = 30
# From these shares of the head on, an occlusion counts as partial and as heavy: the
# levels 1 and 2 of the WIDER FACE annotation.
_PARTIAL_OCCLUSION, _HEAVY_OCCLUSION = 0.04, 0.35
# Half of the faces are sharp; sigma in shares of the head's height.
_BLURS = (0.0, 0.0, 0.0, 0.02, 0.02, 0.04)
# Likewise for blur: the levels 1 and 2.
_NORMAL_BLUR, _HEAVY_BLUR = 0.012, 0.03
# Beyond these angles (radians) a pose counts as atypical.
_ATYPICAL_YAW, _ATYPICAL_ROLL = 0.7, 0.45
# Outside of this range of brightness the light counts as extreme.
_NORMAL_BRIGHTNESS = (0.55, 1.2)


@dataclasses.dataclass(frozen=True)
class Face:
    """What is known of one drawn face.

    Attributes:
        box: float32 [4], ymin, xmin, ymax, xmax in pixels.
        identity: number of the person.
        blur, occlusion: 0 none, 1 some, 2 heavy.
        illumination: True for extreme light.
        pose: True for an atypical pose.
        roll, yaw, pitch: degrees.
    """

    box: np.ndarray
    identity: int
    blur: int
    occlusion: int
    illumination: bool
    pose: bool
    roll: float
    yaw: float
    pitch: float


def draw(
    generator: np.random.Generator, people: dict[int, face_drawing.Identity]
) -> tuple[np.ndarray, list[Face]]:
    """Draws one scene.

    Args:
        generator: source of everything but the people.
        people: who may appear, by number; each at most once.

    Returns:
        The image uint8 [320, 320, 3] and its faces, no two of which overlap.
    """
    scene = _room(generator)
    _add_coats(generator, scene)
    views = _placed_views(generator, people)
    boxes = [face_drawing.box(people[number], view) for number, view in views]
    _add_distractors(generator, scene, boxes)
    faces = [
        _add_face(generator, scene, people[number], view, number, box)
        for (number, view), box in zip(views, boxes, strict=True)
    ]
    scene = raster.blur(scene[None], np.array([generator.uniform(0.0, 0.7)]))[0]
    sigma = np.float32(generator.uniform(0.0, 0.025))
    noise = generator.standard_normal(scene.shape, np.float32)
    return raster.to_uint8(scene + sigma * noise), faces


def _axes(size: int = SCENE_SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centers: x [1, W] and y [H, 1], float32."""
    axis = np.arange(size, dtype=np.float32) + 0.5
    return axis[None, :], axis[:, None]


def _color(generator: np.random.Generator) -> np.ndarray:
    """A muted color, float32 [3]."""
    gray = generator.uniform(0.12, 0.9)
    return np.clip(gray + generator.uniform(-0.18, 0.18, 3), 0, 1).astype(np.float32)


def _room(generator: np.random.Generator) -> np.ndarray:
    """Wall and floor of noisy colors, with some boards and boxes."""
    x, y = _axes()
    coarse, fine = (
        raster.value_noise(generator, 1, SCENE_SIZE, cells)[0] for cells in (4, 24)
    )
    wall = raster.mix(_color(generator), _color(generator), coarse)
    floor = raster.mix(_color(generator), _color(generator), fine)
    horizon = generator.uniform(0.5, 1.1) * SCENE_SIZE
    scene = np.where((y > horizon)[..., None], floor, wall)
    for _ in range(generator.integers(2, 9)):
        height, width = generator.integers(16, 180, 2)
        top, left = generator.integers(0, SCENE_SIZE - 16, 2)
        part = scene[top : top + height, left : left + width]
        weave = raster.value_noise(generator, 1, 180, cells=22)[0]
        weave = weave[: part.shape[0], : part.shape[1]]
        part[:] = raster.mix(_color(generator), _color(generator), 0.4 * weave)
    fall_off = np.float32(generator.uniform(-0.3, 0.3)) * (x / SCENE_SIZE - 0.5)
    return scene * (np.float32(generator.uniform(0.75, 1.1)) + fall_off)[..., None]


def _add_coats(generator: np.random.Generator, scene: np.ndarray) -> None:
    """Adds bodies without a head, so that clothes alone do not tell of a face."""
    x, y = _axes()
    for _ in range(generator.integers(0, 3)):
        half_width = generator.uniform(25, 110)
        middle = generator.uniform(0, SCENE_SIZE)
        top = generator.uniform(0.05, 0.9) * SCENE_SIZE
        rows = slice(int(top), SCENE_SIZE)
        columns = slice(max(0, int(middle - half_width)), int(middle + half_width) + 1)
        u = (x[:, columns] - middle) / half_width
        v = (y[rows] - top) / half_width - 0.68
        inside = np.maximum(1.0 - np.hypot(u, v / 0.68), np.minimum(1.0 - abs(u), v))
        mask = raster.coverage(inside, 1.0 / half_width)
        shade = np.float32(0.9) + 0.1 * np.clip(u, -1.0, 1.0)
        part = scene[rows, columns]
        part[:] = raster.mix(part, _color(generator) * shade[..., None], mask)


def _placed_views(
    generator: np.random.Generator, people: dict[int, face_drawing.Identity]
) -> list[tuple[int, face_drawing.View]]:
    """Different people at places where no head covers another, far ones first."""
    wanted = generator.choice(len(_FACE_COUNT_CHANCES), p=_FACE_COUNT_CHANCES)
    numbers = generator.permutation(sorted(people))[:wanted]
    views: list[tuple[int, face_drawing.View]] = []
    taken: list[tuple[face_drawing.View, np.ndarray]] = []
    for number in numbers:
        for _ in range(_PLACING_ATTEMPTS):
            view = _random_view(generator)
            box = face_drawing.box(people[number], view)
            inside = box.min() >= 0 and box.max() <= SCENE_SIZE
            if inside and not any(
                _hides(view, box, other, other_box) for other, other_box in taken
            ):
                views.append((int(number), view))
                taken.append((view, box))
                break
    return sorted(views, key=lambda item: item[1].half_height)


def _hides(
    view: face_drawing.View,
    box: np.ndarray,
    other: face_drawing.View,
    other_box: np.ndarray,
) -> bool:
    """Whether, of two people, hair or body of the nearer one would reach a head."""
    near, far_box = (
        (view, other_box) if view.half_height > other.half_height else (other, box)
    )
    top, left, _, right = _reach(near)
    return _overlap(np.array((top, left, SCENE_SIZE, right)), far_box, margin=4)


def _reach(view: face_drawing.View) -> tuple[int, int, int, int]:
    """The pixels top, left, bottom, right that a person may cover."""
    aside = 1.65 * view.half_height
    return (
        max(0, int(view.center_y - 1.4 * view.half_height)),
        max(0, int(view.center_x - aside)),
        SCENE_SIZE,
        min(SCENE_SIZE, int(view.center_x + aside) + 1),
    )


def _random_view(generator: np.random.Generator) -> face_drawing.View:
    low, high = _HALF_HEIGHT_RANGE
    half_height = low * (high / low) ** generator.uniform()
    margin = half_height + 2.0
    direction = np.array(
        (generator.normal(0.0, 0.7), generator.normal(-0.5, 0.4), 0.9), np.float32
    )
    extreme = generator.uniform() < 0.15
    dark = generator.uniform() < 0.6
    brightness = generator.uniform(0.65, 1.15)
    if extreme:
        brightness = (
            generator.uniform(0.3, 0.5) if dark else generator.uniform(1.3, 1.6)
        )
    return face_drawing.View(
        center_x=generator.uniform(margin, SCENE_SIZE - margin),
        center_y=generator.uniform(margin, SCENE_SIZE - margin),
        half_height=half_height,
        roll=generator.normal(0.0, 0.22),
        yaw=min(max(generator.normal(0.0, 0.45), -1.2), 1.2),
        pitch=min(max(generator.normal(0.0, 0.15), -0.4), 0.4),
        light=direction / np.linalg.norm(direction),
        brightness=brightness,
        contrast=generator.uniform(0.2, 0.75),
        smile=generator.uniform(-0.5, 1.2),
        gaze=generator.uniform(-0.4, 0.4),
        clothes=_color(generator),
    )


def _overlap(first: np.ndarray, second: np.ndarray, margin: float) -> bool:
    return bool(
        (first[:2] - margin < second[2:]).all()
        and (second[:2] < first[2:] + margin).all()
    )


def _add_distractors(
    generator: np.random.Generator, scene: np.ndarray, boxes: list[np.ndarray]
) -> None:
    """Adds balls, some in skin colors and some with spots where no eyes would be."""
    x, y = _axes()
    for _ in range(generator.integers(1, 7)):
        radius = generator.uniform(8, 55)
        center_x, center_y = generator.uniform(0, SCENE_SIZE, 2)
        reach = np.array(
            (center_y - radius, center_x - radius, center_y + radius, center_x + radius)
        )
        if any(_overlap(reach, box, margin=2) for box in boxes):
            continue
        top, left, bottom, right = np.clip(reach, 0, SCENE_SIZE).astype(int)
        part = scene[top : bottom + 1, left : right + 1]
        across = (x[:, left : right + 1] - center_x) / np.float32(radius)
        down = (y[top : bottom + 1] - center_y) / np.float32(radius)
        colors, mask = _ball(generator, across, down, 1.0 / radius)
        part[:] = raster.mix(part, colors, mask)


def _ball(
    generator: np.random.Generator, across: np.ndarray, down: np.ndarray, pixel: float
) -> tuple[np.ndarray, np.ndarray]:
    """Colors and mask of a shaded ball of radius 1 with up to five spots."""
    across = across / np.float32(generator.uniform(0.7, 1.0))
    squared = across**2 + down**2
    skin = face_drawing.draw_identity(generator).skin
    color = skin if generator.uniform() < 0.6 else _color(generator)
    shade = 0.55 + 0.5 * np.sqrt(np.clip(1.0 - squared, 0, 1)) - 0.15 * across
    ball = color * shade[..., None]
    for _ in range(generator.integers(0, 6)):
        spot_x, spot_y = generator.uniform(-0.7, 0.7, 2).astype(np.float32)
        size = np.float32(generator.uniform(0.05, 0.25))
        spot = raster.coverage(size - np.hypot(across - spot_x, down - spot_y), 0.04)
        ball = raster.mix(ball, _color(generator), spot)
    return ball, raster.coverage((1.0 - squared) * 0.5, pixel)


def _add_face(
    generator: np.random.Generator,
    scene: np.ndarray,
    identity: face_drawing.Identity,
    view: face_drawing.View,
    number: int,
    box: np.ndarray,
) -> Face:
    """Draws one person into the part of the scene that hair and body can reach."""
    top, left, bottom, right = _reach(view)
    x, y = _axes()
    x, y = x[:, left:right], y[top:bottom]
    colors, opacity, head = face_drawing.draw(identity, view, x, y)
    cover, cover_color = _occluder(generator, view, x, y)
    occluded = float((head * cover).sum() / head.sum())
    colors = raster.mix(colors, cover_color, cover)
    opacity = np.maximum(opacity, cover)
    relative_blur = generator.choice(_BLURS)
    sigma = relative_blur * 2.0 * view.half_height
    if sigma > 0.0:
        layers = np.concatenate([colors * opacity[..., None], opacity[..., None]], -1)
        layers = raster.blur(layers[None].astype(np.float32), np.array([sigma]))[0]
        opacity = layers[..., 3]
        colors = layers[..., :3] / np.maximum(opacity, 1e-3)[..., None]
    part = scene[top:bottom, left:right]
    part[:] = raster.mix(part, colors, opacity)
    low, high = _NORMAL_BRIGHTNESS
    return Face(
        box=box,
        identity=number,
        blur=int(relative_blur > _NORMAL_BLUR) + int(relative_blur > _HEAVY_BLUR),
        occlusion=int(occluded > _PARTIAL_OCCLUSION) + int(occluded > _HEAVY_OCCLUSION),
        illumination=not low <= view.brightness <= high,
        pose=abs(view.yaw) > _ATYPICAL_YAW or abs(view.roll) > _ATYPICAL_ROLL,
        roll=float(np.degrees(view.roll)),
        yaw=float(np.degrees(view.yaw)),
        pitch=float(np.degrees(view.pitch)),
    )


def _occluder(
    generator: np.random.Generator,
    view: face_drawing.View,
    x: np.ndarray,
    y: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """A board that hides one side of some heads: its mask [H, W] and color."""
    angle = generator.uniform(0.0, 2.0 * np.pi)
    begin = generator.uniform(0.05, 0.8)
    color = _color(generator)
    if generator.uniform() > 0.3:
        return np.zeros((y.shape[0], x.shape[1]), np.float32), color
    u = (x - view.center_x) / view.half_height
    v = (y - view.center_y) / view.half_height
    along = math.cos(angle) * u + math.sin(angle) * v
    across = math.cos(angle) * v - math.sin(angle) * u
    inside = np.minimum(along - begin, begin + 0.8 - along)
    inside = np.minimum(inside, 1.1 - np.abs(across))
    return raster.coverage(inside, 1.0 / view.half_height).astype(np.float32), color
