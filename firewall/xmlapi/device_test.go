package xmlapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
)

func ExampleKind() {
	err := fmt.Errorf("while reconciling: %w", &Error{Firewall: "LAB-FW-01", Op: "register 1 address", Kind: KindTimeout, Text: "the request timed out"})
	fmt.Println(Kind(err), Transient(err))
	fmt.Println(err)
	// Output:
	// timeout true
	// while reconciling: firewall LAB-FW-01: register 1 address: the request timed out
}

func TestOpenRefusesWhatCannotWork(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Options)
		text   string // "": it is fine
	}{
		{"as it is", func(*Options) {}, ""},
		{"port and slash", func(o *Options) { o.URL = "https://192.0.2.1:4443/" }, ""},
		{"IPv6", func(o *Options) { o.URL = "https://[2001:db8::1]" }, ""},
		{"path of the API", func(o *Options) { o.URL = "https://fw.example.com/api/" }, ""},
		{"user and password", func(o *Options) { o.APIKey, o.Username, o.Password = "", "svc", "swordfish" }, ""},
		{"no name", func(o *Options) { o.Name = "" }, "name"},
		{"name of two lines", func(o *Options) { o.Name = "a\nb" }, "name"},
		{"no URL", func(o *Options) { o.URL = "" }, "url"},
		{"host alone", func(o *Options) { o.URL = "192.0.2.1" }, "url"},
		{"not a URL", func(o *Options) { o.URL = "https://[::1" }, "url"},
		{"in the clear", func(o *Options) { o.URL = "http://192.0.2.1" }, "https"},
		{"password in the URL", func(o *Options) { o.URL = "https://admin:swordfish@192.0.2.1" }, "url"},
		{"path", func(o *Options) { o.URL = "https://192.0.2.1/php/login" }, "url"},
		{"query", func(o *Options) { o.URL = "https://192.0.2.1/?key=swordfish" }, "url"},
		{"port 0", func(o *Options) { o.URL = "https://192.0.2.1:0" }, "port"},
		{"port too large", func(o *Options) { o.URL = "https://192.0.2.1:65536" }, "port"},
		{"target", func(o *Options) { o.Target = "0123'" }, "target"},
		{"vsys", func(o *Options) { o.VSys = "vsys 1" }, "vsys"},
		{"no key", func(o *Options) { o.APIKey = "" }, "API key"},
		{"user alone", func(o *Options) { o.APIKey, o.Username = "", "svc" }, "API key"},
		{"key with its line end", func(o *Options) { o.APIKey = "swordfish\n" }, "API key"},
		{"CA", func(o *Options) { o.CA = []byte("swordfish") }, "CA"},
		{"timeout", func(o *Options) { o.Timeout = -time.Second }, "timeout"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := Options{Name: "LAB-FW-01", URL: "https://192.0.2.1", APIKey: "swordfish"}
			test.change(&o)
			d, err := Open(o)
			if test.text == "" {
				if err != nil {
					t.Fatal(err)
				}
				d.Close()
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.text) || strings.Contains(err.Error(), "swordfish") {
				t.Errorf("got %v, want something about %q", err, test.text)
			}
		})
	}
}

func TestKindOfForeignErrors(t *testing.T) {
	for _, err := range []error{nil, errors.New("x"), os.ErrNotExist} {
		if Kind(err) != "" || Transient(err) || Rejected(err) {
			t.Errorf("%v: kind %q, transient %v, rejected %v", err, Kind(err), Transient(err), Rejected(err))
		}
	}
}

// What a message holds is at fault only where a firewall refused it for good, and not over the virtual system.
func TestRejected(t *testing.T) {
	for _, test := range []struct {
		kind string
		code int
		want bool
	}{
		{KindAPI, 0, true}, {KindAPI, 12, true}, {KindCapacity, 0, true}, {KindAPI, 17, false}, {KindAPI, 22, false}, {KindCapacity, 11, false},
		{KindAuth, 403, false}, {KindTimeout, 0, false}, {KindBusy, 13, false},
	} {
		if got := Rejected(&Error{Kind: test.kind, Code: test.code}); got != test.want {
			t.Errorf("%s with code %d: %v", test.kind, test.code, got)
		}
	}
}

func TestInfo(t *testing.T) {
	l := newLab(t, func(o *panosim.Options) {
		o.Model, o.Serial, o.Version, o.Hostname, o.VSys = "PA-3220", "012345678901234", "11.1.4-h7", "edge", []string{"vsys1", "vsys2"}
	}, nil)
	if got := l.Info(); got != (Info{}) {
		t.Errorf("before the first call: %+v", got)
	}
	l.identify()
	if got, want := l.Info(), (Info{Model: "PA-3220", Serial: "012345678901234", Version: "11.1.4-h7", Hostname: "edge", ThreatVersion: "8700-8709", MultiVSys: true}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := l.Version(); got != (Version{11, 1, 4}) {
		t.Errorf("version %v", got)
	}
	if l.Name() != "LAB-FW-01" || l.VSys() != "vsys1" || l.Username() != "" || l.Insecure() || l.Requests() != 1 {
		t.Errorf("%s, %s, %q, insecure %v, %d requests", l.Name(), l.VSys(), l.Username(), l.Insecure(), l.Requests())
	}
}

func TestWhatIsNoFirewall(t *testing.T) {
	for name, test := range map[string]struct{ answer, text string }{
		"old":             {strings.Replace(infoAnswer("1", "8.1.19", ""), "PA-3220", "PA-VM", 1), "PAN-OS 8.1.19 does not support timeouts"},
		"Panorama":        {strings.Replace(infoAnswer("1", "10.2.9", ""), "PA-3220", "Panorama", 1), "Panorama"},
		"M-Series":        {strings.Replace(infoAnswer("1", "10.2.9", ""), "PA-3220", "M-600", 1), "Panorama (M-600)"},
		"no PAN-OS":       {`<response status="success"><result><hello/></result></response>`, "names no model"},
		"no version":      {infoAnswer("1", "next", ""), `"next" is not a PAN-OS version`},
		"another message": {`<response status="success"/>`, "names no model"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, always(test.answer))
			wantError(t, s.Identify(t.Context()), KindUnsupported, "show system info", test.text)
			if s.Info() != (Info{}) {
				t.Errorf("taken all the same: %+v", s.Info())
			}
		})
	}
}

// What puts memory in doubt: another device, a new version, a start.
func TestHistory(t *testing.T) {
	serial, version, uptime := "1", "10.2.9", "0 days, 5:00:00"
	s := newScript(t, func(url.Values) string { return infoAnswer(serial, version, uptime) })
	look := func(what string, want History) {
		t.Helper()
		if err := s.Identify(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.History(); got != want {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	look("the first look", History{Updated: 1})
	s.clock.move(time.Hour)
	uptime = "0 days, 6:00:30"
	look("an hour later", History{Updated: 1})
	uptime = "nonsense"
	look("without an uptime", History{Updated: 1})
	uptime = "0 days, 0:10:00"
	look("after a start", History{Updated: 1, Rebooted: 1})
	version = "10.2.10"
	look("after an update", History{Updated: 2, Rebooted: 1})
	serial, uptime = "2", "100 days, 0:00:00"
	look("another device", History{Updated: 3, Rebooted: 1, Replaced: 1})
	uptime = "1 days, 0:00:00"
	look("it starts too", History{Updated: 3, Rebooted: 2, Replaced: 1})
}

func TestParseUptime(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"12 days, 3:04:05": 12*24*time.Hour + 3*time.Hour + 4*time.Minute + 5*time.Second, " 0 days, 0:00:00\n": 0, "": -1, "up": -1, "-1 days, 0:00:00": -1,
	} {
		if got := parseUptime(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestKeyFromUserNameAndPassword(t *testing.T) {
	l := newLab(t, func(o *panosim.Options) { o.Users = map[string]string{"svc": "swordfish"} }, func(o *Options) {
		o.APIKey, o.Username, o.Password = "", "svc", "swordfish"
	})
	logins := func(want int, when string) {
		t.Helper()
		if n := l.sim.Stats().Calls[panosim.KindKeygen]; n != want {
			t.Fatalf("%d logins %s, want %d", n, when, want)
		}
	}
	if key, err := l.MakeKey(t.Context()); err != nil || key == "" {
		t.Fatalf("key %q, %v", key, err)
	}
	l.identify()
	l.identify()
	logins(1, "at first")
	l.sim.RevokeKey()
	l.identify()
	logins(2, "after the key was revoked")
	l.sim.RevokeKey()
	l.sim.SetPassword("svc", "changed")
	for range 5 {
		err := l.Identify(t.Context())
		if Kind(err) != KindAuth || strings.Contains(err.Error(), "swordfish") {
			t.Fatal(err)
		}
	}
	logins(3, "with a wrong password in a row: the administrator would be locked out")
	l.clock.move(lockoutMin + time.Second)
	if err := l.Identify(t.Context()); Kind(err) != KindAuth {
		t.Fatal(err)
	}
	logins(4, "after half a minute")
	l.clock.move(lockoutMin + time.Second)
	if err := l.Identify(t.Context()); Kind(err) != KindAuth || !strings.Contains(err.Error(), "next login attempt after 2026-03-01T12:01:3") {
		t.Fatal(err)
	}
	logins(4, "while the wait has doubled")
	l.sim.SetPassword("svc", "swordfish")
	l.clock.move(lockoutMin)
	l.identify()
	if l.Username() != "svc" {
		t.Errorf("logs in as %q", l.Username())
	}
}

func TestLockoutDoublesUpToAnEnd(t *testing.T) {
	var l lockout
	now := newClock().now
	for _, want := range []time.Duration{lockoutMin, 2 * lockoutMin, 4 * lockoutMin} {
		if l.failedAt(now, &Error{}); l.next.Sub(now) != want {
			t.Errorf("waits %v, want %v", l.next.Sub(now), want)
		}
	}
	for range 20 {
		l.failedAt(now, &Error{})
	}
	if l.next.Sub(now) != lockoutMax {
		t.Errorf("waits %v, want %v", l.next.Sub(now), lockoutMax)
	}
}

func TestAnswersWithoutAKey(t *testing.T) {
	for _, body := range []string{`<response status="success"><result/></response>`, `<response status="success"><result><key>a b</key></result></response>`} {
		s := newScript(t, always(body))
		s.conn.key, s.conn.opts.Username, s.conn.opts.Password = "", "svc", "swordfish"
		_, err := s.MakeKey(t.Context())
		wantError(t, err, KindMalformed, "log in as svc", "contains no API key")
	}
}

// Members of one connection share its key and its bound on calls, and end for themselves.
func TestSiblings(t *testing.T) {
	l := newLab(t, func(o *panosim.Options) { o.VSys = []string{"vsys1", "vsys2"} }, nil)
	second, err := l.Sibling(Options{Name: "second", VSys: "vsys2"})
	if err != nil {
		t.Fatal(err)
	}
	twin, err := l.Clone()
	if err != nil {
		t.Fatal(err)
	}
	if twin.Name() != l.Name() || twin.VSys() != l.VSys() || second.VSys() != "vsys2" {
		t.Errorf("clone %s of %s, sibling in %s", twin.Name(), twin.VSys(), second.VSys())
	}
	if _, err := l.Sibling(Options{Name: "", VSys: "vsys2"}); err == nil {
		t.Error("a sibling without a name")
	}
	second.Close()
	if err := second.Identify(t.Context()); Kind(err) != KindCanceled || !strings.HasPrefix(err.Error(), "firewall second: ") {
		t.Errorf("after it was closed: %v", err)
	}
	for _, d := range []*Device{l.Device, twin} {
		if err := d.Identify(t.Context()); err != nil {
			t.Errorf("beside a closed one: %v", err)
		}
	}
}

func TestCertificates(t *testing.T) {
	l := newLab(t, nil, nil)
	other := newLab(t, nil, nil)
	l.opts.CA = other.sim.CA()
	l.reopen()
	if err := l.Identify(t.Context()); Kind(err) != KindTLS {
		t.Errorf("the certificate of another authority: %v", err)
	}
	if n := len(l.sim.Stats().Calls); n != 0 {
		t.Errorf("%d calls were made over a connection that does not verify", n)
	}
	l.opts.InsecureSkipVerify = true
	l.reopen()
	l.identify()
	if !l.Insecure() {
		t.Error("it does not say that nothing is verified")
	}
}

func TestKindsOfTrouble(t *testing.T) {
	fault := func(f panosim.Fault) func(*lab) { return func(l *lab) { l.sim.SetFault(f) } }
	tests := []struct {
		name      string
		trouble   func(*lab)
		kind      string
		transient bool
		text      string
	}{
		{"gone", func(l *lab) { l.sim.Close() }, KindUnreachable, true, "refused"},
		{"reset", fault(panosim.Fault{Effect: panosim.Reset}), KindUnreachable, true, ""},
		{"hangs", fault(panosim.Fault{Effect: panosim.Hang}), KindTimeout, true, "the request timed out"},
		{"503", fault(panosim.Fault{Effect: panosim.HTML}), KindHTTP, true, "503"},
		{"404", fault(panosim.Fault{Effect: panosim.HTML, Status: 404}), KindHTTP, false, "404"},
		{"HTML with 200", fault(panosim.Fault{Effect: panosim.HTML, Status: 200}), KindMalformed, true, "html"},
		{"empty", fault(panosim.Fault{Effect: panosim.Empty}), KindMalformed, true, "empty"},
		{"broken off", fault(panosim.Fault{Effect: panosim.Break}), KindMalformed, true, "the response was truncated"},
		{"session timeout", fault(panosim.Fault{Effect: panosim.SessionTimeout}), KindAPI, true, "Session timed out (code 22)"},
		{"just started", fault(panosim.Fault{Effect: panosim.Forbidden}), KindAuth, false, "Invalid Credential"},
		{"role", func(l *lab) { l.sim.Deny("op") }, KindRole, false, ""},
		{"canceled", func(*lab) {}, KindCanceled, true, "canceled"},
		{"closed", func(l *lab) { l.Close() }, KindCanceled, true, "closed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t, nil, func(o *Options) {
				if test.kind == KindTimeout {
					o.Timeout = 200 * time.Millisecond
				}
			})
			test.trouble(l)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if test.name == "canceled" {
				cancel()
			}
			err := l.Identify(ctx)
			wantError(t, err, test.kind, "show system info", test.text)
			if Transient(err) != test.transient || strings.Contains(err.Error(), l.opts.APIKey) {
				t.Errorf("transient %v: %v", Transient(err), err)
			}
		})
	}
}

func TestContextEndsACall(t *testing.T) {
	l := newLab(t, nil, func(o *Options) { o.Timeout = time.Minute })
	l.sim.SetFault(panosim.Fault{Effect: panosim.Hang})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	err := l.Identify(ctx)
	if Kind(err) != KindTimeout || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 10*time.Second {
		t.Fatalf("after %v: %v", time.Since(began), err)
	}
}

// The global log belongs to whoever runs us; pango and net/http write to it if they are let.
func TestNothingIsLogged(t *testing.T) {
	var out bytes.Buffer
	before := log.Writer()
	log.SetOutput(&out)
	defer log.SetOutput(before)
	l := newLab(t, func(o *panosim.Options) { o.Users = map[string]string{"svc": "swordfish"} }, func(o *Options) {
		o.APIKey, o.Username, o.Password = "", "svc", "swordfish"
	})
	l.identify()
	l.sim.SetFault(panosim.Fault{Effect: panosim.Garbage})
	if err := l.Identify(t.Context()); err == nil {
		t.Fatal("no error")
	}
	if out.Len() > 0 {
		t.Errorf("logged: %s", &out)
	}
}

// A key that the firewall gives as it stands in an address, or that was kept so, is sent as it is.
func TestAKeyThatIsEscaped(t *testing.T) {
	l := newLab(t, func(o *panosim.Options) {
		o.APIKey, o.Dialect = "LUFRPT1+a/b+c==", dialect.Dialect{Keygen: dialect.KeygenEscaped}
	}, func(o *Options) {
		o.APIKey = "LUFRPT1%2Ba%2Fb%2Bc%3D%3D"
	})
	l.identify()
	if key, ok := parseKey([]byte(`<response status = 'success'><result><key>LUFRPT1%2Ba%2Fb%2Bc%3D%3D</key></result></response>`)); !ok || key != l.sim.Key() {
		t.Errorf("read %s", key)
	}
	l = newLab(t, func(o *panosim.Options) { o.Dialect = dialect.Dialect{Keygen: dialect.KeygenEscaped} }, func(o *Options) {
		o.APIKey, o.Username, o.Password = "", svc, "secret"
	})
	l.sim.SetPassword(svc, "secret")
	l.identify()
}

// What one device of a firewall does alone no other of the same firewall does meanwhile, and those of others are not held up.
func TestAlone(t *testing.T) {
	d, err := Open(Options{Name: "fw1", URL: "https://192.0.2.1", APIKey: "k", VSys: "vsys1"})
	if err != nil {
		t.Fatal(err)
	}
	same, err := d.Sibling(Options{Name: "fw1", VSys: "vsys2"})
	if err != nil {
		t.Fatal(err)
	}
	other, err := d.Sibling(Options{Name: "fw2", VSys: "vsys1", Target: "007200001057"})
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	did := ""
	do := func(what string) func() error { return func() error { did += what; return nil } }
	err = d.Alone(t.Context(), "fetch", func() error {
		if err := same.Alone(ended, "fetch", do("same ")); Kind(err) != KindCanceled {
			t.Errorf("beside it: %v", err)
		}
		return other.Alone(t.Context(), "fetch", do("other "))
	})
	if err == nil {
		err = same.Alone(t.Context(), "fetch", do("afterwards"))
	}
	if err != nil || did != "other afterwards" {
		t.Errorf("done is %q, %v", did, err)
	}
}

// The key is the one that its file holds when a call is made. One that the firewall refuses gives way to the one before, which stays until the file
// holds another; and one that was replaced while the call was under way is followed in the same call.
func TestAKeyIsRenewedFromItsFile(t *testing.T) {
	l := newLab(t, nil, nil)
	read := func(holds ...string) func() string {
		return func() string {
			key := holds[0]
			if len(holds) > 1 {
				holds = holds[1:]
			}
			return key
		}
	}
	old := l.sim.Key()
	for _, c := range []struct {
		name            string
		before          func()
		holds           func() []string
		refused         int // calls of the two below
		fails, keptBack bool
	}{
		{"the same", nil, func() []string { return []string{old} }, 0, false, false},
		{"one that is wrong", nil, func() []string { return []string{"half-writ"} }, 1, false, true},
		{"nothing that can be used", nil, func() []string { return []string{""} }, 0, false, true},
		{"the right one again", nil, func() []string { return []string{old} }, 0, false, false},
		{"a new one, escaped", l.sim.RevokeKey, func() []string { return []string{url.QueryEscape(l.sim.Key())} }, 0, false, false},
		{"a new one, written while the call was under way", l.sim.RevokeKey, func() []string { return []string{"", l.sim.Key()} }, 1, false, false},
		{"none that is right", l.sim.RevokeKey, func() []string { return []string{"wrong"} }, 4, true, false},
		{"a right one after that", nil, func() []string { return []string{l.sim.Key()} }, 0, false, false},
	} {
		if c.before != nil {
			c.before()
		}
		l.conn.keys.read = read(c.holds()...)
		l.sim.ResetStats()
		for _, err := range []error{l.Identify(t.Context()), func() error { _, err := l.Show(t.Context(), "read", SharedPath); return err }()} {
			if (Kind(err) == KindAuth) != c.fails || !c.fails && err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		if n := l.sim.Stats().Refused; n != c.refused || KeyRefused(l.Device) != c.keptBack {
			t.Errorf("%s: %d were refused, kept back %v", c.name, n, KeyRefused(l.Device))
		}
	}
}

// What the firewall shows is known from the connection: when the first ends of what it is trusted by.
func TestTheCertificateThatWasShown(t *testing.T) {
	l := newLab(t, nil, nil)
	if c := CertificateOf(l.Device); !c.Ends.IsZero() {
		t.Errorf("before any connection: %+v", c)
	}
	l.identify()
	first := CertificateOf(l.Device)
	if left := time.Until(first.Ends); left < 364*24*time.Hour || left > 366*24*time.Hour || first.Name == "" {
		t.Errorf("%+v", first)
	}
	l.opts.InsecureSkipVerify = true
	l.reopen()
	if err := l.sim.SetCertificate(panosim.CertificateExpired); err != nil {
		t.Fatal(err)
	}
	l.identify()
	if c := CertificateOf(l.Device); time.Since(c.Ends) < 0 || time.Since(c.Ends) > 2*time.Hour {
		t.Errorf("one that is not verified: %+v", c)
	}
	if err := l.sim.SetCertificate(panosim.CertificateValid); err != nil {
		t.Fatal(err)
	}
	Reconnect(l.Device)
	l.identify()
	if c := CertificateOf(l.Device); !c.Ends.Equal(first.Ends) {
		t.Errorf("a new one: %+v", c)
	}
}
