import asyncio

import pytest

from capibara6_guest.output import LISTENER_CHUNKS_MAX, TAIL_BYTES_MAX, TAIL_CHUNKS_MAX, Output


def chunk(text):
    return ("stdout", text.encode())


async def heard(listener, count):
    return [await listener.next() for _ in range(count)]


async def test_every_listener_hears_everything_since_it_came():
    output = Output()
    early, missed = output.listen()
    await output.publish(chunk("1"))
    late, missed_by_late = output.listen()
    await output.publish(chunk("2"))
    await output.end()
    assert await heard(early, 3) == [chunk("1"), chunk("2"), None]
    assert await heard(late, 2) == [chunk("2"), None]
    assert missed == missed_by_late == []


async def test_what_nobody_heard_waits_for_the_next_listener_once():
    output = Output()
    await output.publish(chunk("1"))
    first, missed = output.listen()
    assert missed == [chunk("1")]
    output.leave(first)
    await output.publish(chunk("2"))
    assert output.listen()[1] == [chunk("2")]
    assert output.listen()[1] == []


async def test_what_a_listener_leaves_behind_is_unheard():
    output = Output()
    listener, _ = output.listen()
    for text in "123":
        await output.publish(chunk(text))
    assert await listener.next() == chunk("1")
    output.leave(listener)
    output.leave(listener)
    assert output.listen()[1] == [chunk("2"), chunk("3")]


async def test_a_slow_listener_holds_back_and_lets_go_when_it_leaves():
    output = Output()
    listener, _ = output.listen()
    for _ in range(LISTENER_CHUNKS_MAX):
        await output.publish(chunk("x"))
    blocked = asyncio.create_task(output.publish(chunk("y")))
    await asyncio.sleep(0)
    assert not blocked.done()
    output.leave(listener)
    await asyncio.wait_for(blocked, 5)


@pytest.mark.parametrize("size", [1, 1000, TAIL_BYTES_MAX])
async def test_the_tail_is_bounded(size):
    output = Output()
    for _ in range(3 * TAIL_CHUNKS_MAX):
        await output.publish(("stdout", bytes(size)))
    tail = output.tail()
    assert 0 < sum(len(data) for _, data in tail) <= TAIL_BYTES_MAX
    assert len(tail) <= TAIL_CHUNKS_MAX
    assert output.listen()[1] == tail
