"""Downloads against a real server on loopback that cuts, lies, refuses and changes its mind."""

import hashlib
import json
import random
import shutil
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loopback_server import Answer, FaultyServer

from kraft.engine.process.progress import Progress
from kraft.errors import DownloadError, InputError, MachineError
from kraft.logs.download import headers
from kraft.logs.download.partial_file import Origin, Source
from kraft.logs.download.retry import Patience
from kraft.logs.download.transfer import LARGEST_DOWNLOAD, download

BODY = random.Random(1).randbytes(300_000)
ATTEMPTS = 4


def md5(body):
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def waits():
    return []


@pytest.fixture
def patience(waits):
    return Patience(attempts=ATTEMPTS, timeout=0.5, sleep=waits.append, jitter=lambda: 0.0)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "KuaiRec.zip"


@pytest.fixture
def fetch(target, patience):
    def call(server, body=BODY, url=None):
        return download(Source(url or server.url, md5(body)), target, Progress(-1), patience)

    return call


def begun(target):
    return target.with_name("KuaiRec.zip.part")


def test_a_good_server_is_asked_once_and_nothing_else_is_left(fetch, target):
    with FaultyServer(BODY) as server:
        took = fetch(server)
    assert target.read_bytes() == BODY
    assert (took.size, took.received) == (len(BODY), len(BODY))
    assert [path.name for path in target.parent.iterdir()] == ["KuaiRec.zip"]
    assert server.ranges == [None]
    assert server.requests[0]["accept-encoding"] == "identity"


def test_cut_connections_are_continued_with_if_range(fetch, target, waits):
    with FaultyServer(BODY, [Answer(cut=100_000), Answer(cut=1), Answer(cut=50_000)]) as server:
        took = fetch(server)
    assert target.read_bytes() == BODY
    assert took.received == len(BODY)
    assert server.ranges == [None, "bytes=100000-", "bytes=100001-", "bytes=150001-"]
    assert {request.get("if-range") for request in server.requests[1:]} == {'"one"'}
    # Every attempt brought something new, so no wait grew.
    assert waits == [1.0, 1.0, 1.0]


def test_progress_resets_the_count_of_attempts(fetch, target):
    with FaultyServer(BODY, [Answer(cut=1_000)] * (3 * ATTEMPTS)) as server:
        fetch(server)
    assert target.read_bytes() == BODY
    assert len(server.requests) == 3 * ATTEMPTS + 1


def test_it_gives_up_after_attempts_without_a_new_byte_and_keeps_the_part(fetch, target, waits):
    with FaultyServer(BODY, [Answer(cut=100_000)]) as server:
        server.always = Answer(cut=0)
        with pytest.raises(DownloadError, match=r"gave up after 4 attempts without a new byte") as caught:
            fetch(server)
    assert "0.1 MiB are kept: repeat the command" in caught.value.remedy
    assert len(server.requests) == ATTEMPTS
    assert waits == [1.0, 2.0, 4.0]
    assert begun(target).read_bytes() == BODY[:100_000]
    assert not target.exists()


def test_starting_over_at_zero_every_time_is_no_progress(fetch):
    with FaultyServer(BODY) as server:
        server.always = Answer(cut=100_000, ignore_range=True)
        with pytest.raises(DownloadError, match="gave up after 4 attempts"):
            fetch(server)
    assert len(server.requests) == ATTEMPTS


def test_a_later_call_goes_on_from_the_part(fetch, target):
    with FaultyServer(BODY, [Answer(cut=100_000)]) as server:
        server.always = Answer(status=503)
        with pytest.raises(DownloadError, match="503 Service Unavailable; gave up"):
            fetch(server)
        server.always = None
        took = fetch(server)
    assert target.read_bytes() == BODY
    assert took.received == len(BODY) - 100_000
    assert server.ranges[-1] == "bytes=100000-"


def test_a_part_that_is_complete_is_not_asked_for_again(fetch, target):
    with FaultyServer(BODY) as server:
        begun(target).write_bytes(BODY)
        origin = {"url": server.url, "md5": md5(BODY), "total": len(BODY)}
        target.with_name("KuaiRec.zip.part.json").write_text(json.dumps(origin))
        assert fetch(server).received == 0
    assert server.requests == []
    assert target.read_bytes() == BODY


@pytest.mark.parametrize(
    "sidecar",
    [None, "{", '{"url": "http://elsewhere/", "md5": "0"}'],
    ids=["none", "broken", "of another address"],
)
def test_a_part_of_unknown_origin_is_not_continued(fetch, target, sidecar):
    begun(target).write_bytes(b"x" * 1_000)
    if sidecar is not None:
        target.with_name("KuaiRec.zip.part.json").write_text(sidecar)
    with FaultyServer(BODY) as server:
        fetch(server)
    assert server.ranges == [None]
    assert target.read_bytes() == BODY


def test_a_server_that_ignores_range_is_read_from_the_start(fetch, target):
    with FaultyServer(BODY, [Answer(cut=100_000), Answer(ignore_range=True)]) as server:
        took = fetch(server)
    assert target.read_bytes() == BODY
    assert took.received == len(BODY) + 100_000


def test_a_file_that_changed_meanwhile_is_read_from_the_start(fetch, target):
    old = bytes(len(BODY))
    with FaultyServer(BODY, [Answer(cut=100_000, body=old, etag='"old"')]) as server:
        fetch(server)
    assert target.read_bytes() == BODY
    assert server.requests[1]["if-range"] == '"old"'


@pytest.mark.parametrize(
    "second",
    [
        Answer(ignore_if_range=True),
        Answer(ignore_if_range=True, headers={"ETag": "", "Content-Range": "bytes 100000-299999/400000"}),
        Answer(ignore_if_range=True, headers={"ETag": "", "Content-Range": "bytes 99999-299999/300000"}),
        Answer(ignore_if_range=True, headers={"ETag": "", "Content-Range": "bytes lots"}),
        Answer(ignore_if_range=True, headers={"ETag": "", "Content-Range": ""}),
    ],
    ids=["another ETag", "another size", "another start", "nonsense", "no Content-Range"],
)
def test_a_206_that_does_not_fit_is_thrown_away(fetch, target, second):
    first = Answer(cut=100_000, body=bytes(len(BODY)), etag='"old"')
    with FaultyServer(BODY, [first, second]) as server:
        fetch(server)
    assert target.read_bytes() == BODY
    assert server.ranges == [None, "bytes=100000-", None]


def test_a_weak_etag_is_not_sent_as_if_range(fetch, target):
    with FaultyServer(BODY, [Answer(cut=100_000)], etag='W/"one"') as server:
        fetch(server)
    assert target.read_bytes() == BODY
    assert "if-range" not in server.requests[1]
    assert server.ranges[1] == "bytes=100000-"


def test_last_modified_serves_where_there_is_no_strong_etag():
    date = "Mon, 01 Jan 2024 00:00:00 GMT"
    assert Origin("u", "m", etag='W/"a"', last_modified=date).validator == date
    assert Origin("u", "m", etag='"a"', last_modified=date).validator == '"a"'
    assert Origin("u", "m").validator is None


def test_a_length_announced_too_long_ends_with_416(fetch, target):
    with FaultyServer(BODY, [Answer(length_lie=+500)]) as server:
        fetch(server)
    assert target.read_bytes() == BODY
    assert server.ranges == [None, "bytes=300000-"]


def test_a_length_announced_too_short_is_a_wrong_md5(fetch, target):
    with (
        FaultyServer(BODY, [Answer(length_lie=-500)]) as server,
        pytest.raises(DownloadError, match=f"md5 is {md5(BODY[:-500])}, expected {md5(BODY)}"),
    ):
        fetch(server)
    assert list(target.parent.iterdir()) == []


def test_a_206_that_announces_too_little_is_continued(fetch, target):
    with FaultyServer(BODY, [Answer(cut=100_000), Answer(length_lie=-500)]) as server:
        fetch(server)
    assert target.read_bytes() == BODY
    assert server.ranges[-1] == "bytes=299500-"


def test_a_206_that_runs_past_the_end_is_thrown_away(fetch, target):
    long = BODY + b"more"
    with FaultyServer(
        BODY,
        [Answer(cut=100_000), Answer(body=long, headers={"Content-Range": "bytes 100000-299999/300000"})],
    ) as server:
        fetch(server)
    assert target.read_bytes() == BODY
    assert server.ranges == [None, "bytes=100000-", None]


def test_a_body_of_unknown_length_that_is_cut_is_a_wrong_md5(fetch, target):
    with FaultyServer(BODY, [Answer(headers={"Content-Length": ""}, cut=100_000)]) as server:
        # Without a length the connection's end is the body's end: only the MD5 can tell.
        with pytest.raises(DownloadError, match="expected"):
            fetch(server)
        fetch(server)
    assert target.read_bytes() == BODY


def test_the_size_is_learnt_from_the_206_where_the_200_did_not_say(fetch, target):
    chunk = b"186a0\r\n" + BODY[:100_000]
    first = Answer(headers={"Content-Length": "", "Transfer-Encoding": "chunked"}, body=chunk)
    with FaultyServer(BODY, [first]) as server:
        fetch(server)
    assert target.read_bytes() == BODY
    assert server.ranges == [None, "bytes=100000-"]


def test_wrong_bytes_are_deleted_and_both_sums_named(fetch, target):
    wrong = bytes(len(BODY))
    with FaultyServer(wrong) as server:
        with pytest.raises(DownloadError, match=f"md5 is {md5(wrong)}, expected {md5(BODY)}"):
            fetch(server)
        assert list(target.parent.iterdir()) == []
        server.reset(BODY)
        fetch(server)
    assert server.ranges == [None]


@pytest.mark.parametrize("status", [500, 502, 503, 408, 429])
def test_errors_that_pass_are_waited_for(fetch, target, waits, status):
    with FaultyServer(BODY, [Answer(status=status)] * 2) as server:
        fetch(server)
    assert target.read_bytes() == BODY
    assert waits == [1.0, 2.0]


def test_retry_after_is_obeyed(fetch, waits):
    with FaultyServer(BODY, [Answer(status=429, headers={"Retry-After": "7"})]) as server:
        fetch(server)
    assert waits == [7.0]


def test_a_retry_after_of_an_hour_is_left_to_people(fetch):
    with (
        FaultyServer(BODY, [Answer(status=429, headers={"Retry-After": "3600"})]) as server,
        pytest.raises(DownloadError, match="429 Too Many Requests and asks to wait 3,600 s"),
    ):
        fetch(server)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [404, 403, 410, 204, 304])
def test_errors_that_stay_are_not_repeated(fetch, target, status):
    with (
        FaultyServer(BODY, [Answer(status=status)]) as server,
        pytest.raises(DownloadError, match=f"the server answered {status}"),
    ):
        fetch(server)
    assert len(server.requests) == 1
    assert list(target.parent.iterdir()) == []


def test_a_server_that_falls_silent_is_asked_again(fetch, target):
    with FaultyServer(BODY, [Answer(stall=100_000)]) as server:
        fetch(server)
    assert target.read_bytes() == BODY
    assert server.ranges == [None, "bytes=100000-"]


def test_refused_connections_are_repeated_and_then_told(fetch, waits):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/KuaiRec.zip"
        with pytest.raises(DownloadError, match=r"[Rr]efused.*gave up after 4 attempts") as caught:
            fetch(None, url=url)
    assert waits == [1.0, 2.0, 4.0]
    assert "Nothing was written" in caught.value.remedy


def test_redirects_are_followed_and_their_loops_are_told(fetch, target):
    with FaultyServer(BODY) as server:
        server.script = [Answer(status=302, headers={"Location": server.url})]
        fetch(server)
        assert target.read_bytes() == BODY
        target.unlink()
        server.always = Answer(status=302, headers={"Location": server.url})
        with pytest.raises(DownloadError, match="redirects"):
            fetch(server)


def test_a_compressed_answer_is_refused(fetch):
    with (
        FaultyServer(BODY, [Answer(headers={"Content-Encoding": "gzip"})]) as server,
        pytest.raises(DownloadError, match="insists on Content-Encoding gzip"),
    ):
        fetch(server)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "http://[::1/x"])
def test_an_address_that_cannot_be_used_is_bad_input(fetch, url):
    with pytest.raises(InputError, match="--url"):
        fetch(None, url=url)


def test_a_file_announced_too_large_is_not_begun(fetch, target):
    with (
        FaultyServer(BODY, [Answer(length_lie=LARGEST_DOWNLOAD)]) as server,
        pytest.raises(DownloadError, match=r"more than 4,096\.0 MiB"),
    ):
        fetch(server)
    assert list(target.parent.iterdir()) == []


def test_a_body_without_end_is_given_up(fetch, target, monkeypatch):
    monkeypatch.setattr("kraft.logs.download.transfer.LARGEST_DOWNLOAD", 200_000)
    with (
        FaultyServer(BODY, [Answer(headers={"Content-Length": ""})]) as server,
        pytest.raises(DownloadError, match=r"more than 0\.2 MiB"),
    ):
        fetch(server)
    assert list(target.parent.iterdir()) == []


def test_a_full_disk_is_told_before_the_first_byte(fetch, target, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_048_576))
    with FaultyServer(BODY) as server, pytest.raises(MachineError, match=r"of disk, 1\.0 MiB are free"):
        fetch(server)
    assert not begun(target).exists()


def test_a_disk_that_fails_is_the_machines_fault(fetch, target):
    begun(target).mkdir()
    with FaultyServer(BODY) as server, pytest.raises(MachineError, match=r"KuaiRec\.zip\.part: "):
        fetch(server)


def test_waits_double_up_to_the_longest_and_jitter_shortens_them():
    patience = Patience(first_wait=1.0, longest_wait=10.0, jitter=lambda: 1.0)
    assert [patience.seconds(count, 0.0) for count in (1, 2, 3, 9)] == [0.5, 1.0, 2.0, 5.0]
    assert patience.seconds(1, 30.0) == 30.0
    assert all(0.5 <= Patience().seconds(1, 0.0) <= 1.0 for _ in range(100))


def test_headers_that_make_no_sense_count_as_absent():
    assert headers.content_range("bytes 7-99/100") == (7, 100)
    assert headers.content_range("bytes 7-99/*") == (7, None)
    assert headers.content_range("bytes */100") == (None, 100)
    assert headers.content_range("pages 7-99/100") == (None, None)
    assert headers.number("-1") is None
    assert headers.validator("caf\u00e9") is None
    assert headers.retry_after("soon") == 0.0
    assert headers.retry_after("") == 0.0
    assert headers.retry_after("Mon, 01 Jan 2024 00:00:00 GMT") == 0.0
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 55 < headers.retry_after(in_a_minute) <= 60


@pytest.fixture(scope="module")
def shared_server():
    with FaultyServer(b"") as server:
        yield server


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=2_000),
    cuts=st.lists(st.tuples(st.integers(0, 2_000), st.booleans(), st.sampled_from(['"one"', '"two"'])), max_size=6),
)
def test_whatever_is_cut_the_bytes_are_the_sources(shared_server, tmp_path_factory, body, cuts):
    script = [Answer(cut=cut, ignore_range=ignore, etag=etag) for cut, ignore, etag in cuts]
    shared_server.reset(body, script)
    target = tmp_path_factory.mktemp("cuts") / "KuaiRec.zip"
    patience = Patience(attempts=len(cuts) + 1, sleep=lambda _: None)
    took = download(Source(shared_server.url, md5(body)), target, Progress(-1), patience)
    assert target.read_bytes() == body
    assert took.size == len(body) <= took.received
    assert list(Path(target.parent).iterdir()) == [target]
