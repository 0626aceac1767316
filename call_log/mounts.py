"""Where a file lies: on a disk of this machine, or on somebody else's. It knows /proc/self/mountinfo and
paths."""

from pathlib import Path

NETWORK_FILE_SYSTEMS = frozenset(
    {
        "9p",
        "afs",
        "ceph",
        "cifs",
        "fuse.glusterfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "glusterfs",
        "lustre",
        "nfs",
        "nfs4",
        "smb",
        "smb2",
        "smb3",
        "smbfs",
        "virtiofs",
    }
)


def network_file_system(path: Path) -> str | None:
    """The kind of the network file system under `path`; None on a local disk, or where Linux does not
    tell."""
    try:
        mountinfo = Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
    except OSError:
        return None
    return network_file_system_in(mountinfo, path.resolve())


def network_file_system_in(mountinfo: str, path: Path) -> str | None:
    """The same, from the text of a mountinfo; `path` is absolute and resolved. The innermost mount counts,
    and of two on one point the later."""
    innermost, kind = -1, ""
    for line in mountinfo.splitlines():
        point, found = _mount(line)
        if path.is_relative_to(point) and len(point.parts) >= innermost:
            innermost, kind = len(point.parts), found
    return kind if kind in NETWORK_FILE_SYSTEMS else None


def _mount(line: str) -> tuple[Path, str]:
    """Mount point and kind of one line: `36 35 98:0 /root /point options … - kind source options`
    (proc(5))."""
    fields = line.split(" ")
    kind = fields[fields.index("-") + 1]
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        fields[4] = fields[4].replace(code, character)
    return Path(fields[4]), kind
