"""Where a file lies."""

from pathlib import Path

import pytest

from call_log.mounts import network_file_system, network_file_system_in

MOUNTINFO = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /srv/share rw,relatime shared:2 - nfs4 server:/export rw,vers=4.2
31 30 8:2 / /srv/share/local rw - xfs /dev/sdb1 rw
32 22 0:41 / /mnt/with\040space rw - cifs //server/x rw
33 22 0:42 / /mnt/ssh rw - fuse.sshfs host: rw
34 22 0:43 / /mnt/over rw - 9p x rw
35 22 8:3 / /mnt/over rw master:3 propagate_from:2 - ext4 /dev/sdc1 rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/switchboard.db", None),
        ("/srv/share/switchboard.db", "nfs4"),
        ("/srv/shared/switchboard.db", None),
        ("/srv/share/local/switchboard.db", None),
        ("/mnt/with space/a/switchboard.db", "cifs"),
        ("/mnt/ssh/switchboard.db", "fuse.sshfs"),
        ("/mnt/over/switchboard.db", None),
    ],
)
def test_the_innermost_mount_tells(path: str, kind: str | None) -> None:
    assert network_file_system_in(MOUNTINFO, Path(path)) == kind


def test_it_reads_this_machines_mounts(tmp_path: Path) -> None:
    assert network_file_system(tmp_path) is None
