from __future__ import annotations

from pathlib import Path

from heron_cli.machine import Machine


def write(root: Path, files: dict[str, str]) -> Machine:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Machine(root)


def test_reads_what_the_system_says(tmp_path: Path) -> None:
    machine = write(
        tmp_path,
        {
            "proc/cpuinfo": "model name\t: One\nflags\t\t: fpu avx512_vnni\n\nmodel name\t: Two\n",
            "proc/meminfo": "MemTotal: 9000 kB\nMemAvailable:    4000 kB\n",
            "proc/loadavg": "0.50 0.2 0.1 1/100 7\n",
            "sys/fs/cgroup/cpu.max": "150000 100000\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
            "sys/devices/system/cpu/cpu0/topology/thread_siblings_list": "0,8-9\n",
        },
    )
    assert machine.cpu_model == "One"
    assert machine.cpu_flags == {"fpu", "avx512_vnni"}
    assert machine.free_bytes == 4000 * 1024
    assert machine.load == 0.5
    assert machine.cpu_quota == 1.5
    assert machine.governor == "powersave"
    assert machine.threads_per_core == 3


def test_the_control_group_limits_memory(tmp_path: Path) -> None:
    files = {
        "proc/meminfo": "MemAvailable: 4000 kB\n",
        "sys/fs/cgroup/memory.max": "3000\n",
        "sys/fs/cgroup/memory.current": "1000\n",
    }
    assert write(tmp_path, files).free_bytes == 2000


def test_a_system_that_tells_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert machine.cpu_model
    assert machine.cpu_flags == frozenset()
    assert (machine.cpu_quota, machine.governor, machine.load, machine.free_bytes) == (None, "", None, None)
    assert machine.threads_per_core == 1
    assert machine.cores >= 1
