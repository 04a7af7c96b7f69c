package listen

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// datagramBuffer is what the kernel is asked to hold of a UDP socket for us; without CAP_NET_ADMIN net.core.rmem_max bounds it.
	datagramBuffer = 16 << 20
	// streamBuffer is what it is to hold of a connection: what is in there is lost when this process is killed, and there may be a thousand. By itself it
	// would take up to 6 MB of each.
	streamBuffer = 256 << 10
)

// Sockets outlive the servers that listen on them: while a configuration is taken over for another, the kernel goes on holding what comes, and
// connections stay open. It is safe for concurrent use. The zero value is none; see NewSockets.
type Sockets struct {
	mu     sync.Mutex
	files  map[string]*os.File   // by what they are bound to
	given  []*os.File            // by the service manager
	parked map[string][]*session // connections that a server left, by URL
}

// NewSockets takes over the sockets that a service manager opened, which are used where an input listens on their addresses. The caller closes it.
func NewSockets(given []*os.File) *Sockets {
	return &Sockets{files: map[string]*os.File{}, given: given, parked: map[string][]*session{}}
}

// Close closes all sockets and what connections were left.
func (s *Sockets) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for bound, f := range s.files {
		errs = append(errs, f.Close())
		delete(s.files, bound)
	}
	for _, f := range s.given {
		errs = append(errs, f.Close())
	}
	s.given = nil
	for url := range s.parked {
		s.drop(url)
	}
	return errors.Join(errs...)
}

// keep closes the sockets on which nobody listens any more, so that others can be opened in their place, and connections that nobody goes on with.
func (s *Sockets) keep(inputs []Input) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for bound, f := range s.files {
		if !slices.ContainsFunc(inputs, func(in Input) bool { return in.bound() == bound }) {
			f.Close()
			delete(s.files, bound)
		}
	}
	for url := range s.parked {
		if !slices.ContainsFunc(inputs, func(in Input) bool { return in.URL == url }) {
			s.drop(url)
		}
	}
}

// bound is what the socket of an input is bound to; that of TLS is one of TCP.
func (in *Input) bound() string {
	if in.Network == "udp" {
		return "udp " + in.Address
	}
	return "tcp " + in.Address
}

func (s *Sockets) drop(url string) {
	for _, c := range s.parked[url] {
		c.conn.Close()
	}
	delete(s.parked, url)
}

// park leaves a connection to the next server.
func (s *Sockets) park(url string, c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parked[url] = append(s.parked[url], c)
}

// adopt takes the connections that were left.
func (s *Sockets) adopt(url string) []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.parked[url]
	delete(s.parked, url)
	return left
}

// listener gives a listener on the address of an input, opened if it was not before.
func (s *Sockets) listener(in *Input) (net.Listener, error) {
	f, err := s.file(in, func() (filer, error) {
		var lc net.ListenConfig
		l, err := lc.Listen(context.Background(), "tcp", in.Address)
		if err != nil {
			return nil, err
		}
		return l.(*net.TCPListener), nil
	})
	if err != nil {
		return nil, err
	}
	l, err := net.FileListener(f)
	if tcp, ok := l.(*net.TCPListener); ok {
		buffer(tcp, unix.SO_RCVBUF, streamBuffer) // connections inherit it
	}
	return l, err
}

// packets gives a UDP socket on the address of an input, opened if it was not before, and the file that it is a copy of.
func (s *Sockets) packets(in *Input) (*net.UDPConn, *os.File, error) {
	f, err := s.file(in, func() (filer, error) {
		var lc net.ListenConfig
		c, err := lc.ListenPacket(context.Background(), "udp", in.Address)
		if err != nil {
			return nil, err
		}
		return c.(*net.UDPConn), nil
	})
	if err != nil {
		return nil, nil, err
	}
	c, err := net.FilePacketConn(f)
	if err != nil {
		return nil, nil, err
	}
	udp, ok := c.(*net.UDPConn)
	if !ok {
		return nil, nil, errors.Join(errors.New("no UDP socket"), c.Close())
	}
	if !buffer(udp, unix.SO_RCVBUFFORCE, datagramBuffer) {
		buffer(udp, unix.SO_RCVBUF, datagramBuffer)
	}
	return udp, f, nil
}

type filer interface {
	File() (*os.File, error)
	Close() error
}

// file gives the socket of an input: the one that is open, else one of the service manager's, else a new one.
func (s *Sockets) file(in *Input, open func() (filer, error)) (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.files[in.bound()]; f != nil {
		return f, nil
	}
	for i, f := range s.given {
		if f != nil && serves(f, in) {
			s.files[in.bound()], s.given[i] = f, nil
			return f, nil
		}
	}
	o, err := open()
	if err != nil {
		if errors.Is(err, unix.EACCES) {
			return nil, fmt.Errorf("%w; a port below 1024 takes a privilege: give the unit CAP_NET_BIND_SERVICE or a socket unit, as its comments say, or use a port above", err)
		}
		return nil, err
	}
	f, err := o.File()
	if err = cmp.Or(err, o.Close()); err != nil {
		return nil, err
	}
	s.files[in.bound()] = f
	return f, nil
}

// serves tells whether a socket that was given is one for an input.
func serves(f *os.File, in *Input) bool {
	kind, err := unix.GetsockoptInt(int(f.Fd()), unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil || (kind == unix.SOCK_DGRAM) != (in.Network == "udp") {
		return false
	}
	name, err := unix.Getsockname(int(f.Fd()))
	if err != nil {
		return false
	}
	var has netip.AddrPort
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		has = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		has = netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	host, port, err := net.SplitHostPort(in.Address)
	if err != nil || port != fmt.Sprint(has.Port()) {
		return false
	}
	wanted, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "" && has.Addr().IsUnspecified() || err == nil && (wanted.Unmap() == has.Addr() || wanted.IsUnspecified() && has.Addr().IsUnspecified())
}

// buffer asks for a size of a socket's buffer. Another one than asked for is no fault.
func buffer(c syscall.Conn, option, size int) (done bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	err = raw.Control(func(fd uintptr) { done = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, option, size) == nil })
	return done && err == nil
}
