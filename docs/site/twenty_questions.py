"""A reviewer's twenty questions, answered in a browser from the links that commands print.

Usage: python docs/site/twenty_questions.py [--keep FOLDER] [--out FOLDER]

It compares four models of the simulated shop at one cutoff, exports the winner, compares five a week
later, exports and promotes, starts MLflow's page, and goes from the printed links by mouse to every
answer. A question that more than two clicks do not answer ends it. Table and pictures of
docs/twenty_questions.md are written anew. It takes some minutes and needs Chromium.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
from tests.chromium import Chromium, find_chromium  # noqa: E402

PAGE = ROOT / "docs" / "twenty_questions.md"
TABLE = re.compile(r"(<!-- questions -->\n).*?(<!-- /questions -->)", re.DOTALL)
FEW, MORE = "popularity,personal_frequency,item_knn,markov", "two_stage"
# what is wrong with the data that the shop sells: some rows twice, some without a customer
FAULTS = ["data.faults.duplicates=0.02", "data.faults.missing_users=0.01"]
# the folder of whoever makes the pictures says nothing to those who see them
HIDE_FOLDER = """[...document.querySelectorAll('*')].filter(each => !each.children.length
    && /^Path: |^file:/.test(each.innerText)).forEach(each => each.style.visibility = 'hidden')"""
OVERVIEW = "Overview"  # of the run, outside the page
PATIENCE = 300  # seconds until a text must be there
WIDTH, HEIGHT, COLOURS = 1280, 860, 64


class Question(NamedTuple):
    """A question, the link that it starts from, the clicks, and a text that answers it there."""

    text: str
    start: str  # look and all runs of compare; promote: look of promote
    clicks: tuple[str, ...]
    answer: str  # a regular expression
    picture: str = ""

    @property
    def on_page(self) -> bool:
        """Whether it is answered by the comparison's page, which MLflow shows in a frame."""
        return self.start == "look" and self.clicks != (OVERVIEW,)


QUESTIONS = (
    Question("Who won?", "look", (), r"two_stage", "verdict"),
    Question("By how much?", "look", (), r"two_stage \*\s+0\.\d+ \[.*?\]\s+\+0\.\d+ \["),
    Question("Is it certain?", "look", ("Differences",), r"p, corrected", "differences"),
    Question("Is it worth an experiment?", "look", (), r"worth"),
    Question("On which data?", "look", (), r"data\s+simulated_shop [0-9a-f]{12}"),
    Question("At which cutoff?", "look", (), r"cutoff\s+20\d\d-\d\d-\d\d"),
    Question("By which code?", "look", (), r"code\s+[0-9a-f]{12}"),
    Question("Was there leakage?", "look", (), r"leakage\s+none found"),
    Question("What does the look for leakage say?", "look", ("Data",), r"newest past event"),
    Question(
        "What was dropped from the data, and why?",
        "look",
        ("Data",),
        r"missing users\s+[\d,]{3,}",
        "data",
    ),
    Question("For whom is another model as good?", "look", ("Segments",), r"\btie\b", "segments"),
    Question("Whom does it fail?", "look", ("Errors",), r"is right where \w+ is wrong", "errors"),
    Question(
        "What changed since last week?",
        "look",
        ("Since the last comparison",),
        r"two_stage is new",
        "since",
    ),
    Question("What did it cost?", "look", ("Cost",), r"fit, seconds"),
    Question("What is given up for it?", "look", ("Trade-offs",), r"against coverage"),
    Question("With which settings?", "look", ("Settings",), r"settings"),
    Question("Did a model fail?", "look", ("Failures",), r"No model failed"),
    Question("What do the marks mean?", "look", ("How to read this",), r"Holm's method"),
    Question("Who ran it, and when?", "look", (OVERVIEW,), r"Created by\s+\S+"),
    Question("What did we compare before?", "all runs", (), r"top_n 20\d\d-\d\d-\d\d · 4 models"),
    Question(
        "Who promoted it, when and why?",
        "promote",
        (),
        r"champion\.0002\s+.*\"by\".*\"why\": \"better than the champion\"",
        "promotion",
    ),
    Question("What did it have to pass?", "promote", ("Version 2",), r"gate\.superior\.p_holm"),
)


def main() -> int:
    """Ask all questions, and write the page; 1 if one is not answered."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--keep", type=Path, help="work in this folder; what is there is used again"
    )
    parser.add_argument("--out", type=Path, default=PAGE.parent, help="folder of the pictures")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="questions-"))
    folder.mkdir(parents=True, exist_ok=True)
    links = printed_links(folder)
    rows, missing = [], []
    with served(folder), Chromium(find_chromium(), patience=PATIENCE) as browser:
        browser.resize(WIDTH, HEIGHT)
        close_assistant(browser, links["look"])
        for number, question in enumerate(QUESTIONS, start=1):
            print(f"{number} {question.text}", flush=True)
            try:
                ask(browser, question, links[question.start])
            except Exception as error:  # all of them are asked
                missing.append(f"{question.text} {error}")
                continue
            if question.picture:
                browser.evaluate(HIDE_FOLDER)
                write_picture(browser.screenshot(), options.out, question.picture)
            rows.append(row_of(number, question))
    if options.out == PAGE.parent and not missing:
        table = "\n".join(["| | question | from | clicks |", "| --: | --- | --- | --- |", *rows])
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(TABLE.sub(rf"\g<1>\n{table}\n\n\2", text), encoding="utf-8")
    for line in missing:
        print(f"not answered: {line}", file=sys.stderr)
    return 1 if missing else 0


def close_assistant(browser: Chromium, link: str) -> None:
    """Close the pane that MLflow opens over a third of the window; it stays closed."""
    button = "document.querySelector('[data-component-id=\"mlflow.assistant.chat_panel.close\"]')"
    browser.open(link)
    browser.wait_for(f"{button} !== null")
    browser.evaluate(f"{button}.click()")


def ask(browser: Chromium, question: Question, link: str) -> None:
    """Click through to the answer, and wait until it is seen."""
    browser.open(link)
    for click in question.clicks:
        browser.click(click, in_frame=question.on_page)
    texts = "document.body.innerText"
    if question.on_page and question.clicks:  # the chapter that the window shows
        texts = f"""[...document.querySelectorAll('section')].filter(section =>
            section.innerText.startsWith({question.clicks[-1]!r}) &&
            section.getBoundingClientRect().top < innerHeight).map(s => s.innerText).join()"""
    pattern = question.answer.replace("/", r"\/")
    browser.wait_for(f"/{pattern}/.test({texts})", in_frame=question.on_page)
    if question.start == "promote":  # the smallest part of the page that answers, in the middle
        browser.evaluate(
            f"""[...document.body.querySelectorAll('*')].findLast(each =>
            /{pattern}/.test(each.innerText)).scrollIntoView({{block: 'center'}})"""
        )


def row_of(number: int, question: Question) -> str:
    """The question as a row of the page's table."""
    clicks = " → ".join(question.clicks) or "none"
    shown = f" ([picture](#{question.picture}))" if question.picture else ""
    return f"| {number} | {question.text}{shown} | `{question.start}` | {clicks} |"


def printed_links(folder: Path) -> dict[str, str]:
    """The links that the commands print, with an address of our own for MLflow's page."""
    port = folder / "port"
    if not port.exists():
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port.write_text(str(free.getsockname()[1]))
    ui = f"tracking.ui=http://127.0.0.1:{port.read_text()}"
    week_before = f"models=[{FEW}]", "split.cutoff=2025-07-24"
    run(folder, "before", "compare", *week_before, *FAULTS, ui)
    first = run(folder, "first", "export", "to=bundles/first", *FAULTS, ui)
    compared = run(folder, "compare", "compare", f"models=[{FEW},{MORE}]", *FAULTS, ui)
    exported = run(folder, "export", "export", "to=bundles/second", *FAULTS, ui)
    # the champion's model at the same cutoff as the challenger: a refusal lists the runs
    whole = found("comparison ([0-9a-f]+)", compared)
    listed = run(folder, "runs", "promote", f"challenger={whole}", ui)
    champion = found(rf"{found('([a-z_]+) of run', first)} ([0-9a-f]{{32}})", listed)
    challenger = found("of run ([0-9a-f]+)", exported)
    runs = f"challenger={challenger}", f"champion={champion}"
    promoted = run(folder, "promote", "promote", *runs, ui)
    return {
        "look": found("look: (.*)", compared),
        "all runs": found("all runs: (.*)", compared),
        "promote": found("look: (.*)", promoted),
    }


def run(folder: Path, name: str, command: str, *words: str) -> str:
    """What a command prints, once in a folder that is kept."""
    kept = folder / f"{name}.log"
    if not kept.exists():
        print(f"growthlab {command} task=top_n {' '.join(words)}", flush=True)
        line = [sys.executable, "-m", "growthlab", command, "task=top_n", *words]
        key = {"GROWTHLAB_KEY_FILE": str(folder / "key")}
        done = subprocess.run(
            line, cwd=folder, env={**os.environ, **key}, capture_output=True, text=True, check=False
        )
        text = done.stdout + done.stderr
        assert done.returncode == (2 if name == "runs" else 0), text
        kept.write_text(text, encoding="utf-8")
    return kept.read_text(encoding="utf-8")


def found(pattern: str, text: str) -> str:
    """The first group of a pattern in a text."""
    match = re.search(pattern, text)
    assert match is not None, (pattern, text)
    return match[1]


@contextmanager
def served(folder: Path) -> Iterator[None]:
    """MLflow's page on the store of a folder, while the block runs."""
    words: Sequence[str] = (
        *("-m", "mlflow", "ui", "--backend-store-uri", "sqlite:///mlflow.db", "--workers", "1"),
        *("--port", (folder / "port").read_text()),
    )
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, *words],
            cwd=folder,
            env={**os.environ, **quiet},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            while server.poll() is None and not _listens(int((folder / "port").read_text())):
                pass
            yield
        finally:
            os.killpg(server.pid, 15)  # it has workers
            server.wait()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0


def write_picture(png: bytes, folder: Path, name: str) -> None:
    """A screenshot with few colours: small enough for the repository."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(folder / f"questions_{name}.png", optimize=True)


if __name__ == "__main__":
    sys.exit(main())
