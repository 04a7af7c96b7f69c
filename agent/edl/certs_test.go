package edl

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func (s *Server) leaf() *x509.Certificate { return s.certs.current.Load().Leaf }

func file(t *testing.T, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// shown connects and gives the certificate that the server shows, whatever it is.
func shown(t *testing.T, s *Server) *x509.Certificate {
	t.Helper()
	c, err := tls.Dial("tcp", s.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0]
}

func TestFirstRunMakesACAThatAFirewallCanImport(t *testing.T) {
	o, clk, log := testOptions(t)
	o.Hosts = []string{"edl.example", "198.51.100.20"}
	s := mustNew(t, o)
	run(t, s)
	s.Publish(entries("192.0.2.1"), clk.now())
	if st := s.Status(); st.CAFile != filepath.Join(o.StateDir, "ca.crt") || st.CAEnds.Sub(clk.now().Add(authorityLife)).Abs() > time.Second || !st.CertNotAfter.Equal(clk.now().Add(leafLife)) {
		t.Fatalf("status %+v", st)
	}
	if log.count("import it on the firewalls") != 1 {
		t.Error("the operator is not told to import the CA")
	}
	ca := s.certs.source.(*ownSource).ca.cert
	if !ca.IsCA || !ca.BasicConstraintsValid || ca.KeyUsage&x509.KeyUsageCertSign == 0 || ca.NotAfter.Sub(clk.now()) != authorityLife || len(ca.SubjectKeyId) == 0 {
		t.Errorf("the CA: %+v", ca)
	}
	for name, want := range map[string]os.FileMode{"ca.key": 0o600, "server.pem": 0o600} {
		if info, err := os.Stat(filepath.Join(o.StateDir, name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
	c := client(t, s)
	for _, host := range []string{"edl.example", "198.51.100.20", "agent.example", "localhost", "127.0.0.1", "::1"} {
		config := c.Transport.(*http.Transport).TLSClientConfig.Clone()
		config.ServerName = host
		conn, err := tls.Dial("tcp", s.Addr().String(), config)
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		_ = conn.Close()
	}
	config := c.Transport.(*http.Transport).TLSClientConfig.Clone()
	config.ServerName = "other.example"
	if _, err := tls.Dial("tcp", s.Addr().String(), config); err == nil {
		t.Error("valid for any name")
	}
}

func TestRestartKeepsCAAndCertificate(t *testing.T) {
	o, clk, log := testOptions(t)
	mustNew(t, o)
	ca, key, leaf := file(t, o.StateDir, "ca.crt"), file(t, o.StateDir, "ca.key"), file(t, o.StateDir, "server.pem")
	clk.move(24 * time.Hour)
	mustNew(t, o)
	if !bytes.Equal(ca, file(t, o.StateDir, "ca.crt")) || !bytes.Equal(key, file(t, o.StateDir, "ca.key")) || !bytes.Equal(leaf, file(t, o.StateDir, "server.pem")) {
		t.Error("a restart changed a file")
	}
	if log.count("a new CA") != 1 {
		t.Error("a second CA was made")
	}
}

// Who imported the CA once accepts the certificates of years, and never sees one that has ended.
func TestRenewalWithTheSameCA(t *testing.T) {
	o, clk, _ := testOptions(t)
	s := mustNew(t, o)
	run(t, s)
	s.Publish(entries("192.0.2.1"), clk.now())
	c := client(t, s)
	first := s.leaf()
	clk.move(leafLife - 31*24*time.Hour)
	s.certs.refresh(clk.now())
	if s.leaf() != first {
		t.Fatal("renewed too early")
	}
	clk.move(2 * 24 * time.Hour)
	s.certs.refresh(clk.now())
	second := s.leaf()
	if second == first || !second.NotAfter.Equal(clk.now().Add(leafLife)) {
		t.Fatalf("not renewed with a third of its life left: %v", second.NotAfter)
	}
	if a := get(t, c, s); a.status != 200 {
		t.Fatalf("%+v", a)
	}
	if got := shown(t, s); !got.Equal(second) {
		t.Error("the old certificate is still shown")
	}
	for range 40 {
		now := clk.move(80 * 24 * time.Hour)
		if a := get(t, c, s); a.status != 200 {
			t.Fatalf("at %v: %+v", now, a)
		}
		if got := shown(t, s); !now.Before(got.NotAfter) {
			t.Fatalf("at %v a certificate is shown that ended at %v", now, got.NotAfter)
		}
		s.certs.refresh(now)
	}
}

// After a long sleep of the machine the first connection comes before any timer: the certificate is renewed for it.
func TestEndedCertificateIsRenewedOnTheSpot(t *testing.T) {
	o, clk, _ := testOptions(t)
	s := mustNew(t, o)
	run(t, s)
	s.Publish(entries("192.0.2.1"), clk.now())
	clk.move(leafLife)
	if a := get(t, client(t, s), s); a.status != 200 {
		t.Fatalf("%+v", a)
	}
	if s.Status().Withheld != 0 {
		t.Error("the connection was closed")
	}
	clk.move(2 * leafLife)
	if next := mustNew(t, o); validAt(next.certs.current.Load(), clk.now()) != nil {
		t.Error("the ended one is taken over by the next start")
	}
}

// When the CA itself has ended nothing valid can be shown; the connection is closed, so that firewalls keep their copy.
func TestEndedCAClosesConnections(t *testing.T) {
	o, clk, log := testOptions(t)
	s := mustNew(t, o)
	ca := file(t, o.StateDir, "ca.crt")
	clk.move(authorityLife - 20*24*time.Hour)
	s.certs.refresh(clk.now())
	end := s.leaf()
	if !end.NotAfter.Equal(s.certs.source.(*ownSource).ca.cert.NotAfter) {
		t.Fatalf("the certificate outlives its CA: %v", end.NotAfter)
	}
	clk.move(19 * 24 * time.Hour)
	s.certs.refresh(clk.now())
	if s.leaf() != end {
		t.Error("renewed in vain: a new one would end at the same time")
	}
	clk.move(24 * time.Hour)
	s.certs.refresh(clk.now())
	if st := s.Status(); !strings.Contains(st.CertError, "delete ca.crt and ca.key") {
		t.Errorf("status %+v", st)
	}
	run(t, s)
	closedWithoutAByte(t, s, "127.0.0.1")
	next := mustNew(t, o)
	run(t, next)
	closedWithoutAByte(t, next, "127.0.0.1")
	if st := next.Status(); st.Withheld != 1 || st.CertError == "" || !st.CertNotAfter.IsZero() && clk.now().Before(st.CertNotAfter) {
		t.Errorf("status %+v", st)
	}
	if !bytes.Equal(ca, file(t, o.StateDir, "ca.crt")) {
		t.Error("the CA was made again by itself")
	}
	if log.count("connections to the list are closed") != 2 {
		t.Errorf("logged %d times, want once for each server", log.count("connections to the list are closed"))
	}
}

// A clock that is wrong at boot and right a little later must not need a restart.
func TestClockThatIsWrongAtFirst(t *testing.T) {
	o, clk, _ := testOptions(t)
	mustNew(t, o)
	clk.move(-5 * 365 * 24 * time.Hour)
	s := mustNew(t, o)
	if _, err := s.certs.usable(clk.now()); err == nil {
		t.Fatal("a certificate that is not valid yet is usable")
	}
	clk.move(5 * 365 * 24 * time.Hour)
	if _, err := s.certs.usable(clk.now()); err != nil {
		t.Fatal(err)
	}
	if st := s.Status(); st.CertError != "" {
		t.Errorf("status %+v", st)
	}
}

// Names may be added at any time; a name that is not there at the moment stays, because a firewall may use it.
func TestNewNamesMakeANewCertificate(t *testing.T) {
	o, clk, _ := testOptions(t)
	machine := names{hosts: []string{"agent.example"}, addrs: []netip.Addr{netip.MustParseAddr("198.51.100.7")}}
	look := func() names { return machine }
	s, err := newServer(o, defaultLimits(), look)
	if err != nil {
		t.Fatal(err)
	}
	before := s.leaf()
	machine = names{hosts: []string{"renamed.example"}}
	s.certs.refresh(clk.move(lookEvery - time.Second))
	if s.leaf() != before {
		t.Error("looked again too soon")
	}
	s.certs.refresh(clk.move(time.Second))
	has := namesOf(s.leaf())
	if !has.covers(names{hosts: []string{"agent.example", "renamed.example", "localhost"}, addrs: []netip.Addr{netip.MustParseAddr("198.51.100.7")}}) {
		t.Errorf("%+v", has)
	}
	before = s.leaf()
	machine = names{}
	s, err = newServer(o, defaultLimits(), look)
	if err != nil {
		t.Fatal(err)
	}
	if !s.leaf().Equal(before) {
		t.Error("a new certificate although no name is missing")
	}
	o.Hosts = []string{"new.example"}
	s, err = newServer(o, defaultLimits(), look)
	if err != nil {
		t.Fatal(err)
	}
	if has := namesOf(s.leaf()); !slices.Contains(has.hosts, "new.example") || !slices.Contains(has.hosts, "renamed.example") {
		t.Errorf("at start: %+v", has)
	}
}

func TestNamesAreBounded(t *testing.T) {
	o, clk, _ := testOptions(t)
	var machine names
	for _, e := range manyEntries(1000) {
		machine.addrs = append(machine.addrs, e.Prefix.Addr())
	}
	s, err := newServer(o, defaultLimits(), func() names { return machine })
	if err != nil {
		t.Fatal(err)
	}
	if n := len(s.leaf().IPAddresses); n != maxNames {
		t.Errorf("%d addresses", n)
	}
	before := s.leaf()
	s.certs.refresh(clk.move(2 * lookEvery))
	if s.leaf() != before {
		t.Error("a new certificate although nothing changed")
	}
}

func TestMachineNames(t *testing.T) {
	n := machineNames()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(n.hosts, strings.ToLower(host)) || !slices.Contains(n.addrs, netip.MustParseAddr("127.0.0.1")) {
		t.Errorf("%+v", n)
	}
	for _, a := range n.addrs {
		if a.Zone() != "" || a.IsLinkLocalUnicast() || a.Is4In6() {
			t.Errorf("%s cannot stand in a certificate", a)
		}
	}
	c, err := configuredNames(&Options{Listen: "198.51.100.3:8443"})
	if err != nil || !c.covers(names{addrs: []netip.Addr{netip.MustParseAddr("198.51.100.3")}}) {
		t.Errorf("the listening address is missing: %+v %v", c, err)
	}
	if c, err := configuredNames(&Options{Listen: "0.0.0.0:8443"}); err != nil || slices.Contains(c.addrs, netip.IPv4Unspecified()) {
		t.Errorf("%+v %v", c, err)
	}
}

// Between the key and the certificate of the CA a crash leaves a key; the CA made from it is the same to a firewall.
func TestCrashBetweenCAKeyAndCertificate(t *testing.T) {
	o, clk, _ := testOptions(t)
	s := mustNew(t, o)
	old := client(t, s)
	if err := os.Remove(filepath.Join(o.StateDir, "ca.crt")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(o.StateDir, "ca.crt.tmp"), []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	clk.move(leafLife)
	next := mustNew(t, o)
	run(t, next)
	next.Publish(entries("192.0.2.1"), clk.now())
	for _, c := range []*http.Client{old, client(t, next)} {
		if a := get(t, c, next); a.status != 200 {
			t.Errorf("%+v", a)
		}
	}
}

func TestCAThatIsNotWholeIsAnErrorThatSaysWhatToDo(t *testing.T) {
	for _, c := range []struct {
		name string
		harm func(t *testing.T, folder string)
		say  string
	}{
		{"key missing", func(t *testing.T, folder string) { remove(t, folder, "ca.key") }, "restore it from a backup"},
		{"key of another CA", func(t *testing.T, folder string) {
			o, _, _ := testOptions(t)
			mustNew(t, o)
			write(t, file(t, o.StateDir, "ca.key"), folder, "ca.key")
		}, "delete both"},
		{"key cut off", func(t *testing.T, folder string) { write(t, file(t, folder, "ca.key")[:40], folder, "ca.key") }, "delete both"},
		{"certificate empty", func(t *testing.T, folder string) { write(t, nil, folder, "ca.crt") }, "delete both"},
		{"certificate of a server", func(t *testing.T, folder string) {
			b := file(t, folder, "server.pem")
			write(t, b, folder, "ca.crt")
			write(t, b, folder, "ca.key")
		}, "not that of a CA"},
		{"certificate unreadable", func(t *testing.T, folder string) {
			remove(t, folder, "ca.crt")
			if err := os.Mkdir(filepath.Join(folder, "ca.crt"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, "not created again"},
		{"key unreadable", func(t *testing.T, folder string) {
			remove(t, folder, "ca.key")
			if err := os.Mkdir(filepath.Join(folder, "ca.key"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, "not created again"},
		{"certificate a pipe", func(t *testing.T, folder string) { pipe(t, folder, "ca.crt") }, "no regular file"},
		{"key a pipe", func(t *testing.T, folder string) { pipe(t, folder, "ca.key") }, "no regular file"},
		{"only a key that is none", func(t *testing.T, folder string) {
			remove(t, folder, "ca.crt")
			write(t, []byte("x"), folder, "ca.key")
		}, "not PEM"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, _, _ := testOptions(t)
			mustNew(t, o)
			c.harm(t, o.StateDir)
			if _, err := newServer(o, defaultLimits(), fewNames); err == nil || !strings.Contains(err.Error(), c.say) {
				t.Errorf("%v; want it to say %q", err, c.say)
			}
		})
	}
}

// pipe puts a pipe in place of a file: nobody ever writes to it.
func pipe(t *testing.T, folder, name string) {
	t.Helper()
	remove(t, folder, name)
	if err := syscall.Mkfifo(filepath.Join(folder, name), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestUnusableServerCertificateIsMadeAgain(t *testing.T) {
	other, _, _ := testOptions(t)
	mustNew(t, other)
	for name, content := range map[string][]byte{"cut off": []byte("-----BEGIN"), "of another CA": file(t, other.StateDir, "server.pem"), "a pipe": nil} {
		o, clk, _ := testOptions(t)
		mustNew(t, o)
		if content == nil {
			pipe(t, o.StateDir, "server.pem")
		} else {
			write(t, content, o.StateDir, "server.pem")
		}
		s := mustNew(t, o)
		run(t, s)
		s.Publish(entries("192.0.2.1"), clk.now())
		if a := get(t, client(t, s), s); a.status != 200 {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestReadableCAKeyIsWarnedOf(t *testing.T) {
	o, _, log := testOptions(t)
	mustNew(t, o)
	if log.count("can be read by other users") != 0 {
		t.Fatal("warned of our own file")
	}
	if err := os.Chmod(filepath.Join(o.StateDir, "ca.key"), 0o640); err != nil {
		t.Fatal(err)
	}
	mustNew(t, o)
	if log.count("can be read by other users") != 1 {
		t.Error("no warning")
	}
}

func remove(t *testing.T, path ...string) {
	t.Helper()
	if err := os.Remove(filepath.Join(path...)); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, b []byte, path ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(path...), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// selfSigned makes an operator's own certificate and key, for these host names or, without any, for 127.0.0.1.
func selfSigned(t *testing.T, serial int64, from, to time.Time, hosts ...string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "own"}, NotBefore: from, NotAfter: to,
		DNSNames: hosts, IsCA: true, BasicConstraintsValid: true,
	}
	if len(hosts) == 0 {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	key, err = keyPEM(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key
}

func ownCertificate(t *testing.T) (Options, *clock, *logText, func(serial int64, from, to time.Duration, hosts ...string)) {
	t.Helper()
	o, clk, log := testOptions(t)
	folder := t.TempDir()
	o.CertFile, o.KeyFile = filepath.Join(folder, "edl.crt"), filepath.Join(folder, "edl.key")
	replace := func(serial int64, from, to time.Duration, hosts ...string) {
		cert, key := selfSigned(t, serial, clk.now().Add(from), clk.now().Add(to), hosts...)
		write(t, cert, o.CertFile)
		write(t, key, o.KeyFile)
		// Some tools give all files the same time.
		for _, path := range []string{o.CertFile, o.KeyFile} {
			if err := os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
				t.Fatal(err)
			}
		}
	}
	replace(1, -time.Hour, 365*24*time.Hour)
	return o, clk, log, replace
}

func TestOwnCertificateIsServedAndReloaded(t *testing.T) {
	o, clk, _, replace := ownCertificate(t)
	l := defaultLimits()
	l.certificates = 10 * time.Millisecond
	s, err := newServer(o, l, fewNames)
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	s.Publish(entries("192.0.2.1"), clk.now())
	if a := get(t, trusting(t, s, o.CertFile), s); a.status != 200 {
		t.Fatalf("%+v", a)
	}
	if st := s.Status(); st.CAFile != "" || !st.CertNotAfter.Equal(clk.now().Add(365*24*time.Hour)) {
		t.Errorf("status %+v", st)
	}
	if _, err := os.Stat(filepath.Join(o.StateDir, "ca.key")); err == nil {
		t.Error("an own CA was made all the same")
	}
	replace(2, -time.Hour, 30*24*time.Hour)
	waitFor(t, "Run to reload the certificate", func() bool { return s.leaf().SerialNumber.Int64() == 2 })
	if a := get(t, trusting(t, s, o.CertFile), s); a.status != 200 {
		t.Fatalf("%+v", a)
	}
}

func TestBrokenReplacementKeepsTheOldCertificate(t *testing.T) {
	o, clk, log, replace := ownCertificate(t)
	s := mustNew(t, o)
	const text = "no new certificate"
	broken := []struct {
		name string
		harm func()
	}{
		{"garbage", func() { write(t, []byte("x"), o.CertFile) }},
		{"half replaced", func() { cert, _ := selfSigned(t, 7, clk.now(), clk.now().Add(time.Hour)); write(t, cert, o.CertFile) }},
		{"ended", func() { replace(8, -2*time.Hour, -time.Hour) }},
		{"not yet valid", func() { replace(9, time.Hour, 2*time.Hour) }},
		{"missing", func() { remove(t, o.CertFile) }},
		{"huge", func() { write(t, make([]byte, 2*maxCertFile), o.CertFile) }},
	}
	for i, c := range broken {
		c.harm()
		for range 3 {
			s.certs.refresh(clk.now())
		}
		if s.leaf().SerialNumber.Int64() != 1 || s.Status().CertError == "" {
			t.Errorf("%s: serial %v, %+v", c.name, s.leaf().SerialNumber, s.Status())
		}
		if n := log.count(text); n != i+1 {
			t.Errorf("%s: logged %d times in all, want %d", c.name, n, i+1)
		}
	}
	replace(10, -time.Hour, 30*24*time.Hour)
	s.certs.refresh(clk.now())
	s.certs.refresh(clk.now())
	if s.leaf().SerialNumber.Int64() != 10 || s.Status().CertError != "" {
		t.Errorf("a good one afterwards: %v, %+v", s.leaf().SerialNumber, s.Status())
	}
}

// The certificate is written before its key, in two steps, with a look after each: nothing of it is served or shouted about
// before the pair is whole.
func TestReplacementThatIsSeenHalfWay(t *testing.T) {
	o, clk, log, _ := ownCertificate(t)
	s := mustNew(t, o)
	cert, key := selfSigned(t, 2, clk.now().Add(-time.Hour), clk.now().Add(30*24*time.Hour))
	for _, step := range []func(){
		func() { write(t, cert[:len(cert)/2], o.CertFile) },
		func() { write(t, cert, o.CertFile) },
		func() { write(t, key, o.KeyFile) },
	} {
		step()
		s.certs.refresh(clk.now())
		if n := s.leaf().SerialNumber.Int64(); n != 1 || s.Status().CertError != "" {
			t.Fatalf("serial %d, %+v", n, s.Status())
		}
	}
	s.certs.refresh(clk.now())
	if n := s.leaf().SerialNumber.Int64(); n != 2 || log.count("no new certificate") != 0 {
		t.Fatalf("serial %d, logged %d times", n, log.count("no new certificate"))
	}
}

func TestEndedOwnCertificateIsNeverShown(t *testing.T) {
	o, clk, log, replace := ownCertificate(t)
	s := mustNew(t, o)
	run(t, s)
	s.Publish(entries("192.0.2.1"), clk.now())
	s.certs.refresh(clk.move(355 * 24 * time.Hour))
	s.certs.refresh(clk.move(time.Hour))
	if log.count("expires soon") != 1 {
		t.Errorf("warned %d times of the end", log.count("expires soon"))
	}
	clk.move(10 * 24 * time.Hour)
	closedWithoutAByte(t, s, "127.0.0.1")
	if st := s.Status(); st.Withheld != 1 || !strings.Contains(st.CertInvalid, "the certificate expired at 2027-03-01") {
		t.Errorf("status %+v", st)
	}
	replace(2, -time.Hour, 90*24*time.Hour)
	s.certs.refresh(clk.now())
	if a := get(t, trusting(t, s, o.CertFile), s); a.status != 200 || s.Status().CertInvalid != "" {
		t.Fatalf("%+v", a)
	}
}

func TestOwnCertificateFaultsAtStart(t *testing.T) {
	o, _, _, _ := ownCertificate(t)
	write(t, []byte("x"), o.KeyFile)
	if _, err := New(o); err == nil || !strings.Contains(err.Error(), o.KeyFile) {
		t.Errorf("a broken key: %v", err)
	}
	remove(t, o.CertFile)
	if _, err := New(o); err == nil || !strings.Contains(err.Error(), o.CertFile) {
		t.Errorf("a missing certificate: %v", err)
	}
}

func TestReadableKeyIsWarnedOf(t *testing.T) {
	o, clk, log, _ := ownCertificate(t)
	if err := os.Chmod(o.KeyFile, 0o640); err != nil {
		t.Fatal(err)
	}
	mustNew(t, o)
	const text = "can be read by every user"
	if log.count(text) != 0 {
		t.Error("warned of a key that a group may read, as certificate tools leave it")
	}
	if err := os.Chmod(o.KeyFile, 0o644); err != nil {
		t.Fatal(err)
	}
	s := mustNew(t, o)
	s.certs.refresh(clk.now())
	if log.count(text) != 1 {
		t.Errorf("warned %d times", log.count(text))
	}
}
