# SPDX-License-Identifier: BSD-2-Clause
"""Plots as SVG, from nothing but the standard library. Vertical axes are logarithmic."""

import math
from xml.sax.saxutils import escape

COLOURS = ("#0b6e4f", "#12a150", "#5fbf3f", "#a4c639", "#8b0000", "#c0392b", "#e67e22", "#f1a85b", "#34495e", "#2980b9",
           "#8e44ad", "#16a0c0", "#7f8c8d")
GREYS = ("#34495e", "#2980b9", "#8e44ad", "#e67e22", "#7f8c8d", "#c0392b")
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 960, 460, 60, 40, 190, 50


class Canvas:
    def __init__(self, title, low, high, unit):
        self.low, self.high = math.floor(math.log10(low)), math.ceil(math.log10(high))
        self.high = max(self.high, self.low + 1)
        self.items = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
                      'font-size="11">', f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>']
        self.text(LEFT, 22, title, size=15)
        self.text(8, TOP - 6, unit)
        for power in range(self.low, self.high + 1):
            y = self.y(10 ** power)
            self.line(LEFT, y, WIDTH - RIGHT, y, "#cccccc")
            self.text(LEFT - 6, y + 4, f"{10.0 ** power:g}", anchor="end")

    def y(self, value):
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - TOP)

    def text(self, x, y, text, anchor="start", size=11):
        self.items.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>')

    def line(self, x1, y1, x2, y2, colour, width=1):
        self.items.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
                          f'stroke-width="{width}"/>')

    def legend(self, names):
        for i, name in enumerate(names):
            y = TOP + 16 * i
            self.items.append(f'<rect x="{WIDTH - RIGHT + 20}" y="{y}" width="11" height="11" fill="{COLOURS[i % len(COLOURS)]}"/>')
            self.text(WIDTH - RIGHT + 37, y + 10, name)

    def finish(self):
        return "\n".join(self.items) + "\n</svg>\n"


def bars(title, unit, groups):
    """groups: [(label, [(series, value or None)])], the same series in each."""
    values = [value for _, series in groups for _, value in series if value]
    if not values:
        return Canvas(title, 1, 10, unit).finish()
    canvas = Canvas(title, min(values), max(values), unit)
    step = (WIDTH - LEFT - RIGHT) / len(groups)
    for g, (label, series) in enumerate(groups):
        width = step * 0.85 / len(series)
        canvas.text(LEFT + step * (g + 0.5), HEIGHT - BOTTOM + 16, label, anchor="middle")
        for i, (name, value) in enumerate(series):
            if value:
                x, y = LEFT + step * g + step * 0.075 + i * width, canvas.y(value)
                canvas.items.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width * 0.9:.1f}" height="{HEIGHT - BOTTOM - y:.1f}" '
                                    f'fill="{COLOURS[i % len(COLOURS)]}"><title>{escape(name)}: {value:.1f} {escape(unit)}</title></rect>')
    canvas.legend([name for name, _ in groups[0][1]])
    return canvas.finish()


def lines(title, x_unit, unit, series):
    """series: {name: [(x, value)]}; x is logarithmic, too."""
    points = [(x, value) for points in series.values() for x, value in points if value]
    if not points:
        return Canvas(title, 1, 10, unit).finish()
    canvas = Canvas(title, min(value for _, value in points), max(value for _, value in points), unit)
    xs = sorted({x for x, _ in points})
    low, high = math.log(xs[0]), math.log(xs[-1]) if len(xs) > 1 else math.log(xs[0]) + 1

    def place(x):
        return LEFT + 10 + (math.log(x) - low) / (high - low) * (WIDTH - LEFT - RIGHT - 20)

    for x in xs:
        canvas.text(place(x), HEIGHT - BOTTOM + 16, f"{x}", anchor="middle")
    canvas.text((WIDTH - RIGHT + LEFT) / 2, HEIGHT - 12, x_unit, anchor="middle")
    for i, (name, measured) in enumerate(series.items()):
        colour = COLOURS[i % len(COLOURS)]
        drawn = [(place(x), canvas.y(value)) for x, value in sorted(measured) if value]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in drawn)
        canvas.items.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"><title>{escape(name)}</title></polyline>')
        canvas.items += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in drawn]
    canvas.legend(list(series))
    return canvas.finish()


def shares(title, groups):
    """groups: [(label, [(series, value or 0)])], the same series in each; the axis begins at 0, and 1 is marked. A bar
    that is cut off says how high it is."""
    most = min(max(value for _, series in groups for _, value in series), 3)
    canvas = Canvas(title, 1, 10, "")
    canvas.items = canvas.items[:3]

    def height(value):
        return HEIGHT - BOTTOM - min(value, most) / most * (HEIGHT - BOTTOM - TOP)

    tenths = range(0, int(most * 10) + 1, 2 if most < 2 else 5)
    for tenth in tenths:
        y = height(tenth / 10)
        canvas.line(LEFT, y, WIDTH - RIGHT, y, "#444444" if tenth == 10 else "#cccccc")
        canvas.text(LEFT - 6, y + 4, f"{tenth / 10:g}", anchor="end")
    step = (WIDTH - LEFT - RIGHT) / len(groups)
    for g, (label, series) in enumerate(groups):
        width = step * 0.85 / len(series)
        canvas.text(LEFT + step * (g + 0.5), HEIGHT - BOTTOM + 16, label, anchor="middle")
        for i, (name, value) in enumerate(series):
            x, y = LEFT + step * g + step * 0.075 + i * width, height(value)
            colour = "#0b6e4f" if name == "ours" else GREYS[i % len(GREYS)]
            canvas.items.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width * 0.9:.1f}" height="{HEIGHT - BOTTOM - y:.1f}" '
                                f'fill="{colour}"><title>{escape(name)}: {value:.2f}</title></rect>')
            if value > most:
                canvas.text(x + width * 0.45, y - 4, f"{value:.1f}", anchor="middle", size=9)
    for i, (name, _) in enumerate(groups[0][1]):
        y = TOP + 16 * i
        colour = "#0b6e4f" if name == "ours" else GREYS[i % len(GREYS)]
        canvas.items.append(f'<rect x="{WIDTH - RIGHT + 20}" y="{y}" width="11" height="11" fill="{colour}"/>')
        canvas.text(WIDTH - RIGHT + 37, y + 10, name)
    return canvas.finish()
