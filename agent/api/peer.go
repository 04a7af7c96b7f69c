package api

import (
	"errors"
	"net"
	"os"
	"os/user"
	"slices"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"activedefense/config"
)

// A peer is who is at the other end of a local socket, as the kernel says: as whom it connected, whatever it does since.
type peer struct {
	uid    uint32
	groups []uint32
}

// peerOf asks the kernel.
func peerOf(conn *net.UnixConn) (p peer, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return p, err
	}
	var asked error
	err = raw.Control(func(fd uintptr) {
		var cred *unix.Ucred
		if cred, asked = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); asked != nil {
			return
		}
		var groups []uint32
		groups, asked = peerGroups(fd)
		p = peer{cred.Uid, append(groups, cred.Gid)}
	})
	return p, errors.Join(err, asked)
}

// mostGroups is how many groups Linux lets a process have (NGROUPS_MAX).
const mostGroups = 65536

// peerGroups are the supplementary groups of a peer (socket(7), SO_PEERGROUPS). A kernel before 4.13 does not tell: none.
func peerGroups(fd uintptr) ([]uint32, error) {
	for n := 64; ; n = mostGroups {
		groups := make([]uint32, n)
		size := uint32(n) * 4
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == 0:
			return groups[:min(int(size/4), n)], nil
		case errno == unix.ENOPROTOOPT:
			return nil, nil
		case errno == unix.ERANGE && n < mostGroups:
		default:
			return nil, errno
		}
	}
}

// role is what a peer may do: self is the user that the daemon runs as, groupOf gives the number of a group.
func (p peer) role(admin *config.Admin, self uint32, groupOf func(name string) (uint32, bool)) Role {
	in := func(names []string) bool {
		return slices.ContainsFunc(names, func(name string) bool {
			id, ok := groupOf(name)
			return ok && slices.Contains(p.groups, id)
		})
	}
	switch {
	case p.uid == 0 || p.uid == self || in(admin.Operators):
		return Operator
	case in(admin.Viewers):
		return Viewer
	}
	return Nobody
}

// groupID is the number of a group of this host, by its name or number; false: there is none.
func groupID(name string) (uint32, bool) {
	if g, err := user.LookupGroup(name); err == nil {
		name = g.Gid
	}
	id, err := strconv.ParseUint(name, 10, 32)
	return uint32(id), err == nil
}

// localCaller is who connected.
func localCaller(conn *net.UnixConn, admin *config.Admin) Caller {
	p, err := peerOf(conn)
	if err != nil {
		return Caller{Name: "somebody whom the system does not name", Local: true}
	}
	id := strconv.FormatUint(uint64(p.uid), 10)
	name := "user " + id
	if u, err := user.LookupId(id); err == nil && u.Username != "" {
		name = u.Username
	}
	return Caller{Name: name, Role: p.role(admin, uint32(os.Geteuid()), groupID), Local: true}
}
