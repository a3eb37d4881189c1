"""The log in a real journal: entries, fields, explanations, and a journal that goes and comes."""

from __future__ import annotations

import itertools
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pi_classifier.logs.events import Event

from .journald import PROGRAM, Journal, private_journal, python

ROOT = Path(__file__).resolve().parents[2]


# Says each of its arguments, or what is typed: one line, one message.
TALKER = """
import logging, sys
from pi_classifier.logs.handlers import setup_logging
from pi_classifier.logs.events import Event, entry
setup_logging()
log = logging.getLogger("talker")
print("listening", flush=True)
for line in sys.stdin:
    log.warning(line.strip(), extra=entry(Event.CAMERA_LOST, CAMERA="pi", TRY=1, STEP="failed"))
    print("said", flush=True)
"""

STORM = """
import logging
from pi_classifier.logs.handlers import setup_logging
from pi_classifier.logs.events import Event, entry
setup_logging()
log = logging.getLogger("storm")
for number in range(100_000):
    log.warning("no sound: the card is busy")
    if number % 1000 == 0:
        log.info("I see a daisy (0.93)", extra=entry(Event.DECISION, LABEL="daisy"))
        log.warning("frame %d is broken", number)
log.error("and now something else")
"""


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root folder with the catalog of this project, and its database made by journalctl."""
    if shutil.which("journalctl") is None:
        pytest.skip("SKIPPED: needs a real journalctl, which scripts/test installs (apt systemd)")
    root = tmp_path_factory.mktemp("catalog")
    folder = root / "usr/lib/systemd/catalog"
    folder.mkdir(parents=True)
    (root / "var/lib/systemd/catalog").mkdir(parents=True)
    shutil.copy(ROOT / "systemd/pi-classifier.catalog", folder)
    done = journalctl(root, "--update-catalog")
    assert done == "", "the catalog has an error"
    return root


def journalctl(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["journalctl", f"--root={root}", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory, catalog: Path) -> Iterator[Journal]:
    folder = tmp_path_factory.mktemp("journal")
    with private_journal(folder, catalog / "var/lib/systemd/catalog") as private:
        private.start()
        yield private


def test_the_catalog_is_accepted_and_complete(catalog: Path) -> None:
    listed = journalctl(catalog, "--list-catalog").splitlines()
    assert len(listed) == len(Event)
    for event in Event:
        [line] = [line for line in listed if line.startswith(event.value)]
        page = journalctl(catalog, "--dump-catalog", event.value)
        assert line.split(" pi-classifier: ", 1)[1] in page
        assert "Support: man:pi-classifier(1)" in page
        assert len(page.splitlines()) > 6


def test_what_a_run_leaves_in_the_journal(journal: Journal) -> None:
    """The whole program: every label can be found, with all there is to know about it."""
    words = "run --camera emulated --fast --frames 60 --no-speech --set stdout.enabled=false"
    assert journal.service(*PROGRAM, *words.split()) == 0
    daisies = journal.entries("SYSLOG_IDENTIFIER=pi-classifier", f"MESSAGE_ID={_id('DECISION')}")
    assert daisies
    for found in daisies:
        assert found["PRIORITY"] == 6
        assert found["_TRANSPORT"] == "journal"
        assert found["MODEL"].startswith("flowers-")
        assert re.fullmatch(r"[0-9a-f]{64}", found["MODEL_SHA256"])
        assert 0.0 <= float(found["SCORE"]) <= 1.0
        assert float(found["LATENCY_MS"]) > 0
        assert found["STAGE"] in {"0", "1"}
        assert found["FRAME"].isdecimal()
        assert found["CODE_FILE"].endswith("sinks/log.py")
        expected = "I see nothing I know" if not found["LABEL"] else f"({found['SCORE'][:3]}"
        assert expected in found["MESSAGE"]
    label = next(found["LABEL"] for found in daisies if found["LABEL"])
    assert {found["LABEL"] for found in journal.entries(f"LABEL={label}")} == {label}
    [started] = journal.entries(f"MESSAGE_ID={_id('STARTED')}")
    assert started["CAMERA"] == "emulated"
    assert journal.entries(f"MESSAGE_ID={_id('ENDED')}")
    assert not journal.entries("SYSLOG_IDENTIFIER=a-service"), "lines beside the entries"


def test_what_is_wrong_is_an_entry_of_its_kind_with_an_explanation(
    journal: Journal,
) -> None:
    command = (*PROGRAM, "run", "--set", "camera.fsp=3", "--set", "model.path=/nowhere")
    assert journal.service(*command) == 78
    [refused] = journal.entries(f"MESSAGE_ID={_id('CONFIG_REFUSED')}")
    assert "camera.fsp" in refused["MESSAGE"]
    assert refused["PRIORITY"] == 2
    assert refused["EXIT_CODE"] == "78"
    explained = journal.run("journalctl", "-q", "-x", f"MESSAGE_ID={_id('CONFIG_REFUSED')}")
    assert "Subject: The configuration has an error; pi-classifier does not start" in explained
    assert "pi-classifier config --check" in explained


def test_a_second_copy_for_the_same_folder_ends_and_says_why(
    journal: Journal, tmp_path: Path
) -> None:
    words = "run --camera emulated --no-speech --set stdout.enabled=false --set"
    command = (*PROGRAM, *words.split(), f"run.state_dir={tmp_path}")
    with journal.popen(*command) as first:
        lock = tmp_path / "lock"
        wait_until(lambda: lock.exists() and lock.read_text())
        assert journal.service(*command) == 75
        first.send_signal(signal.SIGTERM)
        assert first.wait(timeout=30) == 0
    [taken] = journal.entries(f"MESSAGE_ID={_id('STATE_TAKEN')}")
    assert f"the state folder {tmp_path} is in use" in taken["MESSAGE"]
    assert f"process {first.pid}; stop that one" in taken["MESSAGE"]
    assert taken["EXIT_CODE"] == "75"
    assert journal.service(*command, "--frames", "1") == 0, "free again"


def test_the_explanation_shows_fields(journal: Journal) -> None:
    with journal.popen(*python(TALKER)) as talker:
        talker.communicate("the camera failed: cable?\n", timeout=60)
    explained = journal.run("journalctl", "-q", "-x", f"MESSAGE_ID={_id('CAMERA_LOST')}")
    assert "the camera failed: cable?" in explained
    assert "The camera (pi) had delivered frames" in explained


GUIDE = (ROOT / "docs" / "device" / "log.md").read_text(encoding="utf-8")
COMMANDS = [
    command
    for block in re.findall(r"^```\n(.*?)^```", GUIDE, flags=re.MULTILINE | re.DOTALL)
    for command in re.findall(r"^journalctl (?:[^'\n]|'[^']*')*", block, flags=re.MULTILINE)
]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_guide_work(journal: Journal, command: str, tmp_path: Path) -> None:
    """As they are there, but with what they follow left out, and without a unit's name."""
    command = command.split(" #", maxsplit=1)[0].replace(" -b -1", "")
    command = re.sub(r" -f(?=\s|$)| -u ('[^']*'|\S+)", "", command)
    script = f"cd {tmp_path} && {{ {command}\n}} > output 2> errors"
    assert journal.run("sh", "-c", script, check=False) == "0", (tmp_path / "errors").read_text()
    assert (tmp_path / "errors").read_text() == ""
    if "labels.csv" in command:
        header, *rows = (tmp_path / "labels.csv").read_text().splitlines()
        assert header == "time,label,score,model"
        assert rows
        assert re.fullmatch(
            r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3},\w*,0\.\d+,flowers-\w+", rows[0]
        )


def test_there_are_commands_in_the_guide() -> None:
    assert len(COMMANDS) >= 15


def wait_until(condition: Callable[[], object]) -> None:
    until_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.05)


def test_a_journal_that_is_killed_and_started_again_loses_nothing(
    journal: Journal,
) -> None:
    words = ["".join(letters) for letters in itertools.product("abcdefgh", repeat=3)]
    with journal.popen(*python(TALKER)) as talker:
        assert talker.stdout is not None

        def say(text: str) -> None:
            assert talker.stdin is not None
            assert talker.stdout is not None
            print(text, file=talker.stdin, flush=True)
            assert talker.stdout.readline() == "said\n"

        assert talker.stdout.readline() == "listening\n"
        say("before the journal ends")
        wait_until(lambda: journal.entries("MESSAGE=before the journal ends"))
        journal.signal(signal.SIGKILL)
        for word in ("one", "two", "three"):
            say(f"while it is away: {word}")
        journal.start()
        say("when it is back")
        journal.signal(signal.SIGSTOP)  # hangs: nobody may wait for it
        for word in words:  # more than its socket holds
            say(f"while it hangs: {word}")
        journal.signal(signal.SIGCONT)
        talker.communicate(timeout=60)
    assert talker.returncode == 0
    said = [found["MESSAGE"] for found in journal.entries("LOGGER=talker")]
    for text in ("before the journal ends", "when it is back"):
        assert said.count(text) == 1
    assert [text for text in said if "while it is away" in text] == [
        "while it is away: one",
        "while it is away: two",
        "while it is away: three",
    ]
    assert [text for text in said if "while it hangs" in text] == [
        f"while it hangs: {word}" for word in words
    ]


def test_a_storm_leaves_a_few_entries_and_every_decision(journal: Journal) -> None:
    assert journal.service(*python(STORM)) == 0
    said = [found["MESSAGE"] for found in journal.entries("LOGGER=storm")]
    assert said.count("no sound: the card is busy") == 5
    assert said.count("I see a daisy (0.93)") == 100
    assert said.count("and now something else") == 1
    broken = [text for text in said if text.startswith("frame ")]
    assert len(broken) == 30
    [times] = [
        int(found[1]) for text in said if (found := re.match(r"repeated (\d+) .*no sound", text))
    ]
    assert times == 100_000 - 5
    assert len(said) <= 5 + 100 + 1 + 30 + 4


def test_a_hang_shows_all_stacks_when_asked_and_when_the_watchdog_ends_it(
    journal: Journal,
) -> None:
    words = "run --camera emulated --no-speech --debug --set stdout.enabled=false --set"

    def said_by(process: int) -> list[str]:
        return [found["MESSAGE"] for found in journal.entries(f"_PID={process}")]

    def stacks(since: str) -> str:
        lines = [found["MESSAGE"] for found in journal.entries("SYSLOG_IDENTIFIER=a-service")]
        _, found, after = "\n".join(lines).rpartition(since)
        return after if found else ""

    with journal.popen(*PROGRAM, *words.split(), 'camera.faults=["hang@2"]') as program:
        wait_until(lambda: any(text.startswith("frame 1: ") for text in said_by(program.pid)))

        def hang_is_shown() -> bool:  # asked again: it may not have come to the hang yet
            program.send_signal(signal.SIGUSR1)
            return "in _hang" in stacks("Current thread")

        wait_until(hang_is_shown)
        program.send_signal(signal.SIGABRT)
        assert program.wait(timeout=30) == -signal.SIGABRT
    wait_until(lambda: "in _hang" in stacks("Fatal Python error: Aborted"))
    assert "signals.py" in stacks("Fatal Python error: Aborted"), "all threads, not only one"
    assert stacks("Fatal Python error: Aborted").count("\n") < 200, "stacks are bounded"


def _id(name: str) -> str:
    return Event[name].value
