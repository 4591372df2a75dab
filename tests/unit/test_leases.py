"""Who runs a model: one platform of a data folder, as long as it lives."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from capibara6.local_models.lease import Address, Lease

OURS = Address("http://127.0.0.1:1/v1", "our key", "m 1")
THEIRS = Address("http://127.0.0.1:2/v1", "their key", "m 1")
HOLDER = """
import sys, time
from pathlib import Path
from capibara6.local_models.lease import Address, Lease
print(Lease(Path(sys.argv[1])).take(Address("http://127.0.0.1:2/v1", "their key", "m 1")))
sys.stdout.flush()
time.sleep(100)
"""


def test_one_holds_it_and_others_learn_where(tmp_path: Path) -> None:
    first, second = Lease(tmp_path / "lease"), Lease(tmp_path / "lease")
    assert first.take(THEIRS) is None
    assert first.take(THEIRS) is None, "it has it already"
    assert second.take(OURS) == THEIRS
    first.give_back()
    assert second.take(OURS) is None
    assert first.take(THEIRS) == OURS


def test_only_its_user_reads_it_and_what_is_given_back_holds_no_key(tmp_path: Path) -> None:
    lease = Lease(tmp_path / "lease")
    lease.take(OURS)
    assert (tmp_path / "lease").stat().st_mode & 0o777 == 0o600
    lease.give_back()
    assert (tmp_path / "lease").read_bytes() == b""


def test_another_model_of_the_same_name_is_not_borrowed(tmp_path: Path) -> None:
    first, second = Lease(tmp_path / "lease"), Lease(tmp_path / "lease")
    first.take(OURS)
    other = Address(THEIRS.base_url, THEIRS.key, "m 2")
    assert second.take(other) is None
    second.give_back()
    assert Lease(tmp_path / "lease").take(THEIRS) == OURS


def test_a_killed_holder_keeps_nothing(tmp_path: Path) -> None:
    file = tmp_path / "lease"
    arguments = [sys.executable, "-c", HOLDER, str(file)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"None\n"
        lease = Lease(file)
        assert lease.take(OURS) == THEIRS
        holder.kill()
        holder.wait()
        assert lease.take(OURS) is None


@pytest.mark.parametrize("content", [b"", b"{", b"5", b"{}", b"\xff", b"[" * 100_000])
def test_a_holder_that_has_not_told_yet_has_no_address(tmp_path: Path, content: bytes) -> None:
    first, file = Lease(tmp_path / "lease"), tmp_path / "lease"
    first.take(THEIRS)
    file.write_bytes(content)
    assert Lease(file).take(OURS) == Address("", "", "")


def test_no_link_is_followed_and_the_model_runs_unshared(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "other").write_text("mine")
    os.symlink(tmp_path / "other", tmp_path / "lease")
    assert Lease(tmp_path / "lease").take(OURS) is None
    assert "not shared" in caplog.text
    assert (tmp_path / "other").read_text() == "mine"
