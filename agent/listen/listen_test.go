package listen

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var local = networks("127.0.0.0/8")

func TestMessagesAreSpooledAsLines(t *testing.T) {
	k := newKit(t, Input{URL: "tcp://127.0.0.1:0", Allow: local}, Input{URL: "udp://127.0.0.1:0", Allow: local})
	k.send(0, "<14>Nov 29 12:00:00 fw one\n<14>1 2026-11-29T12:00:00Z fw app - - - two\r\nno header\n<14>last")
	k.expect(0, "<14>Nov 29 12:00:00 fw one", "<14>1 2026-11-29T12:00:00Z fw app - - - two", "no header", "<14>last")
	k.send(0, "9 <14>a\nb\x00c9 <14>three\n")
	k.expect(0, "<14>Nov 29 12:00:00 fw one", "<14>1 2026-11-29T12:00:00Z fw app - - - two", "no header", "<14>last", "<14>a#012b#000c", "<14>three")
	udp := k.dial(1)
	for _, text := range []string{"<14>one\n", "two\nlines", "\n", "three\x00"} {
		_, err := udp.Write([]byte(text))
		k.must(err)
	}
	k.expect(1, "<14>one", "two#012lines", "three")
	for i, want := range []uint64{6, 3} {
		if s := k.server.Status()[i]; s.Messages != want || s.Senders != 1 || s.Connections != 0 || s.Broken+s.Refused+s.Dropped+s.Cut+s.Kernel != 0 {
			t.Errorf("%+v", s)
		}
	}
}

func TestOnlyThoseSendWhoMay(t *testing.T) {
	k := newKit(t, Input{URL: "tcp://127.0.0.1:0", Allow: networks("127.0.0.2/32")}, Input{URL: "udp://127.0.0.1:0", Allow: networks("127.0.0.2/32")})
	k.closed(k.dial(0))
	_, err := k.dial(1).Write([]byte("<14>forged\n"))
	k.must(err)
	from := func(network string) net.Conn {
		var local net.Addr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}
		i := 0
		if network == "udp" {
			i, local = 1, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)}
		}
		d := net.Dialer{LocalAddr: local}
		conn, err := d.DialContext(t.Context(), network, k.address(i))
		k.must(err)
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	_, err = from("udp").Write([]byte("<14>udp\n"))
	k.must(err)
	conn := from("tcp")
	_, err = conn.Write([]byte("<14>tcp\n"))
	k.must(err)
	k.closed(conn)
	k.expect(0, "<14>tcp")
	k.expect(1, "<14>udp")
	for i := range 2 {
		if s := k.server.Status()[i]; s.Refused != 1 {
			t.Errorf("%+v", s)
		}
	}
	if _, err := os.Stat(filepath.Join(k.o.Dir, folderOf(&k.o.Inputs[0]), "127.0.0.2.log")); err != nil {
		t.Error(err)
	}
}

func TestOverTLSACertificateIsAskedFor(t *testing.T) {
	ours, strange := newAuthority(t), newAuthority(t)
	cert, key := ours.issue("listener")
	k := newKit(t, Input{URL: "tls://127.0.0.1:0", TLS: TLS{CertFile: cert, KeyFile: key, ClientCAFile: ours.file}})
	for name, client := range map[string]*tls.Config{"none": ours.client(nil), "a stranger's": ours.client(strange)} {
		conn, err := tls.Dial("tcp", k.address(0), client)
		if err == nil { // TLS 1.3: the client is done before its certificate is looked at
			_, _ = conn.Write([]byte("<14>" + name + "\n"))
			k.must(conn.SetReadDeadline(time.Now().Add(10 * time.Second)))
			if _, err = conn.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
				t.Errorf("with %s certificate it goes on: %v", name, err)
			}
			conn.Close()
		}
	}
	conn, err := tls.Dial("tcp", k.address(0), ours.client(ours))
	k.must(err)
	defer conn.Close()
	_, err = conn.Write([]byte("<14>one\n<14>two\n"))
	k.must(err)
	k.closed(conn)
	k.expect(0, "<14>one", "<14>two")
	k.eventually("both are counted", func() bool { s := k.server.Status()[0]; return s.Refused == 2 && s.Connections == 0 })
	// A renewed certificate is shown without a restart, and a broken one is not.
	k.must(os.WriteFile(cert, []byte("broken"), 0o600))
	again, err := tls.Dial("tcp", k.address(0), ours.client(ours))
	k.must(err)
	again.Close()
	newCert, newKey := ours.issue("renewed")
	for from, to := range map[string]string{newCert: cert, newKey: key} {
		text, err := os.ReadFile(from)
		k.must(err)
		k.must(os.WriteFile(to, text, 0o600))
	}
	k.eventually("the renewed certificate is shown", func() bool {
		conn, err := tls.Dial("tcp", k.address(0), ours.client(ours))
		k.must(err)
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName == "renewed"
	})
}

func TestAConnectionWhoseMessagesCannotBeToldApartIsClosed(t *testing.T) {
	k := newKit(t, Input{URL: "tcp://127.0.0.1:0", Allow: local})
	conn := k.dial(0)
	_, err := conn.Write([]byte("7 <14>oneGET / HTTP/1.1\r\n"))
	k.must(err)
	k.must(conn.SetReadDeadline(time.Now().Add(10 * time.Second)))
	if _, err := conn.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Fatalf("it is not closed: %v", err)
	}
	k.expect(0, "<14>one")
	k.eventually("it is counted", func() bool { return k.server.Status()[0].Broken == 1 })
}

// While the spool is full, who sends over TCP waits and nothing of it is lost; what comes over UDP is counted. Both are told.
func TestAFullSpool(t *testing.T) {
	k := newKit(t, Input{URL: "tcp://127.0.0.1:0", Allow: local, SpoolSize: 1 << 20}, Input{URL: "udp://127.0.0.1:0", Allow: local, SpoolSize: 64 << 10})
	const sent = 20_000
	var want []string
	var text bytes.Buffer
	for i := range sent {
		want = append(want, fmt.Sprintf("<14>message %06d %s", i, strings.Repeat("x", 80)))
		text.WriteString(want[i] + "\n")
	}
	conn := k.dial(0)
	written := make(chan error, 1)
	go func() {
		_, err := conn.Write(text.Bytes())
		written <- err
	}()
	udp := k.dial(1)
	k.eventually("the spools are full", func() bool {
		_, err := udp.Write([]byte(want[0]))
		k.must(err)
		s := k.server.Status()
		return s[0].FullSince != nil && s[1].FullSince != nil && s[1].Dropped > 0
	})
	s := k.server.Status()
	if s[0].Spooled > 1<<20 || s[1].Spooled > 64<<10 || s[0].Dropped != 0 {
		t.Errorf("%+v", s)
	}
	var told []string
	k.eventually("it is told", func() bool {
		told = nil
		for _, trouble := range k.server.Troubles(k.now()) {
			told = append(told, trouble.Of)
		}
		return len(told) == 3
	})
	if got := strings.Join(told, ", "); got != "spool tcp://127.0.0.1:0, spool udp://127.0.0.1:0, losses udp://127.0.0.1:0" {
		t.Error(got)
	}
	troubles := k.server.Troubles(k.now())
	for i, want := range []string{"tcp://127.0.0.1:0 is full: it holds ", "udp://127.0.0.1:0 is full: it holds "} {
		end := []string{" stay for the database. Nothing is read from senders meanwhile, and they wait", " messages since the start"}[i]
		if what := troubles[i].What; !strings.HasPrefix(what, "input: the spool of "+want) || !strings.Contains(what, []string{" of at most 1.0 MiB", " of at most 64 KiB"}[i]) || !strings.HasSuffix(what, end) || strings.Contains(what, "has 0 B free") {
			t.Error(what)
		}
	}
	k.stop() // what a connection had in hand is handed on
	k.start()
	// What was read and stored goes, and the sender goes on.
	k.mu.Lock()
	k.read = true
	k.mu.Unlock()
	k.must(<-written)
	k.closed(conn)
	k.eventually("all that was sent is there, or was read", func() bool { // a file may be renamed while it is looked for
		got := map[string]bool{}
		for _, line := range k.lines(0) {
			got[line] = true
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		return !slices.ContainsFunc(want, func(line string) bool { return !got[line] && !k.taken[line] })
	})
	if s := k.server.Status()[0]; s.Messages != sent || s.Dropped != 0 {
		t.Errorf("%+v", s)
	}
	k.setAhead(fullOver)
	k.eventually("it is over", func() bool { return k.server.Status()[0].FullSince == nil })
}

// A server that takes the place of another goes on with its connections, in the middle of a message.
func TestAReloadLosesNothing(t *testing.T) {
	k := newKit(t, Input{URL: "tcp://127.0.0.1:0", Allow: local}, Input{URL: "udp://127.0.0.1:0", Allow: local})
	address := k.address(0)
	conn, udp := k.dial(0), k.dial(1)
	_, err := conn.Write([]byte("<14>one\n<14>tw"))
	k.must(err)
	k.expect(0, "<14>one")
	k.stop()
	_, err = conn.Write([]byte("o\n<14>three\n"))
	k.must(err)
	late := k.dialTo(address)
	_, err = late.Write([]byte("<14>late\n"))
	k.must(err)
	_, err = udp.Write([]byte("<14>udp"))
	k.must(err)
	k.start()
	k.closed(conn)
	k.closed(late)
	got := k.lines(0)
	slices.Sort(got)
	if strings.Join(got, "|") != "<14>late|<14>one|<14>three|<14>two" {
		t.Errorf("%q", got)
	}
	k.expect(1, "<14>udp")
	if s := k.server.Status(); s[0].Messages != 4 || s[1].Messages != 1 {
		t.Errorf("%+v", s)
	}
}

// Who may not connect any more does not go on, either.
func TestAReloadThatAsksForACertificateClosesConnectionsWithoutOne(t *testing.T) {
	ours, strange := newAuthority(t), newAuthority(t)
	cert, key := ours.issue("listener")
	k := newKit(t, Input{URL: "tls://127.0.0.1:0", Allow: local, TLS: TLS{CertFile: cert, KeyFile: key}})
	var all []*tls.Conn
	dial := func(client *tls.Config) {
		t.Helper()
		conn, err := tls.Dial("tcp", k.address(0), client)
		k.must(err)
		t.Cleanup(func() { conn.Close() })
		all = append(all, conn)
	}
	dial(ours.client(nil))
	reload := func(ca string, open int64) {
		t.Helper()
		k.eventually("all are open", func() bool { return k.server.Status()[0].Connections == open })
		k.stop()
		k.o.Inputs[0].TLS.ClientCAFile = ca
		k.start()
	}
	gone := func(conn *tls.Conn) {
		t.Helper()
		k.must(conn.SetReadDeadline(time.Now().Add(10 * time.Second)))
		if _, err := conn.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
			t.Errorf("it is not closed: %v", err)
		}
	}
	reload(strange.file, 1)
	gone(all[0])
	dial(ours.client(strange)) // of an authority that is trusted now, and not after the next reload
	reload(ours.file, 1)
	gone(all[1])
	dial(ours.client(ours))
	reload(ours.file, 1)
	_, err := all[2].Write([]byte("<14>one\n"))
	k.must(err)
	k.closed(all[2])
	k.expect(0, "<14>one")
	if s := k.server.Status()[0]; s.Refused != 2 || s.Broken+s.Dropped != 0 {
		t.Errorf("%+v", s)
	}
}

// An input may listen otherwise, or at another address, on the port that it has.
func TestAPortGoesFromOneInputToAnother(t *testing.T) {
	ours := newAuthority(t)
	cert, key := ours.issue("listener")
	port := quietPort(t)
	k := newKit(t, Input{URL: "tcp://127.0.0.1:" + port, Allow: local})
	old := k.dial(0)
	for _, in := range []Input{
		{URL: "tls://127.0.0.1:" + port, Network: "tls", Address: "127.0.0.1:" + port, TLS: TLS{CertFile: cert, KeyFile: key}, Allow: local, SpoolSize: 1 << 20},
		{URL: "tcp://:" + port, Network: "tcp", Address: ":" + port, Allow: local, SpoolSize: 1 << 20},
	} {
		k.stop()
		k.o.Inputs = []Input{in}
		k.start()
	}
	k.closed(old) // its input is no more
	conn := k.dialTo("127.0.0.1:" + port)
	_, err := conn.Write([]byte("<14>one\n"))
	k.must(err)
	k.closed(conn)
	k.expect(0, "<14>one")
}

// quietPort is free at every address, and below those that the system gives to whoever asks for any: of them another process may have
// the same at another address.
func quietPort(t *testing.T) string {
	t.Helper()
	first := os.Getpid() * 31
	for i := range 2_000 {
		port := strconv.Itoa(10_000 + (first+i)%2_000)
		l, err := net.Listen("tcp", ":"+port)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatal("no port is free")
	return ""
}

func (k *kit) dialTo(address string) net.Conn {
	k.t.Helper()
	conn, err := net.Dial("tcp", address)
	k.must(err)
	k.t.Cleanup(func() { conn.Close() })
	return conn
}

// A socket that was opened for us is used.
func TestSocketsOfTheServiceManager(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var given []*os.File
	for _, s := range []filer{l.(*net.TCPListener), u.(*net.UDPConn)} {
		f, err := s.File()
		if err != nil {
			t.Fatal(err)
		}
		given = append(given, f)
		s.Close()
	}
	sockets := NewSockets(given)
	defer sockets.Close()
	for _, in := range []Input{{URL: "a", Network: "tcp", Address: l.Addr().String()}, {URL: "b", Network: "udp", Address: u.LocalAddr().String()}} {
		if in.Network == "tcp" {
			got, err := sockets.listener(&in)
			if err != nil || got.Addr().String() != l.Addr().String() {
				t.Fatalf("%v, %v", got, err)
			}
			got.Close()
		} else {
			got, _, err := sockets.packets(&in)
			if err != nil || got.LocalAddr().String() != u.LocalAddr().String() {
				t.Fatalf("%v, %v", got, err)
			}
			got.Close()
		}
	}
	if len(sockets.given) != 0 {
		t.Error("others were opened")
	}
}

func TestWhatTheKernelDropsIsCounted(t *testing.T) {
	k := newKit(t, Input{URL: "udp://127.0.0.1:0", Allow: local})
	udp := k.dial(0)
	k.stop() // the socket stays open, and nobody reads
	const sent = 20_000
	text := []byte(strings.Repeat("x", 1000))
	for range sent {
		_, err := udp.Write(text)
		k.must(err)
	}
	k.start()
	k.eventually("each is spooled or counted", func() bool {
		s := k.server.Status()[0]
		return s.Messages+s.Kernel == sent
	})
	if s := k.server.Status()[0]; s.Kernel == 0 || s.Messages == 0 {
		t.Errorf("%+v", s)
	}
}

// A reload that fails in part may close a UDP socket and open another, whose drops begin at none.
func TestWhatTheKernelDropsIsCountedBySocket(t *testing.T) {
	k := newKit(t, Input{URL: "udp://127.0.0.1:0", Allow: local})
	k.stop()
	udp := k.dial(0)
	for range 20_000 {
		_, err := udp.Write(make([]byte, 1000))
		k.must(err)
	}
	k.start()
	k.eventually("the kernel has dropped some", func() bool { return k.server.Status()[0].Kernel > 0 })
	k.stop()
	dropped := k.server.Status()[0].Kernel
	k.sockets.keep(nil) // as for a configuration without it
	k.start()
	if got := k.server.Status()[0].Kernel; got != dropped {
		t.Errorf("%d are dropped, and %d were before", got, dropped)
	}
	if before := k.server.Troubles(k.now()); len(before) != 1 {
		t.Errorf("%+v", before)
	}
	k.setAhead(lossesTold)
	k.stop()
	k.start()
	if again := k.server.Troubles(k.now()); len(again) != 0 {
		t.Errorf("losses of ten minutes ago are told again: %+v", again)
	}
}
