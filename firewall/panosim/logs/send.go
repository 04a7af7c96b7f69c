package logs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	syslogQueue   = 10_000           // lines that wait for one server; more are lost
	syslogServers = 16               // servers that one firewall talks to in its life; lines to more are lost
	syslogTries   = 3                // for one line over TCP or SSL
	syslogPause   = time.Second / 10 // before the second try, by the wall clock; twice that before the third
	syslogDial    = 2 * time.Second  // for a connection, and for a line to be taken
)

// sender sends the lines for one server, in their order, in a goroutine of its own: a server that is slow or away
// holds up nobody.
type sender struct {
	to    server
	queue chan []byte
	conn  net.Conn // nil: none
	lost  bool     // the last line was, and the system log says so
}

// ForwarderOptions says what a forwarder needs of its firewall.
type ForwarderOptions struct {
	Now   func() time.Time
	Roots func() *x509.CertPool                // authorities that an SSL server must lead to
	OnLog func(line []byte)                    // called for each line; nil: nobody is told
	Count func(taken bool)                     // told of each line whether a server took it, as far as the protocol tells
	Log   func(severity, subtype, text string) // writes to the system log
	// Go runs a function in a goroutine of its own, with a context that ends when the firewall closes; false: it is
	// closed already, and nothing was run.
	Go func(func(context.Context)) bool
}

// Forwarder sends log lines to syslog servers. It owns the connections, and is used without any lock held.
type Forwarder struct {
	o ForwarderOptions

	mu      sync.Mutex
	senders map[server]*sender
}

// NewForwarder makes one without connections.
func NewForwarder(o ForwarderOptions) *Forwarder {
	return &Forwarder{o: o, senders: map[server]*sender{}}
}

// Deliver hands lines over to their senders, and to ForwarderOptions.OnLog.
func (f *Forwarder) Deliver(lines []Line) {
	for _, line := range lines {
		if f.o.OnLog != nil {
			f.o.OnLog(line.text)
		}
		sender := f.sender(line.to)
		if sender == nil {
			f.o.Count(false)
			continue
		}
		select {
		case sender.queue <- line.text:
		default:
			f.o.Count(false)
		}
	}
}

// sender gives the sender for a server; nil: the firewall is closing, or there are too many.
func (f *Forwarder) sender(to server) *sender {
	f.mu.Lock()
	defer f.mu.Unlock()
	if known := f.senders[to]; known != nil || len(f.senders) == syslogServers {
		return known
	}
	out := &sender{to: to, queue: make(chan []byte, syslogQueue)}
	if !f.o.Go(func(ctx context.Context) { f.sendAll(ctx, out) }) {
		return nil
	}
	f.senders[to] = out
	return out
}

// sendAll sends until the firewall closes.
func (f *Forwarder) sendAll(ctx context.Context, to *sender) {
	defer to.hangUp()
	for {
		select {
		case <-ctx.Done():
			return
		case line := <-to.queue:
			err := f.sendLine(ctx, to, line)
			f.o.Count(err == nil)
			if err != nil && !to.lost {
				f.o.Log("high", "syslog", "Syslog connection failed to server "+to.to.address+": "+err.Error())
			}
			to.lost = err != nil
		}
	}
}

// sendLine tries until the line is taken, the tries are used up or the firewall closes. After a line that was lost,
// one try is enough to find out that nothing has changed.
func (f *Forwarder) sendLine(ctx context.Context, to *sender, line []byte) error {
	tries := syslogTries
	if to.to.transport == "UDP" || to.lost {
		tries = 1
	}
	var err error
	for try := range tries {
		if try > 0 && !pause(ctx, time.Duration(try)*syslogPause) {
			return err
		}
		if err = f.trySend(ctx, to, line); err == nil {
			return nil
		}
		to.hangUp()
	}
	return err
}

func (f *Forwarder) trySend(ctx context.Context, to *sender, line []byte) error {
	if to.conn == nil {
		conn, err := f.dial(ctx, to.to)
		if err != nil {
			return err
		}
		to.conn = conn
	}
	if err := to.conn.SetWriteDeadline(time.Now().Add(syslogDial)); err != nil {
		return err
	}
	if to.to.transport != "UDP" {
		// Each message ends with a line feed (RFC 6587, non-transparent framing).
		line = append(line[:len(line):len(line)], '\n')
	}
	_, err := to.conn.Write(line)
	return err
}

// dial connects. An SSL server must show a certificate of an authority that the firewall has imported.
func (f *Forwarder) dial(ctx context.Context, to server) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, syslogDial)
	defer cancel()
	switch to.transport {
	case "UDP":
		return (&net.Dialer{}).DialContext(ctx, "udp", to.address)
	case "TCP":
		return (&net.Dialer{}).DialContext(ctx, "tcp", to.address)
	case "SSL":
		d := &tls.Dialer{Config: &tls.Config{RootCAs: f.o.Roots(), Time: f.o.Now, MinVersion: tls.VersionTLS12}}
		return d.DialContext(ctx, "tcp", to.address)
	}
	return nil, fmt.Errorf("unknown transport %q", to.transport)
}

// pause passes wall-clock time; false: the context has ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (to *sender) hangUp() {
	if to.conn != nil {
		// What was written is on its way or lost; there is nothing to do about an error.
		_ = to.conn.Close()
		to.conn = nil
	}
}
