package panosim

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"activedefense/firewall/panosim/logs"
	"activedefense/firewall/panosim/traffic"
)

// serverXML is a syslog server profile "us" with one server; more is further elements of the server.
func serverXML(address net.Addr, transport, more, format string) string {
	host, port, _ := net.SplitHostPort(address.String())
	return `<log-settings><syslog><entry name="us"><server><entry name="one"><server>` + host + `</server><transport>` + transport + `</transport><port>` +
		port + `</port>` + more + `</entry></server>` + format + `</entry></syslog>` + profileXML("All Logs") + `</log-settings>`
}

// profileXML is a log forwarding profile "lf" that sends traffic and threat logs to "us".
func profileXML(filter string) string {
	match := func(log string) string {
		return `<entry name="` + log + `"><log-type>` + log + `</log-type><filter>` + filter + `</filter><send-syslog><member>us</member></send-syslog></entry>`
	}
	return `<profiles><entry name="lf"><match-list>` + match("traffic") + match("threat") + `</match-list></entry></profiles>`
}

// customXML is a custom format for traffic logs.
func customXML(format string) string { return `<format><traffic>` + format + `</traffic></format>` }

const forwarded = "<log-setting>lf</log-setting>"

// lines reads from a socket into a channel.
func lines(t *testing.T, read func() (string, error)) <-chan string {
	out := make(chan string, 100)
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			line, err := read()
			if err != nil {
				return // the test has closed the socket
			}
			out <- line
		}
	})
	t.Cleanup(reading.Wait)
	return out
}

func receive(t *testing.T, from <-chan string) string {
	t.Helper()
	select {
	case line := <-from:
		return line
	case <-time.After(10 * time.Second):
		t.Fatal("no line within ten seconds")
		return ""
	}
}

// udpServer receives datagrams.
func udpServer(t *testing.T) (net.Addr, <-chan string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 65536)
	out := lines(t, func() (string, error) {
		n, _, err := conn.ReadFrom(buffer)
		return string(buffer[:n]), err
	})
	t.Cleanup(func() { conn.Close() })
	return conn.LocalAddr(), out
}

// streamServer takes one connection after the other, and gives their lines.
func streamServer(t *testing.T, listener net.Listener) <-chan string {
	var mu sync.Mutex
	var conn net.Conn // in use, closed by the test's end
	var reader *bufio.Reader
	out := lines(t, func() (string, error) {
		for {
			if reader == nil {
				accepted, err := listener.Accept()
				if err != nil {
					return "", err
				}
				mu.Lock()
				conn, reader = accepted, bufio.NewReader(accepted)
				mu.Unlock()
			}
			line, err := reader.ReadString('\n')
			if err == nil {
				return line, nil
			}
			conn.Close()
			reader = nil
		}
	})
	t.Cleanup(func() {
		listener.Close()
		mu.Lock()
		defer mu.Unlock()
		if conn != nil {
			conn.Close()
		}
	})
	return out
}

func tcpListener(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// quietListener is one whose port stays free when it is closed: it is below those that the system gives to connections.
func quietListener(t *testing.T) net.Listener {
	t.Helper()
	first := os.Getpid() * 31
	for i := range 2_000 {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 8_000+(first+i)%2_000)); err == nil {
			return l
		}
	}
	t.Fatal("no port is free")
	return nil
}

func TestTransports(t *testing.T) {
	const format = "$action of $src by $rule"
	rules := ruleXML("block", "drop", forwarded)
	for _, transport := range []string{"UDP", "TCP", "SSL"} {
		t.Run(transport, func(t *testing.T) {
			var address net.Addr
			var got <-chan string
			shared, end := "", "\n"
			switch transport {
			case "UDP":
				address, got = udpServer(t)
				end = ""
			case "TCP":
				l := tcpListener(t)
				address, got = l.Addr(), streamServer(t, l)
			case "SSL":
				cert, err := newCertificate(time.Now(), "127.0.0.1")
				if err != nil {
					t.Fatal(err)
				}
				l := tcpListener(t)
				address, got = l.Addr(), streamServer(t, tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*cert.leaf}}))
				shared = authorityXML(string(cert.authority))
			}
			s := start(t, Options{Hostname: "LAB-FW-01", Config: deviceConfig(shared+serverXML(address, transport, "<format>BSD</format>", customXML(format)), "", rules)})
			for i := range 3 {
				source := fmt.Sprintf("192.0.2.%d", i)
				if v := s.Traffic().Packet(inbound(source)); v.Lines != 1 {
					t.Errorf("%+v", v)
				}
				line := receive(t, got)
				if !strings.HasPrefix(line, "<14>") || !strings.HasSuffix(line, " LAB-FW-01 drop of "+source+" by block"+end) {
					t.Errorf("%q", line)
				}
			}
			waitFor(t, "the count", func() bool { return s.Stats().Lines == 3 })
		})
	}
}

func TestAnSSLServerOfAnUnknownAuthorityGetsNothing(t *testing.T) {
	cert, err := newCertificate(time.Now(), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	l := tcpListener(t)
	got := streamServer(t, tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*cert.leaf}}))
	s := start(t, Options{Config: deviceConfig(serverXML(l.Addr(), "SSL", "", ""), "", ruleXML("block", "drop", forwarded))})
	s.Traffic().Packet(inbound("192.0.2.1"))
	waitFor(t, "the loss", func() bool { return s.Stats().LinesLost == 1 })
	if !logged(s, "Syslog connection failed", l.Addr().String()) || len(got) != 0 {
		t.Errorf("%d lines, system log %v", len(got), s.SystemLog())
	}
}

func TestAServerThatIsAwayHoldsUpNothing(t *testing.T) {
	l := quietListener(t)
	address := l.Addr()
	l.Close()
	s := start(t, Options{Config: deviceConfig(serverXML(address, "TCP", "", ""), "", ruleXML("block", "drop", forwarded))})
	began := time.Now()
	for range 100 {
		s.Traffic().Packet(inbound("192.0.2.1"))
	}
	if d := time.Since(began); d > time.Second {
		t.Errorf("100 packets took %v", d)
	}
	waitFor(t, "all to be lost", func() bool { return s.Stats().LinesLost == 100 })
	again, err := net.Listen("tcp", address.String())
	if err != nil {
		t.Fatal(err)
	}
	got := streamServer(t, again)
	s.Traffic().Packet(inbound("192.0.2.77"))
	if line := receive(t, got); !strings.Contains(line, "192.0.2.77") {
		t.Errorf("when the server is back: %q", line)
	}
}

func TestDefaultFormatHeadersAndFacility(t *testing.T) {
	address, got := udpServer(t)
	c := newClock()
	const name = `<deviceconfig><system><domain>example.com</domain></system><setting><management><hostname-type-in-syslog>%s</hostname-type-in-syslog></management></setting></deviceconfig>`
	for kind, want := range map[string]string{
		"FQDN": "fw.example.com", "hostname": "fw", "ipv4-address": "127.0.0.1", "ipv6-address": "::1", "none": "-",
	} {
		config := deviceConfig(serverXML(address, "UDP", "<format>IETF</format><facility>LOG_LOCAL3</facility>", ""), "", ruleXML("block", "drop", forwarded))
		config = strings.Replace(config, `<entry name="localhost.localdomain">`, `<entry name="localhost.localdomain">`+fmt.Sprintf(name, kind), 1)
		s := start(t, Options{Hostname: "fw", Now: c.Now, Config: config})
		s.Traffic().Packet(inbound("192.0.2.1"))
		if line := receive(t, got); !strings.HasPrefix(line, "<158>1 2026-03-01T12:00:00+00:00 "+want+" - - - -  1,2026/03/01 12:00:00,007000000000001,TRAFFIC,drop,2562,") {
			t.Errorf("%s: %q", kind, line)
		}
		s.Close()
	}
}

// collect gives what a firewall with these rules forwards, as its lines without headers.
func collect(t *testing.T, o Options, shared, rules string, packets ...traffic.Packet) []string {
	t.Helper()
	var mu sync.Mutex
	var out []string
	o.OnLog = func(line []byte) {
		mu.Lock()
		defer mu.Unlock()
		_, text, _ := strings.Cut(string(line), " fw ")
		out = append(out, text)
	}
	o.Hostname, o.Config = "fw", deviceConfig(shared, "", rules)
	s := start(t, o)
	n := 0
	for _, p := range packets {
		n += s.Traffic().Packet(p).Lines
	}
	mu.Lock()
	defer mu.Unlock()
	if n != len(out) {
		t.Errorf("verdicts tell of %d lines, OnLog of %d", n, len(out))
	}
	return out
}

func TestWhatIsLogged(t *testing.T) {
	address, _ := udpServer(t)
	shared := serverXML(address, "UDP", "", `<format><traffic>$subtype $action $app $session_end_reason</traffic><threat>$subtype $action $severity $threatid</threat></format>`)
	attack := inbound("192.0.2.1")
	attack.Threat = &traffic.Threat{Name: "Log4j", ID: 91991}
	short := inbound("192.0.2.1")
	short.Short = true
	const protected = "<profile-setting><profiles><vulnerability><member>strict</member></vulnerability></profiles></profile-setting>"
	for _, c := range []struct {
		SecurityRule string
		packet       traffic.Packet
		want         string
	}{
		{ruleXML("r", "deny", forwarded), short, "drop deny not-applicable policy-deny"},
		{ruleXML("r", "reset-both", forwarded), short, "drop reset-both not-applicable policy-deny"},
		{ruleXML("r", "deny", forwarded+fieldXML("application", "ssl")), short, "deny deny ssl policy-deny"},
		{ruleXML("r", "deny", forwarded+"<log-end>no</log-end>"), short, ""},
		{ruleXML("r", "deny", forwarded+"<log-end>no</log-end><log-start>yes</log-start>"), short, "drop deny not-applicable policy-deny"},
		{ruleXML("r", "deny", ""), short, ""},
		{ruleXML("r", "deny", "<log-setting>unknown</log-setting>"), short, ""},
		{ruleXML("r", "allow", forwarded), short, "end allow ssl tcp-fin"},
		{ruleXML("r", "allow", forwarded), inbound("192.0.2.1"), ""}, // the session goes on
		{ruleXML("r", "allow", forwarded+"<log-start>yes</log-start>"), short, "start allow ssl |end allow ssl tcp-fin"},
		{ruleXML("r", "allow", forwarded+protected), attack, "vulnerability reset-both critical Log4j(91991)|end allow ssl threat"},
		{ruleXML("r", "allow", forwarded), attack, ""},
		{"", short, ""}, // the default rules log nothing
	} {
		expect(t, c.SecurityRule, strings.Join(collect(t, Options{}, shared, c.SecurityRule, c.packet), "|"), c.want)
	}
}

func TestEscaping(t *testing.T) {
	address, _ := udpServer(t)
	p := inbound("192.0.2.1")
	p.User = `a;b\c=d`
	p.Short = true
	shared := serverXML(address, "UDP", "", `<format><traffic>$srcuser; $rule=$action</traffic><escaping><escaped-characters>;=\</escaped-characters><escape-character>\</escape-character></escaping></format>`)
	got := collect(t, Options{}, shared, ruleXML("r", "deny", forwarded), p)
	expect(t, "escaped", strings.Join(got, ""), `a\;b\\c\=d; r=deny`)
}

func TestFilters(t *testing.T) {
	address, _ := udpServer(t)
	for _, c := range []struct {
		filter string
		want   bool // of a packet dropped by a rule called "block it"
	}{
		{"All Logs", true}, {"", true}, {"(action neq allow)", true}, {"(action eq allow)", false}, {"action eq drop", true},
		{"(severity geq informational)", true}, {"( severity geq high )", false}, {"(severity eq informational)", true},
		{"(subtype eq end) or (subtype eq drop)", true}, {"(subtype eq drop) and (zone.src eq trust)", false},
		{"(rule eq 'block it')", true}, {"(from eq untrust) and (to eq dmz)", true},
		{"(addr.src in 192.0.2.0/24)", true}, {"(addr.src notin 192.0.2.0/24)", false}, {"(addr.dst in 198.51.100.7)", true},
		{"(addr in 198.51.100.0/24)", true}, {"(addr.src in 198.51.100.7)", false},
		{"(port.dst eq 443)", true}, {"(port.src eq 443)", false}, {"not (app eq ssl)", true}, {"!(action eq drop)", false},
	} {
		shared := strings.Replace(serverXML(address, "UDP", "", ""), ">All Logs<", ">"+c.filter+"<", 1)
		got := collect(t, Options{}, shared, ruleXML("block it", "drop", forwarded), inbound("192.0.2.1"))
		if (len(got) == 1) != c.want {
			t.Errorf("%q: %d lines", c.filter, len(got))
		}
	}
}

func TestAFilterThatIsNotUnderstoodForwardsNothingAndSaysSo(t *testing.T) {
	address, _ := udpServer(t)
	for _, filter := range []string{"(dg_hier_1 eq 5)", "(action", "(action eq drop) (", "(severity geq huge)", "(addr.src in nowhere)", "(action contains a)"} {
		shared := strings.ReplaceAll(serverXML(address, "UDP", "", ""), ">All Logs<", ">"+filter+"<")
		s := start(t, Options{Config: deviceConfig(shared, "", ruleXML("block", "drop", forwarded))})
		for range 3 {
			if v := s.Traffic().Packet(inbound("192.0.2.1")); v.Lines != 0 {
				t.Errorf("%s: %+v", filter, v)
			}
		}
		n := 0
		for _, line := range s.SystemLog() {
			if strings.Contains(line.Text, "forwards nothing") {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s: %d complaints: %v", filter, n, s.SystemLog())
		}
	}
}

func TestFiltersOfThreats(t *testing.T) {
	address, _ := udpServer(t)
	const protected = "<profile-setting><profiles><vulnerability><member>strict</member></vulnerability></profiles></profile-setting>"
	for filter, want := range map[string]int{"(severity geq high)": 2, "(severity eq critical)": 1, "(severity leq low)": 1, "(severity neq high)": 2} {
		shared := strings.ReplaceAll(serverXML(address, "UDP", "", ""), ">All Logs<", ">"+filter+"<")
		var packets []traffic.Packet
		for _, severity := range []string{"low", "high", "critical"} {
			p := inbound("192.0.2.1")
			p.Threat = &traffic.Threat{Name: "x", ID: 1, Severity: severity}
			packets = append(packets, p)
		}
		got := collect(t, Options{}, strings.Replace(shared, "<log-type>traffic", "<log-type>url", 1), ruleXML("r", "allow", forwarded+protected), packets...)
		if len(got) != want {
			t.Errorf("%s: %d lines, want %d: %v", filter, len(got), want, got)
		}
	}
}

// Logins are sent by the match lists of the device, each log by its own and in its own format.
func TestLoginsAreForwarded(t *testing.T) {
	address, got := udpServer(t)
	host, port, _ := net.SplitHostPort(address.String())
	match := func(log, filter string) string {
		return "<" + log + `><match-list><entry name="us"><filter>` + filter + `</filter><send-syslog><member>us</member></send-syslog></entry></match-list></` + log + ">"
	}
	sim := start(t, Options{Config: `<config><shared><log-settings><syslog><entry name="us"><server><entry name="one"><server>` + host + `</server><port>` + port + `</port></entry></server>` +
		`<format><globalprotect>$eventid of $srcuser at $public_ip: $status</globalprotect><system>$eventid: $opaque</system></format></entry></syslog>` +
		match("globalprotect", "All Logs") + match("system", "(eventid eq auth-fail)") + `</log-settings></shared>` +
		`<devices><entry name="localhost.localdomain"><vsys><entry name="vsys1"/></vsys></entry></devices></config>`})
	login := logs.Login{Event: "portal-auth", Client: netip.MustParseAddr("203.0.113.5"), User: "alice", Failed: true}
	if n := sim.Traffic().Login("", login); n != 2 {
		t.Fatalf("%d lines", n)
	}
	for _, want := range []string{"portal-auth of alice at 203.0.113.5: failure", "auth-fail: failed authentication for user 'alice'. Reason: Invalid username/password. auth profile"} {
		if line := receive(t, got); !strings.Contains(line, want) {
			t.Errorf("%q is not in %s", want, line)
		}
	}
	login.Failed = false
	if n := sim.Traffic().Login("", login); n != 1 {
		t.Errorf("of a success the filter lets %d lines pass", n-1)
	}
	if line := receive(t, got); !strings.Contains(line, "success") {
		t.Errorf("%s", line)
	}
	if n := sim.Traffic().Login("vsys9", login) + sim.Traffic().Login("", logs.Login{User: "nobody"}); n != 0 {
		t.Errorf("%d lines of what cannot be", n)
	}
	text := ""
	for _, l := range sim.SystemLog() {
		text += l.Severity + " " + l.Subtype + ": " + l.Text + "\n"
	}
	if !strings.Contains(text, "medium auth: failed authentication for user 'alice'") {
		t.Errorf("the system log: %s", text)
	}
}
