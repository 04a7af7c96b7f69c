package listen

import (
	"net"
	"unsafe"

	"golang.org/x/sys/unix"
)

// meminfoDrops is the place of the count of dropped datagrams in what SO_MEMINFO tells, and meminfoVars how many numbers that are (linux/sock_diag.h,
// SK_MEMINFO_DROPS and SK_MEMINFO_VARS; since Linux 4.12).
const (
	meminfoDrops = 8
	meminfoVars  = 9
)

// kernelDrops tells how many datagrams the kernel has dropped for a socket since it was opened, most for want of room in its buffer; the number
// wraps at 32 bits. ok is false where the kernel does not tell.
func kernelDrops(c *net.UDPConn) (n uint32, ok bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false
	}
	err = raw.Control(func(fd uintptr) {
		var info [meminfoVars]uint32
		size := uint32(unsafe.Sizeof(info))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		n, ok = info[meminfoDrops], errno == 0 && size == uint32(unsafe.Sizeof(info))
	})
	return n, ok && err == nil
}
