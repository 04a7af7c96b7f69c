package listen

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// counts are of one input, since the program started.
type counts struct {
	messages, cut, refused, broken, dropped atomic.Uint64
	connections                             atomic.Int64
	kernel                                  atomic.Uint64
}

func (c *counts) take(former *counts) {
	for _, n := range [][2]*atomic.Uint64{{&c.messages, &former.messages}, {&c.cut, &former.cut}, {&c.refused, &former.refused},
		{&c.broken, &former.broken}, {&c.dropped, &former.dropped}, {&c.kernel, &former.kernel}} {
		n[0].Store(n[1].Load())
	}
}

// listener is one input.
type listener struct {
	*Input
	log     zerolog.Logger
	now     func() time.Time
	sockets *Sockets
	spool   *spool
	tcp     net.Listener // nil for udp
	udp     *net.UDPConn // nil for the others
	socket  *os.File     // of udp, in sockets: what the kernel counts, it counts of this one
	tls     *certificates
	counts  counts
	lent    atomic.Int64 // bytes of buffers beyond bufferLeast

	mu         sync.Mutex
	seen       uint32             // what the kernel last told of drops
	sessions   map[netip.Addr]int // connections by sender
	handshakes []handshake        // that are not connections yet, the oldest first
	warned     time.Time          // when a refusal was last logged
	losses     losses
}

func newListener(in *Input, o *Options) (*listener, error) {
	l := &listener{Input: in, log: o.Logger.With().Str("input", in.URL).Logger(), now: o.Now, sockets: o.Sockets, sessions: map[netip.Addr]int{}}
	var err error
	if in.Network == "tls" {
		if l.tls, err = newCertificates(in.TLS, l.log); err != nil {
			return nil, err
		}
	}
	if l.spool, err = openSpool(filepath.Join(o.Dir, folderOf(in)), in.SpoolSize, l.log, o.Now); err != nil {
		return nil, err
	}
	l.spool.reading = in.Reading
	_ = l.spool.describe() // the keeper tries again
	return l, nil
}

// open takes the listener's socket.
func (l *listener) open() (err error) {
	if l.Network != "udp" {
		l.tcp, err = l.sockets.listener(l.Input)
		return err
	}
	if l.udp, l.socket, err = l.sockets.packets(l.Input); err == nil {
		l.seen, _ = kernelDrops(l.udp) // the service manager may have opened it long ago
	}
	return err
}

// goOn takes over what was counted before.
func (l *listener) goOn(former *listener) {
	former.mu.Lock()
	defer former.mu.Unlock()
	l.counts.take(&former.counts)
	l.losses = former.losses
	if former.socket == l.socket {
		l.seen = former.seen
	}
}

func (l *listener) close() error {
	if l.udp != nil {
		l.countDrops()
		return l.udp.Close()
	}
	if l.tcp == nil {
		return nil // another one's socket could not be opened
	}
	if err := l.tcp.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// address is what is listened on.
func (l *listener) address() net.Addr {
	if l.udp != nil {
		return l.udp.LocalAddr()
	}
	return l.tcp.Addr()
}

func (l *listener) run(ctx context.Context) error {
	l.log.Info().Stringer("address", l.address()).Msg("listening for syslog")
	if l.udp != nil {
		return l.receive(ctx)
	}
	return l.accept(ctx)
}

// allows tells whether an address may send.
func (l *listener) allows(from netip.Addr) bool {
	if len(l.Allow) == 0 {
		return true
	}
	from = from.Unmap().WithZone("")
	for _, p := range l.Allow {
		if p.Contains(from) {
			return true
		}
	}
	return false
}

// refuse counts a connection or a message that is not taken, and says so once a minute.
func (l *listener) refuse(from netip.Addr, why string) {
	l.counts.refused.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.now(); now.Sub(l.warned) >= time.Minute {
		l.warned = now
		l.log.Warn().Stringer("sender", from).Uint64("refused", l.counts.refused.Load()).Msg("a sender is refused: " + why)
	}
}
