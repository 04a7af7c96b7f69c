package edl

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// gate is the listener below TLS: it lets in whom the server may answer, and closes other connections without a byte. It
// also bounds how many there are at once.
type gate struct {
	net.Listener
	server *Server
	slots  chan struct{} // one element a connection
	done   chan struct{}
	once   sync.Once

	mu   sync.Mutex
	open map[netip.Addr]int // connections by client; no zero counts, so never larger than slots
}

// gateCounts are connections, by what became of them.
type gateCounts struct {
	refused  atomic.Uint64 // not in Allow
	crowded  atomic.Uint64 // too many at once from one address
	withheld atomic.Uint64 // no certificate that is valid now

	open atomic.Int64 // connections there are now

	misnamed atomic.Uint64 // handshakes and fetches, not closed by us: a name that the certificate does not have
	asked    askers
	unnamed  unnamed

	refusedLog, withheldLog, distrustedLog, misnamedLog hourly
}

func (s *Server) newGate() *gate {
	return &gate{
		Listener: s.listener, server: s,
		slots: make(chan struct{}, s.limits.connections), done: make(chan struct{}),
		open: make(map[netip.Addr]int),
	}
}

// Accept waits for a free slot before it takes a connection from the kernel, where others wait meanwhile.
func (g *gate) Accept() (net.Conn, error) {
	select {
	case g.slots <- struct{}{}:
	case <-g.done:
		return nil, net.ErrClosed
	}
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			<-g.slots
			return nil, err
		}
		client := peer(c)
		if g.admit(client) {
			return &guarded{Conn: c, gate: g, client: client}, nil
		}
		_ = c.Close()
	}
}

// Close also ends an Accept that waits for a slot.
func (g *gate) Close() error {
	g.once.Do(func() { close(g.done) })
	return g.Listener.Close()
}

func (g *gate) admit(client netip.Addr) bool {
	s := g.server
	if !s.allowed(client) {
		s.gate.refused.Add(1)
		if s.gate.refusedLog.first(client, s.now()) {
			s.log.Warn().Stringer("client", client).Msg("connection closed: the client is not in a network that may read the list")
		}
		return false
	}
	if _, err := s.certs.usable(s.now()); err != nil {
		s.gate.withheld.Add(1)
		if s.gate.withheldLog.first(client, s.now()) {
			s.log.Error().Err(err).Stringer("client", client).
				Msg("connection closed: with this certificate a firewall would stop enforcing the list; without a response it keeps its copy")
		}
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open[client] >= s.limits.perAddress {
		s.gate.crowded.Add(1)
		return false
	}
	g.open[client]++
	s.gate.open.Add(1)
	return true
}

func (g *gate) leave(client netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open[client]--; g.open[client] <= 0 {
		delete(g.open, client)
	}
	g.server.gate.open.Add(-1)
	<-g.slots
}

// allowed: an address that is not known is in no network, so it may read only if all may.
func (s *Server) allowed(client netip.Addr) bool {
	if len(s.opts.Allow) == 0 {
		return true
	}
	for _, p := range s.opts.Allow {
		if canonical(p).Contains(client) {
			return true
		}
	}
	return false
}

func peer(c net.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return plain(a.AddrPort().Addr())
	}
	return netip.Addr{}
}

// guarded gives its slot back when it is closed, however often that is.
type guarded struct {
	net.Conn
	gate   *gate
	client netip.Addr
	once   sync.Once
}

func (c *guarded) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.gate.server.checkAddress(c.RemoteAddr().String(), false)
		c.gate.leave(c.client)
	})
	return err
}
