package xmlapi

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/traffic"
)

func TestKeyTravelsInTheHeaderOnly(t *testing.T) {
	s := newScript(t, always(success))
	s.transport.agent, s.transport.target = "activedefense/test", "012801000001"
	base := s.transport.try.base
	seen := 0
	s.transport.try.base = roundTripper(func(r *http.Request) (*http.Response, error) {
		seen++
		if r.Header.Get("X-PAN-KEY") != "swordfish" || r.Header.Get("User-Agent") != "activedefense/test" {
			t.Errorf("headers %v", r.Header)
		}
		if strings.Contains(r.URL.String(), "swordfish") {
			t.Errorf("the key is in %s", r.URL)
		}
		return base.RoundTrip(r)
	})
	if _, err := s.Op(t.Context(), "test", "ask", "<show></show>"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "ask", "/config"); err != nil {
		t.Fatal(err)
	}
	for _, form := range s.calls {
		if form.Has("key") || strings.Contains(form.Encode(), "swordfish") || form.Get("target") != "012801000001" {
			t.Errorf("the form %v", form)
		}
	}
	if seen != 2 || len(s.calls) != 2 || s.calls[0].Get("vsys") != "vsys1" {
		t.Errorf("%d requests: %v", seen, s.calls)
	}
}

func TestSecretsEchoedByTheFirewall(t *testing.T) {
	l := newLab(t, nil, nil)
	key := l.sim.Key()
	s := newScript(t, always(`<response status="error" code="17"><msg><line>bad call key=`+url.QueryEscape(key)+` `+strings.ReplaceAll(key, "&", "&amp;")+` for svc:p&amp;ss w/rd! (p%26ss+w%2Frd%21)</line></msg></response>`))
	s.conn.secrets.add(key)
	s.conn.secrets.add("p&ss w/rd!")
	_, err := s.Op(t.Context(), "test", "ask", "<show></show>")
	if err == nil {
		t.Fatal("no error")
	}
	for _, secret := range []string{key, url.QueryEscape(key), "p&ss", "p%26ss"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%q is in %q", secret, err)
		}
	}
	wantError(t, err, KindAPI, "ask", "bad call key=[redacted]")
	if got := s.Tidy("two\nlines of " + key); got != "two lines of [redacted]" {
		t.Errorf("tidied to %q", got)
	}
}

func TestTextIsBounded(t *testing.T) {
	if got := Tidy(strings.Repeat("ü", maxText)); len(got) > maxText+3 || !strings.HasSuffix(got, "...") || strings.ContainsRune(got, '\uFFFD') {
		t.Errorf("%d bytes: %q", len(got), got[len(got)-8:])
	}
}

// OnCall is told of every call, with its kind; that something is not there is no failure.
func TestOnCall(t *testing.T) {
	var got []string
	answer := success
	s := newScript(t, func(url.Values) string { return answer })
	s.opts.OnCall = func(kind string, took time.Duration, err error) {
		got = append(got, fmt.Sprint(kind, " ", err == nil))
		if took < 0 || took > time.Minute {
			t.Errorf("%s took %v", kind, took)
		}
	}
	_, _ = s.Op(t.Context(), "ours", "ask", "<show></show>")
	answer = refused("No such node")
	_, _ = s.Show(t.Context(), "ask", "/config")
	_ = s.Edit(t.Context(), "delete it", []Edit{Delete("/config/x")})
	answer = refused("it is malformed")
	_, _ = s.Show(t.Context(), "ask", "/config")
	if want := "[ours true config true config true config false]"; fmt.Sprint(got) != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
}

// An answer with a result for each address is the caller's, unless it is about rights; without one it is judged as any.
func TestUserID(t *testing.T) {
	perAddress := `<response status="error"><msg><line><uid-response><payload><register><entry ip="192.0.2.1" message="x"/></register></payload></uid-response></line></msg></response>`
	for body, kind := range map[string]string{
		success: "", perAddress: "", strings.Replace(perAddress, `"error"`, `"unauth"`, 1): KindRole, refused("uid-message: payload is malformed"): KindAPI,
	} {
		s := newScript(t, always(body))
		got, err := s.UserID(t.Context(), "register", "register 1 address", "<uid-message/>")
		if Kind(err) != kind || kind == "" && string(got) != body {
			t.Errorf("%s: %q, %v", body, got, err)
		}
		if s.calls[0].Get("type") != "user-id" || s.calls[0].Get("cmd") != "<uid-message/>" || s.calls[0].Get("vsys") != "vsys1" {
			t.Errorf("sent %v", s.calls[0])
		}
	}
	s := newScript(t, always(perAddress))
	wantError(t, s.TryUserID(t.Context(), "rights", "try it"), KindAPI, "try it", "without a message")
	if cmd := s.calls[0].Get("cmd"); !strings.Contains(cmd, "<register></register>") || strings.Contains(cmd, "entry") {
		t.Errorf("to try a right it sent %s", cmd)
	}
}

// In a firewall with several virtual systems the session's setting is made first, by one device of a connection at a time.
func TestInVSys(t *testing.T) {
	l := newLab(t, func(o *panosim.Options) { o.VSys = []string{"vsys1", "vsys2"} }, nil)
	l.identify()
	other, err := l.Sibling(Options{Name: "second", VSys: "vsys2"})
	if err == nil {
		err = other.Identify(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	entered, second := make(chan struct{}), make(chan error)
	go func() {
		<-entered
		second <- other.InVSys(t.Context(), "list", func() error { order = append(order, "second"); return nil })
	}()
	err = l.InVSys(t.Context(), "list", func() error {
		close(entered)
		for range 20 { // it has every chance to come in between
			if err := l.Identify(t.Context()); err != nil {
				return err
			}
		}
		order = append(order, "first")
		return nil
	})
	if e := <-second; err != nil || e != nil || fmt.Sprint(order) != "[first second]" {
		t.Errorf("%v, %v, order %v", err, e, order)
	}
	if n := l.sim.Stats().Calls[panosim.KindTargetVSys]; n != 2 {
		t.Errorf("the setting was made %d times", n)
	}
	l.conn.chosen <- struct{}{} // somebody else's turn, for ever
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	wantError(t, l.InVSys(ctx, "list", func() error { t.Error("done all the same"); return nil }), KindTimeout, "select vsys1", "")
	<-l.conn.chosen
	l.sim.Deny("op")
	if err := l.InVSys(t.Context(), "list", func() error { t.Error("done all the same"); return nil }); Kind(err) != KindRole {
		t.Errorf("without the right: %v", err)
	}
	single := newScript(t, always(success))
	if err := single.InVSys(t.Context(), "list", func() error { return nil }); err != nil || len(single.calls) != 0 {
		t.Errorf("with one virtual system: %v, %v", err, single.calls)
	}
}

func TestClearSessionsOfOneSource(t *testing.T) {
	const allow = `<rulebase><security><rules><entry name="web"><from><member>any</member></from><to><member>any</member></to><source><member>any</member></source>` +
		`<destination><member>any</member></destination><application><member>any</member></application><service><member>any</member></service><action>allow</action></entry></rules></security></rulebase>`
	l := newLab(t, func(o *panosim.Options) {
		o.Config = `<config version="10.2.0"><shared/><devices><entry name="localhost.localdomain"><vsys><entry name="vsys1">` + allow + `</entry></vsys></entry></devices></config>`
	}, nil)
	open := func(source string) uint32 {
		v := l.sim.Traffic().Packet(traffic.Packet{From: "untrust", To: "dmz", Source: netip.MustParseAddr(source), Destination: netip.MustParseAddr("198.51.100.7"),
			SourcePort: 40000, DestinationPort: 443})
		if !v.Allowed {
			t.Fatalf("the packet from %s is not allowed: %+v", source, v)
		}
		return v.Session
	}
	open("203.0.113.1")
	open("203.0.113.1")
	stays := []uint32{open("203.0.113.10"), open("203.0.113.2")}
	if err := l.ClearSessions(t.Context(), netip.MustParseAddr("::ffff:203.0.113.1")); err != nil {
		t.Fatal(err)
	}
	if got := l.sim.Traffic().Sessions(); !slices.Equal(got, stays) {
		t.Errorf("sessions %v stand, want those of the other sources, %v", got, stays)
	}
	for _, bad := range []netip.Addr{{}, netip.IPv4Unspecified(), netip.IPv6Unspecified(), netip.MustParseAddr("fe80::1%eth0")} {
		if err := l.ClearSessions(t.Context(), bad); Kind(err) != KindUnsupported {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if got := l.sim.Traffic().Sessions(); len(got) != 2 {
		t.Errorf("what names no source has ended sessions: %v stand", got)
	}
	unknown := newScript(t, always(refused("no")))
	if err := unknown.ClearSessions(t.Context(), netip.MustParseAddr("203.0.113.1")); Kind(err) != KindAPI || len(unknown.calls) != 1 {
		t.Errorf("on a firewall that does not say what it is: %v, %v", err, unknown.calls)
	}
}
