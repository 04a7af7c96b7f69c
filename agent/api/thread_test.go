package api

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// becomeThread makes this thread alone somebody else: the kernel keeps that by thread, and the C library's functions of these names, which
// change all threads, are not used. Only root's may; anybody else stays who he is.
func becomeThread(uid int, groups []uint32) error { // the first of the groups is the primary one
	if os.Geteuid() != 0 {
		return nil
	}
	gid, others := uintptr(groups[0]), groups[1:]
	var first unsafe.Pointer
	if len(others) > 0 {
		first = unsafe.Pointer(&others[0])
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(others)), uintptr(first), 0); errno != 0 {
		return errno
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, gid, gid, gid); errno != 0 {
		return errno
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
		return errno
	}
	return nil
}
