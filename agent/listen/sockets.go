package listen

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
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
// connections stay open. Until the other one is taken as a whole, nothing of them is closed. It is safe for concurrent use. The zero value is none;
// see NewSockets.
type Sockets struct {
	mu     sync.Mutex
	open   map[string]socket     // by what they are bound to
	given  []*os.File            // by the service manager, that no input uses
	parked map[string][]*session // connections that a server left, by URL
}

// socket is one that is listened on.
type socket struct {
	*os.File
	given bool // by the service manager, which holds it too: it is never closed for another, and used again when an input asks for it
}

// NewSockets takes over the sockets that a service manager opened, which are used where an input listens on their addresses. The caller closes it.
func NewSockets(given []*os.File) *Sockets {
	return &Sockets{open: map[string]socket{}, given: given, parked: map[string][]*session{}}
}

// Close closes all sockets and what connections were left.
func (s *Sockets) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for bound, f := range s.open {
		errs = append(errs, f.Close())
		delete(s.open, bound)
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

// take opens the sockets of all listeners, beside those that are open, or none of them. What is not used any more is closed by keep.
func (s *Sockets) take(listeners []*listener) error {
	s.mu.Lock()
	before := maps.Clone(s.open)
	s.mu.Unlock()
	for _, l := range listeners {
		if err := l.open(); err != nil {
			s.leave(func(bound string) bool { _, was := before[bound]; return was })
			return fmt.Errorf("listen on %s: %w", l.URL, err)
		}
	}
	return nil
}

// keep closes the sockets on which nobody listens any more, and connections that nobody goes on with. It is for when the inputs are taken for good.
func (s *Sockets) keep(inputs []Input) {
	s.leave(func(bound string) bool {
		return slices.ContainsFunc(inputs, func(in Input) bool { return in.bound() == bound })
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	for url := range s.parked {
		if !slices.ContainsFunc(inputs, func(in Input) bool { return in.URL == url }) {
			s.drop(url)
		}
	}
}

// leave closes all sockets but those that are used; what the service manager gave is kept for when it is asked for.
func (s *Sockets) leave(used func(bound string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for bound, f := range s.open {
		if used(bound) {
			continue
		}
		delete(s.open, bound)
		if f.given {
			s.given = append(s.given, f.File)
		} else {
			f.Close()
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
	f, err := s.file(in, func(lc *net.ListenConfig) (filer, error) {
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
		setOption(tcp, unix.SO_RCVBUF, streamBuffer) // connections inherit it
	}
	return l, err
}

// packets gives a UDP socket on the address of an input, opened if it was not before, and the file that it is a copy of.
func (s *Sockets) packets(in *Input) (*net.UDPConn, *os.File, error) {
	f, err := s.file(in, func(lc *net.ListenConfig) (filer, error) {
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
	if !setOption(udp, unix.SO_RCVBUFFORCE, datagramBuffer) {
		setOption(udp, unix.SO_RCVBUF, datagramBuffer)
	}
	return udp, f, nil
}

type filer interface {
	syscall.Conn
	File() (*os.File, error)
	Close() error
}

// file gives the socket of an input: the one that is open, else one of the service manager's, else a new one.
func (s *Sockets) file(in *Input, open func(*net.ListenConfig) (filer, error)) (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f, is := s.open[in.bound()]; is {
		return f.File, nil
	}
	for i, f := range s.given {
		if serves(f, in) {
			s.open[in.bound()], s.given = socket{f, true}, slices.Delete(s.given, i, i+1)
			return f, nil
		}
	}
	o, err := open(&net.ListenConfig{})
	if errors.Is(err, unix.EADDRINUSE) {
		o, err = s.beside(in, open)
	}
	if err != nil {
		return nil, s.explain(in, err)
	}
	f, err := o.File()
	if err = cmp.Or(err, o.Close()); err != nil {
		return nil, err
	}
	s.open[in.bound()] = socket{File: f}
	return f, nil
}

// beside opens a socket on a port that another one of ours has at another address, such as 0.0.0.0: that one is open until it is known whether it is
// to be closed. Both share the port during the call alone, so that no other process comes to do so.
func (s *Sockets) beside(in *Input, open func(*net.ListenConfig) (filer, error)) (o filer, err error) {
	for bound, f := range s.open {
		if in.crosses(bound) {
			setOption(f, unix.SO_REUSEPORT, 1)
			defer setOption(f, unix.SO_REUSEPORT, 0)
		}
	}
	o, err = open(&net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		return cmp.Or(raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }), err)
	}})
	if err != nil {
		return nil, err
	}
	setOption(o, unix.SO_REUSEPORT, 0)
	return o, nil
}

// crosses tells whether a socket has the port of an input.
func (in *Input) crosses(bound string) bool {
	kind, address, _ := strings.Cut(in.bound(), " ")
	_, port, _ := net.SplitHostPort(address)
	return strings.HasPrefix(bound, kind+" ") && strings.HasSuffix(bound, ":"+port)
}

// explain adds to the fault of a socket that was not opened what a person can do.
func (s *Sockets) explain(in *Input, err error) error {
	given := slices.ContainsFunc(s.given, func(f *os.File) bool { return at(f).IsValid() && in.crosses(kindOf(f)+" "+at(f).String()) })
	for bound, f := range s.open {
		given = given || f.given && in.crosses(bound)
	}
	switch {
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w; a port below 1024 takes a privilege: give the unit CAP_NET_BIND_SERVICE or a socket unit, as its comments say, or use a port above", err)
	case errors.Is(err, unix.EADDRINUSE) && given:
		return fmt.Errorf("%w, by the service manager at another address of this host: have the socket unit listen where the input does", err)
	}
	return err
}

// serves tells whether a socket that was given is one for an input.
func serves(f *os.File, in *Input) bool {
	kind, _, _ := strings.Cut(in.bound(), " ")
	has := at(f)
	host, port, err := net.SplitHostPort(in.Address)
	if err != nil || kindOf(f) != kind || !has.IsValid() || port != fmt.Sprint(has.Port()) {
		return false
	}
	wanted, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "" && has.Addr().IsUnspecified() || err == nil && (wanted.Unmap() == has.Addr() || wanted.IsUnspecified() && has.Addr().IsUnspecified())
}

// kindOf gives the kind of a socket as bound has it.
func kindOf(f *os.File) string {
	kind := unix.SOCK_STREAM
	control(f, func(fd int) (err error) {
		kind, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
		return err
	})
	if kind == unix.SOCK_DGRAM {
		return "udp"
	}
	return "tcp"
}

// at gives the address and port of a socket; none where it has no such.
func at(f *os.File) netip.AddrPort {
	var name unix.Sockaddr
	control(f, func(fd int) (err error) { name, err = unix.Getsockname(fd); return err })
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return netip.AddrPort{}
}

// setOption sets an option of a socket, such as the size that its buffer is to have. One that the kernel does not take is no fault.
func setOption(c syscall.Conn, option, value int) (done bool) {
	return control(c, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, value) })
}

// control does something with a socket's descriptor, and tells whether it succeeded.
func control(c syscall.Conn, do func(fd int) error) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = do(int(fd)) })
	return err == nil && failed == nil
}
