package enforce

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"activedefense/config"
	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/policy"
	"activedefense/firewall/xmlapi"
)

// rewrite has a file hold something else, as an editor does or, in place, as a shell.
func rewrite(t *testing.T, path, content string, inPlace bool) {
	t.Helper()
	name := path
	if !inPlace {
		name = path + ".new"
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if inPlace {
		return
	}
	if err := os.Rename(name, path); err != nil {
		t.Fatal(err)
	}
}

// A key is renewed by its file while the agent runs: one that is half-written, gone or wrong costs nothing and is told, and when the firewall has
// refused the old one, the new one brings it level at once.
func TestAKeyIsRenewedWithoutARestart(t *testing.T) {
	f := newFleetTest(t)
	sim := f.add("fw1", firewall.ModeTag, panosim.Options{Now: f.clock.now})
	file := filepath.Join(t.TempDir(), "fw1.key")
	f.cfg.Firewalls[0].APIKeyFile = file
	rewrite(t, file, sim.Key()+"\n", true)
	e := f.new().Enforcers[0]
	pass := func(version int64) error {
		t.Helper()
		f.block(version, "203.0.113.1/32")
		_, err := e.passOnce(t.Context(), true)
		return err
	}
	woken := func() bool {
		select {
		case <-e.returned:
			return true
		default:
			return false
		}
	}
	for i, c := range []struct {
		name    string
		change  func()
		kind    string // of the pass's error
		wakes   bool
		fault   string
		refused bool
		logged  string
	}{
		{"as it was", func() {}, "", false, "", false, ""},
		{"it was emptied", func() { rewrite(t, file, "", true) }, "", false, "is empty", false, "the one that it held is used: it is empty"},
		{"half of it is written", func() { rewrite(t, file, sim.Key()[:9], true) }, "", true, "", true, "the firewall refuses the key in its file"},
		{"all of it is", func() { rewrite(t, file, sim.Key(), true) }, "", true, "", false, "the firewall takes the key in its file"},
		{"it is deleted", func() { _ = os.Remove(file) }, "", false, "no such file", false, "holds no key"},
		{"the key is revoked", sim.RevokeKey, xmlapi.KindAuth, false, "no such file", false, ""},
		{"the new one is there", func() { rewrite(t, file, sim.Key(), false) }, "", true, "", false, "holds another API key"},
		{"another is there when the old one is revoked", func() {
			sim.RevokeKey()
			rewrite(t, file, sim.Key(), false)
		}, "", true, "", false, "holds another API key"},
	} {
		before := len(f.log.text())
		c.change()
		e.lookAtKeys()
		if woken() != c.wakes {
			t.Errorf("%s: woken %v", c.name, !c.wakes)
		}
		if err := pass(int64(i + 2)); xmlapi.Kind(err) != c.kind {
			t.Errorf("%s: %v", c.name, err)
		}
		e.lookAtKeys()
		if e.ways[0].file.read() == "" {
			t.Errorf("%s: the file gives no key", c.name)
		}
		s := e.Status().Access[0]
		if !strings.Contains(s.KeyFault, c.fault) || (s.KeyFault == "") != (c.fault == "") || (s.KeyFaultSince == nil) != (c.fault == "") || (s.KeyRefused != nil) != c.refused || (s.KeyMade == nil) != c.refused {
			t.Errorf("%s: %+v", c.name, s)
		}
		if said := f.log.text()[before:]; !strings.Contains(said, c.logged) || c.refused && strings.Contains(said, "used from now on") || strings.Contains(said, sim.Key()) {
			t.Errorf("%s: logged %s", c.name, said)
		}
	}
}

// Each member of a pair may have a key of its own.
func TestThePeerHasAKeyOfItsOwn(t *testing.T) {
	one, other := startSim(t, panosim.Options{}), startSim(t, panosim.Options{})
	fw := entryFor("fw1", firewall.ModeTag, one)
	fw.CA = append(fw.CA, other.CA()...)
	fw.PeerURL, fw.PeerAPIKeyFile, fw.PeerAPIKey = other.URL(), writeFile(t, "peer.key", []byte(other.Key())), config.Secret(other.Key())
	open := newDevices("test", NewCalls(), time.Now)
	members, err := open.pair(fw)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range members {
		t.Cleanup(d.Close)
		if err := d.Identify(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if open.ways["fw1"].file != nil || open.ways["fw1 (peer)"].file.path != fw.PeerAPIKeyFile {
		t.Error("their files are mixed up")
	}
}

// What is known of when a key ends: its file tells when it was made, the firewall how long it lasts.
func TestWhenAKeyEndsIsKnownFromItsFileAndTheFirewall(t *testing.T) {
	f := newFleetTest(t)
	sim := f.add("fw1", firewall.ModeTag, panosim.Options{Now: f.clock.now, Config: `<config version="10.2.0"><devices><entry name="localhost.localdomain"><deviceconfig><setting><management><api><key>` +
		`<lifetime>1440</lifetime></key></api></management></setting></deviceconfig><vsys><entry name="vsys1"/></vsys></entry></devices></config>`})
	file := writeFile(t, "fw1.key", []byte(sim.Key()))
	made := f.clock.now().Add(-23 * time.Hour)
	if err := os.Chtimes(file, made, made); err != nil {
		t.Fatal(err)
	}
	f.cfg.Firewalls[0].APIKeyFile = file
	fleet := f.new()
	way := func() Access { return fleet.Enforcers[0].Status().Access[0] }
	if s := way(); s.Key != KeyUnknown || s.KeyEnds != nil || s.KeyFile != file {
		t.Errorf("before the firewall was asked: %+v", s)
	}
	fleet.Watchers[0].verifyOnce(t.Context())
	if s := way(); s.Key != KeyLimited || s.KeyEnds == nil || !s.KeyEnds.Equal(made.Add(24*time.Hour)) || s.CertificateEnds == nil {
		t.Errorf("afterwards: %+v", s)
	}
	if c := found(fleet.Watchers[0].Status().Checks, "fw1", policy.CheckAPI); c.Result != policy.ResultWarn || !strings.Contains(c.Detail, file) || !strings.Contains(c.Remedy, "keygen --force "+file) {
		t.Errorf("%+v", c)
	}
	checks, err := Verify(t.Context(), f.cfg, VerifyOptions{})
	if c := found(checks, "fw1", policy.CheckAPI); err != nil || !strings.Contains(c.Detail, file) {
		t.Errorf("the command: %+v, %v", c, err)
	}
}
