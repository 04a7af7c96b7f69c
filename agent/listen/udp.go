package listen

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/ipv4"
)

const (
	// batch is how many datagrams are taken at once, and longestDatagram the most that one can hold.
	batch           = 64
	longestDatagram = 64 << 10
	// drain is for how long what has arrived is still taken when a stop is asked for.
	drain = 100 * time.Millisecond
)

// receive takes datagrams until ctx ends.
func (l *listener) receive(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { _ = l.udp.SetReadDeadline(time.Now().Add(drain)) })()
	messages := make([]ipv4.Message, batch)
	for i := range messages {
		messages[i].Buffers = [][]byte{make([]byte, longestDatagram)}
	}
	conn := ipv4.NewPacketConn(l.udp) // which reads several at once, of either family
	bySender := map[netip.Addr][]byte{}
	for {
		n, err := conn.ReadBatch(messages, 0)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				continue
			}
			l.log.Warn().Err(err).Msg("cannot receive; retrying")
			select {
			case <-ctx.Done():
			case <-time.After(drain):
			}
			continue
		}
		for i := range messages[:n] {
			l.datagram(&messages[i], bySender)
		}
		for from, lines := range bySender {
			l.store(from, lines)
			if bySender[from] = lines[:0]; cap(lines) > bufferMost || len(bySender) > batch {
				delete(bySender, from)
			}
		}
	}
}

// datagram adds one to the lines of its sender.
func (l *listener) datagram(m *ipv4.Message, bySender map[netip.Addr][]byte) {
	udp, ok := m.Addr.(*net.UDPAddr)
	if !ok {
		return
	}
	from := udp.AddrPort().Addr().Unmap().WithZone("")
	if !l.allows(from) {
		l.refuse(from, "it is in none of the networks of allow")
		return
	}
	if text := trimEnd(m.Buffers[0][:m.N]); len(text) > 0 {
		bySender[from] = appendLine(bySender[from], text)
	}
}

// store writes what one sender sent. What does not fit is lost: who sends over UDP does not wait.
func (l *listener) store(from netip.Addr, lines []byte) {
	if len(lines) == 0 {
		return
	}
	sent := bytes.Count(lines, newline)
	rest, err := l.spool.offer(from, lines)
	lost := 0
	if err != nil {
		lost = bytes.Count(rest, newline)
		l.counts.dropped.Add(uint64(lost))
	}
	l.counts.messages.Add(uint64(sent - lost))
}

var newline = []byte{'\n'}
