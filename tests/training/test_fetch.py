"""Fetching a data set from a real web server that breaks off, cheats or is gone."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from pi_classifier_training.cli import main
from pi_classifier_training.data import fetch as module
from pi_classifier_training.data.fetch import DATA_SETS, DataSet, fetch
from pi_classifier_training.errors import DatasetError

NOTICE = b"CC BY 2.0: somebody\n"


def archive(names: dict[str, bytes], link: str | None = None) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        for name, content in names.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        if link is not None:
            entry = tarfile.TarInfo("flowers/link")
            entry.type = tarfile.SYMTYPE
            entry.linkname = link
            tar.addfile(entry)
    return data.getvalue()


# Hash bytes do not compress: the archive has some length to break off in.
PHOTO = b"".join(hashlib.sha256(bytes([i % 256, i // 256])).digest() for i in range(20_000))
WHOLE = archive({"flowers/LICENSE.txt": NOTICE, "flowers/daisy/1.jpg": PHOTO})


class Server(ThreadingHTTPServer):
    """Serves `data`; breaks off after each of `breaks` bytes in turn; notes ranges asked for."""

    data = WHOLE
    ranges = True
    status = 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.breaks: list[int] = []
        self.asked: list[str | None] = []

    def data_set(self) -> DataSet:
        return DataSet(
            f"http://127.0.0.1:{self.server_port}/flowers.tgz",
            hashlib.sha256(WHOLE).hexdigest(),
            len(WHOLE),
            "flowers",
            "LICENSE.txt",
            "CC BY 2.0",
        )


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.server.asked.append(wanted)
        if self.server.status:
            self.send_error(self.server.status)
            return
        match = re.fullmatch(r"bytes=(\d+)-", wanted or "")
        resumed = match is not None and self.server.ranges
        data = self.server.data[int(match[1]) :] if match and resumed else self.server.data
        self.send_response(206 if resumed else 200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: self.server.breaks.pop(0)] if self.server.breaks else data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as it:
        thread = Thread(target=it.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield it
        it.shutdown()
        thread.join()


def test_fetches_verifies_and_unpacks_with_its_notice(server: Server, tmp_path: Path) -> None:
    steps: list[int] = []
    folder = fetch(server.data_set(), tmp_path / "new", steps.append)
    assert folder == tmp_path / "new" / "flowers"
    assert (folder / "LICENSE.txt").read_bytes() == NOTICE
    assert (folder / "daisy" / "1.jpg").read_bytes() == PHOTO
    assert sum(steps) == len(WHOLE)
    assert list(folder.parent.iterdir()) == [folder]


def test_goes_on_where_the_connection_broke(server: Server, tmp_path: Path) -> None:
    server.breaks = [1000, 70_000]
    steps: list[int] = []
    fetch(server.data_set(), tmp_path, steps.append, pause_s=0)
    assert server.asked == [None, "bytes=1000-", "bytes=71000-"]
    assert sum(steps) == len(WHOLE)


def test_starts_over_where_the_server_cannot_resume(server: Server, tmp_path: Path) -> None:
    server.breaks, server.ranges = [1000], False
    steps: list[int] = []
    assert fetch(server.data_set(), tmp_path, steps.append, pause_s=0).is_dir()
    assert sum(steps) == len(WHOLE)


def test_the_next_call_goes_on(server: Server, tmp_path: Path) -> None:
    server.breaks = [100] * 5
    with pytest.raises(DatasetError, match=r"500 of .* bytes are there.*goes on"):
        fetch(server.data_set(), tmp_path, pause_s=0)
    assert [p.name for p in tmp_path.iterdir()] == ["flowers.tgz.partial"]
    fetch(server.data_set(), tmp_path, pause_s=0)
    assert server.asked[-1] == "bytes=500-"


def test_another_file_is_refused_and_removed(server: Server, tmp_path: Path) -> None:
    server.data = WHOLE[:-1] + b"?"
    with pytest.raises(DatasetError, match="not the published archive"):
        fetch(server.data_set(), tmp_path, pause_s=0)
    assert list(tmp_path.iterdir()) == []


def test_a_longer_file_is_not_read_for_ever(server: Server, tmp_path: Path) -> None:
    server.data = WHOLE + b"?" * 3_000_000
    with pytest.raises(DatasetError, match="not the published archive"):
        fetch(server.data_set(), tmp_path, pause_s=0)


@pytest.mark.parametrize(
    "data",
    [
        archive({"flowers/LICENSE.txt": NOTICE, "../escaped": b"x"}),
        archive({"flowers/LICENSE.txt": NOTICE}, link="/etc/passwd"),
        archive({"flowers/daisy/1.jpg": PHOTO}),
        b"no archive",
    ],
    ids=["outside", "link", "no notice", "no archive"],
)
def test_an_unsafe_archive_leaves_nothing(server: Server, tmp_path: Path, data: bytes) -> None:
    server.data = data
    pinned = replace(
        server.data_set(), sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data)
    )
    with pytest.raises(DatasetError, match=r"flowers\.tgz"):
        fetch(pinned, tmp_path / "to", pause_s=0)
    assert [p.name for p in (tmp_path / "to").iterdir()] == ["flowers.tgz.partial"]
    assert [p.name for p in tmp_path.iterdir()] == ["to"]


def test_a_folder_that_is_there_is_left_alone(server: Server, tmp_path: Path) -> None:
    (tmp_path / "flowers").mkdir()
    with pytest.raises(DatasetError, match="is there already"):
        fetch(server.data_set(), tmp_path)
    assert server.asked == []


@pytest.mark.parametrize("status", [404, 503])
def test_the_servers_refusal_is_told(server: Server, tmp_path: Path, status: int) -> None:
    server.status = status
    with pytest.raises(DatasetError, match=str(status)):
        fetch(server.data_set(), tmp_path, pause_s=0)
    assert len(server.asked) == (1 if status == 404 else 5)


def test_without_a_network_the_error_says_so(server: Server, tmp_path: Path) -> None:
    gone = replace(server.data_set(), url="http://127.0.0.1:1/flowers.tgz")
    with pytest.raises(DatasetError, match=r"cannot be reached.*Check the network"):
        fetch(gone, tmp_path, pause_s=0)


def test_an_archive_within_a_zip_gets_a_notice_and_its_own_place(
    server: Server, tmp_path: Path
) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        file.writestr("outer/inner.tar.gz", archive({"classes/chair/1.jpg": PHOTO}))
        file.writestr("../escaped.jpg", b"x")
    server.data = data.getvalue()
    pinned = replace(
        server.data_set(),
        url=f"http://127.0.0.1:{server.server_port}/outer.zip",
        sha256=hashlib.sha256(server.data).hexdigest(),
        size_bytes=len(server.data),
        folder="classes",
        target="negatives/objects",
        inner="outer/inner.tar.gz",
        attribution="by somebody\n",
    )
    to = tmp_path / "to"
    folder = fetch(pinned, to, pause_s=0)
    assert folder == to / "negatives" / "objects"
    assert (folder / "chair" / "1.jpg").read_bytes() == PHOTO
    assert (folder / "LICENSE.txt").read_text() == "by somebody\n"
    assert [p.name for p in to.iterdir()] == ["negatives"]
    assert [p.name for p in tmp_path.iterdir()] == ["to"]
    gone = replace(pinned, inner="outer/other.tar.gz", target="negatives/other")
    with pytest.raises(DatasetError, match=r"outer\.zip"):
        fetch(gone, to, pause_s=0)
    assert [p.name for p in (to / "negatives").iterdir()] == ["objects"]


def test_of_several_sets_those_that_are_there_stay(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    both = tuple(replace(server.data_set(), target=f"negatives/{name}") for name in ("a", "b"))
    monkeypatch.setattr(module, "DATA_SETS", {"negatives": both})
    (tmp_path / "negatives" / "a").mkdir(parents=True)
    assert main(["fetch", "negatives", "--to", str(tmp_path)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith(f"{tmp_path}/negatives/b: CC BY 2.0")
    given = f"--negatives {tmp_path}/negatives"
    assert told[1] == f"train with them: pi-classifier-train retrain {given} …"
    assert main(["fetch", "negatives", "--to", str(tmp_path)]) == 65


def test_the_pinned_data_sets() -> None:
    (flowers,) = DATA_SETS["flower_photos"]
    assert flowers.size_bytes == 228_813_984
    pinned = [data_set for several in DATA_SETS.values() for data_set in several]
    assert all(re.fullmatch("[0-9a-f]{64}", data_set.sha256) for data_set in pinned)
    assert len({data_set.within(Path()) for data_set in pinned}) == len(pinned)
    assert sum(data_set.size_bytes for data_set in DATA_SETS["negatives"]) < 200_000_000
