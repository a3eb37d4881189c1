"""The configuration: order of sources, every error at once, round trip, reference."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.config.reading import Configuration, Layer, read_configuration
from pi_classifier.config.settings import KEYS, Settings
from pi_classifier.config.text import effective_toml, reference_markdown
from pi_classifier.errors import ConfigError

REPOSITORY = Path(__file__).parents[4]


@pytest.fixture
def files(tmp_path: Path) -> Any:
    """Write and read: `files(system=…, user=…, file=…)` gives the configuration."""

    def read(
        assignments: tuple[str, ...] = (), shorthands: tuple[Layer, ...] = (), **texts: str
    ) -> Configuration:
        paths = {name: tmp_path / f"{name}.toml" for name in ("system", "user", "file")}
        for name, text in texts.items():
            paths[name].write_text(text)
        return read_configuration(
            paths["file"] if "file" in texts else None,
            assignments,
            shorthands,
            system_file=paths["system"],
            user_file=paths["user"],
        )

    return read


def problems(files: Any, **sources: Any) -> str:
    with pytest.raises(ConfigError) as wrong:
        files(**sources)
    return str(wrong.value)


def test_without_sources_everything_is_default(files: Any) -> None:
    configuration = files()
    assert configuration.settings == Settings()
    assert set(configuration.sources.values()) == {"default"}


def test_later_sources_win(files: Any, tmp_path: Path) -> None:
    configuration = files(
        system="[decision]\npatience = 1\nthreshold_low = 0.1\nrefractory_s = 9\n",
        user="[decision]\npatience = 2\nthreshold_low = 0.2\n",
        file="[decision]\npatience = 3\n[run]\nframes = 3",
        assignments=("decision.patience=4", "run.frames=4"),
        shorthands=(Layer("--frames", {"run": {"frames": 5}}),),
    )
    decision = configuration.settings.decision
    assert (decision.patience, decision.threshold_low, decision.refractory_s) == (4, 0.2, 9.0)
    assert configuration.settings.run.frames == 5
    assert configuration.sources["decision.patience"] == "--set"
    assert configuration.sources["decision.threshold_low"] == str(tmp_path / "user.toml")
    assert configuration.sources["decision.refractory_s"] == str(tmp_path / "system.toml")
    assert configuration.sources["run.frames"] == "--frames"


def test_a_value_can_be_unset_again(files: Any) -> None:
    configuration = files(user="[run]\nframes = 5", assignments=("run.frames=none",))
    assert configuration.settings.run.frames is None


def test_tables_are_merged_entry_by_entry(files: Any, tmp_path: Path) -> None:
    configuration = files(
        system="[speech.phrases]\nrose = 'a rose'\ndaisy = 'one daisy'\n",
        assignments=("speech.phrases.daisy=Look, a daisy",),
    )
    phrases = configuration.settings.speech.phrases
    assert phrases == {"rose": "a rose", "daisy": "Look, a daisy"}
    assert configuration.sources["speech.phrases"] == f"{tmp_path / 'system.toml'}, --set"


@pytest.mark.parametrize("phrase", ["5", "true", "2024-01-01", "I see {label}", "a = b"])
def test_a_string_needs_no_quotes_in_an_assignment(files: Any, phrase: str) -> None:
    configuration = files(assignments=(f"speech.phrase={phrase}",))
    assert configuration.settings.speech.phrase == phrase


def test_a_part_that_refuses_its_settings_is_reported_with_the_rest(files: Any) -> None:
    message = problems(files, assignments=("camera.faults=['foo']", "run.frames=x"))
    assert message.startswith("2 errors in the configuration:\n  --set: run.frames")
    assert "\n  --set: [camera] fault 'foo': expected kind@frame" in message


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    with pytest.raises(ConfigError, match=r"missing\.toml: cannot be read: No such file") as wrong:
        read_configuration(missing, system_file=missing, user_file=missing)
    assert wrong.value.exit_code == 78


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_configuration(system_file=tmp_path, user_file=tmp_path / "none")


def test_windows_text_is_read(files: Any, tmp_path: Path) -> None:
    (tmp_path / "user.toml").write_bytes(b"\xef\xbb\xbf[decision]\r\npatience = 7\r\n")
    assert files().settings.decision.patience == 7


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("[decision]\npatience = = 3\n", 2, "Invalid value"),
        ("[decision]\npatience = 3\npatience = 4\n", 3, "Cannot overwrite a value"),
        ("[decision", 1, "Expected"),
        ('[decision]\nx = "open\n', 2, "Illegal character"),
    ],
)
def test_a_syntax_error_names_file_and_line(
    files: Any, tmp_path: Path, text: str, line: int, what: str
) -> None:
    message = problems(files, file=text)
    assert message.startswith(f"{tmp_path / 'file.toml'}:{line}: not valid TOML: {what}")


def test_a_file_in_another_encoding_names_the_line(files: Any, tmp_path: Path) -> None:
    (tmp_path / "user.toml").write_bytes('[run]\n# "grün"\n'.encode("latin-1"))
    assert problems(files) == (
        f"{tmp_path / 'user.toml'}:2: not UTF-8 text; save the file as UTF-8."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[decision]\npatience = 'x'",
            'decision.patience = "x": expected a whole number, 1 or more.',
        ),
        (
            "[decision]\nthreshold_high = 1.5",
            "decision.threshold_high = 1.5: expected a number from 0 to 1.",
        ),
        (
            "[decision]\npatiense = 3",
            "decision.patiense = 3: no such setting. Did you mean 'patience'?",
        ),
        (
            "[decision]\nframes = 3",
            "decision.frames = 3: no such setting. Did you mean run.frames?",
        ),
        (
            "[log]\nzzz = 3",
            "log.zzz = 3: no such setting. Settings there: enabled, destination.",
        ),
        ("[decisoin]\nx = 3", "[decisoin]: no such section. Did you mean 'decision'?"),
        (
            "patience = 3",
            "patience = 3: a setting must stand in a section. Did you mean decision.patience?",
        ),
        ("decision = 3", "decision = 3: expected a section, [decision]."),
        (
            "[decision]\nthreshold_low = 0.9",
            (
                "[decision] threshold_low = 0.9 is above threshold_high = 0.7; "
                "lower it or raise the other."
            ),
        ),
    ],
)
def test_one_problem_is_one_line(files: Any, tmp_path: Path, text: str, message: str) -> None:
    assert problems(files, file=text) == f"{tmp_path / 'file.toml'}: {message}"


def test_an_unknown_section_lists_the_known(files: Any) -> None:
    message = problems(files, file="[zzz]")
    assert "no such section. Sections: [" in message
    assert all(f"[{section}]" in message for section in KEYS)


def test_all_problems_come_at_once(files: Any, tmp_path: Path) -> None:
    lines = problems(
        files,
        system="[decision",
        user="[decision]\npatience = 0\nthreshold_high = 'high'",
        assignments=("nonsense", "run.frames=-1"),
        shorthands=(Layer("--frames", {"run": {"frames": 0}}),),
    ).splitlines()
    assert lines[0] == "6 errors in the configuration:"
    assert [line.split(": ")[0].strip() for line in lines[1:]] == [
        f"{tmp_path / 'system.toml'}:1",
        str(tmp_path / "user.toml"),
        str(tmp_path / "user.toml"),
        "--set nonsense",
        "--set",
        "--frames",
    ]


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("run.frames=5", 5),
        ("run.frames = 5", 5),
        ("run.frames=none", None),
        ('run.frames="none"', None),
    ],
)
def test_assignments(files: Any, assignment: str, value: object) -> None:
    assert files(assignments=(assignment,)).settings.run.frames == value


@pytest.mark.parametrize(
    "assignment", ["", "=", "run", "run=1", "run.=1", ".frames=1", "a.b.c.d=1", "run.frames"]
)
def test_a_malformed_assignment_says_what_is_expected(files: Any, assignment: str) -> None:
    message = problems(files, assignments=(assignment,))
    assert message == (
        f"--set {assignment}: expected section.key=value, such as decision.patience=5."
    )


def test_an_assignment_cannot_smuggle_in_another(files: Any) -> None:
    message = problems(files, assignments=("run.frames=1\n[decision]\npatience=9",))
    assert "run.frames" in message


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "threshold_high": st.sampled_from([0.6, 0.75, 1]),
            "threshold_low": st.sampled_from([0, 0.5, 0.6]),
            "patience": st.integers(1, 99),
            "refractory_s": st.sampled_from([0, 1e-9, 12345.678]),
        },
    ),
    st.fixed_dictionaries({}, optional={"frames": st.none() | st.integers(1, 10**12)}),
)
def test_the_printed_configuration_reads_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, decision: dict[str, Any], run: dict[str, Any]
) -> None:
    nowhere = Path("/nonexistent/config.toml")
    first = read_configuration(
        shorthands=[Layer("--x\ny", {"decision": decision, "run": run})],
        system_file=nowhere,
        user_file=nowhere,
    )
    saved = tmp_path_factory.getbasetemp() / "effective.toml"
    saved.write_text(effective_toml(first))
    second = read_configuration(saved, system_file=nowhere, user_file=nowhere)
    assert second.settings == first.settings
    assert set(second.sources.values()) == {str(saved)}


def test_the_printed_configuration_names_source_and_meaning(files: Any) -> None:
    text = effective_toml(files(assignments=("decision.patience=5",)))
    assert "patience = 5  # --set\n" in text
    assert "threshold_high = 0.7  # default\n" in text
    assert "# frames in a row that must agree before the announcement changes (a whole" in text


def test_every_setting_is_documented_and_its_default_is_allowed() -> None:
    for keys in KEYS.values():
        for key in keys.values():
            assert key.doc, key.path
            assert key.check(key.default) == key.default, key.path


def test_the_reference_page_is_up_to_date() -> None:
    page = REPOSITORY / "docs/reference/configuration.md"
    assert page.read_text() == reference_markdown(), (
        "run: pi-classifier config --reference > docs/reference/configuration.md"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"[camera]\nfps = 1{'0' * 5000}\n", "a number in it cannot be read"),
        ("x = " + "[" * 5000, "nested too deep"),
    ],
)
def test_numbers_and_tables_beyond_what_python_reads(
    tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_configuration(file)


def test_a_pipe_is_no_configuration_file(tmp_path: Path) -> None:
    pipe = tmp_path / "config.toml"
    os.mkfifo(pipe)
    with pytest.raises(ConfigError, match="is a device, a pipe or a socket, not a file"):
        read_configuration(pipe)
