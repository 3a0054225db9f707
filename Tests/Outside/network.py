# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""Networks of a test's own, with nothing but a loopback, for functions that run before an exec."""

import ctypes
import fcntl
import signal
import socket
import struct

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
PR_SET_PDEATHSIG = 1


def call(function, *arguments):
    if function(*arguments) != 0:
        raise OSError(ctypes.get_errno(), function.__name__)


def enter_own_network():
    """The process, and those that it starts, have a machine's ports to themselves."""
    call(LIBC.prctl, PR_SET_PDEATHSIG, signal.SIGTERM)
    call(LIBC.unshare, CLONE_NEWUSER | CLONE_NEWNET)
    with socket.socket() as loopback:
        request = struct.pack("16sH14x", b"lo", IFF_UP)
        fcntl.ioctl(loopback, SIOCSIFFLAGS, request)


def enter_network_of(pid):
    for kind, flag in (("user", CLONE_NEWUSER), ("net", CLONE_NEWNET)):
        with open(f"/proc/{pid}/ns/{kind}", "rb") as namespace:
            call(LIBC.setns, namespace.fileno(), flag)
