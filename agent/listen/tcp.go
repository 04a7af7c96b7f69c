package listen

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	// mostSessions is how many connections an input has at once, and mostOfOne how many of one sender.
	mostSessions = 2048
	mostOfOne    = 1024
	// mostLent bounds the memory of all connections of an input beyond bufferLeast of each.
	mostLent = 32 << 20
	// handshakeWithin is how long a TLS handshake may take. mostHandshakes are under way at once, mostHandshakesOfOne of one address: where they are,
	// the oldest gives way, for one that is meant is done in milliseconds. None of them counts as a connection before it is done.
	handshakeWithin     = 10 * time.Second
	mostHandshakes      = 1024
	mostHandshakesOfOne = 64
)

// session is one connection.
type session struct {
	conn  net.Conn
	from  netip.Addr
	frame framer
	// held is lines that were cut out and are not in the spool yet, spare the memory for the next ones.
	held, spare []byte
}

// handshake is a connection of which it is not known yet who it is.
type handshake struct {
	conn net.Conn
	from netip.Addr
}

// accept takes connections until ctx ends, and waits for them.
func (l *listener) accept(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	defer context.AfterFunc(ctx, func() { _ = l.tcp.Close() })()
	for _, s := range l.sockets.adopt(l.URL) {
		if l.readmits(s) {
			l.lent.Add(int64(max(len(s.frame.buf)-bufferLeast, 0)))
			all.Go(func() { l.attend(ctx, s) })
		}
	}
	for {
		conn, err := l.tcp.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			l.log.Warn().Err(err).Msg("cannot accept a connection; retrying")
			select {
			case <-ctx.Done():
			case <-time.After(drain):
			}
			continue
		}
		from := senderOf(conn)
		if !l.admits(from) || l.tls == nil && !l.enter(from) {
			conn.Close()
			continue
		}
		if l.tls != nil {
			l.begin(handshake{conn, from})
		}
		all.Go(func() { l.greet(ctx, conn, from) })
	}
}

// senderOf gives the address of the other end.
func senderOf(conn net.Conn) netip.Addr {
	tcp, _ := conn.RemoteAddr().(*net.TCPAddr)
	if tcp == nil {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

// admits tells whether an address may connect.
func (l *listener) admits(from netip.Addr) bool {
	if from.IsValid() && l.allows(from) {
		return true
	}
	l.refuse(from, "it is in none of the networks of allow")
	return false
}

// readmits tells whether a connection that the server before has left is gone on with; else it is closed, and what it had in hand is lost.
func (l *listener) readmits(s *session) bool {
	ok := l.admits(s.from)
	if ok && l.tls != nil {
		if err := l.tls.still(s.conn); err != nil {
			l.refuse(s.from, "its open connection does not meet tls.client_ca_file: "+err.Error())
			ok = false
		}
	}
	if ok = ok && l.enter(s.from); !ok {
		s.conn.Close()
		l.counts.dropped.Add(uint64(bytes.Count(s.held, newline)))
		if rest, whole := s.frame.rest(); len(rest) > 0 || !whole {
			l.counts.broken.Add(1)
		}
	}
	return ok
}

// enter counts a connection; false: it is refused.
func (l *listener) enter(from netip.Addr) bool {
	l.mu.Lock()
	crowded := l.counts.connections.Load() >= mostSessions || l.sessions[from] >= mostOfOne
	if !crowded {
		l.sessions[from]++
		l.counts.connections.Add(1)
	}
	l.mu.Unlock()
	if crowded {
		l.refuse(from, "too many connections are open")
	}
	return !crowded
}

// leave undoes enter.
func (l *listener) leave(from netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sessions[from]--; l.sessions[from] == 0 {
		delete(l.sessions, from)
	}
	l.counts.connections.Add(-1)
}

// begin notes a handshake. Where too many are under way, the oldest of its address, or of all, is closed for it.
func (l *listener) begin(h handshake) {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest, ofOne := 0, 0
	for i := len(l.handshakes) - 1; i >= 0; i-- {
		if l.handshakes[i].from == h.from {
			if ofOne++; ofOne == mostHandshakesOfOne {
				oldest = i
			}
		}
	}
	if ofOne >= mostHandshakesOfOne || len(l.handshakes) >= mostHandshakes {
		l.handshakes[oldest].conn.Close()
		l.handshakes = slices.Delete(l.handshakes, oldest, oldest+1)
	}
	l.handshakes = append(l.handshakes, h)
}

// finish undoes begin; false: it was closed for another.
func (l *listener) finish(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.handshakes, func(h handshake) bool { return h.conn == conn })
	if i >= 0 {
		l.handshakes = slices.Delete(l.handshakes, i, i+1)
	}
	return i >= 0
}

// greet begins a new connection.
func (l *listener) greet(ctx context.Context, conn net.Conn, from netip.Addr) {
	if l.tls != nil {
		secure := tls.Server(conn, &tls.Config{GetConfigForClient: l.tls.present, MinVersion: tls.VersionTLS12})
		hurry, cancel := context.WithTimeout(ctx, handshakeWithin)
		err := secure.HandshakeContext(hurry)
		cancel()
		if !l.finish(conn) {
			err = errors.New("too many handshakes are under way, and this was the oldest")
		}
		if err != nil || !l.enter(from) {
			conn.Close()
			if err != nil && ctx.Err() == nil {
				l.refuse(from, "TLS: "+err.Error())
			}
			return
		}
		conn = secure
	}
	l.attend(ctx, &session{conn: conn, from: from})
}

// attend reads a connection until it ends or ctx does; then it is left to the next server.
func (l *listener) attend(ctx context.Context, s *session) {
	_ = s.conn.SetReadDeadline(time.Time{})
	stopping := context.AfterFunc(ctx, func() { _ = s.conn.SetReadDeadline(time.Now().Add(drain)) })
	err := l.follow(ctx, s)
	stopping()
	l.lent.Add(-int64(max(len(s.frame.buf)-bufferLeast, 0)))
	if ctx.Err() != nil && (err == nil || errors.Is(err, os.ErrDeadlineExceeded)) {
		l.leave(s.from)
		l.sockets.park(l.URL, s)
		return
	}
	taken := l.end(ctx, s, err)
	l.leave(s.from)
	if !taken {
		l.sockets.park(l.URL, s)
		return
	}
	s.conn.Close() // after what it sent is in the spool
}

// end takes what a connection left that has ended; false: ctx ended while the spool was full.
func (l *listener) end(ctx context.Context, s *session, err error) bool {
	rest, whole := s.frame.rest()
	switch {
	case errors.Is(err, io.EOF) && whole:
		if len(rest) > 0 {
			s.held = appendLine(nil, rest)
		}
		s.frame = framer{}
		return l.keepLines(ctx, s)
	case errors.Is(err, errFraming):
		l.log.Warn().Stringer("sender", s.from).Err(err).Msg("a connection is closed: its messages cannot be told apart any more")
	case len(rest) == 0 && whole:
		return true // reset between two messages
	}
	l.counts.broken.Add(1)
	return true
}

// follow takes what a connection sends. A nil error says that ctx ended while the spool was full.
func (l *listener) follow(ctx context.Context, s *session) error {
	if !l.keepLines(ctx, s) {
		return nil
	}
	for {
		space, dropped := s.frame.room(l.lend)
		if dropped {
			l.counts.dropped.Add(1)
		}
		n, err := s.conn.Read(space)
		s.frame.took(n)
		broken := l.cut(s)
		if !l.keepLines(ctx, s) {
			return nil
		}
		l.lent.Add(-int64(s.frame.idle()))
		if err = cmp.Or(broken, err); err != nil {
			return err
		}
	}
}

// cut cuts out all messages that are whole.
func (l *listener) cut(s *session) error {
	for {
		msg, err := s.frame.next()
		if msg == nil || err != nil {
			return err
		}
		if len(msg) > MaxMessage {
			l.counts.cut.Add(1)
		}
		if s.held == nil {
			s.held = s.spare
		}
		s.held = appendLine(s.held, msg)
	}
}

// keepLines writes the lines of a connection into the spool, and waits as long as there is no room; false: ctx ended first.
func (l *listener) keepLines(ctx context.Context, s *session) bool {
	if len(s.held) == 0 {
		return true
	}
	sent := bytes.Count(s.held, newline)
	rest := l.spool.put(ctx, s.from, s.held)
	l.counts.messages.Add(uint64(sent - bytes.Count(rest, newline)))
	if len(rest) > 0 {
		s.held = rest
		return false
	}
	if s.held, s.spare = nil, s.held[:0]; cap(s.spare) > 2*bufferLeast {
		s.spare = nil
	}
	return true
}

// lend gives memory to a connection, while there is some.
func (l *listener) lend(n int) bool {
	if l.lent.Add(int64(n)) <= mostLent {
		return true
	}
	l.lent.Add(-int64(n))
	return false
}
