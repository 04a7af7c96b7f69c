package listen

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"
)

// A configuration that cannot work here leaves the sockets and the connections of the one before as they are: nothing of them closes, and what was on
// its way is taken.
func TestARefusedReloadLeavesAllAsItWas(t *testing.T) {
	port := quietPort(t)
	k := newKit(t)
	k.stop()
	given := k.give()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	k.must(err)
	defer taken.Close()
	before := inputsAt("tcp://:"+port, "udp://:"+port, "tcp://"+given)
	k.o.Inputs = before
	k.start()
	conn, managed, udp := k.dialTo("127.0.0.1:"+port), k.dialTo(given), k.dial(1)
	for _, c := range []net.Conn{conn, managed} {
		_, err = c.Write([]byte("<14>one\n<14>tw"))
		k.must(err)
	}
	k.expect(0, "<14>one")
	k.expect(2, "<14>one")
	k.stop()
	late := k.dialTo("127.0.0.1:" + port)
	_, err = late.Write([]byte("<14>late\n"))
	k.must(err)
	_, err = udp.Write([]byte("<14>udp"))
	k.must(err)
	for _, refused := range [][]Input{
		inputsAt("tcp://" + taken.Addr().String()), // and nothing else any more
		inputsAt("tcp://127.0.0.1:"+port, "udp://127.0.0.1:"+port, "tcp://"+taken.Addr().String()),
	} {
		o := k.o
		o.Inputs, o.Sockets, o.Former = refused, k.sockets, k.server
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), taken.Addr().String()) {
			t.Fatalf("%v", err)
		}
	}
	k.o.Inputs = before
	k.start()
	for _, c := range []net.Conn{conn, managed} {
		_, err = c.Write([]byte("o\n"))
		k.must(err)
		k.closed(c)
	}
	k.closed(late)
	k.expect(1, "<14>udp")
	k.expect(2, "<14>one", "<14>two")
	if got := strings.Join(k.lines(0), "|"); len(k.lines(0)) != 3 || !strings.Contains(got, "late") || !strings.Contains(got, "two") {
		t.Errorf("%q", got)
	}
	if len(k.sockets.given) != 0 {
		t.Error("the socket that was given is not used")
	}
	for _, s := range k.server.Status() {
		if s.Broken+s.Dropped+s.Refused+s.Kernel != 0 {
			t.Errorf("%+v", s)
		}
	}
}

// One that can is taken on the port that the one before has, at another address; and what the service manager gave is had back when it is asked for.
func TestAPortGoesFromOneAddressToAnother(t *testing.T) {
	port := quietPort(t)
	k := newKit(t)
	k.stop()
	given := k.give()
	for _, host := range []string{"", "127.0.0.1", "0.0.0.0", "[::1]", "127.0.0.2", ""} {
		k.o.Inputs = inputsAt("tcp://"+host+":"+port, "udp://"+host+":"+port)
		if host == "" {
			k.o.Inputs = append(k.o.Inputs, inputsAt("tcp://"+given)...)
		}
		k.start()
		at := host
		if host == "" || host == "0.0.0.0" {
			at = "127.0.0.1"
		}
		conn := k.dialTo(at + ":" + port)
		_, err := conn.Write([]byte("<14>" + host + "\n"))
		k.must(err)
		k.closed(conn)
		udp, err := net.Dial("udp", at+":"+port)
		k.must(err)
		_, err = udp.Write([]byte("<14>" + host))
		k.must(err)
		k.must(udp.Close())
		for i := range 2 {
			k.eventually("it is spooled", func() bool { lines := k.lines(i); return len(lines) > 0 && lines[len(lines)-1] == "<14>"+host })
		}
		if host == "" {
			k.closed(k.dialTo(given))
		}
		// Nobody else comes to share the port.
		other := net.ListenConfig{}
		if l, err := other.Listen(context.Background(), "tcp", at+":"+port); err == nil {
			t.Errorf("%s:%s is shared with %s", at, port, l.Addr())
		}
		k.stop()
		if len(k.sockets.open) != len(k.o.Inputs) || len(k.sockets.given) != 3-len(k.o.Inputs) {
			t.Errorf("%v are open, %v were given and are not used", k.sockets.open, k.sockets.given)
		}
	}
}

// give has the sockets begin with one that the service manager opened, and gives its address.
func (k *kit) give() string {
	k.t.Helper()
	theirs, err := net.Listen("tcp", "127.0.0.1:0")
	k.must(err)
	f, err := theirs.(*net.TCPListener).File()
	k.must(err)
	k.must(theirs.Close())
	k.sockets = NewSockets([]*os.File{f})
	return theirs.Addr().String()
}

// inputsAt listen where the URLs say.
func inputsAt(urls ...string) (all []Input) {
	for _, url := range urls {
		network, address, _ := strings.Cut(url, "://")
		all = append(all, Input{URL: url, Network: network, Address: address, Allow: networks("127.0.0.0/8", "::1/128"), SpoolSize: 1 << 20})
	}
	return all
}
