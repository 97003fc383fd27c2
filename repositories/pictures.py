"""The generated picture of a namespace: a stack of containers, the same for the same name. Pure."""

import hashlib

# Mid tones that stand out on a light page and on a dark one alike.
COLORS = ["#0f8388", "#f5b81c", "#7a5cd0", "#c8553d", "#3d8a4f", "#3f6fb5"]
COLUMNS = 3
MAX_HEIGHT = 4
SIZE = 24  # of a side, in the picture's own units
BOX_WIDTH, BOX_HEIGHT, GAP = 6, 4, 1


def stack_of(name: str) -> list[list[str]]:
    """The colours of each column's containers, from the ground up."""
    digest = iter(hashlib.sha256(name.encode()).digest())
    heights = [1 + next(digest) % MAX_HEIGHT for _ in range(COLUMNS)]
    return [[COLORS[next(digest) % len(COLORS)] for _ in range(height)] for height in heights]


def picture_of(name: str) -> str:
    """An SVG of less than 1 kB."""
    boxes = []
    left = (SIZE - COLUMNS * BOX_WIDTH - (COLUMNS - 1) * GAP) // 2
    for column, colors in enumerate(stack_of(name)):
        x = left + column * (BOX_WIDTH + GAP)
        for row, color in enumerate(colors):
            y = SIZE - 2 - (row + 1) * BOX_HEIGHT - row * GAP
            boxes.append(
                f'<path fill="{color}" d="M{x} {y}h{BOX_WIDTH}v{BOX_HEIGHT}h-{BOX_WIDTH}z"/>'
            )
    view = f"0 0 {SIZE} {SIZE}"
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}">{"".join(boxes)}</svg>'
