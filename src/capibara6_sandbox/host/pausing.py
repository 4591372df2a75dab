"""Pausing a machine, and holding still what its user runs while its files are read."""

from capibara6_sandbox.host.machine import Machine


async def pause(machine: Machine) -> None:
    """Stop every process, its time and its calls; they go on at `resume`.

    Raises:
        StartError: something would not stop; everything runs again.
    """
    try:
        await hold_still(machine)
        await machine.stop_agent()
    except BaseException:
        await let_go(machine)
        raise
    machine.guest.park()


async def resume(machine: Machine) -> None:
    """Undo `pause`.

    Raises:
        StartError: the machine has ended.
    """
    machine.continue_agent()
    await let_go(machine)
    machine.guest.unpark()


async def hold_still(machine: Machine) -> None:
    """Stop what its user runs, until `let_go`.

    Raises:
        StartError: something would not stop; everything runs again.
    """
    async with machine.carrying:
        machine.still = True
        try:
            await machine.hold_programs()
        except BaseException:
            await let_go(machine)
            raise


async def let_go(machine: Machine) -> None:
    """Let everything run again. Idempotent."""
    machine.still = False
    if not machine.ended.is_set():
        await machine.release_programs()
