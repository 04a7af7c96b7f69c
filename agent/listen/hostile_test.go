package listen

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// heap is how much memory is in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A thousand connections with half a message each, of which some go on a byte at a time, one message of a gigabyte, names with slashes: memory is bounded, and
// others are not held up.
func TestHostileSenders(t *testing.T) {
	k := newKit(t, Input{URL: "tcp://127.0.0.1:0", Allow: local})
	before := heap()
	var hostile []net.Conn
	half := []byte("<14>Nov 29 12:00:00 ../../../etc/x " + strings.Repeat("y", 60_000))
	for i := range 1000 {
		conn := k.dial(0)
		k.must(conn.SetWriteDeadline(time.Now().Add(20 * time.Second)))
		text := half
		if i%2 == 0 {
			text = append([]byte("64000 "), half...)
		}
		_, err := conn.Write(text)
		k.must(err)
		hostile = append(hostile, conn)
	}
	k.eventually("all are open", func() bool { return k.server.Status()[0].Connections == 1000 })
	// One sends a gigabyte as one message; 64 MiB of it here.
	large := k.dial(0)
	_, err := large.Write([]byte("1073741824 <14>large "))
	k.must(err)
	block := bytes.Repeat([]byte("z"), 1<<20)
	slowest := time.Duration(0)
	for i := range 64 {
		_, err := large.Write(block)
		k.must(err)
		_, err = hostile[i].Write([]byte("y")) // slow
		k.must(err)
		begun := time.Now()
		conn := k.dial(0)
		_, err = fmt.Fprintf(conn, "<14>Nov 29 12:00:00 ../../x good %d\n", i)
		k.must(err)
		k.closed(conn)
		slowest = max(slowest, time.Since(begun))
	}
	if grown := heap() - before; grown > mostLent+(1001*4*bufferLeast)+16<<20 {
		t.Errorf("%d MiB more in use", grown>>20)
	}
	t.Logf("the slowest of 64 was spooled after %s; %d MiB", slowest, (heap()-before)>>20)
	if slowest > 2*time.Second { // beside other work; measured alone it is milliseconds
		t.Errorf("others are held up for %s", slowest)
	}
	good := 0
	for _, line := range k.lines(0) {
		if strings.HasPrefix(line, "<14>Nov 29 12:00:00 ../../x good ") {
			good++
		} else if !strings.HasPrefix(line, "<14>large zz") || len(line) != MaxMessage+1 {
			t.Errorf("%.60q of %d bytes", line, len(line))
		}
	}
	if good != 64 {
		t.Errorf("%d of 64", good)
	}
	large.Close()
	for _, conn := range hostile {
		conn.Close()
	}
	k.eventually("all have gone", func() bool { return k.server.Status()[0].Connections == 0 })
	files, _ := filepath.Glob(filepath.Join(k.o.Dir, "*", "*"))
	for _, f := range files {
		if base, _, _ := cutNumber(filepath.Base(f)); base != "127.0.0.1.log" {
			t.Error(f)
		}
	}
	if lent := k.server.listeners[0].lent.Load(); lent != 0 {
		t.Errorf("%d bytes are lent to nobody", lent)
	}
}

// One address cannot take all connections.
func TestConnectionsAreBounded(t *testing.T) {
	k := newKit(t, Input{URL: "tcp://127.0.0.1:0", Allow: local})
	l, one, other := k.server.listeners[0], netip.MustParseAddr("127.0.0.7"), netip.MustParseAddr("127.0.0.6")
	for range mostOfOne {
		if !l.enter(one) {
			t.Fatal("refused")
		}
	}
	if l.enter(one) || !l.enter(other) {
		t.Error("one more of the same, or the first of another")
	}
	for range mostOfOne {
		l.leave(one)
	}
	l.leave(other)
	if len(l.sessions) != 0 || l.counts.connections.Load() != 0 || !l.enter(one) {
		t.Error("what has gone is counted")
	}
	l.leave(one)
}

// Who never finishes a TLS handshake takes no place of a sender with a certificate: neither from one address nor from very many.
func TestHandshakesTakeNoPlaces(t *testing.T) {
	ours := newAuthority(t)
	cert, key := ours.issue("listener")
	k := newKit(t, Input{URL: "tls://127.0.0.1:0", TLS: TLS{CertFile: cert, KeyFile: key, ClientCAFile: ours.file}})
	l := k.server.listeners[0]
	silent := func(from net.IP) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}
		conn, err := d.DialContext(t.Context(), "tcp", k.address(0))
		k.must(err)
		t.Cleanup(func() { conn.Close() })
	}
	send := func(text string) {
		t.Helper()
		conn, err := tls.Dial("tcp", k.address(0), ours.client(ours))
		k.must(err)
		defer conn.Close()
		_, err = conn.Write([]byte(text + "\n"))
		k.must(err)
		k.closed(conn)
	}
	underWay := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.handshakes)
	}
	for i := range mostSessions {
		silent(net.IPv4(127, 0, 0, byte(2+i%2)))
	}
	send("<14>one")
	if n := underWay(); n != 2*mostHandshakesOfOne {
		t.Errorf("%d handshakes of two addresses are under way", n)
	}
	for i := range mostHandshakes {
		silent(net.IPv4(127, 1, byte(i>>8), byte(i)))
	}
	send("<14>two")
	k.expect(0, "<14>one", "<14>two")
	if n := underWay(); n >= mostHandshakes {
		t.Errorf("%d handshakes are under way", n)
	}
	k.eventually("those that gave way are counted", func() bool { s := k.server.Status()[0]; return s.Refused > mostSessions && s.Connections == 0 })
}

// A sender that does not go on, or is reset, costs nothing but its own half message.
func TestAConnectionThatIsReset(t *testing.T) {
	k := newKit(t, Input{URL: "tcp://127.0.0.1:0", Allow: local})
	conn := k.dial(0)
	_, err := conn.Write([]byte("<14>one\n<14>tw"))
	k.must(err)
	k.expect(0, "<14>one")
	k.must(conn.(*net.TCPConn).SetLinger(0))
	conn.Close()
	k.eventually("it has gone", func() bool { s := k.server.Status()[0]; return s.Connections == 0 && s.Broken == 1 })
	k.expect(0, "<14>one")
	if _, err := os.Stat(filepath.Join(k.o.Dir, "tcp-127.0.0.1-0")); err != nil {
		t.Error(err)
	}
}
