package panosim

import (
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"activedefense/firewall/panosim/traffic"
)

// step ends a phase and expects the next one.
func (r *Restart) expectNext(t *testing.T, want Phase) {
	t.Helper()
	if got, err := r.Next(); err != nil || got != want || r.Phase() != want {
		t.Fatalf("next phase: %v, error %v; want %v", got, err, want)
	}
}

func TestRestartByHand(t *testing.T) {
	s := start(t, Options{})
	p := newPeer(t, s)
	p.uid(`<register>` + tags("192.0.2.1", "a") + `<entry ip="192.0.2.2" persistent="0"><tag><member>a</member></tag></entry></register>`)
	r := s.Restart(RestartOptions{})
	p.http.CloseIdleConnections()
	if _, err := p.try(registerForm(s)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("down: %v", err)
	}
	expect(t, "registered while down", standing(s, "192.0.2.1", "192.0.2.2"), "192.0.2.1:a 192.0.2.2:a")
	r.expectNext(t, PhaseGateway)
	expect(t, "registered when it has started", standing(s, "192.0.2.1"), "192.0.2.1:a")
	for _, want := range []int{502, 503, 502} {
		if got := p.post(registerForm(s)); got.status != want || !strings.HasPrefix(got.body, "<html>") {
			t.Errorf("gateway: %+v, want %d", got, want)
		}
	}
	r.expectNext(t, PhaseLocked)
	if got := p.post(registerForm(s)); got.status != 403 || got.body != invalidCredential {
		t.Errorf("locked: %+v", got)
	}
	select {
	case <-r.Done():
		t.Error("done before it is up")
	default:
	}
	r.expectNext(t, PhaseUp)
	<-r.Done()
	expect(t, "registered after the restart", standing(s, "192.0.2.1"), "192.0.2.1:a")
	if got := p.op(showInfo); !strings.Contains(got, "success") {
		t.Errorf("up: %s", got)
	}
	if _, err := r.Next(); err == nil {
		t.Error("a restart that is over goes on")
	}
}

func TestAFirewallThatIsDownForwardsNothing(t *testing.T) {
	s := start(t, Options{})
	expect(t, "up", s.Traffic().Packet(inbound("192.0.2.1")).Rule, "interzone-default")
	r := s.Restart(RestartOptions{})
	if got := s.Traffic().Packet(inbound("192.0.2.1")); got != (traffic.Verdict{}) {
		t.Errorf("down: %+v", got)
	}
	r.expectNext(t, PhaseGateway)
	expect(t, "started", s.Traffic().Packet(inbound("192.0.2.1")).Rule, "interzone-default")
	// The management address alone is away.
	s.Down()
	expect(t, "without management", s.Traffic().Packet(inbound("192.0.2.1")).Rule, "interzone-default")
	p := panorama(t, PanoramaOptions{Options: Options{Config: deviceConfig("", "", "")}})
	if got := p.Traffic().Packet(inbound("192.0.2.1")); got != (traffic.Verdict{}) {
		t.Errorf("a Panorama: %+v", got)
	}
}

func TestRestartByTheClock(t *testing.T) {
	s := start(t, Options{})
	p := newPeer(t, s)
	began := time.Now()
	r := s.Restart(RestartOptions{Down: 10 * time.Millisecond, Gateway: 10 * time.Millisecond, Locked: 10 * time.Millisecond})
	<-r.Done()
	if took := time.Since(began); took < 30*time.Millisecond {
		t.Errorf("up after %v", took)
	}
	if got := p.op(showInfo); !strings.Contains(got, "success") || r.Phase() != PhaseUp {
		t.Errorf("up: %s, %v", got, r.Phase())
	}
	// A firewall that is closed while it restarts leaves nothing running.
	s.Restart(RestartOptions{Down: time.Hour})
	s.Close()
}

func TestRestartWaitsForItsPort(t *testing.T) {
	s := start(t, Options{})
	r := s.Restart(RestartOptions{Down: 20 * time.Millisecond, Gateway: time.Millisecond, Locked: time.Millisecond})
	other, err := net.Listen("tcp", s.server.address)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the firewall wants its port", func() bool { return r.Phase() == PhaseGateway })
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-r.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("a restart that found its port taken never ends")
	}
	if got := newPeer(t, s).op(showInfo); !strings.Contains(got, "success") {
		t.Errorf("up: %s", got)
	}
}

func TestRestartDuringARestart(t *testing.T) {
	s := start(t, Options{})
	first := s.Restart(RestartOptions{})
	first.expectNext(t, PhaseGateway)
	second := s.Restart(RestartOptions{})
	<-first.Done()
	if _, err := first.Next(); err == nil {
		t.Error("the first restart goes on")
	}
	if got := second.Phase(); got != PhaseDown {
		t.Errorf("phase %v", got)
	}
	for _, want := range []Phase{PhaseGateway, PhaseLocked, PhaseUp} {
		second.expectNext(t, want)
	}
}

func TestCertificates(t *testing.T) {
	s := start(t, Options{})
	for which, wrong := range map[Certificate]func(error) bool{
		CertificateExpired: func(err error) bool {
			var invalid x509.CertificateInvalidError
			return errors.As(err, &invalid) && invalid.Reason == x509.Expired
		},
		CertificateOtherName: func(err error) bool { return errors.As(err, new(x509.HostnameError)) },
		CertificateStranger:  func(err error) bool { return errors.As(err, new(x509.UnknownAuthorityError)) },
		CertificateValid:     func(err error) bool { return err == nil },
	} {
		if err := s.SetCertificate(which); err != nil {
			t.Fatal(err)
		}
		// A new client: what was verified in a handshake before stays verified.
		if _, err := newPeer(t, s).try(registerForm(s)); !wrong(err) {
			t.Errorf("certificate %d: error %v", which, err)
		}
	}
}

func TestListenAddress(t *testing.T) {
	s := start(t, Options{Listen: "0.0.0.0:0"})
	if !strings.HasPrefix(s.URL(), "https://127.0.0.1:") {
		t.Errorf("URL %s", s.URL())
	}
	if got := newPeer(t, s).op(showInfo); !strings.Contains(got, "success") {
		t.Errorf("every interface: %s", got)
	}
	six := start(t, Options{Listen: "[::1]:0"})
	if got := newPeer(t, six).send("GET", "/", http.Header{}, ""); got.status != 404 {
		t.Errorf("%s: %+v", six.URL(), got)
	}
	for _, address := range []string{"127.0.0.1", "192.0.2.1:x", s.server.address} {
		if other, err := Start(Options{Listen: address}); err == nil {
			other.Close()
			t.Errorf("listens at %s", address)
		}
	}
}
