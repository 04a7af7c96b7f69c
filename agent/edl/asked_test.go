package edl

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// What clients ask for and the certificate lacks is known at once, however they ask: by name, by address, or without looking at
// the certificate; until it is replaced, or nobody asks any more.
func TestWhoAsksForANameThatTheCertificateLacksIsTold(t *testing.T) {
	o, clk, _, replace := ownCertificate(t)
	replace(1, -time.Hour, 365*24*time.Hour, "edl.example")
	o.Hosts = []string{"list.example"}
	s := mustNew(t, o)
	run(t, s)
	s.Publish(entries("192.0.2.1"), clk.now())
	trusted := trusting(t, s, o.CertFile)
	asking := func(addr, name string, version uint16) error {
		c := from(trusted, addr)
		config := c.Transport.(*http.Transport).TLSClientConfig.Clone()
		config.ServerName, config.MaxVersion = name, version
		c.Transport.(*http.Transport).TLSClientConfig = config
		r, err := c.Get(s.url())
		if err == nil {
			_ = r.Body.Close()
		}
		return err
	}
	expect := func(when string, want ...string) {
		t.Helper()
		got := func() (list []string) {
			for _, a := range s.Status().Asked {
				list = append(list, a.Client.String()+" "+a.Name)
			}
			return list
		}
		waitFor(t, when, func() bool { return len(got()) == len(want) })
		if list := got(); !slices.Equal(list, want) {
			t.Errorf("%s: %q", when, list)
		}
	}
	if st := s.Status(); st.CertLacks != "list.example" || !slices.Equal(st.CertNames, []string{"edl.example"}) {
		t.Errorf("the certificate lacks %q and has %q", st.CertLacks, st.CertNames)
	}
	if asking("127.0.0.2", "other.example", tls.VersionTLS12) == nil {
		t.Error("a name that the certificate lacks is accepted")
	}
	expect("by name", "127.0.0.2 other.example")
	clk.move(time.Minute)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		if asking("127.0.0.3", "", version) == nil {
			t.Error("an address that the certificate lacks is accepted")
		}
	}
	waitFor(t, "both are counted", func() bool { return s.Status().Misnamed == 3 })
	expect("by address", "127.0.0.2 other.example", "127.0.0.3 127.0.0.1")
	for try := range 2 { // as curl does
		c, err := tls.DialWithDialer(&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 5)}}, "tcp", s.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "it is gone", func() bool { return s.Status().Connections == 0 })
		if n := s.Status().Misnamed; n != uint64(3+try) {
			t.Errorf("after try %d of one who goes without a word %d are counted", try, n)
		}
	}
	expect("without a word", "127.0.0.2 other.example", "127.0.0.3 127.0.0.1", "127.0.0.5 127.0.0.1")
	clk.move(time.Minute)
	careless := from(trusted, "127.0.0.4")
	careless.Transport.(*http.Transport).TLSClientConfig.InsecureSkipVerify = true
	get(t, careless, s)
	do(t, careless, http.MethodGet, "https://"+s.Addr().String()+"/scanned")
	expect("without looking", "127.0.0.2 other.example", "127.0.0.3 127.0.0.1", "127.0.0.5 127.0.0.1", "127.0.0.4 127.0.0.1")
	if n := s.Status().Misnamed; n != 5 {
		t.Errorf("%d counted", n)
	}
	clk.move(askedFor - time.Minute)
	expect("when the first has not asked for two hours, nor the second", "127.0.0.4 127.0.0.1")
	replace(2, -time.Hour, 90*24*time.Hour, "list.example")
	s.certs.refresh(clk.now())
	s.certs.refresh(clk.now())
	expect("when the certificate was replaced")
	if st := s.Status(); st.CertLacks != "" {
		t.Errorf("the certificate lacks %q", st.CertLacks)
	}
	if len(s.gate.unnamed.at) > 0 {
		t.Errorf("connections that are closed are kept: %v", s.gate.unnamed.at)
	}
}

// A client that was given an address which the certificate has, and came by another one, rejects it for something else.
func TestAnAddressBeforeATranslationIsNoMissingName(t *testing.T) {
	o, _, _, replace := ownCertificate(t)
	replace(1, -time.Hour, time.Hour)
	o.Hosts = []string{"127.0.0.1"}
	s := mustNew(t, o)
	for _, c := range []struct {
		hosts    []string
		at, line string
		told     int
	}{
		{o.Hosts, "127.0.0.9", "remote error: tls: bad certificate", 0}, {nil, "127.0.0.1", "remote error: tls: bad certificate", 0},
		{nil, "127.0.0.9", "remote error: tls: unknown certificate authority", 0}, {nil, "127.0.0.9", "EOF", 0}, {nil, "127.0.0.9", "remote error: tls: bad certificate", 1},
	} {
		s.opts.Hosts, s.gate.unnamed.at = c.hosts, map[string]netip.Addr{"192.0.2.7:1234": netip.MustParseAddr(c.at)}
		_, _ = (&errorLog{server: s}).Write([]byte("http: TLS handshake error from 192.0.2.7:1234: " + c.line + "\n"))
		if n := len(s.Status().Asked); n != c.told {
			t.Errorf("%+v: %d are told of", c, n)
		}
	}
}

// Who looks whether somebody listens is no firewall, as long as the name that these use stands in the certificate.
func TestAMonitorByAddressIsNoMissingName(t *testing.T) {
	o, _, _, replace := ownCertificate(t)
	replace(1, -time.Hour, time.Hour, "edl.example")
	s := mustNew(t, o)
	for hosts, told := range map[string]int{"edl.example": 0, "other.example": 1} {
		s.opts.Hosts = []string{hosts}
		for range 3 {
			s.gate.unnamed.at = map[string]netip.Addr{"192.0.2.7:1234": netip.MustParseAddr("127.0.0.9")}
			s.checkAddress("192.0.2.7:1234", false)
		}
		if n := len(s.Status().Asked); n != told {
			t.Errorf("edl.url of %s: %d are told of", hosts, n)
		}
		s.gate.asked = askers{}
	}
}

// Strangers choose the names and come in any number: what is kept is bounded, may be printed, and pushes nobody out.
func TestWhatStrangersAskForIsBoundedAndHarmless(t *testing.T) {
	var a askers
	leaf, now := &x509.Certificate{}, newClock().now()
	firewall := netip.MustParseAddr("192.0.2.1")
	a.note(leaf, firewall, "edl.example", now)
	for i, e := range manyEntries(1000) {
		a.note(leaf, e.Prefix.Addr(), "x"+string(rune('a'+i%26)), now.Add(time.Second))
	}
	if all := a.list(leaf, now.Add(time.Second)); len(all) != maxAsked || all[0].Client != firewall {
		t.Errorf("%d are kept, the first is %+v", len(all), all[0])
	}
	for name, want := range map[string]string{
		"EDL.example": "EDL.example", "2001:db8::1": "2001:db8::1", "": `""`, "a\x1b[31m\n": `"a\x1b[31m\n"`, "\u202egro": `"\u202egro"`, "\xff\u2028": `"\xff\u2028"`,
		strings.Repeat("a", 70_000): strings.Repeat("a", maxName) + "...",
	} {
		a.note(leaf, firewall, name, now)
		if got := a.list(leaf, now)[0].Name; got != want {
			t.Errorf("%q is shown as %q", name, got)
		}
	}
}
