"""Draws the faces of `procedural_faces`: who (an identity) and how (a view).

A head is an ellipsoid. Each pixel of its outline is carried to the surface, turned back
by yaw and pitch, and colored by what lies there on the face: so a turned face shows its
features shifted and squeezed as a real one does. Lengths are in half heads: 0 is the
middle of the head, y = 1 the chin.
"""

import dataclasses
import math

import numpy as np

from tfpipeline.data import raster

# Skin from light to dark, as RGB in 0..1; an identity mixes two neighbors.
_SKIN_TONES = np.array(
    [
        (0.96, 0.82, 0.72),
        (0.90, 0.72, 0.58),
        (0.78, 0.58, 0.42),
        (0.60, 0.42, 0.29),
        (0.40, 0.27, 0.19),
    ],
    np.float32,
)
_HAIR_COLORS = np.array(
    [
        (0.09, 0.07, 0.06),
        (0.25, 0.15, 0.09),
        (0.45, 0.28, 0.14),
        (0.80, 0.66, 0.38),
        (0.55, 0.20, 0.10),
        (0.66, 0.66, 0.66),
    ],
    np.float32,
)
_EYE_COLORS = np.array(
    [(0.22, 0.13, 0.07), (0.30, 0.42, 0.55), (0.28, 0.40, 0.25), (0.10, 0.08, 0.07)],
    np.float32,
)
_WHITE_OF_EYE = np.array((0.93, 0.92, 0.90), np.float32)
# Half heads below the middle of the head: the longest strands, swung by any roll.
_LOWEST_HAIR = 1.7
_DARK = np.array((0.07, 0.05, 0.05), np.float32)


@dataclasses.dataclass(frozen=True)
class Identity:
    """What stays the same in every picture of one person.

    Colors are RGB in 0..1, lengths in half heads, flags are chances made definite.
    """

    skin: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    lips: np.ndarray
    half_width: float
    jaw: float
    eye_height: float
    eye_distance: float
    eye_size: float
    brow_thickness: float
    brow_slope: float
    nose_length: float
    nose_width: float
    mouth_height: float
    mouth_width: float
    lip_thickness: float
    hairline: float
    hair_volume: float
    hair_length: float
    beard: float
    has_glasses: bool


@dataclasses.dataclass(frozen=True)
class View:
    """What differs from picture to picture.

    Attributes:
        center_x, center_y: the middle of the head in the scene, pixels.
        half_height: from the middle to the chin, pixels.
        roll, yaw, pitch: radians; 0 looks at the camera, upright.
        light: direction toward the light, unit vector (x, y, z), z toward the camera.
        brightness: factor on all colors.
        contrast: share of directed light, 0..1; the rest comes from everywhere.
        smile: curvature of the mouth, negative for a sad one.
        gaze: offset of the pupils, in eye sizes.
        clothes: RGB in 0..1.
    """

    center_x: float
    center_y: float
    half_height: float
    roll: float
    yaw: float
    pitch: float
    light: np.ndarray
    brightness: float
    contrast: float
    smile: float
    gaze: float
    clothes: np.ndarray


def draw_identity(generator: np.random.Generator) -> Identity:
    """A random person."""
    tone = generator.uniform(0.0, len(_SKIN_TONES) - 1.001)
    low, share = int(tone), tone % 1.0
    skin = _SKIN_TONES[low] * (1.0 - share) + _SKIN_TONES[low + 1] * share
    uniform = generator.uniform
    return Identity(
        skin=np.clip(skin + uniform(-0.04, 0.04, 3), 0.0, 1.0).astype(np.float32),
        hair=_HAIR_COLORS[generator.integers(len(_HAIR_COLORS))],
        iris=_EYE_COLORS[generator.integers(len(_EYE_COLORS))],
        lips=(skin * (0.78, 0.52, 0.52) + (0.08, 0.0, 0.0)).astype(np.float32),
        half_width=uniform(0.68, 0.84),
        jaw=uniform(0.05, 0.35),
        eye_height=uniform(-0.16, -0.04),
        eye_distance=uniform(0.34, 0.46),
        eye_size=uniform(0.13, 0.19),
        brow_thickness=uniform(0.03, 0.075),
        brow_slope=uniform(-0.25, 0.3),
        nose_length=uniform(0.22, 0.36),
        nose_width=uniform(0.11, 0.2),
        mouth_height=uniform(0.46, 0.58),
        mouth_width=uniform(0.24, 0.4),
        lip_thickness=uniform(0.05, 0.1),
        hairline=uniform(-0.72, -0.5) - 0.6 * (uniform() < 0.12),
        hair_volume=uniform(1.03, 1.25),
        hair_length=float(generator.choice([0.05, 0.2, 0.9, 1.3])),
        beard=uniform(0.45, 0.85) * (uniform() < 0.25),
        has_glasses=bool(uniform() < 0.25),
    )


def box(identity: Identity, view: View) -> np.ndarray:
    """The head's bounding box, float32 [4]: ymin, xmin, ymax, xmax in pixels.

    Hair that stands out beyond the head is not part of it. Rounded outward to whole
    pixels.
    """
    cos, sin = math.cos(view.roll), math.sin(view.roll)
    half_x = np.hypot(identity.half_width * cos, sin) * view.half_height
    half_y = np.hypot(identity.half_width * sin, cos) * view.half_height
    return np.array(
        (
            np.floor(view.center_y - half_y),
            np.floor(view.center_x - half_x),
            np.ceil(view.center_y + half_y),
            np.ceil(view.center_x + half_x),
        ),
        np.float32,
    )


def draw(
    identity: Identity, view: View, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws head, hair, neck and shoulders.

    Args:
        identity: who.
        view: how.
        x: pixel columns, float32 [1, W].
        y: pixel rows, float32 [H, 1].

    Returns:
        colors float32 [H, W, 3], opacity [H, W], and the head's own mask [H, W].
    """
    pixel = 1.0 / view.half_height
    x = (x - view.center_x) * pixel
    y = (y - view.center_y) * pixel
    colors, opacity = _torso(identity, view, x, y, pixel)
    head_mask = np.zeros(opacity.shape, np.float32)
    # Nothing of the head lies lower than its hair; the rows below are left out.
    rows = slice(0, int(np.searchsorted(y[:, 0], _LOWEST_HAIR)))
    cos, sin = math.cos(view.roll), math.sin(view.roll)
    x, y = cos * x + sin * y[rows], cos * y[rows] - sin * x
    hair = _hair_behind(identity, view, x, y, pixel)
    upper = raster.mix(colors[rows], _hair_colors(identity, x, y), hair)
    ears = _ears(identity, view, x, y, pixel)
    upper = raster.mix(upper, identity.skin * np.float32(0.88), ears)
    head, head_mask[rows] = _head(identity, view, x, y, pixel)
    colors[rows] = raster.mix(upper, head, head_mask[rows])
    opacity[rows] = np.maximum.reduce([opacity[rows], hair, ears, head_mask[rows]])
    return colors * np.float32(view.brightness), opacity, head_mask


def _torso(
    identity: Identity, view: View, x: np.ndarray, y: np.ndarray, pixel: float
) -> tuple[np.ndarray, np.ndarray]:
    """Neck and shoulders, which stay upright when the head rolls."""
    neck = np.minimum(0.42 * identity.half_width / 0.75 - np.abs(x), y - 0.2)
    neck = np.minimum(neck, 1.6 - y)
    shoulders = 1.0 - np.hypot(x / 1.55, (y - 2.25) / 1.05)
    shoulders = np.maximum(shoulders, np.minimum(1.55 - np.abs(x), y - 2.25))
    neck_mask = raster.coverage(neck, pixel)
    shoulders_mask = raster.coverage(shoulders, pixel)
    shade = np.float32(0.72) + 0.1 * view.light[0] * np.clip(x, -1.0, 1.0)
    colors = (identity.skin * shade[..., None]) * np.ones_like(y)[..., None]
    colors = raster.mix(colors, view.clothes, shoulders_mask)
    return colors, np.maximum(neck_mask, shoulders_mask)


def _hair_behind(
    identity: Identity, view: View, x: np.ndarray, y: np.ndarray, pixel: float
) -> np.ndarray:
    """Outline of the hair: a cap above, and two strands down to the hair's length."""
    if identity.hairline < -1.0:
        return np.zeros(np.broadcast_shapes(x.shape, y.shape), np.float32)
    width = identity.half_width * identity.hair_volume
    shift = x + 0.12 * math.sin(view.yaw)
    cap = np.minimum(
        1.0 - np.hypot(shift / width, (y + 0.06) / identity.hair_volume), 0.1 - y
    )
    strands = np.minimum(width * 1.02 - np.abs(shift), identity.hair_length - y)
    strands = np.minimum(strands, y + 0.3)
    return raster.coverage(np.maximum(cap, strands), pixel)


def _hair_colors(identity: Identity, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    strand = 0.85 + 0.15 * np.sin(40.0 * x + 6.0 * y) + 0.1 * (y < -0.5)
    return identity.hair * strand[..., None].astype(np.float32)


def _ears(
    identity: Identity, view: View, x: np.ndarray, y: np.ndarray, pixel: float
) -> np.ndarray:
    """Both ears' mask; a turned head shows the near one nearer its middle."""
    masks = []
    for side in (-1.0, 1.0):
        middle = side * identity.half_width * math.cos(view.yaw) * 1.0
        reach = 1.0 - np.hypot((x - middle) / 0.13, (y - 0.02) / 0.2)
        masks.append(raster.coverage(reach * 0.13, pixel))
    return np.maximum(*masks)


def _head(
    identity: Identity, view: View, x: np.ndarray, y: np.ndarray, pixel: float
) -> tuple[np.ndarray, np.ndarray]:
    """The head's colors and mask."""
    taper = 1.0 - identity.jaw * np.clip(y, 0.0, 1.0) ** 2
    across = x / (identity.half_width * taper)
    squared = across * across + y * y
    mask = raster.coverage((1.0 - squared) * 0.5 * identity.half_width, pixel)
    depth = np.sqrt(np.clip(1.0 - squared, 0.0, 1.0))
    face_x = math.cos(view.yaw) * across - math.sin(view.yaw) * depth
    front = math.sin(view.yaw) * across + math.cos(view.yaw) * depth
    face_y = math.cos(view.pitch) * y - math.sin(view.pitch) * front
    front = math.sin(view.pitch) * y + math.cos(view.pitch) * front
    toward_light = across * view.light[0] + y * view.light[1] + depth * view.light[2]
    shade = 1.0 - view.contrast + 1.25 * view.contrast * np.clip(toward_light, 0, 1)
    colors = _face(identity, view, face_x, face_y, front, pixel)
    return colors * shade[..., None], mask


def _face(
    identity: Identity,
    view: View,
    x: np.ndarray,
    y: np.ndarray,
    front: np.ndarray,
    pixel: float,
) -> np.ndarray:
    """Colors on the surface of the head, at face coordinates x, y.

    Args:
        identity: who.
        view: mouth and gaze are the view's.
        x, y: position on the face seen from the front, float32 [H, W].
        front: positive where the surface belongs to the front half.
        pixel: size of a pixel in half heads.
    """
    visible = raster.coverage(front, 0.1)
    colors = np.broadcast_to(identity.skin, (*x.shape, 3))
    colors = _with_beard(identity, colors, x, y, visible)
    colors = _with_nose(identity, colors, x, y, visible, pixel)
    colors = _with_mouth(identity, view, colors, x, y, visible, pixel)
    colors = _with_eyes(identity, view, colors, x, y, visible, pixel)
    hairline = identity.hairline + 0.25 * x * x - y
    temples = np.minimum(np.abs(x) - 0.86, identity.hair_length - y)
    hair = np.maximum(np.maximum(hairline, temples), -0.15 - front)
    return raster.mix(colors, _hair_colors(identity, x, y), raster.coverage(hair, 0.05))


def _with_beard(
    identity: Identity,
    colors: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    visible: np.ndarray,
) -> np.ndarray:
    if not identity.beard:
        return colors
    region = np.maximum(y - 0.3 - 0.5 * (0.55 - np.abs(x)), np.abs(x) - 0.8)
    mask = raster.coverage(np.minimum(region, y - 0.05), 0.08)
    return raster.mix(colors, identity.hair, mask * visible * identity.beard)


def _with_nose(
    identity: Identity,
    colors: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    visible: np.ndarray,
    pixel: float,
) -> np.ndarray:
    top, tip = identity.eye_height, identity.eye_height + identity.nose_length + 0.1
    along = np.clip((y - top) / (tip - top), 0.0, 1.0)
    width = identity.nose_width * (0.35 + 0.65 * along)
    inside = np.minimum(width - np.abs(x), np.minimum(y - top, tip + 0.04 - y))
    shadow = raster.coverage(inside, 0.06) * visible
    colors = raster.mix(colors, colors * np.float32(0.82), shadow)
    ridge = raster.coverage(np.minimum(0.035 - np.abs(x), inside), 0.05) * visible
    colors = raster.mix(colors, np.minimum(colors * 1.25 + 0.04, 1.0), ridge)
    nostril = 0.03 - np.hypot(np.abs(x) - 0.55 * identity.nose_width, y - tip)
    mask = raster.coverage(nostril, np.maximum(pixel, 0.02)) * visible
    return raster.mix(colors, colors * np.float32(0.35), mask)


def _with_mouth(
    identity: Identity,
    view: View,
    colors: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    visible: np.ndarray,
    pixel: float,
) -> np.ndarray:
    place = x / identity.mouth_width
    height = y - identity.mouth_height + view.smile * (x * x)
    thickness = identity.lip_thickness * np.sqrt(np.clip(1.0 - place**2, 0.0, 1.0))
    edge = np.maximum(pixel, 0.015)
    lips = raster.coverage(thickness - np.abs(height), edge) * (thickness > 0)
    colors = raster.mix(colors, identity.lips, lips * visible)
    gap = raster.coverage(0.2 * thickness - np.abs(height), edge) * (thickness > 0)
    return raster.mix(colors, identity.lips * np.float32(0.35), gap * visible)


def _with_eyes(
    identity: Identity,
    view: View,
    colors: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    visible: np.ndarray,
    pixel: float,
) -> np.ndarray:
    """Eyes, brows and glasses; both sides at once by |x|."""
    size = identity.eye_size
    side = np.abs(x) - identity.eye_distance
    height = y - identity.eye_height
    edge = np.maximum(pixel, 0.012)
    socket = raster.coverage(1.9 * size - np.hypot(side, 1.5 * height), 0.12)
    colors = raster.mix(colors, colors * np.float32(0.86), socket * visible)
    eye = raster.coverage(size - np.hypot(side, 2.1 * height), edge) * visible
    outline = raster.coverage(size + 0.03 - np.hypot(side, 2.0 * height), edge)
    colors = raster.mix(colors, _DARK, 0.7 * outline * visible)
    colors = raster.mix(colors, _WHITE_OF_EYE, eye)
    gaze = side - view.gaze * size * np.sign(x)
    radius = np.hypot(gaze, height)
    iris = raster.coverage(0.5 * size - radius, edge) * eye
    colors = raster.mix(colors, identity.iris, iris)
    pupil = raster.coverage(0.24 * size - radius, edge) * eye
    colors = raster.mix(colors, _DARK, pupil)
    brow_height = height + 1.25 * size + identity.brow_slope * side - 0.5 * side**2
    brow = np.minimum(1.25 * size - np.abs(side), identity.brow_thickness / 2)
    brow = np.minimum(brow, identity.brow_thickness - np.abs(brow_height))
    colors = raster.mix(
        colors, identity.hair * 0.8, raster.coverage(brow, edge) * visible
    )
    if not identity.has_glasses:
        return colors
    rim = np.abs(np.hypot(side, 1.15 * height) - 1.6 * size)
    bridge = np.maximum(np.abs(height), np.abs(x) - identity.eye_distance + size)
    frame = raster.coverage(0.028 - np.minimum(rim, bridge), edge)
    return raster.mix(colors, _DARK, frame * visible)
