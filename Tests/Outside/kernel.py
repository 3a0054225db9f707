# This source file is part of the Apus project
# SPDX-License-Identifier: Apache-2.0
"""The server's ends of connections as the kernel sees them (sock_diag(7), as `ss` asks it)."""

import os
import socket
import struct

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLMSG_ERROR, NLMSG_DONE = 4, 20, 2, 3
NLM_F_REQUEST, NLM_F_DUMP = 1, 0x300
ESTABLISHED, TIME_WAIT, LISTEN = 1, 6, 10
STATES = 0xFFF & ~(1 << TIME_WAIT | 1 << LISTEN)
LOOPBACK = socket.inet_aton("127.0.0.1")
HEADER = struct.Struct("=IHHII")
REQUEST = struct.Struct("=BBBBI")
IDENTITY = struct.Struct("!HH4s12x4s12xIII")
ANSWER = struct.Struct("=BBBB48xIIIII")


class Entry:
    """One connection, seen from the server's side."""

    def __init__(self, message):
        _, self.state, _, _, _, self.unread, _, _, self.inode = ANSWER.unpack_from(message)
        self.peer_port = IDENTITY.unpack_from(message, 4)[1]

    @property
    def is_unaccepted(self):
        """Established and still in the listener's queue: no process has a socket for it."""
        return self.state == ESTABLISHED and self.inode == 0


def query(server_port, peer_port, flags):
    any_cookie = 0xFFFFFFFF
    body = REQUEST.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0, STATES)
    body += IDENTITY.pack(server_port, peer_port, LOOPBACK, LOOPBACK, 0, any_cookie, any_cookie)
    size = HEADER.size + len(body)
    entries = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as netlink:
        netlink.send(HEADER.pack(size, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | flags, 1, 0) + body)
        while True:
            data = netlink.recv(1 << 20)
            while data:
                size, kind, _, _, _ = HEADER.unpack_from(data)
                message, data = data[HEADER.size : size], data[(size + 3) & ~3 :]
                if kind in (NLMSG_DONE, NLMSG_ERROR):
                    return entries
                entries.append(Entry(message))
            if not flags:
                return entries


def connection(server_port, peer_port):
    """The connection from a port, or None if it is gone."""
    entries = query(server_port, peer_port, 0)
    return entries[0] if entries else None


def connections(server_port):
    """All connections to a port."""
    return query(server_port, 0, NLM_F_DUMP)


def socket_inodes(pid):
    inodes = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            inodes.add(int(target[8:-1]))
    return inodes


def owners(server_port, pids):
    """Which of the processes holds the connection from each local port."""
    held = {inode: pid for pid in pids for inode in socket_inodes(pid)}
    return {
        entry.peer_port: held[entry.inode]
        for entry in connections(server_port)
        if entry.inode in held
    }
