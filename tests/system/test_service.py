"""The service under a real systemd: ready, watched over, reloaded, stopped, never silent."""

from __future__ import annotations

import re
import wave
from pathlib import Path

import numpy as np
import pytest

from pi_classifier.errors import EXIT_CONFIG, EXIT_TEMPORARY
from pi_classifier.logs.events import Event

from .box import BoxError
from .installed import CONFIGURATION, UNIT, Service, configuration

SEEN = re.compile(r"I see .+ \(0\.\d\d\) · \d+\.\d frames/s · \d+ % by the first stage")
QUICK_RESTART = "[Service]\nRestartSec=100ms\n"
QUICK_WATCHDOG = "[Service]\nWatchdogSec=2\nRestartSec=100ms\n"
DEBUG = {"log_level": "debug"}


def event(kind: Event) -> dict[str, str]:
    return {"MESSAGE_ID": kind.value}


def faulty(*faults: str, **camera: object) -> str:
    """A configuration whose camera has these faults and settings."""
    return configuration(camera={"faults": faults, **camera})


# Start


def test_is_ready_only_after_a_frame(service: Service) -> None:
    service.begin(faulty("disappear@0"))
    service.wait_for_status("Waiting for the camera")
    assert "disappeared, as ordered" in service.status_text
    assert service.state == "activating"
    assert service.entries(event(Event.READY)) == []
    told = {entry.get("MESSAGE_ID") for entry in service.entries()}
    assert told & {Event.CAMERA_LOST.value, Event.CAMERA_WAITING.value}

    service.start()
    assert service.state == "active"
    ready = service.wait_for(event(Event.READY))
    assert ready["_PID"] == str(service.main_pid)


def test_a_camera_that_stalls_at_the_start_is_not_ready(service: Service) -> None:
    service.begin(faulty("stall@0", timeout_s=2.0))
    service.wait_for(event(Event.STARTED))
    assert service.state == "activating"
    service.wait_for_state("active")  # it came with the second try
    assert len(service.entries(event(Event.CAMERA_RECOVERED))) == 1


def test_status_says_what_is_seen_now(service: Service) -> None:
    service.start()
    text = service.box.wait_for_property(
        UNIT, "StatusText", lambda each: SEEN.fullmatch(each) is not None, 15
    )
    assert text in service.box.systemctl("status", UNIT)


def test_a_wrong_configuration_ends_it_for_good_with_the_reason(service: Service) -> None:
    service.begin("[camera]\nfsp = 3\n")
    service.wait_for_state("failed")
    assert service.property("ExecMainStatus") == str(EXIT_CONFIG)
    assert service.restarts == 0
    shown = service.box.systemctl("status", UNIT, check=False)
    (reason,) = [line for line in shown.splitlines() if line.strip().startswith("Status:")]
    assert "config.toml: camera.fsp = 3: no such setting. Did you mean" in reason
    (refused,) = service.entries(event(Event.CONFIG_REFUSED))
    assert refused["PRIORITY"] == "2"


def test_a_missing_model_ends_it_for_good_with_the_reason(service: Service) -> None:
    service.begin(configuration(model={"path": "no-such-model"}))
    service.wait_for_state("failed")
    assert service.property("ExecMainStatus") == str(EXIT_CONFIG)
    assert service.restarts == 0
    assert "no-such-model" in service.status_text
    assert len(service.entries(event(Event.MODEL_REFUSED))) == 1


def test_waiting_for_a_camera_ends_in_vain_and_begins_again(service: Service) -> None:
    never = faulty("disappear@0", recovery_s=0.5)
    service.begin(never, QUICK_RESTART + "[Unit]\nStartLimitIntervalSec=1\nStartLimitBurst=2\n")
    service.wait_for({"MESSAGE_ID": "5eb03494b6584870a536b337290809b3"})  # Scheduled restart job
    service.wait_for(lambda entry: "restart counter is at 3" in entry.get("MESSAGE", ""))
    (status,) = {entry["EXIT_STATUS"] for entry in service.entries() if "EXIT_STATUS" in entry}
    assert status == str(EXIT_TEMPORARY)
    assert service.entries(event(Event.CAMERA_GIVEN_UP))
    assert service.says("did not come back")


def test_a_crash_loop_ends_at_the_start_limit_and_somebody_is_told(service: Service) -> None:
    examples = "/usr/share/pi-classifier/examples/on-failure.conf"
    folder = f"/run/systemd/system/{UNIT}.d"
    service.box.run("install", "-D", "-m", "644", examples, f"{folder}/on-failure.conf")
    try:
        crash = "ExecStart=\nExecStart=/bin/sh -c 'kill -SEGV $$$$'\n"
        service.begin(drop_in="[Service]\nRestartSec=20ms\n" + crash)
        service.wait_for_state("failed")
        assert service.says("Start request repeated too quickly.")
        assert service.restarts == 6
        told = service.wait_for({"SYSLOG_IDENTIFIER": "pi-classifier-failed"})
        assert f"{UNIT} has given up" in told["MESSAGE"]
        assert told["PRIORITY"] == "2"
    finally:
        service.box.run("rm", f"{folder}/on-failure.conf")


# Hangs


def test_a_hang_is_noticed_told_and_mended(service: Service) -> None:
    service.start(faulty("hang@20", timeout_s=0.3), QUICK_WATCHDOG)
    first = service.main_pid
    service.says("Watchdog timeout (limit 2s)!")
    stack = service.says("in _hang")  # what the frame thread was doing
    assert stack["_PID"] == str(first)
    service.wait_for(lambda entry: "restart counter is at 1" in entry.get("MESSAGE", ""))
    service.wait_for_state("active")
    assert service.main_pid != first


def test_a_stopped_process_is_noticed_and_mended(service: Service) -> None:
    service.start(faulty(timeout_s=0.3), QUICK_WATCHDOG)
    first = service.main_pid
    service.kill("STOP")
    service.says("Watchdog timeout (limit 2s)!")
    service.wait_for(lambda entry: "restart counter is at 1" in entry.get("MESSAGE", ""))
    service.wait_for_state("active")
    assert service.main_pid != first


def test_a_camera_that_is_away_for_longer_than_the_watchdog_waits_is_no_hang(
    service: Service,
) -> None:
    service.start(faulty("disappear@10", timeout_s=0.3), QUICK_WATCHDOG)
    first = service.main_pid
    lost = service.wait_for(event(Event.CAMERA_LOST))
    service.wait_for_status("Waiting for the camera")
    service.box.run("sleep", "3")  # real time must pass: longer than the watchdog's limit
    assert service.main_pid == first
    assert service.state == "active"
    assert "Waiting for the camera" in service.status_text
    assert lost["CAMERA"] == "emulated"


def test_its_stacks_are_in_the_log_when_asked_for(service: Service) -> None:
    service.start()
    service.kill("USR1")
    service.says("most recent call first")
    assert service.says("decisions")["_PID"] == str(service.main_pid)
    service.wait_for(lambda entry: bool(entry.get("LABEL")))  # it goes on


# Reload


def frames_seen(service: Service) -> list[int]:
    """The numbers of the frames that were classified, from the log of every frame."""
    found = (re.match(r"frame (\d+): ", entry.get("MESSAGE", "")) for entry in service.entries())
    return [int(match[1]) for match in found if match is not None]


def test_a_reload_loses_no_frame(service: Service) -> None:
    service.start(configuration(run=DEBUG))
    first = service.main_pid
    changed = configuration(run=DEBUG, model={"path": "flowers/fast"})
    service.box.write(CONFIGURATION, changed)
    service.box.systemctl("reload", UNIT)
    reloaded = service.wait_for(event(Event.RELOADED))
    assert reloaded["CHANGED"] == "model"
    assert "flowers-fast decides" in reloaded["MESSAGE"]
    service.wait_for_state("active")
    assert service.main_pid == first
    after = frames_seen(service)[-1] + 10
    service.says(f"frame {after}: ")
    numbers = frames_seen(service)
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert numbers[-1] >= after


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"decision": {"patience": 0}}, "decision.patience = 0: expected a whole number"),
        ({"model": {"path": "no-such-model"}}, "no-such-model"),
    ],
    ids=["configuration", "model"],
)
def test_a_wrong_reload_changes_nothing(
    service: Service, wrong: dict[str, dict[str, object]], reason: str
) -> None:
    service.start(configuration(run=DEBUG))
    first = service.main_pid
    service.box.write(CONFIGURATION, configuration(**wrong))
    with pytest.raises(BoxError, match=r"Job for pi-classifier\.service failed"):
        service.box.systemctl("reload", UNIT)
    assert reason in " ".join(entry.get("MESSAGE", "") for entry in service.entries())
    # and when it is asked all the same
    service.kill("HUP")
    refused = service.wait_for(event(Event.RELOAD_REFUSED))
    assert reason in refused["MESSAGE"]
    assert refused["PRIORITY"] == "3"
    service.wait_for_state("active")
    assert service.main_pid == first
    after = frames_seen(service)[-1] + 10
    service.says(f"frame {after}: ")
    numbers = frames_seen(service)
    assert numbers == list(range(numbers[0], numbers[-1] + 1))


# The log


def test_the_log_is_searched_by_label_and_explained(service: Service) -> None:
    service.start()
    seen = service.wait_for(lambda entry: bool(entry.get("LABEL")))
    assert seen["MESSAGE"].startswith("I see ")
    assert seen["MESSAGE_ID"] == Event.DECISION.value
    assert seen["SYSLOG_IDENTIFIER"] == "pi-classifier"
    assert seen["_SYSTEMD_UNIT"] == UNIT
    assert 0 <= float(seen["SCORE"]) <= 1
    assert seen["MODEL"] in {"flowers-fast", "flowers-accurate"}
    assert re.fullmatch("[0-9a-f]{64}", seen["MODEL_SHA256"])
    assert int(seen["STAGE"]) in {0, 1}
    assert float(seen["LATENCY_MS"]) > 0
    command = ("journalctl", "--unit=pi-classifier", "--no-pager", "--output=cat")
    found = service.box.run(*command, f"LABEL={seen['LABEL']}").stdout.splitlines()
    assert seen["MESSAGE"] in found
    assert all(seen["MESSAGE"].split(" (")[0] in line for line in found)
    explained = service.box.run("journalctl", "--catalog", "--no-pager", "--unit=pi-classifier")
    assert "Subject: What is seen has changed" in explained.stdout


def test_the_journal_may_be_restarted_under_it(service: Service) -> None:
    service.start()
    first = service.main_pid
    service.box.systemctl("restart", "systemd-journald.service")
    after = service.box.cursor()
    seen = service.box.wait_for_entry(lambda entry: bool(entry.get("LABEL")), 15, after=after)
    assert seen["_PID"] == str(first)
    assert service.main_pid == first
    assert service.restarts == 0


def test_a_storm_of_messages_does_not_flood_the_log(service: Service) -> None:
    service.start()
    service.box.write(CONFIGURATION, configuration(decision={"patience": 0}))
    storm = f"for i in $(seq 300); do kill -HUP {service.main_pid}; sleep 0.01; done"
    service.box.run("sh", "-c", storm)
    service.box.systemctl("stop", UNIT)
    repeated = service.wait_for(event(Event.REPEATED))
    assert repeated["REPEATED_ID"] == Event.RELOAD_REFUSED.value
    assert int(repeated["REPEATS"]) > 50
    assert len(service.entries(event(Event.RELOAD_REFUSED))) <= 5
    assert len(service.entries()) < 50


# Stopping


def stopped_cleanly(service: Service) -> None:
    service.box.systemctl("stop", UNIT)
    assert service.state == "inactive"
    assert service.property("Result") == "success"
    assert service.property("ExecMainStatus") == "0"
    messages = [entry.get("MESSAGE", "") for entry in service.entries()]
    assert not [text for text in messages if "timed out" in text or "Killing process" in text]


def test_stops_when_asked(service: Service) -> None:
    service.start()
    stopped_cleanly(service)
    assert len(service.entries(event(Event.ENDED))) == 1


def test_stops_while_it_waits_for_a_camera(service: Service) -> None:
    service.begin(faulty("disappear@0"))
    service.wait_for_status("Waiting for the camera")
    stopped_cleanly(service)


def test_stops_while_it_brings_a_camera_back(service: Service) -> None:
    service.start(faulty("disappear@10"))
    service.wait_for(event(Event.CAMERA_LOST))
    stopped_cleanly(service)


def test_stops_while_it_speaks_and_leaves_no_voice_behind(service: Service) -> None:
    # plays the silence that tries it out at once, and phrases without end
    player = '#!/bin/sh\n[ "$(stat -c %s "$2")" -lt 20000 ] || exec sleep 60\n'
    service.box.write("/usr/local/bin/aplay", player, 0o755)
    try:
        speech = {"enabled": True, "output": "aplay", "timeout_s": 60}
        service.start(configuration(speech=speech))
        service.wait_until(lambda: "sleep 60" in commands(service))
        stopped_cleanly(service)
    finally:
        service.box.run("rm", "/usr/local/bin/aplay")


def commands(service: Service) -> str:
    """The command lines of its processes."""
    lines = (Path(f"/proc/{pid}/cmdline") for pid in service.box.processes(UNIT))
    return "\n".join(each.read_text().replace("\0", " ") for each in lines)


# Speech


def test_it_speaks_from_its_sandbox(service: Service) -> None:
    # a relative path begins in the state folder
    speech = {"enabled": True, "output": "wav:spoken.wav"}
    spoken = service.box.path("/var/lib/pi-classifier/spoken.wav")
    spoken.unlink(missing_ok=True)
    service.start(configuration(speech=speech))
    service.wait_for(lambda entry: bool(entry.get("LABEL")))
    service.wait_until(lambda: spoken.exists() and spoken.stat().st_size > 20_000)
    with wave.open(str(spoken)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    assert np.abs(samples).max() > 1000
    stopped_cleanly(service)


# Beside others


def test_a_second_copy_leaves_the_state_folder_alone(service: Service) -> None:
    service.start()
    done = service.box.run(
        *("runuser", "-u", "pi-classifier", "--"),
        *("env", "STATE_DIRECTORY=/var/lib/pi-classifier", "pi-classifier", "run"),
        *("--camera", "emulated", "--frames", "1", "--no-speech"),
        check=False,
    )
    assert done.returncode == EXIT_TEMPORARY, done.stdout
    assert "/var/lib/pi-classifier" in done.stdout
    assert service.state == "active"


def test_several_cameras_run_side_by_side(service: Service) -> None:
    box = service.box
    service.start()
    box.write("/etc/pi-classifier/front.toml", "[camera]\nseed = 7\n")
    front = Service(box, "pi-classifier@front.service")
    after = box.cursor()
    try:
        box.systemctl("start", front.unit)
        assert (service.state, front.state) == ("active", "active")
        assert front.property("Description") == "Says what the camera front sees"
        assert box.path("/var/lib/pi-classifier/front").is_dir()
        seen = box.wait_for_entry(
            lambda entry: bool(entry.get("LABEL")) and entry["_SYSTEMD_UNIT"] == front.unit,
            15,
            after=after,
        )
        assert seen["_PID"] == str(front.main_pid)
        box.systemctl("stop", UNIT)
        assert front.state == "active"
        assert box.path("/run/pi-classifier-front").is_dir()
    finally:
        front.end()
