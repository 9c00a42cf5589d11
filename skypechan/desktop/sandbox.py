"""`sandbox.py UID:GID WORD=... -- COMMAND...`: a program within walls of namespaces.

It sees the programs of the machine, read-only, and what the words name; its own
processes; a loopback of its own and no other network; no file, process, port, abstract
socket or shared memory of anybody else. It cannot gain a privilege, nor make
namespaces. Words:

    read=PATH     also seen, where it is, and where it is in truth if links lead to it;
                  what cannot be shown is an error
    maybe=PATH    the same, if it can be shown
    write=PATH    as read, and it may write there
    sockets=PATH  seen as /tmp/.X11-unix, where X servers have their sockets; it may
                  make some there if it may write to PATH
    limit=N       most processes and threads
    sounds=FD     a socket of ours, over which TCP sockets of its loopback are handed
                  out: some at once, and one more for each byte read from it

Whoever starts it needs no privilege (user_namespaces(7)); root's sandbox holds root,
who builds the walls, and UID, who the program is. If the starter or the sandbox ends in
whatever way, the kernel ends everybody in it. SIGTERM reaches the program. The exit
status is the program's.

It is a process of its own, so it imports little and nothing of ours.
"""

# ruff: noqa: S108 - nobody else has the /tmp in there
from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import select
import signal
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, NoReturn

SOUND_SOCKETS = 8
"""How many sockets lie ready to be fetched."""

_libc = ctypes.CDLL(None, use_errno=True)

# sched.h, mount.h, prctl.h, securebits.h, if.h
_NEW_NS, _NEW_IPC = 0x0002_0000, 0x0800_0000
_NEW_USER, _NEW_PID, _NEW_NET = 0x1000_0000, 0x2000_0000, 0x4000_0000
_MS_NOSUID, _MS_NODEV = 2, 4
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x4_0000
_MNT_DETACH = 2
_MOUNT_SETATTR, _AT_RECURSIVE = 442, 0x8000
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP = 1, 4, 24
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITIES = 64  # more than there are
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1

_HEEDED = {signal.SIGTERM, signal.SIGCHLD}
_NOT_STARTED = 127
_BY_SIGNAL = 128  # as shells say it: an init cannot end by a signal

_OLD = "/old"
_TEMPORARY = "mode=1777,size=64m,nr_inodes=16k"
_PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# What programs look up; nothing of it is a secret, and /etc has many.
_LOOKED_UP = (
    *("alternatives", "asound.conf", "ca-certificates", "default/locale", "fonts"),
    *("group", "gtk-2.0", "gtk-3.0", "host.conf", "hosts", "ld.so.cache"),
    *("ld.so.conf", "ld.so.conf.d", "locale.alias", "localtime", "machine-id"),
    *("mime.types", "nsswitch.conf", "passwd", "pki/tls", "protocols", "pulse"),
    *("resolv.conf", "services", "ssl/certs", "ssl/openssl.cnf", "timezone", "X11"),
)
_ANYWAY = tuple(
    ("maybe", path) for path in (*_PROGRAMS, *(f"/etc/{name}" for name in _LOOKED_UP))
)
_SEEN = {"read", "maybe", "write"}
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


class _Shown(NamedTuple):
    """A file or folder that shall be seen: where it is in truth, and its names.

    Each name but the last is a link to the next.
    """

    source: str
    names: list[str]
    is_writable: bool


def main(arguments: list[str]) -> int:
    """Run the command within the walls; return its status as `os.waitpid` does."""
    split = arguments.index("--")
    uid, gid = map(int, arguments[0].split(":"))
    words = [
        (word.split("=", 1)[0], word.split("=", 1)[1]) for word in arguments[1:split]
    ]
    starter = os.getppid()
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEEDED)
    os.umask(0o022)
    _enter(uid, gid)
    _control(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != starter:  # gone before the kernel could tell us
        return 0
    alive, ours = os.pipe()
    init = os.fork()
    if init == 0:
        os.close(ours)
        _be_init((uid, gid), words, arguments[split + 1 :], alive)
    os.close(0)
    plugs = [socket.socket(fileno=int(x)) for name, x in words if name == "sounds"]
    return _attend(init, plugs[0] if plugs else None)


def _control(option: int, value: int) -> None:
    _checked(f"prctl {option}", _libc.prctl(option, value, 0, 0, 0))


def _checked(what: str, result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), what)


# The outer side: namespaces, and who is who in them.


def _enter(uid: int, gid: int) -> None:
    """Be in new namespaces; the next child is the first process of its own."""
    if os.geteuid():
        flags = Path("/proc/self/setgroups")
        _unshare()
        flags.write_text("deny")
        _map("self", uid, gid, ())
        return
    # Whoever maps more than himself has to stand outside.
    us, (waiting, done) = os.getpid(), os.pipe()
    scribe = os.fork()
    if scribe == 0:
        os.close(done)
        if os.read(waiting, 1):
            _map(str(us), uid, gid, (0,))
        os._exit(0)
    os.close(waiting)
    _unshare()
    os.write(done, b".")
    os.close(done)
    if os.waitpid(scribe, 0)[1]:
        raise PermissionError("root cannot map users")


def _unshare() -> None:
    every = _NEW_USER | _NEW_NS | _NEW_PID | _NEW_NET | _NEW_IPC
    _checked("unshare", _libc.unshare(every))


def _map(process: str, uid: int, gid: int, besides: tuple[int, ...]) -> None:
    for name, own in (("uid_map", uid), ("gid_map", gid)):
        numbers = sorted({*besides, own})
        lines = "".join(f"{number} {number} 1\n" for number in numbers)
        Path(f"/proc/{process}/{name}").write_text(lines)


def _attend(init: int, plug: socket.socket | None) -> int:
    """Wait for the end of the sandbox; pass on what it is asked meanwhile."""
    woken, waking = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(waking)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(init, signal.SIGTERM))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEEDED)
    poll = select.poll()
    poll.register(woken, select.POLLIN)
    if plug is not None:
        _hand_out(plug, SOUND_SOCKETS)
        poll.register(plug, select.POLLIN)
    while not (found := os.waitpid(init, os.WNOHANG))[0]:
        for handle, _ in poll.poll():
            if plug is None or handle == woken:
                os.read(woken, 64)
            elif not _hand_out(plug, len(plug.recv(SOUND_SOCKETS))):
                poll.unregister(plug)
    return found[1]


def _hand_out(plug: socket.socket, number: int) -> bool:
    """Send sockets of the inner loopback; False when nobody asks any more."""
    for _ in range(number):
        with socket.socket() as made, suppress(OSError):
            socket.send_fds(plug, [b"."], [made.fileno()], socket.MSG_DONTWAIT)
    return number > 0


# The inner side: the first process builds the walls, and keeps the program.


def _be_init(
    user: tuple[int, int], words: list[tuple[str, str]], command: list[str], alive: int
) -> NoReturn:
    status = _NOT_STARTED
    try:
        _control(_PR_SET_PDEATHSIG, signal.SIGKILL)
        _control(_PR_SET_DUMPABLE, 0)
        if select.select([alive], [], [], 0)[0]:  # the other end is gone
            os._exit(_NOT_STARTED)
        _raise_loopback()
        _build(words)
        limits = [int(value) for name, value in words if name == "limit"]
        program = os.fork()
        if program == 0:
            _become(user, limits, command)
        os.close(0)
        status = _keep(program)
    except (OSError, ValueError) as error:
        _complain(f"no sandbox: {error}")
    os._exit(status)


def _complain(words: str) -> None:
    os.write(2, f"{words}\n".encode())


def _raise_loopback() -> None:
    with socket.socket() as some:
        asked = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16xh14x", fcntl.ioctl(some, _SIOCGIFFLAGS, asked))[0]
        wanted = struct.pack("16sh14x", b"lo", flags | _IFF_UP)
        fcntl.ioctl(some, _SIOCSIFFLAGS, wanted)


def _build(words: list[tuple[str, str]]) -> None:
    """Make a file system of what may be seen, and let go of the rest.

    Built on a first root of our own, so that nothing is covered before it is shown.
    """
    _mount("", "/", "", _MS_REC | _MS_PRIVATE)
    where = os.getcwd()
    shown = [_found(word, path) for word, path in (*_ANYWAY, *words) if word in _SEEN]
    sockets = [(x, os.path.realpath(x)) for word, x in words if word == "sockets"]
    _mount("tmpfs", "/tmp", "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=755")
    os.mkdir("/tmp/old")
    os.mkdir("/tmp/new")
    _pivot("/tmp", "/tmp/old")
    new = "/new"
    _mount("tmpfs", new, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=755,size=1m")
    _make_grounds(new)
    for one in shown:
        _show(new, one)
    for path, source in sockets:
        mine = ("write", path) in words
        _bind(_OLD + source, f"{new}/tmp/.X11-unix", writable=mine)
    _set_attributes(new, _ATTR_RDONLY | _ATTR_NOSUID | _ATTR_NODEV, 0)
    os.chdir(new)
    _pivot(".", ".")
    _checked("umount", _libc.umount2(b".", _MNT_DETACH))
    with suppress(OSError):  # not to be seen here
        os.chdir(where)


def _make_grounds(new: str) -> None:
    """Make what every program expects: devices, processes, room for what passes."""
    for name in ("dev", "proc", "run", "tmp", "var", "etc"):
        os.mkdir(f"{new}/{name}")
    os.symlink("../tmp", f"{new}/var/tmp")
    calm = _MS_NOSUID | _MS_NODEV
    _mount("proc", f"{new}/proc", "proc", calm)
    _mount("tmpfs", f"{new}/tmp", "tmpfs", calm, _TEMPORARY)
    _mount("tmpfs", f"{new}/dev", "tmpfs", _MS_NOSUID, "mode=755,size=64k")
    for name in _DEVICES:
        os.close(os.open(f"{new}/dev/{name}", os.O_CREAT))
        _mount(f"{_OLD}/dev/{name}", f"{new}/dev/{name}", "", _MS_BIND)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.symlink(f"/proc/self/fd/{number}", f"{new}/dev/{name}")
    os.symlink("/proc/self/fd", f"{new}/dev/fd")
    os.mkdir(f"{new}/dev/shm")
    _mount("tmpfs", f"{new}/dev/shm", "tmpfs", calm, _TEMPORARY)
    _set_attributes(f"{new}/dev", _ATTR_RDONLY, 0)
    # No sandbox in the sandbox: namespaces are much of the kernel to try.
    with suppress(OSError):
        Path(f"{new}/proc/sys/user/max_user_namespaces").write_text("0")


def _found(word: str, path: str) -> _Shown:
    """Find where a path leads; the links of the machine lead nowhere later on."""
    source = os.path.realpath(path, strict=word != "maybe")
    names = [path]
    while os.path.exists(path) and os.path.islink(names[-1]):
        beside = os.path.dirname(names[-1])
        names.append(os.path.normpath(os.path.join(beside, os.readlink(names[-1]))))
    return _Shown(source, names, word == "write")


def _show(new: str, one: _Shown) -> None:
    """Let a path of the machine be seen in truth, and in its places.

    What lies in another that is seen is seen already, and leads there.
    """
    if not os.path.exists(_OLD + one.source):
        return
    for name in dict.fromkeys((one.source, *one.names[::-1])):
        if os.path.lexists(new + name) and not one.is_writable:
            continue
        if name != one.source and _is_led(new, name):
            continue
        if name in one.names[:-1] and not os.path.isdir(_OLD + one.source):
            os.makedirs(os.path.dirname(new + name), exist_ok=True)
            os.symlink(one.source, new + name)
        else:
            _bind(_OLD + one.source, new + name, writable=one.is_writable)


def _is_led(new: str, path: str) -> bool:
    """Tell whether an absolute link that is seen is on the way to a path."""
    ways = [new + str(way) for way in (path, *Path(path).parents)]
    return any(os.path.isabs(os.readlink(way)) for way in ways if os.path.islink(way))


def _bind(source: str, target: str, *, writable: bool) -> None:
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT))
    _mount(source, target, "", _MS_BIND | _MS_REC)
    reading = 0 if writable else _ATTR_RDONLY
    _set_attributes(target, reading | _ATTR_NOSUID | _ATTR_NODEV, _AT_RECURSIVE)


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    given = (source.encode(), target.encode(), kind.encode(), flags, data.encode())
    _checked(f"mount {source} at {target}", _libc.mount(*given))


def _set_attributes(path: str, attributes: int, flags: int) -> None:
    """Set attributes of a mount, with AT_RECURSIVE of all below it."""
    wanted = struct.pack("4Q", attributes, 0, 0, 0)
    given = (-100, path.encode(), flags, wanted, len(wanted))
    _checked(f"mount_setattr {path}", _libc.syscall(_MOUNT_SETATTR, *given))


def _pivot(new: str, old: str) -> None:
    _checked("pivot_root", _libc.pivot_root(new.encode(), old.encode()))
    os.chdir("/")


def _become(user: tuple[int, int], limits: list[int], command: list[str]) -> NoReturn:
    """Be the program, in the child: nobody's privilege, nor a way to one."""
    uid, gid = user
    try:
        for capability in range(_CAPABILITIES):
            _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
        if os.geteuid() == 0:
            os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        for most in limits:
            resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEEDED)
        os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
    except OSError as error:
        _complain(f"{command[0]}: {error}")
    os._exit(_NOT_STARTED)


def _keep(program: int) -> int:
    """Wait for the program's end, and reap whoever else ends; return its status."""
    while True:
        if signal.sigwait(_HEEDED) is signal.SIGTERM:
            os.kill(program, signal.SIGTERM)
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                if found[0] == program:
                    code = os.waitstatus_to_exitcode(found[1])
                    return code if code >= 0 else _BY_SIGNAL - code


def _end_as(status: int) -> NoReturn:
    """End in the way that the program has ended."""
    code = os.waitstatus_to_exitcode(status)
    number = code - _BY_SIGNAL
    if code in {-signal.SIGKILL, *(_BY_SIGNAL + n for n in signal.valid_signals())}:
        number = signal.SIGKILL if code < 0 else number
        signal.pthread_sigmask(signal.SIG_BLOCK, [])
        with suppress(OSError, ValueError):  # KILL has no other way
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    sys.exit(code)


if __name__ == "__main__":
    try:
        ended = main(sys.argv[1:])
    except OSError as failure:
        _complain(f"no sandbox: {failure}")
        sys.exit(_NOT_STARTED)
    _end_as(ended)
