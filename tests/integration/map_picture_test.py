"""hull map's page and picture as a browser draws them: at three widths, light and dark, with fifty containers.

The browser lays the real page out in frames of each width; a script beside it measures every text, and the screenshot must
show each group's colour where the page says it is. Fonts differ between machines, so no picture is compared bit by bit.
"""
import html
import json
import os
import re
import subprocess

from lib.hull import check, container, equal, hull, need, run, scratch

WIDTHS = (390, 820, 1440)
SLEEP = ("busybox", "sleep", "600")

MEASURE = r"""
const seen = el => el.getClientRects().length > 0;
function texts(doc) {
  const found = [], walker = doc.createTreeWalker(doc.documentElement, NodeFilter.SHOW_TEXT);
  for (let node; node = walker.nextNode();) {
    const el = node.parentElement, range = doc.createRange();
    if (!node.data.trim() || el.closest('style,title,desc,script') || !seen(el)) continue;
    range.selectNodeContents(node);
    for (const box of range.getClientRects())
      found.push({text: node.data, size: parseFloat(getComputedStyle(el).fontSize), left: box.left, right: box.right, top: box.top, bottom: box.bottom});
  }
  return found;
}
function measure(frame) {
  const doc = frame.contentDocument, root = doc.documentElement, at = frame.getBoundingClientRect();
  const bars = [...doc.querySelectorAll('td a.g, rect[class^=c]')].map(el => {
    const box = el.getBoundingClientRect(), style = getComputedStyle(el);
    return {x: at.left + box.left + 5, y: at.top + (box.top + box.bottom) / 2, colour: style.fill != 'none' && el.tagName == 'rect' ? style.fill : style.backgroundColor};
  });
  const drawn = doc.querySelector('rect.bg'), ground = drawn ? getComputedStyle(drawn).fill : getComputedStyle(doc.body).backgroundColor;
  return {wide: root.scrollWidth, width: frame.clientWidth, left: at.left, top: at.top, tall: root.scrollHeight, ground, bars, texts: texts(doc)};
}
onload = () => {
  const frames = [...document.querySelectorAll('iframe')];
  for (const frame of frames) frame.style.height = Math.max(frame.contentDocument.documentElement.scrollHeight, 100) + 'px';
  document.querySelector('pre').textContent = JSON.stringify(frames.map(measure));
};
"""


def frame(document, width):
    return f'<iframe width="{width}" height="100" style="border:0;display:block" srcdoc="{html.escape(document)}"></iframe>'


def chromium(*arguments):
    profile = scratch("chromium")
    return run(need("chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
               "--no-first-run", "--disable-background-networking", "--virtual-time-budget=3000", f"--user-data-dir={profile}",
               *arguments, timeout=90, env={"HOME": profile}).ok()


def draw(dark):
    """The page at each width and the picture: what the browser measured of each, and the screenshot's pixels."""
    page, picture = hull("map", "--format=html").ok().out, hull("map", "--format=svg").ok().out
    bench = f"{scratch()}/bench.html"
    with open(bench, "w") as out:
        out.write("<!doctype html><meta charset=utf-8><body style='margin:0'>" + "".join(frame(page, w) for w in WIDTHS) +
                  frame(f"<body style='margin:0;background:Canvas'>{picture}", int(re.search(r'width="(\d+)"', picture).group(1))) + f"<pre hidden></pre><script>{MEASURE}</script>")
    scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    dump = chromium(*scheme, "--window-size=1440,1000", "--dump-dom", f"file://{bench}").out
    frames = json.loads(html.unescape(re.search(r"<pre[^>]*>(.*?)</pre>", dump, re.S).group(1)))
    height = int(max(f["top"] + f["tall"] for f in frames)) + 1
    chromium(*scheme, f"--window-size=1440,{height}", f"--screenshot={scratch()}/shot.png", f"file://{bench}")
    return frames, Pixels(f"{scratch()}/shot.png")


class Pixels:
    """A screenshot's, through netpbm: a binary PPM is "P6", width, height, 255, and three bytes a pixel (ppm(5))."""

    def __init__(self, path):
        raw = subprocess.run([need("pngtopnm"), path], stdout=subprocess.PIPE, check=True).stdout
        head = re.match(rb"P6\s+(\d+)\s+\d+\s+255\s", raw)
        check(head, f"the screenshot begins with {raw[:20]}")
        self.width, self.data = int(head.group(1)), raw[head.end():]

    def pixel(self, x, y):
        at = (int(y) * self.width + int(x)) * 3
        return tuple(self.data[at:at + 3])


def colour(css):
    return tuple(map(int, re.findall(r"\d+", css)[:3]))


def near(got, wanted):
    return all(abs(a - b) <= 3 for a, b in zip(got, wanted))


def overlapping(texts):
    """Pairs of texts that lie over each other by more than a pixel."""
    ordered = sorted((t for t in texts if t["right"] - t["left"] > 1), key=lambda t: t["top"])
    for i, one in enumerate(ordered):
        for two in ordered[i + 1:]:
            if two["top"] >= one["bottom"] - 4:
                break
            if min(one["right"], two["right"]) - max(one["left"], two["left"]) > 1.5:
                yield one["text"], two["text"]


def legible(drawn, picture):
    where = f"at {drawn['width']} pixels"
    check(drawn["wide"] <= drawn["width"], f"{where}: {drawn['wide']} wide, so that a reader must scroll sideways")
    for text in drawn["texts"]:
        check(text["size"] >= 10 or text["size"] == 0, f"{where}: {text['text']!r} is {text['size']} pixels high")
        check(-1 <= text["left"] and text["right"] <= drawn["width"] + 1, f"{where}: {text['text']!r} is cut off")
    equal(list(overlapping(drawn["texts"])), [], f"{where}: texts over each other")
    check(near(picture.pixel(drawn["left"] + 2, drawn["top"] + 2), colour(drawn["ground"])), f"{where}: the background")
    check(len(drawn["bars"]) > 10, f"{where}: only {len(drawn['bars'])} marks of groups")
    for bar in drawn["bars"]:
        check(near(picture.pixel(bar["x"], bar["y"]), colour(bar["colour"])), f"{where}: no {bar['colour']} at {bar['x']},{bar['y']}")


def fifty_containers():
    """Of which some share, and some are as open as they may be."""
    for number in range(50):
        options = []
        if number % 5 in (1, 2):
            options.append(f"--net=container:svc{number // 5 * 5}")
        if number % 10 == 3:
            options += ["--pid=host", "--cap-add=SYS_PTRACE"]
        if number == 49:
            options += ["--privileged", "--net=host", "--pid=host", "--ipc=host"]
        if number == 10:
            options.append("--ns=user=private,time=+1d")
        hull("run", "-d", f"--name=svc{number}", *options, *SLEEP).ok()
    hull("run", "-d", "--name=a-name-so-long-that-it-does-not-fit-anywhere-at-all", "--ipc=container:svc1", *SLEEP).ok()


def test_fifty_containers_are_legible_at_three_widths_light_and_dark():
    need("chromium")
    fifty_containers()
    try:
        grounds = []
        for dark in (False, True):
            frames, picture = draw(dark)
            equal(len(frames), len(WIDTHS) + 1)
            for drawn in frames:
                legible(drawn, picture)
            grounds.append(colour(frames[0]["ground"]))
        check(min(grounds[0]) > 230 and max(grounds[1]) < 60, f"light and dark grounds: {grounds}")
    finally:
        hull("rm", "-f", *hull("ps", "-aq").out.split(), timeout=60).ok()


def test_the_page_is_one_file_without_script():
    with container("--name=db", *SLEEP), container("--name=web", "--net=container:db", *SLEEP):
        for kind in ("html", "svg"):
            text = hull("map", f"--format={kind}").ok().out
            for word in ("<script", "http-equiv", "src=", "@import", "url(", "onload"):
                check(word not in text, f"{word} in {kind}")
            links = [link for link in re.findall(r"https?://[^\"]+", text) if link != "http://www.w3.org/2000/svg"]
            equal(links, [], f"addresses in {kind}")
            check("db" in text and "--net=container:db" in text, kind)


def test_a_file_is_replaced_whole():
    path = f"{scratch()}/map.svg"
    with open(path, "w") as old:
        old.write("old")
    hull("map", "--format=svg", "-o", path).ok().out_is("")
    with open(path) as new:
        check(new.read().rstrip().endswith("</svg>"), "a whole picture")
    equal(os.listdir(scratch()), ["map.svg"], "nothing beside it")
